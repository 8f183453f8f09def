//! The state log in a real Kafka: a place in it is found, and all of it comes, whatever the client
//! had fetched before it was asked to go elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use driftd::clock::Clock;
use driftd::config::{Home, Kafka, State};
use driftd::key::{ChainKey, Shard};
use driftd::statelog::record::Record;
use driftd::statelog::{self, Appender, Entry, Failed, Read, Reader};
use driftd::time::Length;

use crate::poll::poll_until;
use crate::rig::kafka;

/// Records in the log.
const RECORDS: u64 = 30;

/// How often it is tried: what was fetched is a matter of time.
const ROUNDS: usize = 5;

const LIMIT: Duration = Duration::from_secs(30);

fn open() -> (Appender, Reader) {
    let state = State {
        shard: Shard::ALL,
        home: Home::Kafka {
            topic: "statelog.places".to_owned(),
            journal_topic: "statelog.journal".to_owned(),
            snapshot_topic: "statelog.snapshots".to_owned(),
        },
        flush_interval: Length::SECOND,
        snapshot_interval: Length::MINUTE,
        spill_dir: None,
    };
    let kafka = Kafka {
        brokers: kafka().bootstrap().to_owned(),
        properties: BTreeMap::new(),
    };
    statelog::open(&state, &kafka, Clock).expect("a state log")
}

/// Reads to the end that was known when the log was opened.
fn read(reader: &mut Reader) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        match reader.next(LIMIT).expect("it can be read") {
            Read::Entry(entry) => entries.push(entry),
            Read::End => return entries,
            Read::Idle => panic!("{} of {RECORDS} records come", entries.len()),
        }
    }
}

#[test]
fn a_place_is_found_whatever_was_fetched_before() {
    let (appender, _reader) = open();
    for partition in 0..RECORDS {
        let chain = ChainKey {
            shard: 0,
            cluster: "c".into(),
            topic: "t".into(),
            incarnation: 0,
            partition: i32::try_from(partition).expect("there are few"),
        };
        let record = Record::Genesis { chain, start: 0 };
        let appended = appender.append(&record, &Failed::default());
        appended.expect("it is appended");
    }
    let all = poll_until(LIMIT, || (appender.end() == Some(RECORDS)).then_some(()));
    all.expect("all records are there");
    for _ in 0..ROUNDS {
        let (_appender, mut reader) = open();
        // takes as long as a client that reads already needs to fetch all of it
        let entries = read(&mut open().1);
        let last = entries.last().expect("there are records");
        let (end, at) = (last.position + 1, last.append_time);
        assert_eq!(end, RECORDS, "all of it was read");
        let found = reader.resume(end, &last.digest, at);
        assert!(found.expect("it can be read"), "the last place");
        let found = reader.resume(end, &[7; 32], at);
        assert!(!found.expect("it can be read"), "another log");
        let found = reader.resume(end + 1, &last.digest, at);
        assert!(!found.expect("it can be read"), "beyond the end");
        assert_eq!(reader.restart().expect("it can be read"), 0);
        assert_eq!(read(&mut reader).len(), entries.len());
    }
}
