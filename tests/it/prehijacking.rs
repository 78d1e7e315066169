//! Somebody who begins an account with another person's address gains nothing when that person comes: scripts of an
//! attacker, who reads no mail of the owner, and the owner, who does. Source: Sudhodanan and Paverd, "Pre-hijacked
//! accounts", USENIX Security 2022, whose names for the attacks are used here.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, Mail, TestApp, TestDatabase, on_both_databases};

const OWNER: &str = "owner@example.com";
const ATTACKER: &str = "attacker@example.com";
const ATTACKERS: &str = "incorrect donkey charger";
const OWNERS: &str = "correct horse battery";

async fn private(database: TestDatabase) -> TestApp {
    TestApp::with(database, &["--registration", "private"]).await
}

/// The newest letter to an address with this subject.
async fn letter(app: &TestApp, address: &str, subject: &str) -> Mail {
    loop {
        let mut mails = app.mail.mails().into_iter();
        let newest = mails.rfind(|mail| mail.to == [address] && mail.subject == subject);
        if let Some(mail) = newest {
            return mail;
        }
        tokio::task::yield_now().await;
    }
}

/// The owner forgets a password that was never hers.
async fn reset(app: &TestApp) {
    let asked = app.post("/password-reset", &json!({"email": OWNER})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let mail = letter(app, OWNER, "Choose a new password for Bienvenue").await;
    let body = json!({"token": mail.token(), "new_password": OWNERS});
    let done = app.put("/password-reset", &body).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
}

async fn change_email(app: &TestApp, session: &str, email: &str, password: &str) -> Answer {
    let request = app.request(Method::PUT, "/users/me/email", session);
    app.send(request.json(&json!({"email": email, "password": password})))
        .await
}

async fn verify(app: &TestApp, mail: &Mail, password: &str) -> Answer {
    let body = json!({"token": mail.token(), "password": password});
    app.put("/email-verification", &body).await
}

/// Only the owner gets in.
async fn is_the_owners(app: &TestApp) {
    let owner = app.sign_in(OWNER, OWNERS).await;
    assert_eq!(owner.status, StatusCode::CREATED, "{owner:?}");
    for address in [OWNER, ATTACKER] {
        let attacker = app.sign_in(address, ATTACKERS).await;
        attacker.assert_problem(401, "invalid-credentials");
    }
}

/// "Unexpired session": the attacker stays signed in while the owner recovers the account.
#[apply(on_both_databases)]
async fn open_a_session_of_the_attacker_ends_when_the_owner_resets(app: TestApp) {
    app.register(OWNER, ATTACKERS).await;
    let body = json!({"email": OWNER, "password": ATTACKERS, "delivery": "token"});
    let request = app.client.post(format!("{}/sessions", app.url)).json(&body);
    let signed_in = app.send(request.header("user-agent", "attacker")).await;
    let session = signed_in.body["token"].as_str().expect("a token");
    reset(&app).await;
    assert!(!app.opens(session).await);
    // Nor is the attacker's browser taken for the owner's: that is the one in which the letter was used.
    assert_eq!(app.database.count("known_clients").await, 1);
    let attackers = "SELECT 'one' FROM known_clients WHERE user_agent = 'attacker'";
    assert_eq!(app.database.sql(attackers).await, None);
    is_the_owners(&app).await;
}

/// "Classic-federated merge", without a federation: the owner finds the address taken, and confirms what the attacker
/// began.
#[apply(on_both_databases)]
async fn open_the_owner_cannot_confirm_what_the_attacker_began(app: TestApp) {
    app.register(OWNER, ATTACKERS).await;
    let session = app.token(OWNER, ATTACKERS).await;
    let mail = letter(&app, OWNER, "Confirm your email address for Bienvenue").await;
    // A click on the link, without a password or with her own, confirms nothing.
    let click = json!({"token": mail.token()});
    let click = app.put("/email-verification", &click).await;
    click.assert_problem(401, "not-signed-in");
    let confirmed = verify(&app, &mail, OWNERS).await;
    confirmed.assert_problem(403, "wrong-password");
    app.register(OWNER, OWNERS)
        .await
        .assert_problem(409, "email-taken");
    let me = app.get_as(&session, "/users/me").await;
    assert_eq!(me.body["email_verified"], false);
    // "It was not me" frees the address, and ends the attacker's session.
    let refusal = json!({"token": mail.token()});
    let refused = app.post("/email-verification/refusal", &refusal).await;
    assert_eq!(refused.status, StatusCode::NO_CONTENT, "{refused:?}");
    assert!(!app.opens(&session).await);
    let registered = app.register(OWNER, OWNERS).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    is_the_owners(&app).await;
}

/// "Unexpired email change": the attacker has begun to give the account the attacker's own address, and completes that
/// when the owner has recovered it.
#[apply(on_both_databases)]
async fn open_a_change_of_the_address_that_the_attacker_began_dies_with_the_reset(app: TestApp) {
    app.register(OWNER, ATTACKERS).await;
    let session = app.token(OWNER, ATTACKERS).await;
    let asked = change_email(&app, &session, ATTACKER, ATTACKERS).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let mail = letter(
        &app,
        ATTACKER,
        "Confirm your new email address for Bienvenue",
    )
    .await;
    reset(&app).await;
    for password in [ATTACKERS, OWNERS] {
        let late = verify(&app, &mail, password).await;
        late.assert_problem(400, "invalid-token");
    }
    is_the_owners(&app).await;
}

/// The attacker's own account is to get the owner's address: it needs the attacker's password and the owner's mail.
#[apply(on_both_databases)]
async fn open_a_change_to_the_address_of_the_owner_gives_nobody_anything(app: TestApp) {
    app.register(ATTACKER, ATTACKERS).await;
    let session = app.token(ATTACKER, ATTACKERS).await;
    change_email(&app, &session, OWNER, ATTACKERS).await;
    let mail = letter(&app, OWNER, "Confirm your new email address for Bienvenue").await;
    let click = json!({"token": mail.token()});
    let click = app.put("/email-verification", &click).await;
    click.assert_problem(401, "not-signed-in");
    verify(&app, &mail, OWNERS)
        .await
        .assert_problem(403, "wrong-password");
    // The address was never kept from its owner.
    let registered = app.register(OWNER, OWNERS).await;
    assert_eq!(registered.status, StatusCode::CREATED, "{registered:?}");
    let late = verify(&app, &mail, ATTACKERS).await;
    late.assert_problem(409, "email-taken");
    let owner = app.sign_in(OWNER, OWNERS).await;
    assert_eq!(owner.status, StatusCode::CREATED);
    app.sign_in(OWNER, ATTACKERS)
        .await
        .assert_problem(401, "invalid-credentials");
}

/// A reset that was asked for before the owner's address changed hands opens nothing afterwards.
#[apply(on_both_databases)]
async fn open_a_letter_to_the_old_address_is_dead_after_a_change(app: TestApp) {
    app.register(ATTACKER, OWNERS).await;
    let session = app.token(ATTACKER, OWNERS).await;
    app.post("/password-reset", &json!({"email": ATTACKER}))
        .await;
    let old = letter(&app, ATTACKER, "Choose a new password for Bienvenue").await;
    change_email(&app, &session, OWNER, OWNERS).await;
    let mail = letter(&app, OWNER, "Confirm your new email address for Bienvenue").await;
    let done = verify(&app, &mail, OWNERS).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let body = json!({"token": old.token(), "new_password": ATTACKERS});
    let late = app.put("/password-reset", &body).await;
    late.assert_problem(400, "invalid-token");
    is_the_owners(&app).await;
}

/// In private mode the attacker's registration and the owner's wait side by side, and the owner answers her letter.
#[apply(on_both_databases)]
async fn private_the_registration_of_the_attacker_never_becomes_the_owners_account(
    database: TestDatabase,
) {
    let app = private(database).await;
    app.register(OWNER, ATTACKERS).await;
    let of_attacker = letter(&app, OWNER, "Confirm your registration for Bienvenue").await;
    app.register(OWNER, OWNERS).await;
    let of_owner = app.mail.newest_to(OWNER, 2).await;
    // She takes the wrong letter: her password is not its.
    verify(&app, &of_attacker, OWNERS)
        .await
        .assert_problem(403, "wrong-password");
    let done = verify(&app, &of_owner, OWNERS).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    verify(&app, &of_attacker, ATTACKERS)
        .await
        .assert_problem(409, "email-taken");
    is_the_owners(&app).await;
}

/// In private mode a reset for an address whose registration waits opens nothing, and the waiting registration neither.
#[apply(on_both_databases)]
async fn private_a_waiting_registration_is_no_account_to_recover(database: TestDatabase) {
    let app = private(database).await;
    app.register(OWNER, ATTACKERS).await;
    let mail = letter(&app, OWNER, "Confirm your registration for Bienvenue").await;
    app.post("/password-reset", &json!({"email": OWNER})).await;
    app.letters_are_out().await;
    assert_eq!(app.mail.mails().len(), 1);
    let attacker = app.sign_in(OWNER, ATTACKERS).await;
    attacker.assert_problem(401, "invalid-credentials");
    let refusal = json!({"token": mail.token()});
    let refused = app.post("/email-verification/refusal", &refusal).await;
    assert_eq!(refused.status, StatusCode::NO_CONTENT);
    verify(&app, &mail, ATTACKERS)
        .await
        .assert_problem(400, "invalid-token");
}

/// Where registration is closed, whoever runs the service opens the account, and its first password is not the owner's.
#[apply(on_both_databases)]
async fn closed_who_opened_the_account_is_out_when_the_owner_resets(database: TestDatabase) {
    let app = TestApp::with(database, &["--registration", "closed"]).await;
    app.register(OWNER, ATTACKERS)
        .await
        .assert_problem(403, "registration-closed");
    let opened = app.auth.register_user(OWNER, ATTACKERS).await;
    opened.expect("the door for operators is open");
    let session = app.token(OWNER, ATTACKERS).await;
    change_email(&app, &session, ATTACKER, ATTACKERS).await;
    let change = letter(
        &app,
        ATTACKER,
        "Confirm your new email address for Bienvenue",
    )
    .await;
    reset(&app).await;
    assert!(!app.opens(&session).await);
    verify(&app, &change, ATTACKERS)
        .await
        .assert_problem(400, "invalid-token");
    is_the_owners(&app).await;
}
