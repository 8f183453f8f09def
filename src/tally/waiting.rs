//! Rows that wait until there are enough of them to be counted a series at a time.
//!
//! A search among edges waits for one comparison after the other, and edges, categories and
//! counters of all series of a model version do not fit the first cache; those of one series do. So
//! a row is only written down when it comes, without a look at its layout, and some rows are
//! counted together, series after series, the searches of several rows at once.
//!
//! ```text
//! written down    amount   country   age            12.5  "DE"  41
//!                                                    9.0  "FR"  -        and so on, ROWS rows
//!                                                    null "DE"  38
//! counted         amount: bins of 12.5 9.0 .. at once, and one missing; country: cells of DE FR ..
//! ```
//!
//! Law: the counts are those of [`SeriesLayout::cell_of`] for each value, in any order.

use crate::decode::Value;
use crate::layout::{Bins, CategoryBins, Kind, SeriesLayout, ShortText, text_of};

/// How many rows are counted together.
pub(super) const ROWS: usize = 32;

/// A value as it is written down. Of a numeric series the bits of a finite number; of others the
/// key of a short text, or [`LONG`] and where a longer one stands. Or, of all, one of the three
/// marks, which are above the bits of all finite numbers.
type Written = u64;

/// No value.
const NONE: Written = Written::MAX;

/// Null.
const MISSING: Written = Written::MAX - 1;

/// A value of another type.
const INVALID: Written = Written::MAX - 2;

/// The highest byte of a text that is not short; below it is its place among the long ones.
const LONG: Written = 0xFE << 56;

/// See the module header.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By row, then by series of the layout.
    values: Vec<Written>,
    rows: usize,
    /// Texts that are not short, each after its length.
    long: Vec<u8>,
}

/// A row that is written down.
#[derive(Debug)]
pub(super) struct Line<'w> {
    values: &'w mut [Written],
    long: &'w mut Vec<u8>,
}

impl Line<'_> {
    /// Writes the value of a series of this kind.
    #[inline]
    pub(super) fn put(&mut self, series: usize, kind: Kind, value: Value<'_>) {
        let written = match (kind, value) {
            (Kind::Numeric, Value::Number(x)) if x.is_finite() => x.to_bits(),
            (Kind::Categorical, Value::Text(text)) => self.text(text),
            (Kind::Boolean, Value::Bool(truth)) => self.text(text_of(truth)),
            (_, Value::Missing) => MISSING,
            _ => INVALID,
        };
        if let Some(place) = self.values.get_mut(series) {
            *place = written;
        }
    }

    #[inline]
    fn text(&mut self, text: &str) -> Written {
        ShortText::new(text).map_or_else(|| self.long(text), ShortText::key)
    }

    fn long(&mut self, text: &str) -> Written {
        let at = self.long.len() as u64;
        self.long.extend(text.len().to_le_bytes());
        self.long.extend(text.as_bytes());
        LONG | at
    }
}

impl Waiting {
    /// The bytes it takes for rows of a layout of so many series.
    pub(super) fn bytes(&self, series: usize) -> usize {
        ROWS * series * size_of::<Written>() + self.long.capacity()
    }

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
    pub(super) fn row(&mut self, series: usize) -> Line<'_> {
        let from = self.values.len();
        if from == 0 {
            self.values.reserve_exact(ROWS * series);
        }
        self.values.resize(from + series, NONE);
        self.rows += 1;
        Line {
            values: self.values.get_mut(from..).unwrap_or_default(),
            long: &mut self.long,
        }
    }

    /// Counts `series`, which is the one at `index`, into its `cells`; how many rows had a value.
    pub(super) fn count(&self, index: usize, series: &SeriesLayout, cells: &mut [u32]) -> u64 {
        let width = self.values.len().checked_div(self.rows).unwrap_or(0).max(1);
        let rows = self.values.chunks_exact(width);
        let column = || rows.clone().filter_map(|row| row.get(index).copied());
        let mut found = [0; ROWS];
        match series.bins() {
            Bins::Numeric(bins) => {
                let mut numbers = [0.0; ROWS];
                // marks are NaN here, below all edges, and not looked at
                for (number, written) in numbers.iter_mut().zip(column()) {
                    *number = f64::from_bits(written);
                }
                let rows = numbers.get(..self.rows).unwrap_or(&numbers);
                bins.edges().find_bins(rows, &mut found);
            }
            Bins::Categorical(bins) => {
                for (found, written) in found.iter_mut().zip(column()) {
                    *found = self.cell_of(bins, written);
                }
            }
        }
        let (missing, invalid) = (series.missing_cell(), series.invalid_cell());
        let mut counted = 0;
        for (written, cell) in column().zip(found) {
            let cell = match written {
                ..INVALID => usize::from(cell),
                INVALID => invalid,
                MISSING => missing,
                NONE => continue,
            };
            if let Some(count) = cells.get_mut(cell) {
                *count += 1;
                counted += 1;
            }
        }
        counted
    }

    /// The cell of a text; any cell for a mark.
    #[inline]
    fn cell_of(&self, bins: &CategoryBins, written: Written) -> u16 {
        let cell = match ShortText::from_key(written) {
            Some(text) => bins.cell_of_short(text),
            None => self.long_at(written).map_or(0, |text| bins.cell_of(text)),
        };
        u16::try_from(cell).unwrap_or(u16::MAX)
    }

    /// The long text that this stands for; none for a mark.
    fn long_at(&self, written: Written) -> Option<&str> {
        let at = usize::try_from(written ^ LONG).ok()?;
        let (length, rest) = self.long.get(at..)?.split_first_chunk()?;
        std::str::from_utf8(rest.get(..usize::from_le_bytes(*length))?).ok()
    }

    /// Forgets the rows, which were counted.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.long.clear();
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests;
