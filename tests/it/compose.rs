//! The files for containers and the README, as far as they can be judged by reading: they agree with each
//! other and with what the program knows.

use std::{fs, path::Path};

use bienvenue::config::Settings;
use clap::Args as _;
use macro_rules_attribute::apply;
use serde_json::Value;

use crate::support::{Program, once};

const DOCKERFILE: &str = include_str!("../../Dockerfile");
const ON_POSTGRES: &str = include_str!("../../docker-compose.yml");
const ON_SQLITE: &str = include_str!("../../docker-compose.sqlite.yml");

fn services(compose: &str) -> Value {
    let compose: Value = serde_yaml::from_str(compose).expect("YAML");
    compose["services"].clone()
}

/// The lines of the Dockerfile that begin with a word, without it; those that go on, whole.
fn instructions(word: &str) -> Vec<String> {
    let joined = DOCKERFILE.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix(word));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The variables that the image sets, with their values.
fn image_environment() -> Vec<(String, String)> {
    let all = instructions("ENV ").join(" ");
    let pairs = all
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[apply(once)]
async fn every_variable_is_a_setting() {
    let command = Settings::augment_args(clap::Command::new("serve"));
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str())
        .collect();
    let mut used: Vec<String> = image_environment()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for compose in [ON_POSTGRES, ON_SQLITE] {
        let environment = &services(compose)["bienvenue"]["environment"];
        used.extend(
            environment
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
    }
    assert!(used.len() >= 4, "{used:?}");
    for name in used {
        assert!(known.contains(&name.as_str()), "{name} is no setting");
    }
}

#[apply(once)]
async fn the_readme_lists_every_setting_with_its_default() {
    let readme = include_str!("../../README.md");
    let command = Settings::augment_args(clap::Command::new("serve"));
    for argument in command.get_arguments() {
        let variable = argument
            .get_env()
            .and_then(|name| name.to_str())
            .expect("every flag has one");
        let default = argument
            .get_default_values()
            .first()
            .and_then(|value| value.to_str())
            .map_or("none".to_owned(), |value| format!("`{value}`"));
        let row = format!("| `{variable}` | {default} |");
        assert!(readme.contains(&row), "the README lacks {row}");
    }
}

#[apply(once)]
async fn the_readme_and_the_help_list_the_settings_and_nothing_else() {
    let readme = include_str!("../../README.md");
    let (_, help, _) = Program::run(&["serve", "--help"], &[]);
    let command = Settings::augment_args(clap::Command::new("serve"));
    let mut settings = Vec::new();
    for argument in command.get_arguments() {
        let variable = argument.get_env().and_then(|name| name.to_str());
        let variable = variable.expect("every flag has one");
        let flag = argument.get_long().expect("every setting has one");
        let default = argument.get_default_values().first();
        // What follows a flag in the help, up to the next one.
        let (_, described) = help
            .split_once(&format!("--{flag} <"))
            .expect("it is there");
        let described = described.split("\n      --").next().unwrap_or_default();
        assert!(
            described.contains(&format!("[env: {variable}")),
            "{described}"
        );
        if let Some(default) = default.and_then(|value| value.to_str()) {
            assert!(
                described.contains(&format!("[default: {default}]"))
                    || described.contains(&format!("[default: \"{default}\"]")),
                "{described}"
            );
        }
        settings.push(variable.to_owned());
    }
    let table = readme
        .lines()
        .skip_while(|line| !line.starts_with("| variable | default |"));
    let rows = table.skip(2).map_while(|line| line.strip_prefix("| `"));
    let listed: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, settings, "in the order of the help");
    assert_eq!(help.matches("[env: ").count(), settings.len());
}

#[apply(once)]
async fn every_link_between_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for document in [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
        "clients/python/README.md",
        "docs/architecture.md",
        "docs/backend.md",
        "docs/databases.md",
        "docs/frontend.md",
        "docs/emails.md",
        "docs/operating.md",
        "docs/performance.md",
        "docs/security.md",
    ] {
        let text = fs::read_to_string(root.join(document)).expect("it is there");
        let folder = root.join(document);
        let folder = folder.parent().expect("a folder");
        for link in text.split("](").skip(1) {
            let (target, _) = link.split_once(')').expect("a link ends");
            if !target.starts_with("https://") && !target.starts_with('#') {
                assert!(folder.join(target).exists(), "{document}: {target}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[apply(once)]
async fn the_settings_of_the_containers_make_sense() {
    let postgres = services(ON_POSTGRES);
    let with_default = postgres["bienvenue"]["environment"]["DATABASE_URL"]
        .as_str()
        .expect("a URL")
        .replace("${POSTGRES_PASSWORD:-bienvenue}", "bienvenue");
    let public_url = postgres["bienvenue"]["environment"]["BIENVENUE_PUBLIC_URL"]
        .as_str()
        .and_then(|url| {
            url.strip_prefix("${BIENVENUE_PUBLIC_URL:-")?
                .strip_suffix('}')
        })
        .expect("a URL, where .env has none");
    let image = image_environment();
    let of_image = |wanted: &str| {
        let found = image.iter().find(|(name, _)| name == wanted);
        found
            .map(|(_, value)| value.as_str())
            .expect("the image sets it")
    };
    for (database_url, public_url) in [
        (with_default.as_str(), public_url),
        (of_image("DATABASE_URL"), "http://localhost:8000"),
    ] {
        let arguments = ["--database-url", database_url, "--public-url", public_url];
        let settings = crate::support::settings(
            &[&arguments[..], &["--listen", of_image("BIENVENUE_LISTEN")]].concat(),
        );
        settings.check().expect("the settings make sense");
    }
    // The account of the URL is the one that the database is made with.
    let url: url::Url = with_default.parse().expect("a URL");
    assert_eq!(url.host_str(), Some("postgres"));
    let made = &postgres["postgres"]["environment"];
    assert_eq!(url.username(), made["POSTGRES_USER"]);
    assert_eq!(made["POSTGRES_PASSWORD"], "${POSTGRES_PASSWORD:-bienvenue}");
    // Without a name of its own, the database has that of its account.
    assert_eq!(url.path(), "/bienvenue");
}

#[apply(once)]
async fn ports_and_paths_agree() {
    for compose in [ON_POSTGRES, ON_SQLITE] {
        let service = services(compose)["bienvenue"].clone();
        assert_eq!(service["ports"], serde_json::json!(["127.0.0.1:8000:8000"]));
        assert_eq!(service["build"], ".");
        // Longer than the service takes at most.
        assert_eq!(service["stop_grace_period"], "15s");
    }
    // Letters go to the container of this name, at the port where it takes them.
    let on_postgres = services(ON_POSTGRES);
    let smtp = &on_postgres["bienvenue"]["environment"]["BIENVENUE_SMTP_URL"];
    assert_eq!(smtp, "smtp://mailpit:1025?tls=none");
    let mailpit = &on_postgres["mailpit"];
    assert_eq!(mailpit["ports"], serde_json::json!(["127.0.0.1:8025:8025"]));
    assert!(mailpit["network_mode"].is_null());
    assert_eq!(instructions("EXPOSE "), ["8000"]);
    assert!(DOCKERFILE.contains("BIENVENUE_LISTEN=0.0.0.0:8000"));
    // The file is in the volume, and the volume is where the service may write.
    assert!(DOCKERFILE.contains("DATABASE_URL=sqlite:///data/bienvenue.db?mode=rwc"));
    assert!(
        instructions("RUN ")
            .iter()
            .any(|line| line.contains("install -d -m 0700 -o 10001 /data"))
    );
    assert_eq!(
        services(ON_SQLITE)["bienvenue"]["volumes"],
        serde_json::json!(["bienvenue:/data"])
    );
    // By number, and that of the account that the volume belongs to.
    assert_eq!(instructions("USER "), ["10001"]);
    assert_eq!(instructions("VOLUME "), ["/data"]);
    assert!(DOCKERFILE.contains("useradd --system --uid 10001"));
}

#[apply(once)]
async fn the_containers_have_no_privilege_and_take_the_settings_beside_them() {
    for compose in [ON_POSTGRES, ON_SQLITE] {
        let service = services(compose)["bienvenue"].clone();
        assert_eq!(service["read_only"], true);
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]));
        let options = serde_json::json!(["no-new-privileges:true"]);
        assert_eq!(service["security_opt"], options);
        assert_eq!(service["mem_limit"], "512m");
        let beside = serde_json::json!([{"path": ".env", "required": false}]);
        assert_eq!(service["env_file"], beside);
    }
    let caddy = &services(ON_POSTGRES)["caddy"];
    assert_eq!(caddy["profiles"], serde_json::json!(["tls"]));
    let command = caddy["command"].as_str().expect("a command");
    assert!(command.ends_with("--to bienvenue:8000"), "{command}");
}

#[apply(once)]
async fn the_example_of_settings_has_each_with_its_default_and_nothing_else() {
    let example = include_str!("../../.env.example");
    let command = Settings::augment_args(clap::Command::new("serve"));
    let settings = command.get_arguments().map(|argument| {
        let variable = argument.get_env().and_then(|name| name.to_str());
        let default = argument.get_default_values().first();
        let default = default.and_then(|value| value.to_str()).unwrap_or_default();
        // What has spaces is quoted, as .env wants it.
        let default = if default.contains(' ') {
            format!("'{default}'")
        } else {
            default.to_owned()
        };
        format!("#{}={default}", variable.expect("every flag has one"))
    });
    let lines = example.lines();
    let given = lines.filter(|line| line.contains('=') && !line.starts_with("# "));
    assert_eq!(given.collect::<Vec<_>>(), settings.collect::<Vec<_>>());
}

#[apply(once)]
async fn images_are_pinned_and_checked_for_health() {
    let mut images: Vec<String> = Vec::new();
    for line in instructions("FROM ") {
        images.extend(line.split_whitespace().next().map(ToOwned::to_owned));
    }
    for service in services(ON_POSTGRES)
        .as_object()
        .expect("services")
        .values()
    {
        images.extend(service["image"].as_str().map(ToOwned::to_owned));
    }
    assert_eq!(images.len(), 5, "{images:?}");
    for image in images {
        let (_, tag) = image.rsplit_once(':').unwrap_or_default();
        let version = tag
            .trim_start_matches('v')
            .split('-')
            .next()
            .unwrap_or_default();
        let is_exact =
            version.contains('.') && version.split('.').all(|part| part.parse::<u32>().is_ok());
        assert!(is_exact, "{image} is not one version");
    }
    let health = instructions("HEALTHCHECK ").join(" ");
    assert!(
        health.ends_with("CMD [\"bienvenue\", \"health\"]"),
        "{health}"
    );
    let postgres = &services(ON_POSTGRES)["postgres"];
    assert_eq!(postgres["healthcheck"]["test"][1], "pg_isready");
    let waits_for = &services(ON_POSTGRES)["bienvenue"]["depends_on"]["postgres"]["condition"];
    assert_eq!(waits_for, "service_healthy");
}

#[apply(once)]
async fn the_image_is_built_of_all_that_the_build_needs() {
    let ignored = include_str!("../../.dockerignore");
    for line in instructions("COPY ") {
        if line.starts_with("--from") {
            continue;
        }
        let sources: Vec<_> = line.split_whitespace().collect();
        for source in &sources[..sources.len() - 1] {
            let top = source.split('/').next().unwrap_or_default();
            assert!(
                ignored.contains(&format!("!{top}\n")),
                "{source} is kept out of the build"
            );
        }
    }
    let toolchain = format!("rust:{}", env!("CARGO_PKG_RUST_VERSION"));
    assert!(
        DOCKERFILE.contains(&toolchain),
        "the Dockerfile builds with another Rust than Cargo.toml asks for"
    );
}
