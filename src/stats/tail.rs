//! The p-value of a statistic when the world also moves by itself.
//!
//! Sampling alone makes a statistic `T` chi-squared. Real traffic differs from its reference by
//! more (the hour of the day, a campaign), by an amount that is learned from reference blocks with
//! a Student tail, for few blocks say little about large amounts ([`super::dispersion()`]):
//!
//! ```text
//! T ~ chi2_df + nu t_K^2        p = P(chi2_df + nu t_K^2 > T)
//! nu = 0:   p = P(chi2_df > T)                 all the power that independent rows give
//! nu large: p = P(|t_K| > sqrt(T / nu))        more rows do not buy significance
//! 60 on 9 degrees of freedom: p = 1e-9, but 9e-4 where nu = 3 and K = 16
//! ```
//!
//! The additive form follows the first-order correction of Rao & Scott (1981). With `hi = sqrt(T /
//! nu)` and `f_K` the density of t,
//!
//! ```text
//! p = P(|t_K| > hi) + 2 integral over 0 < x < hi of f_K(x) P(chi2_df > T - nu x^2) dx
//! ```
//!
//! by Gauss-Legendre panels in the angle `x = hi sin a`, cut where either factor changes its pace:
//! the density at 1, 3, 9, .. and the chi-squared tail around `sqrt(chi2) = sqrt(df)`, where its
//! square root has a spread of about 0.7 whatever `df` is (Fisher 1922).

use std::f64::consts::FRAC_PI_2;

use libm::{acos, asin, cos, log, sin};

use super::counts::real_len;
use super::special::{StudentT, chi2_sf};

/// Below this share of `T`, natural variation is no part of the answer.
const NU_SHARE_MIN: f64 = 1e-9;
/// Where the chi-squared tail is cut, on the scale of square roots, relative to `sqrt(df)`: from
/// "certainly exceeded" to "below the smallest float".
const ROOT_CUTS: [f64; 4] = [40.0, 12.0, 4.0, -4.0];
/// More panels than `1, 3, 9, .. < sqrt(T / nu) <= sqrt(1 / NU_SHARE_MIN)` and the cuts above make.
const PANELS_MAX: usize = 16;
/// Where the search for a critical value ends, so that it is a number also for an `alpha` of 0.
const CRITICAL_VALUE_MAX: f64 = f64::MAX / 2.0;
/// How near `ln p` must come to `ln alpha`.
const CRITICAL_TOLERANCE: f64 = 1e-13;
/// What is taken of [`StudentT::far_squared`] to be below what it stands for.
const FAR_SHARE: f64 = 0.9;
/// Halvings of `1 / NU_SHARE_MIN` that leave no digit of a reach to be found.
const REACH_STEPS: u32 = 64;
/// By how much the tail at a reach is above its level: more than the tail's own error.
const REACH_MARGIN: f64 = 1e-9;
/// Steps of the search for a critical value; a dozen are usual.
const STEPS_MAX: u32 = 200;

/// A panel that adds less than this share is left out: all of them together are below rounding.
const NEGLIGIBLE: f64 = 1e-18;

/// Positive nodes and weights of the 24-point Gauss-Legendre rule on [-1, 1].
const GAUSS_24: [(f64, f64); 12] = [
    (0.064_056_892_862_605_63, 0.127_938_195_346_752_16),
    (0.191_118_867_473_616_3, 0.125_837_456_346_828_3),
    (0.315_042_679_696_163_4, 0.121_670_472_927_803_39),
    (0.433_793_507_626_045_1, 0.115_505_668_053_725_6),
    (0.545_421_471_388_839_6, 0.107_444_270_115_965_63),
    (0.648_093_651_936_975_5, 0.097_618_652_104_113_88),
    (0.740_124_191_578_554_4, 0.086_190_161_531_953_27),
    (0.820_001_985_973_903, 0.073_346_481_411_080_3),
    (0.886_415_527_004_401_1, 0.059_298_584_915_436_78),
    (0.938_274_552_002_732_8, 0.044_277_438_817_419_81),
    (0.974_728_555_971_309_5, 0.028_531_388_628_933_663),
    (0.995_187_219_997_021_3, 0.012_341_229_799_987_2),
];

/// Natural variation on the scale of one statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Natural {
    /// `nu`: the mean that natural variation adds to the statistic. 0 where rows are independent.
    pub nu: f64,
    /// `K > 0`: the degrees of freedom of its Student tail, not necessarily whole.
    pub tail_df: f64,
}

impl Natural {
    /// No variation but that of sampling.
    pub const NONE: Self = Self {
        nu: 0.0,
        tail_df: 1.0,
    };
}

/// A test statistic that is chi-squared where nothing but sampling moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// `T >= 0`.
    pub value: f64,
    /// Its degrees of freedom. With 0 there is nothing to test: `T` is 0 and p is 1.
    pub df: usize,
}

impl ChiSquared {
    /// `P(chi2_df >= T)`: the p-value where rows are independent. A lower bound of
    /// [`Self::p_natural`], so that what does not reject here need not be integrated.
    pub fn p(self) -> f64 {
        chi2_sf(self.value, self.df)
    }

    /// `P(chi2_df + nu t_K^2 > T)`, relative error below 1e-10.
    ///
    /// About 100 to 300 evaluations of both factors, some ten microseconds.
    pub fn p_natural(self, natural: Natural) -> f64 {
        self.p_natural_until(natural, 1.0)
    }

    /// Whether [`Self::p_natural`] is at most `level`: the same answer, mostly for less.
    pub fn is_natural_at_most(self, natural: Natural, level: f64) -> bool {
        self.p_natural_until(natural, level) <= level
    }

    /// [`Self::p_natural`], or as much of that sum of positive terms as is above `enough`.
    fn p_natural_until(self, natural: Natural, enough: f64) -> f64 {
        let Natural { nu, tail_df } = natural;
        if self.value <= 0.0 {
            return 1.0;
        }
        if nu <= NU_SHARE_MIN * self.value {
            return self.p();
        }
        let student = StudentT::new(tail_df);
        let hi = (self.value / nu).sqrt();
        let mut p = student.sf_two_sided(hi);
        let mut from = 0.0;
        if p > enough {
            return p.min(1.0);
        }
        for to in panel_ends(self, hi) {
            if p > enough {
                break;
            }
            if to > from {
                // the density falls and the tail rises along a panel
                let height = student.pdf(hi * sin(from)) * self.exceeded_by(cos(to));
                if 2.0 * hi * height * (to - from) > p * NEGLIGIBLE {
                    p += 2.0 * hi * self.panel(student, hi, (from, to));
                }
            }
            from = from.max(to);
        }
        p.min(1.0)
    }

    /// A bound on `hi^2` for [`Self::p_natural`]: where `T < nu` times this, p is above `level`. At
    /// most `1 / NU_SHARE_MIN`, from where on p does not depend on `nu`.
    pub fn natural_reach(tail_df: f64, level: f64) -> f64 {
        let student = StudentT::new(tail_df);
        let (mut low, mut high) = (0.0, 1.0 / NU_SHARE_MIN);
        for _ in 0..REACH_STEPS {
            let middle = f64::midpoint(low, high);
            if student.sf_two_sided(middle.sqrt()) > level * (1.0 + REACH_MARGIN) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The smallest `T` whose p-value is at most `alpha`, within 1e-12 of it, for a line on a
    /// chart; 0 where `df` is 0 or `alpha` is 1 or more, at most 2^1023. By regula falsi on `ln p`
    /// with the Illinois step (Dowell & Jarratt 1971): some seven evaluations of
    /// [`Self::p_natural`].
    pub fn critical_value(alpha: f64, df: usize, natural: Natural) -> f64 {
        if df == 0 || alpha >= 1.0 {
            return 0.0;
        }
        let aim = log(alpha.max(f64::MIN_POSITIVE));
        let excess = |value: f64| {
            let p = Self { value, df }.p_natural(natural);
            log(p.max(f64::MIN_POSITIVE)) - aim
        };
        // p is at least what each of the two parts alone makes of it, and mostly less than alpha
        // where both are at their own critical values
        let (least, most) = if natural.nu > 0.0 {
            let sampled = Self::critical_value(alpha, df, Natural::NONE);
            let moved = natural.nu * StudentT::new(natural.tail_df).far_squared(alpha);
            let most = (sampled + moved).min(CRITICAL_VALUE_MAX);
            (sampled.max(moved * FAR_SHARE).min(most), most)
        } else {
            (0.0, 1.0)
        };
        let (mut low, mut high) = ((0.0, -aim), (least, excess(least)));
        if high.1 > 0.0 {
            (low, high) = (high, (most, excess(most)));
        }
        while high.1 > 0.0 && high.0 < CRITICAL_VALUE_MAX {
            low = high;
            high = (high.0 * 2.0, excess(high.0 * 2.0));
        }
        let mut kept_high = None;
        for _ in 0..STEPS_MAX {
            let secant = high.0 - high.1 * (high.0 - low.0) / (high.1 - low.1);
            let is_inside = low.0 < secant && secant < high.0;
            let value = if is_inside {
                secant
            } else {
                f64::midpoint(low.0, high.0)
            };
            let at = (value, excess(value));
            if at.1.abs() <= CRITICAL_TOLERANCE || value <= low.0 || value >= high.0 {
                return value;
            }
            // the end that stays twice in a row counts half
            if at.1 > 0.0 {
                high.1 *= if kept_high == Some(true) { 0.5 } else { 1.0 };
                (low, kept_high) = (at, Some(true));
            } else {
                low.1 *= if kept_high == Some(false) { 0.5 } else { 1.0 };
                (high, kept_high) = (at, Some(false));
            }
        }
        high.0
    }

    /// `P(chi2_df > T cos^2)`: what sampling must add where natural variation has explained the
    /// rest.
    fn exceeded_by(self, cosine: f64) -> f64 {
        chi2_sf(self.value * cosine * cosine, self.df)
    }

    /// `integral of f_K(hi sin a) P(chi2_df > T cos^2 a) cos a da` over one panel.
    fn panel(self, student: StudentT, hi: f64, (from, to): (f64, f64)) -> f64 {
        let (middle, half) = (f64::midpoint(from, to), (to - from) / 2.0);
        let at = |angle: f64| {
            let cosine = cos(angle);
            student.pdf(hi * sin(angle)) * self.exceeded_by(cosine) * cosine
        };
        let sum: f64 = GAUSS_24
            .iter()
            .map(|(node, weight)| weight * (at(middle - half * node) + at(middle + half * node)))
            .sum();
        half * sum
    }
}

/// Ascending right ends of the panels, as angles; the unused places repeat the last, a quarter
/// turn.
fn panel_ends(statistic: ChiSquared, hi: f64) -> [f64; PANELS_MAX] {
    let root = statistic.value.sqrt();
    let root_df = real_len(statistic.df).sqrt();
    let cuts = ROOT_CUTS
        .map(|cut| root_df + cut)
        .into_iter()
        .filter(|cut| (0.0..root).contains(cut));
    let mut ends = [FRAC_PI_2; PANELS_MAX];
    let mut places = ends.iter_mut();
    let mut x = 1.0;
    while x < hi {
        if let Some(place) = places.next() {
            *place = asin(x / hi);
        }
        x *= 3.0;
    }
    for (place, cut) in places.zip(cuts) {
        *place = acos(cut / root);
    }
    ends.sort_unstable_by(f64::total_cmp);
    ends
}

#[cfg(test)]
mod tests;
