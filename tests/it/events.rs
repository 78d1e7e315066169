//! What the log says of security.

use macro_rules_attribute::apply;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::{Answer, Mailbox, Program, Relay, TestDatabase, on_both_databases};

const ADA: &str = "ada@example.com";
const NEW: &str = "ada.lovelace@example.com";
const PASSWORD: &str = "correct horse battery";
const NEXT: &str = "incorrect donkey charger";

struct Story {
    program: Program,
    client: Client,
    mail: Mailbox,
    session: String,
}

impl Story {
    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self
            .client
            .request(method, format!("{}{path}", self.program.url))
            .header("x-request-id", "the-request");
        let request = match &*self.session {
            "" => request,
            session => request.bearer_auth(session),
        };
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        Answer::to(request).await.body
    }

    async fn sign_in(&mut self, email: &str, password: &str) {
        self.session.clear();
        let body = json!({"email": email, "password": password, "delivery": "token"});
        let answer = self.send(Method::POST, "/sessions", body).await;
        if let Some(token) = answer["token"].as_str() {
            token.clone_into(&mut self.session);
        }
    }
}

#[apply(on_both_databases)]
async fn every_event_of_security_is_a_line_with_ids_and_without_addresses(database: TestDatabase) {
    let mail = Mailbox::new();
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("BIENVENUE_MAIL_DIR", mail.path()),
        ("BIENVENUE_LOG_FORMAT", "json"),
        ("BIENVENUE_ACCOUNT_FREE_FAILURES", "5"),
    ];
    let mut story = Story {
        program: Program::start(&variables),
        client: Client::new(),
        mail,
        session: String::new(),
    };
    let credentials = json!({"email": ADA, "password": PASSWORD});
    story.send(Method::POST, "/users", credentials).await;
    let verification = story.mail.newest_to(ADA, 1).await.token().to_owned();
    story.sign_in("nonsense", PASSWORD).await;
    story.sign_in("nobody@example.com", PASSWORD).await;
    story.sign_in(ADA, NEXT).await;
    story.sign_in(ADA, PASSWORD).await;
    let body = json!({"token": verification});
    story.send(Method::PUT, "/email-verification", body).await;
    let body = json!({"current_password": NEXT, "new_password": NEXT});
    story.send(Method::PUT, "/users/me/password", body).await;
    let body = json!({"email": NEW, "password": PASSWORD});
    story.send(Method::PUT, "/users/me/email", body).await;
    let body = json!({"token": story.mail.newest_to(NEW, 1).await.token()});
    story.send(Method::PUT, "/email-verification", body).await;
    let undo = story.mail.newest_to(ADA, 3).await;
    story
        .send(
            Method::POST,
            "/email-verification/undo",
            json!({"token": undo.token()}),
        )
        .await;
    story.sign_in(ADA, PASSWORD).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEXT});
    let changed = story.send(Method::PUT, "/users/me/password", body).await;
    let token = changed["token"].as_str().expect("a token");
    token.clone_into(&mut story.session);
    story
        .send(Method::GET, "/users/me/export", Value::Null)
        .await;
    story
        .send(Method::DELETE, "/sessions/current", Value::Null)
        .await;
    story.session.clear();
    story
        .send(Method::POST, "/password-reset", json!({"email": ADA}))
        .await;
    let resets = || {
        let mails = story.mail.mails().into_iter();
        mails.filter(|mail| mail.subject == "Choose a new password for Bienvenue")
    };
    while resets().count() == 0 {
        tokio::task::yield_now().await;
    }
    let reset = resets().next().expect("one").token().to_owned();
    let body = json!({"token": reset, "new_password": PASSWORD});
    story.send(Method::PUT, "/password-reset", body).await;
    for _ in 0..6 {
        story.sign_in("eve@example.com", PASSWORD).await;
    }
    story.sign_in(ADA, PASSWORD).await;
    story.send(Method::DELETE, "/sessions", Value::Null).await;
    story.sign_in(ADA, PASSWORD).await;
    story.send(Method::DELETE, "/users/me", Value::Null).await;
    story.program.signal("TERM");
    let (_, log) = story.program.ended();
    for secret in [ADA, NEW, "@example", PASSWORD, NEXT, "bienvenue_"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let events: Vec<Value> = lines
        .filter(|line: &Value| line["fields"]["event"].is_string())
        .collect();
    let mut told = Vec::new();
    for line in &events {
        let fields = &line["fields"];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "audit");
        assert_eq!(line["span"]["id"], "the-request");
        assert_eq!(fields["network"], "127.0.0.1");
        let event = fields["event"].as_str().expect("text");
        let ids =
            ["user_id", "actor_id", "session_id"].map(|name| u8::from(!fields[name].is_null()));
        let reason = fields["reason"].as_str().unwrap_or("-");
        let [user, actor, session] = ids;
        told.push(format!("{event} {user}{actor}{session} {reason}"));
    }
    assert_eq!(told, TOLD.lines().collect::<Vec<_>>());
}

/// The events, whether each has the ids of a user, an actor and a session, and its reason.
const TOLD: &str = "\
user.registered 100 -
session.refused 000 no address
session.refused 000 no account
session.refused 100 wrong password
session.opened 111 -
email.verified 111 -
session.refused 111 wrong password to confirm a change
email.change_requested 111 -
email.changed 111 -
session.ended 101 change of the address undone
email.changed 100 undone
session.opened 111 -
password.changed 111 -
user.exported 111 -
session.ended 111 signed out
password.reset_requested 100 -
password.reset 100 -
session.refused 000 no account
session.refused 000 no account
session.refused 000 no account
session.refused 000 no account
session.refused 000 no account
account.throttled 000 attempts
session.opened 111 -
session.ended 111 signed out everywhere
session.opened 111 -
session.ended 111 account deleted
user.deleted 111 closed by its owner
";

#[apply(on_both_databases)]
async fn what_a_mail_server_says_is_logged_without_the_address(database: TestDatabase) {
    let refuse = |said: &str| {
        let is_recipient = said.to_ascii_uppercase().starts_with("RCPT");
        is_recipient.then_some("550 5.1.1 <ada@example.com>: recipient ada@example.com is unknown")
    };
    let relay = Relay::start(refuse).await;
    let smtp = format!("smtp://localhost:{}", relay.port);
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("BIENVENUE_SMTP_URL", &*smtp),
    ];
    let program = Program::start(&variables);
    let body = json!({"email": ADA, "password": PASSWORD});
    let request = Client::new().post(format!("{}/users", program.url));
    Answer::to(request.json(&body)).await;
    let refused = "SELECT last_error FROM outgoing_mails WHERE last_error IS NOT NULL";
    let kept = loop {
        if let Some(kept) = database.sql(refused).await {
            break kept;
        }
        tokio::task::yield_now().await;
    };
    // The operator finds all of it in the row.
    assert!(kept.contains(ADA), "{kept}");
    program.signal("TERM");
    let (_, log) = program.ended();
    assert!(
        log.contains("an email was not sent") && log.contains("5.1.1"),
        "{log}"
    );
    assert!(!log.contains("@example"), "{log}");
}
