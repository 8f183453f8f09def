//! Arguments of `driftd journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::examples;

/// What to do with the journal.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Journal {
    /// Print all entries as they are stored, one JSON object a line.
    Export(JournalExport),
    /// Check that no entry was changed, put in or taken out.
    Verify(JournalVerify),
}

/// Arguments of `driftd journal export`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::JOURNAL_EXPORT)]
pub struct JournalExport {
    /// Configuration file (TOML) that says where the journal is; environment variables count too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// Arguments of `driftd journal verify`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = examples::JOURNAL_VERIFY)]
#[group(required = true, multiple = false)]
pub struct JournalVerify {
    /// Entries as `driftd journal export` prints them; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Check the journal of this configuration (TOML) where it is.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}
