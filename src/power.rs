//! `driftd power`: how small a change of each series would be found, and how soon.
//!
//! A change holds from the beginning of a window on. What is then counted is what should be, and
//! the rule that alerts are made by decides about it; the size is found by halving:
//!
//! ```text
//! window 6h, an hour after the change    one row in six is of the changed kind
//! statistic    that of the counts expected, and df - 1 for what sampling adds: the median
//! found        by any test in any window with probability 1/2, the effect gate passed
//! ```
//!
//! The budget is shared as in production: by the tests of all series, of the keys and fields of
//! rows, and of how many rows there are, of a model with this one version.
//!
//! The median of a chi-squared statistic that is not centred, but off by `L`, is near
//! `L + df - 1`. That other windows and later ticks may also find it is left out, so in truth
//! changes are found a little sooner; a change in the middle of a step is found up to a step later.
//!
//! What may change, see [`change`]: the mean of numbers, the share of missing values, the share of
//! the largest category.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::baseline::Expected;
use crate::alert::budget;
use crate::alert::compare::{compare, psi_of};
use crate::alert::counts::SeriesCounts;
use crate::alert::judge::{HourRows, Judge, Nature, Source, whole_of};
use crate::alert::learn;
use crate::alert::rule::Verdict;
use crate::alert::settings::Settings;
use crate::fold::window::Window;
use crate::key::ModelKey;
use crate::power::change::{Change, Shares};
use crate::reference::narrow::Narrow;
use crate::reference::natural::Offsets;
use crate::reference::{BLOCK, BlockCells, Reference};
use crate::statelog::record::{Alerting, BaselineChoice};
use crate::time::{Length, Timestamp};

pub mod change;
pub mod show;

/// How soon a change should be found.
pub const WITHIN: [Length; 3] = [Length::HOUR, Length::HOUR.times(6), Length::DAY];

/// Halvings of the size of a change: enough for four digits.
const HALVINGS: u32 = 16;

/// Windows end at noon (UTC) of a working day, a Thursday.
const NOON: Length = Length::HOUR.times(12);

/// Traffic and budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Rows an hour.
    pub rows_per_hour: u32,
    /// The budget.
    pub false_alarms_per_month: f64,
    /// The lengths of windows, ascending.
    pub windows: Vec<Length>,
}

/// What would be found.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// What was asked.
    pub traffic: Traffic,
    /// The tests that share the budget.
    pub tests: usize,
    /// The level of a test in windows of each length.
    pub alpha: Vec<(Length, f64)>,
    /// Whether what is natural is known.
    pub is_taught: bool,
    /// By the name of the series.
    pub found: Vec<Found>,
}

/// One change of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The series.
    pub series: Arc<str>,
    /// The change.
    pub change: Change,
    /// The smallest that would be found [`WITHIN`] each length; `None` where none would.
    pub smallest: [Option<f64>; WITHIN.len()],
}

/// What would be found in traffic like `reference`; `offsets` knows time zones by name.
pub fn power(
    reference: Reference,
    traffic: Traffic,
    offsets: impl Fn(&str, Timestamp) -> Option<Offsets>,
) -> Power {
    let judge = judge_of(reference, &traffic, offsets);
    let alpha = |length: &Length| (*length, judge.rule_of_model(*length).alpha);
    Power {
        tests: judge.tests,
        alpha: traffic.windows.iter().map(alpha).collect(),
        is_taught: judge.nature.is_some(),
        found: found(&judge, &traffic),
        traffic,
    }
}

/// What windows of this traffic would be judged by.
fn judge_of(
    reference: Reference,
    traffic: &Traffic,
    offsets: impl Fn(&str, Timestamp) -> Option<Offsets>,
) -> Judge {
    let learned = learn::of_reference(&reference, &traffic.windows, BaselineChoice::Auto, offsets);
    let natural = learned.map(Arc::new).or_else(|| reference.natural.clone());
    let (model, version) = (&reference.header.model, &reference.header.version);
    let alerts = Alerting {
        false_alarms_per_month: traffic.false_alarms_per_month,
        ..Alerting::default()
    };
    let settings = Settings::new(&alerts, &ModelKey::new(model.clone(), version.clone()));
    let nature = natural.map(|natural| Nature {
        source: Source::Reference,
        natural,
        places: None,
    });
    Judge {
        cells: BlockCells::new(&reference.layout),
        nature,
        false_alarms_per_month: settings.false_alarms_per_month(),
        tests: budget::tests_of_model(&reference, &settings),
        windows: traffic.windows.len(),
        settings: settings.of_layout(&reference.layout),
        importances: Vec::new(),
        owner: None,
        whole: whole_of(&reference),
        reference: Arc::new(reference),
    }
}

fn found(judge: &Judge, traffic: &Traffic) -> Vec<Found> {
    let trials: Vec<Trial<'_>> = traffic
        .windows
        .iter()
        .map(|length| Trial::new(judge, traffic.rows_per_hour, *length))
        .collect();
    let mut all = Vec::new();
    for (place, layout) in judge.reference.layout.series().iter().enumerate() {
        let Some(whole) = judge.whole.get(place) else {
            continue;
        };
        for change in change::of(layout, whole) {
            let within = |within: Length| {
                let sizes = trials
                    .iter()
                    .filter_map(|trial| trial.smallest(place, &change, within));
                sizes.min_by(f64::total_cmp)
            };
            all.push(Found {
                series: Arc::clone(layout.name()),
                smallest: WITHIN.map(within),
                change,
            });
        }
    }
    all
}

/// A window of one length of traffic like the reference.
struct Trial<'a> {
    judge: &'a Judge,
    length: Length,
    rows: f64,
    /// What is expected of each series.
    expected: Vec<Expected>,
}

impl<'a> Trial<'a> {
    fn new(judge: &'a Judge, rows_per_hour: u32, length: Length) -> Self {
        let hours = length.as_seconds() / BLOCK.as_seconds();
        let end = Timestamp::EPOCH + NOON;
        let mut rows = Vec::new();
        let mut start = (end - length).floor(BLOCK);
        while judge.needs_hours() && start < end {
            rows.push(hour_of(judge, start, rows_per_hour));
            start = start + BLOCK;
        }
        let reference = &judge.reference;
        let series = reference.series.iter();
        let cells: Vec<_> = series.flat_map(|one| one.counts.iter()).collect();
        let window = Window {
            length,
            end,
            rows: reference.header.rows,
            late: 0,
            carried: reference.carried,
            rows_elsewhere: 0,
            cells: Narrow::new(&cells),
            loose: BTreeMap::new(),
            kept: true,
        };
        let series = judge.judged_series();
        let expected = series.map(|at| judge.sides(at, &window, &rows).0).collect();
        Self {
            judge,
            length,
            rows: f64::from(rows_per_hour) * hours,
            expected,
        }
    }

    /// The smallest size of a change that is found so soon after it began.
    fn smallest(&self, place: usize, change: &Change, within: Length) -> Option<f64> {
        let covered = (within.as_seconds() / self.length.as_seconds()).min(1.0);
        let usual = Shares::of(self.expected.get(place)?);
        let finds = |size: f64| {
            let changed = usual.mixed(&change.apply(&usual, size), covered);
            self.finds(place, &changed.counts(self.rows))
        };
        let (mut low, mut high) = (0.0, change.largest(&usual));
        if !finds(high) {
            return None;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if finds(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// Whether the rule makes an alert of these counts.
    fn finds(&self, place: usize, current: &SeriesCounts) -> bool {
        let Some((layout, expected)) = self
            .judge
            .reference
            .layout
            .series()
            .get(place)
            .zip(self.expected.get(place))
        else {
            return false;
        };
        let tests = compare(layout.kind(), expected, current);
        tests.into_iter().any(|mut compared| {
            let sampling = u32::try_from(compared.statistic.df.saturating_sub(1));
            compared.statistic.value += sampling.map_or(0.0, f64::from);
            let size = || psi_of(compared.test, expected, current).map(|psi| psi.value);
            let judged = self.judge.verdict((place, self.length), compared, size);
            judged.verdict == Verdict::Drift
        })
    }
}

/// An hour with as many rows as all others.
fn hour_of(judge: &Judge, start: Timestamp, rows: u32) -> HourRows {
    let present = |whole: &SeriesCounts| {
        let share = u128::from(whole.present()) * u128::from(rows);
        let present = share / u128::from(whole.rows().max(1));
        (u64::try_from(present).unwrap_or(0), u64::from(rows))
    };
    HourRows {
        bucket: judge.bucket_of(start),
        series: judge.whole.iter().map(present).collect(),
    }
}

#[cfg(test)]
mod tests;
