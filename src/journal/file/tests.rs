//! A file that a crash may leave anywhere.

use super::*;
use crate::journal::fixture::{self, lines};

/// Opens the file, where its chain ends, and writes what is missing of `lines`.
fn complete(dir: &Path, lines: &[Line]) -> u64 {
    let (mut home, last) = Home::open(dir).unwrap();
    let there = last.map_or(0, |last| last.line.seq);
    for line in lines.iter().filter(|line| line.seq > there) {
        home.append(line).unwrap();
    }
    there
}

#[test]
fn entries_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state");
    let lines = lines(12);
    assert_eq!(complete(&dir, &lines[..5]), 0);
    assert_eq!(complete(&dir, &lines), 5);
    assert_eq!(complete(&dir, &lines), 12);
    let text = fixture::file(&lines);
    assert_eq!(fs::read_to_string(dir.join(FILE)).unwrap(), text);
    let mut seen = Vec::new();
    let file = File::open(dir.join(FILE)).unwrap();
    let each = |line: &[u8]| {
        seen.push(line.to_vec());
        Ok::<(), ()>(())
    };
    for_each_line(file, each).unwrap().unwrap();
    assert!(
        seen.iter()
            .eq(lines.iter().map(|line| line.json.as_bytes()))
    );
}

/// At whatever byte a write ended, the entries before it are kept, and then the same file comes of
/// it as without a crash.
#[test]
fn a_torn_entry_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let lines = lines(4);
    complete(dir.path(), &lines);
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    let before: usize = lines[..2].iter().map(|line| line.json.len() + 1).sum();
    for length in before..whole.len() {
        fs::write(dir.path().join(FILE), &whole[..length]).unwrap();
        let there = complete(dir.path(), &lines);
        assert_eq!(
            there,
            if length < before + lines[2].json.len() + 1 {
                2
            } else {
                3
            }
        );
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), whole);
    }
}

/// A first entry may be torn too, and after a power loss there may be zeros.
#[test]
fn what_is_no_whole_line_is_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let lines = lines(2);
    for torn in [&b""[..], b"{\"seq\":1", &[0; 4096]] {
        fs::write(dir.path().join(FILE), torn).unwrap();
        assert_eq!(complete(dir.path(), &lines), 0);
        assert_eq!(complete(dir.path(), &lines), 2);
    }
}

#[test]
fn a_second_process_is_told_who_has_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Home::open(dir.path()).unwrap();
    let error = Home::open(dir.path()).unwrap_err();
    assert!(matches!(error, FileError::InUse(_)), "{error}");
}

/// And is left as it is.
#[test]
fn what_is_not_a_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(3 * ENTRY_BYTES_MAX);
    for text in ["what is this\n", "{}\n", "\n", &long] {
        fs::write(dir.path().join(FILE), text).unwrap();
        let error = Home::open(dir.path()).unwrap_err();
        assert!(matches!(error, FileError::Entry { .. }), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
    }
    let not_a_directory = dir.path().join(FILE);
    let error = Home::open(&not_a_directory).unwrap_err();
    assert!(matches!(error, FileError::Write { .. }), "{error}");
}
