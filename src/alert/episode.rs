//! Episodes: an alert fires once, may get worse, and is over when that is sure.
//!
//! ```text
//! ok      --drift-->                                                firing
//! firing  --drift, worse than before-->                             firing, escalated
//! firing  --p above the resolve level, for a window's length-->     resolved
//! firing  --too small to matter, for a window's length-->           resolved
//! firing  --no rows for a window's length and a day-->              resolved
//! firing  --the series is judged no more-->                         resolved
//! ```
//!
//! A window that could not have seen the alert's own difference, since it has too few rows, says
//! nothing of whether that is over: a quiet night does not end what every day confirms.
//!
//! What flickers around its level is one episode: a single quiet judgement ends nothing, and one
//! that is not quiet starts the wait again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rule::{Judged, Rule, Verdict};
use super::{Severity, Test};
use crate::key::ModelKey;
use crate::reference::ReferenceRole;
use crate::time::{Length, Timestamp};

/// How long a model version may have no rows before its alerts end, besides a window's length.
pub const SILENCE: Length = Length::DAY;

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// A short hash of what it is of and when it fired.
    pub id: Arc<str>,
    /// The model version.
    pub key: ModelKey,
    /// The series.
    pub series: Arc<str>,
    /// The length of the window.
    pub window: Length,
    /// The test that spoke.
    pub test: Test,
    /// What the window was compared with; none where that is the model's own past.
    pub reference: Option<ReferenceRole>,
    /// The end of the window in which it fired, in event time.
    pub since: Timestamp,
    /// The worst so far.
    pub severity: Severity,
    /// The p-value in the last window.
    pub p: f64,
    /// The level that it was held against.
    pub alpha: f64,
    /// The effect in the last window, in units of PSI.
    pub psi: f64,
    /// What to tell people, as of when it fired.
    pub sentence: Arc<str>,
    /// Others that moved in the same window.
    pub peers: Vec<Arc<str>>,
    /// When it was over, in event time.
    pub resolved: Option<Timestamp>,
    /// Who said last that somebody looks after it.
    pub acknowledged: Option<Arc<Hand>>,
}

/// By whose hand something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// Who.
    pub actor: Arc<str>,
    /// Why; empty where nobody said.
    pub reason: Arc<str>,
    /// When, by the log's clock.
    pub at: Timestamp,
}

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It fires.
    Fired,
    /// It got worse.
    Escalated,
    /// It is over.
    Resolved,
}

impl Change {
    /// The name used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "firing",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        }
    }
}

/// The id of an alert: 12 hexadecimal digits of a SHA-256.
pub fn id_of(
    key: &ModelKey,
    (series, window, test): (&str, Length, Test),
    reference: Option<ReferenceRole>,
    since: Timestamp,
) -> Arc<str> {
    let mut hash = Sha256::new();
    let (window, since) = (
        window.as_millis().to_string(),
        since.as_millis().to_string(),
    );
    let parts = [
        &*key.tenant,
        key.model.as_str(),
        key.version.as_str(),
        &*key.segment,
        series,
        &window,
        test.as_str(),
        reference.map_or("", ReferenceRole::as_str),
        &since,
    ];
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digits = hash.finalize();
    let text: Vec<String> = digits
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    text.concat().into()
}

/// A firing alert, and for how long it has looked as if it were over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Episode {
    /// The alert.
    pub alert: Arc<Alert>,
    /// The effect when it was last seen, in units of PSI.
    size: f64,
    over_since: Option<Timestamp>,
    small_since: Option<Timestamp>,
}

impl Episode {
    /// An alert that fires now.
    pub fn new(alert: Alert) -> Self {
        Self {
            size: alert.psi,
            alert: Arc::new(alert),
            over_since: None,
            small_since: None,
        }
    }

    /// How large the difference was when it was last seen, in units of PSI.
    pub fn size(&self) -> f64 {
        self.size
    }

    /// Takes the judgement of the window that ends at `tick`, which `sees` a difference as large as
    /// the last one or does not.
    pub fn see(
        &mut self,
        tick: Timestamp,
        judged: &Judged,
        (rule, sees): (Rule, bool),
    ) -> Option<Change> {
        if judged.is_over(rule) && !sees {
            return None;
        }
        let is_over = judged.is_over(rule);
        let is_small = is_over || judged.psi.is_none_or(|psi| psi < rule.min_psi);
        keep(&mut self.over_since, is_over, tick);
        keep(&mut self.small_since, is_small, tick);
        let alert = Arc::make_mut(&mut self.alert);
        (alert.p, alert.alpha) = (judged.p, judged.alpha);
        alert.psi = judged.psi.unwrap_or(0.0).max(0.0);
        if let Some(psi) = judged.psi.filter(|_| !is_over) {
            self.size = psi;
        }
        let lasted = |since: Option<Timestamp>| {
            since.is_some_and(|since| tick.millis_since(since) >= alert.window.as_millis())
        };
        if lasted(self.over_since) || lasted(self.small_since) {
            alert.resolved = Some(tick);
            return Some(Change::Resolved);
        }
        let severity = judged.severity();
        if judged.verdict == Verdict::Drift && severity > alert.severity {
            alert.severity = severity;
            return Some(Change::Escalated);
        }
        None
    }

    /// Notes who looks after it.
    pub fn acknowledge(&mut self, hand: Arc<Hand>) {
        Arc::make_mut(&mut self.alert).acknowledged = Some(hand);
    }

    /// Ends it for another reason.
    pub fn end(&mut self, tick: Timestamp) -> Arc<Alert> {
        Arc::make_mut(&mut self.alert).resolved = Some(tick);
        Arc::clone(&self.alert)
    }
}

fn keep(since: &mut Option<Timestamp>, holds: bool, now: Timestamp) {
    *since = if holds { since.or(Some(now)) } else { None };
}
