//! Whether alerts keep to their budget, and how soon they find what changed: made-up worlds of 200
//! series, a reference of 14 days, and 30 live days, through the real fold, judges and episodes.
//!
//! ```text
//! cargo bench --bench calibration -- [--replicates 4] [--only ROW] [--threads 2] [--seed 1]
//! ```
//!
//! A replicate is one model for a month without any change, 200 feature-months, in which all that
//! fires is false; and one with a change of each kind after two days, for a week. False alarms come
//! with their 95 % Poisson interval (Garwood 1936); `a month` is of 200 series, with a budget of 1.
//!
//! ```text
//! iid, hours    compared with the same hours of the reference, weekends apart; else with all of it
//! 100 rows      an hour, instead of 1,000
//! untimed       a reference of 10,000 rows without times: what is natural is learned in 8 days
//! default       as driftd is configured unless told otherwise: hours, and the gate on effects,
//!               which is off in the other rows
//! design        what the rule did when it was designed, in another program, its three tests a
//!               series sharing the budget; driftd has five, and so tests at 3/5 of that level
//! ```
//!
//! Beside it stand rules that other tools come with, asked every hour; their false alarms are runs
//! of alarms, in a feature-month.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a program for people that simulates; it fails loudly where it is wrong"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use driftd::alert::Test;
use driftd::statelog::record::BaselineChoice;
use driftd::stats::chi2_sf;
use driftd::time::Length;

use crate::model::{FIXED, Fired, Model};
use crate::setup::Spec;
use crate::world::{Change, World};

mod model;
mod random;
mod setup;
mod world;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SERIES: usize = 200;
const DAYS: u32 = 30;

/// The changes that are looked for, each in a sixth of the series.
const CHANGES: [(&str, Change); 6] = [
    ("0.1 sd", Change::Shift(0.1)),
    ("0.5 sd", Change::Shift(0.5)),
    ("sd x 1.25", Change::Scale(1.25)),
    ("missing 3 %", Change::Missing(0.03)),
    ("new 2 %", Change::NewCategory(0.02)),
    ("ramp 0.3 sd", Change::Ramp(0.3)),
];

/// A row of the table: a name, what is simulated, and what the design found of it, in false
/// episodes a feature-month and in words on delays.
struct Row {
    name: &'static str,
    spec: Spec,
    design: Option<f64>,
}

fn rows() -> Vec<Row> {
    use BaselineChoice::{Auto, Global};
    let spec = |world, baseline| Spec {
        world,
        baseline,
        untimed: None,
        rows: 1_000.0,
        min_psi: 0.0,
        series: SERIES,
    };
    let untimed = |world| Spec {
        untimed: Some(10_000),
        ..spec(world, Global)
    };
    let few = |world| Spec {
        rows: 100.0,
        ..spec(world, Global)
    };
    let gate = |world| Spec {
        min_psi: 0.009,
        ..spec(world, Auto)
    };
    let row = |name, spec, design| Row { name, spec, design };
    let (iid, season, ar) = (World::Iid, World::Season, World::Ar);
    vec![
        row("iid", spec(iid, Global), Some(0.0023)),
        row("iid, hours", spec(iid, Auto), Some(0.0025)),
        row("iid, 100 rows", few(iid), Some(0.0030)),
        row("iid, untimed", untimed(iid), Some(0.0026)),
        row("zipf", spec(World::Zipf(30), Global), Some(0.0025)),
        row("season", spec(season, Global), Some(0.0050)),
        row("season, hours", spec(season, Auto), Some(0.0056)),
        row("season, untimed", untimed(season), Some(0.0016)),
        row("ar", spec(ar, Global), Some(0.066)),
        row("season, default", gate(season), None),
        row("ar, default", gate(ar), None),
    ]
}

fn main() -> Outcome<()> {
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let replicates: usize = argument("--replicates", "4").parse()?;
    let threads: usize = argument("--threads", "2").parse()?;
    let seed: u64 = argument("--seed", "1").parse()?;
    let only = argument("--only", "");
    println!(
        "{replicates} replicates of {SERIES} series and {DAYS} days, windows of 1h, 6h, 24h and \
         7d, a budget of 1 a month\n"
    );
    let fixed = FIXED.map(|rule| format!("{rule:>10}")).concat();
    println!(
        "{:22}{:>5}  {:26}{:>6}{:>9}  {fixed}",
        "false alarms", "n", "a feature-month (95 %)", "design", "a month"
    );
    let (mut delays, mut by) = (Vec::new(), Vec::new());
    for row in rows()
        .iter()
        .filter(|row| only.is_empty() || row.name == only)
    {
        let found = simulate(&row.spec, replicates, threads, seed)?;
        println!("{}", false_alarms(row, &found));
        delays.push(found_after(row, &found));
        by.push(fired_by(row, &found));
    }
    let changes = CHANGES.map(|(name, _)| format!("{name:>14}")).concat();
    println!("\nhours until found     {changes}\n{}", delays.join("\n"));
    println!("\nwhat fired falsely\n{}", by.join("\n"));
    Ok(())
}

fn argument(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().unwrap_or_else(|| default.to_owned())
}

/// What replicates of one row found.
#[derive(Default)]
struct Found {
    feature_months: f64,
    false_fired: Vec<Fired>,
    fixed: [u64; FIXED.len()],
    /// By change: the hours until each series fired; infinite where none did in a week.
    delays: [Vec<f64>; CHANGES.len()],
}

fn simulate(spec: &Spec, replicates: usize, threads: usize, seed: u64) -> Outcome<Found> {
    let found = Mutex::new(Found::default());
    let next = AtomicUsize::new(0);
    let work = || -> Outcome<()> {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= 2 * replicates {
                return Ok(());
            }
            let replicate = job as u64 / 2;
            if job.is_multiple_of(2) {
                quiet(spec, seed + 2 * replicate, &found)?;
            } else {
                changed(spec, seed + 2 * replicate + 1, replicate as u32, &found)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_panic| "panicked")?)
    })?;
    found.into_inner().map_err(|_poisoned| "panicked".into())
}

/// A month without any change: all that fires is false.
fn quiet(spec: &Spec, seed: u64, found: &Mutex<Found>) -> Outcome<()> {
    let mut model = Model::new(spec, &[], seed)?;
    for _ in 0..DAYS * 24 {
        model.live(None)?;
    }
    let mut found = found.lock().map_err(|_poisoned| "panicked")?;
    found.feature_months += SERIES as f64 * f64::from(DAYS) / 30.0;
    found.false_fired.extend(&model.fired);
    for (sum, count) in found.fixed.iter_mut().zip(model.fixed) {
        *sum += count;
    }
    Ok(())
}

/// A change of each kind, for a week.
fn changed(spec: &Spec, seed: u64, replicate: u32, found: &Mutex<Found>) -> Outcome<()> {
    let changes = CHANGES.map(|(_, change)| change);
    let mut model = Model::new(spec, &changes, seed)?;
    // what is natural must be known before, and no two replicates change at the same hour of day
    let quiet = if spec.untimed.is_some() {
        9 * 24
    } else {
        2 * 24
    };
    let from = quiet + replicate * 7 % 24;
    for _ in 0..from + 7 * 24 {
        model.live(Some(from))?;
    }
    let mut first = vec![f64::INFINITY; SERIES];
    for fired in &model.fired {
        let delay = fired.at - f64::from(from);
        if delay > 0.0 {
            first[fired.series] = first[fired.series].min(delay);
        }
    }
    let mut found = found.lock().map_err(|_poisoned| "panicked")?;
    for (place, delay) in first.into_iter().enumerate() {
        found.delays[place % CHANGES.len()].push(delay);
    }
    Ok(())
}

/// A line of false alarms: of driftd, and of the rules of other tools.
fn false_alarms(row: &Row, found: &Found) -> String {
    let count = found.false_fired.len();
    let (low, high) = poisson_interval(count);
    let months = found.feature_months;
    let [rate, low, high] = [count as f64, low, high].map(|count| count / months);
    let interval = format!("{rate:.4} ({low:.4} - {high:.4})");
    let design = row
        .design
        .map_or("-".to_owned(), |rate| format!("{rate:.4}"));
    let month = rate * SERIES as f64;
    let [psi, ks, w1] = found.fixed.map(|count| count as f64 / months);
    let name = row.name;
    format!("{name:22}{count:5}  {interval:26}{design:>6}{month:9.2}  {psi:10.2}{ks:10.2}{w1:10.2}")
}

/// A line of delays.
fn found_after(row: &Row, found: &Found) -> String {
    let is_categorical = matches!(row.spec.world, World::Zipf(_));
    let delays = CHANGES.iter().zip(&found.delays);
    let delays = delays.map(|((_, change), delays)| match change {
        Change::Shift(_) | Change::Scale(_) | Change::Ramp(_) if is_categorical => "-".to_owned(),
        _ => delay(delays),
    });
    let delays: Vec<String> = delays.map(|delay| format!("{delay:>14}")).collect();
    format!("{:22}{}", row.name, delays.concat())
}

/// What fired without a reason.
fn fired_by(row: &Row, found: &Found) -> String {
    let mut by: BTreeMap<(Test, Length), u64> = BTreeMap::new();
    for fired in &found.false_fired {
        *by.entry((fired.test, fired.window)).or_default() += 1;
    }
    let by: Vec<String> = by
        .iter()
        .map(|((test, window), count)| format!("{} {window} {count}", test.as_str()))
        .collect();
    format!("{:22}{}", row.name, by.join(", "))
}

/// The median, and the share found in a week.
fn delay(delays: &[f64]) -> String {
    let mut sorted = delays.to_vec();
    sorted.sort_by(f64::total_cmp);
    let found = sorted.iter().filter(|delay| delay.is_finite()).count();
    let share = found as f64 / sorted.len().max(1) as f64;
    match sorted.get(sorted.len() / 2) {
        Some(median) if median.is_finite() => format!("{median:.1} ({:.0} %)", 100.0 * share),
        _ => format!("never ({:.0} %)", 100.0 * share),
    }
}

/// The exact 95 % interval of a Poisson mean.
fn poisson_interval(count: usize) -> (f64, f64) {
    let quantile = |above: f64, df: usize| {
        let (mut low, mut high) = (0.0, 10.0 * (df as f64 + 10.0));
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if chi2_sf(middle, df) > above {
                low = middle;
            } else {
                high = middle;
            }
        }
        high / 2.0
    };
    let low = if count == 0 {
        0.0
    } else {
        quantile(0.975, 2 * count)
    };
    (low, quantile(0.025, 2 * count + 2))
}
