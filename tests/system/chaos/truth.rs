//! What was produced, counted as simply as can be, and how what a daemon says differs from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use super::events::{Event, Gives, KEYS, Row, SERIES};
use crate::driftd::Driftd;

/// The length of the windows that are asked for.
pub(super) const WINDOW: &str = "30m";
const WINDOW_MS: i64 = 30 * 60_000;

/// Windows end at multiples of this.
const STEP_MS: i64 = WINDOW_MS / 6;

/// A value of a series, as people would write it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Missing,
    Number(i64),
    Text(&'static str),
}

/// How many rows have which value.
type Cells = BTreeMap<Cell, u64>;

/// What became of the records of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) late: u64,
    pub(super) lost: u64,
}

/// See the module header.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) topics: BTreeMap<String, Totals>,
    /// By model version and series, by step of event time.
    series: BTreeMap<(usize, &'static str), BTreeMap<i64, Cells>>,
}

impl Truth {
    /// An event that is in a topic.
    pub(super) fn add(&mut self, topic: &str, event: &Event) {
        let totals = self.topics.entry(topic.to_owned()).or_default();
        totals.records += 1;
        match &event.gives {
            Gives::Rejected(reason) => {
                *totals.rejected.entry((*reason).to_owned()).or_default() += 1;
            }
            Gives::Rows(rows) => {
                for row in rows {
                    totals.rows += 1;
                    totals.late += u64::from(event.timestamp - row.ts > 60_000);
                    let step = row.ts.div_euclid(STEP_MS);
                    for (series, cell) in row.cells() {
                        let series = self.series.entry((row.key, series)).or_default();
                        let cells = series.entry(step).or_default();
                        *cells.entry(cell).or_default() += 1;
                    }
                }
            }
        }
    }

    /// Takes in what others have counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, more) in &other.topics {
            let totals = self.topics.entry(name.clone()).or_default();
            totals.records += more.records;
            totals.rows += more.rows;
            totals.late += more.late;
            totals.lost += more.lost;
            for (reason, count) in &more.rejected {
                *totals.rejected.entry(reason.clone()).or_default() += count;
            }
        }
        for (of, steps) in &other.series {
            for (step, cells) in steps {
                let mine = self
                    .series
                    .entry(*of)
                    .or_default()
                    .entry(*step)
                    .or_default();
                for (cell, count) in cells {
                    *mine.entry(*cell).or_default() += count;
                }
            }
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.topics.values().map(|totals| totals.records).sum()
    }

    /// Compares the accounting, and each series of each window there is.
    pub(super) fn compare(&self, driftd: &Driftd) -> Compared {
        let mut compared = Compared::default();
        self.compare_totals(&driftd.json("/api/v1/status"), &mut compared);
        for (key, (model, version)) in KEYS.iter().enumerate() {
            let of_key = self.series.iter().filter(|((of, _), _)| *of == key);
            let steps = of_key.flat_map(|(_, steps)| steps.keys().copied());
            let steps: BTreeSet<i64> = steps.collect();
            let first = *steps.first().expect("something was produced");
            let last = *steps.last().expect("something was produced");
            // the last window is the first one that has the last event
            for end in first + 1..=last + 1 {
                let at = Timestamp::from_millisecond(end * STEP_MS).expect("it is a time");
                for series in SERIES {
                    let path = format!(
                        "/api/v1/models/{model}/versions/{version}/series/{series}?\
                         window={WINDOW}&at={at}"
                    );
                    let cells = self.window(key, series, end);
                    let answer = driftd.json(&path);
                    let end = Value::from(at.to_string());
                    compared.check(&path, &answer["window"]["end"], &end);
                    compare_cells(&cells, &answer, &path, &mut compared);
                }
            }
        }
        compared
    }

    /// What a window holds that ends with the step before `end`.
    fn window(&self, key: usize, series: &'static str, end: i64) -> Cells {
        let mut sum = Cells::new();
        let Some(steps) = self.series.get(&(key, series)) else {
            return sum;
        };
        for cells in steps
            .range(end - WINDOW_MS / STEP_MS..end)
            .map(|(_, cells)| cells)
        {
            for (cell, count) in cells {
                *sum.entry(*cell).or_default() += count;
            }
        }
        sum
    }

    fn compare_totals(&self, status: &Value, compared: &mut Compared) {
        let found = status["topics"].as_array().map_or(&[][..], Vec::as_slice);
        for (name, totals) in &self.topics {
            let of_name = |topic: &&Value| topic["topic"] == name.as_str();
            let topic = found.iter().find(of_name).unwrap_or(&Value::Null);
            let rejected = serde_json::to_value(&totals.rejected).expect("it has a form");
            for (what, found, expected) in [
                ("records", &topic["records"], totals.records.into()),
                ("rows", &topic["rows"], totals.rows.into()),
                ("lost", &topic["lost"], totals.lost.into()),
                ("late", &topic["late"], totals.late.into()),
                ("rejected", &topic["rejected"], rejected),
                ("unadmitted", &topic["unadmitted"], 0.into()),
                ("beyond_horizon", &topic["beyond_horizon"], 0.into()),
            ] {
                compared.check(&format!("{what} of {name}"), found, &expected);
            }
        }
    }
}

impl Row {
    fn cells(&self) -> [(&'static str, Cell); 3] {
        let [amount, country, prediction] = SERIES;
        [
            (amount, self.amount.map_or(Cell::Missing, Cell::Number)),
            (country, self.country.map_or(Cell::Missing, Cell::Text)),
            (prediction, Cell::Number(self.prediction)),
        ]
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Counts that were compared.
    pub(super) counts: u64,
    pub(super) differences: u64,
    /// The first of them.
    pub(super) text: String,
}

impl Compared {
    fn check(&mut self, what: &str, found: &Value, expected: &Value) {
        self.counts += 1;
        if found != expected {
            self.differences += 1;
            if self.differences <= 20 {
                writeln!(self.text, "{what} is {found}, not {expected}")
                    .expect("a text takes more");
            }
        }
    }
}

/// Compares the histogram of an answer, whatever bins it has.
fn compare_cells(cells: &Cells, answer: &Value, path: &str, compared: &mut Compared) {
    let rows: u64 = cells.values().sum();
    compared.check(&format!("rows of {path}"), &answer["rows"], &rows.into());
    let bins = answer["histogram"].as_array();
    let bins = bins.map_or(&[][..], Vec::as_slice);
    let named: Vec<&str> = bins
        .iter()
        .filter_map(|bin| bin["category"].as_str())
        .collect();
    let is_point = |bin: &&Value| bin["point"] == true;
    let points: Vec<f64> = bins
        .iter()
        .filter(is_point)
        .filter_map(|bin| bin["upper"].as_f64())
        .collect();
    for bin in bins {
        let falls = |cell: Cell| match cell {
            Cell::Missing => bin["special"] == "missing",
            Cell::Text(text) if named.contains(&text) => bin["category"] == text,
            Cell::Text(_) => bin["special"] == "new" || bin["special"] == "other",
            Cell::Number(number) => falls_into(number, bin, &points),
        };
        let of_bin = cells.iter().filter(|(cell, _)| falls(**cell));
        let expected: u64 = of_bin.map(|(_, count)| count).sum();
        compared.check(&format!("{bin} of {path}"), &bin["count"], &expected.into());
    }
    // each row is in one bin, so what is in no bin is seen here
    let counted: u64 = bins.iter().filter_map(|bin| bin["count"].as_u64()).sum();
    compared.check(&format!("sum of {path}"), &counted.into(), &rows.into());
}

/// A number falls into its own point, or else between the bounds: above the lower one.
fn falls_into(number: i64, bin: &Value, points: &[f64]) -> bool {
    let is_of_numbers = bin["category"].is_null() && bin["special"].is_null();
    let number = f64::from(i32::try_from(number).expect("numbers are small"));
    let is_a_point = points.iter().any(|point| (point - number).abs() < 1e-9);
    let lower = bin["lower"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let upper = bin["upper"].as_f64().unwrap_or(f64::INFINITY);
    if !is_of_numbers || is_a_point != (bin["point"] == true) {
        return false;
    }
    (lower < number || is_a_point && lower <= number) && number <= upper
}
