//! The journal in a file of this machine: `journal.jsonl` beside the embedded state log.
//!
//! It is a file of its own and not a table of the state log's database, because an audit log is
//! read by others: a database is locked by the daemon that runs, a file of lines can be followed,
//! shipped and checked meanwhile. It needs no database either, since it only grows.
//!
//! Each line is on the disk before the next one is written, so that a crash can tear the last one
//! only. A last line without a line feed is therefore none: it is cut off when the file is opened,
//! and its entry is written again. The file is locked while a daemon has it.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::journal::entry::{ENTRY_BYTES_MAX, EntryError, Line, Stored};
use crate::journal::ledger::NEWEST_BYTES_MAX;

/// The file in `state.dir`.
pub const FILE: &str = "journal.jsonl";

/// A line with its line feed; longer ones are no entries.
const LINE_BYTES_MAX: u64 = ENTRY_BYTES_MAX as u64 + 1;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another process has it.
    #[error("another driftd uses {}: stop it, or give this one another state.dir", .0.display())]
    InUse(PathBuf),
    /// Reading failed.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing failed.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The file, or the directory that it is to be in.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its last line is no entry.
    #[error("the last line of {} is no entry of a journal: move the file away", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: EntryError,
    },
}

/// The file, open for writing and locked.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    file: File,
    /// Its length up to the last whole line.
    length: u64,
}

impl Home {
    /// Opens the file in `dir`, both are made if they are not there; its last entry.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<Stored>), FileError> {
        let path = dir.join(FILE);
        let failed = |source| FileError::Write {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let mut options = File::options();
        let file = options.read(true).append(true).create(true).open(&path);
        let file = file.map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => FileError::InUse(path.clone()),
            TryLockError::Error(source) => failed(source),
        })?;
        // or a crash could take the file's name away
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed)?;
        let (length, last) = last_line(&file).map_err(|source| FileError::Read {
            path: path.clone(),
            source,
        })?;
        let unfinished = file.metadata().map_err(failed)?.len() - length;
        if unfinished > LINE_BYTES_MAX {
            return Err(FileError::Entry {
                path,
                source: EntryError::TooLong,
            });
        }
        let last = last.map(|last| Stored::read(&last)).transpose();
        let last = last.map_err(|source| FileError::Entry {
            path: path.clone(),
            source,
        })?;
        let home = Self { path, file, length };
        home.cut()?;
        Ok((home, last))
    }

    /// The newest entries, as many as readers are given; none where the last ones are not all
    /// entries.
    pub(super) fn tail(&self) -> Result<Vec<Stored>, FileError> {
        let start = self.length.saturating_sub(NEWEST_BYTES_MAX as u64);
        let mut tail = Vec::new();
        let mut reader = &self.file;
        let read = reader
            .seek(SeekFrom::Start(start))
            .and_then(|_at| reader.take(self.length - start).read_to_end(&mut tail));
        read.map_err(|source| FileError::Read {
            path: self.path.clone(),
            source,
        })?;
        let mut lines = tail.split(|byte| *byte == b'\n');
        if start > 0 {
            // most likely cut in two
            lines.next();
        }
        let lines = lines.filter(|line| !line.is_empty());
        Ok(lines
            .map(Stored::read)
            .collect::<Result<_, _>>()
            .unwrap_or_default())
    }

    /// Writes the next entry; it is on the disk afterwards, or there is nothing of it.
    pub(super) fn append(&mut self, line: &Line) -> Result<(), FileError> {
        // what an attempt before this one may have left
        self.cut()?;
        let bytes = [line.json.as_bytes(), b"\n"].concat();
        let written = self.file.write_all(&bytes);
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.failed(source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off what is not a whole line.
    fn cut(&self) -> Result<(), FileError> {
        let metadata = self.file.metadata().map_err(|source| self.failed(source))?;
        if metadata.len() == self.length {
            return Ok(());
        }
        tracing::warn!(file = %self.path.display(), "journal has an unfinished line, cut off");
        self.file
            .set_len(self.length)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

/// The end of the last whole line, and this line.
fn last_line(file: &File) -> io::Result<(u64, Option<Vec<u8>>)> {
    let length = file.metadata()?.len();
    // what is unfinished, and a whole line before it
    let start = length.saturating_sub(2 * LINE_BYTES_MAX);
    let mut tail = Vec::new();
    let mut reader = file;
    reader.seek(SeekFrom::Start(start))?;
    reader.take(length - start).read_to_end(&mut tail)?;
    let is_feed = |byte: &u8| *byte == b'\n';
    let Some(end) = tail.iter().rposition(is_feed) else {
        return Ok((0, None));
    };
    tail.truncate(end);
    let begin = tail.iter().rposition(is_feed).map_or(0, |feed| feed + 1);
    Ok((start + end as u64 + 1, Some(tail.split_off(begin))))
}

/// Reads lines one by one, without their line feeds.
pub fn for_each_line<E>(
    reader: impl Read,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> io::Result<Result<(), E>> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Ok(()));
        }
        if let Err(error) = each(line.strip_suffix(b"\n").unwrap_or(&line)) {
            return Ok(Err(error));
        }
    }
}

#[cfg(test)]
mod tests;
