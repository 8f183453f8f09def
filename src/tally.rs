//! Rows to counts: what a worker keeps of a chain between two deltas.
//!
//! A [`Router`] (one a worker) knows what the names of a row mean: which layout its model version
//! has, and which cells of it a series owns. A [`Tally`] (one a chain) holds dense counts per model
//! version and pane and is emptied into a sparse [`Delta`]. Both are caches: a delta depends on
//! nothing but the records of its range and the layouts.
//!
//! ```text
//! row fraud@7 10:17 amount=12.5      router: fraud@7 -> layout 3, amount -> cells 0..118
//! pane 10:15                         tally:  (fraud@7, 10:15)[0 + bin_of(12.5)] += 1
//! ```
//!
//! Rows come one by one, or as columns (see [`Columns`]), and count the same.

use std::collections::BTreeMap;

use self::blocks::Blocks;
use self::last::Last;
use self::router::Target;
use crate::decode::{Names, Reject, Row};
use crate::delta::{Accounting, Arrivals, Delta, LastRecord, ModelDelta};
use crate::key::ChainKey;
use crate::time::{Length, Timestamp};

mod block;
mod blocks;
mod columns;
mod last;
mod router;
mod waiting;

pub use self::columns::{Columns, LooseColumn, Values};
pub use self::router::{Layouts, Router, series_of};

/// The most rows of one delta: no count of them outgrows its counter.
pub const ROWS_MAX: u64 = u32::MAX as u64;

/// About how many bytes a value of a series without a layout may take.
const LOOSE_BYTES: usize = 8;

/// What a chain has counted since its last delta.
#[derive(Debug, Default)]
pub struct Tally {
    accounting: Accounting,
    arrivals: BTreeMap<Timestamp, (u64, u64)>,
    /// Of the records last seen, which mostly came in one pane: its start, and what is to be added
    /// to its arrivals.
    arriving: Option<(Timestamp, (u64, u64))>,
    last: Last,
    blocks: Blocks,
    /// That of the router, whose routes the blocks are of.
    epoch: u64,
}

/// A record that was decoded, for the accounting.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub timestamp: Option<Timestamp>,
    /// Its value, empty where it has none.
    pub value: &'a [u8],
}

impl Tally {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.accounting.records == 0 && self.accounting.lost == 0
    }

    /// About how many bytes the counts take.
    pub fn bytes(&self) -> usize {
        self.blocks.bytes()
    }

    /// Rows counted; the delta is to be taken before they are more than [`ROWS_MAX`].
    pub fn rows(&self) -> u64 {
        self.accounting.rows
    }

    /// Records counted.
    pub fn records(&self) -> u64 {
        self.accounting.records
    }

    /// Counts one row of a record with this Kafka timestamp.
    pub fn add(
        &mut self,
        router: &mut Router,
        names: &Names,
        row: &Row<'_>,
        kafka: Option<Timestamp>,
    ) {
        debug_assert!(
            self.blocks.is_empty() || self.epoch == router.epoch,
            "tally of old routes"
        );
        self.epoch = router.epoch;
        let Some(found) = router.find(row.model, row.version) else {
            return;
        };
        let late =
            kafka.is_some_and(|kafka| kafka.millis_since(row.at) > router.lateness.as_millis());
        self.account(row, late);
        let loose_max = router.layouts.loose_series_max;
        let Some(route) = router.routes.get_mut(found) else {
            return;
        };
        let Some(block) = self.blocks.at((found, route), row.at, router.pane) else {
            return;
        };
        block.count_row(row, late);
        let before = block.bytes();
        let loose = block.write_row(route, names, row.values);
        let grown = block.bytes() - before;
        if loose == 0 {
            self.blocks.grow(grown);
            return;
        }
        let mut kept = 0;
        for (slot, value) in row.values {
            if route.target(*slot, names) == Target::Loose
                && let Some(name) = names.get(*slot)
            {
                kept += usize::from(block.count_loose(name, *value, loose_max));
            }
        }
        self.blocks.grow(grown + LOOSE_BYTES * kept);
        self.accounting.unnamed += (loose - kept) as u64;
    }

    fn account(&mut self, row: &Row<'_>, late: bool) {
        let sum = &mut self.accounting;
        sum.late += u64::from(late);
        sum.unnamed += u64::from(row.unnamed);
        sum.first_event = Some(sum.first_event.map_or(row.at, |first| first.min(row.at)));
        sum.last_event = Some(sum.last_event.map_or(row.at, |last| last.max(row.at)));
    }

    /// Counts a record after its rows: how many they were, or why there are none.
    pub fn record(&mut self, seen: Seen<'_>, outcome: Result<u32, Reject>, pane: Length) {
        let sum = &mut self.accounting;
        sum.records += 1;
        match outcome {
            Ok(rows) => sum.rows += u64::from(rows),
            Err(reject) => {
                if let Some(count) = sum.rejected.get_mut(reject.index()) {
                    *count += 1;
                }
            }
        }
        self.last.set(seen.offset, seen.value);
        if let Some(at) = seen.timestamp {
            let length = 0..pane.as_millis();
            let (start, mut arrived) = match self.arriving.take() {
                Some(last) if length.contains(&at.millis_since(last.0)) => last,
                other => {
                    self.arrive(other);
                    (at.floor(pane), (0, 0))
                }
            };
            arrived.0 += 1;
            arrived.1 += u64::from(outcome.is_err());
            self.arriving = Some((start, arrived));
        }
    }

    fn arrive(&mut self, arriving: Option<(Timestamp, (u64, u64))>) {
        if let Some((start, (records, rejected))) = arriving {
            let arrived = self.arrivals.entry(start).or_default();
            arrived.0 += records;
            arrived.1 += rejected;
        }
    }

    /// Counts offsets that retention took before they were read.
    pub fn lose(&mut self, offsets: u64) {
        self.accounting.lost += offsets;
    }

    /// The last record that was counted since the tally was empty.
    pub fn last_record(&self) -> Option<LastRecord> {
        self.last.record()
    }

    /// Empties the tally into a delta of the range `from..to`.
    pub fn take(&mut self, router: &Router, range: Range, at_end: bool) -> Delta {
        let mut tally = std::mem::take(self);
        let arriving = tally.arriving.take();
        tally.arrive(arriving);
        let (mut models, mut spare) = (Vec::new(), Vec::new());
        for (blocks, route) in tally.blocks.into_routes().zip(&router.routes) {
            if blocks.is_empty() {
                continue;
            }
            let shape = route.shape.as_deref();
            let panes = blocks.into_iter();
            models.push(ModelDelta {
                key: route.key.clone(),
                layout: route.layout,
                panes: panes
                    .map(|(start, block)| block.into_pane(start, shape, &mut spare))
                    .collect(),
            });
        }
        models.sort_by(|a: &ModelDelta, b| (&a.key, a.layout).cmp(&(&b.key, b.layout)));
        let arrivals = tally.arrivals.into_iter();
        Delta {
            chain: range.chain,
            from: range.from,
            to: range.to,
            writer: range.writer,
            attempt: range.attempt,
            pane: router.pane,
            accounting: Accounting {
                at_end,
                last_record: tally.last.record(),
                ..tally.accounting
            },
            arrivals: arrivals
                .map(|(start, (records, rejected))| Arrivals {
                    start,
                    records,
                    rejected,
                })
                .collect(),
            models,
        }
    }
}

/// What a delta says of its place.
#[derive(Debug, Clone)]
pub struct Range {
    /// The chain.
    pub chain: ChainKey,
    /// The position of the first record.
    pub from: i64,
    /// The position after the last record.
    pub to: i64,
    /// The worker.
    pub writer: u64,
    /// The worker's attempt.
    pub attempt: u64,
}
