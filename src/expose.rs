//! The HTTP surface: pages for people, metrics for Prometheus, JSON for programs, problem documents
//! for mistakes.
//!
//! ```text
//! fold --publish--> Shared (the current Arc<Board>) <--board-- request --spawn_blocking--> answer
//! ```
//!
//! A request takes the board of its moment and works on that alone, so it never calls into the fold
//! and cannot slow it down; what it may cost is bounded by the constants here and in the parts:
//!
//! ```text
//! auth      tokens: who may read, and who may give commands
//! guard     connections, idle time, time per request, bytes of a request's head
//! tls       handshakes, and certificates that are renewed
//! session   who signed in with a browser, and that a form is one of ours
//! api       routes
//! work      what asks for more than a look runs on few threads beside the runtime's
//! order     commands, by JSON or by a form
//! query     parameters: each known, each at most once, each said what is wrong with it
//! find      model version, series, window and time on the board
//! view      the shapes of answers (the only part that names serde)
//! page      the web view, of the same shapes (the only part that names maud)
//! metrics   what Prometheus scrapes (the only part that names prometheus)
//! problem   what is wrong and what to do, as RFC 9457 documents
//! ```
//!
//! What is read, without side effects; model, version and series are percent-encoded:
//!
//! ```text
//! /  /alerts  /alerts/{id}  /journal  /status
//! /models/{model}/versions/{version}  /models/{model}/versions/{version}/series/{series}
//! /metrics  /-/healthy  /-/ready
//! /api/v1/models  /api/v1/alerts  /api/v1/mutes  /api/v1/journal  /api/v1/status
//! /api/v1/models/{model}/versions/{version}/scores
//! /api/v1/models/{model}/versions/{version}/series/{series}
//! /api/v1/models/{model}/versions/{version}/series/{series}/history
//! /api/v1/models/{model}/versions/{version}/reference
//! ```
//!
//! Commands, which are appended to the state log and answered with 202:
//!
//! ```text
//! POST   /api/v1/alerts/{id}/acknowledge
//! POST   /api/v1/mutes
//! DELETE /api/v1/mutes/{id}
//! POST   /api/v1/models/{model}/versions/{version}/baseline
//! ```

use std::fmt;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Extension;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::time;
use tokio_rustls::rustls;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::{CertificateError, SurfaceLimits, Tokens};
use crate::expose::session::OverTls;
use crate::journal::Journal;
use crate::statelog::AppendError;
use crate::statelog::record::Record;
use crate::time::Timestamp;
use crate::webhook::Standing;

mod api;
mod auth;
mod find;
mod guard;
pub mod metrics;
mod order;
mod page;
mod problem;
mod query;
mod session;
mod tls;
pub mod view;
mod work;

pub use self::tls::Tls;

#[cfg(test)]
mod fixture;

/// Requests that may compute at the same time; further ones wait for [`COMPUTE_WAIT_MAX`] and are
/// then told to come back.
const COMPUTE_MAX: usize = 4;

/// How long a request waits to compute.
const COMPUTE_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long requests under way may take to end once the server is told to stop; then they are cut.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Why there is no surface.
#[derive(Debug, thiserror::Error)]
pub enum ExposeError {
    /// Another process listens there.
    #[error(
        "cannot listen on {0}: another process does; stop it, or set `http.listen` to another \
         port (port 0 takes a free one)"
    )]
    InUse(SocketAddr),
    /// The port needs privileges.
    #[error(
        "cannot listen on {0}: not permitted; set `http.listen` to a port above 1023, or give \
         driftd the capability CAP_NET_BIND_SERVICE"
    )]
    NotPermitted(SocketAddr),
    /// The address is not one of this machine.
    #[error(
        "cannot listen on {0}: this machine has no such address; set `http.listen` to one that it \
         has, 127.0.0.1 for this machine only or 0.0.0.0 for all"
    )]
    NoSuchAddress(SocketAddr),
    /// Something else.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The files of the certificate are not right.
    #[error("cannot serve TLS")]
    Certificate(#[from] CertificateError),
    /// TLS itself does not work.
    #[error("cannot serve TLS")]
    Tls(#[source] rustls::Error),
    /// Serving ended by itself.
    #[error("the HTTP surface stopped")]
    Serve(#[source] io::Error),
}

/// What this instance knows of a partition that it consumes, or stopped consuming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Whether it is assigned to this instance.
    pub assigned: bool,
    /// The position of the next record to be read.
    pub position: i64,
    /// The position after the last record that can be read, once known.
    pub high: Option<i64>,
    /// Records between the two, once known.
    pub lag: Option<i64>,
    /// Whether all that can be read was read.
    pub at_end: bool,
    /// Why it is no longer read: a bounded reason such as `truncated`.
    pub stopped: Option<Arc<str>>,
}

type Append = dyn Fn(&Record) -> Result<(), AppendError> + Send + Sync;
type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// How commands reach the state log, and when they were given.
#[derive(Clone)]
struct Commands {
    clock: Clock,
    append: Arc<Append>,
}

/// What only this instance knows, asked when it is shown: never part of the board, since all
/// replicas have the same board.
#[derive(Clone)]
struct Local {
    partitions: Ask<Vec<PartitionView>>,
    append_errors: Ask<u64>,
    dead_letters_failed: Ask<u64>,
    fold_lag: Ask<Option<u64>>,
    /// The length of the files that packed counts lie in.
    spilled: Ask<u64>,
    /// The log time of the newest snapshot, and how many were not written.
    snapshots: Ask<(Option<Timestamp>, u64)>,
    webhooks: Ask<Vec<Standing>>,
    journal: Journal,
    /// None where all may read and nobody may command.
    tokens: Option<Arc<Tokens>>,
    /// Whether all may read where there are tokens.
    open_reads: bool,
    /// None until the state log is open.
    commands: Option<Commands>,
}

/// What the server reads; shared with those who write it.
pub struct Shared {
    /// A std lock, since it is held only to clone or replace a pointer.
    board: RwLock<Option<Arc<Board>>>,
    local: RwLock<Local>,
    compute: Arc<Semaphore>,
    /// Scrapes render one after the other: the second one finds what the first has cached.
    page: Arc<Mutex<metrics::Page>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.board().map(|board| board.position);
        f.debug_struct("Shared")
            .field("position", &position)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Nothing to show yet.
    pub fn new(limits: SurfaceLimits) -> Self {
        Self {
            board: RwLock::new(None),
            local: RwLock::new(Local {
                partitions: Arc::new(Vec::new),
                append_errors: Arc::new(|| 0),
                dead_letters_failed: Arc::new(|| 0),
                fold_lag: Arc::new(|| None),
                spilled: Arc::new(|| 0),
                snapshots: Arc::new(|| (None, 0)),
                webhooks: Arc::new(Vec::new),
                journal: Journal::default(),
                tokens: None,
                open_reads: false,
                commands: None,
            }),
            compute: Arc::new(Semaphore::new(COMPUTE_MAX)),
            page: Arc::new(Mutex::new(metrics::Page::new(limits))),
        }
    }

    /// Shows this board from now on; requests under way keep the one that they took.
    pub fn publish(&self, board: Arc<Board>) {
        let before = self
            .board
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(board);
        // freed outside of the lock: it may be the last one to hold panes that were evicted
        drop(before);
    }

    /// The current board.
    pub fn board(&self) -> Option<Arc<Board>> {
        self.board
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says how to ask for the partitions of this instance; it must answer at once.
    pub fn set_source(&self, status: impl Fn() -> Vec<PartitionView> + Send + Sync + 'static) {
        self.set_local(|local| local.partitions = Arc::new(status));
    }

    /// Says how to ask for the number of failed appends to the state log.
    pub fn set_append_errors(&self, errors: impl Fn() -> u64 + Send + Sync + 'static) {
        self.set_local(|local| local.append_errors = Arc::new(errors));
    }

    /// Says how to ask for the number of rejected records that could not be copied.
    pub fn set_dead_letters_failed(&self, failed: impl Fn() -> u64 + Send + Sync + 'static) {
        self.set_local(|local| local.dead_letters_failed = Arc::new(failed));
    }

    /// Says how to ask for the log time of the newest snapshot, and how many were not written.
    pub fn set_snapshots(
        &self,
        snapshots: impl Fn() -> (Option<Timestamp>, u64) + Send + Sync + 'static,
    ) {
        self.set_local(|local| local.snapshots = Arc::new(snapshots));
    }

    /// Says how to ask for the records of the state log not folded yet, where that is known.
    pub fn set_fold_lag(&self, lag: impl Fn() -> Option<u64> + Send + Sync + 'static) {
        self.set_local(|local| local.fold_lag = Arc::new(lag));
    }

    /// Says how to ask for the length of the files that packed counts lie in.
    pub fn set_spilled(&self, spilled: impl Fn() -> u64 + Send + Sync + 'static) {
        self.set_local(|local| local.spilled = Arc::new(spilled));
    }

    /// Says how to ask for how webhooks do on this instance.
    pub fn set_webhooks(&self, webhooks: impl Fn() -> Vec<Standing> + Send + Sync + 'static) {
        self.set_local(|local| local.webhooks = Arc::new(webhooks));
    }

    /// Shows this journal from now on.
    pub fn set_journal(&self, journal: Journal) {
        self.set_local(|local| local.journal = journal);
    }

    /// Asks for these tokens from now on, or for none; with `open_reads` only for commands.
    pub fn set_tokens(&self, tokens: Option<Tokens>, open_reads: bool) {
        self.set_local(|local| {
            local.tokens = tokens.map(Arc::new);
            local.open_reads = open_reads;
        });
    }

    /// Says how to append commands to the state log; it must not wait.
    pub fn set_commands(
        &self,
        clock: Clock,
        append: impl Fn(&Record) -> Result<(), AppendError> + Send + Sync + 'static,
    ) {
        let append = Arc::new(append);
        self.set_local(|local| local.commands = Some(Commands { clock, append }));
    }

    fn set_local(&self, change: impl FnOnce(&mut Local)) {
        change(&mut self.local.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn local(&self) -> Local {
        self.local
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Listens; the port of the result tells which one a configured port 0 became.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, ExposeError> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ExposeError::InUse(listen),
            io::ErrorKind::PermissionDenied => ExposeError::NotPermitted(listen),
            io::ErrorKind::AddrNotAvailable => ExposeError::NoSuchAddress(listen),
            _ => ExposeError::Listen(listen, error),
        })
}

/// Answers requests, over TLS or plainly, until `shutdown` is done, and then those under way, for
/// 5 s at most.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ExposeError> {
    let (stopping, stopped) = oneshot::channel::<()>();
    let signal = async move {
        shutdown.await;
        drop(stopping);
    };
    let listener = guard::Listener::new(listener, tls.as_ref().map(Tls::doors));
    let router = match &tls {
        Some(_) => api::router(shared).layer(Extension(OverTls)),
        None => api::router(shared),
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(signal);
    let renewed = async {
        match tls {
            Some(tls) => tls.watch().await,
            None => future::pending().await,
        }
    };
    let cut = async move {
        // an error is what is waited for: nothing is ever sent
        drop(stopped.await);
        time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        ended = server => ended.map_err(ExposeError::Serve),
        () = pin!(cut) => Ok(()),
        () = renewed => Ok(()),
    }
}
