//! Rows whose values stand in columns: counted a column at a time.
//!
//! Whoever reads columns finds the cells of a whole column at once, outside of any tally and on any
//! thread ([`Values::Cells`]). What is left to do here is to add ones:
//!
//! ```text
//! at      10:14 10:16 10:17 10:12      runs of one pane: 10:10, 10:15 twice, 10:10
//! amount      3     3     7     3      (fraud@7, 10:10)[amount][3] += 2     [10:15][3] += 1, ..
//! ```
//!
//! Law: the delta is the one that [`Tally::add`] and [`Tally::record`] make of the same rows, one
//! by one, each a record of its own without a Kafka timestamp. It is held where both are used, by
//! the tests of `replay`.

use std::fmt;
use std::ops::Range;

use super::LOOSE_BYTES;
use super::block::Block;
use super::router::Route;
use super::{Router, Tally};
use crate::decode::{SeriesName, Value};
use crate::key::Carried;
use crate::time::{Length, Timestamp};

/// Some rows of one model version.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// The model, a name that was checked by [`crate::key::Name::check`].
    pub model: &'a str,
    /// The version, a name that was checked as well.
    pub version: &'a str,
    /// The time of each row.
    pub at: &'a [Timestamp],
    /// Which carriers each row has.
    pub carried: Carried,
    /// The values of each row, each series at most once.
    pub values: &'a [Values<'a>],
}

/// The values of one series in each row.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// Of a series of the layout, see [`super::series_of`].
    Cells {
        /// The place of the series in the layout.
        series: usize,
        /// The cell of each row, within the series.
        cells: &'a [u16],
    },
    /// Of a series that the layout does not know.
    Loose {
        /// The series.
        name: &'a SeriesName,
        /// Its values.
        column: &'a dyn LooseColumn,
    },
}

/// A column whose values are counted as they are.
pub trait LooseColumn {
    /// The value in a row.
    fn value(&self, row: usize) -> Value<'_>;
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cells { series, cells } => {
                write!(f, "{} cells of series {series}", cells.len())
            }
            Self::Loose { name, .. } => write!(f, "values of {}", name.name),
        }
    }
}

impl Tally {
    /// Counts the rows of `part`, each a record of its own; `offset` is that of the last one.
    pub fn add_columns(
        &mut self,
        router: &mut Router,
        columns: &Columns<'_>,
        part: Range<usize>,
        offset: i64,
    ) {
        debug_assert!(
            self.blocks.is_empty() || self.epoch == router.epoch,
            "tally of old routes"
        );
        self.epoch = router.epoch;
        let Some(at) = columns.at.get(part.clone()).filter(|at| !at.is_empty()) else {
            return;
        };
        let sum = &mut self.accounting;
        sum.records += at.len() as u64;
        sum.rows += at.len() as u64;
        self.last.set(offset, &[]);
        let Some(found) = router.find(columns.model, columns.version) else {
            return;
        };
        sum.first_event = sum.first_event.into_iter().chain(at.iter().copied()).min();
        sum.last_event = sum.last_event.max(at.iter().copied().max());
        let mut from = part.start;
        for (pane, rows) in Runs::new(at, router.pane) {
            let run = from..from + rows;
            from = run.end;
            self.add_run(router, columns, (found, pane), run);
        }
    }

    /// Counts rows of one pane.
    fn add_run(
        &mut self,
        router: &Router,
        columns: &Columns<'_>,
        (found, pane): (usize, Timestamp),
        run: Range<usize>,
    ) {
        let (Some(route), Some(at)) = (router.routes.get(found), columns.at.get(run.clone()))
        else {
            return;
        };
        let Some(last) = at.iter().copied().max() else {
            return;
        };
        let loose_max = router.layouts.loose_series_max;
        let Some(block) = self.blocks.at((found, route), pane, router.pane) else {
            return;
        };
        let before = block.bytes();
        block.count_rows(run.len() as u64, last, columns.carried);
        let (mut kept, mut unnamed) = (0, 0);
        for values in columns.values {
            match block.count_values(route, values, run.clone(), loose_max) {
                Some(values) => kept += values,
                None => unnamed += run.len() as u64,
            }
        }
        let grown = block.bytes() - before;
        self.blocks.grow(grown + LOOSE_BYTES * kept);
        self.accounting.unnamed += unnamed;
    }
}

impl Block {
    /// Counts a series in some rows, and returns how many values are of a loose one; `None` where
    /// it is a loose one too many.
    fn count_values(
        &mut self,
        route: &Route,
        values: &Values<'_>,
        run: Range<usize>,
        loose_max: usize,
    ) -> Option<usize> {
        match values {
            Values::Cells { series, cells } => {
                if let (Some(shape), Some(cells)) = (route.shape.as_deref(), cells.get(run)) {
                    self.count_cells(shape, *series, cells);
                }
                Some(0)
            }
            Values::Loose { name, column } => {
                let counts = self.loose(name, loose_max)?;
                let rows = run.len();
                run.for_each(|row| counts.add(column.value(row), 1));
                Some(rows)
            }
        }
    }
}

/// The lengths of runs of rows of one pane, and the starts of their panes.
struct Runs<'a> {
    at: &'a [Timestamp],
    pane: Length,
}

impl<'a> Runs<'a> {
    fn new(at: &'a [Timestamp], pane: Length) -> Self {
        Self { at, pane }
    }
}

impl Iterator for Runs<'_> {
    type Item = (Timestamp, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at.first()?.floor(self.pane);
        let pane = 0..self.pane.as_millis();
        // the same as to floor each row's time, without a division
        let is_within = |at: &&Timestamp| pane.contains(&at.millis_since(start));
        let rows = self.at.iter().take_while(is_within).count();
        self.at = self.at.get(rows..).unwrap_or(&[]);
        Some((start, rows))
    }
}
