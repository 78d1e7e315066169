//! One password, typed on different keyboards and systems.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestApp, on_both_databases};

const ADA: &str = "ada@example.com";

/// Passwords as one system sends them, and as another does.
const FORMS: [[&str; 2]; 5] = [
    // Composed by Windows, decomposed by macOS.
    [
        "p\u{e4}ssw\u{f6}rd f\u{fc}r J\u{f6}rg",
        "pa\u{308}sswo\u{308}rd fu\u{308}r Jo\u{308}rg",
    ],
    // Hangul, by syllables and by letters.
    [
        "\u{be44}\u{bc00}\u{bc88}\u{d638}\u{b294} \u{ae38}\u{c5b4}\u{c57c}",
        "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169}\u{1102}\u{1173}\u{11ab} \
         \u{1100}\u{1175}\u{11af}\u{110b}\u{1165}\u{110b}\u{1163}",
    ],
    // The letters and the space of a Japanese keyboard.
    [
        "zebra vulkan trapez",
        "\u{ff5a}\u{ff45}\u{ff42}\u{ff52}\u{ff41}\u{3000}vulkan\u{3000}trapez",
    ],
    // Alt and the space bar, on macOS.
    ["correct horse battery", "correct\u{a0}horse\u{a0}battery"],
    // What a text field makes of two letters.
    ["offizielle flasche", "o\u{fb03}zielle \u{fb02}asche"],
];

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
async fn lengths_are_those_of_the_one_form(app: TestApp) {
    // Seven characters, and fourteen as they were typed.
    let short = app.register(ADA, &"e\u{301}".repeat(7)).await;
    short.assert_problem(422, "weak-password");
    let detail = short.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("at least 8 characters"), "{detail}");
    // One character that stands for eighteen, in 33 bytes.
    let grows = app.register(ADA, &"\u{fdfa}".repeat(32)).await;
    grows.assert_problem(422, "invalid-password");
    // However much it may shrink, nobody reads more than four times the length.
    let much = app.register(ADA, &"\u{ff5a}".repeat(1400)).await;
    much.assert_problem(422, "invalid-password");
    // 1,024 bytes in 3,072.
    let most = "\u{ff4b}\u{ff17}\u{ff03}\u{ff31}\u{ff5a}\u{ff19}\u{ff01}\u{3000}".repeat(128);
    let over = app.register(ADA, &format!("{most}!")).await;
    over.assert_problem(422, "invalid-password");
    let whole = app.register(ADA, &most).await;
    assert_eq!(whole.status, StatusCode::CREATED, "{whole:?}");
    let signed_in = app.sign_in(ADA, &"k7#Qz9! ".repeat(128)).await;
    assert_eq!(signed_in.status, StatusCode::CREATED, "{signed_in:?}");
}

#[apply(on_both_databases)]
async fn a_password_is_the_same_however_it_is_typed(app: TestApp) {
    for (number, [one, other]) in FORMS.into_iter().enumerate() {
        for (registered, typed) in [(one, other), (other, one)] {
            let email = format!("user{number}-{}@example.com", registered.len());
            let answer = app.register(&email, registered).await;
            assert_eq!(
                answer.status,
                StatusCode::CREATED,
                "{registered}: {answer:?}"
            );
            let wrong = app.sign_in(&email, &format!("{typed}\u{308}")).await;
            wrong.assert_problem(401, "invalid-credentials");
            let hash = hash_of(&app, &email).await;
            for password in [registered, typed] {
                let answer = app.sign_in(&email, password).await;
                assert_eq!(answer.status, StatusCode::CREATED, "{password}: {answer:?}");
            }
            assert_eq!(
                hash_of(&app, &email).await,
                hash,
                "nothing was to be replaced"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn a_hash_of_another_form_opens_its_account_and_is_replaced(app: TestApp) {
    // Made with passlib 1.7.4, of passwords as they were typed.
    let long = "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169}\u{1102}\u{1173}\u{11ab} \
                \u{1100}\u{1175}\u{11af}\u{110b}\u{1165}\u{110b}\u{1163} \u{1112}\u{1161}\u{11ab}\u{1103}\u{1161}";
    let long_composed =
        "\u{be44}\u{bc00}\u{bc88}\u{d638}\u{b294} \u{ae38}\u{c5b4}\u{c57c} \u{d55c}\u{b2e4}";
    for (number, (typed, composed, hash)) in [
        (
            FORMS[0][1],
            FORMS[0][0],
            "$2b$04$wg0ZKw9/Gyptc1ifYy/7yuDEhAK2.qXX0HuPmzxdaDmS/cwZzxFju",
        ),
        (
            FORMS[3][1],
            FORMS[3][0],
            "$2b$04$r8qtetU7uIYf0YR.vFqFN.38BvjKp2XRPS8hvbeuoVjUZ1wy6cohe",
        ),
        (
            long,
            long_composed,
            "$bcrypt-sha256$v=2,t=2b,r=4$uw0izp6kvavVrn6D0rDzQO$ni8ZaNQmECxg2wu3fWJwx3tb6riptAW",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        import(&app, &email, hash).await;
        for wrong in [composed, &format!("{typed}!")] {
            let answer = app.sign_in(&email, wrong).await;
            answer.assert_problem(401, "invalid-credentials");
        }
        assert_eq!(hash_of(&app, &email).await, *hash);
        for password in [typed, composed, typed] {
            let answer = app.sign_in(&email, password).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{password}: {answer:?}");
        }
        assert_ne!(hash_of(&app, &email).await, *hash);
    }
}

#[apply(on_both_databases)]
async fn the_current_password_is_known_in_the_form_it_was_typed_in(app: TestApp) {
    let [composed, typed] = FORMS[0];
    app.register(ADA, composed).await;
    let token = app.token(ADA, typed).await;
    let hash = "$2b$04$wg0ZKw9/Gyptc1ifYy/7yuDEhAK2.qXX0HuPmzxdaDmS/cwZzxFju";
    let sql = format!("UPDATE users SET hashed_password = '{hash}' WHERE email = '{ADA}'");
    app.database.sql(&sql).await;
    let change = async |current: &str| {
        let body = json!({"current_password": current, "new_password": "zebra vulkan trapez"});
        let request = app.request(Method::PUT, "/users/me/password", &token);
        app.send(request.json(&body)).await
    };
    change(composed).await.assert_problem(403, "wrong-password");
    let changed = change(typed).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
}

#[apply(on_both_databases)]
async fn how_much_a_refusal_hashes_depends_on_what_was_typed_alone(app: TestApp) {
    let [composed, typed] = FORMS[0];
    app.register("new@example.com", "zebra vulkan trapez").await;
    let old = "$2b$04$wg0ZKw9/Gyptc1ifYy/7yuDEhAK2.qXX0HuPmzxdaDmS/cwZzxFju";
    import(&app, "old@example.com", old).await;
    import(&app, "unreadable@example.com", "nonsense").await;
    let too_long = "\u{fdfa}".repeat(32);
    for (password, hashes) in [
        ("incorrect horse battery", 1),
        (composed, 1),
        (&format!("{typed}!"), 2),
        (&too_long, 2),
        (&"a".repeat(1025), 1),
        ("a\u{308}\0", 1),
    ] {
        for email in [
            "new@example.com",
            "old@example.com",
            "unreadable@example.com",
            "nobody@example.com",
            "nonsense",
        ] {
            let before = app.auth.hashing_counters().done;
            let answer = app.sign_in(email, password).await;
            answer.assert_problem(401, "invalid-credentials");
            let done = app.auth.hashing_counters().done - before;
            assert_eq!(done, hashes, "{email}: {password:?}");
        }
    }
}
