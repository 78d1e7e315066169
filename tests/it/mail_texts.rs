//! What is in emails, and how they look.

use std::path::Path;

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use thirtyfour::By;

use crate::support::{
    Browser, Mail, Mailbox, Program, TestApp, TestDatabase, on_both_databases, once,
};

const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "incorrect donkey charger";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

#[apply(once)]
async fn an_application_that_makes_no_sense_stops_the_start() {
    let long = "a".repeat(61);
    for (name, value, complaint) in [
        ("BIENVENUE_APP_NAME", "My\nApp", "write it in one line"),
        ("BIENVENUE_APP_NAME", &long, "60 characters long at most"),
        (
            "BIENVENUE_APP_URL",
            "app.example.com",
            "with its scheme, as https://app.example.com",
        ),
        (
            "BIENVENUE_APP_URL",
            "http://app.example.com",
            "BIENVENUE_APP_URL must be an https address",
        ),
        (
            "BIENVENUE_APP_URL",
            "javascript:alert(1)",
            "BIENVENUE_APP_URL must be an https address",
        ),
    ] {
        let (succeeded, _, complaints) = Program::run(&["serve"], &[(name, value)]);
        assert!(
            !succeeded && complaints.contains(complaint) && complaints.contains(name),
            "{name}={value}: {complaints}"
        );
    }
}

#[apply(on_both_databases)]
async fn the_application_is_called_as_it_is_set_or_as_its_host(database: TestDatabase) {
    let public = ["--public-url", "https://auth.example.com"];
    let cost = ["--bcrypt-cost", "10"];
    for (number, (flags, name, url)) in [
        (&[][..], "Bienvenue", "http://localhost:8000/"),
        (
            &[public, cost].concat(),
            "auth.example.com",
            "https://auth.example.com/",
        ),
        (
            &["--app-name", " Café & <Co> "],
            "Café & <Co>",
            "http://localhost:8000/",
        ),
        (
            &[
                "--app-name",
                "",
                "--app-url",
                "https://app.example.com/#/in",
            ],
            "Bienvenue",
            "https://app.example.com/#/in",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let database = TestDatabase::at(database.url.clone());
        let flags = [&["--registration", "private"], flags].concat();
        let app = TestApp::with(database, &flags).await;
        let address = format!("user{number}@example.com");
        let user = app.auth.register_user(&address, PASSWORD).await;
        user.expect("registers");
        app.register(&address, PASSWORD).await;
        let mail = app.mail.newest_to(&address, 2).await;
        let subject = format!("You already have an account at {name}");
        assert_eq!(mail.subject, subject);
        assert_eq!(mail.link(), url);
        assert!(!mail.html.contains("<Co>"), "{}", mail.html);
        app.stop().await;
    }
}

#[apply(on_both_databases)]
async fn templates_that_name_nothing_new_work_as_they_did(database: TestDatabase) {
    let folder = Mailbox::new();
    let write = |name: &str, text: &str| {
        std::fs::write(Path::new(folder.path()).join(name), text).expect("writes");
    };
    write(
        "password-changed.en.txt",
        "Subject: Ours\n\nAt {{ date }}\n",
    );
    write(
        "password-reset.en.txt",
        "Subject: Go\n\n{{ link }}\n\n{{ lifetime }}\n",
    );
    write(
        "layout.html",
        "<h1>{{ subject }}</h1>{% for paragraph in paragraphs %}{% if paragraph == link %}\
         <a href=\"{{ link }}\">{{ subject }}</a>{% else %}<p>{{ paragraph }}</p>{% endif %}{% endfor %}{{ language }}",
    );
    let app = TestApp::with(database, &["--templates", folder.path()]).await;
    app.register("ada@example.com", PASSWORD).await;
    app.post("/password-reset", &json!({"email": "ada@example.com"}))
        .await;
    let reset = app.mail.newest_to("ada@example.com", 2).await;
    let page = format!(
        "<h1>Go</h1><a href=\"{}\">Go</a><p>30 minutes</p>en",
        reset.link()
    );
    assert_eq!(reset.html, page);
    let body = json!({"token": reset.token(), "new_password": NEW_PASSWORD});
    app.put("/password-reset", &body).await;
    let changed = app.mail.newest_to("ada@example.com", 3).await;
    assert_eq!(changed.text, "At 22 November 2026 at 06:00 UTC\r\n");
}

#[apply(once)]
async fn a_folder_of_templates_that_would_not_do_stops_the_start() {
    for (name, text, complaint) in [
        (
            "pasword-reset.en.txt",
            "Subject: Go\n\n{{ link }}\n",
            "has a file \"pasword-reset.en.txt\", but no template has this name: there are layout.html",
        ),
        (
            "password-reset.de.txt",
            "Subject: Los\n\n{{ link }}\n",
            "has a file \"password-reset.de.txt\", but no template has this name",
        ),
        (
            "password-reset.fr.txt",
            "Subject: Nouveau\n\nBonne chance\n",
            "the template password-reset.fr.txt has no {{ link }}",
        ),
        (
            "layout.html",
            "<h1>{{ subject }}</h1>",
            "the template layout.html has no {{ link }}",
        ),
        (
            "registration.en.txt",
            "Go\n\n{{ link }}\n",
            "the template registration.en.txt does not begin with a line \"Subject: …\"",
        ),
        (
            "registration.en.txt",
            "Subject: Go\n\n{{ lnik }}\n",
            "registration.en.txt",
        ),
    ] {
        let folder = Mailbox::new();
        std::fs::write(Path::new(folder.path()).join(name), text).expect("writes");
        let variables = [("BIENVENUE_TEMPLATES", folder.path())];
        let (succeeded, _, log) = Program::run(&["serve"], &variables);
        assert!(!succeeded, "{name} was taken");
        assert!(
            log.contains("BIENVENUE_TEMPLATES") && log.contains(complaint),
            "{log}"
        );
    }
}

/// Requests of somebody who prefers a language.
struct Speaker<'a> {
    app: &'a TestApp,
    language: &'static str,
}

impl Speaker<'_> {
    async fn send(&self, method: Method, path: &str, token: &str, body: Value) {
        let request = self.app.request(method, path, token);
        let request = request
            .header("accept-language", self.language)
            .header("user-agent", FIREFOX)
            .header("x-forwarded-for", "192.0.2.66");
        let answer = self.app.send(request.json(&body)).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    }
}

/// An email of each kind, in the order of a story in one language.
async fn every_kind(app: &TestApp, language: &'static str) -> [Mail; 9] {
    let speaker = Speaker { app, language };
    let ada = &*format!("ada.{language}@example.com");
    let [eve, new] = &["eve", "new"].map(|name| format!("{name}.{language}@example.com"));
    let user = app.auth.register_user(ada, PASSWORD).await;
    user.expect("registers");
    app.mail.newest_to(ada, 1).await;
    let session = &*app.token(ada, PASSWORD).await;
    let none = "none";
    let (post, put) = (Method::POST, Method::PUT);

    speaker
        .send(post.clone(), "/email-verification", session, json!({}))
        .await;
    let verification = app.mail.newest_to(ada, 2).await;
    let body = json!({"token": verification.token()});
    speaker
        .send(put.clone(), "/email-verification", session, body)
        .await;
    let body = json!({"email": eve, "password": PASSWORD});
    speaker.send(post.clone(), "/users", none, body).await;
    let registration = app.mail.newest_to(eve, 1).await;
    let body = json!({"email": ada, "password": PASSWORD});
    speaker.send(post.clone(), "/users", none, body).await;
    let taken = app.mail.newest_to(ada, 3).await;
    let body = json!({"email": ada, "password": PASSWORD});
    speaker.send(post.clone(), "/sessions", none, body).await;
    let signed_in = app.mail.newest_to(ada, 4).await;
    let body = json!({"email": ada});
    speaker.send(post, "/password-reset", none, body).await;
    let reset = app.mail.newest_to(ada, 5).await;
    let body = json!({"email": new, "password": PASSWORD});
    speaker
        .send(put.clone(), "/users/me/email", session, body)
        .await;
    let change = app.mail.newest_to(new, 1).await;
    let requested = app.mail.newest_to(ada, 6).await;
    let body = json!({"token": change.token()});
    speaker
        .send(put.clone(), "/email-verification", session, body)
        .await;
    let changed = app.mail.newest_to(ada, 7).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    speaker.send(put, "/users/me/password", session, body).await;
    let password = app.mail.newest_to(new, 2).await;

    [
        verification,
        registration,
        taken,
        signed_in,
        reset,
        change,
        requested,
        changed,
        password,
    ]
}

/// Where each leads to, up to the token.
const LINKS: [&str; 9] = [
    "http://localhost:8000/verify-email#token=",
    "http://localhost:8000/verify-email#token=",
    "https://app.example.com/start",
    "http://localhost:8000/reset-password",
    "http://localhost:8000/reset-password#token=",
    "http://localhost:8000/verify-email#token=",
    "http://localhost:8000/reset-password",
    "http://localhost:8000/undo-email-change#token=",
    "http://localhost:8000/reset-password",
];

const SUBJECTS: [[&str; 9]; 2] = [
    [
        "Confirm your email address for Café & Co",
        "Confirm your registration for Café & Co",
        "You already have an account at Café & Co",
        "A new sign-in to Café & Co",
        "Choose a new password for Café & Co",
        "Confirm your new email address for Café & Co",
        "Your email address for Café & Co is about to change",
        "Your email address for Café & Co was changed",
        "Your password for Café & Co was changed",
    ],
    [
        "Confirmez votre adresse e-mail pour Café & Co",
        "Confirmez votre inscription à Café & Co",
        "Vous avez déjà un compte chez Café & Co",
        "Une nouvelle connexion à Café & Co",
        "Choisissez un nouveau mot de passe pour Café & Co",
        "Confirmez votre nouvelle adresse e-mail pour Café & Co",
        "Votre adresse e-mail pour Café & Co va changer",
        "Votre adresse e-mail pour Café & Co a été changée",
        "Votre mot de passe pour Café & Co a été changé",
    ],
];

const BUTTONS: [[&str; 9]; 2] = [
    [
        "Confirm the address",
        "Open the account",
        "Sign in",
        "Choose a new password",
        "Choose a new password",
        "Confirm the new address",
        "Choose a new password",
        "Take the change back",
        "Choose a new password",
    ],
    [
        "Confirmer l'adresse",
        "Ouvrir le compte",
        "Se connecter",
        "Choisir un nouveau mot de passe",
        "Choisir un nouveau mot de passe",
        "Confirmer la nouvelle adresse",
        "Choisir un nouveau mot de passe",
        "Annuler le changement",
        "Choisir un nouveau mot de passe",
    ],
];

#[apply(on_both_databases)]
async fn every_email_can_be_read_on_a_telephone_and_leads_on(
    database: TestDatabase,
    browser: Browser,
) {
    let flags = [
        "--registration",
        "private",
        "--trusted-proxies",
        "127.0.0.0/8",
        "--app-name",
        "Café & Co",
        "--app-url",
        "https://app.example.com/start",
    ];
    let app = TestApp::with(database, &flags).await;
    let folder = Mailbox::new();
    let file = Path::new(folder.path()).join("email.html");
    for (number, language) in ["en", "fr"].into_iter().enumerate() {
        let mails = every_kind(&app, language).await;
        let subjects: Vec<_> = mails.iter().map(|mail| &*mail.subject).collect();
        assert_eq!(subjects, SUBJECTS[number]);
        for (mail, (link, button)) in mails.iter().zip(LINKS.iter().zip(BUTTONS[number])) {
            std::fs::write(&file, &mail.html).expect("writes");
            let page = &browser.page;
            let address = format!("file://{}", file.display());
            page.goto(address).await.expect("it opens");
            browser.assert_readable().await;
            let shown = page.find(By::Css("a.button")).await.expect("a button");
            assert_eq!(shown.text().await.expect("it has a text"), button);
            let target = shown.attr("href").await.expect("it has a link");
            assert_eq!(target.as_deref(), Some(mail.link()), "{}", mail.subject);
            let rest = mail.link().strip_prefix(link).expect(&mail.subject);
            assert_eq!(rest.is_empty(), !link.ends_with("#token="), "{rest}");
            let loaded =
                "return performance.getEntriesByType('resource').map((entry) => entry.name)";
            let loaded = page.execute(loaded, Vec::new()).await.expect("it says");
            assert_eq!(*loaded.json(), json!([]));
            browser.assert_quiet(&[]).await;
        }
        let told = &mails[3];
        let (when, with) = match language {
            "en" => (
                "On 22 November 2026 at 06:00 UTC",
                "with Firefox on Linux, from 192.0.2.66",
            ),
            _ => (
                "Le 22 novembre 2026 à 6\u{a0}h\u{a0}00 UTC",
                "avec Firefox sur Linux, depuis 192.0.2.66",
            ),
        };
        assert!(told.text.contains(when), "{}", told.text);
        assert!(told.text.contains(with), "{}", told.text);
    }
    browser.close().await;
}

#[apply(on_both_databases)]
async fn a_browser_is_named_by_its_family_and_told_to_its_owner(database: TestDatabase) {
    let app = TestApp::with(database, &["--trusted-proxies", "127.0.0.0/8"]).await;
    let ada = "ada@example.com";
    app.register(ada, PASSWORD).await;
    let session = app.token(ada, PASSWORD).await;
    app.mail.newest_to(ada, 1).await;
    for (number, (user_agent, named, exported)) in [
        ("evil.example/1.0 <b>", "with a program, from", Value::Null),
        (
            FIREFOX,
            "with Firefox on Linux, from",
            json!("Firefox on Linux"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = app.client.post(format!("{}/sessions", app.url));
        let request = request
            .header("x-forwarded-for", format!("192.0.2.{number}"))
            .header("user-agent", user_agent)
            .json(&json!({"email": ada, "password": PASSWORD}));
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let mail = app.mail.newest_to(ada, number + 2).await;
        assert!(mail.text.contains(named), "{}", mail.text);
        assert!(!mail.text.contains("evil"), "{}", mail.text);
        let export = app.get_as(&session, "/users/me/export").await;
        let told = export.body["mails"].as_array().expect("a list");
        let told = told
            .iter()
            .find(|mail| mail["ip"] == format!("192.0.2.{number}"));
        assert_eq!(told.expect("it is there")["client"], exported);
    }
}
