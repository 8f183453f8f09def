//! Panes: the counts of short stretches of event time, from which windows are added up.
//!
//! The panes of a window of length `w` are `w / 12` long, start at UTC multiples of that, and are
//! kept while they end after the horizon, which follows the model version's own largest event time:
//!
//! ```text
//! pane [s, s + p) is kept  <=>  s + p > last_event - keep       keep = max(2 w, windows.keep)
//! ```
//!
//! They live in chunks behind an [`Arc`], so that a reader's copy costs a pointer a chunk and the
//! fold copies only the chunk that it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::delta::{LayoutId, PaneDelta};
use crate::fold::projection::take_cells;
use crate::key::Role;
use crate::layout::{Layout, LooseCounts};
use crate::time::{Length, Timestamp};

/// Panes a window has.
pub const PANES_PER_WINDOW: u32 = 12;

/// Panes a chunk holds at most: two windows' worth.
const PANES_PER_CHUNK: u32 = 2 * PANES_PER_WINDOW;

/// Counts of rows and cells that add up: of a pane under one layout, or of a window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Rows that were late against their record's timestamp.
    pub late: u64,
    /// Rows that carry each [`crate::key::Carrier`].
    pub carried: [u64; 4],
    /// Cells of the layout in ascending order, with a count above 0.
    pub cells: Cells,
    /// Series that the layout does not know.
    pub loose: BTreeMap<(Role, Box<str>), LooseCounts>,
}

impl Counts {
    /// Adds the counts of the same pane that were kept elsewhere; both have few loose series.
    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.late += other.late;
        for (sum, count) in self.carried.iter_mut().zip(&other.carried) {
            *sum += count;
        }
        let cells: Vec<_> = other.cells.iter().collect();
        self.cells.add(&cells);
        for (series, counts) in &other.loose {
            self.loose.entry(series.clone()).or_default().merge(counts);
        }
    }

    /// Adds a delta's counts of one pane; false when loose series had to be left out.
    fn add(&mut self, delta: &PaneDelta, loose_max: usize) -> bool {
        self.rows += delta.rows;
        self.late += delta.late;
        for (sum, count) in self.carried.iter_mut().zip(&delta.carried) {
            *sum += count;
        }
        self.cells.add(&delta.cells);
        let mut all = true;
        for (series, counts) in &delta.loose {
            if let Some(sum) = self.loose.get_mut(series) {
                sum.merge(counts);
            } else if self.loose.len() < loose_max {
                self.loose.insert(series.clone(), counts.clone());
            } else {
                all = false;
            }
        }
        all
    }
}

/// A sparse vector of counts: cells ascending, counts above 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cells {
    cells: Vec<u32>,
    counts: Vec<u64>,
}

impl Cells {
    /// The cells and their counts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.cells.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds ascending `(cell, count)` pairs. Most cells are there already after the first few
    /// deltas of a pane; room is made only for those that are not.
    fn add(&mut self, more: &[(u32, u64)]) {
        let mut at = 0;
        let mut new = 0;
        for (cell, count) in more {
            at += self.ahead(at, *cell);
            match self.counts.get_mut(at) {
                Some(sum) if self.cells.get(at) == Some(cell) => *sum += count,
                _ => new += 1,
            }
        }
        if new > 0 {
            self.insert(more, new);
        }
    }

    /// How many cells from `at` on are before `cell`, which is not far.
    fn ahead(&self, at: usize, cell: u32) -> usize {
        let rest = self.cells.get(at..).unwrap_or(&[]);
        let mut reach = 1;
        while rest.get(reach - 1).is_some_and(|other| *other < cell) {
            reach *= 2;
        }
        let near = rest.get(reach / 2..reach.min(rest.len())).unwrap_or(&[]);
        reach / 2 + near.partition_point(|other| *other < cell)
    }

    /// Inserts the `new` pairs of `more` whose cells are not there: from the end, so that each cell
    /// moves once.
    fn insert(&mut self, more: &[(u32, u64)], new: usize) {
        let mut from = self.cells.len();
        let mut to = from + new;
        self.cells.reserve_exact(new);
        self.cells.resize(to, 0);
        self.counts.reserve_exact(new);
        self.counts.resize(to, 0);
        for (cell, count) in more.iter().rev() {
            while from > 0 && self.cells.get(from - 1).is_some_and(|last| last > cell) {
                (from, to) = (from - 1, to - 1);
                self.cells.copy_within(from..=from, to);
                self.counts.copy_within(from..=from, to);
            }
            if from > 0 && self.cells.get(from - 1) == Some(cell) {
                continue;
            }
            to -= 1;
            if let (Some(place), Some(sum)) = (self.cells.get_mut(to), self.counts.get_mut(to)) {
                (*place, *sum) = (*cell, *count);
            }
        }
    }
}

/// One pane: counts under each layout that was in force, nearly always one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pane {
    under: Vec<(LayoutId, Counts)>,
}

impl Pane {
    /// The counts under `layout`.
    pub fn under(&self, layout: LayoutId) -> Option<&Counts> {
        self.under
            .iter()
            .find(|(id, _)| *id == layout)
            .map(|(_, counts)| counts)
    }

    /// Counts under `layout`, known as `id`, what was counted without one.
    fn project(&mut self, id: LayoutId, layout: &Layout) {
        let at = self
            .under
            .iter()
            .position(|(id, _)| *id == LayoutId::UNIVERSAL);
        let Some((_, mut counts)) = at.map(|at| self.under.remove(at)) else {
            return;
        };
        counts.cells = Cells::default();
        counts
            .cells
            .add(&take_cells(layout, counts.carried, &mut counts.loose));
        self.under_mut(id).merge(&counts);
    }

    /// Rows under any layout.
    pub fn rows(&self) -> u64 {
        self.under.iter().map(|(_, counts)| counts.rows).sum()
    }

    fn under_mut(&mut self, layout: LayoutId) -> &mut Counts {
        let at = self.under.partition_point(|(id, _)| *id < layout);
        if self.under.get(at).is_none_or(|(id, _)| *id != layout) {
            self.under.insert(at, (layout, Counts::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "found or inserted just above")]
        &mut self.under[at].1
    }
}

/// Panes by start.
pub(super) type Chunk = BTreeMap<Timestamp, Pane>;

/// The panes of one window length of one model version.
#[derive(Debug, Clone, PartialEq)]
pub struct Panes {
    window: Length,
    pane: Length,
    /// By start, in units of [`PANES_PER_CHUNK`] panes.
    chunks: BTreeMap<Timestamp, Arc<Chunk>>,
    /// Panes that end by this point were forgotten.
    forgotten: Timestamp,
}

impl Panes {
    /// No panes yet of windows of this length, which [`PANES_PER_WINDOW`] divides.
    pub fn new(window: Length) -> Self {
        let pane = window.divided_by(PANES_PER_WINDOW).unwrap_or(window);
        Self {
            window,
            pane,
            chunks: BTreeMap::new(),
            forgotten: Timestamp::MIN,
        }
    }

    /// The panes of windows of this length as they were kept once.
    pub(super) fn restored(
        window: Length,
        forgotten: Timestamp,
        chunks: BTreeMap<Timestamp, Arc<Chunk>>,
    ) -> Self {
        Self {
            chunks,
            forgotten,
            ..Self::new(window)
        }
    }

    /// The chunks, by start.
    pub(super) fn chunks(&self) -> &BTreeMap<Timestamp, Arc<Chunk>> {
        &self.chunks
    }

    /// The panes that end by this point were forgotten.
    pub(super) fn forgotten(&self) -> Timestamp {
        self.forgotten
    }

    /// The length of the windows.
    pub fn window(&self) -> Length {
        self.window
    }

    /// The length of the panes.
    pub fn pane(&self) -> Length {
        self.pane
    }

    /// The length from one window's end to the next one's: a sixth of the window.
    pub fn step(&self) -> Length {
        self.pane.times(2)
    }

    /// Adds a delta's counts to the pane that its pane starts in; false when loose series had to be
    /// left out.
    pub(super) fn add(&mut self, layout: LayoutId, delta: &PaneDelta, loose_max: usize) -> bool {
        let start = delta.start.floor(self.pane);
        let chunk = self.chunks.entry(self.chunk_of(start)).or_default();
        let pane = Arc::make_mut(chunk).entry(start).or_default();
        pane.under_mut(layout).add(delta, loose_max)
    }

    /// Counts in `layout`, known as `id`, all that was counted without one.
    pub(super) fn project(&mut self, id: LayoutId, layout: &Layout) {
        for chunk in self.chunks.values_mut() {
            for pane in Arc::make_mut(chunk).values_mut() {
                pane.project(id, layout);
            }
        }
    }

    /// Whether a pane that starts here is kept, when everything that ends by `horizon` is not.
    pub(super) fn keeps(&self, start: Timestamp, horizon: Timestamp) -> bool {
        start.floor(self.pane) + self.pane > horizon
    }

    /// Forgets the panes that end by `horizon`.
    pub(super) fn evict(&mut self, horizon: Timestamp) {
        self.forgotten = self.forgotten.max(horizon);
        while let Some(mut chunk) = self.chunks.first_entry() {
            let last = *chunk.key() + self.pane.times(PANES_PER_CHUNK);
            if last <= horizon {
                chunk.remove();
                continue;
            }
            if chunk
                .get()
                .keys()
                .next()
                .is_some_and(|start| *start + self.pane <= horizon)
            {
                let pane = self.pane;
                Arc::make_mut(chunk.get_mut()).retain(|start, _| *start + pane > horizon);
            }
            return;
        }
    }

    /// The panes that start in `[from, to)`, in order of time.
    pub fn range(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, &Pane)> {
        self.chunks
            .range(self.chunk_of(from)..to)
            .flat_map(move |(_, chunk)| chunk.range(from..to))
            .map(|(start, pane)| (*start, pane))
    }

    /// Whether every pane that starts at this point or later is still there.
    pub fn reaches(&self, start: Timestamp) -> bool {
        start + self.pane > self.forgotten
    }

    /// The start of the first pane kept and the end of the last one.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.chunks.values().next()?.keys().next()?;
        let last = self.chunks.values().next_back()?.keys().next_back()?;
        Some((*first, *last + self.pane))
    }

    fn chunk_of(&self, start: Timestamp) -> Timestamp {
        start.floor(self.pane.times(PANES_PER_CHUNK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delta(start: i64, cells: &[(u32, u64)]) -> PaneDelta {
        PaneDelta {
            start: Timestamp::from_millis(start),
            rows: 1,
            late: 0,
            last_event: Timestamp::from_millis(start),
            carried: [1, 0, 0, 0],
            cells: cells.to_vec(),
            loose: BTreeMap::new(),
        }
    }

    proptest! {
        /// Adding sparse counts equals adding the dense vectors.
        #[test]
        fn sparse_sums_equal_dense_sums(
            adds in prop::collection::vec(
                prop::collection::btree_map(0_u32..40, 1_u64..9, 0..20), 0..8
            ),
        ) {
            let mut sparse = Cells::default();
            let mut dense = [0; 40];
            for add in adds {
                let pairs: Vec<_> = add.into_iter().collect();
                sparse.add(&pairs);
                for (cell, count) in pairs {
                    dense[cell as usize] += count;
                }
            }
            let expected: Vec<_> = (0..).zip(dense).filter(|(_, count)| *count > 0).collect();
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected);
        }

        /// Whatever was evicted, exactly the panes that end after the horizon are left.
        #[test]
        fn eviction_keeps_what_ends_after_the_horizon(
            starts in prop::collection::vec(0_i64..400, 1..40), horizon in 0_i64..500,
        ) {
            let mut panes = Panes::new(Length::HOUR);
            let five = 300_000;
            for start in &starts {
                panes.add(LayoutId::UNIVERSAL, &delta(start * five, &[]), 1);
            }
            let horizon = Timestamp::from_millis(horizon * five / 2);
            panes.evict(horizon);
            let mut expected: Vec<_> =
                starts.iter().map(|start| Timestamp::from_millis(start * five)).collect();
            expected.sort();
            expected.dedup();
            expected.retain(|start| panes.keeps(*start, horizon));
            let kept: Vec<_> =
                panes.range(Timestamp::MIN, Timestamp::MAX).map(|(start, _)| start).collect();
            prop_assert_eq!(kept, expected);
        }
    }

    #[test]
    fn counts_of_different_layouts_stay_apart() {
        let mut panes = Panes::new(Length::HOUR);
        panes.add(LayoutId(1), &delta(0, &[(3, 1)]), 1);
        panes.add(LayoutId(2), &delta(60_000, &[(3, 5)]), 1);
        panes.add(LayoutId(1), &delta(299_999, &[(3, 2)]), 1);
        let (_, pane) = panes
            .range(Timestamp::EPOCH, Timestamp::MAX)
            .next()
            .unwrap();
        let under = |id| {
            pane.under(LayoutId(id))
                .unwrap()
                .cells
                .iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (under(1), under(2), pane.rows()),
            (vec![(3, 3)], vec![(3, 5)], 3)
        );
    }
}
