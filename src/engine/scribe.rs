//! What of the fold's doings goes into the journal.
//!
//! An entry must follow from the log alone: replicas that were started with different
//! configurations, or that saw the same reference twice, write the same journal.
//!
//! What an operator asked for has the operator's name and reason. A baseline that is accepted is
//! told twice: that somebody accepted it, and that a reference is in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::episode::{Alert, Change};
use crate::alert::{Test, schema};
use crate::fold::{Effect, Fold};
use crate::journal::entry::DRIFTD;
use crate::journal::{self, Chain, Deliveries, Draft, Entry, Event, SchemaChange, Text};
use crate::key::{ModelKey, Shard};
use crate::layout::Digest;
use crate::statelog::record::{
    Alerting, Command, CommandKind, Configuration, LEARN_ROWS, Mute, STATE_BYTES_MAX,
};

/// Model versions whose last refused reference is remembered; refusals of further ones are written
/// as often as they come.
const REFUSALS_MAX: usize = 1_024;

/// The chain of the journal, and what was last said where saying it again is no news.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Scribe {
    chain: Chain,
    /// The last configuration that came through the log; the one the fold began with did not.
    #[serde(skip)]
    configured: Option<Arc<Configuration>>,
    /// Whether any came.
    is_configured: bool,
    refused: BTreeMap<ModelKey, (Option<Digest>, String)>,
    /// The command to accept a baseline whose outcome is the next effect on a reference.
    #[serde(skip)]
    asked: Option<Command>,
}

impl Scribe {
    /// A scribe that goes on after this entry.
    pub(super) fn after(chain: Chain) -> Self {
        Self {
            chain,
            ..Self::default()
        }
    }

    /// Writes the journal of this shard from here on, which goes on after this entry.
    pub(super) fn keep(&mut self, shard: Shard, chain: Chain) {
        self.chain = chain;
        self.refused.retain(|key, _| shard.owns(&key.model));
    }

    /// How far the journal goes.
    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    /// Takes up what follows from what was kept, after it was read.
    pub(super) fn resume(&mut self, fold: &Fold) {
        self.configured = self.is_configured.then(|| Arc::clone(&fold.config));
    }

    /// The entries of an effect, as far as it is news.
    pub(super) fn effect(&mut self, effect: &Effect, fold: &Fold) -> Vec<Entry> {
        let asked = match effect {
            Effect::Activated { .. } | Effect::Refused { .. } => self.asked.take(),
            _ => None,
        };
        let mut entries = Vec::new();
        if let (Effect::Activated { key, digest, .. }, Some(command)) = (effect, &asked)
            && let CommandKind::AcceptBaseline { from, to, .. } = &command.kind
        {
            let accepted = Event::BaselineAccepted {
                key: key.clone(),
                digest: *digest,
                from: *from,
                to: *to,
            };
            entries.push(self.write_for(command, accepted, fold));
        }
        if let Some(event) = self.news(effect, fold) {
            let refused = asked.filter(|_| matches!(event, Event::ReferenceRefused { .. }));
            entries.push(match refused {
                Some(command) => self.write_for(&command, event, fold),
                None => self.write(event, fold),
            });
        }
        entries
    }

    /// The entry of a command that meant something; that of a baseline comes with what became of
    /// it.
    pub(super) fn command(&mut self, command: &Command, fold: &Fold) -> Option<Entry> {
        let event = match &command.kind {
            CommandKind::Acknowledge { alert } => Event::Acknowledged {
                alert: Text::new(alert),
            },
            CommandKind::Mute(mute) => muted(mute),
            CommandKind::Unmute { id } => Event::Unmuted { id: Text::new(id) },
            CommandKind::AcceptBaseline { .. } => {
                self.asked = Some(command.clone());
                return None;
            }
        };
        Some(self.write_for(command, event, fold))
    }

    /// What an effect is to the journal, if it is news.
    fn news(&mut self, effect: &Effect, fold: &Fold) -> Option<Event> {
        Some(match effect {
            Effect::Activated {
                key,
                role,
                digest,
                layout,
                learned,
                is_new: true,
            } => {
                self.refused.remove(key);
                Event::ReferenceActivated {
                    key: key.clone(),
                    role: role.as_str().into(),
                    digest: *digest,
                    layout: *layout,
                    learned: *learned,
                }
            }
            Effect::Refused {
                key,
                digest,
                reason,
            } if self.is_news(key, *digest, reason) => Event::ReferenceRefused {
                key: key.clone(),
                digest: *digest,
                refusal: Text::new(reason),
            },
            Effect::Configured if self.configured.as_ref() != Some(&fold.config) => {
                self.configured = Some(Arc::clone(&fold.config));
                self.is_configured = true;
                let summary = Text::new(&summary(&fold.config));
                Event::Configured { summary }
            }
            Effect::Delivered(told) => Event::WebhookDelivered(Deliveries {
                webhook: Text::new(&told.webhook),
                events: told.delivered,
                entry: told.to,
            }),
            Effect::GivenUp(told) => Event::WebhookGaveUp {
                webhook: Text::new(&told.webhook),
                events: told.given_up,
                cause: told.cause.as_deref().map(Text::new),
            },
            Effect::Activated { .. }
            | Effect::Refused { .. }
            | Effect::Configured
            | Effect::Head { .. }
            | Effect::Fate { .. }
            | Effect::Layouts
            | Effect::Anchor(_)
            | Effect::Command(_) => return None,
        })
    }

    /// The entry of a version with other fields than the one before.
    pub(super) fn schema(&mut self, change: &schema::Change, fold: &Fold) -> Entry {
        let retyped = change.retyped.iter().map(|(name, ..)| Text::new(name));
        let event = Event::SchemaChanged(Box::new(SchemaChange {
            key: change.key.clone(),
            before: change.before.as_str().into(),
            added: change.added.iter().map(|name| Text::new(name)).collect(),
            removed: change.removed.iter().map(|name| Text::new(name)).collect(),
            retyped: retyped.collect(),
        }));
        self.write(event, fold)
    }

    /// The entry of what became of an alert.
    pub(super) fn alert(&mut self, change: Change, alert: &Alert, fold: &Fold) -> Entry {
        let end = match change {
            Change::Fired => Some(alert.since),
            Change::Escalated => None,
            Change::Resolved => alert.resolved,
        };
        let is_test = alert.test != Test::Schema;
        let entry = Box::new(journal::Alert {
            alert: Text::new(&alert.id),
            key: alert.key.clone(),
            series: Some(Text::new(&alert.series)),
            window: alert.window,
            test: alert.test.as_str().into(),
            severity: alert.severity.as_str().into(),
            reference: alert.reference.map(|role| role.as_str().into()),
            since: alert.since,
            end,
            p: is_test.then_some(alert.p),
            alpha: is_test.then_some(alert.alpha),
            psi: is_test.then_some(alert.psi),
            sentence: Text::new(&alert.sentence),
        });
        let event = match change {
            Change::Fired => Event::AlertFiring(entry),
            Change::Escalated => Event::AlertEscalated(entry),
            Change::Resolved => Event::AlertResolved(entry),
        };
        self.write(event, fold)
    }

    /// The next entry: something that follows from the record that was folded last.
    fn write(&mut self, event: Event, fold: &Fold) -> Entry {
        self.chain.next(Draft {
            at: fold.log_time,
            position: fold.position.saturating_sub(1),
            actor: DRIFTD.into(),
            reason: None,
            event,
        })
    }

    /// As [`Self::write`], by the hand of an operator.
    fn write_for(&mut self, command: &Command, event: Event, fold: &Fold) -> Entry {
        let reason = Some(command.reason.as_str()).filter(|reason| !reason.is_empty());
        self.chain.next(Draft {
            at: fold.log_time,
            position: fold.position.saturating_sub(1),
            actor: Text::new(&command.actor),
            reason: reason.map(Text::new),
            event,
        })
    }

    /// Whether the last refusal of a model version was another one; this is the last one then.
    fn is_news(&mut self, key: &ModelKey, digest: Option<Digest>, reason: &str) -> bool {
        let before = self.refused.get(key);
        if before.is_some_and(|(last, why)| *last == digest && why == reason) {
            return false;
        }
        if before.is_some() || self.refused.len() < REFUSALS_MAX {
            self.refused
                .insert(key.clone(), (digest, reason.to_owned()));
        }
        true
    }
}

fn muted(mute: &Mute) -> Event {
    Event::Muted {
        id: Text::new(&mute.id),
        model: Text::new(&mute.model),
        version: mute.version.as_deref().map(Text::new),
        series: mute.series.as_deref().map(Text::new),
        until: mute.until,
    }
}

/// A configuration in a line. It is a part of the journal for ever, so what it says of the records
/// that there are does not change: what is added to configurations is added at the end, and only
/// where it is set.
fn summary(config: &Configuration) -> String {
    let Configuration {
        windows,
        keep,
        lateness,
        wait_max,
        silent_after,
        models_max,
        models_allow,
        loose_series_max,
        alerts,
        learn_rows,
        state_bytes_max,
    } = config;
    let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
    let mut text = format!("windows {}", windows.join(", "));
    let mut say = |what: String| {
        text.push_str("; ");
        text.push_str(&what);
    };
    say(format!("lateness {lateness}"));
    say(format!("wait_max {wait_max}"));
    say(format!("silent_after {silent_after}"));
    say(format!("models_max {models_max}"));
    say(format!("loose_series_max {loose_series_max}"));
    if let Some(keep) = keep {
        say(format!("keep {keep}"));
    }
    if !models_allow.is_empty() {
        say(format!("allow {}", models_allow.join(", ")));
    }
    if *learn_rows != LEARN_ROWS {
        say(format!("learn_rows {learn_rows}"));
    }
    if *alerts != Alerting::default() {
        let (budget, least) = (alerts.false_alarms_per_month, alerts.min_psi);
        let baseline = alerts.baseline.as_str();
        say(format!(
            "false_alarms_per_month {budget}; min_psi {least}; baseline {baseline}"
        ));
        say(format!(
            "alert rules {}; models described {}",
            alerts.rules.len(),
            alerts.about.len()
        ));
    }
    if *state_bytes_max != STATE_BYTES_MAX {
        say(format!("state_bytes_max {state_bytes_max}"));
    }
    text
}

#[cfg(test)]
mod tests;
