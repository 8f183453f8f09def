//! Columns of tables to the cells of a layout, a column at a time.
//!
//! The same cells as [`crate::layout::SeriesLayout::cell_of`] finds for each value, with what is
//! equal for all values of a column looked up once: of a dictionary, each text that occurs.

use std::sync::Arc;

use arrow::array::{Array, DictionaryArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;

use crate::decode::{SeriesName, Value};
use crate::files::{Batch, Column, ColumnData};
use crate::key::Carried;
use crate::layout::{Bins, Layout, SeriesLayout};
use crate::tally::{LooseColumn, Values, series_of};
use crate::time::Timestamp;

/// A cell that was not looked up yet: no layout has so many.
const UNKNOWN: u16 = u16::MAX;

/// Rows of a table, ready to be counted.
#[derive(Debug)]
pub(super) struct Binned {
    /// The time of each row.
    pub(super) at: Vec<Timestamp>,
    /// Which carriers each row has.
    pub(super) carried: Carried,
    /// The columns, in the order of the file.
    pub(super) columns: Vec<BinnedColumn>,
}

/// The values of one column.
#[derive(Debug)]
pub(super) enum BinnedColumn {
    /// Of a series of the layout.
    Cells {
        /// The place of the series in the layout.
        series: usize,
        /// The cell of each row.
        cells: Vec<u16>,
    },
    /// Of a series that it does not know.
    Loose {
        /// The series.
        name: SeriesName,
        /// The values.
        column: Column,
    },
}

impl Binned {
    /// The columns as a tally takes them.
    pub(super) fn values(&self) -> Vec<Values<'_>> {
        let values = |column| match column {
            &BinnedColumn::Cells { series, ref cells } => Values::Cells { series, cells },
            BinnedColumn::Loose { name, column } => Values::Loose { name, column },
        };
        self.columns.iter().map(values).collect()
    }
}

impl LooseColumn for Column {
    fn value(&self, row: usize) -> Value<'_> {
        self.value(row)
    }
}

/// The columns of a batch in the cells of `shape`.
pub(super) fn bin(batch: &Batch, shape: Option<&Layout>) -> Vec<BinnedColumn> {
    let binned = |column: &Column| {
        let name = SeriesName {
            name: Arc::clone(&column.name),
            role: column.role,
        };
        let known = shape.and_then(|shape| {
            let series = series_of(shape, &name)?;
            Some((series, shape.series().get(series)?))
        });
        match known {
            Some((series, layout)) => BinnedColumn::Cells {
                series,
                cells: cells_of(layout, column, batch.rows),
            },
            None => BinnedColumn::Loose {
                name,
                column: column.clone(),
            },
        }
    };
    batch.columns.iter().map(binned).collect()
}

/// The cell of each row of a column.
fn cells_of(layout: &SeriesLayout, column: &Column, rows: usize) -> Vec<u16> {
    let cell = |value: Value<'_>| short(layout.cell_of(value));
    match &column.data {
        ColumnData::Numbers { values, nulls } => {
            let invalid = short(layout.invalid_cell());
            let mut cells: Vec<u16> = match layout.bins() {
                Bins::Numeric(bins) => {
                    let mut found = vec![0; values.len()];
                    bins.edges().find_bins(values, &mut found);
                    found
                }
                Bins::Categorical(_) => vec![invalid; values.len()],
            };
            for (cell, x) in cells.iter_mut().zip(values) {
                *cell = if x.is_finite() { *cell } else { invalid };
            }
            without(&mut cells, nulls.as_ref(), cell(Value::Missing));
            cells
        }
        ColumnData::Coded(texts) => coded(texts, column, cell),
        ColumnData::Bools {
            values,
            invalid: None,
        } => {
            let [no, yes] = [false, true].map(|truth| cell(Value::Bool(truth)));
            let missing = cell(Value::Missing);
            let of =
                |truth: Option<bool>| truth.map_or(missing, |truth| if truth { yes } else { no });
            values.iter().map(of).collect()
        }
        ColumnData::Nulls => vec![cell(Value::Missing); rows],
        ColumnData::Texts(_) | ColumnData::Bools { .. } => {
            (0..rows).map(|row| cell(column.value(row))).collect()
        }
    }
}

/// The cells of texts by the keys of their dictionary, which may have more texts than there are
/// rows.
fn coded(
    texts: &DictionaryArray<Int32Type>,
    column: &Column,
    cell: impl Fn(Value<'_>) -> u16,
) -> Vec<u16> {
    let missing = cell(Value::Missing);
    let mut known = vec![UNKNOWN; texts.values().len()];
    let of = |key: &i32| {
        let place = usize::try_from(*key).ok();
        let Some((key, found)) = place.and_then(|key| Some((key, known.get_mut(key)?))) else {
            return missing;
        };
        if *found == UNKNOWN {
            *found = cell(column.value_of_key(key));
        }
        *found
    };
    // what stands in place of a null is any key, or none
    let mut cells: Vec<u16> = texts.keys().values().iter().map(of).collect();
    without(&mut cells, texts.keys().nulls(), missing);
    cells
}

/// Puts `missing` where there is no value.
fn without(cells: &mut [u16], nulls: Option<&NullBuffer>, missing: u16) {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return;
    };
    for (cell, is_valid) in cells.iter_mut().zip(nulls) {
        *cell = if is_valid { *cell } else { missing };
    }
}

/// A cell in the width that tallies take; series have a few hundred.
fn short(cell: usize) -> u16 {
    u16::try_from(cell).unwrap_or(UNKNOWN)
}
