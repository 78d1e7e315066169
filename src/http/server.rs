//! Connections: how they are accepted, their timeouts, and how they end.
//!
//! poem has a server of its own. But it has no timeout for headers, and during shutdown it cuts off connections that it
//! has not read from yet. This one drives hyper with poem's endpoints.

mod places;

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use poem::{
    Endpoint, Request, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::io::{InspectReader, InspectWriter};

use super::options::HttpOptions;
use places::{Connection, Place, Places};

/// The maximum number of connections.
const MOST_CONNECTIONS: u64 = 4096;

/// How many file descriptors are reserved for everything else: the database, the log, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;

/// How long a client may pause while it reads an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// The longest header, in bytes.
const LONGEST_HEADER: usize = 16 * 1024;

/// During shutdown: how long requests that are on their way may still arrive, before idle connections are closed.
const GRACE: Duration = Duration::from_millis(200);

/// During shutdown: how long running requests may take to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The pause after the system failed to accept a connection, so that it can recover.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `stop` is ready. Then it accepts no more, lets running requests end, for 10 s at most, and
/// returns.
pub(crate) async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    options: HttpOptions,
    stop: impl Future<Output = ()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let endpoint = Arc::new(endpoint);
    let keep_alive = options.keep_alive;
    let places = Places::new(most_connections(), options.trusted_proxies);
    let connections = GracefulShutdown::new();
    let take = |stream: TcpStream, place: Place| {
        let (endpoint, watcher) = (Arc::clone(&endpoint), connections.watcher());
        tokio::spawn(converse(stream, endpoint, place, keep_alive, watcher));
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            (stream, place) = accept(&listener, &places) => take(stream, place),
        }
    }
    // Connections in the system's queue are served too, though this process has not accepted them yet.
    let late = async {
        loop {
            let (stream, place) = accept(&listener, &places).await;
            take(stream, place);
        }
    };
    let _: Result<(), _> = tokio::time::timeout(GRACE, late).await;
    drop(listener);
    let open = connections.count();
    if tokio::time::timeout(DRAIN_LIMIT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the shutdown timed out: some of {open} connections were cut off");
    }
}

/// The maximum number of connections, limited by the available file descriptors. With more, everything else would fail
/// too.
fn most_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Most systems have a higher limit for processes that request it.
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // `None` means unlimited.
    let most = descriptors.map_or(MOST_CONNECTIONS, |descriptors| {
        descriptors
            .saturating_sub(RESERVED_DESCRIPTORS)
            .clamp(1, MOST_CONNECTIONS)
    });
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Accepts the next connection that gets a place. A connection whose network has used its share is closed.
async fn accept(listener: &TcpListener, places: &Arc<Places>) -> (TcpStream, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(place) = places.take(peer.ip()).await {
                    return (stream, place);
                }
            }
            // The client has disconnected, or the process is out of file descriptors. The next attempt may succeed.
            Err(err) => {
                tracing::warn!(%err, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after another.
async fn converse<E>(
    stream: TcpStream,
    endpoint: Arc<E>,
    place: Place,
    keep_alive: Duration,
    watcher: Watcher,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let Ok((local, remote)) = addresses(&stream) else {
        return; // It is gone already.
    };
    let connection = &place.connection;
    let asked = Arc::clone(connection);
    let answer = service_fn(move |request| {
        let (endpoint, asked) = (Arc::clone(&endpoint), Arc::clone(&asked));
        let request = Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
        async move {
            asked.asked();
            let response = endpoint.get_response(request).await;
            asked.answered();
            Ok::<_, Infallible>(response.into())
        }
    });
    let (heard, wrote) = (Arc::clone(connection), Arc::clone(connection));
    let stream = InspectReader::new(stream, move |bytes: &[u8]| {
        if !bytes.is_empty() {
            heard.heard();
        }
    });
    let stream = InspectWriter::new(stream, move |_: &[u8]| wrote.wrote());
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_LIMIT));
    let conversation = http1::Builder::new()
        // hyper would apply one timeout to connections that are idle and to those in the middle of a header.
        .header_read_timeout(None)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    let mut conversation = pin!(watcher.watch(conversation));
    loop {
        tokio::select! {
            () = limited(conversation.as_mut(), connection, keep_alive) => return,
            // If a request has just arrived, it is answered first.
            () = connection.given_up() => if connection.is_waiting() {
                return;
            }
        }
    }
}

/// Drives a connection until it ends, or until a deadline for its client has passed.
async fn limited<T>(
    mut conversation: Pin<&mut impl Future<Output = T>>,
    connection: &Connection,
    keep_alive: Duration,
) {
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        // Only the client needs to know how a connection failed.
        if conversation.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(deadline) = connection.deadline(keep_alive) else {
            return Poll::Pending;
        };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    })
    .await;
}

/// The addresses of both ends of a connection.
fn addresses(stream: &TcpStream) -> io::Result<(LocalAddr, RemoteAddr)> {
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    Ok((LocalAddr(local.into()), RemoteAddr(remote.into())))
}
