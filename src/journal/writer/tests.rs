//! The journal of a daemon with an embedded state log, through stops and starts.

use std::fs;
use std::path::Path;

use super::*;
use crate::journal::fixture::draft;
use crate::journal::inspect::{export, verify};
use crate::testing::embedded;

/// A daemon that computes the entries of these drafts and stops.
fn run(dir: &Path, drafts: impl IntoIterator<Item = u64>) -> Standing {
    let (state, kafka) = embedded(dir);
    let (journal, writer) = open(&state, &kafka, Clock).unwrap();
    let mut chain = Chain::default();
    for n in drafts {
        journal.add(chain.next(draft(n)));
    }
    journal.catch_up();
    writer.stop();
    journal.standing()
}

fn text(dir: &Path) -> String {
    fs::read_to_string(dir.join(file::FILE)).unwrap()
}

#[test]
fn a_restart_stores_what_is_new_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let stored = |stored| Standing {
        stored,
        ..Standing::default()
    };
    assert_eq!(run(dir.path(), 0..3), stored(3));
    let before = text(dir.path());
    assert_eq!(run(dir.path(), 0..3), stored(3));
    assert_eq!(text(dir.path()), before);
    assert_eq!(run(dir.path(), 0..8), stored(8));
    assert!(text(dir.path()).starts_with(&before));
    let (state, kafka) = embedded(dir.path());
    let verdict = verify(&state, &kafka).unwrap();
    assert!(verdict.starts_with("8 entries, from "), "{verdict}");
    let mut exported = Vec::new();
    export(&state, &kafka, &mut exported).unwrap();
    assert_eq!(exported, text(dir.path()).into_bytes());
}

/// Also when the log implies fewer entries: then too it is another log.
#[test]
fn a_journal_of_another_history_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0..3);
    let before = text(dir.path());
    let histories: [&[u64]; 4] = [&[], &[0, 1], &[0, 1, 7], &[5, 1, 2, 3]];
    for drafts in histories {
        let standing = run(dir.path(), drafts.iter().copied());
        assert!(standing.diverged, "{drafts:?}");
        assert_eq!((standing.stored, text(dir.path())), (3, before.clone()));
    }
}

#[test]
fn a_changed_journal_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0..3);
    let changed = text(dir.path()).replace("alice", "mallory");
    fs::write(dir.path().join(file::FILE), &changed).unwrap();
    let (state, kafka) = embedded(dir.path());
    assert!(verify(&state, &kafka).is_err());
    assert!(run(dir.path(), 0..5).diverged);
    assert_eq!(text(dir.path()), changed);
}
