//! Where letters go: to a mail server, or into files where there is none.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    transport::smtp::{self, authentication::Credentials},
};
use url::{Host, Url};

use crate::{clock::Clock, config::MailSettings};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long sending a letter may take altogether: less than a worker has it for itself.
const SEND_LIMIT: Duration = Duration::from_secs(20);

/// Why nobody took a letter.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The mail server did not take it.
    #[error("{0}")]
    Smtp(#[from] smtp::Error),
    /// The mail server took too long.
    #[error("the mail server did not take the letter within {SEND_LIMIT:?}")]
    TimedOut,
    /// The file can't be written.
    #[error("the letter can't be written to a file: {0}")]
    File(#[from] io::Error),
}

impl TransportError {
    /// Whether the server refused the letter as one that it will never take.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Smtp(err) if err.is_permanent())
    }
}

/// Who takes letters.
pub(super) enum Transport {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf, Clock),
}

impl Transport {
    /// Makes ready to send. Says what is wrong with the URL of the server, without repeating it.
    pub(super) fn open(settings: &MailSettings, clock: &Clock) -> Result<Self, String> {
        match settings.smtp_url.as_ref().and_then(|url| url.as_str()) {
            Some(url) => Ok(Self::Smtp(Box::new(smtp(url)?))),
            None => Ok(Self::Folder(settings.dir.clone(), clock.clone())),
        }
    }

    /// Sends a letter: when this returns, somebody else answers for it.
    pub(super) async fn send(&self, message: Message) -> Result<(), TransportError> {
        match self {
            Self::Smtp(smtp) => {
                let sent = tokio::time::timeout(SEND_LIMIT, smtp.send(message)).await;
                sent.map_err(|_| TransportError::TimedOut)??;
            }
            Self::Folder(folder, clock) => {
                let (folder, now) = (folder.clone(), clock.now());
                let write = move || write(&folder, &now, &message.formatted());
                let written = tokio::task::spawn_blocking(write).await;
                written.map_err(io::Error::other)??;
            }
        }
        Ok(())
    }
}

/// A way to the server that a URL names.
fn smtp(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let form = "must be smtp://user:password@host:port or smtps://user:password@host:port";
    let url = Url::parse(url).map_err(|err| format!("{form}: {err}"))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(form)?;
    // A URL has an address of IPv6 in brackets, and nothing else has.
    let host = host.trim_matches(['[', ']']);
    let is_bare =
        matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare {
        return Err(form.to_owned());
    }
    let builder = match url.scheme() {
        "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
        // On this machine nobody listens in.
        "smtp" if is_loopback(&url) => {
            Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(25))
        }
        "smtp" => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
        _ => return Err(form.to_owned()),
    };
    let mut builder = builder.map_err(|err| format!("names no server: {err}"))?;
    if let Some(port) = url.port() {
        builder = builder.port(port);
    }
    if !url.username().is_empty() {
        let read = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let password = url.password().unwrap_or_default();
        builder = builder.credentials(Credentials::new(read(url.username()), read(password)));
    }
    Ok(builder.timeout(Some(CONNECT_LIMIT)).build())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            // The host of a scheme that is none of the web's is not looked into.
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Writes a letter to a file of its own, named so that the newest is the last, for the eyes of its owner alone.
fn write(folder: &Path, now: &DateTime<Utc>, letter: &[u8]) -> io::Result<()> {
    use std::{
        fs::{DirBuilder, OpenOptions},
        io::Write as _,
        os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let now = now.format("%Y%m%dT%H%M%S%.6f");
    let number = uuid::Uuid::new_v4().simple();
    let unfinished = folder.join(format!(".{now}-{number}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(letter)?;
    file.sync_all()?;
    // Whoever looks into the folder sees whole letters alone.
    std::fs::rename(unfinished, folder.join(format!("{now}-{number}.eml")))
}
