//! Whether a version of a model has other fields than the version before.
//!
//! Looked at once, when a reference of the version comes into force: its series against those of
//! the version of the same model that began last before it. It is a fact and no test: it costs
//! nothing of the budget, pages nobody, and is over after the length of the longest window.
//!
//! ```text
//! 7   amount: numbers   country: texts   age: numbers
//! 8   amount: texts     country: texts   plan: texts      without `age`, with `plan`; `amount` ..
//! ```
//!
//! Keys that only one of the two references carries are left out: a training table without
//! latencies does not say that the version has none.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::episode::{self, Alert, Episode, id_of};
use super::finding::{Episodes, Told};
use super::sentence::{cut, of_kind};
use super::{Severity, Test};
use crate::fold::Fold;
use crate::fold::model::ModelState;
use crate::key::{Carrier, ModelKey, Name};
use crate::layout::{Kind, SeriesLayout};
use crate::reference::Reference;
use crate::time::{Length, Timestamp};

/// The name of the series that an alert is of.
const SERIES: &str = "schema";

/// The most fields that a sentence names of each sort.
const NAMED_MAX: usize = 5;

/// What a version has, lacks and means by the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The version that is new.
    pub key: ModelKey,
    /// The version that it is compared with.
    pub before: Name,
    /// Series that it has besides, in the order of their names.
    pub added: Vec<Arc<str>>,
    /// Series that it lacks.
    pub removed: Vec<Arc<str>>,
    /// Series of another kind: what they were and what they are.
    pub retyped: Vec<(Arc<str>, Kind, Kind)>,
}

impl Change {
    /// What changed with a version, if anything did.
    pub fn of(fold: &Fold, key: &ModelKey) -> Option<Self> {
        let model = fold.models.get(key)?;
        let others = fold.models.values().filter(|other| is_before(other, model));
        let before = others
            .filter(|other| other.references.judge().is_some())
            .max_by_key(|other| (other.first_event, &other.key))?;
        let (then, now) = (before.references.judge()?, model.references.judge()?);
        let kind_then = |series: &SeriesLayout| kind_of(then, series.name());
        let retyped = compared(now, then).filter_map(|series| {
            let then = kind_then(series).filter(|then| *then != series.kind())?;
            Some((Arc::clone(series.name()), then, series.kind()))
        });
        let change = Self {
            key: key.clone(),
            before: before.key.version.clone(),
            added: names_of(now, then),
            removed: names_of(then, now),
            retyped: sorted(retyped.collect()),
        };
        let is_some =
            !(change.added.is_empty() && change.removed.is_empty() && change.retyped.is_empty());
        is_some.then_some(change)
    }

    /// For people.
    fn sentence(&self) -> String {
        let mut text = format!(
            "version {} has other fields than version {}:",
            self.key.version, self.before
        );
        let mut separator = " ";
        for (word, names) in [("without", &self.removed), ("with", &self.added)] {
            if !names.is_empty() {
                let _infallible = write!(text, "{separator}{word} {}", listed(names));
                separator = ", ";
            }
        }
        if separator == ", " {
            separator = "; ";
        }
        for (name, then, now) in self.retyped.iter().take(NAMED_MAX) {
            let (then, now) = (of_kind(*then), of_kind(*now));
            let _infallible = write!(text, "{separator}`{name}` holds {now} instead of {then}");
            separator = "; ";
        }
        let others = self.retyped.len().saturating_sub(NAMED_MAX);
        if others > 0 {
            let _infallible = write!(text, "; {others} more hold others");
        }
        cut(text)
    }

    fn alert(&self, window: Length, at: Timestamp) -> Alert {
        Alert {
            id: id_of(&self.key, (SERIES, window, Test::Schema), None, at),
            key: self.key.clone(),
            series: SERIES.into(),
            window,
            test: Test::Schema,
            reference: None,
            since: at,
            severity: Severity::Info,
            p: 0.0,
            alpha: 0.0,
            psi: 0.0,
            sentence: self.sentence().into(),
            peers: Vec::new(),
            resolved: None,
            acknowledged: None,
        }
    }
}

/// Begins the episode of a change, which `window` is the longest of all for; none where one is told
/// of already.
pub(super) fn begin(
    episodes: &mut Episodes,
    change: &Change,
    window: Length,
    at: Timestamp,
) -> Option<Told> {
    let place = (Arc::from(SERIES), window, Test::Schema);
    if episodes.contains_key(&place) {
        return None;
    }
    let episode = Episode::new(change.alert(window, at));
    let alert = Arc::clone(&episode.alert);
    episodes.insert(place, episode);
    Some((episode::Change::Fired, alert))
}

/// Whether a version of the same model began before, or this one has no rows yet.
fn is_before(other: &ModelState, model: &ModelState) -> bool {
    other.key.tenant == model.key.tenant
        && other.key.model == model.key.model
        && other.key != model.key
        && other.first_event.is_some()
        && model
            .first_event
            .is_none_or(|first| other.first_event < Some(first))
}

/// The series of a reference whose key the other one carries as well.
fn compared<'a>(
    reference: &'a Reference,
    other: &'a Reference,
) -> impl Iterator<Item = &'a SeriesLayout> {
    let is_carried = |series: &&SeriesLayout| {
        let carrier = Carrier::of(series.role(), series.name());
        let carried = other.carried.get(carrier as usize);
        carried.is_some_and(|rows| *rows > 0)
    };
    reference.layout.series().iter().filter(is_carried)
}

/// The series of a reference that another one does not have.
fn names_of(reference: &Reference, other: &Reference) -> Vec<Arc<str>> {
    let only = compared(reference, other).filter(|one| kind_of(other, one.name()).is_none());
    sorted(only.map(|one| Arc::clone(one.name())).collect())
}

fn kind_of(reference: &Reference, series: &str) -> Option<Kind> {
    let (layout, _) = reference.find(series)?;
    Some(layout.kind())
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

fn listed(names: &[Arc<str>]) -> String {
    let named = names.iter().take(NAMED_MAX);
    let mut text = named
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let others = names.len().saturating_sub(NAMED_MAX);
    if others > 0 {
        let _infallible = write!(text, " and {others} more");
    }
    text
}

#[cfg(test)]
mod tests;
