//! Sources: their topics, where fields stand, where reading begins, and what two of them share.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::config::check::Checker;
use crate::config::check::problem::{Problem, shown};
use crate::config::load::origin;
use crate::config::raw;
use crate::config::{Home, OnTruncation, Source, Start};
use crate::decode::{Field, FieldError, FieldPaths, Limits, Plan, PlanError};
use crate::key::Shard;
use crate::telemetry::error_chain;

/// The longest name of a topic, Kafka's own bound.
const TOPIC_BYTES_MAX: usize = 249;
/// The longest name of a consumer group.
const GROUP_BYTES_MAX: usize = 255;
/// The text of a field that events do not have.
const ABSENT: &str = "-";

impl Checker {
    pub(super) fn sources(&mut self, raw: Vec<raw::Source>, home: &Home) -> Vec<Source> {
        let sources: Vec<Source> = raw
            .into_iter()
            .enumerate()
            .map(|(i, raw)| self.source(i, raw))
            .collect();
        if let Some(flag) = origin(&self.values, "source[0].topics")
            && flag == "--topic"
            && sources.len() > 1
        {
            let what = format!(
                "--topic cannot say which of {} sources it means",
                sources.len()
            );
            self.report(Problem::new("source[0].topics", what).hint("name the topics in the file"));
        }
        self.topics_meet(&sources, home);
        sources
    }

    fn source(&mut self, i: usize, raw: raw::Source) -> Source {
        let key = |name: &str| format!("source[{i}].{name}");
        debug_assert!(
            raw.format == "json",
            "a format came without a way to decode it"
        );
        for topic in &raw.topics {
            self.topic(&key("topics"), topic);
        }
        if let Some(topic) = &raw.dead_letter_topic {
            self.topic(&key("dead_letter_topic"), topic);
        }
        if raw.group.len() > GROUP_BYTES_MAX {
            let what = format!("has {} bytes, more than {GROUP_BYTES_MAX}", raw.group.len());
            self.report(Problem::new(key("group"), what));
        }
        let decode = Limits {
            record_bytes_max: raw.record_bytes_max,
            event_age_max: raw.event_age_max.0,
            ..Limits::default()
        };
        Source {
            topics: raw.topics,
            group: raw.group,
            workers: raw.workers,
            fields: self.fields(i, &raw.fields),
            decode,
            start: self.start(key("start"), &raw.start),
            on_truncation: match raw.on_truncation.as_str() {
                "restart" => OnTruncation::Restart,
                _ => OnTruncation::Stop,
            },
            dead_letter_topic: raw.dead_letter_topic,
        }
    }

    fn start(&mut self, key: String, text: &str) -> Start {
        match text {
            "earliest" => Start::Earliest,
            "latest" => Start::Latest,
            _ => text.parse().map_or_else(
                |_not_a_time| {
                    let what = format!(
                        "must be `earliest`, `latest` or a time, not {}",
                        shown(text)
                    );
                    let hint = "write a time like 2026-11-23T10:15:00Z";
                    self.report(Problem::new(key, what).hint(hint));
                    Start::Earliest
                },
                Start::At,
            ),
        }
    }

    fn fields(&mut self, i: usize, raw: &raw::Fields) -> FieldPaths {
        let mut wrong = false;
        let mut field = |name: &str, text: &str| match field(text) {
            Ok(field) => field,
            Err(error) => {
                wrong = true;
                let key = format!("source[{i}].fields.{name}");
                self.report(Problem::new(key, error_chain(&error)));
                Field::Absent
            }
        };
        let paths = FieldPaths {
            model: field("model", &raw.model),
            version: field("version", &raw.version),
            timestamp: field("timestamp", &raw.timestamp),
            request_id: field("request_id", &raw.request_id),
            features: field("features", &raw.features),
            prediction: field("prediction", &raw.prediction),
            latency: field("latency", &raw.latency),
            status: field("status", &raw.status),
            timestamp_unit: raw.timestamp_unit.parse().unwrap_or_default(),
        };
        if let Err(error) = Plan::new(&paths)
            && !wrong
        {
            let key = format!("source[{i}].fields.{}", at(&error));
            self.report(Problem::new(key, error_chain(&error)));
        }
        paths
    }

    /// Reports `topic` if Kafka does not take it as the name of one.
    pub(super) fn topic(&mut self, key: &str, topic: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let what = match topic {
            "." | ".." => "cannot be a topic".to_owned(),
            _ if topic.len() > TOPIC_BYTES_MAX => {
                format!(
                    "has {} bytes, a topic at most {TOPIC_BYTES_MAX}",
                    topic.len()
                )
            }
            _ if topic.bytes().all(fits) => return,
            _ => "is not a topic, which has letters, digits, `.`, `_` and `-`".to_owned(),
        };
        self.report(Problem::new(key, format!("{} {what}", shown(topic))));
    }

    /// A topic is read once, and nothing that driftd writes is read as events.
    fn topics_meet(&mut self, sources: &[Source], home: &Home) {
        let own = |name: &str| match home {
            Home::Kafka { topic, .. } if topic == name => Some("the state log"),
            Home::Kafka {
                journal_topic,
                snapshot_topic,
                ..
            } => {
                let is_of = |stem: &str| Shard::of_topic(stem, name).is_some();
                let journal = is_of(journal_topic).then_some("the journal");
                journal.or_else(|| is_of(snapshot_topic).then_some("the snapshots"))
            }
            Home::Embedded { .. } => None,
        };
        let mut rejected: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, source) in sources.iter().enumerate() {
            let Some(topic) = source.dead_letter_topic.as_deref() else {
                continue;
            };
            rejected.insert(topic, i);
            if let Some(log) = own(topic) {
                let what = format!("{} is the topic of {log}", shown(topic));
                self.report(Problem::new(format!("source[{i}].dead_letter_topic"), what));
            }
        }
        let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, source) in sources.iter().enumerate() {
            for topic in &source.topics {
                let what = if let Some(log) = own(topic) {
                    format!("is the topic of {log}")
                } else if let Some(j) = rejected.get(topic.as_str()) {
                    format!("gets the rejected records of source[{j}]")
                } else if let Some(j) = readers.insert(topic, i) {
                    format!("is read by source[{j}] already")
                } else {
                    continue;
                };
                let what = format!("{} {what}", shown(topic));
                self.report(Problem::new(format!("source[{i}].topics"), what));
            }
        }
    }
}

fn field(text: &str) -> Result<Field, FieldError> {
    if text == ABSENT {
        Ok(Field::Absent)
    } else {
        Field::from_str(text)
    }
}

/// The field to look at for `error`.
fn at(error: &PlanError) -> &'static str {
    match error {
        PlanError::NoModel => "model",
        PlanError::Field(name, _)
        | PlanError::Constant(name)
        | PlanError::Whole(name)
        | PlanError::Same(_, name)
        | PlanError::Inside(name, _) => name,
    }
}
