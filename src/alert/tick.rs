//! One window of a model version at one tick: what became of its episodes.
//!
//! What fires, and what an open episode sees, is judged in full; what the screen rules out is not
//! judged at all, and of the rest only whether it fires. An alert names what moved with it, so the
//! first one that fires in a window has all of its series judged.

use std::cell::OnceCell;
use std::sync::Arc;

use super::Test;
use super::compare::{compare_some, effect};
use super::episode::{Alert, id_of};
use super::finding::{Episodes, Place, Seen, Told, take};
use super::judge::{HourRows, Judge, moved_together};
use super::rule::{Judged, fires, judge};
use super::screen::Screen;
use super::sentence::{Subject, sentence};
use crate::fold::window::Window;
use crate::key::ModelKey;
use crate::layout::SeriesLayout;
use crate::reference::natural::Part;
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
    /// Which of all series moved, once somebody needs to know.
    moved: OnceCell<Vec<usize>>,
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
            moved: OnceCell::new(),
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
        let can_fire = (self.screen).can_fire((place, layout.kind()), &expected, &current);
        let open = open_parts(episodes, layout.name(), length);
        let wanted = |part: Part| {
            let is_in = |set: &[bool]| set.get(part as usize).is_some_and(|is_in| *is_in);
            is_in(&can_fire) || is_in(&open)
        };
        let rule = judge_of.rule(place, length);
        // the tests of values are all as large as the difference of the values
        let size_of_values = OnceCell::new();
        for compared in compare_some(layout.kind(), &expected, &current, wanted) {
            let at: Place = (Arc::clone(layout.name()), length, compared.test);
            let learned = judge_of.learned(place, length, &compared);
            let size_of = || effect(compared.test, &expected, &current);
            let size = || match compared.test.part() {
                Some(Part::Main | Part::Shape) => *size_of_values.get_or_init(size_of),
                _ => size_of(),
            };
            let is_open = episodes.contains_key(&at);
            let fires = || {
                self.screen.can_fire_by(place, &compared) && fires(&compared, learned, rule, size)
            };
            if !(is_open || fires()) {
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
        let moved = self.moved.get_or_init(|| {
            let all = self.judge.window(self.window, self.hours);
            moved_together(&all, self.window.length, self.judge)
        });
        let reference = &self.judge.reference;
        let layout = reference.layout.series().get(place)?;
        let name_of = |place: usize| Some(Arc::clone(reference.layout.series().get(place)?.name()));
        let others = moved.iter().filter(|other| **other != place);
        let peers: Vec<Arc<str>> = others
            .filter_map(|other| name_of(*other))
            .take(PEERS_MAX)
            .collect();
        let (test, length) = (judged.compared.test, self.window.length);
        let sides = self.judge.sides((place, layout), self.window, self.hours);
        let subject = Subject {
            layout,
            reference: reference.series.get(place)?,
            cells: &self.window.cells_of(&reference.layout, place),
            sides: (&sides.0, &sides.1),
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

/// The parts of a series of which a test fires in windows of this length.
fn open_parts(episodes: &Episodes, series: &Arc<str>, length: Length) -> [bool; Part::ALL.len()] {
    let mut open = [false; Part::ALL.len()];
    let first: Place = (Arc::clone(series), length, Test::Location);
    for ((name, of, test), _) in episodes.range(first..) {
        if name != series || *of != length {
            break;
        }
        let part = test.part().and_then(|part| open.get_mut(part as usize));
        if let Some(open) = part {
            *open = true;
        }
    }
    open
}

#[cfg(test)]
mod tests;
