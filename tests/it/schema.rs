//! The entities and the migrated tables say the same.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bienvenue::{
    auth::hash_password,
    db::{DB, DbError, Direction, MigrationState},
};
use entity::{
    audit_checkpoint, audit_event, email_verification, known_client, one_time_token, outgoing_mail,
    registration, sealing_key, session, throttle, user, user_group,
};
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait as _, Database, DbBackend, EntityTrait, IdenStatic,
    Iterable, Statement,
};
use sha2::{Digest as _, Sha256};

use crate::support::{
    EmptyDatabase, Postgres, Program, TestApp, TestDatabase, TestDb, on_both_databases, once,
};

/// A column's type, and whether it can be null.
type Columns = BTreeMap<String, (String, bool)>;

#[apply(on_both_databases)]
async fn every_entity_is_as_its_table(test: TestDb) {
    let is_sqlite = test.database.is_sqlite();
    let expected = BTreeMap::from([
        of_entity::<audit_checkpoint::Entity>(is_sqlite),
        of_entity::<audit_event::Entity>(is_sqlite),
        of_entity::<user::Entity>(is_sqlite),
        of_entity::<session::Entity>(is_sqlite),
        of_entity::<email_verification::Entity>(is_sqlite),
        of_entity::<outgoing_mail::Entity>(is_sqlite),
        of_entity::<known_client::Entity>(is_sqlite),
        of_entity::<registration::Entity>(is_sqlite),
        of_entity::<throttle::Entity>(is_sqlite),
        of_entity::<sealing_key::Entity>(is_sqlite),
        of_entity::<one_time_token::Entity>(is_sqlite),
        of_entity::<user_group::Entity>(is_sqlite),
    ]);
    let found = of_database(&test.database).await;
    assert_eq!(found, expected);
}

#[apply(on_both_databases)]
async fn the_documents_say_what_bounds_every_table(test: TestDb) {
    let tables: BTreeSet<_> = of_database(&test.database).await.into_keys().collect();
    let security = include_str!("../../docs/security.md");
    let list = security.split("## What bounds every table").nth(1);
    let list = list.and_then(|rest| rest.split("\n## ").next());
    let rows = list.expect("the list").lines();
    let listed = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
    assert_eq!(listed, tables);
}

#[apply(on_both_databases)]
async fn emails_are_unique_and_ids_are_keys_that_are_never_used_again(test: TestDb) {
    let db = &test.db;
    let ada = db.add_user("ada@example.com", "hash").await.expect("added");
    assert!(matches!(
        db.add_user("ada@example.com", "hash").await,
        Err(DbError::Conflict(_))
    ));
    test.database.sql("DELETE FROM users").await;
    let again = db.add_user("ada@example.com", "hash").await.expect("added");
    assert!(again.id > ada.id);
}

#[apply(on_both_databases)]
async fn migrations_go_up_and_down_and_up_again(database: EmptyDatabase) {
    let db = DB::connect(&database.url)
        .await
        .expect("opens and migrates");
    let names: Vec<_> = states(&db).await.into_iter().map(applied).collect();
    assert!(!names.is_empty());
    let nothing: [String; 0] = [];
    assert_eq!(
        db.migrate(Direction::Up).await.expect("nothing to do"),
        nothing
    );
    for name in names.iter().rev() {
        let taken_back = db.migrate(Direction::Down).await.expect("goes down");
        assert_eq!(taken_back, std::slice::from_ref(name));
    }
    assert_eq!(
        db.migrate(Direction::Down).await.expect("nothing to do"),
        nothing
    );
    assert!(of_database(&database).await.is_empty());
    for state in states(&db).await {
        assert!(matches!(state, MigrationState::Pending(_)), "{state:?}");
    }
    assert_eq!(db.migrate(Direction::Up).await.expect("goes up"), names);
    db.add_user("ada@example.com", "hash").await.expect("added");
}

#[apply(on_both_databases)]
async fn accounts_and_sessions_of_every_older_schema_are_brought_forward(database: TestDatabase) {
    const PASSWORD: &str = "correct horse battery";
    let hash = hash_password(PASSWORD, 4).expect("a password");
    let db = DB::connect(&database.url).await.expect("opens");
    let all = states(&db).await.len();
    let mut tokens = Vec::new();
    for migrations in 1..all {
        while states(&db)
            .await
            .iter()
            .filter(|state| is_applied(state))
            .count()
            > migrations
        {
            db.migrate(Direction::Down).await.expect("goes down");
        }
        let (now, end) = ("2026-11-22T06:00:00+00:00", "2026-11-29T06:00:00+00:00");
        let user = format!(
            "INSERT INTO users (email, hashed_password, created_at, updated_at)
             VALUES ('user{migrations}@example.com', '{}', '{now}', '{now}')",
            hash.as_str()
        );
        database.sql(&user).await;
        if of_database(&database).await.contains_key("sessions") {
            let token = token(migrations);
            let id = if database.is_sqlite() {
                "randomblob(16)"
            } else {
                "gen_random_uuid()"
            };
            let session = format!(
                "INSERT INTO sessions (id, user_id, token_digest, created_at, authenticated_at, last_seen_at, expires_at)
                 SELECT {id}, max(id), '{}', '{now}', '{now}', '{now}', '{end}' FROM users",
                hex::encode(Sha256::digest(&token))
            );
            database.sql(&session).await;
            tokens.push((migrations, token));
        }
        // The next version starts on it.
        let app = TestApp::with(TestDatabase::at(database.url.clone()), &[]).await;
        for number in 1..=migrations {
            let signed_in = app
                .sign_in(&format!("user{number}@example.com"), PASSWORD)
                .await;
            assert_eq!(
                signed_in.status,
                StatusCode::CREATED,
                "{migrations}: {signed_in:?}"
            );
        }
        if let Some((number, token)) = tokens.last() {
            let answer = app.get_as(token, "/users/me").await;
            assert_eq!(answer.body["email"], format!("user{number}@example.com"));
        }
        app.stop().await;
    }
    assert_eq!(
        tokens.len(),
        all - 3,
        "sessions came with the third migration"
    );
}

/// A token as the service makes them, of a number.
fn token(number: usize) -> String {
    let prefix = "bienvenue_session_";
    let random = Sha256::digest(number.to_le_bytes());
    let checksum = Sha256::digest([prefix.as_bytes(), &random].concat());
    let encoded = URL_SAFE_NO_PAD.encode([&random[..], &checksum[..4]].concat());
    format!("{prefix}{encoded}")
}

fn is_applied(state: &MigrationState) -> bool {
    matches!(state, MigrationState::Applied(_))
}

#[apply(on_both_databases)]
async fn a_database_that_a_newer_version_migrated_is_refused(database: TestDatabase) {
    let db = DB::connect(&database.url)
        .await
        .expect("opens and migrates");
    let newer = "INSERT INTO bienvenue_migrations (version, applied_at) VALUES ('m20990101_000001_newer', 0)";
    database.sql(newer).await;
    let refused = DB::connect(&database.url)
        .await
        .expect_err("the schema is newer");
    assert!(matches!(&refused, DbError::NewerSchema(name) if name == "m20990101_000001_newer"));
    // One that was running before goes on.
    db.add_user("ada@example.com", "hash").await.expect("added");
    let newest = states(&db).await.pop();
    let unknown = MigrationState::Unknown("m20990101_000001_newer".to_owned());
    assert_eq!(newest, Some(unknown));
}

/// What an older binary reads of a database: the names in the table of migrations that it knows.
async fn old_names(database: &TestDatabase) -> Vec<String> {
    let conn = Database::connect(&database.url).await.expect("connects");
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    let rows = conn.query_all_raw(statement).await.expect("SQL is right");
    conn.close().await.expect("closes");
    let names = rows.iter().map(|row| row.try_get_by_index(0));
    names.collect::<Result<_, _>>().expect("text")
}

#[apply(on_both_databases)]
async fn the_table_of_migrations_of_older_versions_is_read_and_kept_up(test: TestDb) {
    let (db, database) = (&test.db, &test.database);
    let ada = db.add_user("ada@example.com", "hash").await.expect("added");
    let all: Vec<_> = states(db).await.into_iter().map(applied).collect();
    let newest = db.migrate(Direction::Down).await.expect("goes down");
    // As an older version left it, which knew all but the newest.
    database
        .sql("ALTER TABLE bienvenue_migrations RENAME TO seaql_migrations")
        .await;
    let old = old_names(database).await;
    assert_eq!(old.len(), all.len() - 1);
    let pending = states(db).await.pop();
    assert_eq!(pending, Some(MigrationState::Pending(newest[0].clone())));
    assert_eq!(db.migrate(Direction::Up).await.expect("goes up"), newest);
    assert_eq!(database.count("bienvenue_migrations").await, all.len());
    // One that runs finds all that it knows, and one that is started finds what it does not know.
    assert_eq!(old_names(database).await, all);
    let kept = db.find_user_by([("email", "ada@example.com")]).await;
    assert_eq!(kept.expect("found").id, ada.id);
    // What is taken back is taken back for both.
    assert_eq!(
        db.migrate(Direction::Down).await.expect("goes down"),
        newest
    );
    assert_eq!(old_names(database).await, old);
}

#[apply(on_both_databases)]
async fn the_table_of_migrations_is_moved_where_nothing_else_is_to_do(test: TestDb) {
    let (db, database) = (&test.db, &test.database);
    database
        .sql("ALTER TABLE bienvenue_migrations RENAME TO seaql_migrations")
        .await;
    let old = old_names(database).await;
    let moves = (0..4).map(|_| db.migrate(Direction::Up));
    for moved in futures_util::future::join_all(moves).await {
        assert!(moved.expect("goes up").is_empty());
    }
    assert_eq!(database.count("bienvenue_migrations").await, old.len());
    assert_eq!(old_names(database).await, old);
}

#[apply(on_both_databases)]
async fn the_migrations_of_another_program_are_left_alone(database: EmptyDatabase) {
    for sql in [
        "CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)",
        "INSERT INTO seaql_migrations VALUES ('m20220101_000001_create_table', 0)",
        "CREATE TABLE cakes (id integer)",
    ] {
        database.sql(sql).await;
    }
    let db = DB::connect(&database.url).await.expect("opens");
    db.add_user("ada@example.com", "hash").await.expect("added");
    db.migrate(Direction::Down).await.expect("goes down");
    db.migrate(Direction::Up).await.expect("goes up");
    assert_eq!(
        old_names(&database).await,
        ["m20220101_000001_create_table"]
    );
}

#[apply(on_both_databases)]
async fn the_tables_of_another_program_are_not_taken_for_ours(database: EmptyDatabase) {
    database.sql("CREATE TABLE throttles (id integer)").await;
    let (succeeded, _, log) = Program::run(&["serve"], &[("DATABASE_URL", &database.url)]);
    assert!(!succeeded);
    let complaint = "the database can't be used: it contains tables of another program (";
    assert!(
        log.contains(complaint) && log.contains("\"throttles\""),
        "{log}"
    );
    // Nothing is made beside them.
    let tables: Vec<_> = of_database(&database).await.into_keys().collect();
    assert_eq!(tables, ["throttles"]);
}

#[apply(once)]
async fn a_database_that_has_not_all_characters_is_refused(server: Postgres) {
    let admin = TestDatabase::at(server.url("postgres"));
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = encoding.to_lowercase();
        let sql =
            format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        admin.sql(&sql).await;
        for action in [&["serve"][..], &["migrate", "up"]] {
            let (succeeded, _, log) = Program::run(action, &[("DATABASE_URL", &server.url(&name))]);
            let complaint = format!(
                "its encoding is {encoding}, which lacks some characters: create a database in UTF8"
            );
            assert!(!succeeded && log.contains(&complaint), "{log}");
        }
    }
}

async fn states(db: &DB) -> Vec<MigrationState> {
    db.migration_states().await.expect("answers")
}

fn applied(state: MigrationState) -> String {
    match state {
        MigrationState::Applied(name) => name,
        other => panic!("{other:?}"),
    }
}

fn of_entity<E: EntityTrait>(is_sqlite: bool) -> (String, Columns) {
    let columns = E::Column::iter().map(|column| {
        let definition = column.def();
        let kind = match (definition.get_column_type(), is_sqlite) {
            (ColumnType::BigInteger, false) => "bigint",
            (ColumnType::BigInteger, true) | (ColumnType::Integer, _) => "integer",
            (ColumnType::String(_), false) => "character varying",
            (ColumnType::String(_), true) => "varchar",
            (ColumnType::TimestampWithTimeZone, false) => "timestamp with time zone",
            (ColumnType::TimestampWithTimeZone, true) => "timestamp_with_timezone_text",
            (ColumnType::Boolean, _) => "boolean",
            (ColumnType::Uuid, false) => "uuid",
            (ColumnType::Uuid, true) => "uuid_text",
            (other, _) => panic!("say here how {other:?} is stored"),
        };
        let name = column.as_str().to_owned();
        (name, (kind.to_owned(), definition.is_null()))
    });
    (E::default().table_name().to_owned(), columns.collect())
}

/// All tables but that of the migrations.
async fn of_database(database: &TestDatabase) -> BTreeMap<String, Columns> {
    let conn = Database::connect(&database.url).await.expect("connects");
    let sql = match conn.get_database_backend() {
        DbBackend::Sqlite => {
            "SELECT m.name, c.name, lower(c.type), NOT c.\"notnull\"
             FROM sqlite_schema m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'bienvenue_migrations'"
        }
        _ => {
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> 'bienvenue_migrations'"
        }
    };
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    let mut tables = BTreeMap::<String, Columns>::new();
    for row in conn.query_all_raw(statement).await.expect("SQL is right") {
        let text = |index| row.try_get_by_index::<String>(index).expect("text");
        let nullable = row.try_get_by_index::<bool>(3).expect("a truth");
        tables
            .entry(text(0))
            .or_default()
            .insert(text(1), (text(2), nullable));
    }
    conn.close().await.expect("closes");
    tables
}
