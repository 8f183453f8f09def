//! What tests share: rows that are counted as a worker counts them, and an engine that is fed the
//! log.
//!
//! ```text
//! Event --Worker--> Delta --Log--> Engine --> alerts, journal; layouts for the next worker
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::alert::episode::{Alert, Change};
use crate::board::Board;
use crate::config::{Home, Kafka, State};
use crate::decode::{Names, Reject, Row, Value};
use crate::delta::Delta;
use crate::engine::{Engine, Input, Output};
use crate::fold;
use crate::journal;
use crate::key::{Carried, Carrier, ChainKey, ModelKey, Name, Role, Shard};
use crate::reference::{Reference, artifact};
use crate::statelog::record::{Alerting, Configuration, Record, STATE_BYTES_MAX};
use crate::tally::{Layouts, Range, Router, Seen, Tally};
use crate::time::{Length, Timestamp};

/// The panes that windows of an hour and of whole hours have in common.
pub(crate) const PANE: Length = Length::MINUTE.times(5);

/// One field of a row.
pub(crate) type Field = (Role, &'static str, Value<'static>);

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) model: &'a str,
    pub(crate) version: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) carried: Carried,
    pub(crate) fields: &'a [Field],
}

impl<'a> Event<'a> {
    /// Features of a version of the model `m`.
    pub(crate) fn new(version: &'a str, at: Timestamp, fields: &'a [Field]) -> Self {
        Self {
            model: "m",
            version,
            at,
            carried: Carried::NONE.with(Carrier::Features),
            fields,
        }
    }
}

/// A version of the model `m`.
pub(crate) fn key(version: &str) -> ModelKey {
    named("m", version)
}

pub(crate) fn named(model: &str, version: &str) -> ModelKey {
    ModelKey::new(Name::new(model).unwrap(), Name::new(version).unwrap())
}

pub(crate) fn chain(partition: i32) -> ChainKey {
    let (cluster, topic) = (Arc::from("c"), Arc::from("events"));
    ChainKey {
        shard: 0,
        cluster,
        topic,
        incarnation: 0,
        partition,
    }
}

pub(crate) fn genesis(partition: i32) -> Record {
    let chain = chain(partition);
    Record::Genesis { chain, start: 0 }
}

/// A reference comes into force, with what its hours taught.
pub(crate) fn activate(reference: &Reference) -> Record {
    let header = &reference.header;
    let natural = reference.natural.as_deref();
    Record::Activate {
        key: ModelKey::new(header.model.clone(), header.version.clone()),
        artifact: artifact::to_bytes(reference),
        natural: natural.map_or_else(Vec::new, artifact::natural_to_bytes),
    }
}

/// A daemon whose home is this directory, and which knows no brokers.
pub(crate) fn embedded(dir: &Path) -> (State, Kafka) {
    let state = State {
        home: Home::Embedded {
            dir: dir.to_owned(),
        },
        shard: Shard::ALL,
        flush_interval: Length::SECOND,
        snapshot_interval: Length::MINUTE,
        spill_dir: None,
    };
    let kafka = Kafka {
        brokers: String::new(),
        properties: BTreeMap::new(),
    };
    (state, kafka)
}

/// The default windows, small limits, and nothing is learned.
pub(crate) fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6), Length::DAY],
        keep: None,
        lateness: Length::MINUTE,
        wait_max: Length::MINUTE.times(10),
        silent_after: Length::DAY.times(7),
        models_max: 8,
        loose_series_max: 8,
        state_bytes_max: STATE_BYTES_MAX,
        learn_rows: 0,
        models_allow: Vec::new(),
        alerts: Alerting::default(),
    }
}

pub(crate) fn without_layouts() -> Layouts {
    Layouts {
        of: BTreeMap::new(),
        loose_series_max: 8,
    }
}

/// Counts records of one partition.
#[derive(Debug)]
pub(crate) struct Worker {
    router: Router,
    names: Names,
    tally: Tally,
    pane: Length,
    partition: i32,
    from: i64,
    to: i64,
}

impl Worker {
    /// Reads a partition from a position on.
    pub(crate) fn new(
        layouts: impl Into<Arc<Layouts>>,
        pane: Length,
        (partition, from): (i32, i64),
    ) -> Self {
        Self {
            router: Router::new(layouts.into(), pane, Length::MINUTE),
            names: Names::new(64),
            tally: Tally::default(),
            pane,
            partition,
            from,
            to: from,
        }
    }

    /// Counts a record with this row.
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        let intern = |(role, name, value): &Field| {
            let slot = self.names.intern(*role, name).unwrap();
            (slot, *value)
        };
        let values: Vec<_> = event.fields.iter().map(intern).collect();
        let row = Row {
            model: event.model,
            version: event.version,
            at: event.at,
            request_id: None,
            carried: event.carried,
            values: &values,
            unnamed: 0,
        };
        let (router, names) = (&mut self.router, &self.names);
        self.tally.add(router, names, &row, Some(event.at));
        self.record(event.at, Ok(1));
    }

    /// A record that cannot be used.
    pub(crate) fn reject(&mut self, at: Timestamp, reason: Reject) {
        self.record(at, Err(reason));
    }

    /// Records that retention took.
    pub(crate) fn lose(&mut self, records: u32) {
        self.tally.lose(records.into());
        self.to += i64::from(records);
    }

    fn record(&mut self, at: Timestamp, outcome: Result<u32, Reject>) {
        let seen = Seen {
            offset: self.to,
            timestamp: Some(at),
            value: &[],
        };
        self.tally.record(seen, outcome, self.pane);
        self.to += 1;
    }

    /// What was counted.
    pub(crate) fn delta(mut self, at_end: bool) -> Delta {
        let range = Range {
            chain: chain(self.partition),
            from: self.from,
            to: self.to,
            writer: 1,
            attempt: 1,
        };
        self.tally.take(&self.router, range, at_end)
    }
}

/// An engine, the log that feeds it, and what it said.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) engine: Engine,
    pub(crate) told: Vec<(Change, Arc<Alert>)>,
    pub(crate) journal: Vec<journal::Entry>,
    config: Configuration,
    pub(crate) records: Vec<(Timestamp, Record)>,
    layouts: Arc<Layouts>,
}

impl Log {
    pub(crate) fn new(config: Configuration) -> Self {
        Self {
            engine: Engine::new(config.clone()),
            told: Vec::new(),
            journal: Vec::new(),
            config,
            records: Vec::new(),
            layouts: Arc::new(without_layouts()),
        }
    }

    pub(crate) fn append(&mut self, append_time: Timestamp, record: Record) {
        self.records.push((append_time, record.clone()));
        let input = fold::Input {
            position: self.engine.fold().position,
            append_time,
            digest: [0; 32],
            record,
        };
        let mut outputs = Vec::new();
        let input = Input::Record(input);
        self.engine.handle(input, &mut outputs).unwrap();
        for output in outputs {
            match output {
                Output::Layouts(layouts, ..) => self.layouts = layouts,
                Output::Alert(change, alert) => self.told.push((change, alert)),
                Output::Journal(entry) => self.journal.push(entry),
                Output::Effect(_) | Output::Board(_) => {}
            }
        }
    }

    /// Who reads on at the head of a partition.
    pub(crate) fn worker(&self, partition: i32) -> Worker {
        let fold = self.engine.fold();
        let head = fold.chains[&chain(partition)].head;
        let layouts = Arc::clone(&self.layouts);
        Worker::new(layouts, fold.base_pane(), (partition, head))
    }

    /// What a worker counted, up to the end of its partition.
    pub(crate) fn count(&mut self, append_time: Timestamp, worker: Worker) {
        let delta = Box::new(worker.delta(true));
        self.append(append_time, Record::Delta(delta));
    }

    /// What is known now.
    pub(crate) fn board(&self) -> Board {
        self.engine.board()
    }

    /// Another instance, which reads the same log from its beginning.
    pub(crate) fn again(&self) -> Self {
        let mut again = Self::new(self.config.clone());
        for (at, record) in &self.records {
            again.append(*at, record.clone());
        }
        again
    }
}
