//! Snapshots in Kafka: a compacted topic of one partition.
//!
//! ```text
//! key  b 16 bytes   a block by its name        no value: it is garbage
//!      m 8 bytes    a manifest by position     no value: it is old
//! ```
//!
//! All of it is read at a start, garbage included, and is in files meanwhile where there are such.
//! Afterwards only names are remembered, with the time of the record, since what is young may be
//! part of a snapshot that another instance is writing.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;

use super::SnapshotError;
use crate::config;
use crate::image::{BlockId, ImageError, Put};
use crate::spill::{Bytes, Spill};
use crate::statelog::kafka::{Appender, Came, KafkaLogError, Tail, Wanted, open_topic};
use crate::statelog::{AppendError, Failed};
use crate::time::{Length, Timestamp};

/// What the topic must be like.
const SNAPSHOTS: Wanted = Wanted {
    log: "the snapshots",
    settings: &[(
        "cleanup.policy",
        "compact",
        "what is replaced must go away, and what is not must stay",
    )],
    // garbage goes away while the topic is small
    made_with: &[
        ("segment.bytes", "67108864"),
        ("segment.ms", "600000"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ],
    may_be_trimmed: false,
};

/// How long the brokers may be silent while the topic is read to its end.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// About how long what is read at a start stays at hand.
const READ_FOR: Length = Length::MINUTE;

/// How long a block that is not needed is left alone.
const YOUNG: Length = Length::HOUR;

/// How long blocks may take to be delivered.
const FLUSH_TIMEOUT: Duration = Duration::from_mins(2);

/// How long to wait where too many blocks wait to be sent.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Home {
    appender: Appender,
    tail: Tail,
    topic: String,
    /// The blocks there are, and when each was written.
    blocks: BTreeMap<BlockId, Timestamp>,
    /// The bytes of blocks, until they were read: all that the topic has, in `spill`.
    bytes: BTreeMap<BlockId, Bytes>,
    spill: Spill,
    is_settled: bool,
}

impl Home {
    /// Opens the topic, which is made if it is not there, and reads all of it. Gives the manifests
    /// too.
    pub(super) fn open(
        kafka: &config::Kafka,
        topic: &str,
        spill: &Spill,
    ) -> Result<(Self, Vec<Vec<u8>>), KafkaLogError> {
        const POLL: Duration = Duration::from_secs(1);
        let (appender, tail) = open_topic(kafka, topic, &SNAPSHOTS)?;
        let mut home = Self {
            appender,
            tail,
            topic: topic.to_owned(),
            blocks: BTreeMap::new(),
            bytes: BTreeMap::new(),
            spill: spill.apart(),
            is_settled: false,
        };
        let mut manifests = BTreeMap::new();
        let mut silence = Duration::ZERO;
        loop {
            match home.take_next(POLL, &mut manifests)? {
                Next::Taken => silence = Duration::ZERO,
                Next::End => break,
                Next::Nothing => silence += POLL,
            }
            if silence > SILENCE_MAX {
                return Err(KafkaLogError::Kafka {
                    topic: home.topic,
                    source: KafkaError::Global(RDKafkaErrorCode::OperationTimedOut),
                });
            }
        }
        Ok((home, manifests.into_values().collect()))
    }

    pub(super) fn get(&self, id: BlockId) -> Option<Vec<u8>> {
        Some(self.bytes.get(&id)?.read().into_owned())
    }

    /// Lets the bytes of blocks go; the names of those that are there.
    pub(super) fn settle(&mut self) -> BTreeSet<BlockId> {
        self.is_settled = true;
        self.bytes = BTreeMap::new();
        self.spill = Spill::default();
        self.blocks.keys().copied().collect()
    }

    /// Reads what came since; the manifests of it.
    pub(super) fn follow(&mut self) -> Result<Vec<Vec<u8>>, KafkaLogError> {
        const POLL: Duration = Duration::from_millis(300);
        let mut manifests = BTreeMap::new();
        while matches!(self.take_next(POLL, &mut manifests)?, Next::Taken) {}
        Ok(manifests.into_values().collect())
    }

    /// Puts blocks; all of them are in the topic afterwards, or the error says that some may not.
    pub(super) fn fill<T>(
        &mut self,
        fill: impl FnOnce(&mut Put<'_>) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let failed = Failed::default();
        let filled = fill(&mut |id, block| {
            let key = [b"b", id.0.as_slice()].concat();
            self.append(&key, Some(block), &failed).map_err(Into::into)
        })?;
        if !self.appender.flush(FLUSH_TIMEOUT) || failed.is_set() {
            return Err(ImageError::Home(SnapshotError::Lost.into()));
        }
        Ok(filled)
    }

    pub(super) fn put_manifest(&self, position: u64, text: &[u8]) -> Result<(), SnapshotError> {
        let failed = Failed::default();
        self.append(&manifest_key(position), Some(text), &failed)?;
        if !self.appender.flush(FLUSH_TIMEOUT) || failed.is_set() {
            return Err(SnapshotError::Lost);
        }
        Ok(())
    }

    /// Takes old manifests away, and blocks that are not needed where it is known which are.
    pub(super) fn take_away(
        &self,
        old: &[u64],
        needed: Option<&BTreeSet<BlockId>>,
    ) -> Result<(), SnapshotError> {
        let failed = Failed::default();
        for position in old {
            self.append(&manifest_key(*position), None, &failed)?;
        }
        let Some(needed) = needed else {
            return Ok(());
        };
        let newest = self.blocks.values().max().copied();
        let is_old = |written: Timestamp| newest.is_some_and(|newest| newest - YOUNG > written);
        for (id, written) in &self.blocks {
            if is_old(*written) && !needed.contains(id) {
                let key = [b"b", id.0.as_slice()].concat();
                self.append(&key, None, &failed)?;
            }
        }
        Ok(())
    }

    fn append(
        &self,
        key: &[u8],
        bytes: Option<&[u8]>,
        failed: &Failed,
    ) -> Result<(), SnapshotError> {
        loop {
            match self.appender.append_keyed(key, bytes, failed.clone()) {
                Ok(()) => return Ok(()),
                Err(AppendError::Full) => thread::sleep(PAUSE),
                Err(_) => return Err(SnapshotError::Lost),
            }
        }
    }

    fn take_next(
        &mut self,
        timeout: Duration,
        manifests: &mut BTreeMap<u64, Vec<u8>>,
    ) -> Result<Next, KafkaLogError> {
        let message = match self.tail.next(timeout)? {
            Came::Record(message) => message,
            Came::End => return Ok(Next::End),
            Came::Nothing => return Ok(Next::Nothing),
        };
        let at = message.timestamp().to_millis();
        let at = Timestamp::from_millis(at.unwrap_or_default());
        match message.key().and_then(<[u8]>::split_first) {
            Some((b'b', id)) => {
                let Ok(id) = id.try_into().map(BlockId) else {
                    return Ok(Next::Taken);
                };
                if let Some(bytes) = message.payload() {
                    self.blocks.insert(id, at);
                    if !self.is_settled {
                        self.bytes
                            .insert(id, self.spill.put(READ_FOR, bytes.into()));
                    }
                } else {
                    self.blocks.remove(&id);
                    self.bytes.remove(&id);
                }
            }
            Some((b'm', position)) => {
                let Ok(position) = position.try_into().map(u64::from_be_bytes) else {
                    return Ok(Next::Taken);
                };
                match message.payload() {
                    Some(bytes) => manifests.insert(position, bytes.to_vec()),
                    None => manifests.remove(&position),
                };
            }
            _ => {}
        }
        Ok(Next::Taken)
    }
}

enum Next {
    Taken,
    End,
    Nothing,
}

fn manifest_key(position: u64) -> Vec<u8> {
    [b"m", position.to_be_bytes().as_slice()].concat()
}
