//! How much a series moves by itself: learned from blocks of a healthy period.
//!
//! Cut the reference into blocks as long as the window, test each block against the rest, and see
//! by how much the statistics exceed what sampling makes of them (`E T = df`). With
//! `g_k = T_k / df_k`:
//!
//! ```text
//! rho   = lag-1 autocorrelation of g between adjacent blocks, within [0, 0.95]
//! K_eff = max(2, K (1 - rho) / (1 + rho))                       what the K blocks are worth
//! tau   = max(0, sum (g_k - 1) / sum (n_h,k kappa_k)) (1 + 1 / K_eff)
//! nu    = df n_h tau kappa                                      for a window, see the module tail
//! ```
//!
//! `tau df` is in units of PSI: the drift that is natural here. `kappa = 1 + 1 / K_b` accounts for
//! a baseline that is itself the mean of `K_b` blocks of an hour's bucket; it is 1 for the global
//! one. The estimate is that of moments, as for the design effect of Rao & Scott (1981).

use std::error::Error;
use std::fmt;

use super::counts::{real, real_len};
use super::tail::{ChiSquared, Natural};

/// A block of fewer rows says nothing and is left out.
pub const BLOCK_ROWS_MIN: u64 = 5;
/// With fewer blocks nothing is learned: take shorter blocks or wait.
pub const BLOCKS_MIN: usize = 8;
/// The Student tail has at most as many degrees of freedom, however many blocks there are.
pub const TAIL_DF_MAX: f64 = 16.0;
/// Beyond this the autocorrelation of a few blocks is not to be believed.
const RHO_MAX: f64 = 0.95;
/// Two blocks are worth at least this, as are more.
const BLOCKS_EFFECTIVE_MIN: f64 = 2.0;

/// One block of the healthy period, tested against the rest of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Its place in time: neighbours differ by 1. Gaps are allowed.
    pub position: i64,
    /// Its rows.
    pub rows: u64,
    /// Its statistic against the baseline without it.
    pub statistic: ChiSquared,
    /// `n_h` of its rows and the baseline's.
    pub harmonic_rows: f64,
    /// `kappa >= 1`, the uncertainty of the baseline's own mean; 1 for the global baseline.
    pub kappa: f64,
}

/// What blocks taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// `tau >= 0`: natural variance between blocks, per degree of freedom and row.
    pub tau: f64,
    /// The autocorrelation of neighbouring blocks, 0 to 0.95.
    pub rho: f64,
    /// `K_eff`, at least 2.
    pub blocks_effective: f64,
    /// Blocks that counted.
    pub blocks: usize,
}

impl Dispersion {
    /// `tau df`: the PSI that is natural between a block and the rest.
    pub fn natural_psi(self, df: usize) -> f64 {
        self.tau * real_len(df)
    }

    /// `K`: the degrees of freedom of the Student tail, 2 to 16.
    pub fn tail_df(self) -> f64 {
        self.blocks_effective.min(TAIL_DF_MAX)
    }

    /// Natural variation on the scale of a window's statistic of `df` degrees of freedom.
    pub fn natural(self, df: usize, harmonic_rows: f64, kappa: f64) -> Natural {
        Natural {
            nu: self.natural_psi(df) * harmonic_rows * kappa,
            tail_df: self.tail_df(),
        }
    }
}

/// Fewer blocks than [`BLOCKS_MIN`] can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewBlocks {
    /// Blocks with enough rows.
    pub usable: usize,
}

impl fmt::Display for TooFewBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} blocks with enough rows, {BLOCKS_MIN} are needed",
            self.usable
        )
    }
}

impl Error for TooFewBlocks {}

/// Learns the dispersion from blocks in order of position.
///
/// Left out are blocks of fewer than [`BLOCK_ROWS_MIN`] rows, and those whose statistic has no
/// degree of freedom or whose baseline is empty.
pub fn dispersion(blocks: &[Block]) -> Result<Dispersion, TooFewBlocks> {
    debug_assert!(
        blocks.is_sorted_by(|a, b| a.position < b.position),
        "blocks must ascend"
    );
    let (mut count, mut excess, mut size) = (0, 0.0, 0.0);
    for block in blocks.iter().filter(|block| block.counts()) {
        count += 1;
        excess += block.ratio() - 1.0;
        size += block.harmonic_rows * block.kappa;
    }
    if count < BLOCKS_MIN {
        return Err(TooFewBlocks { usable: count });
    }
    let mean = excess / real_len(count) + 1.0;
    let rho = autocorrelation(blocks, count, mean);
    let blocks_effective = (real_len(count) * (1.0 - rho) / (1.0 + rho)).max(BLOCKS_EFFECTIVE_MIN);
    let tau = (excess / size).max(0.0) * (1.0 + 1.0 / blocks_effective);
    Ok(Dispersion {
        tau,
        rho,
        blocks_effective,
        blocks: count,
    })
}

impl Block {
    fn counts(&self) -> bool {
        self.rows >= BLOCK_ROWS_MIN && self.statistic.df > 0 && self.harmonic_rows > 0.0
    }

    /// `g = T / df`.
    fn ratio(&self) -> f64 {
        self.statistic.value / real_len(self.statistic.df)
    }
}

/// The lag-1 autocorrelation over adjacent blocks only. With gaps, products and squares are means
/// over what there is; without, this is the usual `sum over K - 1 products / sum over K squares`.
fn autocorrelation(blocks: &[Block], count: usize, mean: f64) -> f64 {
    let (mut squares, mut products, mut pairs) = (0.0, 0.0, 0_u64);
    let mut before: Option<(i64, f64)> = None;
    for block in blocks.iter().filter(|block| block.counts()) {
        let off = block.ratio() - mean;
        squares += off * off;
        if let Some((position, off_before)) = before
            && position.checked_add(1) == Some(block.position)
        {
            products += off * off_before;
            pairs += 1;
        }
        before = Some((block.position, off));
    }
    if squares <= 0.0 || pairs == 0 {
        return 0.0;
    }
    let mean_product = products / real(pairs);
    (mean_product * real_len(count - 1) / squares).clamp(0.0, RHO_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::{close, finite};

    fn block(position: i64, value: f64) -> Block {
        Block {
            position,
            rows: 1_000,
            statistic: ChiSquared { value, df: 4 },
            harmonic_rows: 900.0,
            kappa: 1.0,
        }
    }

    fn blocks(values: &[f64]) -> Vec<Block> {
        (0..)
            .zip(values)
            .map(|(position, &value)| block(position, value))
            .collect()
    }

    #[test]
    fn blocks_that_differ_as_samples_do_have_no_dispersion() {
        let learned = dispersion(&blocks(&[4.0; 8])).unwrap();
        assert_eq!(
            (learned.tau, learned.rho, learned.blocks_effective),
            (0.0, 0.0, 8.0)
        );
        let calm = dispersion(&blocks(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0, 1.0])).unwrap();
        close(calm.tau, 0.0, 0.0);
    }

    #[test]
    fn fewer_than_eight_usable_blocks_teach_nothing() {
        let mut eight = blocks(&[9.0; 8]);
        assert!(dispersion(&eight).is_ok());
        eight[3].rows = BLOCK_ROWS_MIN - 1;
        let refused = dispersion(&eight).unwrap_err();
        assert_eq!(refused, TooFewBlocks { usable: 7 });
        assert_eq!(
            refused.to_string(),
            "7 blocks with enough rows, 8 are needed"
        );
        assert_eq!(dispersion(&[]), Err(TooFewBlocks { usable: 0 }));
    }

    #[test]
    fn a_slow_wave_is_worth_fewer_blocks() {
        let wave = [4.0, 8.0, 12.0, 16.0, 20.0, 16.0, 12.0, 8.0, 4.0, 4.0];
        let learned = dispersion(&blocks(&wave)).unwrap();
        assert!(learned.rho > 0.5 && learned.blocks_effective < 4.0);
        let mut shuffled = wave;
        shuffled.swap(1, 7);
        shuffled.swap(4, 8);
        shuffled.swap(2, 9);
        assert!(dispersion(&blocks(&shuffled)).unwrap().rho < 0.2);
    }

    /// g = 1, 3, 1, 3, .. in runs of two: within a run neighbours agree, across they differ.
    #[test]
    fn blocks_apart_are_no_neighbours() {
        let values = [4.0, 4.0, 12.0, 12.0, 4.0, 4.0, 12.0, 12.0];
        let close_by = dispersion(&blocks(&values)).unwrap();
        close(close_by.rho, 1.0 / 8.0, 1e-12);
        let mut apart = blocks(&values);
        for (block, gap) in apart.iter_mut().zip([0, 0, 1, 1, 2, 2, 3, 3]) {
            block.position += gap;
        }
        // four neighbouring pairs, all alike: mean product 1, mean square 1, times 7/8
        close(dispersion(&apart).unwrap().rho, 7.0 / 8.0, 1e-12);
        for (block, place) in apart.iter_mut().zip(0..) {
            block.position = 2 * place;
        }
        close(dispersion(&apart).unwrap().rho, 0.0, 0.0);
    }

    #[test]
    fn the_natural_part_of_a_statistic_grows_with_rows_and_degrees_of_freedom() {
        let learned = Dispersion {
            tau: 1e-3,
            rho: 0.0,
            blocks_effective: 40.0,
            blocks: 40,
        };
        let natural = learned.natural(9, 500.0, 1.25);
        close(natural.nu, 9.0 * 500.0 * 1e-3 * 1.25, 1e-12);
        close(natural.tail_df, TAIL_DF_MAX, 0.0);
        close(learned.natural_psi(9), 9e-3, 1e-12);
    }

    proptest! {
        /// 0 <= tau, 0 <= rho <= 0.95, 2 <= K_eff <= K, finite; and kappa halves what n_h doubles
        #[test]
        fn any_blocks_teach_numbers(
            values in prop::collection::vec(0.0..1e12_f64, 8..40), kappa in 1.0..2.0_f64,
        ) {
            let mut blocks = blocks(&values);
            let learned = dispersion(&blocks).unwrap();
            finite(&[learned.tau, learned.rho, learned.blocks_effective]);
            prop_assert!(learned.tau >= 0.0 && (0.0..=0.95).contains(&learned.rho));
            prop_assert!((2.0..=real_len(values.len())).contains(&learned.blocks_effective));
            for block in &mut blocks {
                block.kappa = kappa;
            }
            close(dispersion(&blocks).unwrap().tau, learned.tau / kappa, 1e-9);
        }
    }
}
