//! What operators ask for: commands that are appended to the state log, by whichever door.
//!
//! ```text
//! JSON or a form --who, what, why, board--> Command --append--> state log
//! ```
//!
//! What a command does is decided where it stands in the log, the same for all instances, and told
//! by the journal; what can be said before (there is no such alert, the time is over) is said here.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

use crate::alert::mutes::MUTES_MAX;
use crate::expose::find::{self, Default, Ends};
use crate::expose::problem::Problem;
use crate::expose::view::{self, BaselineAsked, MuteAsked, Reason};
use crate::expose::work::folded;
use crate::expose::{Commands, Shared};
use crate::key::Name;
use crate::statelog::AppendError;
use crate::statelog::record::{Command, CommandError, CommandKind, Mute, Record};
use crate::time::Timestamp;

/// Bytes of the hash of a mute that are its id.
const ID_BYTES: usize = 6;

/// What became of a request: the command as it was appended.
pub(super) type Ordered = Result<Command, Problem>;

/// Says that somebody looks after an alert.
pub(super) fn acknowledge(
    shared: &Shared,
    operator: &Name,
    alert: String,
    Reason { reason }: Reason,
) -> Ordered {
    let board = folded(shared)?;
    if view::alert(&board, &alert).is_none() {
        return Err(Problem::UnknownAlert(alert));
    }
    let kind = |_now| CommandKind::Acknowledge { alert };
    order(shared, operator, reason, kind)
}

/// Keeps alerts from being told of for a while.
pub(super) fn mute(shared: &Shared, operator: &Name, asked: MuteAsked) -> Ordered {
    let until = view::time("until", &asked.until)?;
    let board = folded(shared)?;
    if until <= board.log_time {
        let now = board.log_time;
        return Err(Problem::body(format!("`until` is over: it is {now}")));
    }
    if board.mutes.len() >= MUTES_MAX {
        return Err(Problem::ManyMutes(MUTES_MAX));
    }
    let reason = asked.reason;
    let mute = Mute {
        id: String::new(),
        model: asked.model,
        version: asked.version,
        series: asked.series,
        until,
    };
    let kind = |now| {
        let id = id_of(&mute, now);
        CommandKind::Mute(Mute { id, ..mute })
    };
    order(shared, operator, reason, kind)
}

/// Ends a mute before its time.
pub(super) fn unmute(
    shared: &Shared,
    operator: &Name,
    id: String,
    Reason { reason }: Reason,
) -> Ordered {
    let board = folded(shared)?;
    if !board.mutes.iter().any(|one| one.mute.id == id) {
        return Err(Problem::UnknownMute(id));
    }
    order(shared, operator, reason, |_now| CommandKind::Unmute { id })
}

/// Accepts a serving period as what is normal; by default the last window of the longest length.
pub(super) fn baseline(
    shared: &Shared,
    operator: &Name,
    (model, version): (&str, &str),
    asked: BaselineAsked,
) -> Ordered {
    let time = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| view::time(name, text)).transpose()
    };
    let (from, to) = (time("from", &asked.from)?, time("to", &asked.to)?);
    let board = folded(shared)?;
    let model = find::model(&board, model, version)?;
    if model.references.judge().is_none() {
        return Err(Problem::NoBins(model.key.clone()));
    }
    let panes = find::panes(model, None, Default::Longest)?;
    let to = match to {
        Some(to) => to,
        None => Ends::of(&board, model, panes)?.by(None, panes)?,
    };
    let from = from.unwrap_or(to - panes.window());
    let key = model.key.clone();
    let kind = |_now| CommandKind::AcceptBaseline { key, from, to };
    order(shared, operator, asked.reason, kind)
}

/// Appends a command.
fn order(
    shared: &Shared,
    operator: &Name,
    reason: String,
    kind: impl FnOnce(Timestamp) -> CommandKind,
) -> Ordered {
    if reason.trim().is_empty() {
        let what = "`reason` is empty; say why, the journal keeps it";
        return Err(Problem::body(what));
    }
    let commands = shared.local().commands;
    let Commands { clock, append } = commands.ok_or(Problem::NotReady(None))?;
    let at = clock.now();
    let command = Command {
        actor: operator.to_string(),
        reason,
        at,
        kind: kind(at),
    };
    let unusable = |CommandError(what)| Problem::body(format!("it has an unusable {what}"));
    command.check().map_err(unusable)?;
    let record = Record::Command(command.clone());
    append(&record).map_err(|error| match error {
        AppendError::Full | AppendError::Closed => Problem::NotAppended(error),
        AppendError::TooLarge { .. } | AppendError::Unwritable(_) => Problem::Fault,
    })?;
    Ok(command)
}

/// The id of a mute: a short hash of what it is and when it was asked for.
fn id_of(mute: &Mute, now: Timestamp) -> String {
    let mut hash = Sha256::new();
    let times = [mute.until, now].map(|time| time.as_millis().to_string());
    let version = mute.version.as_deref().unwrap_or_default();
    let series = mute.series.as_deref().unwrap_or_default();
    for part in [&mute.model, version, series, &times[0], &times[1]] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digits = hash.finalize();
    let bytes = digits.iter().take(ID_BYTES);
    bytes.fold(String::new(), |mut id, byte| {
        let _a_text_takes_all = write!(id, "{byte:02x}");
        id
    })
}
