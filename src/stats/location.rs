//! The deviance of a numeric series split in two: did it move, or did it change shape?
//!
//! Give each bin its *ridit* (Bross 1958), the share `u_j = F_(j-1) + p_j / 2` of reference rows
//! below its middle. The window's mean ridit is `AUC = P(current > reference) + P(tie) / 2`, and
//! under no change
//!
//! ```text
//! effect = (AUC - 1/2) / sd_p(u)            T_loc = n_h effect^2  ~  chi2_1
//! ```
//!
//! the test of Wilcoxon and Mann & Whitney with midranks. Where bins are sparse its tail is too
//! heavy by factors of a thousand; the deviance's is not, so it is capped by the deviance `G`, and
//! the rest is what a shift does not explain:
//!
//! ```text
//! location = min(T_loc, G)  on 1           shape = G - location  on df - 1 degrees of freedom
//! ```
//!
//! A shift of a tenth of a sigma is found on 1 degree of freedom where 15 would drown it, and the
//! two parts tell the reader what moved.

use super::counts::{Insufficient, Pair, real, real_wide};
use super::deviance::deviance;
use super::tail::ChiSquared;

/// The spread of ridits in the limit of many small bins: a uniform distribution's.
const UNIFORM_SD: f64 = 0.288_675_134_594_812_9;

/// The two parts of a deviance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decomposition {
    /// The part of a shift, 1 degree of freedom.
    pub location: ChiSquared,
    /// The rest; `None` where fewer than three bins hold rows, which leaves nothing but a shift.
    pub shape: Option<ChiSquared>,
    /// By how many standard deviations of its ridits the series moved, positive when upwards.
    pub effect: f64,
    /// `P(current > reference) + P(tie) / 2`: 1/2 without a shift.
    pub auc: f64,
}

/// Splits the corrected deviance of two histograms of a numeric series into location and shape.
///
/// `reference` and `current` are row counts of the same bins, ascending.
///
/// Two special cases: where only two bins hold rows, the deviance itself is the test of location;
/// and where all reference rows lie in one bin, ridits have no spread, any shift is infinitely many
/// of their standard deviations, and the cap decides (the effect is then given in those of a
/// uniform distribution).
///
/// # Panics
/// Where the two are of different length.
pub fn decompose(reference: &[u64], current: &[u64]) -> Result<Decomposition, Insufficient> {
    let pair = Pair::new(reference, current)?;
    let whole = deviance(reference, current)?.corrected();
    let Ridits { shift, sd } = ridits(pair);
    let effect = shift / if sd > 0.0 { sd } else { UNIFORM_SD };
    let uncapped = if sd > 0.0 {
        pair.harmonic_rows() * effect * effect
    } else {
        shift.abs() * f64::MAX
    };
    let split = pair.bins_filled() > 2;
    let value = if split {
        uncapped.min(whole.value)
    } else {
        whole.value
    };
    let shape = split.then(|| ChiSquared {
        value: whole.value - value,
        df: whole.df - 1,
    });
    Ok(Decomposition {
        location: ChiSquared { value, df: 1 },
        shape,
        effect,
        auc: 0.5 + shift,
    })
}

/// What the ridits of the reference say of the window.
struct Ridits {
    /// `AUC - 1/2`.
    shift: f64,
    /// `sd_p(u)`, 0 where the reference lies in one bin.
    sd: f64,
}

/// In units of half rows, so that the integers stay whole: `2 m u_j = 2 R_(j-1) + r_j`, mean `m`.
fn ridits(pair: Pair<'_>) -> Ridits {
    let m = pair.m();
    let (mut below, mut moved, mut variance) = (0_u64, 0_i128, 0.0);
    for (reference, current) in pair.cells() {
        let centred =
            2 * i128::from(below) + i128::from(reference) - i128::from(pair.reference_rows);
        moved += i128::from(current) * centred;
        let share_off_centre = real_wide(centred) / (2.0 * m);
        variance += real(reference) / m * share_off_centre * share_off_centre;
        below += reference;
    }
    Ridits {
        shift: real_wide(moved) / (2.0 * m * pair.n()),
        sd: variance.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::{close, finite, histograms};
    use crate::stats::{auc, deviance};

    #[test]
    fn a_shift_is_location_and_a_spread_is_shape() {
        let reference = [100; 5];
        let up = decompose(&reference, &[40, 70, 100, 130, 160]).unwrap();
        assert!(up.effect > 0.0 && up.location.p() < 1e-6 && up.shape.unwrap().p() > 0.05);
        let wider = decompose(&reference, &[170, 60, 40, 60, 170]).unwrap();
        assert!(wider.location.p() > 0.99 && wider.shape.unwrap().p() < 1e-6);
    }

    #[test]
    fn two_bins_leave_nothing_but_a_shift() {
        let split = decompose(&[90, 0, 10], &[70, 0, 30]).unwrap();
        let whole = deviance(&[90, 10], &[70, 30]).unwrap().corrected();
        assert_eq!((split.location, split.shape), (whole, None));
    }

    #[test]
    fn a_constant_that_moves_is_a_shift_and_one_that_spreads_is_not() {
        let up = decompose(&[0, 1_000, 0, 0], &[0, 80, 10, 10]).unwrap();
        assert!(up.effect > 0.0 && up.location.value > 0.0 && up.shape.unwrap().value <= 0.0);
        let spread = decompose(&[0, 1_000, 0], &[10, 80, 10]).unwrap();
        assert!(spread.effect.abs() <= 0.0 && spread.location.value <= 0.0);
        assert!(spread.shape.unwrap().p() < 1e-6);
    }

    #[test]
    fn a_constant_that_stays_has_no_statistic() {
        let split = decompose(&[0, 1_000, 0], &[0, 80, 0]).unwrap();
        assert_eq!(split.location, ChiSquared { value: 0.0, df: 1 });
        assert_eq!((split.shape, split.effect, split.auc), (None, 0.0, 0.5));
    }

    proptest! {
        /// 0 <= location <= G, location + shape = G, degrees of freedom add up, all finite
        #[test]
        fn the_parts_make_the_whole((reference, current) in histograms()) {
            let split = decompose(&reference, &current).unwrap();
            let whole = deviance(&reference, &current).unwrap().corrected();
            finite(&[split.location.value, split.effect, split.auc]);
            prop_assert!((0.0..=whole.value).contains(&split.location.value));
            let (rest, df) = split.shape.map_or((0.0, 0), |shape| (shape.value, shape.df));
            close(split.location.value + rest, whole.value, 1e-12);
            prop_assert_eq!(split.location.df + df, whole.df);
            prop_assert!(rest >= 0.0);
        }

        /// Turned around, the effect changes its sign and nothing else changes.
        #[test]
        fn down_is_up_turned_around((mut reference, mut current) in histograms()) {
            let up = decompose(&reference, &current).unwrap();
            reference.reverse();
            current.reverse();
            let down = decompose(&reference, &current).unwrap();
            close(down.effect, -up.effect, 1e-12);
            close(down.location.value, up.location.value, 1e-12);
        }

        /// The effect has the sign of AUC - 1/2, and the AUC is the one of the module `auc`.
        #[test]
        fn the_auc_is_the_auc((reference, current) in histograms()) {
            let split = decompose(&reference, &current).unwrap();
            let area = auc(&reference, &current, &vec![true; reference.len()]).unwrap();
            prop_assert!((split.auc - area.value).abs() <= 1e-15);
            prop_assert!(split.effect * (split.auc - 0.5) >= 0.0);
        }
    }
}
