//! What an entry looks like, for ever, and what is none.

use super::*;
use crate::journal::event::SchemaChange;
use crate::journal::fixture::{draft, events, file, key, lines};
use crate::journal::text::{NAMES_MAX, TEXT_BYTES_MAX};

/// A change of this file is a change of every journal there is.
#[test]
fn every_kind_has_its_line() {
    let events = events();
    let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS);
    let n = events.len() as u64;
    let text = file(&lines(n));
    insta::assert_snapshot!("lines", text);
}

/// The same drafts give the same bytes, and each line reads back as what the chain says of it.
#[test]
fn the_same_drafts_are_the_same_chain() {
    assert_eq!(lines(40), lines(40));
    let (mut written, mut read) = (Chain::default(), Chain::default());
    for n in 0..40 {
        let entry = written.next(draft(n));
        let stored = Stored::read(entry.line.json.as_bytes()).unwrap();
        assert_eq!(stored.line, entry.line);
        assert_eq!((stored.prev, stored.at), (read.head, entry.draft.at));
        assert_eq!(stored.kind.as_str(), entry.draft.event.kind());
        stored.known().unwrap();
        assert_eq!(stored.chain(), written);
        read.take(&stored).unwrap();
        assert_eq!(read, written);
    }
}

#[test]
fn the_hash_is_that_of_the_line_and_stands_in_the_next_one() {
    let lines = lines(2);
    assert_eq!(lines[0].hash, Digest::of(lines[0].json.as_bytes()));
    let next = format!("{{\"seq\":2,\"prev\":\"{}\",", lines[0].hash);
    assert!(lines[1].json.starts_with(&next), "{}", lines[1].json);
}

/// Whatever strangers write into it, an entry is not too long to be read again.
#[test]
fn the_largest_entry_fits() {
    let long = "\u{1}".repeat(2 * TEXT_BYTES_MAX);
    let names = || vec![long.as_str(); 2 * NAMES_MAX].into_iter().collect();
    let event = Event::SchemaChanged(Box::new(SchemaChange {
        key: key(),
        before: long.as_str().into(),
        added: names(),
        removed: names(),
        retyped: names(),
    }));
    let entry = Chain::default().next(Draft {
        reason: Some(long.as_str().into()),
        actor: long.as_str().into(),
        event,
        ..draft(0)
    });
    Stored::read(entry.line.json.as_bytes()).unwrap();
}

#[test]
fn a_kind_of_a_newer_driftd_is_of_the_chain_and_says_upgrade() {
    let line = &lines(7)[6];
    let json = line.json.replace("\"acknowledged\"", "\"rolled_back\"");
    assert_ne!(json, *line.json);
    let stored = Stored::read(json.as_bytes()).unwrap();
    let error = stored.known().unwrap_err().to_string();
    assert!(
        error.contains("entry 7") && error.contains("`rolled_back`") && error.contains("upgrade"),
        "{error}"
    );
    let mut chain = Chain::default();
    for line in &lines(6) {
        chain.append(line);
    }
    chain.take(&stored).unwrap();
}

#[test]
fn what_is_no_entry_is_refused() {
    let line = lines(1).remove(0).json;
    let with = |from: &str, to: &str| {
        let other = line.replacen(from, to, 1);
        assert_ne!(*line, *other);
        other
    };
    for bad in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        with("{", ""),
        with("}", "}}"),
        with("\"seq\":1", "\"seq\":-1"),
        with("\"seq\":1", "\"seq\":\"1\""),
        with("\"seq\":1", "\"seq\":1,\"seq\":2"),
        with("\"prev\":\"00", "\"prev\":\"0"),
        with("\"prev\":\"00", "\"prev\":\"0g"),
        with("\"at\":\"2026", "\"at\":\"soon"),
        with("\"kind\"", "\"kin\""),
        with(",", ",\n"),
        format!("{line} {}", "x".repeat(ENTRY_BYTES_MAX)),
    ] {
        assert!(Stored::read(bad.as_bytes()).is_err(), "{bad:.80}");
    }
    assert!(Stored::read(b"\xff").is_err());
}
