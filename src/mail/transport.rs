//! Where emails go: to a mail server, or into files where there is none.

use std::{
    io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use lettre::Message;

use super::{
    error::{MailerError, SEND_LIMIT, TransportError},
    options::MailOptions,
    smtp::Server,
};
use crate::clock::Clock;

/// What accepts emails.
pub(super) enum Transport {
    Smtp(Box<Server>),
    Folder(PathBuf, Clock),
}

impl Transport {
    /// Makes ready to send; connects to nothing yet.
    pub(super) fn open(options: &MailOptions, clock: &Clock) -> Result<Self, MailerError> {
        Ok(match &options.server {
            Some(server) => Self::Smtp(Box::new(Server::open(server)?)),
            None => Self::Folder(options.folder.clone(), clock.clone()),
        })
    }

    /// Sends an email: when this returns, the server or the file system is responsible for it.
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

/// Writes an email to a file of its own, named so that the newest is the last, for the eyes of its owner alone.
fn write(folder: &Path, now: &DateTime<Utc>, email: &[u8]) -> io::Result<()> {
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
    file.write_all(email)?;
    file.sync_all()?;
    // A program that looks into the folder sees whole emails alone.
    std::fs::rename(unfinished, folder.join(format!("{now}-{number}.eml")))
}
