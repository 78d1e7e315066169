//! Passwords that were hashed elsewhere, or in other times.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::StatusCode;

use crate::support::{TestApp, TestDatabase, on_both_databases};

const PASSWORD: &str = "correct horse battery";

/// Over 72 bytes.
fn long_password() -> String {
    "correct horse battery ".repeat(8)
}

/// An account as another service had it.
async fn import(app: &TestApp, email: &str, hash: &str) {
    let sql = format!(
        "INSERT INTO users (email, hashed_password, created_at, updated_at)
         VALUES ('{email}', '{hash}', '2020-01-01 00:00:00+00:00', '2020-01-01 00:00:00+00:00')"
    );
    app.database.sql(&sql).await;
}

async fn hash_of(app: &TestApp, email: &str) -> String {
    let sql = format!("SELECT hashed_password FROM users WHERE email = '{email}'");
    app.database.sql(&sql).await.expect("stored")
}

#[apply(on_both_databases)]
async fn hashes_of_other_services_open_their_accounts(app: TestApp) {
    // Made with passlib 1.7.4.
    let long = long_password();
    for (number, (password, hash)) in [
        (
            PASSWORD,
            "$2a$04$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        ),
        (
            PASSWORD,
            "$2b$04$AmKXLJQxKhViFrGNMmKmKeZQlEORRNEpV8zgXu8FajvNh/KoVOQ6.",
        ),
        (
            PASSWORD,
            "$2y$04$ODKYLK0uAvq6exgWp2wyLel/b8Cc8wtaU9QjcsNmpnhxcTSVN.uZi",
        ),
        (
            "pässwörd für Jörg",
            "$2b$05$EdG.PmCNxV/wtWqLXjcjUexRMmaryJ9Crsg0bl9piq4LmpyE2bvAu",
        ),
        (
            PASSWORD,
            "$bcrypt-sha256$v=2,t=2b,r=4$5a6L76QV8WWO2p59OfDV1O$Bq9PWAO91QS9x8haPgBIbfA7lLmw5Me",
        ),
        (
            &long,
            "$bcrypt-sha256$v=2,t=2b,r=5$Bv2rM6Q9cdnxhXRlWYmFdO$mWWvSIFA.1LDcvjAtrK/5RaBrniMxRy",
        ),
        (
            PASSWORD,
            "$bcrypt-sha256$2b,4$Qh1CVIFKFLDgthcfKS0APO$ERGNEdbD3RSF7yjQozo.IEc9YR2SFSC",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        import(&app, &email, hash).await;
        let wrong = app.sign_in(&email, "incorrect horse battery").await;
        wrong.assert_problem(401, "invalid-credentials");
        let right = app.sign_in(&email, password).await;
        assert_eq!(right.status, StatusCode::CREATED, "{hash}: {right:?}");
    }
}

#[apply(on_both_databases)]
async fn hashes_that_mean_nothing_open_nothing(app: TestApp) {
    for (number, hash) in [
        "",
        "correct horse battery",
        "$",
        "$2b$",
        "$2x$04$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        "$2b$03$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        // Hours of work.
        "$2b$31$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        "$2b$+4$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        "$2b$04$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6",
        "$2b$04$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u$",
        "$2b$04$5cGIFMTgojgRhpvZOlZ3Qéie4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
        "$bcrypt-sha256$v=3,t=2b,r=4$5a6L76QV8WWO2p59OfDV1O$Bq9PWAO91QS9x8haPgBIbfA7lLmw5Me",
        "$bcrypt-sha256$v=2,t=2b,r=4$5a6L76QV8WWO2p59OfDV1O",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        import(&app, &email, hash).await;
        let answer = app.sign_in(&email, PASSWORD).await;
        answer.assert_problem(401, "invalid-credentials");
    }
}

#[apply(on_both_databases)]
async fn a_password_is_told_from_another_with_the_same_first_72_bytes(app: TestApp) {
    let long = long_password();
    app.register("ada@example.com", &long).await;
    let right = app.sign_in("ada@example.com", &long).await;
    assert_eq!(right.status, StatusCode::CREATED, "{right:?}");
    for wrong in [&long[..72], &long[..175], &format!("{long}!")] {
        let answer = app.sign_in("ada@example.com", wrong).await;
        answer.assert_problem(401, "invalid-credentials");
    }
    // A plain hash of another service that cut the password there.
    let cut = "$2b$04$rWGbqiYeqaQzJQlEtrQareEfwpqRAiVMMtzm.lcFpr5g/QmDhUI8S";
    import(&app, "eve@example.com", cut).await;
    let answer = app.sign_in("eve@example.com", &long).await;
    answer.assert_problem(401, "invalid-credentials");
    let answer = app.sign_in("eve@example.com", &long[..72]).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

#[apply(on_both_databases)]
async fn a_sign_in_brings_a_hash_up_to_date(database: TestDatabase) {
    let app = TestApp::with(database, &["--bcrypt-cost", "5"]).await;
    let long = long_password();
    for (email, password, hash, begin) in [
        (
            "lower@example.com",
            PASSWORD,
            "$2a$04$5cGIFMTgojgRhpvZOlZ3QeIe4wBAWKZttKoLCsHR79WkxWsEPGQ6u",
            "$2b$05$",
        ),
        (
            "higher@example.com",
            &long,
            bienvenue::auth::hash_password(&long, 6)
                .expect("a password")
                .as_str(),
            "$bcrypt-sha256$v=2,t=2b,r=5$",
        ),
        (
            "unkeyed@example.com",
            PASSWORD,
            "$bcrypt-sha256$2b,4$Qh1CVIFKFLDgthcfKS0APO$ERGNEdbD3RSF7yjQozo.IEc9YR2SFSC",
            "$2b$05$",
        ),
    ] {
        import(&app, email, hash).await;
        let wrong = app.sign_in(email, "incorrect horse battery").await;
        wrong.assert_problem(401, "invalid-credentials");
        assert_eq!(hash_of(&app, email).await, *hash, "{email}");
        let right = app.sign_in(email, password).await;
        assert_eq!(right.status, StatusCode::CREATED, "{right:?}");
        let brought_up = hash_of(&app, email).await;
        assert!(brought_up.starts_with(begin), "{email}: {brought_up}");
        let again = app.sign_in(email, password).await;
        assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
        assert_eq!(hash_of(&app, email).await, brought_up, "{email}");
    }
}

#[apply(on_both_databases)]
async fn sign_ins_at_once_that_all_bring_the_hash_up_to_date_all_succeed(app: TestApp) {
    for round in 0..5 {
        let email = format!("user{round}@example.com");
        let hash = bienvenue::auth::hash_password(PASSWORD, 6).expect("a password");
        import(&app, &email, hash.as_str()).await;
        let answers = join_all((0..6).map(|_| app.sign_in(&email, PASSWORD))).await;
        for answer in answers {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
    }
}
