//! Whatever is done to a journal is found.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::journal::fixture::{self, lines};

/// The verdict on a file of these bytes, and its head.
fn audit(file: &[u8]) -> Result<(String, Digest), AuditError> {
    let mut audit = Audit::default();
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        audit.line(line.strip_suffix(b"\n").unwrap_or(line))?;
    }
    Ok((audit.verdict(), audit.head()))
}

fn file(n: u64) -> Vec<u8> {
    fixture::file(&lines(n)).into_bytes()
}

/// What is said against a file of these lines.
fn said(lines: &[&str]) -> String {
    let error = audit(lines.join("\n").as_bytes()).unwrap_err();
    crate::telemetry::error_chain(&error)
}

#[test]
fn an_intact_journal_gets_a_verdict() {
    let verdict = |n| audit(&file(n)).unwrap().0;
    let verdicts = [verdict(0), verdict(1), verdict(1234)];
    insta::assert_snapshot!("verdicts", verdicts.join("\n"));
}

#[test]
fn the_first_broken_entry_is_named() {
    let lines: Vec<String> = lines(5).iter().map(|line| line.json.to_string()).collect();
    let [one, two, three, four, five] = [0, 1, 2, 3, 4].map(|i| lines[i].as_str());
    let changed = two.replace("alice", "mallory");
    let said = [
        said(&[one, &changed, three, four, five]),
        said(&[one, two, four, five]),
        said(&[two, three]),
        said(&[one, three, two]),
        said(&[one, two, two, three]),
        said(&[one, two, "", three]),
        said(&[one, two, three, four.strip_suffix('}').unwrap()]),
    ];
    insta::assert_snapshot!("broken", said.join("\n"));
}

/// A topic has what lost a race; a file does not.
#[test]
fn in_a_topic_repeated_and_early_records_are_passed_over_and_others_are_not() {
    let lines = lines(3);
    let [a, b, c] = [0, 1, 2].map(|i| lines[i].json.as_bytes());
    let mut audit = Audit::default();
    let taken: Vec<bool> = [a, a, c, b, a, b, c, c]
        .into_iter()
        .map(|record| audit.record(record).unwrap())
        .collect();
    assert_eq!(taken, [true, false, false, true, false, false, true, false]);
    assert_eq!(audit.head(), lines[2].hash);
    let other = lines[1].json.replace("alice", "mallory");
    let error = audit.record(other.as_bytes()).unwrap_err();
    assert!(matches!(error, AuditError::Diverged { seq: 2 }), "{error}");
    let next = other.replace("\"seq\":2", "\"seq\":4");
    let error = audit.record(next.as_bytes()).unwrap_err();
    assert!(matches!(error, AuditError::Diverged { seq: 4 }), "{error}");
}

proptest! {
    /// Any change of any bytes breaks the chain, or ends in another head.
    #[test]
    fn any_tampering_is_found(
        n in 1u64..12,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let intact = file(n);
        let (_, head) = audit(&intact).unwrap();
        let mut file = intact.clone();
        for (at, byte) in &changes {
            let at = at.index(file.len());
            file[at] = *byte;
        }
        prop_assume!(file != intact);
        // a file may lack its last line feed
        prop_assume!(file.get(..file.len() - 1) != intact.get(..intact.len() - 1));
        if let Ok((verdict, found)) = audit(&file) {
            prop_assert_ne!(found, head, "{}", verdict);
        }
    }

    /// Any lines taken out, put in or moved break the chain, but for those taken off the end.
    #[test]
    fn any_other_order_is_found(order in vec(0usize..6, 0..9)) {
        let lines = lines(6);
        let file = fixture::file(order.iter().map(|i| &lines[*i]));
        let is_prefix = order.iter().enumerate().all(|(at, i)| at == *i);
        prop_assert_eq!(audit(file.as_bytes()).is_ok(), is_prefix);
    }
}
