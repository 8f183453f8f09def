//! The scores of a replay as columns for people.

use std::io::{self, Write};

use crate::board::ClosedWindow;
use crate::fold::model::ModelState;
use crate::reference::ReferenceRole;

/// The names of the columns.
pub(super) fn head(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:>6} {:<28} {:<8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  note",
        "end",
        "window",
        "series",
        "against",
        "rows",
        "missing",
        "psi",
        "psi_adj",
        "ks",
        "js",
        "w1/sd"
    )
}

/// A line for each series of a window.
pub(super) fn rows(
    out: &mut dyn Write,
    model: &ModelState,
    closed: &ClosedWindow,
) -> io::Result<()> {
    let Some(shape) = &model.shape else {
        return Ok(());
    };
    for scored in &closed.scores {
        let Some(layout) = shape.series().get(scored.series) else {
            continue;
        };
        let against = match scored.against {
            ReferenceRole::Training => "training",
            ReferenceRole::Baseline => "baseline",
        };
        let (window, tallied) = (&closed.window, scored.tallied);
        write!(
            out,
            "{:<20} {:>6} {:<28} {against:<8} {:>9} {:>8}",
            window.end.to_string(),
            window.length.to_string(),
            printable(layout.name()),
            tallied.rows,
            tallied.missing,
        )?;
        match &scored.scores {
            Ok(scores) => {
                let number = |value: Option<f64>| {
                    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
                };
                let numeric = scores.numeric.as_ref();
                write!(
                    out,
                    " {:>8.4} {:>8.4} {:>8} {:>8.4} {:>8}  ",
                    scores.psi,
                    scores.psi_adjusted.max(0.0),
                    number(numeric.map(|numeric| numeric.ks.lo)),
                    scores.js_distance_bits,
                    number(numeric.and_then(|numeric| numeric.wasserstein_sigma)),
                )?;
                let new = (tallied.novel > 0).then(|| format!("{} new", tallied.novel));
                let invalid = (tallied.invalid > 0).then(|| format!("{} invalid", tallied.invalid));
                let notes: Vec<String> = new.into_iter().chain(invalid).collect();
                writeln!(out, "{}", notes.join(", "))?;
            }
            Err(why) => writeln!(out, "{:>48}{}", "", why.as_str())?,
        }
    }
    Ok(())
}

/// A name from the data, without what a terminal would obey.
fn printable(name: &str) -> String {
    name.chars().flat_map(char::escape_debug).collect()
}
