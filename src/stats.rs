//! The statistics of drift: two histograms over the same bins in, numbers out.
//!
//! Everything here is a pure function of slices. The *reference* comes first, the *current* window
//! second; both are row counts per bin, in the same order and of the same length:
//!
//! ```text
//! reference r = [400, 300, 200, 100]   m = 1000 rows    p_j = r_j / m    F_j = p_1 + .. + p_j
//! current   c = [ 50,  40,  10,   0]   n =  100 rows    q_j = c_j / n    G_j = q_1 + .. + q_j
//! psi 0.400, less its bias under no change 0.033; G^2 29.2 on 3 degrees of freedom, p 2e-6
//! ```
//!
//! Three questions are kept apart:
//!
//! ```text
//! how far did it move?     psi, ks, distance, wasserstein, auc, rate      what a person is shown
//! is that only sampling?   deviance = location + shape, rate, novelty     chi-squared statistics
//! is that only Tuesday?    tail (with what dispersion has learned)        the p that can page
//! ```
//!
//! What holds throughout:
//! - **Preconditions are assertions, lack of data is a value.** Slices of different lengths are a
//!   bug of the caller and panic; an empty side is [`Insufficient`]. No function returns NaN or an
//!   infinity for counts of up to 10^12 a bin.
//! - **Differences are taken in integers.** `c_j m - r_j n` is exact in 128 bits, so two histograms
//!   that agree to nine digits still have scores that are right to more than nine digits.
//! - **The last bit does not depend on the machine.** Sums run in bin order, and transcendental
//!   functions come from the `libm` crate, never from the C library.

mod auc;
mod bh;
mod bias;
mod counts;
mod deviance;
mod dispersion;
mod distance;
mod ks;
mod location;
mod psi;
mod rate;
mod special;
mod tail;
mod wasserstein;

#[cfg(test)]
mod null_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
pub(crate) mod support;

pub use self::auc::{Auc, auc, auc_value};
pub use self::bh::bh_adjust;
pub use self::counts::{BIN_COUNT_MAX, Insufficient, harmonic_rows};
pub use self::deviance::{Deviance, deviance, deviance_bound, deviance_contributions};
pub use self::dispersion::{
    BLOCK_ROWS_MIN, BLOCKS_MIN, Block, Dispersion, TAIL_DF_MAX, TooFewBlocks, dispersion,
};
pub use self::distance::{Distances, distances};
pub use self::ks::{Ks, ks_binned};
pub use self::location::{Decomposition, decompose};
pub use self::psi::{
    Psi, kl_jeffreys, psi, psi_bias_first_order, psi_contributions, psi_threshold,
};
pub use self::rate::{Rate, RateDifference, novelty_p, rate_deviance, rate_difference};
pub use self::special::{chi2_sf, kolmogorov_q, normal_sf, t_pdf, t_sf_two_sided};
pub use self::tail::{ChiSquared, Natural};
pub use self::wasserstein::{Wasserstein, wasserstein};
