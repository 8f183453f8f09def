//! One plain sentence for whoever is paged: what moved, which way, how far, in the reader's units.
//!
//! ```text
//! `amount` moved up by 0.4 sigma in the last 6h: 31 % of values are above the reference's 90th
//! percentile (10 % in the reference)
//! ```

use std::fmt::Write as _;

use super::Test;
use super::baseline::Expected;
use super::counts::SeriesCounts;
use super::finding::Finding;
use crate::layout::{Category, Cell, Kind, SeriesLayout};
use crate::reference::SeriesReference;
use crate::reference::narrow::Narrow;
use crate::score;
use crate::stats::{self, Rate};
use crate::time::Length;

/// The longest sentence in bytes; names may make one longer, and it is cut.
pub const SENTENCE_BYTES_MAX: usize = 512;

/// The most others named that moved at the same time.
const PEERS_NAMED: usize = 3;

/// What a sentence is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The series.
    pub layout: &'a SeriesLayout,
    /// Its reference.
    pub reference: &'a SeriesReference,
    /// Its cells in the window.
    pub cells: &'a [u64],
    /// What was expected, and its counts in test bins.
    pub sides: (&'a Expected, &'a SeriesCounts),
    /// The length of the window.
    pub length: Length,
}

/// The sentence of a test that fires, with the names of others that moved with it.
pub fn sentence(test: Test, subject: Subject<'_>, peers: &[&str]) -> String {
    let (name, length) = (subject.layout.name(), subject.length);
    let (expected, current) = subject.sides;
    let mut text = match test {
        Test::Location => location(subject),
        Test::Shape => format!(
            "`{name}` changed its shape in the last {length}: {}",
            largest_change(subject.layout, &subject.reference.counts, subject.cells)
        ),
        Test::Dist => format!(
            "`{name}` changed its mix in the last {length}: {}",
            largest_change(subject.layout, &subject.reference.counts, subject.cells)
        ),
        Test::Missing => missing(subject),
        Test::Invalid => format!(
            "{} of `{name}` in the last {length} are not {} ({} in the reference)",
            percent(current.invalid_rate()),
            of_kind(subject.layout.kind()),
            percent(expected.invalid),
        ),
        Test::Novelty => format!(
            "{} of the values of `{name}` in the last {length} are categories that the reference \
             never saw",
            percent_of(current.novel_rate()),
        ),
        Test::Range => range(subject),
        // these are not of a series, and have sentences of their own
        Test::Absent | Test::Appeared | Test::Volume | Test::Schema => return String::new(),
    };
    if let [first, rest @ ..] = peers {
        let _infallible = write!(text, "; `{first}`");
        for peer in rest.iter().take(PEERS_NAMED - 1) {
            let _infallible = write!(text, ", `{peer}`");
        }
        let others = peers.len().saturating_sub(PEERS_NAMED);
        if others > 0 {
            let _infallible = write!(text, " and {others} more");
        }
        text.push_str(" moved too");
    }
    cut(text)
}

/// The sentence of a key that rows lack, or of a field that appeared.
pub(super) fn presence(finding: &Finding, length: Length) -> String {
    let (name, now) = (&finding.series, percent(finding.now));
    let [hits, rest] = finding.now.cells();
    cut(match finding.seen.judged.compared.test {
        Test::Appeared => {
            let others = match finding.others {
                0 => String::new(),
                others => format!("; {others} other new fields"),
            };
            format!(
                "`{name}` appeared in {now} of the rows of the last {length}: the reference has no \
                 such field{others}"
            )
        }
        _ if rest == 0 && hits > 0 => format!(
            "`{name}` vanished: no row of the last {length} has it ({} are without it in the \
             reference)",
            percent(finding.then)
        ),
        _ => format!(
            "{now} of the rows of the last {length} are without `{name}` ({} in the reference)",
            percent(finding.then)
        ),
    })
}

/// The sentence of rows that stay away.
pub(super) fn volume(rows: u64, usual: f64, length: Length) -> String {
    let rows = match rows {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        rows => format!("{} rows", grouped(&rows.to_string())),
    };
    format!(
        "{rows} in the last {length} where about {} are usual at this time",
        about(usual)
    )
}

/// A count to two digits: `1,200`.
fn about(x: f64) -> String {
    let digits = format!("{x:.0}").len();
    let unit = (2..digits).fold(1.0, |unit, _| unit * 10.0);
    grouped(&format!("{:.0}", libm::round(x / unit) * unit))
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most [`SENTENCE_BYTES_MAX`] bytes, cut between characters.
pub fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(SENTENCE_BYTES_MAX));
    text
}

fn location(subject: Subject<'_>) -> String {
    let (name, length) = (subject.layout.name(), subject.length);
    let (expected, current) = subject.sides;
    let split = stats::decompose(&expected.values, &current.values);
    let auc = split.map_or(0.5, |split| split.auc);
    let sigma = sigmas(auc);
    let display = score::displayed(subject.layout, subject.cells);
    let then = score::displayed(subject.layout, &subject.reference.counts.to_vec());
    let (direction, bin, of) = if auc >= 0.5 {
        (
            "up",
            display.len().saturating_sub(1),
            "above the reference's 90th percentile",
        )
    } else {
        ("down", 0, "at or below the reference's 10th percentile")
    };
    let (now, before) = (share(&display, bin), share(&then, bin));
    format!(
        "`{name}` moved {direction} by {sigma:.1} sigma in the last {length}: {} of values are \
         {of} ({} in the reference)",
        percent(now),
        percent(before),
    )
}

/// The shift of a normal distribution that has this AUC: `AUC = Phi(d / sqrt 2)`.
fn sigmas(auc: f64) -> f64 {
    let tail = auc.min(1.0 - auc);
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if stats::normal_sf(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    low * std::f64::consts::SQRT_2
}

fn missing(subject: Subject<'_>) -> String {
    let (name, length) = (subject.layout.name(), subject.length);
    let (expected, current) = subject.sides;
    let (now, then) = (current.missing_rate(), expected.missing);
    let [_, present] = now.cells();
    if present == 0 {
        return format!(
            "`{name}` vanished: it is missing in all rows of the last {length} ({} in the \
             reference)",
            percent(then)
        );
    }
    format!(
        "`{name}` is missing in {} of the rows of the last {length} ({} in the reference)",
        percent(now),
        percent(then)
    )
}

fn range(subject: Subject<'_>) -> String {
    let (name, length) = (subject.layout.name(), subject.length);
    format!(
        "{} of the values of `{name}` in the last {length} lie outside of the reference's range, \
         {} to {}",
        percent_of(subject.sides.1.novel_rate()),
        number(subject.reference.min),
        number(subject.reference.max),
    )
}

/// The displayed bin that most of the PSI comes from, and what its share was and is.
fn largest_change(layout: &SeriesLayout, counts: &Narrow, cells: &[u64]) -> String {
    let now = score::displayed(layout, cells);
    let then = score::displayed(layout, &counts.to_vec());
    let Ok(contributions) = stats::psi_contributions(&then, &now) else {
        return "there are no values".to_owned();
    };
    // not the bin that gained or lost most rows: a new category of few rows says more than a
    // common one that gave them
    let largest = (contributions.iter().enumerate()).max_by(|(_, a), (_, b)| a.total_cmp(b));
    let bin = largest.map_or(0, |(bin, _)| bin);
    format!(
        "{} went from {} to {}",
        bin_name(layout, bin, cells),
        percent(share(&then, bin)),
        percent(share(&now, bin)),
    )
}

/// What a displayed bin is called; of several cells in it, by the one that has most rows.
fn bin_name(layout: &SeriesLayout, bin: usize, cells: &[u64]) -> String {
    if layout.kind() == Kind::Numeric {
        let edges = layout.display_edges();
        let (lower, upper) = (
            bin.checked_sub(1).and_then(|below| edges.get(below)),
            edges.get(bin),
        );
        return match (lower, upper) {
            (Some(lower), Some(upper)) => {
                format!("what is above {} up to {}", number(*lower), number(*upper))
            }
            (Some(lower), None) => format!("what is above {}", number(*lower)),
            (None, Some(upper)) => format!("what is up to {}", number(*upper)),
            (None, None) => "everything".to_owned(),
        };
    }
    let of_bin = layout.display().iter().zip(cells).enumerate();
    let of_bin = of_bin.filter(|(_, (of, _))| usize::from(**of) == bin);
    let cell = of_bin.max_by_key(|(_, (_, count))| **count);
    let cell = cell.map(|(cell, _)| cell);
    match cell.and_then(|cell| layout.cell(cell)) {
        Some(Cell::Category(Category::Text(text))) => format!("`{text}`"),
        Some(Cell::Category(Category::Hashed(hash))) => format!("category #{hash:016x}"),
        Some(Cell::Other) => "the rarer categories together".to_owned(),
        _ => "what the reference never saw".to_owned(),
    }
}

/// What values of a kind are called.
pub(super) const fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Numeric => "numbers",
        Kind::Categorical => "texts",
        Kind::Boolean => "booleans",
    }
}

fn share(bins: &[u64], bin: usize) -> Rate {
    let all = bins.iter().sum();
    Rate::new(bins.get(bin).copied().unwrap_or(0), all)
}

fn percent_of(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "some".to_owned(), percent)
}

/// A share to two digits: `31 %`, `0.42 %`, `0 %`.
pub(super) fn percent(rate: Rate) -> String {
    let percent = rate.value() * 100.0;
    let [hits, rest] = rate.cells();
    match percent {
        _ if hits == 0 => "0 %".to_owned(),
        _ if rest == 0 => "100 %".to_owned(),
        _ if percent < 0.01 => "less than 0.01 %".to_owned(),
        _ if percent < 1.0 => format!("{percent:.2} %"),
        _ if !(10.0..=99.0).contains(&percent) => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// A number to four digits.
fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 || (0.001..1e6).contains(&size) {
        let digits = match size {
            _ if size >= 1000.0 => 0,
            _ if size >= 100.0 => 1,
            _ if size >= 10.0 => 2,
            _ => 3,
        };
        let text = format!("{x:.digits$}");
        if text.contains('.') {
            return text.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        return text;
    }
    format!("{x:.2e}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Value;
    use crate::key::Role;
    use crate::layout::{Bins, CategoryBins, CategoryHash};

    #[test]
    fn a_sigma_of_an_auc_is_that_of_a_normal_shift() {
        // STATISTICS: a shift of 0.5 sigma has an AUC of 0.638, one of 1 of 0.760
        assert!((sigmas(0.638) - 0.5).abs() < 2e-3);
        assert!((sigmas(0.24) - 1.0).abs() < 2e-3);
        assert!(sigmas(0.5) < 1e-9 && sigmas(1.0) > 5.0);
    }

    #[test]
    fn rows_that_stay_away_are_told_of_in_round_numbers() {
        let of = |rows, usual| volume(rows, usual, Length::HOUR);
        assert_eq!(
            of(0, 1_012.4),
            "no rows in the last 1h where about 1,000 are usual at this time"
        );
        for (rows, usual, start) in [
            (1, 7.6, "1 row in the last 1h where about 8 are"),
            (12, 96.0, "12 rows in the last 1h where about 96 are"),
            (
                1_234,
                99_600.0,
                "1,234 rows in the last 1h where about 100,000 are",
            ),
            (
                40_000,
                1_261_000.0,
                "40,000 rows in the last 1h where about 1,300,000 are",
            ),
        ] {
            let text = of(rows, usual);
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn what_is_new_is_named_and_not_what_made_room_for_it() {
        let hash = CategoryHash::new("country", false);
        let seen = [("DE", 400), ("NL", 150), ("US", 450)];
        let counts = seen
            .map(|(text, count)| (hash.category(text), count))
            .into();
        let bins = Bins::Categorical(CategoryBins::from_reference(hash, counts));
        let (role, kind) = (Role::Feature, Kind::Categorical);
        let layout = SeriesLayout::new("country", role, kind, bins).unwrap();
        let cells = |texts: &[(&str, u64)]| {
            let mut cells = vec![0; layout.cells()];
            for (text, count) in texts {
                cells[layout.cell_of(Value::Text(text))] += count;
            }
            cells
        };
        let now = cells(&[("DE", 385), ("NL", 150), ("US", 455), ("XK", 10)]);
        assert_eq!(
            largest_change(&layout, &cells(&seen).into(), &now),
            "what the reference never saw went from 0 % to 1.0 %"
        );
        let now = cells(&[("DE", 300), ("NL", 150), ("US", 550)]);
        assert_eq!(
            largest_change(&layout, &cells(&seen).into(), &now),
            "`DE` went from 40 % to 30 %"
        );
    }

    #[test]
    fn shares_and_numbers_have_as_many_digits_as_people_read() {
        let of = |hits, rows| percent(Rate::new(hits, rows));
        assert_eq!(of(0, 9), "0 %");
        assert_eq!(of(9, 9), "100 %");
        assert_eq!(of(1, 100_000), "less than 0.01 %");
        assert_eq!(of(42, 10_000), "0.42 %");
        assert_eq!(of(314, 10_000), "3.1 %");
        assert_eq!(of(3_141, 10_000), "31 %");
        assert_eq!(of(9_999, 10_000), "100.0 %");
        for (x, text) in [
            (0.0, "0"),
            (-7.0, "-7"),
            (12.345, "12.35"),
            (1234.5, "1234"),
            (0.25, "0.25"),
            (1.5e9, "1.50e9"),
            (1e-9, "1.00e-9"),
        ] {
            assert_eq!(number(x), text);
        }
    }
}
