//! Everything under watch, as the fold goes on.
//!
//! The desk looks when the watermark has passed a tick of some window length. It then judges what
//! is due, once, at that place of the log; what comes later changes scores and not what was judged.
//!
//! ```text
//! tests of a model   those of all its live versions share one budget, with that of its rows
//! a new version      inherits what was natural of the one before, series by series, until hours
//!                    of its own have taught more
//! commands           mark alerts, and decide which of them page; they change no judgement
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::{self, STEPS_PER_WINDOW};
use super::episode::{Alert, Change, Hand};
use super::finding::Told;
use super::hourly::Summed;
use super::judge::{Judge, Nature, Source};
use super::mutes::{Mutes, Muting};
use super::schema;
use super::settings::Settings;
use super::volume::{self, Group, Volumes, group_of};
use super::watch::Watch;
use crate::fold::Fold;
use crate::fold::model::ModelState;
use crate::image::{BlockId, ImageError, Reader, Writer};
use crate::key::{ModelKey, Name, Shard};
use crate::statelog::record::{Command, CommandKind};
use crate::time::{Length, Timestamp};

/// Resolved alerts that are still shown; the oldest go first.
pub const RESOLVED_MAX: usize = 1_000;

/// All watches and what they have found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Desk {
    /// Of first versions; later ones have a block for each, see [`Desk::write`].
    #[serde(default, skip_serializing)]
    watches: BTreeMap<ModelKey, Arc<Watch>>,
    volumes: Volumes,
    /// The last tick of each window length when the desk last looked.
    looked: Vec<Timestamp>,
    resolved: Vec<Arc<Alert>>,
    totals: Totals,
    mutes: Mutes,
    /// The ids of the firing alerts that mutes cover.
    #[serde(skip)]
    muted: Arc<BTreeSet<Arc<str>>>,
}

/// The blocks of what is under watch, each of a model version.
pub type Blocks = Vec<(ModelKey, BlockId)>;

/// How often alerts changed, by model, severity and change.
pub type Totals = BTreeMap<(Name, super::Severity, Change), u64>;

impl Desk {
    /// Judges what is due, if anything is; what changed is pushed in the order in which it did.
    pub fn look(&mut self, fold: &Fold, told: &mut Vec<(Change, Arc<Alert>)>) {
        if self.mutes.expire(fold.log_time) {
            self.mark();
        }
        let Some(watermark) = fold.watermark else {
            return;
        };
        let tick = |window: &Length| {
            let step = window.divided_by(STEPS_PER_WINDOW).unwrap_or(*window);
            watermark.floor(budget::every(*window, step))
        };
        let ticks: Vec<Timestamp> = fold.config.windows.iter().map(tick).collect();
        if ticks == self.looked {
            return;
        }
        self.looked = ticks;
        self.watches.retain(|key, _| fold.models.contains_key(key));
        for (key, model) in &fold.models {
            self.watch(key).lessons.learn(model, &fold.config);
        }
        let tests = self.prepare(fold);
        let before = told.len();
        for (key, model) in &fold.models {
            if let Some(watch) = self.watches.get_mut(key) {
                Arc::make_mut(watch).judge(model, watermark, told);
            }
        }
        self.volumes.look(fold, watermark, &tests, told);
        let told = told.get(before..).unwrap_or(&[]);
        self.remember(told);
        if !told.is_empty() {
            self.mark();
        }
    }

    /// Does what an operator asks, at a time of the log; whether that meant anything here.
    pub fn command(&mut self, command: &Command, now: Timestamp) -> bool {
        self.mutes.expire(now);
        let hand = Hand {
            actor: command.actor.as_str().into(),
            reason: command.reason.as_str().into(),
            at: now,
        };
        let is_meant = match &command.kind {
            CommandKind::Acknowledge { alert } => self.acknowledge(alert, Arc::new(hand)),
            CommandKind::Mute(mute) => self.mutes.add(mute, hand),
            CommandKind::Unmute { id } => self.mutes.remove(id),
            // the fold does it
            CommandKind::AcceptBaseline { .. } => true,
        };
        self.mark();
        is_meant
    }

    fn acknowledge(&mut self, id: &str, hand: Arc<Hand>) -> bool {
        let has = |watch: &Arc<Watch>| {
            let mut episodes = watch.episodes.values();
            episodes.any(|episode| *episode.alert.id == *id)
        };
        let watch = self.watches.values_mut().find(|watch| has(watch));
        let of_version = watch.map(|watch| Arc::make_mut(watch).episodes.values_mut());
        let mut firing = of_version
            .into_iter()
            .flatten()
            .chain(self.volumes.episodes_mut());
        if let Some(episode) = firing.find(|episode| *episode.alert.id == *id) {
            episode.acknowledge(hand);
            return true;
        }
        let mut fired = self.resolved.iter_mut().rev();
        let found = fired.find(|alert| *alert.id == *id);
        let is_found = found.is_some();
        if let Some(alert) = found {
            Arc::make_mut(alert).acknowledged = Some(hand);
        }
        is_found
    }

    /// Notes which of the firing alerts are muted.
    fn mark(&mut self) {
        let covered = self.firing().filter(|alert| self.mutes.cover(alert));
        self.muted = Arc::new(covered.map(|alert| Arc::clone(&alert.id)).collect());
    }

    fn firing(&self) -> impl Iterator<Item = &Arc<Alert>> {
        let watches = self.watches.values();
        let of_versions =
            watches.flat_map(|watch| watch.episodes.values().map(|episode| &episode.alert));
        of_versions.chain(self.volumes.firing())
    }

    /// Takes that a reference of a model version came into force: what it changed of the fields, if
    /// that is news.
    pub fn activated(
        &mut self,
        fold: &Fold,
        key: &ModelKey,
        told: &mut Vec<Told>,
    ) -> Option<schema::Change> {
        let change = schema::Change::of(fold, key);
        let watch = self.watch(key);
        if watch.schema == change {
            return None;
        }
        watch.schema.clone_from(&change);
        let (change, window) = (change?, *fold.config.windows.iter().max()?);
        let at = fold.watermark.unwrap_or(fold.log_time);
        let begun = schema::begin(&mut watch.episodes, &change, window, at);
        self.remember(begun.as_slice());
        told.extend(begun);
        self.mark();
        Some(change)
    }

    /// Gives every watch the judge that follows from what the fold says and what was learned.
    /// Gives how many tests share the budget of each model.
    pub fn prepare(&mut self, fold: &Fold) -> BTreeMap<Group, usize> {
        for (key, model) in &fold.models {
            if let Some(reference) = model.references.judge() {
                self.watch(key).lessons.settle(reference, &fold.config);
            }
        }
        let mut versions: BTreeMap<Group, Vec<&ModelState>> = BTreeMap::new();
        for (key, model) in &fold.models {
            versions.entry(group_of(key)).or_default().push(model);
        }
        for (key, model) in &fold.models {
            let others = versions.get(&group_of(key)).map_or(&[][..], Vec::as_slice);
            let before = self.before(others, model);
            self.watch(key)
                .prepare(model, &fold.config, before.as_ref());
        }
        let mut tests: BTreeMap<Group, usize> = BTreeMap::new();
        for (key, watch) in &self.watches {
            let of_rows = || volume::tests_of(&Settings::new(&fold.config.alerts, key));
            *tests.entry(group_of(key)).or_insert_with(of_rows) += watch.tests();
        }
        for (key, watch) in &mut self.watches {
            let watch = Arc::make_mut(watch);
            watch.share(tests.get(&group_of(key)).copied().unwrap_or(1));
        }
        tests
    }

    fn watch(&mut self, key: &ModelKey) -> &mut Watch {
        Arc::make_mut(self.watches.entry(key.clone()).or_default())
    }

    /// The blocks of what is under watch; all else is in what the desk itself is written as.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<Blocks, ImageError> {
        let block = |(key, watch): (&ModelKey, &Arc<Watch>)| {
            let id = writer.shared(watch, |_, watch| Ok(watch.clone()))?;
            Ok((key.clone(), id))
        };
        self.watches.iter().map(block).collect()
    }

    /// Reads what [`Self::write`] has written.
    pub fn read(&mut self, blocks: Blocks, reader: &Reader<'_>) -> Result<(), ImageError> {
        for (key, id) in blocks {
            self.watches.insert(key, Arc::new(reader.read(id)?));
        }
        Ok(())
    }

    /// Takes up what follows from what was kept, after it was read.
    pub fn resume(&mut self, fold: &Fold) {
        self.prepare(fold);
        self.mark();
    }

    /// Lets go of all that is not of the models of a shard.
    pub fn keep(&mut self, shard: Shard) {
        self.watches.retain(|key, _| shard.owns(&key.model));
        self.volumes.keep(shard);
        self.resolved.retain(|alert| shard.owns(&alert.key.model));
        self.totals.retain(|(model, ..), _| shard.owns(model));
    }

    /// What was natural of the version of the same model that was seen last before this one began.
    fn before(&self, versions: &[&ModelState], model: &ModelState) -> Option<Nature> {
        let layout = &model.references.judge()?.layout;
        let others = versions
            .iter()
            .filter(|other| other.key != model.key && other.first_event < model.first_event);
        let (nature, of, other) = others
            .filter_map(|other| {
                let reference = other.references.judge()?;
                let nature = self.watches.get(&other.key)?.lessons.nature()?;
                Some((nature, &reference.layout, other))
            })
            .max_by_key(|(.., other)| other.first_event)?;
        let places = layout.series().iter().map(|series| {
            let place = of.find(series.name())?;
            let same = of.series().get(place)?;
            (same.kind() == series.kind()).then_some(place)
        });
        Some(Nature {
            source: Source::Before(other.key.version.as_str().into()),
            natural: Arc::clone(&nature.natural),
            places: Some(places.collect()),
        })
    }

    fn remember(&mut self, told: &[Told]) {
        for (change, alert) in told {
            let place = (alert.key.model.clone(), alert.severity, *change);
            *self.totals.entry(place).or_default() += 1;
            if *change == Change::Resolved {
                self.resolved.push(Arc::clone(alert));
            }
        }
        let surplus = self.resolved.len().saturating_sub(RESOLVED_MAX);
        self.resolved.drain(..surplus);
        let models: BTreeSet<&Name> = self.watches.keys().map(|key| &key.model).collect();
        self.totals.retain(|(model, ..), _| models.contains(model));
    }

    /// What the last window of this length of a model version came to.
    pub fn summed(&self, key: &ModelKey, length: Length) -> Option<&Summed> {
        self.watches.get(key)?.summed.get(&length)
    }

    /// What model versions are judged by.
    pub fn judges(&self) -> BTreeMap<ModelKey, Arc<Judge>> {
        let judges = self.watches.iter();
        judges
            .filter_map(|(key, watch)| Some((key.clone(), Arc::clone(watch.judge.as_ref()?))))
            .collect()
    }

    /// What fires, in the order of model, series, window and test, and what fired, oldest first.
    pub fn alerts(&self) -> (Vec<Arc<Alert>>, Vec<Arc<Alert>>) {
        let mut firing: Vec<Arc<Alert>> = self.firing().cloned().collect();
        firing.sort_by(|a, b| {
            let place = |of: &Alert| (of.window, of.test);
            (&a.key, &a.series, place(a)).cmp(&(&b.key, &b.series, place(b)))
        });
        (firing, self.resolved.clone())
    }

    /// The mutes in force, and the ids of the firing alerts that they cover.
    pub fn mutes(&self) -> (Vec<Arc<Muting>>, Arc<BTreeSet<Arc<str>>>) {
        (self.mutes.list(), Arc::clone(&self.muted))
    }

    /// How often alerts changed.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}
