//! Whether the time of an answer, or of an email, reveals which addresses have an account.

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

/// How many requests of each class are compared. As many before them are discarded, until the machine has settled.
const REQUESTS: usize = 500;
const UNCOUNTED: usize = 20;

/// The t above which a difference is not due to chance. Source: Goodwill and others, "A testing methodology for
/// side-channel resistance validation", 2011.
const TELLS: f64 = 4.5;

/// A kind of request that is measured: its name, its head, its body for an address, and the status of its answer.
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

/// Prints Welch's t of the times of answers for an address with an account and for one without, sent alternately.
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

/// How long the mail server takes for each of its answers. A whole delivery takes about 70 ms.
const ANSWER: Duration = Duration::from_millis(12);

/// How long the attacker waits for other work to end.
const SETTLING: Duration = Duration::from_millis(100);

/// How many emails of each class are compared.
const EMAILS: usize = 400;

/// How many emails to others are requested at once: one, and more than are sent at once.
const BURSTS: [usize; 2] = [1, 12];

/// The address of the attacker.
const ATTACKER: &str = "eve@example.com";

/// Prints Welch's t of the times of an attacker's own email. It is requested just after emails to addresses that have
/// accounts, and to others that have none, alternately.
pub fn emails() -> Result<()> {
    let databases = Databases::start()?;
    let (mail_server, arrivals) = mail_server()?;
    let known: Vec<_> = (0..BURSTS[1])
        .map(|number| format!("known{number}@example.com"))
        .collect();
    let mut services = Vec::new();
    for (kind, url) in databases.urls("emails")? {
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
            compare_emails(kind, service, &arrivals, &known[..burst])?;
        }
    }
    Ok(())
}

fn compare_emails(
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
    for number in 0..UNCOUNTED + EMAILS {
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
                    // An earlier email may arrive late.
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
        "an own email after {burst} to others on {kind}: {:.2} ms if they have accounts, {:.2} ms if not: Welch's t {t:.2} over {EMAILS} each",
        mean(&known),
        mean(&unknown),
    );
    if t.abs() < TELLS {
        Ok(())
    } else {
        Err("the time of an email reveals accounts".into())
    }
}

/// Starts a mail server that delays every answer. It reports the recipient of each email and when it arrived.
fn mail_server() -> Result<(SocketAddr, mpsc::Receiver<(String, Instant)>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (arrived, arrivals) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let arrived = arrived.clone();
            thread::spawn(move || {
                // How a connection ends does not matter.
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
    let mut is_email = false;
    let mut answer = "220 test";
    loop {
        thread::sleep(ANSWER);
        write!(stream.get_mut(), "{answer}\r\n")?;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if !is_email || line == ".\r\n" {
                break;
            }
        }
        answer = "250 well";
        if is_email {
            is_email = false;
            arrived.send((recipient.clone(), Instant::now()))?;
        } else if line.starts_with("DATA") {
            is_email = true;
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
        // The order changes from pair to pair, so that an effect of one request on the next affects both classes alike.
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
        Err(format!("the time of a {} reveals accounts", question.name).into())
    }
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Welch's t. Source: B. L. Welch, "The generalization of Student's problem", 1947.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let error = |times: &[f64]| {
        let mean = mean(times);
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (times.len() as f64 - 1.0) / times.len() as f64
    };
    (mean(one) - mean(other)) / (error(one) + error(other)).sqrt()
}
