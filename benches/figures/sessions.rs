//! The check of a session, with which every request of a signed-in caller begins.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bienvenue::{auth::hash_password, db::DB};
use chrono::{TimeDelta, Utc};
use sea_orm::{
    ConnectionTrait, Database, DatabaseBackend, DatabaseTransaction, Statement,
    TransactionTrait as _, Value,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{ROUNDS, Result, median, postgres::Postgres, service::Service};

const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/checks.lua");

pub const PASSWORD: &str = "correct horse battery";

/// How many sessions the load uses.
pub const TOKENS: usize = 4_000;

/// Both databases, each temporary, and a file with tokens for each.
pub struct Databases {
    pub folder: TempDir,
    postgres: Postgres,
}

impl Databases {
    pub fn start() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            postgres: Postgres::start()
                .ok_or("PostgreSQL is missing: apt-get install postgresql")?,
        })
    }

    /// For each database server: its display name, and the URL of a database with this name.
    pub fn urls(&self, name: &str) -> Result<[(&'static str, String); 2]> {
        runtime()?.block_on(async {
            let admin = Database::connect(self.postgres.url("postgres")).await?;
            admin
                .execute_unprepared(&format!("CREATE DATABASE {name}"))
                .await?;
            Result::Ok(())
        })?;
        let file = self.folder.path().join(format!("{name}.db"));
        Ok([
            ("SQLite", format!("sqlite://{}?mode=rwc", file.display())),
            ("PostgreSQL", self.postgres.url(name)),
        ])
    }

    /// Writes a file with tokens of sessions.
    fn tokens(&self, tokens: &[String]) -> Result<PathBuf> {
        let path = self.folder.path().join("tokens");
        fs::write(&path, tokens.join("\n"))?;
        Ok(path)
    }
}

/// Compares the check with that of poem and bare sqlx, with the same query.
pub fn checks() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("checks")? {
        let file = databases.tokens(&fill(&url, 10_000, 4)?)?;
        let ours = Service::start(databases.folder.path(), &[("DATABASE_URL", &url)])?;
        let bare = Service::start_bare(&url)?;
        let ([our_rate, bare_rate], ratio) = in_turn([&ours, &bare], &file)?;
        println!(
            "check on {kind}: {our_rate:.0} requests/s, bare poem and sqlx {bare_rate:.0}: {ratio:.2} of it"
        );
        let server = postmaster(&url)?;
        for (name, service) in [("bienvenue", &ours), ("bare poem and sqlx", &bare)] {
            let [its, servers] = microseconds_per_check(service, server, &file)?;
            println!(
                "processor time of a check on {kind}: {its:.0} µs of {name}, {servers:.0} µs of the server"
            );
        }
    }
    Ok(())
}

/// The id of the first process of the PostgreSQL server of a database. `None` for SQLite.
fn postmaster(url: &str) -> Result<Option<u32>> {
    runtime()?.block_on(async {
        let conn = Database::connect(url).await?;
        if conn.get_database_backend() == DatabaseBackend::Sqlite {
            return Ok(None);
        }
        let sql = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
        let statement = Statement::from_string(conn.get_database_backend(), sql);
        let row = conn.query_one_raw(statement).await?.ok_or("a row")?;
        Ok(Some(row.try_get_by_index::<String>(0)?.parse()?))
    })
}

/// The processor time of a check in the service and in the PostgreSQL server, in microseconds. Both are medians.
fn microseconds_per_check(
    service: &Service,
    server: Option<u32>,
    tokens: &Path,
) -> Result<[f64; 2]> {
    const SECONDS: u32 = 4;
    let (mut its, mut servers) = (Vec::new(), Vec::new());
    let of_server = || server.map_or(Ok(0.0), processor_time);
    for _ in 0..ROUNDS {
        let before = (processor_time(service.id())?, of_server()?);
        let checks = run(service, SECONDS, tokens)? * f64::from(SECONDS);
        its.push((processor_time(service.id())? - before.0) / checks);
        servers.push((of_server()? - before.1) / checks);
    }
    Ok([median(&mut its), median(&mut servers)])
}

/// The processor time that a process and its children have used so far, in microseconds.
fn processor_time(process: u32) -> Result<f64> {
    /// Linux counts in hundredths of a second.
    const TICK: f64 = 1e4;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field, the name, is in brackets. Fields 14 to 17 are the times of the process and of its ended
    // children.
    let (_, fields) = stat.rsplit_once(')').ok_or("a name in /proc")?;
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = ticks
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let mut time = TICK * ticks.iter().sum::<f64>();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    for child in children.split_whitespace() {
        // A child may have ended since.
        time += processor_time(child.parse()?).unwrap_or(0.0);
    }
    Ok(time)
}

/// Compares the check with many users and with few.
pub fn many_users() -> Result<()> {
    let databases = Databases::start()?;
    let (few, many) = (databases.urls("few")?, databases.urls("many")?);
    for ((kind, few), (_, many)) in few.into_iter().zip(many) {
        let few_tokens = fill(&few, 10_000, 4)?;
        let begun = Instant::now();
        let many_tokens = fill(&many, 1_000_000, 4)?;
        eprintln!("filled {kind} in {:?}", begun.elapsed());
        let mut rates = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let mut round = [0.0; 2];
            for (number, (url, tokens)) in [(&few, &few_tokens), (&many, &many_tokens)]
                .into_iter()
                .enumerate()
            {
                let file = databases.tokens(tokens)?;
                let service = Service::start(databases.folder.path(), &[("DATABASE_URL", url)])?;
                // Only the second run counts: the first loads the pages into memory.
                run(&service, 2, &file)?;
                round[number] = run(&service, 4, &file)?;
                rates[number].push(round[number]);
            }
            ratios.push(round[0] / round[1]);
        }
        let [few, many] = &mut rates;
        println!(
            "check on {kind} with 1,000,000 users and 2 sessions each: {:.0} requests/s, with 10,000 {:.0}: {:.2} times as long",
            median(many),
            median(few),
            median(&mut ratios)
        );
    }
    Ok(())
}

/// Measures the resident memory after a million checks.
pub fn memory() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("memory")? {
        let file = databases.tokens(&fill(&url, 10_000, 4)?)?;
        let service = Service::start(databases.folder.path(), &[("DATABASE_URL", &url)])?;
        let mut done = 0.0;
        while done < 1e6 {
            done += 20.0 * run(&service, 20, &file)?;
        }
        let megabytes = service.resident()?;
        println!(
            "resident memory on {kind} after {:.1} million checks: {megabytes:.1} MiB",
            done / 1e6
        );
    }
    Ok(())
}

/// Measures the checks a second of two services alternately. Returns the medians, and the median of the ratios.
fn in_turn(services: [&Service; 2], tokens: &Path) -> Result<([f64; 2], f64)> {
    let mut rates = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let round = [run(services[0], 4, tokens)?, run(services[1], 4, tokens)?];
        rates[0].push(round[0]);
        rates[1].push(round[1]);
        ratios.push(round[0] / round[1]);
    }
    let [ours, theirs] = &mut rates;
    Ok(([median(ours), median(theirs)], median(&mut ratios)))
}

pub fn run(service: &Service, seconds: u32, tokens: &Path) -> Result<f64> {
    let tokens = tokens.to_str().ok_or("a path that is text")?;
    service.under_wrk(32, seconds, &[CHECKS, tokens])
}

pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Creates the tables and this number of users with two sessions each. Returns tokens of sessions that are spread over
/// all users.
pub fn fill(url: &str, users: usize, cost: u32) -> Result<Vec<String>> {
    let hash = hash_password(PASSWORD, cost)?;
    runtime()?.block_on(async {
        drop(DB::connect(url).await?);
        let conn = Database::connect(url).await?;
        let tx = conn.begin().await?;
        let (numbers, id, digest) = match tx.get_database_backend() {
            DatabaseBackend::Sqlite => (
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3) SELECT i FROM n)",
                "randomblob(16)",
                "lower(hex(randomblob(32)))",
            ),
            _ => (
                "(SELECT generate_series(1, $3) AS i) AS n",
                "gen_random_uuid()",
                "md5(random()::text) || md5(random()::text)",
            ),
        };
        let now = Utc::now();
        let number = i64::try_from(users)?;
        let sql = format!(
            "INSERT INTO users (email, hashed_password, created_at, updated_at)
             SELECT 'user' || i || '@example.com', $1, $2, $2 FROM {numbers}"
        );
        execute(&tx, &sql, [hash.as_str().into(), now.into(), number.into()]).await?;
        let sql = format!(
            "INSERT INTO sessions (id, user_id, token_digest, created_at, authenticated_at, last_seen_at, expires_at)
             SELECT {id}, users.id, {digest}, $1, $1, $1, $2 FROM users, (SELECT 1 UNION ALL SELECT 2) AS twice"
        );
        let end = now + TimeDelta::days(30);
        execute(&tx, &sql, [now.into(), end.into()]).await?;
        let mut tokens = Vec::new();
        for sample in 0..TOKENS.min(users) {
            let token = token("bienvenue_session_", sample);
            let digest = hex::encode(Sha256::digest(token.as_bytes()));
            let user = i64::try_from(1 + sample * (users / TOKENS.min(users)))?;
            let sql = "UPDATE sessions SET token_digest = $1
                       WHERE id = (SELECT id FROM sessions WHERE user_id = $2 LIMIT 1)";
            execute(&tx, sql, [digest.into(), user.into()]).await?;
            tokens.push(token);
        }
        tx.commit().await?;
        conn.execute_unprepared("ANALYZE").await?;
        conn.close().await?;
        Ok(tokens)
    })
}

async fn execute<const N: usize>(
    tx: &DatabaseTransaction,
    sql: &str,
    values: [Value; N],
) -> Result<()> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.execute_raw(statement).await?;
    Ok(())
}

/// Gives the first user a token that resets the password.
pub fn let_reset(url: &str) -> Result<String> {
    let token = token("bienvenue_reset_", 0);
    let digest = hex::encode(Sha256::digest(token.as_bytes()));
    runtime()?
        .block_on(async {
            let conn = Database::connect(url).await?;
            let tx = conn.begin().await?;
            let end = Utc::now() + TimeDelta::days(1);
            let sql = "UPDATE users SET reset_token = $1, reset_token_expires_at = $2 WHERE id = 1";
            execute(&tx, sql, [digest.into(), end.into()]).await?;
            tx.commit().await?;
            Ok(conn.close().await?)
        })
        .map(|()| token)
}

/// A token in the format of the service, but made from a number and so easy to guess.
fn token(prefix: &str, number: usize) -> String {
    let random = Sha256::digest(number.to_le_bytes());
    let checksum = Sha256::digest([prefix.as_bytes(), &random].concat());
    let encoded = URL_SAFE_NO_PAD.encode([&random[..], &checksum[..4]].concat());
    format!("{prefix}{encoded}")
}
