//! What a request names, on the board: model version, window length, window, ticks.
//!
//! Windows end at multiples of their step. Those can be asked for whose panes are all kept:
//!
//! ```text
//! panes kept from 10:05 to 11:40, window 1h, step 10m, nothing forgotten before
//! ends 10:10 .. 11:40        at=11:37 means 11:30, at=12:00 means 11:40, at=10:09 is not kept
//! ```

use std::sync::Arc;

use crate::board::Board;
use crate::expose::problem::Problem;
use crate::fold::model::ModelState;
use crate::fold::pane::{PANES_PER_WINDOW, Panes};
use crate::key::{ModelKey, Name};
use crate::time::{Length, Timestamp};

/// The most points of a history: as many as Prometheus gives for a range.
pub(super) const POINTS_MAX: u64 = 11_000;

/// A model version by its names.
pub(super) fn model<'a>(
    board: &'a Board,
    model: &str,
    version: &str,
) -> Result<&'a Arc<ModelState>, Problem> {
    let key = Name::new(model).and_then(|name| Ok(ModelKey::new(name, Name::new(version)?)));
    key.ok()
        .and_then(|key| board.models.get(&key))
        .ok_or_else(|| Problem::UnknownModel {
            model: model.to_owned(),
            version: version.to_owned(),
        })
}

/// Which window length is meant when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// The longest: it has the most rows.
    Longest,
    /// The shortest: it shows the most of when something happened.
    Shortest,
}

/// The panes of a window length of a model version.
pub(super) fn panes(
    model: &ModelState,
    window: Option<Length>,
    default: Default,
) -> Result<&Panes, Problem> {
    let found = match (window, default) {
        (Some(window), _) => Board::panes(model, window),
        (None, Default::Longest) => model.windows.last(),
        (None, Default::Shortest) => model.windows.first(),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = model
            .windows
            .iter()
            .map(|panes| panes.window().to_string())
            .collect();
        Problem::UnknownWindow {
            asked: window.unwrap_or(Length::HOUR),
            known: known.join(", "),
        }
    })
}

/// The ends of the windows that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// The first window all of which is kept; `None` while there are no panes.
    kept: Option<(Timestamp, Timestamp)>,
    /// The one to show unless another is asked for.
    pub(super) default: Timestamp,
}

impl Ends {
    /// The ends there are of windows of `panes`.
    pub(super) fn of(board: &Board, model: &ModelState, panes: &Panes) -> Result<Self, Problem> {
        let step = panes.step();
        let kept = panes.span().map(|(first, last)| {
            let begun = first.floor(step) + step;
            // the first pane is there, so the window that starts with it is
            let ticks = (0..=PANES_PER_WINDOW).map(|n| match n {
                0 => begun,
                n => begun + step.times(n),
            });
            let whole = |end: &Timestamp| panes.reaches(*end - panes.window());
            let first = ticks.into_iter().find(whole).unwrap_or(begun);
            (first, ceil(last, step))
        });
        let default = board
            .default_end(model, panes)
            .or(kept.map(|(_, last)| last));
        let default = default.ok_or_else(|| Problem::NoTime(model.key.clone()))?;
        Ok(Self { kept, default })
    }

    /// The end of the last window that ends by `at`, or by default.
    pub(super) fn by(&self, at: Option<Timestamp>, panes: &Panes) -> Result<Timestamp, Problem> {
        let Some(at) = at else {
            return Ok(self.default);
        };
        let (first, last) = self.bounds();
        let end = at.floor(panes.step()).min(last);
        if end >= first {
            return Ok(end);
        }
        Err(Problem::NotKept {
            at,
            window: panes.window(),
            kept: Some((first, last)),
        })
    }

    /// Ticks in `[from, to]` that are multiples of `step`, as far as windows are kept.
    pub(super) fn ticks(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        step: Length,
    ) -> Result<Vec<Timestamp>, Problem> {
        let (first, last) = self.bounds();
        let from = ceil(from.map_or(first, |from| from.max(first)), step);
        let to = to.unwrap_or(self.default).min(last);
        let span = to.millis_since(from);
        if span < 0 {
            return Ok(Vec::new());
        }
        let points = (span / step.as_millis()).unsigned_abs() + 1;
        if points > POINTS_MAX {
            let times = u32::try_from(points.div_ceil(POINTS_MAX)).unwrap_or(u32::MAX);
            let step = step.times(times);
            return Err(Problem::TooManyPoints {
                points,
                max: POINTS_MAX,
                step,
            });
        }
        let mut tick = from;
        let mut ticks = Vec::new();
        while tick <= to {
            ticks.push(tick);
            tick = tick + step;
        }
        Ok(ticks)
    }

    fn bounds(&self) -> (Timestamp, Timestamp) {
        match self.kept {
            Some((first, last)) => (first.min(self.default), last.max(self.default)),
            None => (self.default, self.default),
        }
    }
}

/// The smallest multiple of `step` that is not before `at`.
fn ceil(at: Timestamp, step: Length) -> Timestamp {
    let floor = at.floor(step);
    if floor == at { at } else { floor + step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::fixture::{Log, key, time};

    fn ends(from: &str, to: &str) -> (Ends, Panes) {
        let mut log = Log::new();
        log.rows(from, to);
        let board = log.board(true);
        let model = &board.models[&key("fraud", "7")];
        let panes = panes(model, None, Default::Shortest).unwrap().clone();
        (Ends::of(&board, model, &panes).unwrap(), panes)
    }

    #[test]
    fn a_time_means_the_last_window_that_ends_by_it() {
        let (ends, panes) = ends("2026-11-23T10:05:00Z", "2026-11-23T11:38:00Z");
        for (at, end) in [
            ("10:10", Some("10:10")),
            ("11:37", Some("11:30")),
            ("12:00", Some("11:40")),
            ("10:09", None),
        ] {
            let day = |clock: &str| time(&format!("2026-11-23T{clock}:00Z"));
            assert_eq!(ends.by(Some(day(at)), &panes).ok(), end.map(day), "{at}");
        }
        // closed by the watermark, 11:36
        assert_eq!(ends.by(None, &panes).unwrap(), time("2026-11-23T11:30:00Z"));
    }

    #[test]
    fn windows_that_lost_panes_are_not_offered() {
        // two hours are kept behind the last event
        let (ends, panes) = ends("2026-11-23T08:00:00Z", "2026-11-23T12:00:00Z");
        let first = time("2026-11-23T11:00:00Z");
        assert_eq!(ends.by(Some(first), &panes).unwrap(), first);
        assert!(ends.by(Some(first - Length::MINUTE), &panes).is_err());
    }

    #[test]
    fn ticks_are_bounded_and_within_what_is_kept() {
        let (ends, panes) = ends("2026-11-23T10:05:00Z", "2026-11-23T11:38:00Z");
        let all = ends.ticks(None, None, panes.step()).unwrap();
        assert_eq!((all.len(), all[0]), (9, time("2026-11-23T10:10:00Z")));
        assert_eq!(
            ends.ticks(Some(Timestamp::MIN), Some(Timestamp::MAX), panes.step())
                .unwrap()
                .len(),
            10
        );
        let hours = ends.ticks(None, None, Length::HOUR).unwrap();
        assert_eq!(hours, [time("2026-11-23T11:00:00Z")]);
        assert!(
            ends.ticks(Some(time("2026-11-24T00:00:00Z")), None, panes.step())
                .unwrap()
                .is_empty()
        );
        let long = Ends {
            kept: Some((Timestamp::EPOCH, time("2026-11-23T00:00:00Z"))),
            ..ends
        };
        let problem = long
            .ticks(None, None, panes.step())
            .unwrap_err()
            .to_string();
        assert!(problem.contains("more than 11000"), "{problem}");
    }
}
