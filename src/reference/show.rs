//! What is in a reference, and in what two differ: for people, and as JSON.
//!
//! Names and categories are data from strangers; what could change a terminal is shown escaped.

use std::cmp::Reverse;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{Reference, SeriesReference};
use crate::layout::{Category, Cell, Kind, SeriesLayout};
use crate::time::Timestamp;

mod diff;

pub use self::diff::{diff, diff_json};

/// Categories of a series that people see.
const TOP_SHOWN: usize = 3;

/// Categories of a series in JSON.
const TOP_LISTED: usize = 10;

/// The most characters of a category that people see.
const CATEGORY_CHARS_MAX: usize = 24;

/// A table for people.
pub fn show(reference: &Reference) -> String {
    let mut text = String::new();
    for (name, value) in facts(reference) {
        line(&mut text, &format!("{name:12}{value}"));
    }
    text.push('\n');
    let head = [
        "series", "role", "kind", "rows", "missing", "invalid", "bins", "values",
    ];
    let rows = reference
        .layout
        .series()
        .iter()
        .zip(&reference.series)
        .map(|(layout, series)| {
            let count = |cell: usize| series.counts.get(cell);
            [
                escaped(layout.name()),
                layout.role().as_str().to_owned(),
                layout.kind().as_str().to_owned(),
                reference.rows_of(layout).to_string(),
                count(layout.missing_cell()).to_string(),
                count(layout.invalid_cell()).to_string(),
                layout.value_cells().to_string(),
                values(layout, series),
            ]
        });
    text + &table(&head.map(str::to_owned), &rows.collect::<Vec<_>>())
}

/// Adds a line without blanks at its end.
pub(crate) fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn facts(reference: &Reference) -> Vec<(&'static str, String)> {
    let header = &reference.header;
    let mut facts = vec![
        (
            "reference",
            format!(
                "{}@{} ({})",
                header.model,
                header.version,
                header.role.as_str()
            ),
        ),
        ("rows", header.rows.to_string()),
        ("series", reference.series.len().to_string()),
    ];
    if let (Some(first), Some(last)) = (header.first_event, header.last_event) {
        facts.push((
            "events",
            format!("{first} to {last}, in {} hours", reference.blocks.len()),
        ));
    }
    if let Some(timezone) = &header.timezone {
        facts.push(("timezone", timezone.clone()));
    }
    if !header.importances.is_empty() {
        let mut all: Vec<_> = header.importances.iter().collect();
        all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let one = |(name, importance): (&String, &f64)| {
            format!("{} {}", escaped(name), short(*importance))
        };
        let all: Vec<String> = all.into_iter().map(one).collect();
        facts.push(("importances", all.join(", ")));
    }
    facts.push(("digest", reference.digest().to_string()));
    facts.push(("layout", reference.layout.digest().to_string()));
    facts.push(("convention", header.convention.to_string()));
    let provenance = &header.provenance;
    let at = provenance
        .created_at
        .map_or(String::new(), |at| format!(" at {at}"));
    if header.learned {
        facts.push(("learned", "from live rows".to_owned()));
    }
    facts.push((
        "made",
        format!("by driftd {}{at}", escaped(&provenance.tool_version)),
    ));
    for input in &provenance.inputs {
        facts.push((
            "from",
            format!("{} (SHA-256 {})", escaped(&input.name), input.sha256),
        ));
    }
    facts
}

/// Columns as wide as they need to be; the last one is not padded.
pub(crate) fn table<const N: usize>(head: &[String; N], rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows.iter().chain([head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in [head].into_iter().chain(rows) {
        let mut cells = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let number = cell.bytes().all(|digit| digit.is_ascii_digit());
            // writing to a string does not fail
            let _written = if number {
                write!(cells, "{cell:>width$}  ")
            } else {
                write!(cells, "{cell:width$}  ")
            };
        }
        line(&mut text, &cells);
    }
    text
}

/// The moments of numbers, or the most frequent categories.
fn values(layout: &SeriesLayout, series: &SeriesReference) -> String {
    if layout.kind() == Kind::Numeric {
        let SeriesReference {
            mean, sd, min, max, ..
        } = series;
        return format!(
            "mean {}, sd {}, {} to {}",
            short(*mean),
            short(*sd),
            short(*min),
            short(*max)
        );
    }
    let all: u64 = series.counts.iter().take(layout.value_cells()).sum();
    let top = top(layout, series).into_iter().take(TOP_SHOWN);
    let shares = top.map(|(name, count)| format!("{} {}", escaped(&name), percent(count, all)));
    shares.collect::<Vec<_>>().join(", ")
}

/// Four significant digits, in the shorter notation.
fn short(x: f64) -> String {
    let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    if rounded == 0.0 || (1e-4..1e7).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

fn percent(count: u64, all: u64) -> String {
    // tenths of a percent, rounded down
    let tenths = u128::from(count) * 1000 / u128::from(all.max(1));
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The cells of a categorical series that are not empty, by falling count.
fn top(layout: &SeriesLayout, series: &SeriesReference) -> Vec<(String, u64)> {
    let counts = series.counts.iter().take(layout.value_cells()).enumerate();
    let mut top: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .filter_map(|(cell, count)| Some((cell_name(layout.cell(cell)?), count)))
        .collect();
    top.sort_by_key(|(_, count)| Reverse(*count));
    top
}

fn cell_name(cell: Cell<'_>) -> String {
    match cell {
        Cell::Category(Category::Text(text)) => text.to_string(),
        Cell::Category(Category::Hashed(hash)) => format!("#{hash:016x}"),
        Cell::Other => "(other)".to_owned(),
        Cell::New => "(new)".to_owned(),
        Cell::Missing => "(missing)".to_owned(),
        Cell::Invalid => "(invalid)".to_owned(),
        Cell::Point(x) => x.to_string(),
        Cell::Range { lower, upper } => {
            let bound = |bound: Option<f64>| bound.map_or("..".to_owned(), |x| x.to_string());
            format!("({}, {}]", bound(lower), bound(upper))
        }
    }
}

/// A text of strangers, as it can be shown: escaped and not too long.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at >= CATEGORY_CHARS_MAX && text.chars().count() > CATEGORY_CHARS_MAX + 2 {
            return shown + "..";
        }
        let printable = matches!(character, '"' | '\'' | '\\');
        let escape = character.escape_debug();
        if escape.len() > 1 && !printable {
            shown.extend(escape);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Everything but edges, means and hours.
pub fn show_json(reference: &Reference) -> Value {
    let header = &reference.header;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let input =
        |input: &super::Input| json!({"name": input.name, "sha256": input.sha256.to_string()});
    let series = reference.layout.series().iter().zip(&reference.series);
    json!({
        "model": header.model.as_str(),
        "version": header.version.as_str(),
        "role": header.role.as_str(),
        "convention": &*header.convention,
        "rows": header.rows,
        "first_event": time(header.first_event),
        "last_event": time(header.last_event),
        "hours": reference.blocks.len(),
        "timezone": header.timezone,
        "digest": reference.digest().to_string(),
        "layout": reference.layout.digest().to_string(),
        "provenance": {
            "inputs": header.provenance.inputs.iter().map(input).collect::<Vec<_>>(),
            "created_at": time(header.provenance.created_at),
            "tool_version": header.provenance.tool_version,
        },
        "series": series.map(|(layout, series)| series_json(reference, layout, series))
            .collect::<Vec<_>>(),
    })
}

fn series_json(
    reference: &Reference,
    layout: &SeriesLayout,
    series: &SeriesReference,
) -> Map<String, Value> {
    let count = |cell: usize| series.counts.get(cell);
    let mut value = Map::new();
    let mut put = |name: &str, of: Value| value.insert(name.to_owned(), of);
    put("name", json!(&**layout.name()));
    put("role", json!(layout.role().as_str()));
    put("kind", json!(layout.kind().as_str()));
    put("rows", json!(reference.rows_of(layout)));
    if let Some(importance) = reference.header.importances.get(&**layout.name()) {
        put("importance", json!(importance));
    }
    put("missing", json!(count(layout.missing_cell())));
    put("invalid", json!(count(layout.invalid_cell())));
    put("bins", json!(layout.value_cells()));
    put("display_bins", json!(layout.display_bins()));
    put("test_bins", json!(layout.test_bins()));
    if layout.kind() == Kind::Numeric {
        put("mean", json!(series.mean));
        put("sd", json!(series.sd));
        put("min", json!(series.min));
        put("max", json!(series.max));
    } else {
        let top = top(layout, series).into_iter().take(TOP_LISTED);
        let top = top.map(|(name, count)| json!({"category": name, "rows": count}));
        put("top", top.collect());
    }
    value
}

#[cfg(test)]
mod tests;
