//! What the tests of this module share: closeness, a seeded generator, histograms for properties.

use std::iter;

use proptest::collection::vec;
use proptest::prelude::*;

use super::counts::BIN_COUNT_MAX;

/// Asserts `|value - expected| <= rel_tol |expected|`; an expected 0 must be met exactly.
#[track_caller]
pub(super) fn close(value: f64, expected: f64, rel_tol: f64) {
    assert!(
        (value - expected).abs() <= rel_tol * expected.abs(),
        "{value:e} is not within {rel_tol:e} of {expected:e}"
    );
}

/// Asserts that a number can be shown: neither NaN nor an infinity.
#[track_caller]
pub(super) fn finite(values: &[f64]) {
    assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
}

/// Steele, Lea & Flood 2014: a seeded generator for simulations.
#[derive(Debug)]
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform on [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).unwrap();
        f64::from(high) / 4_294_967_296.0
    }

    /// `rows` draws from `shares` as counts.
    pub(crate) fn multinomial(&mut self, shares: &[f64], rows: usize) -> Vec<u64> {
        let bounds: Vec<f64> = shares
            .iter()
            .scan(0.0, |sum, share| {
                *sum += share;
                Some(*sum)
            })
            .collect();
        let all = bounds.last().unwrap();
        let mut counts = vec![0; shares.len()];
        for unit in iter::repeat_with(|| self.unit()).take(rows) {
            counts[bounds.partition_point(|bound| *bound <= unit * all)] += 1;
        }
        counts
    }
}

/// Counts as they are: mostly small, often 0, sometimes at the limit.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0_u64),
        4 => 0..20_u64,
        3 => 0..100_000_u64,
        2 => 0..=BIN_COUNT_MAX,
        1 => Just(BIN_COUNT_MAX),
    ]
}

/// A reference and a current histogram over the same 1 to 40 bins, neither of them empty.
pub(super) fn histograms() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    vec((count(), count()), 1..40)
        .prop_map(|cells| cells.into_iter().unzip())
        .prop_filter(
            "both sides have rows",
            |(reference, current): &(Vec<u64>, Vec<u64>)| {
                reference.iter().sum::<u64>() > 0 && current.iter().sum::<u64>() > 0
            },
        )
}

/// The same bins in another order.
pub(super) fn rotated(counts: &[u64], by: usize) -> Vec<u64> {
    let mut counts = counts.to_vec();
    let by = by % counts.len();
    counts.rotate_left(by);
    counts
}

/// The same distribution in half the bins: neighbours added up.
pub(super) fn merged(counts: &[u64]) -> Vec<u64> {
    counts.chunks(2).map(|bins| bins.iter().sum()).collect()
}

/// The same distribution in twice the bins: each split into two equal ones, of `2 x` rows in all.
pub(super) fn split(counts: &[u64]) -> Vec<u64> {
    counts.iter().flat_map(|&count| [count, count]).collect()
}

/// The same shares of `by` times the rows.
pub(super) fn scaled(counts: &[u64], by: u64) -> Vec<u64> {
    counts.iter().map(|count| count * by).collect()
}
