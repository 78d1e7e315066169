//! What one network can have of what all share: connections, requests being answered, bytes of bodies.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::support::{Answer, Postgres, Program, TestApp, TestDatabase, on_both_databases, once};

/// With so many descriptors there are 72 places for connections.
const DESCRIPTORS: u32 = 200;
const PLACES: usize = 72;

/// Notes of this proxy are believed, and its connections are not limited.
const TRUSTED: &str = "127.0.0.1";

/// Connects from one of the addresses that the machine has for itself, each of which is a network.
async fn connect(url: &str, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("it is this machine's");
    let address = url.trim_start_matches("http://").parse();
    socket
        .connect(address.expect("an address"))
        .await
        .expect("the system takes it")
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream
        .write_all(text.as_bytes())
        .await
        .expect("it takes bytes");
}

/// The status of the next answer; none where the connection is closed without one.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.ok()?;
    let line = str::from_utf8(&line).ok()?;
    line.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// Reads one answer that has a body, whole.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let byte = stream.read_u8().await.expect("it is answered");
        read.push(byte);
    }
    String::from_utf8(read).expect("text")
}

const GREETING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A request that is under way until the last byte of its body is sent.
const BEGUN: &str = "POST /password-reset HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
     Content-Length: 28\r\n\r\n{\"email\": \"ada@example.com\"";

async fn is_served(url: &str, from: [u8; 4]) -> bool {
    let mut stream = connect(url, from).await;
    send(&mut stream, GREETING).await;
    status(&mut stream).await == Some(200)
}

#[apply(once)]
async fn idle_connections_keep_nobody_out_and_requests_that_are_under_way_stay() {
    let program = Program::start_with_descriptors(DESCRIPTORS, &[]);
    let mut begun = connect(&program.url, [127, 0, 0, 9]).await;
    send(&mut begun, BEGUN).await;
    let mut strangers = Vec::new();
    for number in 0..4 * PLACES {
        let [high, low] = u16::try_from(number).expect("few").to_be_bytes();
        let mut stranger = connect(&program.url, [127, 1, high, low]).await;
        // Some say nothing, some half a header, and some have been served.
        match number % 3 {
            0 => {}
            1 => send(&mut stranger, "GET / HTTP/1.1\r\nHo").await,
            _ => {
                send(&mut stranger, GREETING).await;
                assert_eq!(status(&mut stranger).await, Some(200), "{number}");
            }
        }
        strangers.push(stranger);
    }
    for number in 0..20 {
        assert!(is_served(&program.url, [127, 2, 0, number]).await);
    }
    assert!(Program::run(&["health"], &[("BIENVENUE_LISTEN", &program.url[7..])]).0);
    send(&mut begun, "}").await;
    assert_eq!(status(&mut begun).await, Some(202));
}

#[apply(once)]
async fn one_network_has_at_most_half_of_the_connections() {
    let program = Program::start_with_descriptors(DESCRIPTORS, &[]);
    let begin = async |from: [u8; 4], how_many: usize| {
        let mut streams = Vec::new();
        for _ in 0..how_many {
            let mut stream = connect(&program.url, from).await;
            // It may be closed already.
            let _ = stream.write_all(BEGUN.as_bytes()).await;
            streams.push(stream);
        }
        streams
    };
    let count_served = async |streams: Vec<TcpStream>| {
        let finish = streams.into_iter().map(|mut stream| async move {
            let _ = stream.write_all(b"}").await;
            status(&mut stream).await
        });
        let statuses = join_all(finish).await;
        let served = statuses.iter().flatten();
        assert!(served.clone().all(|status| *status == 202), "{statuses:?}");
        served.count()
    };
    let first = begin([127, 0, 0, 2], PLACES).await;
    let second = begin([127, 0, 0, 3], PLACES).await;
    assert!(is_served(&program.url, [127, 0, 0, 4]).await);
    assert_eq!(count_served(first).await, PLACES / 2);
    assert_eq!(count_served(second).await, PLACES / 4);
    // The places of those that have gone are free again.
    assert!(is_served(&program.url, [127, 0, 0, 2]).await);
}

#[apply(once)]
async fn a_network_that_has_its_share_of_connections_takes_the_places_of_its_own_idle_ones() {
    let program = Program::start_with_descriptors(DESCRIPTORS, &[]);
    let mut other = connect(&program.url, [127, 0, 0, 2]).await;
    send(&mut other, GREETING).await;
    answer(&mut other).await;
    let mut own = Vec::new();
    for _ in 0..2 * PLACES {
        let mut stream = connect(&program.url, [127, 0, 0, 3]).await;
        send(&mut stream, GREETING).await;
        answer(&mut stream).await;
        own.push(stream);
    }
    // The other's, which has waited longest of all, is still there, and so is the last.
    for stream in [Some(&mut other), own.last_mut()].into_iter().flatten() {
        send(stream, GREETING).await;
        assert_eq!(status(stream).await, Some(200));
    }
    let oldest = own.first_mut().expect("there are some");
    assert_eq!(oldest.read(&mut [0]).await.ok().unwrap_or(0), 0, "closed");
}

#[apply(once)]
async fn connections_of_a_trusted_proxy_are_not_limited() {
    let settings = [("BIENVENUE_TRUSTED_PROXIES", TRUSTED)];
    let program = Program::start_with_descriptors(DESCRIPTORS, &settings);
    let mut streams = Vec::new();
    for _ in 0..PLACES {
        let mut stream = connect(&program.url, [127, 0, 0, 1]).await;
        send(&mut stream, BEGUN).await;
        streams.push(stream);
    }
    for mut stream in streams {
        send(&mut stream, "}").await;
        assert_eq!(status(&mut stream).await, Some(202));
    }
}

#[apply(once)]
async fn an_idle_connection_is_closed_after_the_keep_alive_and_a_header_has_its_own_time() {
    let program = Program::start(&[("BIENVENUE_KEEP_ALIVE", "1s")]);
    let mut idle = connect(&program.url, [127, 0, 0, 1]).await;
    let mut begun = connect(&program.url, [127, 0, 0, 1]).await;
    for stream in [&mut idle, &mut begun] {
        send(stream, GREETING).await;
        answer(stream).await;
    }
    let (first, second) = GREETING.split_at(20);
    send(&mut begun, first).await;
    assert_eq!(idle.read(&mut [0]).await.expect("it is closed"), 0);
    send(&mut begun, second).await;
    assert_eq!(status(&mut begun).await, Some(200));
    // A header that does not come to an end is given up too.
    let mut never = connect(&program.url, [127, 0, 0, 1]).await;
    send(&mut never, first).await;
    assert_eq!(never.read(&mut [0]).await.expect("it is closed"), 0);
}

#[apply(on_both_databases)]
async fn one_network_has_at_most_half_of_the_room_for_bodies(database: TestDatabase) {
    let app = TestApp::with(database, &["--trusted-proxies", TRUSTED]).await;
    let nearly_sent = async |network: &str| {
        let head = format!(
            "POST /users HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {network}\r\n\
             Content-Type: application/json\r\nContent-Length: 65536\r\n\r\n"
        );
        let mut stream = connect(&app.url, [127, 0, 0, 1]).await;
        let body = vec![b' '; 65535];
        // It may be refused, and closed, before all is sent.
        let _ = stream
            .write_all(&[head.as_bytes(), &body[..]].concat())
            .await;
        stream
    };
    // 8 MiB are 128 such bodies.
    let mut flood = join_all((0..200).map(|_| nearly_sent("203.0.113.7"))).await;
    let mut refused = 0;
    for stream in &mut flood {
        let answered = tokio::time::timeout(std::time::Duration::from_millis(20), status(stream));
        if let Ok(answered) = answered.await {
            assert!(matches!(answered, Some(503) | None), "{answered:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, 200 - 128);
    let register = async |network: &str, email: &str| {
        let request = app.client.post(format!("{}/users", app.url));
        let request = request.header("x-forwarded-for", network);
        let body = json!({"email": email, "password": "correct horse battery"});
        app.send(request.json(&body)).await
    };
    let other = register("2001:db8::1", "other@example.com").await;
    assert_eq!(other.status, StatusCode::CREATED, "{other:?}");
    let mut large = register("203.0.113.7", &"a".repeat(1000)).await;
    large.assert_problem(503, "overloaded");
    assert_eq!(app.get("/health/ready").await.status, StatusCode::OK);
    // What is given up is free again.
    drop(flood);
    while large.status == StatusCode::SERVICE_UNAVAILABLE {
        large = register("203.0.113.7", "own@example.com").await;
    }
    assert_eq!(large.status, StatusCode::CREATED, "{large:?}");
}

#[apply(once)]
async fn one_network_has_at_most_half_of_the_places_for_requests(server: Postgres) {
    let url = server.url("postgres");
    let settings = [
        ("DATABASE_URL", &*url),
        ("BIENVENUE_TRUSTED_PROXIES", TRUSTED),
    ];
    let program = Program::start(&settings);
    let client = reqwest::Client::new();
    server.freeze();
    // Each waits for the database until it is given up, and they come faster than that. There are 1,024 places.
    let ask = async |network: &str| {
        let request = client.post(format!("{}/password-reset", program.url));
        let request = request.header("x-forwarded-for", network);
        let request = request.json(&json!({"email": "ada@example.com"}));
        Answer::to(request).await
    };
    let flood = join_all((0..900).map(|_| ask("203.0.113.7")));
    let others = join_all((0..30).map(|_| ask("2001:db8:1:2::3")));
    let health = client.get(format!("{}/health/live", program.url));
    let (flood, others, health) = tokio::join!(flood, others, health.send());
    server.thaw();
    assert_eq!(health.expect("answers").status(), StatusCode::OK);
    let refused = |answer: &&Answer| answer.body["type"] == "/problems/overloaded";
    assert!(flood.iter().filter(refused).count() > 100);
    for answer in flood.iter().filter(refused) {
        answer.assert_problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(others.iter().filter(refused).count(), 0);
}
