//! Appends, reads, starts again, and disks that have no room.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use redb::StorageBackend;

use super::*;
use crate::statelog::record::Record;
use crate::testing::chain;

fn record(start: i64) -> Record {
    let chain = chain(0);
    Record::Genesis { chain, start }
}

fn append(appender: &Appender, start: i64) {
    appender
        .append(record(start).to_bytes().unwrap(), Failed::default())
        .unwrap();
}

/// Reads until nothing comes: the starts of the records, and where the end was told.
fn drain(reader: &mut Reader, wanted: usize) -> (Vec<i64>, usize) {
    let (mut starts, mut end) = (Vec::new(), usize::MAX);
    let mut last = (None, Timestamp::MIN);
    while starts.len() < wanted || end == usize::MAX {
        match reader.next(Duration::from_secs(5)).unwrap() {
            Read::Entry(entry) => {
                assert!(last.0 < Some(entry.position) && last.1 <= entry.append_time);
                last = (Some(entry.position), entry.append_time);
                let Record::Genesis { start, .. } = entry.record.unwrap() else {
                    panic!()
                };
                starts.push(start);
            }
            Read::End => end = starts.len(),
            Read::Idle => panic!("nothing came"),
        }
    }
    (starts, end)
}

#[test]
fn records_come_back_in_order_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (appender, mut reader) = open(dir.path(), Clock).unwrap();
        for start in 0..600 {
            append(&appender, start);
        }
        assert_eq!(drain(&mut reader, 600), ((0..600).collect(), 0));
    }
    let reopened = loop {
        // the writer of the first opening ends a moment after its appender
        match open(dir.path(), Clock) {
            Err(EmbeddedError::InUse { .. }) => thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    let (appender, mut reader) = reopened;
    append(&appender, 600);
    assert_eq!(drain(&mut reader, 601), ((0..=600).collect(), 600));
}

#[test]
fn a_second_process_is_told_who_has_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path(), Clock).unwrap();
    let error = open(dir.path(), Clock).unwrap_err();
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
}

#[test]
fn what_is_not_a_state_log_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), b"this is not a database at all").unwrap();
    let error = open(dir.path(), Clock).unwrap_err();
    assert!(
        matches!(
            error,
            EmbeddedError::Open { .. } | EmbeddedError::Read { .. }
        ),
        "{error}"
    );
}

/// A disk that is full when it is told to be.
#[derive(Debug, Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn open(&self) -> Result<Database, DatabaseError> {
        Database::builder().create_with_backend(self.clone())
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change(&mut self.bytes.lock().unwrap());
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock().unwrap()[from..from + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|bytes| bytes.resize(usize::try_from(len).unwrap(), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|_| {})
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.change(|bytes| bytes[from..from + data.len()].copy_from_slice(data))
    }
}

#[test]
fn what_a_full_disk_refused_is_taken_when_there_is_room_again() {
    let disk = Disk::default();
    let of_store = disk.clone();
    let store = Store::open(move || of_store.open()).unwrap();
    let (appender, mut reader) = open_store(store, PathBuf::from("disk"), Clock).unwrap();
    append(&appender, 0);
    assert_eq!(drain(&mut reader, 1), (vec![0], 0));
    for turn in 1..4 {
        disk.is_full.store(true, Ordering::Relaxed);
        // once where the commit fails, and once where the file could not be opened again
        for _ in 0..2 {
            let failed = Failed::default();
            let bytes = record(100).to_bytes().unwrap();
            appender.append(bytes, failed.clone()).unwrap();
            while !failed.is_set() {
                thread::yield_now();
            }
        }
        assert_eq!(appender.errors(), 2 * turn);
        disk.is_full.store(false, Ordering::Relaxed);
        let start = i64::try_from(turn).unwrap();
        append(&appender, start);
        assert_eq!(next(&mut reader), start);
    }
}

fn next(reader: &mut Reader) -> i64 {
    match reader.next(Duration::from_secs(5)).unwrap() {
        Read::Entry(entry) => match entry.record.unwrap() {
            Record::Genesis { start, .. } => start,
            other => panic!("nobody appends {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
