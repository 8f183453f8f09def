//! What driftd costs at how many events a second, live: CPU, how long an event takes until it is
//! counted, what the state log and the snapshots take, and a start without anything local, also of
//! a thousand models.
//!
//! An event counts as sent when it is due, and as counted when `/api/v1/status` has as many rows.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::events::Shape;
use crate::kafka::Kafka;
use crate::{CASE, Case, HOUR, Outcome, SHAPE, events};

const RATES: [u64; 6] = [10, 1_000, 10_000, 50_000, 100_000, 200_000];

/// Long enough for some flushes, and for three snapshots.
const SECONDS: u64 = 60;

/// How often it is looked at what is counted.
const LOOK: Duration = Duration::from_millis(50);

/// Prints a line for each rate.
pub fn measure(kafka: &Kafka) -> Outcome<()> {
    println!(
        "| events/s | driftd CPU | us per event | counted after s: half, 99 % | input B/s | \
         state log B/s | share | snapshots kB | a cold start s |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let references = events::references(SHAPE)?;
    for rate in RATES {
        let topic = format!("rate-{rate}");
        kafka.create(&topic)?;
        let state = format!("topic = \"log-{rate}.state\"\nsnapshot_interval = \"15s\"");
        let start = || Daemon::start(kafka, &topic, (2, references.path()), &state);
        let mut daemon = start()?;
        daemon.wait(0)?;
        let before = daemon.cpu()?;
        let (bytes, delays) = live(kafka, &topic, rate, &daemon)?;
        let cpu = daemon.cpu()? - before;
        std::thread::sleep(Duration::from_secs(16));
        drop(daemon);
        let log = size(kafka.dir(), &format!("log-{rate}.state-"))?;
        let snapshots = size(kafka.dir(), &format!("log-{rate}.snapshot-"))?;
        let begun = Instant::now();
        let mut cold = start()?;
        cold.wait(rate * SECONDS)?;
        let ready = begun.elapsed();
        println!(
            "| {rate} | {:.1} % | {:.1} | {:.1}, {:.1} | {} | {} | {:.1} % | {} | {:.1} |",
            100.0 * cpu / SECONDS as f64,
            1e6 * cpu / (rate * SECONDS) as f64,
            delays[delays.len() / 2],
            delays[delays.len() * 99 / 100],
            bytes / SECONDS,
            log / SECONDS,
            100.0 * log as f64 / bytes as f64,
            snapshots / 1_000,
            ready.as_secs_f64(),
        );
        drop(cold);
        kafka.forget(&topic)?;
    }
    Ok(())
}

/// Of many models: with prediction and latency 50 series.
pub const FEATURES: usize = 48;

const DAYS: u64 = 3;

/// Of many models with so many events an hour each: prints after each day what driftd takes that
/// has read it, how long a start takes that has nothing but what is in Kafka, and what that takes.
pub fn cold(kafka: &Kafka, shape: Shape, hourly: u64) -> Outcome<()> {
    println!(
        "| events | series | MB: peak, after | state log MB | snapshots MB | a cold start s | \
         MB: peak, after |\n|---|---|---|---|---|---|---|"
    );
    let many = Case {
        shape,
        span: 24 * HOUR,
        ..CASE
    };
    let day_of_all = 24 * hourly * shape.models;
    let series = shape.models * (shape.features as u64 + 2);
    let references = events::references(shape)?;
    let state = "topic = \"log-cold.state\"\nsnapshot_interval = \"15s\"\nspill_dir = \"{dir}\"";
    kafka.create("cold")?;
    let start = || Daemon::start(kafka, "cold", (2, references.path()), state);
    let mut daemon = start()?;
    daemon.wait_for_references(shape.models)?;
    for day in 0..DAYS {
        kafka.add("cold", day_of_all, &many, day * many.span)?;
        let rows = (day + 1) * day_of_all;
        daemon.wait(rows)?;
        kafka.empty("cold")?;
        // a snapshot of all that, and what is trimmed by the one after it
        std::thread::sleep(Duration::from_secs(45));
        let read = daemon.megabytes()?;
        drop(daemon);
        let log = size(kafka.dir(), "log-cold.state-")?;
        let snapshots = size(kafka.dir(), "log-cold.snapshot-")?;
        let begun = Instant::now();
        daemon = start()?;
        daemon.wait(rows)?;
        let took = begun.elapsed();
        std::thread::sleep(Duration::from_secs(15));
        let started = daemon.megabytes()?;
        println!(
            "| {rows} | {series} | {}, {} | {} | {} | {:.1} | {}, {} |",
            read.0,
            read.1,
            log / 1_000_000,
            snapshots / 1_000_000,
            took.as_secs_f64(),
            started.0,
            started.1,
        );
    }
    Ok(())
}

/// Sends events and looks on until all are counted: the bytes of all values, and after how many
/// seconds events were counted, ascending.
fn live(kafka: &Kafka, topic: &str, rate: u64, daemon: &Daemon) -> Outcome<(u64, Vec<f64>)> {
    let events = rate * SECONDS;
    let begun = Instant::now();
    let (bytes, counted) = std::thread::scope(|scope| -> Outcome<_> {
        let load = scope.spawn(|| kafka.produce(topic, (rate, SECONDS), SHAPE));
        let (mut rows, mut counted) = (0, Vec::new());
        while rows < events {
            std::thread::sleep(LOOK);
            rows = daemon.rows()?;
            counted.push((begun.elapsed().as_secs_f64(), rows));
        }
        let bytes = load.join().map_err(|_panic| "the load ended early")??;
        Ok((bytes, counted))
    })?;
    let step = usize::try_from((events / 10_000).max(1))?;
    let mut delays: Vec<f64> = (0..events)
        .step_by(step)
        .filter_map(|event| {
            let found = counted.partition_point(|(_, rows)| *rows <= event);
            let (at, _) = counted.get(found)?;
            Some((at - event as f64 / rate as f64).max(0.0))
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    Ok((bytes, delays))
}

/// The bytes of the segments of the partitions whose directories begin so.
fn size(dir: &Path, begin: &str) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir.join("n1/data"))? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(begin) {
            continue;
        }
        for file in std::fs::read_dir(entry.path())? {
            let file = file?;
            let is_segment = file.path().extension().is_some_and(|end| end == "log");
            bytes += if is_segment {
                file.metadata()?.len()
            } else {
                0
            };
        }
    }
    Ok(bytes)
}
