//! The daemon and its commands, run as anybody would run them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Metrics};
use crate::poll::poll_until;
use crate::rig::{free_address, kafka, temp_dir, text};

const DRIFTD: &str = env!("CARGO_BIN_EXE_driftd");

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// How long Kafka waits for a daemon that was killed before its partitions go to the next one: as
/// short as brokers allow.
const SESSION_MS: u32 = 6_000;

/// How many lines of its log a daemon shows when something went wrong.
const LOG_LINES: usize = 40;

/// The file of tokens in a daemon's directory.
const TOKENS: &str = "tokens";

/// Where the state log lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Kafka,
    Embedded,
}

/// What a daemon is to do.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// Its consumer group, and part of the name of its state log's topic.
    pub(crate) name: &'a str,
    pub(crate) topics: &'a [&'a str],
    pub(crate) home: Home,
    pub(crate) references: Option<&'a Path>,
    /// The `[kafka]` table without its header; `None` is the listener without security.
    pub(crate) kafka: Option<&'a str>,
    /// More lines of `[[source]]`.
    pub(crate) source: &'a str,
    /// The `[windows]` table without its header.
    pub(crate) windows: &'a str,
    /// The token of the operator `ann`; without one nobody needs a token.
    pub(crate) operator: Option<&'a str>,
}

impl Setup<'_> {
    /// The configuration of a daemon that listens at `address` and may write to `dir`.
    fn to_toml(&self, address: SocketAddr, dir: &Path) -> String {
        let home = match self.home {
            Home::Kafka => format!("home = \"kafka\"\ntopic = \"state.{}\"", self.name),
            Home::Embedded => format!("home = \"embedded\"\ndir = {:?}", text(&dir.join("state"))),
        };
        let mut toml = String::new();
        let mut section = |header: &str, body: &str| {
            writeln!(toml, "{header}\n{body}\n").expect("a text takes more");
        };
        // the broker of all tests is started when somebody needs it
        let plain = || {
            format!(
                "brokers = [{:?}]\nproperties = {{ \"session.timeout.ms\" = \"{SESSION_MS}\" }}",
                kafka().bootstrap()
            )
        };
        let kafka = self.kafka.map_or_else(plain, str::to_owned);
        section("[kafka]", &kafka);
        let source = format!("topics = {:?}\ngroup = {:?}\n", self.topics, self.name);
        section("[[source]]", &(source + self.source));
        // as often as can be: what holds then holds
        let often = "\nflush_interval = \"100ms\"\nsnapshot_interval = \"1s\"";
        section("[state]", &(home + often));
        if let Some(references) = self.references {
            section(
                "[reference]",
                &format!("url = {:?}\nwatch_interval = \"1s\"", text(references)),
            );
        }
        section("[windows]", self.windows);
        let tokens = |_| format!("\ntokens_file = {:?}", text(&dir.join(TOKENS)));
        let tokens = self.operator.map_or_else(String::new, tokens);
        section("[http]", &(format!("listen = \"{address}\"") + &tokens));
        section("[log]", "format = \"json\"");
        toml
    }
}

/// A daemon; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Driftd {
    address: SocketAddr,
    /// The token that it is asked with.
    token: Option<String>,
    /// Its configuration, its log and its state; also `pid`, for whoever must clean up after us.
    dir: TempDir,
    /// The process, once it was started.
    child: Option<Child>,
}

impl Driftd {
    /// Starts a daemon and waits until it is ready.
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        let mut driftd = Self::prepare(setup);
        driftd.start_again();
        driftd
    }

    /// A daemon that was not started yet.
    pub(crate) fn prepare(setup: &Setup<'_>) -> Self {
        let (address, dir) = (free_address(), temp_dir("driftd-"));
        let toml = setup.to_toml(address, dir.path());
        fs::write(dir.path().join("driftd.toml"), toml).expect("its directory can be written");
        let token = setup.operator.map(str::to_owned);
        if let Some(token) = &token {
            let tokens = format!("operate ann {token}\n");
            fs::write(dir.path().join(TOKENS), tokens).expect("its directory can be written");
        }
        Self {
            address,
            token,
            dir,
            child: None,
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Starts it again as it was, and waits until it is ready.
    pub(crate) fn start_again(&mut self) {
        self.launch();
        self.until_ready();
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn launch(&mut self) {
        self.launch_by(&[]);
    }

    /// Starts it by a command that becomes the command behind it.
    pub(crate) fn launch_by(&mut self, command: &[&str]) {
        self.child = Some(spawn(self.dir.path(), command));
    }

    /// The process that runs.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status();
        assert!(sent.expect("kill runs").success(), "it takes no {name}");
    }

    /// How it ended, if it has since it was started last.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let status = child.try_wait().expect("it can be asked")?;
        self.child = None;
        Some(status)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file of its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("driftd.toml")
    }

    /// Where its state is, if that is embedded.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Replaces a part of its configuration, for the next start.
    pub(crate) fn reconfigure(&self, old: &str, new: &str) {
        let toml = fs::read_to_string(self.config()).expect("it has a configuration");
        assert!(toml.contains(old), "no {old:?} in {toml}");
        fs::write(self.config(), toml.replacen(old, new, 1)).expect("it can be written");
    }

    /// Waits until it has ended well.
    pub(crate) fn until_ended(&mut self) {
        let status = poll_until(PATIENCE, || self.ended());
        let is_well = status.is_some_and(|status| status.success());
        assert!(is_well, "{status:?}; its log ends:\n{}", self.log_end());
    }

    /// Waits until it is ready.
    pub(crate) fn until_ready(&mut self) {
        self.until("it is ready", |driftd| {
            let ready = http::get(driftd.address, "/-/ready").ok()?;
            (ready.status == 200).then_some(())
        });
    }

    /// Asks for a page and takes any answer.
    pub(crate) fn get(&self, path: &str) -> http::Answer {
        self.ask(&format!("GET {path}"), "")
    }

    /// Asks for a page of a daemon that may not be there.
    pub(crate) fn try_get(&self, path: &str) -> io::Result<http::Answer> {
        http::ask(
            self.address,
            self.token.as_deref(),
            &format!("GET {path}"),
            "",
        )
    }

    /// Asks with a method, a path and a body, and takes any answer.
    pub(crate) fn ask(&self, method_and_path: &str, body: &str) -> http::Answer {
        let answer = http::ask(self.address, self.token.as_deref(), method_and_path, body);
        answer.unwrap_or_else(|error| {
            panic!(
                "no answer to {method_and_path}: {error}; its log ends:\n{}",
                self.log_end()
            )
        })
    }

    /// Gives a command, which must be taken.
    pub(crate) fn order(&self, method_and_path: &str, body: &Value) -> Value {
        let answer = self.ask(method_and_path, &body.to_string());
        let (status, body) = (answer.status, &answer.body);
        assert!(status == 202, "{method_and_path}: {status} {body}");
        serde_json::from_str(body).expect("it is JSON")
    }

    /// Asks for a page that must be there, as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        let (status, body) = (answer.status, &answer.body);
        assert!(
            status == 200,
            "GET {path}: {status} {body}\nits log ends:\n{}",
            self.log_end()
        );
        assert_eq!(answer.content_type, "application/json", "GET {path}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("GET {path}: {error} in {body}"))
    }

    /// What it exports now.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::of(&self.get("/metrics").body)
    }

    /// Waits until so many records of a topic are counted, and no more.
    pub(crate) fn until_counted(&mut self, topic: &str, records: u64) {
        self.until(
            &format!("{records} records of {topic} are counted"),
            |driftd| {
                let counted = driftd.counted(topic);
                assert!(
                    counted <= records,
                    "{counted} records of {topic} are counted, not {records}"
                );
                (counted == records).then_some(())
            },
        );
    }

    /// How many records of a topic are counted.
    pub(crate) fn counted(&self, topic: &str) -> u64 {
        self.metrics()
            .count("driftd_records_total", &[("topic", topic)])
    }

    /// Waits for something of a running daemon.
    pub(crate) fn until<T>(&mut self, what: &str, ask: impl Fn(&Self) -> Option<T>) -> T {
        let answer = poll_until(PATIENCE, || {
            if let Some(status) = self.ended() {
                panic!("it ended with {status} before {what}:\n{}", self.log_end());
            }
            ask(self)
        });
        answer.unwrap_or_else(|| panic!("it never came that {what}; log:\n{}", self.log_end()))
    }

    /// What it wrote to its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("it has a log")
    }

    /// The last lines of it.
    pub(crate) fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LOG_LINES))
            .fold(String::new(), |text, line| text + line + "\n")
    }
}

impl Drop for Driftd {
    fn drop(&mut self) {
        // it may have ended by itself, which is as well
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Starts a daemon with the configuration that stands in `dir`, its log added to that in `dir`.
fn spawn(dir: &Path, command: &[&str]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .expect("a log");
    let mut words = command.iter().copied().chain([DRIFTD]);
    let child = Command::new(words.next().expect("there is one at least"))
        .args(words)
        .args(["serve", "--config"])
        .arg(dir.join("driftd.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file has many handles"))
        .stderr(log)
        .spawn()
        .expect("driftd starts");
    fs::write(dir.join("pid"), child.id().to_string()).expect("its directory can be written");
    child
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    command: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `driftd` with these arguments to its end, which comes soon or is a fault.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    let dir = temp_dir("driftd-");
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut child = Command::new(DRIFTD)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("a file"))
        .stderr(File::create(&err).expect("a file"))
        .spawn()
        .expect("driftd starts");
    let status = poll_until(PATIENCE, || child.try_wait().expect("it can be asked"));
    if status.is_none() {
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }
    let read = |path: PathBuf| fs::read_to_string(path).expect("it writes text");
    let (stdout, stderr) = (read(out), read(err));
    let command = format!("driftd {}", arguments.join(" "));
    let status = status.unwrap_or_else(|| panic!("`{command}` does not end:\n{stdout}{stderr}"));
    Ended {
        command,
        status,
        stdout,
        stderr,
    }
}

impl Ended {
    /// It did what it was asked to do.
    pub(crate) fn succeeded(&self) {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        assert!(
            status.success(),
            "`{command}` ended with {status}:\n{stdout}{stderr}"
        );
    }

    /// It said what is wrong, in few lines of which one has all of `words`, and ended with `code`.
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        let said = format!("`{command}` ended with {status}:\n{stdout}{stderr}");
        assert_eq!(status.code(), Some(code), "{said}");
        for bad in ["panicked", "RUST_BACKTRACE", "stack backtrace", ".rs:"] {
            assert!(!said.contains(bad), "{said}");
        }
        let lines = || stdout.lines().chain(stderr.lines());
        assert!((1..=12).contains(&lines().count()), "{said}");
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(
            lines().any(has_all),
            "no line of this has {words:?}: {said}"
        );
    }
}
