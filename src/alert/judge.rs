//! All that a window of a model version is judged by, put together once.
//!
//! A judge is a value: the reference with its counts in test bins, what is natural, the level of
//! each window length, and what the operator said of single series. Whoever has one and a window
//! gets the same verdicts, live, in a replay and when somebody asks about last week.

use std::sync::Arc;

use super::baseline::{Expected, Hour};
use super::budget;
use super::compare::{Compared, compare, effect};
use super::counts::SeriesCounts;
pub use super::nature::{Nature, Source};
use super::rule::{Judged, Rule, is_certain, judge, learning_psi, line_psi};
use super::settings::SeriesSettings;
use crate::fold::window::Window;
use crate::key::Carrier;
use crate::layout::SeriesLayout;
use crate::reference::natural::{Dispersion, Part};
use crate::reference::{BlockCells, Reference};
use crate::stats;
use crate::time::{Length, Timestamp};

/// What the windows of one model version are judged by.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The reference.
    pub reference: Arc<Reference>,
    /// What is natural, where something is known.
    pub nature: Option<Nature>,
    /// The budget, in false alarms a month.
    pub false_alarms_per_month: f64,
    /// The tests that it is shared by.
    pub tests: usize,
    /// The window lengths that it is shared by.
    pub windows: usize,
    /// What was said of each series, in the order of the layout.
    pub settings: Vec<SeriesSettings>,
    /// How much each series matters, in the order of the layout.
    pub importances: Vec<f64>,
    /// Who answers for the model.
    pub owner: Option<Arc<str>>,
    /// The reference's counts in test bins, in the order of the layout.
    pub whole: Vec<SeriesCounts>,
    /// Where the counts of each series stand in those of a bucket of hours.
    pub cells: BlockCells,
}

/// The verdicts on one series of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdicts {
    /// The place of the series in the layout.
    pub series: usize,
    /// Its tests; none where there are too few rows or the series is off.
    pub tests: Vec<Judged>,
}

impl Judge {
    /// Where what is natural comes from.
    pub fn source(&self) -> Source {
        self.nature
            .as_ref()
            .map_or(Source::Unknown, |nature| nature.source.clone())
    }

    /// How much a series matters; 1 where nobody said.
    pub fn importance(&self, series: usize) -> f64 {
        self.importances.get(series).copied().unwrap_or(1.0)
    }

    /// What tests of a series in windows of this length are held against.
    pub fn rule(&self, series: usize, length: Length) -> Rule {
        let settings = self.settings.get(series).copied().unwrap_or_default();
        Rule {
            min_psi: settings.min_psi,
            ..self.rule_of_model(length)
        }
    }

    /// As [`Self::rule`], of tests that are not of a single series.
    pub fn rule_of_model(&self, length: Length) -> Rule {
        Rule {
            alpha: budget::alpha(
                self.false_alarms_per_month,
                length,
                self.windows,
                self.tests,
            ),
            min_psi: SeriesSettings::default().min_psi,
            learning_psi: learning_psi(length),
        }
    }

    /// The series that are judged, by their place in the layout.
    pub fn judged_series(&self) -> impl Iterator<Item = (usize, &SeriesLayout)> {
        let series = self.reference.layout.series().iter().enumerate();
        series.filter(|(place, _)| self.settings.get(*place).is_some_and(|one| !one.is_off))
    }

    /// Judges every series of a window, in the order of the layout, but those that are off.
    pub fn window(&self, window: &Window, hours: &[HourRows]) -> Vec<Verdicts> {
        self.judged_series()
            .map(|(place, layout)| self.series((place, layout), window, hours))
            .collect()
    }

    /// Judges one series of a window.
    pub fn series(
        &self,
        (place, layout): (usize, &SeriesLayout),
        window: &Window,
        hours: &[HourRows],
    ) -> Verdicts {
        let (expected, current) = self.sides((place, layout), window, hours);
        let tests = compare(layout.kind(), &expected, &current)
            .into_iter()
            .map(|compared| {
                let size = || effect(compared.test, &expected, &current);
                self.verdict((place, window.length), compared, size)
            })
            .collect();
        Verdicts {
            series: place,
            tests,
        }
    }

    /// What is expected of a series in a window, and what there is.
    pub fn sides(
        &self,
        (place, layout): (usize, &SeriesLayout),
        window: &Window,
        hours: &[HourRows],
    ) -> (Expected, SeriesCounts) {
        let cells = window.cells_of(&self.reference.layout, place);
        let current = SeriesCounts::of_cells(layout, &cells);
        (self.expected(place, hours), current)
    }

    /// The verdict on one test of a series in a window of this length; `effect` computes the size
    /// of the difference where it is asked for.
    pub fn verdict(
        &self,
        (series, length): (usize, Length),
        compared: Compared,
        effect: impl FnOnce() -> Option<f64>,
    ) -> Judged {
        let learned = self.learned(series, length, &compared);
        judge(compared, learned, self.rule(series, length), effect)
    }

    /// The PSI at which a series of a window would fire, by its most sensitive test of values.
    pub fn line(&self, verdicts: &Verdicts, length: Length) -> Option<f64> {
        let rule = self.rule(verdicts.series, length);
        let of_values = verdicts
            .tests
            .iter()
            .filter(|test| matches!(test.compared.test.part(), Some(Part::Main | Part::Shape)));
        of_values.fold(None, |least, test| {
            let learned = self.learned(verdicts.series, length, &test.compared);
            // a search, which is spared where the test would not fire at what another fires at
            if least.is_some_and(|least| !is_certain(&test.compared, learned, rule, least)) {
                return least;
            }
            let line = line_psi(&test.compared, learned, rule);
            Some(least.map_or(line, |least: f64| least.min(line)))
        })
    }

    /// What is natural of a test of a series.
    pub(super) fn learned(
        &self,
        series: usize,
        length: Length,
        test: &Compared,
    ) -> Option<Dispersion> {
        self.learned_of(series, length, test.test.part()?)
    }

    /// What is natural of a part of a series.
    pub(super) fn learned_of(
        &self,
        series: usize,
        length: Length,
        part: Part,
    ) -> Option<Dispersion> {
        self.nature.as_ref()?.of(length, series, part)
    }

    /// What is natural of the share of rows that carry a key: that of the version before as well,
    /// whatever its series.
    pub(super) fn learned_of_carrier(
        &self,
        carrier: Carrier,
        length: Length,
    ) -> Option<Dispersion> {
        let window = self.nature.as_ref()?.natural.window(length)?;
        *window.carriers.get(carrier as usize)?
    }

    fn expected(&self, place: usize, hours: &[HourRows]) -> Expected {
        let none = SeriesCounts::default();
        let whole = self.whole.get(place).unwrap_or(&none);
        let Some(profile) = self.nature.as_ref().and_then(Nature::profile) else {
            return Expected::global(whole);
        };
        let spread = profile.spread.get(place).copied().unwrap_or_default();
        if hours.is_empty() || spread.iter().all(|spread| *spread <= 0.0) {
            return Expected::global(whole);
        }
        let own = self.cells.offset(place)..self.cells.offset(place + 1);
        let mut blocks = Vec::with_capacity(hours.len() * own.len());
        for bucket in hours
            .iter()
            .filter_map(|hour| profile.counts.get(hour.bucket))
        {
            bucket.append_to(own.clone(), &mut blocks);
        }
        let hours: Vec<Hour<'_>> = hours
            .iter()
            .zip(blocks.chunks(own.len().max(1)))
            .map(|(hour, block)| {
                let of_window = hour.series.get(place).copied().unwrap_or_default();
                let hours = profile.hours.get(hour.bucket).copied();
                Hour::of_block(of_window, block, hours.unwrap_or(0))
            })
            .collect();
        Expected::at_hours(whole, spread, &hours)
    }

    /// Whether hours of the day are told apart, so that [`HourRows`] are needed.
    pub fn needs_hours(&self) -> bool {
        self.nature.as_ref().and_then(Nature::profile).is_some()
    }

    /// The bucket of an hour, where hours are told apart.
    pub fn bucket_of(&self, start: Timestamp) -> usize {
        let profile = self.nature.as_ref().and_then(Nature::profile);
        profile.map_or(0, |profile| profile.bucket_of(start))
    }
}

/// The counts of a reference in test bins, in the order of its layout.
pub fn whole_of(reference: &Reference) -> Vec<SeriesCounts> {
    let series = reference.layout.series().iter().zip(&reference.series);
    series
        .map(|(layout, counts)| SeriesCounts::of_cells(layout, &counts.counts.to_vec()))
        .collect()
}

/// The rows of an hour of a window, by series: those with a value, and those that carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourRows {
    /// The bucket that the hour is in.
    pub bucket: usize,
    /// In the order of the layout.
    pub series: Vec<(u64, u64)>,
}

/// Which of many tests moved together: those of the series of one window whose p-values survive
/// Benjamini & Hochberg at five percent, by place in the layout.
pub fn moved_together(verdicts: &[Verdicts], length: Length, judge: &Judge) -> Vec<usize> {
    const FALSE_SHARE_MAX: f64 = 0.05;
    let best = |one: &Verdicts| {
        let rule = judge.rule(one.series, length);
        // above the resolve level p is a lower bound only, and no evidence
        let p = one
            .tests
            .iter()
            .filter(|test| !test.is_over(rule))
            .map(|test| test.p);
        let count = u32::try_from(one.tests.len()).unwrap_or(u32::MAX);
        p.min_by(f64::total_cmp)
            .map_or(1.0, |p| (p * f64::from(count)).min(1.0))
    };
    let p: Vec<f64> = verdicts.iter().map(best).collect();
    let adjusted = stats::bh_adjust(&p);
    let believed = verdicts.iter().zip(adjusted);
    believed
        .filter(|(_, q)| *q <= FALSE_SHARE_MAX)
        .map(|(one, _)| one.series)
        .collect()
}
