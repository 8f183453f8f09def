//! The mean of PSI where nothing changed, also where bins are nearly empty.
//!
//! To first order a bin of share `pi` adds `(1 - pi)(1/n + 1/m)`. Smoothing pulls a nearly empty
//! bin towards its neighbours, and the first order is then too much: for 100 categories by Zipf's
//! law and 50 rows it says 1.99 where the mean is 0.61, and an adjusted PSI would be -1.4 on
//! average. There the mean is computed from the counts that are to be expected. With `X = c + 1/2`,
//! `c` binomial, `mu = E X`, and `a`, `b` the smoothed shares that correspond to the two means,
//!
//! ```text
//! E (Q - P) ln(Q / P) = (a - b) ln(a / b) + a e_c + b e_r - a l_r - b l_c
//! l = E ln(X / mu)        e = E (X / mu) ln(X / mu)        per side, sides independent
//! ```
//!
//! which is exact. `l` and `e` are sums over the binomial distribution where fewer than
//! [`EXACT_BELOW`] rows are expected, and a Taylor series in its moments above that.
//!
//! How full a bin is counts in rows of the smaller side, a bin of more than its part as one of its
//! part, for smoothing takes the more from a large bin the more bins there are:
//!
//! ```text
//! fullness = min(n, m) min(pi, 1/B)      below 10: expected counts; above 20: first order, exactly
//! ```
//!
//! and in between the one passes linearly into the other. `pi` is the pooled share of the bin.

use std::array;
use std::sync::LazyLock;

use libm::{exp, log, log1p};

use super::counts::{Pair, real, real_len};

/// A bin less full than this uses expected counts only.
const SPARSE_BELOW: f64 = 10.0;
/// A bin at least this full uses the first order only.
const FILLED_FROM: f64 = 20.0;
/// Expected rows below which the binomial distribution is summed.
const EXACT_BELOW: f64 = 10.0;
/// Counts that are summed over: where 10 are expected, more than 40 have probability 1e-12.
const COUNTS_MAX: usize = 41;
/// The sum ends at probabilities below this, past the mean.
const NEGLIGIBLE: f64 = 1e-6;

/// One count of the binomial sum.
#[derive(Debug, Clone, Copy)]
struct Term {
    count: f64,
    /// `ln(count + 1/2)`.
    log_smoothed: f64,
    /// `1 / (count + 1)`.
    inverse_next: f64,
}

static TERMS: LazyLock<[Term; COUNTS_MAX]> = LazyLock::new(|| {
    array::from_fn(|index| {
        let count = real_len(index);
        Term {
            count,
            log_smoothed: log(count + 0.5),
            inverse_next: 1.0 / (count + 1.0),
        }
    })
});

/// The mean of PSI if both sides were drawn from their pooled distribution.
pub(super) fn expected_psi(pair: Pair<'_>) -> f64 {
    let null = Null {
        bins: real_len(pair.bins()),
        m: pair.m(),
        n: pair.n(),
    };
    let rows = null.m + null.n;
    let shares = pair
        .cells()
        .map(|(reference, current)| real(reference + current) / rows);
    let corrections: f64 = shares.map(|share| null.correction(share)).sum();
    (null.bins - 1.0) / pair.harmonic_rows() + corrections
}

/// The hypothesis that nothing changed: two samples of one distribution.
#[derive(Debug, Clone, Copy)]
struct Null {
    bins: f64,
    m: f64,
    n: f64,
}

impl Null {
    /// What a bin of this share adds to the first order; exactly 0 where it is well filled.
    fn correction(self, share: f64) -> f64 {
        let fullness = self.m.min(self.n) * share.min(1.0 / self.bins);
        if fullness >= FILLED_FROM {
            return 0.0;
        }
        let weight = ((FILLED_FROM - fullness) / (FILLED_FROM - SPARSE_BELOW)).min(1.0);
        weight * (self.mean_term(share) - self.first_order(share))
    }

    fn first_order(self, share: f64) -> f64 {
        (1.0 - share) * (1.0 / self.n + 1.0 / self.m)
    }

    /// The mean of the bin's term of PSI, by the expected counts.
    fn mean_term(self, share: f64) -> f64 {
        let reference = Side::new(self.bins, share, self.m);
        let current = Side::new(self.bins, share, self.n);
        let (a, b) = (current.share, reference.share);
        (a - b) * log(a / b)
            + a * (current.entropy - reference.log)
            + b * (reference.entropy - current.log)
    }
}

/// What smoothing makes of a share on one side.
struct Side {
    /// The mean of the smoothed share.
    share: f64,
    /// `l`, at most 0.
    log: f64,
    /// `e`, at least 0.
    entropy: f64,
}

impl Side {
    fn new(bins: f64, share: f64, rows: f64) -> Self {
        let mean = rows * share;
        let (log, entropy) = if mean < EXACT_BELOW && share < 1.0 {
            summed(rows, share)
        } else {
            expanded(rows, share)
        };
        Self {
            share: (mean + 0.5) / (rows + bins / 2.0),
            log,
            entropy,
        }
    }
}

/// `(l, e)` as sums over the binomial distribution.
fn summed(rows: f64, share: f64) -> (f64, f64) {
    let mean = rows * share;
    let smoothed_mean = mean + 0.5;
    let log_mean = log(smoothed_mean);
    let odds = share / (1.0 - share);
    let mut probability = exp(rows * log1p(-share));
    let (mut log_sum, mut entropy_sum) = (0.0, 0.0);
    for term in TERMS.iter() {
        let weighted = probability * (term.log_smoothed - log_mean);
        log_sum += weighted;
        entropy_sum += weighted * (term.count + 0.5);
        probability *= (rows - term.count) * odds * term.inverse_next;
        if probability < NEGLIGIBLE && term.count > mean {
            break;
        }
    }
    (log_sum, entropy_sum / smoothed_mean)
}

/// `(l, e)` by the central moments of the binomial distribution up to the sixth, over powers of
/// `mu`.
fn expanded(rows: f64, share: f64) -> (f64, f64) {
    let mean = rows * share;
    let smoothed_mean = mean + 0.5;
    let variance = mean * (1.0 - share);
    let skew = variance * (1.0 - 2.0 * share);
    let fourth_cumulant = variance * (1.0 - 6.0 * share * (1.0 - share));
    let inverse = 1.0 / smoothed_mean;
    let square = inverse * inverse;
    let second = variance * square;
    let third = skew * square * inverse;
    let fourth = (3.0 * variance * variance + fourth_cumulant) * square * square;
    let fifth = 10.0 * variance * skew * square * square * inverse;
    let sixth = 15.0 * second * second * second;
    let log = -second / 2.0 + third / 3.0 - fourth / 4.0 + fifth / 5.0 - sixth / 6.0;
    let entropy = second / 2.0 - third / 6.0 + fourth / 12.0 - fifth / 20.0 + sixth / 30.0;
    (log, entropy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::psi;
    use crate::stats::support::{SplitMix, close};

    /// Enough for a standard error of the mean of 1 to 2 percent.
    const DRAWS: usize = 300;

    fn zipf(categories: usize) -> Vec<f64> {
        (1..=categories).map(|rank| 1.0 / real_len(rank)).collect()
    }

    /// |mean of bias - mean of psi| <= mean of psi / 10, both over draws of one distribution
    #[test]
    fn the_bias_is_the_mean_under_no_change_also_where_categories_are_rare() {
        let mut random = SplitMix(20_261_123);
        for (categories, unseen) in [(30, false), (100, false), (100, true)] {
            let mut shares = zipf(categories);
            shares.extend(unseen.then_some(0.0));
            let mut sums = [(50, 0.0, 0.0), (200, 0.0, 0.0), (1_000, 0.0, 0.0)];
            for _ in 0..DRAWS {
                let reference = random.multinomial(&shares, 10_000);
                for (rows, value, bias) in &mut sums {
                    let score = psi(&reference, &random.multinomial(&shares, *rows)).unwrap();
                    *value += score.value;
                    *bias += score.bias;
                }
            }
            for (rows, value, bias) in sums {
                let off = (bias / value - 1.0).abs();
                assert!(
                    off < 0.05,
                    "zipf {categories}, {rows} rows: the bias is off by {off:.3}"
                );
            }
        }
    }

    /// Both ways to the moments agree where both are good.
    #[test]
    fn the_series_meets_the_sum() {
        for (rows, share) in [(1e6, 9.99e-6), (20.0, 0.499), (11.0, 0.9), (1e14, 9.9e-14)] {
            let (log, entropy) = summed(rows, share);
            let (log_series, entropy_series) = expanded(rows, share);
            close(log_series, log, 6e-3);
            close(entropy_series, entropy, 6e-3);
        }
    }

    /// With 2 rows in 2 bins the distribution of the counts can be written down.
    #[test]
    fn two_rows_by_hand() {
        let (log, entropy) = summed(2.0, 0.5);
        let by_hand = (libm::log(0.5) + 2.0 * libm::log(1.5) + libm::log(2.5)) / 4.0;
        close(log, by_hand - libm::log(1.5), 1e-14);
        let logs = 0.5 * libm::log(0.5) + 3.0 * libm::log(1.5) + 2.5 * libm::log(2.5);
        close(entropy, logs / 4.0 / 1.5 - libm::log(1.5), 1e-14);
    }

    /// A hundredth more rows is about a hundredth less bias, from nearly empty bins to full ones.
    #[test]
    fn the_bias_has_no_seam() {
        let whole: f64 = zipf(30).iter().sum();
        let shares: Vec<f64> = zipf(30).iter().map(|share| share / whole).collect();
        let bias = |n: f64| -> f64 {
            let null = Null {
                bins: 30.0,
                m: 1e9,
                n,
            };
            shares
                .iter()
                .map(|&share| null.first_order(share) + null.correction(share))
                .sum()
        };
        let mut rows = 20.0;
        while rows < 20_000.0 {
            let step = bias(rows * 1.01) / bias(rows);
            assert!((0.985..0.997).contains(&step), "{rows} rows: {step}");
            rows *= 1.01;
        }
    }

    proptest! {
        /// Well filled, the bias is the first order to the last bit.
        #[test]
        fn full_bins_need_no_correction(
            cells in prop::collection::vec((100..200_u64, 100..200_u64), 1..20),
        ) {
            let (reference, current): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
            let pair = Pair::new(&reference, &current).unwrap();
            close(expected_psi(pair), real_len(cells.len() - 1) / pair.harmonic_rows(), 0.0);
        }
    }
}
