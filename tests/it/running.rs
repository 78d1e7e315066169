//! The program, as its operator starts, stops and loses it.

use std::time::{Duration, Instant};

use bienvenue::config::Settings;
use clap::Args as _;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Client, StatusCode};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, EmptyDatabase, Program, TestDatabase, on_both_databases, once};

async fn register(client: &Client, url: &str, email: &str) -> reqwest::Result<Answer> {
    let body = json!({"email": email, "password": "correct horse battery"});
    Answer::try_to(client.post(format!("{url}/users")).json(&body)).await
}

/// Checks that the program does not start with a setting, and says why.
#[track_caller]
fn assert_refused(name: &str, value: &str, complaint: &str) {
    let (succeeded, _, complaints) = Program::run(&["serve"], &[(name, value)]);
    assert!(!succeeded, "{name}={value}");
    assert!(
        complaints.contains(complaint),
        "{name}={value}: {complaints}"
    );
    assert!(!complaints.contains("secret"), "{complaints}");
    assert!(!complaints.contains("panic"), "{complaints}");
}

#[apply(once)]
async fn times_and_networks_that_make_no_sense_stop_the_start_too() {
    for (name, value, complaint) in [
        ("BIENVENUE_SESSION_IDLE", "0s", "a second at least"),
        ("BIENVENUE_SESSION_IDLE", "10ms", "a second at least"),
        ("BIENVENUE_SESSION_IDLE", "7", "write a number and its unit"),
        (
            "BIENVENUE_SESSION_LIFETIME",
            "-1d",
            "write a number and its unit",
        ),
        (
            "BIENVENUE_SESSION_LIFETIME",
            "month",
            "BIENVENUE_SESSION_LIFETIME",
        ),
        ("BIENVENUE_SESSION_LIFETIME", "11y", "3650d at most"),
        (
            "BIENVENUE_TRUSTED_PROXIES",
            "10.0.0.0/8,proxy.example.com",
            "\"proxy.example.com\" is neither an address nor a network",
        ),
        (
            "BIENVENUE_TRUSTED_PROXIES",
            "10.0.0.0/33",
            "BIENVENUE_TRUSTED_PROXIES",
        ),
    ] {
        assert_refused(name, value, complaint);
    }
    // Set to nothing, as compose files do, it is as good as not set.
    let settings = crate::support::settings(&["--trusted-proxies", ""]);
    assert!(settings.check().is_ok());
}

#[apply(once)]
async fn settings_that_make_no_sense_stop_the_start_with_a_sentence() {
    for (name, value, complaint) in [
        (
            "DATABASE_URL",
            "mysql://root:secret@localhost",
            "DATABASE_URL must begin with sqlite: or postgres:",
        ),
        (
            "DATABASE_URL",
            "postgres://u:secret@h:none/x",
            "DATABASE_URL is not a PostgreSQL URL",
        ),
        (
            "BIENVENUE_DATABASE_CONNECTIONS",
            "0",
            "BIENVENUE_DATABASE_CONNECTIONS",
        ),
        ("BIENVENUE_LISTEN", "8000", "BIENVENUE_LISTEN"),
        (
            "BIENVENUE_LISTEN",
            "192.0.2.1:80",
            "can't listen on 192.0.2.1:80",
        ),
        (
            "BIENVENUE_PUBLIC_URL",
            "auth.example.com",
            "BIENVENUE_PUBLIC_URL",
        ),
        (
            "BIENVENUE_PUBLIC_URL",
            "ftp://auth.example.com",
            "BIENVENUE_PUBLIC_URL must be an http or https",
        ),
        (
            "BIENVENUE_PUBLIC_URL",
            "http://auth.example.com",
            "BIENVENUE_PUBLIC_URL must be https",
        ),
        (
            "BIENVENUE_PUBLIC_URL",
            "https://auth.example.com/path",
            "BIENVENUE_PUBLIC_URL must be a scheme, a host",
        ),
        ("BIENVENUE_BCRYPT_COST", "3", "BIENVENUE_BCRYPT_COST"),
        ("BIENVENUE_BCRYPT_COST", "16", "BIENVENUE_BCRYPT_COST"),
        ("BIENVENUE_BCRYPT_COST", "twelve", "BIENVENUE_BCRYPT_COST"),
        (
            "BIENVENUE_PASSWORD_MIN_LENGTH",
            "0",
            "BIENVENUE_PASSWORD_MIN_LENGTH",
        ),
        (
            "BIENVENUE_PASSWORD_MIN_SCORE",
            "5",
            "BIENVENUE_PASSWORD_MIN_SCORE",
        ),
        ("BIENVENUE_LOG_FORMAT", "xml", "BIENVENUE_LOG_FORMAT"),
        ("RUST_LOG", "bienvenue=loud", "RUST_LOG"),
    ] {
        assert_refused(name, value, complaint);
    }
    let public = [
        ("BIENVENUE_PUBLIC_URL", "https://auth.example.com"),
        ("BIENVENUE_BCRYPT_COST", "9"),
    ];
    let (succeeded, _, complaints) = Program::run(&[], &public);
    assert!(
        !succeeded && complaints.contains("BIENVENUE_BCRYPT_COST must be at least 10"),
        "{complaints}"
    );
}

/// The variables of all settings.
fn variables() -> Vec<String> {
    let command = Settings::augment_args(clap::Command::new("serve"));
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    variables
        .map(|name| name.to_str().expect("text").to_owned())
        .collect()
}

#[apply(once)]
async fn an_empty_variable_is_one_that_is_not_set() {
    let names = variables();
    assert!(names.len() > 20, "{names:?}");
    let empty: Vec<_> = names.iter().map(|name| (&**name, "")).collect();
    let program = Program::spawn_with(&["serve", "--listen", "127.0.0.1:0"], &empty).wait();
    assert!(program.folder().join("bienvenue.db").is_file());
    program.signal("TERM");
    assert!(program.ended().0.success());
    for command in [["migrate", "status"], ["health", "--help"]] {
        let (succeeded, _, complaints) = Program::run(&command, &empty);
        assert!(succeeded, "{complaints}");
    }
    // In front of a file, too: what it says stands.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a $b \\ \"c\".db");
    let text = format!("DATABASE_URL='sqlite://{}?mode=rwc'\n", file.display());
    std::fs::write(folder.path().join(".env"), text).expect("writes");
    let mut command = crate::support::command(&["migrate", "up"], &folder);
    let output = command.env("DATABASE_URL", "").output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    assert!(file.is_file());
}

#[apply(once)]
async fn a_database_url_is_refused_without_a_word_of_it() {
    const ENCODE: &str = "DATABASE_URL has a character in its user name or password that has another meaning in a URL: \
         write % as %25, # as %23, / as %2F, ? as %3F, @ as %40 and : as %3A";
    for (url, complaint) in [
        ("postgres://app:se#cret@db/app", ENCODE),
        ("postgres://app:se/cret@db/app", ENCODE),
        ("postgres://app:1/cret@db/app", ENCODE),
        ("postgres://app:se?cret@db/app", ENCODE),
        ("postgres://app:1?cret@db/app", ENCODE),
        ("postgres://app:1?cret&x@db/app", ENCODE),
        ("postgres://app:se@cr#et@db/app", ENCODE),
        ("postgres://app:secret%FF@db/app", ENCODE),
        ("postgres://app:@cret/x@db/app", ENCODE),
        (
            "postgres://u:secret@h:none/x",
            "DATABASE_URL is not a PostgreSQL URL: invalid port number. Write postgres://user:password@host:5432/database",
        ),
        (
            "postgres://app:secret@db/app?sslpassword=secret",
            "DATABASE_URL has an unknown parameter: sslpassword",
        ),
        (
            "postgres://app@db/app?secret1=x",
            "DATABASE_URL has a parameter with an unknown name",
        ),
        (
            "postgres://app@db/app?sslmode=secret",
            "DATABASE_URL has an invalid sslmode",
        ),
        (
            "postgres://app@db/app?port=secret",
            "DATABASE_URL has an invalid port",
        ),
        (
            "sqlite://x.db?mode=secret",
            "DATABASE_URL has a mode that is not one of rwc, rw, memory, ro",
        ),
        (
            "sqlite://x.db?mode=rwc&key=secret",
            "DATABASE_URL has an unknown parameter: key",
        ),
        (
            "sqlite://my secret/x.db?mode=rwc",
            "DATABASE_URL is not a URL",
        ),
        (
            "sqlite://x.db?mode=ro",
            "DATABASE_URL opens the file read-only",
        ),
    ] {
        for action in [&["serve"][..], &["migrate", "status"]] {
            let variables = [("DATABASE_URL", url), ("RUST_LOG", "trace")];
            let (succeeded, _, complaints) = Program::run(action, &variables);
            assert!(
                !succeeded && complaints.contains(complaint),
                "{url}: {complaints}"
            );
            assert!(!complaints.contains("cret"), "{url}: {complaints}");
        }
    }
    // What is in one that can be used is not logged either.
    let settings = crate::support::settings(&[
        "--database-url",
        "postgres://app:p%23ss@db/app?sslmode=disable&application_name=a@b&options[search_path]=x",
    ]);
    assert!(settings.check().is_ok());
}

#[apply(once)]
async fn commands_that_only_look_create_no_database() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["user", "list"][..],
        &["user", "show", "1"],
        &["audit", "list"],
        &["audit", "verify"],
    ] {
        let output = crate::support::command(arguments, &folder).output();
        let output = output.expect("runs");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaints}");
        assert!(complaints.contains("there is no database"), "{complaints}");
        assert!(!folder.path().join("bienvenue.db").exists());
    }
}

#[apply(once)]
async fn a_sqlite_file_that_cannot_be_opened_is_named_with_the_mend() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let allow = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join(name), mode).expect("it is ours");
    };
    for name in ["locked", "closed"] {
        std::fs::create_dir(folder.path().join(name)).expect("makes a folder");
    }
    for name in ["text", "mine.db", "walled.db", "walled.db-wal"] {
        std::fs::write(folder.path().join(name), "").expect("writes");
    }
    std::fs::write(folder.path().join("text"), "Dear Ada, how are you?").expect("writes");
    for (name, mode) in [
        ("locked", 0o500),
        ("closed", 0),
        ("mine.db", 0o400),
        ("walled.db-wal", 0),
    ] {
        allow(name, mode);
    }
    for (path, complaint) in [
        (
            "no/x.db?mode=rwc",
            format!(
                "the SQLite file {at}/no/x.db can't be created: the folder {at}/no does not exist. Create it"
            ),
        ),
        (
            "no/x.db",
            format!(
                "the SQLite file {at}/no/x.db can't be created: the folder {at}/no does not exist. Create it"
            ),
        ),
        (
            "x.db",
            format!("the SQLite file {at}/x.db does not exist: add ?mode=rwc"),
        ),
        ("?mode=rwc", format!("{at}/ is a folder: name a file in it")),
        (
            "locked?mode=rwc",
            format!("{at}/locked is a folder: name a file in it"),
        ),
        (
            "text/x.db?mode=rwc",
            format!("the SQLite file {at}/text/x.db can't be opened: a part of its path is a file"),
        ),
        (
            "text?mode=rwc",
            format!("{at}/text is not a SQLite database"),
        ),
        (
            "locked/x.db?mode=rwc",
            format!("{at}/locked/x.db can't be written: the service runs as user "),
        ),
        (
            "closed/x.db?mode=rwc",
            format!("{at}/closed/x.db can't be written: the service runs as user "),
        ),
        (
            "mine.db?mode=rwc",
            format!("has no permission for {at}/mine.db, which belongs to user "),
        ),
        (
            "walled.db?mode=rwc",
            format!("has no permission for {at}/walled.db-wal, which belongs to user "),
        ),
    ] {
        for action in [&["serve"][..], &["migrate", "up"]] {
            let url = format!("sqlite://{at}/{path}");
            let variables = [("DATABASE_URL", &*url)];
            let (succeeded, complaints) = Program::run_unprivileged(action, &variables);
            assert!(
                !succeeded && complaints.contains(&complaint),
                "{path}: {complaints}"
            );
            assert!(
                complaints.starts_with("bienvenue: the database can't be used: ")
                    || action.len() > 1
            );
        }
    }
    allow("locked", 0o700);
    allow("closed", 0o700);
}

#[apply(once)]
async fn a_sqlite_file_on_a_read_only_file_system_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let script = format!(
        "mount -t tmpfs -o ro none {at} && DATABASE_URL='sqlite://{at}/x.db?mode=rwc' exec {}",
        env!("CARGO_BIN_EXE_bienvenue")
    );
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .env_remove("DATABASE_URL")
        .output()
        .expect("util-linux is there");
    let complaints = String::from_utf8(output.stderr).expect("text");
    assert!(
        complaints.contains(&format!(
            "{at}/x.db can't be written: its file system is read-only. Mount it for writing"
        )),
        "{complaints}"
    );
}

#[apply(once)]
async fn connections_that_may_be_unencrypted_are_warned_of() {
    let url = "postgres://app:secret@192.0.2.1/app";
    let program = Program::spawn(&[("DATABASE_URL", url)]);
    drop(program.wait_for("Add ?sslmode=verify-full"));
    let stated = format!("{url}?sslmode=disable");
    for quiet in [&stated, "postgres://app:secret@127.0.0.1:1/app"] {
        let program = Program::spawn(&[("DATABASE_URL", quiet), ("PGSSLMODE", "")]);
        let program = program.wait_for("waiting for PostgreSQL");
        program.signal("TERM");
        let (_, log) = program.ended();
        assert!(!log.contains("verify-full"), "{log}");
    }
}

#[apply(once)]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let (succeeded, _, complaints) = Program::run(&[], &[("BIENVENUE_LISTEN", &address)]);
    assert!(!succeeded);
    assert!(
        complaints.contains(&format!("can't listen on {address}")),
        "{complaints}"
    );
}

#[apply(once)]
async fn help_lists_every_setting_and_a_misspelt_one_is_warned_of() {
    let (succeeded, help, _) = Program::run(&["serve", "--help"], &[]);
    assert!(succeeded);
    for setting in [
        "DATABASE_URL",
        "BIENVENUE_DATABASE_CONNECTIONS",
        "BIENVENUE_LISTEN",
        "BIENVENUE_PUBLIC_URL",
        "BIENVENUE_BCRYPT_COST",
        "BIENVENUE_PASSWORD_MIN_LENGTH",
        "BIENVENUE_PASSWORD_MIN_SCORE",
        "BIENVENUE_LOG_FORMAT",
        "RUST_LOG",
    ] {
        assert!(
            help.contains(&format!("[env: {setting}")),
            "{setting}: {help}"
        );
    }
    let program = Program::spawn(&[("BIENVENUE_BCRYPTCOST", "12")]).wait();
    program.signal("TERM");
    assert!(program.ended().0.success());
    let misspelt = [
        ("BIENVENUE_BCRYPTCOST", "12"),
        ("BIENVENUE_LISTEN", "192.0.2.1:80"),
    ];
    let (_, _, log) = Program::run(&[], &misspelt);
    assert!(
        log.contains("there is no setting BIENVENUE_BCRYPTCOST"),
        "{log}"
    );
}

#[apply(once)]
async fn without_any_setting_it_serves_on_a_file_that_it_makes() {
    let program = Program::start(&[]);
    let client = Client::new();
    let made = register(&client, &program.url, "ada@example.com")
        .await
        .expect("answers");
    assert_eq!(made.status, StatusCode::CREATED);
    assert!(program.folder().join("bienvenue.db").is_file());
}

#[apply(once)]
async fn the_health_command_fails_unless_the_service_is_ready() {
    let program = Program::start(&[]);
    let address = program.url.trim_start_matches("http://");
    let port = address.rsplit(':').next().expect("a port");
    for address in [address, &format!("0.0.0.0:{port}")] {
        let health = Program::run(&["health"], &[("BIENVENUE_LISTEN", address)]);
        assert_eq!(health, (true, String::new(), String::new()));
    }
    let folder = program.folder().display().to_string();
    let database = format!("sqlite://{folder}/bienvenue.db");
    let down = ["migrate", "down", "--yes"];
    let (down, ..) = Program::run(&down, &[("DATABASE_URL", &database)]);
    assert!(down);
    let (ready, _, complaint) = Program::run(&["health"], &[("BIENVENUE_LISTEN", address)]);
    assert!(!ready && complaint.contains("503"), "{complaint}");
    let gone = address.to_owned();
    program.kill();
    let (ready, _, complaint) = Program::run(&["health"], &[("BIENVENUE_LISTEN", &gone)]);
    assert!(!ready && complaint.contains("no answer"), "{complaint}");
}

#[apply(once)]
async fn a_file_named_env_sets_what_the_environment_leaves_open() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join(".env"),
        "DATABASE_URL=sqlite://from-env-file.db?mode=rwc\n",
    )
    .expect("writes");
    let run = |database: Option<&str>| {
        let mut command = crate::support::command(&["migrate", "up"], &folder);
        command.envs(database.map(|url| ("DATABASE_URL", url)));
        assert!(command.output().expect("runs").status.success());
    };
    run(None);
    assert!(folder.path().join("from-env-file.db").is_file());
    run(Some("sqlite://from-environment.db?mode=rwc"));
    assert!(folder.path().join("from-environment.db").is_file());
}

#[apply(once)]
async fn a_line_of_the_env_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let quote = |line: usize, name: &str| {
        format!(
            "line {line} of the file .env: the value of {name} must be quoted, because it contains spaces, quotes or special characters. Write {name}='…'"
        )
    };
    for (text, complaint) in [
        (
            "# BIENVENUE_MAIL_FROM=My Secret <a@example.org>\nRUST_LOG=info\nBIENVENUE_MAIL_FROM=My Secret <a@example.org>\n",
            quote(3, "BIENVENUE_MAIL_FROM"),
        ),
        ("DATABASE_URL=\"secret\n", quote(1, "DATABASE_URL")),
        (
            "RUST_LOG=\"info\n\"\nexport DATABASE_URL=\"secret\nX=Y",
            quote(3, "DATABASE_URL"),
        ),
        (
            "RUST_LOG=info\nsecret\n",
            "line 2 of the file .env is not NAME=value".to_owned(),
        ),
        (
            "\u{feff}RUST_LOG=info\n<secret>=1\n",
            "line 2 of the file .env is not NAME=value".to_owned(),
        ),
        ("RUST_LOG=\0\n", "the file .env contains a NUL".to_owned()),
    ] {
        std::fs::write(folder.path().join(".env"), text).expect("writes");
        let output = crate::support::command(&["serve"], &folder).output();
        let output = output.expect("runs");
        let complaints = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success(), "{text}");
        assert!(
            complaints.contains(&complaint.to_lowercase()),
            "{text}: {complaints}"
        );
        assert!(!complaints.contains("secret"), "{text}: {complaints}");
    }
    // The mend that is told works.
    let mended =
        "BIENVENUE_MAIL_FROM='My App <a@example.org>'\nDATABASE_URL='sqlite://x.db?mode=rwc'";
    std::fs::write(folder.path().join(".env"), mended).expect("writes");
    let output = crate::support::command(&["migrate", "up"], &folder).output();
    assert!(output.expect("runs").status.success());
    assert!(folder.path().join("x.db").is_file());
}

/// All migrations there are, the oldest first.
const MIGRATIONS: [&str; 26] = [
    "m20261122_000001_create_users",
    "m20261122_000002_add_email_verified_at",
    "m20261122_000003_create_sessions",
    "m20261124_000001_add_reset_token_expires_at",
    "m20261124_000002_create_email_verifications",
    "m20261124_000003_create_outgoing_mails",
    "m20261125_000001_add_last_signed_in_at",
    "m20261125_000002_create_known_clients",
    "m20261125_000003_create_registrations",
    "m20261125_000004_create_throttles",
    "m20261125_000005_create_sealing_keys",
    "m20261125_000006_create_one_time_tokens",
    "m20261125_000007_index_unverified_users",
    "m20261126_000001_add_refusals",
    "m20261126_000002_add_last_used_at",
    "m20261126_000003_add_methods",
    "m20261126_000004_add_name",
    "m20261126_000005_add_client",
    "m20261126_000006_add_role",
    "m20261126_000007_add_disabled_at",
    "m20261126_000008_add_is_provisioned",
    "m20261126_000009_create_user_groups",
    "m20261126_000010_create_audit_events",
    "m20261126_000011_create_audit_checkpoints",
    "m20261126_000012_add_refused_at",
    "m20261126_000013_index_users",
];

#[apply(on_both_databases)]
async fn the_migrate_commands_say_what_they_do(database: EmptyDatabase) {
    let variables = [("DATABASE_URL", &*database.url)];
    let migrate = |arguments: &[&str]| {
        let arguments = [&["migrate"], arguments].concat();
        let (succeeded, printed, complaints) = Program::run(&arguments, &variables);
        assert!(succeeded, "{complaints}");
        printed
    };
    let list = |states: &[&str]| {
        let lines = states.iter().zip(MIGRATIONS);
        let lines = lines.map(|(state, name)| format!("{state}  {name}\n"));
        lines.collect::<String>()
    };
    assert_eq!(migrate(&["status"]), list(&["pending"; MIGRATIONS.len()]));
    assert_eq!(migrate(&["up"]), list(&["applied"; MIGRATIONS.len()]));
    assert_eq!(migrate(&["up"]), "nothing to do\n");
    let newest = MIGRATIONS[MIGRATIONS.len() - 1];
    let (succeeded, printed, complaint) = Program::run(&["migrate", "down"], &variables);
    assert!(!succeeded && printed.is_empty(), "{printed}");
    let mend = format!("reverting {newest} deletes the data in its tables and columns");
    assert!(
        complaint.contains(&mend) && complaint.contains("migrate down --yes"),
        "{complaint}"
    );
    assert_eq!(migrate(&["status"]), list(&["applied"; MIGRATIONS.len()]));
    assert_eq!(migrate(&["down", "--yes"]), format!("reverted  {newest}\n"));
    let mut states = ["applied"; MIGRATIONS.len()];
    states[MIGRATIONS.len() - 1] = "pending";
    assert_eq!(migrate(&["status"]), list(&states));
}

#[apply(on_both_databases)]
async fn replicas_that_start_at_the_same_instant_all_come_up(database: EmptyDatabase) {
    let variables = [("DATABASE_URL", database.url.as_str())];
    let replicas: Vec<_> = (0..6).map(|_| Program::spawn(&variables)).collect();
    let replicas: Vec<_> = replicas.into_iter().map(Program::wait).collect();
    let client = Client::new();
    for (number, replica) in replicas.iter().enumerate() {
        let email = format!("ada{number}@example.com");
        let made = register(&client, &replica.url, &email)
            .await
            .expect("answers");
        assert_eq!(made.status, StatusCode::CREATED);
    }
    assert_eq!(
        database.count("bienvenue_migrations").await,
        MIGRATIONS.len()
    );
}

#[apply(on_both_databases)]
async fn replicas_agree_on_who_was_first(database: TestDatabase) {
    let variables = [("DATABASE_URL", database.url.as_str())];
    let replicas = [Program::start(&variables), Program::start(&variables)];
    let client = Client::new();
    let attempts =
        (0..40).map(|number| register(&client, &replicas[number % 2].url, "ada@example.com"));
    let answers: Vec<_> = join_all(attempts)
        .await
        .into_iter()
        .map(|answer| answer.expect("answers"))
        .collect();
    let made = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::CREATED)
        .count();
    let taken = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::CONFLICT)
        .count();
    assert_eq!((made, taken), (1, 39), "{answers:?}");
}

#[apply(on_both_databases)]
async fn a_signal_lets_what_is_under_way_end_and_then_ends_well(database: TestDatabase) {
    for name in ["TERM", "INT"] {
        let variables = [
            ("DATABASE_URL", database.url.as_str()),
            ("BIENVENUE_BCRYPT_COST", "10"),
        ];
        let program = Program::start(&variables);
        let url = program.url.clone();
        let client = Client::new();
        // An idle connection is not waited for.
        client.get(&url).send().await.expect("answers");
        let before = database.count("users").await;
        let attempts: Vec<_> = (0..8)
            .map(|number| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move {
                    register(&client, &url, &format!("{name}{number}@example.com")).await
                })
            })
            .collect();
        // Wait until some are done: the others are then being hashed.
        while database.count("users").await < before + 2 {
            tokio::task::yield_now().await;
        }
        program.signal(name);
        let begun = Instant::now();
        let answers = join_all(attempts).await;
        for answer in answers {
            let answer = answer.expect("no panic").expect("nobody is cut off");
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
        let (status, log) = program.ended();
        assert!(status.success(), "{status}: {log}");
        assert!(begun.elapsed() < Duration::from_secs(11));
        assert_eq!(database.count("users").await, before + 8);
    }
}

#[apply(on_both_databases)]
async fn who_was_connected_when_the_signal_came_is_answered(database: TestDatabase) {
    let program = Program::start(&[("DATABASE_URL", &database.url)]);
    let address = program.url.trim_start_matches("http://").to_owned();
    // It stands still while they come, so that all of them wait when the signal is heard.
    program.signal("STOP");
    let mut connections = Vec::new();
    for _ in 0..120 {
        let mut stream = TcpStream::connect(&address).await.expect("it listens");
        let request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.expect("it takes bytes");
        connections.push(stream);
    }
    program.signal("TERM");
    program.signal("CONT");
    for mut stream in connections {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("not reset");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert!(program.ended().0.success());
}

#[apply(on_both_databases)]
async fn more_connections_than_descriptors_leave_the_service_unharmed(database: TestDatabase) {
    let program = Program::start_with_descriptors(200, &[("DATABASE_URL", &database.url)]);
    let address = program.url.trim_start_matches("http://").to_owned();
    // A connection that it kept would be among those that are given up.
    let client = Client::builder().pool_max_idle_per_host(0).build();
    let client = client.expect("a client");
    let first = register(&client, &program.url, "first@example.com")
        .await
        .expect("answers");
    assert_eq!(first.status, StatusCode::CREATED);
    let mut idle = Vec::new();
    for _ in 0..150 {
        idle.push(
            TcpStream::connect(&address)
                .await
                .expect("the system takes it"),
        );
    }
    // A new connection is served in the place of one that says nothing.
    for number in 0..5 {
        let email = format!("user{number}@example.com");
        let answer = register(&client, &program.url, &email)
            .await
            .expect("answers");
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    // And many are when there is room.
    drop(idle);
    let requests = (5..25).map(|number| {
        let email = format!("user{number}@example.com");
        let (client, url) = (client.clone(), program.url.clone());
        async move { register(&client, &url, &email).await.expect("answers") }
    });
    for answer in join_all(requests).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}

#[apply(once)]
async fn a_client_that_does_not_read_is_given_up() {
    let program = Program::start(&[]);
    let address = program.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("it listens");
    let request = "GET /docs/swagger-ui.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes bytes");
    // It stops reading too, so that writing waits, and fails once the other side has closed.
    let more = async { while stream.write_all(&[b'\n'; 4096]).await.is_ok() {} };
    let given_up = tokio::time::timeout(Duration::from_secs(40), more).await;
    given_up.expect("it does not wait for ever");
}

#[apply(on_both_databases)]
async fn no_account_that_was_promised_is_lost_when_the_program_is_killed(database: TestDatabase) {
    let variables = [("DATABASE_URL", database.url.as_str())];
    let client = Client::new();
    let mut promised = Vec::new();
    for round in 0..5 {
        let program = Program::start(&variables);
        let url = program.url.clone();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        for writer in 0..10 {
            let (client, url, sender) = (client.clone(), url.clone(), sender.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let email = format!("{round}.{writer}.{number}@example.com");
                    match register(&client, &url, &email).await {
                        Ok(answer) if answer.status == StatusCode::CREATED => {
                            if sender.send(email).is_err() {
                                return;
                            }
                        }
                        Ok(answer) => panic!("{answer:?}"),
                        Err(_) => return,
                    }
                }
            });
        }
        drop(sender);
        for _ in 0..(20 + 7 * round) {
            promised.push(receiver.recv().await.expect("it serves"));
        }
        program.kill();
        while let Some(email) = receiver.recv().await {
            promised.push(email);
        }
    }
    let db = bienvenue::db::DB::connect(&database.url)
        .await
        .expect("opens");
    for email in &promised {
        db.find_user_by([("email", email)])
            .await
            .unwrap_or_else(|err| panic!("{email}: {err}"));
    }
}

#[apply(on_both_databases)]
async fn sessions_outlive_a_restart_and_a_kill(database: TestDatabase) {
    let variables = [("DATABASE_URL", database.url.as_str())];
    let client = Client::new();
    let credentials = json!({
        "email": "ada@example.com",
        "password": "correct horse battery",
        "delivery": "token",
    });
    let mut program = Program::start(&variables);
    register(&client, &program.url, "ada@example.com")
        .await
        .expect("answers");
    let (mut kept, mut ended) = (Vec::new(), Vec::new());
    for how in ["KILL", "TERM", "KILL"] {
        for tokens in [&mut kept, &mut ended] {
            let address = format!("{}/sessions", program.url);
            let signed_in = Answer::to(client.post(address).json(&credentials)).await;
            let token = signed_in.body["token"].as_str().expect("a token");
            tokens.push(token.to_owned());
        }
        let address = format!("{}/sessions/current", program.url);
        let last = ended.last().expect("one was just added");
        let out = Answer::to(client.delete(address).bearer_auth(last)).await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
        program.signal(how);
        program.ended();
        program = Program::start(&variables);
        for (tokens, status) in [(&kept, 200), (&ended, 401)] {
            for token in tokens {
                let address = format!("{}/sessions/current", program.url);
                let checked = Answer::to(client.get(address).bearer_auth(token)).await;
                assert_eq!(checked.status, status, "{how}");
            }
        }
    }
}

#[apply(once)]
async fn a_program_can_embed_accounts_and_sessions_without_http() {
    let output = std::process::Command::new(example("embed"))
        .output()
        .expect("the example is built with the tests");
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{printed}");
    let steps: Vec<_> = printed.lines().collect();
    assert_eq!(steps.len(), 5, "{printed}");
    assert_eq!(steps[0], "registered ada@example.com");
    assert_eq!(steps[3], "checked: this is ada@example.com");
    assert_eq!(steps[4], "signed out");
}

/// Where cargo puts an example: beside the program.
fn example(name: &str) -> std::path::PathBuf {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bienvenue"));
    program.with_file_name("examples").join(name)
}

#[apply(once)]
async fn on_a_full_disk_nothing_is_promised_that_is_not_kept() {
    let program = Program::start_without_room(256, &[]);
    let client = Client::new();
    let mut promised = Vec::new();
    let mut refused = 0;
    for number in 0..400 {
        let email = format!("user{number}@example.com");
        let answer = register(&client, &program.url, &email)
            .await
            .expect("answers");
        if answer.status == StatusCode::CREATED {
            promised.push(email);
        } else {
            answer.assert_problem(503, "database-unavailable");
            refused += 1;
        }
    }
    assert!(!promised.is_empty() && refused > 100, "{refused} refused");
    let ready = client
        .get(format!("{}/health/ready", program.url))
        .send()
        .await
        .expect("answers");
    assert_eq!(ready.status(), StatusCode::OK, "reading goes on");
    program.give_room();
    // Whichever connection serves it: none is left in the middle of something.
    let later = (0..40).map(async |number| {
        let email = format!("later{number}@example.com");
        let answer = register(&client, &program.url, &email).await;
        (email, answer.expect("answers"))
    });
    for (email, answer) in join_all(later).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        promised.push(email);
    }
    let url = format!(
        "sqlite://{}",
        program.folder().join("bienvenue.db").display()
    );
    let db = bienvenue::db::DB::connect(&url).await.expect("opens");
    for email in &promised {
        db.find_user_by([("email", email)])
            .await
            .unwrap_or_else(|err| panic!("{email}: {err}"));
    }
}

#[apply(once)]
async fn the_sqlite_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::start(&[]);
    for name in ["bienvenue.db", "bienvenue.db-wal"] {
        let file = std::fs::metadata(program.folder().join(name)).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[apply(once)]
async fn a_sqlite_file_that_another_process_writes_to_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/x.db?mode=rwc", folder.path().display());
    let other = sea_orm::Database::connect(&url).await.expect("opens");
    other
        .execute_unprepared("BEGIN IMMEDIATE")
        .await
        .expect("locks");
    let program = Program::spawn(&[("DATABASE_URL", &url)]);
    let waiting = move || program.wait_for("waiting for");
    let program = tokio::task::spawn_blocking(waiting)
        .await
        .expect("it waits");
    other.execute_unprepared("COMMIT").await.expect("unlocks");
    tokio::task::spawn_blocking(move || program.wait())
        .await
        .expect("it starts");
}
