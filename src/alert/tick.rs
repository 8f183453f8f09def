//! One window of a model version at one tick: what became of its episodes.
//!
//! What fires, and what an open episode sees, is judged in full; what the screen rules out is not
//! judged at all, and of the rest only whether it fires. An alert names what moved with it, so the
//! first one that fires in a window has all of its series judged.

use std::cell::OnceCell;
use std::sync::Arc;

use super::Test;
use super::compare::{compare, effect};
use super::episode::{Alert, id_of};
use super::finding::{Episodes, Place, Seen, Told, take};
use super::judge::{HourRows, Judge, Verdicts, moved_together};
use super::rule::{Judged, fires, judge};
use super::screen::Screen;
use super::sentence::{Subject, sentence};
use crate::fold::window::Window;
use crate::key::ModelKey;
use crate::layout::SeriesLayout;
use crate::score;
use crate::time::Length;

/// The most series named as having moved with another.
const PEERS_MAX: usize = 8;

/// A window and all that it is judged by.
pub(super) struct Tick<'a> {
    key: &'a ModelKey,
    judge: &'a Judge,
    screen: &'a Screen,
    window: &'a Window,
    hours: &'a [HourRows],
    /// The verdicts on all series and which of them moved, once somebody needs them.
    all: OnceCell<(Vec<Verdicts>, Vec<usize>)>,
}

impl<'a> Tick<'a> {
    pub(super) fn new(
        key: &'a ModelKey,
        (judge, screen): (&'a Judge, &'a Screen),
        window: &'a Window,
        hours: &'a [HourRows],
    ) -> Self {
        Self {
            key,
            judge,
            screen,
            window,
            hours,
            all: OnceCell::new(),
        }
    }

    /// Judges the series of the window, and tells what became of their episodes.
    pub(super) fn see(&self, episodes: &mut Episodes, told: &mut Vec<Told>) {
        for (place, layout) in self.judge.judged_series() {
            self.see_series((place, layout), episodes, told);
        }
    }

    fn see_series(
        &self,
        (place, layout): (usize, &SeriesLayout),
        episodes: &mut Episodes,
        told: &mut Vec<Told>,
    ) {
        let (judge_of, length) = (self.judge, self.window.length);
        let (expected, current) = judge_of.sides((place, layout), self.window, self.hours);
        let of = (place, layout.kind());
        if !has_any(episodes, layout.name(), length)
            && !self.screen.can_fire(of, &expected, &current)
        {
            return;
        }
        let rule = judge_of.rule(place, length);
        for compared in compare(layout.kind(), &expected, &current) {
            let at: Place = (Arc::clone(layout.name()), length, compared.test);
            let learned = judge_of.learned(place, length, &compared);
            let size = || effect(compared.test, &expected, &current);
            let can_fire = || self.screen.can_fire_by(place, &compared);
            if !episodes.contains_key(&at) && !(can_fire() && fires(&compared, learned, rule, size))
            {
                continue;
            }
            let seen = Seen {
                judged: judge(compared, learned, rule, size),
                rule,
                learned,
            };
            let alert = || self.alert(place, &seen.judged);
            told.extend(take(episodes, at, self.window.end, seen, alert));
        }
    }

    /// The alert that a test of a series is where it fires.
    fn alert(&self, place: usize, judged: &Judged) -> Option<Alert> {
        let (all, moved) = self.all.get_or_init(|| {
            let all = self.judge.window(self.window, self.hours);
            let moved = moved_together(&all, self.window.length, self.judge);
            (all, moved)
        });
        let verdicts = all.iter().find(|one| one.series == place)?;
        let reference = &self.judge.reference;
        let layout = reference.layout.series().get(place)?;
        let name_of = |place: usize| Some(Arc::clone(reference.layout.series().get(place)?.name()));
        let others = moved.iter().filter(|other| **other != place);
        let peers: Vec<Arc<str>> = others
            .filter_map(|other| name_of(*other))
            .take(PEERS_MAX)
            .collect();
        let (test, length) = (judged.compared.test, self.window.length);
        let subject = Subject {
            layout,
            reference: reference.series.get(place)?,
            cells: score::cells_of(&reference.layout, place, &self.window.cells),
            verdicts,
            length,
        };
        let names: Vec<&str> = peers.iter().map(|peer| &**peer).collect();
        let role = Some(reference.header.role);
        Some(Alert {
            id: id_of(
                self.key,
                (layout.name(), length, test),
                role,
                self.window.end,
            ),
            key: self.key.clone(),
            series: Arc::clone(layout.name()),
            window: length,
            test,
            reference: role,
            since: self.window.end,
            severity: judged.severity(),
            p: judged.p,
            alpha: judged.alpha,
            psi: judged.psi.unwrap_or(0.0),
            sentence: sentence(test, subject, &names).into(),
            peers,
            resolved: None,
            acknowledged: None,
        })
    }
}

/// Whether a test of this series fires in windows of this length.
fn has_any(episodes: &Episodes, series: &Arc<str>, length: Length) -> bool {
    let first: Place = (Arc::clone(series), length, Test::Location);
    let next = episodes.range(first..).next();
    next.is_some_and(|((name, of, _), _)| name == series && *of == length)
}

#[cfg(test)]
mod tests;
