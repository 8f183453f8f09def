//! Whether a model gets as many rows as at this time of other days.
//!
//! A model is all its versions together: a roll-out moves rows from one to the next. A window of
//! `n` rows is compared with the same hours of the model's own past, up to 27 days of it:
//!
//! ```text
//! lambda  = sum over the hours of the window of their mean over the earlier days; working days and
//!           weekends apart where there are 14 days, in the local time of the reference's hours
//! T       = 2 (n ln(n / lambda) - (n - lambda)) where n < lambda, else 0         df 1
//! tau, K  : the same statistic of each earlier day's window against the other days (dispersion)
//! size    = (1 - n / lambda) ln(lambda / n)              n / lambda at least 1/1000
//! fires   <=>  p <= alpha  and  size >= 0.34             n at most about half of lambda
//! critical <=> size >= 2.07                              n at most a tenth of lambda
//! ```
//!
//! Only a collapse fires: what grows is seldom broken. With fewer than eight earlier days nothing
//! is known and nothing fires. Since event time goes on with log time when all partitions are read
//! to their ends, silence is the same test, with `n = 0`. An outage is natural from then on, at its
//! hours, for as long as it is remembered; a model that stays silent is at rest after some days.
//!
//! Worked example: 1,000 rows an hour at noon, and 30 one noon. `T` is 1,730, and the size 3.4: it
//! is critical, where noons differ by a tenth from each other as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::past::{Hourly, Past, Window};
use super::Test;
use super::budget::{self, STEPS_PER_WINDOW};
use super::episode::{Alert, Change, Episode, id_of};
use super::finding::{Episodes, Seen, Told, take};
use super::rule::{Rule, judge};
use super::sentence;
use super::settings::Settings;
use crate::fold::Fold;
use crate::fold::model::{ModelState, References};
use crate::key::{ModelKey, Name, Shard};
use crate::reference::natural::Offsets;
use crate::reference::{BLOCK, Reference};
use crate::time::{Length, Timestamp};

mod past;

/// The name of the series that an alert is of.
pub(super) const SERIES: &str = "rows";

/// The smallest size that fires: a little less than `0.5 ln 2`, that of half of the rows.
const COLLAPSE: f64 = 0.34;

/// The size from which on it is critical: that of a tenth of the rows.
pub(super) const CRITICAL: f64 = 2.07;

/// All versions of a model.
pub(super) type Group = (Arc<str>, Name);

/// The models whose rows are watched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Volumes {
    of: BTreeMap<Group, Watched>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Watched {
    episodes: Episodes,
    /// The last tick judged of each window length.
    ticked: BTreeMap<Length, Timestamp>,
}

/// The model that a version is of.
pub(super) fn group_of(key: &ModelKey) -> Group {
    (Arc::clone(&key.tenant), key.model.clone())
}

/// How many tests a model has here, charged to its budget.
pub(super) fn tests_of(settings: &Settings<'_>) -> usize {
    usize::from(!settings.of_series(SERIES).is_off)
}

impl Volumes {
    /// Judges every tick that is due; `tests` share the budget of each model.
    pub(super) fn look(
        &mut self,
        fold: &Fold,
        watermark: Timestamp,
        tests: &BTreeMap<Group, usize>,
        told: &mut Vec<Told>,
    ) {
        let mut groups: BTreeMap<Group, Vec<&ModelState>> = BTreeMap::new();
        for (key, model) in &fold.models {
            groups.entry(group_of(key)).or_default().push(model);
        }
        self.of.retain(|group, _| groups.contains_key(group));
        for (group, versions) in &groups {
            let Some(last) = versions.iter().max_by_key(|one| (one.last_seen, &one.key)) else {
                continue;
            };
            let settings = Settings::new(&fold.config.alerts, &last.key);
            let watched = self.of.entry(group.clone()).or_default();
            if tests_of(&settings) == 0 {
                watched.end(watermark, told);
                continue;
            }
            let due = watched.due(&fold.config.windows, watermark);
            let share = Share {
                false_alarms_per_month: settings.false_alarms_per_month(),
                windows: fold.config.windows.len(),
                tests: tests.get(group).copied().unwrap_or(1),
            };
            let (first, end) = (due.first(), due.last());
            let Some(span) = first.zip(end).map(|((from, _), (to, _))| (*from, *to)) else {
                continue;
            };
            let counted = versions.iter().flat_map(|version| &version.volume);
            let (rows, utc) = (Hourly::new(counted, span), Offsets::utc());
            let offsets = offsets_of(versions).unwrap_or(&utc);
            watched.judge(&due, (&rows, offsets, &last.key), &share, told);
        }
    }

    /// Lets go of all that is not of the models of a shard.
    pub(super) fn keep(&mut self, shard: Shard) {
        self.of.retain(|(_, model), _| shard.owns(model));
    }

    /// What fires.
    pub(super) fn episodes_mut(&mut self) -> impl Iterator<Item = &mut Episode> {
        let watched = self.of.values_mut();
        watched.flat_map(|watched| watched.episodes.values_mut())
    }

    pub(super) fn firing(&self) -> impl Iterator<Item = &Arc<Alert>> {
        let episodes = self
            .of
            .values()
            .flat_map(|watched| watched.episodes.values());
        episodes.map(|episode| &episode.alert)
    }
}

/// What the budget of a model is shared among.
struct Share {
    false_alarms_per_month: f64,
    windows: usize,
    tests: usize,
}

impl Share {
    fn rule(&self, length: Length) -> Rule {
        Rule {
            alpha: budget::alpha(
                self.false_alarms_per_month,
                length,
                self.windows,
                self.tests,
            ),
            min_psi: COLLAPSE,
            learning_psi: None,
        }
    }
}

impl Watched {
    /// The ticks to judge in order of time, short windows first: at whole hours, of windows of
    /// whole hours up to a day.
    fn due(&mut self, windows: &[Length], watermark: Timestamp) -> Vec<(Timestamp, Length)> {
        let lengths: BTreeSet<Length> = windows
            .iter()
            .copied()
            .filter(|length| is_watched(*length))
            .collect();
        self.ticked.retain(|length, _| lengths.contains(length));
        let mut due = Vec::new();
        for length in lengths {
            let every = every(length);
            let last = watermark.floor(every);
            let before = self.ticked.insert(length, last);
            // those that came before the desk first looked, or while nothing was to be seen, are
            // within what is kept
            let kept = past::days_before(last, past::DAYS_MAX).floor(every);
            let mut tick = before.map_or(kept, |before| before.max(kept)) + every;
            while tick <= last {
                due.push((tick, length));
                tick = tick + every;
            }
        }
        due.sort_unstable();
        due
    }

    fn judge(
        &mut self,
        due: &[(Timestamp, Length)],
        (rows, offsets, key): (&Hourly, &Offsets, &ModelKey),
        share: &Share,
        told: &mut Vec<Told>,
    ) {
        for (tick, length) in due {
            let place = (Arc::from(SERIES), *length, Test::Volume);
            let Some(past) = Past::new(rows, *tick, *length, offsets) else {
                continue;
            };
            let now = past.window(0);
            if now.usual < past::ROWS_USUAL_MIN {
                // a quiet night ends nothing; a model without rows for weeks is at rest
                if past.is_empty()
                    && let Some(mut episode) = self.episodes.remove(&place)
                {
                    told.push((Change::Resolved, episode.end(*tick)));
                }
                continue;
            }
            let (rule, compared) = (share.rule(*length), now.compared(now.collapse()));
            if compared.statistic.p() > rule.level() && !self.episodes.contains_key(&place) {
                // nothing fires, whatever is natural
                continue;
            }
            let (learned, size) = (past.learn(), || Some(now.size()));
            let seen = Seen {
                judged: judge(compared, learned, rule, size),
                rule,
                learned,
            };
            let alert = || Some(alert_of(key, (*tick, *length), &seen, now));
            told.extend(take(&mut self.episodes, place, *tick, seen, alert));
        }
    }

    fn end(&mut self, at: Timestamp, told: &mut Vec<Told>) {
        for mut episode in std::mem::take(&mut self.episodes).into_values() {
            told.push((Change::Resolved, episode.end(at)));
        }
    }
}

fn alert_of(
    key: &ModelKey,
    (tick, length): (Timestamp, Length),
    seen: &Seen,
    now: Window,
) -> Alert {
    let judged = &seen.judged;
    Alert {
        id: id_of(key, (SERIES, length, Test::Volume), None, tick),
        key: key.clone(),
        series: SERIES.into(),
        window: length,
        test: Test::Volume,
        reference: None,
        since: tick,
        severity: judged.severity(),
        p: judged.p,
        alpha: judged.alpha,
        psi: judged.psi.unwrap_or(0.0),
        sentence: sentence::volume(now.rows, now.usual, length).into(),
        peers: Vec::new(),
        resolved: None,
        acknowledged: None,
    }
}

/// The local time of a model: that of the version seen last whose references tell hours of the day
/// apart, of the one that it is judged by where both do; none where no reference does.
fn offsets_of<'a>(versions: &[&'a ModelState]) -> Option<&'a Offsets> {
    let of = |reference: &'a Arc<Reference>| {
        let natural = reference.natural.as_ref()?;
        natural.profile.as_ref().map(|profile| &profile.offsets)
    };
    let mut seen: Vec<&ModelState> = versions.to_vec();
    seen.sort_by_key(|one| (one.last_seen, &one.key));
    let mut references = seen.iter().rev().flat_map(|one| {
        let References { training, baseline } = &one.references;
        baseline.iter().chain(training)
    });
    references.find_map(of)
}

/// Whether windows of this length are watched.
fn is_watched(length: Length) -> bool {
    length.is_multiple_of(BLOCK) && length <= Length::DAY
}

/// How often windows of this length are judged: at whole hours, at least as seldom as others.
fn every(length: Length) -> Length {
    let step = length.divided_by(STEPS_PER_WINDOW).unwrap_or(length);
    let every = budget::every(length, step);
    let hours = past::hours_of(every) + i64::from(!every.is_multiple_of(BLOCK));
    BLOCK.times(u32::try_from(hours).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
