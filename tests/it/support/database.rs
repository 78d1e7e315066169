//! A fresh database for each test, on either kind.

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use bienvenue::db::DB;
use futures_util::FutureExt as _;
use sea_orm::{ConnectionTrait as _, Database};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{Postgres, Program};

/// A server to use instead of a throwaway one; the tests make databases of their own on it.
const TEST_DATABASE_URL: &str = "TEST_DATABASE_URL";

/// The URL of the server that all tests of this process share.
static SERVER: OnceLock<String> = OnceLock::new();

/// What a test on a database can have as its first argument.
pub trait OnDatabase {
    /// Whether the database has no tables yet.
    const IS_EMPTY: bool = false;

    async fn on(database: TestDatabase) -> Self;
}

/// A migrated database for one test.
pub struct TestDatabase {
    pub url: String,
    /// The SQLite file is in it; gone with it.
    folder: Option<TempDir>,
}

impl OnDatabase for TestDatabase {
    async fn on(database: TestDatabase) -> Self {
        database
    }
}

/// A database without tables.
pub struct EmptyDatabase(TestDatabase);

impl OnDatabase for EmptyDatabase {
    const IS_EMPTY: bool = true;

    async fn on(database: TestDatabase) -> Self {
        Self(database)
    }
}

impl Deref for EmptyDatabase {
    type Target = TestDatabase;

    fn deref(&self) -> &TestDatabase {
        &self.0
    }
}

/// A database that is open, and what keeps it alive.
pub struct TestDb {
    pub db: DB,
    pub database: TestDatabase,
}

impl OnDatabase for TestDb {
    async fn on(database: TestDatabase) -> Self {
        let db = DB::connect(&database.url).await.expect("opens");
        Self { db, database }
    }
}

impl TestDatabase {
    /// A database that is made and dropped elsewhere.
    pub fn at(url: String) -> Self {
        Self { url, folder: None }
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Runs SQL past the service, as an operator would, and returns the first column of the first row.
    pub async fn sql(&self, sql: &str) -> Option<String> {
        let conn = Database::connect(&self.url).await.expect("connects");
        let statement = sea_orm::Statement::from_string(conn.get_database_backend(), sql);
        let row = conn.query_one_raw(statement).await.expect("SQL is right");
        conn.close().await.expect("closes");
        row?.try_get_by_index(0).expect("the first column is text")
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> usize {
        let count = format!("SELECT CAST(count(*) AS text) FROM {table}");
        let count = self.sql(&count).await.expect("a row");
        count.parse().expect("a number")
    }

    pub async fn new_sqlite(is_empty: bool) -> Self {
        let database = Self::new_file();
        if !is_empty {
            std::fs::write(database.file(), migrated_file().await).expect("there is room");
        }
        database
    }

    /// The file of a SQLite database.
    fn file(&self) -> PathBuf {
        let folder = self.folder.as_ref().expect("SQLite has a folder");
        folder.path().join("test.db")
    }

    fn new_file() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Self {
            url: format!("sqlite://{}/test.db?mode=rwc", folder.path().display()),
            folder: Some(folder),
        }
    }
}

/// What is in the file of a migrated SQLite database.
async fn migrated_file() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let make = async || {
        let database = TestDatabase::new_file();
        migrate(&database.url);
        // All of it is to be in one file.
        execute(&database.url, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        std::fs::read(database.file()).expect("it is there")
    };
    FILE.get_or_init(make).await
}

/// The PostgreSQL server that all tests of this process share, while it runs.
pub struct SharedServer {
    /// Its data is gone when this is dropped. Nothing where `TEST_DATABASE_URL` names the server.
    own: Option<Postgres>,
}

impl SharedServer {
    /// Why there is none.
    pub fn missing() -> Option<&'static str> {
        let is_given = std::env::var_os(TEST_DATABASE_URL).is_some();
        let missing = "PostgreSQL (postgresql): SQLite alone is covered";
        (!is_given && !Postgres::is_installed()).then_some(missing)
    }

    /// Starts it. By the main thread: a throwaway server ends with the thread that started it.
    pub fn start() -> Self {
        let given = std::env::var(TEST_DATABASE_URL).ok();
        let own = given.is_none().then(Postgres::start).flatten();
        let url = own.as_ref().map(|own| own.url("postgres")).or(given);
        SERVER.get_or_init(|| url.expect("it is given or started"));
        Self { own }
    }

    /// Leaves nothing behind.
    pub async fn stop(self) {
        if self.own.is_none() {
            drop_database(&template()).await;
        }
    }
}

/// Runs a test on a fresh PostgreSQL database, which is gone afterwards.
pub async fn on_postgres<F>(is_empty: bool, run: impl FnOnce(TestDatabase) -> F)
where
    F: Future<Output = ()>,
{
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "bienvenue_test_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    create_database(
        &name,
        if is_empty {
            "template0"
        } else {
            migrated().await
        },
    )
    .await;
    let database = TestDatabase::at(url_of(&name));
    let outcome = AssertUnwindSafe(run(database)).catch_unwind().await;
    drop_database(&name).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// A migrated PostgreSQL database, of which others are copies.
async fn migrated() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    let make = async || {
        let name = template();
        create_database(&name, "template0").await;
        migrate(&url_of(&name));
        name
    };
    NAME.get_or_init(make).await
}

/// Its name.
fn template() -> String {
    format!("bienvenue_test_{}", std::process::id())
}

/// As an operator does. No connection is left, so that the database can be copied.
fn migrate(url: &str) {
    let (succeeded, _, complaints) = Program::run(&["migrate", "up"], &[("DATABASE_URL", url)]);
    assert!(succeeded, "{complaints}");
}

async fn create_database(name: &str, template: &str) {
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
    execute(server(), &sql).await;
}

async fn drop_database(name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    execute(server(), &sql).await;
}

async fn execute(url: &str, sql: &str) {
    let conn = Database::connect(url).await.expect("connects");
    conn.execute_unprepared(sql).await.expect("it is allowed");
    conn.close().await.expect("closes");
}

fn server() -> &'static str {
    SERVER.get().expect("it is started where a test needs it")
}

/// The URL of another database on the server.
fn url_of(name: &str) -> String {
    let mut url = url::Url::parse(server()).expect("TEST_DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}
