//! Networks that the owner of an account is known to use.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

/// Signs in from an address, by way of a proxy, with a browser.
async fn sign_in(app: &TestApp, ip: &str, browser: &str) {
    let request = app.client.post(format!("{}/sessions", app.url));
    let request = request
        .header("x-forwarded-for", ip)
        .header("user-agent", browser)
        .json(&json!({"email": ADA, "password": PASSWORD}));
    let answer = app.send(request).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

#[apply(on_both_databases)]
async fn the_owner_is_told_of_a_sign_in_from_a_new_network_whatever_the_browser_says(
    database: TestDatabase,
) {
    let app = TestApp::with(database, &["--trusted-proxies", "127.0.0.0/8"]).await;
    app.register(ADA, PASSWORD).await;
    app.mail.newest_to(ADA, 1).await;
    let steps = [
        // The first time there is nothing to tell.
        ("192.0.2.1", "Firefox", 0, false),
        ("192.0.2.1", "Firefox", 0, false),
        // Anybody can copy the name of a browser.
        ("192.0.2.2", "Firefox", 0, true),
        ("192.0.2.1", "Safari", 0, false),
        ("192.0.2.3", "curl", 0, true),
        ("192.0.2.3", "Firefox", 0, false),
        // A household has 2^64 addresses of IPv6.
        ("2001:db8:1:2::1", "Opera", 0, true),
        ("2001:db8:1:2:ffff::9", "Chrome", 0, false),
        ("2001:db8:1:3::1", "Edge", 0, true),
        // Thirty days after the last time it is new again, and not before.
        ("192.0.2.3", "Opera", 30 * 24 - 1, false),
        ("192.0.2.2", "Firefox", 1, true),
        ("192.0.2.3", "Opera", 0, false),
    ];
    let mut told = 1;
    for (ip, browser, hours, is_new) in steps {
        app.clock.advance(TimeDelta::hours(hours));
        sign_in(&app, ip, browser).await;
        let posted = app.database.count("outgoing_mails").await;
        told += usize::from(is_new);
        assert_eq!(posted, told, "{ip} {browser}");
        if is_new {
            let mail = app.mail.newest_to(ADA, told).await;
            assert_eq!(mail.subject, "A new sign-in to Bienvenue");
            assert!(mail.text.contains(&format!("from {ip}")), "{}", mail.text);
            assert!(!mail.text.contains(browser), "{}", mail.text);
        }
    }
}

#[apply(on_both_databases)]
async fn a_session_that_is_used_elsewhere_hides_no_sign_in_from_there(database: TestDatabase) {
    let app = TestApp::with(database, &["--trusted-proxies", "127.0.0.0/8"]).await;
    app.register(ADA, PASSWORD).await;
    let session = app.token(ADA, PASSWORD).await;
    app.mail.newest_to(ADA, 1).await;
    app.clock.advance(TimeDelta::minutes(2));
    let request = app.request(reqwest::Method::GET, "/users/me", &session);
    app.send(request.header("x-forwarded-for", "198.51.100.66"))
        .await;
    while app.database.count("known_clients").await < 2 {
        tokio::task::yield_now().await;
    }
    sign_in(&app, "198.51.100.66", "Firefox").await;
    let told = app.mail.newest_to(ADA, 2).await;
    assert_eq!(told.subject, "A new sign-in to Bienvenue");
}

#[apply(on_both_databases)]
async fn a_wrong_password_makes_no_client_known(app: TestApp) {
    app.register(ADA, PASSWORD).await;
    app.sign_in(ADA, "incorrect horse battery").await;
    assert_eq!(app.database.count("known_clients").await, 0);
    app.sign_in(ADA, PASSWORD).await;
    assert_eq!(app.database.count("known_clients").await, 1);
}
