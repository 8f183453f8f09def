//! Mean and standard deviation of a reference's numbers, the same in any order.
//!
//! Both are from exact sums (see [`super::exact`]). The deviation is two-pass: with `c` the rounded
//! mean, each `((x - c) * s)^2` is rounded by itself and then summed exactly. The scale `s` is the
//! power of two that brings the widest deviation near 1, so that neither squares of 1e200 nor of
//! 1e-200 leave the range of floats.

use super::exact::ExactSum;
use crate::layout::{Bins, SeriesLayout};

/// Where numbers lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    /// The smallest.
    pub(super) min: f64,
    /// The largest.
    pub(super) max: f64,
    /// Their mean, between both.
    pub(super) mean: f64,
}

/// Sums squared deviations from a mean.
#[derive(Debug, Clone)]
pub(super) struct Deviations {
    center: f64,
    scale: f64,
    squares: ExactSum,
}

impl Deviations {
    /// For numbers of this range.
    pub(super) fn new(range: Range) -> Self {
        let Range { min, max, mean } = range;
        let widest = (max / 2.0 - mean / 2.0).max(mean / 2.0 - min / 2.0);
        // the biased exponent of 2^-e is 2046 less that of 2^e, and that of a normal number
        let exponent = (widest.to_bits() >> 52).clamp(0, 2046);
        let scale = f64::from_bits((2046 - exponent).clamp(1, 2046) << 52);
        let scale = if min < max { scale } else { 1.0 };
        Self {
            center: mean * scale,
            scale,
            squares: ExactSum::default(),
        }
    }

    /// Counts a number.
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        self.add_times(x, 1);
    }

    /// Counts a number `times` times.
    #[inline]
    pub(super) fn add_times(&mut self, x: f64, times: u64) {
        let deviation = x * self.scale - self.center;
        let square = deviation * deviation;
        if times == 1 {
            self.squares.add(square);
        } else {
            self.squares.add_times(square, times);
        }
    }

    /// The standard deviation of the `count` numbers counted.
    pub(super) fn sd(&self, count: u64) -> f64 {
        (self.squares.mean(count).sqrt() / self.scale).min(f64::MAX)
    }
}

/// The mean of numbers and their counts.
pub(super) fn mean(runs: &[(f64, u64)]) -> f64 {
    let mut sum = ExactSum::default();
    for (x, count) in runs {
        sum.add_times(*x, *count);
    }
    // a mean that rounds to zero from below is plain zero
    sum.mean(runs.iter().map(|(_, count)| count).sum()) + 0.0
}

/// The standard deviation of numbers and their counts.
pub(super) fn sd(runs: &[(f64, u64)], range: Range) -> f64 {
    let mut deviations = Deviations::new(range);
    for (x, count) in runs {
        deviations.add_times(*x, *count);
    }
    deviations.sd(runs.iter().map(|(_, count)| count).sum())
}

/// The numbers that stand for the bins of a series: the mean where there is one, else the edge that
/// is nearest to the mean of all, or the minimum or maximum where the bin lies beyond it.
pub(super) fn fill_means(layout: &SeriesLayout, means: &[Option<f64>], range: Range) -> Vec<f64> {
    let Bins::Numeric(bins) = layout.bins() else {
        return Vec::new();
    };
    let stand_in = |bin: usize| {
        let (lower, upper) = bins.edges().bounds(bin);
        let lower = lower.unwrap_or(range.min).max(range.min);
        let upper = upper.unwrap_or(range.max).min(range.max);
        if lower > upper {
            // beyond the minimum, or beyond the maximum
            return if upper < range.min {
                range.min
            } else {
                range.max
            };
        }
        if upper - range.mean < range.mean - lower {
            upper
        } else {
            lower
        }
    };
    means
        .iter()
        .enumerate()
        .map(|(bin, mean)| mean.unwrap_or_else(|| stand_in(bin)))
        .collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;
    use crate::key::Role;
    use crate::layout::{Edges, Kind, NumericBins};
    use proptest::prelude::*;

    fn range(values: &[f64]) -> Range {
        let runs: Vec<_> = values.iter().map(|x| (*x, 1)).collect();
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Range {
            min,
            max,
            mean: mean(&runs),
        }
    }

    fn sd_of(values: &[f64]) -> f64 {
        let runs: Vec<_> = values.iter().map(|x| (*x, 1)).collect();
        sd(&runs, range(values))
    }

    #[test]
    fn the_deviation_of_known_numbers() {
        assert_eq!(sd_of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 2.0);
        assert_eq!(sd_of(&[7.5; 9]), 0.0);
        assert_eq!(sd_of(&[0.0]), 0.0);
        for scale in [1e200, 1e-200, 5e-324, 1e307] {
            assert_eq!(sd_of(&[-scale, scale]), scale);
        }
        assert_eq!(sd_of(&[f64::MIN, f64::MAX]), f64::MAX);
        assert_eq!(mean(&[(-5e-324, 1), (0.0, 3)]).to_bits(), 0);
    }

    #[test]
    fn an_empty_bin_stands_at_the_edge_toward_the_mean_and_beyond_all_at_the_ends() {
        let edges = Edges::new(vec![1.0, 2.0, 4.0, 9.0, 20.0, 30.0]).unwrap();
        let bins = NumericBins::new(edges, vec![0; 7], vec![0; 7]).unwrap();
        let layout =
            SeriesLayout::new("x", Role::Feature, Kind::Numeric, Bins::Numeric(bins)).unwrap();
        let range = Range {
            min: 1.5,
            max: 25.0,
            mean: 8.0,
        };
        let means = [None, Some(1.5), None, None, None, Some(25.0), None];
        let filled = fill_means(&layout, &means, range);
        assert_eq!(filled, [1.5, 1.5, 4.0, 9.0, 9.0, 25.0, 25.0]);
    }

    proptest! {
        /// The deviation agrees with the naive two-pass one, in any order to the last bit.
        #[test]
        fn the_deviation_is_the_naive_one(values in prop::collection::vec(-1e6..1e6, 1..50)) {
            let found = sd_of(&values);
            let n = f64::from(u32::try_from(values.len()).unwrap());
            let mean = values.iter().sum::<f64>() / n;
            let naive = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            prop_assert!((found - naive).abs() <= 1e-9 * naive.max(1e-9));
            let mut turned = values.clone();
            turned.reverse();
            prop_assert_eq!(sd_of(&turned).to_bits(), found.to_bits());
        }
    }
}
