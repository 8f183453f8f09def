//! A board made by the engine from real deltas, with all that the surface has to show.
//!
//! ```text
//! fraud 7      training and baseline reference; 10:00 to 12:05, ten rows a minute; amount and
//!              country drift from 11:00 on; `extra` is a series that no reference knows
//! HOSTILE      no reference, names with everything that a name may have
//! idle 1       a reference and no rows
//! ```

use std::sync::Arc;

use crate::alert::episode::Alert;
use crate::alert::{Severity, Test};
use crate::board::Board;
use crate::decode::{Reject, Value};
use crate::engine::{Input, Output};
use crate::key::{Carrier, ModelKey, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, Reference, ReferenceRole};
use crate::statelog::record::{Configuration, Record};
use crate::testing::{self, Event, Field, activate, genesis};
use crate::time::{Length, Timestamp};

pub(super) use crate::testing::named as key;

/// A name that must be escaped or encoded wherever it is met.
pub(super) const HOSTILE: &str = "<b>\"x\\y\" \u{e9}/%2F+?";

/// The rows after which reference values repeat.
const PERIOD: u32 = 97 * 18;

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A reference of `periods` times the same rows, so that all of them have one layout.
fn reference(key: &ModelKey, role: ReferenceRole, periods: u32) -> Reference {
    let mut series = LooseSeries::new();
    for row in 0..PERIOD {
        for (role, name, value) in values(row) {
            let counts: &mut LooseCounts = series.entry((role, name.into())).or_default();
            counts.add(value, periods.into());
        }
    }
    let mut header = Header::new(key.model.clone(), key.version.clone(), role);
    header.rows = u64::from(PERIOD * periods);
    learn(header.clone(), [header.rows, header.rows, 0, 0], &series).unwrap()
}

fn values(row: u32) -> [Field; 4] {
    let x = f64::from(row % 97) / 8.0;
    let amount = if row.is_multiple_of(9) {
        Value::Missing
    } else {
        Value::Number(x)
    };
    [
        (Role::Feature, "amount", amount),
        (
            Role::Feature,
            "country",
            Value::Text(["DE", "FR", "GB"][row as usize % 3]),
        ),
        (Role::Feature, "vip", Value::Bool(row.is_multiple_of(2))),
        (Role::Prediction, "prediction", Value::Number(x / 100.0)),
    ]
}

/// The same, but for what drifts.
fn drifted(row: u32) -> [Field; 4] {
    values(row).map(|(role, name, value)| match (name, value) {
        ("amount", _) if row.is_multiple_of(50) => (role, name, Value::Text("many")),
        ("amount", Value::Number(x)) => (role, name, Value::Number(x + 3.0)),
        ("country", _) if row.is_multiple_of(4) => (role, name, Value::Text("XX")),
        _ => (role, name, value),
    })
}

/// The values of a row of `fraud`.
fn of_fraud(row: u32, at: Timestamp) -> Vec<Field> {
    let drift = at >= time("2026-11-23T11:00:00Z");
    let mut series = if drift { drifted(row) } else { values(row) }.to_vec();
    let extra = Value::Text(["a", "b"][row as usize % 2]);
    series.push((Role::Feature, "extra", extra));
    series
}

/// A row with these values, which say by their name whose it is.
fn event(series: &[Field], at: Timestamp) -> Event<'_> {
    let event = Event::new("7", at, series);
    if series.iter().any(|(_, name, _)| *name == HOSTILE) {
        return Event {
            model: HOSTILE,
            version: HOSTILE,
            carried: event.carried.with(Carrier::Latency).with(Carrier::Status),
            ..event
        };
    }
    Event {
        model: "fraud",
        carried: event.carried.with(Carrier::Prediction),
        ..event
    }
}

pub(super) fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6)],
        ..testing::config()
    }
}

/// A log of two partitions.
pub(super) struct Log(testing::Log);

impl Log {
    /// A log with references, and no rows yet.
    pub(super) fn new() -> Self {
        let (mut log, at) = (testing::Log::new(config()), time("2026-11-23T10:00:00Z"));
        for partition in 0..2 {
            log.append(at, genesis(partition));
        }
        let (training, baseline) = (ReferenceRole::Training, ReferenceRole::Baseline);
        for (key, role, periods) in [
            (key("fraud", "7"), training, 1),
            (key("fraud", "7"), baseline, 2),
            (key("idle", "1"), training, 1),
        ] {
            log.append(at, activate(&reference(&key, role, periods)));
        }
        Self(log)
    }

    /// Ten rows of each minute in `[from, to)`, one of them of the hostile model; seen at `to`.
    pub(super) fn rows(&mut self, from: &str, to: &str) {
        let (from, to) = (time(from), time(to));
        let mut worker = self.0.worker(0);
        let minutes = u32::try_from(to.millis_since(from) / 60_000).unwrap();
        for row in 0..minutes * 10 {
            let at = from + Length::SECOND.times(6).times(row.max(1));
            let series = if row % 10 == 3 {
                let (status, latency) = (["ok", "timeout"][row as usize % 2], f64::from(row % 7));
                vec![
                    (Role::Feature, HOSTILE, Value::Number(f64::from(row % 5))),
                    (Role::Operational, "latency_ms", Value::Number(latency)),
                    (Role::Operational, "status", Value::Text(status)),
                ]
            } else {
                of_fraud(row, at)
            };
            worker.add(&event(&series, at));
        }
        worker.reject(to - Length::MINUTE, Reject::Malformed);
        worker.lose(3);
        let (delta, quiet) = (worker.delta(true), self.0.worker(1).delta(true));
        // the second time it comes it has no effect
        for delta in [delta.clone(), delta, quiet] {
            self.0.append(to, Record::Delta(Box::new(delta)));
        }
    }

    /// What is known now.
    pub(super) fn board(&mut self, ready: bool) -> Arc<Board> {
        let mut outputs = Vec::new();
        for input in ready
            .then_some(Input::End)
            .into_iter()
            .chain([Input::Publish])
        {
            self.0.engine.handle(input, &mut outputs).unwrap();
        }
        let board = outputs.into_iter().find_map(|output| match output {
            Output::Board(board) => Some(board),
            _ => None,
        });
        board.unwrap()
    }
}

/// An alert of the hostile series, with a sentence as hostile.
pub(super) fn alert() -> Arc<Alert> {
    Arc::new(Alert {
        id: "00c0ffee".into(),
        key: key("fraud", "7"),
        series: HOSTILE.into(),
        window: Length::HOUR,
        test: Test::Location,
        reference: Some(ReferenceRole::Baseline),
        since: time("2026-11-23T12:00:00Z"),
        severity: Severity::Warning,
        p: 1e-9,
        alpha: 1e-6,
        psi: 0.2,
        sentence: format!("`{HOSTILE}` moved up").into(),
        peers: vec!["country".into()],
        resolved: None,
        acknowledged: None,
    })
}

/// The board of the module header.
pub(super) fn board() -> Arc<Board> {
    let mut log = Log::new();
    log.rows("2026-11-23T10:00:00Z", "2026-11-23T12:05:00Z");
    log.board(true)
}
