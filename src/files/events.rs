//! JSONL: one event in each line, blank lines aside.
//!
//! Lines are records without a timestamp of their own, so an event must have one, and none is too
//! old or too early. What a line is rejected for is counted by reason, as with records from Kafka.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{FilesError, open};
use crate::decode::{Decoder, Names, Record, Reject, Row};

/// The longest line; longer ones are rejected as oversized. As long as a record may be.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// What became of the lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventsRead {
    /// Lines that are not blank.
    pub lines: u64,
    /// Rows decoded from them.
    pub rows: u64,
    /// Lines rejected, by [`Reject::index`].
    pub rejected: [u64; Reject::ALL.len()],
}

impl EventsRead {
    /// Counts what became of a line.
    pub fn count(&mut self, outcome: Result<u32, Reject>) {
        self.lines += 1;
        match outcome {
            Ok(rows) => self.rows += u64::from(rows),
            Err(reject) => {
                if let Some(count) = self.rejected.get_mut(reject.index()) {
                    *count += 1;
                }
            }
        }
    }

    /// Adds what became of the lines of another file.
    pub fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        self.rows += other.rows;
        for (mine, theirs) in self.rejected.iter_mut().zip(other.rejected) {
            *mine += theirs;
        }
    }

    /// The reasons that lines were rejected for, and how many.
    pub fn rejects(&self) -> impl Iterator<Item = (Reject, u64)> {
        Reject::ALL
            .into_iter()
            .zip(self.rejected)
            .filter(|(_, count)| *count > 0)
    }
}

/// The lines of a file.
#[derive(Debug)]
pub struct EventLines {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    bytes: u64,
}

/// A line that is not blank.
#[derive(Debug, Clone, Copy)]
pub enum EventLine<'a> {
    /// An event, or something else.
    Record(Record<'a>),
    /// One that is too long to be looked at.
    Oversized,
}

impl EventLines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        let reader = BufReader::with_capacity(1 << 16, open(path)?);
        Ok(Self {
            path: path.to_owned(),
            reader,
            line: Vec::new(),
            bytes: 0,
        })
    }

    /// The next line, or `None` at the end.
    pub fn read(&mut self) -> Result<Option<EventLine<'_>>, FilesError> {
        loop {
            self.line.clear();
            // one byte more than a line may have, and its end
            let most = LINE_BYTES_MAX as u64 + 2;
            let mut bounded = (&mut self.reader).take(most);
            let read = bounded
                .read_until(b'\n', &mut self.line)
                .map_err(self.failed())?;
            self.bytes += read as u64;
            if read == 0 {
                return Ok(None);
            }
            let ended = self.line.last() == Some(&b'\n');
            while matches!(self.line.last(), Some(b'\n' | b'\r')) {
                self.line.pop();
            }
            if self.line.len() > LINE_BYTES_MAX {
                if !ended {
                    self.skip()?;
                }
                return Ok(Some(EventLine::Oversized));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(EventLine::Record(Record {
            value: Some(&self.line),
            timestamp: None,
        })))
    }

    /// The bytes read since this was last asked.
    pub fn bytes(&mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }

    /// Passes over the rest of a line.
    fn skip(&mut self) -> Result<(), FilesError> {
        let skipped = self.reader.skip_until(b'\n').map_err(self.failed())?;
        self.bytes += skipped as u64;
        Ok(())
    }

    fn failed(&self) -> impl FnOnce(std::io::Error) -> FilesError + use<> {
        let path = self.path.clone();
        move |source| FilesError::Io { path, source }
    }
}

/// Hands each row of a file of events to `each`, in its order and with the names of its slots, and
/// says what became of the lines.
pub fn read_events(
    path: &Path,
    decoder: &mut Decoder,
    mut each: impl FnMut(&Names, &Row<'_>),
) -> Result<EventsRead, FilesError> {
    let mut lines = EventLines::open(path)?;
    let mut read = EventsRead::default();
    while let Some(line) = lines.read()? {
        read.count(match line {
            EventLine::Record(record) => decoder.decode(record, &mut each),
            EventLine::Oversized => Err(Reject::Oversized),
        });
    }
    Ok(read)
}
