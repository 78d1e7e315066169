//! The figures of docs/performance.md, measured on this machine: `cargo bench --bench figures`
//!
//! Two things that are compared are measured alternately, several times, and the medians are shown. So other work of
//! the machine affects both alike. The load comes from wrk, which must be installed.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "figures for people, of a program for this machine"
)]

mod administration;
mod bare;
mod fairness;
mod hashing;
mod long_life;
mod overload;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod secrecy;
mod service;
mod sessions;
mod versus;

use std::{
    env,
    error::Error,
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use service::Service;

/// How many times each comparison is measured.
const ROUNDS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A figure: its name, and the function that measures and prints it.
type Figure = (&'static str, fn() -> Result<()>);

const FIGURES: [Figure; 22] = [
    ("size", size),
    ("cold-start", cold_start),
    ("root", root),
    ("memory", memory),
    ("registrations", registrations),
    ("checks", sessions::checks),
    ("many-users", sessions::many_users),
    ("memory-of-checks", sessions::memory),
    ("storm", overload::storm),
    ("storm-throttled", overload::storm_throttled),
    ("slow-clients", overload::slow_clients),
    ("weak-passwords", fairness::weak_passwords),
    ("fairness", fairness::fairness),
    ("slow-bodies", overload::slow_bodies),
    ("large-bodies", overload::large_bodies),
    ("secrecy", secrecy::secrecy),
    ("emails", secrecy::emails),
    ("lanes", hashing::lanes),
    ("sign-ins", hashing::sign_ins),
    ("long-life", long_life::long_life),
    ("search", administration::search),
    ("versus", versus::versus),
];

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().collect();
    if let [_, flag, address, database] = &arguments[..]
        && flag == bare::SERVE
    {
        return bare::serve(address, database);
    }
    if Command::new("wrk")
        .arg("-v")
        .stdout(Stdio::null())
        .spawn()
        .is_err()
    {
        return Err("the load comes from wrk: apt-get install wrk".into());
    }
    // Cargo adds an argument of its own.
    let wanted: Vec<_> = arguments
        .iter()
        .skip(1)
        .filter(|name| !name.starts_with("--"))
        .collect();
    for (name, measure) in FIGURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            measure()?;
        }
    }
    Ok(())
}

/// Measures the size of the binary.
fn size() -> Result<()> {
    let megabytes = fs::metadata(env!("CARGO_BIN_EXE_bienvenue"))?.len() as f64 / 1e6;
    println!("binary: {megabytes:.1} MB");
    Ok(())
}

/// Measures the time from the start of the process to its first answer.
fn cold_start() -> Result<()> {
    let mut empty = Vec::new();
    let mut existing = Vec::new();
    for _ in 0..4 * ROUNDS {
        let folder = tempfile::tempdir()?;
        for times in [&mut empty, &mut existing] {
            let service = Service::start(folder.path(), &[])?;
            times.push(service.started_in.as_secs_f64() * 1e3);
        }
    }
    println!(
        "cold start on SQLite: {:.1} ms on an empty file, {:.1} ms on an existing one",
        median(&mut empty),
        median(&mut existing)
    );
    Ok(())
}

/// Compares `GET /` with poem alone.
fn root() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = Service::start(folder.path(), &[])?;
    let bare = Service::start_bare("sqlite::memory:")?;
    let (mut our_rates, mut bare_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let our_rate = ours.under_wrk(32, 4, &[])?;
        let bare_rate = bare.under_wrk(32, 4, &[])?;
        our_rates.push(our_rate);
        bare_rates.push(bare_rate);
        ratios.push(our_rate / bare_rate);
    }
    println!(
        "GET /: {:.0} requests/s, bare poem {:.0}: {:.2} of it",
        median(&mut our_rates),
        median(&mut bare_rates),
        median(&mut ratios)
    );
    Ok(())
}

/// Measures the resident memory, idle and after requests.
fn memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), &[])?;
    let idle = service.resident()?;
    for number in 0..10_000 {
        service.ask(["/", "/health/ready", "/problems/email-taken", "/nothing"][number % 4])?;
    }
    let after = service.resident()?;
    service.ask("/docs/swagger-ui.js")?;
    println!(
        "resident memory: {idle:.1} MiB idle, {after:.1} MiB after 10,000 requests, {:.1} MiB once Swagger UI was shown",
        service.resident()?
    );
    Ok(())
}

/// A script that registers a new address with each request. An answer other than 201 ends the run.
const REGISTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/register.lua");

/// Compares registrations at cost 12 with the rate of bcrypt alone on all cores.
fn registrations() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), &[])?;
    let (mut ours, mut alone, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let our_rate = service.under_wrk(8, 10, &[REGISTER])?;
        // Requests that were running at the end of the load must end too.
        thread::sleep(Duration::from_secs(1));
        let alone_rate = bcrypt_alone(Duration::from_secs(10));
        ours.push(our_rate);
        alone.push(alone_rate);
        ratios.push(our_rate / alone_rate);
    }
    println!(
        "registrations at cost 12: {:.1}/s, bcrypt alone {:.1}/s: {:.2} of it",
        median(&mut ours),
        median(&mut alone),
        median(&mut ratios)
    );
    Ok(())
}

/// bcrypt hashes a second, with one thread for each core.
fn bcrypt_alone(time: Duration) -> f64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let hashes: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while begun.elapsed() < time {
                        bcrypt::hash_with_salt("correct horse battery", 12, [7; 16])
                            .expect("cost 12");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    f64::from(hashes) / begun.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
