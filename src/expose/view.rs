//! The shapes of answers: what programs can rely on.
//!
//! ```text
//! times      RFC 3339 in UTC                 "2026-11-23T10:00:00Z"
//! lengths    as in the configuration         "24h"
//! digests    64 hexadecimal digits
//! absent     what does not exist is left out, never null or 0: the KS distance of categories, the
//!            lower bound of a bin that is open below, the scores of too few rows
//! ```
//!
//! A scored series has one shape wherever it stands, in the API and in `driftd replay`: a
//! [`ScoredSeries`]. Lists stand under a key named like the resource, with `next` where there is
//! more: its value is the parameter `after` of the next request.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::board::ClosedWindow;
use crate::fold::model::ModelState;
use crate::key::{Role, Shard};
use crate::layout::{Kind, LooseCounts, SeriesLayout};
use crate::reference::Reference;
use crate::score::{Insufficient, Scored, Scores, Tallied};
use crate::stats::Ks;
use crate::time::{Length, Timestamp};

mod alerts;
mod bins;
mod commands;
mod history;
mod journal;
mod models;
mod scores;
mod series;
mod status;

pub(super) use self::alerts::{
    AlertView, AlertsAsked, AlertsPage, StateView, TestView, alert, alerts,
};
pub(super) use self::bins::Bin;
pub(super) use self::commands::{
    BaselineAsked, MuteAsked, MuteView, Reason, body, command, mutes, time,
};
pub(super) use self::history::{HistoryAsked, HistoryView, Point, history};
pub(super) use self::journal::{EntryView, entries, journal};
pub(super) use self::models::{ModelView, ModelsPage, Start, model, models, starts};
pub(super) use self::scores::{ScoresAsked, ScoresPage, Sort, scores};
pub(super) use self::series::{SeriesView, reference, series};
pub(super) use self::status::{ChainView, LocalView, ShardView, StatusView, TopicView, status};

/// A value that is shown as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A problem document of RFC 9457.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) title: &'static str,
    pub(super) status: u16,
    pub(super) detail: String,
    /// The shard that has what was asked for, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<Shard>,
}

/// A window: event times in `[start, end)`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WindowView {
    pub(super) start: Text<Timestamp>,
    pub(super) end: Text<Timestamp>,
    pub(super) length: Text<Length>,
}

impl WindowView {
    fn of(closed: &ClosedWindow) -> Self {
        let window = &closed.window;
        Self {
            start: Text(window.start()),
            end: Text(window.end),
            length: Text(window.length),
        }
    }
}

/// What a series is compared with.
#[derive(Debug, Clone, Serialize)]
pub struct ReferenceView {
    pub(super) role: &'static str,
    pub(super) digest: String,
    pub(super) rows: u64,
    /// Whether it was learned from live rows; left out where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) learned: bool,
}

impl ReferenceView {
    fn of(reference: &Reference) -> Self {
        Self {
            role: reference.header.role.as_str(),
            digest: reference.digest().to_string(),
            rows: reference.header.rows,
            learned: reference.header.learned,
        }
    }
}

/// What the scores are to be judged by besides the number of rows.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Validity {
    /// Rows of the window that were late against their record's timestamp.
    pub(super) late: u64,
    /// The share of the records of the window that were rejected.
    pub(super) rejected_share: f64,
    /// Whether the window is closed, all of it is kept, and no partition was left out.
    pub(super) complete: bool,
}

/// Bounds of the two-sample Kolmogorov-Smirnov distance, and its p-value.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct KsView {
    pub(super) lo: f64,
    pub(super) hi: f64,
    pub(super) p: f64,
}

impl KsView {
    fn of(ks: &Ks) -> Self {
        Self {
            lo: ks.lo,
            hi: ks.hi,
            p: ks.p,
        }
    }
}

/// The scores of a series; those that do not exist for its kind are absent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ScoresView {
    pub(super) psi: f64,
    pub(super) psi_adjusted: f64,
    pub(super) psi_ci: (f64, f64),
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ks: Option<KsView>,
    pub(super) js_distance_bits: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wasserstein_sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auc: Option<f64>,
    pub(super) l_infinity: f64,
    pub(super) hellinger: f64,
}

impl ScoresView {
    fn of(scores: &Scores) -> Self {
        let numeric = scores.numeric.as_ref();
        Self {
            psi: scores.psi,
            psi_adjusted: shown(scores.psi_adjusted),
            psi_ci: scores.psi_ci,
            ks: numeric.map(|numeric| KsView::of(&numeric.ks)),
            js_distance_bits: scores.js_distance_bits,
            wasserstein_sigma: numeric.and_then(|numeric| numeric.wasserstein_sigma),
            auc: numeric.map(|numeric| numeric.auc),
            l_infinity: scores.l_infinity,
            hellinger: scores.hellinger,
        }
    }
}

/// The adjusted PSI as people see it: samples more alike than chance are at 0.
pub(super) fn shown(psi_adjusted: f64) -> f64 {
    psi_adjusted.max(0.0)
}

/// One series of a window against one reference, or without any.
#[derive(Debug, Clone, Serialize)]
pub struct ScoredSeries<'a> {
    pub(super) model: &'a str,
    pub(super) version: &'a str,
    pub(super) series: &'a str,
    pub(super) role: &'static str,
    pub(super) kind: &'static str,
    pub(super) window: WindowView,
    pub(super) rows: u64,
    pub(super) missing: u64,
    pub(super) invalid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) novel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<ReferenceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scores: Option<ScoresView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) insufficient: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tests: Vec<TestView>,
    /// Of the reference that alerts are judged against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<StateView>,
    pub(super) validity: Validity,
    /// What lists are ordered by; the shape has the shown value.
    #[serde(skip)]
    pub(super) psi_adjusted: Option<f64>,
    /// `importance sqrt(psi_adjusted)`.
    #[serde(skip)]
    pub(super) impact: Option<f64>,
}

impl<'a> ScoredSeries<'a> {
    /// All series of a window of a model version: those of the layout in its order, training before
    /// baseline, then those that the layout does not know.
    pub fn all(model: &'a ModelState, closed: &'a ClosedWindow) -> Vec<Self> {
        let scored = closed
            .scores
            .iter()
            .filter_map(|scored| Self::scored(model, closed, scored));
        let loose = closed.window.loose.iter();
        let loose =
            loose.map(|((role, name), counts)| Self::loose(model, closed, (*role, name), counts));
        scored.chain(loose).collect()
    }

    /// One that was scored; `None` where the window is of another layout than the model version.
    fn scored(model: &'a ModelState, closed: &'a ClosedWindow, scored: &Scored) -> Option<Self> {
        let layout = model.shape.as_ref()?.series().get(scored.series)?;
        let reference = closed
            .references
            .of(scored.against)
            .map(|reference| &**reference);
        let named = (layout.role(), &**layout.name());
        let base = Self::base(model, closed, named, layout.kind());
        let scores = scored.scores.as_ref().ok();
        Some(Self {
            novel: novel(layout, &scored.tallied),
            reference: reference.map(ReferenceView::of),
            scores: scores.map(ScoresView::of),
            insufficient: scored.scores.as_ref().err().map(|why| why.as_str()),
            tests: alerts::tests(closed, scored),
            alert: alerts::state(closed, scored, layout.name()),
            psi_adjusted: scores.map(|scores| scores.psi_adjusted),
            impact: scores.map(|scores| {
                let judge = closed.judge.as_ref();
                let importance = judge.map_or(1.0, |judge| judge.importance(scored.series));
                importance * shown(scores.psi_adjusted).sqrt()
            }),
            ..base.with(&scored.tallied)
        })
    }

    /// One that no reference knows.
    fn loose(
        model: &'a ModelState,
        closed: &'a ClosedWindow,
        named: (Role, &'a str),
        counts: &LooseCounts,
    ) -> Self {
        let tallied = Tallied {
            rows: counts.total(),
            missing: counts.missing(),
            invalid: counts.invalid(),
            novel: 0,
        };
        Self::base(model, closed, named, counts.kind()).with(&tallied)
    }

    fn base(
        model: &'a ModelState,
        closed: &'a ClosedWindow,
        (role, series): (Role, &'a str),
        kind: Kind,
    ) -> Self {
        Self {
            model: model.key.model.as_str(),
            version: model.key.version.as_str(),
            series,
            role: role.as_str(),
            kind: kind.as_str(),
            window: WindowView::of(closed),
            rows: 0,
            missing: 0,
            invalid: 0,
            novel: None,
            reference: None,
            scores: None,
            insufficient: Some(Insufficient::NoReference.as_str()),
            validity: Validity {
                late: closed.window.late,
                rejected_share: closed.rejected_share,
                complete: closed.complete,
            },
            tests: Vec::new(),
            alert: None,
            psi_adjusted: None,
            impact: None,
        }
    }

    fn with(self, tallied: &Tallied) -> Self {
        let Tallied {
            rows,
            missing,
            invalid,
            novel: _,
        } = *tallied;
        Self {
            rows,
            missing,
            invalid,
            ..self
        }
    }

    /// Its name.
    pub(super) const fn name(&self) -> &'a str {
        self.series
    }

    /// Whether its name has a part, in lower case, whatever the case there.
    pub(super) fn is_called(&self, part: &str) -> bool {
        self.series.to_lowercase().contains(part)
    }

    fn reference_name(&self) -> &'static str {
        self.reference
            .as_ref()
            .map_or("-", |reference| reference.role)
    }
}

/// Rows of new categories, for kinds that have them.
pub(super) fn novel(layout: &SeriesLayout, tallied: &Tallied) -> Option<u64> {
    layout.new_cell().map(|_cell| tallied.novel)
}

/// `part` of `whole`; `None` of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// For fields that are only there when true.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// For counts that are only there when above 0.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
