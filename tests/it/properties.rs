//! What holds for whatever is given, and in whatever order.

use std::collections::BTreeMap;

use bienvenue::auth::{Email, Token, TokenKind, hash_password};
use futures_util::{StreamExt as _, stream};
use macro_rules_attribute::apply;
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any, prop},
    proptest,
    sample::select,
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, Program, TestApp, TestDatabase, on_both_databases, once};

#[apply(once)]
async fn the_form_of_an_address_is_final() {
    let likely = "[ \tA-Za-z0-9.@_+-]{0,20}@[A-Za-z0-9.äßİ-]{0,20}";
    proptest!(ProptestConfig::with_cases(2000), |(text in prop::string::string_regex(likely).expect("a pattern"))| {
        if let Ok(email) = Email::parse(&text) {
            let again = Email::parse(email.as_str()).expect("it is one");
            assert_eq!(again.as_str(), email.as_str());
            let shouted = Email::parse(&format!(" {} ", email.as_str().to_ascii_uppercase()));
            assert_eq!(shouted.expect("it is one").as_str(), email.as_str());
        }
    });
}

#[apply(once)]
async fn no_text_makes_parsers_panic() {
    proptest!(ProptestConfig::with_cases(2000), |(text in any::<String>(), tail in any::<String>())| {
        let _ = Email::parse(&text);
        for (kind, prefix) in [
            (TokenKind::Session, "bienvenue_session_"),
            (TokenKind::PasswordReset, "bienvenue_reset_"),
        ] {
            assert!(Token::parse(kind, &text).is_none());
            assert!(Token::parse(kind, &format!("{prefix}{tail}")).is_none());
        }
    });
}

/// A password, and others that are like it.
fn passwords() -> impl Strategy<Value = (String, Vec<String>)> {
    let length = select(vec![1, 8, 54, 55, 71, 72, 73, 74, 100, 1023]);
    let password = length.prop_flat_map(|length| vec(select(LETTERS.to_vec()), length));
    password.prop_map(|letters| {
        let text: String = letters.iter().collect();
        let mut others = vec![format!("{text}x"), text.to_uppercase(), format!(" {text}")];
        for cut in [1, 2, text.chars().count() / 2] {
            others.push(text.chars().skip(cut).collect());
            others.push(
                text.chars()
                    .take(text.chars().count() - cut.min(text.chars().count()))
                    .collect(),
            );
        }
        others.retain(|other| *other != text);
        (text, others)
    })
}

const LETTERS: [char; 8] = ['a', 'b', 'Z', ' ', '7', 'ß', 'é', '🔑'];

#[apply(on_both_databases)]
async fn no_two_different_passwords_open_one_account(app: TestApp) {
    let mut runner = TestRunner::deterministic();
    for number in 0..20 {
        let (password, others) = passwords().new_tree(&mut runner).expect("some").current();
        let email = format!("user{number}@example.com");
        let Ok(hash) = hash_password(&password, 4) else {
            assert!(password.len() > 1024, "{}", password.len());
            continue;
        };
        let db = bienvenue::db::DB::connect(&app.database.url)
            .await
            .expect("opens");
        db.add_user(&email, hash.as_str()).await.expect("added");
        let right = app.sign_in(&email, &password).await;
        assert_eq!(right.status, StatusCode::CREATED, "{password:?}");
        for other in others {
            let wrong = app.sign_in(&email, &other).await;
            assert_eq!(
                wrong.status,
                StatusCode::UNAUTHORIZED,
                "{password:?} {other:?}"
            );
        }
    }
}

const OWNER: &str = "owner@example.com";
const ATTACKER: &str = "attacker@example.com";
const OWNERS: &str = "correct horse battery";
const ATTACKERS: &str = "incorrect donkey charger";

/// What either of them can do. Each knows one password, reads one mailbox, and keeps the tokens that came to it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Register(bool),
    SignIn(bool),
    AskForReset(bool),
    Reset,
    AskForVerification,
    Verify(bool),
    Refuse,
    ChangePassword,
    ChangeEmail(bool),
    SignOutEverywhere,
}

fn deeds() -> impl Strategy<Value = Vec<(bool, Deed)>> {
    let either = any::<bool>();
    let deed = prop::strategy::Union::new([
        either.prop_map(Deed::Register).boxed(),
        either.prop_map(Deed::SignIn).boxed(),
        either.prop_map(Deed::AskForReset).boxed(),
        prop::strategy::Just(Deed::Reset).boxed(),
        prop::strategy::Just(Deed::AskForVerification).boxed(),
        either.prop_map(Deed::Verify).boxed(),
        prop::strategy::Just(Deed::Refuse).boxed(),
        prop::strategy::Just(Deed::ChangePassword).boxed(),
        either.prop_map(Deed::ChangeEmail).boxed(),
        prop::strategy::Just(Deed::SignOutEverywhere).boxed(),
    ]);
    vec((any::<bool>(), deed), 25)
}

/// One of the two.
struct Person<'a> {
    app: &'a TestApp,
    address: &'static str,
    password: &'static str,
    session: Option<String>,
}

impl Person<'_> {
    /// The newest token that was mailed to this person for a page.
    fn token(&self, page: &str) -> String {
        let mails = self.app.mail.mails().into_iter();
        let mut links = mails.filter(|mail| mail.to == [self.address] && mail.text.contains(page));
        links
            .next_back()
            .map_or_else(String::new, |mail| mail.token().to_owned())
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let token = self.session.as_deref().unwrap_or("none");
        let request = self.app.request(method, path, token).json(&body);
        self.app.send(request).await
    }

    async fn does(&mut self, deed: Deed) {
        let address = |of_owner| if of_owner { OWNER } else { ATTACKER };
        match deed {
            Deed::Register(of_owner) => {
                self.app.register(address(of_owner), self.password).await;
            }
            Deed::SignIn(of_owner) => {
                let body = json!({"email": address(of_owner), "password": self.password, "delivery": "token"});
                let answer = self.app.post("/sessions", &body).await;
                if let Some(token) = answer.body["token"].as_str() {
                    self.session = Some(token.to_owned());
                }
            }
            Deed::AskForReset(of_owner) => {
                let body = json!({"email": address(of_owner)});
                self.app.post("/password-reset", &body).await;
            }
            Deed::Reset => {
                let token = self.token("/reset-password#token=");
                let body = json!({"token": token, "new_password": self.password});
                self.app.put("/password-reset", &body).await;
            }
            Deed::AskForVerification => {
                self.send(Method::POST, "/email-verification", json!({}))
                    .await;
            }
            Deed::Verify(with_password) => {
                let mut body = json!({"token": self.token("/verify-email")});
                if with_password {
                    body["password"] = self.password.into();
                }
                self.send(Method::PUT, "/email-verification", body).await;
            }
            Deed::Refuse => {
                let body = json!({"token": self.token("/verify-email")});
                self.app.post("/email-verification/refusal", &body).await;
            }
            Deed::ChangePassword => {
                let body =
                    json!({"current_password": self.password, "new_password": self.password});
                let answer = self.send(Method::PUT, "/users/me/password", body).await;
                if let Some(token) = answer.body["token"].as_str() {
                    self.session = Some(token.to_owned());
                }
            }
            Deed::ChangeEmail(of_owner) => {
                let body = json!({"email": address(of_owner), "password": self.password});
                self.send(Method::PUT, "/users/me/email", body).await;
            }
            Deed::SignOutEverywhere => {
                self.send(Method::DELETE, "/sessions", json!({})).await;
            }
        }
        self.app.letters_are_out().await;
    }
}

#[apply(on_both_databases)]
async fn whatever_the_attacker_does_an_address_that_the_owner_proved_is_the_owners(
    database: TestDatabase,
) {
    let mut runner = TestRunner::deterministic();
    let app = TestApp::with(database, &[]).await;
    for _ in 0..12 {
        let script = deeds().new_tree(&mut runner).expect("some").current();
        let person = |address, password| Person {
            app: &app,
            address,
            password,
            session: None,
        };
        let mut owner = person(OWNER, OWNERS);
        let mut attacker = person(ATTACKER, ATTACKERS);
        for (step, (is_owner, deed)) in script.iter().enumerate() {
            if *is_owner {
                owner.does(*deed).await;
            } else {
                attacker.does(*deed).await;
            }
            // An account whose address was proved by the owner's mail opens to nothing of the attacker's.
            let found = "SELECT hashed_password FROM users
                         WHERE email = 'owner@example.com' AND email_verified_at IS NOT NULL";
            if app.database.sql(found).await.is_some() {
                let stolen = app.sign_in(OWNER, ATTACKERS).await;
                assert_eq!(
                    stolen.status,
                    StatusCode::UNAUTHORIZED,
                    "{:?}",
                    &script[..=step]
                );
                if let Some(session) = &attacker.session {
                    let me = app.get_as(session, "/users/me").await;
                    assert_ne!(me.body["email"], OWNER, "{:?}", &script[..=step]);
                }
            }
        }
        // However it ends, the owner gets in by the mailbox, and the attacker is out.
        app.register(OWNER, OWNERS).await;
        owner.does(Deed::AskForReset(true)).await;
        owner.does(Deed::Reset).await;
        let in_again = app.sign_in(OWNER, OWNERS).await;
        assert_eq!(in_again.status, StatusCode::CREATED, "{script:?}");
        for table in ["outgoing_mails", "users"] {
            app.database.sql(&format!("DELETE FROM {table}")).await;
        }
        app.mail.empty();
    }
}

/// Requests of which each is right, but for what is done to it.
const REQUESTS: [&str; 4] = [
    "POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
     Content-Length: 60\r\n\r\n{\"email\": \"a@example.com\", \"password\": \"correct horse batte\"}",
    "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
     Transfer-Encoding: chunked\r\n\r\n1a\r\n{\"email\": \"a@example.com\", \r\n0d\r\n\"password\": 1}\r\n0\r\n\r\n",
    "GET /sessions/current HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bienvenue_session_x\r\n\
     Cookie: bienvenue-session=bienvenue_session_x; a=b\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nConnection: close\r\n\r\n",
    "PUT /email-verification HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:8000\r\nAccept-Language: fr;q=0.5\r\n\
     Content-Type: application/json\r\nConnection: close\r\nContent-Length: 48\r\n\r\n\
     {\"token\": \"bienvenue_verification_AAAAAAAAAAAAA\"}",
];

/// Bytes that mean something to somebody.
const BYTES: [u8; 16] = *b"\0\r\n\t \"%:;,{}\\\x7f\x80\xff";

/// Sends something, and reads what comes back until the other side has enough.
async fn converse(address: &str, request: &[u8]) -> String {
    // Enough to end whatever it is in the middle of.
    const FILLER: &[u8] = &[b'\n'; 256];
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut answer = vec![0; 4096];
    // It may be answered, and closed, before it is written to its end.
    let _ = stream.write_all(&[request, FILLER].concat()).await;
    let length = stream.read(&mut answer).await.unwrap_or(0);
    answer.truncate(length);
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[apply(on_both_databases)]
async fn five_thousand_requests_that_are_damaged_harm_nobody(database: TestDatabase) {
    let program = Program::start(&[("DATABASE_URL", &database.url)]);
    let address = program.url.trim_start_matches("http://");
    let damage = (
        0..REQUESTS.len(),
        vec((any::<u16>(), 0..4u8, select(BYTES.to_vec())), 0..6),
    );
    let mut runner = TestRunner::deterministic();
    let damaged = (0..5000).map(|_| {
        let (which, changes) = damage.new_tree(&mut runner).expect("some").current();
        let mut request = REQUESTS[which].as_bytes().to_vec();
        for (place, how, byte) in changes {
            let place = usize::from(place) % request.len().max(1);
            match how {
                0 => request[place] = byte,
                1 => request.insert(place, byte),
                2 if request.len() > 1 => drop(request.remove(place)),
                _ => request.truncate(place.max(1)),
            }
        }
        request
    });
    let damaged: Vec<_> = damaged.collect();
    let mut statuses = BTreeMap::<String, usize>::new();
    let mut before = 0;
    for some in [&damaged[..1000], &damaged[1000..]] {
        // Many at once: some are waited for until they are given up.
        let answers = stream::iter(some)
            .map(|request| async move { (request, converse(address, request).await) });
        let mut answers = answers.buffer_unordered(100);
        while let Some((request, answer)) = answers.next().await {
            let status = answer.get(9..12).unwrap_or_default();
            assert!(
                !status.starts_with('5'),
                "{}: {answer}",
                String::from_utf8_lossy(request)
            );
            *statuses.entry(status.to_owned()).or_default() += 1;
        }
        if before == 0 {
            before = program.most_memory();
        }
    }
    // They came as far as there is something to damage.
    for status in ["201", "400", "401", "403", "404", "405", "409", "415"] {
        assert!(statuses.contains_key(status), "{status}: {statuses:?}");
    }
    let grown = program.most_memory() - before;
    assert!(grown < 10 * 1024 * 1024, "grew by {grown} bytes");
    program.signal("TERM");
    let (status, log) = program.ended();
    assert!(status.success() && !log.contains("panic"), "{log}");
}
