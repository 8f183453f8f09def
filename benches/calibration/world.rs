//! Made-up traffic: series that move by themselves, and changes that somebody should be told of.
//!
//! ```text
//! iid     every hour the same standard normal
//! season  a daily sine of amplitude 0.09 to 0.39 sigma and any phase, another level at weekends
//!         (up to 0.2 sigma), hourly noise of 0.05 sigma that remembers (AR(1), 0.8); 30 to 170 %
//!         of the rows by the hour of the day, 60 % at weekends
//! ar      an hourly mean that wanders: AR(1) of 0.1 sigma, 0.9
//! zipf    categories whose shares fall as 1/rank, every hour the same
//! ```
//!
//! One row in a hundred has no value. Numbers are put on a grid of 1/256 sigma, whose points the
//! edges of references then are, so that a bin is found by one look-up and counts are exact.

use std::f64::consts::TAU;

use driftd::decode::Value;
use driftd::key::Role;
use driftd::layout::{
    Bins, CategoryBins, CategoryHash, EdgeCollector, Kind, NumericBins, SeriesLayout,
};
use driftd::reference::SeriesReference;

use crate::Outcome;
use crate::random::Random;

/// Grid cells a sigma.
const FINE: f64 = 256.0;
/// The grid spans so many sigma on both sides; beyond it values are at its ends.
const SPAN: f64 = 8.0;
const GRID: usize = 4_096;
/// The usual share of rows without a value.
const MISSING: f64 = 0.01;

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum World {
    Iid,
    Season,
    Ar,
    Zipf(usize),
}

/// What changes in a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// The mean, by so many sigma.
    Shift(f64),
    /// The standard deviation, by this factor.
    Scale(f64),
    /// The share of rows without a value.
    Missing(f64),
    /// A category that was never seen takes this share.
    NewCategory(f64),
    /// The mean, by so many sigma within a week.
    Ramp(f64),
}

impl World {
    /// The rows of an hour, counted from a Monday.
    pub(crate) fn rows(self, hour: u32, usual: f64) -> u64 {
        let share = match self {
            Self::Season => {
                let day = 1.0 + 0.7 * (TAU * f64::from(hour % 24) / 24.0).sin();
                day * if is_weekend(hour) { 0.6 } else { 1.0 }
            }
            Self::Iid | Self::Ar | Self::Zipf(_) => 1.0,
        };
        (usual * share).round() as u64
    }
}

fn is_weekend(hour: u32) -> bool {
    hour / 24 % 7 >= 5
}

/// One series as it lives: its own generator, and where its noise is.
#[derive(Debug)]
pub(crate) struct Series {
    random: Random,
    nature: Nature,
    /// The cell of each point of the grid, or of each category.
    cells: Vec<u16>,
    missing_cell: usize,
    change: Option<Change>,
}

#[derive(Debug)]
enum Nature {
    Number {
        amplitude: f64,
        phase: f64,
        weekend: f64,
        /// The standard deviation of the noise, its memory, and where it is.
        noise: (f64, f64, f64),
    },
    /// The sums of the shares of categories.
    Category(Vec<f64>),
}

/// What a series is like in some hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    mean: f64,
    sd: f64,
    missing: f64,
    new: f64,
}

impl Series {
    pub(crate) fn new(world: World, change: Option<Change>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nature = match world {
            World::Iid => number((0.0, 0.0, 0.0), (0.0, 0.0), &mut random),
            World::Season => {
                let amplitude = 0.09 + 0.3 * random.unit();
                let (phase, weekend) = (TAU * random.unit(), 0.4 * random.unit() - 0.2);
                number((amplitude, phase, weekend), (0.05, 0.8), &mut random)
            }
            World::Ar => number((0.0, 0.0, 0.0), (0.1, 0.9), &mut random),
            World::Zipf(categories) => {
                let shares = (1..=categories).map(|rank| 1.0 / rank as f64);
                let sums = shares.scan(0.0, |sum, share| {
                    *sum += share;
                    Some(*sum)
                });
                Nature::Category(sums.collect())
            }
        };
        Self {
            random,
            nature,
            cells: Vec::new(),
            missing_cell: 0,
            change,
        }
    }

    /// The next hour, counted from a Monday; `changed` is for how many hours the change has held.
    pub(crate) fn hour(&mut self, hour: u32, changed: Option<u32>) -> Weather {
        let mut weather = Weather {
            mean: 0.0,
            sd: 1.0,
            missing: MISSING,
            new: 0.0,
        };
        if let Nature::Number {
            amplitude,
            phase,
            weekend,
            noise: (sd, memory, at),
        } = &mut self.nature
        {
            let fresh = *sd * (1.0 - *memory * *memory).sqrt();
            if fresh > 0.0 {
                *at = *memory * *at + fresh * self.random.normal();
            }
            weather.mean = *amplitude * (TAU * f64::from(hour % 24) / 24.0 + *phase).sin()
                + if is_weekend(hour) { *weekend } else { 0.0 }
                + *at;
        }
        if let Some((change, hours)) = self.change.zip(changed) {
            match change {
                Change::Shift(by) => weather.mean += by,
                Change::Scale(by) => weather.sd = by,
                Change::Missing(share) => weather.missing = share,
                Change::NewCategory(share) => weather.new = share,
                Change::Ramp(to) => weather.mean += to * (f64::from(hours + 1) / 168.0).min(1.0),
            }
        }
        weather
    }

    /// Adds so many rows to the counts of its cells.
    pub(crate) fn draw(&mut self, weather: Weather, rows: u64, counts: &mut [u64]) {
        for _ in 0..rows {
            let point = self.point(weather);
            counts[point.map_or(self.missing_cell, |point| self.cells[point].into())] += 1;
        }
    }

    /// Lives through the hours of a reference, and counts live rows in its bins from then on: the
    /// layout, the whole, and the counts of each hour by cell.
    pub(crate) fn refer(&mut self, name: &str, rows: &[u64]) -> Outcome<Referred> {
        let hours: Vec<Vec<Option<usize>>> = (0..)
            .zip(rows)
            .map(|(hour, rows)| {
                let weather = self.hour(hour, None);
                (0..*rows).map(|_| self.point(weather)).collect()
            })
            .collect();
        let points = match &self.nature {
            Nature::Number { .. } => GRID,
            Nature::Category(sums) => sums.len(),
        };
        let mut whole = vec![0; points];
        for point in hours.iter().flatten().flatten() {
            whole[*point] += 1;
        }
        let layout = match &self.nature {
            Nature::Number { .. } => numbers(name, &whole)?,
            Nature::Category(_) => categories(name, &whole)?,
        };
        self.missing_cell = layout.missing_cell();
        self.cells = (0..=points).map(|point| cell(&layout, point)).collect();
        let cells = |hour: &Vec<Option<usize>>| {
            let mut counts = vec![0; layout.cells()];
            for point in hour {
                let cell = point.map_or(self.missing_cell, |point| self.cells[point].into());
                counts[cell] += 1;
            }
            counts
        };
        let hours: Vec<Vec<u64>> = hours.iter().map(cells).collect();
        let mut counts = vec![0; layout.cells()];
        for hour in &hours {
            for (sum, count) in counts.iter_mut().zip(hour) {
                *sum += count;
            }
        }
        let reference = match layout.kind() {
            Kind::Numeric => moments(&layout, &whole, counts),
            Kind::Categorical | Kind::Boolean => SeriesReference {
                counts: counts.into(),
                ..SeriesReference::default()
            },
        };
        Ok(Referred {
            layout,
            reference,
            hours,
        })
    }

    /// The point of the grid, or the category, of a row; `None` where it has no value.
    fn point(&mut self, weather: Weather) -> Option<usize> {
        if self.random.unit() < weather.missing {
            return None;
        }
        Some(match &self.nature {
            Nature::Number { .. } => {
                let value = weather.mean + weather.sd * self.random.normal();
                (((value + SPAN) * FINE) as usize).min(GRID - 1)
            }
            Nature::Category(sums) => {
                if weather.new > 0.0 && self.random.unit() < weather.new {
                    return Some(sums.len());
                }
                let at = self.random.unit() * sums[sums.len() - 1];
                sums.partition_point(|sum| *sum <= at).min(sums.len() - 1)
            }
        })
    }
}

/// A series of a reference.
#[derive(Debug)]
pub(crate) struct Referred {
    pub(crate) layout: SeriesLayout,
    pub(crate) reference: SeriesReference,
    /// By cell of the series, for each hour.
    pub(crate) hours: Vec<Vec<u64>>,
}

fn number(
    (amplitude, phase, weekend): (f64, f64, f64),
    (sd, memory): (f64, f64),
    random: &mut Random,
) -> Nature {
    let at = sd * random.normal();
    Nature::Number {
        amplitude,
        phase,
        weekend,
        noise: (sd, memory, at),
    }
}

/// The bounds of a point of the grid, and what stands for it.
fn bounds(point: usize) -> (f64, f64, f64) {
    let lower = point as f64 / FINE - SPAN;
    (lower, lower + 1.0 / FINE, lower + 0.5 / FINE)
}

fn numbers(name: &str, whole: &[u64]) -> Outcome<SeriesLayout> {
    let mut edges = EdgeCollector::new(whole.iter().sum());
    for (point, count) in whole.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (lower, upper, _) = bounds(point);
        edges.push_between(lower, upper, *count);
    }
    let quantiles = edges.finish();
    let mut counts = vec![0; quantiles.edges.bins()];
    for (point, count) in whole.iter().enumerate() {
        counts[quantiles.edges.bin_of(bounds(point).2)] += count;
    }
    let bins = Bins::Numeric(NumericBins::from_reference(&quantiles, &counts)?);
    Ok(SeriesLayout::new(name, Role::Feature, Kind::Numeric, bins)?)
}

fn categories(name: &str, whole: &[u64]) -> Outcome<SeriesLayout> {
    let hash = CategoryHash::new(name, false);
    let seen = whole.iter().enumerate().filter(|(_, count)| **count > 0);
    let counts = seen.map(|(rank, count)| (hash.category(&text(rank)), *count));
    let bins = Bins::Categorical(CategoryBins::from_reference(hash, counts.collect()));
    let layout = SeriesLayout::new(name, Role::Feature, Kind::Categorical, bins)?;
    Ok(layout)
}

fn text(rank: usize) -> String {
    format!("c{rank}")
}

fn cell(layout: &SeriesLayout, point: usize) -> u16 {
    let cell = match layout.kind() {
        Kind::Numeric => layout.cell_of(Value::Number(bounds(point).2)),
        Kind::Categorical | Kind::Boolean => layout.cell_of(Value::Text(&text(point))),
    };
    u16::try_from(cell).unwrap_or(u16::MAX)
}

/// Means of bins and of all; a bin without rows has the mean of the one before it.
fn moments(layout: &SeriesLayout, whole: &[u64], counts: Vec<u64>) -> SeriesReference {
    let mut sums = vec![(0.0, 0.0); layout.value_cells()];
    let (mut rows, mut first, mut second) = (0.0, 0.0, 0.0);
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for (point, count) in whole.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (n, x) = (*count as f64, bounds(point).2);
        let sum = &mut sums[layout.cell_of(Value::Number(x))];
        *sum = (sum.0 + n, sum.1 + n * x);
        (rows, first, second) = (rows + n, first + n * x, second + n * x * x);
        (min, max) = (min.min(x), max.max(x));
    }
    let mean = first / rows;
    let mut before = min;
    let means = sums.iter().map(|(n, sum)| {
        before = if *n > 0.0 { sum / n } else { before };
        before
    });
    SeriesReference {
        counts: counts.into(),
        means: means.collect(),
        mean,
        sd: (second / rows - mean * mean).max(0.0).sqrt(),
        min,
        max,
    }
}
