//! Everything that is kept about somebody.

use chrono::{DateTime, Utc};
use entity::{email_verification, known_client, one_time_token, outgoing_mail, session, user};

use super::{Auth, CurrentSession, FreshSessionError, event::Event};

/// Everything that is kept about somebody. Whoever shows it leaves out hashes and digests.
#[derive(Clone, Debug)]
pub struct Export {
    /// When it was put together.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: user::Model,
    /// Its sessions, those included that are over and not swept yet; the newest first.
    pub sessions: Vec<session::Model>,
    /// The networks that its owner used lately, the last used first.
    pub known_clients: Vec<known_client::Model>,
    /// Addresses whose owner has yet to answer a letter, the newest first.
    pub email_verifications: Vec<email_verification::Model>,
    /// What waits for a link in an email, the newest first.
    pub one_time_tokens: Vec<one_time_token::Model>,
    /// Letters to the address of the account, or about it, the newest first.
    pub mails: Vec<outgoing_mail::Model>,
}

impl Auth {
    /// Everything that is kept about the caller, who has given the password in the last 10 minutes.
    ///
    /// # Errors
    /// [`FreshSessionError`].
    pub async fn export(&self, current: &CurrentSession) -> Result<Export, FreshSessionError> {
        self.check_fresh(current)?;
        let user = current.user.clone();
        let user_id = user.id;
        Event::UserExported { user_id }.log(&current.network());
        Ok(Export {
            exported_at: self.db.clock().now(),
            sessions: self.db.find_sessions(user.id).await?,
            known_clients: self.db.find_known_clients(user.id).await?,
            email_verifications: self.db.find_email_verifications(user.id).await?,
            one_time_tokens: self.db.find_one_time_tokens(user.id).await?,
            mails: self.db.find_mails(&user).await?,
            user,
        })
    }
}
