//! Which series of a window can fire at all: a bound in place of a verdict.
//!
//! Nearly all windows are quiet by far, and then a bound of the statistic that takes no logarithm
//! is below what could fire:
//!
//! ```text
//! fires  =>  p0 <= level and P(|t_K| > sqrt(T / nu)) <= level          see `rule` and `stats`
//!        =>  T >= c_df and T >= nu t_K^2            c_df, t_K: where each tail is `level`
//! quiet  <=  bound of T < max(c_df, nu t_K^2)       nu = df n_h tau kappa
//! ```
//!
//! One way only: what can fire is judged. The levels `c_df` and `t_K` depend on the length of a
//! window and on what its judge has learned, and are found once for both.
//!
//! Worked example: at a level of 1e-6, one degree of freedom, K = 16 and `nu = 0.5`, nothing below
//! `max(23.9, 0.5 7.2^2) = 25.9` fires.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::baseline::Expected;
use super::compare::{Compared, ROWS_MIN};
use super::counts::SeriesCounts;
use super::judge::Judge;
use crate::layout::{Kind, SeriesLayout};
use crate::reference::natural::{Dispersion, Part};
use crate::stats::{self, ChiSquared, Rate};
use crate::time::Length;

/// By how much a bound must be below a level: far more than the errors of both.
const MARGIN: f64 = 1e-6;

/// Below this p-values are rounded to 0, also those of statistics that differ, and 0 fires at any
/// level.
const LEVEL_MIN: f64 = 1e-300;

/// What can fire in windows of one length.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// `c_df` by degrees of freedom.
    critical: Vec<f64>,
    /// Of each series of the layout, by part.
    series: Vec<[Needed; Part::ALL.len()]>,
}

/// What the statistic of a part of a series needs to fire, besides `c_df`.
#[derive(Debug, Clone, Copy)]
enum Needed {
    /// Nothing fires.
    Never,
    /// Nothing else.
    Critical,
    /// `nu` times `reach`.
    Natural { tau: f64, reach: f64 },
}

impl Screen {
    /// What can fire by this judge in windows of this length.
    pub(super) fn new(judge: &Judge, length: Length) -> Self {
        let layout = &judge.reference.layout;
        let rule = judge.rule_of_model(length);
        let level = rule.level().max(LEVEL_MIN);
        let bins = layout.series().iter().map(SeriesLayout::test_bins).max();
        let critical = (0..=bins.unwrap_or(0).max(2))
            .map(|df| ChiSquared::critical_value(level, df, stats::Natural::NONE))
            .collect();
        // most series have learned from equally many blocks
        let mut reaches: Vec<(f64, f64)> = Vec::new();
        let mut reach_of = |tail_df: f64| {
            let known = reaches
                .iter()
                .find(|(of, _)| of.to_bits() == tail_df.to_bits());
            if let Some((_, reach)) = known {
                return *reach;
            }
            let reach = ChiSquared::natural_reach(tail_df, level);
            reaches.push((tail_df, reach));
            reach
        };
        let mut needed = |learned: Option<Dispersion>| match learned {
            None if rule.learning_psi.is_none() => Needed::Never,
            None => Needed::Critical,
            Some(Dispersion { tau, tail_df }) => Needed::Natural {
                tau,
                reach: reach_of(tail_df),
            },
        };
        let series = (0..layout.series().len())
            .map(|place| Part::ALL.map(|part| needed(judge.learned_of(place, length, part))))
            .collect();
        Self { critical, series }
    }

    /// The parts of a series of which a test might fire, by [`Part`]; no test of others does.
    pub(super) fn can_fire(
        &self,
        (place, kind): (usize, Kind),
        expected: &Expected,
        current: &SeriesCounts,
    ) -> [bool; Part::ALL.len()] {
        let Some(needed) = self.series.get(place) else {
            return [true; Part::ALL.len()];
        };
        let [main, shape] = self.values(needed, kind, expected, current);
        let rate = |part, then, now, kappa| self.rate((needed, part), (then, now), kappa);
        let novel = expected.novel.zip(current.novel_rate());
        [
            main,
            shape,
            rate(
                Part::Missing,
                expected.missing,
                current.missing_rate(),
                expected.missing_kappa,
            ),
            rate(Part::Invalid, expected.invalid, current.invalid_rate(), 1.0),
            novel.is_some_and(|(then, now)| rate(Part::Novelty, then, now, 1.0)),
        ]
    }

    /// Whether a test of a series might fire, now that its statistic is known.
    pub(super) fn can_fire_by(&self, place: usize, compared: &Compared) -> bool {
        let (Some(needed), Some(part)) = (self.series.get(place), compared.test.part()) else {
            return true;
        };
        let ChiSquared { value, df } = compared.statistic;
        let natural = compared.harmonic_rows * compared.kappa;
        self.is_enough((needed, part), (value, df), natural)
    }

    fn values(
        &self,
        needed: &[Needed],
        kind: Kind,
        expected: &Expected,
        current: &SeriesCounts,
    ) -> [bool; 2] {
        let rows = current.present();
        if rows < ROWS_MIN {
            return [false; 2];
        }
        // too few rows on the other side: there is no test
        let Ok(bound) = stats::deviance_bound(&expected.values, &current.values) else {
            return [false; 2];
        };
        let then = expected.values.iter().sum();
        let natural = stats::harmonic_rows(then, rows) * expected.values_kappa;
        let is_enough = |part, df| self.is_enough((needed, part), (bound.value, df), natural);
        match kind {
            // each part is at most the whole
            Kind::Numeric => [
                is_enough(Part::Main, 1),
                bound.df > 1 && is_enough(Part::Shape, bound.df - 1),
            ],
            Kind::Categorical | Kind::Boolean => [is_enough(Part::Main, bound.df), false],
        }
    }

    fn rate(&self, of: (&[Needed], Part), (then, now): (Rate, Rate), kappa: f64) -> bool {
        let (then, now) = (then.cells(), now.cells());
        let rows: u64 = now.iter().sum();
        if rows < ROWS_MIN || (then[0] == 0 && now[0] == 0) {
            return false;
        }
        let Ok(bound) = stats::deviance_bound(&then, &now) else {
            return false;
        };
        let natural = stats::harmonic_rows(then.iter().sum(), rows) * kappa;
        self.is_enough(of, (bound.value, bound.df), natural)
    }

    /// Whether a bound of a statistic reaches what it needs to fire; `natural` is `n_h kappa`.
    fn is_enough(
        &self,
        (needed, part): (&[Needed], Part),
        (bound, df): (f64, usize),
        natural: f64,
    ) -> bool {
        let reach = match needed.get(part as usize) {
            Some(Needed::Never) => return false,
            Some(Needed::Natural { tau, reach }) => tau * real(df) * natural * reach,
            Some(Needed::Critical) | None => 0.0,
        };
        // it rises with df, so that of fewer is no more than needed
        let critical = self.critical.get(df).or(self.critical.last());
        bound * (1.0 + MARGIN) >= reach.max(critical.copied().unwrap_or(0.0))
    }
}

/// The screens of the window lengths of one judge.
#[derive(Debug, Clone, Default)]
pub(super) struct Screens {
    judge: Option<Arc<Judge>>,
    of: BTreeMap<Length, Screen>,
}

impl Screens {
    /// The screen of windows of this length by this judge; those by another one are forgotten.
    pub(super) fn of(&mut self, judge: &Arc<Judge>, length: Length) -> &Screen {
        let is_same = self
            .judge
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, judge));
        if !is_same {
            self.judge = Some(Arc::clone(judge));
            self.of.clear();
        }
        let screen = || Screen::new(judge, length);
        self.of.entry(length).or_insert_with(screen)
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are few bins")]
fn real(df: usize) -> f64 {
    df as f64
}
