//! Whether the time of an answer says who has an account.

use std::time::Instant;

use crate::{
    Result,
    service::{Connection, Service},
    sessions::Databases,
};

/// How many requests of each class are compared, after as many of each are thrown away as the machine needs to settle.
const REQUESTS: usize = 500;
const UNCOUNTED: usize = 20;

/// From which t on a difference is none that chance makes. Source: Goodwill and others, "A testing methodology for side-channel
/// resistance validation", 2011.
const TELLS: f64 = 4.5;

/// What is asked, and whether it is asked by a known address (or one that is none).
struct Question {
    name: &'static str,
    head: &'static str,
    body: fn(&str) -> String,
    status: u16,
}

const SIGN_IN: Question = Question {
    name: "sign-in",
    head: "POST /sessions HTTP/1.1\r\nContent-Type: application/json",
    body: |email| format!(r#"{{"email": "{email}", "password": "incorrect horse battery"}}"#),
    status: 401,
};

const RESET: Question = Question {
    name: "password reset",
    head: "POST /password-reset HTTP/1.1\r\nContent-Type: application/json",
    body: |email| format!(r#"{{"email": "{email}"}}"#),
    status: 202,
};

const PRIVATE_REGISTRATION: Question = Question {
    name: "private registration",
    head: "POST /users HTTP/1.1\r\nContent-Type: application/json",
    body: |email| format!(r#"{{"email": "{email}", "password": "correct horse battery"}}"#),
    status: 202,
};

/// Welch's t of the times of answers for an address that has an account and for one that has none, asked in turn.
pub fn secrecy() -> Result<()> {
    let databases = Databases::start()?;
    for (kind, url) in databases.urls("secrecy")? {
        let folder = databases.folder.path();
        let settings = [("DATABASE_URL", &*url), ("BIENVENUE_BCRYPT_COST", "8")];
        let service = Service::start(folder, &settings)?;
        register(&service)?;
        for question in [SIGN_IN, RESET] {
            compare(kind, &service, &question)?;
        }
        drop(service);
        let private = ("BIENVENUE_REGISTRATION", "private");
        let service = Service::start(folder, &[&settings[..], &[private]].concat())?;
        compare(kind, &service, &PRIVATE_REGISTRATION)?;
    }
    Ok(())
}

fn register(service: &Service) -> Result<()> {
    let mut connection = Connection::open(service)?;
    let head = PRIVATE_REGISTRATION.head;
    let body = (PRIVATE_REGISTRATION.body)("known@example.com");
    match connection.send(head, &body)?.status {
        201 => Ok(()),
        status => Err(format!("registering: {status}").into()),
    }
}

fn compare(kind: &str, service: &Service, question: &Question) -> Result<()> {
    let mut connection = Connection::open(service)?;
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..UNCOUNTED + REQUESTS {
        // Which is first is changed from pair to pair: what one leaves behind for the next hits both.
        let mut classes = [(0, "known@example.com"), (1, "never@example.com")];
        if number % 2 == 0 {
            classes.reverse();
        }
        for (class, email) in classes {
            let body = (question.body)(email);
            let begun = Instant::now();
            let status = connection.send(question.head, &body)?.status;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            if status != question.status {
                return Err(format!("{}: {status}", question.name).into());
            }
            if number >= UNCOUNTED {
                times[class].push(took);
            }
        }
    }
    let [known, unknown] = times;
    let t = welch(&known, &unknown);
    println!(
        "{} on {kind}: {:.2} ms for an account, {:.2} ms for none: Welch's t {:.2} over {REQUESTS} requests each",
        question.name,
        mean(&known),
        mean(&unknown),
        t
    );
    if t.abs() < TELLS {
        Ok(())
    } else {
        Err(format!("the time of a {} tells who has an account", question.name).into())
    }
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Source: B. L. Welch, "The generalization of Student's problem", 1947.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let error = |times: &[f64]| {
        let mean = mean(times);
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (times.len() as f64 - 1.0) / times.len() as f64
    };
    (mean(one) - mean(other)) / (error(one) + error(other)).sqrt()
}
