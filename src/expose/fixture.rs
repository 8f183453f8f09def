//! A board made by the engine from real deltas, with all that the surface has to show.
//!
//! ```text
//! fraud 7      training and baseline reference; 10:00 to 12:05, ten rows a minute; amount and
//!              country drift from 11:00 on; `extra` is a series that no reference knows
//! HOSTILE      no reference, names with everything that a name may have
//! idle 1       a reference and no rows
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::episode::Alert;
use crate::alert::{Severity, Test};
use crate::board::Board;
use crate::decode::{Names, Reject, Row, Value};
use crate::engine::{Engine, Input, Output};
use crate::fold;
use crate::key::{Carried, Carrier, ChainKey, ModelKey, Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, Reference, ReferenceRole, artifact};
use crate::statelog::record::{Alerting, Configuration, Record};
use crate::tally::{Layouts, Range, Router, Seen, Tally};
use crate::time::{Length, Timestamp};

/// A name that must be escaped or encoded wherever it is met.
pub(super) const HOSTILE: &str = "<b>\"x\\y\" \u{e9}/%2F+?";

/// The rows after which reference values repeat.
const PERIOD: u32 = 97 * 18;

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn key(model: &str, version: &str) -> ModelKey {
    ModelKey::new(Name::new(model).unwrap(), Name::new(version).unwrap())
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

fn values(row: u32) -> [(Role, &'static str, Value<'static>); 4] {
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
fn drifted(row: u32) -> [(Role, &'static str, Value<'static>); 4] {
    values(row).map(|(role, name, value)| match (name, value) {
        ("amount", _) if row.is_multiple_of(50) => (role, name, Value::Text("many")),
        ("amount", Value::Number(x)) => (role, name, Value::Number(x + 3.0)),
        ("country", _) if row.is_multiple_of(4) => (role, name, Value::Text("XX")),
        _ => (role, name, value),
    })
}

/// The values of a row of `fraud`.
fn of_fraud(row: u32, at: Timestamp) -> Vec<(Role, &'static str, Value<'static>)> {
    let drift = at >= time("2026-11-23T11:00:00Z");
    let mut series = if drift { drifted(row) } else { values(row) }.to_vec();
    let extra = Value::Text(["a", "b"][row as usize % 2]);
    series.push((Role::Feature, "extra", extra));
    series
}

/// Counts a row with these values, which say by their name whose it is.
fn add(
    tally: &mut Tally,
    router: &mut Router,
    names: &mut Names,
    (series, at): (&[(Role, &'static str, Value<'static>)], Timestamp),
) {
    let values: Vec<_> = series
        .iter()
        .map(|(role, name, value)| (names.intern(*role, name).unwrap(), *value))
        .collect();
    let carried = Carried::NONE.with(Carrier::Features);
    let (model, version, carried) = if series.iter().any(|(_, name, _)| *name == HOSTILE) {
        let carried = carried.with(Carrier::Latency).with(Carrier::Status);
        (HOSTILE, HOSTILE, carried)
    } else {
        ("fraud", "7", carried.with(Carrier::Prediction))
    };
    let row = Row {
        model,
        version,
        at,
        request_id: None,
        carried,
        values: &values,
        unnamed: 0,
    };
    tally.add(router, names, &row, Some(at));
}

fn seen(offset: i64, at: Timestamp) -> Seen {
    Seen {
        offset,
        timestamp: Some(at),
        hash: 0,
    }
}

pub(super) fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6)],
        keep: None,
        lateness: Length::MINUTE,
        wait_max: Length::MINUTE.times(10),
        silent_after: Length::DAY.times(7),
        models_max: 8,
        loose_series_max: 8,
        learn_rows: 0,
        models_allow: Vec::new(),
        alerts: Alerting::default(),
    }
}

fn chain(partition: i32) -> ChainKey {
    let (cluster, topic) = (Arc::from("c"), Arc::from("events"));
    ChainKey {
        shard: 0,
        cluster,
        topic,
        incarnation: 0,
        partition,
    }
}

/// An engine and the log that feeds it.
pub(super) struct Log {
    engine: Engine,
    outputs: Vec<Output>,
    position: u64,
    layouts: Arc<Layouts>,
    head: i64,
}

impl Log {
    /// A log with references and two partitions, and no rows yet.
    pub(super) fn new() -> Self {
        let layouts = Arc::new(Layouts {
            of: BTreeMap::new(),
            loose_series_max: 8,
        });
        let engine = Engine::new(config());
        let mut log = Self {
            engine,
            outputs: Vec::new(),
            position: 0,
            layouts,
            head: 0,
        };
        let at = time("2026-11-23T10:00:00Z");
        for partition in 0..2 {
            log.append(
                at,
                Record::Genesis {
                    chain: chain(partition),
                    start: 0,
                },
            );
        }
        let (training, baseline) = (ReferenceRole::Training, ReferenceRole::Baseline);
        for (key, role, periods) in [
            (key("fraud", "7"), training, 1),
            (key("fraud", "7"), baseline, 2),
            (key("idle", "1"), training, 1),
        ] {
            let artifact = artifact::to_bytes(&reference(&key, role, periods));
            log.append(
                at,
                Record::Activate {
                    key,
                    artifact,
                    natural: Vec::new(),
                },
            );
        }
        log
    }

    fn append(&mut self, append_time: Timestamp, record: Record) {
        let input = fold::Input {
            position: self.position,
            append_time,
            digest: [0; 32],
            record,
        };
        self.engine
            .handle(Input::Record(input), &mut self.outputs)
            .unwrap();
        self.position += 1;
        for output in self.outputs.drain(..) {
            if let Output::Layouts(layouts, _, _) = output {
                self.layouts = layouts;
            }
        }
    }

    /// Ten rows of each minute in `[from, to)`, one of them of the hostile model; seen at `to`.
    pub(super) fn rows(&mut self, from: &str, to: &str) {
        let (from, to) = (time(from), time(to));
        let pane = self.engine.fold().base_pane();
        let mut router = Router::new(Arc::clone(&self.layouts), pane, Length::MINUTE);
        let (mut names, mut tally) = (Names::new(16), Tally::default());
        let minutes = u32::try_from(to.millis_since(from) / 60_000).unwrap();
        let start = self.head;
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
            add(&mut tally, &mut router, &mut names, (&series, at));
            tally.record(seen(self.head, at), Ok(1), pane);
            self.head += 1;
        }
        let bad = seen(self.head, to - Length::MINUTE);
        tally.record(bad, Err(Reject::Malformed), pane);
        tally.lose(3);
        self.head += 4;
        let range = Range {
            chain: chain(0),
            from: start,
            to: self.head,
            writer: 1,
            attempt: 1,
        };
        let delta = tally.take(&router, range, true);
        let mut quiet = Tally::default();
        let range = Range {
            chain: chain(1),
            from: 0,
            to: 0,
            writer: 1,
            attempt: 2,
        };
        let quiet = quiet.take(&router, range, true);
        // the second time it comes it has no effect
        for delta in [delta.clone(), delta, quiet] {
            self.append(to, Record::Delta(Box::new(delta)));
        }
    }

    /// What is known now.
    pub(super) fn board(&mut self, ready: bool) -> Arc<Board> {
        if ready {
            self.engine.handle(Input::End, &mut self.outputs).unwrap();
        }
        self.engine
            .handle(Input::Publish, &mut self.outputs)
            .unwrap();
        let board = self.outputs.drain(..).find_map(|output| match output {
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
