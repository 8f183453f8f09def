//! Bytes that are seldom looked at, in files instead of memory.
//!
//! Most of what a fold keeps are packed counts that nothing looks at for hours: panes that leave a
//! window twelve panes later, hours that teach once a day. They are put one after another into
//! files that have no name, so that nothing is left of them when driftd ends, and are read from
//! there. What is often read stays in the page cache, which the kernel takes back where memory is
//! short:
//!
//! ```text
//! put(kept for 2 h, ..)   --> [ ........ | ........ | ..      one file after another
//! put(kept for 28 d, ..)  --> [ ..............                for each time that bytes are kept
//! ```
//!
//! Bytes that are kept for as long go out of use in about the order in which they came; a file is
//! gone when the last of its bytes are. It ends at a part of all that there is, so that there are
//! few files, and little in them is out of use.
//!
//! A file that takes no more leaves bytes in memory, and a warning. One that does not give back
//! what it took ends whoever reads it: there is no second copy.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image::run;
use crate::time::Length;

/// Fewer bytes than this stay in memory: to know where they are takes as many.
const SPILLED_MIN: usize = 64;

/// A file ends when it has so many bytes and a [`SHARE`]th of all.
const FILE_MIN: u64 = 1 << 20;
const SHARE: u64 = 32;

/// Where bytes are put: in memory, or in files of a directory.
#[derive(Debug, Clone, Default)]
pub struct Spill(Option<Arc<Files>>);

#[derive(Debug)]
struct Files {
    dir: PathBuf,
    /// The files that are not full, by how long their bytes are kept.
    open: Mutex<BTreeMap<Length, Arc<Spilled>>>,
    /// The length of all files.
    bytes: Arc<AtomicU64>,
    /// Whether the last bytes were not taken.
    is_failing: AtomicBool,
}

/// A file, while anything in it is of use.
#[derive(Debug)]
struct Spilled {
    file: File,
    length: AtomicU64,
    /// The length of all files.
    all: Arc<AtomicU64>,
}

impl Drop for Spilled {
    fn drop(&mut self) {
        self.all.fetch_sub(self.length(), Ordering::Relaxed);
    }
}

impl Spill {
    /// Files in this directory, which is made when it is not there.
    pub fn to(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        tempfile::tempfile_in(dir)?;
        Ok(Self(Some(Arc::new(Files {
            dir: dir.to_owned(),
            open: Mutex::default(),
            bytes: Arc::default(),
            is_failing: AtomicBool::new(false),
        }))))
    }

    /// The bytes that all files take, those in them that are out of use included.
    pub fn bytes(&self) -> u64 {
        let files = self.0.as_ref();
        files.map_or(0, |files| files.bytes.load(Ordering::Relaxed))
    }

    /// Puts bytes that will be kept for about so long.
    pub(crate) fn put(&self, kept: Length, bytes: Box<[u8]>) -> Bytes {
        let length = u32::try_from(bytes.len()).ok();
        let length = length.filter(|_| bytes.len() >= SPILLED_MIN);
        let (Some(files), Some(length)) = (&self.0, length) else {
            return Bytes::from(bytes);
        };
        let put = files.put(kept, &bytes, length);
        let was_failing = files.is_failing.swap(put.is_err(), Ordering::Relaxed);
        put.unwrap_or_else(|error| {
            if !was_failing {
                let dir = files.dir.display();
                tracing::warn!(%error, %dir, "counts stay in memory: they cannot be spilled");
            }
            Bytes::from(bytes)
        })
    }

    /// Files of their own in the same directory, which are gone with this and all that is in them.
    pub(crate) fn apart(&self) -> Self {
        let apart = |files: &Arc<Files>| {
            Arc::new(Files {
                dir: files.dir.clone(),
                open: Mutex::default(),
                bytes: Arc::clone(&files.bytes),
                is_failing: AtomicBool::new(false),
            })
        };
        Self(self.0.as_ref().map(apart))
    }
}

impl Files {
    fn put(&self, kept: Length, bytes: &[u8], length: u32) -> io::Result<Bytes> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = FILE_MIN.max(self.bytes.load(Ordering::Relaxed) / SHARE);
        let open_one = open.get(&kept).filter(|file| file.length() < enough);
        let file = if let Some(file) = open_one {
            Arc::clone(file)
        } else {
            let file = Arc::new(Spilled {
                file: tempfile::tempfile_in(&self.dir)?,
                length: AtomicU64::new(0),
                all: Arc::clone(&self.bytes),
            });
            open.insert(kept, Arc::clone(&file));
            file
        };
        let at = file.length();
        file.file.write_all_at(bytes, at)?;
        for length_of in [&file.length, &self.bytes] {
            length_of.fetch_add(length.into(), Ordering::Relaxed);
        }
        Ok(Bytes(Place::File { file, at, length }))
    }
}

impl Spilled {
    fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }
}

/// Bytes that were put; clones share them where they are in a file.
#[derive(Clone)]
pub(crate) struct Bytes(Place);

#[derive(Clone)]
enum Place {
    Memory(Box<[u8]>),
    File {
        file: Arc<Spilled>,
        at: u64,
        length: u32,
    },
}

impl Bytes {
    /// The bytes.
    ///
    /// # Panics
    ///
    /// Where the file does not give back what it took.
    pub(crate) fn read(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Place::Memory(bytes) => Cow::Borrowed(bytes),
            Place::File { file, at, length } => {
                let mut bytes = vec![0; *length as usize];
                #[expect(clippy::panic, reason = "there is no second copy to go on with")]
                if let Err(error) = file.file.read_exact_at(&mut bytes, *at) {
                    panic!("a file in state.spill_dir does not give back what it took: {error}");
                }
                Cow::Owned(bytes)
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Place::Memory(bytes) => bytes.len(),
            Place::File { length, .. } => *length as usize,
        }
    }

    /// Moves them there, unless they are in a file.
    pub(crate) fn spill(&mut self, spill: &Spill, kept: Length) {
        if let Place::Memory(bytes) = &mut self.0 {
            *self = spill.put(kept, std::mem::take(bytes));
        }
    }
}

/// The same wherever they are.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::from(Box::default())
    }
}

impl From<Box<[u8]>> for Bytes {
    fn from(bytes: Box<[u8]>) -> Self {
        Self(Place::Memory(bytes))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        run::serialize(&self.read(), serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Box<[u8]> = run::deserialize(deserializer)?;
        Ok(Self::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn bytes(seed: u8) -> Box<[u8]> {
        (0..10_000)
            .map(|at: u32| seed ^ at.to_le_bytes()[0])
            .collect()
    }

    #[test]
    fn what_is_put_is_read_from_a_file() {
        let dir = TempDir::new().unwrap();
        let spill = Spill::to(&dir.path().join("made/here")).unwrap();
        let put: Vec<_> = (0..=255)
            .map(|seed| {
                spill.put(
                    [Length::HOUR, Length::DAY][usize::from(seed % 2)],
                    bytes(seed),
                )
            })
            .collect();
        assert_eq!(spill.bytes(), 256 * 10_000);
        for (seed, put) in (0..=255).zip(&put) {
            assert!(matches!(put.0, Place::File { .. }));
            assert_eq!((&*put.read(), put.len()), (&*bytes(seed), 10_000));
        }
        let stored = rmp_serde::to_vec_named(&put[7]).unwrap();
        let mut read: Bytes = rmp_serde::from_slice(&stored).unwrap();
        assert!(matches!(read.0, Place::Memory(_)));
        read.spill(&spill, Length::DAY);
        assert!(matches!(read.0, Place::File { .. }));
        assert_eq!(read.read(), put[7].read());
    }

    #[test]
    fn a_file_is_gone_with_the_last_bytes_in_it() {
        let dir = TempDir::new().unwrap();
        let spill = Spill::to(dir.path()).unwrap();
        let mut put: Vec<_> = (0..255)
            .map(|seed| spill.put(Length::HOUR, bytes(seed)))
            .collect();
        assert_eq!(spill.bytes(), 255 * 10_000);
        let kept = put.split_off(150);
        drop(put);
        assert!(
            (1_050_000..1_600_000).contains(&spill.bytes()),
            "{}",
            spill.bytes()
        );
        assert_eq!(&*kept[0].read(), &*bytes(150));
        drop(kept);
        assert!(spill.bytes() < 1 << 20, "the last file is still open");
        let open = spill.bytes();
        let apart = spill.apart();
        let put = apart.put(Length::HOUR, bytes(3));
        assert_eq!(spill.bytes(), open + 10_000);
        drop((apart, put));
        assert_eq!(spill.bytes(), open);
    }

    #[test]
    #[should_panic(expected = "does not give back what it took: failed to fill whole buffer")]
    fn a_file_that_lost_what_it_took_ends_whoever_reads_it() {
        let dir = TempDir::new().unwrap();
        let spill = Spill::to(dir.path()).unwrap();
        let put = [1, 2].map(|seed| spill.put(Length::HOUR, bytes(seed)));
        if let Place::File { file, .. } = &put[0].0 {
            file.file.set_len(15_000).unwrap();
        }
        assert_eq!(&*put[0].read(), &*bytes(1));
        put[1].read();
    }

    #[test]
    fn few_bytes_stay_in_memory_and_so_do_those_that_a_directory_does_not_take() {
        let dir = TempDir::new().unwrap();
        let spill = Spill::to(&dir.path().join("gone")).unwrap();
        let few: Box<[u8]> = vec![7; SPILLED_MIN - 1].into();
        assert!(matches!(spill.put(Length::HOUR, few).0, Place::Memory(_)));
        fs::remove_dir(dir.path().join("gone")).unwrap();
        let put = spill.put(Length::HOUR, bytes(1));
        assert!(matches!(put.0, Place::Memory(_)));
        assert_eq!((&*put.read(), spill.bytes()), (&*bytes(1), 0));
        assert!(Spill::to(Path::new("/dev/null/no")).is_err());
        assert!(matches!(
            Spill::default().put(Length::HOUR, bytes(1)).0,
            Place::Memory(_)
        ));
    }
}
