//! Accounts that get another address.

use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const NEW: &str = "ada.lovelace@example.com";
const EVE: &str = "eve@example.com";
const PASSWORD: &str = "correct horse battery";

/// An account with an address that is verified, and its session.
async fn ada(app: &TestApp) -> String {
    app.register(ADA, PASSWORD).await;
    let token = app.mail.newest_to(ADA, 1).await.token().to_owned();
    let session = app.token(ADA, PASSWORD).await;
    let verified = verify(app, &token, &session).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
    session
}

async fn ask(app: &TestApp, session: &str, email: &str) -> Answer {
    let request = app.request(Method::PUT, "/users/me/email", session);
    app.send(request.json(&json!({"email": email, "password": PASSWORD})))
        .await
}

async fn verify(app: &TestApp, token: &str, session: &str) -> Answer {
    let request = app.request(Method::PUT, "/email-verification", session);
    app.send(request.json(&json!({"token": token}))).await
}

async fn address(app: &TestApp, session: &str) -> Value {
    let me = app.get_as(session, "/users/me").await;
    assert_eq!(me.body["email_verified"], true, "{me:?}");
    me.body["email"].clone()
}

#[apply(on_both_databases)]
async fn requests_that_are_refused_begin_nothing(app: TestApp) {
    let session = ada(&app).await;
    let put = async |session: &str, body: Value| {
        let request = app.request(Method::PUT, "/users/me/email", session);
        app.send(request.json(&body)).await
    };
    put("nonsense", json!({"email": NEW, "password": PASSWORD}))
        .await
        .assert_problem(401, "not-signed-in");
    put(&session, json!({"email": NEW}))
        .await
        .assert_problem(400, "malformed-request");
    put(&session, json!({"email": [NEW, EVE], "password": PASSWORD}))
        .await
        .assert_problem(400, "malformed-request");
    put(&session, json!({"email": "nonsense", "password": PASSWORD}))
        .await
        .assert_field_problem("invalid-email", "email");
    put(&session, json!({"email": NEW, "password": "incorrect"}))
        .await
        .assert_problem(403, "wrong-password");
    assert_eq!(app.database.count("email_verifications").await, 0);
    assert_eq!(address(&app, &session).await, ADA);
}

#[apply(on_both_databases)]
async fn nothing_changes_until_the_letter_to_the_new_address_is_answered(app: TestApp) {
    let session = ada(&app).await;
    let asked = ask(&app, &session, " Ada.Lovelace@EXAMPLE.com").await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    assert_eq!(asked.body, Value::Null);
    let letter = app.mail.newest_to(NEW, 1).await;
    assert_eq!(
        letter.subject,
        "Confirm your new email address for Bienvenue"
    );
    let notice = app.mail.newest_to(ADA, 2).await;
    assert_eq!(
        notice.subject,
        "Your email address for Bienvenue is about to change"
    );
    assert_eq!(address(&app, &session).await, ADA);
    // A reset that was mailed to the old address dies with the change.
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = app.mail.newest_to(ADA, 3).await.token().to_owned();

    let done = verify(&app, letter.token(), &session).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    assert_eq!(address(&app, &session).await, NEW);
    assert_eq!(app.sign_in(NEW, PASSWORD).await.status, StatusCode::CREATED);
    app.sign_in(ADA, PASSWORD)
        .await
        .assert_problem(401, "invalid-credentials");
    let body = json!({"token": reset, "new_password": "incorrect donkey charger"});
    let reset = app.put("/password-reset", &body).await;
    reset.assert_problem(400, "invalid-token");
    verify(&app, letter.token(), &session)
        .await
        .assert_problem(400, "invalid-token");
    // The old address is anybody's, but not what was mailed to it before; nor is that theirs to delete.
    let again = app.register(ADA, PASSWORD).await;
    assert_eq!(again.status, StatusCode::CREATED);
    app.letters_are_out().await;
    let stranger = app.token(ADA, PASSWORD).await;
    let export = app.get_as(&stranger, "/users/me/export").await;
    let mails = export.body["mails"].as_array().expect("a list");
    assert_eq!(mails.len(), 1, "{mails:?}");
    let kept = app.database.count("outgoing_mails").await;
    app.delete_as(&stranger, "/users/me").await;
    // Theirs, and the reset that was mailed to the address, whoever has it.
    assert_eq!(app.database.count("outgoing_mails").await, kept - 2);
}

#[apply(on_both_databases)]
async fn a_newer_request_replaces_an_older_one_and_the_own_address_takes_it_back(app: TestApp) {
    let session = ada(&app).await;
    ask(&app, &session, NEW).await;
    let first = app.mail.newest_to(NEW, 1).await.token().to_owned();
    ask(&app, &session, EVE).await;
    let second = app.mail.newest_to(EVE, 1).await.token().to_owned();
    verify(&app, &first, &session)
        .await
        .assert_problem(400, "invalid-token");
    let back = ask(&app, &session, ADA).await;
    assert_eq!(back.status, StatusCode::ACCEPTED);
    verify(&app, &second, &session)
        .await
        .assert_problem(400, "invalid-token");
    ask(&app, &session, NEW).await;
    let third = app.mail.newest_to(NEW, 2).await.token().to_owned();
    app.clock
        .advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    let done = verify(&app, &third, &session).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    assert_eq!(address(&app, &session).await, NEW);
}

#[apply(on_both_databases)]
async fn a_change_ends_with_its_day_with_a_new_password_and_with_a_reset(app: TestApp) {
    let mut session = ada(&app).await;
    ask(&app, &session, NEW).await;
    let late = app.mail.newest_to(NEW, 1).await.token().to_owned();
    app.clock.advance(TimeDelta::hours(24));
    verify(&app, &late, &session)
        .await
        .assert_problem(400, "invalid-token");

    ask(&app, &session, NEW).await;
    let token = app.mail.newest_to(NEW, 2).await.token().to_owned();
    let request = app.request(Method::PUT, "/users/me/password", &session);
    let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    let changed = app.send(request.json(&body)).await;
    session = changed.body["token"].as_str().expect("a token").to_owned();
    verify(&app, &token, &session)
        .await
        .assert_problem(400, "invalid-token");

    ask(&app, &session, NEW).await;
    let token = app.mail.newest_to(NEW, 3).await.token().to_owned();
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = loop {
        let mails = app.mail.mails().into_iter();
        let mut resets = mails.filter(|mail| mail.subject == "Choose a new password for Bienvenue");
        if let Some(mail) = resets.next() {
            break mail.token().to_owned();
        }
        tokio::task::yield_now().await;
    };
    let body = json!({"token": reset, "new_password": PASSWORD});
    let reset = app.put("/password-reset", &body).await;
    assert_eq!(reset.status, StatusCode::NO_CONTENT, "{reset:?}");
    session = app.token(ADA, PASSWORD).await;
    verify(&app, &token, &session)
        .await
        .assert_problem(400, "invalid-token");
    assert_eq!(address(&app, &session).await, ADA);
}

#[apply(on_both_databases)]
async fn an_address_that_is_taken_is_not_given_away_and_its_owner_is_told(app: TestApp) {
    let session = ada(&app).await;
    app.register(EVE, PASSWORD).await;
    app.mail.newest_to(EVE, 1).await;
    let taken = ask(&app, &session, EVE).await;
    let notice = app.mail.newest_to(EVE, 2).await;
    assert_eq!(notice.subject, "You already have an account at Bienvenue");
    assert!(!notice.text.contains("#token="), "{}", notice.text);
    let export = |answer: Answer| {
        let mut export = answer.body;
        export["exported_at"] = Value::Null;
        export["sessions"] = Value::Null;
        // The newest event is the request. Each request adds one.
        export["audit_events"] = export["audit_events"][0].take();
        export["audit_events"]["id"] = Value::Null;
        export.to_string()
    };
    app.letters_are_out().await;
    let with_taken = export(app.get_as(&session, "/users/me/export").await);
    app.database
        .sql("DELETE FROM outgoing_mails WHERE kind LIKE 'email-change%'")
        .await;
    let free = ask(&app, &session, "new@example.com").await;
    app.mail.newest_to("new@example.com", 1).await;
    app.letters_are_out().await;
    let with_free = export(app.get_as(&session, "/users/me/export").await);
    assert_eq!(taken.without_ids(), free.without_ids());
    assert_eq!(with_taken.replace(EVE, "new@example.com"), with_free);
}

#[apply(on_both_databases)]
async fn an_address_that_was_taken_meanwhile_stays_its_owners(app: TestApp) {
    let session = ada(&app).await;
    ask(&app, &session, NEW).await;
    let token = app.mail.newest_to(NEW, 1).await.token().to_owned();
    app.register(NEW, PASSWORD).await;
    let refused = verify(&app, &token, &session).await;
    refused.assert_problem(409, "email-taken");
    assert_eq!(address(&app, &session).await, ADA);
}

#[apply(on_both_databases)]
async fn who_reads_the_mail_of_the_new_address_takes_back_the_change_alone(app: TestApp) {
    let session = ada(&app).await;
    ask(&app, &session, NEW).await;
    let token = app.mail.newest_to(NEW, 1).await.token().to_owned();
    let body = json!({"token": token});
    let refused = app.post("/email-verification/refusal", &body).await;
    assert_eq!(refused.status, StatusCode::NO_CONTENT, "{refused:?}");
    let again = app.post("/email-verification/refusal", &body).await;
    again.assert_problem(400, "invalid-token");
    verify(&app, &token, &session)
        .await
        .assert_problem(400, "invalid-token");
    assert_eq!(address(&app, &session).await, ADA);
}

#[apply(on_both_databases)]
async fn of_a_hundred_uses_at_once_one_succeeds_on_whichever_replica(app: TestApp) {
    let replica = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    let session = ada(&app).await;
    ask(&app, &session, NEW).await;
    let token = app.mail.newest_to(NEW, 1).await.token().to_owned();
    let uses = (0..100).map(|number| {
        let app = if number % 2 == 0 { &app } else { &replica };
        verify(app, &token, &session)
    });
    let (done, refused): (Vec<_>, Vec<_>) = join_all(uses)
        .await
        .into_iter()
        .partition(|answer| answer.status == StatusCode::NO_CONTENT);
    assert_eq!(done.len(), 1);
    for answer in refused {
        answer.assert_problem(400, "invalid-token");
    }
}

async fn undo(app: &TestApp, token: &str) -> Answer {
    app.post("/email-verification/undo", &json!({"token": token}))
        .await
}

/// Changes the address of an account, and returns the token by which the former address takes that back.
async fn change(app: &TestApp, session: &str, former: &str, email: &str) -> String {
    ask(app, session, email).await;
    let token = newest(app, email).await;
    let changed = verify(app, &token, session).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    app.letters_are_out().await;
    let mails = app.mail.mails().into_iter();
    let mut told = mails.filter(|mail| {
        mail.to == [former] && mail.subject == "Your email address for Bienvenue was changed"
    });
    let told = told.next_back().expect("the former address is told");
    assert!(told.text.contains("7 days"), "{}", told.text);
    told.token().to_owned()
}

/// The token of the newest email to an address.
async fn newest(app: &TestApp, email: &str) -> String {
    app.letters_are_out().await;
    let mails = app.mail.mails().into_iter();
    let mut mails = mails.filter(|mail| mail.to == [email]);
    mails.next_back().expect("an email").token().to_owned()
}

#[apply(on_both_databases)]
async fn tokens_that_take_no_change_back_are_refused(app: TestApp) {
    let session = ada(&app).await;
    for token in ["", "x", "bienvenue_undo_x", &session] {
        undo(&app, token).await.assert_problem(400, "invalid-token");
    }
    app.post("/email-verification/undo", &json!({}))
        .await
        .assert_problem(400, "malformed-request");
    ask(&app, &session, NEW).await;
    let confirming = newest(&app, NEW).await;
    let refused = undo(&app, &confirming).await;
    refused.assert_problem(400, "invalid-token");
    // And what takes a change back is good for nothing else.
    let token = change(&app, &session, ADA, EVE).await;
    let refused = verify(&app, &token, &session).await;
    refused.assert_problem(400, "invalid-token");
    let body = json!({"token": token, "new_password": "incorrect donkey charger"});
    let refused = app.put("/password-reset", &body).await;
    refused.assert_problem(400, "invalid-token");
    app.clock.advance(TimeDelta::days(7));
    undo(&app, &token)
        .await
        .assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn the_former_address_takes_a_change_back_for_seven_days_once(app: TestApp) {
    let session = ada(&app).await;
    let token = change(&app, &session, ADA, EVE).await;
    let other = app.token(EVE, PASSWORD).await;
    app.post("/password-reset", &json!({"email": EVE})).await;
    let reset = newest(&app, EVE).await;
    ask(&app, &session, NEW).await;
    let waiting = newest(&app, NEW).await;
    app.clock
        .advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    // It takes nothing else, and is good once, of many at once too.
    let uses = join_all((0..20).map(|_| undo(&app, &token))).await;
    let done = uses
        .iter()
        .filter(|answer| answer.status == StatusCode::NO_CONTENT);
    assert_eq!(done.count(), 1, "{uses:?}");
    for session in [&session, &other] {
        assert!(!app.opens(session).await);
    }
    let body = json!({"token": reset, "new_password": "incorrect donkey charger"});
    let refused = app.put("/password-reset", &body).await;
    refused.assert_problem(400, "invalid-token");
    let body = json!({"token": waiting, "password": PASSWORD});
    let refused = app.put("/email-verification", &body).await;
    refused.assert_problem(400, "invalid-token");
    let again = app.token(ADA, PASSWORD).await;
    assert_eq!(address(&app, &again).await, ADA);
}

#[apply(on_both_databases)]
async fn of_two_changes_the_newer_one_s_email_does_not_outdo_the_older_one_s(app: TestApp) {
    let session = ada(&app).await;
    let owners = change(&app, &session, ADA, EVE).await;
    app.clock.advance(TimeDelta::minutes(1));
    let thiefs = change(&app, &session, EVE, NEW).await;
    // The address of the thief's first change is the account's again, and the owner takes that back too.
    let done = undo(&app, &thiefs).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let done = undo(&app, &owners).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let again = app.token(ADA, PASSWORD).await;
    assert_eq!(address(&app, &again).await, ADA);
    // The other way round the thief's is dead.
    let owners = change(&app, &again, ADA, EVE).await;
    app.clock.advance(TimeDelta::minutes(1));
    let thiefs = change(&app, &again, EVE, NEW).await;
    let done = undo(&app, &owners).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    undo(&app, &thiefs)
        .await
        .assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn a_former_address_that_has_another_account_by_now_stays_there(app: TestApp) {
    let session = ada(&app).await;
    let token = change(&app, &session, ADA, EVE).await;
    app.register(ADA, PASSWORD).await;
    let verification = newest(&app, ADA).await;
    let body = json!({"token": verification, "password": PASSWORD});
    let verified = app.put("/email-verification", &body).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
    for _ in 0..2 {
        undo(&app, &token).await.assert_problem(409, "email-taken");
    }
    assert_eq!(address(&app, &session).await, EVE);
    let other = app.token(ADA, PASSWORD).await;
    app.delete_as(&other, "/users/me").await;
    let done = undo(&app, &token).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
}

#[apply(on_both_databases)]
async fn an_account_that_only_takes_the_former_address_up_keeps_nobody_from_it(app: TestApp) {
    let session = ada(&app).await;
    let token = change(&app, &session, ADA, EVE).await;
    app.register(ADA, "incorrect donkey charger").await;
    let taken_up = app.token(ADA, "incorrect donkey charger").await;
    let done = undo(&app, &token).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    assert!(!app.opens(&taken_up).await);
    let again = app.token(ADA, PASSWORD).await;
    assert_eq!(address(&app, &again).await, ADA);
}

#[apply(on_both_databases)]
async fn a_former_address_that_was_never_verified_takes_nothing_back(app: TestApp) {
    // Mistyped, it is a stranger's.
    app.register(ADA, PASSWORD).await;
    let session = app.token(ADA, PASSWORD).await;
    ask(&app, &session, NEW).await;
    let token = newest(&app, NEW).await;
    let changed = verify(&app, &token, &session).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    app.letters_are_out().await;
    let mails = app.mail.mails().into_iter();
    assert!(
        mails
            .filter(|mail| mail.to == [ADA])
            .all(|mail| mail.subject != "Your email address for Bienvenue was changed")
    );
    assert_eq!(app.database.count("one_time_tokens").await, 0);
}
