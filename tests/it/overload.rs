//! More registrations than can be hashed.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use macro_rules_attribute::apply;
use reqwest::StatusCode;

use crate::support::{TestApp, TestDatabase, on_both_databases};

#[apply(on_both_databases)]
async fn registrations_that_would_wait_too_long_are_turned_away_at_once(database: TestDatabase) {
    // 0.3 s of work each: 200 of them are half a minute for two cores.
    let app = TestApp::with(database, &["--bcrypt-cost", "12"]).await;
    let flood = (0..200).map(|number| {
        let app = &app;
        async move {
            let begun = Instant::now();
            let email = format!("user{number}@example.com");
            let answer = app.register(&email, "correct horse battery").await;
            (answer, begun.elapsed())
        }
    });
    let others = async {
        for _ in 0..100 {
            assert_eq!(app.get("/").await.status, StatusCode::OK);
        }
        Instant::now()
    };
    let begun = Instant::now();
    let (answers, others_done) = join(join_all(flood), others).await;
    let flood_took = begun.elapsed();
    assert!(
        others_done - begun < flood_took,
        "others waited for the flood to end"
    );
    let mut made = 0;
    let mut refused = 0;
    for (answer, took) in answers {
        if answer.status == StatusCode::CREATED {
            made += 1;
        } else {
            answer.assert_problem(503, "overloaded");
            refused += 1;
            assert!(took < Duration::from_secs(4), "{took:?}");
        }
    }
    assert!(made >= 2 && refused > 50, "{made} made, {refused} refused");
    // Those who come when it is over are served.
    let later = app
        .register("later@example.com", "correct horse battery")
        .await;
    assert_eq!(later.status, StatusCode::CREATED, "{later:?}");
}
