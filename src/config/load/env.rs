//! Which key an environment variable means.

use config::{Value, ValueKind};

use crate::config::check::problem::Problem;
use crate::config::load::tree::{Table, Written, form, problem, unknown};
use crate::config::raw::{Key, Kind, Raw, SOURCES_MAX};

/// What the variables of driftd begin with.
const PREFIX: &str = "DRIFTD__";

/// The values of the variables that begin with [`PREFIX`], by dotted key; others are not ours.
pub(super) fn layer(
    env: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> Table {
    let (mut layer, mut properties) = (Table::new(), Table::new());
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let placed = place(&name.to_lowercase()).and_then(|place| {
            let value = form(place.kind, ValueKind::String(text), Written::Texts);
            value
                .map_err(|wrong| problem(&place.path, wrong))
                .map(|value| (place, value))
        });
        match placed {
            Err(problem) => problems.push(problem.from(&variable)),
            Ok((place, value)) => {
                let value = Value::new(Some(&variable), value);
                match place.property {
                    None => layer.insert(place.path, value),
                    Some(name) => properties.insert(name, value),
                };
            }
        }
    }
    layer.insert("kafka.properties".to_owned(), properties.into());
    layer
}

/// The place of a value.
struct Place {
    /// The dotted key.
    path: String,
    /// What may be there.
    kind: Kind,
    /// The name of the librdkafka property, when that is what is set.
    property: Option<String>,
}

/// The place that `kafka__sasl__password` or `source__0__topics` means.
fn place(name: &str) -> Result<Place, Problem> {
    let (mut path, mut keys) = (String::new(), Raw::KEYS);
    let mut parts = name.split("__");
    while let Some(part) = parts.next() {
        let above = std::mem::take(&mut path);
        path = if above.is_empty() {
            part.to_owned()
        } else {
            format!("{above}.{part}")
        };
        let Some(key) = keys.iter().find(|key| key.name == part) else {
            return Err(unknown(&path, part, keys));
        };
        match key.kind {
            Kind::Section(inner) => keys = inner,
            Kind::Sections(inner) => {
                path = format!("{path}[{}]", number(&path, parts.next())?);
                keys = inner;
            }
            Kind::Properties => return property(path, parts),
            kind => {
                return leaf(
                    Place {
                        path,
                        kind,
                        property: None,
                    },
                    parts.next(),
                );
            }
        }
    }
    let inner: Vec<&str> = keys.iter().map(|key: &Key| key.name).collect();
    Err(Problem::new(path, "is a table")
        .hint(format!("name one of its keys: {}", inner.join(", "))))
}

fn leaf(place: Place, further: Option<&str>) -> Result<Place, Problem> {
    match further {
        None => Ok(place),
        Some(part) => Err(
            Problem::new(format!("{}.{part}", place.path), "unknown key")
                .hint(format!("`{}` has no keys", place.path)),
        ),
    }
}

fn number(path: &str, part: Option<&str>) -> Result<usize, Problem> {
    part.and_then(|part| part.parse().ok())
        .filter(|number| *number < SOURCES_MAX)
        .ok_or_else(|| {
            let example = format!("DRIFTD__{}__0__...", path.to_uppercase());
            Problem::new(
                path,
                format!("needs a number from 0 to {}", SOURCES_MAX - 1),
            )
            .hint(format!("write {example}"))
        })
}

/// librdkafka's names have dots and no underscores, names of variables cannot have dots.
fn property<'a>(path: String, parts: impl Iterator<Item = &'a str>) -> Result<Place, Problem> {
    let name = parts.collect::<Vec<_>>().join("__").replace('_', ".");
    if name.is_empty() {
        let example = "DRIFTD__KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS";
        return Err(
            Problem::new(path, "needs the name of a property").hint(format!("write {example}"))
        );
    }
    // a property may be a password
    Ok(Place {
        path: format!("{path}.{name}"),
        kind: Kind::Secret,
        property: Some(name),
    })
}
