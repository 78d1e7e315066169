//! Known networks: those that the owner of an account has used lately.

use entity::user;

use super::{
    client::{Client, MOST_NETWORKS, NETWORK_KNOWN},
    kernel::Auth,
};
use crate::db::{DbError, Transaction};

impl Auth {
    /// Records, in a transaction, the network of a sign-in. Returns whether to notify the owner: if no sign-in came
    /// from this network in the last 30 days.
    ///
    /// The use of a session from a network does not make it known here, because the session may be stolen. Nor does the
    /// `User-Agent`, because anybody can copy it. The first sign-in of an account sends no notification.
    pub(super) async fn note_client(
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<bool, DbError> {
        let since = tx.clock().now() - NETWORK_KNOWN;
        let network = client.network();
        let is_known = tx.has_signed_in_from(user.id, &network, since).await?;
        tx.note_sign_in_from(user.id, network).await?;
        tx.forget_oldest_clients(user.id, MOST_NETWORKS).await?;
        Ok(user.last_signed_in_at.is_some() && !is_known)
    }

    /// Forgets, in a transaction, all networks of an account except the one in use now. A thief who knew the password
    /// may have signed in from the others.
    pub(super) async fn forget_other_clients(
        tx: &Transaction,
        user_id: i64,
        client: &Client,
    ) -> Result<(), DbError> {
        tx.delete_known_clients(user_id).await?;
        tx.note_sign_in_from(user_id, client.network()).await
    }
}
