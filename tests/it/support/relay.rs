//! A mail server inside the test's own process, which answers as the test wants.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

/// What is answered to a command, where it is not what a mail server that takes everything answers. The greeting answers to
/// nothing, the end of a letter is a dot.
type Rule = fn(&str) -> Option<&'static str>;

/// A mail server on every address of the machine, until it is dropped.
pub struct Relay {
    pub port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    rule: Mutex<Rule>,
    heard: Mutex<Vec<String>>,
    taken: Mutex<Vec<String>>,
    waiting: Mutex<usize>,
    /// One for each letter that may be answered.
    answers: Semaphore,
}

impl Relay {
    /// Takes every letter that the rule does not refuse.
    pub async fn start(rule: Rule) -> Self {
        Self::with_answers(rule, Semaphore::MAX_PERMITS).await
    }

    /// Has every letter wait for its answer until [`Relay::answer`].
    pub async fn silent() -> Self {
        Self::with_answers(|_| None, 0).await
    }

    async fn with_answers(rule: Rule, answers: usize) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let state = Arc::new(State {
            rule: Mutex::new(rule),
            heard: Mutex::default(),
            taken: Mutex::default(),
            waiting: Mutex::default(),
            answers: Semaphore::new(answers),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("somebody connects");
                tokio::spawn(converse(stream, Arc::clone(&serving)));
            }
        });
        Self { port, state, task }
    }

    /// Answers differently from now on.
    pub fn set_rule(&self, rule: Rule) {
        *lock(&self.state.rule) = rule;
    }

    /// Lets so many letters be answered.
    pub fn answer(&self, letters: usize) {
        self.state.answers.add_permits(letters);
    }

    /// Every command so far.
    pub fn heard(&self) -> Vec<String> {
        lock(&self.state.heard).clone()
    }

    /// To whom the letters went that were taken.
    pub fn taken(&self) -> Vec<String> {
        lock(&self.state.taken).clone()
    }

    /// How many letters wait for their answer.
    pub fn waiting(&self) -> usize {
        *lock(&self.state.waiting)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("nobody panics")
}

/// Answers one client. How it ends is of no interest.
async fn converse(stream: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut command, mut recipient) = (String::new(), String::new());
    let mut is_letter = false;
    loop {
        if is_letter && command == "." {
            *lock(&state.waiting) += 1;
            let answer = state.answers.acquire().await;
            answer.expect("it is never closed").forget();
            *lock(&state.waiting) -= 1;
        }
        let is_end = is_letter && command == ".";
        if !is_letter || is_end {
            let refusal = (*lock(&state.rule))(&command);
            let word = command.split([' ', ':']).next().unwrap_or_default();
            let usual = match word {
                "" => "220 test",
                "EHLO" => "250-test\r\n250 AUTH PLAIN",
                "AUTH" => "235 well",
                "DATA" => "354 go on",
                "QUIT" => "221 goodbye",
                _ => "250 well",
            };
            if let Some((_, address)) = command.split_once("RCPT TO:<") {
                address.trim_end_matches('>').clone_into(&mut recipient);
            }
            is_letter = word == "DATA" && refusal.is_none();
            if is_end && refusal.is_none() {
                lock(&state.taken).push(recipient.clone());
            }
            let answer = format!("{}\r\n", refusal.unwrap_or(usual));
            stream.write_all(answer.as_bytes()).await?;
        }
        command.clear();
        if stream.read_line(&mut command).await? == 0 {
            return Ok(());
        }
        command.truncate(command.trim_end().len());
        if !is_letter {
            lock(&state.heard).push(command.clone());
        }
    }
}
