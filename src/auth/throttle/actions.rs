//! Rate limits on what a client does: registrations, requests for emails, wrong tokens, new passwords.

use super::counts::{DAY, FAILURES_WINDOW, HOUR, Stopped, Throttle, Window};
use crate::{
    auth::{client::Client, unavailable::Unavailable},
    db::{DbError, Transaction},
};

/// How many networks of an account can become known in a day by the use of a session: more than a person uses on a
/// journey.
const NETWORKS_A_DAY: i32 = 10;

/// An action that is limited whether or not it succeeds.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) enum Action {
    Register,
    AskForMail,
}

/// A new password that is counted and not judged yet: see [`Throttle::begin_choice`].
pub(in crate::auth) struct Choice(Option<(Throttle, Vec<String>)>);

impl Throttle {
    /// Counts an invalid one-time token. Once the limit is reached, the client gets only the rate limit error.
    ///
    /// A valid token always works, whatever the count. Tokens can't be guessed, and an honest client that shares a
    /// network with an attacker must still be able to use its email.
    pub(in crate::auth) async fn token_was_wrong(
        &self,
        client: &Client,
    ) -> Result<(), Unavailable> {
        match self.limits() {
            Some(limits) => {
                let limit = limits.address_failures;
                let counted = self.count_failure(&client.networks(), limit).await;
                self.recorded("tokens", client, counted).await
            }
            None => Ok(()),
        }
    }

    /// Counts an action of a client, whether or not it succeeds, and refuses it if the limit is reached.
    pub(in crate::auth) async fn count_action(
        &self,
        action: Action,
        client: &Client,
    ) -> Result<(), Unavailable> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        // The names are part of stored keys: a new name would restart the counts.
        let (name, reason, limit) = match action {
            Action::Register => (
                "registrations",
                "registrations",
                limits.address_registrations,
            ),
            Action::AskForMail => ("letters", "emails", limits.address_emails),
        };
        let windows = self.by_network(name, &client.networks(), limit, HOUR);
        let counted = self.count_once(&windows).await;
        self.recorded(reason, client, counted).await
    }

    /// Counts a new password before it is judged, because judging takes time. Refuses it if too many were refused
    /// lately: for the same session or emailed link (`by`), or from this network.
    ///
    /// If the password is accepted, [`Choice::was_not_refused`] takes the count back. There is no count by account,
    /// because a thief with a session could use it up and block the owner's reset link.
    pub(in crate::auth) async fn begin_choice(
        &self,
        by: &str,
        client: &Client,
    ) -> Result<Choice, Unavailable> {
        let Some(limits) = self.limits() else {
            return Ok(Choice(None));
        };
        let limit = limits.address_failures;
        let networks = client.networks();
        let mut windows = self.by_network("choices", &networks, limit, FAILURES_WINDOW);
        windows.push(Window {
            key: self.key(&["choices by", by]),
            limit,
            length: FAILURES_WINDOW,
        });
        let counted = self.count_once(&windows).await;
        self.recorded("new passwords", client, counted).await?;
        let keys = windows.into_iter().map(|window| window.key);
        Ok(Choice(Some((self.clone(), keys.collect()))))
    }

    /// Whether another network may become known by the use of a session. The limit is per account and day.
    pub(in crate::auth) async fn allows_network(
        &self,
        tx: &Transaction,
        user_id: i64,
    ) -> Result<bool, DbError> {
        if self.limits().is_none() {
            return Ok(true);
        }
        let window = Window {
            key: self.key(&["networks of", &user_id.to_string()]),
            limit: NETWORKS_A_DAY,
            length: DAY,
        };
        match self.count(tx, &[window]).await {
            Ok(()) => Ok(true),
            Err(Stopped::Db(err)) => Err(err),
            Err(Stopped::Full(_)) => Ok(false),
        }
    }
}

impl Choice {
    /// Takes the count back: the password was accepted, or not judged.
    pub(in crate::auth) async fn was_not_refused(self) {
        if let Some((throttle, keys)) = self.0 {
            let take_back = async {
                let tx = throttle.db.begin().await?;
                tx.take_back_tries(keys).await?;
                tx.commit().await
            };
            // If the database does not answer, the count stays, for ten minutes.
            let _: Result<(), DbError> = take_back.await;
        }
    }
}
