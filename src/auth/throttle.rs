//! Rate limits: how often something may be tried, by whom and on whom.
//!
//! Counts are rows of the database, so they are exact over replicas and survive restarts. An attempt is counted before the
//! work that it costs, so that attempts at the same moment don't slip past. What is counted is named by a keyed digest: the
//! table tells nobody which addresses are in it.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entity::throttle;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::runtime::Handle;

use super::{
    Auth, Client, DbError, SealingKeys, client::Network, event::Event, known_clients::KNOWN,
};
use crate::{
    config::ThrottleSettings,
    db::{DB, Transaction},
};

/// The longest wait between two attempts at one account's password.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);

/// What is said where no attempt is allowed any more.
const NO_MORE: Duration = Duration::from_hours(24);

/// How long failures are remembered that began a wait, after the last one. Of any address, so that nobody learns from it which
/// have an account.
const REMEMBERED: TimeDelta = TimeDelta::days(90);

/// How long failures are remembered that were too few for that: what anybody can leave behind is not to fill the table.
const REMEMBERED_FEW: TimeDelta = DAY;

/// In which time failures from one network, and refused new passwords, are counted.
const FAILURES_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// How many networks of an account become known in a day by the use of a session: more than a person on a journey uses.
const NETWORKS_A_DAY: i32 = 10;

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// How long after its lifetime a reset token can be good again: see [`Throttle::prolong_reset`].
pub(super) const LONGEST_PROLONGATION: TimeDelta = DAY;

/// Why something is not even tried.
#[derive(Debug, thiserror::Error)]
pub enum ThrottleError {
    /// It was tried too often; says when it may be tried again.
    #[error("too many attempts, try again in {0:?}")]
    TooManyRequests(Duration),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The counts, and what they are limited to. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Throttle {
    pub(super) db: DB,
    limits: Arc<ThrottleSettings>,
    key: Hmac<Sha256>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

/// An attempt at a password that was counted and is not judged yet. Nothing where nothing is limited.
///
/// One that is given up, by a client that hangs up, stays counted, and counts as a failure of its network too.
pub(super) struct Attempt(Option<Counted>);

struct Counted {
    throttle: Throttle,
    networks: Vec<Network>,
    /// Whether the owner of the account uses the network.
    is_known: bool,
    /// What was counted of the account; nothing where the text that was given is no address.
    account: Option<AccountCounts>,
}

/// The counts of an account that an attempt is part of.
struct AccountCounts {
    account: String,
    /// Those from its network.
    own: String,
    /// Those from all networks that the owner is not known to use.
    shared: Option<String>,
    /// The wait that the attempt began.
    blocked_until: Option<DateTime<Utc>>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(attempt) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // Nobody is left to be told.
                let networks = &attempt.networks;
                let _ = attempt.throttle.count_failure(networks, i32::MAX).await;
            });
        }
    }
}

/// A new password that was counted and is not judged yet: see [`Throttle::begin_choice`].
pub(super) struct Choice(Option<(Throttle, Vec<String>)>);

/// Whose allowance an email to an address is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Emails that anybody can set off.
    Strangers,
    /// Emails for those who forgot their password.
    Resets,
    /// Emails that the owner of the account asked for: somebody who is signed in, or whose network the owner is known to use.
    Owners,
}

/// What a client may do so often, whatever comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Register,
    AskForLetter,
}

/// A count within a length of time, and its limit.
struct Window {
    key: String,
    limit: i32,
    length: TimeDelta,
}

impl Window {
    /// A count that has not begun.
    fn row(&self, now: DateTime<Utc>) -> throttle::Model {
        new_row(self.key.clone(), None, now, self.length)
    }
}

impl Throttle {
    pub(super) fn new(db: DB, limits: ThrottleSettings, keys: &SealingKeys) -> Self {
        Self {
            db,
            limits: Arc::new(limits),
            key: keys.derive("bienvenue rate limits"),
        }
    }

    fn limits(&self) -> Option<&ThrottleSettings> {
        Some(&*self.limits).filter(|limits| limits.is_on())
    }

    fn now(&self) -> DateTime<Utc> {
        self.db.clock().now()
    }

    /// The name of a count.
    fn key(&self, of: &[&str]) -> String {
        let mut digest = self.key.clone();
        for part in of {
            digest.update(&part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        hex::encode(digest.finalize().into_bytes())
    }

    /// Counts an attempt at the password of the account with this address, if there is one, and refuses it where there were
    /// too many. What is no address is counted by network alone.
    ///
    /// Networks that the owner is not known to use share one count; one that the owner uses has its own, so that strangers
    /// lock nobody out.
    pub(super) async fn begin_attempt(
        &self,
        address: Option<&str>,
        client: &Client,
    ) -> Result<Attempt, ThrottleError> {
        let attempt = self.count_attempt(address, client).await;
        logged("attempts", &client.network(), attempt)
    }

    async fn count_attempt(
        &self,
        address: Option<&str>,
        client: &Client,
    ) -> Result<Attempt, ThrottleError> {
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
        // Read first: what is refused already is to cost the database no transaction, however often it is tried.
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
                let counted = match seen.map_or(Ok(()), |row| check_count(row, now, limits)) {
                    Ok(()) => self.count_account(limits, counts).await,
                    Err(refused) => Err(refused),
                };
                if let Err(ThrottleError::TooManyRequests(_)) = counted
                    && !has_failed_often
                {
                    self.count_failure(&networks, i32::MAX).await?;
                }
                Some(counted?)
            }
            None => None,
        };
        Ok(Attempt(Some(Counted {
            throttle: self.clone(),
            networks,
            is_known,
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
        limits: &ThrottleSettings,
        mut counts: AccountCounts,
    ) -> Result<AccountCounts, ThrottleError> {
        let now = self.now();
        let tx = self.db.begin().await?;
        let mut rows = counts.lock(&tx, now).await?;
        let decisive = counts.decisive().clone();
        let Some(count) = rows.iter().find(|row| row.key == decisive) else {
            // A right password, or a reset, had the count deleted at this very moment.
            return Err(ThrottleError::TooManyRequests(Duration::from_secs(1)));
        };
        check_count(count, now, limits)?;
        for row in &mut rows {
            row.tries += 1;
            let mut remembered = REMEMBERED_FEW;
            if row.key == decisive {
                row.blocked_until = wait_after(row.tries, limits).map(|wait| now + wait);
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

    /// Whether the owner of the account with this address used this network lately. The same question is asked for an address
    /// that has none.
    pub(super) async fn is_known(&self, address: &str, client: &Client) -> Result<bool, DbError> {
        // A network that could not be read is nobody's.
        let network = client.network();
        if network.is_empty() {
            return Ok(false);
        }
        let since = self.now() - KNOWN;
        self.db.knows_network(address, &network, since).await
    }

    /// The failures of networks.
    fn failures_of(&self, networks: &[Network], limit: i32) -> Vec<Window> {
        self.by_network("failures", networks, limit, FAILURES_WINDOW)
    }

    fn by_network(
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

    /// Counts a failure of a network, and refuses it where there were `limit` before.
    async fn count_failure(&self, networks: &[Network], limit: i32) -> Result<(), ThrottleError> {
        self.count_once(&self.failures_of(networks, limit)).await
    }

    /// Counts one more in each window, durably, unless one of them is full. Read first, so that what is refused costs the
    /// database no transaction.
    async fn count_once(&self, windows: &[Window]) -> Result<(), ThrottleError> {
        let keys = windows.iter().map(|window| window.key.clone());
        judge(windows, &self.db.find_throttles(keys).await?, self.now())?;
        let tx = self.db.begin().await?;
        self.count(&tx, windows).await?;
        Ok(tx.commit().await?)
    }

    /// Counts one more in each window, unless one of them is full.
    async fn count(&self, tx: &Transaction, windows: &[Window]) -> Result<(), ThrottleError> {
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

    /// A one-time token was no good: past so many, that is not even said any more. One that is good always works: nobody
    /// guesses it, and somebody who shares a network with a guesser needs the email all the same.
    pub(super) async fn token_was_wrong(&self, client: &Client) -> Result<(), ThrottleError> {
        match self.limits() {
            Some(limits) => {
                let limit = limits.address_failures;
                let counted = self.count_failure(&client.networks(), limit).await;
                logged("tokens", &client.network(), counted)
            }
            None => Ok(()),
        }
    }

    /// Counts what a client does, whatever comes of it, and refuses it where it was too often.
    pub(super) async fn count_action(
        &self,
        action: Action,
        client: &Client,
    ) -> Result<(), ThrottleError> {
        let Some(limits) = self.limits() else {
            return Ok(());
        };
        let (name, limit) = match action {
            Action::Register => ("registrations", limits.address_registrations),
            Action::AskForLetter => ("letters", limits.address_letters),
        };
        let windows = self.by_network(name, &client.networks(), limit, HOUR);
        let counted = self.count_once(&windows).await;
        logged(name, &client.network(), counted)
    }

    /// Counts a new password that somebody chose, and refuses to judge it where too many were refused lately, by the same session
    /// or link in an email or from this network: judging one costs time. One that is accepted is to be taken back. It is not
    /// counted by account: somebody with a session is not to keep the owner from the link.
    pub(super) async fn begin_choice(
        &self,
        by: &str,
        client: &Client,
    ) -> Result<Choice, ThrottleError> {
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
        logged("new passwords", &client.network(), counted)?;
        let keys = windows.into_iter().map(|window| window.key);
        Ok(Choice(Some((self.clone(), keys.collect()))))
    }

    /// Whether another network may become known by the use of a session from there: so many a day for each account.
    pub(super) async fn allows_network(
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
            Err(ThrottleError::TooManyRequests(_)) => Ok(false),
            Err(ThrottleError::Db(err)) => Err(err),
        }
    }

    /// All counts of attempts at an account are forgotten: its owner has a new password by an email.
    pub(super) async fn forget_attempts(
        &self,
        tx: &Transaction,
        address: &str,
    ) -> Result<(), DbError> {
        tx.delete_throttles_of(&self.key(&["account", address]))
            .await
    }

    /// The emails that were sent to reset a password are forgotten: the links in them are dead, and the owner may need another.
    pub(super) async fn forget_resets(
        &self,
        tx: &Transaction,
        address: &str,
    ) -> Result<(), DbError> {
        let nobody = Client::default();
        for Period { shared, .. } in self.letters_to(address, Allowance::Resets, &nobody) {
            tx.delete_throttle(&shared.key).await?;
        }
        Ok(())
    }

    /// Whether another email may go to an address, which is counted if so. The client that asked for it is told nothing.
    ///
    /// A network has an allowance of its own beside that of all together: what it takes from the latter is one less, so
    /// that no single network can use it up.
    pub(super) async fn allows_letter(
        &self,
        tx: &Transaction,
        recipient: &str,
        allowance: Allowance,
        client: &Client,
    ) -> Result<bool, DbError> {
        if self.limits().is_none() {
            return Ok(true);
        }
        let now = self.now();
        let periods = self.letters_to(recipient, allowance, client);
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

    /// Holds on to what [`Throttle::allows_letter`] counts for several recipients, until the transaction ends.
    pub(super) async fn hold_letters(
        &self,
        tx: &Transaction,
        recipients: &[&str],
        allowance: Allowance,
        client: &Client,
    ) -> Result<(), DbError> {
        if self.limits().is_some() {
            let now = self.now();
            let periods = recipients
                .iter()
                .flat_map(|to| self.letters_to(to, allowance, client));
            let rows = periods.flat_map(|period| period.rows(now));
            tx.lock_throttles(rows.collect()).await?;
        }
        Ok(())
    }

    /// Whose allowance the email of a reset is taken from.
    pub(super) async fn allowance_of_reset(
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

    /// The emails to an address in an hour, and in a day.
    fn letters_to(&self, recipient: &str, allowance: Allowance, client: &Client) -> [Period; 2] {
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
        let limits = &self.limits;
        [
            period("letters an hour", limits.recipient_letters_hourly, HOUR),
            period("letters a day", limits.recipient_letters_daily, DAY),
        ]
    }

    /// Notes that a reset was asked for and no further email sent: the link in the last one is good for `lifetime` from now,
    /// within a day. So strangers who use up the allowance keep nobody from the account. The same is noted for every address.
    pub(super) async fn prolong_reset(
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

    /// Whether the link of the last reset is good beyond its lifetime: see [`Throttle::prolong_reset`].
    pub(super) async fn is_reset_prolonged(&self, address: &str) -> Result<bool, DbError> {
        let key = self.key(&["prolonged reset", address]);
        let rows = self.db.find_throttles([key]).await?;
        let now = self.now();
        Ok(rows
            .iter()
            .any(|row| is_ahead(row.forget_at, now, LONGEST_PROLONGATION)))
    }
}

impl Auth {
    /// Deletes some of the counts that have expired, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_throttles(&self) -> Result<bool, DbError> {
        self.db.delete_forgotten_throttles().await
    }
}

/// The allowance of emails to an address in a length of time.
struct Period {
    /// Of all networks together.
    shared: Window,
    /// Of the network that asks.
    own: Option<Window>,
}

impl Period {
    fn rows(&self, now: DateTime<Utc>) -> Vec<throttle::Model> {
        let windows = std::iter::once(&self.shared).chain(&self.own);
        windows.map(|window| window.row(now)).collect()
    }
}

impl AccountCounts {
    /// The count that says whether another attempt is allowed.
    fn decisive(&self) -> &String {
        self.shared.as_ref().unwrap_or(&self.own)
    }

    /// The rows, which the transaction holds on to. What has expired begins anew.
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
            }
        }
        Ok(rows)
    }

    /// Takes attempts from this network back: the last one, or all. Where none are left, nothing is: a flood that there is
    /// no time for is not to fill the table.
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
            // A wait that another attempt began stays.
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
    /// The password was right: what its network has counted of the account begins anew, and what others have stays. It is
    /// refused all the same where so many others from this network were wrong meanwhile that it would not have been judged.
    pub(super) async fn was_right(mut self, tx: &Transaction) -> Result<(), ThrottleError> {
        let Some(attempt) = self.0.take() else {
            return Ok(());
        };
        let throttle = &attempt.throttle;
        if !attempt.is_known {
            let limit = throttle.limits.address_failures;
            let windows = throttle.failures_of(&attempt.networks, limit);
            let keys = windows.iter().map(|window| window.key.clone());
            let verdict = judge(&windows, &tx.find_throttles(keys).await?, throttle.now());
            attempt.logged(verdict)?;
        }
        if let Some(account) = &attempt.account {
            account.take_back(tx, throttle.now(), true).await?;
        }
        Ok(())
    }

    /// The password was wrong: the network that it came from has failed once more. Past so many that is not even said.
    pub(super) async fn was_wrong(mut self) -> Result<(), ThrottleError> {
        let Some(attempt) = self.0.take() else {
            return Ok(());
        };
        let throttle = &attempt.throttle;
        let limit = if attempt.is_known {
            i32::MAX
        } else {
            throttle.limits.address_failures
        };
        let counted = throttle.count_failure(&attempt.networks, limit).await;
        attempt.logged(counted)
    }

    /// The password was not judged: it counts for nothing.
    pub(super) async fn was_not_judged(mut self) {
        if let Some(attempt) = self.0.take()
            && let Some(account) = &attempt.account
        {
            let db = &attempt.throttle.db;
            let take_back = async {
                let tx = db.begin().await?;
                account.take_back(&tx, db.clock().now(), false).await?;
                tx.commit().await
            };
            // Where the database does not answer, the count stays; the client is told of the first fault.
            let _: Result<(), DbError> = take_back.await;
        }
    }
}

impl Counted {
    fn logged<T>(&self, outcome: Result<T, ThrottleError>) -> Result<T, ThrottleError> {
        let network = self.networks.first().map_or("", |network| &network.name);
        logged("attempts", network, outcome)
    }
}

impl Choice {
    /// The password was accepted, or not judged: it counts for nothing.
    pub(super) async fn was_not_refused(self) {
        if let Some((throttle, keys)) = self.0 {
            let take_back = async {
                let tx = throttle.db.begin().await?;
                tx.take_back_tries(keys).await?;
                tx.commit().await
            };
            // Where the database does not answer, the count stays, for ten minutes.
            let _: Result<(), DbError> = take_back.await;
        }
    }
}

/// The same, and a line in the log where it was too often.
fn logged<T>(
    reason: &'static str,
    network: &str,
    outcome: Result<T, ThrottleError>,
) -> Result<T, ThrottleError> {
    if let Err(ThrottleError::TooManyRequests(_)) = &outcome {
        Event::Throttled { reason }.log(network);
    }
    outcome
}

/// A count that has not begun.
fn new_row(
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
        forget_at: now + length,
    }
}

/// Refuses an attempt at an account's password where there were too many, or the wait of the last one has not ended.
fn check_count(
    count: &throttle::Model,
    now: DateTime<Utc>,
    limits: &ThrottleSettings,
) -> Result<(), ThrottleError> {
    if !is_ahead(count.forget_at, now, REMEMBERED) {
        return Ok(());
    }
    if count.tries >= limits.account_failures {
        return Err(ThrottleError::TooManyRequests(NO_MORE));
    }
    match count.blocked_until {
        Some(end) if is_ahead(end, now, LONGEST_WAIT) => Err(too_many(end, now)),
        _ => Ok(()),
    }
}

/// Refuses where one of these windows is full.
fn judge(
    windows: &[Window],
    rows: &[throttle::Model],
    now: DateTime<Utc>,
) -> Result<(), ThrottleError> {
    for row in rows {
        let is_full = windows.iter().any(|window| {
            window.key == row.key
                && row.tries >= window.limit
                && is_ahead(row.forget_at, now, window.length)
        });
        if is_full {
            return Err(too_many(row.forget_at, now));
        }
    }
    Ok(())
}

/// Begins a count anew that has expired.
fn renew(row: &mut throttle::Model, now: DateTime<Utc>, length: TimeDelta) {
    if !is_ahead(row.forget_at, now, length) {
        row.tries = 0;
        row.begun_at = now;
        row.forget_at = now + length;
    }
}

/// Whether something ends at a time that is still to come. One that is further away than it can be was written down while the
/// clock was wrong.
fn is_ahead(end: DateTime<Utc>, now: DateTime<Utc>, longest: TimeDelta) -> bool {
    now < end && end <= now + longest
}

/// How long the next attempt has to wait after so many: 1 s, 2 s, 4 s and so on.
fn wait_after(attempts: i32, limits: &ThrottleSettings) -> Option<TimeDelta> {
    let doublings = u32::try_from(attempts - limits.account_free_failures).ok()?;
    // Past ten the longest is reached.
    Some(TimeDelta::seconds(1 << doublings.min(10)).min(LONGEST_WAIT))
}

fn too_many(end: DateTime<Utc>, now: DateTime<Utc>) -> ThrottleError {
    ThrottleError::TooManyRequests((end - now).to_std().unwrap_or_default())
}
