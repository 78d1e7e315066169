//! The questions to the database: `add_user`, `find_user_by`, `update_user`.

use bienvenue::db::{DB, DbError};
use chrono::{DateTime, SubsecRound as _, Utc};
use macro_rules_attribute::apply;
use sea_orm::{ConnectionTrait, Value};

use crate::support::{TestDb, on_both_databases, once};

const NONE: [(&str, &str); 0] = [];

/// Checks that the request is called invalid, and the attribute named.
#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, DbError>, attribute: &str) {
    match result {
        Err(DbError::InvalidRequest(reason)) => assert!(reason.contains(attribute), "{reason}"),
        other => panic!("{attribute}: {other:?}"),
    }
}

#[apply(on_both_databases)]
async fn a_search_that_makes_no_sense_is_refused(test: TestDb) {
    let db = &test.db;
    db.add_user("ada@example.com", "hash").await.expect("added");
    assert_invalid(db.find_user_by(NONE).await, "at least one attribute");
    for name in [
        "no_email",
        "",
        "Email",
        "EMAIL",
        "hashedPassword",
        "HashedPassword",
        "id; DROP TABLE users",
        "users.id",
    ] {
        assert_invalid(db.find_user_by([(name, "ada@example.com")]).await, name);
    }
    assert_invalid(
        db.find_user_by([("email", "ada@example.com"), ("no_email", "x")])
            .await,
        "no_email",
    );
    for (name, value) in [
        ("id", Value::from("1")),
        ("id", Value::from(true)),
        ("id", Value::from(1.0)),
        ("id", Value::from(u64::MAX)),
        ("email", Value::from(1)),
        ("email", Value::from(b"ada@example.com".to_vec())),
        ("email", Value::from("ada\0@example.com")),
        ("session_id", Value::from(1_i64)),
        ("created_at", Value::from("2026-11-22T06:00:00Z")),
        ("created_at", Value::from(DateTime::<Utc>::MIN_UTC)),
        ("created_at", Value::from(DateTime::<Utc>::MAX_UTC)),
    ] {
        assert_invalid(db.find_user_by([(name, value)]).await, name);
    }
}

#[apply(on_both_databases)]
async fn nobody_found_is_no_result(test: TestDb) {
    let db = &test.db;
    db.add_user("ada@example.com", "hash").await.expect("added");
    let nobody = [
        db.find_user_by([("email", "eve@example.com")]).await,
        db.find_user_by([("email", "' OR 1=1 --")]).await,
        db.find_user_by([("email", "ada@example.com"), ("hashed_password", "other")])
            .await,
        db.find_user_by([("id", 2)]).await,
        db.find_user_by([("email", None::<String>)]).await,
    ];
    for result in nobody {
        assert!(matches!(result, Err(DbError::NoResultFound)), "{result:?}");
    }
}

#[apply(on_both_databases)]
async fn a_user_is_found_by_any_attributes(test: TestDb) {
    let db = &test.db;
    let ada = db.add_user("ada@example.com", "hash").await.expect("added");
    let bob = db.add_user("bob@example.com", "hash").await.expect("added");
    assert_eq!(
        (ada.email.as_str(), ada.hashed_password.as_str()),
        ("ada@example.com", "hash")
    );
    assert_eq!(
        (&ada.session_id, &ada.reset_token, ada.email_verified_at),
        (&None, &None, None)
    );
    assert!(bob.id > ada.id);
    db.update_user(bob.id, [("session_id", "a session")])
        .await
        .expect("updated");

    let found = [
        db.find_user_by([("email", "ada@example.com")]).await,
        db.find_user_by([("id", ada.id)]).await,
        db.find_user_by([("id", i32::try_from(ada.id).expect("small"))])
            .await,
        db.find_user_by([
            ("created_at", ada.created_at),
            ("updated_at", ada.updated_at),
        ])
        .await,
        db.find_user_by([
            ("id", Value::from(ada.id)),
            ("email", Value::from("ada@example.com")),
        ])
        .await,
        db.find_user_by(vec![("email".to_owned(), "ada@example.com".to_owned())])
            .await,
        // Null asks for null, and of several the first is found.
        db.find_user_by([("session_id", None::<String>)]).await,
        db.find_user_by([("hashed_password", "hash")]).await,
    ];
    for result in found {
        assert_eq!(result.expect("found"), ada);
    }
    let bob = db
        .find_user_by([("session_id", "a session")])
        .await
        .expect("found");
    assert_eq!(bob.email, "bob@example.com");
}

#[apply(on_both_databases)]
async fn an_email_can_be_added_once(test: TestDb) {
    let db = &test.db;
    db.add_user("ada@example.com", "hash").await.expect("added");
    let again = db.add_user("ada@example.com", "other").await;
    assert!(matches!(again, Err(DbError::Conflict(_))), "{again:?}");
    // Checks nothing but what the schema checks.
    db.add_user("ADA@example.com", "").await.expect("added");
    db.add_user("", "").await.expect("added");
}

#[apply(on_both_databases)]
async fn an_update_that_makes_no_sense_saves_nothing(test: TestDb) {
    let db = &test.db;
    let ada = db.add_user("ada@example.com", "hash").await.expect("added");
    db.add_user("bob@example.com", "hash").await.expect("added");
    let unknown = db
        .update_user(ada.id + 100, [("email", "new@example.com")])
        .await;
    assert!(
        matches!(unknown, Err(DbError::NoResultFound)),
        "{unknown:?}"
    );
    for name in ["no_email", "", "Email", "hashedPassword"] {
        let result = db
            .update_user(ada.id, [("hashed_password", "new"), (name, "x")])
            .await;
        assert!(
            matches!(&result, Err(DbError::UnknownAttribute(named)) if named == name),
            "{result:?}"
        );
    }
    for (name, value) in [
        ("id", Value::from(7)),
        ("email", Value::from(1)),
        ("email", Value::String(None)),
        ("email", Value::from("a\0a")),
        ("hashed_password", Value::String(None)),
        ("session_id", Value::from(1)),
        ("updated_at", Value::from("now")),
    ] {
        let both = [("reset_token", Value::from("new")), (name, value)];
        assert_invalid(db.update_user(ada.id, both).await, name);
    }
    let taken = [("reset_token", "new"), ("email", "bob@example.com")];
    let taken = db.update_user(ada.id, taken).await;
    assert!(matches!(taken, Err(DbError::Conflict(_))), "{taken:?}");
    assert_eq!(db.find_user_by([("id", ada.id)]).await.expect("found"), ada);
}

#[apply(on_both_databases)]
async fn an_update_sets_what_it_is_given_and_nothing_else(test: TestDb) {
    let db = &test.db;
    let ada = db.add_user("ada@example.com", "hash").await.expect("added");
    let bob = db.add_user("bob@example.com", "hash").await.expect("added");
    let attributes = [
        ("hashed_password", Some("new")),
        ("session_id", Some("s")),
        ("reset_token", None),
    ];
    db.update_user(ada.id, attributes).await.expect("updated");
    let changed = db.find_user_by([("id", ada.id)]).await.expect("found");
    assert!(changed.updated_at > ada.updated_at);
    let expected = entity::user::Model {
        hashed_password: "new".to_owned(),
        session_id: Some("s".to_owned()),
        updated_at: changed.updated_at,
        ..ada.clone()
    };
    assert_eq!(changed, expected);
    db.update_user(ada.id, [("session_id", None::<String>)])
        .await
        .expect("updated");
    db.update_user(ada.id, NONE).await.expect("updated");
    // A time is kept in microseconds, and found again by the one that it was set to.
    let verified = DateTime::from_timestamp(1_795_000_000, 123_456_789).expect("a time");
    db.update_user(ada.id, [("email_verified_at", verified)])
        .await
        .expect("updated");
    let ada = db
        .find_user_by([("email_verified_at", verified)])
        .await
        .expect("found");
    assert_eq!(ada.session_id, None);
    assert_eq!(ada.email_verified_at, Some(verified.trunc_subsecs(6)));
    assert_eq!(db.find_user_by([("id", bob.id)]).await.expect("found"), bob);
}

#[apply(on_both_databases)]
async fn a_transaction_is_kept_when_it_is_committed_and_only_then(test: TestDb) {
    async fn ask<C: ConnectionTrait>(db: &DB<C>, email: &str) {
        let user = db.add_user(email, "hash").await.expect("added");
        db.update_user(user.id, [("session_id", "s")])
            .await
            .expect("updated");
        let found = db
            .find_user_by([("email", email), ("session_id", "s")])
            .await;
        assert_eq!(found.expect("found").id, user.id);
    }
    let db = &test.db;
    let dropped = db.begin().await.expect("begins");
    ask(&dropped, "ada@example.com").await;
    drop(dropped);
    let committed = db.begin().await.expect("begins");
    ask(&committed, "bob@example.com").await;
    committed.commit().await.expect("commits");
    let ada = db.find_user_by([("email", "ada@example.com")]).await;
    assert!(matches!(ada, Err(DbError::NoResultFound)), "{ada:?}");
    db.find_user_by([("email", "bob@example.com")])
        .await
        .expect("found");
}

#[apply(on_both_databases)]
async fn transactions_that_read_and_then_write_wait_for_each_other(test: TestDb) {
    let db = &test.db;
    let ada = db.add_user("ada@example.com", "0").await.expect("added");
    let increments = (0..30).map(|_| async {
        let tx = db.begin().await.expect("begins");
        // On PostgreSQL an update takes the row's lock; on SQLite the transaction has the file's.
        tx.update_user(ada.id, [("session_id", "locked")])
            .await
            .expect("updated");
        let user = tx.find_user_by([("id", ada.id)]).await.expect("found");
        let number: u32 = user.hashed_password.parse().expect("a number");
        let next = (number + 1).to_string();
        tx.update_user(ada.id, [("hashed_password", next)])
            .await
            .expect("updated");
        tx.commit().await.expect("commits");
    });
    futures_util::future::join_all(increments).await;
    let user = db.find_user_by([("id", ada.id)]).await.expect("found");
    assert_eq!(user.hashed_password, "30");
}

#[apply(on_both_databases)]
async fn a_user_prints_itself_without_hash_and_digest(test: TestDb) {
    let user = test
        .db
        .add_user("ada@example.com", "the hash")
        .await
        .expect("added");
    test.db
        .update_user(user.id, [("reset_token", "the digest")])
        .await
        .expect("updated");
    let user = test
        .db
        .find_user_by([("id", user.id)])
        .await
        .expect("found");
    let printed = format!("{user:?}");
    assert!(printed.contains("ada@example.com"));
    assert!(
        !printed.contains("the hash") && !printed.contains("the digest"),
        "{printed}"
    );
}

#[apply(once)]
async fn a_url_that_is_none_is_refused_at_once() {
    for url in [
        "",
        "nonsense",
        "mysql://root:secret@localhost/x",
        "postgres://u:secret@h:port/x",
        "sqlite://?nonsense=secret",
        "sqlite:",
        "sqlite://",
        "sqlite://%3Amemory%3A",
    ] {
        let refused = DB::connect(url).await.expect_err(url);
        assert!(
            matches!(refused, DbError::InvalidRequest(_)),
            "{url}: {refused:?}"
        );
        assert!(
            !format!("{refused} {refused:?}").contains("secret"),
            "{refused:?}"
        );
    }
}

#[apply(once)]
async fn a_database_in_memory_lasts_as_long_as_its_last_clone() {
    let db = DB::connect("sqlite::memory:").await.expect("opens");
    let clone = db.clone();
    clone
        .add_user("ada@example.com", "hash")
        .await
        .expect("added");
    drop(clone);
    let searches = (0..20).map(|_| db.find_user_by([("email", "ada@example.com")]));
    for found in futures_util::future::join_all(searches).await {
        assert_eq!(found.expect("found").email, "ada@example.com");
    }
    let other = DB::connect("sqlite::memory:").await.expect("opens");
    assert!(other.find_user_by([("id", 1)]).await.is_err());
}
