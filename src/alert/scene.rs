//! What scenarios of alerts share: an engine, the log that feeds it and what it told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Test;
use super::episode::{Alert, Change};
use crate::board::Board;
use crate::decode::{Names, Row, Value};
use crate::engine::{Engine, Input, Output};
use crate::fold;
use crate::journal;
use crate::key::{Carried, ChainKey, ModelKey, Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::natural::{Dispersion, Natural, Part, WindowNatural};
use crate::reference::{Header, Reference, ReferenceRole, artifact};
use crate::statelog::record::{Alerting, Configuration, Record};
use crate::tally::{Layouts, Range, Router, Seen, Tally};
use crate::time::{Length, Timestamp};

/// One field of a row.
pub(crate) type Field = (Role, &'static str, Value<'static>);

/// Rows that are alike, spread over an hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) version: &'a str,
    pub(crate) count: u32,
    pub(crate) carried: Carried,
    pub(crate) fields: &'a [Field],
}

pub(crate) fn key(version: &str) -> ModelKey {
    ModelKey::new(Name::new("m").unwrap(), Name::new(version).unwrap())
}

/// Hours after the Monday 2024-01-01.
pub(crate) fn hour(hours: u32) -> Timestamp {
    let monday = 1_704_067_200_000;
    Timestamp::from_millis(monday + i64::from(hours) * Length::HOUR.as_millis())
}

pub(crate) fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6), Length::DAY],
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

/// A reference of 1,000 rows of these fields and keys, of which nothing moves by nature.
pub(crate) fn reference(version: &str, fields: &[Field], carried: [u64; 4]) -> Reference {
    let mut series = LooseSeries::new();
    for (role, name, value) in fields {
        let mut counts = LooseCounts::default();
        counts.add(*value, 1_000);
        series.insert((*role, (*name).into()), counts);
    }
    let key = key(version);
    let mut header = Header::new(key.model, key.version, ReferenceRole::Training);
    header.rows = 1_000;
    let mut reference = learn(header, carried, &series).unwrap();
    let still = Some(Dispersion {
        tau: 0.0,
        tail_df: 16.0,
    });
    let windows = config().windows.into_iter().map(|length| WindowNatural {
        length,
        block: length,
        series: vec![[still; Part::ALL.len()]; reference.layout.series().len()],
        carriers: [still; 4],
    });
    reference.natural = Some(Arc::new(Natural {
        windows: windows.collect(),
        profile: None,
    }));
    reference
}

/// An engine and the log that feeds it, of one partition.
pub(crate) struct Scene {
    engine: Engine,
    position: u64,
    layouts: Arc<Layouts>,
    head: i64,
    pub(crate) told: Vec<(Change, Arc<Alert>)>,
    pub(crate) journal: Vec<journal::Entry>,
}

impl Scene {
    pub(crate) fn new(config: Configuration) -> Self {
        let mut scene = Self {
            engine: Engine::new(config),
            position: 0,
            layouts: Arc::new(Layouts {
                of: BTreeMap::new(),
                loose_series_max: 8,
            }),
            head: 0,
            told: Vec::new(),
            journal: Vec::new(),
        };
        let genesis = Record::Genesis {
            chain: chain(),
            start: 0,
        };
        scene.append(hour(0), genesis);
        scene
    }

    pub(crate) fn activate(&mut self, at: Timestamp, reference: &Reference) {
        let natural = reference.natural.as_deref();
        let record = Record::Activate {
            key: key(reference.header.version.as_str()),
            artifact: artifact::to_bytes(reference),
            natural: natural.map_or_else(Vec::new, artifact::natural_to_bytes),
        };
        self.append(at, record);
    }

    /// An hour of rows that ends at the hour `end`, and is judged soon after.
    pub(crate) fn hour(&mut self, end: u32, all: &[Rows<'_>]) {
        let start = hour(end - 1);
        let mut names = Names::new(64);
        let mut router = Router::new(Arc::clone(&self.layouts), PANE, Length::MINUTE);
        let mut tally = Tally::default();
        let from = self.head;
        for rows in all {
            let intern = |(role, name, value): &Field| (names.intern(*role, name).unwrap(), *value);
            let values: Vec<_> = rows.fields.iter().map(intern).collect();
            for number in 0..rows.count {
                let into = i64::from(number) * Length::HOUR.as_millis() / i64::from(rows.count);
                let at = Timestamp::from_millis(start.as_millis() + into);
                let row = Row {
                    model: "m",
                    version: rows.version,
                    at,
                    request_id: None,
                    carried: rows.carried,
                    values: &values,
                    unnamed: 0,
                };
                tally.add(&mut router, &names, &row, Some(at));
                let seen = Seen {
                    offset: self.head,
                    timestamp: Some(at),
                    hash: 0,
                };
                tally.record(seen, Ok(1), PANE);
                self.head += 1;
            }
        }
        let delta = tally.take(&router, range(from, self.head), true);
        let append_time = hour(end) + Length::MINUTE.times(2);
        self.append(append_time, Record::Delta(Box::new(delta)));
        self.pass(end);
    }

    /// Log time goes on without rows, to ten minutes after the hour `to`.
    pub(crate) fn pass(&mut self, to: u32) {
        let router = Router::new(Arc::clone(&self.layouts), PANE, Length::MINUTE);
        let delta = Tally::default().take(&router, range(self.head, self.head), true);
        self.append(
            hour(to) + Length::MINUTE.times(10),
            Record::Delta(Box::new(delta)),
        );
    }

    fn append(&mut self, append_time: Timestamp, record: Record) {
        let input = fold::Input {
            position: self.position,
            append_time,
            digest: [0; 32],
            record,
        };
        let mut outputs = Vec::new();
        self.engine
            .handle(Input::Record(input), &mut outputs)
            .unwrap();
        self.position += 1;
        for output in outputs {
            match output {
                Output::Layouts(layouts, _, _) => self.layouts = layouts,
                Output::Alert(change, alert) => self.told.push((change, alert)),
                Output::Journal(entry) => self.journal.push(entry),
                Output::Effect(_) | Output::Board(_) => {}
            }
        }
    }

    /// What is known now.
    pub(crate) fn board(&self) -> Board {
        self.engine.board()
    }

    /// What was told of a test in windows of an hour since the last question: what became of whose
    /// alert.
    pub(crate) fn of(&mut self, test: Test) -> Vec<(Change, String)> {
        let told = std::mem::take(&mut self.told);
        let of_test = told
            .iter()
            .filter(|(_, alert)| alert.test == test && alert.window == Length::HOUR);
        of_test
            .map(|(change, alert)| (*change, alert.series.to_string()))
            .collect()
    }
}

const PANE: Length = Length::MINUTE.times(5);

fn chain() -> ChainKey {
    ChainKey {
        shard: 0,
        cluster: Arc::from("c"),
        topic: Arc::from("t"),
        incarnation: 0,
        partition: 0,
    }
}

fn range(from: i64, to: i64) -> Range {
    Range {
        chain: chain(),
        from,
        to,
        writer: 1,
        attempt: 1,
    }
}
