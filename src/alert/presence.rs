//! Whether rows have the keys and fields that the reference's rows have.
//!
//! ```text
//! absent     for each of features, prediction, latency_ms, status that the reference carries:
//!            the share of rows without it, against the reference's; series = the key
//! appeared   of the fields that the reference does not know and whose key it carries: the most
//!            frequent one, against none of its rows; series = the field
//! ```
//!
//! A prediction that is `null` is a missing value of a row that carries `prediction`, and that is a
//! test of the series. One whose key is gone is no row of the series at all: only the share of rows
//! that carry the key tells.
//!
//! Worked example: a reference of 10,000 rows carries `prediction` in all of them. An hour of 1,000
//! rows that lacks it in 20 has a deviance of 96 on one degree of freedom.
//!
//! A reference without `latency_ms` says nothing of it: most training tables have no such column.
//! That a field appeared has the exact p of its rows (Fisher 1935), times the number of such
//! fields, as the most frequent of many is tested. Nothing is natural there: the reference has
//! none of them.
//! A field that is `off` is no candidate, so that one that stays for good does not hide the next.

use std::sync::Arc;

use super::Test;
use super::compare::{ROWS_MIN, rate};
use super::finding::{Episodes, Finding, Place, Seen, Told, take};
use super::judge::Judge;
use super::learn::{block_lengths, block_of, taught_by, whole_blocks};
use super::rule::{Rule, judge};
use super::settings::Settings;
use crate::fold::window::Window;
use crate::key::{Carrier, ModelKey};
use crate::reference::natural::{CarriersNatural, Dispersion};
use crate::reference::{HourBlock, Reference};
use crate::stats::{self, Rate, TAIL_DF_MAX};
use crate::time::Length;

/// What is natural of fields that the reference does not know.
const NOTHING: Dispersion = Dispersion {
    tau: 0.0,
    tail_df: TAIL_DF_MAX,
};

/// How many tests of presence are made of a model version, and charged to the budget.
pub(super) fn tests_of(reference: &Reference, settings: &Settings<'_>) -> usize {
    let carriers = carriers_of(reference, settings).count();
    carriers + usize::from(carriers > 0)
}

/// Whether such a test is still made of a key or field.
pub(super) fn is_made(
    reference: &Reference,
    settings: &Settings<'_>,
    (series, test): (&str, Test),
) -> bool {
    match test {
        Test::Absent => carriers_of(reference, settings).any(|carrier| carrier.as_str() == series),
        Test::Appeared => !settings.of_series(series).is_off,
        _ => false,
    }
}

/// Judges a window of a model version, and tells what became of its episodes.
pub(super) fn see(
    episodes: &mut Episodes,
    (key, by, settings): (&ModelKey, &Judge, &Settings<'_>),
    window: &Window,
    told: &mut Vec<Told>,
) {
    let is_of = |(_, length, test): &&Place| *length == window.length && *test == Test::Appeared;
    let firing = episodes.keys().filter(is_of);
    let firing: Vec<Arc<str>> = firing.map(|(name, ..)| Arc::clone(name)).collect();
    for finding in judge_window(by, window, settings, &firing) {
        let test = finding.seen.judged.compared.test;
        let place = (Arc::clone(&finding.series), window.length, test);
        let alert = || Some(finding.alert(key, by.reference.header.role, window));
        told.extend(take(episodes, place, window.end, finding.seen, alert));
    }
}

/// The verdicts on a window; `firing` are the fields whose appearance fires in such windows.
fn judge_window(
    by: &Judge,
    window: &Window,
    settings: &Settings<'_>,
    firing: &[Arc<str>],
) -> Vec<Finding> {
    let mut all = absent(by, window, settings);
    all.extend(appeared(by, window, settings, firing));
    all
}

/// The keys that a reference carries, without those that are off.
fn carriers_of(reference: &Reference, settings: &Settings<'_>) -> impl Iterator<Item = Carrier> {
    Carrier::ALL.into_iter().filter(|carrier| {
        of(&reference.carried, *carrier) > 0 && !settings.of_series(carrier.as_str()).is_off
    })
}

fn absent(by: &Judge, window: &Window, settings: &Settings<'_>) -> Vec<Finding> {
    let reference = &by.reference;
    let finding = |carrier: Carrier| {
        let then = absent_rate(&reference.carried, reference.header.rows, carrier);
        let now = absent_rate(&window.carried, window.rows, carrier);
        let compared = rate(Test::Absent, then, now, 1.0)?;
        let rule = Rule {
            min_psi: settings.of_series(carrier.as_str()).min_psi,
            ..by.rule_of_model(window.length)
        };
        let learned = by.learned_of_carrier(carrier, window.length);
        Some(Finding {
            series: carrier.as_str().into(),
            seen: Seen {
                judged: judge(compared, learned, rule, || effect(then, now)),
                rule,
                learned,
            },
            then,
            now,
            others: 0,
        })
    };
    carriers_of(reference, settings)
        .filter_map(finding)
        .collect()
}

/// A field that the reference does not know.
struct Field<'a> {
    name: &'a str,
    carrier: Carrier,
    rows: u64,
}

fn appeared(
    by: &Judge,
    window: &Window,
    settings: &Settings<'_>,
    firing: &[Arc<str>],
) -> Vec<Finding> {
    let reference = &by.reference;
    let fields = window.loose.iter().map(|((role, name), counts)| Field {
        name,
        carrier: Carrier::of(*role, name),
        rows: counts.total(),
    });
    let fields: Vec<Field<'_>> = fields
        .filter(|field| {
            field.rows > 0
                && of(&reference.carried, field.carrier) > 0
                && !settings.of_series(field.name).is_off
        })
        .collect();
    // the first of those that are equally frequent, or which one fires would change with each
    // window
    let most = fields.iter().rev().max_by_key(|field| field.rows);
    let most = most.filter(|field| field.rows >= ROWS_MIN);
    let is_firing = |name: &str| firing.iter().any(|firing| **firing == *name);
    let mut tested: Vec<&Field<'_>> = fields
        .iter()
        .filter(|field| is_firing(field.name))
        .collect();
    tested.extend(most.filter(|field| !is_firing(field.name)));
    let gone: Vec<Field<'_>> = firing
        .iter()
        .filter(|name| fields.iter().all(|field| *field.name != ***name))
        .map(|name| Field {
            name,
            carrier: Carrier::Features,
            rows: 0,
        })
        .collect();
    tested.extend(&gone);
    tested
        .into_iter()
        .filter_map(|field| finding_of(by, window, settings, (field, fields.len())))
        .collect()
}

fn finding_of(
    by: &Judge,
    window: &Window,
    settings: &Settings<'_>,
    (field, fields): (&Field<'_>, usize),
) -> Option<Finding> {
    let then = Rate::new(0, of(&by.reference.carried, field.carrier));
    let rows = of(&window.carried, field.carrier);
    let now = Rate::new(field.rows.min(rows), rows);
    let mut compared = rate(Test::Appeared, then, now, 1.0)?;
    let [hits, _] = now.cells();
    let [_, reference_rows] = then.cells();
    let count = u32::try_from(fields.max(1)).unwrap_or(u32::MAX);
    let p = stats::novelty_p(hits, rows, reference_rows) * f64::from(count);
    compared.p_least = p.min(1.0);
    let rule = Rule {
        min_psi: settings.of_series(field.name).min_psi,
        ..by.rule_of_model(window.length)
    };
    Some(Finding {
        series: field.name.into(),
        seen: Seen {
            judged: judge(compared, Some(NOTHING), rule, || effect(then, now)),
            rule,
            learned: Some(NOTHING),
        },
        then,
        now,
        others: fields.saturating_sub(1),
    })
}

/// What is natural of the share of rows that carry each key, for windows of this length.
pub(super) fn learn(hours: &[HourBlock], length: Length) -> CarriersNatural {
    let rows: u64 = hours.iter().map(|hour| hour.rows).sum();
    Carrier::ALL.map(|carrier| {
        let carried: u64 = hours.iter().map(|hour| of(&hour.carried, carrier)).sum();
        let all = absent_of(carried, rows);
        block_lengths(length)
            .into_iter()
            .find_map(|block| learn_from(hours, block, (carrier, all)))
    })
}

fn learn_from(
    hours: &[HourBlock],
    length: Length,
    (carrier, all): (Carrier, Rate),
) -> Option<Dispersion> {
    let blocks = whole_blocks(hours, length, |hour| hour.start);
    let compared = blocks.into_iter().filter_map(|(position, hours)| {
        let rows = hours.iter().map(|hour| hour.rows).sum();
        let carried = hours.iter().map(|hour| of(&hour.carried, carrier)).sum();
        let own = absent_of(carried, rows);
        let compared = rate(Test::Absent, without(all, own), own, 1.0)?;
        Some(block_of(position, &compared))
    });
    taught_by(&compared.collect::<Vec<_>>())
}

/// The rows of `all` that are not of `own`, which are among them.
fn without(all: Rate, own: Rate) -> Rate {
    let ([hits, rest], [own_hits, own_rest]) = (all.cells(), own.cells());
    let hits = hits.saturating_sub(own_hits);
    Rate::new(hits, hits + rest.saturating_sub(own_rest))
}

fn absent_rate(carried: &[u64; 4], rows: u64, carrier: Carrier) -> Rate {
    absent_of(of(carried, carrier), rows)
}

/// Rows that do not carry a key, of all.
fn absent_of(carried: u64, rows: u64) -> Rate {
    Rate::new(rows.saturating_sub(carried), rows)
}

fn of(carried: &[u64; 4], carrier: Carrier) -> u64 {
    carried.get(carrier as usize).copied().unwrap_or(0)
}

/// The PSI of two cells, without its bias.
fn effect(then: Rate, now: Rate) -> Option<f64> {
    let psi = stats::psi(&then.cells(), &now.cells()).ok()?;
    Some(psi.adjusted)
}

#[cfg(test)]
mod tests;
