//! Commands: what a body may say, what is answered, and the mutes in force.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Text;
use crate::alert::mutes::Muting;
use crate::board::Board;
use crate::expose::problem::Problem;
use crate::statelog::record::{Command, CommandKind};
use crate::time::Timestamp;

/// The body of an acknowledgement, or of the end of a mute.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::expose) struct Reason {
    pub(in crate::expose) reason: String,
}

/// The body of a mute.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::expose) struct MuteAsked {
    pub(in crate::expose) model: String,
    #[serde(default)]
    pub(in crate::expose) version: Option<String>,
    #[serde(default)]
    pub(in crate::expose) series: Option<String>,
    pub(in crate::expose) until: String,
    pub(in crate::expose) reason: String,
}

/// The body of an accepted baseline.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::expose) struct BaselineAsked {
    #[serde(default)]
    pub(in crate::expose) from: Option<String>,
    #[serde(default)]
    pub(in crate::expose) to: Option<String>,
    pub(in crate::expose) reason: String,
}

/// A body, of which every member is known and no required one is absent.
pub(in crate::expose) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::body(error.to_string()))
}

/// The time that a member of a body says.
pub(in crate::expose) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let read = text.parse::<Timestamp>();
    read.map_err(|error| Problem::body(format!("`{name}`: {error}")))
}

/// A command, as it was appended.
#[derive(Debug, Default, Serialize)]
pub(in crate::expose) struct CommandView<'a> {
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Text<Timestamp>>,
    actor: &'a str,
    reason: &'a str,
    at: Option<Text<Timestamp>>,
}

/// The answer to a command.
pub(in crate::expose) fn command(command: &Command) -> CommandView<'_> {
    let by = CommandView {
        actor: &command.actor,
        reason: &command.reason,
        at: Some(Text(command.at)),
        ..CommandView::default()
    };
    match &command.kind {
        CommandKind::Acknowledge { alert } => CommandView {
            command: "acknowledge",
            alert: Some(alert),
            ..by
        },
        CommandKind::Mute(mute) => CommandView {
            command: "mute",
            id: Some(&mute.id),
            model: Some(&mute.model),
            version: mute.version.as_deref(),
            series: mute.series.as_deref(),
            until: Some(Text(mute.until)),
            ..by
        },
        CommandKind::Unmute { id } => CommandView {
            command: "unmute",
            id: Some(id),
            ..by
        },
        CommandKind::AcceptBaseline { key, from, to } => CommandView {
            command: "accept_baseline",
            model: Some(key.model.as_str()),
            version: Some(key.version.as_str()),
            from: Some(Text(*from)),
            to: Some(Text(*to)),
            ..by
        },
    }
}

/// The mutes in force.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct MutesView<'a> {
    pub(in crate::expose) mutes: Vec<MuteView<'a>>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct MuteView<'a> {
    pub(in crate::expose) id: &'a str,
    pub(in crate::expose) model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) series: Option<&'a str>,
    pub(in crate::expose) until: Text<Timestamp>,
    pub(in crate::expose) actor: &'a str,
    pub(in crate::expose) reason: &'a str,
    pub(in crate::expose) at: Text<Timestamp>,
}

impl<'a> MuteView<'a> {
    fn of(muting: &'a Muting) -> Self {
        let (mute, by) = (&muting.mute, &muting.by);
        Self {
            id: &mute.id,
            model: &mute.model,
            version: mute.version.as_deref(),
            series: mute.series.as_deref(),
            until: Text(mute.until),
            actor: &by.actor,
            reason: &by.reason,
            at: Text(by.at),
        }
    }
}

/// All mutes in force; their number has a limit, so they are one page.
pub(in crate::expose) fn mutes(board: &Board) -> MutesView<'_> {
    let mutes = board.mutes.iter();
    MutesView {
        mutes: mutes.map(|muting| MuteView::of(muting)).collect(),
    }
}
