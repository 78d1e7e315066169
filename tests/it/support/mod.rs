//! The harness: gives every test what it asks for, and runs it.
//!
//! A test has one of two attributes, [`on_both_databases`] and [`once`]. Its arguments are what it needs: their types say so, see
//! [`OnDatabase`] and [`Fixture`]. Where the machine lacks something that a test needs, the test is ignored, and the run says so.

mod answer;
mod app;
mod browser;
mod contract;
mod database;
mod mailbox;
mod page;
mod pgbouncer;
mod postgres;
mod program;
mod relay;

use std::{
    collections::BTreeSet,
    future::Future,
    io::{Write as _, stderr},
    pin::Pin,
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};

pub use answer::Answer;
pub use app::{TestApp, settings};
pub use browser::Browser;
pub use contract::Question;
pub use database::{EmptyDatabase, OnDatabase, TestDatabase, TestDb};
pub use mailbox::{Mail, Mailbox, SmtpServer};
pub use page::Page;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, postgres_program};
pub use program::{Program, command};
pub use relay::Relay;

use database::{SharedServer, on_postgres};

/// Set to anything, a run that would have to leave tests out fails instead.
const REQUIRE_ALL_TESTS: &str = "REQUIRE_ALL_TESTS";

/// The service's own secret, the same for every replica.
pub const TEST_KEY: &str = "dGhlIGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzISE=";

/// Rate limits, each as a flag and as a variable.
pub const LIMITS: [(&str, &str); 7] = [
    ("--account-free-failures", "BIENVENUE_ACCOUNT_FREE_FAILURES"),
    ("--account-failures", "BIENVENUE_ACCOUNT_FAILURES"),
    ("--address-failures", "BIENVENUE_ADDRESS_FAILURES"),
    ("--address-registrations", "BIENVENUE_ADDRESS_REGISTRATIONS"),
    ("--address-letters", "BIENVENUE_ADDRESS_LETTERS"),
    (
        "--recipient-letters-hourly",
        "BIENVENUE_RECIPIENT_LETTERS_HOURLY",
    ),
    (
        "--recipient-letters-daily",
        "BIENVENUE_RECIPIENT_LETTERS_DAILY",
    ),
];

/// A limit that a test does not meet.
pub const WIDE: &str = "1000000";

/// What a test can have as an argument, besides a database.
pub trait Fixture {
    /// What this machine lacks for it, and what is not tested therefore.
    fn missing() -> Option<&'static str>;

    async fn set_up() -> Self;
}

// Not beside the type, which the benchmarks have too.
impl Fixture for Postgres {
    fn missing() -> Option<&'static str> {
        let missing = "PostgreSQL (postgresql) to stop and start: outages are not covered";
        (!Self::is_installed()).then_some(missing)
    }

    async fn set_up() -> Self {
        Self::start().expect("it is installed")
    }
}

type Story = Pin<Box<dyn Future<Output = ()>>>;

/// A test, as the attributes below register it.
pub struct Behaviour {
    pub module: &'static str,
    pub name: &'static str,
    /// Of each of its fixtures.
    pub missing: &'static [fn() -> Option<&'static str>],
    pub run: Run,
}

/// How often a test runs.
pub enum Run {
    Once(fn() -> Story),
    OnBothDatabases {
        is_empty: bool,
        story: fn(TestDatabase) -> Story,
    },
}

inventory::collect!(Behaviour);

/// `#[apply(on_both_databases)]`: the test runs on SQLite and on PostgreSQL. Its first argument is what it wants on a fresh database:
/// a [`TestApp`], a [`TestDb`], a [`TestDatabase`] or an [`EmptyDatabase`]. All others are fixtures: a [`Browser`], an [`SmtpServer`]
/// and so on.
macro_rules! on_both_databases {
    (
        $(#[$attribute:meta])*
        async fn $name:ident($($database:ident)+: $OnDatabase:ty $(, $($fixture:ident)+: $Fixture:ty)* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        async fn $name($($database)+: $OnDatabase $(, $($fixture)+: $Fixture)*) $body
        inventory::submit! {
            $crate::support::Behaviour {
                module: module_path!(),
                name: stringify!($name),
                missing: &[$(<$Fixture as $crate::support::Fixture>::missing),*],
                run: $crate::support::Run::OnBothDatabases {
                    is_empty: <$OnDatabase as $crate::support::OnDatabase>::IS_EMPTY,
                    story: |database| Box::pin(async move {
                        $name(
                            <$OnDatabase as $crate::support::OnDatabase>::on(database).await
                            $(, <$Fixture as $crate::support::Fixture>::set_up().await)*
                        )
                        .await;
                    }),
                },
            }
        }
    };
}

/// `#[apply(once)]`: the test runs once. Its arguments, if it has any, are fixtures, such as a [`Postgres`] server of its own.
macro_rules! once {
    (
        $(#[$attribute:meta])*
        async fn $name:ident($($($fixture:ident)+: $Fixture:ty),* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        async fn $name($($($fixture)+: $Fixture),*) $body
        inventory::submit! {
            $crate::support::Behaviour {
                module: module_path!(),
                name: stringify!($name),
                missing: &[$(<$Fixture as $crate::support::Fixture>::missing),*],
                run: $crate::support::Run::Once(|| Box::pin(async move {
                    $name($(<$Fixture as $crate::support::Fixture>::set_up().await),*).await;
                })),
            }
        }
    };
}

pub(crate) use {on_both_databases, once};

/// Runs every test that the command line asks for.
pub fn run() -> ExitCode {
    // The client that the tests have is built as the service's is, which brings its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = arguments();
    let mut missing = BTreeSet::new();
    let mut needs_server = false;
    let mut trials = Vec::new();
    for behaviour in inventory::iter::<Behaviour> {
        for variant in behaviour.variants() {
            let trial = Trial::test(variant.name, || block_on(variant.run));
            let trial = trial.with_ignored_flag(variant.missing.is_some());
            if !arguments.is_filtered_out(&trial) {
                missing.extend(variant.missing);
                needs_server |= variant.needs_server && !arguments.is_ignored(&trial);
            }
            trials.push(trial);
        }
    }
    if !missing.is_empty() && std::env::var_os(REQUIRE_ALL_TESTS).is_some() {
        say(&missing);
        let _ = writeln!(stderr(), "REQUIRE_ALL_TESTS is set, so the run fails");
        return ExitCode::FAILURE;
    }
    let server = (needs_server && !arguments.list).then(SharedServer::start);
    if !arguments.list {
        say(&missing);
    }
    trials.sort_by(|one, other| one.name().cmp(other.name()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(server) = server {
        block_on(|| Box::pin(server.stop())).expect("it stops");
    }
    conclusion.exit_code()
}

/// What the command line asks for. An editor asks for a test by the name of its function: of a test on both databases, that is both.
fn arguments() -> Arguments {
    let mut arguments = Arguments::from_args();
    let mut behaviours = inventory::iter::<Behaviour>.into_iter();
    if arguments.exact
        && let Some(filter) = &mut arguments.filter
        && behaviours.any(|behaviour| behaviour.name() == *filter && !behaviour.is_once())
    {
        filter.push_str("::");
        arguments.exact = false;
    }
    arguments
}

/// A test as it is listed: one that runs on both databases is two.
struct Variant {
    name: String,
    missing: Option<&'static str>,
    needs_server: bool,
    run: Box<dyn FnOnce() -> Story + Send>,
}

impl Behaviour {
    fn name(&self) -> String {
        let module = self.module.trim_start_matches("it::");
        format!("{module}::{}", self.name)
    }

    fn is_once(&self) -> bool {
        matches!(self.run, Run::Once(_))
    }

    fn variants(&self) -> Vec<Variant> {
        let name = self.name();
        let missing = self.missing.iter().find_map(|missing| missing());
        match self.run {
            Run::Once(story) => vec![Variant {
                name,
                missing,
                needs_server: false,
                run: Box::new(story),
            }],
            Run::OnBothDatabases { is_empty, story } => vec![
                Variant {
                    name: format!("{name}::sqlite"),
                    missing,
                    needs_server: false,
                    run: Box::new(move || {
                        Box::pin(async move {
                            story(TestDatabase::new_sqlite(is_empty).await).await;
                        })
                    }),
                },
                Variant {
                    name: format!("{name}::postgres"),
                    missing: missing.or_else(SharedServer::missing),
                    needs_server: true,
                    run: Box::new(move || Box::pin(on_postgres(is_empty, story))),
                },
            ],
        }
    }
}

fn block_on(story: impl FnOnce() -> Story) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(story());
    Ok(())
}

/// Tells what is left out.
fn say(missing: &BTreeSet<&str>) {
    for what in missing {
        // Not the macro: its output is for the test that runs, and none does yet.
        let _ = writeln!(stderr(), "note: this machine has no {what}");
    }
}
