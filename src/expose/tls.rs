//! TLS, where `http.tls` names a certificate: handshakes, and certificates that are renewed.
//!
//! ```text
//! accept --Stream::Opening--> first read or write: the handshake, HANDSHAKE_MAX at most --> Open
//! files --every LOOK_INTERVAL--> another pair that is right --> connections from then on
//! ```
//!
//! A handshake is made by the task of its connection, so one that takes its time is in nobody's
//! way. A pair of files that is not right, such as one of which only one half was renewed yet, is
//! told once and changes nothing: what was served goes on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task;
use tokio::time::{self, Sleep};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::config::{CertificateError, CertificateFiles};
use crate::expose::ExposeError;
use crate::telemetry::error_chain;

/// How long a handshake may take; then the connection is closed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What is spoken inside.
const ALPN: &[u8] = b"http/1.1";

/// The certificate in force, and its files.
#[derive(Debug)]
pub struct Tls {
    files: CertificateFiles,
    seen: Result<[u8; 32], CertificateError>,
    current: watch::Sender<Arc<ServerConfig>>,
    look_interval: Duration,
    handshake_max: Duration,
}

impl Tls {
    /// Reads the certificate for the first time.
    pub fn open(files: CertificateFiles) -> Result<Self, ExposeError> {
        let loaded = files.load()?;
        Ok(Self {
            files,
            seen: Ok(loaded.digest),
            current: watch::Sender::new(server(loaded.signed)?),
            look_interval: LOOK_INTERVAL,
            handshake_max: HANDSHAKE_MAX,
        })
    }

    /// What makes handshakes with the certificate of their moment.
    pub(super) fn doors(&self) -> Doors {
        Doors {
            current: self.current.subscribe(),
            handshake_max: self.handshake_max,
        }
    }

    /// Takes up renewed certificates, for ever.
    pub(super) async fn watch(mut self) {
        loop {
            time::sleep(self.look_interval).await;
            let files = self.files.clone();
            // a runtime that ends gives nothing, and needs nothing
            if let Ok(found) = task::spawn_blocking(move || files.load()).await {
                let seen = found.as_ref().map(|found| found.digest);
                let seen = seen.map_err(Clone::clone);
                if seen != self.seen {
                    self.seen = seen;
                    self.take_up(found.map(|found| found.signed));
                }
            }
        }
    }

    fn take_up(&self, found: Result<Arc<CertifiedKey>, CertificateError>) {
        let config = found.map_err(ExposeError::from).and_then(server);
        match config {
            Ok(config) => {
                self.current.send_replace(config);
                tracing::info!("a renewed certificate is served");
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(%error, "a renewed certificate cannot be used; the old one stays");
            }
        }
    }
}

fn server(signed: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, ExposeError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions
        .map_err(ExposeError::Tls)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(signed)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// Where connections of TLS come in.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    current: watch::Receiver<Arc<ServerConfig>>,
    handshake_max: Duration,
}

impl Doors {
    /// A connection whose handshake is still to be made.
    pub(super) fn open(&self, stream: TcpStream) -> Stream {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.borrow()));
        Stream::Opening(Box::new(Opening {
            accept: acceptor.accept(stream),
            limit: Box::pin(time::sleep(self.handshake_max)),
        }))
    }
}

/// A connection, with TLS or without.
pub(super) enum Stream {
    /// Without.
    Plain(TcpStream),
    /// With it, from the first bytes on.
    Opening(Box<Opening>),
    /// With it, after the handshake.
    Open(Box<TlsStream<TcpStream>>),
    /// After a handshake that failed.
    Closed,
}

/// A handshake under way.
pub(super) struct Opening {
    accept: Accept<TcpStream>,
    limit: Pin<Box<Sleep>>,
}

impl Opening {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<TlsStream<TcpStream>>> {
        if self.limit.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.accept).poll(context)
    }
}

/// What bytes go through.
trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

impl Stream {
    /// What bytes go through, once the handshake is made.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Bytes>>> {
        if let Self::Opening(opening) = self {
            let made = ready!(opening.poll(context));
            *self = Self::Closed;
            match made {
                Ok(stream) => *self = Self::Open(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%error, "a handshake failed");
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match self {
            Self::Plain(stream) => Ok(Pin::new(stream)),
            Self::Open(stream) => Ok(Pin::new(&mut **stream)),
            Self::Opening(_) | Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(context))?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(context))?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(context))?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        // of both kinds
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            // nothing was written yet
            Self::Opening(_) | Self::Closed => Poll::Ready(Ok(())),
            Self::Plain(_) | Self::Open(_) => ready!(self.poll_open(context))?.poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            // closed as it is dropped
            Self::Opening(_) | Self::Closed => Poll::Ready(Ok(())),
            Self::Plain(_) | Self::Open(_) => {
                ready!(self.poll_open(context))?.poll_shutdown(context)
            }
        }
    }
}

#[cfg(test)]
mod tests;
