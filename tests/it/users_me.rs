//! What the owner of an account may do with it.

use std::time::{Duration, Instant};

use bienvenue::auth::hash_password;
use chrono::TimeDelta;
use futures_util::future::join;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, TestDatabase, on_both_databases, once};

const ADA: &str = "ada@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "incorrect donkey charger";

async fn change(app: &TestApp, token: &str, current: &str, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    let request = app.request(Method::PUT, "/users/me/password", token);
    app.send(request.json(&body)).await
}

#[apply(on_both_databases)]
async fn who_am_i_is_answered_with_the_account(app: TestApp) {
    let registered = app.register(ADA, OLD).await;
    let token = app.token(ADA, OLD).await;
    let answer = app.get_as(&token, "/users/me").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, registered.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_conventions();
}

async fn update(app: &TestApp, token: &str, body: &Value) -> Answer {
    let request = app.request(Method::PATCH, "/users/me", token);
    app.send(request.json(body)).await
}

#[apply(on_both_databases)]
async fn texts_that_are_no_names_change_nothing(app: TestApp) {
    app.register(ADA, OLD).await;
    let token = app.token(ADA, OLD).await;
    let named = update(&app, &token, &json!({"name": "Ada"})).await;
    for name in [
        "",
        " \t\n",
        "Ada\0Lovelace",
        "Ada\nLovelace",
        "Ada\u{85}Lovelace",
        &"é".repeat(101),
    ] {
        let refused = update(&app, &token, &json!({"name": name})).await;
        refused.assert_field_problem("invalid-name", "name");
    }
    for (body, field) in [
        (json!({"name": 1}), "name"),
        (json!({"name": ["Ada"]}), "name"),
        (json!({"email": "eve@example.com"}), "email"),
        (json!({"name": "Eve", "id": 2}), "id"),
    ] {
        let refused = update(&app, &token, &body).await;
        refused.assert_problem(400, "malformed-request");
        assert_eq!(refused.body["errors"][0]["field"], field, "{refused:?}");
    }
    let request = app.client.patch(format!("{}/users/me", app.url));
    let cookie = app.sign_in(ADA, OLD).await.cookie();
    let elsewhere = request
        .header("cookie", cookie)
        .header("sec-fetch-site", "cross-site")
        .json(&json!({"name": "Eve"}));
    app.send(elsewhere)
        .await
        .assert_problem(403, "cross-site-request");
    let account = app.get_as(&token, "/users/me").await;
    assert_eq!(account.body, named.body);
}

#[apply(on_both_databases)]
async fn people_are_called_what_they_say_until_they_take_it_back(app: TestApp) {
    let mut account = app.register(ADA, OLD).await.body;
    let eve = app.register("eve@example.com", OLD).await.body;
    let token = app.token(ADA, OLD).await;
    let longest = "é".repeat(100);
    for (body, name) in [
        (json!({}), json!(null)),
        (json!({"name": "  Ada Lovelace\n"}), json!("Ada Lovelace")),
        // What is not named stays.
        (json!({}), json!("Ada Lovelace")),
        (json!({"name": "Ada Lovelace"}), json!("Ada Lovelace")),
        (json!({"name": longest}), json!(longest)),
        (json!({"name": null}), json!(null)),
        (json!({"name": null}), json!(null)),
        (json!({"name": "愛達 👩‍💻"}), json!("愛達 👩‍💻")),
    ] {
        let updated = update(&app, &token, &body).await;
        assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
        assert_eq!(updated.header("cache-control"), "no-store");
        updated.assert_conventions();
        account["name"] = name;
        assert_eq!(updated.body, account, "{body}");
        let current = app.get_as(&token, "/sessions/current").await;
        assert_eq!(current.body["user"], account);
    }
    let other = app.token("eve@example.com", OLD).await;
    assert_eq!(app.get_as(&other, "/users/me").await.body, eve);
}

#[apply(on_both_databases)]
async fn a_password_that_is_wrong_or_not_good_enough_changes_nothing(app: TestApp) {
    app.register(ADA, OLD).await;
    let other = app.token(ADA, OLD).await;
    let token = app.token(ADA, OLD).await;
    let long = "k7#Qz9! ".repeat(129);
    for (current, new, status, problem) in [
        (NEW, NEW, 403, "wrong-password"),
        ("", NEW, 403, "wrong-password"),
        ("correct horse battery\0", NEW, 403, "wrong-password"),
        (&long, NEW, 403, "wrong-password"),
        (OLD, "short", 422, "weak-password"),
        (OLD, "password1", 422, "weak-password"),
        (OLD, "ada@example.com", 422, "weak-password"),
        (OLD, "incorrect\0donkey", 422, "invalid-password"),
        (OLD, &long, 422, "invalid-password"),
    ] {
        let answer = change(&app, &token, current, new).await;
        if status == 422 {
            answer.assert_field_problem(problem, "new_password");
        } else {
            answer.assert_problem(status, problem);
        }
    }
    assert!(app.opens(&token).await && app.opens(&other).await);
    assert_eq!(app.sign_in(ADA, OLD).await.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn a_new_password_ends_every_other_session_and_gives_this_one_a_new_token(app: TestApp) {
    app.register(ADA, OLD).await;
    let token = app.token(ADA, OLD).await;
    let before = app.get_as(&token, "/sessions/current").await;
    app.clock.advance(TimeDelta::hours(1));
    let other = app.token(ADA, OLD).await;
    app.clock.advance(TimeDelta::hours(1));

    let changed = change(&app, &token, OLD, NEW).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.header("set-cookie"), "");
    let new_token = changed.body["token"].as_str().expect("a token");
    assert!(!app.opens(&token).await && !app.opens(&other).await);
    let mut session = changed.body.clone();
    session.as_object_mut().expect("a session").remove("token");
    let id = &before.body["session"]["id"];
    assert_eq!(
        session,
        json!({
            "id": id,
            "created_at": "2026-11-22T06:00:00Z",
            "last_seen_at": "2026-11-22T08:00:00Z",
            "expires_at": "2026-11-29T08:00:00Z",
            "ip": "127.0.0.1",
            "user_agent": null,
            "methods": ["password"],
            "current": true,
        })
    );
    let after = app.get_as(new_token, "/sessions/current").await;
    assert_eq!(after.body["session"], session);
    let named = app.database.sql("SELECT session_id FROM users").await;
    assert_eq!(named.as_deref(), id.as_str());
    app.sign_in(ADA, OLD)
        .await
        .assert_problem(401, "invalid-credentials");
    assert_eq!(app.sign_in(ADA, NEW).await.status, StatusCode::CREATED);
    // It counts as just signed in.
    let closed = app.delete_as(new_token, "/users/me").await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT, "{closed:?}");
}

#[apply(on_both_databases)]
async fn who_came_with_a_cookie_gets_the_new_token_in_the_cookie(app: TestApp) {
    app.register(ADA, OLD).await;
    let cookie = app.sign_in(ADA, OLD).await.cookie();
    let request = app.client.put(format!("{}/users/me/password", app.url));
    let body = json!({"current_password": OLD, "new_password": NEW});
    let changed = app
        .send(request.header("cookie", &cookie).json(&body))
        .await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    assert_eq!(changed.body, Value::Null);
    assert!(
        changed
            .header("set-cookie")
            .ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        "{changed:?}"
    );
    assert_ne!(changed.cookie(), cookie);
    for (cookie, status) in [(cookie, 401), (changed.cookie(), 200)] {
        let request = app.client.get(format!("{}/users/me", app.url));
        let answer = app.send(request.header("cookie", cookie)).await;
        assert_eq!(answer.status, status);
    }
}

#[apply(on_both_databases)]
async fn a_sign_in_with_the_old_password_does_not_outlive_its_change(app: TestApp) {
    for round in 0..24 {
        let email = format!("user{round}@example.com");
        app.register(&email, OLD).await;
        let token = app.token(&email, OLD).await;
        // Costly to verify, so that the two meet half-way.
        let hash = hash_password(OLD, 8 + round % 3).expect("a password");
        app.database
            .sql(&format!(
                "UPDATE users SET hashed_password = '{}' WHERE email = '{email}'",
                hash.as_str()
            ))
            .await;
        let credentials = json!({"email": email, "password": OLD, "delivery": "token"});
        let sign_in = app.post("/sessions", &credentials);
        let (signed_in, changed) = join(sign_in, change(&app, &token, OLD, NEW)).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        if signed_in.status == StatusCode::CREATED {
            let old_token = signed_in.body["token"].as_str().expect("a token");
            assert!(!app.opens(old_token).await, "round {round}");
        } else {
            signed_in.assert_problem(401, "invalid-credentials");
        }
    }
}

#[apply(on_both_databases)]
async fn of_two_changes_at_once_one_succeeds(app: TestApp) {
    app.register(ADA, OLD).await;
    let one = app.token(ADA, OLD).await;
    let other = app.token(ADA, OLD).await;
    let (first, second) = join(
        change(&app, &one, OLD, NEW),
        change(&app, &other, OLD, "another battery staple"),
    )
    .await;
    let (won, lost) = if first.status == StatusCode::OK {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(won.status, StatusCode::OK, "{won:?}");
    assert!(
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&lost.status),
        "{lost:?}"
    );
    assert_eq!(app.database.count("sessions").await, 1);
}

#[apply(on_both_databases)]
async fn an_account_is_closed_by_who_gave_the_password_in_the_last_ten_minutes(app: TestApp) {
    app.register(ADA, OLD).await;
    app.register("eve@example.com", OLD).await;
    let eve = app.token("eve@example.com", OLD).await;
    let stale = app.token(ADA, OLD).await;
    app.clock.advance(TimeDelta::minutes(10));
    let refused = app.delete_as(&stale, "/users/me").await;
    refused.assert_problem(403, "sign-in-again");
    assert!(app.opens(&stale).await);

    let signed_in = app.sign_in(ADA, OLD).await;
    app.clock
        .advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    let request = app.client.delete(format!("{}/users/me", app.url));
    let closed = app.send(request.header("cookie", signed_in.cookie())).await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT, "{closed:?}");
    assert_eq!(
        closed.header("set-cookie"),
        "bienvenue-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    );
    assert!(!app.opens(&stale).await);
    app.sign_in(ADA, OLD)
        .await
        .assert_problem(401, "invalid-credentials");
    assert!(app.opens(&eve).await);
    assert_eq!(app.database.count("users").await, 1);
    assert_eq!(app.database.count("sessions").await, 1);
    // The address is free again, and the new account is another one.
    let again = app.register(ADA, OLD).await;
    assert_eq!(again.body["id"], 3);
}

#[apply(on_both_databases)]
async fn the_export_has_everything_but_hashes_and_digests(app: TestApp) {
    app.register(ADA, OLD).await;
    app.register("eve@example.com", OLD).await;
    app.token("eve@example.com", OLD).await;
    let token = app.token(ADA, OLD).await;
    let current = app.get_as(&token, "/sessions/current").await;
    let id = &current.body["session"]["id"];
    update(&app, &token, &json!({"name": "Ada"})).await;
    let group = "INSERT INTO user_groups (user_id, name) SELECT id, 'staff' FROM users";
    app.database.sql(group).await;
    app.letters_are_out().await;
    let own = app.get_as(&token, "/users/me/audit-events").await;
    let events = own.body["events"].as_array().expect("a list");
    assert_eq!(events.len(), 3, "{own:?}");
    let answer = app.get_as(&token, "/users/me/export").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.body,
        json!({
            "exported_at": "2026-11-22T06:00:00Z",
            "user": {
                "id": 1,
                "email": ADA,
                "name": "Ada",
                "role": "user",
                "groups": ["staff"],
                "disabled_at": null,
                "is_provisioned": false,
                "email_verified_at": null,
                "session_id": id,
                "reset_token_expires_at": null,
                "last_signed_in_at": "2026-11-22T06:00:00Z",
                "created_at": "2026-11-22T06:00:00Z",
                "updated_at": "2026-11-22T06:00:00Z",
            },
            "sessions": [{
                "id": id,
                "created_at": "2026-11-22T06:00:00Z",
                "authenticated_at": "2026-11-22T06:00:00Z",
                "last_seen_at": "2026-11-22T06:00:00Z",
                "expires_at": "2026-12-22T06:00:00Z",
                "ip": "127.0.0.1",
                "user_agent": null,
                "methods": ["password"],
            }],
            "known_clients": [{
                "network": "127.0.0.1",
                "user_agent": "",
                "last_signed_in_at": "2026-11-22T06:00:00Z",
                "last_used_at": null,
            }],
            "email_verifications": [{
                "email": ADA,
                "created_at": "2026-11-22T06:00:00Z",
                "token_expires_at": "2026-11-23T06:00:00Z",
            }],
            "one_time_tokens": [],
            "mails": [{
                "kind": "email-verification",
                "recipient": ADA,
                "language": "en",
                "ip": null,
                "client": null,
                "created_at": "2026-11-22T06:00:00Z",
                "finished_at": "2026-11-22T06:00:00Z",
            }],
            "audit_events": events,
        })
    );
}

#[apply(once)]
async fn no_byte_of_a_closed_account_stays_in_the_files_of_sqlite() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("test.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let app = TestApp::with(TestDatabase::at(url.clone()), &[]).await;
    let has_trace = || {
        let bytes = ["", "-wal"].map(|suffix| {
            let file = format!("{}{suffix}", path.display());
            std::fs::read(file).unwrap_or_default()
        });
        let trace = b"erased";
        (bytes.iter()).any(|bytes| bytes.windows(trace.len()).any(|window| window == trace))
    };
    for number in 0..60 {
        app.register(&format!("kept{number}@example.com"), OLD)
            .await;
        app.register(&format!("erased{number}@example.com"), OLD)
            .await;
    }
    app.letters_are_out().await;
    for number in 0..60 {
        let token = app.token(&format!("erased{number}@example.com"), OLD).await;
        let closed = app.delete_as(&token, "/users/me").await;
        assert_eq!(closed.status, StatusCode::NO_CONTENT, "{closed:?}");
    }
    assert!(has_trace());
    app.letters_are_out().await;
    app.clock.advance(TimeDelta::days(3));
    while app.auth.sweep().await.expect("it can") {}
    // Another replica sweeps as soon as it is there.
    let replica = TestApp::with(TestDatabase::at(url), &[]).await;
    let begun = Instant::now();
    while has_trace() {
        assert!(begun.elapsed() < Duration::from_secs(20), "a trace is left");
        tokio::task::yield_now().await;
    }
    assert_eq!(app.database.count("users").await, 60);
    replica.stop().await;
    app.stop().await;
}
