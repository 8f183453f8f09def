//! The population stability index, with what it would be if nothing had changed.
//!
//! ```text
//! P_j = (r_j + 1/2) / (m + B/2)    Q_j = (c_j + 1/2) / (n + B/2)      (Jeffreys 1946)
//! PSI = sum_j (Q_j - P_j) ln(Q_j / P_j)                               natural logarithm
//! ```
//!
//! Half a row more in each of the `B` bins keeps an empty bin finite; of the smoothings in use it
//! is the one whose false alarms stay closest to nominal. Every term is non-negative, so terms are
//! contributions. A mean shift of d sigmas of a normal distribution has PSI d^2: the folk
//! thresholds 0.1 and 0.25 are shifts of 0.32 and 0.5.
//!
//! PSI is not small where nothing changed but small samples: `n_h PSI -> chi2_(B-1)`, so on average
//! about `(B - 1)(1/n + 1/m)` (Yurdakul & Naranjo 2020). Hence `adjusted = value - bias`, where the
//! bias is that average, by the expected counts where they are small.

use libm::{log, log1p};

use super::bias::expected_psi;
use super::counts::{Insufficient, Pair, harmonic_rows, real_len, real_wide};
use super::rate::NORMAL_95;
use super::special::{chi2_sf, entropy_excess};
use super::tail::{ChiSquared, Natural};

/// The population stability index of two histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psi {
    /// PSI with Jeffreys smoothing, at least 0.
    pub value: f64,
    /// Its mean if both sides were drawn from their pooled distribution: the first-order
    /// [`psi_bias_first_order`] where bins are well filled, by the expected counts where not.
    pub bias: f64,
    /// `value - bias`: what decisions use. Negative for samples more alike than chance; shown as 0.
    pub adjusted: f64,
    /// The 95 % interval around `adjusted`, low and high; the low end may be negative. From the
    /// moments of the non-central chi-squared distribution.
    pub ci: (f64, f64),
    /// `P(PSI >= value)` for independent rows if nothing changed, to first order; 1 for one bin.
    pub p: f64,
    /// `B`, empty bins included.
    pub bins: usize,
}

/// The population stability index of two histograms over the same bins, in any order.
///
/// # Panics
/// Where the two are of different length.
pub fn psi(reference: &[u64], current: &[u64]) -> Result<Psi, Insufficient> {
    let pair = Pair::new(reference, current)?;
    let value: f64 = smoothed(pair).map(Smoothed::psi).sum();
    let bias = expected_psi(pair);
    let adjusted = value - bias;
    let (size, df) = (pair.harmonic_rows(), pair.bins() - 1);
    let spread = (2.0 * real_len(df) + 4.0 * size * adjusted.max(0.0)).sqrt() / size;
    let ci = (adjusted - NORMAL_95 * spread, adjusted + NORMAL_95 * spread);
    let p = if df == 0 {
        1.0
    } else {
        chi2_sf(size * value, df)
    };
    Ok(Psi {
        value,
        bias,
        adjusted,
        ci,
        p,
        bins: pair.bins(),
    })
}

/// What each bin adds to PSI: non-negative, in the order of the bins.
///
/// # Panics
/// Where the two are of different length.
pub fn psi_contributions(reference: &[u64], current: &[u64]) -> Result<Vec<f64>, Insufficient> {
    let pair = Pair::new(reference, current)?;
    Ok(smoothed(pair).map(Smoothed::psi).collect())
}

/// The Kullback-Leibler divergence of the current from the reference distribution with the
/// smoothing of [`psi`], in nats: `sum Q_j ln(Q_j / P_j) >= 0`, one of the two halves of PSI.
///
/// # Panics
/// Where the two are of different length.
pub fn kl_jeffreys(reference: &[u64], current: &[u64]) -> Result<f64, Insufficient> {
    let pair = Pair::new(reference, current)?;
    Ok(smoothed(pair).map(Smoothed::kl).sum())
}

/// `(B - 1)(1/n + 1/m)`: the mean of PSI under no change where all bins are well filled.
pub fn psi_bias_first_order(
    bins: usize,
    reference_rows: u64,
    current_rows: u64,
) -> Result<f64, Insufficient> {
    let df = real_len(bins.saturating_sub(1));
    Ok(df / size(reference_rows, current_rows)?)
}

/// The PSI that independent rows exceed with probability `alpha` if nothing changed: the line to
/// draw on a chart of [`Psi::value`]. 0 for one bin.
pub fn psi_threshold(
    alpha: f64,
    bins: usize,
    reference_rows: u64,
    current_rows: u64,
) -> Result<f64, Insufficient> {
    let size = size(reference_rows, current_rows)?;
    let critical = ChiSquared::critical_value(alpha, bins.saturating_sub(1), Natural::NONE);
    Ok(critical / size)
}

/// `n_h` of two sizes that are not 0.
fn size(reference_rows: u64, current_rows: u64) -> Result<f64, Insufficient> {
    match (reference_rows, current_rows) {
        (0, _) => Err(Insufficient::NoReferenceRows),
        (_, 0) => Err(Insufficient::NoCurrentRows),
        (m, n) => Ok(harmonic_rows(m, n)),
    }
}

/// The smoothed shares of one bin, as exact integers over a common denominator.
#[derive(Debug, Clone, Copy)]
struct Smoothed {
    /// `(2 r + 1)(2 n + B)`, proportional to P.
    reference: i128,
    /// `(2 c + 1)(2 m + B)`, proportional to Q.
    current: i128,
    /// `(2 m + B)(2 n + B)`.
    whole: f64,
}

fn smoothed(pair: Pair<'_>) -> impl Iterator<Item = Smoothed> {
    let bins = pair.bins() as u64;
    let reference_whole = 2 * i128::from(pair.reference_rows) + i128::from(bins);
    let current_whole = 2 * i128::from(pair.current_rows) + i128::from(bins);
    let whole = real_wide(reference_whole * current_whole);
    pair.cells().map(move |(reference, current)| Smoothed {
        reference: (2 * i128::from(reference) + 1) * current_whole,
        current: (2 * i128::from(current) + 1) * reference_whole,
        whole,
    })
}

impl Smoothed {
    /// `(Q - P) ln(Q / P)`.
    fn psi(self) -> f64 {
        let difference = real_wide(self.current - self.reference);
        let reference = real_wide(self.reference);
        // where P and Q are close, the quotient would lose what the difference knows
        let log_ratio = if difference.abs() < 0.5 * reference {
            log1p(difference / reference)
        } else {
            log(real_wide(self.current) / reference)
        };
        difference / self.whole * log_ratio
    }

    /// `Q ln(Q / P) - (Q - P) = P h((Q - P) / P)`; the differences sum to 0.
    fn kl(self) -> f64 {
        let reference = real_wide(self.reference);
        let excess = real_wide(self.current - self.reference) / reference;
        reference / self.whole * entropy_excess(excess)
    }
}

#[cfg(test)]
mod tests;
