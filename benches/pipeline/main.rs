//! The whole daemon against a real Kafka whose topics are already full, beside what nobody can do
//! without, in the same run: a bare consumer of the same topic, and a bare parse of the events.
//!
//! ```text
//! cargo bench --bench pipeline -- [--events 4000000] [--rounds 3] [--only "20 features"]
//! cargo bench --bench pipeline -- --state      # instead: live, at some rates; see `state`
//! cargo bench --bench pipeline -- --cold [--models 1000] [--tails 90] [--rows 25]   # or this
//! ```
//!
//! CPU is of the whole client process, from `/proc`, and that of driftd includes its state log and
//! being asked how far it is, but not its start, which is measured apart, over a topic without
//! events: to take in a reference costs as much as some thousand events. `ratio` is driftd's CPU
//! over that of consumer and parse together. The rate of driftd counts from when it is ready until
//! all is counted. Of the rounds, the one with the median CPU of driftd is shown. Kafka is started
//! from `tests/system/kafka` (see there) on the same machine and stopped again. Compare ratios of
//! one run: machines differ.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    unreachable_pub,
    missing_debug_implementations,
    reason = "a program for people that measures; it fails loudly where it is wrong"
)]

use std::error::Error;
use std::process::{Command, Stdio};

use crate::events::Shape;
use crate::kafka::Kafka;

mod bare;
mod daemon;
mod events;
mod figure;
mod kafka;
mod state;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is measured.
pub struct Case {
    name: &'static str,
    shape: Shape,
    workers: i32,
    codec: &'static str,
    /// The part of the events that is enough for it.
    part: u64,
    /// Seconds of event time in the topic.
    span: u64,
}

/// An hour: what a daemon that was away reads when it comes back.
const HOUR: u64 = 3_600;

/// As when events are read while they happen, at half a million a second.
const LIVE: u64 = 8;

const SHAPE: Shape = Shape {
    features: 20,
    tails: 4_000,
    ballast: 0,
    models: 1,
    late: 0,
};

const CASE: Case = Case {
    name: "20 features",
    shape: SHAPE,
    workers: 2,
    codec: "lz4",
    part: 1,
    span: HOUR,
};

const CASES: [Case; 11] = [
    CASE,
    Case {
        name: "one worker",
        workers: 1,
        ..CASE
    },
    Case {
        name: "not compressed",
        codec: "none",
        ..CASE
    },
    Case {
        name: "5 features",
        shape: Shape {
            features: 5,
            ..SHAPE
        },
        ..CASE
    },
    Case {
        name: "100 features",
        shape: Shape {
            features: 100,
            ..SHAPE
        },
        part: 4,
        ..CASE
    },
    Case {
        name: "and 4 KB that nobody reads",
        shape: Shape {
            ballast: 4_096,
            ..SHAPE
        },
        part: 4,
        ..CASE
    },
    Case {
        name: "100 models in turns, live",
        shape: Shape {
            models: 100,
            ..SHAPE
        },
        span: LIVE,
        ..CASE
    },
    Case {
        name: "1,000 models in turns, live",
        shape: Shape {
            models: 1_000,
            ..SHAPE
        },
        span: LIVE,
        ..CASE
    },
    Case {
        name: "an hour of 100 models",
        shape: Shape {
            models: 100,
            ..SHAPE
        },
        ..CASE
    },
    Case {
        name: "an hour of 1,000 models",
        shape: Shape {
            models: 1_000,
            ..SHAPE
        },
        ..CASE
    },
    Case {
        name: "every second event late",
        shape: Shape { late: 2, ..SHAPE },
        ..CASE
    },
];

fn main() -> Outcome<()> {
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let events: u64 = argument("--events", "4000000").parse()?;
    let rounds: usize = argument("--rounds", "3").parse()?;
    let only = argument("--only", "");
    let kafka = Kafka::start()?;
    if std::env::args().any(|arg| arg == "--state") {
        return state::measure(&kafka);
    }
    if std::env::args().any(|arg| arg == "--cold") {
        let shape = Shape {
            features: state::FEATURES,
            models: argument("--models", "1000").parse()?,
            tails: argument("--tails", "90").parse()?,
            ..SHAPE
        };
        return state::cold(&kafka, shape, argument("--rows", "25").parse()?);
    }
    println!(
        "| topic | bytes | consumer us | parse us | driftd us | ratio | consumer events/s | \
         driftd events/s | values/s | peak MB |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for (at, case) in CASES.iter().enumerate() {
        if case.name.contains(&only) {
            measure(
                &kafka,
                &format!("events-{at}"),
                case,
                (events / case.part, rounds),
            )?;
        }
    }
    Ok(())
}

fn argument(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().unwrap_or_else(|| default.to_owned())
}

/// Runs a program without its output.
pub fn quiet(command: &mut Command) -> Outcome<()> {
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}

fn measure(kafka: &Kafka, topic: &str, case: &Case, (events, rounds): (u64, usize)) -> Outcome<()> {
    let bytes = kafka.fill(topic, events, case)?;
    let references = events::references(case.shape)?;
    let start = daemon::begin(kafka, (case, references.path()))?;
    let mut found = Vec::new();
    for _ in 0..rounds.max(1) {
        let bare = bare::consume(kafka, topic, case, events)?;
        let parse = bare::parse(case.shape)?;
        let mut driftd = daemon::serve(kafka, topic, (case, references.path()), events)?;
        driftd.cpu -= start;
        found.push((bare, parse, driftd));
    }
    kafka.forget(topic)?;
    found.sort_by(|(_, _, a), (_, _, b)| a.cpu.total_cmp(&b.cpu));
    let (bare, parse, driftd) = &found[found.len() / 2];
    println!(
        "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} M | {} |",
        case.name,
        bytes / events,
        bare.each() * 1e6,
        parse * 1e6,
        driftd.each() * 1e6,
        driftd.each() / (bare.each() + parse),
        bare.rate(),
        driftd.rate(),
        // the prediction and the latency are values too
        driftd.rate() * (case.shape.features + 2) as f64 / 1e6,
        driftd.peak_kib / 1024,
    );
    Ok(())
}
