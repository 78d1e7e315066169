//! How often something may be tried, by whom and on whom.

use std::collections::BTreeMap;

use bienvenue::auth::{SignInError, Unavailable};
use chrono::TimeDelta;
use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, Program, TestApp, TestDatabase, on_both_databases, once};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "incorrect donkey charger";
const HOME: &str = "192.0.2.1";

async fn throttled(database: TestDatabase) -> TestApp {
    throttled_with(database, &[]).await
}

async fn throttled_with(database: TestDatabase, flags: &[&str]) -> TestApp {
    let flags = [&["--trusted-proxies", "127.0.0.0/8"], flags].concat();
    TestApp::limited(database, &flags).await
}

/// Sends a request by way of a proxy.
async fn send(app: &TestApp, from: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = app.client.request(method, format!("{}{path}", app.url));
    app.send(request.header("x-forwarded-for", from).json(body))
        .await
}

async fn sign_in(app: &TestApp, from: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password, "delivery": "token"});
    send(app, from, Method::POST, "/sessions", &body).await
}

async fn register(app: &TestApp, from: &str, email: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD});
    send(app, from, Method::POST, "/users", &body).await
}

/// The same address in another spelling.
fn spelt_otherwise(email: &str) -> String {
    format!(" {} ", email.to_uppercase())
}

#[track_caller]
fn assert_too_many(answer: &Answer, seconds: i64) {
    answer.assert_problem(429, "too-many-requests");
    assert_eq!(answer.header("retry-after"), seconds.to_string());
}

#[apply(on_both_databases)]
async fn from_the_fifth_failure_on_each_waits_twice_as_long_account_or_not(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for email in [ADA, "nobody@example.com"] {
        let mut from = 0;
        let mut guess = async |spelling: &str| {
            // Neither another address nor another spelling helps.
            from += 1;
            sign_in(&app, &format!("198.51.100.{from}"), spelling, WRONG).await
        };
        for _ in 0..5 {
            guess(email)
                .await
                .assert_problem(401, "invalid-credentials");
        }
        for doubling in 0..12 {
            let wait = (1 << doubling).min(900);
            assert_too_many(&guess(&spelt_otherwise(email)).await, wait);
            app.clock.advance(TimeDelta::seconds(wait - 1));
            assert_too_many(&guess(email).await, 1);
            app.clock.advance(TimeDelta::seconds(1));
            guess(email)
                .await
                .assert_problem(401, "invalid-credentials");
        }
    }
}

#[apply(on_both_databases)]
async fn strangers_have_a_hundred_guesses_together_and_lock_the_owner_out_of_nothing(
    database: TestDatabase,
) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
    let session = owner.body["token"].as_str().expect("a token").to_owned();
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for guess in 0..150 {
        let from = format!("198.51.{}.7", guess % 40);
        let answer = sign_in(&app, &from, ADA, WRONG).await;
        *answers.entry(answer.status.as_u16()).or_default() += 1;
        app.clock.advance(TimeDelta::minutes(15));
    }
    assert_eq!(answers, BTreeMap::from([(401, 100), (429, 50)]));
    let locked = sign_in(&app, "198.51.100.1", ADA, PASSWORD).await;
    assert_too_many(&locked, 24 * 60 * 60);
    // Whoever is signed in stays so, and the owner signs in from home.
    assert!(app.opens(&session).await);
    let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
    assert_eq!(owner.status, StatusCode::CREATED, "{owner:?}");
    // That helps no stranger; a reset does.
    let locked = sign_in(&app, "198.51.100.1", ADA, PASSWORD).await;
    assert_too_many(&locked, 24 * 60 * 60);
    let asked = json!({"email": ADA});
    let asked = send(
        &app,
        "198.51.100.1",
        Method::POST,
        "/password-reset",
        &asked,
    )
    .await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let reset = loop {
        let mut mails = app.mail.mails().into_iter();
        if let Some(mail) = mails.find(|mail| mail.subject == "Choose a new password for Bienvenue")
        {
            break mail.token().to_owned();
        }
        tokio::task::yield_now().await;
    };
    let body = json!({"token": reset, "new_password": PASSWORD});
    let done = send(&app, "198.51.100.1", Method::PUT, "/password-reset", &body).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    // The strangers go on: whoever used the letter is none of them.
    for stranger in 0..5 {
        let from = format!("198.51.101.{stranger}");
        let refused = sign_in(&app, &from, ADA, WRONG).await;
        refused.assert_problem(401, "invalid-credentials");
    }
    assert_too_many(&sign_in(&app, "198.51.102.1", ADA, PASSWORD).await, 1);
    let in_again = sign_in(&app, "198.51.100.1", ADA, PASSWORD).await;
    assert_eq!(in_again.status, StatusCode::CREATED, "{in_again:?}");
}

#[apply(on_both_databases)]
async fn of_guesses_at_the_same_moment_from_one_address_thirty_are_answered(
    database: TestDatabase,
) {
    let app = throttled(database).await;
    register(&app, "198.51.100.9", ADA).await;
    let guesses = (0..100).map(|number| {
        let (app, email) = (&app, format!("user{number}@example.com"));
        async move { sign_in(app, "198.51.100.7", &email, WRONG).await.status }
    });
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for status in join_all(guesses).await {
        *answers.entry(status.as_u16()).or_default() += 1;
    }
    assert_eq!(answers, BTreeMap::from([(401, 30), (429, 70)]));
    assert_too_many(&sign_in(&app, "198.51.100.7", ADA, PASSWORD).await, 600);
    let elsewhere = sign_in(&app, "198.51.100.8", ADA, PASSWORD).await;
    assert_eq!(elsewhere.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn whoever_hangs_up_before_the_answer_has_guessed_all_the_same(database: TestDatabase) {
    // A hash takes seconds: nobody is done before they are gone.
    let app = throttled_with(database, &["--bcrypt-cost", "15"]).await;
    let begun = async || {
        while app.auth.hashing_counters().running == 0 {
            tokio::task::yield_now().await;
        }
    };
    for number in 0..30 {
        let email = format!("user{number}@example.com");
        tokio::select! {
            answer = sign_in(&app, HOME, &email, WRONG) => panic!("{answer:?}"),
            () = begun() => {}
        }
        while app.auth.hashing_counters().running > 0 {
            tokio::task::yield_now().await;
        }
    }
    let counted = "SELECT 'one' FROM throttles WHERE account IS NULL AND tries = 30";
    while app.database.sql(counted).await.is_none() {
        tokio::task::yield_now().await;
    }
    let refused = sign_in(&app, HOME, "other@example.com", WRONG).await;
    assert_too_many(&refused, 600);
}

#[apply(on_both_databases)]
async fn a_clock_that_was_ahead_locks_nobody_out(database: TestDatabase) {
    let app = throttled(database).await;
    app.clock.advance(TimeDelta::days(365));
    for _ in 0..5 {
        sign_in(&app, HOME, ADA, WRONG).await;
    }
    assert_too_many(&sign_in(&app, HOME, ADA, WRONG).await, 1);
    for number in 0..25 {
        let email = format!("user{number}@example.com");
        sign_in(&app, HOME, &email, WRONG).await;
        register(&app, HOME, &email).await;
    }
    let elsewhere = sign_in(&app, HOME, "elsewhere@example.com", WRONG).await;
    assert_too_many(&elsewhere, 600);
    assert_too_many(&register(&app, HOME, "elsewhere@example.com").await, 3600);
    app.clock.advance(TimeDelta::days(-365));
    let refused = sign_in(&app, HOME, ADA, WRONG).await;
    refused.assert_problem(401, "invalid-credentials");
    let made = register(&app, HOME, "elsewhere@example.com").await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

#[apply(on_both_databases)]
async fn guesses_at_the_same_moment_don_t_slip_past_on_whichever_replica(database: TestDatabase) {
    let url = database.url.clone();
    let app = throttled(database).await;
    let replica = throttled(TestDatabase::at(url)).await;
    register(&app, HOME, ADA).await;
    let guesses = (0..100).map(|number| {
        let app = if number % 2 == 0 { &app } else { &replica };
        let from = format!("198.51.100.{number}");
        async move { sign_in(app, &from, ADA, WRONG).await }
    });
    let answers = join_all(guesses).await;
    let judged = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNAUTHORIZED);
    assert_eq!(judged.count(), 5);
    // Nor after a restart.
    app.stop().await;
    assert_too_many(&sign_in(&replica, HOME, ADA, WRONG).await, 1);
}

#[apply(on_both_databases)]
async fn every_path_that_checks_a_password_counts_its_guesses(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let verification = app.mail.newest_to(ADA, 1).await.token().to_owned();
    let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
    let session = owner.body["token"].as_str().expect("a token").to_owned();
    let thief = "198.51.100.66";
    let ways = [
        (
            "/users/me/password",
            json!({"current_password": WRONG, "new_password": PASSWORD}),
        ),
        (
            "/users/me/email",
            json!({"email": "eve@example.com", "password": WRONG}),
        ),
        (
            "/email-verification",
            json!({"token": verification, "password": WRONG}),
        ),
    ];
    let guess = async |way: usize| {
        let (path, body) = &ways[way % ways.len()];
        let request = app.request(Method::PUT, path, &session);
        let request = request.header("x-forwarded-for", thief).json(body);
        app.send(request).await
    };
    for way in 0..5 {
        guess(way).await.assert_problem(403, "wrong-password");
    }
    for way in 5..8 {
        assert_too_many(&guess(way).await, 1);
    }
    assert_too_many(&sign_in(&app, thief, ADA, PASSWORD).await, 1);
}

#[apply(on_both_databases)]
async fn a_right_password_begins_the_count_anew(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for _ in 0..5 {
        for _ in 0..4 {
            sign_in(&app, HOME, ADA, WRONG)
                .await
                .assert_problem(401, "invalid-credentials");
        }
        let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
        assert_eq!(owner.status, StatusCode::CREATED, "{owner:?}");
    }
}

#[apply(on_both_databases)]
async fn one_address_that_tries_many_accounts_is_stopped_and_others_are_not(
    database: TestDatabase,
) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    register(&app, HOME, "bob@example.com").await;
    // Ada has signed in from the address before, Bob has not.
    let office = "2001:db8:7::1";
    let in_office = sign_in(&app, office, ADA, PASSWORD).await;
    assert_eq!(in_office.status, StatusCode::CREATED);
    for number in 0..30 {
        let (from, email) = (
            format!("2001:db8:7::{number:x}"),
            format!("user{number}@example.com"),
        );
        sign_in(&app, &from, &email, WRONG)
            .await
            .assert_problem(401, "invalid-credentials");
    }
    assert_too_many(
        &sign_in(&app, office, "bob@example.com", PASSWORD).await,
        600,
    );
    let ada = sign_in(&app, office, ADA, PASSWORD).await;
    assert_eq!(ada.status, StatusCode::CREATED, "{ada:?}");
    let elsewhere = sign_in(&app, "2001:db8:8::1", "bob@example.com", PASSWORD).await;
    assert_eq!(elsewhere.status, StatusCode::CREATED, "{elsewhere:?}");
    app.clock.advance(TimeDelta::minutes(10));
    let bob = sign_in(&app, office, "bob@example.com", PASSWORD).await;
    assert_eq!(bob.status, StatusCode::CREATED, "{bob:?}");
}

#[apply(on_both_databases)]
async fn registrations_and_requests_for_letters_are_counted_by_address(database: TestDatabase) {
    let app = throttled(database).await;
    for number in 0..20 {
        let registered = register(&app, HOME, &format!("user{number}@example.com")).await;
        assert_eq!(registered.status, StatusCode::CREATED);
    }
    assert_too_many(&register(&app, HOME, ADA).await, 3600);
    let elsewhere = register(&app, "192.0.2.2", ADA).await;
    assert_eq!(elsewhere.status, StatusCode::CREATED);
    for number in 0..21 {
        let body = json!({"email": format!("nobody{number}@example.com")});
        let asked = send(&app, HOME, Method::POST, "/password-reset", &body).await;
        if number < 20 {
            assert_eq!(asked.status, StatusCode::ACCEPTED);
        } else {
            assert_too_many(&asked, 3600);
        }
    }
    app.clock.advance(TimeDelta::hours(1));
    let registered = register(&app, HOME, "late@example.com").await;
    assert_eq!(registered.status, StatusCode::CREATED);
}

#[apply(on_both_databases)]
async fn tokens_that_are_no_good_are_taken_thirty_times(database: TestDatabase) {
    let app = throttled(database).await;
    let ways = [
        (
            Method::PUT,
            "/password-reset",
            json!({"token": "x", "new_password": PASSWORD}),
        ),
        (Method::PUT, "/email-verification", json!({"token": "x"})),
        (
            Method::POST,
            "/email-verification/refusal",
            json!({"token": "x"}),
        ),
    ];
    for number in 0..33 {
        let (method, path, body) = &ways[number % ways.len()];
        let answer = send(&app, HOME, method.clone(), path, body).await;
        if number < 30 {
            answer.assert_problem(400, "invalid-token");
        } else {
            assert_too_many(&answer, 600);
        }
    }
}

#[apply(on_both_databases)]
async fn texts_that_are_no_addresses_are_counted_by_network_alone(database: TestDatabase) {
    let app = throttled(database).await;
    let texts = [
        "",
        "\0",
        "a\0b@example.com",
        "ada@example.com\0",
        // Typed into the wrong field.
        PASSWORD,
        &"x".repeat(60_000),
    ];
    for attempt in 0..30 {
        let refused = sign_in(&app, HOME, texts[attempt % texts.len()], WRONG).await;
        refused.assert_problem(401, "invalid-credentials");
    }
    for text in texts {
        assert_too_many(&sign_in(&app, HOME, text, WRONG).await, 600);
    }
    assert_too_many(&sign_in(&app, HOME, ADA, WRONG).await, 600);
    // The failures of the network, and nothing of what was typed.
    assert_eq!(app.database.count("throttles").await, 1);
}

#[apply(on_both_databases)]
async fn a_token_that_is_good_works_from_a_network_that_failed_too_often(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let verification = app.mail.newest_to(ADA, 1).await.token().to_owned();
    let body = json!({"email": ADA});
    send(&app, HOME, Method::POST, "/password-reset", &body).await;
    let reset = app.mail.newest_to(ADA, 2).await.token().to_owned();
    let bad = json!({"token": "x", "new_password": PASSWORD});
    for _ in 0..30 {
        let refused = send(&app, HOME, Method::PUT, "/password-reset", &bad).await;
        refused.assert_problem(400, "invalid-token");
    }
    let refused = send(&app, HOME, Method::PUT, "/password-reset", &bad).await;
    assert_too_many(&refused, 600);
    let good = json!({"token": reset, "new_password": PASSWORD});
    let done = send(&app, HOME, Method::PUT, "/password-reset", &good).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    // It ended this one.
    let spent = json!({"token": verification});
    let refused = send(&app, HOME, Method::PUT, "/email-verification", &spent).await;
    assert_too_many(&refused, 600);
}

#[apply(on_both_databases)]
async fn clients_whose_address_is_not_known_are_counted_as_one(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let unknown = bienvenue::auth::Client::default;
    let signed_in = app.auth.sign_in(ADA, PASSWORD, &unknown()).await;
    signed_in.expect("the password is right");
    for number in 0..30 {
        let email = format!("user{number}@example.com");
        let refused = app.auth.sign_in(&email, WRONG, &unknown()).await;
        assert!(matches!(refused, Err(SignInError::InvalidCredentials)));
    }
    // Not even for an account that signed in so.
    let refused = app.auth.sign_in(ADA, PASSWORD, &unknown()).await;
    assert!(
        matches!(
            refused,
            Err(SignInError::Unavailable(Unavailable::RateLimited(_)))
        ),
        "{refused:?}"
    );
}

#[apply(on_both_databases)]
async fn a_guess_that_nobody_judged_counts_for_nothing(database: TestDatabase) {
    // A hash takes seconds, and few have room in the queue.
    let app = throttled_with(database, &["--bcrypt-cost", "15"]).await;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let queue_is_full = Notify::new();
    let crowd = (0..40 * cores).map(|number| {
        let (app, queue_is_full) = (&app, &queue_is_full);
        async move {
            let from = format!("198.51.{}.{}", number / 250, number % 250);
            let email = format!("user{number}@example.com");
            if sign_in(app, &from, &email, WRONG).await.status == StatusCode::SERVICE_UNAVAILABLE {
                queue_is_full.notify_one();
            }
        }
    });
    let crowd = join_all(crowd);
    let story = async {
        queue_is_full.notified().await;
        // Had they counted, the fifth would have begun a wait.
        for _ in 0..3 {
            let guesses = (0..4).map(|_| sign_in(&app, HOME, ADA, WRONG));
            for answer in join_all(guesses).await {
                answer.assert_problem(503, "overloaded");
            }
        }
    };
    tokio::select! {
        _ = crowd => panic!("there was no crowd"),
        () = story => {}
    }
    // Nothing is left of them that somebody could fill the table with.
    let left = "SELECT 'one' FROM throttles WHERE tries = 0";
    assert_eq!(app.database.sql(left).await, None);
}

#[apply(on_both_databases)]
async fn a_stranger_who_opens_an_account_with_an_address_fills_no_mailbox(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let mut password = (PASSWORD, WRONG);
    for number in 0..12 {
        // A new place and a new browser each time, a new password, and another address for the account.
        let from = format!("198.51.100.{number}");
        let request = app.client.post(format!("{}/sessions", app.url));
        let request = request
            .header("x-forwarded-for", &from)
            .header("user-agent", format!("browser {number}"))
            .json(&json!({"email": ADA, "password": password.0, "delivery": "token"}));
        let signed_in = app.send(request).await;
        let session = signed_in.body["token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let change = json!({"current_password": password.0, "new_password": password.1});
        let request = app.request(Method::PUT, "/users/me/password", &session);
        let request = request.header("x-forwarded-for", &from).json(&change);
        let changed = app.send(request).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        let session = changed.body["token"].as_str().expect("a token").to_owned();
        password = (password.1, password.0);
        let change = json!({"email": format!("new{number}@example.com"), "password": password.0});
        let request = app.request(Method::PUT, "/users/me/email", &session);
        let asked = app
            .send(request.header("x-forwarded-for", &from).json(&change))
            .await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    }
    app.letters_are_out().await;
    let mails = app.mail.mails().into_iter();
    assert_eq!(mails.filter(|mail| mail.to == [ADA]).count(), 3);
}

#[apply(on_both_databases)]
async fn an_address_gets_so_many_letters_and_nobody_is_told_when_it_gets_none(
    database: TestDatabase,
) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    app.mail.newest_to(ADA, 1).await;
    let resets = || {
        let mails = app.mail.mails().into_iter();
        mails.filter(|mail| mail.subject == "Choose a new password for Bienvenue")
    };
    let ask = async |from: &str| {
        let body = json!({"email": ADA});
        let asked = send(&app, from, Method::POST, "/password-reset", &body).await;
        app.letters_are_out().await;
        asked.without_ids()
    };
    let first = ask("198.51.100.1").await;
    for number in 2..6 {
        assert_eq!(ask(&format!("198.51.100.{number}")).await, first);
        assert_eq!(resets().count(), number.min(3));
    }
    // The last one that was sent is good.
    let token = resets().next_back().expect("three").token().to_owned();
    let body = json!({"token": token, "new_password": PASSWORD});
    let done = send(&app, HOME, Method::PUT, "/password-reset", &body).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    // The owner, from where she is known, has an allowance of her own.
    sign_in(&app, HOME, ADA, PASSWORD).await;
    ask(HOME).await;
    assert_eq!(resets().count(), 4);
    // Ten a day.
    for hour in 1..6 {
        app.clock.advance(TimeDelta::hours(1));
        for number in 0..4 {
            ask(&format!("203.0.113.{number}")).await;
        }
        let strangers = (3 + 3 * hour).min(10);
        assert_eq!(resets().count(), strangers + 1, "{hour}");
    }
}

#[apply(on_both_databases)]
async fn two_who_change_to_each_others_address_at_once_are_both_answered(database: TestDatabase) {
    let app = TestApp::with(database, &[]).await;
    let emails = [ADA, "bob@example.com"];
    let mut tokens = Vec::new();
    for email in emails {
        app.register(email, PASSWORD).await;
        tokens.push(app.token(email, PASSWORD).await);
    }
    for _ in 0..20 {
        let changes = (0..6).map(|number| {
            let change = json!({"email": emails[1 - number % 2], "password": PASSWORD});
            let request = app.request(Method::PUT, "/users/me/email", &tokens[number % 2]);
            app.send(request.json(&change))
        });
        for answer in join_all(changes).await {
            // Of those at once some had to wait: each had its guess counted.
            let status = answer.status;
            let is_answered =
                status == StatusCode::ACCEPTED || status == StatusCode::TOO_MANY_REQUESTS;
            assert!(is_answered, "{answer:?}");
        }
    }
}

#[apply(once)]
async fn throttling_can_be_off_on_localhost_alone() {
    let variables = [
        ("BIENVENUE_THROTTLE", "off"),
        ("BIENVENUE_PUBLIC_URL", "https://auth.example.com"),
    ];
    let (succeeded, _, complaints) = Program::run(&["serve"], &variables);
    assert!(!succeeded && complaints.contains("BIENVENUE_THROTTLE can be off only"));
}

#[apply(once)]
async fn the_log_warns_of_a_proxy_that_the_settings_do_not_know() {
    let program = Program::start(&[]);
    let client = reqwest::Client::new();
    for _ in 0..2 {
        let request = client.post(format!("{}/sessions", program.url));
        let request = request.header("x-forwarded-for", "192.0.2.1");
        let body = json!({"email": ADA, "password": PASSWORD});
        Answer::to(request.json(&body)).await;
    }
    program.signal("TERM");
    let (_, log) = program.ended();
    assert_eq!(log.matches("BIENVENUE_TRUSTED_PROXIES").count(), 1, "{log}");
}

/// Asks for a reset of Ada's password, and returns how many emails about resets there are then.
async fn ask_for_reset(app: &TestApp, from: &str) -> usize {
    let body = json!({"email": ADA});
    let asked = send(app, from, Method::POST, "/password-reset", &body).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    app.letters_are_out().await;
    let mails = app.mail.mails().into_iter();
    mails
        .filter(|mail| mail.subject == "Choose a new password for Bienvenue")
        .count()
}

#[apply(on_both_databases)]
async fn no_network_alone_uses_up_the_emails_of_the_owner(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for asked in 1..8 {
        assert_eq!(ask_for_reset(&app, "198.51.100.1").await, asked.min(3));
    }
    // All of a customer's block of IPv6 is one.
    for network in 0..9 {
        let from = format!("2001:db8:7:{network:x}::1");
        assert_eq!(ask_for_reset(&app, &from).await, 4, "{from}");
    }
    app.clock.advance(TimeDelta::hours(1));
    for asked in 1..8 {
        let from = format!("2001:db8:7:{asked:x}::1");
        assert_eq!(ask_for_reset(&app, &from).await, 4 + asked.min(3));
    }
    assert_eq!(ask_for_reset(&app, HOME).await, 8);
}

#[apply(on_both_databases)]
async fn where_strangers_use_the_emails_up_the_last_link_stays_good(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for stranger in 0..20 {
        ask_for_reset(&app, &format!("198.51.100.{stranger}")).await;
    }
    let resets = || {
        let mails = app.mail.mails().into_iter();
        mails.filter(|mail| mail.subject == "Choose a new password for Bienvenue")
    };
    assert_eq!(resets().count(), 3);
    let newest = resets().next_back().expect("three").token().to_owned();
    let oldest = resets().next().expect("three").token().to_owned();
    let reset = async |token: &str| {
        let body = json!({"token": token, "new_password": PASSWORD});
        send(&app, HOME, Method::PUT, "/password-reset", &body).await
    };
    // By itself it would be good for half an hour; the owner asks at the end of that.
    app.clock.advance(TimeDelta::minutes(29));
    assert_eq!(ask_for_reset(&app, HOME).await, 3);
    app.clock.advance(TimeDelta::minutes(29));
    reset(&oldest).await.assert_problem(400, "invalid-token");
    let done = reset(&newest).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    reset(&newest).await.assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn a_link_is_not_good_for_longer_unless_it_is_asked_for(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for stranger in 0..4 {
        ask_for_reset(&app, &format!("198.51.100.{stranger}")).await;
    }
    let mails = app.mail.mails().into_iter();
    let mut resets = mails.filter(|mail| mail.subject == "Choose a new password for Bienvenue");
    let newest = resets.next_back().expect("three").token().to_owned();
    app.clock.advance(TimeDelta::minutes(30));
    let body = json!({"token": newest, "new_password": PASSWORD});
    let refused = send(&app, HOME, Method::PUT, "/password-reset", &body).await;
    refused.assert_problem(400, "invalid-token");
}

#[apply(on_both_databases)]
async fn one_network_keeps_nobody_from_registering_privately(database: TestDatabase) {
    let app = throttled_with(database, &["--registration", "private"]).await;
    for _ in 0..6 {
        assert_eq!(
            register(&app, "198.51.100.1", ADA).await.status,
            StatusCode::ACCEPTED
        );
    }
    register(&app, HOME, ADA).await;
    app.letters_are_out().await;
    assert_eq!(app.mail.mails().len(), 4);
    let token = app.mail.newest_to(ADA, 4).await.token().to_owned();
    let body = json!({"token": token, "password": PASSWORD});
    let opened = send(&app, HOME, Method::PUT, "/email-verification", &body).await;
    assert_eq!(opened.status, StatusCode::NO_CONTENT, "{opened:?}");
}

#[apply(on_both_databases)]
async fn ipv6_is_counted_by_the_blocks_that_one_customer_has(database: TestDatabase) {
    let app = throttled_with(database, &["--address-failures", "3"]).await;
    let mut number = 0;
    let mut fail = async |from: String| {
        number += 1;
        let email = format!("user{number}@example.com");
        sign_in(&app, &from, &email, WRONG).await.status.as_u16()
    };
    // Four times as many from a household's block as from a network, sixteen times as many from a company's.
    for house in 0..4 {
        for network in 0..4 {
            let from = format!("2001:db8:7:{house:x}0{network:x}::1");
            for _ in 0..3 {
                assert_eq!(fail(from.clone()).await, 401, "{from}");
            }
            assert_eq!(fail(from).await, 429);
        }
        assert_eq!(fail(format!("2001:db8:7:{house:x}04::1")).await, 429);
    }
    assert_eq!(fail("2001:db8:7:4000::1".to_owned()).await, 429);
    assert_eq!(fail("2001:db8:8::1".to_owned()).await, 401);
}

#[apply(on_both_databases)]
async fn attempts_during_a_wait_count_for_their_network(database: TestDatabase) {
    let app = throttled(database).await;
    for attempt in 0..30 {
        let answer = sign_in(&app, HOME, ADA, WRONG).await;
        let status = if attempt < 5 { 401 } else { 429 };
        assert_eq!(answer.status.as_u16(), status, "{attempt}");
    }
    assert_too_many(&sign_in(&app, HOME, "bob@example.com", WRONG).await, 600);
}

#[apply(on_both_databases)]
async fn a_sign_in_from_elsewhere_does_not_show_in_the_refusals(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let thief = "198.51.100.66";
    for email in [ADA, "nobody@example.com"] {
        for _ in 0..4 {
            let refused = sign_in(&app, thief, email, WRONG).await;
            refused.assert_problem(401, "invalid-credentials");
        }
        if email == ADA {
            // A slip, and then the right one.
            sign_in(&app, HOME, ADA, WRONG).await;
            app.clock.advance(TimeDelta::seconds(1));
            let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
            assert_eq!(owner.status, StatusCode::CREATED, "{owner:?}");
        }
        let refused = sign_in(&app, thief, email, WRONG).await;
        refused.assert_problem(401, "invalid-credentials");
        assert_too_many(&sign_in(&app, thief, email, WRONG).await, 1);
    }
}

/// Whether a network has attempts of its own, though strangers have used up theirs.
async fn is_known(app: &TestApp, from: &str) -> bool {
    for stranger in 0..5 {
        sign_in(app, &format!("203.0.113.{stranger}"), ADA, WRONG).await;
    }
    let answer = sign_in(app, from, ADA, WRONG).await;
    app.database.sql("DELETE FROM throttles").await;
    answer.status == StatusCode::UNAUTHORIZED
}

/// Uses a session from an address, and waits until that is noted.
async fn use_session(app: &TestApp, session: &str, from: &str) {
    let seen = |app: &TestApp| {
        let now = "SELECT coalesce(CAST(max(last_used_at) AS text), '') FROM known_clients";
        let database = TestDatabase::at(app.database.url.clone());
        async move { database.sql(now).await }
    };
    let before = seen(app).await;
    let request = app.request(Method::GET, "/sessions/current", session);
    let answer = app.send(request.header("x-forwarded-for", from)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    while seen(app).await == before {
        tokio::task::yield_now().await;
    }
}

#[apply(on_both_databases)]
async fn a_network_stays_known_while_a_session_is_used_from_there(database: TestDatabase) {
    let flags = ["--session-idle", "60d", "--session-lifetime", "365d"];
    let app = throttled_with(database, &flags).await;
    register(&app, HOME, ADA).await;
    assert!(!is_known(&app, HOME).await);
    let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
    let session = owner.body["token"].as_str().expect("a token").to_owned();
    assert!(is_known(&app, HOME).await);
    for _ in 0..3 {
        app.clock.advance(TimeDelta::days(20));
        use_session(&app, &session, HOME).await;
        assert!(is_known(&app, HOME).await);
    }
    // And one from which there was no sign-in.
    app.clock.advance(TimeDelta::days(1));
    assert!(!is_known(&app, "192.0.2.2").await);
    use_session(&app, &session, "192.0.2.2").await;
    assert!(is_known(&app, "192.0.2.2").await);
    app.clock.advance(TimeDelta::days(30));
    assert!(!is_known(&app, HOME).await);
}

#[apply(on_both_databases)]
async fn after_a_password_change_the_network_of_a_thief_is_not_known(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    let thief = "198.51.100.66";
    sign_in(&app, thief, ADA, PASSWORD).await;
    let owner = sign_in(&app, HOME, ADA, PASSWORD).await;
    let session = owner.body["token"].as_str().expect("a token").to_owned();
    assert!(is_known(&app, thief).await);
    let body = json!({"current_password": PASSWORD, "new_password": "undecided mule adapter"});
    let request = app.request(Method::PUT, "/users/me/password", &session);
    let changed = app
        .send(request.header("x-forwarded-for", HOME).json(&body))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert!(!is_known(&app, thief).await);
    assert!(is_known(&app, HOME).await);
}

#[apply(on_both_databases)]
async fn new_passwords_that_are_refused_are_counted_by_what_allows_them_and_by_network(
    database: TestDatabase,
) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    ask_for_reset(&app, HOME).await;
    let token = app.mail.newest_to(ADA, 2).await.token().to_owned();
    let reset = async |from: &str, password: &str| {
        let body = json!({"token": token, "new_password": password});
        send(&app, from, Method::PUT, "/password-reset", &body).await
    };
    let thief = sign_in(&app, HOME, ADA, PASSWORD).await;
    let session = thief.body["token"].as_str().expect("a token").to_owned();
    let change = async |from: &str, password: &str| {
        let body = json!({"current_password": PASSWORD, "new_password": password});
        let request = app.request(Method::PUT, "/users/me/password", &session);
        app.send(request.header("x-forwarded-for", from).json(&body))
            .await
    };
    for attempt in 0..30 {
        let refused = change(&format!("198.51.100.{}", attempt / 10), "password1").await;
        refused.assert_problem(422, "weak-password");
    }
    assert_too_many(&change(HOME, "password1").await, 600);
    // That keeps the owner, who has the letter, from nothing.
    for attempt in 0..30 {
        let weak = ["password1", "short", "\0"][attempt % 3];
        let refused = reset(&format!("203.0.113.{}", attempt / 10), weak).await;
        assert_eq!(refused.status.as_u16(), 422, "{refused:?}");
    }
    assert_too_many(&reset(HOME, PASSWORD).await, 600);
    // One that is accepted counts for nothing, whatever was refused before.
    app.clock.advance(TimeDelta::minutes(10));
    let done = reset("203.0.113.1", PASSWORD).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
}

#[apply(on_both_databases)]
async fn from_one_network_thirty_new_passwords_are_refused(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for attempt in 0..31 {
        let signed_in = sign_in(&app, HOME, ADA, PASSWORD).await;
        let session = signed_in.body["token"].as_str().expect("a token");
        let body = json!({"current_password": PASSWORD, "new_password": "password1"});
        let request = app.request(Method::PUT, "/users/me/password", session);
        let refused = app
            .send(request.header("x-forwarded-for", HOME).json(&body))
            .await;
        let status = if attempt < 30 { 422 } else { 429 };
        assert_eq!(refused.status.as_u16(), status, "{attempt}");
    }
}

#[apply(on_both_databases)]
async fn a_password_change_leaves_the_owner_emails_to_reset_it(database: TestDatabase) {
    let app = throttled(database).await;
    register(&app, HOME, ADA).await;
    for stranger in 0..5 {
        ask_for_reset(&app, &format!("198.51.100.{stranger}")).await;
    }
    let thief = sign_in(&app, "198.51.100.66", ADA, PASSWORD).await;
    let session = thief.body["token"].as_str().expect("a token");
    let body = json!({"current_password": PASSWORD, "new_password": "undecided mule adapter"});
    let request = app.request(Method::PUT, "/users/me/password", session);
    let changed = app.send(request.json(&body)).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    // The links of the three before are dead.
    assert_eq!(ask_for_reset(&app, HOME).await, 4);
}

#[apply(on_both_databases)]
async fn counts_below_the_first_wait_go_within_a_day_and_others_stay(database: TestDatabase) {
    let app = throttled(database).await;
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        sign_in(&app, &format!("198.51.100.{number}"), &email, WRONG).await;
    }
    for number in 0..5 {
        sign_in(&app, &format!("198.51.101.{number}"), ADA, WRONG).await;
    }
    app.clock.advance(TimeDelta::days(1));
    while app.auth.sweep().await.expect("sweeps") {}
    assert_eq!(app.database.count("throttles").await, 1);
    sign_in(&app, HOME, ADA, WRONG).await;
    assert_too_many(&sign_in(&app, "198.51.102.1", ADA, WRONG).await, 2);
}
