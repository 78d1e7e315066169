//! What administrators read of the audit log.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADA, EVE, NEW, PASSWORD, ROOT, add, admin, change, send};
use crate::support::{Program, TestApp, on_both_databases};

/// The events that a query finds, the newest first.
async fn events(app: &TestApp, token: &str, query: &str) -> Vec<Value> {
    let path = format!("/admin/audit-events?{query}");
    let mut page = app.get_as(token, &path).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    serde_json::from_value(page.body["events"].take()).expect("a list")
}

/// Their kinds, the oldest first.
async fn kinds(app: &TestApp, token: &str, query: &str) -> Vec<String> {
    let events = events(app, token, query).await.into_iter().rev();
    let kinds = events.map(|event| event["kind"].as_str().expect("a text").to_owned());
    kinds.collect()
}

#[apply(on_both_databases)]
async fn a_wrong_filter_is_named(app: TestApp) {
    let root = admin(&app, ROOT).await;
    for (query, field) in [
        ("user_id=ada", "user_id"),
        ("actor_id=", "actor_id"),
        ("kind=session", "kind"),
        ("ip=localhost", "ip"),
        ("since=yesterday", "since"),
        ("since=2026-11-22", "since"),
        ("until=0", "until"),
        ("limit=201", "limit"),
        ("after=1", "after"),
        ("salt=x", "salt"),
        ("detail=x", "detail"),
        ("kind=session.opened&kind=session.ended", "kind"),
    ] {
        let answer = app
            .get_as(&root, &format!("/admin/audit-events?{query}"))
            .await;
        answer.assert_problem(400, "malformed-request");
        assert_eq!(
            answer.body["errors"][0]["field"], field,
            "{query}: {answer:?}"
        );
    }
}

#[apply(on_both_databases)]
async fn the_life_of_an_account_can_be_followed_and_the_log_verified_after_it(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let found = app.get_as(&root, "/admin/users?role=admin").await;
    let root_id = found.body["users"][0]["id"].clone();
    let id = add(&app, ADA).await;
    app.sign_in(ADA, NEW).await;
    app.sign_in(EVE, NEW).await;
    let ada = app.token(ADA, PASSWORD).await;
    app.token(ADA, PASSWORD).await;
    let body =
        json!({"role": "admin", "groups": ["b", "a"], "name": "Ada", "email_verified": true});
    change(&app, &root, id, &body).await;
    // Nothing is changed by these, so nothing is told.
    change(
        &app,
        &root,
        id,
        &json!({"name": "Ada", "groups": ["a", "b"]}),
    )
    .await;
    change(&app, &root, id, &json!({})).await;
    change(&app, &root, id, &json!({"disabled": true})).await;
    assert!(!app.opens(&ada).await);
    app.sign_in(ADA, PASSWORD).await;
    change(&app, &root, id, &json!({"disabled": false, "role": "user"})).await;
    let path = format!("/admin/users/{id}/password-reset");
    send(&app, Method::POST, &path, &root, &Value::Null).await;
    assert_eq!(
        kinds(&app, &root, &format!("user_id={id}")).await,
        [
            "user.registered",
            "session.refused",
            "session.opened",
            "session.opened",
            "user.updated",
            "email.verified",
            "user.disabled",
            "session.ended",
            "session.ended",
            "session.refused",
            "user.updated",
            "user.enabled",
            "password.reset_requested",
        ]
    );
    let by_root = kinds(&app, &root, &format!("actor_id={root_id}&user_id={id}")).await;
    assert_eq!(by_root.len(), 8, "{by_root:?}");
    assert!(kinds(&app, &root, "ip=192.0.2.1").await.is_empty());
    let refused = events(&app, &root, "kind=session.refused").await;
    let whose: Vec<_> = refused.iter().map(|event| &event["user_id"]).collect();
    assert_eq!(whose, [&json!(id), &Value::Null, &json!(id)]);
    let updated = events(&app, &root, &format!("kind=user.updated&user_id={id}")).await;
    let event = &updated[1];
    assert_eq!(
        event["detail"],
        json!({"fields": ["groups", "name", "role"], "role": "admin", "groups_added": ["a", "b"], "groups_removed": null})
    );
    assert_eq!(
        (&event["actor_id"], &event["user_id"]),
        (&root_id, &json!(id))
    );
    assert_eq!(event["ip"], "127.0.0.1");
    assert!(
        event["session_id"].is_string() && event["request_id"].is_string(),
        "{event}"
    );
    // The owner reads the same, without what is the administrator's.
    let ada = app.token(ADA, PASSWORD).await;
    let own = app.get_as(&ada, "/users/me/audit-events").await;
    let own = own.body["events"].as_array().expect("a list");
    let own_event = own
        .iter()
        .find(|own| own["id"] == event["id"])
        .expect("there");
    assert_eq!(own_event["ip"], Value::Null);
    assert_eq!(own_event.get("request_id"), None);
    let deleted = app.delete_as(&root, &format!("/admin/users/{id}")).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    let after = events(&app, &root, &format!("user_id={id}&limit=200")).await;
    assert_eq!(after[0]["kind"], "user.deleted");
    assert_eq!(after[0]["actor_id"], root_id);
    for event in &after[1..] {
        let detail = event["detail"].as_object().expect("an object");
        assert!(detail.values().all(Value::is_null), "{event}");
        let is_by_root = event["actor_id"] == root_id;
        assert_eq!(event["ip"].is_null(), !is_by_root, "{event}");
    }
    let variables = [("DATABASE_URL", &*app.database.url)];
    let (status, _, complaints) = Program::run_with(&["audit", "verify"], &variables, "").await;
    assert_eq!(status, 0, "{complaints}");
}

#[apply(on_both_databases)]
async fn what_an_administrator_did_to_others_outlives_the_administrator(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let rogue = admin(&app, EVE).await;
    let id = add(&app, ADA).await;
    change(
        &app,
        &rogue,
        id,
        &json!({"role": "admin", "groups": ["ops"]}),
    )
    .await;
    let closed = app.delete_as(&rogue, "/users/me").await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT, "{closed:?}");
    let updated = events(&app, &root, &format!("kind=user.updated&user_id={id}")).await;
    assert_eq!(updated[0]["detail"]["role"], "admin");
    assert_eq!(updated[0]["detail"]["groups_added"], json!(["ops"]));
    // The address is that of the administrator, who is gone.
    assert_eq!(updated[0]["ip"], Value::Null);
    let variables = [("DATABASE_URL", &*app.database.url)];
    let (status, _, complaints) = Program::run_with(&["audit", "verify"], &variables, "").await;
    assert_eq!(status, 0, "{complaints}");
}
