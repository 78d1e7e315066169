//! New passwords that others know already.

use std::sync::{Arc, Mutex, PoisonError};

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sha1::{Digest as _, Sha1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Answer, Program, TestApp, TestDatabase, on_both_databases, once};

const ADA: &str = "ada@example.com";
const GOOD: &str = "zebra vulkan trapez";

/// Hard to guess, and known to everybody who guesses; in capitals and in full width too.
const KNOWN: [&str; 4] = [
    "correcthorsebatterystaple",
    "liverpoolfc1892",
    "LiverpoolFC1892",
    "\u{ff4c}\u{ff49}\u{ff56}\u{ff45}\u{ff52}\u{ff50}\u{ff4f}\u{ff4f}\u{ff4c}\u{ff46}\u{ff43}1892",
];

#[track_caller]
fn assert_known(answer: &Answer) {
    answer.assert_problem(422, "weak-password");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("became known in a breach"), "{detail}");
}

async fn change(app: &TestApp, token: &str, new: &str) -> Answer {
    let body = json!({"current_password": GOOD, "new_password": new});
    let request = app.request(Method::PUT, "/users/me/password", token);
    app.send(request.json(&body)).await
}

#[apply(on_both_databases)]
async fn passwords_from_breaches_are_refused_wherever_one_is_set(database: TestDatabase) {
    let app = TestApp::with(database, &[]).await;
    for password in KNOWN {
        assert_known(&app.register(ADA, password).await);
    }
    app.register(ADA, GOOD).await;
    let token = app.token(ADA, GOOD).await;
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = app.mail.newest_to(ADA, 2).await;
    for password in KNOWN {
        assert_known(&change(&app, &token, password).await);
        let body = json!({"token": reset.token(), "new_password": password});
        assert_known(&app.put("/password-reset", &body).await);
    }
    let signed_in = app.sign_in(ADA, GOOD).await;
    assert_eq!(signed_in.status, StatusCode::CREATED, "{signed_in:?}");
}

#[apply(on_both_databases)]
async fn passwords_from_breaches_are_refused_in_private_registration(database: TestDatabase) {
    let app = TestApp::with(database, &["--registration", "private"]).await;
    for password in KNOWN {
        assert_known(&app.register(ADA, password).await);
    }
    assert_eq!(app.database.count("registrations").await, 0);
}

#[apply(on_both_databases)]
async fn a_list_of_what_is_known_asks_for_no_score(database: TestDatabase) {
    let app = TestApp::with(database, &["--password-min-score", "0"]).await;
    assert_known(&app.register(ADA, KNOWN[0]).await);
}

#[apply(on_both_databases)]
async fn the_words_of_the_services_name_are_easy_to_guess(database: TestDatabase) {
    let url = "https://login.kaffeklub.example";
    let app = TestApp::with(database, &["--public-url", url]).await;
    for password in [
        "bienvenue2026!",
        "Bienvenue2026!",
        "kaffeklub2026!",
        "login.kaffeklub.example",
    ] {
        let answer = app.register(ADA, password).await;
        answer.assert_problem(422, "weak-password");
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("too easy to guess"), "{password}: {detail}");
    }
}

#[apply(on_both_databases)]
async fn a_word_that_names_nothing_is_taken(app: TestApp) {
    let answer = app.register(ADA, "kaffeklub2026!").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

/// What a service that is asked for passwords does.
#[derive(Clone)]
enum Reply {
    /// Answers with this status, these headers, and this body.
    With(&'static str, &'static str, String),
    /// Never answers.
    Nothing,
}

impl Reply {
    fn lines(lines: &[String]) -> Self {
        Self::With("200 OK", "", lines.join("\r\n"))
    }
}

/// A service that knows passwords from breaches.
struct RangeServer {
    url: String,
    reply: Arc<Mutex<Reply>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl RangeServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it listens").port();
        let reply = Arc::new(Mutex::new(Reply::Nothing));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (replies, heads) = (Arc::clone(&reply), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (replies, heads) = (Arc::clone(&replies), Arc::clone(&heads));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.expect("a whole request"));
                    }
                    let head = String::from_utf8(head).expect("text");
                    heads
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(head);
                    let reply = replies
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    match reply {
                        Reply::With(status, headers, body) => {
                            let length = body.len();
                            let answer = format!(
                                "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\
                                 Connection: close\r\n\r\n{body}"
                            );
                            // The client may have hung up.
                            let _ = stream.write_all(answer.as_bytes()).await;
                        }
                        Reply::Nothing => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            url: format!("http://localhost:{port}/range/"),
            reply,
            asked,
        }
    }

    fn replies(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The digits that the service is told, and the others.
fn digits(password: &str) -> (String, String) {
    let digest = hex::encode_upper(Sha1::digest(password));
    let (prefix, suffix) = digest.split_at(5);
    (prefix.to_owned(), suffix.to_owned())
}

#[apply(on_both_databases)]
async fn a_service_that_knows_breached_passwords_is_told_five_digits(database: TestDatabase) {
    let server = RangeServer::start().await;
    let flags = ["--breached-passwords-url", &server.url];
    let app = TestApp::with(database, &flags).await;
    let (prefix, suffix) = digits(GOOD);
    let other = "0".repeat(35);
    server.replies(Reply::lines(&[
        format!("{other}:17"),
        format!("{suffix}:3"),
    ]));
    assert_known(&app.register(ADA, GOOD).await);
    let asked = server.asked();
    let [head] = &asked[..] else {
        panic!("it is asked once: {asked:?}");
    };
    assert!(
        head.starts_with(&format!("GET /range/{prefix} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase()
            .contains("\r\nadd-padding: true\r\n"),
        "{head}"
    );
    assert!(!head.to_ascii_uppercase().contains(&suffix[..5]), "{head}");

    server.replies(Reply::lines(&[format!("{}:1", suffix.to_lowercase())]));
    assert_known(&app.register(ADA, GOOD).await);
    // It is asked for the one form of a password.
    let wide = GOOD.replace(' ', "\u{3000}");
    assert_known(&app.register(ADA, &wide).await);
    server.asked();

    // What is refused in any case is asked for nowhere.
    app.register(ADA, "password")
        .await
        .assert_problem(422, "weak-password");
    assert_known(&app.register(ADA, KNOWN[0]).await);
    assert_eq!(server.asked(), Vec::<String>::new());

    // A count of nothing is padding.
    server.replies(Reply::lines(&[
        format!("{suffix}:0"),
        format!("{other}:17"),
    ]));
    let answer = app.register(ADA, GOOD).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(server.asked().len(), 1);

    // A change and a reset ask it too.
    let changed = "kx9 vulkan sirup";
    server.replies(Reply::lines(&[format!("{}:9", digits(changed).1)]));
    let token = app.token(ADA, GOOD).await;
    assert_known(&change(&app, &token, changed).await);
    app.post("/password-reset", &json!({"email": ADA})).await;
    let reset = app.mail.newest_to(ADA, 2).await;
    let body = json!({"token": reset.token(), "new_password": changed});
    assert_known(&app.put("/password-reset", &body).await);
}

#[apply(on_both_databases)]
async fn where_that_service_has_no_answer_passwords_are_taken(database: TestDatabase) {
    let server = RangeServer::start().await;
    let flags = ["--breached-passwords-url", &server.url];
    let app = TestApp::with(database, &flags).await;
    let known = format!("{}:3\r\n", digits(GOOD).1);
    let elsewhere = RangeServer::start().await;
    elsewhere.replies(Reply::With("200 OK", "", known.clone()));
    let location: &'static str = format!("Location: {}00000\r\n", elsewhere.url).leak();
    for (number, reply) in [
        Reply::With("503 Service Unavailable", "", known.clone()),
        Reply::With("302 Found", location, known.clone()),
        Reply::With(
            "200 OK",
            "",
            format!("<html>Sign in to the network</html>\r\n{known}"),
        ),
        Reply::With(
            "200 OK",
            "",
            format!("{}:1\r\n{known}", "0".repeat(2 * 1024 * 1024)),
        ),
        Reply::Nothing,
    ]
    .into_iter()
    .enumerate()
    {
        server.replies(reply);
        let answer = app
            .register(&format!("user{number}@example.com"), GOOD)
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{number}: {answer:?}");
        assert_eq!(server.asked().len(), 1, "{number}");
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
    server.replies(Reply::With("200 OK", "", known));
    assert_known(&app.register(ADA, GOOD).await);
}

#[apply(once)]
async fn the_log_says_once_that_the_service_has_no_answer_and_nothing_of_passwords() {
    // Nobody listens on a port that was given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it listens").port();
    drop(listener);
    let url = format!("http://localhost:{port}/range/");
    let program = Program::start(&[
        ("BIENVENUE_BREACHED_PASSWORDS_URL", &url),
        ("RUST_LOG", "trace"),
    ]);
    let client = reqwest::Client::new();
    for number in 0..3 {
        let body = json!({"email": format!("user{number}@example.com"), "password": GOOD});
        let request = client.post(format!("{}/users", program.url)).json(&body);
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    program.signal("TERM");
    let (status, log) = program.ended();
    assert!(status.success(), "{log}");
    let said = log.matches("the breached-password service does not answer");
    assert_eq!(said.count(), 1, "{log}");
    let (prefix, suffix) = digits(GOOD);
    for secret in [GOOD, &suffix, &format!("range/{prefix}")] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[apply(once)]
async fn an_address_that_no_such_service_can_have_stops_the_start() {
    for url in [
        "http://api.pwnedpasswords.com/range/",
        "https://user:password@example.com/range/",
        "https://example.com/range/?mode=ntlm",
        "ftp://localhost/range/",
    ] {
        let variables = [("BIENVENUE_BREACHED_PASSWORDS_URL", url)];
        let (is_success, _, complaint) = Program::run(&["serve"], &variables);
        assert!(!is_success, "{url}");
        let sentence = "BIENVENUE_BREACHED_PASSWORDS_URL must be an https address";
        assert!(complaint.contains(sentence), "{url}: {complaint}");
        assert!(!complaint.contains("user:password"), "{complaint}");
    }
}

#[apply(on_both_databases)]
async fn what_repeats_itself_is_judged_however_long_it_is(app: TestApp) {
    for text in ["12", "1", "ab", "qwerty", "\u{1f600}", "aA1!"] {
        for times in [8, 15, 20, 40, 200] {
            let password = text.repeat(times);
            let answer = app.register(ADA, &password).await;
            assert_eq!(answer.status.as_u16(), 422, "{password}: {answer:?}");
        }
    }
}
