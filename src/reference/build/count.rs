//! The last reading: every value into its cell, exact sums of bins, and the same by the hour.

use arrow::array::{Array, DictionaryArray};
use arrow::datatypes::Int32Type;

use super::BLOCK_CELLS_MAX;
use super::gather::RowCount;
use super::scan::{Pass, values};
use crate::decode::Value;
use crate::files::{Column, ColumnData};
use crate::key::{Carried, Carrier};
use crate::layout::{Kind, SeriesLayout};
use crate::reference::exact::ExactSum;
use crate::reference::moments::{Deviations, Range, fill_means};
use crate::reference::narrow::Narrow;
use crate::reference::{BLOCK, BlockCells, HourBlock, SeriesReference, block_cell};
use crate::time::Timestamp;

/// How many block cells a series is taken for when it is decided how many hours fit.
const CELLS_TYPICAL: usize = 24;

/// The place of rows without an hour that is kept.
const NO_HOUR: usize = usize::MAX;

/// The hours that are kept.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    /// In order: the start, the rows, and how many carry what.
    kept: Vec<(Timestamp, u64, [u64; 4])>,
}

impl Hours {
    /// The latest hours that fit when there are so many series.
    pub(super) fn new(rows: &RowCount, series: usize) -> Self {
        let most = BLOCK_CELLS_MAX / (CELLS_TYPICAL * series.max(1));
        let skipped = rows.hours.len().saturating_sub(most);
        let kept = rows.hours.iter().skip(skipped);
        Self {
            kept: kept
                .map(|(start, (rows, carried))| (*start, *rows, *carried))
                .collect(),
        }
    }

    /// The hours as blocks without cells.
    pub(super) fn blocks(&self) -> Vec<HourBlock> {
        let block = |(start, rows, carried): &(Timestamp, u64, [u64; 4])| HourBlock {
            start: *start,
            rows: *rows,
            carried: *carried,
            cells: Vec::new(),
        };
        self.kept.iter().map(block).collect()
    }

    fn place(&self, at: Timestamp) -> usize {
        let hour = at.floor(BLOCK);
        self.kept
            .binary_search_by_key(&hour, |kept| kept.0)
            .unwrap_or(NO_HOUR)
    }
}

/// The counts of one series.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) layout: SeriesLayout,
    range: Option<Range>,
    counts: Vec<u64>,
    /// Of numbers, the sum in each value bin.
    sums: Vec<ExactSum>,
    deviations: Option<Deviations>,
    /// The block cell of each cell.
    block_cells: Vec<usize>,
    /// The block cells of a series, once for each hour.
    width: usize,
    by_hour: Vec<u64>,
}

impl Counted {
    pub(super) fn new(layout: SeriesLayout, range: Option<Range>, hours: &Hours) -> Self {
        let numeric = layout.kind() == Kind::Numeric;
        let width = BlockCells::of(&layout);
        Self {
            counts: vec![0; layout.cells()],
            sums: vec![ExactSum::default(); if numeric { layout.value_cells() } else { 0 }],
            deviations: range.filter(|_| numeric).map(Deviations::new),
            block_cells: (0..layout.cells())
                .map(|cell| block_cell(&layout, cell))
                .collect(),
            width,
            by_hour: vec![0; width * hours.kept.len()],
            range,
            layout,
        }
    }

    #[inline]
    fn add(&mut self, value: Value<'_>, hour: usize) {
        let cell = self.layout.cell_of(value);
        self.add_cell(cell, hour);
        if let (Value::Number(x), Some(sum), Some(deviations)) =
            (value, self.sums.get_mut(cell), &mut self.deviations)
        {
            sum.add(x);
            deviations.add(x);
        }
    }

    #[inline]
    fn add_cell(&mut self, cell: usize, hour: usize) {
        if let Some(count) = self.counts.get_mut(cell) {
            *count += 1;
        }
        if hour != NO_HOUR {
            let block_cell = self.block_cells.get(cell).copied().unwrap_or(0);
            if let Some(count) = self.by_hour.get_mut(hour * self.width + block_cell) {
                *count += 1;
            }
        }
    }

    /// Each distinct text is looked up once.
    fn add_coded(&mut self, column: &Column, texts: &DictionaryArray<Int32Type>, hours: &[usize]) {
        let cells: Vec<Option<usize>> = (0..texts.values().len())
            .map(|key| match column.value_of_key(key) {
                Value::Missing => None,
                value => Some(self.layout.cell_of(value)),
            })
            .collect();
        for (row, key) in texts.keys_iter().enumerate() {
            if let Some(cell) = key.and_then(|key| cells.get(key).copied().flatten()) {
                self.add_cell(cell, hours.get(row).copied().unwrap_or(NO_HOUR));
            }
        }
    }

    /// Rows that carry the series and have no value of it are missing.
    fn add_missing(&mut self, rows: &RowCount, hours: &Hours) {
        let carrier = Carrier::of(self.layout.role(), self.layout.name()) as usize;
        let carried = |carried: &[u64; 4]| carried.get(carrier).copied().unwrap_or(0);
        let missing = self.layout.missing_cell();
        let found: u64 = self.counts.iter().sum();
        if let Some(count) = self.counts.get_mut(missing) {
            *count += carried(&rows.carried).saturating_sub(found);
        }
        let missing = block_cell(&self.layout, missing);
        for ((_, _, in_hour), cells) in hours.kept.iter().zip(self.by_hour.chunks_mut(self.width)) {
            let found: u64 = cells.iter().sum();
            if let Some(count) = cells.get_mut(missing) {
                *count += carried(in_hour).saturating_sub(found);
            }
        }
    }

    /// Appends the cells of each hour to its block, this series being the one from cell `offset`
    /// on.
    pub(super) fn append_to(&self, blocks: &mut [HourBlock], offset: usize) {
        for (block, counts) in blocks.iter_mut().zip(self.by_hour.chunks(self.width)) {
            let cells = (offset..).zip(counts).filter(|(_, count)| **count > 0);
            let cell =
                |(cell, count): (usize, &u64)| (u32::try_from(cell).unwrap_or(u32::MAX), *count);
            block.cells.extend(cells.map(cell));
        }
    }

    /// The counts and statistics of the whole.
    pub(super) fn reference(self) -> (SeriesLayout, SeriesReference) {
        let mut series = SeriesReference {
            counts: Narrow::new(&self.counts),
            ..SeriesReference::default()
        };
        if self.layout.kind() == Kind::Numeric {
            series.means = vec![0.0; self.layout.value_cells()];
        }
        if let (Some(range), Some(deviations)) = (self.range, self.deviations) {
            let counted = || self.sums.iter().zip(&self.counts);
            let means: Vec<Option<f64>> = counted()
                .map(|(sum, count)| (*count > 0).then(|| sum.mean(*count) + 0.0))
                .collect();
            let present = counted().map(|(_, count)| count).sum();
            series.means = fill_means(&self.layout, &means, range);
            series.mean = range.mean;
            series.sd = deviations.sd(present);
            (series.min, series.max) = (range.min, range.max);
        }
        (self.layout, series)
    }
}

/// One thread of the last reading.
#[derive(Debug)]
pub(super) struct Counting<'a> {
    series: Vec<Counted>,
    hours: &'a Hours,
    /// The place of the hour of each row of the batch.
    places: Vec<usize>,
}

impl<'a> Counting<'a> {
    pub(super) fn new(series: Vec<Counted>, hours: &'a Hours) -> Self {
        Self {
            series,
            hours,
            places: Vec::new(),
        }
    }

    /// The counts, when all rows have come.
    pub(super) fn finish(mut self, rows: &RowCount) -> Vec<Counted> {
        for series in &mut self.series {
            series.add_missing(rows, self.hours);
        }
        self.series
    }
}

impl Pass for Counting<'_> {
    fn rows(&mut self, _rows: usize, at: Option<&[Timestamp]>, _carried: Carried) {
        self.places.clear();
        if !self.hours.kept.is_empty() {
            let hours = self.hours;
            self.places
                .extend(at.unwrap_or(&[]).iter().map(|at| hours.place(*at)));
        }
    }

    fn value(&mut self, series: usize, value: Value<'_>) {
        let hour = self.places.first().copied().unwrap_or(NO_HOUR);
        match (self.series.get_mut(series), value) {
            (Some(_), Value::Missing) | (None, _) => {}
            (Some(series), value) => series.add(value, hour),
        }
    }

    fn column(&mut self, series: usize, column: &Column) {
        let Some(series) = self.series.get_mut(series) else {
            return;
        };
        match &column.data {
            ColumnData::Coded(texts) => series.add_coded(column, texts, &self.places),
            _ => values(column, |row, value| {
                series.add(value, self.places.get(row).copied().unwrap_or(NO_HOUR));
            }),
        }
    }
}
