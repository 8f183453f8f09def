//! From the places where configuration is written to a checked [`Config`].
//!
//! ```text
//! default < driftd.toml < DRIFTD__SOURCE__0__TOPICS=a,b < --topic a --topic b
//! ```
//!
//! Each place becomes a layer of the `config` crate, which merges them key by key; values keep the
//! name of the place that they came from. The name of an environment variable is `DRIFTD`, then the
//! parts of the dotted key, joined by two underscores; a number picks one of the `[[source]]`
//! tables, which it adds to or begins. Its value is a text, a list has commas. One underscore is no
//! separator, so the `DRIFTD_PORT` and `DRIFTD_SERVICE_HOST` that Kubernetes sets beside a service
//! named driftd are not ours.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use config::{ConfigError, FileFormat, Format, Source, Value, ValueKind};

use crate::config::Config;
use crate::config::check::check;
use crate::config::check::problem::{Problem, Problems};
use crate::config::raw::Raw;

mod defaults;
mod env;
mod tree;

use self::tree::Walk;
pub(super) use self::tree::{Table, origin};

/// The longest configuration file in bytes; a longer one is not read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the command line says about the configuration; it overrules all else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `kafka.brokers`, from `--brokers`.
    pub brokers: Option<String>,
    /// `source[0].topics`, from `--topic`; empty leaves it.
    pub topics: Vec<String>,
    /// `http.listen`, from `--listen`.
    pub listen: Option<String>,
    /// `state.dir`, from `--state-dir`; also makes `embedded` the home of the state log.
    pub state_dir: Option<String>,
}

/// The environment variables of this process, for [`load`]. What is not Unicode is read as nearly
/// as can be, where [`std::env::vars`] would panic.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}

/// Reads and checks the configuration from the file at `path`, if any, from `env`, the environment,
/// and from `overrides`.
pub fn load(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    overrides: &Overrides,
) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let in_env = Layer(env::layer(env, &mut problems));
    let in_file = match path.map(|path| file_layer(path, &mut problems)).transpose() {
        Ok(layer) => layer.unwrap_or_default(),
        Err(unreadable) => {
            // what it would have said is not known, so nothing else can be called wrong
            problems.push(unreadable);
            return Err(Problems::of(problems));
        }
    };
    let layers = [in_file, in_env, Layer(command_line(overrides))];
    match merge(layers) {
        Ok(mut values) => {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            defaults::complete(&mut values, cores, &mut problems);
            check(values, problems)
        }
        Err(error) => {
            problems.push(Problem::new("", format!("cannot be merged: {error}")));
            Err(Problems::of(problems))
        }
    }
}

/// The values of one place by dotted key.
#[derive(Clone, Default)]
struct Layer(Table);

/// Values may be secrets, so only keys are shown.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ConfigError> {
        Ok(self.0.clone())
    }
}

/// The values of all layers; later layers overrule earlier ones.
fn merge(layers: [Layer; 3]) -> Result<Table, ConfigError> {
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    builder.build()?.collect()
}

fn file_layer(path: &Path, problems: &mut Vec<Problem>) -> Result<Layer, Problem> {
    let origin = path.to_string_lossy().into_owned();
    let unreadable = |what: String| Problem::new("", what).from(&origin);
    let text = read(path).map_err(unreadable)?;
    let table = FileFormat::Toml
        .parse(Some(&origin), &text)
        .map_err(|error| unreadable(format!("is not TOML: {}", without_excerpt(&*error))))?;
    Ok(Layer(
        Walk {
            origin: &origin,
            problems,
        }
        .table(table, Raw::KEYS, ""),
    ))
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {}", error.utf8_error()))
}

/// What a TOML error says, but for the line of the file that it repeats: that may hold a secret.
///
/// ```text
/// TOML parse error at line 3, column 12
///   |
/// 3 | password = "abc
///   |            ^
/// invalid basic string
/// ```
fn without_excerpt(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let (mut lines, mut said) = (text.lines(), Vec::new());
    if let Some((_, position)) = text.split_once("TOML parse error at ") {
        said.extend(position.lines().next());
        lines.nth(3);
    }
    said.extend(lines.map(str::trim).filter(|line| !line.is_empty()));
    said.join(": ")
}

fn command_line(overrides: &Overrides) -> Table {
    let mut layer = Table::new();
    let mut set = |key: &str, flag: &str, value: ValueKind| {
        layer.insert(key.to_owned(), Value::new(Some(&flag.to_owned()), value));
    };
    if let Some(brokers) = &overrides.brokers {
        set("kafka.brokers", "--brokers", texts(brokers.split(',')));
    }
    if !overrides.topics.is_empty() {
        set(
            "source[0].topics",
            "--topic",
            texts(overrides.topics.iter().map(String::as_str)),
        );
    }
    if let Some(listen) = &overrides.listen {
        set("http.listen", "--listen", listen.as_str().into());
    }
    if let Some(dir) = &overrides.state_dir {
        set("state.home", "--state-dir", "embedded".into());
        set("state.dir", "--state-dir", dir.as_str().into());
    }
    layer
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> ValueKind {
    texts
        .map(|text| text.trim().to_owned())
        .collect::<Vec<_>>()
        .into()
}
