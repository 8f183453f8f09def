//! One event: what was found of it, and whether it makes a row.

use crate::decode::instant;
use crate::decode::json::{Number, Spelled, unescape};
use crate::decode::plan::Plan;
use crate::decode::row::{Row, Slot, Value};
use crate::decode::{Limits, Reject};
use crate::key::{Carried, Name};
use crate::time::Timestamp;

/// What an event is judged by, besides what it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'d> {
    pub(super) plan: &'d Plan,
    pub(super) limits: &'d Limits,
    /// The record's own timestamp.
    pub(super) record_at: Option<Timestamp>,
}

/// A string without its escapes: most have none, and are slices of the record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    /// As it stands in the record.
    Plain(&'a str),
    /// From here to there in [`Rows`]' unescaped text.
    Unescaped(usize, usize),
}

/// The value of a field that is a single one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Null,
    Text(Text<'a>),
    Number(Number<'a>),
    /// A boolean, an array or an object: no field takes them.
    Other,
}

/// What was found of an event so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Draft<'a> {
    pub(super) model: Option<Scalar<'a>>,
    pub(super) version: Option<Scalar<'a>>,
    pub(super) timestamp: Option<Scalar<'a>>,
    pub(super) request_id: Option<Scalar<'a>>,
    pub(super) carried: Carried,
    pub(super) unnamed: u32,
    /// Whether a key that would be a series cannot be a name.
    pub(super) bad_name: bool,
}

/// A row without its values.
#[derive(Debug, Clone, Copy)]
struct Head<'a> {
    /// `None` for the plan's constant.
    model: Option<Text<'a>>,
    version: Option<Text<'a>>,
    at: Timestamp,
    request_id: Option<Text<'a>>,
    carried: Carried,
    unnamed: u32,
    /// The end of its values; they begin where those of the row before end.
    values_to: usize,
}

/// The rows of one record, kept until the whole record is known to be good.
///
/// Of a record of `n` bytes this takes at most about `20 n` bytes, and the memory is kept for the
/// next record.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    heads: Vec<Head<'a>>,
    values: Vec<(Slot, Value<'a>)>,
    /// Which values are texts that stand from here to there in `unescaped`.
    escaped: Vec<(usize, usize, usize)>,
    unescaped: String,
}

impl<'a> Rows<'a> {
    /// No rows, in the memory of these.
    pub(super) fn recycle<'b>(mut self) -> Rows<'b> {
        self.escaped.clear();
        self.unescaped.clear();
        let blank = Head {
            model: None,
            version: None,
            at: Timestamp::EPOCH,
            request_id: None,
            carried: Carried::NONE,
            unnamed: 0,
            values_to: 0,
        };
        Rows {
            heads: emptied(self.heads, blank),
            values: emptied(self.values, (Slot(0), Value::Missing)),
            escaped: self.escaped,
            unescaped: self.unescaped,
        }
    }

    /// Adds a value to the event at hand.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot, value: Value<'a>) {
        self.values.push((slot, value));
    }

    /// Adds a string to the event at hand.
    #[inline]
    pub(super) fn push_string(&mut self, slot: Slot, string: Spelled<'a>) {
        match self.text(string) {
            Text::Plain(text) => self.push(slot, Value::Text(text)),
            Text::Unescaped(from, to) => {
                self.escaped.push((self.values.len(), from, to));
                self.push(slot, Value::Missing);
            }
        }
    }

    /// `string` without its escapes, kept as long as the rows.
    #[inline]
    pub(super) fn text(&mut self, string: Spelled<'a>) -> Text<'a> {
        if !string.escaped {
            return Text::Plain(string.text);
        }
        let from = self.unescaped.len();
        unescape(string.text, &mut self.unescaped);
        Text::Unescaped(from, self.unescaped.len())
    }

    /// The text itself.
    pub(super) fn resolve(&self, text: Text<'a>) -> &str {
        resolve(text, &self.unescaped)
    }

    /// Ends the event at hand: it becomes a row, if nothing speaks against it. The reasons are
    /// looked for in the order of the header of [`crate::decode`].
    pub(super) fn finish(&mut self, draft: &Draft<'a>, rules: &Rules<'_>) -> Result<(), Reject> {
        let model = match draft.model {
            _ if rules.plan.model().is_some() => None,
            None | Some(Scalar::Null) => return Err(Reject::MissingModel),
            Some(Scalar::Text(text)) => Some(text),
            Some(Scalar::Number(_) | Scalar::Other) => return Err(Reject::BadName),
        };
        let version = match draft.version {
            None | Some(Scalar::Null) => None,
            Some(Scalar::Text(text)) => Some(text),
            Some(Scalar::Number(number)) if number.whole => Some(Text::Plain(number.text)),
            Some(Scalar::Number(_) | Scalar::Other) => return Err(Reject::BadName),
        };
        let bad = |text: &Text<'a>| Name::check(self.resolve(*text)).is_err();
        if draft.bad_name || model.as_ref().is_some_and(bad) || version.as_ref().is_some_and(bad) {
            return Err(Reject::BadName);
        }
        let at = self.at(draft.timestamp, rules)?;
        let request_id = match draft.request_id {
            Some(Scalar::Text(text)) => Some(text),
            Some(Scalar::Number(number)) => Some(Text::Plain(number.text)),
            None | Some(Scalar::Null | Scalar::Other) => None,
        };
        let Draft {
            carried, unnamed, ..
        } = *draft;
        let values_to = self.values.len();
        self.heads.push(Head {
            model,
            version,
            at,
            request_id,
            carried,
            unnamed,
            values_to,
        });
        Ok(())
    }

    /// The time of an event by its own field or its record.
    fn at(&self, field: Option<Scalar<'a>>, rules: &Rules<'_>) -> Result<Timestamp, Reject> {
        let at = match field {
            None | Some(Scalar::Null) => return rules.record_at.ok_or(Reject::MissingTimestamp),
            Some(Scalar::Text(text)) => instant::of_text(self.resolve(text)),
            Some(Scalar::Number(number)) => instant::of_number(number.text, rules.plan.unit()),
            Some(Scalar::Other) => None,
        };
        let at = at.ok_or(Reject::BadTimestamp)?;
        match rules.record_at {
            Some(record_at) if at > record_at + rules.limits.future_max => Err(Reject::Future),
            Some(record_at) if at < record_at - rules.limits.event_age_max => Err(Reject::Expired),
            _ => Ok(at),
        }
    }

    /// Hands out the rows, and gives back their memory.
    pub(super) fn hand_out<'b>(
        self,
        plan: &Plan,
        mut each: impl FnMut(&Row<'_>),
    ) -> (Rows<'b>, u32) {
        let Self {
            heads,
            values,
            escaped,
            unescaped,
        } = self;
        let mut values: Vec<(Slot, Value<'_>)> = values;
        for &(index, from, to) in &escaped {
            if let Some((_, value)) = values.get_mut(index) {
                *value = Value::Text(resolve(Text::Unescaped(from, to), &unescaped));
            }
        }
        let mut from = 0;
        for head in &heads {
            let name = |text| resolve(text, &unescaped);
            each(&Row {
                model: head.model.map_or(plan.model().unwrap_or_default(), name),
                version: head.version.map_or(plan.version(), name),
                at: head.at,
                request_id: head.request_id.map(name),
                carried: head.carried,
                values: values.get(from..head.values_to).unwrap_or_default(),
                unnamed: head.unnamed,
            });
            from = head.values_to;
        }
        let count = u32::try_from(heads.len()).unwrap_or(u32::MAX);
        let values = emptied(values, (Slot(0), Value::Missing));
        (
            Rows {
                heads,
                values,
                escaped,
                unescaped,
            }
            .recycle(),
            count,
        )
    }
}

fn resolve<'t>(text: Text<'t>, unescaped: &'t str) -> &'t str {
    match text {
        Text::Plain(text) => text,
        Text::Unescaped(from, to) => unescaped.get(from..to).unwrap_or_default(),
    }
}

/// An empty vector in the memory of one whose elements differ in a lifetime only: the standard
/// library collects in place where the layout is the same, and if it did not, this would only be
/// slower.
fn emptied<A, B: Copy>(mut used: Vec<A>, blank: B) -> Vec<B> {
    used.clear();
    used.into_iter().map(|_| blank).collect()
}
