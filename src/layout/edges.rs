//! Edges between bins of numbers, and how they come from a reference.
//!
//! Edges `e_1 < .. < e_k` make `k + 1` bins, closed on the right and open at both ends:
//!
//! ```text
//! bin(x) = number of edges < x        (-inf, e_1]  (e_1, e_2]  ..  (e_k, inf)
//! ```
//!
//! From the `m` values of a reference in ascending order come these edges, without duplicates:
//!
//! ```text
//! value number ceil(k*m/100), k = 1..99          quantiles by the inverted CDF, integer ranks
//! pred(v) and v of each atom v                   count(v) >= m/200; every v if there are <= 200
//! pred(min), min and max
//! ```
//!
//! `pred(v)` is the next float below, so the bin `(pred(v), v]` holds exactly `v`: a point bin,
//! found by the same search as any other. `pred(min)` makes the first bin exactly what lies below
//! the reference. Worked example: of the values 0 0 0 5 7 each is an atom; edges are `pred(0) 0
//! pred(5) 5 pred(7) 7`, bins 1, 3 and 5 are point bins, and 6.5 falls into bin 4, where the
//! reference has none.
//!
//! The deciles that people see are the quantiles `k = 10, 20, .. 90` and so are among the edges.

use std::hint::select_unpredictable;

use super::merge;
use super::{Cell, LayoutError};

/// Into how many bins of equal mass the quantiles divide a reference.
pub const QUANTILE_BINS: u64 = 100;

/// A value with at least one in this many of a reference's values gets a point bin; with at most so
/// many distinct values, all of them do.
const ATOMS_MAX: u64 = 2 * QUANTILE_BINS;

/// How many quantiles lie between two deciles.
const QUANTILES_IN_DECILE: u64 = QUANTILE_BINS / 10;

/// The most edges of one series: 99 quantiles, two for each of 200 atoms, three for the ends, and
/// some to spare. More are refused, and cannot come from [`EdgeCollector`].
pub const EDGES_MAX: usize = 512;

/// Why numbers cannot be edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EdgesError {
    /// More than [`EDGES_MAX`].
    #[error("{0} edges, more than {EDGES_MAX}")]
    TooMany(usize),
    /// NaN or an infinity.
    #[error("an edge is not finite")]
    NotFinite,
    /// An edge that is not above the one before.
    #[error("edges are not strictly increasing")]
    NotIncreasing,
    /// A merge of bins that is not one bin for each cell, ascending without gaps from 0.
    #[error("a merge of bins is not a partition into adjacent ones")]
    Merge,
}

/// Finite, strictly increasing edges, at most [`EDGES_MAX`]. No edge is `-0.0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Edges(Box<[f64]>);

impl Eq for Edges {}

impl Edges {
    /// Checks the edges; `-0.0` becomes `0.0`.
    pub fn new(edges: Vec<f64>) -> Result<Self, EdgesError> {
        if edges.len() > EDGES_MAX {
            return Err(EdgesError::TooMany(edges.len()));
        }
        if !edges.iter().all(|edge| edge.is_finite()) {
            return Err(EdgesError::NotFinite);
        }
        if !edges.is_sorted_by(|a, b| a < b) {
            return Err(EdgesError::NotIncreasing);
        }
        Ok(Self(edges.into_iter().map(|edge| edge + 0.0).collect()))
    }

    /// The bin of a number: how many edges lie below it. NaN counts as below all edges; callers
    /// keep it out. `-0.0` and `0.0` compare as equal, so they need no care.
    #[inline]
    pub fn bin_of(&self, x: f64) -> usize {
        // the standard library's search has no branch that depends on the data
        self.0.partition_point(|edge| *edge < x)
    }

    /// The bins of many numbers, each that of [`Self::bin_of`], as far as `bins` reaches.
    ///
    /// The edges are searched for several numbers at once: each step of a search waits for the one
    /// before, and the steps of others fill that time. All take the same steps: where the edges
    /// left are an even number, one of them that is not below stays in.
    pub fn find_bins(&self, values: &[f64], bins: &mut [u16]) {
        const AT_ONCE: usize = 8;
        let both = values.len().min(bins.len());
        let (chunks, rest) = values
            .get(..both)
            .unwrap_or_default()
            .as_chunks::<AT_ONCE>();
        let bins = bins.get_mut(..both).unwrap_or_default();
        let (found, last) = bins.as_chunks_mut::<AT_ONCE>();
        for (chunk, found) in chunks.iter().zip(found) {
            let mut below = [0_usize; AT_ONCE];
            let mut left = self.0.len();
            while left > 0 {
                let half = left.div_ceil(2);
                for (below, x) in below.iter_mut().zip(chunk) {
                    // there always is one
                    let middle = self.0.get(*below + half - 1);
                    let is_below = *middle.unwrap_or(&f64::INFINITY) < *x;
                    *below = select_unpredictable(is_below, *below + half, *below);
                }
                left -= half;
            }
            *found = below.map(narrow);
        }
        for (x, bin) in rest.iter().zip(last) {
            *bin = narrow(self.bin_of(*x));
        }
    }

    /// The edges.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// The bins: one more than there are edges.
    pub fn bins(&self) -> usize {
        self.0.len() + 1
    }

    /// The bounds of a bin, exclusive below and inclusive above; `None` is an open end.
    pub fn bounds(&self, bin: usize) -> (Option<f64>, Option<f64>) {
        let below = bin.checked_sub(1).and_then(|below| self.0.get(below));
        (below.copied(), self.0.get(bin).copied())
    }

    /// Whether a bin holds exactly one number.
    fn is_point(&self, bin: usize) -> bool {
        match self.bounds(bin) {
            (Some(lower), Some(upper)) => lower >= upper.next_down(),
            (None, Some(upper)) => upper <= f64::MIN,
            (Some(lower), None) => lower >= f64::MAX.next_down() && lower < f64::MAX,
            (None, None) => false,
        }
    }
}

/// A bin in 16 bits: there are at most [`EDGES_MAX`] and one.
fn narrow(bin: usize) -> u16 {
    u16::try_from(bin).unwrap_or(u16::MAX)
}

/// The edges that a reference gives, and which of them are its deciles.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    /// All edges.
    pub edges: Edges,
    /// The deciles without duplicates: at most nine of the edges.
    pub deciles: Vec<f64>,
}

/// Collects the edges of a reference from its values in ascending order, in constant memory.
#[derive(Debug)]
pub struct EdgeCollector {
    /// The number of values that will come.
    values: u64,
    /// The number of values that came.
    seen: u64,
    /// The next quantile to be found, 1..=99.
    quantile: u64,
    edges: Vec<f64>,
    deciles: Vec<f64>,
    /// The bounds of every value so far, as long as all of them may be atoms.
    distinct: Option<Vec<f64>>,
    /// The largest value so far.
    last: Option<f64>,
}

impl EdgeCollector {
    /// For a reference of `values` numbers.
    pub fn new(values: u64) -> Self {
        Self {
            values,
            seen: 0,
            quantile: 1,
            edges: Vec::new(),
            deciles: Vec::new(),
            distinct: Some(Vec::new()),
            last: None,
        }
    }

    /// The next larger finite number of the reference and how often it occurs.
    pub fn push(&mut self, value: f64, count: u64) {
        let value = value + 0.0;
        self.push_between(value.next_down(), value, count);
    }

    /// As [`Self::push`] for `count` values known only to lie in `(lower, upper]`, which then is
    /// treated as one value. Infinite bounds give no edge.
    pub fn push_between(&mut self, lower: f64, upper: f64, count: u64) {
        if count == 0 {
            return;
        }
        debug_assert!(self.last.is_none_or(|last| last < upper), "values ascend");
        self.seen += count;
        if self.last.is_none() {
            self.edges.extend([lower, upper]);
        }
        self.last = Some(upper);
        while self.quantile < QUANTILE_BINS && self.rank(self.quantile) <= u128::from(self.seen) {
            self.edges.push(upper);
            if self.quantile.is_multiple_of(QUANTILES_IN_DECILE) && upper.is_finite() {
                self.deciles.push(upper);
            }
            self.quantile += 1;
        }
        if u128::from(count) * u128::from(ATOMS_MAX) >= u128::from(self.values) {
            self.edges.extend([lower, upper]);
        }
        if let Some(distinct) = &mut self.distinct {
            distinct.extend([lower, upper]);
            if distinct.len() > 2 * usize::try_from(ATOMS_MAX).unwrap_or(usize::MAX) {
                self.distinct = None;
            }
        }
    }

    /// Passes over `count` values that are known to hold no quantile and no atom, neither the
    /// smallest nor the largest, in a reference of more than 200 distinct values.
    pub fn skip(&mut self, count: u64) {
        self.seen += count;
        self.distinct = None;
        debug_assert!(
            self.rank(self.quantile) > u128::from(self.seen),
            "no quantile is skipped"
        );
    }

    /// The number of the value, from 1, that is the `k`-th quantile: `ceil(k*m/100)`.
    pub fn rank(&self, k: u64) -> u128 {
        (u128::from(k) * u128::from(self.values)).div_ceil(u128::from(QUANTILE_BINS))
    }

    /// The edges, once all values have come.
    pub fn finish(mut self) -> Quantiles {
        debug_assert_eq!(self.seen, self.values, "all values have come");
        self.edges.extend(self.last);
        self.edges.extend(self.distinct.into_iter().flatten());
        self.edges.retain(|edge| edge.is_finite());
        self.edges.sort_by(f64::total_cmp);
        self.edges.dedup_by_key(|edge| edge.to_bits());
        self.deciles.dedup_by_key(|edge| edge.to_bits());
        // finite, sorted, without duplicates, and few enough by the bound of each kind of edge
        debug_assert!(self.edges.len() <= EDGES_MAX, "99 + 2 * 200 + 3 at most");
        Quantiles {
            edges: Edges(self.edges.into()),
            deciles: self.deciles,
        }
    }
}

/// The bins of a numeric series: its edges, and the two merges of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumericBins {
    edges: Edges,
    points: Box<[bool]>,
    display: Box<[u8]>,
    tests: Box<[u8]>,
}

impl NumericBins {
    /// The bins of a reference with these quantiles and this count in each bin.
    pub fn from_reference(quantiles: &Quantiles, counts: &[u64]) -> Result<Self, LayoutError> {
        let edges = quantiles.edges.clone();
        if counts.len() != edges.bins() {
            return Err(EdgesError::Merge.into());
        }
        let deciles = quantiles.deciles.as_slice();
        let below = |edge: f64| deciles.partition_point(|decile| *decile < edge);
        let uppers = edges.as_slice().iter().copied().chain([f64::INFINITY]);
        let display = uppers
            .map(|upper| u8::try_from(below(upper)).unwrap_or(u8::MAX))
            .collect();
        let points: Vec<bool> = (0..edges.bins()).map(|bin| edges.is_point(bin)).collect();
        let tests = merge::for_tests(counts, &points);
        Ok(Self::new(edges, display, tests)?)
    }

    /// Checks that both merges name one bin for each bin of the edges.
    pub fn new(edges: Edges, display: Vec<u8>, tests: Vec<u8>) -> Result<Self, EdgesError> {
        let fits = |merge: &[u8]| merge.len() == edges.bins() && merge::is_adjacent(merge);
        if !fits(&display) || !fits(&tests) {
            return Err(EdgesError::Merge);
        }
        let points = (0..edges.bins()).map(|bin| edges.is_point(bin)).collect();
        Ok(Self {
            edges,
            points,
            display: display.into(),
            tests: tests.into(),
        })
    }

    /// The edges.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// Whether each bin holds exactly one number.
    pub fn points(&self) -> &[bool] {
        &self.points
    }

    /// The display bin of each bin.
    pub fn display(&self) -> &[u8] {
        &self.display
    }

    /// The test bin of each bin.
    pub fn tests(&self) -> &[u8] {
        &self.tests
    }

    /// The upper edges of the merged bins, without the last.
    pub(super) fn upper_edges_of(&self, merge: &[u8]) -> Vec<f64> {
        let ends = merge.iter().zip(merge.iter().skip(1)).map(|(a, b)| a != b);
        self.edges
            .as_slice()
            .iter()
            .zip(ends)
            .filter(|(_, end)| *end)
            .map(|(e, _)| *e)
            .collect()
    }

    /// What a bin stands for.
    pub(super) fn cell(&self, bin: usize) -> Cell<'_> {
        let (lower, upper) = self.edges.bounds(bin);
        match upper {
            Some(point) if self.edges.is_point(bin) => Cell::Point(point),
            _ => Cell::Range { lower, upper },
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "edges are exact"
)]
mod tests;
