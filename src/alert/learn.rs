//! What is natural, learned from the hours of a healthy period.
//!
//! Each series alone, for each window length `w`:
//!
//! ```text
//! blocks     the period is cut at multiples of w; blocks that it does not cover are left out
//! baseline   for each block, all hours but its own: as a whole, or by buckets (hours of the day)
//! tau, K     by how much the statistics of the blocks exceed those of samples
//! ```
//!
//! With fewer than eight blocks of `w`, blocks half as long teach, down to an hour: 7 days of a
//! reference of three weeks learn from its days. The rest of the method is that of `dispersion` in
//! [`crate::stats`]; how different the buckets themselves are is learned in the same way, each
//! bucket against the others.
//!
//! A reference that holds an incident learns that incidents are natural: less power, never more
//! false alarms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::baseline::{Expected, Hour};
use super::compare::{Compared, compare};
use super::counts::SeriesCounts;
use super::presence;
use crate::layout::{Layout, SeriesLayout};
use crate::reference::narrow::Narrow;
use crate::reference::natural::{
    Buckets, Dispersion, Natural, Offsets, Part, Profile, SeriesNatural, WindowNatural, bucket_of,
};
use crate::reference::{BlockCells, HourBlock, Reference};
use crate::statelog::record::BaselineChoice;
use crate::stats::{self, Block};
use crate::time::{Length, Timestamp};

/// Days that a reference must cover before hours of the day are told apart.
pub const PROFILE_DAYS_MIN: u32 = 14;

/// What to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// The layout whose test bins the hours are counted in.
    pub layout: &'a Layout,
    /// Hours, ascending; those without rows may be left out.
    pub hours: &'a [HourBlock],
    /// Which hours are alike, in which local time; `None` takes all together.
    pub buckets: Option<(Buckets, &'a Offsets)>,
    /// The lengths of windows.
    pub windows: &'a [Length],
}

/// Learns from the hours of a reference, if it has any; `offsets` knows time zones by name.
pub fn of_reference(
    reference: &Reference,
    windows: &[Length],
    choice: BaselineChoice,
    offsets: impl Fn(&str, Timestamp) -> Option<Offsets>,
) -> Option<Natural> {
    let (first, last) = (reference.blocks.first()?, reference.blocks.last()?);
    let covered = last.start.millis_since(first.start) + Length::HOUR.as_millis();
    let has_weeks = covered >= Length::DAY.times(PROFILE_DAYS_MIN).as_millis();
    let buckets = match choice {
        BaselineChoice::Global => None,
        BaselineChoice::Auto => has_weeks.then_some(Buckets::HourOfDayWeekend),
        BaselineChoice::HourOfDay => Some(Buckets::HourOfDay),
        BaselineChoice::HourOfDayWeekend => Some(Buckets::HourOfDayWeekend),
    };
    let zone = reference.header.timezone.as_deref();
    let offsets = zone.and_then(|zone| offsets(zone, first.start));
    let offsets = offsets.unwrap_or_else(Offsets::utc);
    Some(learn(Lesson {
        layout: &reference.layout,
        hours: &reference.blocks,
        buckets: buckets.map(|buckets| (buckets, &offsets)),
        windows,
    }))
}

/// Learns what is natural.
pub fn learn(lesson: Lesson<'_>) -> Natural {
    let cells = BlockCells::new(lesson.layout);
    let mut windows: Vec<WindowNatural> = lesson
        .windows
        .iter()
        .map(|length| WindowNatural {
            length: *length,
            block: *length,
            series: Vec::new(),
            carriers: presence::learn(lesson.hours, *length),
        })
        .collect();
    let mut spread = Vec::new();
    for (index, series) in lesson.layout.series().iter().enumerate() {
        let counts = |hour: &HourBlock| SeriesCounts::of_block(series, &cells.counts(hour, index));
        let pupil = Pupil::new(series, lesson, counts);
        for window in &mut windows {
            let (block, natural) = pupil.window(window.length);
            window.block = block.map_or(window.block, |block| block.min(window.block));
            window.series.push(natural);
        }
        spread.push(pupil.spread);
    }
    windows.sort_by_key(|window| window.length);
    let profile = lesson
        .buckets
        .map(|(buckets, offsets)| Arc::new(profile(lesson, &cells, (buckets, offsets), spread)));
    Natural { windows, profile }
}

fn profile(
    lesson: Lesson<'_>,
    cells: &BlockCells,
    (buckets, offsets): (Buckets, &Offsets),
    spread: Vec<[f64; 2]>,
) -> Profile {
    let mut counts = vec![vec![0; cells.cells()]; buckets.count()];
    let mut hours = vec![0; buckets.count()];
    for hour in lesson.hours {
        let bucket = bucket_of(buckets, offsets, hour.start);
        if let Some(count) = hours.get_mut(bucket) {
            *count += 1;
        }
        for (cell, count) in &hour.cells {
            let sum = counts
                .get_mut(bucket)
                .and_then(|counts| counts.get_mut(*cell as usize));
            if let Some(sum) = sum {
                *sum += count;
            }
        }
    }
    Profile {
        buckets,
        offsets: offsets.clone(),
        hours,
        counts: counts.iter().map(|counts| Narrow::new(counts)).collect(),
        spread,
    }
}

/// An hour of one series.
struct Lived {
    start: Timestamp,
    bucket: usize,
    counts: SeriesCounts,
}

/// One series that learns.
struct Pupil<'a> {
    series: &'a SeriesLayout,
    /// Ascending.
    hours: Vec<Lived>,
    whole: SeriesCounts,
    /// By bucket: its counts, and how many hours they are of. Empty where all are taken together.
    buckets: Vec<(SeriesCounts, u32)>,
    spread: [f64; 2],
}

impl<'a> Pupil<'a> {
    fn new(
        series: &'a SeriesLayout,
        lesson: Lesson<'_>,
        counts: impl Fn(&HourBlock) -> SeriesCounts,
    ) -> Self {
        let empty = || SeriesCounts::empty(series);
        let mut whole = empty();
        let count = lesson.buckets.map_or(0, |(buckets, _)| buckets.count());
        let mut buckets = vec![(empty(), 0); count];
        let mut hours = Vec::with_capacity(lesson.hours.len());
        for hour in lesson.hours {
            let counts = counts(hour);
            let of =
                |(buckets, offsets): (Buckets, &Offsets)| bucket_of(buckets, offsets, hour.start);
            let bucket = lesson.buckets.map_or(0, of);
            whole.add(&counts);
            if let Some((sum, hours)) = buckets.get_mut(bucket) {
                sum.add(&counts);
                *hours += 1;
            }
            hours.push(Lived {
                start: hour.start,
                bucket,
                counts,
            });
        }
        let spread = spread(&whole, &buckets);
        Self {
            series,
            hours,
            whole,
            buckets,
            spread,
        }
    }

    /// What is natural for windows of this length, and the longest blocks that taught it.
    fn window(&self, length: Length) -> (Option<Length>, SeriesNatural) {
        let mut natural: SeriesNatural = [None; Part::ALL.len()];
        let mut longest = None;
        for block in block_lengths(length) {
            let missing = natural.iter().any(Option::is_none);
            if !missing {
                break;
            }
            let learned = self.taught_by_blocks(block);
            for (mine, learned) in natural.iter_mut().zip(learned) {
                if mine.is_none() && learned.is_some() {
                    *mine = learned;
                    longest = longest.or(Some(block));
                }
            }
        }
        (longest, natural)
    }

    fn taught_by_blocks(&self, length: Length) -> SeriesNatural {
        let mut blocks: [Vec<Block>; Part::ALL.len()] = Default::default();
        for (position, hours) in whole_blocks(&self.hours, length, |hour| hour.start) {
            for compared in self.compare_block(hours) {
                let part = compared.test.part();
                if let Some(blocks) = part.and_then(|part| blocks.get_mut(part as usize)) {
                    blocks.push(block_of(position, &compared));
                }
            }
        }
        blocks.map(|blocks| taught_by(&blocks))
    }

    /// The tests of a block against all other hours.
    fn compare_block(&self, block: &[Lived]) -> Vec<Compared> {
        let mut own = SeriesCounts::empty(self.series);
        for hour in block {
            own.add(&hour.counts);
        }
        let mut others = self.whole.clone();
        others.subtract(&own);
        let kind = self.series.kind();
        if self.buckets.is_empty() {
            return compare(kind, &Expected::global(&others), &own);
        }
        let mut buckets: BTreeMap<usize, (SeriesCounts, u32)> = BTreeMap::new();
        for hour in block {
            let of_all = || self.buckets.get(hour.bucket).cloned();
            let empty = || (SeriesCounts::empty(self.series), 0);
            let (counts, hours) = buckets
                .entry(hour.bucket)
                .or_insert_with(|| of_all().unwrap_or_else(empty));
            counts.subtract(&hour.counts);
            *hours = hours.saturating_sub(1);
        }
        let hours: Vec<Hour<'_>> = block
            .iter()
            .filter_map(|hour| {
                let (bucket, hours) = buckets.get(&hour.bucket)?;
                Some(Hour {
                    present: hour.counts.present(),
                    rows: hour.counts.rows(),
                    values: &bucket.values,
                    missing: bucket.missing_rate(),
                    hours: *hours,
                })
            })
            .collect();
        compare(
            kind,
            &Expected::at_hours(&others, self.spread, &hours),
            &own,
        )
    }
}

/// How different buckets are, of values and of missing ones: each against all others.
fn spread(whole: &SeriesCounts, buckets: &[(SeriesCounts, u32)]) -> [f64; 2] {
    let (mut values, mut missing) = (Vec::new(), Vec::new());
    for (position, (bucket, _)) in (0..).zip(buckets) {
        let mut others = whole.clone();
        others.subtract(bucket);
        let block = |statistic, rows, all| Block {
            position,
            rows,
            statistic,
            harmonic_rows: stats::harmonic_rows(all, rows),
            kappa: 1.0,
        };
        if let Ok(deviance) = stats::deviance(&others.values, &bucket.values) {
            let statistic = deviance.corrected();
            values.push(block(statistic, bucket.present(), others.present()));
        }
        if let Ok(statistic) = stats::rate_deviance(others.missing_rate(), bucket.missing_rate()) {
            missing.push(block(statistic, bucket.rows(), others.rows()));
        }
    }
    [values, missing].map(|blocks| stats::dispersion(&blocks).map_or(0.0, |learned| learned.tau))
}

/// The hours of each block that lies wholly within their period, by the block's position.
pub(super) fn whole_blocks<T>(
    hours: &[T],
    length: Length,
    start_of: impl Fn(&T) -> Timestamp,
) -> BTreeMap<i64, &[T]> {
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
        return BTreeMap::new();
    };
    let (from, to) = (start_of(first), start_of(last) + Length::HOUR);
    let start = |hour: &T| start_of(hour).floor(length);
    hours
        .chunk_by(|a, b| start(a) == start(b))
        .filter_map(|hours| {
            let start = start(hours.first()?);
            let position = start.as_millis() / length.as_millis();
            (start >= from && start + length <= to).then_some((position, hours))
        })
        .collect()
}

/// What blocks teach, if there are enough.
pub(super) fn taught_by(blocks: &[Block]) -> Option<Dispersion> {
    let learned = stats::dispersion(blocks).ok()?;
    Some(Dispersion {
        tau: learned.tau,
        tail_df: learned.tail_df(),
    })
}

/// A block of a healthy period, and how it compares with the rest of it.
pub(super) fn block_of(position: i64, compared: &Compared) -> Block {
    Block {
        position,
        rows: compared.rows,
        statistic: compared.statistic,
        harmonic_rows: compared.harmonic_rows,
        kappa: compared.kappa,
    }
}

/// The lengths of blocks that may teach windows of this length, the best first: its own in whole
/// hours, a day for longer ones, then ever half of that down to an hour. None for windows shorter
/// than that: hours say nothing of them.
pub(super) fn block_lengths(window: Length) -> Vec<Length> {
    let hours = |hours: i64| Length::from_millis(hours * Length::HOUR.as_millis());
    let whole = window.as_millis() / Length::HOUR.as_millis();
    let mut all = Vec::new();
    if whole > 24 {
        all.extend(hours(whole));
    }
    let mut next = whole.min(24);
    while next >= 1 {
        all.extend(hours(next));
        next /= 2;
    }
    all
}

#[cfg(test)]
mod tests;
