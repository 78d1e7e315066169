//! Accounts.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, TestDatabase, on_both_databases};

const GOOD: &str = "correct horse battery";

#[apply(on_both_databases)]
async fn bodies_that_are_not_what_registration_takes_are_refused(app: TestApp) {
    let cases = [
        ("", vec![]),
        ("nonsense", vec![]),
        ("[]", vec![]),
        ("null", vec![]),
        ("\"ada@example.com\"", vec![]),
        (
            "{\"email\": \"ada@example.com\", \"password\": \"\\ud800\"}",
            vec![],
        ),
        (
            "{}",
            vec![("email", "is missing"), ("password", "is missing")],
        ),
        (
            "{\"email\": \"ada@example.com\"}",
            vec![("password", "is missing")],
        ),
        (
            "{\"email\": 1, \"password\": null}",
            vec![
                ("email", "must be a string"),
                ("password", "must be a string"),
            ],
        ),
        (
            "{\"email\": [\"ada@example.com\", \"eve@example.com\"], \"password\": \"x\"}",
            vec![("email", "must be a string")],
        ),
        (
            "{\"email\": \"ada@example.com\", \"password\": \"x\", \"admin\": true}",
            vec![("admin", "is not known here")],
        ),
        (
            "{\"email\": \"ada@example.com\", \"email\": \"eve@example.com\", \"password\": \"x\"}",
            vec![("email", "is given more than once")],
        ),
    ];
    for (body, errors) in cases {
        let answer = app.post_raw("/users", "application/json", body).await;
        answer.assert_problem(400, "malformed-request");
        let expected: Vec<Value> = errors
            .iter()
            .map(|(field, message)| json!({"field": field, "message": message}))
            .collect();
        let found = answer.body["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert_eq!(found, expected, "{body}");
    }
    let latin1 = app
        .post_raw(
            "/users",
            "application/json",
            b"{\"email\": \"\xe9\"}".to_vec(),
        )
        .await;
    latin1.assert_problem(400, "malformed-request");
}

#[apply(on_both_databases)]
async fn a_refusal_repeats_nothing_of_what_was_sent(app: TestApp) {
    for body in [
        "{\"email\": \"ada@example.com\", \"password\": 72727272}",
        "{\"email\": \"ada@example.com\", \"password\": [\"72727272\"]}",
        "{\"email\": \"ada@example.com\", \"password\": \"72727272\"}",
        "{\"email\": \"ada@example.com\", \"password\": \"72727272\\u0000\"}",
        "\"72727272\"",
    ] {
        let answer = app.post_raw("/users", "application/json", body).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert!(!answer.body.to_string().contains("72727272"), "{answer:?}");
    }
}

#[apply(on_both_databases)]
async fn a_body_that_is_not_said_to_be_json_is_refused(app: TestApp) {
    let body = format!("{{\"email\": \"ada@example.com\", \"password\": \"{GOOD}\"}}");
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin1",
        "nonsense",
    ] {
        let answer = app.post_raw("/users", content_type, body.clone()).await;
        answer.assert_problem(415, "unsupported-media-type");
    }
    let unsaid = app
        .client
        .post(format!("{}/users", app.url))
        .body(body.clone());
    app.send(unsaid)
        .await
        .assert_problem(415, "unsupported-media-type");
    let said = app
        .post_raw("/users", "Application/JSON; charset=UTF-8", body)
        .await;
    assert_eq!(said.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn addresses_that_no_account_can_have_are_refused_with_the_reason(app: TestApp) {
    for email in [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ad a@example.com",
        "ada@[127.0.0.1]",
    ] {
        let answer = app.register(email, GOOD).await;
        answer.assert_field_problem("invalid-email", "email");
    }
}

#[apply(on_both_databases)]
async fn passwords_that_are_easy_to_guess_are_refused_with_advice(app: TestApp) {
    for (password, advice) in [
        ("", "at least 8 characters"),
        ("k7#Qz9!", "at least 8 characters"),
        ("ééééééé", "at least 8 characters"),
        ("password", "too easy to guess"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "too easy to guess"),
        ("ada.lovelace", "too easy to guess"),
        // What comes after 40 characters is not looked at: it could take seconds.
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaak7#Qz9!vR2%w",
            "too easy to guess",
        ),
        ("analytical-engine.example", "too easy to guess"),
    ] {
        let answer = app
            .register("ada.lovelace@analytical-engine.example", password)
            .await;
        answer.assert_field_problem("weak-password", "password");
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(advice), "{password}: {detail}");
    }
}

#[apply(on_both_databases)]
async fn texts_that_bcrypt_cannot_hash_whole_are_no_passwords(app: TestApp) {
    let nul = app
        .register("ada@example.com", "correct horse\0battery")
        .await;
    nul.assert_field_problem("invalid-password", "password");
    let long = app
        .register("ada@example.com", &"k7#Qz9! ".repeat(129))
        .await;
    long.assert_field_problem("invalid-password", "password");
    let longest = app
        .register("ada@example.com", &"k7#Qz9! ".repeat(128))
        .await;
    assert_eq!(longest.status, StatusCode::CREATED, "{longest:?}");
}

#[apply(on_both_databases)]
async fn registration_answers_with_the_account(app: TestApp) {
    let answer = app.register(" Ada@EXAMPLE.com ", GOOD).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        answer.body,
        json!({
            "id": 1,
            "email": "ada@example.com",
            "email_verified": false,
            "name": null,
            "created_at": "2026-11-22T06:00:00Z",
        })
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_conventions();
}

#[apply(on_both_databases)]
async fn registration_stores_a_salted_hash_and_never_the_password(app: TestApp) {
    app.register("ada@example.com", GOOD).await;
    app.register("eve@example.com", GOOD).await;
    let stored = "SELECT hashed_password FROM users WHERE email = ";
    let ada = app
        .database
        .sql(&format!("{stored}'ada@example.com'"))
        .await;
    let eve = app
        .database
        .sql(&format!("{stored}'eve@example.com'"))
        .await;
    let (ada, eve) = (ada.expect("stored"), eve.expect("stored"));
    assert_ne!(ada, eve);
    assert!(bcrypt::verify(GOOD, &ada).expect("a bcrypt hash"));
    assert!(!bcrypt::verify("correct horse batterz", &ada).expect("a bcrypt hash"));
}

#[apply(on_both_databases)]
async fn an_address_that_is_taken_is_a_conflict_however_it_is_typed(app: TestApp) {
    app.register("bob@bücher.example", GOOD).await;
    for email in [
        "bob@bücher.example",
        "BOB@BÜCHER.EXAMPLE",
        " bob@xn--bcher-kva.example\t",
        "Bob@bu\u{308}cher.example",
    ] {
        let answer = app.register(email, "another good password").await;
        answer.assert_problem(409, "email-taken");
        assert_eq!(
            answer.body["detail"],
            "User bob@xn--bcher-kva.example already exists"
        );
    }
    assert_eq!(app.database.count("users").await, 1);
}

#[apply(on_both_databases)]
async fn of_a_hundred_registrations_of_one_address_at_once_one_succeeds(app: TestApp) {
    let spellings = [
        "bob@example.com",
        "BOB@example.com",
        "Bob@Example.COM",
        " bob@EXAMPLE.com ",
    ];
    let attempts = (0..100).map(|number| {
        let email = spellings[number % spellings.len()];
        app.register(email, GOOD)
    });
    let answers = futures_util::future::join_all(attempts).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(made.len(), 1);
    for answer in refused {
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.assert_problem(503, "overloaded");
        } else {
            answer.assert_problem(409, "email-taken");
        }
    }
    let again = app.register("bob@example.com", GOOD).await;
    again.assert_problem(409, "email-taken");
    assert_eq!(app.database.count("users").await, 1);
}

#[apply(on_both_databases)]
async fn fifty_writers_at_once_are_all_served(app: TestApp) {
    let writers = (0..50).map(|writer| {
        let app = &app;
        async move {
            for number in 0..10 {
                let email = format!("user{number}@writer{writer}.example");
                let answer = app.register(&email, GOOD).await;
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            }
        }
    });
    futures_util::future::join_all(writers).await;
    assert_eq!(app.database.count("users").await, 500);
}

#[apply(on_both_databases)]
async fn accounts_that_were_never_verified_nor_used_are_removed(app: TestApp) {
    let sweep = async || while app.auth.sweep_unverified_users().await.expect("sweeps") {};
    let emails = ["ada", "bob", "eve", "mia"].map(|name| format!("{name}@example.com"));
    let [ada, bob, eve, mia] = &emails;
    for email in &emails {
        app.register(email, GOOD).await;
    }
    // Ada verified her address, Bob signs in now and then, Mia has a session.
    let token = app.mail.newest_to(ada, 1).await.token().to_owned();
    let body = json!({"token": token, "password": GOOD});
    let verified = app.put("/email-verification", &body).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
    app.clock.advance(TimeDelta::days(24));
    app.sign_in(bob, GOOD).await;
    app.clock
        .advance(TimeDelta::days(6) - TimeDelta::seconds(1));
    app.sign_in(mia, GOOD).await;
    sweep().await;
    assert_eq!(app.database.count("users").await, 4);
    app.clock.advance(TimeDelta::seconds(1));
    sweep().await;
    assert_eq!(app.database.count("users").await, 3);
    let gone = format!("SELECT 'one' FROM users WHERE email = '{eve}'");
    assert_eq!(app.database.sql(&gone).await, None);
    let mails = format!("SELECT 'one' FROM outgoing_mails WHERE recipient = '{eve}'");
    assert_eq!(app.database.sql(&mails).await, None);
    // Of a session nothing more is asked, nor of a network that was used lately, however long ago the sign-in was.
    let long_ago = "UPDATE users SET last_signed_in_at = created_at";
    app.database.sql(long_ago).await;
    app.database.sql("DELETE FROM known_clients").await;
    sweep().await;
    assert_eq!(app.database.count("users").await, 3);
    let session = app.token(mia, GOOD).await;
    app.database.sql(long_ago).await;
    let times = "UPDATE known_clients SET last_signed_in_at = (SELECT min(created_at) FROM users)";
    app.database.sql(times).await;
    app.clock.advance(TimeDelta::minutes(2));
    assert!(app.opens(&session).await);
    let used = "SELECT 'one' FROM known_clients WHERE last_used_at IS NOT NULL";
    while app.database.sql(used).await.is_none() {
        tokio::task::yield_now().await;
    }
    app.database.sql("DELETE FROM sessions").await;
    sweep().await;
    assert_eq!(app.database.count("users").await, 2);
    app.clock.advance(TimeDelta::days(30));
    sweep().await;
    assert_eq!(app.database.count("users").await, 1);
}

#[apply(on_both_databases)]
async fn the_removal_of_accounts_can_be_off(database: TestDatabase) {
    let app = TestApp::with(database, &["--unverified-lifetime", "off"]).await;
    app.register("ada@example.com", GOOD).await;
    app.clock.advance(TimeDelta::days(4000));
    while app.auth.sweep_unverified_users().await.expect("sweeps") {}
    assert_eq!(app.database.count("users").await, 1);
}
