//! The thread between the ledger and its home.
//!
//! The fold hands entries to the [`Journal`], which never waits for anything but its own short
//! lock. Every `STEP` the thread reads what the home got from others and stores what is missing:
//!
//! ```text
//! fold --add--> Ledger <--read-- home        a step that fails is tried again, after a pause that
//!                 \----to_write---> home     grows up to PAUSE_MAX
//! ```
//!
//! When computed and stored entries part, the thread says so once and stores nothing more; what
//! driftd monitors does not depend on it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{self, Kafka, State};
use crate::journal::entry::{Chain, Entry, Line, Stored};
use crate::journal::file::{self, FileError};
use crate::journal::kafka::{self, StepError};
use crate::journal::ledger::{Divergence, Ledger, Links};
use crate::statelog::kafka::KafkaLogError;
use crate::telemetry::error_chain;

/// Entries stored in one step.
pub(super) const BATCH_MAX: usize = 100;

/// How long an entry may wait for the next step.
const STEP: Duration = Duration::from_millis(200);

/// The longest pause after a step that failed.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file.
    #[error("state.home = \"embedded\"")]
    File(#[from] FileError),
    /// The topic.
    #[error("state.journal_topic")]
    Kafka(#[from] KafkaLogError),
    /// No thread.
    #[error("the thread that writes the journal cannot be started")]
    Thread(#[source] io::Error),
}

/// The journal as the rest of the daemon has it; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    errors: AtomicU64,
}

/// How the journal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Entries in its home.
    pub stored: u64,
    /// Entries that are not in its home yet.
    pub unwritten: u64,
    /// Attempts to store entries that failed.
    pub errors: u64,
    /// Whether the home has other entries than the state log implies.
    pub diverged: bool,
}

/// Entries as they are stored, for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub lines: Vec<Line>,
    /// Whether there are more.
    pub more: bool,
    /// The number of the oldest entry that is kept for readers.
    pub oldest: Option<u64>,
}

impl Journal {
    fn new(stored: Links) -> Self {
        Self(Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(stored)),
            errors: AtomicU64::new(0),
        }))
    }

    /// How far the entries go that its home has.
    pub fn stored(&self) -> Chain {
        lock(&self.0.ledger).end()
    }

    /// How far the entries go that its home had, of what follows from records of the state log
    /// before this position.
    pub fn before(&self, position: u64) -> Chain {
        lock(&self.0.ledger).before(position)
    }

    /// Says after which entry those go on that will be added: that of a snapshot, or none.
    pub fn begin(&self, after: Chain) {
        lock(&self.0.ledger).begin(after);
    }

    /// Takes the next entry that the state log implies.
    pub fn add(&self, entry: Entry) {
        lock(&self.0.ledger).compute(entry.line);
    }

    /// Says that the state log is folded: what was in the home before must have been implied.
    pub fn catch_up(&self) {
        lock(&self.0.ledger).catch_up();
    }

    /// Entries after entry `after`, at most `limit`.
    pub fn after(&self, after: u64, limit: usize) -> Page {
        let ledger = lock(&self.0.ledger);
        let (lines, more) = ledger.after(after, limit);
        let oldest = ledger.oldest();
        Page {
            lines,
            more,
            oldest,
        }
    }

    /// The number of the newest entry.
    pub fn newest(&self) -> Option<u64> {
        lock(&self.0.ledger).newest()
    }

    /// How it does.
    pub fn standing(&self) -> Standing {
        let ledger = lock(&self.0.ledger);
        Standing {
            stored: ledger.stored(),
            unwritten: ledger.unwritten(),
            errors: self.0.errors.load(Ordering::Relaxed),
            diverged: ledger.diverged().is_some(),
        }
    }
}

/// Opens the journal in its home, which is made if it is not there, before the state log is
/// opened: all that is found in it then must follow from the log. Blocks on disk or network.
pub fn open(state: &State, kafka: &Kafka, clock: Clock) -> Result<(Journal, Writer), JournalError> {
    let (home, links) = match &state.home {
        config::Home::Embedded { dir } => {
            let (home, last) = file::Home::open(dir)?;
            if let Some(Err(error)) = last.as_ref().map(Stored::known) {
                tracing::error!(%error, "the journal's file has what this driftd would not write");
            }
            let tail = home.tail()?;
            let links = match last {
                Some(last) if tail.is_empty() => Links::from(last.chain()),
                _ => Links::of_tail(&tail),
            };
            (Home::File { home, errors: 0 }, links)
        }
        config::Home::Kafka { journal_topic, .. } => {
            let topic = state.shard.topic(journal_topic);
            let (home, links) = kafka::Home::open(kafka, &topic)?;
            (Home::Kafka(Box::new(home)), links)
        }
    };
    let journal = Journal::new(links);
    let stop = Arc::new(AtomicBool::new(false));
    let thread = Thread {
        home,
        journal: journal.clone(),
        clock,
        told: false,
    };
    let told = Arc::clone(&stop);
    let thread = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || thread.run(&told))
        .map_err(JournalError::Thread)?;
    Ok((journal, Writer { stop, thread }))
}

/// The running thread.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Ends the thread after one more step; what is not stored then is stored after the next start.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes the journal panicked");
        }
    }
}

/// Where entries are stored.
#[derive(Debug)]
enum Home {
    File { home: file::Home, errors: u64 },
    Kafka(Box<kafka::Home>),
}

struct Thread {
    home: Home,
    journal: Journal,
    clock: Clock,
    /// What does not change was said.
    told: bool,
}

impl Thread {
    fn run(mut self, stop: &AtomicBool) {
        let mut pause = STEP;
        loop {
            thread::park_timeout(pause);
            let is_last = stop.load(Ordering::Relaxed);
            pause = match self.step() {
                Ok(()) => STEP,
                Err(error) => {
                    let pause = (pause * 2).min(PAUSE_MAX);
                    let cause = error_chain(&error);
                    tracing::warn!(cause, ?pause, "journal not written, trying again");
                    pause
                }
            };
            self.report();
            if is_last {
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), HomeError> {
        let ledger = &self.journal.0.ledger;
        let stepped = match &mut self.home {
            Home::Kafka(home) => home.step(ledger, self.clock.instant()).map_err(Into::into),
            Home::File { home, errors } => {
                let stored = store(home, ledger).map_err(Into::into);
                *errors += u64::from(stored.is_err());
                stored
            }
        };
        let errors = match &self.home {
            Home::Kafka(home) => home.errors(),
            Home::File { errors, .. } => *errors,
        };
        self.journal.0.errors.store(errors, Ordering::Relaxed);
        stepped
    }

    /// Says once what only an operator can change.
    fn report(&mut self) {
        let ledger = lock(&self.journal.0.ledger);
        let is_full = ledger.unwritten() > 0 && ledger.to_write(1).is_empty();
        if self.told || !is_full && ledger.diverged().is_none() {
            return;
        }
        self.told = true;
        let Some(divergence) = ledger.diverged() else {
            let unwritten = ledger.unwritten();
            tracing::error!(
                unwritten,
                "the journal is too far behind, the rest is stored after the next start"
            );
            return;
        };
        let Divergence {
            seq,
            stored,
            computed,
        } = divergence;
        let computed = computed.map_or("none".to_owned(), |hash| hash.to_string());
        tracing::error!(
            seq,
            %stored,
            computed,
            "the journal has other entries than the state log implies, nothing more is written to \
             it; if the state log was begun anew, begin a new journal too"
        );
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum HomeError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Kafka(#[from] StepError),
}

/// Stores what is missing in the file.
fn store(home: &mut file::Home, ledger: &Mutex<Ledger>) -> Result<(), FileError> {
    let lines = lock(ledger).to_write(BATCH_MAX);
    for line in lines {
        home.append(&line)?;
        lock(ledger).wrote(&line);
    }
    Ok(())
}

/// A lock that is held for moments and never left half done.
pub(super) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
