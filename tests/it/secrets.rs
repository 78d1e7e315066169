//! Secrets are planted in every flow, and looked for in everything that the service wrote.

use std::collections::BTreeSet;

use macro_rules_attribute::apply;
use reqwest::{Client, Method, StatusCode};
use sea_orm::{ConnectionTrait as _, Database, DatabaseBackend, Statement};
use serde_json::{Value, json};

use crate::support::{Answer, Program, SmtpServer, TEST_KEY, TestDatabase, on_both_databases};

/// What people type, and what operators set: each is in no other text.
const PASSWORD: &str = "correct horse battery";
const NEXT_PASSWORD: &str = "incorrect donkey charger";
const LAST_PASSWORD: &str = "undecided mule adapter";
const WRONG_PASSWORD: &str = "mistaken zebra plug";
const WEAK_PASSWORD: &str = "72727272";
const LONG_PASSWORD: &str =
    "unreasonable ostrich that goes on and on, past everything that bcrypt looks at, for ever";
/// Where the name of a field belongs. The answer names it, so that a slip of the pen is found.
const MISPLACED_PASSWORD: &str = "misplaced giraffe ladder";
/// The name of an account. It is stored, and never logged.
const NAME: &str = "Unlogged Lovelace";
const MAIL_PASSWORD: &str = "the-mail-password";
const DATABASE_PASSWORD: &str = "the-database-password";

/// What gives a secret away in a log, whichever it is: the forms of tokens and hashes, and what a database is asked.
const SIGNS: [&str; 11] = [
    "bienvenue_session_",
    "bienvenue_reset_",
    "bienvenue_verification_",
    "bienvenue_registration_",
    "bienvenue_undo_",
    "bienvenue_invitation_",
    TEST_KEY,
    "$2b$",
    "hashed_password",
    "token_digest",
    "INSERT",
];

const ROOT: &str = "root@example.com";
const ADA: &str = "ada@example.com";

/// The service, what was planted in it, and what it said.
struct Flows {
    program: Program,
    client: Client,
    planted: Vec<String>,
    /// The answers that were refusals: whatever is in the others was asked for.
    refusals: Vec<Answer>,
    /// Which operations were called.
    called: BTreeSet<String>,
}

impl Flows {
    async fn call(&mut self, operation: &str, path: &str, token: &str, body: Value) -> Answer {
        let (method, pattern) = operation.split_once(' ').expect("method and pattern");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let path = if path.is_empty() { pattern } else { path };
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.program.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = Answer::to(request).await;
        self.called.insert(operation.to_owned());
        let opened = answer.body["token"].as_str().map(str::to_owned);
        let cookie = answer.cookie();
        let in_cookie = cookie.split_once('=').map(|(_, token)| token.to_owned());
        let tokens = opened.into_iter().chain(in_cookie);
        self.planted
            .extend(tokens.filter(|token| !token.is_empty()));
        if !answer.status.is_success() {
            self.refusals.push(answer.clone());
        }
        answer
    }

    /// The same, where it is to succeed.
    async fn done(&mut self, operation: &str, token: &str, body: Value) -> Answer {
        let answer = self.call(operation, "", token, body).await;
        assert!(answer.status.is_success(), "{operation}: {answer:?}");
        answer
    }

    async fn sign_in(&mut self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password, "delivery": "token"});
        let answer = self.done("POST /sessions", "", body).await;
        answer.body["token"].as_str().expect("a token").to_owned()
    }

    /// The token in the letter of this number.
    async fn letter(&mut self, server: &SmtpServer, number: usize, kind: &str) -> String {
        let mails = server.wait_for(number).await;
        let prefix = format!("#token=bienvenue_{kind}_");
        let mut with_token = mails.iter().filter(|mail| mail.text.contains(&prefix));
        let mut tokens = with_token.by_ref().map(|mail| mail.token().to_owned());
        let token = tokens.find(|token| !self.planted.contains(token));
        let token = token.unwrap_or_else(|| panic!("no new {kind} among {mails:?}"));
        self.planted.push(token.clone());
        token
    }
}

#[apply(on_both_databases)]
async fn what_is_planted_in_every_flow_is_found_nowhere(
    database: TestDatabase,
    mut mail_server: SmtpServer,
) {
    mail_server.start();
    let with_password = database
        .url
        .replace("postgres@", &format!("postgres:{DATABASE_PASSWORD}@"));
    let smtp = format!("smtp://ada:{MAIL_PASSWORD}@localhost:{}", mail_server.port);
    let mut log = String::new();
    let mut said = String::new();
    let planted = [
        PASSWORD,
        NEXT_PASSWORD,
        LAST_PASSWORD,
        WRONG_PASSWORD,
        WEAK_PASSWORD,
        LONG_PASSWORD,
        MISPLACED_PASSWORD,
        MAIL_PASSWORD,
        DATABASE_PASSWORD,
    ];
    let mut planted = planted.map(str::to_owned).to_vec();
    let mut called = BTreeSet::new();
    for (mode, format) in [("open", "text"), ("private", "json")] {
        let program = Program::start(&[
            ("RUST_LOG", "trace"),
            ("BIENVENUE_LOG_FORMAT", format),
            ("BIENVENUE_REGISTRATION", mode),
            ("DATABASE_URL", &with_password),
            ("BIENVENUE_SMTP_URL", &smtp),
        ]);
        let mut flows = Flows {
            program,
            client: Client::new(),
            planted,
            refusals: Vec::new(),
            called,
        };
        if mode == "open" {
            registration_and_sessions(&mut flows, &mail_server).await;
            changes_and_ends(&mut flows, &mail_server).await;
            administration(&mut flows, &database).await;
        } else {
            private_registration(&mut flows, &mail_server).await;
        }
        // While it runs: the log beside it, the tables are still in the journal.
        let stored = everything_stored(&database).await;
        for secret in &flows.planted {
            assert!(!stored.contains(secret.as_bytes()), "{secret} is stored");
        }
        assert!(!flows.program.command_line().contains(DATABASE_PASSWORD));
        assert!(!flows.program.command_line().contains(MAIL_PASSWORD));
        flows.program.signal("TERM");
        let (status, of_run) = flows.program.ended();
        assert!(status.success());
        log.push_str(&of_run);
        said.extend(flows.refusals.iter().map(|answer| format!("{answer:?}\n")));
        (planted, called) = (flows.planted, flows.called);
    }
    assert_eq!(called, all_operations(), "every flow");
    assert!(planted.len() > 20 && log.contains("status=201") && log.contains("\"status\":202"));
    let secrets = planted.iter().map(String::as_str);
    for secret in secrets.chain(SIGNS).chain([NAME]) {
        assert!(!log.contains(secret), "{secret} is logged: {log}");
        let is_named = secret == MISPLACED_PASSWORD;
        assert!(
            is_named || !said.contains(secret),
            "{secret} is in a refusal: {said}"
        );
    }
}

#[apply(on_both_databases)]
async fn what_the_database_refuses_is_logged_without_what_it_was_asked(database: TestDatabase) {
    let program = Program::start(&[("RUST_LOG", "trace"), ("DATABASE_URL", &database.url)]);
    for table in [
        "email_verifications",
        "one_time_tokens",
        "outgoing_mails",
        "known_clients",
        "sessions",
        "user_groups",
        "users",
    ] {
        database.sql(&format!("DROP TABLE {table}")).await;
    }
    let body = json!({"email": ADA, "password": PASSWORD});
    let request = Client::new().post(format!("{}/users", program.url));
    let failed = Answer::to(request.json(&body)).await;
    failed.assert_problem(500, "internal-error");
    let id = failed.header("x-request-id").to_owned();
    assert_eq!(failed.body["detail"], format!("The request id is {id}."));
    program.signal("TERM");
    let (status, log) = program.ended();
    assert!(status.success());
    assert!(log.contains("internal error") && log.contains(&id), "{log}");
    for secret in [PASSWORD, ADA].into_iter().chain(SIGNS) {
        assert!(!log.contains(secret), "{secret} is logged: {log}");
    }
}

/// Operations as they should be used and as they should not.
async fn registration_and_sessions(flows: &mut Flows, mail_server: &SmtpServer) {
    for service in ["GET /", "GET /health/live", "GET /health/ready"] {
        flows.done(service, "", Value::Null).await;
    }
    let problem = "/problems/weak-password";
    flows
        .call("GET /problems/{name}", problem, "", Value::Null)
        .await;
    for password in [WEAK_PASSWORD, "correct horse\0 battery"] {
        let body = json!({"email": ADA, "password": password});
        flows.call("POST /users", "", "", body).await;
    }
    let body = json!({"email": ADA, "password": PASSWORD});
    flows.done("POST /users", "", body.clone()).await;
    flows.call("POST /users", "", "", body).await;
    // In the wrong place: as a name, as another type, twice, as an address, in the query.
    for body in [
        json!({"email": ADA, "password": PASSWORD, MISPLACED_PASSWORD: 1}),
        json!({"email": ADA, "password": [PASSWORD]}),
        json!({"email": PASSWORD, "password": WRONG_PASSWORD}),
        json!(WRONG_PASSWORD),
    ] {
        flows.call("POST /users", "", "", body.clone()).await;
        flows.call("POST /sessions", "", "", body).await;
    }
    let wrong = json!({"email": ADA, "password": WRONG_PASSWORD});
    flows.call("POST /sessions", "", "", wrong).await;
    flows
        .done(
            "POST /sessions",
            "",
            json!({"email": ADA, "password": PASSWORD}),
        )
        .await;
    let token = flows.sign_in(ADA, PASSWORD).await;
    let verification = flows.letter(mail_server, 1, "verification").await;
    for path in [
        format!("/sessions/current?token={token}"),
        format!("/sessions/current?password={PASSWORD}"),
    ] {
        flows
            .call("GET /sessions/current", &path, "", Value::Null)
            .await;
    }
    for bad in [
        WRONG_PASSWORD,
        &token[..40],
        &format!("{token}x"),
        &verification,
    ] {
        flows.call("GET /users/me", "", bad, Value::Null).await;
    }
    for operation in [
        "GET /users/me",
        "GET /users/me/export",
        "GET /users/me/audit-events",
        "GET /sessions",
        "GET /sessions/current",
    ] {
        flows.done(operation, &token, Value::Null).await;
    }
    let named = json!({"name": NAME});
    flows.done("PATCH /users/me", &token, named).await;
    flows
        .done("POST /email-verification", &token, Value::Null)
        .await;
    let spent = json!({"token": verification});
    let newer = flows.letter(mail_server, 2, "verification").await;
    flows.call("PUT /email-verification", "", "", spent).await;
    let both = json!({"token": newer, "password": WRONG_PASSWORD});
    flows.call("PUT /email-verification", "", "", both).await;
    let both = json!({"token": newer, "password": PASSWORD});
    flows.done("PUT /email-verification", "", both).await;
}

/// Whatever ends sessions, letters and accounts.
async fn changes_and_ends(flows: &mut Flows, mail_server: &SmtpServer) {
    let token = flows.sign_in(ADA, PASSWORD).await;
    let change = json!({"current_password": WRONG_PASSWORD, "new_password": NEXT_PASSWORD});
    flows
        .call("PUT /users/me/password", "", &token, change)
        .await;
    let change = json!({"current_password": PASSWORD, "new_password": LONG_PASSWORD});
    let changed = flows.done("PUT /users/me/password", &token, change).await;
    let token = changed.body["token"].as_str().expect("a token").to_owned();
    let change = json!({"email": "new@example.com", "password": LONG_PASSWORD});
    flows.done("PUT /users/me/email", &token, change).await;
    // Of the change of the password, and to both addresses.
    let moved = flows.letter(mail_server, 5, "verification").await;
    flows
        .done(
            "POST /email-verification/refusal",
            "",
            json!({"token": moved}),
        )
        .await;
    let change = json!({"email": "newer@example.com", "password": LONG_PASSWORD});
    flows.done("PUT /users/me/email", &token, change).await;
    let moved = flows.letter(mail_server, 7, "verification").await;
    flows
        .done(
            "PUT /email-verification",
            "",
            json!({"token": moved, "password": LONG_PASSWORD}),
        )
        .await;
    let undo = json!({"token": flows.letter(mail_server, 8, "undo").await});
    flows
        .done("POST /email-verification/undo", "", undo.clone())
        .await;
    flows
        .call("POST /email-verification/undo", "", "", undo)
        .await;
    flows
        .done("POST /password-reset", "", json!({"email": ADA}))
        .await;
    let reset = flows.letter(mail_server, 9, "reset").await;
    let weak = json!({"token": reset, "new_password": WEAK_PASSWORD});
    flows.call("PUT /password-reset", "", "", weak).await;
    let strong = json!({"token": reset, "new_password": LAST_PASSWORD});
    flows.done("PUT /password-reset", "", strong.clone()).await;
    flows.call("PUT /password-reset", "", "", strong).await;
    let other = flows.sign_in(ADA, LAST_PASSWORD).await;
    let listed = flows.done("GET /sessions", &other, Value::Null).await;
    let id = listed.body["sessions"][0]["id"].as_str().expect("an id");
    let path = format!("/sessions/{id}");
    flows
        .call("DELETE /sessions/{id}", &path, &other, Value::Null)
        .await;
    for operation in [
        "DELETE /sessions/current",
        "DELETE /sessions",
        "DELETE /users/me",
    ] {
        let token = flows.sign_in(ADA, LAST_PASSWORD).await;
        flows.done(operation, &token, Value::Null).await;
        flows.call(operation, "", &token, Value::Null).await;
    }
}

async fn private_registration(flows: &mut Flows, mail_server: &SmtpServer) {
    let before = mail_server.count();
    let body = json!({"email": ADA, "password": PASSWORD});
    let answer = flows.done("POST /users", "", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let token = flows.letter(mail_server, before + 1, "registration").await;
    let wrong = json!({"token": token, "password": WRONG_PASSWORD});
    flows.call("PUT /email-verification", "", "", wrong).await;
    let right = json!({"token": token, "password": PASSWORD});
    flows.done("PUT /email-verification", "", right).await;
    flows.sign_in(ADA, PASSWORD).await;
}

/// Method and path of all operations that are documented.
/// What an administrator does, who comes from the command line.
async fn administration(flows: &mut Flows, database: &TestDatabase) {
    let add = ["user", "add", ROOT, "--admin", "--name", NAME];
    let variables = [("DATABASE_URL", &*database.url), ("RUST_LOG", "trace")];
    let (status, _, complaints) = Program::run_with(&add, &variables, PASSWORD).await;
    assert_eq!(status, 0, "{complaints}");
    for secret in [PASSWORD, NAME] {
        assert!(!complaints.contains(secret), "{complaints}");
    }
    let root = flows.sign_in(ROOT, PASSWORD).await;
    let weak = json!({"email": ADA, "password": WEAK_PASSWORD});
    flows.call("POST /admin/users", "", &root, weak).await;
    let new = json!({"email": ADA, "password": NEXT_PASSWORD, "name": NAME, "groups": ["staff"]});
    let user = flows.done("POST /admin/users", &root, new).await;
    let (path, none) = (format!("/admin/users/{}", user.body["id"]), Value::Null);
    flows.sign_in(ADA, NEXT_PASSWORD).await;
    for operation in [
        "GET /admin/users",
        "GET /admin/groups",
        "GET /admin/audit-events",
        "GET /users/me/audit-events",
    ] {
        flows.done(operation, &root, none.clone()).await;
    }
    let change = json!({"name": null, "email_verified": true});
    for (operation, path, body) in [
        ("GET /admin/users/{id}", path.clone(), none.clone()),
        ("PATCH /admin/users/{id}", path.clone(), change),
        (
            "DELETE /admin/users/{id}/sessions",
            format!("{path}/sessions"),
            none.clone(),
        ),
        (
            "POST /admin/users/{id}/password-reset",
            format!("{path}/password-reset"),
            none.clone(),
        ),
        ("DELETE /admin/users/{id}", path.clone(), none),
    ] {
        let answer = flows.call(operation, &path, &root, body).await;
        assert!(answer.status.is_success(), "{operation}: {answer:?}");
    }
}

fn all_operations() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&bienvenue::openapi_document()).expect("JSON");
    let paths = document["paths"].as_object().expect("an object");
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().expect("an object").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// Everything that is in the database, as text: of SQLite the files, of PostgreSQL every row of every table.
async fn everything_stored(database: &TestDatabase) -> Stored {
    let mut stored = Vec::new();
    if let Some(path) = database.url.strip_prefix("sqlite://") {
        let path = path.split('?').next().unwrap_or(path);
        for file in [path.to_owned(), format!("{path}-wal")] {
            stored.extend(std::fs::read(file).expect("it is there"));
        }
        return Stored(stored);
    }
    let conn = Database::connect(&database.url).await.expect("connects");
    let query = |sql: String| Statement::from_string(DatabaseBackend::Postgres, sql);
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables = conn.query_all_raw(query(tables.to_owned())).await;
    for table in tables.expect("a list") {
        let table: String = table.try_get_by_index(0).expect("a name");
        let rows = format!("SELECT t::text FROM {table} t");
        for row in conn.query_all_raw(query(rows)).await.expect("rows") {
            let row: String = row.try_get_by_index(0).expect("text");
            stored.extend(row.into_bytes());
        }
    }
    conn.close().await.expect("closes");
    Stored(stored)
}

struct Stored(Vec<u8>);

impl Stored {
    fn contains(&self, secret: &[u8]) -> bool {
        self.0.windows(secret.len()).any(|bytes| bytes == secret)
    }
}
