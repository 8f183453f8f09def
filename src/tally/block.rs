//! The counts of one model version in one pane: rows while there are few, dense while they are
//! counted, sparse after. Where models are many and each has little, most blocks stay with rows.

use std::collections::BTreeMap;

use super::router::{Route, Target};
use super::waiting::Waiting;
use crate::decode::{Names, Row, SeriesName, Slot, Value};
use crate::delta::PaneDelta;
use crate::key::{Carried, Carrier, Role};
use crate::layout::{Layout, LooseCounts, SeriesLayout};
use crate::time::Timestamp;

/// The counts of one model version in one pane.
#[derive(Debug)]
pub(super) struct Block {
    rows: u64,
    late: u64,
    last_event: Timestamp,
    carried: [u64; 4],
    /// Per cell of the layout; empty without one, and until something is counted. A delta has fewer
    /// rows than would fill one, see [`super::ROWS_MAX`].
    cells: Vec<u32>,
    /// Per series of the layout, the rows that had a value of it, null included.
    present: Vec<u64>,
    waiting: Waiting,
    loose: BTreeMap<(Role, Box<str>), LooseCounts>,
}

impl Block {
    pub(super) fn new(shape: Option<&Layout>, at: Timestamp) -> Self {
        Self {
            rows: 0,
            late: 0,
            last_event: at,
            carried: [0; 4],
            cells: Vec::new(),
            present: vec![0; shape.map_or(0, |shape| shape.series().len())],
            waiting: Waiting::default(),
            loose: BTreeMap::new(),
        }
    }

    /// About how many bytes it takes, without loose series and with room for the rows that wait.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.waiting.bytes(self.present.len());
        size_of::<Self>() + size_of_val(&*self.present) + rows + size_of_val(&*self.cells)
    }

    pub(super) fn count_row(&mut self, row: &Row<'_>, late: bool) {
        self.rows += 1;
        self.late += u64::from(late);
        self.last_event = self.last_event.max(row.at);
        for (count, carrier) in self.carried.iter_mut().zip(Carrier::ALL) {
            *count += u64::from(row.carried.has(carrier));
        }
    }

    /// Counts rows of these carriers, none of them late and none later than `last`.
    pub(super) fn count_rows(&mut self, rows: u64, last: Timestamp, carried: Carried) {
        self.rows += rows;
        self.last_event = self.last_event.max(last);
        for (count, carrier) in self.carried.iter_mut().zip(Carrier::ALL) {
            *count += if carried.has(carrier) { rows } else { 0 };
        }
    }

    /// Counts a series of the layout in rows that have these cells of it.
    pub(super) fn count_cells(&mut self, shape: &Layout, series: usize, cells: &[u16]) {
        let own = shape.offset(series)..shape.offset(series + 1);
        self.cells.resize(shape.cells(), 0);
        let (Some(counts), Some(present)) = (self.cells.get_mut(own), self.present.get_mut(series))
        else {
            return;
        };
        *present += cells.len() as u64;
        for cell in cells {
            if let Some(count) = counts.get_mut(usize::from(*cell)) {
                *count += 1;
            }
        }
    }

    /// Writes down the values of a row that belong to series of the layout, to be counted later;
    /// how many do not.
    pub(super) fn write_row(
        &mut self,
        route: &mut Route,
        names: &Names,
        values: &[(Slot, Value<'_>)],
    ) -> usize {
        let width = self.present.len();
        if width == 0 {
            return values.len();
        }
        let mut row = self.waiting.row(width);
        let mut loose = 0;
        for (slot, value) in values {
            if let Target::Series(at, kind) = route.target(*slot, names) {
                row.put(at as usize, kind, *value);
            } else {
                loose += 1;
            }
        }
        if self.waiting.is_full()
            && let Some(shape) = route.shape.as_deref()
        {
            self.settle(shape);
        }
        loose
    }

    /// Counts what was written down.
    fn settle(&mut self, shape: &Layout) {
        self.cells.resize(shape.cells(), 0);
        if self.waiting.is_empty() {
            return;
        }
        let counted = shape.series().iter().zip(&mut self.present).enumerate();
        for (index, (series, present)) in counted {
            let own = shape.offset(index)..shape.offset(index + 1);
            if let Some(cells) = self.cells.get_mut(own) {
                *present += self.waiting.count(index, series, cells);
            }
        }
        self.waiting.clear();
    }

    /// Counts a value of a series without a layout; false when there are too many such series.
    pub(super) fn count_loose(
        &mut self,
        name: &SeriesName,
        value: Value<'_>,
        series_max: usize,
    ) -> bool {
        let counts = self.loose(name, series_max);
        let kept = counts.is_some();
        if let Some(counts) = counts {
            counts.add(value, 1);
        }
        kept
    }

    /// The counts of a series without a layout; none where there are too many such series.
    pub(super) fn loose(
        &mut self,
        name: &SeriesName,
        series_max: usize,
    ) -> Option<&mut LooseCounts> {
        let key = (name.role, Box::from(&*name.name));
        if !self.loose.contains_key(&key) && self.loose.len() >= series_max {
            return None;
        }
        Some(self.loose.entry(key).or_default())
    }

    /// The sparse form. The series of a carried role that a row did not have are missing in it.
    /// `spare` is room for cells.
    pub(super) fn into_pane(
        mut self,
        start: Timestamp,
        shape: Option<&Layout>,
        spare: &mut Vec<u32>,
    ) -> PaneDelta {
        if let Some(shape) = shape {
            if self.cells.is_empty() {
                std::mem::swap(&mut self.cells, spare);
                self.cells.clear();
            }
            self.settle(shape);
        }
        for (index, layout) in shape.map_or(&[][..], Layout::series).iter().enumerate() {
            let carried = self.carried_by(layout);
            let present = self.present.get(index).copied().unwrap_or(0);
            let cell = shape.map_or(0, |shape| shape.offset(index)) + layout.missing_cell();
            if let Some(missing) = self.cells.get_mut(cell) {
                let rows = u32::try_from(carried.saturating_sub(present));
                *missing = missing.saturating_add(rows.unwrap_or(u32::MAX));
            }
        }
        let cells = sparse(&self.cells);
        *spare = self.cells;
        PaneDelta {
            start,
            rows: self.rows,
            late: self.late,
            last_event: self.last_event,
            carried: self.carried,
            cells,
            loose: self.loose,
        }
    }

    fn carried_by(&self, layout: &SeriesLayout) -> u64 {
        let carrier = Carrier::of(layout.role(), layout.name());
        self.carried.get(carrier as usize).copied().unwrap_or(0)
    }
}

/// The counts above 0 and their cells. Most deltas fill few of many cells, so eight are passed over
/// at a time.
fn sparse(cells: &[u32]) -> Vec<(u32, u64)> {
    const CHUNK: usize = 8;
    let mut filled = Vec::with_capacity(cells.iter().filter(|count| **count > 0).count());
    for (chunk, first) in cells.chunks(CHUNK).zip((0_u32..).step_by(CHUNK)) {
        if chunk.iter().fold(0, |any, count| any | count) > 0 {
            let counted = (first..).zip(chunk.iter().map(|count| u64::from(*count)));
            filled.extend(counted.filter(|(_, count)| *count > 0));
        }
    }
    filled
}
