//! Emails, from templates: one text a kind and language, and one page of HTML around all of them.

use std::{fs, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use url::Url;

use super::{options::MailOptions, words};
use crate::{
    application::Application,
    auth::{Language, Mail, MailKind},
};

/// A file of the folder beside this one, with its name.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("templates/", $name)))
    };
}

/// The page around an email's paragraphs.
const LAYOUT: &str = "layout.html";

/// Our own templates.
const TEMPLATES: [(&str, &str); 23] = [
    template!("layout.html"),
    template!("account-disabled.en.txt"),
    template!("account-disabled.fr.txt"),
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
    template!("invitation.en.txt"),
    template!("invitation.fr.txt"),
    template!("new-sign-in.en.txt"),
    template!("new-sign-in.fr.txt"),
    template!("password-changed.en.txt"),
    template!("password-changed.fr.txt"),
    template!("password-reset.en.txt"),
    template!("password-reset.fr.txt"),
    template!("registration.en.txt"),
    template!("registration.fr.txt"),
];

/// Why an email can't be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplatesError {
    /// A template is no template.
    #[error("{0}")]
    Template(#[from] minijinja::Error),
    /// The operator's folder can't be read.
    #[error("the folder {0} can't be read: {1}")]
    Folder(String, #[source] std::io::Error),
    /// A template can't be read.
    #[error("the template {0} can't be read: {1}")]
    File(String, #[source] std::io::Error),
    /// The operator's folder has a file that replaces nothing.
    #[error("the folder has a file {0:?}, but no template has this name: {known}", known = known_names())]
    UnknownFile(String),
    /// A text begins with no subject.
    #[error(
        "the template {0} does not begin with a line \"Subject: …\", perhaps one \"Button: …\", and an empty one"
    )]
    NoSubject(String),
    /// An email that somebody needs the link of does not have it.
    #[error(
        "the template {0} has no {{{{ link }}}}: whoever gets the email could do nothing with it"
    )]
    NoLink(String),
    /// What came of it is no message.
    #[error("{0}")]
    Message(#[from] lettre::error::Error),
    /// The address is none that mail can be sent to.
    #[error("{0}")]
    Address(#[from] lettre::address::AddressError),
}

/// The templates, and what is the same in all emails.
pub(super) struct Templates {
    environment: Environment<'static>,
    from: Mailbox,
    application: Application,
    reset_url: Url,
    verify_url: Url,
    undo_url: Url,
}

/// What a template can name.
#[derive(Serialize)]
struct Values<'a> {
    /// The name of the application.
    app_name: &'a str,
    /// Its address.
    app_url: &'a str,
    /// Where to go.
    link: String,
    /// How long the link is good; empty where it is always good.
    lifetime: String,
    /// When what the email tells of happened.
    date: String,
    /// The address of the client that it tells of, if it is known.
    ip: Option<String>,
    /// The browser that it tells of, in words.
    client: String,
}

impl Templates {
    /// Reads the templates: ours, and in their place those of the same names in the operator's folder.
    pub(super) fn open(options: &MailOptions, from: Mailbox) -> Result<Self, TemplatesError> {
        if let Some(folder) = &options.templates {
            check_names(folder)?;
        }
        let mut environment = Environment::new();
        // A text is no HTML, and a name that is not known is a slip.
        environment.set_auto_escape_callback(|name| match name {
            LAYOUT => AutoEscape::Html,
            _ => AutoEscape::None,
        });
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, ours) in TEMPLATES {
            let folder = options.templates.as_deref();
            let text = read(folder, name)?.unwrap_or_else(|| ours.to_owned());
            environment.add_template_owned(name, text)?;
        }
        let all = Self {
            environment,
            from,
            application: options.application.clone(),
            reset_url: options.reset_url.clone(),
            verify_url: options.verify_url.clone(),
            undo_url: options.undo_url.clone(),
        };
        // A slip is to be found now, and not when somebody waits for the email.
        for kind in MailKind::ALL {
            for language in Language::ALL {
                let link = format!("{}#token=example", all.page(kind));
                let values = Values {
                    link: link.clone(),
                    lifetime: words::length(Duration::from_mins(30), language),
                    ip: Some("192.0.2.1".to_owned()),
                    ..all.values(DateTime::UNIX_EPOCH, None, language)
                };
                let (_, text, html) = all.render(kind, language, &values)?;
                if kind.has_token() && !text.contains(&link) {
                    return Err(TemplatesError::NoLink(file_name(kind, language)));
                }
                if kind.has_token() && !html.contains("#token=example") {
                    return Err(TemplatesError::NoLink(LAYOUT.to_owned()));
                }
            }
        }
        Ok(all)
    }

    /// Writes an email as text and as HTML, to its one recipient.
    pub(super) fn write(&self, mail: &Mail) -> Result<Message, TemplatesError> {
        let mut url = self.page(mail.kind).clone();
        let mut lifetime = String::new();
        if let Some((token, time)) = &mail.token {
            // In the fragment, which browsers send to nobody.
            url.set_fragment(Some(&format!("token={}", token.as_str())));
            lifetime = words::length(*time, mail.language);
        }
        let values = Values {
            link: url.into(),
            lifetime,
            ip: mail.ip.clone(),
            ..self.values(mail.created_at, mail.client.as_deref(), mail.language)
        };
        let (subject, text, html) = self.render(mail.kind, mail.language, &values)?;
        let recipient: Address = mail.recipient.parse()?;
        let message_id = format!("<{}@{}>", mail.message_id, self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject)
            .date(mail.created_at.into())
            .message_id(Some(message_id))
            // No holiday note is to answer it. Source: RFC 3834, 5.
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(text, html))?;
        Ok(message)
    }

    /// The page where a kind of email leads to.
    fn page(&self, kind: MailKind) -> &Url {
        match kind {
            MailKind::EmailVerification | MailKind::Registration | MailKind::EmailChange => {
                &self.verify_url
            }
            MailKind::PasswordReset | MailKind::Invitation => &self.reset_url,
            MailKind::EmailChanged => &self.undo_url,
            MailKind::AddressTaken | MailKind::AccountDisabled => &self.application.url,
            MailKind::PasswordChanged | MailKind::EmailChangeRequested | MailKind::NewSignIn => {
                &self.application.forgotten_password_url
            }
        }
    }

    /// What a template can name, but for a link.
    fn values(&self, time: DateTime<Utc>, client: Option<&str>, language: Language) -> Values<'_> {
        Values {
            app_name: &self.application.name,
            app_url: self.application.url.as_str(),
            link: String::new(),
            lifetime: String::new(),
            date: words::moment(time, language),
            ip: None,
            client: words::client(client, language),
        }
    }

    /// The subject, the text and the page.
    fn render(
        &self,
        kind: MailKind,
        language: Language,
        values: &Values<'_>,
    ) -> Result<(String, String, String), TemplatesError> {
        let name = file_name(kind, language);
        let email = self.environment.get_template(&name)?.render(values)?;
        let (subject, button, text) = parts(&email).ok_or(TemplatesError::NoSubject(name))?;
        let paragraphs: Vec<_> = text.split("\n\n").map(str::trim).collect();
        let language = language.as_str();
        let Values {
            app_name,
            app_url,
            link,
            ..
        } = values;
        let values = context! { subject, button, paragraphs, link, app_name, app_url, language };
        let html = self.environment.get_template(LAYOUT)?.render(values)?;
        // MiniJinja escapes slashes too, which do no harm, and by which some mail programs don't know a link.
        let html = html.replace("&#x2f;", "/");
        Ok((subject.to_owned(), format!("{}\n", text.trim_end()), html))
    }
}

/// The file with the text of an email.
fn file_name(kind: MailKind, language: Language) -> String {
    format!("{}.{}.txt", kind.as_str(), language.as_str())
}

/// The names that a template can have, in words.
fn known_names() -> String {
    let kinds = MailKind::ALL.map(MailKind::as_str).join(", ");
    let languages = Language::ALL.map(Language::as_str).join(" or ");
    format!(
        "there are {LAYOUT}, and <email>.<language>.txt with an email of {kinds}, and a language of {languages}"
    )
}

/// Checks that each file in the operator's folder replaces a template. Hidden files, and those of editors (`name~`), don't count.
fn check_names(folder: &Path) -> Result<(), TemplatesError> {
    let unreadable = |err| TemplatesError::Folder(folder.display().to_string(), err);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        let is_template = TEMPLATES.iter().any(|(known, _)| *known == name);
        if !is_template && !name.starts_with('.') && !name.ends_with('~') {
            return Err(TemplatesError::UnknownFile(name.into_owned()));
        }
    }
    Ok(())
}

/// The subject of an email, what the button says that is its link, and the text.
fn parts(email: &str) -> Option<(&str, &str, &str)> {
    let (head, text) = email.strip_prefix("Subject: ")?.split_once("\n\n")?;
    let (subject, button) = match head.split_once("\nButton: ") {
        Some((subject, button)) => (subject, button),
        None => (head, head),
    };
    let is_line = |line: &str| !line.contains('\n');
    (is_line(subject) && is_line(button)).then_some((subject, button, text))
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
fn read(folder: Option<&Path>, name: &str) -> Result<Option<String>, TemplatesError> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(TemplatesError::File(name.to_owned(), err)),
    }
}

/// Says that a program wrote the email.
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
