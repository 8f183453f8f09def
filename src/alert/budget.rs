//! From false pages a month to the level of one test.
//!
//! ```text
//! alpha(w) = A every(w) / (30 d |W| J)         every(w) = max(w / 6, min(w, 1 h))
//! ```
//!
//! `A` false alarms a month are divided by the window lengths `|W|`, by the tests `J` of the model,
//! all its live versions together, and by how often a window of length `w` is judged in a month.
//! Linear and without a state: it needs no independence, since means add up whatever depends on
//! what.
//!
//! Windows are judged at multiples of `every(w)` only, though they are scored every sixth of their
//! length: what is natural is learned from whole hours, and ten minutes past the hour is another
//! window than any of those where departures are at half past.
//!
//! Worked example: one a month, windows of 1, 6 and 24 hours, 80 tests: a 1 h window is judged 720
//! times a month, each time at 5.8e-6; a 24 h window 180 times at 2.3e-5.

use super::settings::Settings;
use super::{compare, presence, volume};
use crate::reference::Reference;
use crate::time::Length;

/// The month of the budget.
pub const MONTH: Length = Length::DAY.times(30);

/// The steps that a window moves in, in its length.
pub const STEPS_PER_WINDOW: u32 = 6;

/// How often a window of this length, which moves in steps of `step`, is judged.
pub fn every(window: Length, step: Length) -> Length {
    step.max(window.min(Length::HOUR))
}

/// The level of one test of a window of this length, at most 1, where `windows` lengths and `tests`
/// tests share `false_alarms_per_month`.
pub fn alpha(false_alarms_per_month: f64, window: Length, windows: usize, tests: usize) -> f64 {
    let step = window.divided_by(STEPS_PER_WINDOW).unwrap_or(window);
    let share = every(window, step).as_seconds() / MONTH.as_seconds();
    let shares = real(windows.max(1)) * real(tests.max(1));
    (false_alarms_per_month * share / shares).min(1.0)
}

/// How many tests of a model version are charged to the budget of its model: those of its series,
/// and of the keys and fields of its rows.
pub(super) fn tests_of_version(reference: &Reference, settings: &Settings<'_>) -> usize {
    let series = reference.layout.series().iter();
    let judged = series.filter(|series| !settings.of_series(series.name()).is_off);
    let of_series = judged.map(|series| compare::tests_of(series.kind()));
    of_series.sum::<usize>() + presence::tests_of(reference, settings)
}

/// `J` of a model with a single version: the tests of that, and of how many rows the model has.
pub fn tests_of_model(reference: &Reference, settings: &Settings<'_>) -> usize {
    tests_of_version(reference, settings) + volume::tests_of(settings)
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_header() {
        let hour = alpha(1.0, Length::HOUR, 3, 80);
        assert!((hour / (1.0 / 720.0 / 240.0) - 1.0).abs() < 1e-12);
        assert!((alpha(1.0, Length::DAY, 3, 80) / hour - 4.0).abs() < 1e-9);
    }

    #[test]
    fn all_judgements_of_a_month_spend_the_budget() {
        let windows = [Length::HOUR, Length::HOUR.times(6), Length::DAY];
        let spent: f64 = windows
            .iter()
            .map(|window| {
                let step = window.divided_by(6).unwrap();
                let times = MONTH.as_seconds() / every(*window, step).as_seconds();
                times * 50.0 * alpha(2.5, *window, windows.len(), 50)
            })
            .sum();
        assert!((spent - 2.5).abs() < 1e-9, "{spent}");
        assert!(alpha(1e30, Length::DAY, 1, 1) <= 1.0);
    }
}
