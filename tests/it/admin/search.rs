//! The search for accounts.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADA, EVE, PASSWORD, ROOT, add, admin, change, send};
use crate::support::{TestApp, on_both_databases};

/// The addresses that a search finds, page by page.
async fn found(app: &TestApp, token: &str, query: &str) -> Vec<String> {
    let mut emails = Vec::new();
    let mut after = String::new();
    loop {
        let page = app
            .get_as(token, &format!("/admin/users?{query}{after}"))
            .await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let users = page.body["users"].as_array().expect("a list").iter();
        emails.extend(users.map(|user| user["email"].as_str().expect("a text").to_owned()));
        match &page.body["next"] {
            Value::String(next) => after = format!("&after={next}"),
            next => {
                assert_eq!(*next, Value::Null);
                return emails;
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_wrong_filter_is_named(app: TestApp) {
    let root = admin(&app, ROOT).await;
    for (query, field) in [
        ("emial=ada@example.com", "emial"),
        ("hashed_password=x", "hashed_password"),
        ("reset_token=x", "reset_token"),
        ("sort=hashed_password", "sort"),
        ("email=ada", "email"),
        ("email=", "email"),
        ("email=a@example.com&email=b@example.com", "email"),
        ("email_prefix=", "email_prefix"),
        ("email_prefix=%00", "email_prefix"),
        ("email_prefix=%C3%A9", "email_prefix"),
        ("email_prefix=%FF", "email_prefix"),
        ("state=active", "state"),
        ("state=", "state"),
        ("role=root", "role"),
        ("role=ADMIN", "role"),
        ("group=Staff", "group"),
        ("group=a,b", "group"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("after=x", "after"),
        ("after=0", "after"),
        ("after=-1", "after"),
        ("after=99999999999999999999", "after"),
        ("limit=10&limit=10", "limit"),
    ] {
        let answer = app.get_as(&root, &format!("/admin/users?{query}")).await;
        answer.assert_problem(400, "malformed-request");
        let errors = answer.body["errors"].as_array().expect("named");
        assert_eq!(errors.len(), 1, "{query}: {answer:?}");
        assert_eq!(errors[0]["field"], field, "{query}: {answer:?}");
        assert!(!errors[0]["message"].as_str().unwrap_or_default().is_empty());
    }
    let answer = app.get_as(&root, "/admin/users?limit=x").await;
    assert_eq!(
        answer.body["errors"][0]["message"],
        "must be a number from 1 to 200"
    );
    let answer = app.get_as(&root, "/admin/users?state=gone").await;
    assert_eq!(
        answer.body["errors"][0]["message"],
        "must be verified, unverified or disabled"
    );
}

#[apply(on_both_databases)]
async fn accounts_are_found_by_address_beginning_state_role_and_group(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let ids = [
        add(&app, ADA).await,
        add(&app, EVE).await,
        add(&app, "adam@example.com").await,
    ];
    change(
        &app,
        &root,
        ids[0],
        &json!({"email_verified": true, "groups": ["ops", "staff"]}),
    )
    .await;
    change(
        &app,
        &root,
        ids[1],
        &json!({"disabled": true, "groups": ["staff"]}),
    )
    .await;
    add(&app, "a_a@example.com").await;
    for (query, expected) in [
        (
            "limit=1",
            &[ROOT, ADA, EVE, "adam@example.com", "a_a@example.com"][..],
        ),
        ("email=%20ADA@example.com", &[ADA]),
        ("email=nobody@example.com", &[]),
        ("email_prefix=ada", &[ADA, "adam@example.com"]),
        ("email_prefix=AdA", &[ADA, "adam@example.com"]),
        ("email_prefix=ada@example.com", &[ADA]),
        ("email_prefix=a_", &["a_a@example.com"]),
        ("email_prefix=%25", &[]),
        ("email_prefix=zz", &[]),
        ("state=verified", &[ROOT, ADA]),
        (
            "state=unverified",
            &[EVE, "adam@example.com", "a_a@example.com"],
        ),
        ("state=disabled", &[EVE]),
        ("role=admin", &[ROOT]),
        (
            "role=user&limit=2",
            &[ADA, EVE, "adam@example.com", "a_a@example.com"],
        ),
        ("group=staff", &[ADA, EVE]),
        ("group=ops", &[ADA]),
        ("group=none", &[]),
        (
            "group=staff&state=disabled&role=user&email_prefix=e",
            &[EVE],
        ),
        ("group=ops&state=disabled", &[]),
    ] {
        assert_eq!(found(&app, &root, query).await, expected, "{query}");
    }
    let groups = app.get_as(&root, "/admin/groups").await;
    assert_eq!(
        groups.body,
        json!({"groups": [{"name": "ops", "users": 1}, {"name": "staff", "users": 2}]})
    );
    assert_eq!(groups.header("cache-control"), "no-store");
}

#[apply(on_both_databases)]
async fn pages_miss_and_repeat_nobody_while_accounts_come_and_go(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(add(&app, &format!("user{number}@example.com")).await);
    }
    let page = app.get_as(&root, "/admin/users?limit=3").await;
    let next = page.body["next"]
        .as_str()
        .expect("there are more")
        .to_owned();
    // One of the first page and one of the second go, and one comes.
    app.delete_as(&root, &format!("/admin/users/{}", ids[0]))
        .await;
    app.delete_as(&root, &format!("/admin/users/{}", ids[3]))
        .await;
    add(&app, "user9@example.com").await;
    let rest = found(&app, &root, &format!("limit=200&after={next}")).await;
    assert_eq!(
        rest,
        [
            "user2@example.com",
            "user4@example.com",
            "user5@example.com",
            "user9@example.com"
        ]
    );
    // The end is told with the last page, though it is full.
    let page = app.get_as(&root, "/admin/users?limit=6").await;
    assert_eq!(page.body["next"], Value::Null, "{page:?}");
}

#[apply(on_both_databases)]
async fn an_account_is_shown_with_what_administrators_need(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let body = json!({"email": ADA, "password": PASSWORD, "name": " Ada ", "groups": ["b", "a", "b"],
        "email_verified": true});
    let created = send(&app, Method::POST, "/admin/users", &root, &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let id = created.body["id"].as_i64().expect("an id");
    let mut expected = json!({"id": id, "email": ADA, "email_verified": true, "name": "Ada",
        "created_at": "2026-11-22T06:00:00Z", "role": "user", "groups": ["a", "b"], "disabled": false,
        "has_password": true, "last_seen_at": null, "sessions": 0});
    assert_eq!(created.body, expected);
    let path = format!("/admin/users/{id}");
    assert_eq!(app.get_as(&root, &path).await.body, expected);
    app.token(ADA, PASSWORD).await;
    app.token(ADA, PASSWORD).await;
    expected["last_seen_at"] = "2026-11-22T06:00:00Z".into();
    expected["sessions"] = 2.into();
    assert_eq!(app.get_as(&root, &path).await.body, expected);
    for (path, status) in [
        ("/admin/users/999999", 404),
        ("/admin/users/0", 404),
        ("/admin/users/x", 404),
        ("/admin/users/", 404),
    ] {
        let answer = app.get_as(&root, path).await;
        answer.assert_problem(status, "not-found");
    }
}
