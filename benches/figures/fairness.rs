//! How the sign-ins of one network fare while others try to delay them.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    service::{Answer, Connection, Service},
    sessions::{Databases, PASSWORD, fill, let_reset},
};

/// How many sign-ins are measured, one at a time.
const SIGN_INS: usize = 20;

/// How long the quiet network pauses after each sign-in.
const PAUSE: Duration = Duration::from_secs(3);

/// How many connections sign in again and again, from all flooding networks together.
const FLOOD: usize = 300;

/// How many connections send weak passwords, and the interval of each.
const WEAK: usize = 4;
const WEAK_PACE: Duration = Duration::from_millis(20);

const SETTING: (&str, &str) = ("BIENVENUE_TRUSTED_PROXIES", "127.0.0.0/8");

/// Measures a quiet network's sign-ins at cost 12 while one network floods, and while fifty do.
pub fn fairness() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("fairness")? {
        fill(&url, FLOOD + 1, 12)?;
        let settings = [("DATABASE_URL", &*url), SETTING];
        let service = Service::start(databases.folder.path(), &settings)?;
        let [quiet_p50, quiet_p99] = sign_ins(&service)?;
        println!("sign-in on {kind}, quiet: p50 {quiet_p50:.0} ms, p99 {quiet_p99:.0} ms");
        for networks in [1, 50] {
            let flood = Flood::default();
            let [p50, p99] = thread::scope(|scope| {
                for client in 0..FLOOD {
                    let (service, flood) = (&service, &flood);
                    scope.spawn(move || flood.sign_in(service, client, client % networks));
                }
                // Until the queue has its full length.
                thread::sleep(Duration::from_secs(6));
                let times = sign_ins(&service);
                flood.is_over.store(true, Relaxed);
                times
            })?;
            if flood.has_failed.load(Relaxed) {
                return Err("a sign-in got another answer than 201 and 503".into());
            }
            println!(
                "sign-in on {kind} while {networks} networks flood over {FLOOD} connections: p50 {p50:.0} ms, {:.2} times; p99 {p99:.0} ms, \
                 {:.2} times; of the flood {} signed in, {} refused",
                p50 / quiet_p50,
                p99 / quiet_p99,
                flood.done.load(Relaxed),
                flood.refused.load(Relaxed),
            );
        }
    }
    Ok(())
}

/// Measures sign-ins at cost 12 while a client with a valid reset token tries weak passwords, 200 a second.
pub fn weak_passwords() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("weak_passwords")? {
        fill(&url, 2, 12)?;
        let token = let_reset(&url)?;
        let settings = [("DATABASE_URL", &*url), SETTING];
        let service = Service::start(databases.folder.path(), &settings)?;
        let [quiet_p50, quiet_p99] = sign_ins(&service)?;
        let (is_over, judged) = (AtomicBool::new(false), AtomicUsize::new(0));
        let begun = Instant::now();
        let [p50, p99] = thread::scope(|scope| {
            for _ in 0..WEAK {
                scope.spawn(|| send_weak(&service, &token, &is_over, &judged));
            }
            let times = sign_ins(&service);
            is_over.store(true, Relaxed);
            times
        })?;
        println!(
            "sign-in on {kind} beside {:.0} weak passwords a second: p50 {p50:.0} ms, quiet {quiet_p50:.0} ms: {:.2} times; p99 {p99:.0} ms, \
             quiet {quiet_p99:.0} ms: {:.2} times",
            judged.load(Relaxed) as f64 / begun.elapsed().as_secs_f64(),
            p50 / quiet_p50,
            p99 / quiet_p99,
        );
    }
    Ok(())
}

/// Resets a password again and again, to one that is refused.
fn send_weak(service: &Service, token: &str, is_over: &AtomicBool, judged: &AtomicUsize) {
    let head = head("PUT /password-reset", 1);
    let body = format!(r#"{{"token": "{token}", "new_password": "password123"}}"#);
    let Ok(mut connection) = Connection::open(service) else {
        return;
    };
    while !is_over.load(Relaxed) {
        let sent = Instant::now();
        match connection.send(&head, &body) {
            Ok(Answer {
                status: 400..=499, ..
            }) => judged.fetch_add(1, Relaxed),
            _ => return,
        };
        thread::sleep(WEAK_PACE.saturating_sub(sent.elapsed()));
    }
}

/// The median and the 99th percentile of the times of a quiet network's sign-ins, in milliseconds.
fn sign_ins(service: &Service) -> Result<[f64; 2]> {
    let mut times = Vec::new();
    let (head, body) = (head("POST /sessions", 200), credentials(0));
    for _ in 0..SIGN_INS {
        thread::sleep(PAUSE);
        let mut connection = Connection::open(service)?;
        let sent = Instant::now();
        let status = connection.send(&head, &body)?.status;
        if status != 201 {
            return Err(format!("the quiet network: {status}").into());
        }
        times.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok([times[times.len() / 2], times[times.len() * 99 / 100]])
}

/// The results of the clients that flood.
#[derive(Default)]
struct Flood {
    is_over: AtomicBool,
    has_failed: AtomicBool,
    done: AtomicUsize,
    refused: AtomicUsize,
}

impl Flood {
    /// Runs one client of a network, which waits as long as `Retry-After` says before its next attempt.
    fn sign_in(&self, service: &Service, client: usize, network: usize) {
        let (head, body) = (head("POST /sessions", network), credentials(client + 1));
        let Ok(mut connection) = Connection::open(service) else {
            return self.has_failed.store(true, Relaxed);
        };
        while !self.is_over.load(Relaxed) {
            match connection.send(&head, &body) {
                Ok(Answer { status: 201, .. }) => {
                    self.done.fetch_add(1, Relaxed);
                }
                Ok(Answer {
                    status: 503,
                    retry_after: Some(wait),
                    ..
                }) => {
                    self.refused.fetch_add(1, Relaxed);
                    thread::sleep(wait);
                }
                _ => return self.has_failed.store(true, Relaxed),
            }
        }
    }
}

/// The head of a request that a proxy forwards for a network.
fn head(what: &str, network: usize) -> String {
    format!(
        "{what} HTTP/1.1\r\nContent-Type: application/json\r\nX-Forwarded-For: 198.51.100.{network}"
    )
}

fn credentials(client: usize) -> String {
    format!(
        r#"{{"email": "user{}@example.com", "password": "{PASSWORD}"}}"#,
        client + 1
    )
}
