//! `driftd man`: manual pages, made from the very arguments that are parsed.
//!
//! Hidden from the help: it is for those who make packages.

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;

/// Arguments of `driftd man`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Man {
    /// The command that the page is of, such as `reference build` [default: driftd itself].
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

impl Man {
    /// The page in roff; `None` where there is no such command.
    pub fn page(&self) -> Option<Vec<u8>> {
        let mut command = Cli::command();
        command.build();
        let mut found: &Command = &command;
        for name in &self.command {
            found = found.find_subcommand(name)?;
        }
        let mut page = Vec::new();
        Page::new(found.clone()).render(&mut page).ok()?;
        Some(page)
    }
}
