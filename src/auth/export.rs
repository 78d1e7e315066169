//! Everything that is kept about somebody.

use chrono::{DateTime, Utc};
use entity::{email_verification, known_client, outgoing_mail, session, user};

use super::{Auth, CurrentSession, DbError};

/// Everything that is kept about somebody. Whoever shows it leaves out hashes and digests.
#[derive(Clone, Debug)]
pub struct Export {
    /// When it was put together.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: user::Model,
    /// Its sessions, those included that are over and not swept yet; the newest first.
    pub sessions: Vec<session::Model>,
    /// From where and with what its owner signed in lately, the last used first.
    pub known_clients: Vec<known_client::Model>,
    /// Addresses whose owner has yet to answer a letter, the newest first.
    pub email_verifications: Vec<email_verification::Model>,
    /// Letters to the address of the account, or about it, the newest first.
    pub mails: Vec<outgoing_mail::Model>,
}

impl Auth {
    /// Everything that is kept about the caller.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn export(&self, current: &CurrentSession) -> Result<Export, DbError> {
        let user = current.user.clone();
        Ok(Export {
            exported_at: self.db.clock().now(),
            sessions: self.db.find_sessions(user.id).await?,
            known_clients: self.db.find_known_clients(user.id).await?,
            email_verifications: self.db.find_email_verifications(user.id).await?,
            mails: self.db.find_mails(&user).await?,
            user,
        })
    }
}
