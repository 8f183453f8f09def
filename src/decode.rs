//! From the bytes of a Kafka record to rows, or to the one reason why not.
//!
//! The native event needs no configuration; [`FieldPaths`] adapt driftd to other JSON logs:
//!
//! ```text
//! {"model":"fraud","version":"7","ts":"2026-11-23T10:15:00.123Z","request_id":"a1",
//!  "features":{"amount":12.5,"country":"DE","vip":true,"age":null},
//!  "prediction":0.83,"latency_ms":12.1,"status":"ok"}
//!
//! fraud 7, 10:15:00.123, carries features, prediction, latency, status:
//!   amount 12.5, country "DE", vip true, age missing,
//!   prediction 0.83, latency_ms 12.1, status "ok"
//! ```
//!
//! A record that is an array is a batch: one row for each event of it, or none at all if one of
//! them is bad. A bad *value* in a good event is [`Value::Invalid`]; there is no coercion, `"12"`
//! stays a text. A record that cannot be used is a [`Reject`], for the first of these reasons that
//! holds:
//!
//! 1. `unsupported`: it has no value. `oversized`: it has too long a value.
//! 2. `malformed`: some part of it is not UTF-8 or not JSON, is nested too deeply, is not an event,
//!    has features that are not an object, or has a key twice in an object that is looked into (the
//!    event, the objects on the way to a field, features, outputs of a prediction; what is skipped
//!    may).
//! 3. Of the first event that makes no row: `missing_model`; `bad_name` (model, version or any
//!    series); `missing_timestamp`, `bad_timestamp`; `future` or `expired`, which compare the
//!    event's time with the record's own, never with a clock, and say nothing where the record has
//!    none:
//!
//! ```text
//! record - event_age_max <= event <= record + future_max
//! ```
//!
//! The rows of a record depend on its bytes, its timestamp, the plan and the limits, not on what
//! was decoded before; only the numbers of the [`Slot`]s do, and, once [`Names`] are at their
//! limit, which names are still let in. Names of a record that is rejected may stay.

mod event;
mod instant;
mod json;
mod keys;
mod names;
mod number;
mod plan;
mod row;
mod walk;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::fmt;

pub use instant::{TimestampUnit, TimestampUnitError};
pub use names::Names;
pub use plan::{Field, FieldError, FieldPaths, POINTER_STEPS_MAX, Plan, PlanError};
pub use row::{Row, SeriesName, Slot, Value};

use crate::time::{Length, Timestamp};
use event::{Draft, Rows, Rules};
use json::Json;
use keys::Keys;
use walk::Walk;

/// A Kafka record as far as decode sees it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its value, if it has one.
    pub value: Option<&'a [u8]>,
    /// Its own timestamp, if it has one.
    pub timestamp: Option<Timestamp>,
}

/// Why a record gives no rows; the order in which the reasons are looked for is in the module
/// header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// It is not a JSON event, or is ambiguous; also an empty value.
    Malformed,
    /// Its value is longer than [`Limits::record_bytes_max`].
    Oversized,
    /// The event names no model.
    MissingModel,
    /// A model, version or series has a name that cannot be one.
    BadName,
    /// Neither the event nor the record says when it was.
    MissingTimestamp,
    /// What the event says about when it was cannot be read.
    BadTimestamp,
    /// The event is later than its record by more than [`Limits::future_max`].
    Future,
    /// The event is earlier than its record by more than [`Limits::event_age_max`].
    Expired,
    /// It has no value, as deletions in a compacted topic.
    Unsupported,
}

impl Reject {
    /// All reasons, in the order of [`Self::index`].
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Oversized,
        Self::MissingModel,
        Self::BadName,
        Self::MissingTimestamp,
        Self::BadTimestamp,
        Self::Future,
        Self::Expired,
        Self::Unsupported,
    ];

    /// The name used in metrics and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::MissingModel => "missing_model",
            Self::BadName => "bad_name",
            Self::MissingTimestamp => "missing_timestamp",
            Self::BadTimestamp => "bad_timestamp",
            Self::Future => "future",
            Self::Expired => "expired",
            Self::Unsupported => "unsupported",
        }
    }

    /// Its place in [`Self::ALL`], for counters by reason.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one record may cost, and how far its events may be from it in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest value in bytes; a longer one is [`Reject::Oversized`]. Scratch memory grows with
    /// it: up to about 50 times this in the worst case, a batch of empty events of a constant
    /// model.
    pub record_bytes_max: usize,
    /// The most names of series that a decoder keeps. Values of further names are skipped and
    /// counted in [`Row::unnamed`]. A name costs under 2 KiB.
    pub names_max: usize,
    /// How much earlier than its record an event may be; an older one is [`Reject::Expired`].
    pub event_age_max: Length,
    /// How much later than its record an event may be; a later one is [`Reject::Future`].
    pub future_max: Length,
    /// How deep arrays and objects may be nested; deeper ones are [`Reject::Malformed`]. More than
    /// 128 counts as 128.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes_max: 1 << 20,
            names_max: 65_536,
            event_age_max: Length::DAY.times(7),
            future_max: Length::MINUTE.times(5),
            depth_max: 64,
        }
    }
}

/// Decodes records, one after the other: a plan, limits, names and scratch memory. One for each
/// worker.
#[derive(Debug)]
pub struct Decoder {
    plan: Plan,
    limits: Limits,
    names: Names,
    keys: Keys,
    rows: Rows<'static>,
}

impl Decoder {
    /// A decoder that has met no names.
    pub fn new(plan: Plan, limits: Limits) -> Self {
        let (names, keys) = (Names::new(limits.names_max), Keys::new(&plan));
        Self {
            plan,
            limits,
            names,
            keys,
            rows: Rows::default(),
        }
    }

    /// Hands each row of `record` to `each`, in its order, with the names that its slots stand for,
    /// and returns how many there were; or none, if there is a reason against any part of it.
    pub fn decode(
        &mut self,
        record: Record<'_>,
        mut each: impl FnMut(&Names, &Row<'_>),
    ) -> Result<u32, Reject> {
        let bytes = record.value.ok_or(Reject::Unsupported)?;
        if bytes.len() > self.limits.record_bytes_max {
            return Err(Reject::Oversized);
        }
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_where| Reject::Malformed)?;
        let rules = Rules {
            plan: &self.plan,
            limits: &self.limits,
            record_at: record.timestamp,
        };
        let mut walk = Walk {
            json: Json::new(text, self.limits.depth_max),
            rules,
            names: &mut self.names,
            keys: &mut self.keys,
            rows: std::mem::take(&mut self.rows).recycle(),
            draft: Draft::default(),
            strangers: Vec::new(),
            reject: None,
        };
        let outcome = walk.record();
        let rows = walk.rows;
        match outcome {
            Ok(()) => {
                let names = &self.names;
                let (rows, count) = rows.hand_out(&self.plan, |row| each(names, row));
                self.rows = rows;
                Ok(count)
            }
            Err(reject) => {
                self.rows = rows.recycle();
                Err(reject)
            }
        }
    }

    /// The names that the slots of the rows stand for.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Forgets all names. All slots are void afterwards.
    pub fn clear_names(&mut self) {
        self.names.clear();
        self.keys = Keys::new(&self.plan);
    }
}
