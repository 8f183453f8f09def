//! Bounds on what a client can take: connections, idle time, time per request, bytes of its head.
//!
//! A request's body is read only where a command is in it, within a bound of its own. The bounds
//! hold for well-meaning and hostile clients alike; at each of them the client is told, or its
//! connection closed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant, Sleep};

use crate::expose::problem::Problem;
use crate::expose::tls::{Doors, Stream};

/// Connections at the same time; further ones wait in the listen queue of the system.
const CONNECTIONS_MAX: usize = 512;

/// How long a connection may stay without a byte in either direction; then it is closed.
const IDLE_MAX: Duration = Duration::from_mins(2);

/// How long a request may take until its answer begins; then it is answered with 503.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The longest path with query; a longer one is answered with 414. Three names of 128 bytes, all
/// of them percent-encoded, and some parameters need less than a quarter.
const URI_BYTES_MAX: usize = 8 * 1024;

/// The most bytes of all header fields; more are answered with 431.
const HEADERS_BYTES_MAX: usize = 32 * 1024;

/// What browsers may do with an answer that is no page: nothing.
const BARE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// A listener that takes no more than [`CONNECTIONS_MAX`] connections.
#[derive(Debug)]
pub(super) struct Listener {
    inner: TcpListener,
    /// None without TLS.
    doors: Option<Doors>,
    room: Arc<Semaphore>,
}

impl Listener {
    pub(super) fn new(inner: TcpListener, doors: Option<Doors>) -> Self {
        Self {
            inner,
            doors,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // the semaphore is never closed, so there is a permit in the end
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        let (stream, peer) = axum::serve::Listener::accept(&mut self.inner).await;
        let stream = match &self.doors {
            Some(doors) => doors.open(stream),
            None => Stream::Plain(stream),
        };
        (Connection::new(stream, permit), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that ends when nothing happens on it for [`IDLE_MAX`].
pub(super) struct Connection {
    stream: Stream,
    idle: Pin<Box<Sleep>>,
    /// Given back when the connection is dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: Stream, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            stream,
            idle: Box::pin(time::sleep(IDLE_MAX)),
            _permit: permit,
        }
    }

    /// What an operation gave; while it gives nothing, time passes.
    fn checked<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            let now = self.idle.deadline().checked_sub(IDLE_MAX);
            // moving the timer for each of many small writes would cost more than they do
            if now.is_some_and(|set| set.elapsed() > Duration::from_secs(1)) {
                self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
            }
            return done;
        }
        ready!(self.idle.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.checked(done, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.checked(done, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.checked(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Checks a request's head, bounds its time, and says of each answer what browsers must know.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let uri = request
        .uri()
        .path_and_query()
        .map_or(0, |uri| uri.as_str().len());
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let mut response = if uri > URI_BYTES_MAX {
        Problem::LongUri(URI_BYTES_MAX).into_response()
    } else if headers > HEADERS_BYTES_MAX {
        Problem::LargeHeaders(HEADERS_BYTES_MAX).into_response()
    } else {
        match time::timeout(REQUEST_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_elapsed) => Problem::Slow(REQUEST_MAX.as_secs()).into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // names are data from strangers: nothing here is ever to be taken for something else
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // not `no-referrer`: browsers would name no origin in forms
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // pages bring a policy of their own, all else is not for browsers to run
    let policy = headers.entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static(BARE_POLICY));
    response
}
