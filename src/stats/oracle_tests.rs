//! Every case of `tests/data/oracles/statistics.json`, at its own tolerance.
//!
//! The file was computed with 50 digits. A kind or a field that is not known here fails: nothing in
//! the file is passed over by accident.

use std::collections::BTreeMap;
use std::iter::zip;

use serde_json::{Map, Value};

use super::counts::Pair;
use super::{
    Block, ChiSquared, Natural, auc, bh_adjust, chi2_sf, decompose, deviance,
    deviance_contributions, dispersion, distances, kl_jeffreys, kolmogorov_q, ks, ks_binned,
    novelty_p, psi, psi_bias_first_order, t_sf_two_sided, wasserstein,
};

/// What our functions make of a case: field name to its numbers.
type Answers = BTreeMap<&'static str, Vec<f64>>;

/// Expected fields that are not numbers of driftd, by kind, each with the reason.
const INFORMATIONAL: [(&str, &str, &str); 3] = [
    (
        "ks_raw",
        "p_scipy_asymp_kstwo",
        "scipy's finite-size law for raw samples, which are not kept",
    ),
    (
        "ks_raw",
        "p_scipy_exact_ignores_ties",
        "scipy's exact law, which is wrong with ties",
    ),
    (
        "bin_layout_check",
        "lookup_of_zero",
        "a behaviour of `layout`, tested there",
    ),
];

#[test]
fn every_case_of_the_oracle_file() {
    let file = include_str!("../../tests/data/oracles/statistics.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let kind = case["kind"].as_str().unwrap();
        let answers = answer(kind, &Input(case["input"].as_object().unwrap()));
        compare(id, kind, case, &answers);
    }
    assert_eq!(cases.len(), 31, "the file has changed: look at what is new");
}

fn compare(id: &str, kind: &str, case: &Value, answers: &Answers) {
    let rel_tol = case["rel_tol"].as_f64().unwrap();
    for (field, expected) in case["expected"].as_object().unwrap() {
        if INFORMATIONAL
            .iter()
            .any(|(of, name, _)| *of == kind && name == field)
        {
            continue;
        }
        let expected = numbers(expected);
        let values = answers
            .get(field.as_str())
            .unwrap_or_else(|| panic!("{id}: new field {field}"));
        assert_eq!(values.len(), expected.len(), "{id}: {field}");
        for (value, expected) in zip(values, expected) {
            // an expected 0 must be met exactly: identical histograms have no distance
            let error = (value - expected).abs();
            println!(
                "{id}: {field} = {value:e}, relative error {:.1e}",
                error / expected.abs().max(1e-300)
            );
            assert!(
                error <= rel_tol * expected.abs(),
                "{id}: {field} is {value:e}, not {expected:e}"
            );
        }
    }
}

fn answer(kind: &str, input: &Input<'_>) -> Answers {
    match kind {
        "histogram_pair" => histogram_pair(input),
        "g2_contributions" => g2_contributions(input),
        "location_statistic" => location_statistic(input),
        "ks_binned" => ks_of_bins(input),
        "ks_raw" => ks_of_rows(input),
        "kolmogorov_q" => each("q", input.reals("z").iter().map(|&z| kolmogorov_q(z))),
        "wasserstein_binned" => wasserstein_of_bins(input),
        "chi2_sf" => each(
            "sf",
            zip(input.reals("x"), input.counts("df")).map(|(x, df)| chi2_sf(x, len(df))),
        ),
        "t_sf_two_sided" => each(
            "p",
            zip(input.reals("t"), input.reals("df")).map(|(t, df)| t_sf_two_sided(t, df)),
        ),
        "natural_variation_pvalue" => natural_variation(input),
        "dispersion" => dispersion_of_blocks(input),
        "auc_histogram" => auc_of_histograms(input),
        "novel_category_p" => {
            let [x, n, m] = ["x", "n", "m"].map(|name| input.count(name));
            [("p", vec![novelty_p(x, n, m)])].into()
        }
        "bh_adjust" => [("q", bh_adjust(&input.reals("p")))].into(),
        // the layout's own tests place 0.0, -0.0 and 5e-324 in bins
        "bin_layout_check" => Answers::new(),
        other => panic!("unknown kind of case {other}"),
    }
}

fn histogram_pair(input: &Input<'_>) -> Answers {
    let (reference, current) = (input.counts("reference"), input.counts("current"));
    let (m, n) = (reference.iter().sum(), current.iter().sum());
    let distances = distances(&reference, &current).unwrap();
    let psi = psi(&reference, &current).unwrap();
    let bias = psi_bias_first_order(reference.len(), m, n).unwrap();
    let deviance = deviance(&reference, &current).unwrap();
    let naive = Naive::new(&reference, &current);
    let rows = m + n;
    [
        ("jsd_nats", distances.jsd_nats),
        ("jsd_bits", distances.jsd_bits()),
        ("js_distance_nats", distances.js_distance_nats()),
        ("js_distance_bits", distances.js_distance_bits()),
        ("hellinger", distances.hellinger),
        ("total_variation", distances.total_variation),
        ("l_infinity", distances.l_infinity),
        ("psi_jeffreys", psi.value),
        // the oracle's bias is the first order also where bins are nearly empty
        ("psi_debiased_iid", psi.value - bias),
        ("psi_pvalue_chi2", psi.p),
        (
            "kl_cur_given_ref_jeffreys",
            kl_jeffreys(&reference, &current).unwrap(),
        ),
        ("g2", deviance.g2),
        ("df", float(deviance.df as u64)),
        ("g2_pvalue", deviance.raw().p()),
        ("williams_q", deviance.williams),
        ("g2_williams", deviance.corrected().value),
        ("g2_williams_pvalue", deviance.corrected().p()),
        (
            "weighted_jsd_check_g2_over_2N",
            deviance.g2 / (2.0 * float(rows)),
        ),
        // scores of other tools, by their definitions
        ("psi_unsmoothed", naive.psi(0.0)),
        ("psi_clip_1e-4", naive.psi(1e-4)),
        ("pearson_x2", naive.pearson()),
        ("pearson_pvalue", chi2_sf(naive.pearson(), deviance.df)),
    ]
    .map(|(name, value)| (name, vec![value]))
    .into()
}

/// Scores that driftd does not have, so simple that they are unlikely to be wrong.
struct Naive {
    cells: Vec<(f64, f64)>,
    m: f64,
    n: f64,
}

impl Naive {
    fn new(reference: &[u64], current: &[u64]) -> Self {
        let cells: Vec<_> = zip(reference, current)
            .map(|(&r, &c)| (float(r), float(c)))
            .collect();
        let m = cells.iter().map(|cell| cell.0).sum();
        let n = cells.iter().map(|cell| cell.1).sum();
        Self { cells, m, n }
    }

    fn psi(&self, at_least: f64) -> f64 {
        let shares = self.cells.iter().map(|(r, c)| (r / self.m, c / self.n));
        let clipped = shares.map(|(p, q)| (p.max(at_least), q.max(at_least)));
        clipped.map(|(p, q)| (q - p) * (q / p).ln()).sum()
    }

    fn pearson(&self) -> f64 {
        let part = |count: f64, expected: f64| (count - expected).powi(2) / expected;
        let filled = self.cells.iter().filter(|(r, c)| r + c > 0.0);
        let (m, n) = (self.m / (self.m + self.n), self.n / (self.m + self.n));
        filled
            .map(|(r, c)| part(*r, m * (r + c)) + part(*c, n * (r + c)))
            .sum()
    }
}

fn g2_contributions(input: &Input<'_>) -> Answers {
    let (reference, current) = (input.counts("reference"), input.counts("current"));
    let contributions = deviance_contributions(&reference, &current).unwrap();
    let sum = contributions.iter().sum();
    [("contributions", contributions), ("sum", vec![sum])].into()
}

fn location_statistic(input: &Input<'_>) -> Answers {
    let split = decompose(&input.counts("reference"), &input.counts("current")).unwrap();
    [
        ("T", vec![split.location.value]),
        ("auc_current_vs_reference", vec![split.auc]),
        ("signed_effect", vec![split.effect]),
        ("p_chi2_1", vec![split.location.p()]),
    ]
    .into()
}

fn ks_of_bins(input: &Input<'_>) -> Answers {
    let (reference, current) = (input.counts("reference"), input.counts("current"));
    let points: Vec<bool> = input
        .values("point_bins")
        .iter()
        .map(|point| point.as_bool().unwrap())
        .collect();
    let ks = ks_binned(&reference, &current, &points).unwrap();
    let pair = Pair::new(&reference, &current).unwrap();
    let n_h = pair.harmonic_rows();
    let z = n_h.sqrt() * ks.lo;
    // Stephens (1970), for raw rows; driftd has none
    let stephens = kolmogorov_q((n_h.sqrt() + 0.12 + 0.11 / n_h.sqrt()) * ks.lo);
    [
        ("d_lower", vec![ks.lo]),
        ("d_upper", vec![ks.hi]),
        ("n_h", vec![n_h]),
        ("z", vec![z]),
        ("p_asymptotic", vec![kolmogorov_q(z)]),
        ("p_stephens", vec![stephens]),
        ("p_union", vec![ks::union_p(pair, z)]),
        ("p_corrected", vec![ks::corrected_p(pair, z)]),
        ("p_recommended", vec![ks.p]),
    ]
    .into()
}

/// One point bin for each distinct value makes bins as good as rows.
fn ks_of_rows(input: &Input<'_>) -> Answers {
    let (x, y) = (input.counts("x"), input.counts("y"));
    let mut distinct: Vec<u64> = x.iter().chain(&y).copied().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let count = |rows: &[u64]| -> Vec<u64> {
        let of = |value: &u64| rows.iter().filter(|row| *row == value).count() as u64;
        distinct.iter().map(of).collect()
    };
    let ks = ks_binned(&count(&x), &count(&y), &vec![true; distinct.len()]).unwrap();
    assert!((ks.hi - ks.lo).abs() <= 0.0);
    [("d", vec![ks.lo])].into()
}

fn wasserstein_of_bins(input: &Input<'_>) -> Answers {
    let moved = wasserstein(
        &input.counts("reference"),
        &input.counts("current"),
        &input.reals("representatives"),
        input.real("ref_std"),
    )
    .unwrap();
    [
        ("w1", vec![moved.distance]),
        ("w1_normalised", vec![moved.sigmas.unwrap()]),
    ]
    .into()
}

fn natural_variation(input: &Input<'_>) -> Answers {
    let statistic = ChiSquared {
        value: input.real("T"),
        df: len(input.count("df")),
    };
    let natural = Natural {
        nu: input.real("nu"),
        tail_df: input.real("K"),
    };
    [("p", vec![statistic.p_natural(natural)])].into()
}

fn dispersion_of_blocks(input: &Input<'_>) -> Answers {
    let df = len(input.count("df"));
    let blocks: Vec<Block> = zip(0.., zip(input.reals("T"), input.reals("n_h")))
        .map(|(position, (value, harmonic_rows))| Block {
            position,
            rows: 1_000,
            statistic: ChiSquared { value, df },
            harmonic_rows,
            kappa: 1.0,
        })
        .collect();
    let learned = dispersion(&blocks).unwrap();
    [
        ("rho", vec![learned.rho]),
        ("K_eff", vec![learned.blocks_effective]),
        ("tau", vec![learned.tau]),
        ("tau_times_df_is_natural_psi", vec![learned.natural_psi(df)]),
    ]
    .into()
}

fn auc_of_histograms(input: &Input<'_>) -> Answers {
    let (positives, negatives) = (input.counts("pos"), input.counts("neg"));
    let area = auc(&negatives, &positives, &vec![false; negatives.len()]).unwrap();
    [
        ("auc_midrank", vec![area.value]),
        ("max_binning_error", vec![area.binning_error]),
        ("delong_se", vec![area.se]),
    ]
    .into()
}

fn each(field: &'static str, values: impl Iterator<Item = f64>) -> Answers {
    [(field, values.collect())].into()
}

fn len(count: u64) -> usize {
    usize::try_from(count).unwrap()
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// A number or an array of them.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_f64().unwrap()).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// The input of one case, by field.
struct Input<'a>(&'a Map<String, Value>);

impl Input<'_> {
    fn values(&self, field: &str) -> &[Value] {
        self.0[field].as_array().unwrap()
    }

    fn counts(&self, field: &str) -> Vec<u64> {
        self.values(field)
            .iter()
            .map(|value| value.as_u64().unwrap())
            .collect()
    }

    fn reals(&self, field: &str) -> Vec<f64> {
        numbers(&self.0[field])
    }

    fn count(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap()
    }

    fn real(&self, field: &str) -> f64 {
        self.0[field].as_f64().unwrap()
    }
}
