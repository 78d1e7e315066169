//! Swagger UI in a real browser, without the internet.

use std::{path::Path, time::Duration};

use macro_rules_attribute::apply;
use serde_json::json;
use thirtyfour::{By, Key, WebDriver, WebElement, prelude::ElementQueryable as _};

use crate::support::{Browser, TestApp, on_both_databases};

/// Set to anything, the picture of the README is made anew.
const UPDATE_PICTURE: &str = "UPDATE_PICTURE";

const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "incorrect donkey charger";

/// An element, as soon as it is there.
async fn find(within: &WebElement, selector: &str) -> WebElement {
    within
        .query(By::Css(selector))
        .wait(Duration::from_secs(20), Duration::from_millis(50))
        .first()
        .await
        .unwrap_or_else(|err| panic!("no {selector}: {err}"))
}

/// Unfolds an operation.
async fn unfold(page: &WebDriver, operation: &str) -> WebElement {
    let body = page.find(By::Css("body")).await.expect("a page");
    let operation = find(&body, &format!("#operations-{operation}")).await;
    let is_open = operation.class_name().await.expect("an attribute");
    if !is_open.unwrap_or_default().contains("is-open") {
        let summary = find(&operation, ".opblock-summary-control").await;
        summary.click().await.expect("it unfolds");
    }
    operation
}

/// Presses Execute, and waits for an answer with this status.
async fn execute(operation: &WebElement, status: &str) {
    let button = find(operation, "button.execute").await;
    button.click().await.expect("it can be pressed");
    let answer = operation
        .query(By::Css(".live-responses-table .response-col_status"))
        .wait(Duration::from_secs(20), Duration::from_millis(50))
        .with_text(status.to_owned())
        .first()
        .await;
    if answer.is_err() {
        let shown = operation.text().await.unwrap_or_default();
        panic!("no answer {status}, but this: {shown}");
    }
}

/// Tries an operation out, with a body where it takes one.
async fn try_out(page: &WebDriver, operation: &str, body: Option<serde_json::Value>, status: &str) {
    try_out_of(page, operation, None, body, status).await;
}

/// The same, of the object with an id.
async fn try_out_of(
    page: &WebDriver,
    operation: &str,
    id: Option<i64>,
    body: Option<serde_json::Value>,
    status: &str,
) {
    let operation = unfold(page, operation).await;
    if let Some(id) = id {
        let field = find(&operation, "tr[data-param-name=id] input").await;
        field.clear().await.expect("it can be emptied");
        let id = id.to_string();
        field.send_keys(id).await.expect("it takes text");
    }
    if let Some(body) = body {
        let field = find(&operation, "textarea.body-param__text").await;
        // Not `clear`: Swagger UI may put its example back into an empty field.
        let all = Key::Control + "a";
        field.send_keys(all).await.expect("it selects the example");
        let text = body.to_string();
        field.send_keys(text).await.expect("it takes text");
    }
    execute(&operation, status).await;
}

#[apply(on_both_databases)]
async fn the_whole_story_is_tried_out_with_the_cookie(app: TestApp, browser: Browser) {
    let page = &browser.page;
    page.goto(format!("{}/docs", app.url))
        .await
        .expect("it opens");
    let operation = unfold(page, "Accounts-register").await;
    browser.assert_quiet(&[]).await;
    execute(&operation, "201").await;
    if std::env::var_os(UPDATE_PICTURE).is_some() {
        let operation = operation.to_json().expect("an element");
        page.execute("arguments[0].scrollIntoView()", vec![operation])
            .await
            .expect("it scrolls");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/swagger-ui.png");
        browser.picture(&path).await;
    }
    execute(&operation, "409").await;
    try_out(page, "Sessions-get_current_session", None, "401").await;
    try_out(page, "Sessions-sign_in", None, "201").await;
    try_out(page, "Sessions-get_current_session", None, "200").await;
    try_out(page, "Sessions-list_sessions", None, "200").await;
    try_out(page, "Accounts-get_account", None, "200").await;
    try_out(page, "Accounts-export_account", None, "200").await;
    try_out(page, "Accounts-change_password", None, "204").await;
    try_out(page, "Sessions-sign_out", None, "204").await;
    try_out(page, "Sessions-get_current_session", None, "401").await;
    let credentials = json!({"email": "ada@example.com", "password": NEW_PASSWORD});
    try_out(page, "Sessions-sign_in", Some(credentials), "201").await;
    try_out(page, "Accounts-delete_account", None, "204").await;
    browser.assert_quiet(&[401, 409]).await;
    assert_eq!(app.database.count("users").await, 0);
    browser.close().await;
}

#[apply(on_both_databases)]
async fn a_token_is_given_by_authorize(app: TestApp, browser: Browser) {
    app.register("ada@example.com", PASSWORD).await;
    let token = app.token("ada@example.com", PASSWORD).await;
    let page = &browser.page;
    page.goto(format!("{}/docs", app.url))
        .await
        .expect("it opens");
    let body = page.find(By::Css("body")).await.expect("a page");
    let authorize = find(&body, ".auth-wrapper button.authorize").await;
    authorize.click().await.expect("it can be pressed");
    let dialog = find(&body, ".dialog-ux").await;
    let field = find(&dialog, "input#auth-bearer-value").await;
    field.send_keys(&token).await.expect("it takes text");
    let form = dialog
        .query(By::XPath(".//form[.//input[@id='auth-bearer-value']]"))
        .first()
        .await
        .expect("a form");
    let submit = find(&form, "button.authorize").await;
    submit.click().await.expect("it can be pressed");
    let close = find(&dialog, "button.close-modal").await;
    close.click().await.expect("it can be pressed");

    try_out(page, "Sessions-get_current_session", None, "200").await;
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    try_out(page, "Accounts-change_password", Some(change), "200").await;
    // The token that was given is dead now.
    try_out(page, "Sessions-get_current_session", None, "401").await;
    browser.assert_quiet(&[401]).await;
    browser.close().await;
}

#[apply(on_both_databases)]
async fn an_administrator_follows_the_life_of_an_account(app: TestApp, browser: Browser) {
    app.add_admin("root@example.com", PASSWORD).await;
    let user = app.register("eve@example.com", PASSWORD).await;
    let id = user.body["id"].as_i64();
    let session = app.token("eve@example.com", PASSWORD).await;
    let page = &browser.page;
    page.goto(format!("{}/docs", app.url))
        .await
        .expect("it opens");
    try_out(page, "Administration-list_users", None, "401").await;
    let credentials = json!({"email": "root@example.com", "password": PASSWORD});
    try_out(page, "Sessions-sign_in", Some(credentials), "201").await;
    try_out(page, "Administration-list_users", None, "200").await;
    try_out_of(page, "Administration-get_user", id, None, "200").await;
    let disable = Some(json!({"disabled": true}));
    try_out_of(page, "Administration-update_user", id, disable, "200").await;
    assert!(!app.opens(&session).await);
    try_out(page, "Administration-list_audit_events", None, "200").await;
    try_out_of(page, "Administration-delete_user", id, None, "204").await;
    try_out_of(page, "Administration-get_user", id, None, "404").await;
    try_out(page, "Administration-create_user", None, "201").await;
    browser.assert_quiet(&[401, 404]).await;
    browser.close().await;
}

#[apply(on_both_databases)]
async fn this_document_makes_it_no_wider_than_a_telephone(app: TestApp, browser: Browser) {
    let page = &browser.page;
    browser.be_small("light").await;
    page.goto(format!("{}/docs", app.url))
        .await
        .expect("it opens");
    for operation in [
        "Accounts-register",
        "Sessions-sign_in",
        "Administration-list_users",
    ] {
        unfold(page, operation).await;
    }
    let widths = "return [document.documentElement.scrollWidth, innerWidth]";
    let widths = page.execute(widths, Vec::new()).await.expect("it is shown");
    let [content, window] = widths.convert::<[i64; 2]>().expect("two numbers");
    assert_eq!(window, 360, "{content}");
    assert!(content <= window, "{content} in a window of {window}");
    browser.close().await;
}
