//! The state log in a file of this machine: a redb table, for a single instance.
//!
//! One thread writes. It takes what is queued, commits all of it in one durable transaction, and
//! only then hands it to the reader, so that nothing is folded that a crash could take back:
//!
//! ```text
//! append --queue--> writer: commit [n, n + k) with append times --channel--> reader
//! ```
//!
//! A crash between queue and commit loses appends that nobody has seen; their workers read the
//! records again. When the disk is full the commit fails, its appends are flagged, and the file is
//! opened again. What a commit that failed has left on the disk the next one takes away.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use sha2::{Digest as _, Sha256};

pub use self::error::EmbeddedError;
use self::store::Store;
use crate::clock::Clock;
use crate::statelog::{AppendError, Entry, Failed, Read};
use crate::time::Timestamp;

mod error;
mod store;

/// The file in `state.dir`.
pub const FILE: &str = "driftd.redb";

/// Records by position: append time in milliseconds, bytes.
const LOG: TableDefinition<'_, u64, (i64, &[u8])> = TableDefinition::new("log");

/// What the file is: `format` is the version of this layout of tables.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout of tables that this driftd writes and reads.
const FORMAT: u64 = 1;

/// Appends that may wait for a commit; further ones are refused.
const QUEUE_MAX: usize = 1_024;

/// Records that are committed and not yet read; the writer waits at this.
const UNREAD_MAX: usize = 1_024;

/// Records of one commit.
const COMMIT_MAX: usize = 256;

/// Records taken away in one commit, which appends wait for.
const TRIM_MAX: u64 = 10_000;

/// Old records read at a time.
const PAGE: usize = 256;

/// What waits for a commit.
struct Queued {
    bytes: Vec<u8>,
    failed: Failed,
}

/// Where records are queued.
#[derive(Debug, Clone)]
pub struct Appender {
    queue: SyncSender<Queued>,
    errors: Arc<AtomicU64>,
    /// The position after the last record committed.
    end: Arc<AtomicU64>,
    store: Arc<Store>,
    file: PathBuf,
}

impl Appender {
    /// Takes away the records before this position.
    pub(super) fn trim(&self, position: u64) -> Result<(), EmbeddedError> {
        let trim = |database: &Database| -> Result<bool, redb::Error> {
            let write = database.begin_write()?;
            let is_done = {
                let mut log = write.open_table(LOG)?;
                let first = log.first()?.map_or(position, |(first, _)| first.value());
                let upto = position.min(first + TRIM_MAX);
                log.retain_in(first..upto, |_, _| false)?;
                upto == position
            };
            write.commit()?;
            Ok(is_done)
        };
        let failed = |source| EmbeddedError::Read {
            file: self.file.clone(),
            source: Box::new(source),
        };
        while !self.store.with(trim).map_err(failed)? {}
        Ok(())
    }

    pub(super) fn append(&self, bytes: Vec<u8>, failed: Failed) -> Result<(), AppendError> {
        self.queue
            .try_send(Queued { bytes, failed })
            .map_err(|refused| match refused {
                TrySendError::Full(_) => AppendError::Full,
                TrySendError::Disconnected(_) => AppendError::Closed,
            })
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

/// A committed record.
type Row = (u64, Timestamp, Vec<u8>);

/// Where records come out.
#[derive(Debug)]
pub struct Reader {
    store: Arc<Store>,
    file: PathBuf,
    /// Old records, read page by page before anything that was appended since.
    page: VecDeque<Row>,
    next: u64,
    /// The first record that was there when the file was opened.
    first: u64,
    /// Records before this position were there when the file was opened.
    old: u64,
    told_end: bool,
    committed: Receiver<Row>,
}

impl Reader {
    pub(super) fn next(&mut self, timeout: Duration) -> Result<Read, EmbeddedError> {
        if self.page.is_empty() && self.next < self.old {
            let read = self.store.with(|database| self.read_page(database));
            self.page = read.map_err(|source| EmbeddedError::Read {
                file: self.file.clone(),
                source: Box::new(source),
            })?;
            if self.page.is_empty() {
                self.next = self.old;
            }
        }
        if let Some(row) = self.page.pop_front() {
            return Ok(self.hand_out(row));
        }
        if !self.told_end {
            self.told_end = true;
            return Ok(Read::End);
        }
        match self.committed.recv_timeout(timeout) {
            Ok(row) => Ok(self.hand_out(row)),
            Err(RecvTimeoutError::Timeout) => Ok(Read::Idle),
            Err(RecvTimeoutError::Disconnected) => {
                // all appenders are gone: the daemon is stopping
                thread::sleep(timeout);
                Ok(Read::Idle)
            }
        }
    }

    /// The position of the first record that is there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Goes on at this position.
    pub(super) fn start_at(&mut self, position: u64) {
        self.page.clear();
        self.next = position;
    }

    /// Goes on at this position if the record before it has this digest, and was appended by then;
    /// whether that is so.
    pub(super) fn resume(
        &mut self,
        position: u64,
        (digest, log_time): (&[u8; 32], Timestamp),
    ) -> Result<bool, EmbeddedError> {
        let Some(before) = position.checked_sub(1) else {
            return Ok(false);
        };
        let get = |database: &Database| -> Result<_, redb::Error> {
            let log = database.begin_read()?.open_table(LOG)?;
            let row = log.get(before)?;
            Ok(row.map(|row| {
                let (append_ms, bytes) = row.value();
                (<[u8; 32]>::from(Sha256::digest(bytes)), append_ms)
            }))
        };
        let found = self.store.with(get).map_err(|source| EmbeddedError::Read {
            file: self.file.clone(),
            source: Box::new(source),
        })?;
        let is_there = found.is_some_and(|(found, append_ms)| {
            found == *digest && append_ms <= log_time.as_millis()
        });
        if is_there {
            self.start_at(position);
        }
        Ok(is_there)
    }

    fn hand_out(&mut self, (position, append_time, bytes): Row) -> Read {
        self.next = position + 1;
        Read::Entry(Entry::new(position, append_time, &bytes))
    }

    fn read_page(&self, database: &Database) -> Result<VecDeque<Row>, redb::Error> {
        let log = database.begin_read()?.open_table(LOG)?;
        let mut page = VecDeque::new();
        for row in log.range(self.next..self.old)?.take(PAGE) {
            let (position, row) = row?;
            let (append_ms, bytes) = row.value();
            page.push_back((
                position.value(),
                Timestamp::from_millis(append_ms),
                bytes.to_vec(),
            ));
        }
        Ok(page)
    }
}

/// Opens the file in `dir`; both are made if they are not there.
pub fn open(dir: &Path, clock: Clock) -> Result<(Appender, Reader), EmbeddedError> {
    fs::create_dir_all(dir).map_err(|source| EmbeddedError::Directory {
        dir: dir.to_owned(),
        source,
    })?;
    let file = dir.join(FILE);
    let store = Store::open_file(&file).map_err(|source| match source {
        DatabaseError::DatabaseAlreadyOpen => EmbeddedError::InUse { file: file.clone() },
        source => EmbeddedError::Open {
            file: file.clone(),
            source: Box::new(source),
        },
    })?;
    open_store(store, file, clock)
}

/// Prepares the tables and starts the thread that commits.
fn open_store(
    store: Store,
    file: PathBuf,
    clock: Clock,
) -> Result<(Appender, Reader), EmbeddedError> {
    let prepared = store.with(prepare);
    let (found, (first, old), last_time) = prepared.map_err(|source| EmbeddedError::Read {
        file: file.clone(),
        source: Box::new(source),
    })?;
    if found > FORMAT {
        return Err(EmbeddedError::Newer { file, found });
    }
    let store = Arc::new(store);
    let (queue, queued) = sync_channel(QUEUE_MAX);
    let (commit, committed) = sync_channel(UNREAD_MAX);
    let errors = Arc::new(AtomicU64::new(0));
    let end = Arc::new(AtomicU64::new(old));
    let writer = Writer {
        store: Arc::clone(&store),
        clock,
        next: old,
        last_time,
        commit,
        errors: Arc::clone(&errors),
        end: Arc::clone(&end),
    };
    thread::Builder::new()
        .name("statelog".to_owned())
        .spawn(move || writer.run(&queued))
        .map_err(EmbeddedError::Thread)?;
    let reader = Reader {
        store: Arc::clone(&store),
        file: file.clone(),
        page: VecDeque::new(),
        next: first,
        first,
        old,
        told_end: false,
        committed,
    };
    let appender = Appender {
        queue,
        errors,
        end,
        store,
        file,
    };
    Ok((appender, reader))
}

/// Makes the tables: their format, the positions of the first record and after the last one, and
/// the time of that.
fn prepare(database: &Database) -> Result<(u64, (u64, u64), Timestamp), redb::Error> {
    let write = database.begin_write()?;
    let (format, first, last) = {
        let mut meta = write.open_table(META)?;
        let known = meta.get("format")?.map(|format| format.value());
        if known.is_none() {
            meta.insert("format", FORMAT)?;
        }
        let log = write.open_table(LOG)?;
        let first = log.first()?.map_or(0, |(position, _)| position.value());
        let last = log
            .last()?
            .map(|(position, row)| (position.value(), row.value().0));
        (known.unwrap_or(FORMAT), first, last)
    };
    write.commit()?;
    let (next, time) = last.map_or((0, Timestamp::MIN), |(position, append_ms)| {
        (position + 1, Timestamp::from_millis(append_ms))
    });
    Ok((format, (first, next), time))
}

/// The thread that commits.
struct Writer {
    store: Arc<Store>,
    clock: Clock,
    next: u64,
    last_time: Timestamp,
    commit: SyncSender<Row>,
    errors: Arc<AtomicU64>,
    end: Arc<AtomicU64>,
}

impl Writer {
    /// Until all appenders are gone.
    fn run(mut self, queued: &Receiver<Queued>) {
        while let Ok(first) = queued.recv() {
            let mut batch = vec![first];
            batch.extend(queued.try_iter().take(COMMIT_MAX - 1));
            let time = self.clock.now().max(self.last_time);
            if let Err(error) = self.commit(time, &batch) {
                self.fail(&error, &batch);
                continue;
            }
            self.last_time = time;
            let end = self.next + batch.len() as u64;
            self.end.store(end, Ordering::Relaxed);
            for queued in batch {
                if self.commit.send((self.next, time, queued.bytes)).is_err() {
                    // nobody reads any more: the daemon is stopping
                    return;
                }
                self.next += 1;
            }
        }
    }

    fn commit(&self, time: Timestamp, batch: &[Queued]) -> Result<(), redb::Error> {
        self.store.be_open()?;
        self.store
            .with(|database| write(database, self.next, time, batch))
    }

    /// Nothing of this is in the log, as far as anybody is told.
    fn fail(&self, error: &redb::Error, batch: &[Queued]) {
        let records = batch.len();
        self.errors.fetch_add(records as u64, Ordering::Relaxed);
        tracing::error!(%error, records, "state log not written, trying again");
        if let Err(error) = self.store.reopen() {
            tracing::warn!(%error, "state log not opened again, trying again");
        }
        for queued in batch {
            queued.failed.set();
        }
    }
}

fn write(
    database: &Database,
    next: u64,
    time: Timestamp,
    batch: &[Queued],
) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut log = write.open_table(LOG)?;
        log.retain_in(next.., |_, _| false)?;
        for (position, queued) in (next..).zip(batch) {
            log.insert(position, (time.as_millis(), queued.bytes.as_slice()))?;
        }
    }
    write.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
