//! A running service inside the test's own process.

use bienvenue::{app::App, clock::Clock, config::Settings, db::DB};
use chrono::{DateTime, Utc};
use clap::{Args as _, FromArgMatches as _};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Answer, OnDatabase, TestDatabase};

/// When the tests take place.
fn now() -> DateTime<Utc> {
    "2026-11-22T06:00:00Z".parse().expect("a time")
}

/// The service, on a database of its own.
pub struct TestApp {
    pub url: String,
    pub client: reqwest::Client,
    pub database: TestDatabase,
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
    /// Starts with flags of `bienvenue serve`, besides those that make the tests fast.
    pub async fn with(database: TestDatabase, flags: &[&str]) -> Self {
        let mut arguments = vec!["--database-url", &database.url, "--listen", "127.0.0.1:0"];
        arguments.extend(["--bcrypt-cost", "4"]);
        arguments.extend(flags);
        let settings = settings(&arguments);
        let db = DB::open(&settings.database)
            .await
            .expect("the database opens")
            .with_clock(Clock::new(now));
        let app = App::start_on(db, &settings).await.expect("starts");
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

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.expect("the service answers")).await
    }
}
