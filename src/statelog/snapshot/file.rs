//! Snapshots in files of this machine, beside the embedded state log.
//!
//! ```text
//! snapshots/blocks           one after the other: 4 bytes length, 16 bytes name, the block
//! snapshots/<position>.json  a manifest
//! ```
//!
//! Files of their own and no database: what is torn or overwritten must not be a reason not to
//! start. Blocks are only ever appended, and are known to be whole by their names; a manifest takes
//! its place by being renamed. Where more than half of the blocks is garbage, the others are copied
//! into a new file, which then takes the place of the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::image::{BlockId, ImageError, PART_BYTES_MAX, Put};

/// The directory in `state.dir`.
pub(super) const DIR: &str = "snapshots";

const BLOCKS: &str = "blocks";

const BLOCKS_NEW: &str = "blocks.new";

/// The bytes before each block.
const HEAD: u64 = 20;

/// The longest block: a part and its form.
const LENGTH_MAX: u64 = PART_BYTES_MAX as u64 + 1;

/// Garbage that is not worth copying what is none.
const GARBAGE_MIN: u64 = 4 << 20;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used", .path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    blocks: File,
    /// Where each block begins, behind its head, and how long it is.
    places: BTreeMap<BlockId, (u64, u32)>,
    length: u64,
}

impl Home {
    /// Opens the files in `dir`, which are made if they are not there. Gives the manifests too.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<Vec<u8>>), FileError> {
        let dir = dir.join(DIR);
        let open = || {
            fs::create_dir_all(&dir)?;
            let mut options = File::options();
            let blocks = options.read(true).append(true).create(true);
            let blocks = blocks.open(dir.join(BLOCKS))?;
            let (places, length) = scan(&blocks)?;
            // what a crash left unfinished
            blocks.set_len(length)?;
            let mut manifests = Vec::new();
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "json")
                {
                    manifests.push(fs::read(path)?);
                }
            }
            Ok((blocks, places, length, manifests))
        };
        let opened = open().map_err(|source| FileError {
            path: dir.clone(),
            source,
        });
        let (blocks, places, length, manifests) = opened?;
        let home = Self {
            dir,
            blocks,
            places,
            length,
        };
        Ok((home, manifests))
    }

    pub(super) fn get(&self, id: BlockId) -> Result<Option<Vec<u8>>, FileError> {
        let Some((start, length)) = self.places.get(&id) else {
            return Ok(None);
        };
        let mut block = vec![0; *length as usize];
        let read = self.blocks.read_exact_at(&mut block, *start);
        read.map_err(|source| self.failed(source))?;
        Ok(Some(block))
    }

    pub(super) fn blocks(&self) -> BTreeSet<BlockId> {
        self.places.keys().copied().collect()
    }

    /// Puts blocks; all of them are on the disk afterwards, or none.
    pub(super) fn fill<T>(
        &mut self,
        fill: impl FnOnce(&mut Put<'_>) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let mut run = Run::new(&self.blocks, self.length);
        let filled = fill(&mut |id, block| Ok(run.put(id, block)?));
        let ended = filled.and_then(|filled| {
            let (places, length) = run.end().map_err(|error| ImageError::Home(error.into()))?;
            Ok((filled, places, length))
        });
        match ended {
            Ok((filled, places, length)) => {
                self.places.extend(places);
                self.length = length;
                Ok(filled)
            }
            Err(error) => {
                let cut = self.blocks.set_len(self.length);
                cut.map_err(|error| ImageError::Home(error.into()))?;
                Err(error)
            }
        }
    }

    pub(super) fn put_manifest(&self, position: u64, text: &[u8]) -> Result<(), FileError> {
        let put = || {
            let made = self.dir.join("manifest.new");
            let mut file = File::create(&made)?;
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(made, self.manifest(position))?;
            File::open(&self.dir)?.sync_all()
        };
        put().map_err(|source| self.failed(source))
    }

    /// Takes old manifests away, and blocks that are not needed where it is known which are.
    pub(super) fn take_away(
        &mut self,
        old: &[u64],
        needed: Option<&BTreeSet<BlockId>>,
    ) -> Result<(), FileError> {
        for position in old {
            match fs::remove_file(self.manifest(*position)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed(error));
                }
                _ => {}
            }
        }
        let Some(needed) = needed else {
            return Ok(());
        };
        let lengths = needed.iter().filter_map(|id| self.places.get(id));
        let live: u64 = lengths.map(|(_, length)| HEAD + u64::from(*length)).sum();
        if self.length - live.min(self.length) <= live + GARBAGE_MIN {
            return Ok(());
        }
        self.compact(needed).map_err(|source| self.failed(source))
    }

    fn compact(&mut self, needed: &BTreeSet<BlockId>) -> io::Result<()> {
        let made = self.dir.join(BLOCKS_NEW);
        File::create(&made)?;
        let blocks = File::options().read(true).append(true).open(&made)?;
        let mut run = Run::new(&blocks, 0);
        for id in needed {
            let Some((start, length)) = self.places.get(id) else {
                continue;
            };
            let mut block = vec![0; *length as usize];
            self.blocks.read_exact_at(&mut block, *start)?;
            run.put(*id, &block)?;
        }
        let (places, length) = run.end()?;
        fs::rename(made, self.dir.join(BLOCKS))?;
        File::open(&self.dir)?.sync_all()?;
        (self.blocks, self.places, self.length) = (blocks, places, length);
        Ok(())
    }

    fn manifest(&self, position: u64) -> PathBuf {
        self.dir.join(format!("{position}.json"))
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError {
            path: self.dir.clone(),
            source,
        }
    }
}

type Places = BTreeMap<BlockId, (u64, u32)>;

/// Blocks that are being appended.
struct Run<'a> {
    writer: BufWriter<&'a File>,
    places: Places,
    length: u64,
}

impl<'a> Run<'a> {
    fn new(file: &'a File, length: u64) -> Self {
        Self {
            writer: BufWriter::with_capacity(1 << 20, file),
            places: Places::new(),
            length,
        }
    }

    fn put(&mut self, id: BlockId, block: &[u8]) -> io::Result<()> {
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        self.writer.write_all(&length.to_le_bytes())?;
        self.writer.write_all(&id.0)?;
        self.writer.write_all(block)?;
        self.places.insert(id, (self.length + HEAD, length));
        self.length += HEAD + u64::from(length);
        Ok(())
    }

    /// All of it is on the disk.
    fn end(mut self) -> io::Result<(Places, u64)> {
        self.writer.flush()?;
        self.writer.get_ref().sync_data()?;
        Ok((self.places, self.length))
    }
}

/// Where blocks are, as far as one follows the other; and where that ends.
fn scan(file: &File) -> io::Result<(Places, u64)> {
    let whole = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut places, mut at) = (Places::new(), 0);
    while at + HEAD <= whole {
        let (mut length, mut id) = ([0; 4], [0; 16]);
        reader.read_exact(&mut length)?;
        reader.read_exact(&mut id)?;
        let length = u32::from_le_bytes(length);
        let end = at + HEAD + u64::from(length);
        if u64::from(length) > LENGTH_MAX || end > whole {
            break;
        }
        places.insert(BlockId(id), (at + HEAD, length));
        reader.seek_relative(i64::from(length))?;
        at = end;
    }
    Ok((places, at))
}

#[cfg(test)]
mod tests;
