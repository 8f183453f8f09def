//! The slow decoder that the real one is compared with: it builds the whole document, with
//! `serde_json` for the syntax, the standard library for numbers and `jiff` for times, and then
//! looks fields up.
//!
//! It shares with the real one the types of its answers, the names of keys and nothing else.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode::{Field, FieldPaths, Limits, Record, Reject, TimestampUnit};
use crate::key::{Carried, Carrier, Name, Role, UNVERSIONED, is_reserved};
use crate::time::Timestamp;

/// A row with nothing borrowed, and numbers as bits, so that `-0.0` is not `0.0`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnedRow {
    pub(super) model: String,
    pub(super) version: String,
    pub(super) at: Timestamp,
    pub(super) request_id: Option<String>,
    pub(super) carried: Carried,
    pub(super) values: Vec<(Role, String, OwnedValue)>,
    pub(super) unnamed: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum OwnedValue {
    Number(u64),
    Text(String),
    Bool(bool),
    Missing,
    Invalid,
}

/// A JSON document with all that its text says: the spelling of numbers, repeated keys, order.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AsMembers;
        impl<'de> Visitor<'de> for AsMembers {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(AsMembers)
    }
}

impl Tree {
    fn read(text: &str, levels: usize) -> Result<Self, serde_json::Error> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let below = || {
            levels
                .checked_sub(1)
                .ok_or_else(|| serde_json::Error::custom("too deep"))
        };
        Ok(match text.bytes().next() {
            Some(b'{') => {
                let (Members(members), below) = (serde_json::from_str(text)?, below()?);
                let read =
                    |(key, raw): (String, &RawValue)| Ok((key, Self::read(raw.get(), below)?));
                Self::Object(
                    members
                        .into_iter()
                        .map(read)
                        .collect::<Result<_, serde_json::Error>>()?,
                )
            }
            Some(b'[') => {
                let (elements, below) = (serde_json::from_str::<Vec<&RawValue>>(text)?, below()?);
                let read = |raw: &RawValue| Self::read(raw.get(), below);
                Self::Array(elements.into_iter().map(read).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => serde_json::from_str::<()>(text).map(|()| Self::Null)?,
            _ => Self::Number(serde_json::from_str::<&RawValue>(text)?.get().to_owned()),
        })
    }

    fn at(&self, keys: &[String]) -> Option<&Self> {
        let Some((key, rest)) = keys.split_first() else {
            return Some(self);
        };
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key)?.1.at(rest),
            Self::Array(elements) => {
                let index: usize = key.parse().ok()?;
                (index.to_string() == *key)
                    .then(|| elements.get(index))??
                    .at(rest)
            }
            _ => None,
        }
    }

    fn has_repeated_keys(&self) -> bool {
        let Self::Object(members) = self else {
            return false;
        };
        let mut seen = HashSet::new();
        !members.iter().all(|(key, _)| seen.insert(key))
    }

    fn value(&self) -> OwnedValue {
        match self {
            Self::Null => OwnedValue::Missing,
            Self::Bool(bool) => OwnedValue::Bool(*bool),
            Self::Number(text) => match text.parse::<f64>().unwrap() {
                number if number.is_finite() => OwnedValue::Number(number.to_bits()),
                _ => OwnedValue::Invalid,
            },
            Self::Text(text) => OwnedValue::Text(text.clone()),
            Self::Array(_) | Self::Object(_) => OwnedValue::Invalid,
        }
    }
}

fn keys_of(field: &Field) -> Option<Vec<String>> {
    let Field::Pointer(pointer) = field else {
        return None;
    };
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    Some(pointer.split('/').skip(1).map(unescaped).collect())
}

fn pointers(paths: &FieldPaths) -> Vec<Vec<String>> {
    [
        &paths.model,
        &paths.version,
        &paths.timestamp,
        &paths.request_id,
        &paths.features,
        &paths.prediction,
        &paths.latency,
        &paths.status,
    ]
    .into_iter()
    .filter_map(keys_of)
    .collect()
}

/// Decodes without any cache, as if there were no limit of names.
pub(super) fn decode(
    record: &Record<'_>,
    paths: &FieldPaths,
    limits: &Limits,
) -> Result<Vec<OwnedRow>, Reject> {
    let bytes = record.value.ok_or(Reject::Unsupported)?;
    if bytes.len() > limits.record_bytes_max {
        return Err(Reject::Oversized);
    }
    let text = std::str::from_utf8(bytes).map_err(|_why| Reject::Malformed)?;
    serde_json::from_str::<&RawValue>(text).map_err(|_why| Reject::Malformed)?;
    let document = Tree::read(text, limits.depth_max).map_err(|_why| Reject::Malformed)?;
    let events = match document {
        Tree::Array(events) => events,
        event => vec![event],
    };
    for event in &events {
        if !is_unambiguous(event, paths) {
            return Err(Reject::Malformed);
        }
    }
    events
        .iter()
        .map(|event| row(event, paths, limits, record.timestamp))
        .collect()
}

/// Whether an event is an object, has features that are an object, and keys that do not repeat
/// where anything is looked up.
fn is_unambiguous(event: &Tree, paths: &FieldPaths) -> bool {
    let on_the_way = pointers(paths).into_iter().flat_map(|keys| {
        (0..keys.len())
            .map(|length| keys[..length].to_vec())
            .collect::<Vec<_>>()
    });
    let with_members = [&paths.features, &paths.prediction]
        .into_iter()
        .filter_map(keys_of);
    let mut looked_into = on_the_way.chain(with_members);
    let features = keys_of(&paths.features).and_then(|keys| event.at(&keys).cloned());
    matches!(event, Tree::Object(_))
        && matches!(features, None | Some(Tree::Null | Tree::Object(_)))
        && !looked_into.any(|keys| event.at(&keys).is_some_and(Tree::has_repeated_keys))
}

fn row(
    event: &Tree,
    paths: &FieldPaths,
    limits: &Limits,
    record_at: Option<Timestamp>,
) -> Result<OwnedRow, Reject> {
    let field = |field: &Field| {
        keys_of(field)
            .and_then(|keys| event.at(&keys))
            .filter(|value| **value != Tree::Null)
    };
    let model = match (&paths.model, field(&paths.model)) {
        (Field::Constant(model), _) | (_, Some(Tree::Text(model))) => model.clone(),
        (_, None) => return Err(Reject::MissingModel),
        (_, Some(_)) => return Err(Reject::BadName),
    };
    let version = match (&paths.version, field(&paths.version)) {
        (Field::Constant(version), _) | (_, Some(Tree::Text(version))) => version.clone(),
        (_, None) => UNVERSIONED.to_owned(),
        (_, Some(Tree::Number(text))) if !text.contains(['.', 'e', 'E']) => text.clone(),
        (_, Some(_)) => return Err(Reject::BadName),
    };
    let (carried, values) = values(event, paths)?;
    Name::check(&model)
        .and(Name::check(&version))
        .map_err(|_why| Reject::BadName)?;
    let at = match field(&paths.timestamp) {
        None => record_at.ok_or(Reject::MissingTimestamp)?,
        Some(Tree::Text(text)) => by_jiff(text).ok_or(Reject::BadTimestamp)?,
        Some(Tree::Number(text)) => {
            by_digits(text, paths.timestamp_unit).ok_or(Reject::BadTimestamp)?
        }
        Some(_) => return Err(Reject::BadTimestamp),
    };
    let ahead = record_at.map_or(0, |record_at| at.millis_since(record_at));
    if ahead > limits.future_max.as_millis() {
        return Err(Reject::Future);
    }
    if -ahead > limits.event_age_max.as_millis() {
        return Err(Reject::Expired);
    }
    let request_id = match field(&paths.request_id) {
        Some(Tree::Text(id) | Tree::Number(id)) => Some(id.clone()),
        _ => None,
    };
    Ok(OwnedRow {
        model,
        version,
        at,
        request_id,
        carried,
        values,
        unnamed: 0,
    })
}

type Values = Vec<(Role, String, OwnedValue)>;

/// The series of an event, in the order of the document.
fn values(event: &Tree, paths: &FieldPaths) -> Result<(Carried, Values), Reject> {
    let mut carried = Carried::NONE;
    let mut found = Vec::new();
    for (field, carrier, role, name) in [
        (&paths.features, Carrier::Features, Role::Feature, ""),
        (
            &paths.prediction,
            Carrier::Prediction,
            Role::Prediction,
            "prediction",
        ),
        (
            &paths.latency,
            Carrier::Latency,
            Role::Operational,
            "latency_ms",
        ),
        (&paths.status, Carrier::Status, Role::Operational, "status"),
    ] {
        let Some(keys) = keys_of(field) else { continue };
        let Some(value) = event.at(&keys) else {
            continue;
        };
        carried = carried.with(carrier);
        match (value, role) {
            (Tree::Object(members), Role::Feature | Role::Prediction) => {
                for (key, value) in members {
                    let place = [keys.clone(), vec![key.clone()]].concat();
                    if pointers(paths)
                        .iter()
                        .any(|claimed| claimed.starts_with(&place))
                    {
                        continue;
                    }
                    let name = match role {
                        Role::Prediction => format!("prediction.{key}"),
                        _ if is_reserved(key) => format!("features.{key}"),
                        _ => key.clone(),
                    };
                    Name::check(key)
                        .and(Name::check(&name))
                        .map_err(|_why| Reject::BadName)?;
                    found.push((order(event, &place), role, name, value.value()));
                }
            }
            (_, Role::Feature) => {}
            (value, _) => found.push((order(event, &keys), role, name.to_owned(), value.value())),
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok((
        carried,
        found
            .into_iter()
            .map(|(_, role, name, value)| (role, name, value))
            .collect(),
    ))
}

/// Where in the document the value at `keys` stands: its index on each level.
fn order(tree: &Tree, keys: &[String]) -> Vec<usize> {
    let Some((key, rest)) = keys.split_first() else {
        return Vec::new();
    };
    let (index, below) = match tree {
        Tree::Object(members) => {
            let index = members.iter().position(|(name, _)| name == key).unwrap();
            (index, &members[index].1)
        }
        Tree::Array(elements) => {
            let index = key.parse().unwrap();
            (index, &elements[index])
        }
        _ => unreachable!("a value without a place"),
    };
    [vec![index], order(below, rest)].concat()
}

/// RFC 3339 and the three spellings beyond it, by their shape, and then by jiff.
fn by_jiff(text: &str) -> Option<Timestamp> {
    let zeros = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let (clock, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => (String::new(), rest),
        Some(after) => {
            let offset = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = after
                .strip_suffix(offset)
                .filter(|digits| !digits.is_empty())?;
            // jiff takes nine, and more do not matter
            (format!(".{}", digits.get(..9).unwrap_or(digits)), offset)
        }
    };
    let clocks = [
        "0000-00-00T00:00:00",
        "0000-00-00t00:00:00",
        "0000-00-00 00:00:00",
    ];
    let offsets = ["Z", "z", "+00:00", "-00:00", "+0000", "-0000", "+00", "-00"];
    let hours: u8 = offset
        .get(1..3)
        .and_then(|hours| hours.parse().ok())
        .unwrap_or(0);
    if !clocks.contains(&zeros(clock).as_str())
        || !offsets.contains(&zeros(offset).as_str())
        || hours > 23
    {
        return None;
    }
    let instant: jiff::Timestamp = format!("{clock}{fraction}{offset}").parse().ok()?;
    let millis = instant.as_nanosecond().div_euclid(1_000_000);
    Timestamp::checked_from_millis(millis.try_into().ok()?)
}

/// By writing the number out in full, and cutting it after the milliseconds.
fn by_digits(text: &str, unit: TimestampUnit) -> Option<Timestamp> {
    let shift = match unit {
        TimestampUnit::Seconds => 3,
        TimestampUnit::Millis => 0,
        TimestampUnit::Micros => -3,
        TimestampUnit::Nanos => -6,
    };
    let negative = text.starts_with('-');
    let (decimal, exponent) = text
        .trim_start_matches('-')
        .split_once(['e', 'E'])
        .unwrap_or((text.trim_start_matches('-'), "0"));
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let point = exponent.parse::<i64>().ok()? + shift;
    let wide = usize::try_from(point.unsigned_abs()).unwrap().min(2_000);
    let zeros = "0".repeat(wide);
    let digits = if point < 0 {
        format!("{zeros}{whole}{fraction}")
    } else {
        format!("{whole}{fraction}{zeros}")
    };
    let cut = if point < 0 {
        whole.len()
    } else {
        whole.len() + wide
    };
    let (millis, finer) = digits.split_at(cut);
    let millis = match millis.trim_start_matches('0') {
        "" => 0,
        millis => millis.parse::<i64>().ok()?,
    };
    let finer = i64::from(finer.contains(|digit| digit != '0'));
    Timestamp::checked_from_millis(if negative { -millis - finer } else { millis })
}
