//! Which snapshots stand for what is trimmed, and which go.

use std::path::Path;

use super::*;
use crate::testing::embedded;

fn open_in(dir: &Path, log: &str) -> Snapshots {
    let (state, kafka) = embedded(dir);
    open(&state, &kafka, log.to_owned(), &Spill::default()).unwrap()
}

/// One a minute for each position.
fn write(snapshots: &mut Snapshots, position: u64) -> Written {
    let minutes = i64::try_from(position).unwrap();
    write_at(
        snapshots,
        position,
        Timestamp::from_millis(minutes * 60_000),
    )
}

fn write_at(snapshots: &mut Snapshots, position: u64, log_time: Timestamp) -> Written {
    let at = At {
        position,
        digest: [7; 32],
        log_time,
    };
    snapshots
        .write(at, |writer| writer.block(|_| Ok(position)))
        .unwrap()
}

fn positions(snapshots: &Snapshots) -> Vec<u64> {
    snapshots
        .newest_first()
        .map(|manifest| manifest.position)
        .collect()
}

#[test]
fn the_two_newest_are_kept_and_the_log_before_the_older_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshots = open_in(dir.path(), "a");
    snapshots.begin(None);
    let before = [10, 20, 30].map(|position| write(&mut snapshots, position).before);
    assert_eq!(before, [None, Some(10), Some(20)]);
    drop(snapshots);
    let snapshots = open_in(dir.path(), "a");
    assert_eq!(positions(&snapshots), [30, 20]);
    let newest = snapshots.newest_first().next().unwrap().clone();
    let read = |id, reader: &Reader<'_>| reader.read::<u64>(id);
    assert_eq!(snapshots.read(&newest, read).unwrap(), 30);
    assert!(positions(&open_in(dir.path(), "b")).is_empty());
}

/// What another shard has counted is not taken for what this one has.
#[test]
fn snapshots_of_another_shard_are_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshots = open_in(dir.path(), "a");
    snapshots.begin(None);
    write(&mut snapshots, 10);
    assert_eq!(positions(&snapshots), [10]);
    drop(snapshots);
    let (state, kafka) = embedded(dir.path());
    let state = State {
        shard: "1/2".parse().unwrap(),
        ..state
    };
    let other = open(&state, &kafka, "a".to_owned(), &Spill::default()).unwrap();
    assert!(positions(&other).is_empty());
}

/// Whoever reads on where it was half an interval ago finds the log there.
#[test]
fn snapshots_of_one_moment_do_not_trim_the_log_up_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshots = open_in(dir.path(), "a");
    snapshots.begin(None);
    let mut write = |position: u64, second: i64| {
        let log_time = Timestamp::from_millis(second * 1_000);
        write_at(&mut snapshots, position, log_time).before
    };
    let before = [(10, 0), (11, 1), (20, 60), (21, 61), (22, 62), (30, 120)];
    let before = before.map(|(position, second)| write(position, second));
    assert_eq!(before, [None, None, Some(11), Some(11), None, Some(22)]);
}

/// A log that lost its end, or was begun anew, is shorter than what snapshots of the old one say:
/// those must not stand for what is trimmed, nor outlive the new ones.
#[test]
fn snapshots_of_what_the_log_lost_trim_nothing_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut snapshots = open_in(dir.path(), "a");
    snapshots.begin(None);
    write(&mut snapshots, 900);
    write(&mut snapshots, 1_000);
    drop(snapshots);
    for read in [None, Some(900)] {
        let mut snapshots = open_in(dir.path(), "a");
        snapshots.begin(read);
        let position = read.unwrap_or(490) + 10;
        assert_eq!(write(&mut snapshots, position).before, read);
        assert_eq!(write(&mut snapshots, position + 10).before, Some(position));
        drop(snapshots);
        let snapshots = open_in(dir.path(), "a");
        assert_eq!(positions(&snapshots), [position + 10, position]);
        // as it was, for the other case
        drop(snapshots);
        let mut snapshots = open_in(dir.path(), "a");
        snapshots.begin(None);
        write(&mut snapshots, 900);
        write(&mut snapshots, 1_000);
    }
}
