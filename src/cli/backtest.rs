//! Arguments of what looks at references before going live: `driftd replay` and `driftd power`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::examples;
use crate::config::window_length;
use crate::time::{Length, Timestamp};

/// Arguments of `driftd replay`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(after_help = examples::REPLAY)]
pub struct Replay {
    /// The reference to score against.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Lengths of the windows, each from 5m to 28d.
    #[arg(long = "window", value_name = "LENGTH,..", value_delimiter = ',',
          default_value = "1h,6h,24h", value_parser = window_length)]
    pub windows: Vec<Length>,
    /// Score each window this often, a multiple of a twelfth of its length [default: a sixth of
    /// its length].
    #[arg(long, value_name = "LENGTH")]
    pub every: Option<Length>,
    /// False alarms that the model may cost in 30 days.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = budget)]
    pub false_alarms_per_month: f64,
    /// Until when nothing had changed: what fires before is held against the budget, and the first
    /// alert after it tells the delay.
    #[arg(long, value_name = "TIME")]
    pub quiet_until: Option<Timestamp>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = ReplayFormat::Table)]
    pub format: ReplayFormat,
    /// Rows with times: Parquet, CSV or Arrow with a column for each series, or events as JSON
    /// lines.
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// The alerts that would have fired, for people
    Table,
    /// All scores, one JSON object for each series and window
    Jsonl,
}

/// Arguments of `driftd power`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(after_help = examples::POWER)]
pub struct Power {
    /// The reference, which also knows how much its series move by themselves.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Rows that come in an hour.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rows_per_hour: u32,
    /// False alarms that the model may cost in 30 days.
    #[arg(long, value_name = "A", default_value_t = 1.0, value_parser = budget)]
    pub false_alarms_per_month: f64,
    /// Lengths of the windows, each from 5m to 28d.
    #[arg(long, value_name = "LENGTH,..", value_delimiter = ',',
          default_value = "1h,6h,24h", value_parser = window_length)]
    pub windows: Vec<Length>,
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = PowerFormat::Table)]
    pub format: PowerFormat,
}

/// How what is found is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PowerFormat {
    /// Columns for people
    Table,
    /// One JSON object for each series and change
    Jsonl,
}

/// A budget from its text.
fn budget(text: &str) -> Result<f64, String> {
    let budget = text.parse::<f64>().map_err(|error| error.to_string())?;
    let fits = budget.is_finite() && budget > 0.0;
    fits.then_some(budget)
        .ok_or_else(|| "it must be above 0".to_owned())
}
