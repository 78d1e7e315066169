//! How other clients fare while many sign in, or while many are silent.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result, bcrypt_alone, median,
    service::{Answer, Connection, Service},
    sessions::{Databases, PASSWORD, TOKENS, fill},
};

/// How many times each comparison is measured.
const ROUNDS: usize = 3;

/// How many clients sign in at once, again and again.
const CLIENTS: usize = 100;

/// The interval between the requests of a signed-in client meanwhile: long enough to leave the cores to the hashes.
const PACE: Duration = Duration::from_millis(10);

const STORM: Duration = Duration::from_secs(40);

/// Measures the check while a hundred clients sign in at cost 12, and their rate of sign-ins.
pub fn storm() -> Result<()> {
    storm_with("off")
}

/// Like [`storm`], with rate limits.
pub fn storm_throttled() -> Result<()> {
    storm_with("on")
}

fn storm_with(throttle: &str) -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("storm")? {
        let tokens = fill(&url, TOKENS, 12)?;
        let settings = [("DATABASE_URL", &*url), ("BIENVENUE_THROTTLE", throttle)];
        let service = Service::start(databases.folder.path(), &settings)?;
        let (mut slowdowns, mut quiets, mut busies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut root_slowdowns, mut quiet_roots, mut busy_roots) =
            (Vec::new(), Vec::new(), Vec::new());
        let (mut rates, mut shares, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let alone = bcrypt_alone(Duration::from_secs(10));
            let [quiet, quiet_root] = percentiles(&service, &tokens)?;
            let storm = Storm::default();
            let [busy, busy_root] = thread::scope(|scope| {
                for client in 0..CLIENTS {
                    let (service, storm) = (&service, &storm);
                    scope.spawn(move || storm.sign_in(service, client));
                }
                // Until the queue has its full length.
                thread::sleep(Duration::from_secs(6));
                storm.done.store(0, Relaxed);
                let begun = Instant::now();
                let busy = percentiles(&service, &tokens);
                rates.push(storm.done.load(Relaxed) as f64 / begun.elapsed().as_secs_f64());
                storm.is_over.store(true, Relaxed);
                busy
            })?;
            if storm.has_failed.load(Relaxed) {
                return Err("a sign-in got another answer than 201 and 503".into());
            }
            refusals.push(storm.slowest_refusal_ms.load(Relaxed) as f64);
            shares.push(rates[rates.len() - 1] / alone);
            slowdowns.push(busy / quiet);
            quiets.push(quiet);
            busies.push(busy);
            root_slowdowns.push(busy_root / quiet_root);
            quiet_roots.push(quiet_root);
            busy_roots.push(busy_root);
        }
        println!(
            "{CLIENTS} clients signing in at cost 12 on {kind}, rate limits {throttle}: p99 of the check {:.2} ms, quiet {:.2} ms: {:.2} times; \
             of GET / {:.2} ms, quiet {:.2} ms: {:.2} times; {:.1} sign-ins/s, {:.2} of bcrypt alone; the slowest refusal after {:.0} ms",
            median(&mut busies),
            median(&mut quiets),
            median(&mut slowdowns),
            median(&mut busy_roots),
            median(&mut quiet_roots),
            median(&mut root_slowdowns),
            median(&mut rates),
            median(&mut shares),
            median(&mut refusals),
        );
    }
    Ok(())
}

/// The results of the clients that sign in.
#[derive(Default)]
struct Storm {
    is_over: AtomicBool,
    has_failed: AtomicBool,
    done: AtomicUsize,
    slowest_refusal_ms: AtomicUsize,
}

impl Storm {
    /// Runs one client, which waits as long as `Retry-After` says before its next attempt.
    fn sign_in(&self, service: &Service, client: usize) {
        let body = format!(
            "{{\"email\": \"user{}@example.com\", \"password\": \"{PASSWORD}\"}}",
            client + 1
        );
        let head = "POST /sessions HTTP/1.1\r\nContent-Type: application/json";
        let Ok(mut connection) = Connection::open(service) else {
            return self.has_failed.store(true, Relaxed);
        };
        while !self.is_over.load(Relaxed) {
            let begun = Instant::now();
            match connection.send(head, &body) {
                Ok(Answer { status: 201, .. }) => {
                    self.done.fetch_add(1, Relaxed);
                }
                Ok(Answer {
                    status: 503,
                    retry_after: Some(wait),
                    ..
                }) => {
                    let took = usize::try_from(begun.elapsed().as_millis()).unwrap_or(usize::MAX);
                    self.slowest_refusal_ms.fetch_max(took, Relaxed);
                    thread::sleep(wait);
                }
                _ => return self.has_failed.store(true, Relaxed),
            }
        }
    }
}

/// The 99th percentiles of the times of checks, and of `GET /`, in milliseconds, each at a steady rate.
fn percentiles(service: &Service, tokens: &[String]) -> Result<[f64; 2]> {
    let begun = Instant::now();
    let mut connection = Connection::open(service)?;
    let mut times = [Vec::new(), Vec::new()];
    for token in tokens.iter().cycle() {
        if begun.elapsed() > STORM {
            break;
        }
        let check = format!("GET /sessions/current HTTP/1.1\r\nAuthorization: Bearer {token}");
        for (head, times) in [&*check, "GET / HTTP/1.1"].into_iter().zip(&mut times) {
            let sent = Instant::now();
            let status = connection.send(head, "")?.status;
            times.push(sent.elapsed().as_secs_f64() * 1e3);
            if status != 200 {
                return Err(format!("{head}: {status}").into());
            }
            thread::sleep(PACE.saturating_sub(sent.elapsed()));
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() * 99 / 100]
    }))
}

/// How many connections are half-open: they never complete a request.
const SLOW_CLIENTS: usize = 500;

/// Measures the check while there are half-open connections, and how long those last.
pub fn slow_clients() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("slow_clients")? {
        let tokens = fill(&url, TOKENS, 4)?;
        let service = Service::start(databases.folder.path(), &[("DATABASE_URL", &url)])?;
        let (mut quiets, mut busies, mut slowdowns) = (Vec::new(), Vec::new(), Vec::new());
        let mut longest = Vec::new();
        for _ in 0..ROUNDS {
            let [quiet, _] = percentiles(&service, &tokens)?;
            let is_over = AtomicBool::new(false);
            let busy = thread::scope(|scope| -> Result<f64> {
                let slow = scope.spawn(|| stay(&service, &is_over).map_err(|err| err.to_string()));
                let [busy, _] = percentiles(&service, &tokens)?;
                is_over.store(true, Relaxed);
                longest.push(slow.join().expect("no panic")?.as_secs_f64());
                Ok(busy)
            })?;
            quiets.push(quiet);
            busies.push(busy);
            slowdowns.push(busy / quiet);
        }
        println!(
            "{SLOW_CLIENTS} half-open connections on {kind}: p99 of the check {:.2} ms, quiet {:.2} ms: {:.2} times; \
             the last closed after {:.1} s",
            median(&mut busies),
            median(&mut quiets),
            median(&mut slowdowns),
            median(&mut longest),
        );
    }
    Ok(())
}

/// Keeps half-open connections, and opens each one again when the service has closed it. Returns how long the longest
/// lasted.
fn stay(service: &Service, is_over: &AtomicBool) -> Result<Duration> {
    // Nothing, half a header, and half a body.
    const BEGINNINGS: [&str; 3] = [
        "",
        "POST /sessions HTTP/1.1\r\nHost: loc",
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{\"email\": \"ada@",
    ];
    let open = |number: usize| -> Result<(TcpStream, Instant)> {
        let mut stream = TcpStream::connect(service.address)?;
        stream.write_all(BEGINNINGS[number % BEGINNINGS.len()].as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok((stream, Instant::now()))
    };
    let mut connections = (0..SLOW_CLIENTS).map(open).collect::<Result<Vec<_>>>()?;
    let mut longest = Duration::ZERO;
    while !is_over.load(Relaxed) {
        for (number, (stream, since)) in connections.iter_mut().enumerate() {
            let mut answer = [0; 4096];
            // The service answers that the request was too slow, and then closes.
            let is_closed = match stream.read(&mut answer) {
                Ok(length) => length == 0,
                Err(err) => err.kind() != std::io::ErrorKind::WouldBlock,
            };
            longest = longest.max(since.elapsed());
            if is_closed {
                (*stream, *since) = open(number)?;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(longest)
}

/// How many bodies lack their last byte at the same time, and from how many networks.
const SLOW_BODIES: usize = 1000;
const NETWORKS: usize = 50;

/// The longest body that is accepted, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// Measures the resident memory with bodies that never end, and after they are gone.
pub fn slow_bodies() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = [("BIENVENUE_TRUSTED_PROXIES", "127.0.0.1")];
    let service = Service::start(folder.path(), &settings)?;
    let idle = service.resident()?;
    let begin = |number: usize| -> Result<TcpStream> {
        let head = format!(
            "POST /sessions HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.{}\r\n\
             Content-Type: application/json\r\nContent-Length: {LONGEST_BODY}\r\n\r\n",
            number % NETWORKS
        );
        let mut request = head.into_bytes();
        request.resize(request.len() + LONGEST_BODY - 1, b' ');
        let mut stream = TcpStream::connect(service.address)?;
        // The service may refuse it before all is sent.
        let _ = stream.write_all(&request);
        Ok(stream)
    };
    let streams = (0..SLOW_BODIES).map(begin).collect::<Result<Vec<_>>>()?;
    thread::sleep(Duration::from_secs(1));
    let busy = service.resident()?;
    drop(streams);
    thread::sleep(Duration::from_secs(5));
    println!(
        "{SLOW_BODIES} bodies of 64 KiB that lack their last byte, from {NETWORKS} networks: resident {busy:.1} MiB, \
         {idle:.1} MiB before, {:.1} MiB after",
        service.resident()?
    );
    Ok(())
}

/// Compares a body of as many repeated fields as fit with a body of one field.
pub fn large_bodies() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), &[])?;
    let letters = || (b'!'..=b'~').filter(|letter| !b"\"\\".contains(letter));
    let names = letters().flat_map(|first| letters().map(move |second| [first, second]));
    let fields = names.take(4675).map(|[first, second]| {
        let (first, second) = (char::from(first), char::from(second));
        format!("\"{first}{second}\":0,\"{first}{second}\":0")
    });
    let repeated = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    let single = format!("{{\"email\":\"{}\"}}", "a".repeat(repeated.len() - 12));
    let mut connection = Connection::open(&service)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        for (body, times) in [&repeated, &single].into_iter().zip(&mut times) {
            let sent = Instant::now();
            let status = connection
                .send(
                    "POST /sessions HTTP/1.1\r\nContent-Type: application/json",
                    body,
                )?
                .status;
            times.push(sent.elapsed().as_secs_f64() * 1e6);
            if status != 400 {
                return Err(format!("{status} for an invalid body").into());
            }
        }
    }
    let [repeated_took, single_took] = times.map(|mut times| median(&mut times));
    println!(
        "a body of {} bytes with 4,675 names, each twice: {repeated_took:.0} µs, with one field {single_took:.0} µs",
        repeated.len()
    );
    Ok(())
}
