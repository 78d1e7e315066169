//! Whether the time of an answer, or of a letter, says who has an account.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

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
    register_all(service, &["known@example.com"])
}

fn register_all(service: &Service, emails: &[&str]) -> Result<()> {
    let mut connection = Connection::open(service)?;
    for email in emails {
        let body = (PRIVATE_REGISTRATION.body)(email);
        let status = connection.send(PRIVATE_REGISTRATION.head, &body)?.status;
        if status != 201 {
            return Err(format!("registering: {status}").into());
        }
    }
    Ok(())
}

/// How long the mail server takes for each of its answers: the whole conversation takes about 70 ms.
const ANSWER: Duration = Duration::from_millis(12);

/// How long the attacker lets things settle.
const SETTLING: Duration = Duration::from_millis(100);

/// How many letters of each class are compared.
const LETTERS: usize = 400;

/// How many letters are asked for others at once: one, and more than are under way at once.
const BURSTS: [usize; 2] = [1, 12];

/// The address of the attacker.
const ATTACKER: &str = "eve@example.com";

/// Welch's t of the times of an attacker's own letter, asked for just after letters to addresses that have accounts, and to
/// others that have none, in turn.
pub fn letters() -> Result<()> {
    let databases = Databases::start()?;
    let (mail_server, arrivals) = mail_server()?;
    let known: Vec<_> = (0..BURSTS[1])
        .map(|number| format!("known{number}@example.com"))
        .collect();
    let mut services = Vec::new();
    for (kind, url) in databases.urls("letters")? {
        let folder = databases.folder.path();
        let settings = [("DATABASE_URL", &*url), ("BIENVENUE_BCRYPT_COST", "8")];
        let service = Service::start(folder, &settings)?;
        let mut accounts: Vec<_> = known.iter().map(String::as_str).collect();
        accounts.push(ATTACKER);
        register_all(&service, &accounts)?;
        drop(service);
        let smtp = format!("smtp://{mail_server}");
        let private = [
            ("BIENVENUE_REGISTRATION", "private"),
            ("BIENVENUE_SMTP_URL", &*smtp),
        ];
        let service = Service::start(folder, &[&settings[..], &private].concat())?;
        services.push((kind, service));
    }
    for burst in BURSTS {
        for (kind, service) in &services {
            compare_letters(kind, service, &arrivals, &known[..burst])?;
        }
    }
    Ok(())
}

fn compare_letters(
    kind: &str,
    service: &Service,
    arrivals: &mpsc::Receiver<(String, Instant)>,
    known: &[String],
) -> Result<()> {
    let mut connection = Connection::open(service)?;
    let unknown: Vec<_> = known
        .iter()
        .map(|email| email.replace("known", "never"))
        .collect();
    let burst = known.len();
    let mut times = [Vec::new(), Vec::new()];
    let mut ask = |email: &str| -> Result<()> {
        match connection.send(RESET.head, &(RESET.body)(email))?.status {
            202 => Ok(()),
            status => Err(format!("{}: {status}", RESET.name).into()),
        }
    };
    for number in 0..UNCOUNTED + LETTERS {
        let mut classes = [(0, known), (1, &unknown[..])];
        if number % 2 == 0 {
            classes.reverse();
        }
        for (class, victims) in classes {
            for victim in victims {
                ask(victim)?;
            }
            let begun = Instant::now();
            ask(ATTACKER)?;
            let arrived = loop {
                match arrivals.recv_timeout(Duration::from_secs(30))? {
                    // One that was asked for before may come late.
                    (recipient, arrived) if recipient == ATTACKER && arrived > begun => {
                        break arrived;
                    }
                    _ => {}
                }
            };
            if number >= UNCOUNTED {
                times[class].push((arrived - begun).as_secs_f64() * 1e3);
            }
            thread::sleep(SETTLING);
        }
    }
    let [known, unknown] = times;
    let t = welch(&known, &unknown);
    println!(
        "an own letter after {burst} for others on {kind}: {:.2} ms where they have accounts, {:.2} ms where not: Welch's t {t:.2} over {LETTERS} each",
        mean(&known),
        mean(&unknown),
    );
    if t.abs() < TELLS {
        Ok(())
    } else {
        Err("the time of a letter tells who has an account".into())
    }
}

/// A mail server that takes its time for every answer, and says to whom a letter went and when it was there.
fn mail_server() -> Result<(SocketAddr, mpsc::Receiver<(String, Instant)>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (arrived, arrivals) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let arrived = arrived.clone();
            thread::spawn(move || {
                // How a conversation ends is of no interest.
                let _ = converse(stream, &arrived);
            });
        }
    });
    Ok((address, arrivals))
}

fn converse(stream: TcpStream, arrived: &mpsc::Sender<(String, Instant)>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (mut line, mut recipient) = (String::new(), String::new());
    let mut is_letter = false;
    let mut answer = "220 test";
    loop {
        thread::sleep(ANSWER);
        write!(stream.get_mut(), "{answer}\r\n")?;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if !is_letter || line == ".\r\n" {
                break;
            }
        }
        answer = "250 well";
        if is_letter {
            is_letter = false;
            arrived.send((recipient.clone(), Instant::now()))?;
        } else if line.starts_with("DATA") {
            is_letter = true;
            answer = "354 go on";
        } else if let Some((_, rest)) = line.split_once("RCPT TO:<") {
            let address = rest.split('>').next().unwrap_or_default();
            address.clone_into(&mut recipient);
        }
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
