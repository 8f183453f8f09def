//! What a request names, on the board: model version, window length, window, ticks.
//!
//! Windows end at multiples of their step. Those can be asked for that have a pane which is kept;
//! one that has lost panes to age, or to what is behind the horizon, is not complete:
//!
//! ```text
//! window 1h, step 10m, panes from 10:05 to 11:40, horizon 09:38
//! ends 10:10 .. 11:40        at=11:37 means 11:30, at=12:00 means 11:40, at=10:09 is not kept
//! complete from 10:40 on     what was before 09:35 is not known any more
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
    if let Ok(key) = &key {
        here(board, &key.model)?;
    }
    key.ok()
        .and_then(|key| board.models.get(&key))
        .ok_or_else(|| Problem::UnknownModel {
            model: model.to_owned(),
            version: version.to_owned(),
        })
}

/// That a model is counted here, if it is anywhere.
pub(super) fn here(board: &Board, model: &Name) -> Result<(), Problem> {
    let (shard, own) = (board.shard.home(model), board.shard);
    if shard == own {
        return Ok(());
    }
    let model = model.clone();
    Err(Problem::OtherShard { model, shard, own })
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
    /// The first and the last that have a kept pane.
    first: Timestamp,
    last: Timestamp,
    /// The first that has lost none.
    whole: Timestamp,
    /// The one to show unless another is asked for.
    default: Timestamp,
}

impl Ends {
    /// The ends there are of windows of `panes`.
    pub(super) fn of(board: &Board, model: &ModelState, panes: &Panes) -> Result<Self, Problem> {
        let step = panes.step();
        let default = board.default_end(model, panes);
        let Some((start, end)) = panes.span() else {
            let default = default.ok_or_else(|| Problem::NoTime(model.key.clone()))?;
            return Ok(Self {
                first: default,
                last: default,
                whole: default,
                default,
            });
        };
        let (first, last) = (start.floor(step) + step, ceil(end, step));
        let default = default.unwrap_or(last);
        // what starts with the first pane has lost nothing, so few steps are enough
        let later = (1..=PANES_PER_WINDOW).map(|steps| first + step.times(steps));
        let whole = |end: &Timestamp| panes.reaches(*end - panes.window());
        let whole = [first].into_iter().chain(later).find(whole).unwrap_or(last);
        Ok(Self {
            first: first.min(default),
            last: last.max(default),
            whole,
            default,
        })
    }

    /// The end of the last window that ends by `at`, or by default.
    pub(super) fn by(&self, at: Option<Timestamp>, panes: &Panes) -> Result<Timestamp, Problem> {
        let Some(at) = at else {
            return Ok(self.default);
        };
        let end = at.floor(panes.step()).min(self.last);
        if end >= self.first {
            return Ok(end);
        }
        let (window, first, last) = (panes.window(), self.first, self.last);
        Err(Problem::NotKept {
            at,
            window,
            first,
            last,
        })
    }

    /// Ticks in `[from, to]` that are multiples of `step`, as far as there are windows. By default
    /// from the first one that has lost nothing to the last closed one.
    pub(super) fn ticks(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        step: Length,
    ) -> Result<Vec<Timestamp>, Problem> {
        let from = ceil(from.map_or(self.whole, |from| from.max(self.first)), step);
        let to = to.unwrap_or(self.default).min(self.last);
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

    fn day(clock: &str) -> Timestamp {
        time(&format!("2026-11-23T{clock}:00Z"))
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
            assert_eq!(ends.by(Some(day(at)), &panes).ok(), end.map(day), "{at}");
        }
        // closed by the watermark, 11:36
        assert_eq!(ends.by(None, &panes).unwrap(), day("11:30"));
    }

    #[test]
    fn a_history_begins_where_nothing_is_lost_unless_asked_otherwise() {
        // two hours are kept behind the last event
        let (ends, panes) = ends("2026-11-23T08:00:00Z", "2026-11-23T12:00:00Z");
        let step = panes.step();
        assert_eq!(ends.ticks(None, None, step).unwrap()[0], day("11:00"));
        let early = ends.ticks(Some(Timestamp::MIN), None, step).unwrap()[0];
        assert_eq!(early, day("10:00"));
        assert!(ends.by(Some(early - Length::MINUTE), &panes).is_err());
    }

    #[test]
    fn ticks_are_bounded_and_within_what_there_is() {
        let (ends, panes) = ends("2026-11-23T10:05:00Z", "2026-11-23T11:38:00Z");
        let step = panes.step();
        let all = ends.ticks(None, None, step).unwrap();
        assert_eq!((all.len(), all[0], all[5]), (6, day("10:40"), day("11:30")));
        let wide = ends
            .ticks(Some(Timestamp::MIN), Some(Timestamp::MAX), step)
            .unwrap();
        assert_eq!(
            (wide.len(), wide[0], wide[9]),
            (10, day("10:10"), day("11:40"))
        );
        assert_eq!(
            ends.ticks(None, None, Length::HOUR).unwrap(),
            [day("11:00")]
        );
        assert!(
            ends.ticks(Some(day("12:00")), None, step)
                .unwrap()
                .is_empty()
        );
        let long = Ends {
            whole: Timestamp::EPOCH,
            first: Timestamp::EPOCH,
            ..ends
        };
        let problem = long.ticks(None, None, step).unwrap_err().to_string();
        assert!(problem.contains("more than 11000"), "{problem}");
    }
}
