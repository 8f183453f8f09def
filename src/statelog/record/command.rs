//! What operators ask of a monitor: its type, its bounds, its JSON.
//!
//! ```text
//! {"actor":"ann","reason":"the promotion is over","at_ms":1795514400000,"kind": one of
//!   {"acknowledge":{"alert":"9f86d081"}}
//!   {"mute":{"id":"m1","model":"fraud*","series":"amount","until_ms":1795600800000}}
//!   {"unmute":{"id":"m1"}}
//!   {"accept_baseline":{"model":"fraud","version":"7","from_ms":1794909600000,"to_ms":..}}}
//! ```
//!
//! A command comes from outside, so [`Command::check`] holds before it is appended and whenever it
//! is read. Whether there is such an alert, mute or model version is only known in the order of the
//! log: one that means nothing there has no effect.

use serde::{Deserialize, Serialize};

use super::{Kind, RecordError};
use crate::key::{ModelKey, Name};
use crate::layout::SERIES_NAME_BYTES_MAX;
use crate::time::Timestamp;

/// The longest reason in bytes; a longer one is refused.
pub const REASON_BYTES_MAX: usize = 1_000;

/// The longest id of an alert or mute in bytes; a longer one is refused.
pub const ID_BYTES_MAX: usize = 64;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who, as far as the surface that took it knows.
    pub actor: String,
    /// Why, in the operator's words; may be empty.
    pub reason: String,
    /// When, by the clock of the surface that took it.
    pub at: Timestamp,
    /// What.
    pub kind: CommandKind,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// Somebody looks after an alert.
    Acknowledge {
        /// The id of the alert.
        alert: String,
    },
    /// Alerts are not to page for a while.
    Mute(Mute),
    /// A mute is to end.
    Unmute {
        /// The id of the mute.
        id: String,
    },
    /// What a model version served is healthy: a baseline is to be made of it.
    AcceptBaseline {
        /// The model version.
        key: ModelKey,
        /// The first event time.
        from: Timestamp,
        /// The first event time after it.
        to: Timestamp,
    },
}

/// Which alerts are not to page, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// The id to end it by; one that is in use replaces that mute.
    pub id: String,
    /// The model: its name, or a glob of names.
    pub model: String,
    /// Likewise the version; all where there is none.
    pub version: Option<String>,
    /// Likewise the series.
    pub series: Option<String>,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the command has an unusable {0}")]
pub struct CommandError(pub &'static str);

impl Command {
    /// Whether all texts are within their bounds and times in order.
    pub fn check(&self) -> Result<(), CommandError> {
        let named = |text: &str, what| Name::check(text).map_err(|_bad| CommandError(what));
        named(&self.actor, "actor")?;
        let is_plain = |c: char| !c.is_control() || c == '\n';
        if self.reason.len() > REASON_BYTES_MAX || !self.reason.chars().all(is_plain) {
            return Err(CommandError("reason"));
        }
        match &self.kind {
            CommandKind::Acknowledge { alert } => check_id(alert),
            CommandKind::Unmute { id } => check_id(id),
            CommandKind::Mute(mute) => {
                check_id(&mute.id)?;
                named(&mute.model, "model")?;
                for (text, what) in [(&mute.version, "version"), (&mute.series, "series")] {
                    text.as_deref()
                        .map_or(Ok(()), |text| check_glob(text, what))?;
                }
                Ok(())
            }
            CommandKind::AcceptBaseline { from, to, .. } if from >= to => {
                Err(CommandError("range of time"))
            }
            CommandKind::AcceptBaseline { .. } => Ok(()),
        }
    }
}

fn check_id(id: &str) -> Result<(), CommandError> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.is_empty() || id.len() > ID_BYTES_MAX || !is_plain {
        return Err(CommandError("id"));
    }
    Ok(())
}

/// Names of series are the longest that a glob must be able to be.
fn check_glob(text: &str, what: &'static str) -> Result<(), CommandError> {
    let fits = !text.is_empty() && text.len() <= SERIES_NAME_BYTES_MAX;
    if fits && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(CommandError(what))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandText {
    actor: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    at_ms: i64,
    kind: KindText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum KindText {
    Acknowledge {
        alert: String,
    },
    Mute {
        id: String,
        model: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        series: Option<String>,
        until_ms: i64,
    },
    Unmute {
        id: String,
    },
    AcceptBaseline {
        model: String,
        version: String,
        from_ms: i64,
        to_ms: i64,
    },
}

pub(super) fn write(command: &Command) -> Result<Vec<u8>, serde_json::Error> {
    let kind = match &command.kind {
        CommandKind::Acknowledge { alert } => KindText::Acknowledge {
            alert: alert.clone(),
        },
        CommandKind::Mute(mute) => KindText::Mute {
            id: mute.id.clone(),
            model: mute.model.clone(),
            version: mute.version.clone(),
            series: mute.series.clone(),
            until_ms: mute.until.as_millis(),
        },
        CommandKind::Unmute { id } => KindText::Unmute { id: id.clone() },
        CommandKind::AcceptBaseline { key, from, to } => KindText::AcceptBaseline {
            model: key.model.to_string(),
            version: key.version.to_string(),
            from_ms: from.as_millis(),
            to_ms: to.as_millis(),
        },
    };
    serde_json::to_vec(&CommandText {
        actor: command.actor.clone(),
        reason: command.reason.clone(),
        at_ms: command.at.as_millis(),
        kind,
    })
}

pub(super) fn read(body: &[u8]) -> Result<Command, RecordError> {
    let text: CommandText = serde_json::from_slice(body).map_err(|source| RecordError::Json {
        kind: Kind::Command,
        source,
    })?;
    let kind = match text.kind {
        KindText::Acknowledge { alert } => CommandKind::Acknowledge { alert },
        KindText::Mute {
            id,
            model,
            version,
            series,
            until_ms,
        } => CommandKind::Mute(Mute {
            id,
            model,
            version,
            series,
            until: time(until_ms)?,
        }),
        KindText::Unmute { id } => CommandKind::Unmute { id },
        KindText::AcceptBaseline {
            model,
            version,
            from_ms,
            to_ms,
        } => CommandKind::AcceptBaseline {
            key: ModelKey::new(name(&model, "model")?, name(&version, "version")?),
            from: time(from_ms)?,
            to: time(to_ms)?,
        },
    };
    let command = Command {
        actor: text.actor,
        reason: text.reason,
        at: time(text.at_ms)?,
        kind,
    };
    match command.check() {
        Ok(()) => Ok(command),
        Err(CommandError(what)) => Err(bad(what)),
    }
}

fn time(millis: i64) -> Result<Timestamp, RecordError> {
    Timestamp::checked_from_millis(millis).ok_or(bad("time"))
}

fn name(text: &str, what: &'static str) -> Result<Name, RecordError> {
    Name::new(text).map_err(|_bad| bad(what))
}

fn bad(what: &'static str) -> RecordError {
    RecordError::Value {
        kind: Kind::Command,
        what,
    }
}
