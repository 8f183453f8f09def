//! The two-sample deviance, the test behind every alert.
//!
//! With `t_j = r_j + c_j` and `N = m + n`, a bin is expected to hold `m t_j / N` rows of the
//! reference and `n t_j / N` of the window. The likelihood ratio against that is
//!
//! ```text
//! G^2 = 2 sum_j (r_j ln(r_j N / (m t_j)) + c_j ln(c_j N / (n t_j)))  ->  chi2_(k-1), k bins filled
//! ```
//!
//! which is `2 N` times the Jensen-Shannon divergence with weights `m/N` and `n/N`. Two things are
//! done to it. It is summed as `2 sum (m t_j / N) h(x_r) + (n t_j / N) h(x_c)`, with x the relative
//! excess over the expected count and `h(x) = (1 + x) ln(1 + x) - x`: every term is non-negative, a
//! contribution to show, and no digits cancel. And it is divided by the factor of Williams (1976),
//!
//! ```text
//! q = 1 + ((N/m + N/n) - 1) (sum_j N/t_j - 1) / (6 N df)              over non-empty bins
//! ```
//!
//! after which its tail holds to 1e-6 also where bins are sparse; Pearson's statistic, its usual
//! stand-in, then rejects up to thousands of times too often. Empty bins and new categories need no
//! smoothing.

use super::counts::{Insufficient, Pair, real, real_len, real_wide};
use super::special::entropy_excess;
use super::tail::ChiSquared;

/// More than the rounding errors of a bound.
const BOUND_MARGIN: f64 = 1e-9;

/// The deviance of two histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviance {
    /// `G^2 >= 0`, not corrected.
    pub g2: f64,
    /// Williams' factor `q >= 1`.
    pub williams: f64,
    /// The number of bins that hold a row of either side, less 1, and at least 1.
    pub df: usize,
}

impl Deviance {
    /// `G = G^2 / q`, the statistic to test with.
    pub fn corrected(self) -> ChiSquared {
        ChiSquared {
            value: self.g2 / self.williams,
            df: self.df,
        }
    }

    /// `G^2` itself.
    pub fn raw(self) -> ChiSquared {
        ChiSquared {
            value: self.g2,
            df: self.df,
        }
    }
}

/// The two-sample deviance with the correction of Williams (1976).
///
/// `reference` and `current` are row counts of the same bins in any order; a different order of
/// bins gives the same result up to rounding.
///
/// # Panics
/// Where the two are of different length.
pub fn deviance(reference: &[u64], current: &[u64]) -> Result<Deviance, Insufficient> {
    let pair = Pair::new(reference, current)?;
    let (m, n) = (pair.m(), pair.n());
    let rows = m + n;
    let (mut g2, mut bins, mut inverse_shares) = (0.0, 0_usize, 0.0);
    for (reference, current) in pair.cells() {
        if reference + current > 0 {
            g2 += contribution(pair, reference, current);
            bins += 1;
            inverse_shares += rows / real(reference + current);
        }
    }
    let df = bins.saturating_sub(1).max(1);
    let sides = rows / m + rows / n - 1.0;
    // (sum - 1) is 0 for one bin, and rounding must not make it less
    let williams = 1.0 + sides * (inverse_shares - 1.0).max(0.0) / (6.0 * rows * real_len(df));
    Ok(Deviance { g2, williams, df })
}

/// A bound that `G^2` and so the corrected deviance do not exceed, and the degrees of freedom that
/// they have. It takes no logarithm:
///
/// ```text
/// h(x) <= x^2 / 2 (1 + max(0, -x))           from the series of h, x >= -1
/// ```
///
/// Where shares differ by a tenth, it is a few percent above `G^2`.
///
/// # Panics
/// Where the two are of different length.
pub fn deviance_bound(reference: &[u64], current: &[u64]) -> Result<ChiSquared, Insufficient> {
    let pair = Pair::new(reference, current)?;
    let (m, n) = (pair.m(), pair.n());
    let (mut value, mut bins) = (0.0, 0_usize);
    for (reference, current) in pair.cells() {
        let (r, c) = (real(reference), real(current));
        let rows = r + c;
        if rows > 0.0 {
            let excess = c * m - r * n;
            let (of_reference, of_current) = (excess / (m * rows), excess / (n * rows));
            let squares = m * of_reference * of_reference * (1.0 + of_reference.max(0.0))
                + n * of_current * of_current * (1.0 - of_current.min(0.0));
            value += rows * squares;
            bins += 1;
        }
    }
    Ok(ChiSquared {
        // the products of counts above are rounded, which moves a sum by less
        value: value / (m + n) * (1.0 + BOUND_MARGIN) + BOUND_MARGIN,
        df: bins.saturating_sub(1).max(1),
    })
}

/// What each bin adds to `G^2`: non-negative, 0 for an empty bin, in the order of the bins.
///
/// # Panics
/// Where the two are of different length.
pub fn deviance_contributions(
    reference: &[u64],
    current: &[u64],
) -> Result<Vec<f64>, Insufficient> {
    let pair = Pair::new(reference, current)?;
    Ok(pair
        .cells()
        .map(|(reference, current)| contribution(pair, reference, current))
        .collect())
}

fn contribution(pair: Pair<'_>, reference: u64, current: u64) -> f64 {
    let rows = real(reference + current);
    if rows <= 0.0 {
        return 0.0;
    }
    let (m, n) = (pair.m(), pair.n());
    let excess = real_wide(pair.excess(reference, current));
    let of_reference = m * entropy_excess(-excess / (m * rows));
    let of_current = n * entropy_excess(excess / (n * rows));
    2.0 * rows / (m + n) * (of_reference + of_current)
}

#[cfg(test)]
mod tests;
