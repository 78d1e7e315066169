//! Requests that a browser sends for a page of another site.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Program, TestApp, TestDatabase, on_both_databases, once};

const FRONTEND: &str = "https://app.example.com";
const OWN: &str = "http://localhost:8000";

/// A service that allows the pages of two other origins.
async fn with_frontends(database: TestDatabase) -> TestApp {
    let others = format!("{FRONTEND},http://localhost:5173");
    TestApp::with(database, &["--allowed-origins", &others]).await
}

async fn register(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"email": "ada@example.com", "password": "correct horse battery"});
    let mut request = app.client.post(format!("{}/users", app.url)).json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request).await
}

#[apply(on_both_databases)]
async fn a_change_for_a_page_of_another_site_is_refused(database: TestDatabase) {
    let app = with_frontends(database).await;
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "nonsense")],
        &[("sec-fetch-site", "")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ],
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "https://app.example.com.evil.example")],
        &[("origin", "https://APP.example.com")],
        &[("origin", "https://app.example.com/")],
        &[("origin", "http://app.example.com")],
        &[("origin", "https://app.example.com:8443")],
        &[("origin", FRONTEND), ("origin", "https://evil.example")],
        &[
            ("origin", "https://evil.example"),
            ("authorization", "Basic YTph"),
        ],
        &[
            ("origin", "https://evil.example"),
            ("authorization", "Bearer"),
        ],
    ] {
        let answer = register(&app, headers).await;
        answer.assert_problem(403, "cross-site-request");
    }
    // It is judged before the body, and after the size and the method.
    let from_evil = |method, path: &str| {
        let request = app.client.request(method, format!("{}{path}", app.url));
        request
            .header("origin", "https://evil.example")
            .header("content-type", "text/plain")
    };
    let answer = app
        .send(from_evil(Method::POST, "/users").body("nonsense"))
        .await;
    answer.assert_problem(403, "cross-site-request");
    let answer = app.send(from_evil(Method::DELETE, "/users")).await;
    answer.assert_problem(405, "method-not-allowed");
    let answer = app
        .send(from_evil(Method::POST, "/users").body("a".repeat(70_000)))
        .await;
    answer.assert_problem(413, "body-too-large");
    assert_eq!(app.database.count("users").await, 0);
}

#[apply(on_both_databases)]
async fn no_operation_that_changes_anything_takes_any_body_from_another_site(
    database: TestDatabase,
) {
    let app = with_frontends(database).await;
    app.register("ada@example.com", "correct horse battery")
        .await;
    let signed_in = app
        .sign_in("ada@example.com", "correct horse battery")
        .await;
    let cookie = signed_in.cookie();
    let document: Value = serde_json::from_str(&bienvenue::openapi_document()).expect("JSON");
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().expect("an object") {
        let methods = operations.as_object().expect("an object").keys();
        for method in methods.filter(|method| *method != "get") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let url = format!(
                "{}{}",
                app.url,
                path.replace("{id}", "00000000-0000-0000-0000-000000000000")
            );
            for from in [
                [
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
                [("origin", "null"), ("sec-fetch-site", "cross-site")],
                [
                    ("origin", "https://evil.localhost:8000"),
                    ("sec-fetch-site", "same-site"),
                ],
                // A browser that does not say it.
                [("origin", "https://evil.example"), ("x-nothing", "")],
            ] {
                // Those that a page can send without asking first, and one that it can't.
                for content_type in [
                    "text/plain",
                    "application/x-www-form-urlencoded",
                    "multipart/form-data; boundary=x",
                    "application/json",
                    "",
                ] {
                    let mut request = app.client.request(method.clone(), &url);
                    for (name, value) in from.iter().chain(&[("cookie", &*cookie)]) {
                        request = request.header(*name, *value);
                    }
                    if !content_type.is_empty() {
                        let body =
                            r#"{"email": "ada@example.com", "password": "correct horse battery"}"#;
                        request = request.header("content-type", content_type).body(body);
                    }
                    let answer = app.send(request).await;
                    answer.assert_problem(403, "cross-site-request");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 20 * 12, "{tried}");
    // The cookie would have been good for it.
    let request = app.client.delete(format!("{}/users/me", app.url));
    let request = request.header("cookie", cookie).header("origin", FRONTEND);
    assert_eq!(app.send(request).await.status, StatusCode::NO_CONTENT);
}

#[apply(on_both_databases)]
async fn a_change_for_an_allowed_page_or_for_no_page_passes(database: TestDatabase) {
    let app = with_frontends(database).await;
    assert_eq!(register(&app, &[]).await.status, StatusCode::CREATED);
    for headers in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "cross-site"), ("origin", FRONTEND)],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://localhost:5173"),
        ],
        &[("origin", FRONTEND)],
        &[("origin", OWN)],
        &[
            ("origin", "https://evil.example"),
            ("authorization", "Bearer x"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("authorization", "bearer x"),
        ],
    ] {
        register(&app, headers)
            .await
            .assert_problem(409, "email-taken");
    }
    // Reading harms nobody: without the headers below, the page does not see what came.
    let read = app
        .client
        .get(&app.url)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(app.send(read).await.status, StatusCode::OK);
}

#[apply(on_both_databases)]
async fn only_pages_of_allowed_origins_may_read_answers(database: TestDatabase) {
    let app = with_frontends(database).await;
    for path in ["/", "/nothing"] {
        for (origin, is_allowed) in [
            (FRONTEND, true),
            (OWN, true),
            ("https://evil.example", false),
            ("null", false),
            ("*", false),
            ("\u{e9}", false),
        ] {
            let request = app.client.get(format!("{}{path}", app.url));
            let answer = app.send(request.header("origin", origin)).await;
            assert_eq!(answer.header("vary"), "Origin");
            let expected = if is_allowed {
                [origin, "true", "x-request-id, retry-after"]
            } else {
                ["", "", ""]
            };
            let found = ["allow-origin", "allow-credentials", "expose-headers"]
                .map(|name| answer.header(&format!("access-control-{name}")).to_owned());
            assert_eq!(found, expected, "{path} {origin}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_preflight_is_answered_and_tells_strangers_nothing(database: TestDatabase) {
    let app = with_frontends(database).await;
    let ask = |origin: &str| {
        app.client
            .request(Method::OPTIONS, format!("{}/users", app.url))
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
    };
    let allowed = app.send(ask(FRONTEND)).await;
    assert_eq!(allowed.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("access-control-allow-origin", FRONTEND),
        ("access-control-allow-credentials", "true"),
        (
            "access-control-allow-methods",
            "GET, POST, PUT, PATCH, DELETE",
        ),
        (
            "access-control-allow-headers",
            "content-type, authorization, x-request-id",
        ),
    ] {
        assert_eq!(allowed.header(name), value);
    }
    let stranger = app.send(ask("https://evil.example")).await;
    assert_eq!(stranger.status, StatusCode::NO_CONTENT);
    let mut names = stranger.headers.keys();
    assert!(!names.any(|name| name.as_str().starts_with("access-control-")));
    assert_eq!(stranger.header("vary"), "Origin");
}

#[apply(on_both_databases)]
async fn an_empty_list_of_origins_allows_nobody(database: TestDatabase) {
    let app = TestApp::with(database, &["--allowed-origins", ""]).await;
    for origin in ["", FRONTEND] {
        let answer = register(&app, &[("origin", origin)]).await;
        answer.assert_problem(403, "cross-site-request");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert!(
            !answer
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
}

#[apply(once)]
async fn what_is_no_origin_stops_the_start_and_is_mended() {
    for (origin, mend) in [
        ("*", "a wildcard lets in"),
        ("https://*.example.com", "a wildcard lets in"),
        ("chrome-extension://*", "a wildcard lets in"),
        ("null", "it stands for any local file"),
        ("app.example.com", "write a scheme and a host"),
        ("localhost:3000", "write a scheme and a host"),
        ("file:///", "write a scheme and a host"),
        ("data:x", "write a scheme and a host"),
        ("https://", "write a scheme and a host"),
        (
            "https://app.example.com/",
            "write https://app.example.com\n",
        ),
        (
            "https://app.example.com:443",
            "write https://app.example.com\n",
        ),
        ("https://APP.example.com", "write https://app.example.com\n"),
        (
            "https://bücher.example",
            "write https://xn--bcher-kva.example\n",
        ),
        (
            "https://a.example:80/path?x#y",
            "write https://a.example:80\n",
        ),
        ("https://name@a.example", "write https://a.example\n"),
        ("capacitor://localhost/", "write capacitor://localhost\n"),
        ("CAPACITOR://localhost", "write capacitor://localhost\n"),
    ] {
        // The others are good, and the one that is not is named.
        let origins = format!("https://good.example, {origin} ,tauri://localhost");
        let variables = [("BIENVENUE_ALLOWED_ORIGINS", &*origins)];
        let (succeeded, _, complaint) = Program::run(&["serve"], &variables);
        let names = format!("BIENVENUE_ALLOWED_ORIGINS has {origin:?}, which is no origin: {mend}");
        let complaint = format!("{}\n", complaint.trim_end());
        assert!(!succeeded && complaint.contains(&names), "{complaint}");
    }
}

#[apply(on_both_databases)]
async fn allowed_origins_have_any_scheme_and_spaces_between_them(database: TestDatabase) {
    let origins = [
        "https://app.example.com",
        "http://[::1]:3000",
        "capacitor://localhost",
        "tauri://localhost",
        "app://obsidian.md:1",
        "chrome-extension://gighmmpiobklfepjocnamgkkbiglidom",
    ];
    let list = format!(" {} ,", origins.join(" , "));
    let app = TestApp::with(database, &["--allowed-origins", &list]).await;
    let answers = async |origin: &str| {
        let headers = [("origin", origin), ("sec-fetch-site", "cross-site")];
        register(&app, &headers).await
    };
    for origin in origins {
        let answer = answers(origin).await;
        assert_ne!(answer.status, StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        let near = format!("{origin}x");
        answers(&near)
            .await
            .assert_problem(403, "cross-site-request");
    }
}
