//! What holds for every request, whatever its path.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, Program, TestApp, TestDatabase, on_both_databases, once};

#[apply(on_both_databases)]
async fn a_path_that_is_none_is_a_problem(app: TestApp) {
    for path in [
        "/nothing",
        "/users/",
        "/health",
        "/health/live/",
        "/docs/",
        "/problems/",
        "/openapi",
        "//",
        "/%00",
    ] {
        app.get(path).await.assert_problem(404, "not-found");
    }
}

#[apply(on_both_databases)]
async fn a_method_that_is_none_is_a_problem_that_lists_those_that_are(app: TestApp) {
    for (path, allowed) in [
        ("/", "GET, HEAD"),
        ("/users", "POST"),
        ("/problems/email-taken", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ] {
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            let request = app.client.request(method, format!("{}{path}", app.url));
            let answer = app.send(request).await;
            answer.assert_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), allowed, "{path}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_body_over_64_kib_is_refused_whether_it_is_announced_or_not(app: TestApp) {
    let large = vec![b' '; 64 * 1024 + 1];
    for path in ["/users", "/", "/nothing"] {
        let announced = app.post_raw(path, "application/json", large.clone()).await;
        announced.assert_problem(413, "body-too-large");
        let pieces: Vec<_> = large
            .chunks(1000)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        let chunked = reqwest::Body::wrap_stream(stream::iter(pieces));
        let chunked = app.post_raw(path, "application/json", chunked).await;
        chunked.assert_problem(413, "body-too-large");
    }
    let largest = vec![b' '; 64 * 1024];
    let fits = app.post_raw("/users", "application/json", largest).await;
    fits.assert_problem(400, "malformed-request");
}

#[apply(on_both_databases)]
async fn of_thousands_of_wrong_fields_sixteen_are_told(app: TestApp) {
    let each: Vec<_> = (0..2500).map(|number| format!("\"n{number}\":0")).collect();
    let each = each.join(",");
    for (body, message) in [
        (format!("{{{each}}}"), "is not known here"),
        (format!("{{{each},{each}}}"), "is given more than once"),
    ] {
        let answer = app.post_raw("/users", "application/json", body).await;
        answer.assert_problem(400, "malformed-request");
        let told: Vec<_> = (0..16)
            .map(|number| json!({"field": format!("n{number}"), "message": message}))
            .collect();
        assert_eq!(answer.body["errors"], json!(told));
    }
    // One name a thousand times is one error.
    let body = format!("{{{}}}", vec!["\"email\":\"\""; 1000].join(","));
    let answer = app.post_raw("/users", "application/json", body).await;
    let errors = json!([
        {"field": "email", "message": "is given more than once"},
        {"field": "password", "message": "is missing"},
    ]);
    assert_eq!(answer.body["errors"], errors);
}

#[apply(on_both_databases)]
async fn a_gigabyte_is_refused_without_being_held(database: TestDatabase) {
    let program = Program::start(&[("DATABASE_URL", &database.url)]);
    let client = reqwest::Client::new();
    let url = format!("{}/users", program.url);
    client.get(&program.url).send().await.expect("it answers");
    let before = program.most_memory();
    let piece = bytes::Bytes::from(vec![b' '; 1024 * 1024]);
    for _ in 0..3 {
        let piece = piece.clone();
        let gigabyte = stream::iter(0..1024).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        let chunked = reqwest::Body::wrap_stream(gigabyte);
        let request = client
            .post(&url)
            .header("content-type", "application/json")
            .body(chunked);
        // The connection may be closed before the answer is read: the rest is not wanted.
        if let Ok(answer) = Answer::try_to(request).await {
            answer.assert_problem(413, "body-too-large");
        }
        let announced = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 1073741824\r\n\r\n{";
        let answer = raw(&program.url, announced).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    let grown = program.most_memory() - before;
    assert!(grown < 5 * 1024 * 1024, "grew by {grown} bytes");
}

#[apply(once)]
async fn a_body_that_drips_is_a_problem_of_the_one_who_sends_it() {
    let begun = std::time::Instant::now();
    let program = Program::start(&[]);
    let mut stream = connect(&program.url).await;
    let head = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n";
    stream
        .write_all(head.as_bytes())
        .await
        .expect("it takes bytes");
    let mut answer = [0; 12];
    loop {
        stream.write_all(b" ").await.expect("it takes bytes");
        let next = tokio::time::timeout(Duration::from_secs(3), stream.read_exact(&mut answer));
        if let Ok(read) = next.await {
            read.expect("it answers");
            break;
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    // A body of so little has less time than one of 64 KiB.
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[apply(on_both_databases)]
async fn a_body_that_stops_coming_is_a_problem(app: TestApp) {
    let begun = std::time::Instant::now();
    let answer = raw(
        &app.url,
        "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("/problems/request-timeout"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[apply(on_both_databases)]
async fn requests_that_make_no_sense_harm_nobody(app: TestApp) {
    for request in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /users?%ff=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /problems/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /problems/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET http://elsewhere.example/ HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
    ] {
        let answer = raw_and_close(&app.url, request).await;
        assert!(!answer.starts_with("HTTP/1.1 5"), "{request:?}: {answer}");
    }
    assert_eq!(app.get("/").await.status, StatusCode::OK);
}

#[apply(on_both_databases)]
async fn a_request_id_is_the_callers_if_it_is_harmless_else_a_new_one(app: TestApp) {
    let with_id = |id: &str| {
        app.client
            .get(&app.url)
            .header("x-request-id", id.to_owned())
    };
    let longest = "a".repeat(64);
    for id in ["1", "Job-7_of.9", longest.as_str()] {
        let answer = app.send(with_id(id)).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    let too_long = "a".repeat(65);
    for id in ["", "a b", "a\"b", "é", "{}", too_long.as_str()] {
        let answer = app.send(with_id(id)).await;
        let new = answer.header("x-request-id");
        assert!(uuid::Uuid::parse_str(new).is_ok(), "{id:?} gave {new:?}");
    }
}

#[apply(on_both_databases)]
async fn what_a_browser_must_know_is_in_every_answer(app: TestApp) {
    for path in [
        "/",
        "/health/live",
        "/health/ready",
        "/docs",
        "/docs/start.js",
        "/openapi.json",
        "/problems/not-found",
        "/nothing",
    ] {
        app.get(path).await.assert_conventions();
    }
}

#[apply(on_both_databases)]
async fn where_the_public_url_is_https_every_answer_asks_for_tls(database: TestDatabase) {
    let mut flags = vec!["--public-url", "https://auth.example.com"];
    flags.extend(["--bcrypt-cost", "10"]);
    let local = TestApp::with(TestDatabase::at(database.url.clone()), &[]).await;
    let public = TestApp::with(database, &flags).await;
    for path in ["/", "/nothing", "/docs", "/reset-password", "/users/me"] {
        let answer = public.get(path).await;
        let header = answer.header("strict-transport-security");
        assert_eq!(header, "max-age=31536000", "{path}");
        let answer = local.get(path).await;
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
    }
}

#[apply(once)]
async fn a_public_host_is_warned_of_once_where_no_public_url_is_set() {
    let own = ("BIENVENUE_PUBLIC_URL", "http://localhost:3000");
    for (settings, is_warned) in [(&[][..], true), (&[own][..], false)] {
        let program = Program::start(settings);
        let ask = async |host: &str| {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = raw(&program.url, &request).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        };
        for host in [
            "localhost:8000",
            "app.localhost",
            "127.0.0.1:1",
            "[::1]:8000",
            "192.168.1.7",
            "auth",
            "",
        ] {
            ask(host).await;
        }
        for host in ["auth.example.com", "203.0.113.7:8000", "[2001:db8::7]:80"] {
            ask(host).await;
        }
        program.signal("TERM");
        let (_, log) = program.ended();
        let warnings = log.matches("BIENVENUE_PUBLIC_URL is not set").count();
        assert_eq!(warnings, usize::from(is_warned), "{log}");
        assert_eq!(log.contains("auth.example.com"), is_warned, "{log}");
    }
}

#[apply(on_both_databases)]
async fn head_is_answered_where_get_is(app: TestApp) {
    for path in [
        "/",
        "/health/live",
        "/health/ready",
        "/problems/not-found",
        "/openapi.json",
        "/openapi.yaml",
        "/docs",
    ] {
        let get = app.get(path).await;
        let head = app
            .send(app.client.head(format!("{}{path}", app.url)))
            .await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
        assert!(head.body.is_null());
    }
}

/// Sends bytes, and returns what comes back until the other side closes.
async fn raw(url: &str, request: &str) -> String {
    let mut stream = connect(url).await;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes bytes");
    read(&mut stream).await
}

/// The same, saying that nothing more will come.
async fn raw_and_close(url: &str, request: &str) -> String {
    let mut stream = connect(url).await;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes bytes");
    stream.shutdown().await.expect("closes");
    read(&mut stream).await
}

async fn connect(url: &str) -> TcpStream {
    let address = url.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("it listens")
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let all = stream.read_to_end(&mut answer);
    // A connection may be reset after the answer: what came is what counts.
    let _ = tokio::time::timeout(Duration::from_secs(20), all).await;
    String::from_utf8_lossy(&answer).into_owned()
}
