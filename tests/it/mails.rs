//! Letters, and how they come to arrive.

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{
    Mailbox, Program, SmtpServer, TestApp, TestDatabase, on_both_databases, once, with_mail_server,
};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

#[apply(once)]
async fn settings_of_mail_that_make_no_sense_stop_the_start() {
    for (name, value, complaint) in [
        (
            "BIENVENUE_SMTP_URL",
            "mail.example.com:secret",
            "BIENVENUE_SMTP_URL must be smtp://",
        ),
        (
            "BIENVENUE_SMTP_URL",
            "http://u:secret@mail.example.com",
            "BIENVENUE_SMTP_URL must be smtp://",
        ),
        (
            "BIENVENUE_SMTP_URL",
            "smtp://u:secret@mail.example.com/x",
            "BIENVENUE_SMTP_URL must be smtp://",
        ),
        ("BIENVENUE_MAIL_FROM", "nobody", "BIENVENUE_MAIL_FROM"),
        (
            "BIENVENUE_TEMPLATES",
            "/no/such/folder",
            "BIENVENUE_TEMPLATES",
        ),
        ("BIENVENUE_RESET_URL", "reset", "BIENVENUE_RESET_URL"),
        (
            "BIENVENUE_RESET_TOKEN_LIFETIME",
            "0m",
            "BIENVENUE_RESET_TOKEN_LIFETIME",
        ),
    ] {
        let (succeeded, _, complaints) = Program::run(&["serve"], &[(name, value)]);
        assert!(
            !succeeded && complaints.contains(complaint),
            "{name}={value}: {complaints}"
        );
        assert!(!complaints.contains("secret"), "{complaints}");
    }
}

#[apply(on_both_databases)]
async fn a_letter_goes_to_one_address_with_a_link_made_of_the_settings(app: TestApp) {
    let body = json!({"email": " Ada@EXAMPLE.com", "password": PASSWORD});
    let request = app.client.post(format!("{}/users", app.url));
    let registered = app
        .send(
            request
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .header("forwarded", "host=evil.example;proto=https")
                .json(&body),
        )
        .await;
    assert_eq!(registered.status, StatusCode::CREATED, "{registered:?}");
    let mail = app.mail.mail(1).await;
    assert_eq!(mail.to, [ADA]);
    assert_eq!(mail.from, "no-reply@localhost");
    assert_eq!(mail.subject, "Confirm your email address");
    let begin = "http://localhost:8000/verify-email#token=bienvenue_verification_";
    assert!(mail.link().starts_with(begin), "{}", mail.link());
    let html = mail.html.replace("&#x2f;", "/");
    let link = format!("href=\"{}\"", mail.link());
    assert!(html.contains(&link), "{html}");
    assert!(mail.text.contains("24 hours"), "{}", mail.text);
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
}

#[apply(on_both_databases)]
async fn letters_are_in_the_language_of_the_request(app: TestApp) {
    for (number, (header, subject)) in [
        ("fr", "Confirmez votre adresse e-mail"),
        ("fr-CH, en;q=0.8", "Confirmez votre adresse e-mail"),
        ("de, FR;q=0.5, en;q=0.4", "Confirmez votre adresse e-mail"),
        ("en-GB, fr;q=0.9", "Confirm your email address"),
        ("fr;q=0, en;q=0.1", "Confirm your email address"),
        ("de", "Confirm your email address"),
        ("fr;q=NaN, ;;,=", "Confirm your email address"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        let request = app.client.post(format!("{}/users", app.url));
        let request = request.header("accept-language", header);
        app.send(request.json(&json!({"email": email, "password": PASSWORD})))
            .await;
        let mail = app.mail.newest_to(&email, 1).await;
        assert_eq!(mail.subject, subject, "{header}");
    }
}

#[apply(on_both_databases)]
async fn an_operator_replaces_letters_and_the_pages_of_their_links(database: TestDatabase) {
    let folder = Mailbox::new();
    let template = std::path::Path::new(folder.path()).join("password-reset.en.txt");
    std::fs::write(&template, "Subject: Ours <b>\n\nHere: <i>\n\n{{ link }}\n").expect("writes");
    let flags = [
        "--templates",
        folder.path(),
        "--reset-url",
        "https://app.example.com/reset?from=mail",
        "--reset-token-lifetime",
        "2h",
    ];
    let app = TestApp::with(database, &flags).await;
    app.register(ADA, PASSWORD).await;
    app.mail.newest_to(ADA, 1).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    let mail = app.mail.newest_to(ADA, 2).await;
    assert_eq!(mail.subject, "Ours <b>");
    assert!(mail.text.starts_with("Here: <i>"), "{}", mail.text);
    assert!(mail.html.contains("Here: &lt;i&gt;"), "{}", mail.html);
    let begin = "https://app.example.com/reset?from=mail#token=bienvenue_reset_";
    assert!(mail.link().starts_with(begin), "{}", mail.link());
}

#[apply(with_mail_server)]
async fn letters_wait_for_a_mail_server_that_is_down_and_slow_nothing(database: TestDatabase) {
    let mut server = SmtpServer::new();
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        let registered = app.register(&email, PASSWORD).await;
        assert_eq!(registered.status, StatusCode::CREATED);
    }
    let failed = "SELECT last_error FROM outgoing_mails WHERE last_error IS NOT NULL";
    while app.database.sql(failed).await.is_none() {
        tokio::task::yield_now().await;
    }
    server.start();
    // The clock stands still, and with it the pauses: it is moved as long as letters are missing.
    let moving = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            app.clock.advance(chrono::TimeDelta::seconds(61));
        }
    };
    let mails = tokio::select! {
        mails = server.wait_for(20) => mails,
        () = moving => unreachable!("it goes on for ever"),
    };
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((mails.len(), recipients.len()), (20, 20));
    app.letters_are_out().await;
    let ids: std::collections::HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(ids.len(), 20);
}

#[apply(with_mail_server)]
async fn replicas_share_the_work_and_send_each_letter_once(database: TestDatabase) {
    let mut server = SmtpServer::new();
    server.start();
    let url = format!("smtp://localhost:{}", server.port);
    let flags = ["--smtp-url", &url];
    let replica = TestApp::with(TestDatabase::at(database.url.clone()), &flags).await;
    let app = TestApp::with(database, &flags).await;
    for number in 0..40 {
        let app = if number % 2 == 0 { &app } else { &replica };
        let email = format!("user{number}@example.com");
        app.register(&email, PASSWORD).await;
    }
    server.wait_for(40).await;
    app.letters_are_out().await;
    assert_eq!(server.mails().len(), 40);
}
