//! Emails, and how they come to arrive.

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
    task::JoinHandle,
};

use crate::support::{
    Answer, Mail, Mailbox, Program, Relay, SmtpServer, TestApp, TestDatabase, on_both_databases,
    once,
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
        (
            "BIENVENUE_SMTP_URL",
            "smtp://u:secret@mail.example.com?tls=maybe",
            "BIENVENUE_SMTP_URL can have no parameter but tls=none",
        ),
        (
            "BIENVENUE_SMTP_URL",
            "smtp://u:12?secret@mail.example.com",
            "BIENVENUE_SMTP_URL can have no parameter but tls=none",
        ),
        (
            "BIENVENUE_SMTP_URL",
            "smtps://u:secret@mail.example.com?tls=none",
            "BIENVENUE_SMTP_URL can't have tls=none",
        ),
        ("BIENVENUE_MAIL_FROM", "nobody", "BIENVENUE_MAIL_FROM"),
        (
            "BIENVENUE_MAIL_FROM",
            "J\u{fc}rgen <j\u{fc}rgen@example.com>",
            "BIENVENUE_MAIL_FROM can have letters of ASCII alone before the @",
        ),
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

#[apply(once)]
async fn what_a_mail_server_is_told_or_believed_by_is_judged_at_the_start() {
    let folder = Mailbox::new();
    let empty = format!("{}/empty.pem", folder.path());
    std::fs::write(&empty, "nothing").expect("writes");
    let (smtp, smtps) = ("smtp://mail.example.com", "smtps://mail.example.com");
    for (url, name, value, complaint) in [
        (
            smtp,
            "BIENVENUE_SMTP_HELLO",
            "relay",
            "BIENVENUE_SMTP_HELLO must be a full name",
        ),
        (
            smtp,
            "BIENVENUE_SMTP_HELLO",
            "a b.example.com",
            "BIENVENUE_SMTP_HELLO must be a full name",
        ),
        (
            smtp,
            "BIENVENUE_SMTP_HELLO",
            "[relay.example.com]",
            "BIENVENUE_SMTP_HELLO must be a full name",
        ),
        (
            smtps,
            "BIENVENUE_SMTP_CA",
            "/no/such/file",
            "BIENVENUE_SMTP_CA can't be read",
        ),
        (
            smtps,
            "BIENVENUE_SMTP_CA",
            &empty,
            "BIENVENUE_SMTP_CA must be a file of certificates",
        ),
        (
            "smtp://relay?tls=none",
            "BIENVENUE_SMTP_CA",
            &empty,
            "BIENVENUE_SMTP_URL can't have tls=none",
        ),
        (
            smtps,
            "SSL_CERT_FILE",
            "/no/such/file",
            "SSL_CERT_FILE and SSL_CERT_DIR, can't be read",
        ),
    ] {
        let variables = [("BIENVENUE_SMTP_URL", url), (name, value)];
        let (succeeded, _, complaints) = Program::run(&["serve"], &variables);
        assert!(
            !succeeded && complaints.contains(complaint),
            "{name}={value}: {complaints}"
        );
    }
}

#[apply(on_both_databases)]
async fn a_mail_server_is_greeted_with_a_full_name_or_an_address(database: TestDatabase) {
    let relay = Relay::start(|_| None).await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    for (number, (flags, greeting)) in [
        (&[][..], "EHLO [127.0.0.1]"),
        (
            &["--public-url", "http://auth.localhost:8000"],
            "EHLO [127.0.0.1]",
        ),
        (
            &["--public-url", "https://auth.example.com"],
            "EHLO auth.example.com",
        ),
        (&["--public-url", "https://192.0.2.1"], "EHLO [192.0.2.1]"),
        (
            &["--smtp-hello", "mail.example.org"],
            "EHLO mail.example.org",
        ),
        (&["--smtp-hello", "[192.0.2.7]"], "EHLO [192.0.2.7]"),
        (&["--smtp-hello", "2001:db8::1"], "EHLO [IPv6:2001:db8::1]"),
    ]
    .into_iter()
    .enumerate()
    {
        let database = TestDatabase::at(database.url.clone());
        let flags = [&["--smtp-url", &smtp][..], flags].concat();
        let app = TestApp::with(database, &flags).await;
        let email = format!("user{number}@example.com");
        let user = app.auth.register_user(&email, PASSWORD).await;
        user.expect("registers");
        app.letters_are_out().await;
        let heard = relay.heard();
        let mut greetings = heard.iter().filter(|command| command.starts_with("EHLO"));
        assert_eq!(greetings.next_back().expect("one an email"), greeting);
        app.stop().await;
    }
}

#[apply(on_both_databases)]
async fn a_server_without_tls_gets_nothing_unless_it_is_asked_for_in_so_many_words(
    database: TestDatabase,
) {
    // This machine, by an address that is none of a loopback network.
    let relay = Relay::start(|_| None).await;
    let smtp = format!("smtp://0.0.0.0:{}", relay.port);
    let of_service = TestDatabase::at(database.url.clone());
    let app = TestApp::with(of_service, &["--smtp-url", &smtp]).await;
    app.register(ADA, PASSWORD).await;
    let failed = "SELECT last_error FROM outgoing_mails WHERE last_error IS NOT NULL";
    let error = answered(&app, failed).await;
    assert!(error.contains("STARTTLS"), "{error}");
    assert!(
        relay
            .heard()
            .iter()
            .all(|command| { command.starts_with("EHLO") || command.starts_with("QUIT") })
    );
    app.stop().await;
    let asked = format!("{smtp}?tls=none");
    let app = TestApp::with(database, &["--smtp-url", &asked]).await;
    let moving = moving(&app);
    tokio::select! {
        () = app.letters_are_out() => {}
        () = moving => {}
    }
    assert_eq!(relay.taken(), [ADA]);
}

#[apply(on_both_databases)]
async fn a_certificate_of_an_own_authority_is_believed_where_it_is_named(
    database: TestDatabase,
    one: SmtpServer,
    other: SmtpServer,
) {
    let mut by_setting = 0;
    for (kind, server) in [("smtps", one), ("starttls", other)] {
        let mut server = server.with_tls(kind);
        server.start();
        let authority = server.authority();
        let scheme = if kind == "smtps" { "smtps" } else { "smtp" };
        let smtp = format!("{scheme}://localhost:{}", server.port);
        let flags = ["--smtp-url", &smtp, "--smtp-ca", &authority];
        let app = TestApp::with(TestDatabase::at(database.url.clone()), &flags).await;
        app.register(&format!("{kind}@example.com"), PASSWORD).await;
        let mails = server.wait_for(1).await;
        assert_eq!(mails[0].to, [format!("{kind}@example.com")]);
        by_setting += mails.len();
        app.letters_are_out().await;
        app.stop().await;
        if kind == "smtps" {
            let variables = [
                ("DATABASE_URL", &*database.url),
                ("BIENVENUE_SMTP_URL", &smtp),
            ];
            let program = Program::start(&variables);
            register_at(&program, ADA).await;
            let failed = "SELECT last_error FROM outgoing_mails WHERE finished_at IS NULL
                          AND last_error IS NOT NULL";
            let error = loop {
                if let Some(error) = database.sql(failed).await {
                    break error;
                }
            };
            assert!(error.contains("certificate"), "{error}");
            program.kill();
            // Nobody else takes for a minute what it had taken: the minute is over.
            database
                .sql("UPDATE outgoing_mails SET due_at = created_at WHERE finished_at IS NULL")
                .await;
            let with_system = [&variables[..], &[("SSL_CERT_FILE", &*authority)]].concat();
            let program = Program::start(&with_system);
            server.wait_for(2).await;
            let unsent = "SELECT 'one' FROM outgoing_mails WHERE finished_at IS NULL";
            while database.sql(unsent).await.is_some() {}
            program.kill();
        }
    }
    assert_eq!(by_setting, 2);
}

/// Registers somebody at a program that runs.
async fn register_at(program: &Program, email: &str) {
    let body = json!({"email": email, "password": PASSWORD});
    let request = reqwest::Client::new().post(format!("{}/users", program.url));
    let answer = Answer::to(request.json(&body)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn a_sender_with_an_international_domain_goes_out_in_its_ascii_form(database: TestDatabase) {
    let relay = Relay::start(|_| None).await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    let from = "B\u{fc}cher <no-reply@b\u{fc}cher.example>";
    let app = TestApp::with(database, &["--smtp-url", &smtp, "--mail-from", from]).await;
    app.register(ADA, PASSWORD).await;
    app.letters_are_out().await;
    let sender = "MAIL FROM:<no-reply@xn--bcher-kva.example>";
    assert!(
        relay.heard().contains(&sender.to_owned()),
        "{:?}",
        relay.heard()
    );
}

#[apply(on_both_databases)]
async fn an_email_goes_to_one_address_with_a_link_made_of_the_settings(app: TestApp) {
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
    assert_eq!(mail.subject, "Confirm your email address for Bienvenue");
    let begin = "http://localhost:8000/verify-email#token=bienvenue_verification_";
    assert!(mail.link().starts_with(begin), "{}", mail.link());
    let link = format!("href=\"{}\"", mail.link());
    assert!(mail.html.contains(&link), "{}", mail.html);
    assert!(mail.text.contains("24 hours"), "{}", mail.text);
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
}

#[apply(on_both_databases)]
async fn emails_are_in_the_language_of_the_request(app: TestApp) {
    for (number, (header, subject)) in [
        ("fr", "Confirmez votre adresse e-mail pour Bienvenue"),
        (
            "fr-CH, en;q=0.8",
            "Confirmez votre adresse e-mail pour Bienvenue",
        ),
        (
            "de, FR;q=0.5, en;q=0.4",
            "Confirmez votre adresse e-mail pour Bienvenue",
        ),
        (
            "en-GB, fr;q=0.9",
            "Confirm your email address for Bienvenue",
        ),
        (
            "fr;q=0, en;q=0.1",
            "Confirm your email address for Bienvenue",
        ),
        ("de", "Confirm your email address for Bienvenue"),
        ("fr;q=NaN, ;;,=", "Confirm your email address for Bienvenue"),
        (
            "fr ; Q=0.9, en;q=0.8",
            "Confirmez votre adresse e-mail pour Bienvenue",
        ),
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
async fn an_operator_replaces_emails_and_the_pages_of_their_links(database: TestDatabase) {
    let folder = Mailbox::new();
    let template = std::path::Path::new(folder.path()).join("password-reset.en.txt");
    std::fs::write(
        &template,
        "Subject: Ours <b>\n\nHere: <i> \"'/&\n\n{{ link }}\n",
    )
    .expect("writes");
    let flags = [
        "--templates",
        folder.path(),
        "--reset-url",
        "https://app.example.com/reset?from=mail&as=\"owner\"",
        "--reset-token-lifetime",
        "2h",
    ];
    let app = TestApp::with(database, &flags).await;
    app.register(ADA, PASSWORD).await;
    app.mail.newest_to(ADA, 1).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    let mail = app.mail.newest_to(ADA, 2).await;
    assert_eq!(mail.subject, "Ours <b>");
    assert!(mail.text.starts_with("Here: <i> \"'/&"), "{}", mail.text);
    let escaped = "Here: &lt;i&gt; &quot;&#x27;/&amp;<";
    assert!(mail.html.contains(escaped), "{}", mail.html);
    let begin = "https://app.example.com/reset?from=mail&as=%22owner%22#token=bienvenue_reset_";
    assert!(mail.link().starts_with(begin), "{}", mail.link());
    let link = format!("href=\"{}\"", mail.link().replace('&', "&amp;"));
    assert!(mail.html.contains(&link), "{}", mail.html);
}

/// Moves the clock, which stands still in a test, and with it the pauses between tries; for ever.
async fn moving(app: &TestApp) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.clock.advance(TimeDelta::seconds(61));
    }
}

/// Waits until the server has taken so many emails.
async fn sent(app: &TestApp, server: &SmtpServer, number: usize) -> Vec<Mail> {
    tokio::select! {
        mails = server.wait_for(number) => mails,
        () = moving(app) => unreachable!("it goes on for ever"),
    }
}

/// Waits for the first row of an answer. Whoever waits for emails is reminded of them all the time.
async fn answered(app: &TestApp, sql: &str) -> String {
    loop {
        if let Some(answer) = app.database.sql(sql).await {
            return answer;
        }
        app.post("/password-reset", &json!({"email": "nobody@example.com"}))
            .await;
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

/// Has more emails to send, until a mail server has misbehaved often enough: the next one as soon as each has been tried.
async fn emails_until<T>(app: &TestApp, misbehaving: &JoinHandle<T>) {
    while !misbehaving.is_finished() {
        app.clock.advance(TimeDelta::seconds(61));
        register_at_once(app, &format!("{}@example.com", uuid::Uuid::new_v4())).await;
        let untried = "SELECT 'one' FROM outgoing_mails WHERE attempts = 0";
        while !misbehaving.is_finished() && app.database.sql(untried).await.is_some() {
            tokio::task::yield_now().await;
        }
    }
}

#[apply(on_both_databases)]
async fn a_mail_server_that_hangs_loses_no_email(database: TestDatabase, mut server: SmtpServer) {
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

#[apply(on_both_databases)]
async fn a_mail_server_that_drops_connections_loses_no_email(
    database: TestDatabase,
    mut server: SmtpServer,
) {
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    let port = server.port;
    let dropping = tokio::spawn(async move {
        for _ in 0..3 {
            drop(misbehave(port, b"220 test\r\n", None, 1).await);
        }
    });
    register_at_once(&app, ADA).await;
    emails_until(&app, &dropping).await;
    server.start();
    let registered = app.database.count("users").await;
    let mails = sent(&app, &server, registered).await;
    assert_eq!(mails.len(), registered);
    app.letters_are_out().await;
}

#[apply(on_both_databases)]
async fn a_mail_server_that_refuses_everything_for_a_while_loses_no_email(
    database: TestDatabase,
    mut server: SmtpServer,
) {
    let url = format!("smtp://localhost:{}", server.port);
    let app = TestApp::with(database, &["--smtp-url", &url]).await;
    let refusing = tokio::spawn(misbehave(
        server.port,
        b"220 test\r\n",
        Some(b"554 5.7.1 relay access denied\r\n"),
        3,
    ));
    register_at_once(&app, ADA).await;
    emails_until(&app, &refusing).await;
    server.start();
    let registered = app.database.count("users").await;
    let mails = sent(&app, &server, registered).await;
    assert_eq!(mails.len(), registered);
    app.letters_are_out().await;
}

/// What a server answers in the place of what it usually does.
type Refusal = fn(&str) -> Option<&'static str>;

#[apply(on_both_databases)]
async fn a_mail_server_that_is_set_up_wrongly_for_a_while_loses_no_email(database: TestDatabase) {
    let (hour, days) = (TimeDelta::minutes(49), TimeDelta::days(1));
    let for_an_hour = [TimeDelta::minutes(1), TimeDelta::minutes(10), hour];
    let relay = Relay::start(|_| None).await;
    let smtp = format!("smtp://u:p@localhost:{}", relay.port);
    let app = TestApp::with(database, &["--smtp-url", &smtp]).await;
    let cases: [(&str, Refusal, &[TimeDelta]); 8] = [
        (
            "relaying",
            |said| {
                said.starts_with("RCPT")
                    .then_some("554 5.7.1 relay access denied")
            },
            &for_an_hour,
        ),
        (
            "content",
            |said| (said == ".").then_some("550 5.7.1 content rejected"),
            &for_an_hour,
        ),
        (
            "greeting",
            |said| said.is_empty().then_some("554 no service"),
            &[days, days],
        ),
        (
            "hello",
            |said| {
                said.starts_with("EHLO")
                    .then_some("504 a full name, please")
            },
            &[days, days],
        ),
        (
            "password",
            |said| said.starts_with("AUTH").then_some("535 5.7.8 wrong"),
            &[days, days],
        ),
        (
            "sender",
            |said| said.starts_with("MAIL").then_some("550 5.7.1 not yours"),
            &[days, days],
        ),
        (
            "recipient",
            |said| said.starts_with("RCPT").then_some("530 5.7.0 authenticate"),
            &[days, days],
        ),
        (
            "email",
            |said| (said == ".").then_some("538 5.7.11 encrypt"),
            &[days, days],
        ),
    ];
    for (name, refusal, pauses) in cases {
        relay.set_rule(refusal);
        let email = format!("{name}@example.com");
        app.register(&email, PASSWORD).await;
        let times = if pauses == for_an_hour {
            "refusals"
        } else {
            "attempts"
        };
        for number in 1..=pauses.len() {
            let tried = format!(
                "SELECT last_error FROM outgoing_mails WHERE recipient = '{email}' AND {times} >= {number}
                 AND last_error IS NOT NULL"
            );
            answered(&app, &tried).await;
            app.clock.advance(pauses[number - 1]);
        }
        relay.set_rule(|_| None);
        app.clock.advance(TimeDelta::hours(4));
        let sent = format!(
            "SELECT 'sent' FROM outgoing_mails WHERE recipient = '{email}' AND finished_at IS NOT NULL
             AND last_error IS NULL"
        );
        answered(&app, &sent).await;
        assert_eq!(relay.taken().last(), Some(&email));
    }
}

#[apply(on_both_databases)]
async fn an_email_that_is_refused_for_good_is_tried_five_times_in_some_hours(
    database: TestDatabase,
) {
    let is_ada =
        |said: &str| (said == "RCPT TO:<ada@example.com>").then_some("550 5.1.1 no such mailbox");
    let relay = Relay::start(is_ada).await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    let app = TestApp::with(database, &["--smtp-url", &smtp]).await;
    app.register(ADA, PASSWORD).await;
    let [minute, ten_minutes] = [1, 10].map(TimeDelta::minutes);
    let [hour, three_hours] = [1, 3].map(TimeDelta::hours);
    let second = TimeDelta::seconds(1);
    for (number, pause) in [minute, ten_minutes, hour, three_hours]
        .into_iter()
        .enumerate()
    {
        let refused = format!(
            "SELECT last_error FROM outgoing_mails WHERE recipient = '{ADA}' AND refusals = {}
             AND finished_at IS NULL",
            number + 1
        );
        let error = answered(&app, &refused).await;
        assert!(error.contains("no such mailbox"), "{error}");
        app.clock.advance(pause - second);
        // What is due the longest is taken first: this one would come after it.
        let other = format!("user{number}@example.com");
        app.register(&other, PASSWORD).await;
        while !relay.taken().contains(&other) {
            tokio::task::yield_now().await;
        }
        assert!(
            app.database.sql(&refused).await.is_some(),
            "tried too early"
        );
        app.clock.advance(second);
    }
    let given_up = format!(
        "SELECT last_error FROM outgoing_mails WHERE recipient = '{ADA}' AND attempts = 5
         AND finished_at IS NOT NULL"
    );
    let error = answered(&app, &given_up).await;
    assert!(error.contains("no such mailbox"), "{error}");
    assert!(!relay.taken().contains(&ADA.to_owned()));
}

#[apply(on_both_databases)]
async fn ten_emails_are_under_way_at_once_and_no_more(database: TestDatabase) {
    const SEATS: usize = 10;
    let relay = Relay::silent().await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    let app = TestApp::with(database, &["--smtp-url", &smtp]).await;
    let attempts = "SELECT CAST(sum(attempts) AS text) FROM outgoing_mails";
    for number in 0..18 {
        if number == 15 {
            while relay.waiting() < SEATS {
                tokio::task::yield_now().await;
            }
        }
        // Each is a reason for the worker to look for what is due.
        app.register(&format!("user{number}@example.com"), PASSWORD)
            .await;
    }
    assert_eq!(relay.waiting(), SEATS);
    assert_eq!(app.database.sql(attempts).await, Some("10".to_owned()));
    relay.answer(1);
    while relay.taken().is_empty() || relay.waiting() < SEATS {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.database.sql(attempts).await, Some("11".to_owned()));
    relay.answer(17);
    app.letters_are_out().await;
    assert_eq!(relay.taken().len(), 18);
}

#[apply(on_both_databases)]
async fn what_is_asked_for_nobody_waits_with_the_emails_for_a_mail_server_that_is_down(
    database: TestDatabase,
) {
    let relay = Relay::start(|said| said.is_empty().then_some("421 later")).await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    let app = TestApp::with(database, &["--smtp-url", &smtp]).await;
    app.register(ADA, PASSWORD).await;
    let failed = "SELECT last_error FROM outgoing_mails WHERE last_error IS NOT NULL";
    let error = answered(&app, failed).await;
    let of_nobody = "SELECT last_error FROM outgoing_mails
                     WHERE recipient = 'nobody@example.com' AND last_error IS NOT NULL
                     AND finished_at IS NULL";
    assert_eq!(answered(&app, of_nobody).await, error);
    relay.set_rule(|_| None);
    tokio::select! {
        () = app.letters_are_out() => {}
        () = moving(&app) => {}
    }
    assert_eq!(relay.taken(), [ADA]);
}

/// A mail server that takes emails and is silent when somebody takes leave. Counts what it takes, and says so when it may.
async fn silent_at_the_end(port: u16, taken: &AtomicUsize, may_answer: Option<&Notify>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    let mut connections = Vec::new();
    loop {
        let (mut connection, _) = listener.accept().await.expect("somebody connects");
        let _ = connection.write_all(b"220 test\r\n").await;
        let mut heard = Vec::new();
        let mut is_email = false;
        while connection
            .read_buf(&mut heard)
            .await
            .is_ok_and(|length| length > 0)
        {
            if heard.starts_with(b"QUIT") {
                break;
            }
            if !is_email && heard.ends_with(b"\r\n") {
                is_email = heard.starts_with(b"DATA");
                let answer = if is_email { "354 go on" } else { "250 well" };
                heard.clear();
                let _ = connection
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await;
            } else if is_email && heard.ends_with(b"\r\n.\r\n") {
                taken.fetch_add(1, Ordering::SeqCst);
                is_email = false;
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
async fn an_email_that_was_taken_is_sent_no_more_however_the_server_ends(database: TestDatabase) {
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
async fn a_stop_lets_an_email_that_is_being_sent_get_out(database: TestDatabase) {
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
        Answer::to(request).await;
        while taken.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The server has the email, and has not said so yet.
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
async fn what_is_over_is_swept_and_what_waits_for_its_email_is_not(database: TestDatabase) {
    // Nothing listens there: no email gets out.
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
    while app.auth.sweep().await.expect("sweeps") {}
    assert!(app.database.sql(made).await.is_none());
    for table in ["registrations", "email_verifications"] {
        assert_eq!(app.database.count(table).await, 1, "{table}");
    }
    app.clock.advance(TimeDelta::days(3));
    app.letters_are_out().await;
    app.clock.advance(TimeDelta::days(3));
    while app.auth.sweep().await.expect("sweeps") {}
    for table in ["registrations", "email_verifications", "outgoing_mails"] {
        assert_eq!(app.database.count(table).await, 0, "{table}");
    }
}

#[apply(on_both_databases)]
async fn an_email_that_no_server_takes_is_given_up_visibly(
    database: TestDatabase,
    server: SmtpServer,
) {
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
    assert!(error.contains("the email was not accepted"), "{error}");
}

#[apply(on_both_databases)]
async fn kills_around_sending_lose_no_email_and_repeat_no_more_than_were_under_way(
    database: TestDatabase,
    mut server: SmtpServer,
) {
    const KILLS: usize = 50;
    const SEATS: usize = 10;
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
        for number in 0..SEATS + 2 {
            let email = format!("user{kill}.{number}@example.com");
            let body = json!({"email": email, "password": PASSWORD});
            let request = client.post(format!("{}/users", program.url)).json(&body);
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, StatusCode::CREATED);
            registered.push(email);
        }
        // In half of the rounds at the very moment when the server has taken an email, else at some time around it.
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
    assert!(repeats <= KILLS * SEATS, "{repeats} repeats");
    // Each has a token of its own, so each has an id of its own.
    let ids: HashSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    assert_eq!(ids.len(), mails.len());
}

#[apply(on_both_databases)]
async fn emails_wait_for_a_mail_server_that_is_down_and_slow_nothing(
    database: TestDatabase,
    mut server: SmtpServer,
) {
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

#[apply(on_both_databases)]
async fn replicas_share_the_work_and_send_each_email_once(
    database: TestDatabase,
    mut server: SmtpServer,
) {
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
