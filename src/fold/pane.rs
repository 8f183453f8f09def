//! Panes: the counts of short stretches of event time, from which windows are added up.
//!
//! The panes of a window of length `w` are `w / 12` long, start at UTC multiples of that, and are
//! kept while they end after the horizon, which follows the model version's own largest event time:
//!
//! ```text
//! pane [s, s + p) is kept  <=>  s + p > last_event - keep       keep = max(2 w, windows.keep)
//! ```
//!
//! A pane that ended a while ago is packed; late rows unpack theirs for a moment. Panes live in
//! chunks behind an [`Arc`], so that a reader's copy costs a pointer a chunk and the
//! fold copies only the chunk that it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::delta::{LayoutId, PaneDelta};
use crate::fold::cells::Cells;
use crate::fold::projection::take_cells;
use crate::key::Role;
use crate::layout::{Layout, LooseCounts};
use crate::spill::Spill;
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
        self.cells.merge(&other.cells);
        for (series, counts) in &other.loose {
            self.loose.entry(series.clone()).or_default().merge(counts);
        }
    }

    /// The bytes that they take.
    fn bytes(&self) -> usize {
        let loose = self.loose.iter();
        let loose =
            loose.map(|((_, name), counts)| size_of_val(name) + name.len() + counts.bytes());
        size_of::<Self>() + self.cells.bytes() + loose.sum::<usize>()
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

    fn bytes(&self) -> usize {
        let under = self.under.iter().map(|(_, counts)| counts.bytes());
        size_of::<Self>() + under.sum::<usize>()
    }

    fn pack(&mut self, spill: &Spill, kept: Length) {
        for (_, counts) in &mut self.under {
            counts.cells.pack(spill, kept);
        }
    }

    /// Moves what is packed there.
    pub(super) fn spill(&mut self, spill: &Spill, kept: Length) {
        for (_, counts) in &mut self.under {
            counts.cells.spill(spill, kept);
        }
    }

    fn is_packed(&self) -> bool {
        self.under
            .iter()
            .all(|(_, counts)| counts.cells.is_packed())
    }

    fn under_mut(&mut self, layout: LayoutId) -> &mut Counts {
        let at = self.under.partition_point(|(id, _)| *id < layout);
        if self.under.get(at).is_none_or(|(id, _)| *id != layout) {
            self.under.reserve_exact(1);
            self.under.insert(at, (layout, Counts::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "found or inserted just above")]
        &mut self.under[at].1
    }
}

/// Panes by start.
pub(super) type Chunk = BTreeMap<Timestamp, Pane>;

/// The panes of one window length of one model version.
#[derive(Debug, Clone)]
pub struct Panes {
    window: Length,
    pane: Length,
    /// By start, in units of [`PANES_PER_CHUNK`] panes.
    chunks: BTreeMap<Timestamp, Arc<Chunk>>,
    /// Panes that end by this point were forgotten.
    forgotten: Timestamp,
    /// The panes that are not packed.
    unpacked: BTreeSet<Timestamp>,
    /// The bytes that all panes take.
    bytes: usize,
}

/// Equal where they know the same, packed or not.
impl PartialEq for Panes {
    fn eq(&self, other: &Self) -> bool {
        let known = |panes: &Self| (panes.window, panes.pane, panes.forgotten);
        known(self) == known(other) && self.chunks == other.chunks
    }
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
            unpacked: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// The panes of windows of this length as they were kept once.
    pub(super) fn restored(
        window: Length,
        forgotten: Timestamp,
        chunks: BTreeMap<Timestamp, Arc<Chunk>>,
    ) -> Self {
        let panes = || chunks.values().flat_map(|chunk| chunk.iter());
        let plain = panes().filter(|(_, pane)| !pane.is_packed());
        Self {
            unpacked: plain.map(|(start, _)| *start).collect(),
            bytes: panes().map(|(_, pane)| pane.bytes()).sum(),
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

    /// The bytes that they take: the same on all replicas.
    pub fn bytes(&self) -> usize {
        self.bytes
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
        self.unpacked.insert(start);
        self.change(start, |pane| pane.under_mut(layout).add(delta, loose_max))
    }

    /// Changes a pane, which is made if it is not there.
    fn change<T>(&mut self, start: Timestamp, change: impl FnOnce(&mut Pane) -> T) -> T {
        let chunk = self.chunks.entry(self.chunk_of(start)).or_default();
        let chunk = Arc::make_mut(chunk);
        let before = chunk.get(&start).map_or(0, Pane::bytes);
        let pane = chunk.entry(start).or_default();
        let changed = change(pane);
        self.bytes = self.bytes + pane.bytes() - before;
        changed
    }

    /// Packs the panes that ended a quarter of a pane before the largest event time, or earlier:
    /// few rows are as late as that.
    pub(super) fn settle(&mut self, last_event: Timestamp, spill: &Spill) {
        let quarter = self.pane.divided_by(4).unwrap_or(self.pane);
        let ended = last_event - self.pane - quarter;
        while let Some(start) = self.unpacked.first().filter(|start| **start <= ended) {
            let start = *start;
            self.unpacked.remove(&start);
            if self.keeps(start, self.forgotten) {
                let kept = self.window;
                self.change(start, |pane| pane.pack(spill, kept));
            }
        }
    }

    /// Counts in `layout`, known as `id`, all that was counted without one.
    pub(super) fn project(&mut self, id: LayoutId, layout: &Layout) {
        let panes = self.chunks.values().flat_map(|chunk| chunk.keys());
        let starts: Vec<Timestamp> = panes.copied().collect();
        for start in starts {
            self.change(start, |pane| pane.project(id, layout));
            self.unpacked.insert(start);
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
                let panes = chunk.remove();
                self.bytes -= panes.values().map(Pane::bytes).sum::<usize>();
                continue;
            }
            if chunk
                .get()
                .keys()
                .next()
                .is_some_and(|start| *start + self.pane <= horizon)
            {
                let pane = self.pane;
                let bytes = &mut self.bytes;
                Arc::make_mut(chunk.get_mut()).retain(|start, gone| {
                    let is_kept = *start + pane > horizon;
                    *bytes -= if is_kept { 0 } else { gone.bytes() };
                    is_kept
                });
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

    /// The newest pane.
    pub(super) fn newest(&self) -> Option<&Pane> {
        self.chunks.values().next_back()?.values().next_back()
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
            panes.settle(horizon, &Spill::default());
            let chunks = panes.chunks.clone();
            let restored = Panes::restored(Length::HOUR, horizon, chunks);
            prop_assert_eq!((panes.bytes(), &panes), (restored.bytes(), &restored));
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
