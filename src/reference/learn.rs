//! A reference made from the counts of live rows that were taken without any layout.
//!
//! A model version that nobody built a reference for learns one from its first rows. They were
//! counted on the fixed grid (see [`crate::layout`]), so the reference's edges are points of the
//! grid, at the same ranks as those of a built one, and a grid bin with enough rows takes the place
//! of an atom:
//!
//! ```text
//! grid bin of value number ceil(k*m/100), k = 1..99     its upper bound
//! grid bin with at least m/200 rows, or of at most 200  both its bounds
//! the lowest grid bin; the highest                      both; its upper bound
//! ```
//!
//! Every grid bin lies in one bin of the result, so what was counted before projects exactly. Means
//! and moments take each number for the middle of its grid bin, within 1.6 % of it.
//!
//! The kind of a series is that of most of its values, see [`LooseCounts::kind`]; values of another
//! kind are `invalid`. Strings that the counts did not keep are `new`, in the reference as in live
//! rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Header, Reference, ReferenceError, SeriesReference};
use crate::key::{Carrier, Role};
use crate::layout::{
    Bins, CategoryBins, CategoryHash, EdgeCollector, Kind, Layout, LayoutError, LooseCounts,
    NumericBins, Quantiles, SeriesLayout, grid_bounds,
};

mod recount;

pub use self::recount::{Recounted, recount};

/// Why counts give no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The series make no layout.
    #[error("the counted series make no layout")]
    Layout(#[from] LayoutError),
    /// The counts contradict each other.
    #[error("the counts do not make a reference")]
    Reference(#[from] ReferenceError),
}

/// Counts without a layout, by role and name.
pub type LooseSeries = BTreeMap<(Role, Box<str>), LooseCounts>;

/// The reference of rows that were counted without a layout: `header` says how many they are,
/// `carried` how many of them carry each [`Carrier`].
pub fn learn(
    header: Header,
    carried: [u64; 4],
    series: &LooseSeries,
) -> Result<Reference, LearnError> {
    let layouts = series
        .iter()
        .map(|((role, name), counts)| learn_layout(name, *role, counts));
    let layout = Layout::new(layouts.collect::<Result<_, _>>()?)?;
    let by_name: BTreeMap<&str, (Role, &LooseCounts)> = series
        .iter()
        .map(|((role, name), counts)| (&**name, (*role, counts)))
        .collect();
    let none = LooseCounts::default();
    let learned = layout.series().iter().map(|layout| {
        let (role, counts) = by_name
            .get(&**layout.name())
            .copied()
            .unwrap_or((layout.role(), &none));
        let carrier = Carrier::of(role, layout.name());
        learn_series(
            layout,
            counts,
            carried.get(carrier as usize).copied().unwrap_or(0),
        )
    });
    let learned = learned.collect();
    Ok(Reference::new(
        header,
        Arc::new(layout),
        learned,
        carried,
        Vec::new(),
    )?)
}

/// The layout of one series from its counts.
pub fn learn_layout(
    name: &str,
    role: Role,
    counts: &LooseCounts,
) -> Result<SeriesLayout, LayoutError> {
    let kind = counts.kind();
    let bins = match kind {
        Kind::Numeric => Bins::Numeric(learn_bins(counts)?),
        Kind::Categorical => {
            let hash = CategoryHash::new(name, false);
            let known = counts
                .texts()
                .map(|(text, count)| (hash.category(text), count))
                .collect();
            Bins::Categorical(CategoryBins::from_reference(hash, known))
        }
        Kind::Boolean => {
            let hash = CategoryHash::new(name, false);
            let known = [("false", counts.falses()), ("true", counts.trues())];
            let known = known.into_iter().filter(|(_, count)| *count > 0);
            let known = known
                .map(|(text, count)| (hash.category(text), count))
                .collect();
            Bins::Categorical(CategoryBins::from_reference(hash, known))
        }
    };
    SeriesLayout::new(name, role, kind, bins)
}

fn learn_bins(counts: &LooseCounts) -> Result<NumericBins, LayoutError> {
    let mut collector = EdgeCollector::new(counts.of_kind(Kind::Numeric));
    for (bin, count) in counts.numbers() {
        let (lower, upper) = grid_bounds(*bin);
        collector.push_between(lower, upper, *count);
    }
    let quantiles = collector.finish();
    let sums = in_bins(&quantiles, counts);
    NumericBins::from_reference(&quantiles, &sums)
}

fn in_bins(quantiles: &Quantiles, counts: &LooseCounts) -> Vec<u64> {
    let mut sums = vec![0; quantiles.edges.bins()];
    for (bin, count) in counts.numbers() {
        if let Some(sum) = sums.get_mut(quantiles.edges.bin_of(grid_bounds(*bin).1)) {
            *sum += count;
        }
    }
    sums
}

/// The counts and statistics of one series, of which `carried` rows carry the role.
fn learn_series(layout: &SeriesLayout, counts: &LooseCounts, carried: u64) -> SeriesReference {
    let mut cells = counts.project(layout);
    let missing = layout.missing_cell();
    let found: u64 = cells.iter().sum::<u64>() - cells.get(missing).copied().unwrap_or(0);
    if let Some(count) = cells.get_mut(missing) {
        // rows that carry the role and lack the series are missing, whether counted as null or not
        *count = carried.saturating_sub(found);
    }
    match layout.kind() {
        Kind::Numeric => numeric(layout, counts, cells),
        Kind::Categorical | Kind::Boolean => SeriesReference {
            counts: cells.into(),
            ..SeriesReference::default()
        },
    }
}

fn numeric(layout: &SeriesLayout, loose: &LooseCounts, counts: Vec<u64>) -> SeriesReference {
    let middles = || {
        loose
            .numbers()
            .iter()
            .map(|(bin, count)| (middle(*bin), *count))
    };
    let (Some((min, _)), Some((max, _))) = (middles().next(), middles().next_back()) else {
        let means = vec![0.0; layout.value_cells()];
        return SeriesReference {
            counts: counts.into(),
            means,
            ..SeriesReference::default()
        };
    };
    let mut bins: Vec<Vec<(f64, u64)>> = vec![Vec::new(); layout.value_cells()];
    for (x, count) in middles() {
        if let Some(bin) = bins.get_mut(layout.cell_of(crate::decode::Value::Number(x))) {
            bin.push((x, count));
        }
    }
    let all: Vec<_> = middles().collect();
    let mean = super::moments::mean(&all);
    let means: Vec<_> = bins
        .iter()
        .map(|bin| (!bin.is_empty()).then(|| super::moments::mean(bin)))
        .collect();
    let range = super::moments::Range { min, max, mean };
    let means = super::moments::fill_means(layout, &means, range);
    SeriesReference {
        counts: counts.into(),
        means,
        mean,
        sd: super::moments::sd(&all, range),
        min,
        max,
    }
}

/// The number that stands for a grid bin: its middle, or its finite bound at the ends.
fn middle(bin: u32) -> f64 {
    let (lower, upper) = grid_bounds(bin);
    match (lower.is_finite(), upper.is_finite()) {
        (true, true) => {
            (lower + (upper - lower) / 2.0)
                .min(upper)
                .max(lower.next_up())
                + 0.0
        }
        (true, false) => lower.next_up(),
        _ => upper,
    }
}

#[cfg(test)]
mod tests;
