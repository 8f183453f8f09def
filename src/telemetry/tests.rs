//! What a log line looks like, whoever chose the values, and what an error says at the edge.

use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing::subscriber::with_default;

use super::{Exit, error_chain, filter, one_line, subscriber};
use crate::config::{Log, LogFormat};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while `events` runs.
fn logged(level: &str, format: LogFormat, events: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let log = Log {
        level: level.to_owned(),
        format,
    };
    with_default(subscriber(&log, move || writer.clone()).unwrap(), events);
    let bytes = std::mem::take(&mut *sink.0.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

/// The line of one event in text form, without its time.
fn line(events: impl FnOnce()) -> String {
    let text = logged("info", LogFormat::Text, events);
    text.split_once("Z ").unwrap().1.trim_start().to_owned()
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Layer(String, #[source] Option<Box<Layer>>);

fn layers(texts: &[&str]) -> Layer {
    let (first, rest) = texts.split_first().unwrap();
    Layer(
        (*first).to_owned(),
        (!rest.is_empty()).then(|| Box::new(layers(rest))),
    )
}

#[test]
fn a_line_is_a_message_and_fields_in_logfmt() {
    let error = layers(&["cannot read", "no such file"]);
    assert_eq!(
        line(|| {
            let span = tracing::info_span!("worker", topic = "in put");
            let _entered = span.enter();
            tracing::warn!(
                model = "fraud",
                version = %"a b",
                rows = 7_u64,
                share = 0.5,
                on = true,
                list = ?["a"],
                empty = "",
                error = &error as &dyn std::error::Error,
                "model isn't \"known\""
            );
        }),
        "WARN worker{topic=\"in put\"}: driftd::telemetry::tests: model isn't \"known\" \
         model=fraud \
         version=\"a b\" rows=7 share=0.5 on=true list=\"[\\\"a\\\"]\" empty=\"\" \
         error=\"cannot read: no such file\"\n"
    );
}

#[test]
fn a_hostile_value_cannot_forge_a_line_or_a_field() {
    let forged =
        "x\n2026-11-23T10:15:00Z ERROR driftd: stopped user=root\r\u{1b}[2J\u{202e}\u{2028}\u{85}";
    let quoted = concat!(
        r#""x\n2026-11-23T10:15:00Z ERROR driftd: stopped user=root"#,
        r#"\r\u{1b}[2J\u{202e}\u{2028}\u{85}""#
    );
    assert_eq!(
        line(|| tracing::info!(model = forged, "seen")),
        format!("INFO driftd::telemetry::tests: seen model={quoted}\n")
    );
    assert_eq!(
        line(|| tracing::info!(model = %forged, "seen")),
        format!("INFO driftd::telemetry::tests: seen model={quoted}\n")
    );
    let message = quoted.trim_matches('"');
    assert_eq!(
        line(|| tracing::info!("{forged}")),
        format!("INFO driftd::telemetry::tests: {message}\n")
    );
    let spanned = line(|| {
        let span = tracing::info_span!("worker", model = forged);
        span.in_scope(|| tracing::info!("seen"));
    });
    assert_eq!(
        spanned,
        format!("INFO worker{{model={quoted}}}: driftd::telemetry::tests: seen\n")
    );
}

#[test]
fn a_json_line_is_one_object() {
    let text = logged("info", LogFormat::Json, || {
        tracing::info!(model = "x\n{\"level\":\"ERROR\"}", "seen");
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "seen");
    assert_eq!(line["model"], "x\n{\"level\":\"ERROR\"}");
}

#[test]
fn a_level_is_one_of_five_or_directives() {
    for level in [
        "info",
        "WARN",
        "off",
        "warn,rdkafka=debug",
        "driftd::fold=trace, error",
    ] {
        assert!(filter(level).is_ok(), "{level}");
    }
    for level in ["", "inof", "info,", "driftd", "a=b", "5"] {
        assert!(filter(level).is_err(), "{level}");
    }
    let some = logged("warn,driftd::telemetry=info", LogFormat::Text, || {
        tracing::debug!("not shown");
        tracing::info!("shown");
    });
    assert!(
        some.contains("shown") && !some.contains("not shown"),
        "{some}"
    );
}

#[test]
fn an_error_is_its_layers_in_one_line() {
    for (texts, expected) in [
        (&["a"] as &[&str], "a"),
        (&["a", "b", "c"], "a: b: c"),
        (&["a", "b: c", "c"], "a: b: c"),
        (&["a\n  at line 3\n", "b\u{1b}"], "a at line 3: b\\u{1b}"),
    ] {
        assert_eq!(error_chain(&layers(texts)), expected);
    }
}

#[test]
fn exit_codes_are_those_of_sysexits() {
    let exits = [
        Exit::Ok,
        Exit::Usage,
        Exit::BadInput,
        Exit::Unavailable,
        Exit::Fault,
    ];
    assert_eq!(exits.map(Exit::code), [0, 64, 65, 69, 70]);
}

proptest! {
    /// Whatever the value, a line has one line end, and what follows `model=` is one bare word or
    /// one quoted text.
    #[test]
    fn a_value_stays_in_its_place(value in any::<String>()) {
        let line = line(|| tracing::info!(model = value, "seen"));
        let (_, field) = line.split_once(" model=").unwrap();
        let field = field.strip_suffix('\n').unwrap();
        prop_assert!(!field.contains(char::is_control));
        let quoted = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
        match quoted {
            None => prop_assert!(!field.contains([' ', '=', '"'])),
            Some(inner) => {
                let unescaped = inner.replace("\\\\", "").replace("\\\"", "");
                prop_assert!(!unescaped.contains('"'));
            }
        }
        prop_assert!(!one_line(&value).contains(char::is_control));
    }
}
