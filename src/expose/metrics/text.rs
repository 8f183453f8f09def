//! The text format of Prometheus, version 0.0.4.
//!
//! ```text
//! # HELP driftd_psi The PSI against the reference ...
//! # TYPE driftd_psi gauge
//! driftd_psi{model="fraud",version="7",series="amount",window="24h",reference="training"} 0.31
//! ```
//!
//! Written by hand, since a page has up to some 100,000 samples: the library's way to it takes a
//! dozen allocations for each.

use std::borrow::Cow;
use std::fmt::Write;

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;
use tracing::error;

use super::table::{Kind, Metric};

/// The text of a page, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Text(pub(super) String);

/// One value of a metric.
#[derive(Debug)]
pub(super) struct Sample<'a> {
    labels: Cow<'a, str>,
    value: f64,
}

impl<'a> Sample<'a> {
    /// With labels that were written by [`Metric::labelled`].
    pub(super) fn labelled(labels: impl Into<Cow<'a, str>>, value: f64) -> Self {
        let labels = labels.into();
        Self { labels, value }
    }
}

impl Metric {
    /// A sample; the labels are in the order of [`Metric::labels`].
    pub(super) fn sample(&self, labels: &[&str], value: f64) -> Sample<'static> {
        Sample::labelled(self.labelled(labels), value)
    }

    /// Labels as they are written, in the order of [`Metric::labels`].
    pub(super) fn labelled(&self, labels: &[&str]) -> String {
        debug_assert_eq!(
            labels.len(),
            self.labels.len(),
            "{} has other labels",
            self.name
        );
        let mut text = String::new();
        for (name, label) in self.labels.iter().zip(labels) {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(name);
            text.push_str("=\"");
            escape(label, true, &mut text);
            text.push('"');
        }
        if !text.is_empty() {
            text.push('}');
        }
        text
    }
}

impl Text {
    /// Writes all samples of a metric; without any, there is no such metric.
    pub(super) fn metric<'s>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let Self(page) = self;
        for (keyword, text) in [("HELP", metric.help), ("TYPE", type_of(metric.kind))] {
            for part in ["# ", keyword, " ", metric.name, " "] {
                page.push_str(part);
            }
            escape(text, false, page);
            page.push('\n');
        }
        for sample in samples {
            page.push_str(metric.name);
            page.push_str(&sample.labels);
            page.push(' ');
            number(sample.value, page);
            page.push('\n');
        }
    }

    /// Writes what a library collects.
    pub(super) fn families(&mut self, families: &[MetricFamily]) {
        for family in families
            .iter()
            .filter(|family| !family.get_metric().is_empty())
        {
            let one = std::slice::from_ref(family);
            if let Err(error) = TextEncoder::new().encode_utf8(one, &mut self.0) {
                error!(metric = family.name(), %error, "metric not written");
            }
        }
    }
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    }
}

/// Writes a text in which backslashes and ends of lines, and in labels quotes, are escaped.
fn escape(text: &str, is_label: bool, page: &mut String) {
    let is_plain = |byte: u8| byte != b'\\' && byte != b'\n' && (byte != b'"' || !is_label);
    if text.bytes().all(is_plain) {
        page.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            '"' if is_label => page.push_str("\\\""),
            other => page.push(other),
        }
    }
}

fn number(value: f64, page: &mut String) {
    if value.is_infinite() {
        page.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if write!(page, "{value}").is_err() {
        error!("a string takes what is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::metrics::table::{ALERTS, READY};

    #[test]
    fn a_page_is_as_the_format_has_it() {
        let mut page = Text::default();
        page.metric(&READY, [READY.sample(&[], 1.0)]);
        let labels = ["a\"b\\c\nd", "warning", "firing"];
        page.metric(
            &ALERTS,
            [
                ALERTS.sample(&labels, 1e15),
                ALERTS.sample(&["e", "", "g"], -0.5),
            ],
        );
        page.metric(&ALERTS, []);
        let (ready, alerts) = (READY.help, ALERTS.help);
        assert_eq!(
            page.0,
            format!(
                "# HELP driftd_ready {ready}\n# TYPE driftd_ready gauge\ndriftd_ready 1\n\
                 # HELP driftd_alerts_total {alerts}\n# TYPE driftd_alerts_total counter\n\
                 driftd_alerts_total{{model=\"a\\\"b\\\\c\\nd\",severity=\"warning\",\
                 transition=\"firing\"}} 1000000000000000\n\
                 driftd_alerts_total{{model=\"e\",severity=\"\",transition=\"g\"}} -0.5\n"
            )
        );
    }

    #[test]
    fn numbers_are_those_of_the_format() {
        for (value, text) in [
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (0.1, "0.1"),
            (1e21, "1000000000000000000000"),
            (-2.5e-7, "-0.00000025"),
        ] {
            let mut page = String::new();
            number(value, &mut page);
            assert_eq!(page, text);
        }
    }
}
