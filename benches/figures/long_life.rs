//! Hours of mixed load: is the service stable?

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::{Value, json};

use crate::{
    Result, median,
    service::{Answer, Connection, Service},
    sessions::{Databases, runtime},
};

/// The variable for the length of the load: two hours for the figure of docs/security.md.
const LONG_LIFE: &str = "LONG_LIFE";
const UNLESS_SET: Duration = Duration::from_mins(2);

/// Settings with which everything that can expire does so during the run.
const SETTINGS: [(&str, &str); 5] = [
    ("BIENVENUE_BCRYPT_COST", "4"),
    ("BIENVENUE_SESSION_IDLE", "30s"),
    ("BIENVENUE_SESSION_LIFETIME", "1m"),
    ("BIENVENUE_RESET_TOKEN_LIFETIME", "30s"),
    ("BIENVENUE_VERIFICATION_LIFETIME", "1m"),
];

const CLIENTS: usize = 8;

/// The time from one request of a client to its next.
const PACE: Duration = Duration::from_millis(100);

/// The interval at which memory and descriptors are sampled.
const SAMPLES: Duration = Duration::from_secs(5);

/// How long after the end all expired data must be deleted.
const SWEPT: Duration = Duration::from_mins(2);

/// The tables that must be empty then. A sent email is kept for two days, and an account for ever.
const LEFT_OVER: [&str; 3] = [
    "SELECT count(*) AS n FROM sessions",
    "SELECT count(*) AS n FROM email_verifications",
    "SELECT count(*) AS n FROM users WHERE reset_token IS NOT NULL",
];

/// Runs the load on both databases at once, and prints how the service did.
pub fn long_life() -> Result<()> {
    let length = match env::var(LONG_LIFE) {
        Ok(text) => humantime::parse_duration(&text)?,
        Err(_) => UNLESS_SET,
    };
    let databases = Databases::start()?;
    thread::scope(|scope| {
        let lives = databases.urls("long_life")?.map(|(kind, url)| {
            let folder = databases.folder.path().join(kind);
            scope.spawn(move || live(kind, &url, &folder, length).map_err(|err| err.to_string()))
        });
        for life in lives {
            life.join().expect("no panic")?;
        }
        Ok(())
    })
}

fn live(kind: &str, url: &str, folder: &Path, length: Duration) -> Result<()> {
    fs::create_dir(folder)?;
    let settings = [&SETTINGS[..], &[("DATABASE_URL", url)]].concat();
    let service = Service::start(folder, &settings)?;
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let (mut requests, mut memory, mut descriptors) = (Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| -> Result<()> {
        let clients: [_; CLIENTS] = std::array::from_fn(|number| {
            let mut client = Client {
                service: &service,
                number,
                begun,
                seen: Vec::new(),
            };
            let is_over = &is_over;
            scope.spawn(move || {
                let outcome = client.live(is_over);
                // An unexpected answer ends the whole run.
                is_over.store(true, Relaxed);
                outcome.map(|()| client.seen).map_err(|err| err.to_string())
            })
        });
        while begun.elapsed() < length && !is_over.load(Relaxed) {
            thread::sleep(SAMPLES);
            memory.push(service.resident()?);
            descriptors.push(service.descriptors()? as f64);
            // The emails are not read, and the disk is not measured.
            for email in fs::read_dir(folder.join("mail")).into_iter().flatten() {
                let _ = fs::remove_file(email?.path());
            }
        }
        is_over.store(true, Relaxed);
        for client in clients {
            requests.extend(client.join().expect("no panic")?);
        }
        Ok(())
    })?;
    let count = requests.len();
    let (mut all, mut checks) = (Vec::new(), Vec::new());
    let third = length.as_secs_f64() / 3.0;
    for place in 0..3 {
        let from = third * f64::from(place);
        let mut of_third = [Vec::new(), Vec::new()];
        for seen in &requests {
            if (from..from + third).contains(&seen.at) {
                of_third[0].push(seen.took);
                if seen.is_check {
                    of_third[1].push(seen.took);
                }
            }
        }
        let [of_all, of_checks] = &mut of_third;
        all.push(percentile_99(of_all)?);
        checks.push(percentile_99(of_checks)?);
    }
    let memory = thirds(&mut memory)?;
    let descriptors = thirds(&mut descriptors)?;
    thread::sleep(SWEPT);
    let left_over = left_over(url)?;
    println!(
        "{length:?} on {kind}, {count} requests: p99 of the last third {:.2} times the first ({}), of checks {:.2} times ({}); \
         medians of memory {}; of descriptors {}; after {SWEPT:?} without load {left_over:?} sessions, verifications and \
         resets were left",
        all[2] / all[0],
        join(&all, "ms"),
        checks[2] / checks[0],
        join(&checks, "ms"),
        join(&memory, "MiB"),
        join(&descriptors, "open"),
    );
    Ok(())
}

/// An answered request: when it was sent, in seconds from the beginning, and how long it took, in milliseconds.
struct Seen {
    at: f64,
    took: f64,
    is_check: bool,
}

/// A client that opens an account, uses it, and deletes or abandons it, again and again.
struct Client<'a> {
    service: &'a Service,
    number: usize,
    begun: Instant,
    seen: Vec<Seen>,
}

impl Client<'_> {
    fn live(&mut self, is_over: &AtomicBool) -> Result<()> {
        for account in 0.. {
            if is_over.load(Relaxed) {
                break;
            }
            let email = format!("user{}.{account}@example.com", self.number);
            self.account(&email, account % 2 == 0)?;
        }
        Ok(())
    }

    fn account(&mut self, email: &str, is_closed: bool) -> Result<()> {
        // One connection for each account: opening and closing connections is a part of the load.
        let mut connection = Connection::open(self.service)?;
        let mut send = |what: &str, token: &str, body: Value, status: u16| {
            self.send(&mut connection, what, token, &body, status)
        };
        let token_in = |answer: &Value| {
            let token = answer["token"].as_str().map(str::to_owned);
            token.ok_or("an answer without a token")
        };
        let (old, new) = ("correct horse battery", "incorrect donkey charger");
        let none = Value::Null;
        let sign_in = |password| json!({"email": email, "password": password, "delivery": "token"});
        send(
            "POST /users",
            "",
            json!({"email": email, "password": old}),
            201,
        )?;
        let mut token = token_in(&send("POST /sessions", "", sign_in(old), 201)?)?;
        send("POST /sessions", "", sign_in(new), 401)?;
        // These sessions are left to expire.
        for _ in 0..3 {
            send("POST /sessions", "", sign_in(old), 201)?;
        }
        send("POST /password-reset", "", json!({"email": email}), 202)?;
        send(
            "PUT /password-reset",
            "",
            json!({"token": "none", "new_password": new}),
            400,
        )?;
        send("POST /users", "", json!({"email": email}), 400)?;
        send("GET /nothing", "", none.clone(), 404)?;
        for _ in 0..10 {
            send(CHECK, &token, none.clone(), 200)?;
        }
        let change = json!({"current_password": old, "new_password": new});
        token = token_in(&send("PUT /users/me/password", &token, change, 200)?)?;
        for _ in 0..10 {
            send(CHECK, &token, none.clone(), 200)?;
        }
        send("GET /sessions", &token, none.clone(), 200)?;
        send("GET /users/me/export", &token, none.clone(), 200)?;
        let end = if is_closed {
            "DELETE /users/me"
        } else {
            "DELETE /sessions/current"
        };
        send(end, &token, none.clone(), 204)?;
        send(CHECK, &token, none, 401)?;
        Ok(())
    }

    /// Sends a request, records how long it took, and returns the body of the answer.
    fn send(
        &mut self,
        connection: &mut Connection,
        what: &str,
        token: &str,
        body: &Value,
        wanted: u16,
    ) -> Result<Value> {
        let mut head = format!("{what} HTTP/1.1\r\nContent-Type: application/json");
        if !token.is_empty() {
            head = format!("{head}\r\nAuthorization: Bearer {token}");
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (at, sent) = (self.begun.elapsed().as_secs_f64(), Instant::now());
        let Answer { status, body, .. } = connection.send(&head, &body)?;
        let took = sent.elapsed();
        if status != wanted {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("{what}: {status} {body}, not {wanted}").into());
        }
        self.seen.push(Seen {
            at,
            took: took.as_secs_f64() * 1e3,
            is_check: what == CHECK,
        });
        thread::sleep(PACE.saturating_sub(took));
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

const CHECK: &str = "GET /sessions/current";

fn percentile_99(times: &mut [f64]) -> Result<f64> {
    times.sort_by(f64::total_cmp);
    let place = times.len() * 99 / 100;
    Ok(*times.get(place).ok_or("a third without requests")?)
}

/// The median of each third of the samples.
fn thirds(samples: &mut [f64]) -> Result<Vec<f64>> {
    let length = (samples.len() / 3).max(1);
    let medians = samples.chunks_mut(length).take(3).map(median);
    let medians: Vec<_> = medians.collect();
    if medians.len() < 3 {
        return Err("the run is too short".into());
    }
    Ok(medians)
}

fn left_over(url: &str) -> Result<Vec<i64>> {
    runtime()?.block_on(async {
        let conn = Database::connect(url).await?;
        let mut counts = Vec::new();
        for question in LEFT_OVER {
            let question = Statement::from_string(conn.get_database_backend(), question);
            let row = conn.query_one_raw(question).await?.ok_or("a count")?;
            counts.push(row.try_get("", "n")?);
        }
        Ok(counts)
    })
}

fn join(figures: &[f64], unit: &str) -> String {
    let texts: Vec<_> = figures
        .iter()
        .map(|figure| format!("{figure:.2}"))
        .collect();
    format!("{} {unit}", texts.join(", "))
}
