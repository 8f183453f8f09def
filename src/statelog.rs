//! The state log: one totally ordered log that all else is a function of.
//!
//! It is a topic of one partition, or a table in a file. Both homes do the same two things: append
//! a record at the end (its place is known only when it is read back), and hand out all records in
//! order, each with the append time that the home gave it. That time never goes back within a
//! home's reader, and is the only clock of the fold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::config::{Home, Kafka, State};
use crate::statelog::embedded::EmbeddedError;
use crate::statelog::kafka::KafkaLogError;
use crate::statelog::record::{Anchor, Record, RecordError, UnwritableError};
use crate::time::Timestamp;

pub mod chain;
pub mod embedded;
pub mod kafka;
pub mod record;
pub mod snapshot;

/// How long one record is waited for before it is asked for again.
const TIMEOUT: Duration = Duration::from_millis(100);

/// The largest record in bytes; a larger delta is written in halves.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A record as it was read back.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the log; positions ascend, with holes.
    pub position: u64,
    /// When the home appended it; at least that of the entry before.
    pub append_time: Timestamp,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// The record, or why it cannot be read.
    pub record: Result<Record, RecordError>,
}

impl Entry {
    fn new(position: u64, append_time: Timestamp, bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes).into();
        Self {
            position,
            append_time,
            digest,
            record: Record::from_bytes(bytes),
        }
    }
}

/// What a reader has.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and most are the large one"
)]
#[derive(Debug)]
pub enum Read {
    /// The next record.
    Entry(Entry),
    /// Everything was handed out that had been appended when the reader was opened. Once.
    End,
    /// Nothing within the time.
    Idle,
}

/// Whether an append is known to have failed. One that is not may still be lost.
#[derive(Debug, Clone, Default)]
pub struct Failed(Arc<AtomicBool>);

impl Failed {
    /// Tells that the append failed.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a record was not taken for appending.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It is larger than [`RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes is too large for the state log, which takes {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest there may be.
        max: usize,
    },
    /// Too many wait already.
    #[error("too many records wait to be appended to the state log")]
    Full,
    /// The log is closed.
    #[error("the state log is closed")]
    Closed,
    /// It has no form in bytes: a fault of driftd.
    #[error("a record cannot be written; this is a fault of driftd")]
    Unwritable(#[from] UnwritableError),
}

/// Why the state log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateLogError {
    /// The file.
    #[error("state.home = \"embedded\"")]
    Embedded(#[from] EmbeddedError),
    /// The topic.
    #[error("state.home = \"kafka\"")]
    Kafka(#[from] KafkaLogError),
    /// Nothing can be appended.
    #[error("nothing can be appended")]
    Append(#[from] AppendError),
}

/// The end of the log where records are put; cheap to clone, shared by all who write.
#[derive(Debug, Clone)]
pub struct Appender(AppenderHome);

#[derive(Debug, Clone)]
enum AppenderHome {
    Embedded(embedded::Appender),
    Kafka(Arc<kafka::Appender>),
}

impl Appender {
    /// Queues a record, and returns its bytes; `failed` is set when it is known to be lost. Does
    /// not wait.
    pub fn append(&self, record: &Record, failed: &Failed) -> Result<usize, AppendError> {
        let bytes = record.to_bytes()?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge {
                bytes: bytes.len(),
                max: RECORD_BYTES_MAX,
            });
        }
        let length = bytes.len();
        match &self.0 {
            AppenderHome::Embedded(home) => home.append(bytes, failed.clone())?,
            AppenderHome::Kafka(home) => home.append(&bytes, failed.clone())?,
        }
        Ok(length)
    }

    /// Takes away the records before this position. Blocks on disk or network.
    pub fn trim(&self, position: u64) -> Result<(), StateLogError> {
        match &self.0 {
            AppenderHome::Embedded(home) => home.trim(position)?,
            AppenderHome::Kafka(home) => home.trim(position)?,
        }
        Ok(())
    }

    /// The position after the last record there is, if the home says so soon.
    pub fn end(&self) -> Option<u64> {
        match &self.0 {
            AppenderHome::Embedded(home) => Some(home.end()),
            AppenderHome::Kafka(home) => home.end(),
        }
    }

    /// Appends that are known to have failed, since the start of the process.
    pub fn errors(&self) -> u64 {
        match &self.0 {
            AppenderHome::Embedded(home) => home.errors(),
            AppenderHome::Kafka(home) => home.errors(),
        }
    }
}

/// The end of the log where records come out, in order, from the first on.
#[derive(Debug)]
pub struct Reader(ReaderHome);

#[derive(Debug)]
enum ReaderHome {
    Embedded(embedded::Reader),
    Kafka(Box<kafka::Reader>),
}

impl Reader {
    /// The position of the first record that is there; 0 where none was ever taken away.
    pub fn first(&self) -> u64 {
        match &self.0 {
            ReaderHome::Embedded(home) => home.first(),
            ReaderHome::Kafka(home) => home.first(),
        }
    }

    /// Goes on at this position if the record before it has this digest and was appended by
    /// `log_time`: a log that lost its end may get the same record again, behind others. Else
    /// nothing changes. Only before anything was read.
    pub fn resume(
        &mut self,
        position: u64,
        digest: &[u8; 32],
        log_time: Timestamp,
    ) -> Result<bool, StateLogError> {
        let before = (digest, log_time);
        Ok(match &mut self.0 {
            ReaderHome::Embedded(home) => home.resume(position, before)?,
            ReaderHome::Kafka(home) => home.resume(position, before)?,
        })
    }

    /// Goes on at the first record that is there, and says where that is.
    pub fn restart(&mut self) -> Result<u64, StateLogError> {
        let first = self.first();
        match &mut self.0 {
            ReaderHome::Embedded(home) => home.start_at(first),
            ReaderHome::Kafka(home) => home.start_at(first)?,
        }
        Ok(first)
    }

    /// Goes on at the place of the first anchor that says all of what was before it; `None` where
    /// the log has none.
    pub fn resume_at_anchor(&mut self) -> Result<Option<Anchor>, StateLogError> {
        let first = self.first();
        let found = loop {
            match self.next(TIMEOUT)? {
                Read::Entry(entry) => {
                    if let Ok(Record::Anchor(anchor)) = entry.record
                        && anchor.position >= first
                    {
                        break Some(anchor);
                    }
                }
                Read::End => break None,
                Read::Idle => {}
            }
        };
        if let Some(anchor) = &found {
            match &mut self.0 {
                ReaderHome::Embedded(home) => home.start_at(anchor.position),
                ReaderHome::Kafka(home) => home.start_at(anchor.position)?,
            }
        }
        Ok(found)
    }

    /// The next record, waiting for it at most this long.
    pub fn next(&mut self, timeout: Duration) -> Result<Read, StateLogError> {
        match &mut self.0 {
            ReaderHome::Embedded(home) => Ok(home.next(timeout)?),
            ReaderHome::Kafka(home) => Ok(home.next(timeout)?),
        }
    }
}

/// Opens the state log in its home, which is made if it is not there. Blocks on disk or network.
pub fn open(
    state: &State,
    kafka: &Kafka,
    clock: Clock,
) -> Result<(Appender, Reader), StateLogError> {
    Ok(match &state.home {
        Home::Embedded { dir } => {
            let (appender, reader) = embedded::open(dir, clock)?;
            (
                Appender(AppenderHome::Embedded(appender)),
                Reader(ReaderHome::Embedded(reader)),
            )
        }
        Home::Kafka { topic, .. } => {
            let (appender, reader) = kafka::open(kafka, topic)?;
            (
                Appender(AppenderHome::Kafka(Arc::new(appender))),
                Reader(ReaderHome::Kafka(Box::new(reader))),
            )
        }
    })
}
