//! Networks that the owner of an account is known to use.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{known_client, user};

use super::{Auth, Client, DbError, LetterKind, mails::NewLetter};
use crate::db::Transaction;

/// How long a network is known after a sign-in, or the use of a session, from it.
pub(super) const KNOWN: TimeDelta = TimeDelta::days(30);

/// How many networks of one account are known: more than anybody uses, and few enough to be listed.
pub(super) const MOST_CLIENTS: u64 = 100;

impl Auth {
    /// Notes, in a transaction, from where the owner of an account signs in; and has the owner told, if the network is not
    /// known from the last 30 days. What the browser says of itself decides nothing: anybody can copy it. The first time there
    /// is nothing new to tell.
    pub(super) async fn note_client(
        &self,
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<(), DbError> {
        let since = tx.clock().now() - KNOWN;
        let network = client.network();
        let is_known = tx.knows_network(&user.email, &network, since).await?;
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
        let now = tx.clock().now();
        tx.remember_client(known(user.id, client.network(), now))
            .await
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

/// A network of a user, as it is known from now on.
pub(super) fn known(user_id: i64, network: String, now: DateTime<Utc>) -> known_client::Model {
    known_client::Model {
        user_id,
        network,
        user_agent: String::new(),
        last_signed_in_at: now,
    }
}
