//! A frontend of somebody else's: a page of another origin, in a real browser.

use std::time::Duration;

use macro_rules_attribute::apply;
use serde_json::json;
use thirtyfour::{By, WebDriver, WebElement, prelude::ElementQueryable as _};

use crate::support::{Browser, Page, TestApp, TestDatabase, on_both_databases};

const PASSWORD: &str = "correct horse battery";

/// Waits for an element that is shown.
async fn shown(page: &WebDriver, selector: &str) -> WebElement {
    page.query(By::Css(selector))
        .wait(Duration::from_secs(20), Duration::from_millis(50))
        .and_displayed()
        .first()
        .await
        .unwrap_or_else(|err| panic!("{selector} is not shown: {err}"))
}

/// Waits until there are so many entries in the list of sessions.
async fn wait_for_sessions(page: &WebDriver, number: usize) {
    shown(
        page,
        &format!("#sessions li:nth-child({number}):last-child"),
    )
    .await;
}

async fn fill_in(page: &WebDriver, form: &str, email: &str, password: &str) {
    for (name, text) in [("email", email), ("password", password)] {
        let field = shown(page, &format!("{form} [name={name}]")).await;
        field.clear().await.expect("a field");
        field.send_keys(text).await.expect("it takes text");
    }
    let submit = shown(page, &format!("{form} [type=submit]")).await;
    submit.click().await.expect("it can be pressed");
}

#[apply(on_both_databases)]
async fn the_whole_story_is_walked_on_a_page_of_another_origin(
    database: TestDatabase,
    frontend: Page,
    browser: Browser,
) {
    let app = TestApp::with(database, &["--allowed-origins", &frontend.origin]).await;
    let service = app.url.replace("127.0.0.1", "localhost");
    let page = &browser.page;
    page.goto(frontend.calling(&service))
        .await
        .expect("it opens");

    fill_in(page, "#sign-in", "ada@example.com", PASSWORD).await;
    let problem = page
        .query(By::Css("#problem"))
        .with_text("There is no account with this email address and this password.");
    problem.first().await.expect("the problem is told");
    fill_in(page, "#register", "ada@example.com", PASSWORD).await;
    let email = shown(page, "#account #email").await;
    assert_eq!(email.text().await.expect("text"), "ada@example.com");
    wait_for_sessions(page, 1).await;

    page.refresh().await.expect("it reloads");
    shown(page, "#account #email").await;
    let cookies = page.execute("return document.cookie", vec![]).await;
    let cookies = cookies.expect("a script runs");
    assert_eq!(cookies.json(), "", "no script can read the token");

    let credentials = json!({
        "email": "ada@example.com",
        "password": PASSWORD,
        "delivery": "token",
    });
    let request = app.client.post(format!("{}/sessions", app.url));
    let request = request.header("user-agent", "Telephone/1.0");
    let second = app.send(request.json(&credentials)).await;
    let token = second.body["token"].as_str().expect("a token");
    page.refresh().await.expect("it reloads");
    wait_for_sessions(page, 2).await;
    let id = second.body["id"].as_str().expect("an id");
    let entry = shown(page, &format!("#sessions li[data-id='{id}']")).await;
    assert!(entry.text().await.expect("text").contains("Telephone/1.0"));
    let end = entry
        .find(By::Css("button"))
        .await
        .expect("it can be ended");
    assert!(app.opens(token).await);
    end.click().await.expect("it can be pressed");
    wait_for_sessions(page, 1).await;
    assert!(!app.opens(token).await);

    let sign_out = shown(page, "#sign-out").await;
    sign_out.click().await.expect("it can be pressed");
    shown(page, "#sign-in").await;
    page.refresh().await.expect("it reloads");
    shown(page, "#sign-in").await;
    browser.assert_quiet(&[401]).await;
    assert_eq!(app.database.count("sessions").await, 0);
    browser.close().await;
}

#[apply(on_both_databases)]
async fn a_page_of_an_origin_that_is_not_allowed_gets_nowhere(
    app: TestApp,
    frontend: Page,
    browser: Browser,
) {
    let service = app.url.replace("127.0.0.1", "localhost");
    let page = &browser.page;
    page.goto(frontend.calling(&service))
        .await
        .expect("it opens");
    let problem = shown(page, "#problem:not(:empty)").await;
    let problem = problem.text().await.expect("text");
    assert!(problem.contains("does not allow pages"), "{problem}");
    // Nor by a script that asks for less.
    let script = format!(
        "return fetch('{service}/users', {{
            method: 'POST',
            mode: 'no-cors',
            credentials: 'include',
            body: '{{\"email\": \"ada@example.com\", \"password\": \"{PASSWORD}\"}}',
        }}).then(answer => answer.type)"
    );
    let answer = page.execute(script, vec![]).await.expect("a script runs");
    assert_eq!(answer.json(), "opaque");
    assert_eq!(app.database.count("users").await, 0);
    browser.close().await;
}
