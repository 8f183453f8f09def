//! What a histogram is drawn of: columns with the share of the rows then and now.
//!
//! ```text
//! numbers      columns of equal width over the central 97 % of both sides; what lies outside is
//!              two columns of its own; a bin's rows are spread evenly over its width
//! few numbers  a column each, where all stand in point bins
//! categories   the most frequent ones then or now, the others as one
//! ```
//!
//! Shares are of the rows with a valid value, as those of the scores. The counts are those of the
//! answer that the API gives; nothing is scored here.

use super::text;
use crate::expose::view::{Bin, SeriesView};

/// The share of both sides together that each of the two outer columns may take.
const OUTER_SHARE: f64 = 0.015;

/// A last bin that takes this much of the axis and holds no more than that of the rows is a tail:
/// it reaches to the largest value of the reference and would squeeze all others.
const TAIL_WIDTH: f64 = 0.25;
const TAIL_SHARE: f64 = 0.15;

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) label: String,
    /// The share of the reference.
    pub(super) then: f64,
    /// The share of the window.
    pub(super) now: f64,
}

/// What to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) columns: Vec<Column>,
    /// Where the columns begin and end, where they lie on an axis of numbers.
    pub(super) span: Option<(f64, f64)>,
    /// What lies outside of the span, below and above.
    pub(super) outside: Option<(Column, Column)>,
    /// Whether there is a reference to compare with.
    pub(super) compared: bool,
}

/// A bin as shares.
struct Part<'a> {
    bin: &'a Bin<'a>,
    then: f64,
    now: f64,
}

impl Shape {
    /// The shape of a series in at most `max` columns and two outer ones.
    pub(super) fn of(series: &SeriesView<'_>, max: usize) -> Self {
        let is_value = |bin: &&Bin<'_>| !matches!(bin.special, Some("missing" | "invalid"));
        let bins = || series.histogram.iter().filter(is_value);
        let whole = |side: fn(&Bin<'_>) -> u64| real(bins().map(side).sum::<u64>().max(1));
        let then_of = |bin: &Bin<'_>| bin.reference.unwrap_or(0);
        let (then, now) = (whole(then_of), whole(|bin| bin.count));
        let parts: Vec<Part<'_>> = bins()
            .map(|bin| Part {
                bin,
                then: real(then_of(bin)) / then,
                now: real(bin.count) / now,
            })
            .collect();
        let compared = bins().any(|bin| bin.reference.is_some());
        let is_number = |part: &Part<'_>| part.bin.lower.or(part.bin.upper).is_some();
        let is_idle = |part: &Part<'_>| part.then + part.now == 0.0;
        let numbers = parts.iter().any(is_number);
        let some: Vec<Part<'_>> = parts.into_iter().filter(|part| !is_idle(part)).collect();
        if !numbers {
            return Self::named(some, max, compared);
        }
        if some.len() <= max && some.iter().all(|part| part.bin.point) {
            return Self::named(some, max, compared);
        }
        Self::numbers(&some, max, compared)
    }

    fn named(parts: Vec<Part<'_>>, max: usize, compared: bool) -> Self {
        let mut ranked: Vec<(usize, Part<'_>)> = parts.into_iter().enumerate().collect();
        let is_number = ranked.iter().all(|(_, part)| part.bin.point);
        let size = |part: &Part<'_>| part.then.max(part.now);
        ranked.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
        let cut = if ranked.len() > max {
            max.saturating_sub(1)
        } else {
            max
        };
        let rest = ranked.split_off(cut.min(ranked.len()));
        if is_number {
            ranked.sort_by_key(|(place, _)| *place);
        }
        let mut columns: Vec<Column> = ranked
            .iter()
            .map(|(_, part)| Column {
                label: label(part.bin),
                then: part.then,
                now: part.now,
            })
            .collect();
        if !rest.is_empty() {
            columns.push(Column {
                label: format!("{} more", rest.len()),
                then: rest.iter().map(|(_, part)| part.then).sum(),
                now: rest.iter().map(|(_, part)| part.now).sum(),
            });
        }
        Self {
            columns,
            span: None,
            outside: None,
            compared,
        }
    }

    fn numbers(parts: &[Part<'_>], max: usize, compared: bool) -> Self {
        let (lo, hi) = span(parts);
        let width = (hi - lo) / real(max as u64);
        let mut columns: Vec<Column> = (0..max)
            .map(|place| {
                let from = lo + width * real(place as u64);
                Column {
                    label: range(Some(from), Some(from + width)),
                    then: 0.0,
                    now: 0.0,
                }
            })
            .collect();
        let mut below = outer(format!("below {}", text::value(lo)));
        let mut above = outer(format!("above {}", text::value(hi)));
        for part in parts {
            let lower = part.bin.lower.unwrap_or(f64::NEG_INFINITY);
            let upper = part.bin.upper.unwrap_or(f64::INFINITY);
            if part.bin.point && (lo..=hi).contains(&lower) {
                let at = place((lower - lo) / width, max);
                add(&mut columns, at, part, 1.0);
            } else if upper <= lo {
                below.add(part, 1.0);
            } else if lower >= hi {
                above.add(part, 1.0);
            } else if lower.is_infinite() || upper.is_infinite() {
                // open towards one side: nobody knows how far
                let side = if lower.is_infinite() {
                    &mut below
                } else {
                    &mut above
                };
                side.add(part, 1.0);
            } else {
                let whole = upper - lower;
                below.add(part, ((lo - lower) / whole).max(0.0));
                above.add(part, ((upper - hi) / whole).max(0.0));
                let (from, to) = (lower.max(lo), upper.min(hi));
                for at in place((from - lo) / width, max)..=place((to - lo) / width, max) {
                    let start = lo + width * real(at as u64);
                    let overlap = (to.min(start + width) - from.max(start)).max(0.0);
                    add(&mut columns, at, part, overlap / whole);
                }
            }
        }
        Self {
            columns,
            span: Some((lo, hi)),
            outside: Some((below, above)),
            compared,
        }
    }

    /// The largest share there is.
    pub(super) fn most(&self) -> f64 {
        let outside = self
            .outside
            .iter()
            .flat_map(|(below, above)| [below, above]);
        let all = self.columns.iter().chain(outside);
        all.map(|column| column.then.max(column.now))
            .fold(0.0, f64::max)
    }
}

impl Column {
    fn add(&mut self, part: &Part<'_>, share: f64) {
        self.then += part.then * share;
        self.now += part.now * share;
    }
}

fn outer(label: String) -> Column {
    Column {
        label,
        then: 0.0,
        now: 0.0,
    }
}

fn add(columns: &mut [Column], at: usize, part: &Part<'_>, share: f64) {
    if let Some(column) = columns.get_mut(at) {
        column.add(part, share);
    }
}

/// The bounds between which the central part of both sides lies, without a long tail.
fn span(parts: &[Part<'_>]) -> (f64, f64) {
    let share = |part: &Part<'_>| f64::midpoint(part.then, part.now);
    // from a side inwards, as long as little is left out
    let mut inner: &[Part<'_>] = parts;
    let mut left = 0.0;
    while let Some((first, rest)) = inner.split_first()
        && (first.bin.lower.is_none() || left + share(first) <= OUTER_SHARE)
        && !rest.is_empty()
    {
        (inner, left) = (rest, left + share(first));
    }
    left = 0.0;
    while let Some((last, rest)) = inner.split_last()
        && (last.bin.upper.is_none() || left + share(last) <= OUTER_SHARE)
        && !rest.is_empty()
    {
        (inner, left) = (rest, left + share(last));
    }
    let bounds = |parts: &[Part<'_>]| {
        let (first, last) = (&parts.first()?.bin, &parts.last()?.bin);
        Some((first.lower.or(first.upper)?, last.upper.or(last.lower)?))
    };
    let is_tail = |part: &Part<'_>, whole: f64| {
        let width = part.bin.upper.zip(part.bin.lower);
        let width = width.map_or(0.0, |(upper, lower)| upper - lower);
        width > whole * TAIL_WIDTH && share(part) < TAIL_SHARE
    };
    let (lo, hi) = bounds(inner).unwrap_or((0.0, 0.0));
    if let Some((last, rest)) = inner.split_last()
        && rest.len() > 1
        && is_tail(last, hi - lo)
    {
        inner = rest;
    }
    if let Some((first, rest)) = inner.split_first()
        && rest.len() > 1
        && is_tail(first, hi - lo)
    {
        inner = rest;
    }
    let (lo, hi) = bounds(inner).unwrap_or((0.0, 0.0));
    // one value is no span
    if hi - lo > lo.abs() * 1e-9 {
        (lo, hi)
    } else {
        (lo - 0.5, lo + 0.5)
    }
}

/// What a bin stands for.
pub(super) fn label(bin: &Bin<'_>) -> String {
    if let Some(category) = bin.category {
        return category.to_owned();
    }
    if let Some(hash) = &bin.category_hash {
        return format!("#{hash}");
    }
    if bin.point {
        return bin.lower.map_or(String::new(), text::value);
    }
    match bin.special {
        Some("other") => "rarer ones".to_owned(),
        Some("new") => "never seen before".to_owned(),
        Some(special) => special.to_owned(),
        None => range(bin.lower, bin.upper),
    }
}

fn range(lower: Option<f64>, upper: Option<f64>) -> String {
    match (lower, upper) {
        (Some(lower), Some(upper)) => {
            format!("{} \u{2013} {}", text::value(lower), text::value(upper))
        }
        (Some(lower), None) => format!("above {}", text::value(lower)),
        (None, Some(upper)) => format!("up to {}", text::value(upper)),
        (None, None) => "all".to_owned(),
    }
}

/// The column of a place on the axis.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped to the columns"
)]
fn place(at: f64, columns: usize) -> usize {
    (at.max(0.0) as usize).min(columns.saturating_sub(1))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(lower: f64, upper: f64) -> Bin<'static> {
        let bound = |bound: f64| bound.is_finite().then_some(bound);
        Bin {
            lower: bound(lower),
            upper: bound(upper),
            point: lower.total_cmp(&upper).is_eq(),
            ..Bin::default()
        }
    }

    fn parts<'a>(bins: &'a [(Bin<'static>, f64, f64)]) -> Vec<Part<'a>> {
        let part = |(bin, then, now): &'a (Bin<'static>, f64, f64)| Part {
            bin,
            then: *then,
            now: *now,
        };
        bins.iter().map(part).collect()
    }

    /// A tail of a thousand has a column of its own and squeezes nothing.
    #[test]
    fn every_row_is_in_one_column_and_tails_are_apart() {
        let infinite = f64::INFINITY;
        let bins = [
            (bin(-infinite, 0.0), 0.0, 0.01),
            (bin(0.0, 1.0), 0.5, 0.3),
            (bin(1.0, 1.0), 0.1, 0.2),
            (bin(1.0, 4.0), 0.3, 0.3),
            (bin(4.0, 1000.0), 0.1, 0.14),
            (bin(1000.0, infinite), 0.0, 0.05),
        ];
        let shape = Shape::numbers(&parts(&bins), 8, true);
        assert_eq!(shape.span, Some((0.0, 4.0)));
        let (below, above) = shape.outside.clone().unwrap();
        assert_eq!((below.now, above.then), (0.01, 0.1));
        let all = || shape.columns.iter().chain([&below, &above]);
        let (then, now): (f64, f64) = (
            all().map(|one| one.then).sum(),
            all().map(|one| one.now).sum(),
        );
        assert!(
            (then - 1.0).abs() < 1e-9 && (now - 1.0).abs() < 1e-9,
            "{then} {now}"
        );
        // half of the bin from 0 to 1, and the point at 1 with a sixth of the next one
        assert!((shape.columns[0].then - 0.25).abs() < 1e-9);
        assert!((shape.columns[2].then - 0.15).abs() < 1e-9);
    }

    #[test]
    fn one_value_and_no_value_have_a_span() {
        let one = [(bin(5.0, 5.0), 1.0, 1.0)];
        assert_eq!(span(&parts(&one)), (4.5, 5.5));
        assert_eq!(span(&[]), (-0.5, 0.5));
        let open = [
            (bin(f64::NEG_INFINITY, 2.0), 0.5, 0.5),
            (bin(2.0, f64::INFINITY), 0.5, 0.5),
        ];
        let (lo, hi) = span(&parts(&open));
        assert!(lo < hi, "{lo} {hi}");
    }
}
