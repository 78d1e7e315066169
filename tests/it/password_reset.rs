//! Passwords that are forgotten.

use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "incorrect donkey charger";

async fn ask(app: &TestApp, email: &str) -> Answer {
    app.post("/password-reset", &json!({"email": email})).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "new_password": password});
    app.put("/password-reset", &body).await
}

/// An account, and the token of a letter that resets its password.
async fn with_token(app: &TestApp) -> String {
    app.register(ADA, OLD).await;
    app.mail.newest_to(ADA, 1).await;
    assert_eq!(ask(app, ADA).await.status, StatusCode::ACCEPTED);
    let mail = app.mail.newest_to(ADA, 2).await;
    mail.token().to_owned()
}

#[apply(on_both_databases)]
async fn tokens_that_are_no_good_reset_nothing(app: TestApp) {
    let token = with_token(&app).await;
    let verification = app.mail.mail(1).await;
    let session = app.token(ADA, OLD).await;
    let mut mistyped = token.clone();
    mistyped.pop();
    for wrong in [
        "",
        "nonsense",
        &mistyped,
        &token.to_uppercase(),
        &format!("{token}A"),
        &format!(" {token}"),
        verification.token(),
        &session,
        &"x".repeat(10_000),
    ] {
        reset(&app, wrong, NEW)
            .await
            .assert_problem(400, "invalid-token");
    }
    // As a session it is no good either.
    assert!(!app.opens(&token).await);
    assert_eq!(app.sign_in(ADA, OLD).await.status, StatusCode::CREATED);
    assert_eq!(
        reset(&app, &token, NEW).await.status,
        StatusCode::NO_CONTENT
    );
}

#[apply(on_both_databases)]
async fn a_password_that_is_refused_leaves_the_token_good(app: TestApp) {
    let token = with_token(&app).await;
    for (password, problem) in [
        ("short", "weak-password"),
        ("ada@example.com", "weak-password"),
        ("incorrect\0donkey", "invalid-password"),
        (&"k7#Qz9! ".repeat(129), "invalid-password"),
    ] {
        reset(&app, &token, password)
            .await
            .assert_field_problem(problem, "new_password");
    }
    assert_eq!(
        reset(&app, &token, NEW).await.status,
        StatusCode::NO_CONTENT
    );
}

#[apply(on_both_databases)]
async fn a_reset_sets_the_password_ends_every_session_and_signs_nobody_in(app: TestApp) {
    let token = with_token(&app).await;
    let session = app.token(ADA, OLD).await;
    let done = reset(&app, &token, NEW).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    assert_eq!(done.header("set-cookie"), "");
    assert_eq!(done.body, Value::Null);
    assert!(!app.opens(&session).await);
    app.sign_in(ADA, OLD)
        .await
        .assert_problem(401, "invalid-credentials");
    let named = "SELECT coalesce(session_id, reset_token, 'none') FROM users";
    assert_eq!(app.database.sql(named).await.as_deref(), Some("none"));
    let session = app.token(ADA, NEW).await;
    // The letter arrived, so the address is its owner's.
    let me = app.get_as(&session, "/users/me").await;
    assert_eq!(me.body["email_verified"], true);
    let notice = app.mail.newest_to(ADA, 3).await;
    assert_eq!(notice.subject, "Your password for Bienvenue was changed");
    // Once.
    reset(&app, &token, OLD)
        .await
        .assert_problem(400, "invalid-token");
    // Nor is the letter that was mailed at the registration good any more.
    let verification = app.mail.mail(1).await;
    let body = json!({"token": verification.token(), "password": NEW});
    let verified = app.put("/email-verification", &body).await;
    verified.assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn only_the_newest_letter_is_good_and_only_for_half_an_hour(app: TestApp) {
    let first = with_token(&app).await;
    ask(&app, ADA).await;
    let second = app.mail.newest_to(ADA, 3).await.token().to_owned();
    reset(&app, &first, NEW)
        .await
        .assert_problem(400, "invalid-token");
    app.clock.advance(TimeDelta::minutes(30));
    reset(&app, &second, NEW)
        .await
        .assert_problem(400, "invalid-token");
    ask(&app, ADA).await;
    let third = app.mail.newest_to(ADA, 4).await.token().to_owned();
    app.clock
        .advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    assert_eq!(
        reset(&app, &third, NEW).await.status,
        StatusCode::NO_CONTENT
    );
}

#[apply(on_both_databases)]
async fn a_change_of_the_password_ends_the_letter(app: TestApp) {
    let token = with_token(&app).await;
    let session = app.token(ADA, OLD).await;
    let body = json!({"current_password": OLD, "new_password": NEW});
    let request = app.request(Method::PUT, "/users/me/password", &session);
    let changed = app.send(request.json(&body)).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let notice = app.mail.newest_to(ADA, 3).await;
    assert_eq!(notice.subject, "Your password for Bienvenue was changed");
    reset(&app, &token, OLD)
        .await
        .assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn of_a_hundred_uses_at_once_one_succeeds_on_whichever_replica(app: TestApp) {
    let replica = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    let token = with_token(&app).await;
    let uses = (0..100).map(|number| {
        let app = if number % 2 == 0 { &app } else { &replica };
        reset(app, &token, NEW)
    });
    let answers = join_all(uses).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status == StatusCode::NO_CONTENT);
    assert_eq!(done.len(), 1);
    for answer in refused {
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.assert_conventions();
        } else {
            answer.assert_problem(400, "invalid-token");
        }
    }
}

#[apply(on_both_databases)]
async fn who_has_an_account_is_not_said_and_strangers_get_no_letter(app: TestApp) {
    app.register(ADA, OLD).await;
    app.mail.newest_to(ADA, 1).await;
    let known = ask(&app, " ADA@Example.com ").await;
    assert_eq!(known.status, StatusCode::ACCEPTED);
    assert_eq!(known.body, Value::Null);
    let unknown = ask(&app, "eve@example.com").await;
    assert_eq!(known.without_ids(), unknown.without_ids());
    ask(&app, "nonsense")
        .await
        .assert_field_problem("invalid-email", "email");
    let mail = app.mail.newest_to(ADA, 2).await;
    assert_eq!(mail.subject, "Choose a new password for Bienvenue");
    // The row for the stranger was looked at, and nothing was sent.
    let done = "SELECT 'done' FROM outgoing_mails
                WHERE recipient = 'eve@example.com' AND finished_at IS NOT NULL";
    while app.database.sql(done).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.mail.mails().len(), 2);
}

#[apply(on_both_databases)]
async fn no_token_is_stored(app: TestApp) {
    let token = with_token(&app).await;
    let stored = app.database.sql("SELECT reset_token FROM users").await;
    assert_eq!(
        stored,
        Some(hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&token)))
    );
}
