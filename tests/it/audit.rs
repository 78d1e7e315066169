//! The audit log: what is in it, and that a change of it shows.

use std::{path::Path, process::Command};

use bienvenue::{
    auth::{AuditFilter, AuditLog, SealingKeys, Verified},
    db::DB,
};
use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder, StatusCode};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    Mailbox, Program, TEST_KEY, TestApp, TestDatabase, on_both_databases, postgres_program,
};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const NEXT: &str = "incorrect donkey charger";

/// How many random changes are tried; more with this variable.
const CHANGES: usize = 200;
const CHANGES_VARIABLE: &str = "AUDIT_CHANGES";

async fn log_of(database: &TestDatabase) -> AuditLog {
    let db = DB::connect(&database.url).await.expect("opens");
    AuditLog::new(db, &SealingKeys::parse(TEST_KEY).expect("a key"))
}

/// Seals all events. The service may be about to do the same.
async fn seal(app: &TestApp) {
    loop {
        while app.auth.seal_audit_events().await.expect("it can") {}
        let unsealed = "audit_events WHERE checkpoint IS NULL";
        if app.database.count(unsealed).await == 0 {
            return;
        }
    }
}

async fn holds(log: &AuditLog) -> Verified {
    log.verify([]).await.expect("it holds")
}

async fn change_found(log: &AuditLog) -> String {
    log.verify([])
        .await
        .expect_err("it was changed")
        .to_string()
}

/// The kinds of all events, the oldest first, each with its ids and its detail.
async fn told(app: &TestApp) -> Vec<String> {
    let filter = AuditFilter::default();
    let page = app.auth.audit_events(&filter, 200, None).await;
    let mut events = page.expect("answers").events;
    events.reverse();
    let line = |event: &bienvenue::auth::AuditEvent| {
        let id = |id: Option<i64>| id.map_or("-".to_owned(), |id| id.to_string());
        let by_session = if event.session_id.is_some() { "s" } else { "-" };
        let detail = Value::Object(event.detail.clone());
        let (user, actor) = (id(event.user_id), id(event.actor_id));
        format!("{} {user}{actor}{by_session} {detail}", event.kind)
    };
    events.iter().map(line).collect()
}

#[apply(on_both_databases)]
async fn the_life_of_an_account_is_exactly_these_events(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register(ADA, PASSWORD).await;
    app.sign_in("nobody@example.com", PASSWORD).await;
    app.sign_in("nonsense", PASSWORD).await;
    app.sign_in(ADA, "incorrect").await;
    let token = app.token(ADA, PASSWORD).await;
    let other = app.token(ADA, PASSWORD).await;
    let patch = async |body: Value| {
        let request = app.request(Method::PATCH, "/users/me", &token);
        app.send(request.json(&body)).await
    };
    patch(json!({"name": "Ada"})).await;
    // Nothing is changed, or nothing is stored.
    patch(json!({"name": "Ada"})).await;
    patch(json!({"name": "\u{7}"})).await;
    let change = json!({"current_password": "incorrect", "new_password": NEXT});
    let put = async |token: &str, path: &str, body: &Value| {
        let request = app.request(Method::PUT, path, token).json(body);
        app.send(request).await
    };
    put(&token, "/users/me/password", &change).await;
    let change = json!({"current_password": PASSWORD, "new_password": NEXT});
    let changed = put(&token, "/users/me/password", &change).await;
    assert!(!app.opens(&other).await);
    let token = changed.body["token"].as_str().expect("a token").to_owned();
    let verify = json!({"token": app.mail.newest_to(ADA, 1).await.token()});
    // The change of the password made it invalid.
    let refused = put(&token, "/email-verification", &verify).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let email = json!({"email": "ada.lovelace@example.com", "password": NEXT});
    put(&token, "/users/me/email", &email).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    app.post("/password-reset", &json!({"email": "nobody@example.com"}))
        .await;
    app.get_as(&token, "/users/me/export").await;
    app.delete_as(&token, "/sessions").await;
    assert_eq!(told(&app).await, LIFE.lines().collect::<Vec<_>>());
    let token = app.token(ADA, NEXT).await;
    app.delete_as(&token, "/users/me").await;
    let last = told(&app).await.pop();
    let deleted = r#"user.deleted 11s {"reason":"closed by its owner"}"#;
    assert_eq!(last.as_deref(), Some(deleted));
    seal(&app).await;
    holds(&log_of(&app.database).await).await;
}

const LIFE: &str = r#"user.registered 1-- {}
session.refused --- {"reason":"no account"}
session.refused --- {"reason":"no address"}
session.refused 1-- {"reason":"wrong password"}
session.opened 11s {"methods":["password"],"new_network":false}
session.opened 11s {"methods":["password"],"new_network":false}
user.updated 11s {"fields":["name"],"role":null,"groups_added":null,"groups_removed":null}
session.refused 11s {"reason":"wrong password to confirm a change"}
session.ended 11s {"reason":"password changed"}
password.changed 11s {}
email.change_requested 11s {}
password.reset_requested 1-- {}
password.reset_requested --- {}
user.exported 11s {}
session.ended 11s {"reason":"signed out everywhere"}"#;

#[apply(on_both_databases)]
async fn people_read_their_own_events_a_page_at_a_time(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register("eve@example.com", PASSWORD).await;
    app.sign_in(ADA, "incorrect").await;
    let token = app.token(ADA, PASSWORD).await;
    let path = "/users/me/audit-events";
    app.get(path).await.assert_problem(401, "not-signed-in");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=1", "after"),
        ("kind=user.registered", "kind"),
        ("user_id=2", "user_id"),
    ] {
        let refused = app.get_as(&token, &format!("{path}?{query}")).await;
        refused.assert_problem(400, "malformed-request");
        assert_eq!(refused.body["errors"][0]["field"], field, "{refused:?}");
    }
    let mut events = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = app.get_as(&token, &format!("{path}{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        events.extend(page.body["events"].as_array().expect("a list").clone());
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        query = format!("?limit=2&after={next}");
    }
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(
        kinds,
        ["session.opened", "session.refused", "user.registered"]
    );
    let mut opened = events[0].clone();
    for id in ["id", "session_id"] {
        assert!(opened[id].is_string(), "{opened}");
        opened[id] = Value::Null;
    }
    let expected = json!({
        "id": null, "at": "2026-11-22T06:00:00Z", "kind": "session.opened", "user_id": 1, "actor_id": 1, "session_id": null,
        "client": null, "ip": "127.0.0.1", "user_agent": null,
        "detail": {"methods": ["password"], "new_network": false},
    });
    assert_eq!(opened, expected);
    // What an administrator did is told without the administrator's client.
    app.database
        .sql("UPDATE audit_events SET actor_id = 2 WHERE kind = 'session.opened'")
        .await;
    let page = app.get_as(&token, path).await;
    let event = &page.body["events"][0];
    assert_eq!(
        (&event["actor_id"], &event["ip"]),
        (&json!(2), &Value::Null)
    );
}

#[apply(on_both_databases)]
async fn of_a_flood_of_refusals_by_a_limit_one_is_an_event(database: TestDatabase) {
    let app = TestApp::limited(database, &[]).await;
    app.register(ADA, PASSWORD).await;
    let throttled = || async {
        let mut events = told(&app).await;
        events.retain(|event| event.starts_with("account.throttled"));
        events
    };
    let of_nobody = r#"account.throttled --- {"reason":"attempts"}"#;
    let of_ada = r#"account.throttled 1-- {"reason":"attempts"}"#;
    for _ in 0..12 {
        app.sign_in("nobody@example.com", "incorrect").await;
    }
    assert_eq!(throttled().await, [of_nobody]);
    for _ in 0..12 {
        app.sign_in(ADA, "incorrect").await;
    }
    assert_eq!(throttled().await, [of_nobody, of_ada]);
    // The next wait is another.
    app.clock.advance(TimeDelta::seconds(2));
    for _ in 0..3 {
        app.sign_in(ADA, "incorrect").await;
    }
    assert_eq!(throttled().await, [of_nobody, of_ada, of_ada]);
}

#[apply(on_both_databases)]
async fn no_event_of_twenty_writers_and_two_sealers_is_lost_doubled_or_left(app: TestApp) {
    let other = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    // A busy SQLite may refuse for a moment, as any database. What was refused may have been done nevertheless.
    let until = async |wanted: [u16; 2], send: &dyn Fn() -> RequestBuilder| loop {
        let answer = app.send(send()).await;
        if wanted.contains(&answer.status.as_u16()) {
            return answer;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    };
    let write = async |number: usize| {
        let app = if number.is_multiple_of(2) {
            &app
        } else {
            &other
        };
        let email = format!("writer{number}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let users = || app.client.post(format!("{}/users", app.url)).json(&body);
        until([201, 409], &users).await;
        let body = json!({"email": email, "password": PASSWORD, "delivery": "token"});
        let mut ids = Vec::new();
        for _ in 0..3 {
            let sessions = || app.client.post(format!("{}/sessions", app.url)).json(&body);
            let opened = until([201, 201], &sessions).await.body;
            let token = opened["token"].as_str().expect("a token");
            let end = || app.request(Method::DELETE, "/sessions/current", token);
            until([204, 401], &end).await;
            ids.push(opened["id"].as_str().expect("an id").to_owned());
            let _ = app.auth.seal_audit_events().await;
        }
        ids
    };
    let sessions = join_all((0..20).map(write)).await.concat();
    tokio::join!(seal(&app), seal(&other));
    let log = log_of(&app.database).await;
    let verified = holds(&log).await;
    let all = log.events(&AuditFilter::default(), 10_000, None).await;
    let all = all.expect("answers").events;
    assert_eq!((verified.events, verified.unsealed), (all.len() as u64, 0));
    let count = |kind: &str, session: Option<&String>| {
        let of_kind = all.iter().filter(|event| event.kind == kind);
        let of_session = of_kind.filter(|event| {
            session.is_none() || event.session_id.map(|id| id.to_string()).as_ref() == session
        });
        of_session.count()
    };
    assert_eq!(count("user.registered", None), 20);
    assert_eq!(sessions.len(), 60);
    for session in &sessions {
        let counts = ["session.opened", "session.ended"].map(|kind| count(kind, Some(session)));
        assert_eq!(counts, [1, 1], "{session}");
    }
    assert!(verified.checkpoints > 1, "{verified:?}");
    other.stop().await;
}

#[apply(on_both_databases)]
async fn old_checkpoints_go_with_their_events_and_the_rest_holds(app: TestApp) {
    for number in 0..3 {
        app.register(&format!("user{number}@example.com"), PASSWORD)
            .await;
        seal(&app).await;
        app.clock.advance(TimeDelta::days(150));
    }
    let log = log_of(&app.database).await;
    // The first is 450 days old, the second 300.
    seal(&app).await;
    let verified = holds(&log).await;
    assert_eq!((verified.checkpoints, verified.events), (3, 2));
    seal(&app).await;
    assert_eq!(holds(&log).await, verified);
    // Without a checkpoint that says so, it is found.
    app.database
        .sql("DELETE FROM audit_events WHERE checkpoint = 2")
        .await;
    app.database
        .sql("DELETE FROM audit_checkpoints WHERE number = 2")
        .await;
    let found = change_found(&log).await;
    assert_eq!(
        found,
        "the checkpoints begin with number 3, and the last one says that they begin with 2"
    );
}

#[apply(on_both_databases)]
async fn nothing_is_built_upon_a_checkpoint_that_was_changed(app: TestApp) {
    let log = log_of(&app.database).await;
    for number in 0..3 {
        app.register(&format!("user{number}@example.com"), PASSWORD)
            .await;
        seal(&app).await;
    }
    let checkpoints = "SELECT CAST(COUNT(*) AS TEXT) FROM audit_checkpoints";
    for change in [
        "UPDATE audit_checkpoints SET sealed_at = 0",
        "UPDATE audit_checkpoints SET sealed_at = 0 WHERE number = 1",
        "UPDATE audit_checkpoints SET oldest = number + 1 WHERE number = 3",
        "UPDATE audit_checkpoints SET oldest = -9223372036854775807 - 1 WHERE number = 3",
        "UPDATE audit_checkpoints SET signature = 'x' WHERE number = 3",
        "UPDATE audit_checkpoints SET number = 9223372036854775807 WHERE number = 3",
    ] {
        app.database
            .sql("CREATE TABLE kept AS SELECT * FROM audit_checkpoints")
            .await;
        app.database.sql(change).await;
        app.sign_in("user0@example.com", "wrong").await;
        for _ in 0..3 {
            let _ = app.auth.seal_audit_events().await;
        }
        assert!(!change_found(&log).await.is_empty());
        let left = app.database.sql(checkpoints).await.expect("a number");
        assert!(["3", "4"].contains(&&*left), "{change}: {left}");
        for sql in [
            "UPDATE audit_events SET checkpoint = NULL WHERE checkpoint > 3",
            "DELETE FROM audit_checkpoints",
            "INSERT INTO audit_checkpoints SELECT * FROM kept",
            "DROP TABLE kept",
        ] {
            app.database.sql(sql).await;
        }
        holds(&log).await;
    }
}

#[apply(on_both_databases)]
async fn a_forged_event_is_in_no_checkpoint_and_does_not_stop_the_others(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let forged = format!(
        "INSERT INTO audit_events (id, at, kind, user_id, client_salt, client_commitment, salt, commitment, mac) VALUES ({}, 0, 'user.deleted', 1, 'x', 'x', 'x', 'x', 'x')",
        if app.database.is_sqlite() {
            "zeroblob(16)"
        } else {
            "'00000000-0000-0000-0000-000000000000'"
        }
    );
    app.database.sql(&forged).await;
    while app.database.count("audit_checkpoints").await == 0 {
        app.auth.seal_audit_events().await.expect("it can");
    }
    let sealed = "audit_events WHERE checkpoint = 1";
    assert_eq!(app.database.count(sealed).await, 1);
    let found = change_found(&log_of(&app.database).await).await;
    assert!(
        found.contains("00000000-0000-0000-0000-000000000000"),
        "{found}"
    );
}

/// Numbers that look random and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let end = u64::try_from(end).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("small")
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Somebody who can write to the database and has not the keys.
struct Intruder {
    conn: DatabaseConnection,
    is_sqlite: bool,
    chance: Chance,
    events: Vec<String>,
    checkpoints: i64,
}

/// Columns, each with its type: a UUID, an integer or a text.
const EVENT_COLUMNS: [(&str, char); 17] = [
    ("id", 'u'),
    ("at", 'i'),
    ("kind", 't'),
    ("user_id", 'i'),
    ("actor_id", 'i'),
    ("session_id", 'u'),
    ("client_id", 't'),
    ("request_id", 't'),
    ("ip", 't'),
    ("user_agent", 't'),
    ("detail", 't'),
    ("client_salt", 't'),
    ("client_commitment", 't'),
    ("salt", 't'),
    ("commitment", 't'),
    ("mac", 't'),
    ("checkpoint", 'i'),
];
const CHECKPOINT_COLUMNS: [(&str, char); 10] = [
    ("number", 'i'),
    ("sealed_at", 'i'),
    ("first_event", 'u'),
    ("last_event", 'u'),
    ("events", 'i'),
    ("root", 't'),
    ("previous", 't'),
    ("oldest", 'i'),
    ("key", 't'),
    ("signature", 't'),
];

impl Intruder {
    async fn run(&self, sql: &str) -> u64 {
        let done = self.conn.execute_unprepared(sql).await;
        done.unwrap_or_else(|err| panic!("{sql}: {err}"))
            .rows_affected()
    }

    async fn value(&self, sql: &str) -> Option<String> {
        let statement = Statement::from_string(self.conn.get_database_backend(), sql);
        let row = self
            .conn
            .query_one_raw(statement)
            .await
            .expect("SQL is right");
        row.expect("a row").try_get_by_index(0).expect("text")
    }

    /// A column as text.
    fn text(&self, (column, kind): (&str, char)) -> String {
        match (kind, self.is_sqlite) {
            ('u', true) => format!("hex({column})"),
            _ => format!("CAST({column} AS text)"),
        }
    }

    fn event(&mut self) -> String {
        let id = self.chance.of(&self.events).clone();
        format!("{} = '{id}'", self.text(("id", 'u')))
    }

    fn checkpoint(&mut self) -> String {
        let count = usize::try_from(self.checkpoints).expect("few");
        format!("number = {}", 1 + self.chance.below(count))
    }

    /// Another value of a column that has this one, as SQL.
    fn other(&mut self, kind: char, value: Option<&str>) -> String {
        match (kind, value) {
            ('i', Some(value)) => {
                let value: i64 = value.parse().expect("a number");
                let step = *self.chance.of(&[1_i64, 2, 1000, 1_000_000]);
                // Numbers of checkpoints that exist would conflict.
                (value + step + if step < 1000 { 1_000_000 } else { 0 }).to_string()
            }
            ('i', None) => "7".to_owned(),
            ('u', value) => {
                let old = value.unwrap_or("00000000000000000000000000000000");
                let mut digits: Vec<char> = old.chars().collect();
                let places: Vec<_> = (0..digits.len())
                    .filter(|place| digits[*place] != '-')
                    .collect();
                let place = *self.chance.of(&places);
                digits[place] = if digits[place] == '1' { '2' } else { '1' };
                let digits: String = digits.into_iter().collect();
                if self.is_sqlite {
                    format!("x'{}'", digits.replace('-', ""))
                } else {
                    format!("'{digits}'")
                }
            }
            (_, value) => {
                let mut letters: Vec<char> = value.unwrap_or_default().chars().collect();
                if letters.is_empty() {
                    return "'x'".to_owned();
                }
                let place = self.chance.below(letters.len());
                letters[place] = match letters[place] {
                    // Other spellings of the same number are changes too.
                    letter @ 'a'..='f' => letter.to_ascii_uppercase(),
                    'x' => 'y',
                    _ => 'x',
                };
                format!(
                    "'{}'",
                    letters.into_iter().collect::<String>().replace('\'', "''")
                )
            }
        }
    }

    /// Changes a value of a table, and says what was done.
    async fn change_value(&mut self, table: &str, columns: &[(&str, char)], row: &str) -> String {
        let column = *self.chance.of(columns);
        let (name, kind) = column;
        let is_set = format!("{name} IS NOT NULL");
        let old = self
            .value(&format!(
                "SELECT CASE WHEN {is_set} THEN {} END FROM {table} WHERE {row}",
                self.text(column)
            ))
            .await;
        let can_be_null = !["id", "at", "kind", "client_commitment", "commitment", "mac"]
            .contains(&name)
            && table == "audit_events"
            || ["first_event", "last_event"].contains(&name);
        let new = if old.is_some() && can_be_null && self.chance.below(4) == 0 {
            "NULL".to_owned()
        } else {
            self.other(kind, old.as_deref())
        };
        let sql = format!("UPDATE {table} SET {name} = {new} WHERE {row}");
        self.run(&sql).await;
        sql
    }

    /// Swaps the values of a column between two rows that have different ones.
    async fn swap(
        &mut self,
        table: &str,
        columns: &[(&str, char)],
        one: &str,
        other: &str,
    ) -> Option<String> {
        let (name, kind) = *self.chance.of(columns);
        let read = |row: &str| {
            format!(
                "SELECT CASE WHEN {name} IS NOT NULL THEN {} END FROM {table} WHERE {row}",
                self.text((name, kind))
            )
        };
        let (first, second) = (self.value(&read(one)).await, self.value(&read(other)).await);
        if first == second {
            return None;
        }
        let value = |value: Option<String>| match value {
            None => "NULL".to_owned(),
            Some(value) if kind == 'i' => value,
            Some(value) if kind == 'u' && self.is_sqlite => format!("x'{value}'"),
            Some(value) => format!("'{}'", value.replace('\'', "''")),
        };
        self.run(&format!(
            "UPDATE {table} SET {name} = {} WHERE {one}",
            value(second)
        ))
        .await;
        self.run(&format!(
            "UPDATE {table} SET {name} = {} WHERE {other}",
            value(first)
        ))
        .await;
        Some(format!("{name} of {one} and {other} swapped"))
    }

    /// Makes one change, and says which. `None` if it would change nothing.
    async fn change(&mut self) -> Option<String> {
        let (event, checkpoint) = (self.event(), self.checkpoint());
        let names = |columns: &[(&str, char)]| {
            let names: Vec<_> = columns.iter().skip(1).map(|(name, _)| *name).collect();
            names.join(", ")
        };
        let sql = match self.chance.below(12) {
            0..4 => {
                return Some(
                    self.change_value("audit_events", &EVENT_COLUMNS, &event)
                        .await,
                );
            }
            4..6 => {
                return Some(
                    self.change_value("audit_checkpoints", &CHECKPOINT_COLUMNS, &checkpoint)
                        .await,
                );
            }
            6 => {
                let other = self.event();
                return self
                    .swap("audit_events", &EVENT_COLUMNS[1..], &event, &other)
                    .await;
            }
            7 => {
                let other = self.checkpoint();
                return self
                    .swap(
                        "audit_checkpoints",
                        &CHECKPOINT_COLUMNS[1..],
                        &checkpoint,
                        &other,
                    )
                    .await;
            }
            8 => format!("DELETE FROM audit_events WHERE {event}"),
            9 => format!("DELETE FROM audit_checkpoints WHERE {checkpoint}"),
            10 => {
                let id = self.other('u', Some(&"0".repeat(32)));
                let names = names(&EVENT_COLUMNS);
                format!(
                    "INSERT INTO audit_events (id, {names}) SELECT {id}, {names} FROM audit_events WHERE {event}"
                )
            }
            _ if self.chance.below(2) == 0 => {
                let (number, names) = (self.checkpoints + 1, names(&CHECKPOINT_COLUMNS));
                format!(
                    "INSERT INTO audit_checkpoints (number, {names}) SELECT {number}, {names} FROM audit_checkpoints WHERE {checkpoint}"
                )
            }
            _ => format!(
                "UPDATE audit_events SET ip = NULL, user_agent = NULL, client_salt = NULL, detail = NULL, salt = NULL WHERE salt IS NOT NULL AND {event}"
            ),
        };
        (self.run(&sql).await > 0).then_some(sql)
    }

    async fn copy(&self) {
        for table in ["audit_events", "audit_checkpoints"] {
            self.run(&format!(
                "CREATE TABLE kept_{table} AS SELECT * FROM {table}"
            ))
            .await;
        }
    }

    /// Whether the service has undone a change: it erases again what it has erased before.
    async fn is_undone(&self, change: &str) -> bool {
        let query = "SELECT * FROM kept_audit_events EXCEPT SELECT * FROM audit_events";
        let query = format!("SELECT count(*) AS count FROM ({query}) AS changed");
        let statement = Statement::from_string(self.conn.get_database_backend(), query);
        let row = self.conn.query_one_raw(statement).await.expect("answers");
        let changed: i64 = row.expect("a row").try_get("", "count").expect("a count");
        change.starts_with("UPDATE audit_events SET") && changed == 0
    }

    async fn restore(&self) {
        for table in ["audit_events", "audit_checkpoints"] {
            self.run(&format!("DELETE FROM {table}")).await;
            self.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}"))
                .await;
        }
    }
}

#[apply(on_both_databases)]
async fn every_single_change_by_sql_is_found(database: TestDatabase) {
    let url = database.url.clone();
    let app = TestApp::with(TestDatabase::at(url.clone()), &[]).await;
    for number in 0..6 {
        let email = format!("user{number}@example.com");
        app.register(&email, PASSWORD).await;
        app.sign_in(&email, "incorrect").await;
        let token = app.token(&email, PASSWORD).await;
        if number == 2 {
            app.delete_as(&token, "/users/me").await;
        }
        app.clock.advance(TimeDelta::seconds(7));
        seal(&app).await;
    }
    let log = log_of(&database).await;
    let untouched = holds(&log).await;
    let exported = log.checkpoints(0, 1000).await.expect("answers");
    let exported: Vec<_> = exported
        .iter()
        .map(bienvenue::auth::AuditCheckpoint::to_json)
        .collect();
    let all = || exported.iter().cloned().map(Ok);
    assert_eq!(log.verify(all()).await.expect("holds"), untouched);
    let id = if database.is_sqlite() {
        "hex(id)"
    } else {
        "CAST(id AS text)"
    };
    let list = if database.is_sqlite() {
        format!("group_concat({id})")
    } else {
        format!("string_agg({id}, ',')")
    };
    let ids = database
        .sql(&format!("SELECT {list} FROM audit_events"))
        .await;
    let mut intruder = Intruder {
        conn: Database::connect(&url).await.expect("connects"),
        is_sqlite: database.is_sqlite(),
        chance: Chance(29),
        events: ids.expect("some").split(',').map(str::to_owned).collect(),
        checkpoints: i64::try_from(untouched.checkpoints).expect("few"),
    };
    intruder.copy().await;
    let count = std::env::var(CHANGES_VARIABLE)
        .ok()
        .and_then(|count| count.parse().ok());
    let (mut made, mut missed) = (0, Vec::new());
    while made < count.unwrap_or(CHANGES) {
        // Now and then the tail is cut, which only the exported checkpoints show.
        let is_tail = made % 20 == 19;
        let change = if is_tail {
            let left = intruder
                .chance
                .below(usize::try_from(untouched.checkpoints).expect("few"));
            intruder
                .run(&format!(
                    "DELETE FROM audit_events WHERE checkpoint > {left}"
                ))
                .await;
            intruder
                .run(&format!(
                    "DELETE FROM audit_checkpoints WHERE number > {left}"
                ))
                .await;
            Some(format!("cut after {left}"))
        } else {
            intruder.change().await
        };
        let Some(change) = change else { continue };
        made += 1;
        if made % 2 == 0 {
            // The service goes on, and seals what comes after the change.
            app.sign_in("nobody@example.com", "incorrect").await;
            let _ = app.auth.seal_audit_events().await;
        }
        let found = if is_tail {
            log.verify(all()).await
        } else {
            log.verify([]).await
        };
        if found.is_ok() && !intruder.is_undone(&change).await {
            missed.push(change);
        }
        intruder.restore().await;
    }
    assert!(
        missed.is_empty(),
        "of {made}, these were missed: {missed:#?}"
    );
    assert_eq!(holds(&log).await, untouched);
    println!("{made} changes found");
}

/// What a person has sent, and must not be found once the account is deleted.
const PERSONAL: [&str; 5] = [
    "ada.byron@example.org",
    "ada.lovelace@example.org",
    "Ada Unforgettable",
    "203.0.113.77",
    "UnforgettableBrowser",
];

/// Everything that a database has: its files, or a dump.
async fn everything(database: &TestDatabase, file: &Path) -> Vec<u8> {
    if !database.is_sqlite() {
        let dump = Command::new(postgres_program("pg_dump"))
            .arg(&database.url)
            .output();
        let dump = dump.expect("it is installed");
        assert!(
            dump.status.success(),
            "{}",
            String::from_utf8_lossy(&dump.stderr)
        );
        return dump.stdout;
    }
    let db = DB::connect(&database.url).await.expect("opens");
    db.empty_log().await.expect("it can");
    let files = ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", file.display()));
    files
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap_or_default())
        .collect()
}

#[apply(on_both_databases)]
async fn no_byte_of_a_deleted_person_is_left_and_the_log_holds(database: TestDatabase) {
    let url = database.url.clone();
    let file = url
        .trim_start_matches("sqlite://")
        .trim_end_matches("?mode=rwc")
        .to_owned();
    let app = TestApp::with(TestDatabase::at(url), &["--trusted-proxies", "127.0.0.1"]).await;
    let [former, email, name, ip, user_agent] = PERSONAL;
    let send = async |request: RequestBuilder, body: Value| {
        let request = request
            .header("x-forwarded-for", ip)
            .header("user-agent", user_agent);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = app.send(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    };
    let to = |method, path: &str, token: &str| match token {
        "" => app.client.request(method, format!("{}{path}", app.url)),
        token => app.request(method, path, token),
    };
    let credentials = json!({"email": former, "password": PASSWORD});
    send(to(Method::POST, "/users", ""), credentials.clone()).await;
    send(
        to(Method::POST, "/password-reset", ""),
        json!({"email": former}),
    )
    .await;
    let mut credentials = credentials;
    credentials["delivery"] = "token".into();
    let signed_in = send(to(Method::POST, "/sessions", ""), credentials).await;
    let token = signed_in.body["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let verify = json!({"token": app.mail.newest_to(former, 1).await.token()});
    send(to(Method::PUT, "/email-verification", &token), verify).await;
    send(
        to(Method::PATCH, "/users/me", &token),
        json!({"name": name}),
    )
    .await;
    let change = json!({"email": email, "password": PASSWORD});
    send(to(Method::PUT, "/users/me/email", &token), change).await;
    app.letters_are_out().await;
    let verify = json!({"token": app.mail.newest_to(email, 1).await.token()});
    send(to(Method::PUT, "/email-verification", &token), verify).await;
    // Another person, whose events stay.
    app.register("eve@example.com", PASSWORD).await;
    app.letters_are_out().await;
    seal(&app).await;
    let has = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let before = everything(&database, Path::new(&file)).await;
    for text in PERSONAL {
        assert!(has(&before, text), "{text} is not there before");
    }
    send(to(Method::DELETE, "/users/me", &token), Value::Null).await;
    let after = everything(&database, Path::new(&file)).await;
    for text in PERSONAL {
        assert!(!has(&after, text), "{text} is left");
    }
    assert!(has(&after, "eve@example.com") || !database.is_sqlite());
    seal(&app).await;
    let log = log_of(&database).await;
    let verified = holds(&log).await;
    assert_eq!(
        (verified.events, verified.unsealed),
        (10, 0),
        "{:?}",
        told(&app).await
    );
    // Erasing somebody who was not deleted is found.
    database
        .sql("UPDATE audit_events SET ip = NULL, user_agent = NULL, client_salt = NULL, detail = NULL, salt = NULL WHERE user_id = 2")
        .await;
    let found = change_found(&log).await;
    assert!(
        found.contains("no account was deleted that explains it"),
        "{found}"
    );
    app.stop().await;
}

#[apply(on_both_databases)]
async fn the_audit_commands_list_and_verify(database: TestDatabase) {
    let mail = Mailbox::new();
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("BIENVENUE_MAIL_DIR", mail.path()),
        ("BIENVENUE_KEYS", TEST_KEY),
    ];
    let program = Program::start(&variables);
    let register = reqwest::Client::new().post(format!("{}/users", program.url));
    let body = json!({"email": ADA, "password": PASSWORD});
    let registered = register.json(&body).send().await.expect("answers");
    assert_eq!(registered.status(), StatusCode::CREATED);
    let run = |arguments: &[&str]| Program::run(&[&["audit"], arguments].concat(), &variables);
    // While it runs.
    for user in [ADA, "1"] {
        let (succeeded, printed, said) = run(&[
            "list",
            "--user",
            user,
            "--kind",
            "user.registered",
            "--since",
            "2020-01-01",
            "--json",
        ]);
        assert!(succeeded, "{said}");
        let event: Value = serde_json::from_str(&printed).expect("one line");
        assert_eq!(
            (&event["kind"], &event["user_id"]),
            (&json!("user.registered"), &json!(1))
        );
    }
    let (succeeded, _, said) = run(&["list", "--user", "eve@example.com"]);
    assert!(
        !succeeded && said.contains("there is no account with the address"),
        "{said}"
    );
    let (succeeded, _, said) = run(&["list", "--kind", "user.deletd"]);
    assert!(!succeeded && said.contains("session.opened"), "{said}");
    // It puts the last events into a checkpoint when it is told to stop, and says so in the log.
    program.signal("TERM");
    let (status, log) = program.ended();
    assert!(status.success(), "{log}");
    assert!(
        log.contains("checkpoint number=1") && log.contains("signature="),
        "{log}"
    );
    let (succeeded, printed, said) = run(&["verify"]);
    assert!(succeeded, "{said}");
    assert_eq!(
        printed,
        "1 events and 1 checkpoints hold; 0 of the events are in no checkpoint yet\n"
    );
    let (succeeded, exported, said) = run(&["checkpoints", "--json"]);
    assert!(succeeded, "{said}");
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("checkpoints");
    std::fs::write(&file, exported).expect("writes");
    let with_list = ["verify", "--checkpoints", file.to_str().expect("text")];
    let (succeeded, _, said) = run(&with_list);
    assert!(succeeded, "{said}");
    // Everything cut, which only the list shows.
    database.sql("DELETE FROM audit_events").await;
    database.sql("DELETE FROM audit_checkpoints").await;
    assert!(run(&["verify"]).0);
    let (succeeded, _, said) = run(&with_list);
    assert!(!succeeded, "{said}");
    assert_eq!(
        said,
        "bienvenue: the checkpoint 1 was exported, and is missing now\n"
    );
    let other = (
        "BIENVENUE_KEYS",
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    );
    let (succeeded, _, said) = Program::run(&["audit", "verify"], &[variables[0], other]);
    assert!(
        !succeeded && said.contains("BIENVENUE_KEYS gives the key"),
        "{said}"
    );
}
