//! From what is written to what is right: every problem at once, each with its key and source.
//!
//! That a key exists and that its value has the right form was seen to while loading; what is left
//! are meanings (is this a broker, a topic, a glob) and what one key demands of another.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Value, ValueKind};
use globset::Glob;

use crate::config::load::{Table, origin, read};
use crate::config::raw::{self, Raw};
use crate::config::{
    CertificateError, CertificateFiles, Config, Home, Http, Log, LogFormat, Reference, State,
    SurfaceLimits, Tokens,
};
use crate::key::Shard;
use crate::statelog::record::Configuration;
use crate::telemetry;
use crate::time::Length;

pub use self::problem::{Problem, Problems};
use self::problem::{know, shown};

mod alerts;
mod kafka;
pub(super) mod problem;
mod source;
#[cfg(test)]
mod tests;
mod webhooks;

/// The object stores that a reference URL may name.
const STORES: [&str; 9] = [
    "file", "s3", "s3a", "gs", "az", "adl", "abfs", "abfss", "https",
];

/// Problems of a file of tokens that are told; further ones come when these are put right.
const PROBLEMS_OF_TOKENS_MAX: usize = 20;

/// Checks the merged values; `problems` are those found while loading.
pub(super) fn check(values: Table, problems: Vec<Problem>) -> Result<Config, Problems> {
    let mut checker = Checker { values, problems };
    let tree = Value::new(None, ValueKind::Table(checker.values.clone()));
    let config = match tree.try_deserialize::<Raw>() {
        Ok(raw) => Some(checker.config(raw)),
        // its text may repeat a secret
        Err(_says_values) => {
            let what = "does not fit the table of keys, which is a fault of driftd";
            checker.problems.push(Problem::new("", what));
            None
        }
    };
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(Problems::of(checker.problems)),
    }
}

/// The length of a window from its text.
pub(crate) fn window_length(text: &str) -> Result<Length, String> {
    let length: Length = text
        .parse()
        .map_err(|error: crate::time::LengthError| error.to_string())?;
    if !(Length::MINUTE.times(5)..=Length::DAY.times(28)).contains(&length) {
        return Err(format!("{} is not a window from 5m to 28d", shown(text)));
    }
    match length.divided_by(12) {
        Some(_pane) => Ok(length),
        None => Err(format!(
            "{} is not divisible by 12 into whole milliseconds",
            shown(text)
        )),
    }
}

/// Collects problems while it makes the checked types. What is wrong gets some value, for the
/// result is thrown away then.
struct Checker {
    values: Table,
    problems: Vec<Problem>,
}

impl Checker {
    /// Adds a problem and where its value came from.
    fn report(&mut self, problem: Problem) {
        let problem = match origin(&self.values, &problem.key) {
            Some(origin) => problem.from(origin),
            None => problem,
        };
        self.problems.push(problem);
    }

    fn config(&mut self, raw: Raw) -> Config {
        let state = self.state(raw.state);
        if !state.shard.is_all() && !raw.webhooks.is_empty() {
            let what = "an instance of a shard delivers nothing: which one would is not settled \
                        between instances; leave out webhooks, or state.shard";
            self.report(Problem::new("webhooks", what));
        }
        let fold = Configuration {
            windows: self.windows(&raw.windows.lengths),
            keep: raw.windows.keep.map(|keep| keep.0),
            lateness: raw.alerts.lateness.0,
            wait_max: raw.alerts.wait_max.0,
            silent_after: raw.limits.silent_after.0,
            models_max: raw.limits.models_max,
            models_allow: self.globs("models.allow", &raw.models.allow).to_vec(),
            loose_series_max: raw.limits.loose_series_max,
            state_bytes_max: raw.limits.state_bytes_max,
            alerts: self.alerts(raw.alerts, raw.models.about),
            learn_rows: raw.reference.learn_rows,
        };
        Config {
            kafka: self.kafka(raw.kafka),
            sources: self.sources(raw.source, &state.home),
            state,
            reference: self.reference(raw.reference),
            fold,
            webhooks: self.webhooks(raw.webhooks),
            http: Http {
                listen: self.listen(&raw.http.listen),
                tokens: raw.http.tokens_file.and_then(|file| self.tokens(&file)),
                open_reads: raw.http.reads == "all",
                external_url: self.external_url(raw.http.external_url),
                certificate: raw.http.tls.map(|tls| self.certificate(tls)),
            },
            limits: SurfaceLimits {
                metric_series_max: raw.limits.metric_series_max,
            },
            log: self.log(raw.log),
        }
    }

    fn state(&mut self, raw: raw::State) -> State {
        let home = if raw.home == "embedded" {
            Home::Embedded {
                dir: PathBuf::from(raw.dir),
            }
        } else {
            self.topic("state.topic", &raw.topic);
            // a journal belongs to its state log: two of them must not meet by default
            let stem = raw.topic.strip_suffix(".state").unwrap_or(&raw.topic);
            let named = |given: Option<String>, what| given.unwrap_or(format!("{stem}.{what}"));
            let journal_topic = named(raw.journal_topic, "journal");
            let snapshot_topic = named(raw.snapshot_topic, "snapshot");
            let mut taken = vec![(&raw.topic, "the state log")];
            for (key, topic, what) in [
                ("state.journal_topic", &journal_topic, "the journal"),
                ("state.snapshot_topic", &snapshot_topic, "the snapshots"),
            ] {
                if !know(&self.problems, "state.topic") {
                    self.topic(key, topic);
                }
                if let Some((_, log)) = taken.iter().find(|(other, _)| *other == topic) {
                    let what = format!("{} is the topic of {log}", shown(topic));
                    self.report(Problem::new(key, what));
                }
                taken.push((topic, what));
            }
            Home::Kafka {
                topic: raw.topic,
                journal_topic,
                snapshot_topic,
            }
        };
        let spill_dir = raw.spill_dir.map(PathBuf::from);
        State {
            shard: self.shard(raw.shard.as_deref(), &home),
            spill_dir: spill_dir.or_else(|| home.dir().map(Path::to_owned)),
            home,
            flush_interval: raw.flush_interval.0,
            snapshot_interval: raw.snapshot_interval.0,
        }
    }

    fn shard(&mut self, text: Option<&str>, home: &Home) -> Shard {
        const KEY: &str = "state.shard";
        let shard: Shard = match text.unwrap_or("1/1").parse() {
            Ok(shard) => shard,
            Err(error) => {
                let found = shown(text.unwrap_or_default());
                self.report(Problem::new(KEY, format!("{found}: {error}")));
                Shard::ALL
            }
        };
        if !shard.is_all() && matches!(home, Home::Embedded { .. }) {
            let what = "shards share a state log, which is in a topic: set state.home = \"kafka\"";
            self.report(Problem::new(KEY, what));
        }
        shard
    }

    fn windows(&mut self, texts: &[String]) -> Vec<Length> {
        let mut lengths = Vec::new();
        for text in texts {
            match window_length(text) {
                Err(what) => self.report(Problem::new("windows.lengths", what)),
                Ok(length) if lengths.contains(&length) => {
                    let what = format!("{} is there twice", shown(text));
                    self.report(Problem::new("windows.lengths", what));
                }
                Ok(length) => lengths.push(length),
            }
        }
        lengths.sort_unstable();
        lengths
    }

    fn reference(&mut self, raw: raw::Reference) -> Option<Reference> {
        let url = raw.url?;
        if let Some((scheme, rest)) = url.split_once("://") {
            let authority = rest.split('/').next().unwrap_or_default();
            let user = authority.rsplit_once('@').map(|(user, _)| user);
            if !STORES.contains(&scheme) {
                let what = format!("{} is not an object store", shown(scheme));
                let hint = format!("give a directory, or one of {}", STORES.join(", "));
                self.report(Problem::new("reference.url", what).hint(hint));
            }
            if user.is_some_and(|user| user.contains(':')) {
                let hint = "set the variables of the store, such as AWS_ACCESS_KEY_ID";
                let problem = Problem::new("reference.url", "must not hold credentials");
                self.report(problem.hint(hint));
            }
        }
        Some(Reference {
            url,
            watch_interval: raw.watch_interval.0,
        })
    }

    fn globs<'a>(&mut self, key: &str, globs: &'a [String]) -> &'a [String] {
        for glob in globs {
            if let Err(error) = Glob::new(glob) {
                let what = format!("{} is not a glob: {}", shown(glob), error.kind());
                self.report(Problem::new(key, what));
            }
        }
        globs
    }

    fn listen(&mut self, text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_not_an_address| {
            let hint = match text.rsplit_once(':') {
                Some(("", port)) => format!("write 0.0.0.0:{port} for all interfaces"),
                Some(("localhost", port)) => format!("write 127.0.0.1:{port}"),
                _ => "write it like 127.0.0.1:9464".to_owned(),
            };
            let what = format!("{} is not an IP address with a port", shown(text));
            self.report(Problem::new("http.listen", what).hint(hint));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn tokens(&mut self, file: &str) -> Option<Tokens> {
        let parsed = read(Path::new(file)).map_err(|what| vec![what]);
        match parsed.and_then(|text| Tokens::parse(&text)) {
            Ok(tokens) => Some(tokens),
            Err(wrong) => {
                for what in wrong.into_iter().take(PROBLEMS_OF_TOKENS_MAX) {
                    let what = format!("{} {what}", shown(file));
                    self.report(Problem::new("http.tokens_file", what));
                }
                None
            }
        }
    }

    fn certificate(&mut self, raw: raw::HttpTls) -> CertificateFiles {
        let files = CertificateFiles {
            certificate: PathBuf::from(raw.certificate),
            key: PathBuf::from(raw.key),
        };
        // what is required and missing was said
        let keys = ["http.tls.certificate", "http.tls.key"];
        if !keys.iter().any(|key| know(&self.problems, key))
            && let Err(error) = files.load()
        {
            let key = match error {
                CertificateError::Certificate { .. } => "http.tls.certificate",
                CertificateError::Key { .. } => "http.tls.key",
            };
            self.report(Problem::new(key, error.to_string()));
        }
        files
    }

    fn log(&mut self, raw: raw::Log) -> Log {
        let format = if raw.format == "json" {
            LogFormat::Json
        } else {
            LogFormat::Text
        };
        if let Err(error) = telemetry::filter(&raw.level) {
            let hint = "write error, warn, info, debug or trace, or by module: info,rdkafka=debug";
            self.report(Problem::new("log.level", error.to_string()).hint(hint));
        }
        Log {
            level: raw.level,
            format,
        }
    }
}
