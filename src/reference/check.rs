//! Whether the parts of a reference agree with each other, and the digest over those that scores
//! depend on.
//!
//! ```text
//! "driftd reference" 0 1; digest of the layout; u64 rows; u64 carried, 4 of them
//! per series: u64 count of each cell; f64 bits of each mean, then of mean, sd, min and max
//! ```
//!
//! All numbers are little-endian; the layout says how many there are.

use sha2::{Digest as _, Sha256};

use super::narrow::Narrow;
use super::{
    BLOCK, BlockCells, Header, HourBlock, ROWS_MAX, Reference, SeriesReference, block_cell,
};
use crate::key::Carrier;
use crate::layout::{CONVENTION, Digest, Kind, Layout, SeriesLayout};

/// How the parts of a reference disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Another way to bin and to smooth than the one known.
    #[error("its convention is `{0}`, not {CONVENTION}")]
    Convention(String),
    /// More than [`ROWS_MAX`].
    #[error("it has {0} rows, more than {ROWS_MAX}")]
    Rows(u64),
    /// Times without order, or of only one end.
    #[error("its first event is not before its last")]
    Times,
    /// A time zone that nobody knows.
    #[error("its time zone `{0}` is not known")]
    Timezone(String),
    /// An importance below 0, or of a series that the layout does not have.
    #[error("its importance of `{0}` is not one")]
    Importance(String),
    /// Other series than the layout has.
    #[error("it has {found} series, its layout {expected}")]
    Series {
        /// Those of the reference.
        found: usize,
        /// Those of the layout.
        expected: usize,
    },
    /// More rows that carry something than there are rows.
    #[error("more rows carry {0:?} than there are")]
    Carried(Carrier),
    /// Counts that do not add up to the rows that carry the series, or are of other cells.
    #[error("the counts of series `{0}` do not add up")]
    Counts(String),
    /// Statistics that numbers in these bins cannot have.
    #[error("the statistics of series `{0}` do not fit its counts")]
    Statistics(String),
    /// An hour that does not begin with an hour, or is not after the one before.
    #[error("an hour does not follow the one before it")]
    Hours,
    /// An hour whose counts do not add up, or hours that have more than the whole.
    #[error("the counts of the hours do not add up")]
    HourCounts,
}

/// The digest of the module header.
pub(super) fn digest(
    header: &Header,
    layout: &Layout,
    series: &[SeriesReference],
    carried: [u64; 4],
) -> Digest {
    let mut sha = Sha256::new_with_prefix(b"driftd reference\0\x01");
    sha.update(layout.digest().0);
    sha.update(header.rows.to_le_bytes());
    for rows in carried {
        sha.update(rows.to_le_bytes());
    }
    for series in series {
        for count in series.counts.iter() {
            sha.update(count.to_le_bytes());
        }
        let moments = [series.mean, series.sd, series.min, series.max];
        for number in series.means.iter().chain(&moments) {
            sha.update(number.to_bits().to_le_bytes());
        }
    }
    Digest(sha.finalize().into())
}

/// Checks everything that [`Reference::new`] promises.
pub(super) fn check(reference: &Reference) -> Result<(), ReferenceError> {
    check_header(&reference.header)?;
    check_importances(reference)?;
    let (series, layout) = (&reference.series, reference.layout.series());
    if series.len() != layout.len() {
        return Err(ReferenceError::Series {
            found: series.len(),
            expected: layout.len(),
        });
    }
    check_carried(reference.carried, reference.header.rows)?;
    for (series, layout) in series.iter().zip(layout) {
        let name = || layout.name().to_string();
        if series.counts.len() != layout.cells()
            || total(&series.counts) != Some(reference.rows_of(layout))
        {
            return Err(ReferenceError::Counts(name()));
        }
        if !fits(series, layout) {
            return Err(ReferenceError::Statistics(name()));
        }
    }
    check_blocks(reference)
}

fn check_header(header: &Header) -> Result<(), ReferenceError> {
    if &*header.convention != CONVENTION {
        return Err(ReferenceError::Convention(header.convention.to_string()));
    }
    if header.rows > ROWS_MAX {
        return Err(ReferenceError::Rows(header.rows));
    }
    match (header.first_event, header.last_event) {
        (None, None) => {}
        (Some(first), Some(last)) if first <= last => {}
        _ => return Err(ReferenceError::Times),
    }
    match &header.timezone {
        Some(zone) if jiff::tz::TimeZone::get(zone).is_err() => {
            Err(ReferenceError::Timezone(zone.clone()))
        }
        _ => Ok(()),
    }
}

fn check_importances(reference: &Reference) -> Result<(), ReferenceError> {
    let is_wrong = |(name, importance): &(&String, &f64)| {
        !importance.is_finite() || **importance < 0.0 || reference.layout.find(name).is_none()
    };
    match reference.header.importances.iter().find(is_wrong) {
        Some((name, _)) => Err(ReferenceError::Importance(name.clone())),
        None => Ok(()),
    }
}

fn check_carried(carried: [u64; 4], rows: u64) -> Result<(), ReferenceError> {
    let mut counts = Carrier::ALL.into_iter().zip(carried);
    match counts.find(|(_, count)| *count > rows) {
        Some((carrier, _)) => Err(ReferenceError::Carried(carrier)),
        None => Ok(()),
    }
}

fn total(counts: &Narrow) -> Option<u64> {
    let mut counts = counts.iter();
    counts.try_fold(0_u64, u64::checked_add)
}

/// Whether the statistics are those of some numbers with these counts.
fn fits(series: &SeriesReference, layout: &SeriesLayout) -> bool {
    let SeriesReference {
        counts,
        means,
        mean,
        sd,
        min,
        max,
    } = series;
    let values = counts.at(0..layout.value_cells());
    let present = values.iter().any(|count| *count > 0);
    let moments = [*mean, *sd, *min, *max];
    let numeric = layout.kind() == Kind::Numeric;
    if means.len() != if numeric { values.len() } else { 0 } {
        return false;
    }
    if !numeric || !present {
        return means
            .iter()
            .chain(&moments)
            .all(|number| number.to_bits() == 0);
    }
    let negative_zero = (-0.0_f64).to_bits();
    let plain = |x: &f64| x.is_finite() && x.to_bits() != negative_zero;
    let inside = |x: &f64| min <= x && x <= max;
    means.iter().chain(&moments).all(plain)
        && *sd >= 0.0
        && means.iter().all(inside)
        && inside(mean)
        && means.is_sorted()
        && means
            .iter()
            .zip(values)
            .enumerate()
            .all(|(bin, (mean, count))| {
                count == 0 || layout.cell_of(crate::decode::Value::Number(*mean)) == bin
            })
}

/// Checks that hours follow each other, that each adds up, and that together they have no more than
/// the whole reference.
fn check_blocks(reference: &Reference) -> Result<(), ReferenceError> {
    let blocks = &reference.blocks;
    let starts_right = |block: &HourBlock| block.start == block.start.floor(BLOCK);
    if !blocks.is_sorted_by(|a, b| a.start < b.start) || !blocks.iter().all(starts_right) {
        return Err(ReferenceError::Hours);
    }
    let cells = BlockCells::new(&reference.layout);
    let mut sums = vec![0_u64; cells.cells()];
    let (mut rows, mut carried) = (0_u64, [0_u64; 4]);
    for block in blocks {
        check_block(reference, &cells, block)?;
        rows = rows.saturating_add(block.rows);
        for (sum, count) in carried.iter_mut().zip(block.carried) {
            *sum = sum.saturating_add(count);
        }
        for (cell, count) in &block.cells {
            // check_block saw that the cell is one
            if let Some(sum) = sums.get_mut(*cell as usize) {
                *sum = sum.saturating_add(*count);
            }
        }
    }
    let within = |(part, whole): (&u64, &u64)| part <= whole;
    let fits = rows <= reference.header.rows
        && carried.iter().zip(&reference.carried).all(within)
        && sums.iter().zip(&merged(reference, &cells)).all(within);
    if fits {
        Ok(())
    } else {
        Err(ReferenceError::HourCounts)
    }
}

/// The counts of the whole reference in the cells of blocks.
fn merged(reference: &Reference, cells: &BlockCells) -> Vec<u64> {
    let mut merged = vec![0; cells.cells()];
    let all = reference
        .series
        .iter()
        .zip(reference.layout.series())
        .enumerate();
    for (at, (series, layout)) in all {
        for (cell, count) in series.counts.iter().enumerate() {
            if let Some(sum) = merged.get_mut(cells.offset(at) + block_cell(layout, cell)) {
                *sum += count;
            }
        }
    }
    merged
}

fn check_block(
    reference: &Reference,
    cells: &BlockCells,
    block: &HourBlock,
) -> Result<(), ReferenceError> {
    check_carried(block.carried, block.rows).map_err(|_more| ReferenceError::HourCounts)?;
    let known = |cell: u32| (cell as usize) < cells.cells();
    let in_order = block.cells.is_sorted_by(|a, b| a.0 < b.0)
        && block
            .cells
            .iter()
            .all(|(cell, count)| *count > 0 && known(*cell));
    if block.rows > reference.header.rows || !in_order {
        return Err(ReferenceError::HourCounts);
    }
    let mut left = block.cells.as_slice();
    for (at, layout) in reference.layout.series().iter().enumerate() {
        let end = cells.offset(at + 1);
        let own = left.partition_point(|(cell, _)| (*cell as usize) < end);
        let (mine, rest) = left.split_at_checked(own).unwrap_or((left, &[]));
        left = rest;
        let sum = mine
            .iter()
            .try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count));
        let carrier = Carrier::of(layout.role(), layout.name());
        if sum != block.carried.get(carrier as usize).copied() {
            return Err(ReferenceError::HourCounts);
        }
    }
    Ok(())
}
