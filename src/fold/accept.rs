//! Baselines that operators accept: what a model version served for a while becomes what it is
//! compared with.
//!
//! ```text
//! counts   the panes of the longest window that lie in [from, to), under the layout in force
//! hours    those that lie in the same panes, so that natural variation can be learned from them
//! ```

use std::sync::Arc;

use super::learning::LEARN_ROWS_MIN;
use super::model::ModelState;
use super::{Effect, Fold};
use crate::key::ModelKey;
use crate::reference::learn::{Recounted, recount};
use crate::reference::{BLOCK, Header, Reference, ReferenceError, ReferenceRole};
use crate::statelog::record::{Command, CommandKind};
use crate::time::{Length, Timestamp};

/// Why no baseline is made.
#[derive(Debug, thiserror::Error)]
enum AcceptError {
    #[error("there is no such model version")]
    UnknownModel,
    #[error("it has no reference yet, whose bins a baseline could have")]
    NoLayout,
    #[error("no whole pane of that time is kept under the layout in force{}", kept(*.0))]
    NotKept(Option<(Timestamp, Timestamp)>),
    #[error("{0} rows of that time are kept, fewer than {LEARN_ROWS_MIN}")]
    FewRows(u64),
    #[error("its counts do not make a reference: {0}")]
    Counts(#[from] ReferenceError),
}

fn kept(span: Option<(Timestamp, Timestamp)>) -> String {
    span.map_or(String::new(), |(from, to)| {
        format!("; there are panes from {from} to {to}")
    })
}

impl Fold {
    /// Does what a command asks of the fold, and passes it on.
    pub(super) fn command(&mut self, command: Command, effects: &mut Vec<Effect>) {
        let accepted = match &command.kind {
            CommandKind::AcceptBaseline { key, from, to } => {
                self.ask(key);
                // only its own shard has the counts
                let is_own = self.shard.owns(&key.model);
                is_own.then(|| (key.clone(), self.accepted_baseline(key, *from, *to)))
            }
            _ => None,
        };
        effects.push(Effect::Command(command));
        match accepted {
            Some((key, Ok(reference))) => self.bring(&key, &Arc::new(reference), effects),
            Some((key, Err(error))) => effects.push(Effect::Refused {
                key,
                digest: None,
                reason: format!("no baseline can be made: {error}"),
            }),
            None => {}
        }
    }

    fn accepted_baseline(
        &self,
        key: &ModelKey,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Reference, AcceptError> {
        let model = self.models.get(key).ok_or(AcceptError::UnknownModel)?;
        let owner = model.references.judge().ok_or(AcceptError::NoLayout)?;
        let served = served(model, from, to)?;
        let role = ReferenceRole::Baseline;
        let mut header = Header::new(key.model.clone(), key.version.clone(), role);
        header.rows = served.rows;
        header.first_event = Some(served.from);
        header.last_event = Some(served.to - Length::MILLISECOND);
        header.timezone.clone_from(&owner.header.timezone);
        let importances = &owner.header.importances;
        header.importances.clone_from(importances);
        header.provenance.created_at = Some(self.log_time);
        let with_hours = recount(owner, header.clone(), served.counted.clone());
        let counted = Recounted {
            blocks: Vec::new(),
            ..served.counted
        };
        Ok(match with_hours {
            // where window lengths were configured anew, hours know of more rows than panes do
            Err(ReferenceError::HourCounts) => recount(owner, header, counted)?,
            made => made?,
        })
    }
}

/// What a model version served.
struct Served {
    /// The start of the first pane that has rows.
    from: Timestamp,
    /// The end of the last one.
    to: Timestamp,
    rows: u64,
    counted: Recounted,
}

/// The rows of the whole panes in `[from, to)` of the longest window.
fn served(model: &ModelState, from: Timestamp, to: Timestamp) -> Result<Served, AcceptError> {
    let panes = model.windows.last().ok_or(AcceptError::NotKept(None))?;
    let mut cells = vec![0; model.shape.as_ref().map_or(0, |shape| shape.cells())];
    let (mut rows, mut carried) = (0, [0; 4]);
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let whole = |start: Timestamp| start + panes.pane() <= to;
    // a range must not end before it begins
    for (start, pane) in panes.range(from, to.max(from)).filter(|(at, _)| whole(*at)) {
        let Some(counts) = pane.under(model.layout) else {
            continue;
        };
        let end = start + panes.pane();
        span = Some(span.map_or((start, end), |(first, _)| (first, end)));
        rows += counts.rows;
        for (sum, count) in carried.iter_mut().zip(&counts.carried) {
            *sum += count;
        }
        counts.cells.add_to(&mut cells);
    }
    let (from, to) = span.ok_or_else(|| AcceptError::NotKept(panes.span()))?;
    if rows < LEARN_ROWS_MIN {
        return Err(AcceptError::FewRows(rows));
    }
    let hours = model.hours.range(from, to);
    let blocks = hours.filter(|hour| hour.start + BLOCK <= to).collect();
    Ok(Served {
        from,
        to,
        rows,
        counted: Recounted {
            carried,
            cells,
            blocks,
        },
    })
}

#[cfg(test)]
mod tests;
