//! What the demo says, to whom runs it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use crate::alert::Severity;
use crate::app::Running;
use crate::board::Board;
use crate::demo::traffic::{STORY, Step};
use crate::expose::Shared;
use crate::key::{ModelKey, Name};
use crate::time::{Length, Timestamp};

/// One line to standard output; nobody reading it is not the demo's concern.
fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}

/// What the demo is.
pub(super) fn introduce() {
    say("driftd demo: an embedded broker, two models, a day of traffic in two minutes.");
    say("Building references from 28 days of made-up training data ...");
}

/// Where to look.
pub(super) fn point(running: &Running, token: &str) {
    let at = running.listen;
    say(&format!("  web view   http://{at}/"));
    say(&format!("  metrics    http://{at}/metrics"));
    say(&format!("  alerts     http://{at}/api/v1/alerts"));
    say(&format!("  models     http://{at}/api/v1/models"));
    say(&format!(
        "  scores     http://{at}/api/v1/models/fraud/versions/7/scores?window=1h"
    ));
    say(&format!(
        "  one series http://{at}/api/v1/models/fraud/versions/7/series/amount?window=1h"
    ));
    say(&format!(
        "To acknowledge, mute or accept, sign in with the token {token}"
    ));
    say("Ctrl-C ends the demo and removes all it made.");
    say("");
}

/// Tells the story as it happens, with the scores that driftd has by then.
#[derive(Debug)]
pub(super) struct Narrator {
    shared: Arc<Shared>,
    start: Timestamp,
    told: usize,
    reported: usize,
    /// The alerts told, by their ids.
    alerts: BTreeSet<Arc<str>>,
    caught_up: bool,
}

impl Narrator {
    /// A narrator of the story that starts at `start`.
    pub(super) fn new(shared: Arc<Shared>, start: Timestamp) -> Self {
        say(&format!("{start}  all is as in training"));
        Self {
            shared,
            start,
            told: 0,
            reported: 0,
            alerts: BTreeSet::new(),
            caught_up: false,
        }
    }

    /// Says what is to be said when the traffic has come to `at`.
    pub(super) fn tell(&mut self, at: Timestamp) {
        let Some(board) = self.shared.board() else {
            return;
        };
        if let Some(step) = STORY.get(self.told)
            && at >= self.start + Length::HOUR.times(step.hour)
        {
            say(&format!("{at}  {}", step.what));
            self.told += 1;
        }
        if self.reported < self.told
            && let Some(step) = STORY.get(self.reported)
            && let Some(found) = found(&board, step, self.start)
        {
            say(&found);
            self.reported += 1;
        }
        self.tell_alerts(&board);
        if !self.caught_up && at >= self.start + Length::DAY {
            self.caught_up = true;
            say(&format!(
                "{at}  the traffic has caught up and goes at the pace of the clock now"
            ));
        }
    }
}

impl Narrator {
    /// Says what fires that is worth a page, once.
    fn tell_alerts(&mut self, board: &Board) {
        let pages = board
            .firing
            .iter()
            .filter(|alert| alert.severity > Severity::Info);
        for alert in pages {
            if self.alerts.insert(Arc::clone(&alert.id)) {
                let severity = alert.severity.as_str();
                let (key, sentence) = (&alert.key, &alert.sentence);
                say(&format!(
                    "{}  ALERT {severity}, {key}: {sentence}",
                    alert.since
                ));
            }
        }
    }
}

/// What driftd says of a step in the first window of an hour that lies wholly after it.
fn found(board: &Board, step: &Step, start: Timestamp) -> Option<String> {
    let (model, version, series) = step.series;
    let key = ModelKey::new(Name::new(model).ok()?, Name::new(version).ok()?);
    let state = board.models.get(&key)?;
    let closed = board
        .closed
        .get(&key)?
        .iter()
        .find(|window| window.window.length == Length::HOUR)?;
    if closed.window.start() < start + Length::HOUR.times(step.hour) {
        return None;
    }
    let index = state.shape.as_ref()?.find(series)?;
    let scored = closed.scores.iter().find(|scored| scored.series == index)?;
    let scores = scored.scores.as_ref().ok()?;
    let tallied = scored.tallied;
    Some(format!(
        "{}  driftd, window of 1h: {key} {series} psi {:.3}, missing {} and new {} of {} rows",
        closed.window.end, scores.psi, tallied.missing, tallied.novel, tallied.rows
    ))
}
