//! The database goes away and comes back.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, Database, TransactionTrait as _};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::support::{Answer, PgBouncer, Postgres, Program, TestApp, TestDatabase, once};

/// Within this time every answer comes, whatever the database does.
const PROMISED: Duration = Duration::from_secs(3);

#[apply(once)]
async fn requests_are_refused_in_time_while_postgres_is_down_and_served_when_it_is_back(
    server: Postgres,
) {
    let mut server = server;
    let app = TestApp::with(TestDatabase::at(server.url("postgres")), &[]).await;
    app.register("ada@example.com", "correct horse battery")
        .await;
    let token = app.token("ada@example.com", "correct horse battery").await;
    fill_pool(&app).await;
    server.stop();
    assert_unavailable(&app, "down").await;
    let checked = app.get_as(&token, "/sessions/current").await;
    checked.assert_problem(503, "database-unavailable");
    let signed_in = app
        .sign_in("ada@example.com", "correct horse battery")
        .await;
    signed_in.assert_problem(503, "database-unavailable");
    // What can be no token is one without a look at the database.
    let mistyped = token.replacen("session_", "session_-", 1);
    assert!(!app.opens(&mistyped[..token.len()]).await);
    server.resume();
    assert_recovers(&app).await;
    assert!(app.opens(&token).await);
    app.stop().await;
}

#[apply(once)]
async fn requests_are_refused_in_time_while_postgres_hangs_and_served_when_it_goes_on(
    server: Postgres,
) {
    // At this cost passwords queue: nobody may wait for a hash first and for the database then.
    let database = TestDatabase::at(server.url("postgres"));
    let app = TestApp::with(database, &["--bcrypt-cost", "11"]).await;
    fill_pool(&app).await;
    server.freeze();
    assert_unavailable(&app, "hung").await;
    server.thaw();
    assert_recovers(&app).await;
    app.stop().await;
}

#[apply(once)]
async fn connections_that_go_silent_are_replaced(server: Postgres) {
    let mut proxy = Proxy::start(server.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
    let app = TestApp::with(TestDatabase::at(url), &[]).await;
    fill_pool(&app).await;
    // Those that there are hear nothing more; new ones are served.
    proxy.silence();
    let answers = join_all((0..20).map(|_| app.get("/health/ready"))).await;
    let refused = answers
        .iter()
        .find(|answer| answer.status != StatusCode::OK);
    refused
        .expect("there was an outage")
        .assert_problem(503, "database-unavailable");
    assert_recovers(&app).await;
    app.stop().await;
}

#[apply(once)]
async fn a_table_that_is_locked_holds_up_nothing_but_what_needs_it(server: Postgres) {
    let app = TestApp::with(TestDatabase::at(server.url("postgres")), &[]).await;
    let other = Database::connect(server.url("postgres"))
        .await
        .expect("connects");
    let locked = other.begin().await.expect("begins");
    locked
        .execute_unprepared("LOCK TABLE users")
        .await
        .expect("locks");
    let writes = (0..40).map(|number| {
        let app = &app;
        async move {
            let begun = Instant::now();
            let email = format!("user{number}@example.com");
            let answer = app.register(&email, "correct horse battery").await;
            (answer, begun.elapsed())
        }
    });
    for (answer, took) in join_all(writes).await {
        answer.assert_problem(503, "database-unavailable");
        assert!(took < PROMISED, "{took:?}");
    }
    // The server has given up too: no statement is left that holds a connection.
    assert_eq!(app.get("/health/ready").await.status, StatusCode::OK);
    locked.rollback().await.expect("unlocks");
    assert_recovers(&app).await;
    app.stop().await;
}

#[apply(once)]
async fn a_database_that_is_slow_holds_nobody_up_for_long(server: Postgres) {
    let proxy = Proxy::start(server.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
    let app = TestApp::with(TestDatabase::at(url), &[]).await;
    let (email, password) = ("ada@example.com", "correct horse battery");
    app.register(email, password).await;
    fill_pool(&app).await;
    // Each question is answered, but only just.
    proxy.slow_down(800);
    let begun = Instant::now();
    let refused = app.sign_in(email, password).await;
    refused.assert_problem(503, "database-unavailable");
    assert!(begun.elapsed() < Duration::from_secs(5));
    proxy.slow_down(0);
    assert_recovers(&app).await;
    let signed_in = app.sign_in(email, password).await;
    assert_eq!(signed_in.status, StatusCode::CREATED, "{signed_in:?}");
    app.stop().await;
}

#[apply(once)]
async fn more_requests_than_can_be_answered_at_once_are_refused(server: Postgres) {
    let url = server.url("postgres");
    let program = Program::start(&[("DATABASE_URL", &url)]);
    // One address alone would not get so many places.
    let clients = [1, 2, 3, 4].map(|number| {
        let client = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, number]));
        client.build().expect("a client")
    });
    server.freeze();
    // Each waits for the database until it is given up, and they come faster than that.
    let ask = async |number: usize| {
        let client = &clients[number % clients.len()];
        let request = client.post(format!("{}/password-reset", program.url));
        let request = request.json(&json!({"email": "ada@example.com"}));
        Answer::to(request).await
    };
    let answers = join_all((0..1500).map(&ask)).await;
    server.thaw();
    let (refused, waited): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.body["type"] == "/problems/overloaded");
    assert!(refused.len() > 100, "{} of 1500", refused.len());
    for answer in refused {
        answer.assert_problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
    }
    for answer in waited {
        answer.assert_problem(503, "database-unavailable");
    }
}

#[apply(once)]
async fn a_server_that_turned_read_only_is_left_for_one_that_takes_changes(
    server: Postgres,
    other: Postgres,
) {
    const READ_ONLY: &str = "ALTER SYSTEM SET default_transaction_read_only = on";
    for server in [&other, &server] {
        let app = TestApp::with(TestDatabase::at(server.url("postgres")), &[]).await;
        app.stop().await;
    }
    let proxy = Proxy::start(server.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
    let app = TestApp::with(TestDatabase::at(url), &[]).await;
    app.register("bob@example.com", "correct horse battery")
        .await;
    let token = app.token("bob@example.com", "correct horse battery").await;
    fill_pool(&app).await;
    let admin = Database::connect(server.url("postgres"))
        .await
        .expect("connects");
    for sql in [READ_ONLY, "SELECT pg_reload_conf()"] {
        admin.execute_unprepared(sql).await.expect("SQL is right");
    }
    // Each process of the server hears of it when it is next asked something.
    let heard = "SHOW transaction_read_only";
    while TestDatabase::at(server.url("postgres"))
        .sql(heard)
        .await
        .as_deref()
        != Some("on")
    {}
    tokio::task::yield_now().await;
    let ready = join_all((0..20).map(|_| app.get("/health/ready"))).await;
    for answer in ready {
        answer.assert_problem(503, "database-unavailable");
    }
    let written = app
        .register("ada@example.com", "correct horse battery")
        .await;
    written.assert_problem(503, "database-unavailable");
    assert_eq!(app.get("/health/live").await.status, StatusCode::OK);
    // The old server stays up, and keeps the connections that it has. Some of them are busy while the other server takes
    // the first change, and are not used again afterwards.
    let locked = admin.begin().await.expect("begins");
    for sql in ["SET TRANSACTION READ WRITE", "LOCK TABLE sessions"] {
        locked.execute_unprepared(sql).await.expect("SQL is right");
    }
    let busy = join_all((0..5).map(|_| app.get_as(&token, "/users/me")));
    let recovers = async {
        let waiting = TestDatabase::at(server.url("postgres"));
        let count = "SELECT count(*)::text FROM pg_locks WHERE NOT granted";
        while waiting.sql(count).await.as_deref() != Some("5") {}
        proxy.lead_to(other.port());
        assert_comes_back(&app).await;
        locked.rollback().await.expect("unlocks");
    };
    let (busy, ()) = tokio::join!(busy, recovers);
    for answer in busy {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_serves_everybody(&app).await;
    let ready = join_all((0..20).map(|_| app.get("/health/ready"))).await;
    assert!(
        ready.iter().all(|answer| answer.status == StatusCode::OK),
        "{ready:?}"
    );
    app.stop().await;
}

#[apply(once)]
async fn a_pooler_that_keeps_sessions_apart_can_stand_in_front(
    server: Postgres,
    mut pooler: PgBouncer,
) {
    pooler.start(&server, "session");
    let app = TestApp::with(TestDatabase::at(pooler.url.clone()), &[]).await;
    fill_pool(&app).await;
    assert_recovers(&app).await;
    let token = app
        .token("back0@example.com", "correct horse battery")
        .await;
    assert!(app.opens(&token).await);
    // Nothing else is to wait for the lock below.
    let direct = TestDatabase::at(server.url("postgres"));
    let letters = "SELECT 'one' FROM outgoing_mails WHERE finished_at IS NULL";
    while direct.sql(letters).await.is_some() {
        tokio::task::yield_now().await;
    }
    // The limit of a statement is there too.
    let other = Database::connect(server.url("postgres"))
        .await
        .expect("connects");
    let locked = other.begin().await.expect("begins");
    locked
        .execute_unprepared("LOCK TABLE users")
        .await
        .expect("locks");
    let email = "late@example.com";
    let refused = app.register(email, "correct horse battery").await;
    refused.assert_problem(503, "database-unavailable");
    let waiting = "SELECT 'waits' FROM pg_locks WHERE NOT granted";
    assert_eq!(direct.sql(waiting).await, None);
    locked.rollback().await.expect("unlocks");
    app.stop().await;
}

#[apply(once)]
async fn a_pooler_that_shares_sessions_is_refused_with_the_mend(
    server: Postgres,
    mut pooler: PgBouncer,
) {
    for mode in ["transaction", "statement"] {
        pooler.start(&server, mode);
        for action in [&["serve"][..], &["migrate", "up"]] {
            let (succeeded, _, log) = Program::run(action, &[("DATABASE_URL", &pooler.url)]);
            assert!(!succeeded, "{mode}");
            assert!(
                log.contains(
                    "shares its connections between clients, for a transaction or a \
                     statement at a time: set the pooler to session mode (PgBouncer: pool_mode=session)"
                ),
                "{mode}: {log}"
            );
        }
    }
    let made =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(
        TestDatabase::at(server.url("postgres")).sql(made).await,
        None
    );
}

#[apply(once)]
async fn a_database_that_does_not_come_is_given_up_after_half_a_minute() {
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!(
        "postgres://nobody:secret@{}/x",
        closed.expect("a free port")
    );
    let begun = Instant::now();
    let (succeeded, _, log) = Program::run(&["serve"], &[("DATABASE_URL", &url)]);
    assert!(
        !succeeded && log.contains("the database is not available"),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
    let took = begun.elapsed().as_secs();
    assert!((29..40).contains(&took), "{took} s");
}

#[apply(once)]
async fn a_database_that_is_down_at_start_is_waited_for(server: Postgres) {
    let mut server = server;
    server.stop();
    let url = server.url("postgres");
    let program = Program::spawn(&[("DATABASE_URL", &url)]);
    let waiting = tokio::task::spawn_blocking(move || program.wait_for("waiting for PostgreSQL"));
    let program = waiting.await.expect("it waits");
    server.resume();
    let program = tokio::task::spawn_blocking(move || program.wait())
        .await
        .expect("it starts");
    let answer = reqwest::get(format!("{}/health/ready", program.url))
        .await
        .expect("answers");
    assert_eq!(answer.status(), StatusCode::OK);
}

/// A way to the server that can lose what passes through it.
struct Proxy {
    port: u16,
    /// The port of the server that new connections go to.
    server: Arc<AtomicU16>,
    generation: watch::Sender<u32>,
    /// How long it holds up each question, in milliseconds.
    delay: Arc<AtomicU64>,
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (generation, current) = watch::channel(0);
        let delay = Arc::new(AtomicU64::new(0));
        let delay_of_each = Arc::clone(&delay);
        let server = Arc::new(AtomicU16::new(server));
        let server_of_each = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut current = current.clone();
                let delay = Arc::clone(&delay_of_each);
                let server = server_of_each.load(Ordering::SeqCst);
                current.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server))
                        .await
                        .expect("it is up");
                    tokio::select! {
                        () = pass(&mut client, &mut server, &delay) => {}
                        // Both sides stay open, and hear nothing.
                        _ = current.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            port,
            server,
            generation,
            delay,
        }
    }

    fn slow_down(&self, milliseconds: u64) {
        self.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Leads new connections to another server. Those that there are stay where they are.
    fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    fn silence(&mut self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

/// Passes on what both sides say, questions with a delay, until one has nothing more to say.
async fn pass(client: &mut TcpStream, server: &mut TcpStream, delay: &AtomicU64) {
    let (mut questions, mut to_client) = client.split();
    let (mut answers, mut to_server) = server.split();
    let forth = async {
        let mut piece = [0; 8192];
        while let Ok(length @ 1..) = questions.read(&mut piece).await {
            let delay = Duration::from_millis(delay.load(Ordering::SeqCst));
            let _: Result<(), _> = timeout(delay, std::future::pending()).await;
            if to_server.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = forth => {}
        _ = copy(&mut answers, &mut to_client) => {}
    }
}

/// Opens as many connections to the database as there can be.
async fn fill_pool(app: &TestApp) {
    let answers = join_all((0..40).map(|_| app.get("/health/ready"))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
}

async fn assert_unavailable(app: &TestApp, how: &str) {
    for round in 0..2 {
        let begun = Instant::now();
        let writes = (0..20).map(|number| async move {
            let email = format!("{how}{round}.{number}@example.com");
            (
                app.register(&email, "correct horse battery").await,
                begun.elapsed(),
            )
        });
        let reads = (0..20).map(|_| async { (app.get("/health/ready").await, begun.elapsed()) });
        let (writes, reads) = tokio::join!(join_all(writes), join_all(reads));
        for (answer, took) in writes.into_iter().chain(reads) {
            answer.assert_problem(503, "database-unavailable");
            assert!(took < PROMISED, "{took:?}");
        }
        assert_eq!(app.get("/").await.status, StatusCode::OK);
        assert_eq!(app.get("/health/live").await.status, StatusCode::OK);
    }
}

async fn assert_recovers(app: &TestApp) {
    assert_comes_back(app).await;
    assert_serves_everybody(app).await;
}

async fn assert_comes_back(app: &TestApp) {
    let begun = Instant::now();
    let mut number = 0;
    loop {
        let email = format!("back{number}@example.com");
        let answer = app.register(&email, "correct horse battery").await;
        if answer.status == StatusCode::CREATED {
            break;
        }
        answer.assert_problem(503, "database-unavailable");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it does not recover"
        );
        number += 1;
    }
}

async fn assert_serves_everybody(app: &TestApp) {
    let rest = (0..20).map(|number| async move {
        let email = format!("after{number}@example.com");
        app.register(&email, "correct horse battery").await
    });
    for answer in join_all(rest).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}
