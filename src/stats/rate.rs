//! Rates: missing values, booleans, categories that the reference has never seen.
//!
//! A rate is a histogram of two cells, and its deviance has 1 degree of freedom:
//!
//! ```text
//! missing 1 % of 10,000 rows, then 3 % of 1,000
//! G^2 = 22.9, p = 2e-6, difference 2.0 points, 95 % interval 1.1 to 3.3
//! ```
//!
//! A category with no reference rows at all also has an exact one-sided test: were both sides one
//! population, all `x` new rows would be among the `n` current ones by luck alone.

use libm::{exp, log1p};

use super::counts::{Insufficient, real};
use super::deviance::deviance;
use super::tail::ChiSquared;

/// The two-sided 95 % point of the normal distribution.
pub(super) const NORMAL_95: f64 = 1.959_963_984_540_054;
/// Factors of the Fisher probability that are multiplied one by one; see [`novelty_p`].
const FACTORS_MAX: u64 = 1_024;

/// So many rows of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    hits: u64,
    rows: u64,
}

impl Rate {
    /// `hits` of `rows`.
    ///
    /// # Panics
    /// Where there are more hits than rows.
    pub fn new(hits: u64, rows: u64) -> Self {
        assert!(hits <= rows, "{hits} hits of {rows} rows");
        Self { hits, rows }
    }

    /// Rows that are, and rows that are not.
    pub fn cells(self) -> [u64; 2] {
        [self.hits, self.rows - self.hits]
    }

    /// `hits / rows`; 0 without rows.
    pub fn value(self) -> f64 {
        real(self.hits) / real(self.rows.max(1))
    }
}

/// The deviance `G^2` of two rates on 1 degree of freedom, without the correction of Williams: two
/// cells do not need it. For missing, invalid and new values.
pub fn rate_deviance(reference: Rate, current: Rate) -> Result<ChiSquared, Insufficient> {
    Ok(deviance(&reference.cells(), &current.cells())?.raw())
}

/// How a rate moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateDifference {
    /// Current rate less reference rate, in [-1, 1].
    pub value: f64,
    /// Its 95 % interval, low and high.
    pub ci: (f64, f64),
}

/// The difference of two rates with the hybrid score interval of Newcombe (1998, method 10), which
/// stays within [-1, 1] and is right for rates near 0 and 1.
pub fn rate_difference(reference: Rate, current: Rate) -> Result<RateDifference, Insufficient> {
    if reference.rows == 0 {
        return Err(Insufficient::NoReferenceRows);
    }
    if current.rows == 0 {
        return Err(Insufficient::NoCurrentRows);
    }
    let (from, to) = (reference.value(), current.value());
    let (from_low, from_high) = wilson(reference);
    let (to_low, to_high) = wilson(current);
    let value = to - from;
    let down = ((to - to_low).powi(2) + (from_high - from).powi(2)).sqrt();
    let up = ((to_high - to).powi(2) + (from - from_low).powi(2)).sqrt();
    Ok(RateDifference {
        value,
        ci: ((value - down).max(-1.0), (value + up).min(1.0)),
    })
}

/// The 95 % score interval of one rate (Wilson 1927).
fn wilson(rate: Rate) -> (f64, f64) {
    let (n, p, z2) = (real(rate.rows), rate.value(), NORMAL_95 * NORMAL_95);
    let centre = 2.0 * n * p + z2;
    let half = NORMAL_95 * (z2 + 4.0 * n * p * (1.0 - p)).sqrt();
    let width = 2.0 * (n + z2);
    (
        (centre - half).max(0.0) / width,
        ((centre + half) / width).min(1.0),
    )
}

/// The exact one-sided p of `novel` rows among `current_rows` whose category has no row among
/// `reference_rows` (Fisher 1935):
///
/// ```text
/// p = C(n, x) / C(n + m, x) = product over i < x of (n - i) / (n + m - i)
/// ```
///
/// Relative error below 1e-12 where `novel` or `reference_rows` is at most 1,024. Past that the
/// remaining factors, which only fall, are bounded by the next one: p is then an upper bound.
///
/// # Panics
/// Where more rows are novel than there are.
pub fn novelty_p(novel: u64, current_rows: u64, reference_rows: u64) -> f64 {
    assert!(
        novel <= current_rows,
        "{novel} novel of {current_rows} rows"
    );
    let all = current_rows.saturating_add(reference_rows);
    // C(n, x) / C(n + m, x) = C(n + m - x, m) / C(n + m, m): the shorter of two products
    let (factors, taken) = if novel <= reference_rows {
        (novel, reference_rows)
    } else {
        (reference_rows, novel)
    };
    let mut p = 1.0;
    for i in 0..factors.min(FACTORS_MAX) {
        p *= real(all - taken - i) / real(all - i);
        if p <= 0.0 {
            return 0.0;
        }
    }
    let rest = factors.saturating_sub(FACTORS_MAX);
    if rest > 0 {
        p *= exp(real(rest) * log1p(-real(taken) / real(all - FACTORS_MAX)));
    }
    p
}

#[cfg(test)]
mod tests;
