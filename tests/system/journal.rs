//! The journal through `kill -9`: one chain with nothing in it twice, the same from its home, from
//! a file and over HTTP.

use std::fs;

use serde_json::Value;

use crate::driftd::{Driftd, Home, Setup, run};
use crate::produce::{create_topic, read_all};
use crate::rig::{temp_dir, text};

/// The `[windows]` tables that the daemon is started with in turn: each start is a new entry.
const WINDOWS: [&str; 2] = ["lengths = [\"1h\"]", "lengths = [\"1h\", \"6h\"]"];

/// How often the daemon is killed.
const KILLS: usize = 6;

fn setup<'a>(topics: &'a [&'a str; 1], home: Home) -> Setup<'a> {
    Setup {
        name: topics[0],
        topics,
        home,
        references: None,
        kafka: None,
        source: "",
        windows: WINDOWS[0],
        operator: None,
    }
}

#[test]
fn a_killed_daemon_writes_no_entry_twice_with_the_journal_in_kafka() {
    let topic = "journal-kafka";
    a_killed_daemon_writes_no_entry_twice(topic, Home::Kafka);
    let records = read_all("state.journal-kafka.journal", entries() as u64);
    assert_eq!(records.len(), entries());
}

#[test]
fn a_killed_daemon_writes_no_entry_twice_with_the_journal_in_a_file() {
    a_killed_daemon_writes_no_entry_twice("journal-file", Home::Embedded);
}

/// The first configuration, and one more with each start.
const fn entries() -> usize {
    KILLS + 1
}

/// Kills the daemon once its new entry is stored, and as soon as it is computed, in turn.
fn a_killed_daemon_writes_no_entry_twice(topic: &str, home: Home) {
    create_topic(topic, 1);
    let mut driftd = Driftd::start(&setup(&[topic], home));
    for kill in 0..KILLS {
        if kill % 2 == 0 {
            until_stored(&mut driftd, kill + 1);
        } else {
            until_computed(&mut driftd, kill + 1);
        }
        driftd.kill();
        let (old, new) = (WINDOWS[kill % 2], WINDOWS[(kill + 1) % 2]);
        driftd.reconfigure(&format!("{old}\n"), &format!("{new}\n"));
        driftd.start_again();
    }
    until_stored(&mut driftd, entries());
    check(&driftd, entries());
    // nothing is new to a daemon that starts as it was
    driftd.kill();
    driftd.start_again();
    until_stored(&mut driftd, entries());
    check(&driftd, entries());
}

/// Both fold the same log and write the same entries; whoever is first, there is one chain.
#[test]
fn two_replicas_write_one_journal() {
    let topic = "journal-replicas";
    create_topic(topic, 2);
    let mut first = Driftd::start(&setup(&[topic], Home::Kafka));
    let mut second = Driftd::start(&setup(&[topic], Home::Kafka));
    for replica in [&mut first, &mut second] {
        until_computed(replica, 1);
    }
    for kill in 0..KILLS {
        let (old, new) = (WINDOWS[kill % 2], WINDOWS[(kill + 1) % 2]);
        let killed = if kill % 2 == 0 {
            &mut first
        } else {
            &mut second
        };
        killed.kill();
        for replica in [&first, &second] {
            replica.reconfigure(&format!("{old}\n"), &format!("{new}\n"));
        }
        let killed = if kill % 2 == 0 {
            &mut first
        } else {
            &mut second
        };
        killed.start_again();
        until_computed(killed, kill + 2);
    }
    for replica in [&mut first, &mut second] {
        until_stored(replica, entries());
    }
    check(&first, entries());
    check(&second, entries());
}

/// Waits until so many entries follow from the state log.
fn until_computed(driftd: &mut Driftd, entries: usize) {
    driftd.until(&format!("{entries} entries are computed"), |driftd| {
        let journal = driftd.json("/api/v1/journal");
        let computed = journal["journal"].as_array().map_or(0, Vec::len);
        (computed == entries).then_some(())
    });
}

/// Waits until so many entries are in the home, and none is missing there.
fn until_stored(driftd: &mut Driftd, entries: usize) {
    driftd.until(&format!("{entries} entries are stored"), |driftd| {
        let metrics = driftd.metrics();
        assert_eq!(metrics.count("driftd_journal_diverged", &[]), 0);
        let stored = metrics.count("driftd_journal_entries_total", &[]);
        let unwritten = metrics.count("driftd_journal_unwritten_entries", &[]);
        (stored == entries as u64 && unwritten == 0).then_some(())
    });
}

/// The home, what is exported of it, and the API have the same intact journal of so many entries.
fn check(driftd: &Driftd, entries: usize) {
    let (dir, config) = (temp_dir("journal-"), driftd.config());
    let there = run(&["journal", "verify", "--config", text(&config)]);
    there.succeeded();
    let said = &there.stdout;
    assert!(
        said.starts_with(&format!("{entries} entries, from ")) && said.contains("chain intact"),
        "{said}"
    );
    let exported = run(&["journal", "export", "--config", text(&config)]);
    exported.succeeded();
    let path = dir.path().join("journal.jsonl");
    fs::write(&path, &exported.stdout).expect("its directory can be written");
    let file = run(&["journal", "verify", text(&path)]);
    file.succeeded();
    assert_eq!(file.stdout, there.stdout);
    let answer = driftd.get("/api/v1/journal");
    let lines: Vec<&str> = exported.stdout.lines().collect();
    assert_eq!(lines.len(), entries);
    assert_eq!(
        answer.body,
        format!("{{\"journal\":[{}],\"oldest\":1}}", lines.join(","))
    );
    for line in lines {
        let entry: Value = serde_json::from_str(line).expect("it is JSON");
        assert_eq!(
            (&entry["kind"], &entry["actor"]),
            (&"configured".into(), &"driftd".into())
        );
    }
    let broken = exported.stdout.replacen("lateness 1m", "lateness 2m", 1);
    fs::write(&path, broken).expect("its directory can be written");
    run(&["journal", "verify", text(&path)]).refused(65, &["journal.jsonl", "entry 2"]);
}
