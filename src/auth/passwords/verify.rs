//! What is done with passwords on the hashing threads: new ones are judged and hashed, and others are compared with
//! stored hashes. The time of a comparison does not depend on its result.

use std::sync::Arc;

use super::{
    breached::PasswordChecks,
    hash::{self, PasswordHash, StoredHash},
    hashing::{HashingCounters, HashingThreads, Place},
    password::{Password, WeakPassword},
};
use crate::auth::{client::Client, policy::Policy, unavailable::Unavailable};

/// The hashing threads, and the requirements for passwords. Cheap to clone. All clones share one state.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Passwords {
    policy: Policy,
    threads: Arc<HashingThreads>,
    checks: PasswordChecks,
}

/// The result of a comparison.
pub(in crate::auth) struct Verdict {
    pub(in crate::auth) is_right: bool,
    /// The hash to store instead, if the stored one does not match the policy.
    pub(in crate::auth) rehashed: Option<PasswordHash>,
}

/// The result of a replacement of the current password.
pub(in crate::auth) enum Replacement {
    /// The hash of the new password.
    Hash(PasswordHash),
    /// The current password is wrong.
    WrongPassword,
    /// The new password is too weak.
    Weak(WeakPassword),
}

/// The Unicode form of a password that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The form in which new passwords are hashed.
    Nfkc,
    /// As it was typed: in hashes from other programs, and from before NFKC was introduced.
    Typed,
}

impl Passwords {
    /// Starts the threads. They end when the last clone is dropped.
    pub(in crate::auth) fn new(policy: Policy) -> Self {
        let threads = HashingThreads::start(policy.hashing_lanes, policy.bcrypt_cost);
        Self {
            policy,
            threads: Arc::new(threads),
            checks: PasswordChecks::default(),
        }
    }

    pub(in crate::auth) fn with_checks(self, checks: PasswordChecks) -> Self {
        Self { checks, ..self }
    }

    pub(in crate::auth) fn counters(&self) -> HashingCounters {
        self.threads.counters()
    }

    /// Returns an error if a password from this client would not be hashed in time. Reserves nothing. Lets a caller
    /// skip the work before that.
    pub(in crate::auth) fn has_room(&self, client: &Client) -> Result<(), Unavailable> {
        self.threads.has_room(&client.block())
    }

    /// Hashes a new password, if it is hard to guess for an attacker who knows the address.
    pub(in crate::auth) async fn hash_new(
        &self,
        password: Password,
        address: &str,
        client: &Client,
    ) -> Result<Result<PasswordHash, WeakPassword>, Unavailable> {
        let cost = self.policy.bcrypt_cost;
        let place = self.threads.place(cost, &client.block())?;
        Ok(match self.judge(&place, password, address).await? {
            Ok(password) => Ok(hash::hash(&place, &password, cost).await?),
            Err(weak) => Err(weak),
        })
    }

    /// Compares the current password with a hash, and hashes a new one to replace it.
    pub(in crate::auth) async fn replace(
        &self,
        stored: Option<&StoredHash>,
        current: &str,
        new: Password,
        address: &str,
        client: &Client,
    ) -> Result<Replacement, Unavailable> {
        // Two hashes take as long as one hash at the next cost.
        let cost = self.policy.bcrypt_cost;
        let place = self.threads.place(cost + 1, &client.block())?;
        if self.matches(&place, current, stored).await?.is_none() {
            return Ok(Replacement::WrongPassword);
        }
        Ok(match self.judge(&place, new, address).await? {
            Ok(new) => Replacement::Hash(hash::hash(&place, &new, cost).await?),
            Err(weak) => Replacement::Weak(weak),
        })
    }

    /// Compares a password with a hash. A refusal takes the time of one hash, whatever the password and the stored hash
    /// are, and also if there is no stored hash. It takes the time of two hashes if the typed text is not in the form
    /// NFKC.
    pub(in crate::auth) async fn verify(
        &self,
        password: &str,
        stored: Option<StoredHash>,
        client: &Client,
    ) -> Result<Verdict, Unavailable> {
        let place = self.place(password, stored.as_ref(), client)?;
        let matched = self.matches(&place, password, stored.as_ref()).await?;
        let cost = self.policy.bcrypt_cost;
        let is_current =
            matched == Some(Form::Nfkc) && stored.is_some_and(|stored| stored.is_current(cost));
        // The typed text can be too long in the form NFKC. Then its stored hash stays.
        let rehashed = match Password::parse(password).ok() {
            Some(password) if matched.is_some() && !is_current => {
                Some(hash::hash(&place, &password, cost).await?)
            }
            _ => None,
        };
        Ok(Verdict {
            is_right: matched.is_some(),
            rehashed,
        })
    }

    /// Takes a place in the queue for comparing a password with a hash.
    fn place(
        &self,
        password: &str,
        stored: Option<&StoredHash>,
        client: &Client,
    ) -> Result<Place<'_>, Unavailable> {
        let cost = self.policy.bcrypt_cost;
        let cost = stored.map_or(cost, |stored| stored.cost().max(cost));
        // Two hashes take as long as one hash at the next cost.
        let has_two_forms = Password::parse_as_typed(password).is_some();
        let cost = cost + u32::from(has_two_forms);
        self.threads.place(cost, &client.block())
    }

    /// Returns a new password if it is hard to guess for an attacker who knows the address.
    async fn judge(
        &self,
        place: &Place<'_>,
        password: Password,
        address: &str,
    ) -> Result<Result<Password, WeakPassword>, Unavailable> {
        let (policy, address) = (self.policy, address.to_owned());
        let checks = self.checks.clone();
        let judge = move || {
            let verdict = password.check_guessability(policy, &address, checks.words());
            verdict.map(|()| password)
        };
        Ok(match place.check(judge).await? {
            Ok(password) => {
                let verdict = self.checks.check_unknown(&password).await;
                verdict.map(|()| password)
            }
            refused => refused,
        })
    }

    /// The form in which a password matches a hash, or `None`. The work of a refusal depends only on the typed text.
    async fn matches(
        &self,
        place: &Place<'_>,
        password: &str,
        stored: Option<&StoredHash>,
    ) -> Result<Option<Form>, Unavailable> {
        let cost = self.policy.bcrypt_cost;
        let normalised = Password::parse(password).ok();
        if hash::verify(place, normalised.as_ref(), stored, cost).await? {
            return Ok(Some(Form::Nfkc));
        }
        let Some(typed) = Password::parse_as_typed(password) else {
            return Ok(None);
        };
        let is_right = hash::verify(place, Some(&typed), stored, cost).await?;
        Ok(is_right.then_some(Form::Typed))
    }
}
