//! Histograms: what stands for a bin, and how many rows fell into it, then and now.
//!
//! ```text
//! numbers in (20, 35]         {"lower":20,"upper":35,"reference":100,"count":140,..}
//! numbers above 35            {"lower":35,..}                an absent bound is infinite
//! exactly 0                   {"lower":0,"upper":0,"point":true,..}
//! a category                  {"category":"UA",..}
//! a category kept as hash     {"category_hash":"00c0ffee00c0ffee",..}
//! known beyond the cap        {"special":"other",..}
//! never seen by the reference {"special":"new",..}           also `missing` and `invalid`
//! ```

use std::cmp::Reverse;

use serde::Serialize;

use super::is_false;
use crate::layout::{Bins, Category, Cell, LooseCounts, SeriesLayout, grid_bounds};
use crate::reference::SeriesReference;
use crate::score::{self, Scores};
use crate::stats;

/// One bin.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::expose) struct Bin<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) upper: Option<f64>,
    #[serde(skip_serializing_if = "is_false")]
    pub(in crate::expose) point: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) category_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) special: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) reference: Option<u64>,
    pub(in crate::expose) count: u64,
    /// What the bin adds to PSI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) contribution: Option<f64>,
    /// Whether its share differs most from that of the reference: L-infinity is its difference.
    #[serde(skip_serializing_if = "is_false")]
    pub(in crate::expose) largest: bool,
}

impl<'a> Bin<'a> {
    fn of(cell: Cell<'a>) -> Self {
        let mut bin = Self::default();
        match cell {
            Cell::Range { lower, upper } => (bin.lower, bin.upper) = (lower, upper),
            Cell::Point(point) => {
                (bin.lower, bin.upper, bin.point) = (Some(point), Some(point), true);
            }
            Cell::Category(Category::Text(text)) => bin.category = Some(text),
            Cell::Category(Category::Hashed(hash)) => {
                bin.category_hash = Some(format!("{hash:016x}"));
            }
            Cell::Other => bin.special = Some("other"),
            Cell::New => bin.special = Some("new"),
            Cell::Missing => bin.special = Some("missing"),
            Cell::Invalid => bin.special = Some("invalid"),
        }
        bin
    }

    fn special(name: &'static str, count: u64) -> Self {
        Self {
            special: Some(name),
            count,
            ..Self::default()
        }
    }
}

/// The bins that people see, with what each of them adds to PSI where there is one.
pub(super) fn displayed<'a>(
    layout: &'a SeriesLayout,
    reference: &SeriesReference,
    cells: &[u64],
    scores: Option<&Scores>,
) -> Vec<Bin<'a>> {
    let then = score::displayed(layout, &reference.counts.to_vec());
    let now = score::displayed(layout, cells);
    let contributions = scores.and_then(|_| stats::psi_contributions(&then, &now).ok());
    let largest = scores.map(|scores| scores.l_infinity_bin);
    let counts = then.iter().zip(&now).enumerate();
    let bins = labels(layout).into_iter().zip(counts);
    bins.map(|(label, (at, (reference, count)))| Bin {
        reference: Some(*reference),
        count: *count,
        contribution: contributions.as_ref().and_then(|all| all.get(at)).copied(),
        largest: largest == Some(at),
        ..label
    })
    .collect()
}

/// What each display bin stands for.
fn labels(layout: &SeriesLayout) -> Vec<Bin<'_>> {
    match layout.bins() {
        Bins::Numeric(_) => {
            let edges: Vec<Option<f64>> = layout.display_edges().into_iter().map(Some).collect();
            let lowers = std::iter::once(None).chain(edges.iter().copied());
            let uppers = edges.iter().copied().chain([None]);
            lowers
                .zip(uppers)
                .map(|(lower, upper)| Bin::of(Cell::Range { lower, upper }))
                .collect()
        }
        Bins::Categorical(_) => {
            let mut labels = vec![Bin::default(); layout.display_bins()];
            for (cell, bin) in layout.display().iter().enumerate() {
                // where `other` must be empty it shares the bin of `new`, which comes later
                let label = labels.get_mut(usize::from(*bin));
                if let (Some(label), Some(cell)) = (label, layout.cell(cell)) {
                    *label = Bin::of(cell);
                }
            }
            labels
        }
    }
}

/// All stored bins, the special ones last: their counts add up to the rows.
pub(super) fn stored<'a>(
    layout: &'a SeriesLayout,
    reference: &SeriesReference,
    cells: &[u64],
) -> Vec<Bin<'a>> {
    let at = |cell: usize| cells.get(cell).copied().unwrap_or(0);
    (0..layout.cells())
        .filter_map(|cell| {
            let (then, now) = (reference.counts.get(cell), at(cell));
            // a reference of few categories has none beyond the cap
            let idle = layout.other_cell() == Some(cell) && then == 0 && now == 0;
            let bin = layout.cell(cell).filter(|_| !idle)?;
            Some(Bin {
                reference: Some(then),
                count: now,
                ..Bin::of(bin)
            })
        })
        .collect()
}

/// The counts of a series that no layout knows: numbers by the grid, strings by falling count.
pub(super) fn loose(counts: &LooseCounts) -> Vec<Bin<'_>> {
    let numbers = counts.numbers().iter().map(|(bin, count)| {
        let (lower, upper) = grid_bounds(*bin);
        let zero = lower < 0.0 && upper == 0.0;
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        let lower = if zero { Some(0.0) } else { finite(lower) };
        Bin {
            lower,
            upper: finite(upper),
            point: zero,
            count: *count,
            ..Bin::default()
        }
    });
    let mut texts: Vec<_> = counts.texts().collect();
    texts.sort_by_key(|(text, count)| (Reverse(*count), *text));
    let booleans = [("false", counts.falses()), ("true", counts.trues())];
    let named = texts
        .into_iter()
        .chain(booleans.into_iter().filter(|(_, count)| *count > 0));
    let named = named.map(|(text, count)| Bin {
        category: Some(text),
        count,
        ..Bin::default()
    });
    let other = (counts.overflow() > 0).then(|| Bin::special("other", counts.overflow()));
    let special = [
        Bin::special("missing", counts.missing()),
        Bin::special("invalid", counts.invalid()),
    ];
    numbers.chain(named).chain(other).chain(special).collect()
}
