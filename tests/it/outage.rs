//! The database goes away and comes back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;

use crate::support::{Postgres, Program, TestApp, TestDatabase, on_own_postgres};

/// Within this time every answer comes, whatever the database does.
const PROMISED: Duration = Duration::from_secs(3);

#[apply(on_own_postgres)]
async fn requests_are_refused_in_time_while_postgres_is_down_and_served_when_it_is_back(
    server: Postgres,
) {
    let mut server = server;
    let app = TestApp::with(TestDatabase::at(server.url("postgres")), &[]).await;
    fill_pool(&app).await;
    server.stop();
    assert_unavailable(&app, "down").await;
    server.resume();
    assert_recovers(&app).await;
    app.stop().await;
}

#[apply(on_own_postgres)]
async fn requests_are_refused_in_time_while_postgres_hangs_and_served_when_it_goes_on(
    server: Postgres,
) {
    let app = TestApp::with(TestDatabase::at(server.url("postgres")), &[]).await;
    fill_pool(&app).await;
    server.freeze();
    assert_unavailable(&app, "hung").await;
    server.thaw();
    assert_recovers(&app).await;
    app.stop().await;
}

#[apply(on_own_postgres)]
async fn a_database_that_is_down_at_start_is_waited_for(server: Postgres) {
    let mut server = server;
    server.stop();
    let url = server.url("postgres");
    let program = Program::spawn(&[("DATABASE_URL", &url)]);
    let waiting = tokio::task::spawn_blocking(move || program.wait_for("waiting for the database"));
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
    // From then on everybody is served.
    let rest = (0..20).map(|number| async move {
        let email = format!("after{number}@example.com");
        app.register(&email, "correct horse battery").await
    });
    for answer in join_all(rest).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}
