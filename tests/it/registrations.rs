//! The modes of registration: who may open an account, and who learns of it.

use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "incorrect donkey charger";

async fn private(database: TestDatabase) -> TestApp {
    TestApp::with(database, &["--registration", "private"]).await
}

async fn complete(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.put("/email-verification", &body).await
}

/// Registers, and returns the token of the letter of this number.
async fn register(app: &TestApp, password: &str, number: usize) -> String {
    let registered = app.register(ADA, password).await;
    assert_eq!(registered.status, StatusCode::ACCEPTED, "{registered:?}");
    assert_eq!(registered.body, Value::Null);
    let mail = app.mail.newest_to(ADA, number).await;
    assert_eq!(mail.subject, "Confirm your registration for Bienvenue");
    mail.token().to_owned()
}

#[apply(on_both_databases)]
async fn closed_registration_opens_no_account(database: TestDatabase) {
    let app = TestApp::with(database, &["--registration", "closed"]).await;
    for email in [ADA, "nonsense"] {
        app.register(email, PASSWORD)
            .await
            .assert_problem(403, "registration-closed");
    }
    assert_eq!(app.database.count("users").await, 0);
    assert_eq!(app.database.count("outgoing_mails").await, 0);
}

#[apply(on_both_databases)]
async fn a_private_registration_that_is_none_is_refused(database: TestDatabase) {
    let app = private(database).await;
    app.register("nonsense", PASSWORD)
        .await
        .assert_problem(422, "invalid-email");
    app.register(ADA, "short")
        .await
        .assert_problem(422, "weak-password");
    app.register(ADA, "ada@example.com")
        .await
        .assert_problem(422, "weak-password");
    assert_eq!(app.database.count("registrations").await, 0);
}

#[apply(on_both_databases)]
async fn a_private_registration_needs_its_letter_and_its_password(database: TestDatabase) {
    let app = private(database).await;
    let token = register(&app, PASSWORD, 1).await;
    assert_eq!(app.database.count("users").await, 0);
    app.sign_in(ADA, PASSWORD)
        .await
        .assert_problem(401, "invalid-credentials");
    app.put("/email-verification", &json!({"token": token}))
        .await
        .assert_problem(401, "not-signed-in");
    complete(&app, &token, OTHER)
        .await
        .assert_problem(403, "wrong-password");
    let mut mistyped = token.clone();
    mistyped.pop();
    complete(&app, &mistyped, PASSWORD)
        .await
        .assert_problem(400, "invalid-token");
    let done = complete(&app, &token, PASSWORD).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let session = app.token(ADA, PASSWORD).await;
    let me = app.get_as(&session, "/users/me").await;
    assert_eq!(me.body["email_verified"], true);
    complete(&app, &token, PASSWORD)
        .await
        .assert_problem(400, "invalid-token");
    assert_eq!(app.database.count("registrations").await, 0);
}

#[apply(on_both_databases)]
async fn nobody_but_the_owner_learns_that_an_address_has_an_account(database: TestDatabase) {
    let app = private(database).await;
    let token = register(&app, PASSWORD, 1).await;
    complete(&app, &token, PASSWORD).await;
    let known = app.register(ADA, OTHER).await;
    let unknown = app.register("eve@example.com", OTHER).await;
    assert_eq!(known.without_ids(), unknown.without_ids());
    let notice = app.mail.newest_to(ADA, 2).await;
    assert_eq!(notice.subject, "You already have an account at Bienvenue");
    assert!(!notice.text.contains("#token="), "{}", notice.text);
    let free = app.mail.newest_to("eve@example.com", 1).await;
    assert_eq!(free.subject, "Confirm your registration for Bienvenue");
    // Nothing changed for the owner.
    assert_eq!(app.sign_in(ADA, PASSWORD).await.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn each_letter_confirms_its_own_registration_alone(database: TestDatabase) {
    let app = private(database).await;
    let first = register(&app, PASSWORD, 1).await;
    let second = register(&app, OTHER, 2).await;
    for (token, password) in [(&first, OTHER), (&second, PASSWORD)] {
        complete(&app, token, password)
            .await
            .assert_problem(403, "wrong-password");
    }
    let done = complete(&app, &second, OTHER).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    complete(&app, &first, PASSWORD)
        .await
        .assert_problem(409, "email-taken");
    assert_eq!(app.sign_in(ADA, OTHER).await.status, StatusCode::CREATED);
    app.sign_in(ADA, PASSWORD)
        .await
        .assert_problem(401, "invalid-credentials");
}

#[apply(on_both_databases)]
async fn a_registration_waits_for_a_day_and_can_be_refused(database: TestDatabase) {
    let app = private(database).await;
    let late = register(&app, PASSWORD, 1).await;
    app.clock.advance(TimeDelta::hours(24));
    complete(&app, &late, PASSWORD)
        .await
        .assert_problem(400, "invalid-token");
    let refused = register(&app, PASSWORD, 2).await;
    let refuse = json!({"token": refused});
    let answer = app.post("/email-verification/refusal", &refuse).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    complete(&app, &refused, PASSWORD)
        .await
        .assert_problem(400, "invalid-token");
    assert_eq!(app.database.count("users").await, 0);
}

#[apply(on_both_databases)]
async fn of_a_hundred_uses_at_once_one_opens_the_account(database: TestDatabase) {
    let app = private(database).await;
    let token = register(&app, PASSWORD, 1).await;
    let uses = (0..100).map(|_| complete(&app, &token, PASSWORD));
    let (done, refused): (Vec<_>, Vec<_>) = join_all(uses)
        .await
        .into_iter()
        .partition(|answer| answer.status == StatusCode::NO_CONTENT);
    assert_eq!(done.len(), 1);
    assert_eq!(app.database.count("users").await, 1);
    for answer in refused {
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.assert_conventions();
        } else {
            answer.assert_problem(400, "invalid-token");
        }
    }
}
