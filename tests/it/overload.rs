//! More registrations than can be hashed.

use std::time::{Duration, Instant};

use futures_util::{
    StreamExt as _,
    future::{join, join_all},
    stream::FuturesUnordered,
};
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{Answer, TestApp, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const HOME: &str = "192.0.2.1";

/// Where requests come from by way of a proxy.
const BEHIND_A_PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

/// Signs in from a network.
async fn sign_in(app: &TestApp, from: &str, email: &str) -> Answer {
    let request = app.client.post(format!("{}/sessions", app.url));
    let body = json!({"email": email, "password": PASSWORD});
    app.send(request.header("x-forwarded-for", from).json(&body))
        .await
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[apply(on_both_databases)]
async fn registrations_that_would_wait_too_long_are_turned_away_at_once(database: TestDatabase) {
    // 0.3 s of work each, several at once: three hundred are half a minute for a core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let flags = ["--bcrypt-cost", "12", "--trusted-proxies", "127.0.0.1"];
    let app = TestApp::with(database, &flags).await;
    let quiet = median_of_root(&app).await;
    let flood = (0..300 * cores).map(|number| {
        let app = &app;
        async move {
            let begun = Instant::now();
            let email = format!("user{number}@example.com");
            let body = json!({"email": email, "password": "correct horse battery"});
            // A network alone would not get so many places.
            let network = format!("10.0.0.{}", number % 4);
            let request = app.client.post(format!("{}/users", app.url));
            let request = request.header("x-forwarded-for", network);
            let answer = app.send(request.json(&body)).await;
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

#[apply(on_both_databases)]
async fn networks_that_flood_are_turned_away_and_others_are_served(database: TestDatabase) {
    let one = |_: usize| "198.51.100.1".to_owned();
    let three = |number: usize| format!("198.51.100.{}", number % 3);
    // A customer's block has very many, and is one all the same.
    let block = |number: usize| format!("2001:db8:7:{number:x}::1");
    for network in [&one as &dyn Fn(usize) -> String, &three, &block] {
        let url = TestDatabase::at(database.url.clone());
        let mut flags = BEHIND_A_PROXY.to_vec();
        flags.extend(["--bcrypt-cost", "13", "--hashing-lanes", "1"]);
        let app = TestApp::with(url, &flags).await;
        let is_full = Notify::new();
        let flood = (0..40 * cores()).map(|number| {
            let (app, is_full) = (&app, &is_full);
            async move {
                let from = network(number);
                let email = format!("user{number}@example.com");
                let answer = sign_in(app, &from, &email).await;
                if answer.body["type"] == "/problems/overloaded" {
                    is_full.notify_one();
                }
            }
        });
        let story = async {
            is_full.notified().await;
            let other = sign_in(&app, HOME, ADA).await;
            other.assert_problem(401, "invalid-credentials");
            // Others were served while there was still much to do.
            assert!(app.auth.hashing_counters().queued > 0);
        };
        tokio::select! {
            _ = join_all(flood) => panic!("there was no flood"),
            () = story => {}
        }
        app.stop().await;
    }
}

#[apply(on_both_databases)]
async fn a_rate_limited_guess_takes_no_place_in_the_queue(database: TestDatabase) {
    let url = TestDatabase::at(database.url.clone());
    let fast = TestApp::limited(url, &BEHIND_A_PROXY).await;
    for _ in 0..5 {
        let refused = sign_in(&fast, HOME, ADA).await;
        refused.assert_problem(401, "invalid-credentials");
    }
    fast.stop().await;
    // A hash takes seconds: there are few places.
    let flags = [BEHIND_A_PROXY, ["--bcrypt-cost", "15"]].concat();
    let slow = TestApp::limited(database, &flags).await;
    let guesses = (0..40 * cores()).map(|_| sign_in(&slow, HOME, ADA));
    for answer in join_all(guesses).await {
        answer.assert_problem(429, "too-many-requests");
    }
}

#[apply(on_both_databases)]
async fn a_guess_that_was_counted_and_finds_no_place_is_given_back(database: TestDatabase) {
    // A hash takes seconds: there are few places, and all who come at once see that some are free.
    let flags = [BEHIND_A_PROXY, ["--bcrypt-cost", "15"]].concat();
    let app = TestApp::limited(database, &flags).await;
    let all = 30 * cores();
    let mut guesses: FuturesUnordered<_> = (0..all)
        .map(|number| {
            let (app, email) = (&app, format!("user{number}@example.com"));
            async move { sign_in(app, HOME, &email).await }
        })
        .collect();
    let (mut answered, mut turned_away) = (0, 0);
    let hashing = || {
        let counters = app.auth.hashing_counters();
        usize::try_from(counters.queued + counters.running).expect("few")
    };
    // Until all are answered but those that have a place.
    while answered == 0 || answered + hashing() < all {
        let answer = guesses.next().await.expect("not all are answered");
        answered += 1;
        turned_away += usize::from(answer.body["type"] == "/problems/overloaded");
    }
    assert!(turned_away > 0);
    let counted = "SELECT CAST(COUNT(*) AS TEXT) FROM throttles WHERE account IS NOT NULL";
    let counted = app.database.sql(counted).await;
    // One of its network and one of all strangers each.
    assert_eq!(counted, Some((2 * (all - turned_away)).to_string()));
}

#[apply(on_both_databases)]
async fn who_has_gone_gives_up_the_place_and_the_lane(database: TestDatabase) {
    // A hash takes a third of a second: nobody is done before they are gone.
    let app = TestApp::with(database, &["--bcrypt-cost", "12"]).await;
    let going = (0..30).map(|number| {
        let email = format!("user{number}@example.com");
        let app = &app;
        async move { app.sign_in(&email, "correct horse battery").await }
    });
    let all = join_all(going);
    let begun = async {
        while app.auth.hashing_counters().running == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = all => panic!("they are done"),
        () = begun => {}
    }
    let left = || {
        let counters = app.auth.hashing_counters();
        counters.running + counters.queued
    };
    while left() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(app.auth.hashing_counters().done < 30);
    // The next is served as if they had never been there.
    let next = app.sign_in("ada@example.com", "correct horse battery");
    next.await.assert_problem(401, "invalid-credentials");
}

#[apply(on_both_databases)]
async fn however_many_lanes_there_are_sign_ins_at_once_are_all_judged_rightly(
    database: TestDatabase,
) {
    for lanes in ["1", "3", "8"] {
        let url = TestDatabase::at(database.url.clone());
        let flags = ["--hashing-lanes", lanes, "--bcrypt-cost", "6"];
        let app = TestApp::with(url, &flags).await;
        let email = format!("lanes{lanes}@example.com");
        app.register(&email, "correct horse battery").await;
        let sign_ins = (0..40).map(|number| {
            let (app, email) = (&app, &email);
            let password = if number % 2 == 0 {
                "correct horse battery"
            } else {
                "incorrect donkey charger"
            };
            async move { app.sign_in(email, password).await }
        });
        for (number, answer) in join_all(sign_ins).await.into_iter().enumerate() {
            let status = if number % 2 == 0 { 201 } else { 401 };
            assert_eq!(answer.status, status, "{lanes}: {answer:?}");
        }
        let counters = app.auth.hashing_counters();
        assert_eq!((counters.queued, counters.running), (0, 0));
        assert_eq!(counters.done, 41);
        app.stop().await;
    }
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
