//! Tests that are not of a series of the reference, and how any verdict becomes an episode.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::episode::{Alert, Change, Episode, id_of};
use super::rule::{Judged, Rule, Verdict, sees};
use super::{Test, sentence};
use crate::fold::window::Window;
use crate::key::ModelKey;
use crate::reference::ReferenceRole;
use crate::reference::natural::Dispersion;
use crate::stats::Rate;
use crate::time::{Length, Timestamp};

/// What fires, by series, length of the window and test, in the order in which it is shown.
pub(super) type Episodes = BTreeMap<Place, Episode>;

/// What an episode is of.
pub(super) type Place = (Arc<str>, Length, Test);

/// What is told of an alert.
pub(super) type Told = (Change, Arc<Alert>);

/// A verdict with what led to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The test and its verdict.
    pub(super) judged: Judged,
    /// What it was held against.
    pub(super) rule: Rule,
    /// What is natural of it, where that is known.
    pub(super) learned: Option<Dispersion>,
}

/// The verdict on a key or a field of the rows.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// The key or the field.
    pub(super) series: Arc<str>,
    /// The verdict.
    pub(super) seen: Seen,
    /// Its rows in the reference.
    pub(super) then: Rate,
    /// Its rows in the window.
    pub(super) now: Rate,
    /// How many others there are like it.
    pub(super) others: usize,
}

impl Finding {
    /// The alert that it is where it fires in this window.
    pub(super) fn alert(&self, key: &ModelKey, role: ReferenceRole, window: &Window) -> Alert {
        let judged = &self.seen.judged;
        let test = judged.compared.test;
        let role = Some(role);
        Alert {
            id: id_of(key, (&self.series, window.length, test), role, window.end),
            key: key.clone(),
            series: Arc::clone(&self.series),
            window: window.length,
            test,
            reference: role,
            since: window.end,
            severity: judged.severity(),
            p: judged.p,
            alpha: judged.alpha,
            psi: judged.psi.unwrap_or(0.0),
            sentence: sentence::presence(self, window.length).into(),
            peers: Vec::new(),
            resolved: None,
            acknowledged: None,
        }
    }
}

/// Takes the verdict of the window that ends at `tick`: of an episode that goes on, or of one that
/// begins with the alert that `alert` makes.
pub(super) fn take(
    episodes: &mut Episodes,
    place: Place,
    tick: Timestamp,
    seen: Seen,
    alert: impl FnOnce() -> Option<Alert>,
) -> Option<Told> {
    if let Some(episode) = episodes.get_mut(&place) {
        let sees = !seen.judged.is_over(seen.rule)
            || sees(&seen.judged, seen.learned, seen.rule, episode.size());
        let change = episode.see(tick, &seen.judged, (seen.rule, sees))?;
        let alert = Arc::clone(&episode.alert);
        if change == Change::Resolved {
            episodes.remove(&place);
        }
        return Some((change, alert));
    }
    if seen.judged.verdict != Verdict::Drift {
        return None;
    }
    let episode = Episode::new(alert()?);
    let alert = Arc::clone(&episode.alert);
    episodes.insert(place, episode);
    Some((Change::Fired, alert))
}
