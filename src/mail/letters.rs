//! Letters, from templates: one text a kind and language, and one page of HTML around all of them.

use std::{fs, path::Path, time::Duration};

use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use url::Url;

use crate::{
    auth::{Language, Letter, LetterKind},
    config::Settings,
};

/// A file of the folder beside this one, with its name.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("letters/", $name)))
    };
}

/// The page around a letter's paragraphs.
const LAYOUT: &str = "layout.html";

/// Our own letters.
const TEMPLATES: [(&str, &str); 19] = [
    template!("layout.html"),
    template!("address-taken.en.txt"),
    template!("address-taken.fr.txt"),
    template!("email-change-requested.en.txt"),
    template!("email-change-requested.fr.txt"),
    template!("email-changed.en.txt"),
    template!("email-changed.fr.txt"),
    template!("email-change.en.txt"),
    template!("email-change.fr.txt"),
    template!("email-verification.en.txt"),
    template!("email-verification.fr.txt"),
    template!("new-sign-in.en.txt"),
    template!("new-sign-in.fr.txt"),
    template!("password-changed.en.txt"),
    template!("password-changed.fr.txt"),
    template!("password-reset.en.txt"),
    template!("password-reset.fr.txt"),
    template!("registration.en.txt"),
    template!("registration.fr.txt"),
];

/// Why a letter can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// A template is no template.
    #[error("{0}")]
    Template(#[from] minijinja::Error),
    /// A template can't be read.
    #[error("the template {0} can't be read: {1}")]
    File(String, #[source] std::io::Error),
    /// A text begins with no subject.
    #[error("the template {0} does not begin with a line \"Subject: …\" and an empty one")]
    NoSubject(String),
    /// What came of it is no message.
    #[error("{0}")]
    Message(#[from] lettre::error::Error),
    /// The address is none that mail can be sent to.
    #[error("{0}")]
    Address(#[from] lettre::address::AddressError),
}

/// The templates, and what is the same in all letters.
pub(super) struct Letters {
    templates: Environment<'static>,
    from: Mailbox,
    reset_url: Url,
    verify_url: Url,
    undo_url: Url,
}

/// What a template can name.
#[derive(Default, Serialize)]
struct Values {
    /// Where to go; empty where there is nowhere to.
    link: String,
    /// How long the link is good.
    lifetime: String,
    /// When what the letter tells of happened.
    date: String,
    /// The address of the client that it tells of, if it is known.
    ip: Option<String>,
}

impl Letters {
    /// Reads the templates: ours, and in their place those of the same names in the operator's folder.
    pub(super) fn open(settings: &Settings, from: Mailbox) -> Result<Self, LettersError> {
        let mut templates = Environment::new();
        // A text is no HTML, and a name that is not known is a slip.
        templates.set_auto_escape_callback(|name| match name {
            LAYOUT => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, ours) in TEMPLATES {
            let folder = settings.mail.templates.as_deref();
            let text = read(folder, name)?.unwrap_or_else(|| ours.to_owned());
            templates.add_template_owned(name, text)?;
        }
        let page = |set: &Option<Url>, path: &str| {
            let ours = || settings.public_url.join(path);
            set.clone()
                .map_or_else(ours, Ok)
                .expect("a path follows any http address")
        };
        let letters = Self {
            templates,
            from,
            reset_url: page(&settings.mail.reset_url, "/reset-password"),
            verify_url: page(&settings.mail.verify_url, "/verify-email"),
            // Always our own page: a frontend that does not know it yet is not to keep the owner from the account.
            undo_url: page(&None, "/undo-email-change"),
        };
        // A slip is to be found now, and not when somebody waits for the letter.
        for kind in LetterKind::ALL {
            for language in Language::ALL {
                letters.render(
                    kind,
                    language,
                    &Values {
                        link: "https://example.com/".to_owned(),
                        lifetime: in_words(Duration::from_mins(30), language),
                        date: "2026-11-22, 06:00 UTC".to_owned(),
                        ip: Some("192.0.2.1".to_owned()),
                    },
                )?;
            }
        }
        Ok(letters)
    }

    /// Writes a letter as text and as HTML, to its one recipient.
    pub(super) fn write(&self, letter: &Letter) -> Result<Message, LettersError> {
        let mut values = Values {
            date: letter.created_at.format("%Y-%m-%d, %H:%M UTC").to_string(),
            ip: letter.ip.clone(),
            ..Values::default()
        };
        if let Some((token, lifetime)) = &letter.token {
            let mut url = match letter.kind {
                LetterKind::PasswordReset => self.reset_url.clone(),
                LetterKind::EmailChanged => self.undo_url.clone(),
                _ => self.verify_url.clone(),
            };
            // In the fragment, which browsers send to nobody.
            url.set_fragment(Some(&format!("token={}", token.as_str())));
            values.link = url.into();
            values.lifetime = in_words(*lifetime, letter.language);
        }
        let (subject, text, html) = self.render(letter.kind, letter.language, &values)?;
        let recipient: Address = letter.recipient.parse()?;
        let message_id = format!("<{}@{}>", letter.message_id, self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject)
            .date(letter.created_at.into())
            .message_id(Some(message_id))
            // No holiday note is to answer it. Source: RFC 3834, 5.
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(text, html))?;
        Ok(message)
    }

    /// The subject, the text and the page.
    fn render(
        &self,
        kind: LetterKind,
        language: Language,
        values: &Values,
    ) -> Result<(String, String, String), LettersError> {
        let name = format!("{}.{}.txt", kind.as_str(), language.as_str());
        let letter = self.templates.get_template(&name)?.render(values)?;
        let (subject, text) = letter
            .strip_prefix("Subject: ")
            .and_then(|letter| letter.split_once("\n\n"))
            .filter(|(subject, _)| !subject.contains('\n'))
            .ok_or(LettersError::NoSubject(name))?;
        let paragraphs: Vec<_> = text.split("\n\n").map(str::trim).collect();
        let language = language.as_str();
        let link = &values.link;
        let values = context! { subject, paragraphs, link, language };
        let html = self.templates.get_template(LAYOUT)?.render(values)?;
        // MiniJinja escapes slashes too, which do no harm, and by which some mail programs don't know a link.
        let html = html.replace("&#x2f;", "/");
        Ok((subject.to_owned(), format!("{}\n", text.trim_end()), html))
    }
}

/// The sender, with the domain in its ASCII form, which every mail server takes. Says what is wrong with one that no server
/// needs to take. Source: RFC 6531, 3.1.
pub(super) fn sender(from: &Mailbox) -> Result<Mailbox, String> {
    let (local_part, domain) = (from.email.user(), from.email.domain());
    if !local_part.is_ascii() {
        return Err("can have letters of ASCII alone before the @".to_owned());
    }
    let form = "must be an address, as no-reply@example.com is";
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        idna::domain_to_ascii(domain).map_err(|err| format!("{form}: {err}"))?
    };
    let address = Address::new(local_part, domain).map_err(|err| format!("{form}: {err}"))?;
    Ok(Mailbox::new(from.name.clone(), address))
}

/// A template of the operator's.
fn read(folder: Option<&Path>, name: &str) -> Result<Option<String>, LettersError> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        // The folder itself is to be there.
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => Ok(None),
        Err(err) => Err(LettersError::File(name.to_owned(), err)),
    }
}

/// A length of time as people say it.
fn in_words(time: Duration, language: Language) -> String {
    let minutes = time.as_secs().div_ceil(60).max(1);
    let (number, english, french) = match minutes {
        _ if minutes > 24 * 60 && minutes.is_multiple_of(24 * 60) => {
            (minutes / (24 * 60), "day", "jour")
        }
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour", "heure"),
        _ => (minutes, "minute", "minute"),
    };
    let unit = match language {
        Language::English => english,
        Language::French => french,
    };
    let plural = if number > 1 { "s" } else { "" };
    format!("{number} {unit}{plural}")
}

/// Says that a program wrote the letter.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
