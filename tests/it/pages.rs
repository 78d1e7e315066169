//! The pages that the links in emails lead to, in a real browser.

use std::time::Duration;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use thirtyfour::{By, WebDriver, WebElement, prelude::ElementQueryable as _};

use crate::support::{
    Answer, Browser, Mail, Program, SmtpServer, TestApp, TestDatabase, on_both_databases,
};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const NEW: &str = "incorrect donkey charger";

#[apply(on_both_databases)]
async fn pages_are_careful_and_in_the_language_of_the_reader(app: TestApp) {
    for (path, english, french) in [
        (
            "/verify-email",
            "<h1>Confirm your email address</h1>",
            "<h1>Confirmez votre adresse e-mail</h1>",
        ),
        (
            "/reset-password",
            "<h1>Choose a new password</h1>",
            "<h1>Choisissez un nouveau mot de passe</h1>",
        ),
        (
            "/undo-email-change",
            "<h1>Take the change of your email address back</h1>",
            "<h1>Annulez le changement de votre adresse e-mail</h1>",
        ),
    ] {
        for (language, heading) in [("", english), ("fr", french)] {
            let request = app.client.get(format!("{}{path}", app.url));
            let request = request.header("accept-language", language);
            let answer = request.send().await.expect("answers");
            let headers = answer.headers().clone();
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["vary"], "Origin, Accept-Language");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            let policy = headers["content-security-policy"].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            let page = answer.text().await.expect("a page");
            assert!(page.contains(heading), "{page}");
            assert!(page.contains("<form id=\"paste\" hidden>"), "{page}");
        }
        let post = app.client.post(format!("{}{path}", app.url));
        let refused = app.send(post).await;
        refused.assert_problem(405, "method-not-allowed");
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
}

/// Somebody with a browser who reads mail.
struct Reader {
    browser: Browser,
    url: String,
}

impl Reader {
    fn new(browser: Browser, url: &str) -> Self {
        Self {
            browser,
            url: url.to_owned(),
        }
    }

    fn page(&self) -> &WebDriver {
        &self.browser.page
    }

    /// Opens the link of an email, at the address where the service really is.
    async fn open(&self, mail: &Mail) {
        let (_, path) = mail.link().split_at("http://localhost:8000".len());
        let address = format!("{}{path}", self.url);
        self.page().goto(address).await.expect("it opens");
    }

    /// Opens a page of the service.
    async fn go(&self, path: &str) {
        // The address bar alone would only change the fragment.
        self.page().goto("about:blank").await.expect("it opens");
        let address = format!("{}{path}", self.url);
        self.page().goto(address).await.expect("it opens");
    }

    /// Checks that the page has one link to go on by, and that all of it can be read.
    async fn leads_to(&self, text: &str, address: &str) {
        let mut shown = Vec::new();
        for link in self.page().find_all(By::Css("a")).await.expect("links") {
            if link.is_displayed().await.expect("it is there") {
                let target = link.attr("href").await.expect("it has an address");
                shown.push((link.text().await.expect("a text"), target));
            }
        }
        assert_eq!(shown, [(text.to_owned(), Some(address.to_owned()))]);
        self.browser.assert_readable().await;
    }

    async fn find(&self, selector: &str) -> WebElement {
        self.page()
            .query(By::Css(selector))
            .wait(Duration::from_secs(20), Duration::from_millis(50))
            .first()
            .await
            .unwrap_or_else(|err| panic!("no {selector}: {err}"))
    }

    /// Types a password into its field, and presses the button of that form.
    async fn send(&self, field: &str, password: &str) {
        let field = self.find(&format!("input[name={field}]")).await;
        field.clear().await.expect("it is emptied");
        field.send_keys(password).await.expect("it takes text");
        self.press("form[data-method=PUT] button").await;
    }

    async fn press(&self, selector: &str) {
        let button = self.find(selector).await;
        button.click().await.expect("it can be pressed");
    }

    /// Waits until the page says something of the kind.
    async fn told(&self, text: &str) {
        let wanted = text.to_owned();
        self.page()
            .query(By::Css("#message"))
            .wait(Duration::from_secs(20), Duration::from_millis(50))
            .with_filter(move |element: WebElement| {
                let text = wanted.clone();
                async move { Ok(element.text().await?.contains(&text)) }
            })
            .first()
            .await
            .unwrap_or_else(|err| panic!("not told {text:?}: {err}"));
    }
}

#[apply(on_both_databases)]
async fn opening_a_link_ten_times_changes_nothing_and_then_it_works(
    app: TestApp,
    browser: Browser,
) {
    app.register(ADA, PASSWORD).await;
    let mail = app.mail.newest_to(ADA, 1).await;
    let session = app.token(ADA, PASSWORD).await;
    let reader = Reader::new(browser, &app.url);
    for _ in 0..10 {
        // A reload: the address bar alone would only change the fragment.
        reader.page().goto("about:blank").await.expect("it opens");
        reader.open(&mail).await;
        reader.find("form:not([hidden]) button").await;
    }
    reader.send("password", "").await;
    reader.told("Give the password of the account.").await;
    reader.send("password", "incorrect horse battery").await;
    reader
        .told("This is not the password of the account.")
        .await;
    let me = app.get_as(&session, "/users/me").await;
    assert_eq!(me.body["email_verified"], false);
    reader.send("password", PASSWORD).await;
    reader.told("Done: the address is confirmed.").await;
    reader
        .leads_to("Continue to Bienvenue", "http://localhost:8000/")
        .await;
    let me = app.get_as(&session, "/users/me").await;
    assert_eq!(me.body["email_verified"], true);
    // The token is gone from the address bar.
    let address = reader.page().current_url().await.expect("an address");
    assert_eq!(address.fragment(), None);
    reader.browser.assert_quiet(&[401, 403]).await;
    reader.page().goto("about:blank").await.expect("it opens");
    reader.open(&mail).await;
    reader.send("password", PASSWORD).await;
    reader.told("This link has expired, or it was used").await;
    reader
        .leads_to("Go to Bienvenue", "http://localhost:8000/")
        .await;
    reader.browser.assert_quiet(&[400]).await;
    reader.browser.close().await;
}

#[apply(on_both_databases)]
async fn it_was_not_me_closes_the_account(app: TestApp, browser: Browser) {
    app.register(ADA, PASSWORD).await;
    let mail = app.mail.newest_to(ADA, 1).await;
    let reader = Reader::new(browser, &app.url);
    reader.open(&mail).await;
    reader.press("form[data-method=POST] button").await;
    reader
        .told("what somebody else began with your address is undone")
        .await;
    let links = reader.page().find_all(By::Css("a")).await.expect("links");
    for link in links {
        assert!(!link.is_displayed().await.expect("it is there"));
    }
    assert_eq!(app.database.count("users").await, 0);
    reader.browser.assert_quiet(&[]).await;
    reader.browser.close().await;
}

#[apply(on_both_databases)]
async fn the_page_of_a_former_address_takes_the_change_back(app: TestApp, browser: Browser) {
    let new = "ada.lovelace@example.com";
    app.register(ADA, PASSWORD).await;
    for email in [ADA, new] {
        let body = json!({"token": app.mail.newest_to(email, 1).await.token()});
        let session = app.token(ADA, PASSWORD).await;
        let request = app.request(Method::PUT, "/email-verification", &session);
        app.send(request.json(&body)).await;
        let body = json!({"email": new, "password": PASSWORD});
        let request = app.request(Method::PUT, "/users/me/email", &session);
        app.send(request.json(&body)).await;
    }
    let mail = app.mail.newest_to(ADA, 3).await;
    assert_eq!(mail.subject, "Your email address for Bienvenue was changed");
    let reader = Reader::new(browser, &app.url);
    reader.open(&mail).await;
    reader.press("form[data-method=POST] button").await;
    reader.told("the account has this address again").await;
    reader
        .leads_to(
            "Choose a new password",
            "http://localhost:8000/reset-password",
        )
        .await;
    app.token(ADA, PASSWORD).await;
    reader.browser.assert_quiet(&[]).await;
    reader.browser.close().await;
}

#[apply(on_both_databases)]
async fn a_link_that_was_cut_off_says_so_and_the_rest_can_be_pasted(
    app: TestApp,
    browser: Browser,
) {
    app.register(ADA, PASSWORD).await;
    let verification = app.mail.newest_to(ADA, 1).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = app.mail.newest_to(ADA, 2).await;
    let (_, token) = reset.link().split_once("#token=").expect("it has one");
    let reader = Reader::new(browser, &app.url);
    let open = async |path: &str| {
        reader.go(path).await;
        reader.told("The link is not whole").await;
        let others = reader.find("form[data-method=PUT]").await;
        assert!(!others.is_displayed().await.expect("it is there"));
    };
    let paste = async |text: &str| {
        let field = reader.find("#link").await;
        field.clear().await.expect("it is emptied");
        field.send_keys(text).await.expect("it takes text");
        reader.press("#paste button").await;
    };
    let cut = &token[..token.len() - 1];
    for path in [
        "/verify-email",
        "/reset-password#token=",
        &format!("/reset-password#token={cut}"),
    ] {
        open(path).await;
    }
    for nothing in ["nonsense", cut, "http://localhost:8000/reset-password"] {
        paste(nothing).await;
        reader.told("The link is not whole").await;
    }
    // A token alone does, and a link with text around it.
    open("/verify-email").await;
    let (_, alone) = verification.link().split_once("#token=").expect("one");
    paste(alone).await;
    reader.send("password", PASSWORD).await;
    reader.told("Done: the address is confirmed.").await;
    reader.go("/reset-password").await;
    paste(&format!("Use {} within 30 minutes", reset.link())).await;
    reader.send("new_password", NEW).await;
    reader.told("Done: sign in with your new password.").await;
    let signed_in = app.sign_in(ADA, NEW).await;
    assert_eq!(signed_in.status, StatusCode::CREATED);
    reader.browser.assert_quiet(&[]).await;
    reader.browser.close().await;
}

#[apply(on_both_databases)]
async fn somebody_without_a_link_or_with_an_old_one_gets_another(
    database: TestDatabase,
    browser: Browser,
) {
    let app_url = "https://app.example.com/?a=1&b=<2>";
    let flags = ["--app-name", "Café & <Co>", "--app-url", app_url];
    let app = TestApp::with(database, &flags).await;
    app.register(ADA, PASSWORD).await;
    app.mail.newest_to(ADA, 1).await;
    let reader = Reader::new(browser, &app.url);
    let ask = async |email: &str| {
        let field = reader.find("#email").await;
        field.clear().await.expect("it is emptied");
        field.send_keys(email).await.expect("it takes text");
        reader.press("#ask button").await;
    };
    let sent = "If this address has an account, an email with a link is on its way.";
    reader.go("/reset-password").await;
    reader.find("#paste:not([hidden]) button").await;
    reader.browser.assert_readable().await;
    ask("ada..l@example.com").await;
    reader.told("single dots").await;
    reader.browser.assert_quiet(&[422]).await;
    ask(ADA).await;
    reader.told(sent).await;
    let old = app.mail.newest_to(ADA, 2).await;
    app.clock.advance(TimeDelta::minutes(31));
    // It is found out when a password is given: opening a link does nothing with it.
    reader.open(&old).await;
    reader.send("new_password", NEW).await;
    reader.told("This link has expired, or it was used").await;
    let form = reader.find("form[data-method=PUT]").await;
    assert!(!form.is_displayed().await.expect("it is there"));
    reader.browser.assert_readable().await;
    reader.browser.assert_quiet(&[400]).await;
    ask(ADA).await;
    reader.told(sent).await;
    let field = reader.find("#email").await;
    assert!(!field.is_displayed().await.expect("it is there"));
    reader.open(&app.mail.newest_to(ADA, 3).await).await;
    reader.browser.assert_readable().await;
    reader.send("new_password", NEW).await;
    reader.told("Done: sign in with your new password.").await;
    let target = "https://app.example.com/?a=1&b=%3C2%3E";
    reader.leads_to("Sign in to Café & <Co>", target).await;
    reader.browser.assert_quiet(&[]).await;
    reader.browser.close().await;
}

#[apply(on_both_databases)]
async fn without_scripts_a_page_says_what_to_do_instead(app: TestApp, browser: Browser) {
    let command = "Emulation.setScriptExecutionDisabled";
    let devtools = browser.page.cdp();
    let off = devtools.send_raw(command, json!({"value": true})).await;
    off.expect("the browser can do without");
    let reader = Reader::new(browser, &app.url);
    for path in ["/verify-email", "/reset-password", "/undo-email-change"] {
        reader.go(path).await;
        let shown = reader.find("main").await.text().await.expect("a text");
        assert!(
            shown.contains("open the link in another browser"),
            "{shown}"
        );
        let forms = reader
            .page()
            .find_all(By::Css("form"))
            .await
            .expect("forms");
        for form in forms {
            assert!(!form.is_displayed().await.expect("it is there"), "{shown}");
        }
    }
    reader.browser.close().await;
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has one").port()
}

#[apply(on_both_databases)]
async fn the_whole_story_with_a_mail_server_and_a_browser(
    database: TestDatabase,
    mut server: SmtpServer,
    browser: Browser,
) {
    server.start();
    let program = Program::start(&[
        ("DATABASE_URL", &database.url),
        (
            "BIENVENUE_SMTP_URL",
            &format!("smtp://localhost:{}", server.port),
        ),
        ("BIENVENUE_LISTEN", &format!("127.0.0.1:{}", free_port())),
    ]);
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let request = client.post(format!("{}{path}", program.url));
        Answer::to(request.json(&body)).await.status
    };
    let newest = async |subject: &str| {
        loop {
            let mut mails = server.mails().into_iter();
            if let Some(mail) = mails.find(|mail| mail.subject == subject) {
                return mail;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let registered = post("/users", json!({"email": ADA, "password": PASSWORD})).await;
    assert_eq!(registered, StatusCode::CREATED);
    let reader = Reader::new(browser, &program.url);
    let mail = newest("Confirm your email address for Bienvenue").await;
    assert_eq!(mail.to, [ADA]);
    reader.open(&mail).await;
    reader.send("password", PASSWORD).await;
    reader.told("Done: the address is confirmed.").await;

    let asked = post("/password-reset", json!({"email": ADA})).await;
    assert_eq!(asked, StatusCode::ACCEPTED);
    reader
        .open(&newest("Choose a new password for Bienvenue").await)
        .await;
    reader.send("new_password", "12345678").await;
    reader.told("guess").await;
    reader.send("new_password", NEW).await;
    reader.told("Done: sign in with your new password.").await;
    reader.browser.assert_quiet(&[422]).await;

    let notice = newest("Your password for Bienvenue was changed").await;
    assert_eq!(notice.to, [ADA]);
    let old = post("/sessions", json!({"email": ADA, "password": PASSWORD})).await;
    assert_eq!(old, StatusCode::UNAUTHORIZED);
    let new = post("/sessions", json!({"email": ADA, "password": NEW})).await;
    assert_eq!(new, StatusCode::CREATED);
    assert_eq!(server.mails().len(), 3);
    reader.browser.close().await;
}
