//! Clients: where a request comes from, and which of them the owner of an account is known to use.

use std::net::IpAddr;

use chrono::TimeDelta;
use entity::{known_client, user};
use ipnet::Ipv6Net;

use super::{Auth, DbError, Language, LetterKind, mails::NewLetter};
use crate::db::Transaction;

/// How long a client is known after a sign-in from it.
pub(super) const KNOWN: TimeDelta = TimeDelta::days(30);

/// How many clients of one account are known: more than anybody has, and few enough to be listed.
const MOST_CLIENTS: u64 = 100;

/// How much is kept of what a client says of itself, in characters.
const LONGEST_USER_AGENT: usize = 512;

/// How much of an IPv6 address tells one household from the next, in bits: what it has to itself. Source: RFC 6177.
const IPV6_PREFIX: u8 = 64;

/// Where a request comes from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: Option<IpAddr>,
    /// What the browser or program says of itself. The first 512 characters are kept.
    pub user_agent: Option<String>,
    /// In which language its owner is written to.
    pub language: Language,
}

impl Client {
    /// The client as it is stored: what it says of itself is cut, and without NUL, which PostgreSQL's text has not.
    pub(super) fn storable(mut self) -> Self {
        self.user_agent = self.user_agent.map(|text| {
            let letters = text.chars().filter(|letter| *letter != '\0');
            letters.take(LONGEST_USER_AGENT).collect()
        });
        self
    }

    /// Its address, or where that is one of very many that a household has, what they have in common.
    pub(crate) fn network(&self) -> String {
        match self.ip {
            Some(IpAddr::V6(ip)) => Ipv6Net::new_assert(ip, IPV6_PREFIX).trunc().to_string(),
            Some(ip) => ip.to_string(),
            None => String::new(),
        }
    }
}

impl Auth {
    /// Notes, in a transaction, from where and with what the owner of an account signs in; and has the owner told, if neither
    /// is known from the last 30 days. The first time there is nobody to be told anything new.
    pub(super) async fn note_client(
        &self,
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<(), DbError> {
        let known = known(tx, user, client);
        let since = known.last_signed_in_at - KNOWN;
        if user.last_signed_in_at.is_some() && !tx.knows_client(&known, since).await? {
            let kind = LetterKind::NewSignIn;
            let letter = NewLetter {
                ip: client.ip,
                ..NewLetter::about(user, kind, client.language)
            };
            self.tell(tx, user, letter).await?;
        }
        tx.remember_client(known).await?;
        tx.forget_oldest_clients(user.id, MOST_CLIENTS).await
    }

    /// Notes, in a transaction, that the owner of an account uses a client.
    pub(super) async fn remember_client(
        &self,
        tx: &Transaction,
        user: &user::Model,
        client: &Client,
    ) -> Result<(), DbError> {
        tx.remember_client(known(tx, user, client)).await
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

/// A client of a user, as it is known from now on.
fn known(tx: &Transaction, user: &user::Model, client: &Client) -> known_client::Model {
    let client = client.clone().storable();
    known_client::Model {
        user_id: user.id,
        network: client.network(),
        user_agent: client.user_agent.unwrap_or_default(),
        last_signed_in_at: tx.clock().now(),
    }
}
