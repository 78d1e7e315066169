//! Who may administer.

use chrono::TimeDelta;
use futures_util::future::join;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADA, EVE, NEW, PASSWORD, ROOT, add, admin, change, send, show};
use crate::support::{TestApp, TestDatabase, on_both_databases};

/// Every operation, with what it answers to a fresh administrator who sends no sensible body.
const OPERATIONS: [(Method, &str, u16); 10] = [
    (Method::GET, "/admin/users", 200),
    (Method::GET, "/admin/users/{id}", 200),
    (Method::GET, "/admin/groups", 200),
    (Method::GET, "/admin/audit-events", 200),
    (Method::POST, "/admin/users", 400),
    (Method::PATCH, "/admin/users/{id}", 400),
    (Method::DELETE, "/admin/users/{id}/sessions", 204),
    (Method::POST, "/admin/users/{id}/password-reset", 202),
    (Method::DELETE, "/admin/users/{id}", 204),
    (Method::GET, "/admin/users?nonsense=1", 400),
];

#[apply(on_both_databases)]
async fn every_operation_is_for_administrators_and_every_change_for_fresh_ones(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let id = add(&app, ADA).await;
    let (owner, stranger) = (app.token(ADA, PASSWORD).await, add(&app, EVE).await);
    let stranger_token = app.token(EVE, PASSWORD).await;
    let demoted = admin(&app, "demoted@example.com").await;
    let disabled = admin(&app, "disabled@example.com").await;
    let ended = admin(&app, "ended@example.com").await;
    let of = async |email: &str| {
        let path = format!("/admin/users?email={email}");
        let found = app.get_as(&root, &path).await;
        found.body["users"][0]["id"].as_i64().expect("found")
    };
    let answer = change(
        &app,
        &root,
        of("demoted@example.com").await,
        &json!({"role": "user"}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = change(
        &app,
        &root,
        of("disabled@example.com").await,
        &json!({"disabled": true}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    app.delete_as(&ended, "/sessions/current").await;
    // The sessions above are stale from now on.
    app.clock.advance(TimeDelta::minutes(11));
    let fresh = app.token(ROOT, PASSWORD).await;
    let shown = async || {
        let mut shown = [
            show(&app, &fresh, id).await,
            show(&app, &fresh, stranger).await,
        ];
        // A refused request is a use of the session too.
        for user in &mut shown {
            user["last_seen_at"] = Value::Null;
        }
        shown
    };
    let before = shown().await;
    for (method, path, _) in OPERATIONS {
        let path = path.replace("{id}", &id.to_string());
        let nonsense = if method == Method::GET {
            Value::Null
        } else {
            json!({"nonsense": true})
        };
        for (caller, token, refusal) in [
            ("nobody", "", Some((401, "not-signed-in"))),
            ("the owner", &*owner, Some((403, "forbidden"))),
            ("another user", &stranger_token, Some((403, "forbidden"))),
            (
                "one demoted a moment ago",
                &demoted,
                Some((403, "forbidden")),
            ),
            ("a disabled user", &disabled, Some((401, "not-signed-in"))),
            ("an ended session", &ended, Some((401, "not-signed-in"))),
            (
                "a stale administrator",
                &root,
                (method != Method::GET).then_some((403, "sign-in-again")),
            ),
        ] {
            let answer = send(&app, method.clone(), &path, token, &nonsense).await;
            let name = format!("{method} {path} by {caller}");
            match refusal {
                Some((status, problem)) => {
                    assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
                    answer.assert_problem(status, problem);
                }
                None => assert!(answer.status != StatusCode::FORBIDDEN, "{name}: {answer:?}"),
            }
        }
    }
    assert_eq!(shown().await, before);
    for (method, path, status) in OPERATIONS {
        let path = path.replace("{id}", &id.to_string());
        let body = if [Method::POST, Method::PATCH].contains(&method) {
            json!({"nonsense": true})
        } else {
            Value::Null
        };
        let answer = send(&app, method.clone(), &path, &fresh, &body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {answer:?}"
        );
    }
}

#[apply(on_both_databases)]
async fn a_page_of_another_site_administers_nothing(app: TestApp) {
    app.add_admin(ROOT, PASSWORD).await;
    let id = add(&app, ADA).await;
    let cookie = app.sign_in(ROOT, PASSWORD).await.cookie();
    let request = app.client.delete(format!("{}/admin/users/{id}", app.url));
    let request = request
        .header("cookie", cookie)
        .header("sec-fetch-site", "cross-site");
    let answer = app.send(request).await;
    answer.assert_problem(403, "cross-site-request");
}

#[apply(on_both_databases)]
async fn nobody_gets_rights_by_way_of_their_own_account(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let found = app.get_as(&root, "/admin/users?role=admin").await;
    let id = found.body["users"][0]["id"].as_i64().expect("found");
    for field in ["role", "groups", "disabled", "email_verified"] {
        let body = json!({field: "admin"});
        let answer = send(&app, Method::PATCH, "/users/me", &root, &body).await;
        answer.assert_problem(400, "malformed-request");
    }
    let answer = change(&app, &root, id, &json!({"groups": ["staff"]})).await;
    answer.assert_problem(403, "forbidden");
    // Another administrator can. Giving up is allowed.
    let other = admin(&app, ADA).await;
    let answer = change(&app, &other, id, &json!({"groups": ["ops", "staff"]})).await;
    assert_eq!(answer.body["groups"], json!(["ops", "staff"]));
    let answer = change(&app, &root, id, &json!({"groups": ["ops", "root"]})).await;
    answer.assert_problem(403, "forbidden");
    let answer = change(
        &app,
        &root,
        id,
        &json!({"groups": ["ops"], "role": "admin"}),
    )
    .await;
    assert_eq!(answer.body["groups"], json!(["ops"]));
    let answer = change(&app, &root, id, &json!({"role": "user"})).await;
    assert_eq!(answer.body["role"], "user");
    let answer = change(&app, &root, id, &json!({"role": "admin"})).await;
    answer.assert_problem(403, "forbidden");
}

#[apply(on_both_databases)]
async fn the_last_administrator_stays_one(app: TestApp) {
    let root = admin(&app, ROOT).await;
    let found = app.get_as(&root, "/admin/users?role=admin").await;
    let id = found.body["users"][0]["id"].as_i64().expect("found");
    // A disabled administrator does not count.
    let other = admin(&app, ADA).await;
    let found = app
        .get_as(&root, "/admin/users?email=ada@example.com")
        .await;
    let other_id = found.body["users"][0]["id"].as_i64().expect("found");
    let answer = change(&app, &root, other_id, &json!({"disabled": true})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!app.opens(&other).await);
    for body in [
        json!({"role": "user"}),
        json!({"disabled": true}),
        json!({"role": "user", "name": "Root", "groups": []}),
    ] {
        let answer = change(&app, &root, id, &body).await;
        answer.assert_problem(409, "last-admin");
    }
    let answer = app.delete_as(&root, &format!("/admin/users/{id}")).await;
    answer.assert_problem(409, "last-admin");
    let answer = app.delete_as(&root, "/users/me").await;
    answer.assert_problem(409, "last-admin");
    let shown = show(&app, &root, id).await;
    assert_eq!(shown["role"], "admin");
    assert_eq!(shown["name"], Value::Null);
    change(&app, &root, other_id, &json!({"disabled": false})).await;
    let answer = app.delete_as(&root, "/users/me").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

#[apply(on_both_databases)]
async fn of_two_administrators_who_end_each_other_at_the_same_moment_one_stays(app: TestApp) {
    let replica = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    for round in 0..20 {
        let (one, two) = (
            format!("one{round}@example.com"),
            format!("two{round}@example.com"),
        );
        let (one_token, two_token) = (admin(&app, &one).await, admin(&replica, &two).await);
        let found = app.get_as(&one_token, "/admin/users?role=admin").await;
        let ids: Vec<_> = found.body["users"]
            .as_array()
            .expect("a list")
            .iter()
            .collect();
        let id = |email: &str| {
            let user = ids.iter().find(|user| user["email"] == email);
            user.and_then(|user| user["id"].as_i64()).expect("found")
        };
        // Those of the rounds before.
        for user in &ids {
            if user["email"] != *one && user["email"] != *two {
                let id = user["id"].as_i64().expect("an id");
                change(&app, &one_token, id, &json!({"role": "user"})).await;
            }
        }
        let (one_id, two_id) = (id(&one), id(&two));
        let statuses = match round % 4 {
            0 => {
                let body = json!({"role": "user"});
                let (first, second) = join(
                    change(&app, &one_token, two_id, &body),
                    change(&replica, &two_token, one_id, &body),
                )
                .await;
                [first.status, second.status]
            }
            1 => {
                let body = json!({"disabled": true});
                let (first, second) = join(
                    change(&app, &one_token, one_id, &body),
                    change(&replica, &two_token, two_id, &body),
                )
                .await;
                [first.status, second.status]
            }
            2 => {
                let path = |id| format!("/admin/users/{id}");
                let (first, second) = (path(two_id), path(one_id));
                let (first, second) = join(
                    app.delete_as(&one_token, &first),
                    replica.delete_as(&two_token, &second),
                )
                .await;
                [first.status, second.status]
            }
            _ => {
                let (first, second) = join(
                    app.delete_as(&one_token, "/users/me"),
                    replica.delete_as(&two_token, "/users/me"),
                )
                .await;
                [first.status, second.status]
            }
        };
        let successes = statuses.iter().filter(|status| status.is_success()).count();
        assert_eq!(successes, 1, "round {round}: {statuses:?}");
        let refused = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::CONFLICT,
        ];
        let is_answer = |status: &StatusCode| status.is_success() || refused.contains(status);
        assert!(
            statuses.iter().all(is_answer),
            "round {round}: {statuses:?}"
        );
        let left =
            "SELECT CAST(COUNT(*) AS TEXT) FROM users WHERE role = 'admin' AND disabled_at IS NULL";
        assert_eq!(
            app.database.sql(left).await.as_deref(),
            Some("1"),
            "round {round}"
        );
    }
}

#[apply(on_both_databases)]
async fn an_account_that_an_administrator_opened_is_kept_though_it_is_never_used(
    database: TestDatabase,
) {
    let app = TestApp::with(database, &["--unverified-lifetime", "7d"]).await;
    let root = admin(&app, ROOT).await;
    let body = json!({"email": ADA, "password": NEW});
    let created = send(&app, Method::POST, "/admin/users", &root, &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    add(&app, EVE).await;
    // Nor one that was disabled, or lost its verification.
    let disabled = add(&app, "disabled@example.com").await;
    change(&app, &root, disabled, &json!({"disabled": true})).await;
    let once_verified = add(&app, "once-verified@example.com").await;
    for is_verified in [true, false] {
        let body = json!({"email_verified": is_verified});
        change(&app, &root, once_verified, &body).await;
    }
    app.clock.advance(TimeDelta::days(40));
    while app.auth.sweep().await.expect("sweeps") {}
    while app.auth.sweep_unverified_users().await.expect("sweeps") {}
    let root = app.token(ROOT, PASSWORD).await;
    let found = app.get_as(&root, "/admin/users").await;
    let emails = found.body["users"].as_array().expect("a list").iter();
    let emails: Vec<_> = emails.map(|user| user["email"].clone()).collect();
    let kept = ["disabled@example.com", "once-verified@example.com"];
    assert_eq!(emails, [ROOT, ADA, kept[0], kept[1]]);
}
