//! How calls went, from the series `latency_ms` and `status`.
//!
//! A quantile of a histogram lies in one bin, and that bin bounds it: `lower < q <= upper`. Bins
//! are the reference's, about a hundredth of its rows each; those of a series without a reference
//! are 3 % wide. In the open bin at the end only the lower bound is known, and it is given twice.

use crate::fold::window::Window;
use crate::key::Role;
use crate::layout::{Category, Cell, Kind, Layout, LooseCounts, SeriesLayout, grid_bounds};
use crate::stats::Rate;

/// The quantiles that are told, in thousandths, and their names.
pub const QUANTILES: [(u64, &str); 3] = [(500, "0.5"), (950, "0.95"), (990, "0.99")];

/// The series of latencies, in milliseconds.
pub const LATENCY: &str = "latency_ms";

/// The series of how calls ended.
pub const STATUS: &str = "status";

/// Statuses that are no errors, besides numbers below 400.
const FINE: [&str; 4] = ["ok", "success", "succeeded", "true"];

/// The first HTTP status that is an error.
const ERRORS_FROM: f64 = 400.0;

/// Bounds of a quantile: above `lower`, at most `upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// It lies above.
    pub lower: f64,
    /// It is at most this.
    pub upper: f64,
}

/// The quantiles of the latency in a window, by name; none where no event told one.
pub fn latencies(shape: Option<&Layout>, window: &Window) -> Vec<(&'static str, Quantile)> {
    let bins = bins_of_latency(shape, window);
    let rows: u64 = bins.iter().map(|(_, count)| count).sum();
    if rows == 0 {
        return Vec::new();
    }
    let of = |thousandths: u64| {
        let rank = (u128::from(rows) * u128::from(thousandths)).div_ceil(1000);
        let mut below = 0;
        bins.iter()
            .find(|(_, count)| {
                below += u128::from(*count);
                below >= rank
            })
            .map(|(bounds, _)| *bounds)
    };
    QUANTILES
        .iter()
        .filter_map(|(thousandths, name)| Some((*name, of(*thousandths)?)))
        .collect()
}

/// Bins that hold latencies, ascending.
fn bins_of_latency(shape: Option<&Layout>, window: &Window) -> Vec<(Quantile, u64)> {
    if let Some((place, layout)) = find(shape, LATENCY) {
        let Some(cells) = shape.map(|shape| window.cells_of(shape, place)) else {
            return Vec::new();
        };
        let bin = |(cell, count): (usize, &u64)| {
            let bounds = match layout.cell(cell)? {
                Cell::Range { lower, upper } => Quantile {
                    lower: lower.or(upper)?,
                    upper: upper.or(lower)?,
                },
                Cell::Point(point) => Quantile {
                    lower: point,
                    upper: point,
                },
                _ => return None,
            };
            (*count > 0).then_some((bounds, *count))
        };
        return cells.iter().enumerate().filter_map(bin).collect();
    }
    let loose = window.loose.get(&(Role::Operational, LATENCY.into()));
    let bins = loose.into_iter().flat_map(LooseCounts::numbers);
    bins.map(|(bin, count)| {
        let (lower, upper) = grid_bounds(*bin);
        (Quantile { lower, upper }, *count)
    })
    .collect()
}

/// Events whose status says that the call failed, of those with a status; `None` of none.
pub fn errors(shape: Option<&Layout>, window: &Window) -> Option<Rate> {
    let (mut errors, mut rows) = (0, 0);
    let mut count = |is_error: bool, count: u64| {
        rows += count;
        errors += if is_error { count } else { 0 };
    };
    if let Some((place, layout)) = find(shape, STATUS) {
        let cells = window.cells_of(shape?, place);
        for (cell, rows) in cells.iter().enumerate() {
            match layout.cell(cell) {
                Some(Cell::Category(Category::Text(text))) => count(is_error(text), *rows),
                Some(Cell::Range { upper, .. }) => {
                    count(upper.is_none_or(|upper| upper >= ERRORS_FROM), *rows);
                }
                Some(Cell::Point(point)) => count(point >= ERRORS_FROM, *rows),
                Some(Cell::Missing) | None => {}
                Some(Cell::Category(_) | Cell::Other | Cell::New | Cell::Invalid) => {
                    count(true, *rows);
                }
            }
        }
    } else if let Some(counts) = window.loose.get(&(Role::Operational, STATUS.into())) {
        for (text, rows) in counts.texts() {
            count(is_error(text), rows);
        }
        for (bin, rows) in counts.numbers() {
            count(grid_bounds(*bin).1 >= ERRORS_FROM, *rows);
        }
        count(true, counts.overflow() + counts.falses());
        count(false, counts.trues());
    }
    (rows > 0).then(|| Rate::new(errors, rows))
}

fn is_error(status: &str) -> bool {
    let is_fine = FINE.iter().any(|fine| fine.eq_ignore_ascii_case(status));
    let code = status.parse::<f64>();
    !is_fine && !code.is_ok_and(|code| code < ERRORS_FROM)
}

fn find<'a>(shape: Option<&'a Layout>, name: &str) -> Option<(usize, &'a SeriesLayout)> {
    let place = shape?.find(name)?;
    let layout = shape?.series().get(place)?;
    let is_numbers = name != LATENCY || layout.kind() == Kind::Numeric;
    is_numbers.then_some((place, layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_error_unless_it_says_otherwise() {
        for fine in ["ok", "OK", "success", "200", "302", "true"] {
            assert!(!is_error(fine), "{fine}");
        }
        for error in ["error", "timeout", "500", "404", "", "okay?"] {
            assert!(is_error(error), "{error}");
        }
    }
}
