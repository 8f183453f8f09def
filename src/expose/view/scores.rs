//! The scores of a window, in an order, page by page.

use std::cmp::Ordering;

use serde::Serialize;

use super::{ScoredSeries, WindowView, is_zero};
use crate::board::ClosedWindow;
use crate::expose::problem::Problem;
use crate::expose::query::Cursor;
use crate::fold::model::ModelState;
use crate::reference::ReferenceRole;

/// In which order to list scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expose) enum Sort {
    /// By falling importance times the root of the adjusted PSI.
    Impact,
    /// By falling PSI.
    Psi,
    /// By name.
    Name,
}

/// What was asked for.
#[derive(Debug)]
pub(in crate::expose) struct ScoresAsked {
    /// The order.
    pub(in crate::expose) sort: Sort,
    /// Against this reference only.
    pub(in crate::expose) reference: Option<ReferenceRole>,
    /// So many at most.
    pub(in crate::expose) limit: usize,
    /// After this one.
    pub(in crate::expose) after: Option<Cursor>,
}

/// The scores of a window.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct ScoresPage<'a> {
    pub(in crate::expose) model: &'a str,
    pub(in crate::expose) version: &'a str,
    pub(in crate::expose) window: WindowView,
    pub(in crate::expose) rows: u64,
    /// Rows counted before the layout in force: they are not in the scores.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::expose) rows_other_layout: u64,
    pub(in crate::expose) scores: Vec<ScoredSeries<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) next: Option<String>,
}

/// A page of the scores of a window.
pub(in crate::expose) fn scores<'a>(
    model: &'a ModelState,
    closed: &'a ClosedWindow,
    asked: &ScoresAsked,
) -> Result<ScoresPage<'a>, Problem> {
    let mut all = ScoredSeries::all(model, closed);
    if let Some(role) = asked.reference {
        all.retain(|entry| entry.reference.is_none() || entry.reference_name() == role.as_str());
    }
    all.sort_by(|a, b| order(asked.sort, a, b));
    let skipped = match &asked.after {
        None => 0,
        Some(cursor) => {
            let place = all.iter().position(|entry| is_at(cursor, entry));
            1 + place.ok_or_else(|| {
                Problem::parameter("after", "the entry is not in this list; start without it")
            })?
        }
    };
    let more = all.len() > skipped.saturating_add(asked.limit);
    let page: Vec<_> = all.into_iter().skip(skipped).take(asked.limit).collect();
    let last = page.last().filter(|_| more);
    let next = last.map(|entry| cursor(closed, entry).write());
    Ok(ScoresPage {
        model: model.key.model.as_str(),
        version: model.key.version.as_str(),
        window: WindowView::of(closed),
        rows: closed.window.rows,
        rows_other_layout: closed.window.rows_elsewhere,
        scores: page,
        next,
    })
}

fn cursor(closed: &ClosedWindow, entry: &ScoredSeries<'_>) -> Cursor {
    Cursor {
        end: closed.window.end,
        reference: entry.reference_name().to_owned(),
        role: entry.role.to_owned(),
        series: entry.series.to_owned(),
    }
}

fn is_at(cursor: &Cursor, entry: &ScoredSeries<'_>) -> bool {
    cursor.series == entry.series
        && cursor.role == entry.role
        && cursor.reference == entry.reference_name()
}

/// Entries without scores come last; equal ones by name, training before baseline.
fn order(sort: Sort, a: &ScoredSeries<'_>, b: &ScoredSeries<'_>) -> Ordering {
    let psi = |entry: &ScoredSeries<'_>| entry.scores.as_ref().map(|scores| scores.psi);
    let falling = match sort {
        Sort::Impact => compare(b.impact, a.impact).then(compare(b.psi_adjusted, a.psi_adjusted)),
        Sort::Psi => compare(psi(b), psi(a)),
        Sort::Name => Ordering::Equal,
    };
    falling.then_with(|| a.series.cmp(b.series)).then_with(|| {
        let rank = |entry: &ScoredSeries<'_>| (entry.reference_name() == "baseline", entry.role);
        rank(a).cmp(&rank(b))
    })
}

/// `None` is less than any number.
fn compare(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
