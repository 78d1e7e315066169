//! Attempts at passwords: the one way in which the password of an account is checked.

use entity::user;

use super::{
    client::Client,
    kernel::Auth,
    passwords::{PasswordHash, StoredHash, Verdict},
    throttle::Attempt,
    unavailable::Unavailable,
    unit_of_work::UnitOfWork,
};

/// The result of a right password: the user, with the row locked by the transaction.
pub(super) struct Confirmed<'a> {
    pub(super) tx: UnitOfWork<'a>,
    pub(super) user: user::Model,
    /// The hash to store instead, if the stored one does not match the policy.
    pub(super) rehashed: Option<PasswordHash>,
}

impl Auth {
    /// Runs `judged`, which checks a password, unless a rate limit for this address or network is reached. Returns
    /// `None` if the password is wrong.
    ///
    /// `address` is `None` if the text can't be the address of any account.
    ///
    /// An attempt is counted before the password is checked, so that concurrent attempts can't bypass the limit. It
    /// ends in one of three ways:
    ///
    /// - the password is wrong: the attempt stays counted;
    /// - the password could not be checked: the count is taken back;
    /// - the password is right: the attempt is returned, and the caller settles it in its own transaction
    ///   ([`Attempt::was_right`]).
    pub(super) async fn attempt<T, E: From<Unavailable>>(
        &self,
        address: Option<&str>,
        client: &Client,
        judged: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<(T, Attempt)>, E> {
        // An overloaded queue refuses at once, before the database counts anything.
        self.passwords.has_room(client)?;
        let attempt = self.throttle.begin_attempt(address, client).await?;
        match judged.await {
            Ok(Some(right)) => Ok(Some((right, attempt))),
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

    /// Compares a password with a user's and locks the user's row if it is right. Returns `None` if it is wrong.
    pub(super) async fn confirm<'a>(
        &'a self,
        address: Option<&str>,
        password: &str,
        user: Option<user::Model>,
        client: &'a Client,
    ) -> Result<Option<Confirmed<'a>>, Unavailable> {
        let judged = self.compare(password, user, client);
        let Some((confirmed, attempt)) = self.attempt(address, client, judged).await? else {
            return Ok(None);
        };
        attempt.was_right(&confirmed.tx).await?;
        Ok(Some(confirmed))
    }

    /// Compares a password with a hash. Returns `None` if it is wrong.
    pub(super) async fn confirm_hash(
        &self,
        address: &str,
        password: &str,
        stored: Option<StoredHash>,
        client: &Client,
    ) -> Result<Option<Verdict>, Unavailable> {
        let judged = async {
            let verdict = self.passwords.verify(password, stored, client).await?;
            Ok::<_, Unavailable>(verdict.is_right.then_some(verdict))
        };
        let Some((verdict, attempt)) = self.attempt(Some(address), client, judged).await? else {
            return Ok(None);
        };
        let tx = self.begin(client).await?;
        attempt.was_right(&tx).await?;
        tx.commit().await?;
        Ok(Some(verdict))
    }

    /// Compares a password with a user's and locks the user's row if it is right. Returns `None` if it is wrong, if it
    /// was replaced by another password during the comparison, or if the account is disabled.
    async fn compare<'a>(
        &'a self,
        password: &str,
        mut user: Option<user::Model>,
        client: &'a Client,
    ) -> Result<Option<Confirmed<'a>>, Unavailable> {
        // The stored hash can change during the comparison. A concurrent sign-in may have stored a new hash of the same
        // password: then the second pass succeeds. A change of the password may have stored the hash of another
        // password: then the second pass fails.
        for _ in 0..2 {
            // A disabled account has no right password, and its refusal takes as long as any other.
            let enabled = user.as_ref().filter(|user| user.disabled_at.is_none());
            let hash = enabled.and_then(stored_hash);
            let verdict = self.passwords.verify(password, hash, client).await?;
            let Some(found) = user.filter(|_| verdict.is_right) else {
                return Ok(None);
            };
            let tx = self.begin(client).await?;
            let Some(locked) = tx.lock_user(found.id).await? else {
                return Ok(None);
            };
            if locked.disabled_at.is_some() {
                return Ok(None);
            }
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
}

/// The hash of a user's password. `None` if the account has no password yet, or if the hash can't be parsed: another
/// program has stored it wrongly.
pub(super) fn stored_hash(user: &user::Model) -> Option<StoredHash> {
    if user.hashed_password.is_empty() {
        return None;
    }
    let hash = StoredHash::parse(&user.hashed_password);
    if hash.is_none() {
        tracing::error!(user_id = user.id, "a stored password hash can't be parsed");
    }
    hash
}
