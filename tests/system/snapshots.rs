//! Starts that fold little: from a snapshot of a log that was trimmed, wherever they happen, and
//! what is left where snapshots are damaged or gone.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use rdkafka::producer::BaseProducer;
use serde_json::Value;

use crate::driftd::{Driftd, Home, Setup};
use crate::produce::{Record, create_topic, delete_topic, low_watermark, producer, send};

/// Partitions of the topic, each with events of a model of its own.
const PARTITIONS: i32 = 3;

/// Events of a minute each, so that windows close.
const EVENTS: i64 = 600;

fn setup<'a>(topics: &'a [&'a str; 1], home: Home) -> Setup<'a> {
    Setup {
        name: topics[0],
        topics,
        home,
        references: None,
        kafka: None,
        source: "",
        windows: "lengths = [\"1h\"]",
        operator: None,
    }
}

/// A run of events, `part` after `part`.
fn events(part: i64) -> Vec<Record> {
    let event = |at: i64| {
        let (partition, amount) = (at % i64::from(PARTITIONS), at % 17);
        let ts = 1_767_225_600_000 + at * 60_000;
        let json = format!(
            "{{\"model\":\"m{partition}\",\"version\":\"1\",\"ts\":{ts},\
             \"features\":{{\"amount\":{amount},\"country\":\"c{}\"}}}}",
            at % 5
        );
        Record {
            partition: i32::try_from(partition).expect("there are few"),
            timestamp: ts,
            value: Some(json.into_bytes()),
        }
    };
    (part * EVENTS..(part + 1) * EVENTS).map(event).collect()
}

/// What any instance must say alike.
fn said(driftd: &Driftd) -> Vec<Value> {
    let mut paths = vec!["/api/v1/alerts".to_owned()];
    for partition in 0..PARTITIONS {
        let of_model = format!("/api/v1/models/m{partition}/versions/1");
        paths.push(format!("{of_model}/scores?window=1h"));
        paths.push(format!("{of_model}/series/amount?window=1h"));
        paths.push(format!("{of_model}/series/country/history?window=1h"));
    }
    paths.iter().map(|path| driftd.json(path)).collect()
}

/// Sends a run of events piece by piece, and waits for a snapshot with each: a state log that
/// stands still gets none.
fn serve(driftd: &mut Driftd, producer: &BaseProducer, topic: &str, part: i64) {
    let written = |driftd: &Driftd| driftd.log().matches("snapshot written").count();
    let records = events(part);
    let mut counted = part.unsigned_abs() * EVENTS.unsigned_abs();
    for piece in records.chunks(records.len() / 3) {
        let before = written(driftd);
        send(producer, topic, piece);
        counted += piece.len() as u64;
        driftd.until_counted(topic, counted);
        driftd.until("another snapshot is written", |driftd| {
            (written(driftd) > before).then_some(())
        });
    }
}

#[test]
fn an_instance_with_nothing_local_goes_on_at_a_snapshot_of_a_trimmed_log() {
    let topic = "snapshots-kafka";
    create_topic(topic, PARTITIONS);
    let producer = producer("lz4");
    let mut first = Driftd::start(&setup(&[topic], Home::Kafka));
    for part in 0..3 {
        serve(&mut first, &producer, topic, part);
    }
    let state = format!("state.{topic}");
    assert!(low_watermark(&state) > 0, "the state log is trimmed");

    let mut second = Driftd::start(&setup(&[topic], Home::Kafka));
    assert!(
        second.log().contains("going on at a snapshot"),
        "{}",
        second.log()
    );
    assert_eq!(second.counted(topic), first.counted(topic));
    assert_eq!(said(&second), said(&first));

    // and it takes over
    first.kill();
    send(&producer, topic, &events(3));
    second.until_counted(topic, 4 * EVENTS.unsigned_abs());
    first.start_again();
    first.until_counted(topic, 4 * EVENTS.unsigned_abs());
    assert_eq!(said(&second), said(&first));
}

/// Panes and alerts are gone then, heads and totals are not, and a line says so.
#[test]
fn without_a_snapshot_a_trimmed_log_goes_on_at_an_anchor() {
    let topic = "snapshots-gone";
    create_topic(topic, PARTITIONS);
    let producer = producer("lz4");
    let mut driftd = Driftd::start(&setup(&[topic], Home::Kafka));
    for part in 0..2 {
        serve(&mut driftd, &producer, topic, part);
    }
    driftd.kill();
    delete_topic(&format!("state.{topic}.snapshot"));
    send(&producer, topic, &events(2));
    driftd.start_again();
    assert!(
        driftd.log().contains("going on at an anchor"),
        "{}",
        driftd.log()
    );
    driftd.until_counted(topic, 3 * EVENTS.unsigned_abs());
    let metrics = driftd.metrics();
    assert_eq!(
        metrics.count("driftd_records_lost_total", &[("topic", topic)]),
        0
    );
    // and snapshots are written again
    serve(&mut driftd, &producer, topic, 3);
    driftd.kill();
    driftd.start_again();
    assert_eq!(driftd.counted(topic), 4 * EVENTS.unsigned_abs());
}

/// A torn snapshot is not used, and counting goes on where it was.
#[test]
fn a_torn_snapshot_costs_no_count() {
    let topic = "snapshots-torn";
    create_topic(topic, PARTITIONS);
    let producer = producer("lz4");
    let mut driftd = Driftd::start(&setup(&[topic], Home::Embedded));
    serve(&mut driftd, &producer, topic, 0);
    driftd.kill();
    let file = driftd.state_dir().join("snapshots/blocks");
    let mut torn = File::options()
        .write(true)
        .open(&file)
        .expect("there are snapshots");
    let half = torn.metadata().expect("it is there").len() / 2;
    torn.seek(SeekFrom::Start(half / 2))
        .expect("it is long enough");
    torn.write_all(&[0xa5; 512]).expect("it can be torn");
    torn.set_len(half).expect("it can be cut");
    driftd.start_again();
    assert!(
        driftd.log().contains("a snapshot is not used"),
        "{}",
        driftd.log()
    );
    send(&producer, topic, &events(1));
    driftd.until_counted(topic, 2 * EVENTS.unsigned_abs());
}
