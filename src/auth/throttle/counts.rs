//! The counts of the rate limits, and how they are stored.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entity::throttle;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::limits::RateLimits;
use crate::{
    auth::{
        audit::{AuditLog, Line},
        client::{Client, NETWORK_KNOWN, Network},
        event::Event,
        sealing_keys::SealingKeys,
        unavailable::Unavailable,
    },
    db::{DB, DbError, Transaction},
};

/// The window in which failures from one network, and refused new passwords, are counted.
pub(super) const FAILURES_WINDOW: TimeDelta = TimeDelta::minutes(10);

pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);
pub(super) const DAY: TimeDelta = TimeDelta::days(1);

/// The counts and their limits. Cheap to clone. All clones share one state.
#[derive(Clone)]
pub(in crate::auth) struct Throttle {
    pub(in crate::auth) db: DB,
    limits: Option<Arc<RateLimits>>,
    key: Hmac<Sha256>,
    audit: AuditLog,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

/// A count that has reached its limit.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) key: String,
    /// The address of the account, if it is a count of attempts at one.
    pub(super) address: Option<String>,
    /// When the next attempt is allowed.
    pub(super) wait: Duration,
    /// Whether a request was refused before because of it.
    pub(super) has_refused: bool,
}

/// The reason why something was not counted.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The limit is reached.
    Full(Full),
    /// The database failed.
    Db(DbError),
}

impl From<Full> for Stopped {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<DbError> for Stopped {
    fn from(err: DbError) -> Self {
        Self::Db(err)
    }
}

/// A count within a window of time, and its limit.
pub(super) struct Window {
    pub(super) key: String,
    pub(super) limit: i32,
    pub(super) length: TimeDelta,
}

impl Window {
    /// The row of this count, at zero.
    pub(super) fn row(&self, now: DateTime<Utc>) -> throttle::Model {
        new_row(self.key.clone(), None, now, self.length)
    }
}

impl Throttle {
    pub(in crate::auth) fn new(
        db: DB,
        limits: Option<RateLimits>,
        keys: &SealingKeys,
        audit: AuditLog,
    ) -> Self {
        Self {
            db,
            audit,
            limits: limits.map(Arc::new),
            key: keys.derive("bienvenue rate limits"),
        }
    }

    pub(super) fn limits(&self) -> Option<&RateLimits> {
        self.limits.as_deref()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.db.clock().now()
    }

    /// The key of a count.
    pub(super) fn key(&self, of: &[&str]) -> String {
        let mut digest = self.key.clone();
        for part in of {
            digest.update(&part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        hex::encode(digest.finalize().into_bytes())
    }

    /// Whether this network is known for the account with this address. An address without an account costs the same
    /// query.
    pub(super) async fn is_known(&self, address: &str, client: &Client) -> Result<bool, DbError> {
        // A network that could not be determined is not known for any account.
        let network = client.network();
        if network.is_empty() {
            return Ok(false);
        }
        let since = self.now() - NETWORK_KNOWN;
        self.db.knows_network(address, &network, since).await
    }

    /// The windows in which the failures of these networks are counted.
    pub(super) fn failures_of(&self, networks: &[Network], limit: i32) -> Vec<Window> {
        self.by_network("failures", networks, limit, FAILURES_WINDOW)
    }

    pub(super) fn by_network(
        &self,
        what: &str,
        networks: &[Network],
        limit: i32,
        length: TimeDelta,
    ) -> Vec<Window> {
        let window = |network: &Network| Window {
            key: self.key(&[what, &network.name]),
            limit: limit.saturating_mul(network.factor),
            length,
        };
        networks.iter().map(window).collect()
    }

    /// Counts a failure of a network, and refuses it if there were already `limit`.
    pub(super) async fn count_failure(
        &self,
        networks: &[Network],
        limit: i32,
    ) -> Result<(), Stopped> {
        self.count_once(&self.failures_of(networks, limit)).await
    }

    /// Adds one to each window, durably, unless one of them is full. A read comes first, so that a refusal costs no
    /// transaction.
    pub(super) async fn count_once(&self, windows: &[Window]) -> Result<(), Stopped> {
        let keys = windows.iter().map(|window| window.key.clone());
        let rows = self.db.find_throttles(keys).await?;
        judge(windows, &rows, self.now())?;
        let tx = self.db.begin().await?;
        self.count(&tx, windows).await?;
        Ok(tx.commit().await?)
    }

    /// Adds one to each window, unless one of them is full.
    pub(super) async fn count(&self, tx: &Transaction, windows: &[Window]) -> Result<(), Stopped> {
        let now = self.now();
        let new = windows.iter().map(|window| window.row(now)).collect();
        let mut rows = tx.lock_throttles(new).await?;
        judge(windows, &rows, now)?;
        for row in &mut rows {
            if let Some(window) = windows.iter().find(|window| window.key == row.key) {
                renew(row, now, window.length);
            }
            row.tries += 1;
            tx.set_throttle(row).await?;
        }
        Ok(())
    }

    /// Passes an outcome through, and logs it if a rate limit was reached. The first refusal because of a count is also
    /// an event of the audit log. The others are not, or a flood of requests that cost nothing would fill it.
    ///
    /// No transaction may be open: this begins one.
    pub(super) async fn recorded<T>(
        &self,
        reason: &'static str,
        client: &Client,
        outcome: Result<T, Stopped>,
    ) -> Result<T, Unavailable> {
        if let Err(Stopped::Full(full)) = &outcome
            && !full.has_refused
        {
            let tx = self.db.begin().await?;
            // Of several at once, one is the first.
            if tx.set_throttle_refused(&full.key).await?
                && let Some(entry) = throttled(&tx, reason, full).await?.entry()
            {
                let (row, line) = self.audit.row(entry, None, client);
                tx.add_audit_events(vec![row]).await?;
                tx.commit().await?;
                line.log(&client.network());
                return Err(Unavailable::RateLimited(full.wait));
            }
        }
        logged(reason, client, outcome)
    }
}

/// The event of a refusal. It names the account whose count is full.
async fn throttled(
    tx: &Transaction,
    reason: &'static str,
    full: &Full,
) -> Result<Event<'static>, DbError> {
    let user = match &full.address {
        Some(address) => tx.find_user_by_email(address).await?,
        None => None,
    };
    let user_id = user.map(|user| user.id);
    Ok(Event::Throttled { user_id, reason })
}

/// Passes an outcome through, and logs it if a rate limit was reached.
pub(super) fn logged<T>(
    reason: &'static str,
    client: &Client,
    outcome: Result<T, Stopped>,
) -> Result<T, Unavailable> {
    outcome.map_err(|stopped| match stopped {
        Stopped::Full(full) => {
            let throttled = Event::Throttled {
                user_id: None,
                reason,
            };
            if let Some(entry) = throttled.entry() {
                Line::new(&entry, None).log(&client.network());
            }
            Unavailable::RateLimited(full.wait)
        }
        Stopped::Db(err) => err.into(),
    })
}

/// A row for a count at zero.
pub(super) fn new_row(
    key: String,
    account: Option<String>,
    now: DateTime<Utc>,
    length: TimeDelta,
) -> throttle::Model {
    throttle::Model {
        key,
        account,
        tries: 0,
        begun_at: now,
        blocked_until: None,
        refused_at: None,
        forget_at: now + length,
    }
}

/// Returns an error if one of these windows is full.
pub(super) fn judge(
    windows: &[Window],
    rows: &[throttle::Model],
    now: DateTime<Utc>,
) -> Result<(), Full> {
    for row in rows {
        let is_full = windows.iter().any(|window| {
            window.key == row.key
                && row.tries >= window.limit
                && is_ahead(row.forget_at, now, window.length)
        });
        if is_full {
            return Err(full(row, row.forget_at, now));
        }
    }
    Ok(())
}

/// Restarts a count that has expired.
pub(super) fn renew(row: &mut throttle::Model, now: DateTime<Utc>, length: TimeDelta) {
    if !is_ahead(row.forget_at, now, length) {
        row.tries = 0;
        row.refused_at = None;
        row.begun_at = now;
        row.forget_at = now + length;
    }
}

/// Whether an end time is in the future. A time further away than `longest` was stored while the clock was wrong, and
/// is ignored.
pub(super) fn is_ahead(end: DateTime<Utc>, now: DateTime<Utc>, longest: TimeDelta) -> bool {
    now < end && end <= now + longest
}

/// The refusal by a count that allows no further attempt until `end`.
pub(super) fn full(row: &throttle::Model, end: DateTime<Utc>, now: DateTime<Utc>) -> Full {
    Full {
        key: row.key.clone(),
        address: None,
        wait: (end - now).to_std().unwrap_or_default(),
        has_refused: row.refused_at.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_327_200 + seconds, 0).expect("a time")
    }

    #[test]
    fn an_end_that_was_written_down_while_the_clock_was_wrong_is_not_ahead() {
        let longest = TimeDelta::seconds(60);
        for (end, expected) in [(-1, false), (0, false), (1, true), (60, true), (61, false)] {
            assert_eq!(is_ahead(at(end), at(0), longest), expected, "{end}");
        }
    }

    #[test]
    fn a_full_window_refuses_until_it_ends_and_then_begins_anew() {
        let window = Window {
            key: "key".to_owned(),
            limit: 2,
            length: TimeDelta::seconds(60),
        };
        let mut row = window.row(at(0));
        row.tries = 1;
        let judged = |row: &throttle::Model, now| {
            let windows = std::slice::from_ref(&window);
            judge(windows, std::slice::from_ref(row), now)
        };
        assert!(judged(&row, at(1)).is_ok());
        row.tries = 2;
        let full = judged(&row, at(1)).expect_err("the window is full");
        assert_eq!(full.wait, Duration::from_secs(59));
        assert!(!full.has_refused);
        row.refused_at = Some(at(1));
        assert!(judged(&row, at(2)).is_err_and(|full| full.has_refused));
        assert!(judged(&row, at(60)).is_ok());
        renew(&mut row, at(59), window.length);
        assert_eq!((row.tries, row.begun_at), (2, at(0)));
        renew(&mut row, at(60), window.length);
        assert_eq!((row.tries, row.begun_at, row.refused_at), (0, at(60), None));
        assert_eq!(row.forget_at, at(120));
    }
}
