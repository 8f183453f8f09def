//! What must be said of the flights, as `tests/data/flights/truth.py` computed it, and whether a
//! daemon says it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::driftd::Driftd;
use crate::flights::{MODEL, VERSION};

/// How far a score may be off, relative to itself.
const RELATIVE_MAX: f64 = 1e-9;
/// How far a score may be off that is next to nothing.
const ABSOLUTE_MAX: f64 = 1e-12;
/// Windows with fewer values than this need have no scores.
const VALUES_MIN: u64 = 5;

/// `truth.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Truth {
    reference_rows: u64,
    pub(crate) live_rows: u64,
    /// The names of the scores in [`Window`], by kind.
    scores: BTreeMap<String, Vec<String>>,
    series: BTreeMap<String, Series>,
    pub(crate) windows: Vec<Window>,
}

/// The reference of one series.
#[derive(Debug, Deserialize)]
struct Series {
    kind: String,
    /// Edges between the bins of numbers, or the names of categories and special bins.
    bins: Vec<Value>,
    reference: Vec<u64>,
}

/// One window.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    pub(crate) length: String,
    pub(crate) end: String,
    rows: u64,
    /// Of each series: missing rows, rows in the bins, scores.
    series: BTreeMap<String, (u64, Vec<u64>, Vec<f64>)>,
}

/// Reads the file.
pub(crate) fn truth() -> Truth {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/flights/truth.json");
    let text = fs::read_to_string(path).expect("truth.json is there");
    serde_json::from_str(&text).expect("it is what truth.py writes")
}

impl Truth {
    /// Asks the daemon for each series of each window, counts and scores.
    pub(crate) fn check(&self, driftd: &Driftd) {
        let mut faults = Faults::default();
        for window in &self.windows {
            let at = format!("window={}&at={}", window.length, window.end);
            let of = format!("/api/v1/models/{MODEL}/versions/{VERSION}");
            let list = driftd.json(&format!("{of}/scores?{at}&limit=1000"));
            let list = list["scores"].as_array().expect("scores are a list");
            for name in self.series.keys() {
                let answer = driftd.json(&format!("{of}/series/{name}?{at}"));
                self.check_scored(window, name, &answer, &mut faults);
                let counts = &window.series[name].1;
                self.series[name].check_bins(counts, &answer["bins"], &mut faults);
                let listed = list
                    .iter()
                    .filter(|listed| listed["series"] == name.as_str());
                let same = listed.filter(|listed| listed["scores"] == answer["scores"]);
                faults.check("series with these scores", &same.count().into(), &1.into());
            }
            faults.check(
                "series in the list",
                &list.len().into(),
                &self.series.len().into(),
            );
        }
        faults.none();
    }

    /// Looks for the windows of one length among lines of scored series, each series of each window
    /// exactly once.
    pub(crate) fn check_lines(&self, length: &str, lines: &[Value]) {
        let mut faults = Faults::default();
        for window in self.windows.iter().filter(|window| window.length == length) {
            for name in self.series.keys() {
                let mut found = lines.iter().filter(|line| {
                    line["series"] == name.as_str() && line["window"]["end"] == window.end.as_str()
                });
                self.check_scored(
                    window,
                    name,
                    found.next().unwrap_or(&Value::Null),
                    &mut faults,
                );
                faults.check("further lines", &found.count().into(), &0.into());
            }
        }
        faults.none();
    }

    /// Compares a scored series, wherever it stands.
    fn check_scored(&self, window: &Window, name: &str, answer: &Value, faults: &mut Faults) {
        faults.place = format!("{} to {}, {name}", window.length, window.end);
        let series = &self.series[name];
        let (missing, counts, scores) = &window.series[name];
        let values: u64 = counts.iter().sum();
        faults.check("kind", &answer["kind"], &series.kind.as_str().into());
        faults.check(
            "length",
            &answer["window"]["length"],
            &window.length.as_str().into(),
        );
        faults.check("end", &answer["window"]["end"], &window.end.as_str().into());
        faults.check(
            "reference",
            &answer["reference"]["rows"],
            &self.reference_rows.into(),
        );
        faults.check("rows", &answer["rows"], &window.rows.into());
        faults.check("missing", &answer["missing"], &(*missing).into());
        faults.check("invalid", &answer["invalid"], &0.into());
        if series.kind == "categorical" {
            faults.check("novel", &answer["novel"], &counts.last().copied().into());
        }
        if values < VALUES_MIN && answer["scores"].is_null() {
            return;
        }
        let names = self.scores[&series.kind].iter().map(String::as_str);
        let expected: BTreeMap<&str, f64> = names.zip(scores.iter().copied()).collect();
        check_scores(&expected, &answer["scores"], faults);
        if series.is_dense() && values >= 200 {
            let debiased = (expected["psi"] - expected["psi_bias"]).max(0.0);
            let off = answer["scores"]["psi_adjusted"]
                .as_f64()
                .unwrap_or(f64::NAN)
                - debiased;
            // the bias comes from expected counts and is not quite its first order
            if off.is_nan() || off.abs() > 0.25 * expected["psi_bias"] {
                faults.add(&format!("psi_adjusted is off by {off} from {debiased}"));
            }
        }
    }
}

impl Series {
    /// Whether no bin of the reference is so small that the bias of PSI differs from its first
    /// order.
    fn is_dense(&self) -> bool {
        let rows: u64 = self.reference.iter().sum();
        self.reference.iter().all(|count| count * 50 >= rows)
    }

    /// Compares bins as sets: numbers are known by their upper edges, the last one by having none.
    fn check_bins(&self, counts: &[u64], bins: &Value, faults: &mut Faults) {
        let names = self.bins.iter().map(Value::to_string);
        let names = names.chain((self.kind == "numeric").then(|| "null".to_owned()));
        let expected: BTreeMap<String, (Option<u64>, Option<u64>)> = names
            .zip(self.reference.iter().zip(counts))
            .map(|(name, (reference, count))| (name, (Some(*reference), Some(*count))))
            .collect();
        let bins = bins.as_array().map_or(&[][..], Vec::as_slice);
        let found: BTreeMap<String, (Option<u64>, Option<u64>)> = bins
            .iter()
            .map(|bin| {
                let name = [&bin["category"], &bin["special"], &bin["upper"]];
                let name = name
                    .into_iter()
                    .find(|name| !name.is_null())
                    .unwrap_or(&Value::Null);
                (
                    name.to_string(),
                    (bin["reference"].as_u64(), bin["count"].as_u64()),
                )
            })
            .collect();
        for name in expected.keys().chain(found.keys()) {
            let (expected, found) = (expected.get(name), found.get(name));
            if expected != found {
                let what = format!("bin {name} has (reference, rows) {found:?}, not {expected:?}");
                faults.add(&what);
            }
        }
    }
}

fn check_scores(expected: &BTreeMap<&str, f64>, found: &Value, faults: &mut Faults) {
    let number = |name: &str| found[name].as_f64().unwrap_or(f64::NAN);
    let exact = [
        "psi",
        "js_distance_bits",
        "l_infinity",
        "hellinger",
        "wasserstein_sigma",
        "auc",
    ];
    for name in exact {
        let Some(expected) = expected.get(name) else {
            faults.check(name, &found[name], &Value::Null);
            continue;
        };
        let off = (number(name) - expected).abs();
        if off.is_nan() || off > RELATIVE_MAX * expected.abs() + ABSOLUTE_MAX {
            faults.add(&format!("{name} is {}, not {expected}", found[name]));
        }
    }
    if let Some(ks) = expected.get("ks") {
        let bound = |name: &str| found["ks"][name].as_f64().unwrap_or(f64::NAN);
        let (lo, hi) = (bound("lo"), bound("hi"));
        if !(lo - ABSOLUTE_MAX <= *ks && *ks <= hi + ABSOLUTE_MAX) {
            faults.add(&format!("ks {ks} is not between {lo} and {hi}"));
        }
        let off = (number("wasserstein_sigma") - expected["wasserstein_sigma_raw"]).abs();
        if off.is_nan() || off > expected["wasserstein_sigma_bound"] + ABSOLUTE_MAX {
            faults.add(&format!(
                "wasserstein_sigma is off by {off} from that of the raw values"
            ));
        }
    }
}

/// What differs: the number of differences, and the first of them as text.
#[derive(Debug, Default)]
struct Faults {
    place: String,
    count: usize,
    text: String,
}

impl Faults {
    fn check(&mut self, what: &str, found: &Value, expected: &Value) {
        if found != expected {
            self.add(&format!("{what} is {found}, not {expected}"));
        }
    }

    /// Stops the test if there are any.
    fn none(&self) {
        let Self { count, text, .. } = self;
        assert!(*count == 0, "{count} differences, the first:\n{text}");
    }

    fn add(&mut self, what: &str) {
        self.count += 1;
        if self.count <= 20 {
            writeln!(self.text, "{}: {what}", self.place).expect("a text takes more");
        }
    }
}
