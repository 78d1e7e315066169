//! The rate of hashes and sign-ins, by how many run at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bcrypt_lanes::Lanes;

use crate::{
    ROUNDS, Result, bcrypt_alone, median,
    service::{Answer, Connection, Service},
};

const TEXT: &str = "correct horse battery";

/// The cost at which widths are compared. A hash takes a quarter of the time of cost 12.
const COST: u32 = 10;

const WIDEST: usize = 8;

/// Measures hashes a second of one thread, by the bcrypt crate and in lanes.
pub fn lanes() -> Result<()> {
    let time = Duration::from_secs(2);
    let mut rates = vec![Vec::new(); WIDEST + 1];
    let mut ratios = vec![Vec::new(); WIDEST + 1];
    for _ in 0..ROUNDS {
        let alone = crate_rate(time)?;
        for width in 0..=WIDEST {
            let rate = if width == 0 {
                alone
            } else {
                lanes_rate(width, time)?
            };
            rates[width].push(rate);
            ratios[width].push(rate / alone);
        }
    }
    for width in 0..=WIDEST {
        let name = if width == 0 {
            "the bcrypt crate".to_owned()
        } else {
            format!("{width} lanes")
        };
        println!(
            "{name} at cost {COST} on one core: {:.1} hashes/s, {:.2} times the crate",
            median(&mut rates[width]),
            median(&mut ratios[width])
        );
    }
    Ok(())
}

fn crate_rate(time: Duration) -> Result<f64> {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < time {
        bcrypt::hash_with_salt(TEXT, COST, [7; 16])?;
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

fn lanes_rate(width: usize, time: Duration) -> Result<f64> {
    let mut lanes = Lanes::new(width);
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < time {
        while lanes.has_free() {
            lanes.start(COST, [7; 16], TEXT.as_bytes())?;
        }
        while lanes.advance() == 0 {}
        while lanes.take_done().is_some() {
            done += 1;
        }
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// How long each number of clients signs in.
const SIGN_INS: Duration = Duration::from_secs(12);

/// Measures sign-ins at cost 12 by the number of clients, in lanes and one at a time, against the crate on all cores.
pub fn sign_ins() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lanes = Service::start(folder.path(), &[])?;
    register(&lanes)?;
    let single = Service::start(folder.path(), &[("BIENVENUE_HASHING_LANES", "1")])?;
    for clients in [1, 2, 5, 10, 20, 50, 100] {
        let alone = bcrypt_alone(SIGN_INS / 2);
        let (rate, p50, p95) = signing_in(&lanes, clients)?;
        let (one_rate, one_p50, one_p95) = signing_in(&single, clients)?;
        println!(
            "{clients} clients: {rate:.1} sign-ins/s, {:.2} times the crate on all cores ({alone:.1}); p50 {p50:.0} ms, \
             p95 {p95:.0} ms; one at a time {one_rate:.1}/s, p50 {one_p50:.0} ms, p95 {one_p95:.0} ms",
            rate / alone
        );
    }
    Ok(())
}

const HEAD: &str = "HTTP/1.1\r\nContent-Type: application/json";

pub fn register(service: &Service) -> Result<()> {
    let mut connection = Connection::open(service)?;
    for client in 0..100 {
        let answer = connection.send(&format!("POST /users {HEAD}"), &credentials(client))?;
        if answer.status != 201 {
            return Err(format!("registering: {}", answer.status).into());
        }
    }
    Ok(())
}

pub fn credentials(client: usize) -> String {
    format!(r#"{{"email": "user{client}@example.com", "password": "{TEXT}"}}"#)
}

/// Returns the sign-ins a second, and p50 and p95 of those that succeeded, in milliseconds.
pub fn signing_in(service: &Service, clients: usize) -> Result<(f64, f64, f64)> {
    let is_over = AtomicBool::new(false);
    let times = Mutex::new(Vec::new());
    let warm_up = SIGN_INS / 3;
    let begun = Instant::now();
    thread::scope(|scope| {
        for client in 0..clients {
            let (is_over, times) = (&is_over, &times);
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(service) else {
                    return;
                };
                while !is_over.load(Relaxed) {
                    let sent = Instant::now();
                    let answer =
                        connection.send(&format!("POST /sessions {HEAD}"), &credentials(client));
                    match answer {
                        Ok(Answer { status: 201, .. }) if begun.elapsed() > warm_up => {
                            let took = sent.elapsed().as_secs_f64() * 1e3;
                            times.lock().expect("nobody panics").push(took);
                        }
                        Ok(Answer {
                            status: 503,
                            retry_after: Some(wait),
                            ..
                        }) => thread::sleep(wait),
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            });
        }
        thread::sleep(SIGN_INS + warm_up);
        is_over.store(true, Relaxed);
    });
    let mut times = times.into_inner()?;
    times.retain(|took| took.is_finite());
    times.sort_by(f64::total_cmp);
    if times.is_empty() {
        return Err("nobody was signed in".into());
    }
    // Sign-ins that were running at the end count, and so do those that were running at the beginning.
    let rate = times.len() as f64 / begun.elapsed().saturating_sub(warm_up).as_secs_f64();
    Ok((rate, times[times.len() / 2], times[times.len() * 95 / 100]))
}
