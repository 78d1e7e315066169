//! Connections: which are taken, how long one waits for what they have to say, and how they end.
//!
//! poem has a server, but one that waits for ever for a header, and at the end cuts off who has been
//! connected and not yet read. This one drives hyper with poem's endpoints.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Endpoint, Request, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;

/// How many connections there can be; who comes when there are so many waits.
const MOST_CONNECTIONS: u64 = 4096;

/// How many descriptors are left for everything else: the database, the log, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;

/// How long a client may take to read what it asked for, from one piece to the next.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// How long one waits for the header of a request, from the moment the one before was answered.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// The longest header, in bytes.
const LONGEST_HEADER: usize = 16 * 1024;

/// How long one waits for what is on its way, when the service is told to stop, before connections that
/// have nothing to say are closed.
const GRACE: Duration = Duration::from_millis(200);

/// How long requests that are under way have to end when the service is told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// What the system needs to recover, when it has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `stop` is ready; then takes no more, lets those that are under way end, for 10 s
/// at most, and returns.
pub(crate) async fn serve<E>(listener: TcpListener, endpoint: E, stop: impl Future<Output = ()>)
where
    E: Endpoint<Output = Response> + 'static,
{
    let endpoint = Arc::new(endpoint);
    let slots = Arc::new(Semaphore::new(most_connections()));
    let connections = TaskTracker::new();
    let (closing, is_closing) = watch::channel(false);
    let take = |stream: TcpStream, slot: OwnedSemaphorePermit| {
        let converse = converse(stream, Arc::clone(&endpoint), is_closing.clone());
        connections.spawn(async move {
            converse.await;
            drop(slot);
        });
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            (stream, slot) = accept(&listener, &slots) => take(stream, slot),
        }
    }
    // Who is connected by now is served, also if the system alone knows of it yet.
    let late = async {
        loop {
            let (stream, slot) = accept(&listener, &slots).await;
            take(stream, slot);
        }
    };
    let _: Result<(), _> = tokio::time::timeout(GRACE, late).await;
    drop(listener);
    closing.send_replace(true);
    connections.close();
    if tokio::time::timeout(DRAIN_LIMIT, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("{} connections were cut off", connections.len());
    }
}

/// As many connections as the system has descriptors for: beyond that, everything else would fail too.
fn most_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Most systems allow more to who asks than to who doesn't.
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // No limit is more than enough.
    let most = descriptors.map_or(MOST_CONNECTIONS, |descriptors| {
        descriptors
            .saturating_sub(RESERVED_DESCRIPTORS)
            .clamp(1, MOST_CONNECTIONS)
    });
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// The next connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            // Somebody hung up, or the process has no descriptor to spare: the next may fare better.
            Err(err) => {
                tracing::warn!(%err, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after another.
async fn converse<E>(stream: TcpStream, endpoint: Arc<E>, mut is_closing: watch::Receiver<bool>)
where
    E: Endpoint<Output = Response> + 'static,
{
    let Ok((local, remote)) = addresses(&stream) else {
        return; // It is gone already.
    };
    let answer = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        let request = Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
        async move { Ok::<_, Infallible>(endpoint.get_response(request).await.into()) }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_LIMIT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    tokio::pin!(connection);
    // How a conversation failed is of interest to the other side alone.
    tokio::select! {
        _ = &mut connection => return,
        _ = is_closing.wait_for(|is_closing| *is_closing) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Both ends of a connection.
fn addresses(stream: &TcpStream) -> io::Result<(LocalAddr, RemoteAddr)> {
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    Ok((LocalAddr(local.into()), RemoteAddr(remote.into())))
}
