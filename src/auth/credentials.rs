//! Passwords of users: compared with what is stored of them, in the same time whoever it is.

use entity::user;

use super::{
    Auth, Client, DbError, HashingError, ThrottleError, WeakPassword,
    hashing::Place,
    password::{self, Password, PasswordHash, StoredHash},
};
use crate::db::Transaction;

/// What came of a password.
pub(super) struct Verdict {
    pub(super) is_right: bool,
    /// The hash to store instead, where the stored one is not as the policy wants it.
    pub(super) rehashed: Option<PasswordHash>,
}

/// The form of a password of which there is a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The one that new passwords are hashed in.
    Nfkc,
    /// As it was typed, in a hash from before or from elsewhere.
    Typed,
}

/// Somebody who gave the right password, and whose row the transaction holds on to.
pub(super) struct Confirmed {
    pub(super) tx: Transaction,
    pub(super) user: user::Model,
    /// The hash to store instead, where the stored one is not as the policy wants it.
    pub(super) rehashed: Option<PasswordHash>,
}

/// Why it is not known whether a password is right.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfirmError {
    /// There were too many attempts.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Auth {
    /// Compares a password with a user's, if there were not too many attempts for this address, and holds on to the user if it
    /// is right. Nothing, if it is wrong. No address is one that no account can have.
    pub(super) async fn guess(
        &self,
        address: Option<&str>,
        password: &str,
        user: Option<user::Model>,
        client: &Client,
    ) -> Result<Option<Confirmed>, ConfirmError> {
        // Overflow is refused at once, before the database counts anything.
        self.hashing.has_room(&client.block())?;
        let attempt = self.throttle.begin_attempt(address, client).await?;
        match self.confirm(password, user, client).await {
            Ok(Some(confirmed)) => {
                attempt.was_right(&confirmed.tx).await?;
                Ok(Some(confirmed))
            }
            Ok(None) => {
                attempt.was_wrong().await?;
                Ok(None)
            }
            Err(err) => {
                attempt.was_not_judged().await;
                Err(err)
            }
        }
    }

    /// Compares a password with a hash, if there were not too many attempts for this address, and says whether it is right.
    pub(super) async fn guess_hash(
        &self,
        address: &str,
        password: &str,
        stored: Option<StoredHash>,
        client: &Client,
    ) -> Result<Verdict, ConfirmError> {
        self.hashing.has_room(&client.block())?;
        let attempt = self.throttle.begin_attempt(Some(address), client).await?;
        match self.verify(password, stored, client).await {
            Ok(verdict) if verdict.is_right => {
                let tx = self.db.begin().await?;
                attempt.was_right(&tx).await?;
                tx.commit().await?;
                Ok(verdict)
            }
            Ok(verdict) => {
                attempt.was_wrong().await?;
                Ok(verdict)
            }
            Err(err) => {
                attempt.was_not_judged().await;
                Err(err.into())
            }
        }
    }

    /// A place in the queue for comparing a password with a hash.
    fn place(
        &self,
        password: &str,
        stored: Option<&StoredHash>,
        network: &str,
    ) -> Result<Place<'_>, HashingError> {
        let cost = self.policy.bcrypt_cost;
        let cost = stored.map_or(cost, |stored| stored.cost().max(cost));
        // Two hashes are as much as one of the next cost.
        let has_two_forms = Password::parse_as_typed(password).is_some();
        self.hashing.place(cost + u32::from(has_two_forms), network)
    }

    /// Compares a password with a user's, and holds on to the user if it is right. Nothing, if it is wrong, or if it is not
    /// the user's any more when that is known.
    async fn confirm(
        &self,
        password: &str,
        mut user: Option<user::Model>,
        client: &Client,
    ) -> Result<Option<Confirmed>, ConfirmError> {
        // The hash may be replaced while the password is compared with it: with another of the same password, by a
        // sign-in at the same moment; or by a change of the password, and then this one is over.
        for _ in 0..2 {
            let hash = user.as_ref().and_then(stored_hash);
            let verdict = self.verify(password, hash, client).await?;
            let Some(found) = user.filter(|_| verdict.is_right) else {
                return Ok(None);
            };
            let tx = self.db.begin().await?;
            let locked = match tx.lock_user(found.id).await {
                Ok(locked) => locked,
                Err(DbError::NoResultFound) => return Ok(None),
                Err(err) => return Err(err.into()),
            };
            if locked.hashed_password == found.hashed_password {
                return Ok(Some(Confirmed {
                    tx,
                    user: locked,
                    rehashed: verdict.rehashed,
                }));
            }
            user = Some(locked);
        }
        Ok(None)
    }

    /// Judges whether a new password is hard enough to guess for somebody who knows the address, and gives it back if so.
    pub(super) async fn judge(
        &self,
        place: &Place<'_>,
        password: Password,
        address: &str,
    ) -> Result<Result<Password, WeakPassword>, HashingError> {
        let (policy, address) = (self.policy, address.to_owned());
        let checks = self.password_checks.clone();
        let judge = move || {
            let verdict = password.check_guessability(policy, &address, checks.words());
            verdict.map(|()| password)
        };
        Ok(match place.check(judge).await? {
            Ok(password) => {
                let verdict = self.password_checks.check_unknown(&password).await;
                verdict.map(|()| password)
            }
            refused => refused,
        })
    }

    /// Compares a password with a hash. A refusal takes the time of one hash, whatever either was, and if there is none; of two
    /// where the password was typed in another form than NFKC.
    async fn verify(
        &self,
        password: &str,
        stored: Option<StoredHash>,
        client: &Client,
    ) -> Result<Verdict, HashingError> {
        let place = self.place(password, stored.as_ref(), &client.block())?;
        let matched = self.matches(&place, password, stored.as_ref()).await?;
        let cost = self.policy.bcrypt_cost;
        let is_current =
            matched == Some(Form::Nfkc) && stored.is_some_and(|stored| stored.is_current(cost));
        // As it was typed, it may be too long in the other form: then its hash stays.
        let rehashed = match Password::parse(password).ok() {
            Some(password) if matched.is_some() && !is_current => {
                Some(password::hash(&place, &password, cost).await?)
            }
            _ => None,
        };
        Ok(Verdict {
            is_right: matched.is_some(),
            rehashed,
        })
    }

    /// In which of its forms a password is that of a hash, if it is. How much work a refusal is depends on what was typed alone.
    pub(super) async fn matches(
        &self,
        place: &Place<'_>,
        password: &str,
        stored: Option<&StoredHash>,
    ) -> Result<Option<Form>, HashingError> {
        let cost = self.policy.bcrypt_cost;
        let normalised = Password::parse(password).ok();
        if password::verify(place, normalised.as_ref(), stored, cost).await? {
            return Ok(Some(Form::Nfkc));
        }
        let Some(typed) = Password::parse_as_typed(password) else {
            return Ok(None);
        };
        let is_right = password::verify(place, Some(&typed), stored, cost).await?;
        Ok(is_right.then_some(Form::Typed))
    }
}

/// The hash of a user's password, if it can be read. One that can't is a fault of whoever stored it.
pub(super) fn stored_hash(user: &user::Model) -> Option<StoredHash> {
    let hash = StoredHash::parse(&user.hashed_password);
    if hash.is_none() {
        tracing::error!(user_id = user.id, "a stored password hash can't be read");
    }
    hash
}
