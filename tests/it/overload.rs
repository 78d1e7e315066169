//! More registrations than can be hashed.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use macro_rules_attribute::apply;
use reqwest::StatusCode;

use crate::support::{TestApp, TestDatabase, on_both_databases};

#[apply(on_both_databases)]
async fn registrations_that_would_wait_too_long_are_turned_away_at_once(database: TestDatabase) {
    // 0.3 s of work each: a hundred are half a minute for a core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let app = TestApp::with(database, &["--bcrypt-cost", "12"]).await;
    let quiet = median_of_root(&app).await;
    let flood = (0..100 * cores).map(|number| {
        let app = &app;
        async move {
            let begun = Instant::now();
            let email = format!("user{number}@example.com");
            let answer = app.register(&email, "correct horse battery").await;
            (answer, begun.elapsed())
        }
    });
    let (answers, busy) = join(join_all(flood), async {
        // Until the crowd is through and the queue is full.
        tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
            .await
            .ok();
        median_of_root(&app).await
    })
    .await;
    assert!(
        busy < 10 * quiet + Duration::from_millis(5),
        "{busy:?}, quiet {quiet:?}"
    );
    let (made, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|(answer, _)| answer.status == StatusCode::CREATED);
    assert!(
        made.len() >= 2 && refused.len() > 50 * cores,
        "{} made",
        made.len()
    );
    for (answer, _) in &refused {
        answer.assert_problem(503, "overloaded");
    }
    // At once, and not when the queue is empty again: the slowest of them before most are served.
    let slowest_refused = refused.iter().map(|(_, took)| *took).max();
    let slowest_made = made.iter().map(|(_, took)| *took).max();
    assert!(
        slowest_refused < slowest_made.map(|took| took / 2),
        "{slowest_refused:?} {slowest_made:?}"
    );
    // Those who come when it is over are served.
    let later = app
        .register("later@example.com", "correct horse battery")
        .await;
    assert_eq!(later.status, StatusCode::CREATED, "{later:?}");
}

/// How long the root takes to answer.
async fn median_of_root(app: &TestApp) -> Duration {
    let mut times = Vec::new();
    for _ in 0..101 {
        let begun = Instant::now();
        assert_eq!(app.get("/").await.status, StatusCode::OK);
        times.push(begun.elapsed());
    }
    times.sort();
    times[50]
}
