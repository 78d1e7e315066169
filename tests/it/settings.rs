//! Settings that make no sense: each message alone says which, what is wrong, and how to write it.

use macro_rules_attribute::apply;

use crate::support::{Program, once};

/// A variable, a value that makes no sense, and what the complaint says besides the name of the variable.
const MISTAKES: [(&str, &str, &str); 42] = [
    (
        "DATABASE_URL",
        "bienvenue.db",
        "must begin with sqlite: or postgres:",
    ),
    (
        "DATABASE_URL",
        "mysql://localhost/accounts",
        "must begin with sqlite: or postgres:",
    ),
    (
        "DATABASE_URL",
        "sqlite:",
        "names no file: write sqlite://bienvenue.db?mode=rwc",
    ),
    ("DATABASE_URL", "sqlite://a.db?mode=ro", "write mode=rwc"),
    (
        "DATABASE_URL",
        "sqlite://a.db?mdoe=rwc",
        "has an unknown parameter: mdoe",
    ),
    (
        "DATABASE_URL",
        "postgres://u:p/w@localhost/db",
        "write % as %25",
    ),
    (
        "DATABASE_URL",
        "postgres://localhost/db?sslmode=always",
        "has an invalid sslmode",
    ),
    ("BIENVENUE_DATABASE_CONNECTIONS", "0", "is not in 1..=1000"),
    ("BIENVENUE_DATABASE_CONNECTIONS", "many", "invalid digit"),
    ("BIENVENUE_KEYS", "short", "32 random bytes in base64"),
    (
        "BIENVENUE_LISTEN",
        "8000",
        "as 127.0.0.1:8000, 0.0.0.0:8000 or localhost:8000",
    ),
    (
        "BIENVENUE_LISTEN",
        ":8000",
        "as 127.0.0.1:8000, 0.0.0.0:8000 or localhost:8000",
    ),
    (
        "BIENVENUE_LISTEN",
        "localhost",
        "as 127.0.0.1:8000, 0.0.0.0:8000 or localhost:8000",
    ),
    (
        "BIENVENUE_LISTEN",
        "127.0.0.1:80000",
        "\"80000\" is no port from 0 to 65535",
    ),
    (
        "BIENVENUE_KEEP_ALIVE",
        "75",
        "write a number and its unit, as 90s, 30m, 12h or 7d",
    ),
    ("BIENVENUE_KEEP_ALIVE", "0s", "it must be a second at least"),
    (
        "BIENVENUE_PUBLIC_URL",
        "auth.example.com",
        "with its scheme, as https://auth.example.com",
    ),
    (
        "BIENVENUE_PUBLIC_URL",
        "http://auth.example.com",
        "must be https",
    ),
    (
        "BIENVENUE_PUBLIC_URL",
        "ftp://auth.example.com",
        "must be an http or https address",
    ),
    (
        "BIENVENUE_PUBLIC_URL",
        "https://example.com/auth",
        "must be a scheme, a host and a port, and nothing else",
    ),
    ("BIENVENUE_ALLOWED_ORIGINS", "*", "list each origin"),
    (
        "BIENVENUE_ALLOWED_ORIGINS",
        "https://app.example.com/",
        "write https://app.example.com",
    ),
    (
        "BIENVENUE_ALLOWED_ORIGINS",
        "app.example.com",
        "write a scheme and a host",
    ),
    (
        "BIENVENUE_TRUSTED_PROXIES",
        "nginx",
        "as 10.0.0.1 and 10.0.0.0/8 are",
    ),
    (
        "BIENVENUE_TRUSTED_PROXIES",
        "10.0.0.1/8",
        "write 10.0.0.0/8 for all of it, or 10.0.0.1",
    ),
    ("BIENVENUE_REGISTRATION", "off", "open, private, closed"),
    (
        "BIENVENUE_UNVERIFIED_LIFETIME",
        "30",
        "30m, 12h or 7d, or off",
    ),
    ("BIENVENUE_BCRYPT_COST", "20", "is not in 4..=15"),
    ("BIENVENUE_HASHING_LANES", "0", "is not in 1..=8"),
    ("BIENVENUE_PASSWORD_MIN_LENGTH", "100", "is not in 1..=72"),
    ("BIENVENUE_PASSWORD_MIN_SCORE", "5", "is not in 0..=4"),
    (
        "BIENVENUE_BREACHED_PASSWORDS_URL",
        "http://api.example.com/",
        "must be an https address",
    ),
    (
        "BIENVENUE_SESSION_IDLE",
        "7 days and more",
        "as 90s, 30m, 12h or 7d",
    ),
    (
        "BIENVENUE_SESSION_LIFETIME",
        "99999d",
        "it can be 3650d at most",
    ),
    ("BIENVENUE_THROTTLE", "no", "on, off"),
    (
        "BIENVENUE_AUDIT_RETENTION",
        "forever",
        "as 90s, 30m, 12h or 7d",
    ),
    (
        "BIENVENUE_SMTP_URL",
        "mail.example.com",
        "must be smtp://user:password@host:port",
    ),
    ("BIENVENUE_MAIL_FROM", "noreply", "as no-reply@example.com"),
    (
        "BIENVENUE_TEMPLATES",
        "/nowhere",
        "the folder /nowhere can't be read",
    ),
    (
        "BIENVENUE_RESET_URL",
        "app.example.com/reset",
        "with its scheme, as https://app.example.com/reset",
    ),
    ("BIENVENUE_LOG_FORMAT", "xml", "text, json"),
    (
        "RUST_LOG",
        "verbose",
        "write error, warn, info, debug, trace or off",
    ),
];

#[apply(once)]
async fn every_wrong_setting_names_itself_and_says_how_to_write_it() {
    for (variable, value, wanted) in MISTAKES {
        let folder = tempfile::tempdir().expect("there is room");
        let database = format!("sqlite://{}/a.db?mode=rwc", folder.path().display());
        let mut variables = vec![("BIENVENUE_LISTEN", "127.0.0.1:0")];
        if variable != "DATABASE_URL" {
            variables.push(("DATABASE_URL", &database));
        }
        variables.retain(|(name, _)| *name != variable);
        variables.push((variable, value));
        let (succeeded, _, complaint) = Program::run(&["serve"], &variables);
        assert!(!succeeded, "{variable}={value} is taken");
        assert!(
            complaint.contains(variable),
            "{variable}={value}: {complaint}"
        );
        assert!(
            complaint.contains(wanted),
            "{variable}={value}: {complaint}"
        );
        assert!(!complaint.contains("panic"), "{complaint}");
    }
}

#[apply(once)]
async fn a_name_of_this_machine_can_be_listened_on() {
    let program = Program::start(&[("BIENVENUE_LISTEN", "localhost:0")]);
    assert!(!program.url.is_empty());
}

#[apply(once)]
async fn the_start_says_how_the_service_is_set_up_without_a_secret_and_what_is_doubtful() {
    let variables = [
        ("BIENVENUE_PUBLIC_URL", "https://auth.example.com"),
        ("BIENVENUE_BCRYPT_COST", "10"),
        ("BIENVENUE_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("BIENVENUE_SESSION_IDLE", "60d"),
        ("BIENVENUE_SESION_IDLE", "7d"),
        ("BIENVENUE_REGISTRATION", "private"),
    ];
    let program = Program::start(&variables);
    let log = program.said();
    for said in [
        "version=\"",
        "database=\"SQLite in ",
        "email=\"to files in mail\"",
        "registration=Private",
        "trusted_proxies=10.0.0.0/8",
        "Swagger UI at https://auth.example.com/docs",
        "set BIENVENUE_SMTP_URL to your mail server",
        "BIENVENUE_SESSION_IDLE is longer than BIENVENUE_SESSION_LIFETIME",
        "there is no setting BIENVENUE_SESION_IDLE: it is ignored. Did you mean BIENVENUE_SESSION_IDLE?",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[apply(once)]
async fn a_mail_server_and_a_sender_at_localhost_are_doubtful() {
    let program = Program::start(&[("BIENVENUE_SMTP_URL", "smtp://ada:secret@mail.example.com")]);
    let log = program.said();
    assert!(log.contains("email=\"to mail.example.com\""), "{log}");
    assert!(log.contains("set BIENVENUE_MAIL_FROM"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[apply(once)]
async fn a_secret_can_be_in_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("secret");
    let place = file.to_str().expect("text");
    let database = format!(
        "sqlite://{}/of-the-file.db?mode=rwc",
        folder.path().display()
    );
    let refused = |variables: &[(&str, &str)]| {
        let (succeeded, _, complaint) = Program::run(&["migrate", "up"], variables);
        assert!(!succeeded, "{complaint}");
        complaint
    };
    let missing = refused(&[("DATABASE_URL_FILE", place)]);
    assert!(
        missing.contains("DATABASE_URL_FILE names") && missing.contains(place),
        "{missing}"
    );
    for text in ["", "\n", "postgres://u:secret@h/d\nmore"] {
        std::fs::write(&file, text).expect("it can be written");
        let complaint = refused(&[("DATABASE_URL_FILE", place)]);
        assert!(
            complaint.contains("on one line") && !complaint.contains("secret@"),
            "{complaint}"
        );
    }
    std::fs::write(&file, format!("{database}\n")).expect("it can be written");
    let both = [
        ("DATABASE_URL_FILE", place),
        ("DATABASE_URL", "sqlite::memory:"),
    ];
    let complaint = refused(&both);
    assert!(complaint.contains("are both set"), "{complaint}");
    let (succeeded, _, complaint) =
        Program::run(&["migrate", "up"], &[("DATABASE_URL_FILE", place)]);
    assert!(succeeded, "{complaint}");
    assert!(folder.path().join("of-the-file.db").exists());
}
