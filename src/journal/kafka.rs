//! The journal in Kafka: a topic of one partition that all replicas write and read.
//!
//! Kafka appends whatever it is given, so the condition is on the side of readers: of all records
//! that claim to be entry `n` the first one is it (see [`ledger`](crate::journal::ledger)). A
//! replica appends what the topic does not have yet, and then waits until it has read it, whoever
//! wrote it; it asks again when the append failed, or when nothing came for `PATIENCE`. What it
//! asks twice is passed over by every reader.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use crate::config;
use crate::journal::audit::AuditError;
use crate::journal::entry::{Chain, Stored};
use crate::journal::ledger::{Ledger, Links, Seen};
use crate::journal::writer::{BATCH_MAX, lock};
use crate::statelog::kafka::{Appender, Came, KafkaLogError, Tail, Wanted, open_topic};
use crate::statelog::{AppendError, Failed};

/// How long an append may take to come back; longer than it is tried.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the brokers may be silent while the topic is read to its end.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Records read at a time.
const READ_MAX: usize = 4_096;

/// What the topic must be like.
const JOURNAL: Wanted = Wanted {
    log: "the journal",
    settings: &[
        (
            "cleanup.policy",
            "delete",
            "compaction would take entries away",
        ),
        ("retention.ms", "-1", "the journal is kept for ever"),
    ],
    made_with: &[],
    may_be_trimmed: false,
};

/// The topic, open for reading and writing.
#[derive(Debug)]
pub(super) struct Home {
    appender: Appender,
    tail: Tail,
    asked: Option<Asked>,
    /// Something that this driftd would not write was logged; the rest is not.
    told: bool,
}

/// Appends that did not come back yet.
#[derive(Debug)]
struct Asked {
    up_to: u64,
    failed: Failed,
    since: Instant,
}

impl Home {
    /// Opens the topic, which is made if it is not there, and reads all of it.
    pub(super) fn open(kafka: &config::Kafka, topic: &str) -> Result<(Self, Links), KafkaLogError> {
        let (appender, mut tail) = open_topic(kafka, topic, &JOURNAL)?;
        let mut links = Links::from(Chain::default());
        let mut told = false;
        read_all(&mut tail, topic, |bytes| {
            note(bytes, &mut told, |stored| links.load(stored));
            Ok::<(), KafkaLogError>(())
        })?;
        let home = Self {
            appender,
            tail,
            asked: None,
            told,
        };
        Ok((home, links))
    }

    /// Reads what came, and appends what is missing.
    pub(super) fn step(&mut self, ledger: &Mutex<Ledger>, now: Instant) -> Result<(), StepError> {
        for _ in 0..READ_MAX {
            let Came::Record(message) = self.tail.next(Duration::ZERO)? else {
                break;
            };
            let bytes = message.payload().unwrap_or_default();
            note(bytes, &mut self.told, |stored| lock(ledger).read(stored));
        }
        let lines = {
            let ledger = lock(ledger);
            let waits = self.asked.as_ref().is_some_and(|asked| {
                let is_late = now.duration_since(asked.since) > PATIENCE;
                ledger.stored() < asked.up_to && !asked.failed.is_set() && !is_late
            });
            if waits {
                return Ok(());
            }
            ledger.to_write(BATCH_MAX)
        };
        self.asked = None;
        let failed = Failed::default();
        for line in lines {
            self.appender.append(line.json.as_bytes(), failed.clone())?;
            self.asked = Some(Asked {
                up_to: line.seq,
                failed: failed.clone(),
                since: now,
            });
        }
        Ok(())
    }

    /// Appends that failed.
    pub(super) fn errors(&self) -> u64 {
        self.appender.errors()
    }
}

/// Why a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The topic.
    #[error(transparent)]
    Topic(#[from] KafkaLogError),
    /// An entry was not taken for appending.
    #[error("an entry cannot be appended")]
    Append(#[from] AppendError),
}

/// Reads a record; the first that this driftd would not write is logged.
fn note(bytes: &[u8], told: &mut bool, take: impl FnOnce(&Stored) -> Seen) {
    let what = match Stored::read(bytes) {
        Ok(stored) => match (take(&stored), stored.known()) {
            (Seen::Next, Err(error)) => error.to_string(),
            (Seen::Next | Seen::Idle, _) => return,
            (Seen::Other { seq }, _) => AuditError::Diverged { seq }.to_string(),
        },
        Err(error) => error.to_string(),
    };
    if !std::mem::replace(told, true) {
        tracing::error!(
            what,
            "the journal's topic has what this driftd would not write"
        );
    }
}

/// Hands out all records of a topic that is there, in order.
pub(super) fn read<E: From<KafkaLogError>>(
    kafka: &config::Kafka,
    topic: &str,
    each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    read_all(&mut Tail::open(kafka, topic, &JOURNAL, false)?, topic, each)
}

fn read_all<E: From<KafkaLogError>>(
    tail: &mut Tail,
    topic: &str,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    const POLL: Duration = Duration::from_secs(1);
    let mut silence = Duration::ZERO;
    loop {
        match tail.next(POLL)? {
            Came::Record(message) => {
                silence = Duration::ZERO;
                each(message.payload().unwrap_or_default())?;
            }
            Came::End => return Ok(()),
            Came::Nothing => silence += POLL,
        }
        if silence > SILENCE_MAX {
            let source = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
            let topic = topic.to_owned();
            return Err(KafkaLogError::Kafka { topic, source }.into());
        }
    }
}
