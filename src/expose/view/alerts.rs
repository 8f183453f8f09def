//! Alerts: what fires and what fired, and what stands behind a verdict.

use serde::Serialize;

use super::Text;
use crate::alert::Severity;
use crate::alert::episode::{Alert, Hand};
use crate::alert::judge::Source;
use crate::alert::rule::Judged;
use crate::board::{Board, ClosedWindow};
use crate::expose::find;
use crate::expose::problem::Problem;
use crate::key::{Name, Shard};
use crate::reference::ReferenceRole;
use crate::score::Scored;
use crate::time::{Length, Timestamp};

/// One test of a series.
#[derive(Debug, Clone, Serialize)]
pub(in crate::expose) struct TestView {
    pub(in crate::expose) name: &'static str,
    pub(in crate::expose) statistic: f64,
    pub(in crate::expose) df: usize,
    /// A lower bound where it is above the level at which alerts are over.
    pub(in crate::expose) p: f64,
    pub(in crate::expose) alpha: f64,
    /// The PSI of the test's own cells; only where p is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) psi: Option<f64>,
    pub(in crate::expose) verdict: &'static str,
}

impl TestView {
    fn of(judged: &Judged) -> Self {
        Self {
            name: judged.compared.test.as_str(),
            statistic: judged.compared.statistic.value,
            df: judged.compared.statistic.df,
            p: judged.p,
            alpha: judged.alpha,
            psi: judged.psi,
            verdict: judged.verdict.as_str(),
        }
    }
}

/// Where the alerts of a series in windows of one length stand.
#[derive(Debug, Clone, Serialize)]
pub(in crate::expose) struct StateView {
    pub(in crate::expose) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) since: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) severity: Option<&'static str>,
}

/// The tests of a scored series; none against a reference that alerts are not judged by.
pub(super) fn tests(closed: &ClosedWindow, scored: &Scored) -> Vec<TestView> {
    let verdicts = closed
        .verdicts
        .iter()
        .find(|one| one.series == scored.series);
    let judged = verdicts.filter(|_| is_judged(closed, scored));
    judged.map_or_else(Vec::new, |one| one.tests.iter().map(TestView::of).collect())
}

/// The state of the alerts of a scored series.
pub(super) fn state(closed: &ClosedWindow, scored: &Scored, name: &str) -> Option<StateView> {
    if !is_judged(closed, scored) {
        return None;
    }
    let judge = closed.judge.as_ref()?;
    let firing = || closed.firing.iter().filter(|alert| &*alert.series == name);
    let quiet = |state| StateView {
        state,
        since: None,
        severity: None,
    };
    if let Some(since) = firing().map(|alert| alert.since).min() {
        let severity = firing().map(|alert| alert.severity).max();
        return Some(StateView {
            state: "firing",
            since: Some(Text(since)),
            severity: severity.map(Severity::as_str),
        });
    }
    let verdicts = closed
        .verdicts
        .iter()
        .find(|one| one.series == scored.series);
    Some(match verdicts {
        Some(verdicts) if verdicts.tests.is_empty() => quiet("insufficient"),
        None => quiet("insufficient"),
        Some(_) if judge.source() == Source::Unknown => quiet("learning"),
        Some(_) => quiet("ok"),
    })
}

fn is_judged(closed: &ClosedWindow, scored: &Scored) -> bool {
    let judge = closed.judge.as_ref();
    judge.is_some_and(|judge| judge.reference.header.role == scored.against)
}

/// Which alerts were asked for.
#[derive(Debug, Default)]
pub(in crate::expose) struct AlertsAsked {
    /// Of this model.
    pub(in crate::expose) model: Option<Name>,
    /// Of this version.
    pub(in crate::expose) version: Option<Name>,
    /// Only firing (`true`) or only resolved ones.
    pub(in crate::expose) firing: Option<bool>,
    /// So many at most.
    pub(in crate::expose) limit: usize,
    /// After the alert with this id.
    pub(in crate::expose) after: Option<String>,
}

/// A page of alerts.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct AlertsPage<'a> {
    /// The shard whose models' alerts these are, where it is one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) shard: Option<Shard>,
    pub(in crate::expose) alerts: Vec<AlertView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) next: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct AlertView<'a> {
    pub(in crate::expose) id: &'a str,
    pub(in crate::expose) model: &'a str,
    pub(in crate::expose) version: &'a str,
    pub(in crate::expose) series: &'a str,
    pub(in crate::expose) window: Text<Length>,
    pub(in crate::expose) test: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) reference: Option<&'static str>,
    pub(in crate::expose) state: &'static str,
    pub(in crate::expose) severity: &'static str,
    pub(in crate::expose) since: Text<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) resolved: Option<Text<Timestamp>>,
    pub(in crate::expose) p: f64,
    pub(in crate::expose) alpha: f64,
    pub(in crate::expose) psi: f64,
    pub(in crate::expose) sentence: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::expose) moved_too: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) acknowledged: Option<HandView<'a>>,
    /// Whether it fires and does not page; left out where it is not so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::expose) muted: bool,
}

/// By whose hand.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct HandView<'a> {
    pub(in crate::expose) actor: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(in crate::expose) reason: &'a str,
    pub(in crate::expose) at: Text<Timestamp>,
}

impl<'a> HandView<'a> {
    fn of(hand: &'a Hand) -> Self {
        Self {
            actor: &hand.actor,
            reason: &hand.reason,
            at: Text(hand.at),
        }
    }
}

impl<'a> AlertView<'a> {
    fn of(alert: &'a Alert, board: &Board) -> Self {
        Self {
            id: &alert.id,
            model: alert.key.model.as_str(),
            version: alert.key.version.as_str(),
            series: &alert.series,
            window: Text(alert.window),
            test: alert.test.as_str(),
            reference: alert.reference.map(ReferenceRole::as_str),
            state: if alert.resolved.is_some() {
                "resolved"
            } else {
                "firing"
            },
            severity: alert.severity.as_str(),
            since: Text(alert.since),
            resolved: alert.resolved.map(Text),
            p: alert.p,
            alpha: alert.alpha,
            psi: alert.psi,
            sentence: &alert.sentence,
            moved_too: alert.peers.iter().map(|peer| &**peer).collect(),
            acknowledged: alert.acknowledged.as_deref().map(HandView::of),
            muted: alert.resolved.is_none() && board.muted.contains(&alert.id),
        }
    }
}

/// One alert, that fires or is one of the last that did.
pub(in crate::expose) fn alert<'a>(board: &'a Board, id: &str) -> Option<AlertView<'a>> {
    let mut all = board.firing.iter().chain(&board.resolved);
    let found = all.find(|alert| *alert.id == *id)?;
    Some(AlertView::of(found, board))
}

/// Alerts: those that fire, the worst and then the longest first; then those that fired, the last
/// one first.
pub(in crate::expose) fn alerts<'a>(
    board: &'a Board,
    asked: &AlertsAsked,
) -> Result<AlertsPage<'a>, Problem> {
    if let Some(model) = &asked.model {
        find::here(board, model)?;
    }
    let mut firing: Vec<&Alert> = board.firing.iter().map(|alert| &**alert).collect();
    firing.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)));
    let resolved = board.resolved.iter().rev().map(|alert| &**alert);
    let is_asked = |alert: &&Alert| {
        let is =
            |asked: &Option<Name>, name: &Name| asked.as_ref().is_none_or(|asked| asked == name);
        is(&asked.model, &alert.key.model)
            && is(&asked.version, &alert.key.version)
            && asked
                .firing
                .is_none_or(|firing| firing == alert.resolved.is_none())
    };
    let all: Vec<&Alert> = firing
        .into_iter()
        .chain(resolved)
        .filter(is_asked)
        .collect();
    let skipped = match &asked.after {
        None => 0,
        Some(id) => {
            let place = all.iter().position(|alert| *alert.id == **id);
            1 + place.ok_or_else(|| {
                Problem::parameter("after", "the alert is not in this list; start without it")
            })?
        }
    };
    let more = all.len() > skipped.saturating_add(asked.limit);
    let page: Vec<&Alert> = all.into_iter().skip(skipped).take(asked.limit).collect();
    Ok(AlertsPage {
        shard: board.part(),
        next: page.last().filter(|_| more).map(|alert| &*alert.id),
        alerts: page
            .into_iter()
            .map(|alert| AlertView::of(alert, board))
            .collect(),
    })
}
