//! What tests of alerts share: a made-up world of one numeric and one categorical series.

use std::sync::Arc;

use crate::key::Role;
use crate::layout::{
    Bins, CategoryBins, CategoryHash, EdgeCollector, Kind, Layout, NumericBins, SeriesLayout,
};
use crate::reference::{BlockCells, HourBlock, block_cell};
use crate::stats::support::SplitMix;
use crate::time::{Length, Timestamp};

/// The categories of `country`.
const COUNTRIES: [&str; 3] = ["de", "fr", "us"];
/// Their usual shares.
const SHARES: [f64; 3] = [0.5, 0.3, 0.2];

/// `amount`, a standard normal with 100 bins, and `country`.
pub(crate) fn layout() -> Arc<Layout> {
    let mut random = SplitMix(1);
    let mut values: Vec<f64> = (0..20_000).map(|_| normal(&mut random)).collect();
    values.sort_by(f64::total_cmp);
    let mut edges = EdgeCollector::new(20_000);
    for value in &values {
        edges.push(*value, 1);
    }
    let quantiles = edges.finish();
    let mut counts = vec![0; quantiles.edges.bins()];
    for value in &values {
        counts[quantiles.edges.bin_of(*value)] += 1;
    }
    let numeric = NumericBins::from_reference(&quantiles, &counts).unwrap();
    let hash = CategoryHash::new("country", false);
    let known = COUNTRIES
        .iter()
        .map(|text| (hash.category(text), 1_000))
        .collect();
    let categories = CategoryBins::from_reference(hash, known);
    let series = [
        ("amount", Kind::Numeric, Bins::Numeric(numeric)),
        ("country", Kind::Categorical, Bins::Categorical(categories)),
    ];
    let series = series
        .map(|(name, kind, bins)| SeriesLayout::new(name, Role::Feature, kind, bins).unwrap());
    Arc::new(Layout::new(series.to_vec()).unwrap())
}

/// A standard normal number (Box & Muller 1958).
pub(crate) fn normal(random: &mut SplitMix) -> f64 {
    let (u, v) = (1.0 - random.unit(), random.unit());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// What an hour of the world is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Rows.
    pub(crate) rows: u64,
    /// The mean of `amount`.
    pub(crate) mean: f64,
    /// Its share of missing values.
    pub(crate) missing: f64,
}

/// The cells of the layout of one hour.
pub(crate) fn cells(layout: &Layout, random: &mut SplitMix, weather: Weather) -> Vec<u64> {
    let mut cells = vec![0; layout.cells()];
    let (amount, country) = (&layout.series()[0], &layout.series()[1]);
    for _ in 0..weather.rows {
        let value = if random.unit() < weather.missing {
            crate::decode::Value::Missing
        } else {
            crate::decode::Value::Number(weather.mean + normal(random))
        };
        cells[amount.cell_of(value)] += 1;
    }
    let rows = usize::try_from(weather.rows).unwrap();
    let shares = random.multinomial(&SHARES, rows);
    for (text, count) in COUNTRIES.iter().zip(shares) {
        cells[layout.offset(1) + country.cell_of(crate::decode::Value::Text(text))] += count;
    }
    cells
}

/// The hour block of cells.
pub(crate) fn block(layout: &Layout, start: Timestamp, cells: &[u64], rows: u64) -> HourBlock {
    let of_blocks = BlockCells::new(layout);
    let mut sums = vec![0; of_blocks.cells()];
    for (index, series) in layout.series().iter().enumerate() {
        for cell in 0..series.cells() {
            let count = cells[layout.offset(index) + cell];
            sums[of_blocks.offset(index) + block_cell(series, cell)] += count;
        }
    }
    let cells = (0..).zip(sums).filter(|(_, count)| *count > 0).collect();
    HourBlock {
        start,
        rows,
        carried: [rows, 0, 0, 0],
        cells,
    }
}

/// So many hours from the Monday 2024-01-01 on, each in its weather.
pub(crate) fn hours(
    layout: &Layout,
    count: i64,
    seed: u64,
    weather: impl Fn(i64) -> Weather,
) -> Vec<HourBlock> {
    let mut random = SplitMix(seed);
    let monday = Timestamp::from_millis(1_704_067_200_000);
    (0..count)
        .map(|hour| {
            let weather = weather(hour);
            let start = monday + Length::HOUR.times(u32::try_from(hour).unwrap().max(1));
            let start = if hour == 0 { monday } else { start };
            block(
                layout,
                start,
                &cells(layout, &mut random, weather),
                weather.rows,
            )
        })
        .collect()
}
