//! Swagger UI in a real browser, without the internet.

use std::{path::Path, time::Duration};

use macro_rules_attribute::apply;
use thirtyfour::{By, prelude::ElementQueryable as _};

use crate::support::{Browser, TestApp, in_a_browser};

/// Set to anything, the picture of the README is made anew.
const UPDATE_PICTURE: &str = "UPDATE_PICTURE";

#[apply(in_a_browser)]
async fn an_account_is_registered_by_trying_it_out(app: TestApp) {
    let browser = Browser::start().await;
    let page = &browser.page;
    page.goto(format!("{}/docs", app.url))
        .await
        .expect("it opens");
    let operation = page
        .query(By::Css("#operations-Accounts-register"))
        .first()
        .await
        .expect("the operation is listed");
    browser.assert_quiet(&[]).await;

    operation.click().await.expect("it unfolds");
    let body = operation
        .query(By::Css("textarea.body-param__text"))
        .first()
        .await
        .expect("it can be tried out at once");
    body.clear().await.expect("the example goes");
    body.send_keys("{\"email\": \"ada@example.com\", \"password\": \"correct horse battery\"}")
        .await
        .expect("it takes text");
    for status in ["201", "409"] {
        let execute = operation.query(By::Css("button.execute")).first().await;
        execute
            .expect("there is a button")
            .click()
            .await
            .expect("it can be pressed");
        operation
            .query(By::Css(".live-responses-table .response-col_status"))
            .wait(Duration::from_secs(20), Duration::from_millis(50))
            .with_text(status)
            .first()
            .await
            .unwrap_or_else(|err| panic!("no answer {status}: {err}"));
        if status == "201" && std::env::var_os(UPDATE_PICTURE).is_some() {
            page.execute(
                "arguments[0].scrollIntoView()",
                vec![operation.to_json().expect("an element")],
            )
            .await
            .expect("it scrolls");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/swagger-ui.png");
            browser.picture(&path).await;
        }
    }
    browser.assert_quiet(&[409]).await;
    assert_eq!(app.database.count("users").await, 1);
    browser.close().await;
}
