//! Rate limits on emails to one address.

use chrono::{DateTime, TimeDelta, Utc};
use entity::throttle;

use super::{
    counts::{DAY, HOUR, Throttle, Window, is_ahead, new_row, renew},
    limits::RateLimits,
};
use crate::{
    auth::client::Client,
    db::{DbError, Transaction},
};

/// How long a reset token can stay valid after its lifetime: see [`Throttle::prolong_reset`].
pub(in crate::auth) const LONGEST_PROLONGATION: TimeDelta = DAY;

/// The allowance that an email to an address counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Allowance {
    /// Emails that anybody can cause.
    Strangers,
    /// Emails to reset a forgotten password.
    Resets,
    /// Emails that the owner of the account requested: from a session, or from a known network.
    Owners,
}

/// The allowance of emails to an address in one window of time.
struct Period {
    /// For all networks together.
    shared: Window,
    /// For the network of the request.
    own: Option<Window>,
}

impl Period {
    fn rows(&self, now: DateTime<Utc>) -> Vec<throttle::Model> {
        let windows = std::iter::once(&self.shared).chain(&self.own);
        windows.map(|window| window.row(now)).collect()
    }
}

impl Throttle {
    /// Whether another email may go to an address. If so, it is counted. The client does not learn the answer.
    ///
    /// Each network has an allowance of its own, besides the shared one of all networks. The last email of its own
    /// allowance does not count against the shared one. So no single network can use up the shared allowance.
    pub(in crate::auth) async fn allows_mail(
        &self,
        tx: &Transaction,
        recipient: &str,
        allowance: Allowance,
        client: &Client,
    ) -> Result<bool, DbError> {
        let Some(limits) = self.limits() else {
            return Ok(true);
        };
        let now = self.now();
        let periods = self.mails_to(limits, recipient, allowance, client);
        let new = periods.iter().flat_map(|period| period.rows(now));
        let mut rows = tx.lock_throttles(new.collect()).await?;
        for Period { shared, own } in &periods {
            let used = |window: &Window, rows: &mut [throttle::Model]| {
                let row = rows.iter_mut().find(|row| row.key == window.key)?;
                renew(row, now, window.length);
                Some(row.tries)
            };
            let own_used = own.as_ref().map(|own| used(own, &mut rows).unwrap_or(0));
            if own_used.is_some_and(|used| used >= shared.limit) {
                return Ok(false);
            }
            let is_last = shared.limit > 1 && own_used.is_some_and(|used| used + 1 == shared.limit);
            let shared_used = used(shared, &mut rows).unwrap_or(0);
            if !is_last && shared_used >= shared.limit {
                return Ok(false);
            }
            let counted = own.iter().chain((!is_last).then_some(shared));
            for window in counted {
                if let Some(row) = rows.iter_mut().find(|row| row.key == window.key) {
                    row.tries += 1;
                }
            }
        }
        for row in &rows {
            tx.set_throttle(row).await?;
        }
        Ok(true)
    }

    /// Locks the rows that [`Throttle::allows_mail`] uses for several recipients.
    pub(in crate::auth) async fn lock_mails(
        &self,
        tx: &Transaction,
        recipients: &[&str],
        allowance: Allowance,
        client: &Client,
    ) -> Result<(), DbError> {
        if let Some(limits) = self.limits() {
            let now = self.now();
            let periods = recipients
                .iter()
                .flat_map(|to| self.mails_to(limits, to, allowance, client));
            let rows = periods.flat_map(|period| period.rows(now));
            tx.lock_throttles(rows.collect()).await?;
        }
        Ok(())
    }

    /// The allowance that the email of a reset counts against.
    pub(in crate::auth) async fn allowance_of_reset(
        &self,
        address: &str,
        client: &Client,
    ) -> Result<Allowance, DbError> {
        Ok(if self.is_known(address, client).await? {
            Allowance::Owners
        } else {
            Allowance::Resets
        })
    }

    /// The allowances of emails to an address in an hour, and in a day.
    fn mails_to(
        &self,
        limits: &RateLimits,
        recipient: &str,
        allowance: Allowance,
        client: &Client,
    ) -> [Period; 2] {
        let whose = match allowance {
            Allowance::Strangers => "strangers",
            Allowance::Resets => "resets",
            Allowance::Owners => "owners",
        };
        let network = client.block();
        let period = |what: &str, limit, length| {
            let window = |key| Window { key, limit, length };
            Period {
                shared: window(self.key(&[what, whose, recipient])),
                own: (allowance != Allowance::Owners)
                    .then(|| window(self.key(&[what, whose, recipient, &network]))),
            }
        };

        // The names are part of stored keys: a new name would restart the counts.
        [
            period("letters an hour", limits.recipient_emails_hourly, HOUR),
            period("letters a day", limits.recipient_emails_daily, DAY),
        ]
    }

    /// Records that a reset was requested but no further email was sent. The link in the last one then stays valid for
    /// `lifetime` from now, and a day longer than its own lifetime at most. So strangers who use up the allowance can't
    /// lock the owner out. Every address is recorded alike, with or without an account.
    pub(in crate::auth) async fn prolong_reset(
        &self,
        tx: &Transaction,
        address: &str,
        lifetime: TimeDelta,
    ) -> Result<(), DbError> {
        let now = self.now();
        let key = self.key(&["prolonged reset", address]);
        let new = new_row(key, None, now, LONGEST_PROLONGATION);
        for mut row in tx.lock_throttles(vec![new]).await? {
            row.forget_at = now + lifetime.min(LONGEST_PROLONGATION);
            tx.set_throttle(&row).await?;
        }
        Ok(())
    }

    /// Whether the link of the last reset stays valid beyond its lifetime: see [`Throttle::prolong_reset`].
    pub(in crate::auth) async fn is_reset_prolonged(&self, address: &str) -> Result<bool, DbError> {
        let key = self.key(&["prolonged reset", address]);
        let rows = self.db.find_throttles([key]).await?;
        let now = self.now();
        Ok(rows
            .iter()
            .any(|row| is_ahead(row.forget_at, now, LONGEST_PROLONGATION)))
    }

    /// Deletes the count of emails for resets of an address. The links in them are no longer valid, and the owner may
    /// need another.
    pub(in crate::auth) async fn forget_resets(
        &self,
        tx: &Transaction,
        address: &str,
    ) -> Result<(), DbError> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        let no_client = Client::default();
        for Period { shared, .. } in self.mails_to(limits, address, Allowance::Resets, &no_client) {
            tx.delete_throttle(&shared.key).await?;
        }
        Ok(())
    }
}
