//! How a long command tells what it is doing: a bar on a terminal, plain lines elsewhere.

use std::io::Write;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};

/// Who is told how far a command is. Called from several threads at once.
pub trait Progress: Sync {
    /// A new part of the work begins, over so many bytes.
    fn begin(&self, what: &'static str, bytes: u64);
    /// So many bytes of it are done.
    fn advance(&self, bytes: u64);
    /// Something that a person should know, and that is no error.
    fn note(&self, text: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _what: &'static str, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn note(&self, _text: &str) {}
}

/// Tells on standard error: a bar where that is a terminal, else a line for each part of the work.
#[derive(Debug)]
pub struct Terminal {
    bar: ProgressBar,
    /// Lines are written one after the other.
    lines: Mutex<()>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// A bar that is not drawn before the work begins.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "{msg:16} [{bar:30}] {percent:>3}%  {decimal_bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            lines: Mutex::new(()),
        }
    }

    fn line(&self, text: &str) {
        let _one_at_a_time = self.lines.lock();
        // there is nobody to tell that standard error is gone
        let _gone = writeln!(std::io::stderr(), "{text}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Terminal {
    fn begin(&self, what: &'static str, bytes: u64) {
        if self.bar.is_hidden() {
            self.line(what);
            return;
        }
        self.bar.reset();
        self.bar.set_length(bytes);
        self.bar.set_message(what);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn note(&self, text: &str) {
        if self.bar.is_hidden() {
            self.line(text);
        } else {
            self.bar.println(text);
        }
    }
}
