//! The service, its mail server and its database are killed, over and over, under writers who note what they were promised.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    Answer, Postgres, Program, SmtpServer, TestDatabase, on_both_databases, once,
};

const WRITERS: usize = 20;
const PASSWORD: &str = "correct horse battery";

/// How often something is killed. `FAULTS=50` for the figure of docs/security.md.
fn kills() -> usize {
    let set = std::env::var("FAULTS").ok();
    set.map_or(8, |number| number.parse().expect("FAULTS is a number"))
}

/// What was acknowledged.
#[derive(Default)]
struct Ledger {
    accounts: Vec<String>,
    live: Vec<String>,
    ended: Vec<String>,
}

/// Writers, and where they find the service at the moment.
struct Writers {
    url: RwLock<String>,
    ledger: Mutex<Ledger>,
    /// Another account was promised.
    promised: Notify,
    is_over: AtomicBool,
}

impl Writers {
    fn start(url: &str) -> (Arc<Self>, Vec<tokio::task::JoinHandle<()>>) {
        let writers = Arc::new(Self {
            url: RwLock::new(url.to_owned()),
            ledger: Mutex::default(),
            promised: Notify::new(),
            is_over: AtomicBool::new(false),
        });
        let tasks = (0..WRITERS).map(|number| {
            let writers = Arc::clone(&writers);
            tokio::spawn(async move { writers.write(number).await })
        });
        let tasks = tasks.collect();
        (writers, tasks)
    }

    async fn send(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Option<Answer> {
        let url = self.url.read().expect("nobody panics").clone();
        let request = client.request(method, format!("{url}{path}"));
        Answer::try_to(request.bearer_auth(token).json(body))
            .await
            .ok()
    }

    /// Registers, signs in twice and out once, again and again; what is not acknowledged is not promised.
    async fn write(&self, writer: usize) {
        let client = Client::new();
        for number in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            // Whoever meets a service that is gone looks for it again, when the others have had their turn.
            if self.write_one(&client, writer, number).await.is_none() {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn write_one(&self, client: &Client, writer: usize, number: u32) -> Option<()> {
        let email = format!("{writer}.{number}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let registered = self.send(client, Method::POST, "/users", "", &body).await?;
        if registered.status != StatusCode::CREATED {
            return None;
        }
        let ledger = || self.ledger.lock().expect("nobody panics");
        ledger().accounts.push(email.clone());
        self.promised.notify_one();
        let body = json!({"email": email, "password": PASSWORD, "delivery": "token"});
        let mut tokens = Vec::new();
        for _ in 0..2 {
            let answer = self
                .send(client, Method::POST, "/sessions", "", &body)
                .await?;
            tokens.push(answer.body["token"].as_str()?.to_owned());
        }
        let ended = tokens.pop()?;
        ledger().live.extend(tokens);
        let out = Method::DELETE;
        let answer = self
            .send(client, out, "/sessions/current", &ended, &json!({}))
            .await?;
        if answer.status == StatusCode::NO_CONTENT {
            ledger().ended.push(ended);
        }
        Some(())
    }

    /// Waits until so many more accounts were promised.
    async fn go_on(&self, more: usize) {
        let count = || self.ledger.lock().expect("nobody panics").accounts.len();
        let enough = count() + more;
        while count() < enough {
            self.promised.notified().await;
        }
    }

    /// Checks that everything that was promised is so, and returns who has an account.
    async fn audit(&self) -> Vec<String> {
        let ledger = std::mem::take(&mut *self.ledger.lock().expect("nobody panics"));
        assert!(!ledger.live.is_empty() && !ledger.ended.is_empty());
        let client = Client::new();
        for email in &ledger.accounts {
            let body = json!({"email": email, "password": PASSWORD});
            let answer = self
                .send(&client, Method::POST, "/sessions", "", &body)
                .await;
            let answer = answer.expect("it serves");
            assert_eq!(answer.status, StatusCode::CREATED, "{email}: {answer:?}");
        }
        for (tokens, status) in [(&ledger.live, 200), (&ledger.ended, 401)] {
            for token in tokens {
                let answer = self
                    .send(&client, Method::GET, "/users/me", token, &json!({}))
                    .await;
                assert_eq!(answer.expect("it serves").status, status);
            }
        }
        ledger.accounts
    }
}

#[apply(on_both_databases)]
async fn nothing_promised_is_lost_when_the_service_and_the_mail_server_are_killed(
    database: TestDatabase,
    mut mail_server: SmtpServer,
) {
    let smtp = format!("smtp://localhost:{}", mail_server.port);
    let variables = [
        ("DATABASE_URL", database.url.as_str()),
        ("BIENVENUE_SMTP_URL", &smtp),
    ];
    let mut program = Program::start(&variables);
    let (writers, tasks) = Writers::start(&program.url);
    for kill in 0..kills() {
        // In the middle of a letter, or while it is down, or when it is just up again.
        match kill % 4 {
            0 => mail_server.start(),
            3 => mail_server.stop(),
            _ => {}
        }
        writers.go_on(3 + kill * 7 % 11).await;
        program.signal("KILL");
        program.ended();
        program = Program::start(&variables);
        program
            .url
            .clone_into(&mut writers.url.write().expect("nobody panics"));
    }
    mail_server.stop();
    writers.go_on(1).await;
    writers.is_over.store(true, Ordering::SeqCst);
    join_all(tasks).await;
    mail_server.start();
    let promised = writers.audit().await;
    // Nobody else takes for a minute what a process had taken that is no more, and what failed waits: that is over.
    let now = "UPDATE outgoing_mails SET due_at = created_at WHERE finished_at IS NULL";
    database.sql(now).await;
    // Whoever has an account gets the letter that confirms the address.
    let mut waiting: BTreeSet<_> = promised.into_iter().collect();
    let mut seen = 0;
    while !waiting.is_empty() {
        let mails = mail_server.wait_for(seen + 1).await;
        seen = mails.len();
        for mail in mails {
            waiting.retain(|email| mail.to != [email.as_str()]);
        }
    }
}

#[apply(once)]
async fn nothing_promised_is_lost_and_nothing_ended_lives_when_postgres_is_killed(
    server: Postgres,
) {
    let mut server = server;
    let url = server.url("postgres");
    let program = Program::start(&[("DATABASE_URL", &url)]);
    let (writers, tasks) = Writers::start(&program.url);
    for kill in 0..kills() {
        writers.go_on(3 + kill * 7 % 11).await;
        server.kill();
        server.resume();
    }
    writers.go_on(1).await;
    writers.is_over.store(true, Ordering::SeqCst);
    join_all(tasks).await;
    writers.audit().await;
}
