//! Networks that the owner of an account is known to use.

use chrono::TimeDelta;
use entity::user;

use super::{Auth, Client, DbError, LetterKind, mails::NewLetter};
use crate::db::Transaction;

/// How long a network is known after a sign-in, or the use of a session, from it.
pub(super) const KNOWN: TimeDelta = TimeDelta::days(30);

/// How many networks of one account are known: more than anybody uses, and few enough to be listed.
pub(super) const MOST_CLIENTS: u64 = 100;

impl Auth {
    /// Notes, in a transaction, from where the owner of an account signs in; and has the owner told, if the network is not
    /// known from a sign-in in the last 30 days: that somebody uses a session from there, perhaps a stolen one, says nothing. What the browser says of itself decides nothing: anybody can copy it. The first time there
    /// is nothing new to tell.
    pub(super) async fn note_client(
        &self,
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<(), DbError> {
        let since = tx.clock().now() - KNOWN;
        let network = client.network();
        let is_known = tx.has_signed_in_from(user.id, &network, since).await?;
        if user.last_signed_in_at.is_some() && !is_known {
            let kind = LetterKind::NewSignIn;
            let letter = NewLetter {
                ip: client.ip,
                ..NewLetter::about(user, kind, client.language)
            };
            self.tell(tx, user, letter, client).await?;
        }
        self.remember_client(tx, user, client).await?;
        tx.forget_oldest_clients(user.id, MOST_CLIENTS).await
    }

    /// Notes, in a transaction, that the owner of an account uses a network.
    pub(super) async fn remember_client(
        &self,
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<(), DbError> {
        tx.note_sign_in_from(user.id, client.network()).await
    }

    /// Forgets some of the clients that are not known any more, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_clients(&self) -> Result<bool, DbError> {
        let before = self.db.clock().now() - KNOWN;
        self.db.delete_clients_unused_since(before).await
    }
}
