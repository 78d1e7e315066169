//! Sessions.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bienvenue::openapi_document;
use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const PASSWORD: &str = "correct horse battery";

/// A token of the right form that no service has given.
fn unknown_token(prefix: &str) -> String {
    let random = [7; 32];
    let digest = Sha256::digest([prefix.as_bytes(), &random].concat());
    let encoded = URL_SAFE_NO_PAD.encode([&random[..], &digest[..4]].concat());
    format!("{prefix}{encoded}")
}

/// Every operation for those who are signed in: its method and an address for it.
fn operations_for_callers() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&openapi_document()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").clone();
    let operations = paths.into_iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations").clone();
        operations
            .into_iter()
            .filter_map(move |(method, operation)| {
                let method = method.to_uppercase().parse().expect("a method");
                let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000");
                // Some have another way to find out who calls.
                let security = operation["security"].as_array()?;
                (security.len() == 2).then_some((method, path))
            })
    });
    let operations: Vec<_> = operations.collect();
    assert!(operations.len() >= 9, "{operations:?}");
    operations
}

#[apply(on_both_databases)]
async fn bodies_that_are_not_what_sign_in_takes_are_refused(app: TestApp) {
    for (body, field, message) in [
        (json!({"email": ADA}), "password", "is missing"),
        (
            json!({"email": [ADA], "password": PASSWORD}),
            "email",
            "must be a string",
        ),
        (
            json!({"email": ADA, "password": PASSWORD, "delivery": "post"}),
            "delivery",
            "must be \"cookie\" or \"token\"",
        ),
        (
            json!({"email": ADA, "password": PASSWORD, "delivery": null}),
            "delivery",
            "must be \"cookie\" or \"token\"",
        ),
        (
            json!({"email": ADA, "password": PASSWORD, "remember": true}),
            "remember",
            "is not known here",
        ),
    ] {
        let answer = app.post("/sessions", &body).await;
        answer.assert_problem(400, "malformed-request");
        let expected = json!([{"field": field, "message": message}]);
        assert_eq!(answer.body["errors"], expected);
    }
}

#[apply(on_both_databases)]
async fn whatever_is_wrong_with_credentials_the_answer_is_the_same(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register("broken@example.com", PASSWORD).await;
    app.database
        .sql("UPDATE users SET hashed_password = 'nonsense' WHERE email = 'broken@example.com'")
        .await;
    let wrong = app.sign_in(ADA, "incorrect horse battery").await;
    wrong.assert_problem(401, "invalid-credentials");
    let wrong = wrong.without_ids();
    let long = "correct horse battery".repeat(100);
    for (email, password) in [
        (ADA, ""),
        (ADA, "Correct horse battery"),
        (ADA, "correct horse battery "),
        (ADA, "correct\0horse battery"),
        (ADA, "correct horse battery\0"),
        (ADA, &long),
        (EVE, PASSWORD),
        (EVE, "correct\0horse battery"),
        ("", PASSWORD),
        ("ada", PASSWORD),
        ("ada@example.com\0", PASSWORD),
        ("broken@example.com", PASSWORD),
        ("broken@example.com", "nonsense"),
    ] {
        let answer = app.sign_in(email, password).await;
        assert_eq!(answer.without_ids(), wrong, "{email:?} {password:?}");
    }
    assert_eq!(app.database.count("sessions").await, 0);
}

#[apply(on_both_databases)]
async fn tokens_that_open_nothing_are_refused_by_every_operation(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let good = app.token(ADA, PASSWORD).await;
    let ended = app.token(ADA, PASSWORD).await;
    app.delete_as(&ended, "/sessions/current").await;
    let mut mistyped = good.clone();
    mistyped.pop();
    mistyped.push('!');
    let headers: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"Bearer nonsense".to_vec(),
        b"Bearer \xff\xfe".to_vec(),
        good.clone().into_bytes(),
        format!("Basic {good}").into_bytes(),
        format!("Bearer {ended}").into_bytes(),
        format!("Bearer {mistyped}").into_bytes(),
        format!("Bearer {}", &good[..good.len() - 1]).into_bytes(),
        format!("Bearer {good}A").into_bytes(),
        format!("Bearer {good} {good}").into_bytes(),
        format!("Bearer {}", good.to_lowercase()).into_bytes(),
        format!("Bearer {}", good.repeat(100)).into_bytes(),
        format!("Bearer {}", unknown_token("bienvenue_session_")).into_bytes(),
        format!("Bearer {}", unknown_token("bienvenue_reset_")).into_bytes(),
        format!("Bearer {}", unknown_token("")).into_bytes(),
    ];
    for (method, path) in operations_for_callers() {
        let address = format!("{}{path}", app.url);
        for header in &headers {
            let request = app.client.request(method.clone(), &address);
            let answer = app.send(request.header("authorization", &header[..])).await;
            answer.assert_problem(401, "not-signed-in");
        }
        let without = app.client.request(method.clone(), &address);
        app.send(without).await.assert_problem(401, "not-signed-in");
        let twice = app.request(method.clone(), &path, &good).bearer_auth(&good);
        app.send(twice).await.assert_problem(401, "not-signed-in");
        for cookie in [
            "bienvenue-session=",
            "bienvenue-session",
            "bienvenue-session=nonsense",
            &format!("bienvenue-session={ended}"),
        ] {
            let request = app.client.request(method.clone(), &address);
            let answer = app.send(request.header("cookie", cookie)).await;
            answer.assert_problem(401, "not-signed-in");
        }
        // The session is judged before the body.
        let with_body = app.client.request(method, &address).body("nonsense");
        app.send(with_body)
            .await
            .assert_problem(401, "not-signed-in");
    }
    assert!(app.opens(&good).await);
}

#[apply(on_both_databases)]
async fn a_sign_in_by_cookie_gives_the_token_to_nobody_else(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let answer = app.sign_in(" ADA@Example.com ", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.assert_conventions();
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = answer.body["id"].as_str().expect("an id").to_owned();
    let expected = json!({
        "id": id,
        "created_at": "2026-11-22T06:00:00Z",
        "last_seen_at": "2026-11-22T06:00:00Z",
        "expires_at": "2026-11-29T06:00:00Z",
        "ip": "127.0.0.1",
        "user_agent": null,
        "methods": ["password"],
        "current": true,
    });
    assert_eq!(answer.body, expected);
    let (cookie, attributes) = answer
        .header("set-cookie")
        .split_once("; ")
        .expect("a cookie");
    assert_eq!(
        attributes,
        "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    );
    assert!(
        cookie.starts_with("bienvenue-session=bienvenue_session_"),
        "{cookie}"
    );
    assert_eq!(
        cookie.len(),
        "bienvenue-session=bienvenue_session_".len() + 48
    );
    let request = app.client.get(format!("{}/sessions/current", app.url));
    let current = app.send(request.header("cookie", cookie)).await;
    assert_eq!(current.status, StatusCode::OK);
    assert_eq!(current.body["session"], expected);
    assert_eq!(current.body["user"]["email"], ADA);
    assert_eq!(current.header("cache-control"), "no-store");
}

#[apply(on_both_databases)]
async fn a_sign_in_by_token_sets_no_cookie(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let body = json!({"email": ADA, "password": PASSWORD, "delivery": "token"});
    let answer = app.post("/sessions", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.header("set-cookie"), "");
    let token = answer.body["token"].as_str().expect("a token");
    let current = app.get_as(token, "/sessions/current").await;
    assert_eq!(current.status, StatusCode::OK);
    assert_eq!(current.body["session"]["token"], Value::Null);
    // The scheme is the same in any case.
    let request = app.client.get(format!("{}/users/me", app.url));
    let answer = app
        .send(request.header("authorization", format!("bEARER {token}")))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[apply(on_both_databases)]
async fn behind_tls_the_cookie_is_for_this_host_and_for_tls_alone(database: TestDatabase) {
    let flags = [
        "--public-url",
        "https://auth.example.com",
        "--bcrypt-cost",
        "10",
    ];
    let app = TestApp::with(database, &flags).await;
    app.register(ADA, PASSWORD).await;
    let answer = app.sign_in(ADA, PASSWORD).await;
    let (cookie, attributes) = answer
        .header("set-cookie")
        .split_once("; ")
        .expect("a cookie");
    assert_eq!(
        attributes,
        "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"
    );
    let token = cookie.strip_prefix("__Host-session=").expect("its name");
    let ask = |cookie: String| {
        let request = app.client.get(format!("{}/users/me", app.url));
        app.send(request.header("cookie", cookie))
    };
    assert_eq!(ask(cookie.to_owned()).await.status, StatusCode::OK);
    let unguarded = ask(format!("bienvenue-session={token}")).await;
    unguarded.assert_problem(401, "not-signed-in");
}

#[apply(on_both_databases)]
async fn only_the_digest_of_a_token_is_stored(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let token = app.token(ADA, PASSWORD).await;
    let stored = app.database.sql("SELECT token_digest FROM sessions").await;
    let digest = Sha256::digest(token.as_bytes());
    assert_eq!(stored, Some(hex::encode(digest)));
}

#[apply(on_both_databases)]
async fn a_cookie_that_the_service_did_not_make_is_never_adopted(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let planted = unknown_token("bienvenue_session_");
    let sign_in = |cookie: String| {
        let request = app.client.post(format!("{}/sessions", app.url));
        let body = json!({"email": ADA, "password": PASSWORD});
        app.send(request.header("cookie", cookie).json(&body))
    };
    let first = sign_in(format!("bienvenue-session={planted}")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert!(!app.opens(&planted).await);
    // Nor is one that it made: each sign-in has a token of its own.
    let second = sign_in(first.cookie()).await;
    assert_ne!(second.cookie(), first.cookie());
    assert_ne!(second.body["id"], first.body["id"]);
    assert_eq!(app.database.count("sessions").await, 1);
}

#[apply(on_both_databases)]
async fn cookies_that_hold_no_token_are_passed_over(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let cookie = app.sign_in(ADA, PASSWORD).await.cookie();
    for cookies in [
        vec![format!("theme=dark; {cookie}; other=1").into_bytes()],
        vec![format!("bienvenue-session=nonsense; {cookie}").into_bytes()],
        vec![b"bienvenue-session=".to_vec(), cookie.clone().into_bytes()],
        vec![format!(";;=; bienvenue-session; {cookie}").into_bytes()],
        // Another program on another port of localhost, which has a cookie of its own.
        vec![format!("session=eyJhIjoxfQ.Z0; {cookie}").into_bytes()],
        // What other programs keep need not be text.
        vec![[b"name=Ren\xe9; ", cookie.as_bytes()].concat()],
        vec![[cookie.as_bytes(), b"; bienvenue-session=\xff\xfe"].concat()],
        vec![[b"bienvenue-session=\xff; ", cookie.as_bytes()].concat()],
    ] {
        let mut request = app.client.get(format!("{}/users/me", app.url));
        for line in &cookies {
            request = request.header("cookie", &line[..]);
        }
        assert_eq!(
            app.send(request).await.status,
            StatusCode::OK,
            "{cookies:?}"
        );
    }
}

#[apply(on_both_databases)]
async fn where_there_is_a_bearer_header_it_decides(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register(EVE, PASSWORD).await;
    let cookie = app.sign_in(ADA, PASSWORD).await.cookie();
    let eve = app.token(EVE, PASSWORD).await;
    let ask = |authorization: String| {
        let request = app.client.get(format!("{}/users/me", app.url));
        let request = request.header("cookie", &cookie);
        app.send(request.header("authorization", authorization))
    };
    assert_eq!(ask(format!("Bearer {eve}")).await.body["email"], EVE);
    for nonsense in ["Bearer nonsense", "bearer", "Bearer "] {
        ask(nonsense.to_owned())
            .await
            .assert_problem(401, "not-signed-in");
    }
    // Other schemes are of a proxy in front.
    for other in ["Basic YTph", "Digest username=\"a\"", "Bearers x", ""] {
        assert_eq!(ask(other.to_owned()).await.body["email"], ADA, "{other}");
    }
    let both = app.request(Method::GET, "/users/me", &eve);
    let both = both.header("cookie", &cookie);
    let both = both.header("authorization", "Basic YTph");
    assert_eq!(app.send(both).await.body["email"], EVE);
}

#[apply(on_both_databases)]
async fn a_page_of_another_site_cannot_use_the_cookie_to_change_anything(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let cookie = app.sign_in(ADA, PASSWORD).await.cookie();
    for (method, path) in operations_for_callers() {
        if method == Method::GET {
            continue;
        }
        let request = app.client.request(method, format!("{}{path}", app.url));
        let request = request.header("cookie", &cookie);
        let request = request.header("sec-fetch-site", "cross-site");
        for (authorization, status, problem) in [
            ("", 403, "cross-site-request"),
            ("Basic YTph", 403, "cross-site-request"),
            ("Bearerx", 403, "cross-site-request"),
            ("Bearer", 403, "cross-site-request"),
            // What makes it pass makes the cookie ignored.
            ("Bearer nonsense", 401, "not-signed-in"),
        ] {
            let request = request.try_clone().expect("it has no body");
            let answer = app.send(request.header("authorization", authorization));
            answer.await.assert_problem(status, problem);
        }
    }
    let request = app.client.get(format!("{}/sessions", app.url));
    let sessions = app.send(request.header("cookie", &cookie)).await;
    assert_eq!(sessions.body["sessions"].as_array().map(Vec::len), Some(1));
}

#[apply(on_both_databases)]
async fn sessions_of_others_are_not_there(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register(EVE, PASSWORD).await;
    let ada = app.token(ADA, PASSWORD).await;
    let eve = app.token(EVE, PASSWORD).await;
    let of_ada = app.get_as(&ada, "/sessions/current").await;
    let of_ada = of_ada.body["session"]["id"].as_str().expect("an id");
    for id in [
        of_ada,
        "00000000-0000-4000-8000-000000000000",
        "nonsense",
        "1",
        "%00",
    ] {
        let answer = app.delete_as(&eve, &format!("/sessions/{id}")).await;
        answer.assert_problem(404, "not-found");
    }
    assert!(app.opens(&ada).await);
    let listed = app.get_as(&eve, "/sessions").await;
    assert_eq!(listed.body["sessions"].as_array().map(Vec::len), Some(1));
    app.delete_as(&eve, "/sessions").await;
    assert!(app.opens(&ada).await);
}

#[apply(on_both_databases)]
async fn the_list_has_the_sessions_that_are_not_over_the_newest_first(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.token(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::days(6));
    let second = app.token(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::days(1));
    app.token(ADA, PASSWORD).await;
    let answer = app.get_as(&second, "/sessions").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    let sessions = answer.body["sessions"].as_array().expect("a list");
    let seen: Vec<_> = sessions
        .iter()
        .map(|session| (&session["created_at"], &session["current"]))
        .collect();
    assert_eq!(
        seen,
        [
            (&json!("2026-11-29T06:00:00Z"), &json!(false)),
            (&json!("2026-11-28T06:00:00Z"), &json!(true)),
        ]
    );
}

#[apply(on_both_databases)]
async fn of_more_than_a_hundred_sessions_and_networks_the_oldest_end(database: TestDatabase) {
    let app = TestApp::with(database, &["--trusted-proxies", "127.0.0.0/8"]).await;
    app.register("ada@example.com", "correct horse battery")
        .await;
    app.register("bob@example.com", "correct horse battery")
        .await;
    let bobs = app.token("bob@example.com", "correct horse battery").await;
    let mut tokens = Vec::new();
    for number in 0..102 {
        app.clock.advance(TimeDelta::seconds(1));
        let body = json!({
            "email": "ada@example.com",
            "password": "correct horse battery",
            "delivery": "token",
        });
        let request = app.client.post(format!("{}/sessions", app.url)).json(&body);
        let request = request.header("x-forwarded-for", format!("198.51.100.{number}"));
        let signed_in = app.send(request).await;
        tokens.push(
            signed_in.body["token"]
                .as_str()
                .expect("a token")
                .to_owned(),
        );
    }
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(app.opens(token).await, number >= 2, "{number}");
    }
    assert!(app.opens(&bobs).await);
    assert_eq!(app.database.count("known_clients").await, 101);
}

#[apply(on_both_databases)]
async fn whoever_signs_out_is_signed_out_at_once_on_every_replica(app: TestApp) {
    let replica = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    app.register(ADA, PASSWORD).await;
    let phone = app.token(ADA, PASSWORD).await;
    let laptop = replica.token(ADA, PASSWORD).await;
    let tablet = app.token(ADA, PASSWORD).await;
    for token in [&phone, &laptop, &tablet] {
        assert!(app.opens(token).await && replica.opens(token).await);
    }
    let out = app.delete_as(&tablet, "/sessions/current").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{out:?}");
    assert!(!replica.opens(&tablet).await && !app.opens(&tablet).await);

    let current = app.get_as(&phone, "/sessions/current").await;
    let id = current.body["session"]["id"].as_str().expect("an id");
    let ended = replica.delete_as(&laptop, &format!("/sessions/{id}")).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT, "{ended:?}");
    assert!(!app.opens(&phone).await && !replica.opens(&phone).await);
    let again = replica.delete_as(&laptop, &format!("/sessions/{id}")).await;
    again.assert_problem(404, "not-found");

    let phone = app.token(ADA, PASSWORD).await;
    let everywhere = app.delete_as(&phone, "/sessions").await;
    assert_eq!(everywhere.status, StatusCode::NO_CONTENT, "{everywhere:?}");
    for token in [&phone, &laptop] {
        assert!(!app.opens(token).await && !replica.opens(token).await);
    }
    assert_eq!(app.database.count("sessions").await, 0);
}

#[apply(on_both_databases)]
async fn the_cookie_is_cleared_when_its_session_ends(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let cleared = "bienvenue-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
    let delete = |path: String, cookie: String| {
        let request = app.client.delete(format!("{}{path}", app.url));
        app.send(request.header("cookie", cookie))
    };
    for path in ["/sessions/current", "/sessions"] {
        let cookie = app.sign_in(ADA, PASSWORD).await.cookie();
        let answer = delete(path.to_owned(), cookie).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("set-cookie"), cleared, "{path}");
    }
    let signed_in = app.sign_in(ADA, PASSWORD).await;
    let other = app.sign_in(ADA, PASSWORD).await;
    let path = |answer: &Value| format!("/sessions/{}", answer["id"].as_str().expect("an id"));
    let answer = delete(path(&other.body), signed_in.cookie()).await;
    assert_eq!(answer.header("set-cookie"), "", "another one's");
    let answer = delete(path(&signed_in.body), signed_in.cookie()).await;
    assert_eq!(answer.header("set-cookie"), cleared, "its own by id");
    // Who came with a token has no cookie to clear.
    let token = app.token(ADA, PASSWORD).await;
    let answer = app.delete_as(&token, "/sessions/current").await;
    assert_eq!(answer.header("set-cookie"), "");
}

#[apply(on_both_databases)]
async fn a_session_that_is_not_used_ends_after_the_idle_limit(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let token = app.token(ADA, PASSWORD).await;
    app.clock
        .advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert!(app.opens(&token).await);
    let token = app.token(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::days(7));
    assert!(!app.opens(&token).await);
}

/// Waits until the database says so: what is noted beside a request is there soon after it.
async fn wait_for(app: &TestApp, sql: &str) {
    let found = tokio::time::timeout(Duration::from_secs(10), async {
        while app.database.sql(sql).await.is_none() {
            tokio::task::yield_now().await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("in vain: {sql}"));
}

#[apply(on_both_databases)]
async fn a_session_that_is_used_ends_after_its_lifetime(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let token = app.token(ADA, PASSWORD).await;
    for day in 1..5 {
        app.clock.advance(TimeDelta::days(6));
        assert!(app.opens(&token).await);
        let date = 22 + 6 * day;
        let (month, date) = if date > 30 {
            (12, date - 30)
        } else {
            (11, date)
        };
        let sql = format!(
            "SELECT CAST(last_seen_at AS text) FROM sessions
             WHERE CAST(last_seen_at AS text) LIKE '2026-{month}-{date:02}%'"
        );
        wait_for(&app, &sql).await;
    }
    app.clock
        .advance(TimeDelta::days(6) - TimeDelta::seconds(1));
    let current = app.get_as(&token, "/sessions/current").await;
    assert_eq!(
        current.body["session"]["expires_at"],
        "2026-12-22T06:00:00Z"
    );
    app.clock.advance(TimeDelta::seconds(1));
    assert!(!app.opens(&token).await);
}

#[apply(on_both_databases)]
async fn the_limits_are_settings(database: TestDatabase) {
    let flags = ["--session-idle", "10s", "--session-lifetime", "15s"];
    let app = TestApp::with(database, &flags).await;
    app.register(ADA, PASSWORD).await;
    let answer = app.sign_in(ADA, PASSWORD).await;
    assert!(answer.header("set-cookie").contains("; Max-Age=15;"));
    let token = app.token(ADA, PASSWORD).await;
    // With a limit so short, every use counts that comes a quarter of it later.
    app.clock.advance(TimeDelta::seconds(8));
    assert!(app.opens(&token).await);
    wait_for(
        &app,
        "SELECT 'noted' FROM sessions WHERE CAST(last_seen_at AS text) LIKE '%06:00:08%'",
    )
    .await;
    app.clock.advance(TimeDelta::seconds(6));
    assert!(app.opens(&token).await);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(!app.opens(&token).await);
}

#[apply(on_both_databases)]
async fn the_session_of_a_request_is_shown_as_used_by_that_request(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.token(ADA, PASSWORD).await;
    let token = app.token(ADA, PASSWORD).await;
    for (seconds, seen, expires) in [
        // Too soon after the sign-in to be written.
        (30, "2026-11-22T06:00:30Z", "2026-11-29T06:00:30Z"),
        (
            6 * 24 * 3600,
            "2026-11-28T06:00:30Z",
            "2026-12-05T06:00:30Z",
        ),
    ] {
        app.clock.advance(TimeDelta::seconds(seconds));
        let current = app.get_as(&token, "/sessions/current").await;
        let shown = current.body["session"].clone();
        assert_eq!(shown["last_seen_at"], seen);
        assert_eq!(shown["expires_at"], expires);
        let list = app.get_as(&token, "/sessions").await;
        let sessions = list.body["sessions"].as_array().expect("a list");
        let [one, two] = &sessions[..] else {
            panic!("{sessions:?}");
        };
        let (current, other) = if one["current"] == true {
            (one, two)
        } else {
            (two, one)
        };
        assert_eq!(*current, shown);
        assert_eq!(other["last_seen_at"], "2026-11-22T06:00:00Z");
        assert_eq!(other["expires_at"], "2026-11-29T06:00:00Z");
    }
}

#[apply(on_both_databases)]
async fn every_session_says_by_which_methods_it_was_opened(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let older = app.token(ADA, PASSWORD).await;
    // As an older binary leaves it.
    app.database.sql("UPDATE sessions SET methods = NULL").await;
    let token = app.token(ADA, PASSWORD).await;
    let by_password = json!(["password"]);
    for token in [&older, &token] {
        let current = app.get_as(token, "/sessions/current").await;
        assert_eq!(current.body["session"]["methods"], by_password);
    }
    for path in ["/sessions", "/users/me/export"] {
        let answer = app.get_as(&token, path).await;
        let sessions = answer.body["sessions"].as_array().expect("a list");
        assert_eq!(sessions.len(), 2);
        for session in sessions {
            assert_eq!(session["methods"], by_password, "{path}");
        }
    }
    let stored = "SELECT methods FROM sessions WHERE methods IS NOT NULL";
    assert_eq!(app.database.sql(stored).await.as_deref(), Some("password"));
}

#[apply(on_both_databases)]
async fn the_use_of_a_session_is_noted_once_a_minute(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let token = app.token(ADA, PASSWORD).await;
    // Were it noted here, it would not be a second later.
    app.clock.advance(TimeDelta::seconds(59));
    assert!(app.opens(&token).await);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(app.opens(&token).await);
    wait_for(
        &app,
        "SELECT 'noted' FROM sessions WHERE CAST(last_seen_at AS text) LIKE '%06:01:00%'",
    )
    .await;
    let current = app.get_as(&token, "/sessions/current").await;
    assert_eq!(
        current.body["session"]["last_seen_at"],
        "2026-11-22T06:01:00Z"
    );
    assert_eq!(
        current.body["session"]["expires_at"],
        "2026-11-29T06:01:00Z"
    );
}

#[apply(on_both_databases)]
async fn the_user_names_the_newest_session_that_is_left(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let named = || {
        app.database
            .sql("SELECT coalesce(session_id, 'none') FROM users")
    };
    let id = async |token: &str| {
        let current = app.get_as(token, "/sessions/current").await;
        current.body["session"]["id"].as_str().map(str::to_owned)
    };
    let none = Some("none".to_owned());
    assert_eq!(named().await, none);
    let mut tokens = Vec::new();
    for _ in 0..4 {
        app.clock.advance(TimeDelta::hours(1));
        let token = app.token(ADA, PASSWORD).await;
        assert_eq!(named().await, id(&token).await);
        tokens.push(token);
    }
    // An older one ends, the newest ends, the newest but one is ended by the oldest.
    app.delete_as(&tokens[1], "/sessions/current").await;
    assert_eq!(named().await, id(&tokens[3]).await);
    app.delete_as(&tokens[3], "/sessions/current").await;
    assert_eq!(named().await, id(&tokens[2]).await);
    let third = id(&tokens[2]).await.expect("an id");
    app.delete_as(&tokens[0], &format!("/sessions/{third}"))
        .await;
    assert_eq!(named().await, id(&tokens[0]).await);
    let fresh = app.token(ADA, PASSWORD).await;
    app.delete_as(&fresh, "/sessions").await;
    assert_eq!(named().await, none);
    // One that is over is not named again.
    let old = app.token(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::days(8));
    assert!(!app.opens(&old).await);
    let new = app.token(ADA, PASSWORD).await;
    app.delete_as(&new, "/sessions/current").await;
    assert_eq!(named().await, none);
}

#[apply(on_both_databases)]
async fn what_is_over_is_swept_and_what_is_not_stays(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register(EVE, PASSWORD).await;
    let kept = app.token(EVE, PASSWORD).await;
    // More than one batch.
    for _ in 0..130 {
        app.token(ADA, PASSWORD).await;
    }
    app.clock.advance(TimeDelta::days(6));
    assert!(app.opens(&kept).await);
    wait_for(
        &app,
        "SELECT 'noted' FROM sessions WHERE CAST(last_seen_at AS text) LIKE '2026-11-28%'",
    )
    .await;
    app.token(EVE, PASSWORD).await;
    app.clock.advance(TimeDelta::days(1));
    while app.auth.sweep().await.expect("it can") {}
    assert_eq!(app.database.count("sessions").await, 2);
    assert!(app.opens(&kept).await);
    let named = "SELECT coalesce(session_id, 'none') FROM users WHERE email = ";
    let of_ada = app.database.sql(&format!("{named}'{ADA}'")).await;
    assert_eq!(of_ada.as_deref(), Some("none"));
    let of_eve = app.database.sql(&format!("{named}'{EVE}'")).await;
    assert_ne!(of_eve.as_deref(), Some("none"));
}

#[apply(on_both_databases)]
async fn the_service_sweeps_by_itself(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.token(ADA, PASSWORD).await;
    let long_ago = "UPDATE sessions SET expires_at = '2026-01-01 00:00:00+00:00'";
    app.database.sql(long_ago).await;
    let replica = TestApp::with(TestDatabase::at(app.database.url.clone()), &[]).await;
    wait_for(
        &replica,
        "SELECT 'swept' FROM users WHERE session_id IS NULL",
    )
    .await;
    assert_eq!(app.database.count("sessions").await, 0);
}

#[apply(on_both_databases)]
async fn signing_in_again_by_a_browser_ends_the_session_that_it_shows(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.register("bob@example.com", PASSWORD).await;
    let other = app.token(ADA, PASSWORD).await;
    let mut former = String::new();
    for email in [ADA, ADA, "bob@example.com"] {
        let body = json!({"email": email, "password": PASSWORD});
        let request = app.client.post(format!("{}/sessions", app.url));
        // One that is refused ends nothing.
        let wrong = json!({"email": email, "password": "incorrect horse battery"});
        let refused = request.try_clone().expect("it has no body yet");
        let refused = app
            .send(refused.header("cookie", &former).json(&wrong))
            .await;
        refused.assert_problem(401, "invalid-credentials");
        assert!(former.is_empty() || shows_session(&app, &former).await);
        let answer = app
            .send(request.header("cookie", &former).json(&body))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert!(former.is_empty() || !shows_session(&app, &former).await);
        former = answer.cookie();
        assert!(shows_session(&app, &former).await);
    }
    // A program that asks for a token keeps what it has, and so does another device.
    let body = json!({"email": ADA, "password": PASSWORD, "delivery": "token"});
    let request = app.client.post(format!("{}/sessions", app.url));
    app.send(request.header("cookie", &former).json(&body))
        .await;
    assert!(shows_session(&app, &former).await);
    assert!(app.opens(&other).await);
}

async fn shows_session(app: &TestApp, cookie: &str) -> bool {
    let request = app.client.get(format!("{}/sessions/current", app.url));
    let answer = app.send(request.header("cookie", cookie)).await;
    answer.status == StatusCode::OK
}

#[apply(on_both_databases)]
async fn what_cannot_be_undone_needs_a_fresh_session(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    let session = app.token(ADA, PASSWORD).await;
    app.clock.advance(TimeDelta::minutes(10));
    let stale = app.delete_as(&session, "/sessions").await;
    stale.assert_problem(403, "sign-in-again");
    let stale = app.get_as(&session, "/users/me/export").await;
    stale.assert_problem(403, "sign-in-again");
    let stale = app.delete_as(&session, "/users/me").await;
    stale.assert_problem(403, "sign-in-again");
    // Signing out does not.
    let out = app.delete_as(&session, "/sessions/current").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{out:?}");
}
