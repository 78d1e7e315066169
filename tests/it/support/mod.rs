//! The harness: finds the databases, gives every test a fresh one, and runs it.

mod answer;
mod app;
mod browser;
mod mailbox;
mod page;
mod pgbouncer;
mod postgres;
mod program;
mod relay;

use std::{
    future::Future,
    io::{Write as _, stderr},
    panic::{AssertUnwindSafe, resume_unwind},
    pin::Pin,
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
};

use bienvenue::db::DB;
use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use sea_orm::{ConnectionTrait as _, Database};
use tempfile::TempDir;

pub use answer::Answer;
pub use app::{TestApp, settings};
pub use browser::Browser;
pub use mailbox::{Mail, Mailbox, SmtpServer};
pub use page::Page;
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use program::{Program, command};
pub use relay::Relay;

/// Set to anything, a run that would have to leave tests out fails instead.
const REQUIRE_ALL_TESTS: &str = "REQUIRE_ALL_TESTS";

/// A database to use instead of a throwaway one; the tests make databases of their own beside it.
const TEST_DATABASE_URL: &str = "TEST_DATABASE_URL";

/// The service's own secret, the same for every replica.
pub const TEST_KEY: &str = "dGhlIGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzISE=";

type Run = Pin<Box<dyn Future<Output = ()>>>;

/// A test, as the attributes below register it.
pub struct Behaviour {
    pub module: &'static str,
    pub name: &'static str,
    pub run: Needs,
}

/// What a test needs to run.
pub enum Needs {
    /// Nothing.
    Nothing(fn() -> Run),
    /// A fresh database: it runs once on each kind.
    Database(fn(TestDatabase) -> Run),
    /// A fresh database, and a browser: it runs once on each kind.
    Browser(fn(TestDatabase) -> Run),
    /// The same, and the page of the TypeScript example.
    Page(fn(TestDatabase) -> Run),
    /// A fresh database, and a mail server: it runs once on each kind.
    MailServer(fn(TestDatabase) -> Run),
    /// The same, and a browser.
    MailServerAndBrowser(fn(TestDatabase) -> Run),
    /// A PostgreSQL server of its own, to be stopped and started.
    Server(fn(Postgres) -> Run),
    /// The same, and a pooler to put in front of it.
    Pooler(fn(Postgres) -> Run),
}

inventory::collect!(Behaviour);

/// `#[apply(on_both_databases)]`: the test runs on SQLite and on PostgreSQL. Its argument is what it
/// wants on a fresh database: a [`TestApp`], a [`TestDatabase`] or a [`DB`].
macro_rules! on_both_databases {
    ($($test:tt)*) => { $crate::support::on_fresh_database! { Database, $($test)* } };
}

/// `#[apply(in_a_browser)]`: as [`on_both_databases`], where there is a browser.
macro_rules! in_a_browser {
    ($($test:tt)*) => { $crate::support::on_fresh_database! { Browser, $($test)* } };
}

/// `#[apply(on_a_page)]`: as [`in_a_browser`], where the page of the TypeScript example is built.
macro_rules! on_a_page {
    ($($test:tt)*) => { $crate::support::on_fresh_database! { Page, $($test)* } };
}

/// `#[apply(with_mail_server)]`: as [`on_both_databases`], where there is a mail server.
macro_rules! with_mail_server {
    ($($test:tt)*) => { $crate::support::on_fresh_database! { MailServer, $($test)* } };
}

/// `#[apply(with_mail_server_and_browser)]`: as [`with_mail_server`], where there is a browser too.
macro_rules! with_mail_server_and_browser {
    ($($test:tt)*) => { $crate::support::on_fresh_database! { MailServerAndBrowser, $($test)* } };
}

macro_rules! on_fresh_database {
    ($needs:ident, $(#[$attribute:meta])* async fn $name:ident($argument:ident: $fixture:ty $(,)?) $body:block) => {
        $(#[$attribute])*
        async fn $name($argument: $fixture) $body
        $crate::support::register!($name, $needs, |database| Box::pin(async move {
            let fixture = <$fixture as $crate::support::OnDatabase>::on(database).await;
            $name(fixture).await;
        }));
    };
}

/// `#[apply(once)]`: the test needs no database.
macro_rules! once {
    ($(#[$attribute:meta])* async fn $name:ident() $body:block) => {
        $(#[$attribute])*
        async fn $name() $body
        $crate::support::register!($name, Nothing, || Box::pin($name()));
    };
}

/// `#[apply(on_own_postgres)]`: the test has a PostgreSQL server to itself.
macro_rules! on_own_postgres {
    ($(#[$attribute:meta])* async fn $name:ident($argument:ident: Postgres $(,)?) $body:block) => {
        $(#[$attribute])*
        async fn $name($argument: Postgres) $body
        $crate::support::register!($name, Server, |server| Box::pin($name(server)));
    };
}

/// `#[apply(behind_a_pooler)]`: as [`on_own_postgres`], where there is a pooler.
macro_rules! behind_a_pooler {
    ($(#[$attribute:meta])* async fn $name:ident($argument:ident: Postgres $(,)?) $body:block) => {
        $(#[$attribute])*
        async fn $name($argument: Postgres) $body
        $crate::support::register!($name, Pooler, |server| Box::pin($name(server)));
    };
}

macro_rules! register {
    ($name:ident, $needs:ident, $run:expr) => {
        inventory::submit! {
            $crate::support::Behaviour {
                module: module_path!(),
                name: stringify!($name),
                run: $crate::support::Needs::$needs($run),
            }
        }
    };
}

pub(crate) use {
    behind_a_pooler, in_a_browser, on_a_page, on_both_databases, on_fresh_database,
    on_own_postgres, once, register, with_mail_server, with_mail_server_and_browser,
};

/// What a test on a database can ask for.
pub trait OnDatabase {
    async fn on(database: TestDatabase) -> Self;
}

impl OnDatabase for TestDatabase {
    async fn on(database: TestDatabase) -> Self {
        database
    }
}

/// An open database that is migrated, and what keeps it alive.
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

/// An empty database for one test.
pub struct TestDatabase {
    pub url: String,
    /// The SQLite file is in it; gone with it.
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A database that somebody else made and will drop.
    pub fn at(url: String) -> Self {
        Self { url, _folder: None }
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

    fn new_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Self {
            url: format!("sqlite://{}/test.db?mode=rwc", folder.path().display()),
            _folder: Some(folder),
        }
    }

    async fn new_postgres(server: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("bienvenue_test_{}_{number}", std::process::id());
        admin(
            server,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await;
        Self::at(with_database(server, &name))
    }

    /// Leaves nothing behind on a server that is not ours.
    async fn drop_postgres(server: &str, url: &str) {
        let url = url::Url::parse(url).expect("it was made of one");
        let name = url.path().trim_start_matches('/');
        admin(
            server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
    }
}

async fn admin(server: &str, sql: &str) {
    let conn = Database::connect(server).await.expect("the server is up");
    conn.execute_unprepared(sql)
        .await
        .expect("may make databases");
    conn.close().await.expect("closes");
}

/// The URL of another database on the same server.
fn with_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).expect("TEST_DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}

/// Runs every test that the command line asks for.
pub fn run() -> ExitCode {
    // The client that the tests have is built as the service's is, which brings its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::from_args();
    let own = match std::env::var(TEST_DATABASE_URL) {
        Ok(_) => None,
        Err(_) if arguments.list => None,
        Err(_) => Postgres::start(),
    };
    let server: Option<&'static str> = match (&own, std::env::var(TEST_DATABASE_URL)) {
        (Some(own), _) => Some(own.url("postgres").leak()),
        (None, Ok(url)) => Some(url.leak()),
        (None, Err(_)) => None,
    };
    let has_browser = Browser::is_installed();
    let has_page = Page::is_built();
    let has_mail_server = SmtpServer::is_installed();
    let has_pooler = Postgres::is_installed() && PgBouncer::is_installed();
    let missing = [
        (server.is_none(), "PostgreSQL: SQLite alone is covered"),
        (
            !Postgres::is_installed(),
            "PostgreSQL to stop and start: outages are not covered",
        ),
        (
            !has_browser,
            "Chromium and its driver: pages are not covered",
        ),
        (
            !has_mail_server,
            "mail server (python3-aiosmtpd): letters go to files alone",
        ),
        (
            !has_pooler,
            "PgBouncer (pgbouncer): poolers are not covered",
        ),
        (
            !has_page,
            "TypeScript example that is built: a frontend is not covered",
        ),
    ];
    for (is_missing, what) in missing {
        if is_missing && !arguments.list {
            say(&format!("this machine has no {what}"));
            if std::env::var_os(REQUIRE_ALL_TESTS).is_some() {
                say("REQUIRE_ALL_TESTS is set, so the run fails");
                return ExitCode::FAILURE;
            }
        }
    }
    let mut trials = Vec::new();
    for behaviour in inventory::iter::<Behaviour> {
        let module = behaviour.module.trim_start_matches("it::");
        let name = format!("{module}::{}", behaviour.name);
        match behaviour.run {
            Needs::Nothing(run) => trials.push(trial(name, run)),
            Needs::Database(run) => trials.extend(on_each_database(&name, run, server, true)),
            Needs::Browser(run) => trials.extend(on_each_database(&name, run, server, has_browser)),
            Needs::Page(run) => {
                trials.extend(on_each_database(
                    &name,
                    run,
                    server,
                    has_browser && has_page,
                ));
            }
            Needs::MailServer(run) => {
                trials.extend(on_each_database(&name, run, server, has_mail_server));
            }
            Needs::MailServerAndBrowser(run) => {
                let can_run = has_mail_server && has_browser;
                trials.extend(on_each_database(&name, run, server, can_run));
            }
            Needs::Server(run) | Needs::Pooler(run) => {
                let found = match behaviour.run {
                    Needs::Pooler(_) => has_pooler,
                    _ => Postgres::is_installed(),
                };
                let trial = trial(name, move || {
                    run(Postgres::start().expect("PostgreSQL is installed"))
                });
                trials.push(trial.with_ignored_flag(!found));
            }
        }
    }
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(own);
    conclusion.exit_code()
}

/// A test on SQLite and the same on PostgreSQL, ignored where what they need is missing.
fn on_each_database(
    name: &str,
    run: fn(TestDatabase) -> Run,
    server: Option<&'static str>,
    can_run: bool,
) -> [Trial; 2] {
    let on_sqlite = trial(format!("{name}::sqlite"), move || {
        run(TestDatabase::new_sqlite())
    });
    let on_postgres = trial(format!("{name}::postgres"), move || {
        Box::pin(async move {
            let server = server.expect("without a server the test is ignored");
            let database = TestDatabase::new_postgres(server).await;
            let url = database.url.clone();
            let outcome = AssertUnwindSafe(run(database)).catch_unwind().await;
            TestDatabase::drop_postgres(server, &url).await;
            if let Err(panic) = outcome {
                resume_unwind(panic);
            }
        })
    });
    [
        on_sqlite.with_ignored_flag(!can_run),
        on_postgres.with_ignored_flag(!can_run || server.is_none()),
    ]
}

fn trial(name: String, run: impl FnOnce() -> Run + Send + 'static) -> Trial {
    Trial::test(name, move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failed::from)?
            .block_on(run());
        Ok(())
    })
}

fn say(text: &str) {
    // Not the macro: its output is for the test that runs, and none does yet.
    let _ = writeln!(stderr(), "note: {text}");
}
