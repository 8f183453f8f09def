//! What scenarios of alerts share: an engine, the log that feeds it and what it told.

use std::sync::Arc;

use super::Test;
use super::episode::Change;
use crate::board::Board;
use crate::key::Carried;
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::natural::{Dispersion, Natural, Part, WindowNatural};
use crate::reference::{Header, Reference, ReferenceRole};
use crate::statelog::record::Configuration;
use crate::testing::{Event, Log, activate, genesis};
use crate::time::{Length, Timestamp};

pub(crate) use crate::testing::{Field, config, key};

/// Rows that are alike, spread over an hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) version: &'a str,
    pub(crate) count: u32,
    pub(crate) carried: Carried,
    pub(crate) fields: &'a [Field],
}

/// Hours after the Monday 2024-01-01.
pub(crate) fn hour(hours: u32) -> Timestamp {
    let monday = 1_704_067_200_000;
    Timestamp::from_millis(monday + i64::from(hours) * Length::HOUR.as_millis())
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

/// A log of one partition.
pub(crate) struct Scene {
    pub(crate) log: Log,
}

impl Scene {
    pub(crate) fn new(config: Configuration) -> Self {
        let mut log = Log::new(config);
        log.append(hour(0), genesis(0));
        Self { log }
    }

    pub(crate) fn activate(&mut self, at: Timestamp, reference: &Reference) {
        self.log.append(at, activate(reference));
    }

    /// An hour of rows that ends at the hour `end`, and is judged soon after.
    pub(crate) fn hour(&mut self, end: u32, all: &[Rows<'_>]) {
        let start = hour(end - 1);
        let mut worker = self.log.worker(0);
        for rows in all {
            for number in 0..rows.count {
                let into = i64::from(number) * Length::HOUR.as_millis() / i64::from(rows.count);
                let at = Timestamp::from_millis(start.as_millis() + into);
                worker.add(&Event {
                    carried: rows.carried,
                    ..Event::new(rows.version, at, rows.fields)
                });
            }
        }
        self.log.count(hour(end) + Length::MINUTE.times(2), worker);
        self.pass(end);
    }

    /// Log time goes on without rows, to ten minutes after the hour `to`.
    pub(crate) fn pass(&mut self, to: u32) {
        let quiet = self.log.worker(0);
        self.log.count(hour(to) + Length::MINUTE.times(10), quiet);
    }

    /// What is known now.
    pub(crate) fn board(&self) -> Board {
        self.log.board()
    }

    /// What was told of a test in windows of an hour since the last question: what became of whose
    /// alert.
    pub(crate) fn of(&mut self, test: Test) -> Vec<(Change, String)> {
        let told = std::mem::take(&mut self.log.told);
        let of_test = told
            .iter()
            .filter(|(_, alert)| alert.test == test && alert.window == Length::HOUR);
        of_test
            .map(|(change, alert)| (*change, alert.series.to_string()))
            .collect()
    }
}
