//! In what two references differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{TOP_SHOWN, escaped, series_json, short};
use crate::layout::{Digest, Layout, SeriesLayout};
use crate::reference::{Reference, SeriesReference};

/// A fact that differs: its name, and what it is in both, where it is.
type Fact = (String, Value, Value);

/// What became of one series from one reference to the other.
struct Change {
    series: String,
    /// `added`, `removed` or `changed`.
    what: &'static str,
    facts: Vec<Fact>,
}

fn changes(a: &Reference, b: &Reference) -> Vec<Change> {
    let names = |of: &Reference| {
        of.layout
            .series()
            .iter()
            .map(|s| s.name().to_string())
            .collect()
    };
    let (in_a, in_b): (BTreeSet<String>, BTreeSet<String>) = (names(a), names(b));
    let all = in_a.union(&in_b).cloned();
    let changes = all.filter_map(|series| {
        let (what, facts) = match (a.find(&series), b.find(&series)) {
            (Some(_), None) => ("removed", Vec::new()),
            (None, _) => ("added", Vec::new()),
            (Some(one), Some(other)) => {
                let mut facts = facts(
                    &series_json(a, one.0, one.1),
                    &series_json(b, other.0, other.1),
                );
                if one.0.bins() != other.0.bins() {
                    facts.push(("layout".to_owned(), layout(one.0), layout(other.0)));
                } else if facts.is_empty() && one.1 != other.1 {
                    facts.push(("counts".to_owned(), counts(one.1), counts(other.1)));
                }
                ("changed", facts)
            }
        };
        let same = what == "changed" && facts.is_empty();
        (!same).then_some(Change {
            series,
            what,
            facts,
        })
    });
    changes.collect()
}

/// The facts of two maps that differ, in order of name.
fn facts(a: &Map<String, Value>, b: &Map<String, Value>) -> Vec<Fact> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |map: &Map<String, Value>, name: &str| map.get(name).cloned().unwrap_or(Value::Null);
    let both = names
        .into_iter()
        .map(|name| (name.clone(), of(a, name), of(b, name)));
    both.filter(|(_, a, b)| a != b).collect()
}

/// A few digits that differ where the bins do.
fn layout(series: &SeriesLayout) -> Value {
    let layout = Layout::new(vec![series.clone()]);
    layout.map_or(Value::Null, |layout| few(layout.digest()))
}

/// A few digits that differ where the counts do.
fn counts(series: &SeriesReference) -> Value {
    let bytes: Vec<u8> = series.counts.iter().flat_map(u64::to_le_bytes).collect();
    few(Digest::of(&bytes))
}

fn few(digest: Digest) -> Value {
    json!(digest.to_string().chars().take(12).collect::<String>())
}

/// What differs, for people.
pub fn diff(a: &Reference, b: &Reference) -> String {
    let changes = changes(a, b);
    let title = |of: &Reference| {
        let header = &of.header;
        let name = format!(
            "{}@{} ({})",
            header.model,
            header.version,
            header.role.as_str()
        );
        format!("{name}, {} rows, digest {}", header.rows, of.digest())
    };
    let mut lines = vec![format!("a  {}", title(a)), format!("b  {}", title(b))];
    if a.digest() == b.digest() {
        lines.push("they are the same for every score".to_owned());
    } else if a.layout == b.layout {
        lines.push("they have the same layout: counts of one can be compared in both".to_owned());
    }
    if changes.is_empty() && a.digest() != b.digest() {
        lines.push("they differ in the rows that carry features or predictions".to_owned());
    }
    for Change {
        series,
        what,
        facts,
    } in changes
    {
        lines.push(format!("{} {what}", escaped(&series)));
        let fact = |(name, a, b): &Fact| format!("  {name:12} {} -> {}", plain(a), plain(b));
        lines.extend(facts.iter().map(fact));
    }
    lines.join("\n") + "\n"
}

/// A value of a fact for people.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => escaped(text),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or(String::new(), short),
        Value::Array(top) => {
            let shown = top.iter().take(TOP_SHOWN).filter_map(|one| {
                let name = one.get("category")?.as_str()?;
                Some(format!("{} {}", escaped(name), one.get("rows")?))
            });
            shown.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// What differs, as JSON.
pub fn diff_json(a: &Reference, b: &Reference) -> Value {
    let side = |of: &Reference| {
        json!({
            "model": of.header.model.as_str(),
            "version": of.header.version.as_str(),
            "role": of.header.role.as_str(),
            "rows": of.header.rows,
            "digest": of.digest().to_string(),
            "layout": of.layout.digest().to_string(),
        })
    };
    let series = changes(a, b).into_iter().map(
        |Change {
             series,
             what,
             facts,
         }| {
            let facts = facts
                .into_iter()
                .map(|(name, a, b)| (name, json!({"a": a, "b": b})));
            json!({"name": series, "change": what, "facts": facts.collect::<Map<_, _>>()})
        },
    );
    json!({
        "a": side(a),
        "b": side(b),
        "same": a.digest() == b.digest(),
        "series": series.collect::<Vec<_>>(),
    })
}
