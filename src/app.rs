//! The wiring: every stage, thread and channel of the daemon, once, in the order that data takes.
//!
//! ```text
//!   Kafka --[source: N threads]--> state log --[fold: 1 thread]--> Board --> HTTP (tokio)
//!              ^                      ^  ^             |  \-Entry-> Journal --> its home
//!              |                      +-marks-webhooks-|--------------/
//!              |                      |  +-references--+  artifacts found become records
//!              +------- Door ---------|----------------+  heads, fates and layouts go back
//!                                     |                |
//!                                     +-trim--snapshots+  copies of the engine become blocks
//! ```
//!
//! A start goes on at a snapshot, see [`resume`]. Receivers start before senders: HTTP (not ready
//! yet), the fold, which reads the log to its end, then configuration and references into the log,
//! and only then the consumers. Stopping goes the other way: consumers flush and wait for the fate
//! of what they flushed, then the fold, then HTTP.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use self::error::AppError;
use crate::app::folding::{Event, Folding};
use crate::app::hooks::Hooks;
use crate::app::references::References;
use crate::app::snapshots::{Standing, Writer};
use crate::app::surface::{listen, show_log, surface};
use crate::clock::Clock;
use crate::config::{Config, Home};
use crate::engine::Engine;
use crate::expose::{self, Shared};
use crate::journal::{self, Journal};
use crate::source::{Common, Door, Source, SourceError, Watch, admin};
use crate::spill::Spill;
use crate::statelog::record::Record;
use crate::statelog::snapshot::{self, Snapshots};
use crate::statelog::{self, Appender, Failed, StateLogError};

mod error;
mod folding;
mod hooks;
mod members;
mod references;
pub mod resume;
mod snapshots;
mod surface;
mod views;

/// How long the first calls to Kafka may take before the start is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long consumers may take to flush, and the fold to tell the fate of it, at a stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a snapshot that is being written gets at a stop.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);

/// Events from the fold that may wait; the fold drops more of them, and what waits polls the board.
const EVENTS_MAX: usize = 1024;

/// What a caller learns of a running daemon.
#[derive(Debug, Clone)]
pub struct Running {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// What is known.
    pub shared: Arc<Shared>,
}

/// Runs the daemon until `stop` is done or something fatal happens.
///
/// `started` is called once, when the log is folded and consumption begins.
pub async fn serve(
    config: Config,
    clock: Clock,
    stop: impl Future<Output = ()>,
    started: impl FnOnce(Running),
) -> Result<(), AppError> {
    let config = Arc::new(config);
    let (listener, listen, tls) = listen(&config.http).await?;
    let cluster = connect(&config).await?;
    // before the state log: what the journal has must be in the part of the log that is read first
    let (journal, writer) = open_journal(&config, clock).await?;
    let (appender, reader) = open(&config, clock).await?;
    let spill = open_spill(config.state.spill_dir.as_ref())?;
    let (engine, reader, snapshots) = resume(&config, reader, &cluster, (&journal, &spill)).await?;

    let shared = surface(&config, &journal);
    let (stopped, stopping) = watch::channel(false);
    let http = tokio::spawn(expose::serve(
        listener,
        tls,
        Arc::clone(&shared),
        wait(stopping.clone()),
    ));

    let door = Arc::new(Door::new());
    let (events, mut heard) = mpsc::channel(EVENTS_MAX);
    let standing = Standing::default();
    let (snapshots, copies) = Writer::start(
        snapshots,
        (appender.clone(), journal.clone()),
        (config.state.snapshot_interval, engine.fold().position),
        standing.clone(),
        clock,
    )
    .ok_or(AppError::Thread("snapshots"))?;
    shared.set_snapshots(move || standing.read());
    shared.set_spilled(move || spill.bytes());
    let doors = folding::Doors {
        door: Arc::clone(&door),
        shared: Arc::clone(&shared),
        appender: appender.clone(),
        journal: journal.clone(),
        copies,
        events,
        clock,
    };
    let folding = Folding::start(reader, engine, doors).ok_or(AppError::Thread("fold"))?;
    show_log(&shared, &appender, clock);

    let mut daemon = Daemon {
        config,
        clock,
        cluster,
        appender,
        journal,
        shared,
        door,
        sources: Vec::new(),
        hooks: None,
    };
    let running = Running {
        listen,
        shared: Arc::clone(&daemon.shared),
    };
    let ended = tokio::select! {
        ended = daemon.run(&mut heard, || started(running)) => ended,
        () = stop => Ok(()),
    };
    tracing::info!("stopping");
    daemon.drain().await;
    let folded = folding.stop().await;
    give_up(snapshots).await;
    blocking(move || writer.stop(), "journal").await?;
    let _receivers_are_gone = stopped.send(true);
    let _ended_with_its_own_log_line = tokio::time::timeout(Duration::from_secs(1), http).await;
    folded?;
    ended
}

/// Waits for a snapshot that is being written, but not for long: the next one will be.
async fn give_up(snapshots: Writer) {
    let written = blocking(move || snapshots.join(), "snapshots");
    if tokio::time::timeout(SNAPSHOT_TIMEOUT, written)
        .await
        .is_err()
    {
        tracing::warn!("a snapshot is given up");
    }
}

/// Connects to all that the configuration names: brokers, topics and references.
pub async fn check(config: Config) -> Result<(), AppError> {
    let config = Arc::new(config);
    connect(&config).await?;
    references::check(config.reference.as_ref()).await?;
    Ok(())
}

/// The parts that outlive a phase of the run.
struct Daemon {
    config: Arc<Config>,
    clock: Clock,
    cluster: Arc<str>,
    appender: Appender,
    journal: Journal,
    shared: Arc<Shared>,
    door: Arc<Door>,
    sources: Vec<Source>,
    hooks: Option<Hooks>,
}

impl Daemon {
    /// From the fold's first arrival at the log's end until something fatal.
    async fn run(
        &mut self,
        heard: &mut mpsc::Receiver<Event>,
        started: impl FnOnce(),
    ) -> Result<(), AppError> {
        until(heard, |event| matches!(event, Event::Ready)).await?;
        self.configure(heard).await?;
        let mut references = References::open(
            self.config.reference.as_ref(),
            self.appender.clone(),
            &self.shared,
        )?;
        references.bring_in(heard).await?;
        let begun = self.journal.newest().unwrap_or_default();
        self.consume().await?;
        let log = (&self.journal, begun, &self.appender);
        let first = self.sources.first().map(Source::watch);
        let hooks = Hooks::start(&self.config, log, &self.shared, first, self.clock)?;
        self.hooks = Some(hooks);
        started();
        tokio::select! {
            ended = references.watch(heard) => ended.map_err(AppError::from),
            second = members::watch(&self.config) => Err(second),
        }
    }

    /// Brings the configuration into the log where the log has another one or none.
    async fn configure(&self, heard: &mut mpsc::Receiver<Event>) -> Result<(), AppError> {
        let board = self.shared.board().ok_or(AppError::Thread("fold"))?;
        if board.position > 0 && *board.config == self.config.fold {
            return Ok(());
        }
        let record = Record::Configure(Box::new(self.config.fold.clone()));
        self.appender
            .append(&record, &Failed::default())
            .map_err(StateLogError::from)?;
        until(heard, |event| matches!(event, Event::Configured)).await
    }

    /// Starts the consumers.
    async fn consume(&mut self) -> Result<(), AppError> {
        let (config, common) = (Arc::clone(&self.config), self.common());
        let start = move || {
            let sources = config.sources.iter();
            sources
                .map(|source| Source::start(source, &config.kafka, common.clone()))
                .collect()
        };
        let sources: Result<Vec<Source>, SourceError> = blocking(start, "source").await?;
        self.sources = sources?;
        let status: Vec<_> = self.sources.iter().map(Source::watch).collect();
        let failed: Vec<_> = self
            .sources
            .iter()
            .map(Source::dead_letters_failed)
            .collect();
        self.shared.set_dead_letters_failed(move || {
            let counts = failed.iter().map(|count| count.load(Ordering::Relaxed));
            counts.sum()
        });
        self.shared.set_source(move || {
            status
                .iter()
                .flat_map(Watch::read)
                .map(views::partition)
                .collect()
        });
        Ok(())
    }

    fn common(&self) -> Common {
        Common {
            cluster: Arc::clone(&self.cluster),
            appender: self.appender.clone(),
            door: Arc::clone(&self.door),
            clock: self.clock,
            flush_interval: self.config.state.flush_interval,
        }
    }

    /// Stops the consumers; what they flushed is counted or will be read again.
    async fn drain(&mut self) {
        if let Some(hooks) = self.hooks.take() {
            hooks.stop().await;
        }
        let sources = std::mem::take(&mut self.sources);
        let stop = move || {
            std::thread::scope(|scope| {
                for source in sources {
                    scope.spawn(|| source.stop(DRAIN_TIMEOUT));
                }
            });
        };
        if blocking(stop, "source").await.is_err() {
            tracing::error!("a consumer did not stop cleanly");
        }
    }
}

/// Checks Kafka and the topics; the id of the cluster.
async fn connect(config: &Arc<Config>) -> Result<Arc<str>, AppError> {
    let config = Arc::clone(config);
    let check = move || {
        for source in &config.sources {
            admin::check_topics(&config.kafka, &source.topics, CONNECT_TIMEOUT)?;
        }
        admin::cluster_id(&config.kafka, CONNECT_TIMEOUT)
    };
    let cluster: Result<String, SourceError> = blocking(check, "kafka").await?;
    Ok(cluster?.into())
}

/// Opens the state log in its home.
async fn open(
    config: &Arc<Config>,
    clock: Clock,
) -> Result<(Appender, statelog::Reader), AppError> {
    let config = Arc::clone(config);
    match &config.state.home {
        Home::Kafka { topic, .. } => tracing::info!(%topic, "the state log is in kafka"),
        Home::Embedded { dir } => tracing::info!(dir = %dir.display(), "the state log is embedded"),
    }
    let open = move || statelog::open(&config.state, &config.kafka, clock);
    Ok(blocking(open, "state log").await??)
}

/// Where packed counts lie: in the directory, or in memory.
fn open_spill(dir: Option<&PathBuf>) -> Result<Spill, AppError> {
    dir.map_or_else(
        || Ok(Spill::default()),
        |dir| {
            let failed = |source| AppError::Spill {
                dir: dir.clone(),
                source,
            };
            Spill::to(dir).map_err(failed)
        },
    )
}

/// Finds the place where this start goes on.
async fn resume(
    config: &Arc<Config>,
    mut reader: statelog::Reader,
    cluster: &str,
    (journal, spill): (&Journal, &Spill),
) -> Result<(Engine, statelog::Reader, Snapshots), AppError> {
    let (config, journal, spill) = (Arc::clone(config), journal.clone(), spill.clone());
    let log = config.state.home.log(cluster);
    let resume = move || {
        // after the state log was opened: snapshots know of all that was trimmed before
        let mut snapshots = snapshot::open(&config.state, &config.kafka, log.clone(), &spill)?;
        let engine = resume::resume(
            &config,
            &log,
            &mut reader,
            &mut snapshots,
            (&journal, &spill),
        )?;
        resume::begin(&journal, &engine);
        Ok((engine, reader, snapshots))
    };
    blocking(resume, "state log").await?
}

/// Opens the journal in its home.
async fn open_journal(
    config: &Arc<Config>,
    clock: Clock,
) -> Result<(Journal, journal::Writer), AppError> {
    let config = Arc::clone(config);
    let open = move || journal::writer::open(&config.state, &config.kafka, clock);
    Ok(blocking(open, "journal").await??)
}

/// Waits for an event of the fold.
async fn until(
    heard: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&Event) -> bool,
) -> Result<(), AppError> {
    while let Some(event) = heard.recv().await {
        if wanted(&event) {
            return Ok(());
        }
    }
    // it has ended, and who joins it learns why
    Err(AppError::Thread("fold"))
}

async fn wait(mut stopping: watch::Receiver<bool>) {
    let _sender_gone_means_stop = stopping.wait_for(|stop| *stop).await;
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    name: &'static str,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_panicked| AppError::Thread(name))
}
