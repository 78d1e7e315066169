//! Throttling: how often something may be tried, by whom and on whom.
//!
//! Counts are rows of the database, so they are exact over replicas and survive restarts. A guess of a password is counted
//! before the work that it costs, so those made at the same moment don't slip past.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::throttle;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{Auth, Client, DbError, Email, known_clients::KNOWN};
use crate::{config::ThrottleSettings, db::Transaction};

/// The longest wait between two guesses of one account's password.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// What is said to whoever may not guess any more at all.
const NO_MORE: Duration = Duration::from_hours(24);

/// How long guesses are remembered after the last one. Of any address, so that nobody learns from it which have an account.
const REMEMBERED: TimeDelta = TimeDelta::days(90);

/// In which time failures from one network are counted.
const FAILURES_WINDOW: TimeDelta = TimeDelta::minutes(10);

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// Why something is not even tried.
#[derive(Debug, thiserror::Error)]
pub enum ThrottleError {
    /// It was tried too often; says when it may be tried again.
    #[error("too many tries, try again in {0:?}")]
    TooManyRequests(Duration),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A guess of a password that was counted and is not judged yet. Nothing where nothing is limited.
///
/// One that is given up, by a client that hangs up, stays counted, and counts as a failure of its network too.
pub(super) struct Guess(Option<CountedGuess>);

struct CountedGuess {
    auth: Auth,
    key: String,
    /// The wait that it began, for whoever guesses next.
    blocked_until: Option<DateTime<Utc>>,
    network: String,
    /// Whether the owner of the account signed in from this network lately.
    is_known: bool,
}

impl Drop for Guess {
    fn drop(&mut self) {
        if let Some(guess) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // Nobody is left to be told.
                let _ = guess.auth.count_failure(&guess.network, None).await;
            });
        }
    }
}

/// What a stranger, or the owner of an account, can have sent to an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Allowance {
    /// Letters that anybody can set off.
    Strangers,
    /// Letters for those who forgot their password.
    Resets,
    /// Letters that the owner of the account asked for: somebody who is signed in, or whose network the owner is known to use.
    Owners,
}

/// What a client may do so and so often, whatever comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Register,
    AskForLetter,
}

impl Auth {
    fn limits(&self) -> Option<&ThrottleSettings> {
        Some(&self.policy.throttle).filter(|limits| limits.is_on())
    }

    /// Counts a guess of the password of the account with this address, if there is one, and refuses it where there were too
    /// many. Strangers share one count; each network from which the owner signed in within 30 days has one of its own, so
    /// that strangers lock nobody out.
    pub(super) async fn count_guess(
        &self,
        address: &str,
        client: &Client,
    ) -> Result<Guess, ThrottleError> {
        let Some(limits) = self.limits() else {
            return Ok(Guess(None));
        };
        let now = self.db.clock().now();
        let network = client.network();
        let is_known = self.is_known(address, &network).await?;
        if !is_known {
            self.check_failures(&network).await?;
        }
        let owners = if is_known { &*network } else { "" };
        let new = throttle::Model {
            account: Some(account(address)),
            ..window(&["guesses", address, owners], now, REMEMBERED)
        };
        let tx = self.db.begin().await?;
        let Some(mut row) = tx.lock_throttles(vec![new]).await?.pop() else {
            // Whoever was right, or reset the password, had the count forgotten at this very moment.
            return Err(ThrottleError::TooManyRequests(Duration::from_secs(1)));
        };
        if row.tries >= limits.account_failures {
            return Err(ThrottleError::TooManyRequests(NO_MORE));
        }
        if let Some(end) = row.blocked_until
            && is_ahead(end, now, LONGEST_WAIT)
        {
            return Err(too_many(end, now));
        }
        row.tries += 1;
        row.blocked_until = wait_after(row.tries, limits).map(|wait| now + wait);
        row.forget_at = now + REMEMBERED;
        tx.set_throttle(&row).await?;
        tx.commit().await?;
        Ok(Guess(Some(CountedGuess {
            auth: self.clone(),
            key: row.key,
            blocked_until: row.blocked_until,
            network,
            is_known,
        })))
    }

    /// Whether the owner of the account with this address signed in from this network lately. The same question is asked for
    /// an address that has none.
    async fn is_known(&self, address: &str, network: &str) -> Result<bool, DbError> {
        // A network that could not be read is nobody's, and a text that is no address has no account (nor does PostgreSQL
        // take every text).
        if network.is_empty() || Email::parse(address).is_err() {
            return Ok(false);
        }
        let since = self.db.clock().now() - KNOWN;
        self.db.knows_network(address, network, since).await
    }

    /// The password was right: the count begins anew. It is refused all the same where so many others from this network were
    /// wrong while it was judged that it would not have been.
    pub(super) async fn guess_was_right(
        &self,
        tx: &Transaction,
        mut guess: Guess,
    ) -> Result<(), ThrottleError> {
        let Some(guess) = guess.0.take() else {
            return Ok(());
        };
        if !guess.is_known {
            let now = tx.clock().now();
            let key = failures_of(&guess.network, now).key;
            self.judge_failures(tx.find_throttle(&key).await, now)?;
        }
        Ok(tx.delete_throttle(&guess.key).await?)
    }

    /// The password was wrong: the network that it came from has failed once more. Past so many that is not even said.
    pub(super) async fn guess_was_wrong(&self, mut guess: Guess) -> Result<(), ThrottleError> {
        let Some(guess) = guess.0.take() else {
            return Ok(());
        };
        let limits = self.limits().filter(|_| !guess.is_known);
        self.count_failure(&guess.network, limits).await
    }

    /// Counts a failure of a network, and refuses it where there were too many before.
    async fn count_failure(
        &self,
        network: &str,
        limits: Option<&ThrottleSettings>,
    ) -> Result<(), ThrottleError> {
        let now = self.db.clock().now();
        let tx = self.db.begin().await?;
        for mut row in tx.lock_throttles(vec![failures_of(network, now)]).await? {
            renew(&mut row, now, FAILURES_WINDOW);
            if limits.is_some_and(|limits| row.tries >= limits.address_failures) {
                return Err(too_many(row.forget_at, now));
            }
            row.tries += 1;
            tx.set_throttle(&row).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Nobody judged the password: it counts for nothing.
    pub(super) async fn guess_was_not_judged(&self, mut guess: Guess) {
        let Some(guess) = guess.0.take() else {
            return;
        };
        // Where the database does not answer, the count stays; whoever asked is told of the first fault.
        let _ = self.db.take_back_try(&guess.key, guess.blocked_until).await;
    }

    /// The owner of an account has a new password by a letter: all guesses are forgotten.
    pub(super) async fn forget_guesses(tx: &Transaction, address: &str) -> Result<(), DbError> {
        tx.delete_throttles_of(&account(address)).await
    }

    /// Refuses guesses from a network that failed too often.
    async fn check_failures(&self, network: &str) -> Result<(), ThrottleError> {
        let now = self.db.clock().now();
        let key = failures_of(network, now).key;
        self.judge_failures(self.db.find_throttle(&key).await, now)
    }

    fn judge_failures(
        &self,
        count: Result<throttle::Model, DbError>,
        now: DateTime<Utc>,
    ) -> Result<(), ThrottleError> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        match count {
            Ok(row)
                if row.tries >= limits.address_failures
                    && is_ahead(row.forget_at, now, FAILURES_WINDOW) =>
            {
                Err(too_many(row.forget_at, now))
            }
            Ok(_) | Err(DbError::NoResultFound) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// A one-time token was no good: past so many, that is not even said any more. One that is good always works: nobody
    /// guesses it, and whoever shares a network with somebody who tries is not to be kept from the letter.
    pub(super) async fn token_was_wrong(&self, client: &Client) -> Result<(), ThrottleError> {
        match self.limits() {
            Some(limits) => self.count_failure(&client.network(), Some(limits)).await,
            None => Ok(()),
        }
    }

    /// Counts what a client does, whatever comes of it, and refuses it where it was too often.
    pub(super) async fn count_deed(
        &self,
        deed: Deed,
        client: &Client,
    ) -> Result<(), ThrottleError> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        let (name, limit) = match deed {
            Deed::Register => ("registrations", limits.address_registrations),
            Deed::AskForLetter => ("letters", limits.address_letters),
        };
        let now = self.db.clock().now();
        let tx = self.db.begin().await?;
        let new = window(&[name, &client.network()], now, HOUR);
        for mut row in tx.lock_throttles(vec![new]).await? {
            renew(&mut row, now, HOUR);
            if row.tries >= limit {
                return Err(too_many(row.forget_at, now));
            }
            row.tries += 1;
            tx.set_throttle(&row).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Whether another letter may go to an address, which is counted if so. Whoever asked for it is told nothing.
    pub(super) async fn allows_letter(
        &self,
        tx: &Transaction,
        recipient: &str,
        allowance: Allowance,
    ) -> Result<bool, DbError> {
        let Some(limits) = self.limits() else {
            return Ok(true);
        };
        let now = tx.clock().now();
        let [hourly, daily] = letters_to(recipient, allowance, now);
        let daily_key = daily.key.clone();
        let mut rows = tx.lock_throttles(vec![hourly, daily]).await?;
        for row in &mut rows {
            let (length, limit) = if row.key == daily_key {
                (DAY, limits.recipient_letters_daily)
            } else {
                (HOUR, limits.recipient_letters_hourly)
            };
            renew(row, now, length);
            if row.tries >= limit {
                return Ok(false);
            }
            row.tries += 1;
        }
        for row in &rows {
            tx.set_throttle(row).await?;
        }
        Ok(true)
    }

    /// Holds on to what [`Auth::allows_letter`] counts for several recipients, until the transaction ends.
    pub(super) async fn hold_letters(
        &self,
        tx: &Transaction,
        recipients: &[&str],
        allowance: Allowance,
    ) -> Result<(), DbError> {
        if self.limits().is_some() {
            let now = tx.clock().now();
            let counts = recipients
                .iter()
                .flat_map(|to| letters_to(to, allowance, now));
            tx.lock_throttles(counts.collect()).await?;
        }
        Ok(())
    }

    /// Which letters a reset is one of, for a client.
    pub(super) async fn allowance_of_reset(
        &self,
        address: &str,
        client: &Client,
    ) -> Result<Allowance, DbError> {
        let is_known = self.is_known(address, &client.network()).await?;
        Ok(if is_known {
            Allowance::Owners
        } else {
            Allowance::Resets
        })
    }

    /// Forgets some of the counts that are over, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_throttles(&self) -> Result<bool, DbError> {
        self.db.delete_forgotten_throttles().await
    }
}

/// A count that has not begun.
fn window(of: &[&str], now: DateTime<Utc>, length: TimeDelta) -> throttle::Model {
    throttle::Model {
        key: key(of),
        account: None,
        tries: 0,
        begun_at: now,
        blocked_until: None,
        forget_at: now + length,
    }
}

/// The letters to an address in an hour, and in a day.
fn letters_to(recipient: &str, allowance: Allowance, now: DateTime<Utc>) -> [throttle::Model; 2] {
    let whose = match allowance {
        Allowance::Strangers => "strangers",
        Allowance::Resets => "resets",
        Allowance::Owners => "owners",
    };
    [
        window(&["letters an hour", whose, recipient], now, HOUR),
        window(&["letters a day", whose, recipient], now, DAY),
    ]
}

fn failures_of(network: &str, now: DateTime<Utc>) -> throttle::Model {
    window(&["failures", network], now, FAILURES_WINDOW)
}

/// Begins a count anew that is over.
fn renew(row: &mut throttle::Model, now: DateTime<Utc>, length: TimeDelta) {
    if !is_ahead(row.forget_at, now, length) {
        row.tries = 0;
        row.begun_at = now;
        row.forget_at = now + length;
    }
}

/// Whether something is over at a time that is still to come. One that is further away than it can be was written down while
/// the clock was wrong.
fn is_ahead(end: DateTime<Utc>, now: DateTime<Utc>, longest: TimeDelta) -> bool {
    now < end && end <= now + longest
}

/// How long whoever guesses next has to wait after so many guesses: 1 s, 2 s, 4 s and so on.
fn wait_after(guesses: i32, limits: &ThrottleSettings) -> Option<TimeDelta> {
    let doublings = u32::try_from(guesses - limits.account_free_failures).ok()?;
    // Past ten the longest is reached.
    Some(TimeDelta::seconds(1 << doublings.min(10)).min(LONGEST_WAIT))
}

fn too_many(end: DateTime<Utc>, now: DateTime<Utc>) -> ThrottleError {
    ThrottleError::TooManyRequests((end - now).to_std().unwrap_or_default())
}

fn account(address: &str) -> String {
    key(&["account", address])
}

/// A digest: people type all kinds of things into a field for addresses, their password among them.
fn key(of: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in of {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
