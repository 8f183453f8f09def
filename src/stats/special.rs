//! The special functions behind the p-values, on `libm` only.
//!
//! Degrees of freedom of the chi-squared tests are whole numbers, and then the upper tail is a
//! finite sum of positive terms (Abramowitz & Stegun 1964, 26.4.4 and 26.4.5), with y = x / 2:
//!
//! ```text
//! even df:  Q = sum_{k < df/2} e^-y y^k / k!
//! odd  df:  Q = erfc(sqrt y) + sum_{k < (df-1)/2} e^-y y^(k+1/2) / Gamma(k + 3/2)
//! ```
//!
//! Nothing cancels, so the relative error stays near 1e-13 down to 1e-300, where a general
//! incomplete gamma function needs a series and a continued fraction and their seam. That, and
//! logarithms and exponentials that are the same on every machine, is why this is not `statrs`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use libm::{erfc, exp, lgamma, log, log1p};

use super::counts::real_len;

/// Above this `y`, `e^-y` is near the smallest float, and the sum starts at its largest term
/// instead.
const DIRECT_Y_MAX: f64 = 700.0;
/// A term this small beside its sum no longer changes it.
const NEGLIGIBLE: f64 = 1e-18;
/// Up to here `Q(z)` differs from 1 by less than the smallest float.
const KOLMOGOROV_Z_MIN: f64 = 0.04;
/// Steps of the continued fraction before it is taken as it is; it needs about the square root of
/// the degrees of freedom, and 10^6 of those still converge.
const FRACTION_STEPS_MAX: u32 = 2_000;
/// Stands in for zero in the continued fraction, which divides by its parts.
const TINY: f64 = 1e-300;

/// `P(X >= x)` for X chi-squared with `df` degrees of freedom, relative error about 1e-13.
///
/// 1 for `x <= 0`; with no degrees of freedom X is 0, so that any positive `x` gives 0.
pub fn chi2_sf(x: f64, df: usize) -> f64 {
    let y = x / 2.0;
    if y.is_nan() || y <= 0.0 {
        return 1.0;
    }
    if df == 0 || y.is_infinite() {
        return 0.0;
    }
    let (terms, even) = (df / 2, df.is_multiple_of(2));
    let (head, offset) = if even {
        (0.0, 0.0)
    } else {
        (erfc(y.sqrt()), 0.5)
    };
    let sum = if y <= DIRECT_Y_MAX {
        // e^-y / Gamma(1), or e^-y y^(1/2) / Gamma(3/2)
        let first = exp(-y) * if even { 1.0 } else { 2.0 * (y / PI).sqrt() };
        sum_upwards(first, y, offset, terms)
    } else {
        sum_from_peak(y, offset, terms)
    };
    (head + sum).min(1.0)
}

/// `t_0 + .. + t_(terms-1)` with `t_0 = first` and `t_k = t_(k-1) y / (k + offset)`.
fn sum_upwards(first: f64, y: f64, offset: f64, terms: usize) -> f64 {
    let (mut sum, mut term, mut k) = (0.0, first, offset);
    for _ in 0..terms {
        sum += term;
        k += 1.0;
        term *= y / k;
        if k > y && term < sum * NEGLIGIBLE {
            break;
        }
    }
    sum
}

/// The same sum where its first term underflows: from the largest term down and up.
fn sum_from_peak(y: f64, offset: f64, terms: usize) -> f64 {
    if terms == 0 {
        return 0.0;
    }
    let last = real_len(terms - 1);
    let peak = last.min(y.floor());
    let scale = exp((peak + offset) * log(y) - y - lgamma(peak + offset + 1.0));
    let (mut sum, mut term, mut k) = (1.0, 1.0, peak);
    while k > 0.0 && term > sum * NEGLIGIBLE {
        term *= (k + offset) / y;
        sum += term;
        k -= 1.0;
    }
    (term, k) = (1.0, peak);
    while k < last && term > sum * NEGLIGIBLE {
        k += 1.0;
        term *= y / (k + offset);
        sum += term;
    }
    scale * sum
}

/// `P(Z >= z)` for a standard normal Z, to the last digits also far out in the tail.
pub fn normal_sf(z: f64) -> f64 {
    0.5 * erfc(z * FRAC_1_SQRT_2)
}

/// `Q(z)`, the limit of `P(sqrt(n) D >= z)` for the Kolmogorov-Smirnov distance; 1 for `z <= 0`.
///
/// Two series that converge in a few terms on their side of 1/2 (Kolmogorov 1933; the second is the
/// first by Jacobi's identity for theta functions):
///
/// ```text
/// Q     = 2 sum (-1)^(k-1) e^(-2 k^2 z^2)                            from 1/2 on
/// 1 - Q = sqrt(2 pi) / z sum e^(-(2k-1)^2 pi^2 / (8 z^2))            below
/// ```
pub fn kolmogorov_q(z: f64) -> f64 {
    if z.is_nan() || z <= KOLMOGOROV_Z_MIN {
        return 1.0;
    }
    if z < 0.5 {
        // the third term is e^-123 of what is left
        let rate = PI * PI / (8.0 * z * z);
        return 1.0 - (2.0 * PI).sqrt() / z * (exp(-rate) + exp(-9.0 * rate));
    }
    let (mut sum, mut sign, mut k) = (0.0, 1.0, 1.0);
    loop {
        let term = exp(-2.0 * k * k * z * z);
        sum += sign * term;
        // at z = 1/2 the tenth term is already below 1e-21
        if term <= sum * NEGLIGIBLE {
            break;
        }
        sign = -sign;
        k += 1.0;
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// Student's t with `df > 0` degrees of freedom, not necessarily whole, ready to be evaluated
/// often.
#[derive(Debug, Clone, Copy)]
pub(super) struct StudentT {
    df: f64,
    /// The density at 0.
    peak: f64,
}

impl StudentT {
    pub(super) fn new(df: f64) -> Self {
        let log_ratio = lgamma(f64::midpoint(df, 1.0)) - lgamma(df / 2.0);
        Self {
            df,
            peak: exp(log_ratio) / (df * PI).sqrt(),
        }
    }

    /// The density at `t`.
    pub(super) fn pdf(self, t: f64) -> f64 {
        self.peak * exp(-f64::midpoint(self.df, 1.0) * log1p(t * t / self.df))
    }

    /// About the `t^2` with `P(|X| >= |t|) = p`: by the first term of the tail's series, so the
    /// better the smaller `p`.
    pub(super) fn far_squared(self, p: f64) -> f64 {
        let half_df = self.df / 2.0;
        let log_beta = lgamma(half_df) + lgamma(0.5) - lgamma(half_df + 0.5);
        let rest = exp((log(p.max(f64::MIN_POSITIVE) * half_df) + log_beta) / half_df);
        self.df * (1.0 / rest.min(1.0) - 1.0)
    }

    /// `P(|X| >= |t|)`.
    pub(super) fn sf_two_sided(self, t: f64) -> f64 {
        let squared = t * t;
        if squared.is_nan() || squared <= 0.0 {
            return 1.0;
        }
        // I_x(df/2, 1/2) at x = df / (df + t^2), by its complement where that converges faster
        let ratio = squared / self.df;
        let (half_df, x, rest) = (
            self.df / 2.0,
            1.0 / (1.0 + ratio),
            1.0 / (1.0 + 1.0 / ratio),
        );
        let log_beta = lgamma(half_df) + lgamma(0.5) - lgamma(half_df + 0.5);
        let front = exp(-half_df * log1p(ratio) - 0.5 * log1p(1.0 / ratio) - log_beta);
        let tail = if x < (half_df + 1.0) / (half_df + 2.5) {
            front * beta_fraction((half_df, 0.5), x) / half_df
        } else {
            1.0 - front * beta_fraction((0.5, half_df), rest) / 0.5
        };
        tail.clamp(0.0, 1.0)
    }
}

/// The density of Student's t with `df > 0` degrees of freedom at `t`.
pub fn t_pdf(t: f64, df: f64) -> f64 {
    StudentT::new(df).pdf(t)
}

/// `P(|X| >= |t|)` for Student's t with `df > 0` degrees of freedom. Relative error about 1e-13 for
/// the few degrees of freedom that are used here, 1e-9 for 10^6 of them.
pub fn t_sf_two_sided(t: f64, df: f64) -> f64 {
    StudentT::new(df).sf_two_sided(t)
}

/// The continued fraction of the incomplete beta function `I_x(a, b)` (Abramowitz & Stegun 1964,
/// 26.5.8).
fn beta_fraction((a, b): (f64, f64), x: f64) -> f64 {
    let mut fraction = Lentz::new(1.0 - (a + b) * x / (a + 1.0));
    for step in 1..=FRACTION_STEPS_MAX {
        let k = f64::from(step);
        let here = a + 2.0 * k;
        fraction.extend(k * (b - k) * x / ((here - 1.0) * here));
        let factor = fraction.extend(-(a + k) * (a + b + k) * x / (here * (here + 1.0)));
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction.value
}

/// A continued fraction `1 / (b_0 + a_1 / (1 + a_2 / (1 + ..)))` evaluated from its front (Lentz
/// 1976), with the guard against zero of Thompson & Barnett (1986).
struct Lentz {
    numerator: f64,
    denominator: f64,
    value: f64,
}

impl Lentz {
    fn new(first: f64) -> Self {
        let value = 1.0 / away_from_zero(first);
        Self {
            numerator: 1.0,
            denominator: value,
            value,
        }
    }

    /// Adds one part and returns the factor by which that changed the value.
    fn extend(&mut self, part: f64) -> f64 {
        self.denominator = 1.0 / away_from_zero(1.0 + part * self.denominator);
        self.numerator = away_from_zero(1.0 + part / self.numerator);
        let factor = self.numerator * self.denominator;
        self.value *= factor;
        factor
    }
}

fn away_from_zero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

/// `h(x) = (1 + x) ln(1 + x) - x` for `x >= -1`: the entropy that a relative excess of `x` costs.
///
/// Non-negative, 0 only at 0, 1 at -1. It is the building block of every divergence here: written
/// with `h`, a divergence is a sum of non-negative terms and nothing cancels (Bregman 1967).
pub(super) fn entropy_excess(x: f64) -> f64 {
    if x <= -1.0 {
        return 1.0;
    }
    if x.abs() >= 1e-2 {
        return (1.0 + x) * log1p(x) - x;
    }
    // sum_{k >= 2} (-x)^k / (k (k - 1)); at |x| = 0.01 the next term is below 1e-16 of the sum
    let tail = 1.0 / 20.0 - x * (1.0 / 30.0 - x * (1.0 / 42.0 - x * (1.0 / 56.0 - x / 72.0)));
    x * x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 12.0 - x * tail)))
}

#[cfg(test)]
mod tests;
