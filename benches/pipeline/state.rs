//! What the state log and the snapshots take, and how long a start without anything local does.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::kafka::Kafka;
use crate::{Outcome, SHAPE, events};

const RATES: [u64; 3] = [10, 1_000, 10_000];

/// Long enough for some flushes, and for three snapshots.
const SECONDS: u64 = 60;

/// Prints a line for each rate.
pub fn measure(kafka: &Kafka) -> Outcome<()> {
    println!(
        "| events/s | input B/s | state log B/s | share | snapshots kB | a cold start s |\n\
         |---|---|---|---|---|---|"
    );
    let references = events::references(SHAPE)?;
    for rate in RATES {
        let topic = format!("rate-{rate}");
        kafka.create(&topic)?;
        let state = format!("topic = \"log-{rate}.state\"\nsnapshot_interval = \"15s\"");
        let start = || Daemon::start(kafka, &topic, (2, references.path()), &state);
        let mut daemon = start()?;
        daemon.wait(0)?;
        let bytes = kafka.produce(&topic, (rate, SECONDS), SHAPE)?;
        daemon.wait(rate * SECONDS)?;
        std::thread::sleep(Duration::from_secs(16));
        drop(daemon);
        let log = size(kafka.dir(), &format!("log-{rate}.state-"))?;
        let snapshots = size(kafka.dir(), &format!("log-{rate}.snapshot-"))?;
        let begun = Instant::now();
        let mut cold = start()?;
        cold.wait(rate * SECONDS)?;
        let ready = begun.elapsed();
        println!(
            "| {rate} | {} | {} | {:.1} % | {} | {:.1} |",
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
