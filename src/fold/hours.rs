//! Hours: the counts of each hour of event time at the test bins, kept for weeks.
//!
//! Windows forget their panes after twice their length. How much a model's data varies by nature,
//! and what a healthy week was, is learned from hours, in the cells of a reference's blocks:
//!
//! ```text
//! pane   10:15  cells of the layout           amount: 118, country: 42
//! hour   10:00  its test bins, then missing and invalid    amount: 16 + 2, country: 40 + 2
//!
//! hour [s, s + 1 h) is kept  <=>  s + 1 h > last_event - HOURS_KEPT
//! ```
//!
//! Windows shorter than an hour learn from parts of hours: of each hour one window of their length,
//! each in turn from day to day, so that whatever there is at half past is among them at every hour
//! of the day. That is as much memory as hours take, for less long, however short the windows are:
//!
//! ```text
//! windows that start in the hour h of day d    0 .. n - 1; the one that is kept is (h + d) mod n
//! windows of 15 min                            00:00 on day 0, 00:15 on day 1, 01:15 on day 0
//! ```
//!
//! The hours of the last few are plain counts. Older ones are packed, at less than a byte a cell;
//! late rows unpack theirs for a moment. They stand in days behind an [`Arc`] each, so that a
//! reader's copy costs a pointer a day and the fold copies only the day that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use crate::delta::PaneDelta;
use crate::layout::Layout;
use crate::reference::{BLOCK, BlockCells, HourBlock, block_cell};
use crate::spill::Spill;
use crate::time::{Length, Timestamp};

mod day;

pub(super) use self::day::Day;

/// How long hours are kept behind the largest event time of their model version; older ones are
/// forgotten, and rows that belong to them are not counted here.
pub const HOURS_KEPT: Length = Length::DAY.times(28);

/// How long parts of hours are kept: eight days with rows teach, which may be working days.
pub const PARTS_KEPT: Length = Length::DAY.times(14);

/// How long after its end an hour stays unpacked.
const UNPACKED: Length = Length::HOUR.times(3);

/// What a chunk holds.
const DAY: Length = Length::DAY;

/// Whether the hour that holds `at` is kept when the largest event time is `last_event`.
pub(super) fn keeps(at: Timestamp, last_event: Timestamp) -> bool {
    reaches(at, last_event, HOURS_KEPT)
}

fn reaches(at: Timestamp, last_event: Timestamp, kept: Length) -> bool {
    at.floor(BLOCK) + BLOCK > last_event - kept
}

/// The hour whose part holds `at`, where windows of this length, at most an hour, are the parts.
fn hour_of_part(at: Timestamp, length: Length) -> Option<Timestamp> {
    let start = at.floor(length);
    let hour = start.floor(BLOCK);
    let number = |at: Timestamp| at.as_millis().div_euclid(length.as_millis());
    let before = number(hour - Length::MILLISECOND);
    let parts = number(hour + BLOCK - Length::MILLISECOND) - before;
    let hours = hour.as_millis().div_euclid(BLOCK.as_millis());
    let turn = hours.rem_euclid(24) + hours.div_euclid(24);
    (number(start) - before - 1 == turn.rem_euclid(parts.max(1))).then_some(hour)
}

/// The hours of one model version under the layout in force.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    /// The layout and the cells of its blocks; none where every series is loose.
    shape: Option<(Arc<Layout>, Arc<BlockCells>)>,
    /// The length of the part of each hour that is counted; none where whole hours are.
    part: Option<Length>,
    /// By start, a day each; no day is empty.
    days: BTreeMap<Timestamp, Arc<Day>>,
    /// The hours that are not packed.
    unpacked: BTreeSet<Timestamp>,
    /// The bytes that all hours take.
    bytes: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Hour {
    rows: u64,
    carried: [u64; 4],
    /// By cell of the blocks.
    counts: Cells,
}

impl Hours {
    /// No hours yet, of rows that will be counted in `layout`.
    pub fn new(layout: Arc<Layout>) -> Self {
        let cells = Arc::new(BlockCells::new(&layout));
        Self {
            shape: Some((layout, cells)),
            ..Self::default()
        }
    }

    /// The days kept, by start.
    pub(super) fn chunks(&self) -> &BTreeMap<Timestamp, Arc<Day>> {
        &self.days
    }

    /// Takes the days that were kept once, of the same layout.
    pub(super) fn restore(&mut self, days: BTreeMap<Timestamp, Arc<Day>>) {
        let hours = days.values().flat_map(|day| day.iter());
        let plain = hours.filter(|(_, hour)| !hour.counts.is_packed());
        self.unpacked = plain.map(|(start, _)| *start).collect();
        let hours = days.values().flat_map(|day| day.iter());
        self.bytes = hours.map(|(_, hour)| hour.bytes()).sum();
        self.days = days;
    }

    /// No parts of hours yet, each as long as these windows.
    pub(super) fn parts(layout: Option<&Arc<Layout>>, length: Length) -> Self {
        Self {
            part: Some(length),
            ..layout.map_or_else(Self::default, |layout| Self::new(Arc::clone(layout)))
        }
    }

    /// The bytes that they take: the same on all replicas.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The cells of the blocks, where there is a layout.
    pub fn cells(&self) -> Option<&BlockCells> {
        self.shape.as_ref().map(|(_, cells)| &**cells)
    }

    /// The hours that start in `[from, to)` and have rows, in order of time.
    pub fn range(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = HourBlock> {
        self.between(from, to)
            .map(|(start, hour)| hour.block(start))
    }

    /// The counts by cell of the hours that start in `[from, to)` and have rows, in order of time.
    pub fn each(
        &self,
        (from, to): (Timestamp, Timestamp),
        mut each: impl FnMut(Timestamp, &[u64]),
    ) {
        let mut cells = vec![0; self.cells().map_or(0, BlockCells::cells)];
        for (start, hour) in self.between(from, to) {
            cells.fill(0);
            hour.counts.add_to(&mut cells);
            each(start, &cells);
        }
    }

    /// The rows of the hours that start in `[from, to)`.
    pub fn rows_of_range(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.between(from, to).map(|(_, hour)| hour.rows).sum()
    }

    /// The start of the first hour and the end of the last one.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let (first, _) = self.days.values().next()?.iter().next()?;
        let (last, _) = self.days.values().next_back()?.iter().next_back()?;
        Some((*first, *last + BLOCK))
    }

    /// How many days, in UTC, have rows.
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// Adds a pane's counts under the layout to the hour that the pane starts in, if it is kept.
    pub(super) fn add(&mut self, pane: &PaneDelta, last_event: Timestamp) {
        let start = match self.part {
            None => Some(pane.start.floor(BLOCK)),
            Some(length) => hour_of_part(pane.start, length),
        };
        let start = start.filter(|start| reaches(*start, last_event, self.kept()));
        let (Some((layout, cells)), Some(start)) = (&self.shape, start) else {
            return;
        };
        let day = Arc::make_mut(self.days.entry(start.floor(DAY)).or_default());
        let (is_new, hour) = day.entry(start);
        self.bytes -= if is_new { 0 } else { hour.bytes() };
        hour.rows += pane.rows;
        for (sum, count) in hour.carried.iter_mut().zip(&pane.carried) {
            *sum += count;
        }
        hour.counts.add(&merged(layout, cells, &pane.cells));
        self.bytes += hour.bytes();
        self.unpacked.insert(start);
    }

    /// Forgets what falls behind, and packs what is older than the last few hours.
    pub(super) fn settle(&mut self, last_event: Timestamp, spill: &Spill) {
        let kept = self.kept();
        let keeps = |start: &Timestamp| reaches(*start, last_event, kept);
        while let Some(mut day) = self.days.first_entry() {
            let gone = day.get().iter().filter(|(start, _)| !keeps(start));
            let (hours, bytes) = gone.fold((0, 0), |(hours, bytes), (_, hour)| {
                (hours + 1, bytes + hour.bytes())
            });
            self.bytes -= bytes;
            if hours == day.get().iter().len() {
                day.remove();
                continue;
            }
            if hours > 0 {
                Arc::make_mut(day.get_mut()).retain(keeps);
            }
            break;
        }
        let plain = self
            .unpacked
            .split_off(&((last_event - UNPACKED).floor(BLOCK)));
        for start in std::mem::replace(&mut self.unpacked, plain) {
            let day = self.days.get_mut(&start.floor(DAY));
            if let Some(hour) = day.and_then(|day| Arc::make_mut(day).get_mut(start)) {
                self.bytes -= hour.bytes();
                hour.counts.pack(spill, kept);
                self.bytes += hour.bytes();
            }
        }
    }

    /// How long they are kept behind the largest event time.
    pub(super) fn kept(&self) -> Length {
        self.part.map_or(HOURS_KEPT, |_| PARTS_KEPT)
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, &Hour)> {
        // a range must not end before it begins
        let to = to.max(from);
        self.days
            .range(from.floor(DAY)..to)
            .flat_map(move |(_, day)| day.range(from..to))
            .map(|(start, hour)| (*start, hour))
    }
}

impl Hour {
    /// Moves what is packed there.
    pub(super) fn spill(&mut self, spill: &Spill, kept: Length) {
        self.counts.spill(spill, kept);
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.counts.bytes()
    }

    fn block(&self, start: Timestamp) -> HourBlock {
        HourBlock {
            start,
            rows: self.rows,
            carried: self.carried,
            cells: self.counts.iter().collect(),
        }
    }
}

/// Counts by cell of the layout, ascending, as counts by cell of its blocks, ascending.
fn merged(layout: &Layout, blocks: &BlockCells, cells: &[(u32, u64)]) -> Vec<(u32, u64)> {
    let mut merged: Vec<(u32, u64)> = Vec::new();
    let mut cells = cells.iter().peekable();
    for (at, series) in layout.series().iter().enumerate() {
        let (first, end) = (layout.offset(at), layout.offset(at + 1));
        while let Some((cell, count)) = cells.next_if(|(cell, _)| (*cell as usize) < end) {
            let place = block_cell(series, (*cell as usize).saturating_sub(first));
            let place = u32::try_from(blocks.offset(at) + place).unwrap_or(u32::MAX);
            match merged.last_mut() {
                Some((last, sum)) if *last == place => *sum += count,
                _ => merged.push((place, *count)),
            }
        }
        if cells.peek().is_none() {
            break;
        }
    }
    merged
}

#[cfg(test)]
mod tests;
