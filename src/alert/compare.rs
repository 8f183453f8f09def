//! A window of a series against what is expected of it: one statistic for each test.
//!
//! ```text
//! numeric               location + shape = G     missing  invalid  range
//! categorical, boolean  dist = G                 missing  invalid  novelty
//! ```
//!
//! `G` is the two-sample deviance over the test bins with the correction of Williams, the others
//! are deviances of two cells. See `deviance`, `location` and `rate` in [`crate::stats`].

use super::Test;
use super::baseline::Expected;
use super::counts::SeriesCounts;
use crate::layout::Kind;
use crate::reference::natural::Part;
use crate::stats::{self, ChiSquared, Psi, Rate};

/// Rows that a test needs; with fewer it is not made.
pub const ROWS_MIN: u64 = 5;

/// One test of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// Which one.
    pub test: Test,
    /// Its statistic, chi-squared where only sampling differs.
    pub statistic: ChiSquared,
    /// `n_h` of the rows of both sides.
    pub harmonic_rows: f64,
    /// The uncertainty of the baseline's own mean, at least 1.
    pub kappa: f64,
    /// Rows of the window that the test is over.
    pub rows: u64,
    /// A probability that p is not below, from an exact test; 0 where there is none.
    pub p_least: f64,
}

/// All tests of a series that there are rows for on both sides, in the order of [`Test::ALL`].
pub fn compare(kind: Kind, expected: &Expected, current: &SeriesCounts) -> Vec<Compared> {
    compare_some(kind, expected, current, |_any| true)
}

/// As [`compare`], the parts that are wanted only.
pub(super) fn compare_some(
    kind: Kind,
    expected: &Expected,
    current: &SeriesCounts,
    wanted: impl Fn(Part) -> bool,
) -> Vec<Compared> {
    let mut all = Vec::with_capacity(5);
    if wanted(Part::Main) || wanted(Part::Shape) {
        values(kind, expected, current, &mut all);
    }
    let rates = [
        (
            Test::Missing,
            expected.missing,
            current.missing_rate(),
            expected.missing_kappa,
        ),
        (Test::Invalid, expected.invalid, current.invalid_rate(), 1.0),
    ];
    all.extend(
        rates
            .into_iter()
            .filter(|(test, ..)| test.part().is_some_and(&wanted))
            .filter_map(|(test, then, now, kappa)| rate(test, then, now, kappa)),
    );
    let novelty = match kind {
        Kind::Numeric => Test::Range,
        Kind::Categorical | Kind::Boolean => Test::Novelty,
    };
    let novel = expected.novel.zip(current.novel_rate());
    if let Some((then, now)) = novel.filter(|_| wanted(Part::Novelty)) {
        all.extend(rate(novelty, then, now, 1.0).map(|mut test| {
            let [seen, _] = then.cells();
            let [novel, others] = now.cells();
            if seen == 0 {
                test.p_least = stats::novelty_p(novel, novel + others, rows_of(then));
            }
            test
        }));
    }
    all
}

fn values(kind: Kind, expected: &Expected, current: &SeriesCounts, all: &mut Vec<Compared>) {
    let (then, now) = (expected.values.as_slice(), current.values.as_slice());
    let rows = current.present();
    if rows < ROWS_MIN {
        return;
    }
    let compared = |test, statistic| Compared {
        test,
        statistic,
        harmonic_rows: stats::harmonic_rows(then.iter().sum(), rows),
        kappa: expected.values_kappa,
        rows,
        p_least: 0.0,
    };
    match kind {
        Kind::Numeric => {
            if let Ok(split) = stats::decompose(then, now) {
                all.push(compared(Test::Location, split.location));
                all.extend(split.shape.map(|shape| compared(Test::Shape, shape)));
            }
        }
        Kind::Categorical | Kind::Boolean => {
            if let Ok(deviance) = stats::deviance(then, now) {
                all.push(compared(Test::Dist, deviance.corrected()));
            }
        }
    }
}

/// A test of two cells; `None` where there are too few rows.
pub fn rate(test: Test, then: Rate, now: Rate, kappa: f64) -> Option<Compared> {
    let rows = rows_of(now);
    let statistic = stats::rate_deviance(then, now).ok()?;
    (rows >= ROWS_MIN).then(|| Compared {
        test,
        statistic,
        harmonic_rows: stats::harmonic_rows(rows_of(then), rows),
        kappa,
        rows,
        p_least: 0.0,
    })
}

fn rows_of(rate: Rate) -> u64 {
    rate.cells().iter().sum()
}

/// How many tests of a series of this kind are made, and charged to the budget.
pub const fn tests_of(kind: Kind) -> usize {
    match kind {
        Kind::Numeric => 5,
        Kind::Categorical | Kind::Boolean => 4,
    }
}

/// The size of what a test found: the PSI of its own cells without its bias, which may be negative;
/// `None` where there are no rows to compare.
pub fn effect(test: Test, expected: &Expected, current: &SeriesCounts) -> Option<f64> {
    psi_of(test, expected, current).map(|psi| psi.adjusted)
}

/// The PSI of a test's own cells.
pub fn psi_of(test: Test, expected: &Expected, current: &SeriesCounts) -> Option<Psi> {
    let two = |then: Rate, now: Rate| stats::psi(&then.cells(), &now.cells()).ok();
    match test {
        Test::Location | Test::Shape | Test::Dist => {
            stats::psi(&expected.values, &current.values).ok()
        }
        Test::Missing => two(expected.missing, current.missing_rate()),
        Test::Invalid => two(expected.invalid, current.invalid_rate()),
        Test::Novelty | Test::Range => two(expected.novel?, current.novel_rate()?),
        // they are not of a series
        Test::Absent | Test::Appeared | Test::Volume | Test::Schema => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[u64], missing: u64, invalid: u64, novel: u64) -> SeriesCounts {
        SeriesCounts {
            values: values.to_vec(),
            missing,
            invalid,
            novel: Some(novel),
        }
    }

    fn p_of(tests: &[Compared], test: Test) -> f64 {
        let found = tests.iter().find(|one| one.test == test).unwrap();
        found.statistic.p().max(found.p_least)
    }

    #[test]
    fn each_change_speaks_through_its_own_test() {
        let reference = Expected::global(&counts(&[500, 500, 500, 500], 20, 0, 0));
        let calm = compare(
            Kind::Numeric,
            &reference,
            &counts(&[50, 50, 50, 50], 2, 0, 0),
        );
        let names: Vec<_> = calm.iter().map(|one| one.test).collect();
        let all = [
            Test::Location,
            Test::Shape,
            Test::Missing,
            Test::Invalid,
            Test::Range,
        ];
        assert_eq!(names, all);
        assert!(
            calm.iter()
                .all(|one| one.statistic.p().max(one.p_least) > 0.5)
        );
        for (current, test) in [
            (counts(&[20, 40, 60, 80], 2, 0, 0), Test::Location),
            (counts(&[90, 10, 10, 90], 2, 0, 0), Test::Shape),
            (counts(&[40, 40, 40, 40], 42, 0, 0), Test::Missing),
            (counts(&[45, 45, 45, 45], 2, 20, 0), Test::Invalid),
            (counts(&[50, 50, 50, 50], 2, 0, 9), Test::Range),
        ] {
            let tests = compare(Kind::Numeric, &reference, &current);
            for one in &tests {
                let p = p_of(&tests, one.test);
                assert_eq!(
                    p < 1e-4,
                    one.test == test,
                    "{:?} of {test:?}: {p}",
                    one.test
                );
            }
            assert!(effect(test, &reference, &current).unwrap() > 0.009);
        }
    }

    #[test]
    fn five_rows_are_needed_of_what_is_tested() {
        let reference = Expected::global(&counts(&[50, 50], 0, 0, 0));
        let few = compare(Kind::Categorical, &reference, &counts(&[2, 2], 0, 0, 0));
        assert_eq!(few, []);
        let missing = compare(Kind::Categorical, &reference, &counts(&[2, 2], 9, 0, 0));
        let names: Vec<_> = missing.iter().map(|one| one.test).collect();
        assert_eq!(names, [Test::Missing, Test::Invalid]);
    }

    /// One new value among 1,000 is no news where the reference has 10,000 rows: it would be found
    /// in one window of eleven.
    #[test]
    fn a_new_category_has_the_exact_probability() {
        let reference = Expected::global(&counts(&[5_000, 5_000, 0], 0, 0, 0));
        let tests = compare(
            Kind::Categorical,
            &reference,
            &counts(&[500, 499, 1], 0, 0, 1),
        );
        let p = p_of(&tests, Test::Novelty);
        assert!((p - 1.0 / 11.0).abs() < 1e-12, "{p}");
    }
}
