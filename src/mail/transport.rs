//! Where letters go: to a mail server, or into files where there is none.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use lettre::{Message, transport::smtp};

use super::smtp::Server;
use crate::{
    clock::Clock,
    config::{Settings, SettingsError},
};

/// How long sending a letter may take altogether: less than a worker has it for itself.
const SEND_LIMIT: Duration = Duration::from_secs(20);

/// Why nobody took a letter.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The mail server refused this letter for good, or its recipient.
    #[error("{0}")]
    Refused(#[source] smtp::Error),
    /// The mail server takes no letters, or none from this service.
    #[error("{0}")]
    Smtp(#[from] smtp::Error),
    /// The mail server took too long.
    #[error("the mail server did not take the letter within {SEND_LIMIT:?}")]
    TimedOut,
    /// The file can't be written.
    #[error("the letter can't be written to a file: {0}")]
    File(#[from] io::Error),
}

/// Who takes letters.
pub(super) enum Transport {
    Smtp(Box<Server>),
    Folder(PathBuf, Clock),
}

impl Transport {
    /// Makes ready to send; connects to nothing yet.
    pub(super) fn open(settings: &Settings, clock: &Clock) -> Result<Self, SettingsError> {
        let mail = &settings.mail;
        Ok(match mail.smtp_url.as_ref().and_then(|url| url.as_str()) {
            Some(url) => Self::Smtp(Box::new(Server::open(url, settings)?)),
            None => Self::Folder(mail.dir.clone(), clock.clone()),
        })
    }

    /// Sends a letter: when this returns, somebody else answers for it.
    pub(super) async fn send(&self, message: Message) -> Result<(), TransportError> {
        match self {
            Self::Smtp(server) => {
                let sent = tokio::time::timeout(SEND_LIMIT, server.send(&message)).await;
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
