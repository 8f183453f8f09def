//! Snapshots: what was folded up to a position of the state log, so that a start need not fold all
//! of it again and the log can be trimmed.
//!
//! ```text
//! blocks      see [`crate::image`]; those that did not change are not written again
//! manifest    position, SHA-256 of the record before it, which log, the root of the blocks
//! ```
//!
//! A manifest is written when all its blocks are. A snapshot is used only where the log has the
//! record before its position with that very digest; else an older one is, or the first anchor of
//! the log. The two newest are kept, and the log is trimmed below the older one of them.
//!
//! Each shard has its own, in a topic of its own. A start that finds none of its shard may go on at
//! one of another shard, see [`others`]: all of them know all that names layouts, see
//! [`crate::fold`].
//!
//! With the state log in Kafka they are in a compacted topic that all instances write: whoever
//! finds that there is none of the last interval writes the next. A block that another instance has
//! taken for garbage meanwhile is found missing when it is read, and an older snapshot is used.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::config::{Home as Place, Kafka, State};
use crate::image::{Album, BlockId, ImageError, Put, Reader, Writer};
use crate::key::Shard;
use crate::layout::Digest;
use crate::spill::Spill;
use crate::statelog::kafka::{KafkaLogError, topics};
use crate::time::{Length, Timestamp};

mod file;
mod kafka;

pub use self::file::FileError;

/// Snapshots kept.
const KEPT: usize = 2;

/// The form of snapshots that this driftd writes, and the newest that it reads: one that an older
/// driftd finds is refused by it, and not taken for damaged.
///
/// ```text
/// 1   all that is under watch in one block, with whole layouts; hours by all of their cells
/// 2   a block for each model version under watch, with the digests of layouts; hours as panes
/// ```
const FORMAT: u32 = 2;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The log: of which cluster and topic, or of which file.
    pub log: String,
    /// The models that were counted.
    #[serde(default, skip_serializing_if = "is_all")]
    pub shard: Shard,
    /// All records before this position are folded.
    pub position: u64,
    /// SHA-256 of the record before this position.
    pub digest: Digest,
    /// The append time of that record, at the latest so far.
    pub log_time: Timestamp,
    /// The block that names all others.
    pub root: BlockId,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_all(shard: &Shard) -> bool {
    shard.is_all()
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// All records before this position are folded.
    pub position: u64,
    /// SHA-256 of the record before this position.
    pub digest: [u8; 32],
    /// The append time of that record, at the latest so far.
    pub log_time: Timestamp,
}

/// Why snapshots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The files.
    #[error("the snapshots in state.dir")]
    File(#[from] FileError),
    /// The topic.
    #[error("state.snapshot_topic")]
    Kafka(#[from] KafkaLogError),
    /// A snapshot.
    #[error("the snapshot is unusable")]
    Image(#[from] ImageError),
    /// Blocks that were not written.
    #[error("blocks of the snapshot were not written")]
    Lost,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// New blocks.
    pub blocks: usize,
    /// Their bytes.
    pub bytes: usize,
    /// The position of a snapshot before, below which the log is not needed any more: the newest
    /// one that is older by half an interval at least. Instances that were started together write
    /// theirs within a moment; a log that went only that far back would lose every reader that is
    /// not quite as fast.
    pub before: Option<u64>,
}

/// The snapshots of one log.
#[derive(Debug)]
pub struct Snapshots {
    home: Home,
    log: String,
    shard: Shard,
    interval: Length,
    /// By position, ascending.
    manifests: Vec<Manifest>,
    /// The positions of those that are of no place in the log; the next one takes them away.
    stale: Vec<u64>,
    are_newer: bool,
    album: Album,
    /// The blocks of those manifests that this process wrote, oldest first.
    own: VecDeque<(u64, BTreeSet<BlockId>)>,
}

#[derive(Debug)]
enum Home {
    File(file::Home),
    Kafka(Box<kafka::Home>),
}

/// Opens the snapshots that this shard has of the state log that is known as `log`. What has to be
/// at hand while one is read is put in `spill`. Blocks on disk or network.
pub fn open(
    state: &State,
    kafka: &Kafka,
    log: String,
    spill: &Spill,
) -> Result<Snapshots, SnapshotError> {
    let (home, manifests) = match &state.home {
        Place::Embedded { dir } => {
            let (home, manifests) = file::Home::open(dir)?;
            (Home::File(home), manifests)
        }
        Place::Kafka { snapshot_topic, .. } => {
            let topic = state.shard.topic(snapshot_topic);
            let (home, manifests) = kafka::Home::open(kafka, &topic, spill)?;
            (Home::Kafka(Box::new(home)), manifests)
        }
    };
    let mut snapshots = Snapshots {
        home,
        log,
        shard: state.shard,
        interval: state.snapshot_interval,
        manifests: Vec::new(),
        stale: Vec::new(),
        are_newer: false,
        album: Album::default(),
        own: VecDeque::new(),
    };
    snapshots.learn(&manifests);
    Ok(snapshots)
}

/// The shards that have snapshots too, those first that cover this one.
pub fn others(state: &State, kafka: &Kafka) -> Result<Vec<Shard>, SnapshotError> {
    let Place::Kafka { snapshot_topic, .. } = &state.home else {
        return Ok(Vec::new());
    };
    let topics = topics(kafka)?;
    let of = |topic: &String| Shard::of_topic(snapshot_topic, topic);
    let mut others: Vec<Shard> = topics.iter().filter_map(of).collect();
    others.retain(|other| *other != state.shard);
    others.sort_by_key(|other| (!other.covers(state.shard), *other));
    Ok(others)
}

impl Snapshots {
    /// Whether there are some of a newer driftd.
    pub fn are_newer(&self) -> bool {
        self.are_newer
    }

    /// The snapshots of the log, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.iter().rev()
    }

    /// What `read` makes of the blocks of a snapshot.
    pub fn read<T>(
        &self,
        manifest: &Manifest,
        read: impl FnOnce(BlockId, &Reader<'_>) -> Result<T, ImageError>,
    ) -> Result<T, SnapshotError> {
        let get = |id| match &self.home {
            Home::File(home) => home.get(id).map_err(Into::into),
            Home::Kafka(home) => Ok(home.get(id)),
        };
        Ok(read(manifest.root, &Reader(&get))?)
    }

    /// Ends reading: what was kept at hand for that is let go. Only the snapshot that was read, at
    /// this position, is known to be of the log: it alone may stand for what is trimmed, and its
    /// blocks need not be written again.
    pub fn begin(&mut self, read: Option<u64>) {
        let manifests = std::mem::take(&mut self.manifests);
        for manifest in manifests {
            if Some(manifest.position) == read {
                self.manifests.push(manifest);
            } else {
                self.stale.push(manifest.position);
            }
        }
        let there = match &mut self.home {
            Home::File(home) => home.blocks(),
            Home::Kafka(home) => home.settle(),
        };
        if read.is_some() {
            self.album = Album::of_home(there);
        }
    }

    /// Takes note of what other instances wrote; the log time of the newest snapshot there is.
    pub fn newest(&mut self) -> Result<Option<Timestamp>, SnapshotError> {
        if let Home::Kafka(home) = &mut self.home {
            let manifests = home.follow()?;
            self.learn(&manifests);
        }
        Ok(self.manifests.last().map(|manifest| manifest.log_time))
    }

    /// Writes the snapshot of a place in the log, whose blocks `write` makes.
    pub fn write(
        &mut self,
        at: At,
        write: impl FnOnce(&mut Writer<'_>) -> Result<BlockId, ImageError>,
    ) -> Result<Written, SnapshotError> {
        let (mut blocks, mut bytes) = (0, 0);
        let album = &self.album;
        let fill = |put: &mut Put<'_>| {
            let mut counted = |id, block: &[u8]| {
                blocks += 1;
                bytes += block.len();
                put(id, block)
            };
            let mut writer = album.begin(&mut counted);
            let root = write(&mut writer)?;
            Ok((root, writer.end()))
        };
        let filled = match &mut self.home {
            Home::File(home) => home.fill(fill),
            Home::Kafka(home) => home.fill(fill),
        };
        let (root, album) = filled.inspect_err(|_unsure| self.album = Album::default())?;
        let manifest = Manifest {
            format: FORMAT,
            log: self.log.clone(),
            shard: self.shard,
            position: at.position,
            digest: Digest(at.digest),
            log_time: at.log_time,
            root,
        };
        let own = (at.position, album.blocks().clone());
        self.album = album;
        let half = self.interval.as_millis() / 2;
        let is_older = |one: &&Manifest| at.log_time.millis_since(one.log_time) >= half;
        let before = self.manifests.iter().rev().find(is_older);
        let before = before.map(|manifest| manifest.position);
        self.commit(manifest, own)?;
        Ok(Written {
            blocks,
            bytes,
            before,
        })
    }

    /// Writes a manifest, and takes away what the newest ones do not need.
    fn commit(
        &mut self,
        manifest: Manifest,
        own: (u64, BTreeSet<BlockId>),
    ) -> Result<(), SnapshotError> {
        let text = text(&manifest);
        match &mut self.home {
            Home::File(home) => home.put_manifest(manifest.position, &text)?,
            Home::Kafka(home) => home.put_manifest(manifest.position, &text)?,
        }
        self.manifests
            .retain(|other| other.position != manifest.position);
        self.manifests.push(manifest);
        self.manifests.sort_by_key(|manifest| manifest.position);
        let surplus = self.manifests.len().saturating_sub(KEPT);
        let old = self.manifests.drain(..surplus).map(|old| old.position);
        let mut old: Vec<u64> = self.stale.drain(..).chain(old).collect();
        old.retain(|old| self.manifests.iter().all(|kept| kept.position != *old));
        self.own.push_back(own);
        let is_kept = |position: u64| self.manifests.iter().any(|kept| kept.position == position);
        self.own.retain(|(position, _)| is_kept(*position));
        // of what others wrote nobody here knows the blocks
        let is_known = self.own.len() == self.manifests.len();
        let blocks = self.own.iter().flat_map(|(_, blocks)| blocks);
        let needed: Option<BTreeSet<BlockId>> = is_known.then(|| blocks.copied().collect());
        match &mut self.home {
            Home::File(home) => home.take_away(&old, needed.as_ref())?,
            Home::Kafka(home) => home.take_away(&old, needed.as_ref())?,
        }
        Ok(())
    }

    /// Takes in manifests as they were found; those of other logs and of newer driftds are left
    /// alone.
    fn learn(&mut self, found: &[Vec<u8>]) {
        for text in found {
            match serde_json::from_slice::<Manifest>(text) {
                Ok(manifest) if manifest.format > FORMAT => {
                    self.are_newer = true;
                    tracing::warn!(
                        format = manifest.format,
                        position = manifest.position,
                        "a snapshot of a newer driftd is not used"
                    );
                }
                Ok(manifest) if manifest.log == self.log && manifest.shard != self.shard => {
                    let (shard, own) = (manifest.shard, self.shard);
                    tracing::warn!(%shard, %own, "a snapshot of another shard is not used");
                }
                Ok(manifest) if manifest.log == self.log => {
                    self.manifests
                        .retain(|other| other.position != manifest.position);
                    self.manifests.push(manifest);
                }
                Ok(manifest) => {
                    tracing::info!(log = %manifest.log, "a snapshot of another state log");
                }
                Err(error) => tracing::warn!(%error, "a snapshot's manifest cannot be read"),
            }
        }
        self.manifests.sort_by_key(|manifest| manifest.position);
        let surplus = self.manifests.len().saturating_sub(2 * KEPT);
        self.manifests.drain(..surplus);
    }
}

fn text(manifest: &Manifest) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "a struct of numbers and texts")]
    serde_json::to_vec(manifest).expect("a manifest can be written")
}

#[cfg(test)]
mod tests;
