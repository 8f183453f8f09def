//! What nobody wrote: defaults, and the complaint where there is none.

use config::{Value, ValueKind};

use crate::config::check::problem::{Problem, know};
use crate::config::load::tree::{Table, Written, form};
use crate::config::raw::{Fallback, Key, Kind, Raw, WORKERS_MAX};

/// The origin of a default.
const ORIGIN: &str = "default";

/// Adds what is missing to the merged values, so that each key without a default, and only such a
/// one, may be absent. `cores` is the default of `source.workers`.
pub(super) fn complete(values: &mut Table, cores: usize, problems: &mut Vec<Problem>) {
    Filling { cores, problems }.table(values, Raw::KEYS, "");
}

struct Filling<'a> {
    cores: usize,
    problems: &'a mut Vec<Problem>,
}

impl Filling<'_> {
    fn table(&mut self, table: &mut Table, keys: &[Key], above: &str) {
        for key in keys {
            let path = format!("{above}{}", key.name);
            match key.kind {
                Kind::Section(inner) => {
                    if matches!(key.fallback, Fallback::Required) {
                        table
                            .entry(key.name.to_owned())
                            .or_insert_with(|| Table::new().into());
                    }
                    if let Some(value) = table.get_mut(key.name) {
                        self.section(value, inner, &path);
                    }
                }
                Kind::Sections(inner) => {
                    let array = table.entry(key.name.to_owned()).or_default();
                    self.sections(array, key, inner, &path);
                }
                _ if table.contains_key(key.name) => {}
                _ => {
                    if let Some(value) = self.fallback(key, &path) {
                        let value = Value::new(Some(&ORIGIN.to_owned()), value);
                        table.insert(key.name.to_owned(), value);
                    }
                }
            }
        }
    }

    fn section(&mut self, value: &mut Value, keys: &[Key], path: &str) {
        // an environment variable for `source[1]` alone leaves nothing at `source[0]`
        if let ValueKind::Nil = value.kind {
            value.kind = Table::new().into();
        }
        if let ValueKind::Table(table) = &mut value.kind {
            self.table(table, keys, &format!("{path}."));
        }
    }

    fn sections(&mut self, value: &mut Value, key: &Key, inner: &[Key], path: &str) {
        if let ValueKind::Nil = value.kind {
            value.kind = ValueKind::Array(Vec::new());
        }
        if let ValueKind::Array(tables) = &mut value.kind {
            if tables.is_empty() && matches!(key.fallback, Fallback::Required) {
                tables.push(Table::new().into());
            }
            for (i, table) in tables.iter_mut().enumerate() {
                self.section(table, inner, &format!("{path}[{i}]"));
            }
        }
    }

    fn fallback(&mut self, key: &Key, path: &str) -> Option<ValueKind> {
        let text = match key.fallback {
            Fallback::Unset => return None,
            Fallback::Is(text) => text.to_owned(),
            Fallback::Cores => i64::try_from(self.cores)
                .map_or(WORKERS_MAX, |n| n.clamp(1, WORKERS_MAX))
                .to_string(),
            Fallback::Required => {
                self.missing(path);
                return Some(match key.kind {
                    Kind::List(..) => ValueKind::Array(Vec::new()),
                    _ => ValueKind::String(String::new()),
                });
            }
        };
        form(key.kind, ValueKind::String(text), Written::Texts).ok()
    }

    /// A value that was there and could not be used is a problem already.
    fn missing(&mut self, path: &str) {
        if !know(self.problems, path) {
            let variable = path
                .replace('[', ".")
                .replace(']', "")
                .replace('.', "__")
                .to_uppercase();
            let flag = match path {
                "kafka.brokers" => " or with --brokers",
                "source[0].topics" => " or with --topic",
                _ => "",
            };
            let hint = format!("set it in the file, as DRIFTD__{variable}{flag}");
            self.problems
                .push(Problem::new(path, "is required").hint(hint));
        }
    }
}
