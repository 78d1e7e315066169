//! Addresses that are shown to be their owners'.

use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_both_databases};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const PASSWORD: &str = "correct horse battery";

/// Registers, and returns the token of the letter that came.
async fn register(app: &TestApp, email: &str) -> String {
    let registered = app.register(email, PASSWORD).await;
    assert_eq!(registered.status, StatusCode::CREATED, "{registered:?}");
    app.mail.newest_to(email, 1).await.token().to_owned()
}

async fn verify(app: &TestApp, body: Value, session: Option<&str>) -> Answer {
    let mut request = app.client.put(format!("{}/email-verification", app.url));
    if let Some(session) = session {
        request = request.bearer_auth(session);
    }
    app.send(request.json(&body)).await
}

async fn is_verified(app: &TestApp, session: &str) -> bool {
    let me = app.get_as(session, "/users/me").await;
    me.body["email_verified"].as_bool().expect("signed in")
}

#[apply(on_both_databases)]
async fn who_only_reads_the_mail_confirms_nothing(app: TestApp) {
    let token = register(&app, ADA).await;
    register(&app, EVE).await;
    let eve = app.token(EVE, PASSWORD).await;
    let ada = app.token(ADA, PASSWORD).await;
    let only = json!({"token": token});
    let with = |password: &str| json!({"token": token, "password": password});
    verify(&app, only.clone(), None)
        .await
        .assert_problem(401, "not-signed-in");
    verify(&app, only.clone(), Some(&eve))
        .await
        .assert_problem(401, "not-signed-in");
    verify(&app, only.clone(), Some("nonsense"))
        .await
        .assert_problem(401, "not-signed-in");
    verify(&app, with("incorrect horse battery"), None)
        .await
        .assert_problem(403, "wrong-password");
    // A password that is given is judged, whoever is signed in.
    verify(&app, with("incorrect horse battery"), Some(&ada))
        .await
        .assert_problem(403, "wrong-password");
    // The token is judged first.
    verify(&app, json!({"token": "nonsense"}), None)
        .await
        .assert_problem(400, "invalid-token");
    assert!(!is_verified(&app, &ada).await);
    let verified = verify(&app, only.clone(), Some(&ada)).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
    assert!(is_verified(&app, &ada).await && !is_verified(&app, &eve).await);
    verify(&app, only, Some(&ada))
        .await
        .assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn the_password_does_instead_of_a_session(app: TestApp) {
    let token = register(&app, ADA).await;
    let body = json!({"token": token, "password": PASSWORD});
    let verified = verify(&app, body, None).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
    let session = app.token(ADA, PASSWORD).await;
    assert!(is_verified(&app, &session).await);
}

#[apply(on_both_databases)]
async fn a_newer_letter_ends_older_ones_and_none_is_good_for_more_than_a_day(app: TestApp) {
    let first = register(&app, ADA).await;
    let session = app.token(ADA, PASSWORD).await;
    let ask = || app.send(app.request(Method::POST, "/email-verification", &session));
    assert_eq!(ask().await.status, StatusCode::ACCEPTED);
    let second = app.mail.newest_to(ADA, 2).await.token().to_owned();
    for (token, wait) in [(&first, 0), (&second, 24)] {
        app.clock.advance(TimeDelta::hours(wait));
        let refused = verify(&app, json!({"token": token}), Some(&session)).await;
        refused.assert_problem(400, "invalid-token");
    }
    assert_eq!(ask().await.status, StatusCode::ACCEPTED);
    let third = app.mail.newest_to(ADA, 3).await.token().to_owned();
    app.clock
        .advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    let verified = verify(&app, json!({"token": third}), Some(&session)).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT);
    // There is nothing left to verify.
    assert_eq!(ask().await.status, StatusCode::NO_CONTENT);
}

#[apply(on_both_databases)]
async fn an_account_that_somebody_else_opened_is_closed_by_who_reads_the_mail(app: TestApp) {
    let token = register(&app, ADA).await;
    let attacker = app.token(ADA, PASSWORD).await;
    let refuse = |token: &str| {
        let body = json!({"token": token});
        let request = app
            .client
            .post(format!("{}/email-verification/refusal", app.url));
        app.send(request.json(&body))
    };
    refuse("nonsense")
        .await
        .assert_problem(400, "invalid-token");
    let refused = refuse(&token).await;
    assert_eq!(refused.status, StatusCode::NO_CONTENT, "{refused:?}");
    assert!(!app.opens(&attacker).await);
    assert_eq!(app.database.count("users").await, 0);
    assert_eq!(app.database.count("outgoing_mails").await, 0);
    refuse(&token).await.assert_problem(400, "invalid-token");
    // The address is free for its owner.
    let again = app.register(ADA, PASSWORD).await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
}

#[apply(on_both_databases)]
async fn of_a_hundred_uses_at_once_one_succeeds(app: TestApp) {
    let token = register(&app, ADA).await;
    let session = app.token(ADA, PASSWORD).await;
    let uses = (0..100).map(|_| verify(&app, json!({"token": token}), Some(&session)));
    let answers = join_all(uses).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status == StatusCode::NO_CONTENT);
    assert_eq!(done.len(), 1);
    for answer in refused {
        answer.assert_problem(400, "invalid-token");
    }
}
