//! The counts of one series as tests see them: about 16 bins, and what has no bin.

use crate::layout::{Kind, SeriesLayout};
use crate::reference::block_cell;
use crate::stats::Rate;

/// Where the rows of a series went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesCounts {
    /// Rows in each test bin.
    pub values: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
    /// Rows with a value that the series cannot hold.
    pub invalid: u64,
    /// Rows with a category, or a number outside of the range, that the reference never had;
    /// `None` where the counts are too coarse to tell.
    pub novel: Option<u64>,
}

impl SeriesCounts {
    /// From the cells of a layout.
    pub fn of_cells(layout: &SeriesLayout, cells: &[u64]) -> Self {
        let mut values = vec![0; layout.test_bins()];
        for (bin, count) in layout.tests().iter().zip(cells) {
            if let Some(sum) = values.get_mut(usize::from(*bin)) {
                *sum += count;
            }
        }
        let at = |cell: usize| cells.get(cell).copied().unwrap_or(0);
        let novel = match layout.kind() {
            // one bin alone has no range
            Kind::Numeric if layout.value_cells() < 3 => 0,
            Kind::Numeric => at(0) + at(layout.value_cells() - 1),
            Kind::Categorical | Kind::Boolean => layout.new_cell().map_or(0, at),
        };
        Self {
            values,
            missing: at(layout.missing_cell()),
            invalid: at(layout.invalid_cell()),
            novel: Some(novel),
        }
    }

    /// From the cells of a block: the test bins, then missing and invalid.
    pub fn of_block(layout: &SeriesLayout, block: &[u64]) -> Self {
        let bins = layout.test_bins();
        let at = |cell: usize| block.get(cell).copied().unwrap_or(0);
        let new_bin = layout.new_cell().map(|cell| block_cell(layout, cell));
        Self {
            values: (0..bins).map(at).collect(),
            missing: at(bins),
            invalid: at(bins + 1),
            novel: new_bin.map(at),
        }
    }

    /// No rows in so many test bins.
    pub fn empty(layout: &SeriesLayout) -> Self {
        Self::of_block(layout, &[])
    }

    /// Rows with a value.
    pub fn present(&self) -> u64 {
        self.values.iter().sum()
    }

    /// All rows that carry the series.
    pub fn rows(&self) -> u64 {
        self.present() + self.missing + self.invalid
    }

    /// Rows without a value, of all.
    pub fn missing_rate(&self) -> Rate {
        Rate::new(self.missing, self.rows())
    }

    /// Rows of another type, of all.
    pub fn invalid_rate(&self) -> Rate {
        Rate::new(self.invalid, self.rows())
    }

    /// Values never seen before, of those present.
    pub fn novel_rate(&self) -> Option<Rate> {
        let present = self.present();
        Some(Rate::new(self.novel?.min(present), present))
    }

    /// Adds the rows of `more`, counted in the same bins.
    pub fn add(&mut self, more: &Self) {
        self.with(more, u64::saturating_add);
    }

    /// Takes away the rows of `less`, which are among these.
    pub fn subtract(&mut self, less: &Self) {
        self.with(less, u64::saturating_sub);
    }

    fn with(&mut self, other: &Self, change: fn(u64, u64) -> u64) {
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            *mine = change(*mine, *theirs);
        }
        self.missing = change(self.missing, other.missing);
        self.invalid = change(self.invalid, other.invalid);
        self.novel = self
            .novel
            .zip(other.novel)
            .map(|(mine, theirs)| change(mine, theirs));
    }
}
