//! Values as they were written, held against the table of keys.
//!
//! serde would stop at the first unknown key and the first wrong type. Here a layer is walked along
//! [`Raw::KEYS`] first: what cannot be used is reported and left out, the rest takes the form that
//! its key wants, so that afterwards serde has nothing to object to.
//!
//! [`Raw::KEYS`]: crate::config::raw::Raw::KEYS

use config::{Map, Value, ValueKind};

use crate::config::check::problem::{Problem, nearest, shown};
use crate::config::raw::{
    Key, Kind, PROPERTIES_MAX, SOURCES_MAX, TEXT_BYTES_MAX, keys as all_keys,
};
use crate::time::Length;

/// A table of values by key.
pub(in crate::config) type Table = Map<String, Value>;

/// Why a value cannot be used: what it must be, and what to do.
type Wrong = (String, Option<String>);

/// Walks the tables of one layer and collects what is wrong with it.
pub(super) struct Walk<'a> {
    /// Where the layer comes from.
    pub(super) origin: &'a str,
    /// What is wrong.
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    /// What of `table` can be used; `above` is the dotted key of the table with its dot.
    pub(super) fn table(&mut self, table: Table, keys: &[Key], above: &str) -> Table {
        let mut used = Table::new();
        for (name, value) in table {
            let path = format!("{above}{name}");
            match keys.iter().find(|key| key.name == name) {
                None => self
                    .problems
                    .push(unknown(&path, &name, keys).from(self.origin)),
                Some(key) => {
                    if let Some(kind) = self.value(value.kind, key.kind, &path) {
                        used.insert(name, Value::new(Some(&self.origin.to_owned()), kind));
                    }
                }
            }
        }
        used
    }

    fn value(&mut self, value: ValueKind, kind: Kind, path: &str) -> Option<ValueKind> {
        let wrong = match (kind, value) {
            (Kind::Section(keys), ValueKind::Table(table)) => {
                return Some(self.table(table, keys, &format!("{path}.")).into());
            }
            (Kind::Sections(keys), ValueKind::Array(tables)) if tables.len() <= SOURCES_MAX => {
                return Some(self.tables(tables, keys, path).into());
            }
            (Kind::Sections(_), ValueKind::Array(tables)) => (
                format!("has {} tables, at most {SOURCES_MAX}", tables.len()),
                None,
            ),
            (Kind::Sections(_), value @ ValueKind::Table(_)) => (
                not(kind, &value),
                Some(format!("write [[{path}]] instead of [{path}]")),
            ),
            (kind, value) => match form(kind, value, Written::Typed) {
                Ok(value) => return Some(value),
                Err(wrong) => wrong,
            },
        };
        self.problems.push(problem(path, wrong).from(self.origin));
        None
    }

    fn tables(&mut self, tables: Vec<Value>, keys: &'static [Key], path: &str) -> Vec<Value> {
        let mut used = Vec::new();
        for (i, value) in tables.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            let kind = self.value(value.kind, Kind::Section(keys), &path);
            used.push(Value::new(
                None,
                kind.unwrap_or_else(|| Table::new().into()),
            ));
        }
        used
    }
}

/// The problem of a value that cannot be used.
pub(super) fn problem(path: &str, (what, hint): Wrong) -> Problem {
    let problem = Problem::new(path, what);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// The problem of a key that there is not, with what was probably meant: a key of the same table
/// with nearly this name, or one of another table with exactly this name.
pub(super) fn unknown(path: &str, name: &str, siblings: &[Key]) -> Problem {
    let problem = Problem::new(path, "unknown key");
    if let Some(sibling) = nearest(name, siblings.iter().map(|key| key.name)) {
        return problem.hint(format!("did you mean `{sibling}`?"));
    }
    let elsewhere = all_keys().into_iter().find(|doc| {
        doc.key
            .rsplit_once('.')
            .is_some_and(|(_, last)| last.eq_ignore_ascii_case(name))
    });
    match elsewhere {
        Some(doc) => problem.hint(format!("did you mean `{}`?", doc.key)),
        None => problem,
    }
}

/// How the values of a layer are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// With types, as in TOML.
    Typed,
    /// As texts, as in the environment.
    Texts,
}

/// `value` in the form that its key wants.
pub(super) fn form(kind: Kind, value: ValueKind, written: Written) -> Result<ValueKind, Wrong> {
    match (kind, value) {
        (Kind::Text | Kind::Secret, ValueKind::String(text)) => text_fits(&text, kind)
            .map(|()| text.into())
            .map_err(|what| (what, None)),
        (Kind::Field, ValueKind::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(text.into()),
        (Kind::Choice(texts), ValueKind::String(text)) => {
            if texts.contains(&text.as_str()) {
                return Ok(text.into());
            }
            let near = texts
                .iter()
                .find(|choice| choice.eq_ignore_ascii_case(&text))
                .copied()
                .or_else(|| nearest(&text, texts.iter().copied()));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            Err((not(kind, &text.into()), hint))
        }
        (Kind::Integer(min, max), ValueKind::I64(number)) if (min..=max).contains(&number) => {
            Ok(number.into())
        }
        (Kind::Integer(..) | Kind::Number(..) | Kind::Flag, ValueKind::String(text))
            if written == Written::Texts =>
        {
            match typed(kind, text.trim()) {
                Some(value) => form(kind, value, Written::Typed),
                None => Err((not(kind, &text.into()), None)),
            }
        }
        (Kind::Number(min, max), ValueKind::Float(number)) if number_fits(number, min, max) => {
            Ok(number.into())
        }
        (Kind::Number(..), ValueKind::I64(number)) => {
            #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
            let number = number as f64;
            form(kind, number.into(), Written::Typed)
        }
        (Kind::Flag, ValueKind::Boolean(flag)) => Ok(flag.into()),
        (Kind::Numbers, ValueKind::String(text)) if text.is_empty() => Ok(Table::new().into()),
        (Kind::Numbers, ValueKind::Table(table)) => numbers(table),
        (Kind::Length(min, max), ValueKind::String(text)) if length_fits(&text, min, max) => {
            Ok(text.into())
        }
        (Kind::List(min, max), ValueKind::Array(values)) => list(values, min, max),
        (Kind::List(min, max), ValueKind::String(text)) => list(
            split(&text).into_iter().map(Value::from).collect(),
            min,
            max,
        ),
        (Kind::Properties, ValueKind::String(text)) if text.is_empty() => Ok(Table::new().into()),
        (Kind::Properties, ValueKind::Table(table)) => properties(table),
        (kind, value) => {
            let hint = match (kind, &value) {
                (Kind::Length(..), ValueKind::String(text)) => text
                    .parse::<Length>()
                    .err()
                    .map(|_unreadable| "write it like 30s, 5m, 6h or 7d"),
                (Kind::Length(..), ValueKind::I64(_)) => Some("give it a unit, like \"30s\""),
                (Kind::Text | Kind::Field, ValueKind::I64(_)) => Some("put it in quotes"),
                _ => None,
            };
            Err((not(kind, &value), hint.map(str::to_owned)))
        }
    }
}

/// A number or a flag from its text.
fn typed(kind: Kind, text: &str) -> Option<ValueKind> {
    match kind {
        Kind::Integer(..) => text.parse::<i64>().ok().map(ValueKind::from),
        Kind::Number(..) => text.parse::<f64>().ok().map(ValueKind::from),
        _ => text.parse::<bool>().ok().map(ValueKind::from),
    }
}

/// What a key must be and this value is not. Secrets and what may hold them are not shown.
fn not(kind: Kind, value: &ValueKind) -> String {
    let found = match value {
        ValueKind::String(_) if may_hold_secrets(kind) => "a text".into(),
        ValueKind::String(text) => shown(text),
        ValueKind::I64(number) if matches!(kind, Kind::Integer(..)) => number.to_string(),
        ValueKind::Float(number) if matches!(kind, Kind::Number(..)) => number.to_string(),
        ValueKind::Boolean(_) => "a boolean".into(),
        ValueKind::Array(_) => "a list".into(),
        ValueKind::Table(_) => "a table".into(),
        ValueKind::Nil => "nothing".into(),
        ValueKind::Float(_) if matches!(kind, Kind::Integer(..)) => "a fraction".into(),
        _ => "a number".into(),
    };
    format!("must be {kind}, not {found}")
}

const fn may_hold_secrets(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Secret | Kind::Properties | Kind::Section(_) | Kind::Sections(_)
    )
}

fn text_fits(text: &str, kind: Kind) -> Result<(), String> {
    match text {
        "" => Err("must not be empty".into()),
        _ if text.len() > TEXT_BYTES_MAX => Err(format!(
            "has {} bytes, more than {TEXT_BYTES_MAX}",
            text.len()
        )),
        _ if !matches!(kind, Kind::Secret) && text.chars().any(char::is_control) => {
            Err("must not have control characters".into())
        }
        _ => Ok(()),
    }
}

fn length_fits(text: &str, min: &str, max: &str) -> bool {
    let [length, min, max] = [text, min, max].map(str::parse::<Length>);
    matches!((length, min, max), (Ok(length), Ok(min), Ok(max)) if min <= length && length <= max)
}

fn number_fits(number: f64, min: &str, max: &str) -> bool {
    let bound = |text: &str| text.parse::<f64>();
    matches!((bound(min), bound(max)), (Ok(min), Ok(max)) if (min..=max).contains(&number))
}

fn list(values: Vec<Value>, min: usize, max: usize) -> Result<ValueKind, Wrong> {
    if values.len() < min {
        return Err(("must not be empty".into(), None));
    }
    if values.len() > max {
        return Err((
            format!("has {} entries, more than {max}", values.len()),
            None,
        ));
    }
    let forms = values.into_iter().map(|value| {
        form(Kind::Text, value.kind, Written::Typed)
            .map(Value::from)
            .map_err(|(what, hint)| (format!("each entry {what}"), hint))
    });
    forms
        .collect::<Result<Vec<Value>, Wrong>>()
        .map(ValueKind::from)
}

/// The parts of a text between its commas, without the blanks around them; a comma inside braces
/// belongs to a glob. An empty text has no parts.
fn split(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for char in text.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if char != ',' || depth > 0 => part.push(char),
            _ => parts.push(String::new()),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// Numbers from 0 on by name; a dot in a name needs quotes in TOML.
fn numbers(table: Table) -> Result<ValueKind, Wrong> {
    if table.len() > PROPERTIES_MAX {
        return Err((
            format!("has {} numbers, more than {PROPERTIES_MAX}", table.len()),
            None,
        ));
    }
    let number = |(name, value): (String, Value)| {
        let kind = Kind::Number("0", "1e300");
        form(kind, value.kind, Written::Typed)
            .map(|kind| (name.clone(), Value::from(kind)))
            .map_err(|(what, hint)| (format!("{} {what}", shown(&name)), hint))
    };
    let numbers: Result<Table, Wrong> = table.into_iter().map(number).collect();
    numbers.map(ValueKind::from)
}

/// Properties by their dotted name, whether the dots were quoted in TOML or made tables.
fn properties(table: Table) -> Result<ValueKind, Wrong> {
    let mut flat = Table::new();
    flatten("", table, &mut flat)?;
    if flat.len() > PROPERTIES_MAX {
        return Err((
            format!("has {} properties, more than {PROPERTIES_MAX}", flat.len()),
            None,
        ));
    }
    Ok(flat.into())
}

fn flatten(above: &str, table: Table, flat: &mut Table) -> Result<(), Wrong> {
    for (name, value) in table {
        let name = format!("{above}{name}");
        let origin = value.origin().map(str::to_owned);
        let text = match value.kind {
            ValueKind::Table(inner) => {
                flatten(&format!("{name}."), inner, flat)?;
                continue;
            }
            ValueKind::String(text) => text,
            ValueKind::Boolean(flag) => flag.to_string(),
            ValueKind::I64(number) => number.to_string(),
            ValueKind::Float(number) => number.to_string(),
            _ => {
                let what = format!("{} must be a text, a number or a boolean", shown(&name));
                return Err((what, None));
            }
        };
        if flat
            .insert(name.clone(), Value::new(origin.as_ref(), text))
            .is_some()
        {
            return Err((format!("{} is set twice", shown(&name)), None));
        }
    }
    Ok(())
}

/// Where the value at a dotted key came from, or the nearest one above it that says so.
pub(in crate::config) fn origin<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    // a property has dots in its name, so the whole rest of the key is tried first
    let whole = (key, "");
    let (name, rest) = if table.contains_key(key) {
        whole
    } else {
        key.split_once('.').unwrap_or(whole)
    };
    let (name, index) = match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((name, index)) => (name, index.parse().ok()),
        None => (name, None),
    };
    let value = table.get(name)?;
    let value = match (&value.kind, index) {
        (ValueKind::Array(values), Some::<usize>(index)) => values.get(index)?,
        _ => value,
    };
    match &value.kind {
        ValueKind::Table(inner) if !rest.is_empty() => origin(inner, rest),
        _ => None,
    }
    .or_else(|| value.origin())
}
