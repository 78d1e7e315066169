//! Tables: what is in each is given to its owner, deleted with the account, and swept when it has expired.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const FORMER: &str = "ada.byron@example.com";
const NEXT: &str = "ada.lovelace@example.com";
const PASSWORD: &str = "correct horse battery";

/// Every table, and the part of the export that has its rows; none where no row is about a known owner.
const TABLES: [(&str, Option<&str>); 12] = [
    ("audit_checkpoints", None),
    ("audit_events", Some("audit_events")),
    ("email_verifications", Some("email_verifications")),
    ("known_clients", Some("known_clients")),
    ("one_time_tokens", Some("one_time_tokens")),
    ("outgoing_mails", Some("mails")),
    // Whoever registered has shown nothing yet.
    ("registrations", None),
    // The key of the service.
    ("sealing_keys", None),
    ("sessions", Some("sessions")),
    // Keyed digests: nobody can say of whom.
    ("throttles", None),
    // Listed in the part of the user.
    ("user_groups", None),
    ("users", Some("user")),
];

/// Where migrations are written down.
const MIGRATIONS: [&str; 2] = ["bienvenue_migrations", "seaql_migrations"];

/// The tables of which a row stays: an account that was verified with its groups, the fingerprint of the key, and the
/// checkpoint that says that the older ones are gone.
const LASTING: [&str; 4] = ["audit_checkpoints", "sealing_keys", "user_groups", "users"];

/// Names, joined by commas.
async fn names(database: &TestDatabase, sqlite: &str, postgres: &str) -> Vec<String> {
    let sql = if database.is_sqlite() {
        sqlite
    } else {
        postgres
    };
    let names = database.sql(sql).await.expect("there are some");
    let mut names: Vec<_> = names.split(',').map(str::to_owned).collect();
    names.sort();
    names
}

async fn tables(database: &TestDatabase) -> Vec<String> {
    let mut tables = names(
        database,
        "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        "SELECT string_agg(table_name, ',') FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    .await;
    tables.retain(|table| !MIGRATIONS.contains(&&**table));
    tables
}

/// Somebody of whom every table has rows, and the session of that person.
async fn ada(database: TestDatabase) -> (TestApp, String) {
    let app = TestApp::with(database, &[]).await;
    app.register(FORMER, PASSWORD).await;
    let session = app.token(FORMER, PASSWORD).await;
    let put = async |path: &str, body| {
        let request = app.request(Method::PUT, path, &session).json(&body);
        let answer = app.send(request).await;
        assert!(answer.status.is_success(), "{answer:?}");
    };
    let token = app.mail.newest_to(FORMER, 1).await.token().to_owned();
    put("/email-verification", json!({"token": token})).await;
    // From one address to another, which can be taken back, and on to a third, which waits.
    for email in [ADA, NEXT] {
        let change = json!({"email": email, "password": PASSWORD});
        put("/users/me/email", change).await;
        if email == ADA {
            let token = app.mail.newest_to(ADA, 1).await.token().to_owned();
            put("/email-verification", json!({"token": token})).await;
        }
    }
    app.letters_are_out().await;
    // A private registration, as this service would have made it before its mode was changed.
    let registration = format!(
        "INSERT INTO registrations (id, email, hashed_password, created_at) VALUES ({}, '{ADA}', 'x', '2026-11-22T06:00:00Z')",
        if app.database.is_sqlite() {
            "randomblob(16)"
        } else {
            "gen_random_uuid()"
        }
    );
    app.database.sql(&registration).await;
    app.sign_in(ADA, "incorrect").await;
    let group = "INSERT INTO user_groups (user_id, name) SELECT id, 'staff' FROM users";
    app.database.sql(group).await;
    while app.auth.seal_audit_events().await.expect("it can") {}
    (app, session)
}

#[apply(on_both_databases)]
async fn every_table_has_rows_in_these_tests_and_its_owner_gets_them(database: TestDatabase) {
    let (app, session) = ada(database).await;
    let known: Vec<_> = TABLES
        .iter()
        .map(|(table, _)| (*table).to_owned())
        .collect();
    assert_eq!(tables(&app.database).await, known);
    let export = app.get_as(&session, "/users/me/export").await;
    assert_eq!(export.status, StatusCode::OK, "{export:?}");
    for (table, part) in TABLES {
        assert!(app.database.count(table).await > 0, "{table} is empty");
        let Some(part) = part else { continue };
        let part = &export.body[part];
        let has_rows = part
            .as_array()
            .map_or(part.is_object(), |rows| !rows.is_empty());
        assert!(has_rows, "the export has nothing of {table}: {export:?}");
    }
    // And nothing else but when it was made.
    let parts = TABLES.iter().filter(|(_, part)| part.is_some()).count();
    assert_eq!(
        export.body.as_object().map(serde_json::Map::len),
        Some(parts + 1)
    );
}

#[apply(on_both_databases)]
async fn no_table_has_anything_about_an_account_that_was_closed(database: TestDatabase) {
    let (app, session) = ada(database).await;
    let closed = app.delete_as(&session, "/users/me").await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT, "{closed:?}");
    for (table, _) in TABLES {
        let sqlite = format!("SELECT group_concat(name) FROM pragma_table_info('{table}')");
        let postgres = format!(
            "SELECT string_agg(column_name, ',') FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        );
        for column in names(&app.database, &sqlite, &postgres).await {
            let about = format!(
                "SELECT 'found' FROM {table} WHERE CAST({column} AS text) IN ('{ADA}', '{FORMER}', '{NEXT}') \
                 OR ('{table}.{column}' NOT LIKE 'audit_events.%' AND '{column}' = 'user_id' AND CAST({column} AS text) = '1')"
            );
            let found = app.database.sql(&about).await;
            assert_eq!(found, None, "{table}.{column} names a closed account");
        }
    }
}

#[apply(on_both_databases)]
async fn what_has_expired_is_swept_from_every_table(database: TestDatabase) {
    let (app, _) = ada(database).await;
    for days in [120, 401] {
        app.clock.advance(TimeDelta::days(days));
        while app.auth.sweep().await.expect("it can") {}
    }
    for (table, _) in TABLES {
        let left = app.database.count(table).await;
        let stays = LASTING.contains(&table);
        assert_eq!(left, usize::from(stays), "{table}");
    }
}
