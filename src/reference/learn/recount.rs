//! A reference with the bins of another one and other counts.
//!
//! Counts have no values any more, so each row counts as the mean of its bin in the reference that
//! owns the bins. A bin that was empty there has a stand-in that may lie outside of it; its rows
//! count as its middle, or at an open end as the number next to its edge:
//!
//! ```text
//! bins    (-inf, 1]  (1, 2]  (2, 4]  (4, inf)          the bin (2, 4] was empty
//! means   1          1.5     4       6      of the owner
//! rows    2          9       5       0      now: the mean is (2 * 1 + 9 * 1.5 + 5 * 3) / 16
//! ```

use std::sync::Arc;

use crate::layout::{Bins, SeriesLayout};
use crate::reference::moments::{self, Range};
use crate::reference::{Header, HourBlock, Reference, ReferenceError, SeriesReference};

/// Counts in the cells of a reference's layout, with the hours that they come from.
#[derive(Debug, Clone, Default)]
pub struct Recounted {
    /// Rows that carry each [`crate::key::Carrier`].
    pub carried: [u64; 4],
    /// Per cell of the layout.
    pub cells: Vec<u64>,
    /// Hours, ascending; none where they are not known.
    pub blocks: Vec<HourBlock>,
}

/// The reference of `counted` in the bins of `owner`; `header` says how many rows they are.
pub fn recount(
    owner: &Reference,
    header: Header,
    counted: Recounted,
) -> Result<Reference, ReferenceError> {
    let layout = &owner.layout;
    let series = layout.series().iter().zip(&owner.series).enumerate();
    let series = series.map(|(at, (bins, known))| {
        let own = layout.offset(at)..layout.offset(at + 1);
        let counts = counted.cells.get(own).unwrap_or(&[]);
        recount_series(bins, known, counts.to_vec())
    });
    Reference::new(
        header,
        Arc::clone(layout),
        series.collect(),
        counted.carried,
        counted.blocks,
    )
}

fn recount_series(
    layout: &SeriesLayout,
    known: &SeriesReference,
    counts: Vec<u64>,
) -> SeriesReference {
    let Bins::Numeric(bins) = layout.bins() else {
        return SeriesReference {
            counts: counts.into(),
            ..SeriesReference::default()
        };
    };
    let stands = known.means.iter().enumerate();
    let rows: Vec<(f64, u64)> = stands
        .map(|(bin, mean)| inside(bins.edges().bounds(bin), *mean))
        .zip(counts.iter().copied())
        .collect();
    let runs: Vec<(f64, u64)> = rows
        .iter()
        .copied()
        .filter(|(_, count)| *count > 0)
        .collect();
    let (Some((lowest, _)), Some((highest, _))) = (runs.first(), runs.last()) else {
        return SeriesReference {
            counts: counts.into(),
            means: vec![0.0; layout.value_cells()],
            ..SeriesReference::default()
        };
    };
    let mean = moments::mean(&runs);
    let together = |a: f64, b: f64| bins.edges().bin_of(a) == bins.edges().bin_of(b);
    let (mut min, mut max) = (*lowest, *highest);
    // the owner knows better how far its outermost rows reach within their bins
    if together(known.min, min) {
        min = min.min(known.min);
    }
    if together(known.max, max) {
        max = max.max(known.max);
    }
    let range = Range { min, max, mean };
    let means: Vec<_> = rows
        .iter()
        .map(|(mean, count)| (*count > 0).then_some(*mean))
        .collect();
    SeriesReference {
        counts: counts.into(),
        means: moments::fill_means(layout, &means, range),
        mean,
        sd: moments::sd(&runs, range),
        min,
        max,
    }
}

/// The mean of a bin, or a number in the bin where its stand-in is none.
fn inside((lower, upper): (Option<f64>, Option<f64>), mean: f64) -> f64 {
    let is_above = lower.is_none_or(|lower| mean > lower);
    let is_below = upper.is_none_or(|upper| mean <= upper);
    let number = match (lower, upper) {
        _ if is_above && is_below => mean,
        (Some(lower), Some(upper)) => (lower + (upper - lower) / 2.0)
            .max(lower.next_up())
            .min(upper),
        (Some(lower), None) => lower.next_up(),
        (None, Some(upper)) => upper,
        (None, None) => mean,
    };
    // the number above the largest negative one is -0.0
    number + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Value;
    use crate::key::{Name, Role};
    use crate::layout::{Kind, LooseCounts};
    use crate::reference::ReferenceRole;
    use crate::reference::learn::{LooseSeries, learn};
    use proptest::prelude::*;

    fn header(rows: u64) -> Header {
        let name = |text| Name::new(text).unwrap();
        Header {
            rows,
            ..Header::new(name("m"), name("1"), ReferenceRole::Baseline)
        }
    }

    fn loose(values: &[f64]) -> LooseCounts {
        let mut counts = LooseCounts::default();
        for x in values {
            counts.add(Value::Number(*x), 1);
        }
        counts
    }

    fn learned(values: &[f64]) -> Reference {
        let counts = loose(values);
        let rows = values.len() as u64;
        let series = LooseSeries::from([((Role::Feature, "x".into()), counts)]);
        learn(header(rows), [rows, 0, 0, 0], &series).unwrap()
    }

    fn recounted(owner: &Reference, values: &[f64]) -> Reference {
        let rows = values.len() as u64;
        let counted = Recounted {
            carried: [rows, 0, 0, 0],
            cells: loose(values).project(&owner.layout.series()[0]),
            blocks: Vec::new(),
        };
        recount(owner, header(rows), counted).unwrap()
    }

    proptest! {
        /// The same rows counted again give the same reference.
        #[test]
        fn the_same_counts_give_the_same_reference(
            values in prop::collection::vec(-1e3..1e3, 1..60),
        ) {
            let learned = learned(&values);
            let same = recounted(&learned, &values);
            prop_assert_eq!(same.layout.digest(), learned.layout.digest());
            prop_assert_eq!(&same.series[0].counts, &learned.series[0].counts);
            prop_assert_eq!(&same.series[0].means, &learned.series[0].means);
            let ends = |one: &Reference| (one.series[0].min, one.series[0].max);
            prop_assert_eq!(ends(&same), ends(&learned));
            let (mean, sd) = (learned.series[0].mean, learned.series[0].sd);
            prop_assert!((same.series[0].mean - mean).abs() <= 1e-9 * mean.abs().max(1.0));
            // what numbers of one bin differ among each other is lost
            prop_assert!(same.series[0].sd <= sd * (1.0 + 1e-9));
        }

        /// Whatever other rows are counted, in bins that were empty and beyond both ends too, the
        /// parts agree with each other, which `Reference::new` checks.
        #[test]
        fn any_other_counts_give_a_reference(
            first in prop::collection::vec(-1e3..1e3, 1..40),
            then in prop::collection::vec(prop_oneof![-1e3..1e3, -1e9..1e9, Just(0.0)], 0..60),
        ) {
            let reference = recounted(&learned(&first), &then);
            prop_assert_eq!(reference.header.rows, then.len() as u64);
            prop_assert_eq!(reference.series[0].counts.iter().sum::<u64>(), then.len() as u64);
            prop_assert_eq!(reference.layout.series()[0].kind(), Kind::Numeric);
        }
    }

    #[test]
    fn rows_of_bins_that_were_empty_count_inside_of_them() {
        assert_eq!(
            inside((Some(1.0), Some(2.0)), 1.5).to_bits(),
            1.5_f64.to_bits()
        );
        assert_eq!(
            inside((Some(2.0), Some(4.0)), 2.0).to_bits(),
            3.0_f64.to_bits()
        );
        assert_eq!(
            inside((Some(2.0), None), 2.0).to_bits(),
            2.0_f64.next_up().to_bits()
        );
        assert_eq!(inside((None, Some(1.0)), 1.5).to_bits(), 1.0_f64.to_bits());
        assert_eq!(
            inside((Some(-5e-324), Some(1.0)), -5e-324).to_bits(),
            0.5_f64.to_bits()
        );
        assert_eq!(inside((Some(-5e-324), None), -1.0).to_bits(), 0);
    }
}
