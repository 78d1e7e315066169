//! A running service inside the test's own process.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bienvenue::{
    app::App,
    auth::{Administrator, Auth, Client, NewUser, Role},
    clock::Clock,
    config::Settings,
    db::DB,
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args as _, FromArgMatches as _};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Answer, LIMITS, Mailbox, OnDatabase, TEST_KEY, TestDatabase, WIDE};

/// When the tests take place, in seconds since 1970: 2026-11-22T06:00:00Z.
const NOW: i64 = 1_795_327_200;

/// A clock that stands still, unless it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW)))
    }

    pub fn advance(&self, time: TimeDelta) {
        self.0.fetch_add(time.num_seconds(), Ordering::SeqCst);
    }

    /// Moves to the time of the machine, which other programs go by, or a little after it.
    pub fn advance_to_now(&self) {
        self.0.store(Utc::now().timestamp() + 1, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || {
            let seconds = seconds.load(Ordering::SeqCst);
            DateTime::from_timestamp(seconds, 0).expect("a time")
        })
    }
}

/// The service, on a database of its own.
pub struct TestApp {
    pub url: String,
    pub client: reqwest::Client,
    pub database: TestDatabase,
    pub clock: TestClock,
    pub mail: Mailbox,
    /// What the service is a door to.
    pub auth: Auth,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl OnDatabase for TestApp {
    async fn on(database: TestDatabase) -> Self {
        Self::with(database, &[]).await
    }
}

/// The settings of a command line.
pub fn settings(arguments: &[&str]) -> Settings {
    let command = Settings::augment_args(
        clap::Command::new("serve")
            .no_binary_name(true)
            .args_override_self(true),
    );
    let matches = command
        .try_get_matches_from(arguments)
        .expect("settings are right");
    Settings::from_arg_matches(&matches).expect("settings are right")
}

impl TestApp {
    /// Starts with flags of `bienvenue serve`, besides those that make the tests fast. It limits rates, as a service does, by
    /// limits that a test does not meet.
    pub async fn with(database: TestDatabase, flags: &[&str]) -> Self {
        let wide: Vec<_> = LIMITS.iter().flat_map(|(flag, _)| [*flag, WIDE]).collect();
        Self::limited(database, &[&wide, flags].concat()).await
    }

    /// With the limits that a service has by itself.
    pub async fn limited(database: TestDatabase, flags: &[&str]) -> Self {
        let mut arguments = vec!["--database-url", &database.url, "--listen", "127.0.0.1:0"];
        arguments.extend(["--bcrypt-cost", "4", "--keys", TEST_KEY]);
        let mail = Mailbox::new();
        arguments.extend(["--mail-dir", mail.path()]);
        arguments.extend(flags);
        let settings = settings(&arguments);
        let clock = TestClock::new();
        let db = DB::open(&settings.database)
            .await
            .expect("the database opens")
            .with_clock(clock.clock());
        let app = App::start_on(db, &settings).await.expect("starts");
        let auth = app.auth().clone();
        let url = format!("http://{}", app.address().expect("listens"));
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            app.serve(stopped).await;
        });
        Self {
            url,
            client: reqwest::Client::new(),
            database,
            clock,
            mail,
            auth,
            stop: Some(stop),
            served,
        }
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.served.await.expect("stops without a panic");
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url)))
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(format!("{}{path}", self.url)).json(body))
            .await
    }

    /// Sends a body that need not be JSON.
    pub async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url));
        self.send(request.header("content-type", content_type).body(body))
            .await
    }

    pub async fn register(&self, email: &str, password: &str) -> Answer {
        self.post("/users", &json!({"email": email, "password": password}))
            .await
    }

    /// Adds an administrator whose address is verified, as the operator does.
    pub async fn add_admin(&self, email: &str, password: &str) {
        let operator = Administrator::Operator(Client::default());
        let new = NewUser {
            email,
            password: Some(password),
            role: Role::Admin,
            is_email_verified: true,
            ..NewUser::default()
        };
        self.auth.create_user(&operator, new).await.expect("added");
    }

    /// Signs in as a browser does.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("/sessions", &json!({"email": email, "password": password}))
            .await
    }

    /// Signs in as an app does, and returns the token.
    pub async fn token(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password, "delivery": "token"});
        let answer = self.post("/sessions", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let token = answer.body["token"].as_str();
        token.expect("it was asked for").to_owned()
    }

    /// A request with a token.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(token)
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.put(format!("{}{path}", self.url)).json(body))
            .await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, token)).await
    }

    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path, token)).await
    }

    /// Whether a token opens a session.
    pub async fn opens(&self, token: &str) -> bool {
        let answer = self.get_as(token, "/sessions/current").await;
        if answer.status != StatusCode::OK {
            answer.assert_problem(401, "not-signed-in");
        }
        answer.status == StatusCode::OK
    }

    /// Waits until nothing is left to do for any letter.
    pub async fn letters_are_out(&self) {
        let waiting = "SELECT 'one' FROM outgoing_mails WHERE finished_at IS NULL";
        while self.database.sql(waiting).await.is_some() {
            tokio::task::yield_now().await;
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::to(request).await
    }
}
