//! The command line: what can be asked of driftd, and what it says when asked wrongly.
//!
//! [`parse`] gives a [`Command`] or the text and code to exit with, so that `main` decides nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use jiff::tz::TimeZone;

use crate::config::Overrides;
use crate::key::{Name, NameError};
use crate::reference::ReferenceRole;
use crate::telemetry::Exit;

mod backtest;
mod examples;
mod journal;
mod span;

pub use self::backtest::{Power, PowerFormat, Replay, ReplayFormat};
pub use self::journal::{Journal, JournalExport, JournalVerify};
pub use self::span::{Span, SpanError};

#[cfg(test)]
mod tests;

/// Where the surface is unless somebody says otherwise; the default of `http.listen`.
const LISTEN: &str = "127.0.0.1:9464";

/// Streaming drift monitoring: from raw Kafka inference logs to calibrated alerts.
///
/// driftd consumes the inference logs that model servers write to Kafka, keeps exact event-time
/// histograms of every feature and prediction, compares them with reference snapshots, and says
/// through Prometheus and HTTP when a model no longer sees the world it was trained on.
#[derive(Debug, Parser)]
#[command(name = "driftd", version, max_term_width = 100, after_help = examples::TOP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What driftd is asked to do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// Monitor: consume, count, score and export until told to stop.
    Serve(Serve),
    /// Show what driftd does: an embedded broker, generated traffic that drifts, the whole surface.
    Demo(Demo),
    /// Check a configuration and name every problem with its key and where it came from.
    Check(Check),
    /// Make and look at reference snapshots.
    #[command(subcommand)]
    Reference(Reference),
    /// Score files as if they had come in live, without Kafka: backtest before going live.
    Replay(Replay),
    /// Say how small a change of each series would be found, and how soon.
    Power(Power),
    /// Print and check the journal: what happened, when, by whose hand and why.
    #[command(subcommand)]
    Journal(Journal),
    /// Print a completion script for a shell.
    Completions(Completions),
}

/// Arguments of `driftd serve`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::SERVE)]
pub struct Serve {
    /// Configuration file (TOML); environment variables `DRIFTD__SECTION__KEY` overrule it, the
    /// flags below overrule both.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Kafka brokers to begin with, separated by commas (`kafka.brokers`).
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// Topic with inference logs; repeat it for more (`source[0].topics`).
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// Address of metrics and API, port 0 for a free one (`http.listen`) [default:
    /// 127.0.0.1:9464].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Keep the state log in this directory, not in Kafka, for a single instance (`state.dir`).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<String>,
}

impl Serve {
    /// What these arguments say about the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            brokers: self.brokers.clone(),
            topics: self.topics.clone(),
            listen: self.listen.clone(),
            state_dir: self.state_dir.clone(),
        }
    }
}

/// Arguments of `driftd demo`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::DEMO)]
pub struct Demo {
    /// Address of metrics and API, port 0 for a free one.
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    pub listen: String,
}

/// Arguments of `driftd check`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::CHECK)]
pub struct Check {
    /// Configuration file (TOML); environment variables are checked with it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Also connect: are the brokers, topics and references there.
    #[arg(long)]
    pub connect: bool,
}

/// What to do with reference snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Reference {
    /// Make a reference from files of rows, in bounded memory.
    Build(Box<Build>),
    /// Show what is in a reference.
    Show(Show),
    /// Compare two references, series by series.
    Diff(Diff),
    /// Write the reference in force of a model version, a learned one too.
    Export(Export),
}

/// Arguments of `driftd reference build`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::BUILD)]
pub struct Build {
    /// Model that the reference is of.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub model: Name,
    /// Version of the model.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub version: Name,
    /// What the rows are to the model: what it was trained on, or a healthy period of serving.
    #[arg(long, default_value = "training", value_parser = roles())]
    pub role: ReferenceRole,
    /// Column of the event time; with it the reference knows hours and days [default: `ts`, where
    /// there is one].
    #[arg(long, value_name = "COLUMN", value_parser = NonEmptyStringValueParser::new())]
    pub time_column: Option<String>,
    /// Columns to leave out.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Column of the prediction [default: `prediction`, where there is one].
    #[arg(long, value_name = "COLUMN", value_parser = NonEmptyStringValueParser::new())]
    pub prediction: Option<String>,
    /// Take the bins of this reference, so that both can be compared with the same windows.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub layout_from: Option<PathBuf>,
    /// Time zone of the hours of the day, such as Europe/Berlin [default: UTC].
    #[arg(long, value_name = "ZONE", value_parser = timezone)]
    pub timezone: Option<String>,
    /// Leave out rows from FROM until before TO, both RFC 3339 times; repeat it for more.
    #[arg(long, value_name = "FROM..TO")]
    pub exclude: Vec<Span>,
    /// Series whose rare categories are stored as keyed hashes; repeat it for more.
    #[arg(long, value_name = "SERIES", value_delimiter = ',')]
    pub private: Vec<String>,
    /// How much each series matters to the model, a JSON object such as {"amount": 0.4}; orders
    /// what moved, unless the configuration says otherwise [default: those of --layout-from].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub importances: Option<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Rows: Parquet, CSV or Arrow with a column for each series, or events as JSON lines.
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
}

/// Arguments of `driftd reference show`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::SHOW)]
pub struct Show {
    /// The reference.
    #[arg(value_name = "REFERENCE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Print everything as one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `driftd reference diff`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::DIFF)]
pub struct Diff {
    /// The one reference.
    #[arg(value_name = "A", value_hint = ValueHint::FilePath)]
    pub a: PathBuf,
    /// The other one.
    #[arg(value_name = "B", value_hint = ValueHint::FilePath)]
    pub b: PathBuf,
}

/// Arguments of `driftd reference export`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::EXPORT)]
pub struct Export {
    /// Model that the reference is of.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub model: Name,
    /// Version of the model.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub version: Name,
    /// Which reference, where there are two [default: the one that alerts are judged against].
    #[arg(long, value_parser = roles())]
    pub role: Option<ReferenceRole>,
    /// Configuration file (TOML) that says where the state log is; environment variables overrule
    /// it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
}

/// Arguments of `driftd completions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub struct Completions {
    /// The shell.
    pub shell: Shell,
}

impl Completions {
    /// The script.
    pub fn script(self) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "driftd", &mut script);
        script
    }
}

/// The end of a process that has nothing more to do than say something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitNow {
    /// With this code.
    pub exit: Exit,
    /// Saying this: on standard output if `exit` is [`Exit::Ok`], else on standard error.
    pub text: String,
}

/// What `args`, the first of which is the name of the program, ask for.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitNow> {
    let parsed = Cli::try_parse_from(args).and_then(|cli| fits(cli.command));
    parsed.map_err(|error| ExitNow {
        exit: if error.use_stderr() {
            Exit::Usage
        } else {
            Exit::Ok
        },
        text: error.render().to_string(),
    })
}

/// What one argument demands of another.
fn fits(command: Command) -> Result<Command, clap::Error> {
    let Command::Replay(Replay { windows, every, .. }) = &command else {
        return Ok(command);
    };
    for (i, window) in windows.iter().enumerate() {
        if windows.iter().skip(i + 1).any(|other| other == window) {
            return Err(refuse(
                "replay",
                format!("--window {window} is there twice"),
            ));
        }
        if let (Some(every), Some(pane)) = (every, window.divided_by(12))
            && !every.is_multiple_of(pane)
        {
            let what = format!("is not a multiple of {pane}, a twelfth of --window {window}");
            return Err(refuse("replay", format!("--every {every} {what}")));
        }
    }
    Ok(command)
}

fn refuse(command: &str, what: String) -> clap::Error {
    let mut cli = Cli::command();
    cli.build();
    match cli.find_subcommand_mut(command) {
        Some(command) => command.error(ErrorKind::ValueValidation, what),
        None => cli.error(ErrorKind::ValueValidation, what),
    }
}

fn name(text: &str) -> Result<Name, NameError> {
    Name::new(text)
}

fn roles() -> impl TypedValueParser<Value = ReferenceRole> {
    PossibleValuesParser::new(ReferenceRole::ALL.map(ReferenceRole::as_str))
        .try_map(|text| ReferenceRole::from_text(&text).ok_or("no role"))
}

fn timezone(text: &str) -> Result<String, &'static str> {
    match TimeZone::get(text) {
        Ok(_known) => Ok(text.to_owned()),
        Err(_unknown) => Err("it is not a time zone such as Europe/Berlin"),
    }
}
