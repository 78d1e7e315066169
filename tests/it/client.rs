//! Where a request comes from, through proxies that are trusted and others.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestDatabase, on_both_databases};

const PASSWORD: &str = "correct horse battery";

/// Signs in with these headers, and returns the session.
async fn session(app: &TestApp, headers: &[(&str, &[u8])]) -> Value {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let mut request = app
        .client
        .request(Method::POST, format!("{}/sessions", app.url))
        .json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request).await.body
}

#[apply(on_both_databases)]
async fn what_a_stranger_forwards_is_not_believed(app: TestApp) {
    app.register("ada@example.com", PASSWORD).await;
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let session = session(&app, &[(header, b"203.0.113.7")]).await;
        assert_eq!(session["ip"], "127.0.0.1", "{header}");
    }
}

#[apply(on_both_databases)]
async fn what_trusted_proxies_note_is_believed_as_far_back_as_they_wrote_it(
    database: TestDatabase,
) {
    let proxies = "127.0.0.1, 10.0.0.0/8,fd00::/8";
    let app = TestApp::with(database, &["--trusted-proxies", proxies]).await;
    app.register("ada@example.com", PASSWORD).await;
    let cases: [(&[&[u8]], &str); 17] = [
        (&[], "127.0.0.1"),
        (&[b"203.0.113.7"], "203.0.113.7"),
        (&[b"198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (&[b"198.51.100.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        // The lines of a header are one list.
        (
            &[b"198.51.100.1", b"203.0.113.7", b"10.1.2.3"],
            "203.0.113.7",
        ),
        // All trusted: the first of them.
        (&[b"10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        // What is no address ends the walk.
        (&[b"203.0.113.7, unknown, 10.1.2.3"], "10.1.2.3"),
        (&[b"203.0.113.7,, 10.1.2.3"], "10.1.2.3"),
        (&[b"nonsense"], "127.0.0.1"),
        (&[b""], "127.0.0.1"),
        (&[b"203.0.113.7", b"\xff"], "127.0.0.1"),
        (&[b"\xff, 203.0.113.7"], "203.0.113.7"),
        // Every way in which an address is written.
        (&[b"203.0.113.7:4711"], "203.0.113.7"),
        (&[b"2001:db8::7"], "2001:db8::7"),
        (&[b"[2001:db8::7]:4711"], "2001:db8::7"),
        (&[b"203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
        (&[b"203.0.113.7, fd00::1"], "203.0.113.7"),
    ];
    for (lines, expected) in cases {
        let headers: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        let session = session(&app, &headers).await;
        assert_eq!(session["ip"], expected, "{lines:?}");
    }
}

#[apply(on_both_databases)]
async fn what_a_client_says_of_itself_is_kept_as_far_as_there_is_room(app: TestApp) {
    app.register("ada@example.com", PASSWORD).await;
    let nothing = session(&app, &[]).await;
    assert_eq!(nothing["user_agent"], Value::Null);
    let long = "Bücherwurm/1.0 ".repeat(100);
    let shown = session(&app, &[("user-agent", long.as_bytes())]).await;
    let kept: String = long.chars().take(512).collect();
    assert_eq!(shown["user_agent"], kept);
    let broken = session(&app, &[("user-agent", b"Lynx \xe9")]).await;
    assert_eq!(broken["user_agent"], "Lynx \u{fffd}");
}
