//! What administrators do with an account.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADA, EVE, NEW, PASSWORD, ROOT, add, admin, change, send, show};
use crate::support::{Answer, TestApp, TestDatabase, on_both_databases};

async fn create(app: &TestApp, token: &str, body: &Value) -> Answer {
    send(app, Method::POST, "/admin/users", token, body).await
}

#[apply(on_both_databases)]
async fn an_account_that_can_not_be_is_not_created(app: TestApp) {
    let root = admin(&app, ROOT).await;
    add(&app, ADA).await;
    let many: Vec<_> = (0..101).map(|number| format!("group-{number}")).collect();
    for (body, problem, field) in [
        (json!({"email": "eve"}), "invalid-email", "email"),
        (
            json!({"email": EVE, "password": "short"}),
            "weak-password",
            "password",
        ),
        (
            json!({"email": EVE, "password": "a\u{0}b"}),
            "invalid-password",
            "password",
        ),
        (json!({"email": EVE, "name": ""}), "invalid-name", "name"),
        (
            json!({"email": EVE, "groups": ["Staff"]}),
            "invalid-group",
            "groups",
        ),
        (
            json!({"email": EVE, "groups": [""]}),
            "invalid-group",
            "groups",
        ),
        (
            json!({"email": EVE, "groups": many}),
            "invalid-group",
            "groups",
        ),
    ] {
        let answer = create(&app, &root, &body).await;
        answer.assert_field_problem(problem, field);
    }
    for (body, field) in [
        (json!({}), "email"),
        (json!({"email": EVE, "role": "root"}), "role"),
        (json!({"email": EVE, "role": null}), "role"),
        (json!({"email": EVE, "groups": "staff"}), "groups"),
        (json!({"email": EVE, "groups": [1]}), "groups"),
        (
            json!({"email": EVE, "email_verified": "yes"}),
            "email_verified",
        ),
        (json!({"email": EVE, "password": null}), "password"),
        (json!({"email": EVE, "id": 1}), "id"),
        (
            json!({"email": EVE, "hashed_password": "x"}),
            "hashed_password",
        ),
    ] {
        let answer = create(&app, &root, &body).await;
        answer.assert_problem(400, "malformed-request");
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    let answer = create(&app, &root, &json!({"email": " ADA@example.com"})).await;
    answer.assert_problem(409, "email-taken");
    assert_eq!(answer.body["detail"], "User ada@example.com already exists");
    let users = app.get_as(&root, "/admin/users").await;
    assert_eq!(
        users.body["users"].as_array().map(Vec::len),
        Some(2),
        "{users:?}"
    );
}

#[apply(on_both_databases)]
async fn an_administrator_opens_accounts_though_registration_is_closed(database: TestDatabase) {
    let app = TestApp::with(database, &["--registration", "closed"]).await;
    let root = admin(&app, ROOT).await;
    let body = json!({"email": ADA, "password": PASSWORD, "role": "admin"});
    let created = create(&app, &root, &body).await;
    assert_eq!(created.body["role"], "admin", "{created:?}");
    assert_eq!(created.body["email_verified"], false);
    app.token(ADA, PASSWORD).await;
    let mail = app.mail.newest_to(ADA, 1).await;
    assert!(mail.link().contains("/verify-email#token="), "{mail:?}");
    let body = json!({"token": mail.token(), "password": PASSWORD});
    let verified = app.put("/email-verification", &body).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{verified:?}");
}

#[apply(on_both_databases)]
async fn an_invited_user_chooses_the_password_once(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let created = create(&app, &root, &json!({"email": ADA, "name": null})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    assert_eq!(created.body["has_password"], false);
    let id = created.body["id"].as_i64().expect("an id");
    for password in ["", PASSWORD, "null"] {
        let refused = app.sign_in(ADA, password).await;
        refused.assert_problem(401, "invalid-credentials");
    }
    let mail = app.mail.newest_to(ADA, 1).await;
    assert!(mail.link().contains("/reset-password#token="), "{mail:?}");
    // A newer invitation replaces it.
    let path = format!("/admin/users/{id}/password-reset");
    let again = send(&app, Method::POST, &path, &root, &Value::Null).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    let newer = app.mail.newest_to(ADA, 2).await;
    assert_eq!(newer.subject, mail.subject);
    let body = json!({"token": mail.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
    let body = json!({"token": newer.token(), "new_password": "short"});
    let answer = app.put("/password-reset", &body).await;
    answer.assert_field_problem("weak-password", "new_password");
    let body = json!({"token": newer.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
    app.token(ADA, NEW).await;
    let shown = show(&app, &root, id).await;
    assert_eq!(shown["has_password"], true);
    assert_eq!(shown["email_verified"], true);
}

#[apply(on_both_databases)]
async fn an_invitation_is_good_for_seven_days(app: TestApp) {
    let root = admin(&app, ROOT).await;
    create(&app, &root, &json!({"email": ADA})).await;
    create(&app, &root, &json!({"email": EVE})).await;
    let (early, late) = (
        app.mail.newest_to(ADA, 1).await,
        app.mail.newest_to(EVE, 1).await,
    );
    app.clock
        .advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    let body = json!({"token": early.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    app.clock.advance(TimeDelta::seconds(1));
    let body = json!({"token": late.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn a_change_does_what_it_names_and_nothing_else(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    let mut expected = show(&app, &root, id).await;
    for (body, field, value) in [
        (json!({}), "id", json!(id)),
        (json!({"name": " Ada "}), "name", json!("Ada")),
        (json!({"groups": ["b", "a"]}), "groups", json!(["a", "b"])),
        (json!({"groups": ["c"]}), "groups", json!(["c"])),
        (json!({"role": "admin"}), "role", json!("admin")),
        (json!({"role": "user"}), "role", json!("user")),
        (
            json!({"email_verified": true}),
            "email_verified",
            json!(true),
        ),
        (
            json!({"email_verified": false}),
            "email_verified",
            json!(false),
        ),
        (json!({"name": null}), "name", json!(null)),
        (json!({"groups": []}), "groups", json!([])),
        (json!({"disabled": true}), "disabled", json!(true)),
        (json!({"disabled": false}), "disabled", json!(false)),
    ] {
        let answer = change(&app, &root, id, &body).await;
        expected[field] = value;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.body, expected, "{body}");
        assert_eq!(show(&app, &root, id).await, expected, "{body}");
    }
    for (body, problem, field) in [
        (json!({"name": "", "role": "admin"}), "invalid-name", "name"),
        (
            json!({"groups": ["ok", "not ok"], "role": "admin"}),
            "invalid-group",
            "groups",
        ),
    ] {
        let answer = change(&app, &root, id, &body).await;
        answer.assert_field_problem(problem, field);
    }
    for (body, field) in [
        (json!({"role": null}), "role"),
        (json!({"groups": null}), "groups"),
        (json!({"disabled": null}), "disabled"),
        (json!({"disabled": 1}), "disabled"),
        (json!({"email": EVE}), "email"),
        (json!({"password": NEW}), "password"),
        (json!({"hashed_password": NEW}), "hashed_password"),
        (json!({"session_id": null}), "session_id"),
    ] {
        let answer = change(&app, &root, id, &body).await;
        answer.assert_problem(400, "malformed-request");
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    assert_eq!(show(&app, &root, id).await, expected);
    let answer = change(&app, &root, 999_999, &json!({"role": "user"})).await;
    answer.assert_problem(404, "not-found");
}

#[apply(on_both_databases)]
async fn a_disabled_user_is_out_at_once_and_back_when_enabled(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    app.mail.newest_to(ADA, 1).await;
    change(&app, &root, id, &json!({"email_verified": true})).await;
    let token = app.token(ADA, PASSWORD).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = app.mail.newest_to(ADA, 2).await;
    let answer = change(&app, &root, id, &json!({"disabled": true})).await;
    assert_eq!(answer.body["sessions"], 0, "{answer:?}");
    assert!(!app.opens(&token).await);
    let wrong = app.sign_in(ADA, NEW).await;
    let right = app.sign_in(ADA, PASSWORD).await;
    right.assert_problem(401, "invalid-credentials");
    assert_eq!(right.without_ids(), wrong.without_ids());
    let body = json!({"token": reset.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
    let path = format!("/admin/users/{id}/password-reset");
    let answer = send(&app, Method::POST, &path, &root, &Value::Null).await;
    answer.assert_problem(409, "user-disabled");
    // The one letter that still goes out says what happened.
    let notice = app.mail.newest_to(ADA, 3).await;
    assert!(notice.subject.contains("was disabled"), "{notice:?}");
    let answer = app.post("/password-reset", &json!({"email": ADA})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    app.register(ADA, PASSWORD)
        .await
        .assert_problem(409, "email-taken");
    app.letters_are_out().await;
    let to_ada = |mail: &&crate::support::Mail| mail.to == [ADA];
    assert_eq!(app.mail.mails().iter().filter(to_ada).count(), 3);
    let answer = change(&app, &root, id, &json!({"disabled": false})).await;
    assert_eq!(answer.body["disabled"], false, "{answer:?}");
    assert!(!app.opens(&token).await);
    app.token(ADA, PASSWORD).await;
}

#[apply(on_both_databases)]
async fn a_disabled_user_confirms_and_accepts_nothing(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    let verification = app.mail.newest_to(ADA, 1).await;
    let invited = create(&app, &root, &json!({"email": EVE})).await;
    let invited_id = invited.body["id"].as_i64().expect("an id");
    let invitation = app.mail.newest_to(EVE, 1).await;
    for id in [id, invited_id] {
        change(&app, &root, id, &json!({"disabled": true})).await;
    }
    let body = json!({"token": verification.token(), "password": PASSWORD});
    let answer = app.put("/email-verification", &body).await;
    answer.assert_problem(400, "invalid-token");
    let body = json!({"token": invitation.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
    // Links from before stay dead.
    for id in [id, invited_id] {
        change(&app, &root, id, &json!({"disabled": false})).await;
    }
    let answer = app.put("/password-reset", &body).await;
    answer.assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn a_user_is_signed_out_reset_and_deleted(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    let tokens = [
        app.token(ADA, PASSWORD).await,
        app.token(ADA, PASSWORD).await,
    ];
    let answer = app
        .delete_as(&root, &format!("/admin/users/{id}/sessions"))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    for token in &tokens {
        assert!(!app.opens(token).await);
    }
    let token = app.token(ADA, PASSWORD).await;
    let path = format!("/admin/users/{id}/password-reset");
    let answer = send(&app, Method::POST, &path, &root, &Value::Null).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert!(app.opens(&token).await);
    let mail = app.mail.newest_to(ADA, 2).await;
    let body = json!({"token": mail.token(), "new_password": NEW});
    let answer = app.put("/password-reset", &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    let token = app.token(ADA, NEW).await;
    let path = format!("/admin/users/{id}");
    let answer = app.delete_as(&root, &path).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert!(!app.opens(&token).await);
    app.get_as(&root, &path)
        .await
        .assert_problem(404, "not-found");
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::DELETE, format!("{path}/sessions")),
        (Method::POST, format!("{path}/password-reset")),
    ] {
        let answer = send(&app, method, &path, &root, &Value::Null).await;
        answer.assert_problem(404, "not-found");
    }
    assert_eq!(
        app.register(ADA, PASSWORD).await.status,
        StatusCode::CREATED
    );
}

#[apply(on_both_databases)]
async fn a_disabled_user_takes_no_change_of_the_address_back(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    let token = app.token(ADA, PASSWORD).await;
    change(&app, &root, id, &json!({"email_verified": true})).await;
    let body = json!({"email": EVE, "password": PASSWORD});
    send(&app, Method::PUT, "/users/me/email", &token, &body).await;
    let confirmation = app.mail.newest_to(EVE, 1).await;
    let body = json!({"token": confirmation.token()});
    let path = "/email-verification";
    let changed = send(&app, Method::PUT, path, &token, &body).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    app.letters_are_out().await;
    let mails = app.mail.mails();
    let undo = mails
        .iter()
        .find(|mail| mail.text.contains("bienvenue_undo_"));
    let body = json!({"token": undo.expect("it came").token()});
    change(&app, &root, id, &json!({"disabled": true})).await;
    let path = "/email-verification/undo";
    app.post(path, &body)
        .await
        .assert_problem(400, "invalid-token");
    assert_eq!(show(&app, &root, id).await["email"], EVE);
    change(&app, &root, id, &json!({"disabled": false})).await;
    let undone = app.post(path, &body).await;
    assert_eq!(undone.status, StatusCode::NO_CONTENT, "{undone:?}");
}

#[apply(on_both_databases)]
async fn the_address_of_a_deleted_user_is_not_in_what_others_asked_for(app: TestApp) {
    let root = admin(&app, ROOT).await;
    add(&app, ADA).await;
    let token = app.token(ADA, PASSWORD).await;
    let eve = add(&app, EVE).await;
    change(&app, &root, eve, &json!({"email_verified": true})).await;
    let body = json!({"email": EVE, "password": PASSWORD});
    let asked = send(&app, Method::PUT, "/users/me/email", &token, &body).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    app.letters_are_out().await;
    app.delete_as(&root, &format!("/admin/users/{eve}")).await;
    for (table, column) in [
        ("email_verifications", "email"),
        ("audit_events", "detail"),
        ("outgoing_mails", "recipient"),
    ] {
        let named = format!("SELECT {column} FROM {table} WHERE {column} LIKE '%{EVE}%'");
        assert_eq!(app.database.sql(&named).await, None, "{table}");
    }
}
