//! One series of one window: its scores, the bins behind them, and all that is stored of it.

use std::sync::Arc;

use serde::Serialize;

use super::ScoredSeries;
use super::bins::{self, Bin};
use crate::board::ClosedWindow;
use crate::expose::problem::Problem;
use crate::fold::model::ModelState;
use crate::reference::{Reference, ReferenceRole};
use crate::score::Scored;

/// A scored series and its histograms.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct SeriesView<'a> {
    #[serde(flatten)]
    pub(in crate::expose) scored: ScoredSeries<'a>,
    /// The PSI at which the most sensitive test of its values would fire in this window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) alert_line_psi: Option<f64>,
    /// What scores are over; absent without a reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) bins: Option<Vec<Bin<'a>>>,
    pub(in crate::expose) histogram: Vec<Bin<'a>>,
}

/// The reference of a role, or the one that a model version is judged by.
pub(in crate::expose) fn reference(
    model: &ModelState,
    role: Option<ReferenceRole>,
) -> Result<Option<&Arc<Reference>>, Problem> {
    let Some(role) = role else {
        return Ok(model.references.judge());
    };
    let found = model.references.of(role);
    found
        .map(Some)
        .ok_or_else(|| Problem::reference(model, role.as_str()))
}

/// A series of a window against a reference, if the window has such a series.
pub(in crate::expose) fn series<'a>(
    model: &'a ModelState,
    closed: &'a ClosedWindow,
    reference: Option<&'a Arc<Reference>>,
    name: &str,
) -> Option<SeriesView<'a>> {
    known(model, closed, reference, name).or_else(|| loose(model, closed, name))
}

/// A series of the layout.
fn known<'a>(
    model: &'a ModelState,
    closed: &'a ClosedWindow,
    reference: Option<&'a Arc<Reference>>,
    name: &str,
) -> Option<SeriesView<'a>> {
    let (shape, reference) = (model.shape.as_ref()?, reference?);
    let place = shape.find(name)?;
    let role = reference.header.role;
    let mut scored = closed.scores.iter();
    let scored = scored.find(|scored| scored.series == place && scored.against == role)?;
    let layout = shape.series().get(place)?;
    let counts = reference.series.get(place)?;
    let cells = closed.window.cells_of(shape, place);
    Some(SeriesView {
        scored: ScoredSeries::scored(model, closed, scored)?,
        alert_line_psi: alert_line(closed, scored),
        bins: Some(bins::displayed(
            layout,
            counts,
            &cells,
            scored.scores.as_ref().ok(),
        )),
        histogram: bins::stored(layout, counts, &cells),
    })
}

/// Where it would fire, against the reference that alerts are judged by.
fn alert_line(closed: &ClosedWindow, scored: &Scored) -> Option<f64> {
    let judge = closed.judge.as_ref()?;
    if judge.reference.header.role != scored.against {
        return None;
    }
    let mut verdicts = closed.verdicts.iter();
    let verdicts = verdicts.find(|one| one.series == scored.series)?;
    judge.line(verdicts, closed.window.length)
}

/// A series that no layout knows; of several roles, the first.
fn loose<'a>(
    model: &'a ModelState,
    closed: &'a ClosedWindow,
    name: &str,
) -> Option<SeriesView<'a>> {
    let ((role, name), counts) = closed
        .window
        .loose
        .iter()
        .find(|((_, at), _)| **at == *name)?;
    Some(SeriesView {
        scored: ScoredSeries::loose(model, closed, (*role, name), counts),
        alert_line_psi: None,
        bins: None,
        histogram: bins::loose(counts),
    })
}
