//! The walk through one record: along the plan where it leads, skipping all else.
//!
//! Each byte is read once. An object on the way is searched for the keys of the plan; where the
//! plan has `features` or `prediction`, each other member is the value of a series. What an event
//! says is judged at its end, so the order of its keys does not matter.

use std::borrow::Cow;

use crate::decode::Reject;
use crate::decode::event::{Draft, Rows, Rules, Scalar, Text};
use crate::decode::json::{Json, Malformed};
use crate::decode::keys::{Keys, Meaning, Position};
use crate::decode::names::Names;
use crate::decode::plan::{Plan, Target};
use crate::decode::row::{Slot, Value};
use crate::key::{Carrier, FEATURE_PREFIX, Name, PREDICTION, Role, is_reserved};

/// One record on its way to rows.
#[derive(Debug)]
pub(super) struct Walk<'a, 'd> {
    pub(super) json: Json<'a>,
    pub(super) rules: Rules<'d>,
    pub(super) names: &'d mut Names,
    pub(super) keys: &'d mut Keys,
    pub(super) rows: Rows<'a>,
    /// The event at hand.
    pub(super) draft: Draft<'a>,
    /// Keys of the objects at hand that have no place among the known ones.
    pub(super) strangers: Vec<Text<'a>>,
    /// Why the first event that makes no row does not.
    pub(super) reject: Option<Reject>,
}

impl<'a> Walk<'a, '_> {
    /// Reads the whole record. What is not JSON comes before all else that may be wrong with it.
    pub(super) fn record(&mut self) -> Result<(), Reject> {
        self.document().map_err(|Malformed| Reject::Malformed)?;
        self.reject.map_or(Ok(()), Err)
    }

    /// One event, or an array of them.
    fn document(&mut self) -> Result<(), Malformed> {
        if self.json.peek()? == b'[' {
            self.json.open(b'[')?;
            let mut more = !self.json.close(b']')?;
            while more {
                self.event()?;
                more = self.json.more(b']')?;
            }
        } else {
            self.event()?;
        }
        self.json.end()
    }

    fn event(&mut self) -> Result<(), Malformed> {
        if self.json.peek()? != b'{' {
            return Err(Malformed);
        }
        self.draft = Draft::default();
        self.node(Plan::ROOT)?;
        if let Err(reject) = self.rows.finish(&self.draft, &self.rules) {
            self.reject.get_or_insert(reject);
        }
        Ok(())
    }

    /// The value at a node of the plan. Recurses once for each step of a pointer.
    fn node(&mut self, node: usize) -> Result<(), Malformed> {
        let first = self.json.peek()?;
        match self.rules.plan.target(node) {
            Some(Target::Model) => self.draft.model = Some(self.scalar(first)?),
            Some(Target::Version) => self.draft.version = Some(self.scalar(first)?),
            Some(Target::Timestamp) => self.draft.timestamp = Some(self.scalar(first)?),
            Some(Target::RequestId) => self.draft.request_id = Some(self.scalar(first)?),
            Some(Target::Latency) => self.value(Carrier::Latency)?,
            Some(Target::Status) => self.value(Carrier::Status)?,
            Some(Target::Features) => {
                self.carries(Carrier::Features);
                match first {
                    b'{' => self.object(node)?,
                    _ => self.json.literal(b"null")?,
                }
            }
            Some(Target::Prediction) => match first {
                b'{' => {
                    self.carries(Carrier::Prediction);
                    self.object(node)?;
                }
                _ => self.value(Carrier::Prediction)?,
            },
            None => match first {
                b'{' => self.object(node)?,
                b'[' => self.array(node)?,
                _ => self.json.skip()?,
            },
        }
        Ok(())
    }

    fn carries(&mut self, carrier: Carrier) {
        self.draft.carried = self.draft.carried.with(carrier);
    }

    /// A field that is a single value.
    fn scalar(&mut self, first: u8) -> Result<Scalar<'a>, Malformed> {
        Ok(match first {
            b'"' => {
                let string = self.json.string()?;
                Scalar::Text(self.rows.text(string))
            }
            b'-' | b'0'..=b'9' => Scalar::Number(self.json.number_text()?),
            b'n' => {
                self.json.literal(b"null")?;
                Scalar::Null
            }
            _ => {
                self.json.skip()?;
                Scalar::Other
            }
        })
    }

    /// A field that is a series.
    fn value(&mut self, carrier: Carrier) -> Result<(), Malformed> {
        self.carries(carrier);
        if let Some(slot) = self.names.fixed(carrier) {
            series(&mut self.json, &mut self.rows, slot)
        } else {
            self.draft.unnamed += 1;
            self.json.skip()
        }
    }

    /// An array on the way: a step into it is an index.
    fn array(&mut self, node: usize) -> Result<(), Malformed> {
        self.json.open(b'[')?;
        let mut more = !self.json.close(b']')?;
        let mut index = 0;
        while more {
            let plan = self.rules.plan;
            match plan
                .steps(node)
                .iter()
                .find(|step| step.index == Some(index))
            {
                Some(step) => self.node(step.node)?,
                None => self.json.skip()?,
            }
            index += 1;
            more = self.json.more(b']')?;
        }
        Ok(())
    }

    /// An object on the way, or one whose members are series.
    fn object(&mut self, node: usize) -> Result<(), Malformed> {
        self.json.open(b'{')?;
        let strangers = self.strangers.len();
        let mut at = self.keys.enter(node);
        let mut json = self.json;
        loop {
            let meaning = match self.keys.expect(&mut at, json.rest()) {
                Some((known, _)) if known.repeated => return Err(Malformed),
                Some((known, length)) => {
                    json.advance(length);
                    known.meaning
                }
                None => match self.key(node, &mut at, &mut json)? {
                    Some(meaning) => meaning,
                    None => break,
                },
            };
            match meaning {
                Meaning::Series(slot) => series(&mut json, &mut self.rows, slot)?,
                Meaning::Node(node) => {
                    self.json = json;
                    self.node(node)?;
                    json = self.json;
                }
                Meaning::Ignored => json.skip()?,
                Meaning::Unnamed => {
                    self.draft.unnamed += 1;
                    json.skip()?;
                }
                Meaning::BadName => {
                    self.draft.bad_name = true;
                    json.skip()?;
                }
            }
        }
        self.json = json;
        self.strangers_are_distinct(strangers)
    }

    /// Goes on to the value of a key that is not the expected one; `None` where the object ends.
    fn key(
        &mut self,
        node: usize,
        at: &mut Position,
        json: &mut Json<'a>,
    ) -> Result<Option<Meaning>, Malformed> {
        let before = json.rest();
        let ends = if at.is_first() {
            json.close(b'}')?
        } else {
            !json.more(b'}')?
        };
        if ends {
            return Ok(None);
        }
        json.peek()?;
        let string = json.string()?;
        json.take(b':')?;
        json.peek()?;
        let spelled = before.get(..before.len() - json.rest().len());
        let spelled = spelled.unwrap_or_default();
        let text = self.rows.text(string);
        let key = self.rows.resolve(text);
        if let Some(known) = self.keys.find(at, node, key, spelled) {
            return if known.repeated {
                Err(Malformed)
            } else {
                Ok(Some(known.meaning))
            };
        }
        let meaning = meaning(self.rules.plan.target(node), key, self.names);
        if self.keys.learn(node, key, meaning) {
            self.keys.find(at, node, key, spelled);
        } else {
            at.pass();
            self.strangers.push(text);
        }
        Ok(Some(meaning))
    }

    /// Looks for repeated keys among the strangers from `from`, and forgets them.
    fn strangers_are_distinct(&mut self, from: usize) -> Result<(), Malformed> {
        let Some(strangers) = self.strangers.get_mut(from..) else {
            return Ok(());
        };
        if strangers.len() > 1 {
            let mut texts: Vec<&str> = strangers
                .iter()
                .map(|stranger| self.rows.resolve(*stranger))
                .collect();
            texts.sort_unstable();
            if texts
                .iter()
                .zip(texts.iter().skip(1))
                .any(|(one, next)| one == next)
            {
                return Err(Malformed);
            }
        }
        self.strangers.truncate(from);
        Ok(())
    }
}

/// What `key` means in an object that is, or holds, the field `target`.
fn meaning(target: Option<Target>, key: &str, names: &mut Names) -> Meaning {
    let (role, name) = match target {
        Some(Target::Features) if is_reserved(key) => {
            (Role::Feature, Cow::Owned(format!("{FEATURE_PREFIX}{key}")))
        }
        Some(Target::Features) => (Role::Feature, Cow::Borrowed(key)),
        Some(Target::Prediction) => (Role::Prediction, Cow::Owned(format!("{PREDICTION}.{key}"))),
        _ => return Meaning::Ignored,
    };
    if Name::check(key).is_err() || Name::check(&name).is_err() {
        return Meaning::BadName;
    }
    names
        .intern(role, &name)
        .map_or(Meaning::Unnamed, Meaning::Series)
}

/// The value of a series.
#[inline]
fn series<'a>(json: &mut Json<'a>, rows: &mut Rows<'a>, slot: Slot) -> Result<(), Malformed> {
    let value = match json.peek()? {
        b'"' => {
            let string = json.string()?;
            rows.push_string(slot, string);
            return Ok(());
        }
        b'-' | b'0'..=b'9' => json.number()?.map_or(Value::Invalid, Value::Number),
        b'n' => {
            json.literal(b"null")?;
            Value::Missing
        }
        b't' => {
            json.literal(b"true")?;
            Value::Bool(true)
        }
        b'f' => {
            json.literal(b"false")?;
            Value::Bool(false)
        }
        _ => {
            json.skip()?;
            Value::Invalid
        }
    };
    rows.push(slot, value);
    Ok(())
}
