//! The thread that writes snapshots, trims the state log and never holds up the fold.
//!
//! ```text
//! fold --a copy of the engine--> wait for the journal --> blocks, manifest --> anchor --> trim
//! ```
//!
//! The copy shares what it holds with the fold, which copies only what it changes meanwhile. While
//! one snapshot is written, none is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::engine::Engine;
use crate::journal::Journal;
use crate::statelog::record::Record;
use crate::statelog::snapshot::{At, SnapshotError, Snapshots};
use crate::statelog::{Appender, Failed, StateLogError};
use crate::telemetry::error_chain;
use crate::time::{Length, Timestamp};

/// Records folded since the last snapshot from which on the first of a run is written at once.
const SOON: u64 = 4_096;

/// How long the journal may take to store what the snapshot knows.
const JOURNAL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long to wait before it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a snapshot was not written, or the log not trimmed.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the snapshot was not written")]
    Snapshot(#[from] SnapshotError),
    #[error("the journal did not store what the snapshot knows")]
    Journal,
    #[error("the state log was not trimmed")]
    Trim(#[source] StateLogError),
}

/// What is told of snapshots.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    /// The log time of the newest one in milliseconds; 0 before any.
    newest: AtomicI64,
    errors: AtomicU64,
}

impl Standing {
    /// The log time of the newest snapshot, and how many were not written.
    pub(super) fn read(&self) -> (Option<Timestamp>, u64) {
        let newest = self.0.newest.load(Ordering::Relaxed);
        let errors = self.0.errors.load(Ordering::Relaxed);
        (
            (newest != 0).then(|| Timestamp::from_millis(newest)),
            errors,
        )
    }
}

/// Where copies of the engine are handed over.
#[derive(Debug)]
pub(super) struct Copies {
    sender: SyncSender<Engine>,
    is_busy: Arc<AtomicBool>,
    interval: Duration,
    /// When the last copy was handed over, or reading the log ended.
    last: Option<Instant>,
    /// Where the fold stood then.
    position: u64,
}

impl Copies {
    /// Whether it is time for a snapshot; `position` is where the fold stands.
    fn is_due(&self, now: Instant, position: u64) -> bool {
        let passed = self.last.map(|last| now.duration_since(last));
        let is_time = match passed {
            Some(passed) => passed >= self.interval,
            None => position >= self.position + SOON,
        };
        is_time && position > self.position && !self.is_busy.load(Ordering::Acquire)
    }

    /// Hands over a copy of the engine, which has folded the log to its end, if it is time.
    pub(super) fn offer(&mut self, now: Instant, engine: &Engine) {
        let position = engine.fold().position;
        if self.is_due(now, position) {
            self.is_busy.store(true, Ordering::Release);
            if self.sender.try_send(engine.clone()).is_err() {
                tracing::error!("the thread that writes snapshots is gone");
            }
            (self.last, self.position) = (Some(now), position);
        } else if self.last.is_none() {
            self.last = Some(now);
        }
    }
}

/// The running thread; it ends when all that can hand over copies is gone.
#[derive(Debug)]
pub(super) struct Writer(JoinHandle<()>);

impl Writer {
    /// Starts the thread; `None` where the machine has no room for one. `position` is where the
    /// fold goes on.
    pub(super) fn start(
        snapshots: Snapshots,
        (appender, journal): (Appender, Journal),
        (interval, position): (Length, u64),
        standing: Standing,
        clock: Clock,
    ) -> Option<(Self, Copies)> {
        let (sender, handed) = sync_channel(1);
        let is_busy = Arc::new(AtomicBool::new(false));
        let copies = Copies {
            sender,
            is_busy: Arc::clone(&is_busy),
            interval: interval.as_duration(),
            last: None,
            position,
        };
        let mut thread = Thread {
            snapshots,
            appender,
            journal,
            interval,
            standing,
            clock,
        };
        let thread = thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || thread.run(&handed, &is_busy))
            .ok()?;
        Some((Self(thread), copies))
    }

    /// Waits until the last snapshot is written.
    pub(super) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the thread that writes snapshots panicked");
        }
    }
}

struct Thread {
    snapshots: Snapshots,
    appender: Appender,
    journal: Journal,
    interval: Length,
    standing: Standing,
    clock: Clock,
}

impl Thread {
    fn run(&mut self, handed: &Receiver<Engine>, is_busy: &AtomicBool) {
        while let Ok(engine) = handed.recv() {
            if let Err(error) = self.write(engine) {
                self.standing.0.errors.fetch_add(1, Ordering::Relaxed);
                let cause = error_chain(&error);
                tracing::error!(cause, "snapshot failed, the state log keeps what it has");
            }
            is_busy.store(false, Ordering::Release);
        }
    }

    fn write(&mut self, engine: Engine) -> Result<(), WriteError> {
        let began = self.clock.instant();
        let fold = engine.fold();
        let at = At {
            position: fold.position,
            digest: fold.last_digest(),
            log_time: fold.log_time,
        };
        let newest = self.snapshots.newest()?;
        // somebody else was faster; a tenth, since not all are as punctual
        let young = |newest: Timestamp| {
            at.log_time.millis_since(newest) < self.interval.as_millis() / 10 * 9
        };
        if newest.is_some_and(young) {
            self.told(newest);
            return Ok(());
        }
        self.wait_for_journal(engine.journal().seq)?;
        let written = self.snapshots.write(at, |writer| engine.write(writer))?;
        // the record before the older snapshot stays: it shows that the log is the one
        let below = written.before.map_or(0, |before| before.saturating_sub(1));
        let mut records = vec![Record::Anchor(fold.anchor_here())];
        let (shard, needed) = (fold.shard, fold.needed(below));
        if below > 0 && (!shard.is_all() || !fold.needs.is_empty()) {
            let from = below;
            records.push(Record::Need { shard, from });
        }
        drop(engine);
        self.told(Some(at.log_time));
        tracing::info!(
            position = at.position,
            blocks = written.blocks,
            bytes = written.bytes,
            took = ?self.clock.instant().duration_since(began),
            "snapshot written"
        );
        for record in records {
            if let Err(error) = self.appender.append(&record, &Failed::default()) {
                tracing::warn!(%error, kind = %record.kind(), "record not appended");
            }
        }
        match needed {
            Ok(0) => {}
            Ok(below) => self.appender.trim(below).map_err(WriteError::Trim)?,
            Err(silent) => tracing::warn!(
                waiting_for = %silent,
                "the state log is not trimmed: another shard has no two snapshots of the last day"
            ),
        }
        Ok(())
    }

    /// What a snapshot knows is not computed again, so the journal must have it.
    fn wait_for_journal(&self, seq: u64) -> Result<(), WriteError> {
        let mut waited = Duration::ZERO;
        loop {
            let standing = self.journal.standing();
            if standing.stored >= seq || standing.diverged {
                return Ok(());
            }
            if waited > JOURNAL_TIMEOUT {
                return Err(WriteError::Journal);
            }
            thread::sleep(PAUSE);
            waited += PAUSE;
        }
    }

    fn told(&self, newest: Option<Timestamp>) {
        let newest = newest.map_or(0, Timestamp::as_millis);
        self.standing.0.newest.store(newest, Ordering::Relaxed);
    }
}
