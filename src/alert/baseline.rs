//! What a window is compared with: the whole reference, or what it was at hours like these.
//!
//! At hour `t` of a window, in bucket `b`, `n_t` rows are expected to be spread as the bucket is,
//! drawn towards the whole by as much as the bucket's own rows are few (empirical Bayes):
//!
//! ```text
//! e_b = (prof_b + A e_0) / (n_b + A)          A = 1 / spread     e_0 the whole reference's shares
//! E   = sum n_t e_b / sum n_t                 what the window should look like
//! m   = (sum n_t)^2 / sum (n_t^2 / (n_b + A)) what that expectation is worth in rows, at most all
//! kappa = 1 + mean of 1 / K_b                 `K_b` the hours counted in the bucket
//! ```
//!
//! Worked example: at night half of 1,000 rows a night are `A` instead of a tenth. A window of
//! nights is then expected to have half of them, and is worth the rows of all nights.
//!
//! The expectation goes into the tests as counts, rounded to whole rows: that moves a cell by at
//! most half a row, which is small beside its own sampling error.

use libm::round;

use super::counts::SeriesCounts;
use crate::stats::Rate;

/// What is expected of a window of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Rows in each test bin.
    pub values: Vec<u64>,
    /// The uncertainty of their mean, at least 1.
    pub values_kappa: f64,
    /// Rows without a value, of all.
    pub missing: Rate,
    /// The uncertainty of that, at least 1.
    pub missing_kappa: f64,
    /// Rows of another type, of all.
    pub invalid: Rate,
    /// Values that the reference had not seen either, of those present.
    pub novel: Option<Rate>,
}

impl Expected {
    /// All windows should look like this.
    pub fn global(reference: &SeriesCounts) -> Self {
        Self {
            values: reference.values.clone(),
            values_kappa: 1.0,
            missing: reference.missing_rate(),
            missing_kappa: 1.0,
            invalid: reference.invalid_rate(),
            novel: reference.novel_rate(),
        }
    }

    /// A window should look like these hours did.
    pub fn at_hours(reference: &SeriesCounts, spread: [f64; 2], hours: &[Hour<'_>]) -> Self {
        let mut expected = Self::global(reference);
        let [values, missing] = spread;
        let of_values = hours.iter().map(|hour| Bucket {
            rows: hour.present,
            counts: hour.values,
            hours: hour.hours,
        });
        if let Some(mix) = mix(&reference.values, values, of_values) {
            expected.values = mix.counts;
            expected.values_kappa = mix.kappa;
        }
        if missing <= 0.0 {
            return expected;
        }
        let cells: Vec<[u64; 2]> = hours.iter().map(|hour| hour.missing.cells()).collect();
        let of_missing = hours.iter().zip(&cells).map(|(hour, cells)| Bucket {
            rows: hour.rows,
            counts: cells,
            hours: hour.hours,
        });
        if let Some(mix) = mix(&reference.missing_rate().cells(), missing, of_missing)
            && let [hits, rest] = mix.counts[..]
        {
            expected.missing = Rate::new(hits, hits + rest);
            expected.missing_kappa = mix.kappa;
        }
        expected
    }
}

/// An hour of a window, and what its bucket was like in the reference.
#[derive(Debug, Clone, Copy)]
pub struct Hour<'a> {
    /// Rows of the window with a value of the series.
    pub present: u64,
    /// Rows of the window that carry the series.
    pub rows: u64,
    /// The counts of the bucket in test bins.
    pub values: &'a [u64],
    /// Rows of the bucket without a value.
    pub missing: Rate,
    /// Hours that were counted in the bucket.
    pub hours: u32,
}

impl<'a> Hour<'a> {
    /// An hour, by the counts of a block: the test bins, then missing and invalid.
    pub fn of_block((present, rows): (u64, u64), block: &'a [u64], hours: u32) -> Self {
        let (values, rest) = block
            .split_at_checked(block.len().saturating_sub(2))
            .unwrap_or_default();
        let missing = rest.first().copied().unwrap_or(0);
        Self {
            present,
            rows,
            values,
            missing: Rate::new(missing, block.iter().sum()),
            hours,
        }
    }
}

struct Bucket<'a> {
    /// `n_t`.
    rows: u64,
    /// `prof_b`.
    counts: &'a [u64],
    /// `K_b`.
    hours: u32,
}

struct Mix {
    counts: Vec<u64>,
    kappa: f64,
}

/// The expectation over hours; `None` where the whole is as good: no rows, or buckets alike.
fn mix<'a>(whole: &[u64], spread: f64, hours: impl Iterator<Item = Bucket<'a>>) -> Option<Mix> {
    let all: u64 = whole.iter().sum();
    if spread <= 0.0 || all == 0 {
        return None;
    }
    let strength = 1.0 / spread;
    // what the whole adds to each bin of a bucket: `A e_0`
    let drawn: Vec<f64> = whole
        .iter()
        .map(|whole| strength * real(*whole) / real(all))
        .collect();
    let mut shares = vec![0.0; whole.len()];
    let (mut rows, mut variance, mut inverse_hours) = (0.0, 0.0, 0.0);
    for hour in hours.filter(|hour| hour.rows > 0) {
        let n = real(hour.rows);
        let worth = real(hour.counts.iter().sum()) + strength;
        for ((share, count), drawn) in shares.iter_mut().zip(hour.counts).zip(&drawn) {
            *share += n * (real(*count) + drawn) / worth;
        }
        rows += n;
        variance += n * n / worth;
        inverse_hours += n / f64::from(hour.hours.max(1));
    }
    if rows <= 0.0 {
        return None;
    }
    let worth = (rows * rows / variance).min(real(all));
    let counts = shares.iter().map(|share| whole_rows(share / rows * worth));
    Some(Mix {
        counts: counts.collect(),
        kappa: 1.0 + inverse_hours / rows,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, not negative, and at most the rows of a reference"
)]
fn whole_rows(rows: f64) -> u64 {
    round(rows) as u64
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
    use proptest::prelude::*;

    use super::*;

    fn counts(values: &[u64], missing: u64) -> SeriesCounts {
        SeriesCounts {
            values: values.to_vec(),
            missing,
            invalid: 0,
            novel: Some(0),
        }
    }

    /// The example of the header: nights are half `A`, days a twentieth.
    #[test]
    fn a_night_is_expected_to_look_like_nights() {
        let (night, day) = ([5_000, 5_000, 0, 0], [4_500, 85_500, 0, 0]);
        let whole = counts(&[9_500, 90_500], 0);
        let nights = Hour::of_block((100, 100), &night, 10);
        let expected = Expected::at_hours(&whole, [0.1, 0.0], &[nights]);
        let rows: u64 = expected.values.iter().sum();
        assert_eq!(rows, 10_010);
        assert!(
            (4_990..5_010).contains(&expected.values[0]),
            "{:?}",
            expected.values
        );
        assert!((expected.values_kappa - 1.1).abs() < 1e-12);
        let days = Hour::of_block((900, 900), &day, 10);
        let mixed = Expected::at_hours(&whole, [0.1, 0.0], &[nights, days]);
        let share = real(mixed.values[0]) / real(mixed.values.iter().sum());
        assert!((share - 0.095).abs() < 1e-3, "{share}");
        assert_eq!(mixed.missing, whole.missing_rate());
    }

    #[test]
    fn buckets_that_are_alike_are_the_whole() {
        let whole = counts(&[10, 20, 30], 5);
        let hour = Hour::of_block((9, 9), &[10, 20, 30, 5, 0], 3);
        let alike = Expected::at_hours(&whole, [0.0, 0.0], &[hour]);
        assert_eq!(alike, Expected::global(&whole));
        let empty = Hour {
            present: 0,
            rows: 0,
            ..hour
        };
        assert_eq!(
            Expected::at_hours(&whole, [1.0, 1.0], &[empty]),
            Expected::global(&whole)
        );
    }

    proptest! {
        /// An expectation is worth no more rows than the reference has, up to rounding, and every
        /// number is one.
        #[test]
        fn an_expectation_is_worth_at_most_the_whole(
            buckets in prop::collection::vec(
                (prop::collection::vec(0_u64..500, 3), 0_u64..99), 1..6,
            ),
            spread in 0.0..2.0_f64,
        ) {
            let bucket = |(values, rows): &(Vec<u64>, u64)| {
                ([&values[..], &[rows / 9, 0]].concat(), *rows)
            };
            let all: Vec<_> = buckets.iter().map(bucket).collect();
            let mut whole = counts(&[1, 0, 0], 0);
            for (values, rows) in &buckets {
                whole.add(&counts(values, rows / 9));
            }
            let hours: Vec<_> = all.iter()
                .map(|(bucket, rows)| Hour::of_block((*rows, *rows), bucket, 2))
                .collect();
            let expected = Expected::at_hours(&whole, [spread, spread], &hours);
            prop_assert!(expected.values.iter().sum::<u64>() <= whole.present() + 2);
            prop_assert!(expected.values_kappa >= 1.0 && expected.values_kappa <= 1.5);
        }
    }
}
