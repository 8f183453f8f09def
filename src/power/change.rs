//! What may change in a series, and what its shares then are.
//!
//! ```text
//! mean      of numbers, up by d sigma. The reference's own distribution is taken for a bent normal
//!           one: the share below its k-th bin is Phi(a_k), and becomes Phi(a_k - d)
//! missing   so many points more of all rows have no value
//! category  the largest one loses so many points, to the others by their shares
//! ```
//!
//! So values stay where the reference has some, and of normal numbers `d` is the shift of the mean
//! in their standard deviations; of others it is a shift of ranks as large.

use crate::alert::baseline::Expected;
use crate::alert::counts::SeriesCounts;
use crate::layout::{Category, Cell, Kind, SeriesLayout};
use crate::stats::normal_sf;

/// The largest shift of a mean that is tried, in sigma.
const SHIFT_MAX: f64 = 5.0;

/// Quantiles of a normal distribution are looked for within so many sigma.
const NORMAL_MAX: f64 = 10.0;

/// Halvings that find one.
const HALVINGS: u32 = 50;

/// What changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The mean, in sigma.
    Mean,
    /// The share of rows without a value.
    Missing,
    /// The share of the largest category: its test bin, and its name where it is known.
    Category(usize, Option<Box<str>>),
}

/// What is tried of a series with these counts.
pub(super) fn of(layout: &SeriesLayout, whole: &SeriesCounts) -> Vec<Change> {
    let bins = whole.values.iter().enumerate();
    let largest = bins.max_by_key(|(bin, count)| (**count, usize::MAX - bin));
    let mut all = Vec::new();
    if let Some((bin, _)) = largest.filter(|(_, count)| **count > 0) {
        if layout.kind() == Kind::Numeric {
            all.push(Change::Mean);
        } else {
            let name = match layout.cell(bin) {
                Some(Cell::Category(Category::Text(text))) => Some(text.clone()),
                _ => None,
            };
            all.push(Change::Category(bin, name));
        }
    }
    all.push(Change::Missing);
    all
}

impl Change {
    /// The largest size there is.
    pub(super) fn largest(&self, usual: &Shares) -> f64 {
        match self {
            Self::Mean => SHIFT_MAX,
            Self::Missing => 1.0 - usual.missing - usual.invalid,
            Self::Category(bin, _) => usual.values.get(*bin).copied().unwrap_or(0.0),
        }
    }

    /// What shares become.
    pub(super) fn apply(&self, usual: &Shares, size: f64) -> Shares {
        let mut changed = usual.clone();
        match self {
            Self::Mean => changed.values = shifted(&usual.values, size),
            Self::Missing => changed.missing += size,
            Self::Category(bin, _) => {
                let own = usual.values.get(*bin).copied().unwrap_or(0.0);
                let others = (1.0 - own).max(f64::MIN_POSITIVE);
                for (place, share) in changed.values.iter_mut().enumerate() {
                    if place == *bin {
                        *share -= size;
                    } else {
                        *share *= 1.0 + size / others;
                    }
                }
            }
        }
        changed
    }
}

/// Shares of a series: of values among those present, of the rest among all rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shares {
    values: Vec<f64>,
    missing: f64,
    invalid: f64,
}

impl Shares {
    /// Those of what is expected.
    pub(super) fn of(expected: &Expected) -> Self {
        let all: u64 = expected.values.iter().sum();
        let share = |count: &u64| real(*count) / real(all.max(1));
        Self {
            values: expected.values.iter().map(share).collect(),
            missing: expected.missing.value(),
            invalid: expected.invalid.value(),
        }
    }

    /// These shares, but for `part` of the rows, which have those of `changed`.
    pub(super) fn mixed(&self, changed: &Self, part: f64) -> Self {
        let mix = |old: f64, new: f64| old + part * (new - old);
        let values = self.values.iter().zip(&changed.values);
        Self {
            values: values.map(|(old, new)| mix(*old, *new)).collect(),
            missing: mix(self.missing, changed.missing),
            invalid: mix(self.invalid, changed.invalid),
        }
    }

    /// So many rows; every sum from the left is rounded, so that all rows are there.
    pub(super) fn counts(&self, rows: f64) -> SeriesCounts {
        let missing = whole(rows * self.missing);
        let invalid = whole(rows * self.invalid);
        let present = (rows - real(missing) - real(invalid)).max(0.0);
        let (mut sum, mut before) = (0.0, 0);
        let values = self.values.iter().map(|share| {
            sum += share;
            let to = whole(present * sum);
            let count = to.saturating_sub(before);
            before = to;
            count
        });
        SeriesCounts {
            values: values.collect(),
            missing,
            invalid,
            // no change here makes values that the reference never saw
            novel: None,
        }
    }
}

#[cfg(test)]
impl Shares {
    /// So many rows by chance.
    pub(super) fn drawn(
        &self,
        random: &mut crate::stats::support::SplitMix,
        rows: usize,
    ) -> SeriesCounts {
        let present = 1.0 - self.missing - self.invalid;
        let shares: Vec<f64> = [self.missing, self.invalid]
            .into_iter()
            .chain(self.values.iter().map(|share| share * present))
            .collect();
        let counts = random.multinomial(&shares, rows);
        SeriesCounts {
            values: counts[2..].to_vec(),
            missing: counts[0],
            invalid: counts[1],
            novel: None,
        }
    }
}

/// The shares of a bent normal distribution whose mean went up.
fn shifted(shares: &[f64], by: f64) -> Vec<f64> {
    let mut above = 1.0;
    let mut above_then = 1.0;
    let one = |share: &f64| {
        above = (above - share).max(0.0);
        // rounding must not leave values above the last bin
        let above_now = if above < f64::EPSILON {
            0.0
        } else {
            normal_sf(normal_quantile(above) - by)
        };
        let now = above_then - above_now;
        above_then = above_now;
        now.max(0.0)
    };
    shares.iter().map(one).collect()
}

/// Where a standard normal is above with this probability.
fn normal_quantile(above: f64) -> f64 {
    let (mut low, mut high) = (-NORMAL_MAX, NORMAL_MAX);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if normal_sf(middle) > above {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and not negative; rows of a window are far below 2^53"
)]
fn whole(rows: f64) -> u64 {
    libm::round(rows) as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "references have fewer than 2^53 rows"
)]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_shifts_by_sigmas_and_stays_on_its_values() {
        // the quartiles of a normal: shifted by the distance from the median to the third one
        let quartile = normal_quantile(0.25);
        let up = shifted(&[0.25; 4], quartile);
        assert!(
            (up[3] - 0.5).abs() < 1e-9 && (up[3] + up[2] - 0.75).abs() < 1e-9,
            "{up:?}"
        );
        let atoms = shifted(&[0.0, 0.5, 0.0, 0.5, 0.0], 0.3);
        assert!(
            atoms[1] < 0.5 && (atoms[1] + atoms[3] - 1.0).abs() < 1e-12,
            "{atoms:?}"
        );
        assert_eq!((atoms[0], atoms[2], atoms[4]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_largest_category_loses_to_the_others_by_their_shares() {
        let usual = Shares {
            values: vec![0.6, 0.3, 0.1],
            missing: 0.5,
            invalid: 0.0,
        };
        let changed = Change::Category(0, None).apply(&usual, 0.2);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{changed:?}");
        close(changed.values[0], 0.4);
        close(changed.values[1], 0.45);
        close(changed.values[2], 0.15);
        let counts = usual.mixed(&changed, 0.5).counts(100.0);
        assert_eq!((counts.values, counts.missing), (vec![25, 19, 6], 50));
    }
}
