//! Rows that wait until there are enough of them to be counted a series at a time.
//!
//! A search among edges waits for one comparison after the other, and the edges and counters of all
//! series of a model version do not fit the first cache; those of one series do. So a row is only
//! written down when it comes, and some rows are counted together, series after series, the
//! searches of several rows at once.
//!
//! ```text
//! written down    amount   country   age            12.5  #3  41
//!                                                    9.0  #0  -          country is in cell 0
//!                                                    null #3  38         and so on, ROWS rows
//! counted         amount: bins of 12.5 9.0 .. at once, and one missing; country: 3 0 3 ..; age ..
//! ```
//!
//! Law: the counts are those of [`SeriesLayout::cell_of`] for each value, in any order.

use crate::decode::Value;
use crate::layout::{Bins, Place, SeriesLayout};

/// How many rows are counted together.
pub(super) const ROWS: usize = 32;

/// A value as it is written down: the bits of a finite number whose bin is to be found; or, with
/// all bits of [`CELL`], which no such number has, a cell.
type Written = u64;

const CELL: Written = 0xFFF8_0000_0000_0000;

/// No value: a cell that no series has.
const NONE: Written = Written::MAX;

/// The bytes that rows of a layout of so many series wait in.
pub(super) const fn bytes(series: usize) -> usize {
    ROWS * series * size_of::<Written>()
}

/// See the module header.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By row, then by series of the layout.
    values: Vec<Written>,
    rows: usize,
}

impl Waiting {
    /// Whether no row waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether there is no room for another row.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS
    }

    /// Begins a row, without values, of a layout of so many series.
    #[inline]
    pub(super) fn row(&mut self, series: usize) -> &mut [Written] {
        let from = self.values.len();
        if from == 0 {
            self.values.reserve_exact(ROWS * series);
        }
        self.values.resize(from + series, NONE);
        self.rows += 1;
        self.values.get_mut(from..).unwrap_or_default()
    }

    /// Counts `series`, which is the one at `index`, into its `cells`; how many rows had a value.
    pub(super) fn count(&self, index: usize, series: &SeriesLayout, cells: &mut [u32]) -> u64 {
        let width = self.values.len().checked_div(self.rows).unwrap_or(0).max(1);
        let column = || self.values.iter().skip(index).step_by(width).copied();
        let mut bins = [0; ROWS];
        if let Bins::Numeric(numeric) = series.bins() {
            let mut numbers = [0.0; ROWS];
            // what is no number is NaN here, below all edges, and not looked at
            for (number, written) in numbers.iter_mut().zip(column()) {
                *number = f64::from_bits(written);
            }
            let rows = numbers.get(..self.rows).unwrap_or(&numbers);
            numeric.edges().find_bins(rows, &mut bins);
        }
        let mut counted = 0;
        for (written, bin) in column().zip(bins) {
            let cell = if written & CELL == CELL {
                written ^ CELL
            } else {
                u64::from(bin)
            };
            let count = usize::try_from(cell).ok();
            if let Some(count) = count.and_then(|cell| cells.get_mut(cell)) {
                *count += 1;
                counted += 1;
            }
        }
        counted
    }

    /// Forgets the rows, which were counted.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.rows = 0;
    }
}

/// A value of a series, written down.
#[inline]
pub(super) fn write(series: &SeriesLayout, value: Value<'_>) -> Written {
    match series.place_of(value) {
        Place::Number(number) => number.to_bits(),
        Place::Cell(cell) => CELL | cell as u64,
    }
}

#[cfg(test)]
mod tests;
