//! What the process says about itself: log lines on standard error, exit codes, error texts.
//!
//! A log line in text form has its values in logfmt, and is one line whatever strangers call their
//! models. A value stands bare only while it cannot be taken for anything else; in quotes all that
//! does not print is escaped:
//!
//! ```text
//! 2026-11-23T10:15:00.123456Z  WARN driftd::fold: model not admitted model=fraud version="7\nx=y"
//! ```

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::process::{ExitCode, Termination};

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

#[cfg(test)]
mod tests;

/// How the process ends, after `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Ok,
    /// The command line or the configuration is wrong.
    Usage,
    /// The input is not what it should be.
    BadInput,
    /// Something that is needed is not there: a broker, a topic, a port.
    Unavailable,
    /// A fault of driftd itself.
    Fault,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::Unavailable => 69,
            Self::Fault => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

/// An error and its causes in one line, `cannot open the state log: no such directory`. A cause
/// that the text above it has already said is left out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let below = one_line(&error.to_string());
        if !text.ends_with(&below) {
            text.push_str(": ");
            text.push_str(&below);
        }
        cause = error.source();
    }
    text
}

/// `text` with a blank for each run of blanks and line ends, and all else that does not print
/// escaped.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    Printing(&words.join(" ")).to_string()
}

/// Why there is no logging.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error("the level of the log is wrong")]
    Filter(#[from] FilterError),
    /// Somebody else logs already.
    #[error("logging was set up before")]
    Twice(#[from] TryInitError),
}

/// Why a text is no level of the log.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A word alone would be taken for a module whose events are all shown, and hide the rest.
    #[error("`{0}` is not a level")]
    Level(String),
    /// Not a list of directives.
    #[error("not a level, nor levels by module: {0}")]
    Directives(ParseError),
}

/// Sends log lines to standard error, also those of libraries that use `log`. Once in a process.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    Ok(subscriber(log, std::io::stderr)?.try_init()?)
}

fn subscriber<W>(log: &Log, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, FilterError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&log.level)?)
        .with_writer(writer)
        .with_ansi(false);
    Ok(match log.format {
        LogFormat::Text => Box::new(builder.fmt_fields(Logfmt).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

/// What is logged at `level`: a level, or directives as of `RUST_LOG`.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, FilterError> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for word in level.split(',').map(str::trim) {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        if !is_level && !word.contains(['=', '[']) {
            return Err(FilterError::Level(one_line(word)));
        }
    }
    EnvFilter::builder()
        .parse(level)
        .map_err(FilterError::Directives)
}

/// Writes the fields of events and spans: the message, then `name=value`.
struct Logfmt;

impl<'w> FormatFields<'w> for Logfmt {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line {
            writer,
            between: "",
            result: Ok(()),
        };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    between: &'static str,
    result: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        // the bridge from `log` hands over what the head of the line has said already
        if self.result.is_err() || field.name().starts_with("log.") {
            return;
        }
        let between = std::mem::replace(&mut self.between, " ");
        self.result = match field.name() {
            "message" => write!(self.writer, "{between}{}", Printing(value)),
            name if is_bare(value) => write!(self.writer, "{between}{name}={value}"),
            name => write!(self.writer, "{between}{name}=\"{}\"", value.escape_debug()),
        };
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, &error_chain(value));
    }
}

/// Whether `value` needs no quotes.
fn is_bare(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'=\\`".contains(&byte))
}

/// A text with all that does not print escaped, but quotes and backslashes as they are.
struct Printing<'a>(&'a str);

impl fmt::Display for Printing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '"' | '\'' | '\\' => f.write_char(char),
            _ => write!(f, "{}", char.escape_debug()),
        })
    }
}
