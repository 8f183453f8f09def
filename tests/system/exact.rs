//! Ten months of flights through Kafka give exactly the numbers that raw rows give.
//!
//! 284,821 events stand in 8 partitions, each up to ten minutes out of place; the record's
//! timestamp is the event's. `truth.json` has counts and scores of 75 windows from an hour to 28
//! days.

use std::thread;

use crate::driftd::{Driftd, Home, Setup, run};
use crate::flights;
use crate::produce::{producer, send};
use crate::rig::text;
use crate::truth::truth;

/// All windows of `truth.json`, and the whole year in reach.
const WINDOWS: &str = "lengths = [\"1h\", \"6h\", \"24h\", \"7d\", \"28d\"]\nkeep = \"400d\"";

/// The parts in which a topic is filled while daemons come and go.
const PARTS: usize = 12;

#[test]
fn flights_are_counted_and_scored_exactly_with_the_state_in_kafka() {
    flights_are_counted_and_scored_exactly("exact-kafka", Home::Kafka);
}

#[test]
fn flights_are_counted_and_scored_exactly_with_the_state_embedded() {
    flights_are_counted_and_scored_exactly("exact-embedded", Home::Embedded);
}

#[test]
fn a_killed_daemon_counts_every_flight_once_with_the_state_in_kafka() {
    a_killed_daemon_counts_every_flight_once("killed-kafka", Home::Kafka);
}

#[test]
fn a_killed_daemon_counts_every_flight_once_with_the_state_embedded() {
    a_killed_daemon_counts_every_flight_once("killed-embedded", Home::Embedded);
}

#[test]
fn replayed_files_are_scored_exactly() {
    let reference = flights::training(flights::references());
    let live = flights::parquet("live");
    let reference = ["--reference", text(&reference)];
    let windows = ["--window", "24h", "--every", "24h", "--format", "jsonl"];
    let replay = run(&[&["replay"][..], &reference, &windows, &[text(&live)]].concat());
    replay.succeeded();
    let lines = replay
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"));
    truth().check_lines("24h", &lines.collect::<Vec<_>>());
}

fn flights_are_counted_and_scored_exactly(name: &str, home: Home) {
    let (topic, truth) = (flights::topic(), truth());
    let mut driftd = Driftd::start(&setup(name, &[topic], home));
    driftd.until_counted(topic, truth.live_rows);
    let metrics = driftd.metrics();
    let of_topic = |name| metrics.count(name, &[("topic", topic)]);
    assert_eq!(
        of_topic("driftd_rows_total"),
        of_topic("driftd_records_total")
    );
    assert_eq!(of_topic("driftd_records_rejected_total"), 0);
    assert_eq!(of_topic("driftd_rows_late_total"), 0);
    assert_eq!(of_topic("driftd_records_lost_total"), 0);
    truth.check(&driftd);
}

/// Kills the daemon again and again while events come in, without ever waiting until it is idle.
fn a_killed_daemon_counts_every_flight_once(topic: &str, home: Home) {
    flights::create(topic);
    let (records, truth) = (flights::records(), truth());
    let mut parts = records.chunks(records.len().div_ceil(PARTS));
    let producer = producer("lz4");
    send(&producer, topic, parts.next().expect("there are some"));
    let mut driftd = Driftd::start(&setup(topic, &[topic], home));
    while let Some(part) = parts.next() {
        let counted = driftd.counted(topic);
        thread::scope(|scope| {
            scope.spawn(|| send(&producer, topic, part));
            driftd.until("more is counted", |driftd| {
                (driftd.counted(topic) > counted).then_some(())
            });
            driftd.kill();
        });
        if let Some(part) = parts.next() {
            send(&producer, topic, part);
        }
        driftd.start_again();
    }
    driftd.until_counted(topic, truth.live_rows);
    truth.check(&driftd);
    every_alert_fired_once(&driftd);
}

/// However often the daemon died between a decision, its entry and its metric.
fn every_alert_fired_once(driftd: &Driftd) {
    let page = driftd.json("/api/v1/journal?limit=10000");
    let entries = page["journal"].as_array().expect("entries are a list");
    let numbers: Vec<u64> = entries
        .iter()
        .filter_map(|entry| entry["seq"].as_u64())
        .collect();
    assert!(
        numbers.iter().copied().eq(1..=numbers.len() as u64),
        "entries are missing"
    );
    let firing = entries
        .iter()
        .filter(|entry| entry["kind"] == "alert_firing");
    let mut alerts: Vec<&str> = firing.filter_map(|entry| entry["alert"].as_str()).collect();
    let all = alerts.len();
    alerts.sort_unstable();
    alerts.dedup();
    assert!(
        all > 0 && alerts.len() == all,
        "{} of {all} alerts fired once",
        alerts.len()
    );
}

fn setup<'a>(name: &'a str, topics: &'a [&'a str], home: Home) -> Setup<'a> {
    Setup {
        name,
        topics,
        home,
        references: Some(flights::references()),
        kafka: None,
        source: "",
        windows: WINDOWS,
        operator: None,
    }
}
