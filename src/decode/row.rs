//! One prediction as driftd sees it: which model version, when, and the values of its series.

use std::sync::Arc;

use crate::key::{Carried, Role};
use crate::time::Timestamp;

/// The value of one series in one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A finite number, correctly rounded from its text; `-0.0` may occur.
    Number(f64),
    /// A string.
    Text(&'a str),
    /// A boolean.
    Bool(bool),
    /// `null`, or an empty cell of a table.
    Missing,
    /// What no series can hold: an array, an object, NaN, infinity, a number beyond f64.
    Invalid,
}

/// A name that [`super::Names`] know: small, dense and stable until the names are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// What a [`Slot`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesName {
    /// The name of the series, after renaming (`features.ts`, `prediction.fraud`).
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
}

/// A row that was decoded; it borrows from the record and from the decoder's scratch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// A name that was checked by [`crate::key::Name::check`].
    pub model: &'a str,
    /// A name that was checked, [`crate::key::UNVERSIONED`] where the event has none.
    pub version: &'a str,
    /// The event's own time.
    pub at: Timestamp,
    /// The caller's id of the request, for people; events are not deduplicated by it.
    pub request_id: Option<&'a str>,
    /// Which of the keys that carry series exist.
    pub carried: Carried,
    /// The values in the order of the event, each slot at most once.
    pub values: &'a [(Slot, Value<'a>)],
    /// Values of features whose name could not be kept, because the names are at their limit.
    pub unnamed: u32,
}
