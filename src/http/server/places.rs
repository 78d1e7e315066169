//! Places for connections: which connection gets one, and which one gives it up for another.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    auth::Client,
    http::{
        proxies::TrustedProxies,
        shares::{Refusal, Share, Shares},
    },
};

/// The timeout of a header, from its first byte. On a new connection it starts with the connection.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection that must give up its place has to close, before the next one must.
const GIVE_UP_PAUSE: Duration = Duration::from_millis(100);

/// The places of all connections.
pub(super) struct Places {
    shares: Arc<Shares>,
    proxies: TrustedProxies,
    next_id: AtomicU64,
    taken: Mutex<HashMap<u64, Arc<Connection>>>,
    is_left: Notify,
    warning: Once,
}

/// The place of one connection. It becomes free when this is dropped.
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    // Dropped in this order: the unit is free before waiting connections are notified.
    _share: Share,
    _entry: Entry,
}

/// The entry of a connection in the list of taken places.
struct Entry {
    id: u64,
    places: Arc<Places>,
}

/// The state of a connection.
pub(super) struct Connection {
    /// The network that it counts for. `None` for a trusted proxy.
    network: Option<Arc<str>>,
    phase: Mutex<Phase>,
    /// Notified when another connection needs the place.
    is_given_up: Notify,
}

/// The phase of a connection, and when it began.
#[derive(Clone, Copy)]
enum Phase {
    /// No byte was read yet.
    New(Instant),
    /// A header has begun.
    Header(Instant),
    /// A request is being received or answered.
    Busy,
    /// The last answer was written, and nothing was read since.
    Idle(Instant),
}

/// The connections that wait for a request, from the point of view of one network.
#[derive(Default)]
struct Waiting {
    of_others: usize,
    /// The connection that has waited longest: of this network, and of all.
    own: Option<(Instant, Arc<Connection>)>,
    any: Option<(Instant, Arc<Connection>)>,
}

impl Places {
    pub(super) fn new(amount: usize, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self {
            shares: Shares::new(amount),
            proxies,
            next_id: AtomicU64::new(0),
            taken: Mutex::default(),
            is_left: Notify::new(),
            warning: Once::new(),
        })
    }

    /// Takes a place for a connection from this address. `None` if its network has used its share.
    ///
    /// If no place is free, connections that wait for a request give up theirs, the one that has waited longest first.
    /// A network that has used its share can take only places of its own connections.
    pub(super) async fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let network = self.network_of(peer);
        let mut share = self.shares.share_of(network.clone());
        if share.take(1).is_ok() {
            return Some(self.give(share, network));
        }
        loop {
            let waiting = self.waiting_beside(network.as_ref());
            let longest = match share.take_beside(1, waiting.of_others) {
                Ok(()) => return Some(self.give(share, network)),
                Err(Refusal::NoneFree) => waiting.any,
                Err(Refusal::PastShare) => waiting.own,
            };
            let Some((_, connection)) = longest else {
                self.warn_of(peer);
                return None;
            };
            connection.is_given_up.notify_one();
            // If the connection stays, because it has just got a request, the next one is chosen.
            let _: Result<(), _> =
                tokio::time::timeout(GIVE_UP_PAUSE, self.is_left.notified()).await;
        }
    }

    /// Warns, once, that a connection is closed because there are too many.
    fn warn_of(&self, peer: IpAddr) {
        self.warning.call_once(|| {
            tracing::warn!(
                %peer,
                "closed a connection: its network has used its share of them. If this is your proxy, add it to \
                 BIENVENUE_TRUSTED_PROXIES"
            );
        });
    }

    /// The network that a connection counts for. `None` for a trusted proxy, which carries the requests of many
    /// clients.
    fn network_of(&self, peer: IpAddr) -> Option<Arc<str>> {
        let ip = peer.to_canonical();
        let client = Client {
            ip: Some(ip),
            ..Client::default()
        };
        (!self.proxies.contains(ip)).then(|| client.block().into())
    }

    fn give(self: &Arc<Self>, share: Share, network: Option<Arc<str>>) -> Place {
        let connection = Arc::new(Connection {
            network,
            phase: Mutex::new(Phase::New(Instant::now())),
            is_given_up: Notify::new(),
        });
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.taken().insert(id, Arc::clone(&connection));
        Place {
            connection,
            _share: share,
            _entry: Entry {
                id,
                places: Arc::clone(self),
            },
        }
    }

    /// Looks at all connections. This happens only when a network gets no place.
    fn waiting_beside(&self, network: Option<&Arc<str>>) -> Waiting {
        let mut waiting = Waiting::default();
        for connection in self.taken().values() {
            let Some(since) = connection.waits_since() else {
                continue;
            };
            let is_longest = |longest: &Option<(Instant, _)>| {
                longest.as_ref().is_none_or(|(other, _)| since < *other)
            };
            if network.is_some() && connection.network.as_ref() == network {
                if is_longest(&waiting.own) {
                    waiting.own = Some((since, Arc::clone(connection)));
                }
            } else {
                waiting.of_others += 1;
            }
            if is_longest(&waiting.any) {
                waiting.any = Some((since, Arc::clone(connection)));
            }
        }
        waiting
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.places.taken().remove(&self.id);
        self.places.is_left.notify_one();
    }
}

impl Connection {
    /// Records that something was read.
    pub(super) fn heard(&self) {
        let mut phase = self.phase();
        if let Phase::New(_) | Phase::Idle(_) = *phase {
            *phase = Phase::Header(Instant::now());
        }
    }

    /// Records that a whole header was read.
    pub(super) fn asked(&self) {
        *self.phase() = Phase::Busy;
    }

    /// Records that the answer exists and is being written.
    pub(super) fn answered(&self) {
        *self.phase() = Phase::Idle(Instant::now());
    }

    /// Records that something was written.
    pub(super) fn wrote(&self) {
        let mut phase = self.phase();
        if let Phase::Idle(since) = &mut *phase {
            *since = Instant::now();
        }
    }

    /// When the wait for a request times out. `None` while a request is running.
    pub(super) fn deadline(&self, keep_alive: Duration) -> Option<Instant> {
        match *self.phase() {
            Phase::New(since) | Phase::Header(since) => Some(since + HEADER_LIMIT),
            Phase::Idle(since) => Some(since + keep_alive),
            Phase::Busy => None,
        }
    }

    /// Waits until another connection needs the place.
    pub(super) async fn given_up(&self) {
        self.is_given_up.notified().await;
    }

    /// Whether no request is running.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits_since().is_some()
    }

    fn waits_since(&self) -> Option<Instant> {
        match *self.phase() {
            Phase::New(since) | Phase::Header(since) | Phase::Idle(since) => Some(since),
            Phase::Busy => None,
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
