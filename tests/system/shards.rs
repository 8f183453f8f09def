//! Models over instances: two shards, one of which is killed, beside an instance that counts all.

use serde_json::Value;

use crate::driftd::{Driftd, Home, PATIENCE, Setup};
use crate::poll::poll_until;
use crate::produce::{Record, create_topic, delete_topic, low_watermark, producer, send};

const PARTITIONS: i32 = 3;

const MODELS: i64 = 6;

/// Events of a run, of a minute each, so that windows close.
const EVENTS: i64 = 1_200;

/// A run of events, `part` after `part`: each model in all partitions.
fn events(part: i64) -> Vec<Record> {
    let event = |at: i64| {
        let ts = 1_767_225_600_000 + at * 60_000;
        let json = format!(
            "{{\"model\":\"m{}\",\"version\":\"1\",\"ts\":{ts},\
             \"features\":{{\"amount\":{},\"country\":\"c{}\"}}}}",
            at % MODELS,
            at % 17,
            at % 5
        );
        Record {
            partition: i32::try_from(at / MODELS % i64::from(PARTITIONS)).expect("there are few"),
            timestamp: ts,
            value: Some(json.into_bytes()),
        }
    };
    (part * EVENTS..(part + 1) * EVENTS).map(event).collect()
}

/// An instance of a shard of the models of a topic, or of all, that was not started yet.
fn instance(topic: &str, shard: Option<&str>) -> Driftd {
    let driftd = Driftd::prepare(&Setup {
        name: topic,
        topics: &[topic],
        home: Home::Kafka,
        references: None,
        kafka: None,
        source: "",
        windows: "lengths = [\"1h\"]",
        operator: Some("operators-only-00"),
    });
    // each model learns its reference on the way
    driftd.reconfigure("[windows]", "[reference]\nlearn_rows = 150\n\n[windows]");
    if let Some(shard) = shard {
        driftd.reconfigure("[state]", &format!("[state]\nshard = {shard:?}"));
    }
    driftd
}

/// Starts an instance, and again where the log is trimmed while it looks for its place: whoever
/// runs it would.
fn start_patiently(driftd: &mut Driftd) {
    driftd.launch();
    let ready = poll_until(PATIENCE, || {
        if driftd.ended().is_some() {
            driftd.launch();
        }
        let answer = driftd.try_get("/-/ready").ok()?;
        (answer.status == 200).then_some(())
    });
    assert!(ready.is_some(), "{}", driftd.log_end());
}

/// What is said of a model.
fn paths(model: i64) -> [String; 3] {
    let of = format!("/api/v1/models/m{model}/versions/1");
    [
        format!("{of}/scores?window=1h"),
        format!("{of}/series/amount?window=1h"),
        format!("{of}/series/country/history?window=1h"),
    ]
}

fn memory(driftd: &Driftd) -> u64 {
    let metrics = driftd.metrics();
    let of = |of| metrics.count("driftd_memory_bytes", &[("of", of)]);
    of("panes") + of("hours")
}

/// The models that an instance lists, and how many rows each has.
fn listed(driftd: &Driftd) -> Vec<(String, u64)> {
    let page = driftd.json("/api/v1/models");
    let models = page["models"].as_array().expect("there is a list").clone();
    let one = |model: Value| {
        let name = model["model"].as_str().expect("it has a name").to_owned();
        (name, model["rows"].as_u64().expect("it has rows"))
    };
    models.into_iter().map(one).collect()
}

/// Each model is answered for by the one shard that has it, as by the instance that has all.
fn assert_divided(shards: [(&Driftd, &str); 2], all: &Driftd, rows: u64) {
    let mut divided = Vec::new();
    for (driftd, shard) in shards {
        let page = driftd.json("/api/v1/models");
        assert_eq!(page["shard"], shard);
        assert_eq!(driftd.json("/api/v1/alerts")["shard"], shard);
        let status = driftd.json("/api/v1/status");
        assert_eq!(status["shard"], shard, "{status}");
        assert_eq!(
            driftd
                .metrics()
                .count("driftd_shard_info", &[("shard", shard)]),
            1
        );
        divided.extend(listed(driftd));
    }
    divided.sort();
    assert_eq!(divided, listed(all));
    let each = rows / MODELS.unsigned_abs();
    assert!(divided.iter().all(|(_, rows)| *rows == each), "{divided:?}");
    for model in 0..MODELS {
        let owner = |driftd: &Driftd| driftd.get(&paths(model)[0]).status == 200;
        let [(one, name), (other, other_name)] = shards;
        let (own, strange, own_name) = if owner(one) {
            (one, other, name)
        } else {
            (other, one, other_name)
        };
        for path in paths(model) {
            assert_eq!(own.json(&path), all.json(&path), "{path}");
            let answer = strange.get(&path);
            assert_eq!(answer.status, 421, "{path}: {}", answer.body);
            let problem: Value = serde_json::from_str(&answer.body).expect("it is JSON");
            assert_eq!(problem["shard"], own_name, "{problem}");
        }
        let accept = format!("POST /api/v1/models/m{model}/versions/1/baseline");
        let refused = strange.ask(&accept, "{\"reason\":\"not yours\"}");
        assert_eq!(refused.status, 421, "{}", refused.body);
    }
    let parts = shards.map(|(driftd, _)| memory(driftd));
    assert_eq!(parts.iter().sum::<u64>(), memory(all), "memory is divided");
    assert!(parts.iter().all(|part| *part > 0), "{parts:?}");
}

/// How many records all of these have counted, at last.
fn until_counted(instances: &mut [&mut Driftd], topic: &str, parts: i64) {
    for driftd in instances {
        driftd.until_counted(topic, (parts * EVENTS).unsigned_abs());
    }
}

#[test]
fn each_model_is_counted_exactly_by_its_shard_through_kills() {
    let topic = "shards";
    create_topic(topic, PARTITIONS);
    let producer = producer("lz4");
    let [mut first, mut second, mut all] =
        [Some("1/2"), Some("2/2"), None].map(|shard| instance(topic, shard));
    for driftd in [&mut first, &mut second, &mut all] {
        driftd.start_again();
    }
    send(&producer, topic, &events(0));
    until_counted(&mut [&mut first, &mut second, &mut all], topic, 1);

    // what the shard that is gone would count, the others read
    let run = events(1);
    send(&producer, topic, &run[..run.len() / 2]);
    second.kill();
    send(&producer, topic, &run[run.len() / 2..]);
    until_counted(&mut [&mut first, &mut all], topic, 2);
    second.start_again();
    for part in 2..4 {
        send(&producer, topic, &events(part));
        until_counted(&mut [&mut first, &mut second, &mut all], topic, part + 1);
    }
    let rows = (4 * EVENTS).unsigned_abs();
    assert_divided([(&first, "1/2"), (&second, "2/2")], &all, rows);
    let learned = first.json("/api/v1/models")["models"][0]["state"].clone();
    assert_eq!(learned, "learned");

    // all shards say what they need, so the log is trimmed, and a half of a shard begins where
    // that was
    first.until("the state log is trimmed", |driftd| {
        let status = driftd.json("/api/v1/status");
        let shards = status["shards"].as_array().expect("two").clone();
        let said = shards.iter().all(|one| one["needs_from"].is_u64());
        (said && low_watermark(&format!("state.{topic}")) > 0).then_some(())
    });
    let mut half = instance(topic, Some("3/4"));
    start_patiently(&mut half);
    let log = half.log();
    assert!(
        log.contains("going on at a snapshot of another shard\""),
        "{log}"
    );
    for (model, rows) in listed(&half) {
        assert!(
            listed(&first).contains(&(model.clone(), rows)),
            "{model} {rows}"
        );
        let path = format!("/api/v1/models/{model}/versions/1/scores?window=1h");
        assert_eq!(half.json(&path), first.json(&path));
    }

    send(&producer, topic, &events(4));
    let living = &mut [&mut first, &mut second, &mut all, &mut half];
    until_counted(living, topic, 5);
    let rows = (5 * EVENTS).unsigned_abs();
    assert_divided([(&first, "1/2"), (&second, "2/2")], &all, rows);

    // a third of all is in no half: it says what it lacks, and counts on from there
    all.kill();
    delete_topic(&format!("state.{topic}.snapshot"));
    let mut third = instance(topic, Some("1/3"));
    start_patiently(&mut third);
    let log = third.log();
    assert!(
        log.contains("which has not counted these model versions"),
        "{log}"
    );
    send(&producer, topic, &events(5));
    let living = &mut [&mut first, &mut second, &mut half, &mut third];
    until_counted(living, topic, 6);
    let each = (6 * EVENTS / MODELS).unsigned_abs();
    let exact = [listed(&first), listed(&second), listed(&half)].concat();
    assert!(exact.iter().all(|(_, rows)| *rows == each), "{exact:?}");
    let short = listed(&third);
    let since = (EVENTS / MODELS).unsigned_abs();
    let is_fair = |rows: u64| rows == each || rows == since;
    assert!(short.iter().all(|(_, rows)| is_fair(*rows)), "{short:?}");
}
