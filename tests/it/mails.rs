//! Letters, and how they come to arrive.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::support::{
    Mail, Mailbox, Program, SmtpServer, TestApp, TestDatabase, on_both_databases, once,
    with_mail_server,
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
            "BIENVENUE_RESET_URL",
            "localhost:3000/reset",
            "BIENVENUE_RESET_URL must be an https address",
        ),
        (
            "BIENVENUE_VERIFY_URL",
            "https://app.example.com/#/verify",
            "BIENVENUE_VERIFY_URL must be an https address",
        ),
        (
            "BIENVENUE_VERIFY_URL",
            "http://app.example.com/verify",
            "BIENVENUE_VERIFY_URL must be an https address",
        ),
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
        ("fr ; Q=0.9, en;q=0.8", "Confirmez votre adresse e-mail"),
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

/// Waits until the server has taken so many letters. The clock of a test stands still, and with it the pauses between
/// tries: it is moved as long as letters are missing.
async fn sent(app: &TestApp, server: &SmtpServer, number: usize) -> Vec<Mail> {
    let moving = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.clock.advance(TimeDelta::seconds(61));
        }
    };
    tokio::select! {
        mails = server.wait_for(number) => mails,
        () = moving => unreachable!("it goes on for ever"),
    }
}

/// A mail server that is not in order: greets whoever comes and then answers everything so, or says nothing at all; until it
/// was connected to so often. Returns the connections, which are open still.
async fn misbehave(
    port: u16,
    greeting: &[u8],
    answer: Option<&'static [u8]>,
    times: usize,
) -> Vec<TcpStream> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    let mut connections = Vec::new();
    for _ in 0..times {
        let (mut connection, _) = listener.accept().await.expect("somebody connects");
        let _ = connection.write_all(greeting).await;
        if let Some(answer) = answer {
            let mut heard = [0; 1024];
            while connection
                .read(&mut heard)
                .await
                .is_ok_and(|length| length > 0)
            {
                let _ = connection.write_all(answer).await;
            }
        }
        connections.push(connection);
    }
    connections
}

/// Registers somebody, which is answered at once, however the mail server does.
async fn register_at_once(app: &TestApp, email: &str) {
    let registering = app.register(email, PASSWORD);
    let registered = tokio::time::timeout(Duration::from_secs(2), registering).await;
    let registered = registered.expect("nothing waits for mail");
    assert_eq!(registered.status, StatusCode::CREATED);
}

#[apply(with_mail_server)]
async fn a_mail_server_that_hangs_loses_no_letter(database: TestDatabase) {
    let mut server = SmtpServer::new();
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    let hanging = tokio::spawn(misbehave(server.port, b"", None, 1));
    register_at_once(&app, ADA).await;
    let hung = hanging.await.expect("somebody connects");
    register_at_once(&app, "eve@example.com").await;
    server.start();
    // The connection that hangs is never closed by the server: whoever waits for it has to give it up.
    let mails = sent(&app, &server, 2).await;
    assert_eq!(mails.len(), 2);
    app.letters_are_out().await;
    drop(hung);
}

#[apply(with_mail_server)]
async fn a_mail_server_that_drops_connections_loses_no_letter(database: TestDatabase) {
    let mut server = SmtpServer::new();
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    let port = server.port;
    let dropping = tokio::spawn(async move {
        for _ in 0..3 {
            drop(misbehave(port, b"220 test\r\n", None, 1).await);
        }
    });
    register_at_once(&app, ADA).await;
    while !dropping.is_finished() {
        app.clock.advance(TimeDelta::seconds(61));
        register_at_once(&app, &format!("{}@example.com", uuid::Uuid::new_v4())).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.start();
    let registered = app.database.count("users").await;
    let mails = sent(&app, &server, registered).await;
    assert_eq!(mails.len(), registered);
    app.letters_are_out().await;
}

#[apply(with_mail_server)]
async fn a_mail_server_that_refuses_everything_for_a_while_loses_no_letter(database: TestDatabase) {
    let mut server = SmtpServer::new();
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    let refusing = tokio::spawn(misbehave(
        server.port,
        b"220 test\r\n",
        Some(b"554 5.7.1 relay access denied\r\n"),
        3,
    ));
    register_at_once(&app, ADA).await;
    while !refusing.is_finished() {
        app.clock.advance(TimeDelta::seconds(61));
        tokio::time::sleep(Duration::from_millis(20)).await;
        register_at_once(&app, &format!("{}@example.com", uuid::Uuid::new_v4())).await;
    }
    server.start();
    let registered = app.database.count("users").await;
    let mails = sent(&app, &server, registered).await;
    assert_eq!(mails.len(), registered);
    app.letters_are_out().await;
}

/// A mail server that takes letters and is silent when somebody takes leave. Counts what it takes, and says so when it may.
async fn silent_at_the_end(port: u16, taken: &AtomicUsize, may_answer: Option<&Notify>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    let mut connections = Vec::new();
    loop {
        let (mut connection, _) = listener.accept().await.expect("somebody connects");
        let _ = connection.write_all(b"220 test\r\n").await;
        let mut heard = Vec::new();
        let mut is_letter = false;
        while connection
            .read_buf(&mut heard)
            .await
            .is_ok_and(|length| length > 0)
        {
            if heard.starts_with(b"QUIT") {
                break;
            }
            if !is_letter && heard.ends_with(b"\r\n") {
                is_letter = heard.starts_with(b"DATA");
                let answer = if is_letter { "354 go on" } else { "250 well" };
                heard.clear();
                let _ = connection
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await;
            } else if is_letter && heard.ends_with(b"\r\n.\r\n") {
                taken.fetch_add(1, Ordering::SeqCst);
                is_letter = false;
                heard.clear();
                if let Some(may_answer) = may_answer {
                    may_answer.notified().await;
                }
                let _ = connection.write_all(b"250 taken\r\n").await;
            }
        }
        connections.push(connection);
    }
}

#[apply(on_both_databases)]
async fn a_letter_that_was_taken_is_sent_no_more_however_the_server_ends(database: TestDatabase) {
    let port = SmtpServer::new().port;
    let app = TestApp::with(
        database,
        &["--smtp-url", &format!("smtp://localhost:{port}")],
    )
    .await;
    let taken = AtomicUsize::new(0);
    let story = async {
        for number in 0..3 {
            register_at_once(&app, &format!("user{number}@example.com")).await;
        }
        app.letters_are_out().await;
    };
    tokio::select! {
        () = silent_at_the_end(port, &taken, None) => unreachable!("it goes on for ever"),
        () = story => {}
    }
    assert_eq!(taken.load(Ordering::SeqCst), 3);
}

#[apply(on_both_databases)]
async fn a_stop_lets_the_letter_that_is_being_sent_get_out(database: TestDatabase) {
    let port = SmtpServer::new().port;
    let smtp = format!("smtp://localhost:{port}");
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("BIENVENUE_SMTP_URL", &smtp),
    ];
    let (taken, answering) = (AtomicUsize::new(0), Notify::new());
    let story = async {
        let program = Program::start(&variables);
        let body = json!({"email": ADA, "password": PASSWORD});
        let client = reqwest::Client::new();
        let request = client.post(format!("{}/users", program.url)).json(&body);
        request.send().await.expect("answers");
        while taken.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The server has the letter, and has not said so yet.
        program.signal("TERM");
        tokio::task::yield_now().await;
        answering.notify_one();
        let ended = tokio::task::spawn_blocking(|| program.ended()).await;
        let (status, log) = ended.expect("it ends");
        assert!(status.success(), "{log}");
        let unsent = "SELECT 'one' FROM outgoing_mails WHERE finished_at IS NULL";
        assert!(database.sql(unsent).await.is_none(), "{log}");
    };
    tokio::select! {
        () = silent_at_the_end(port, &taken, Some(&answering)) => unreachable!("it goes on for ever"),
        () = story => {}
    }
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

#[apply(on_both_databases)]
async fn what_is_over_is_swept_and_what_waits_for_its_letter_is_not(database: TestDatabase) {
    // Nothing listens there: no letter gets out.
    let port = SmtpServer::new().port;
    let smtp = format!("smtp://localhost:{port}");
    let app = TestApp::with(
        database,
        &["--smtp-url", &smtp, "--registration", "private"],
    )
    .await;
    app.register(ADA, PASSWORD).await;
    let user = app.auth.register_user("eve@example.com", PASSWORD).await;
    user.expect("registers");
    app.post("/password-reset", &json!({"email": "eve@example.com"}))
        .await;
    let made = "SELECT 'one' FROM users WHERE reset_token IS NOT NULL";
    while app.database.sql(made).await.is_none() {
        tokio::task::yield_now().await;
    }
    app.clock.advance(TimeDelta::hours(25));
    while app.auth.sweep_letters().await.expect("sweeps") {}
    assert!(app.database.sql(made).await.is_none());
    for table in ["registrations", "email_verifications"] {
        assert_eq!(app.database.count(table).await, 1, "{table}");
    }
    app.clock.advance(TimeDelta::days(3));
    app.letters_are_out().await;
    app.clock.advance(TimeDelta::days(3));
    while app.auth.sweep_letters().await.expect("sweeps") {}
    for table in ["registrations", "email_verifications", "outgoing_mails"] {
        assert_eq!(app.database.count(table).await, 0, "{table}");
    }
}

#[apply(with_mail_server)]
async fn a_letter_that_no_server_takes_is_given_up_visibly(database: TestDatabase) {
    let server = SmtpServer::new();
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    app.register(ADA, PASSWORD).await;
    let failed = "SELECT last_error FROM outgoing_mails WHERE last_error IS NOT NULL";
    while app.database.sql(failed).await.is_none() {
        tokio::task::yield_now().await;
    }
    app.clock
        .advance(TimeDelta::days(3) + TimeDelta::seconds(1));
    app.letters_are_out().await;
    let error = app.database.sql(failed).await.expect("it is kept");
    assert!(error.contains("nobody took the letter"), "{error}");
}

#[apply(with_mail_server)]
async fn kills_around_sending_lose_no_letter_and_repeat_no_more_than_there_were_kills(
    database: TestDatabase,
) {
    const KILLS: usize = 50;
    let mut server = SmtpServer::new();
    server.start();
    let url = format!("smtp://localhost:{}", server.port);
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("BIENVENUE_SMTP_URL", &url),
    ];
    let client = reqwest::Client::new();
    let mut registered = Vec::new();
    for kill in 0..KILLS {
        let program = Program::start(&variables);
        let before = server.count();
        for number in 0..4 {
            let email = format!("user{kill}.{number}@example.com");
            let body = json!({"email": email, "password": PASSWORD});
            let request = client.post(format!("{}/users", program.url)).json(&body);
            let answer = request.send().await.expect("answers");
            assert_eq!(answer.status(), StatusCode::CREATED);
            registered.push(email);
        }
        // In half of the rounds at the very moment when the server has taken a letter, else at some time around it.
        if kill % 2 == 0 {
            while server.count() == before {
                std::thread::yield_now();
            }
        } else {
            std::thread::sleep(Duration::from_millis(kill as u64 / 2));
        }
        program.signal("KILL");
        program.ended();
        // Nobody else takes for a minute what a process had taken that is no more: the minute is over.
        database
            .sql("UPDATE outgoing_mails SET due_at = created_at WHERE finished_at IS NULL")
            .await;
    }
    let program = Program::start(&variables);
    let waiting = "SELECT 'one' FROM outgoing_mails WHERE finished_at IS NULL";
    while database.sql(waiting).await.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(program);
    let mails = server.mails();
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    recipients.sort();
    recipients.dedup();
    registered.sort();
    assert_eq!(recipients, registered);
    let repeats = mails.len() - recipients.len();
    assert!(repeats <= KILLS, "{repeats} repeats");
    // Each has a token of its own, so each has an id of its own.
    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(ids.len(), mails.len());
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
    let mails = sent(&app, &server, 20).await;
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((mails.len(), recipients.len()), (20, 20));
    app.letters_are_out().await;
    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
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
