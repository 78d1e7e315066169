//! Rate limits on attempts at the password of an account.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::throttle;
use tokio::runtime::Handle;

use super::{
    counts::{DAY, Full, Stopped, Throttle, full, is_ahead, judge, logged, new_row},
    limits::RateLimits,
};
use crate::{
    auth::{
        client::{Client, Network},
        unavailable::Unavailable,
    },
    db::{DbError, Transaction},
};

/// The reason of a refusal.
const REASON: &str = "attempts";

/// The longest wait between two attempts at one account's password.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// The wait in the answer once no attempt is allowed until a reset.
const NO_MORE: Duration = Duration::from_hours(24);

/// How long failures are remembered after the last one, if they caused a wait. This applies to every address, so that
/// it does not reveal which ones have an account.
const REMEMBERED: TimeDelta = TimeDelta::days(90);

/// How long fewer failures are remembered. This is shorter, so that anonymous requests can't fill the table.
const REMEMBERED_FEW: TimeDelta = DAY;

/// An attempt at a password that is counted and not judged yet. Empty if the rate limits are disabled.
///
/// If the client disconnects, the attempt is dropped. It then stays counted, and also counts as a failure of its
/// network.
pub(in crate::auth) struct Attempt(Option<Counted>);

struct Counted {
    throttle: Throttle,
    client: Client,
    networks: Vec<Network>,
    /// Whether the network is known for this account.
    is_known: bool,
    /// How many failures each network may have.
    limit: i32,
    /// The counts of the account. `None` if the given text is not an address.
    account: Option<AccountCounts>,
}

/// The counts of an account that an attempt adds to.
struct AccountCounts {
    account: String,
    /// The key of the attempts from its network.
    own: String,
    /// The key of the attempts from all networks that are not known for the account.
    shared: Option<String>,
    /// The end of the wait that the attempt started.
    blocked_until: Option<DateTime<Utc>>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(attempt) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // The client is gone, so there is no request to report an error to.
                let networks = &attempt.networks;
                let _ = attempt.throttle.count_failure(networks, i32::MAX).await;
            });
        }
    }
}

impl Throttle {
    /// Counts an attempt at the password of the account with this address, and refuses it if a limit is reached.
    /// Addresses without an account are counted alike. Text that is not an address is counted by network only.
    ///
    /// All networks that are not known for the account share one count. Each known network has its own, so that
    /// strangers can't lock the owner out.
    pub(in crate::auth) async fn begin_attempt(
        &self,
        address: Option<&str>,
        client: &Client,
    ) -> Result<Attempt, Unavailable> {
        let attempt = self.count_attempt(address, client).await;
        self.recorded(REASON, client, attempt).await
    }

    async fn count_attempt(
        &self,
        address: Option<&str>,
        client: &Client,
    ) -> Result<Attempt, Stopped> {
        let Some(limits) = self.limits() else {
            return Ok(Attempt(None));
        };
        let (networks, now) = (client.networks(), self.now());
        let is_known = match address {
            Some(address) => self.is_known(address, client).await?,
            None => false,
        };
        let counts = address.map(|address| self.counts_of(address, &client.network(), is_known));
        let failures = self.failures_of(&networks, limits.address_failures);
        // A read comes first: an attempt that is refused anyway must not cost a transaction, however often it is
        // repeated.
        let keys = failures.iter().map(|window| &window.key);
        let keys = keys.chain(counts.as_ref().map(AccountCounts::decisive));
        let rows = self.db.find_throttles(keys.cloned()).await?;
        let of_network = judge(&failures, &rows, now);
        let has_failed_often = of_network.is_err();
        if !is_known {
            of_network?;
        }
        let account = match counts {
            Some(counts) => {
                let seen = rows.iter().find(|row| row.key == *counts.decisive());
                let mut counted = match seen.map_or(Ok(()), |row| check_count(row, now, limits)) {
                    Ok(()) => self.count_account(limits, counts).await,
                    Err(full) => Err(full.into()),
                };
                if let Err(Stopped::Full(full)) = &mut counted {
                    full.address = address.map(ToOwned::to_owned);
                    if !has_failed_often {
                        self.count_failure(&networks, i32::MAX).await?;
                    }
                }
                Some(counted?)
            }
            None => None,
        };
        Ok(Attempt(Some(Counted {
            throttle: self.clone(),
            client: client.clone(),
            networks,
            is_known,
            limit: limits.address_failures,
            account,
        })))
    }

    fn counts_of(&self, address: &str, network: &str, is_known: bool) -> AccountCounts {
        AccountCounts {
            account: self.key(&["account", address]),
            own: self.key(&[
                if is_known {
                    "attempts of the owner"
                } else {
                    "attempts"
                },
                address,
                network,
            ]),
            shared: (!is_known).then(|| self.key(&["attempts", address])),
            blocked_until: None,
        }
    }

    async fn count_account(
        &self,
        limits: &RateLimits,
        mut counts: AccountCounts,
    ) -> Result<AccountCounts, Stopped> {
        let now = self.now();
        let tx = self.db.begin().await?;
        let mut rows = counts.lock(&tx, now).await?;
        let decisive = counts.decisive().clone();
        let Some(count) = rows.iter().find(|row| row.key == decisive) else {
            // A concurrent right password or reset has just deleted the count.
            return Err(Stopped::Full(Full {
                key: decisive,
                address: None,
                wait: Duration::from_secs(1),
                has_refused: true,
            }));
        };
        check_count(count, now, limits)?;
        for row in &mut rows {
            row.tries += 1;
            let mut remembered = REMEMBERED_FEW;
            if row.key == decisive {
                row.blocked_until = wait_after(row.tries, limits).map(|wait| now + wait);
                row.refused_at = None;
                counts.blocked_until = row.blocked_until;
                if row.blocked_until.is_some() {
                    remembered = REMEMBERED;
                }
            }
            row.forget_at = now + remembered;
            tx.set_throttle(row).await?;
        }
        tx.commit().await?;
        Ok(counts)
    }

    /// Deletes all counts of attempts at an account: its owner has set a new password by an email.
    pub(in crate::auth) async fn forget_attempts(
        &self,
        tx: &Transaction,
        address: &str,
    ) -> Result<(), DbError> {
        tx.delete_throttles_of(&self.key(&["account", address]))
            .await
    }
}

impl AccountCounts {
    /// The key of the count that decides whether another attempt is allowed.
    fn decisive(&self) -> &String {
        self.shared.as_ref().unwrap_or(&self.own)
    }

    /// Locks the rows of the counts. Expired counts restart at zero.
    async fn lock(
        &self,
        tx: &Transaction,
        now: DateTime<Utc>,
    ) -> Result<Vec<throttle::Model>, DbError> {
        let keys = std::iter::once(&self.own).chain(&self.shared);
        let account = Some(self.account.clone());
        let new = keys.map(|key| new_row(key.clone(), account.clone(), now, REMEMBERED_FEW));
        let mut rows = tx.lock_throttles(new.collect()).await?;
        for row in &mut rows {
            if !is_ahead(row.forget_at, now, REMEMBERED) {
                row.tries = 0;
                row.blocked_until = None;
                row.refused_at = None;
            }
        }
        Ok(rows)
    }

    /// Takes back attempts from this network: all if the password was right, else the last one. A row whose count falls
    /// to zero is deleted, so that a flood of attempts that are never judged can't fill the table.
    async fn take_back(
        &self,
        tx: &Transaction,
        now: DateTime<Utc>,
        is_right: bool,
    ) -> Result<(), DbError> {
        let mut rows = self.lock(tx, now).await?;
        let own = rows.iter().find(|row| row.key == self.own);
        let own = own.map_or(0, |row| row.tries);
        let taken = if is_right { own.max(1) } else { 1 };
        for row in &mut rows {
            row.tries -= taken;
            // A wait that another attempt started stays.
            if row.blocked_until == self.blocked_until {
                row.blocked_until = None;
            }
            if row.tries > 0 {
                if row.blocked_until.is_none() {
                    row.forget_at = row.forget_at.min(now + REMEMBERED_FEW);
                }
                tx.set_throttle(row).await?;
            } else {
                tx.delete_throttle(&row.key).await?;
            }
        }
        Ok(())
    }
}

impl Attempt {
    /// Settles an attempt with the right password: the account's count for this network restarts, and the counts of
    /// other networks stay.
    ///
    /// It is refused nevertheless if so many concurrent attempts from this network failed that the limit is reached.
    pub(in crate::auth) async fn was_right(mut self, tx: &Transaction) -> Result<(), Unavailable> {
        let Some(attempt) = self.0.take() else {
            return Ok(());
        };
        let throttle = &attempt.throttle;
        if !attempt.is_known {
            let windows = throttle.failures_of(&attempt.networks, attempt.limit);
            let keys = windows.iter().map(|window| window.key.clone());
            let rows = tx.find_throttles(keys).await?;
            let verdict = judge(&windows, &rows, throttle.now());
            // The transaction is open, so this refusal is only logged.
            logged(REASON, &attempt.client, verdict.map_err(Stopped::from))?;
        }
        if let Some(account) = &attempt.account {
            account.take_back(tx, throttle.now(), true).await?;
        }
        Ok(())
    }

    /// Settles an attempt with a wrong password: counts a failure of its network. Once the limit is reached, the client
    /// gets only the rate limit error.
    pub(in crate::auth) async fn was_wrong(mut self) -> Result<(), Unavailable> {
        let Some(attempt) = self.0.take() else {
            return Ok(());
        };
        let throttle = &attempt.throttle;
        let limit = if attempt.is_known {
            i32::MAX
        } else {
            attempt.limit
        };
        let counted = throttle.count_failure(&attempt.networks, limit).await;
        throttle.recorded(REASON, &attempt.client, counted).await
    }

    /// Takes back an attempt whose password was not judged.
    pub(in crate::auth) async fn was_not_judged(mut self) {
        if let Some(attempt) = self.0.take()
            && let Some(account) = &attempt.account
        {
            let db = &attempt.throttle.db;
            let take_back = async {
                let tx = db.begin().await?;
                account.take_back(&tx, db.clock().now(), false).await?;
                tx.commit().await
            };
            // If the database does not answer, the count stays. The client gets the first error, not this one.
            let _: Result<(), DbError> = take_back.await;
        }
    }
}

/// Refuses an attempt at an account's password if there were too many, or if the wait after the last one has not ended.
fn check_count(
    count: &throttle::Model,
    now: DateTime<Utc>,
    limits: &RateLimits,
) -> Result<(), Full> {
    if !is_ahead(count.forget_at, now, REMEMBERED) {
        return Ok(());
    }
    if count.tries >= limits.account_failures {
        return Err(Full {
            wait: NO_MORE,
            ..full(count, now, now)
        });
    }
    match count.blocked_until {
        Some(end) if is_ahead(end, now, LONGEST_WAIT) => Err(full(count, end, now)),
        _ => Ok(()),
    }
}

/// The wait after this many attempts: 1 s, 2 s, 4 s and so on.
fn wait_after(attempts: i32, limits: &RateLimits) -> Option<TimeDelta> {
    let doublings = u32::try_from(attempts - limits.account_free_failures).ok()?;
    // Ten doublings exceed the longest wait.
    Some(TimeDelta::seconds(1 << doublings.min(10)).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_327_200 + seconds, 0).expect("a time")
    }

    #[test]
    fn a_wait_doubles_with_each_attempt_past_the_free_ones_up_to_the_longest() {
        let limits = RateLimits {
            account_free_failures: 5,
            ..RateLimits::default()
        };
        for (attempts, seconds) in [
            (0, None),
            (4, None),
            (5, Some(1)),
            (6, Some(2)),
            (7, Some(4)),
            (14, Some(512)),
            (15, Some(900)),
            (16, Some(900)),
            (i32::MAX, Some(900)),
        ] {
            let wait = wait_after(attempts, &limits);
            assert_eq!(wait, seconds.map(TimeDelta::seconds), "{attempts}");
        }
    }

    #[test]
    fn a_count_is_refused_during_its_wait_and_for_good_past_the_limit() {
        let limits = RateLimits::default();
        let mut count = new_row("key".to_owned(), None, at(0), REMEMBERED_FEW);
        let seconds = |count: &throttle::Model, now| match check_count(count, now, &limits) {
            Err(full) => Some(full.wait.as_secs()),
            Ok(()) => None,
        };
        assert_eq!(seconds(&count, at(0)), None);
        count.blocked_until = Some(at(8));
        assert_eq!(seconds(&count, at(3)), Some(5));
        assert_eq!(seconds(&count, at(8)), None);
        count.tries = limits.account_failures;
        assert_eq!(seconds(&count, at(8)), Some(NO_MORE.as_secs()));
        // What has expired counts for nothing.
        count.forget_at = at(8);
        assert_eq!(seconds(&count, at(8)), None);
    }
}
