//! What readers see: everything that was known at one place of the log, immutable.
//!
//! A board is cheap to make (a pointer a model version and topic) and is never changed: a request
//! works on the one that it took, however long that takes, and cannot slow the fold down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert;
use crate::alert::desk::Totals;
use crate::alert::episode::Alert;
use crate::alert::hourly::{self, Sum, Summed};
use crate::alert::judge::{Judge, Verdicts};
use crate::alert::mutes::Muting;
use crate::delta::LayoutId;
use crate::fold::model::{ModelState, References};
use crate::fold::pane::Panes;
use crate::fold::webhooks::Marks;
use crate::fold::window::Window;
use crate::fold::{Chain, LimitHits, Need, Topic};
use crate::key::{ChainKey, ModelKey, Shard};
use crate::layout::Layout;
use crate::score::{self, Scored};
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

/// The state of everything at one place of the log.
#[derive(Debug, Clone)]
pub struct Board {
    /// The place after the last record folded.
    pub position: u64,
    /// The append time of that record.
    pub log_time: Timestamp,
    /// Whether the log was folded to its end once: before that nothing here is shown.
    pub ready: bool,
    /// How far event time has come.
    pub watermark: Option<Timestamp>,
    /// The configuration in force.
    pub config: Arc<Configuration>,
    /// The models that are counted here; nothing is known of the counts of others.
    pub shard: Shard,
    /// What each shard needs of the state log.
    pub needs: BTreeMap<Shard, Need>,
    /// The references in force of model versions of other shards.
    pub elsewhere: BTreeMap<ModelKey, References>,
    /// Model versions.
    pub models: BTreeMap<ModelKey, Arc<ModelState>>,
    /// The scores of the last closed window of each length, as of when it closed.
    pub closed: BTreeMap<ModelKey, Vec<Arc<ClosedWindow>>>,
    /// What model versions are judged by.
    pub judges: BTreeMap<ModelKey, Arc<Judge>>,
    /// Alerts that fire, in the order of model version, series, window and test.
    pub firing: Vec<Arc<Alert>>,
    /// Alerts that fired, the last ones, oldest first.
    pub resolved: Vec<Arc<Alert>>,
    /// Mutes in force, in the order of their ids.
    pub mutes: Vec<Arc<Muting>>,
    /// The ids of the firing alerts that they cover.
    pub muted: Arc<BTreeSet<Arc<str>>>,
    /// How often alerts changed.
    pub alert_totals: Totals,
    /// Topics.
    pub topics: BTreeMap<Arc<str>, Arc<Topic>>,
    /// Chains.
    pub chains: BTreeMap<ChainKey, Chain>,
    /// Chains that should be waited for and no longer are.
    pub left_out: Vec<ChainKey>,
    /// Deltas counted.
    pub accepted: u64,
    /// Deltas without effect.
    pub superseded: u64,
    /// What limits kept out.
    pub limit_hits: LimitHits,
    /// How far webhooks have got.
    pub webhooks: Arc<Marks>,
}

/// A window and its scores.
#[derive(Debug, Clone)]
pub struct ClosedWindow {
    /// Its counts.
    pub window: Window,
    /// The layout that its cells are of.
    pub layout: LayoutId,
    /// What it was scored against.
    pub references: References,
    /// Its scores, in the order of the layout, training before baseline.
    pub scores: Vec<Scored>,
    /// What judged it, where there is a reference to judge by.
    pub judge: Option<Arc<Judge>>,
    /// The verdicts on its series, in the order of the layout; none where it is not to be judged,
    /// see [`alert::is_whole`].
    pub verdicts: Vec<Verdicts>,
    /// Whether it lies within what was counted, see [`alert::is_whole`].
    pub whole: bool,
    /// Alerts that fire in windows of its length.
    pub firing: Vec<Arc<Alert>>,
    /// Records that arrived in it were rejected: their share, over the model version's topics.
    pub rejected_share: f64,
    /// Whether it holds everything: closed, all panes kept, no chain left out.
    pub complete: bool,
}

/// What is said of a window beside its counts: it follows from the board alone, like all of it.
#[derive(Debug, Clone)]
struct Standing {
    firing: Vec<Arc<Alert>>,
    rejected_share: f64,
    complete: bool,
}

impl ClosedWindow {
    /// The layout that its cells are of; `None` where all series are loose.
    pub fn shape(&self) -> Option<&Layout> {
        self.references.iter().next().map(|one| &*one.layout)
    }
}

impl Board {
    /// The shard that the board is of, where it is one of several.
    pub fn part(&self) -> Option<Shard> {
        (!self.shard.is_all()).then_some(self.shard)
    }

    /// The references in force of a model version, of whatever shard.
    pub fn references(&self, key: &ModelKey) -> Option<&References> {
        let own = self.models.get(key).map(|model| &model.references);
        own.or_else(|| self.elsewhere.get(key))
    }

    /// The panes of one window length of a model version.
    pub fn panes(model: &ModelState, length: Length) -> Option<&Panes> {
        model.windows.iter().find(|panes| panes.window() == length)
    }

    /// The end of the window to show by default: the last closed one, or the last that has rows.
    pub fn default_end(&self, model: &ModelState, panes: &Panes) -> Option<Timestamp> {
        let closed = self.watermark.map(|watermark| panes.last_tick(watermark))?;
        // a model version that fell silent, or whose events lie behind those of others
        let latest = model
            .last_event
            .map(|last| last.floor(panes.step()) + panes.step());
        Some(latest.map_or(closed, |latest| closed.min(latest)))
    }

    /// Adds up and scores the window of a model version that ends at `end`.
    pub fn window(&self, model: &ModelState, panes: &Panes, end: Timestamp) -> ClosedWindow {
        self.window_from(None, model, panes, end)
    }

    /// As [`Self::window`], from what an earlier one came to where that leads to it.
    fn window_from(
        &self,
        before: Option<&Summed>,
        model: &ModelState,
        panes: &Panes,
        end: Timestamp,
    ) -> ClosedWindow {
        let judge = self.judge_of(model);
        let Sum { window, hours, .. } =
            hourly::sum(model, panes, end, judge.map(Arc::as_ref), before);
        let scores = score::score_window(model, &window);
        let whole = alert::is_whole(model, &window);
        let judged = judge.filter(|_| whole);
        let verdicts = judged.map_or_else(Vec::new, |judge| judge.window(&window, &hours));
        let Standing {
            firing,
            rejected_share,
            complete,
        } = self.standing(model, panes, end);
        ClosedWindow {
            layout: model.layout,
            references: model.references.clone(),
            judge: judge.cloned(),
            verdicts,
            whole,
            firing,
            rejected_share,
            complete,
            window,
            scores,
        }
    }

    /// The window that ends at `end`, which `old` may be: scored again where late rows came into it
    /// or it is judged by something else, so that whoever has the same board has the same window,
    /// however often there was a board on the way. `before` is what was added up last.
    pub fn window_again(
        &self,
        (old, before): (Option<&Arc<ClosedWindow>>, Option<&Summed>),
        model: &ModelState,
        panes: &Panes,
        end: Timestamp,
    ) -> Arc<ClosedWindow> {
        let Some(old) = old else {
            return Arc::new(self.window_from(before, model, panes, end));
        };
        let start = end - panes.window();
        let rows: u64 = panes.range(start, end).map(|(_, pane)| pane.rows()).sum();
        let judge = self.judge_of(model);
        let is_same = old.window.end == end
            && old.window.rows + old.window.rows_elsewhere == rows
            && old.window.kept == panes.reaches(start)
            && old.whole == alert::is_whole(model, &old.window)
            && old.layout == model.layout
            && old.references.are(&model.references)
            && old.judge.as_ref().map(Arc::as_ptr) == judge.map(Arc::as_ptr);
        if !is_same {
            return Arc::new(self.window_from(before, model, panes, end));
        }
        let standing = self.standing(model, panes, end);
        let stands = old.complete == standing.complete
            && old.rejected_share.to_bits() == standing.rejected_share.to_bits()
            && (old.firing.iter().map(Arc::as_ptr)).eq(standing.firing.iter().map(Arc::as_ptr));
        if stands {
            return Arc::clone(old);
        }
        Arc::new(ClosedWindow {
            firing: standing.firing,
            rejected_share: standing.rejected_share,
            complete: standing.complete,
            ..(**old).clone()
        })
    }

    /// What judges the windows of a model version by the reference that it has now.
    fn judge_of(&self, model: &ModelState) -> Option<&Arc<Judge>> {
        let reference = model.references.judge()?;
        let judge = self.judges.get(&model.key);
        judge.filter(|judge| Arc::ptr_eq(reference, &judge.reference))
    }

    fn standing(&self, model: &ModelState, panes: &Panes, end: Timestamp) -> Standing {
        let start = end - panes.window();
        let from = self.firing.partition_point(|alert| alert.key < model.key);
        let later = self.firing.get(from..).unwrap_or_default().iter();
        let of_model = later.take_while(|alert| alert.key == model.key);
        let firing = of_model.filter(|alert| alert.window == panes.window());
        Standing {
            firing: firing.cloned().collect(),
            rejected_share: self.rejected_share(model, start, end),
            complete: panes.reaches(start)
                && self.left_out.is_empty()
                && self.watermark.is_some_and(|watermark| watermark >= end),
        }
    }

    /// The share of the records with a Kafka timestamp in `[from, to)` that were rejected, over the
    /// topics of a model version.
    fn rejected_share(&self, model: &ModelState, from: Timestamp, to: Timestamp) -> f64 {
        let topics = model
            .topics
            .iter()
            .filter_map(|topic| self.topics.get(topic));
        let (records, rejected) = topics
            .flat_map(|topic| topic.arrivals.range(from..to))
            .fold((0, 0), |sum, (_, pane)| (sum.0 + pane.0, sum.1 + pane.1));
        if records == 0 {
            0.0
        } else {
            real(rejected) / real(records)
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
fn real(count: u64) -> f64 {
    count as f64
}
