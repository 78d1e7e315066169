//! Connections: which are taken, how long one waits for what they have to say, and how they end.
//!
//! poem has a server, but one that waits for ever for a header, and at the end cuts off who has been
//! connected and not yet read. This one drives hyper with poem's endpoints.

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
use hyper_util::rt::TokioIo;
use poem::{
    Endpoint, Request, Response,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{
    io::{InspectReader, InspectWriter},
    task::TaskTracker,
};

use crate::config::Settings;
use places::{Connection, Place, Places};

/// How many connections there can be.
const MOST_CONNECTIONS: u64 = 4096;

/// How many descriptors are left for everything else: the database, the log, the runtime.
const RESERVED_DESCRIPTORS: u64 = 128;

/// How long a client may take to read what it asked for, from one piece to the next.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

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
pub(crate) async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    settings: &Settings,
    stop: impl Future<Output = ()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let endpoint = Arc::new(endpoint);
    let keep_alive = settings.listen.keep_alive;
    let proxies = settings.trusted_proxies.clone().unwrap_or_default();
    let places = Places::new(most_connections(), proxies);
    let connections = TaskTracker::new();
    let (closing, is_closing) = watch::channel(false);
    let take = |stream: TcpStream, place: Place| {
        let (endpoint, is_closing) = (Arc::clone(&endpoint), is_closing.clone());
        connections.spawn(converse(stream, endpoint, place, keep_alive, is_closing));
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            (stream, place) = accept(&listener, &places) => take(stream, place),
        }
    }
    // Who is connected by now is served, also if the system alone knows of it yet.
    let late = async {
        loop {
            let (stream, place) = accept(&listener, &places).await;
            take(stream, place);
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

/// The next connection that there is a place for. One whose network has its share is closed.
async fn accept(listener: &TcpListener, places: &Arc<Places>) -> (TcpStream, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(place) = places.take(peer.ip()).await {
                    return (stream, place);
                }
            }
            // Somebody hung up, or the process has no descriptor to spare: the next may fare better.
            Err(err) => {
                tracing::warn!(%err, "a connection could not be taken");
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
    mut is_closing: watch::Receiver<bool>,
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
        // hyper would give a connection that says nothing as long as one that has begun a header.
        .header_read_timeout(None)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    let mut conversation = pin!(conversation);
    tokio::select! {
        () = limited(conversation.as_mut(), connection, keep_alive) => return,
        _ = is_closing.wait_for(|is_closing| *is_closing) => {}
        // A request may just have come: that one is answered.
        () = connection.given_up() => if connection.is_waiting() {
            return;
        }
    }
    conversation.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            () = limited(conversation.as_mut(), connection, keep_alive) => return,
            // Asked again: its answer is written, or nobody reads it.
            () = connection.given_up() => if connection.is_waiting() {
                return;
            }
        }
    }
}

/// Goes on with a conversation until it is over, or the other side has said nothing for too long.
async fn limited<T>(
    mut conversation: Pin<&mut impl Future<Output = T>>,
    connection: &Connection,
    keep_alive: Duration,
) {
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        // How a conversation failed is of interest to the other side alone.
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

/// Both ends of a connection.
fn addresses(stream: &TcpStream) -> io::Result<(LocalAddr, RemoteAddr)> {
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    Ok((LocalAddr(local.into()), RemoteAddr(remote.into())))
}
