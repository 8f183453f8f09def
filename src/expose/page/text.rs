//! How numbers, times and names are written for people.
//!
//! ```text
//! 12,345     counts          0.123   scores, to three places       1.2e-9   p-values
//! 4.4 %      shares          2026-11-23 10:15 UTC                  0.25     values, to 4 digits
//! ```

use std::fmt::Write;

use maud::{Markup, html};

use crate::expose::query::segment;
use crate::expose::view::AlertView;
use crate::time::{Length, Timestamp};

/// A number of things.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == first % 3 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share, in percent, to two digits.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = match percent.abs() {
        0.0 => 0,
        size if size < 0.095 => 3,
        size if size < 0.995 => 2,
        size if size < 9.95 => 1,
        _ => 0,
    };
    format!("{percent:.places$}\u{a0}%")
}

/// A difference of shares, in points of percent, with its sign.
pub(super) fn points(difference: f64) -> String {
    let points = difference * 100.0;
    if points.abs() < 0.05 {
        return "0.0".to_owned();
    }
    let sign = if points < 0.0 { '\u{2212}' } else { '+' };
    format!("{sign}{:.1}", points.abs())
}

/// A score, to three places.
pub(super) fn score(score: f64) -> String {
    if score > 0.0 && score < 0.0005 {
        return "<\u{2009}0.001".to_owned();
    }
    minus(format!("{score:.3}"))
}

/// A p-value, or a level.
pub(super) fn p_value(p: f64) -> String {
    if p <= 0.0 {
        "<\u{2009}1e-300".to_owned()
    } else if p < 0.001 {
        format!("{p:.1e}")
    } else {
        format!("{p:.3}")
    }
}

/// A value of the data, to four digits.
pub(super) fn value(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e9).contains(&size) {
        return minus(format!("{value:.3e}"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the exponent of a number between 1e-4 and 1e9"
    )]
    let exponent = size.log10().floor() as i32;
    let places = usize::try_from(3 - exponent).unwrap_or(0);
    let text = format!("{value:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    minus(text)
}

fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(size) => format!("\u{2212}{size}"),
        None => text,
    }
}

/// A time, to the minute where it is a whole one.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.replacen('T', " ", 1);
    let text = text.trim_end_matches('Z');
    let text = match text.strip_suffix(":00") {
        Some(minutes) if minutes.matches(':').count() == 1 => minutes,
        _ => text,
    };
    // an event's own time may have milliseconds, which nobody reads here
    let text = text.split('.').next().unwrap_or(text);
    format!("{text}\u{a0}UTC")
}

/// The time of a day, for axes.
pub(super) fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(11..16).unwrap_or_default().to_owned()
}

/// The month and day, for axes.
pub(super) fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(5..10).unwrap_or_default().to_owned()
}

/// A time that programs can read as well.
pub(super) fn when(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (time(at)) } }
}

/// How long before `now` something was, roughly.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.millis_since(at) / 1000;
    match seconds {
        ..60 => "just now".to_owned(),
        60..5_400 => format!("{} min ago", seconds / 60),
        5_400..172_800 => format!("{} h ago", (seconds + 1800) / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The page of a model version.
pub(super) fn model_path(model: &str, version: &str) -> String {
    format!("/models/{}/versions/{}", segment(model), segment(version))
}

/// The page of a series, in windows of a length.
pub(super) fn series_path(model: &str, version: &str, series: &str, window: Length) -> String {
    let model = model_path(model, version);
    format!("{model}/series/{}?window={window}", segment(series))
}

/// The page of what an alert is of: its series, or the model version where it is of all of it.
pub(super) fn subject_path(alert: &AlertView<'_>) -> String {
    let (model, version) = (alert.model, alert.version);
    match alert.test {
        "absent" | "volume" | "schema" => {
            format!("{}?window={}", model_path(model, version), alert.window.0)
        }
        _ => series_path(model, version, alert.series, alert.window.0),
    }
}

/// The page of an alert.
pub(super) fn alert_path(id: &str) -> String {
    format!("/alerts/{}", segment(id))
}

/// A sentence of an alert: what stands in backticks is a name.
pub(super) fn sentence(text: &str) -> Markup {
    // a name with a backtick in it only moves the emphasis
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A name that breaks behind its underscores, dots and hyphens where it must, and not within words.
pub(super) fn breakable(name: &str) -> Markup {
    html! {
        @for part in name.split_inclusive(['_', '.', '-']) { (part) wbr; }
    }
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    let _a_text_takes_all = write!(short, "\u{2026}");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_between_their_words() {
        let name = breakable("a_b<c.d").into_string();
        assert_eq!(name, "a_<wbr>b&lt;c.<wbr>d<wbr>");
    }

    #[test]
    fn numbers_are_as_short_as_they_are_true() {
        let counts = [0, 12, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(counts, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
        let shares = [0.0, 0.0004, 0.0044, 0.044, 0.0995, 0.44, 1.0].map(percent);
        let expected = ["0", "0.040", "0.44", "4.4", "10", "44", "100"];
        assert_eq!(shares, expected.map(|text| format!("{text}\u{a0}%")));
        let scores = [0.0, 0.0001, 0.1234, -0.5].map(score);
        assert_eq!(
            scores,
            ["0.000", "<\u{2009}0.001", "0.123", "\u{2212}0.500"]
        );
        let values = [0.0, 16.11, 1035.0, -9.94, 123_456.0, 1e-7, 0.25].map(value);
        let expected = [
            "0",
            "16.11",
            "1035",
            "\u{2212}9.94",
            "123456",
            "1.000e-7",
            "0.25",
        ];
        assert_eq!(values, expected);
        let ps = [0.0, 1.234e-9, 0.5].map(p_value);
        assert_eq!(ps, ["<\u{2009}1e-300", "1.2e-9", "0.500"]);
        assert_eq!(
            [0.0, 0.031, -0.2].map(points),
            ["0.0", "+3.1", "\u{2212}20.0"]
        );
    }

    #[test]
    fn times_are_to_the_minute_where_they_can_be() {
        for (at, expected) in [
            ("2026-11-23T10:15:00Z", "2026-11-23 10:15"),
            ("2026-11-23T10:00:00Z", "2026-11-23 10:00"),
            ("2026-11-23T10:15:07.120Z", "2026-11-23 10:15:07"),
        ] {
            assert_eq!(time(at.parse().unwrap()), format!("{expected}\u{a0}UTC"));
        }
    }

    #[test]
    fn names_in_sentences_stand_out_and_are_escaped() {
        let text = sentence("`<b>` moved").into_string();
        assert_eq!(text, "<code>&lt;b&gt;</code> moved");
        assert_eq!(shortened("abcdef", 4), "abc\u{2026}");
    }
}
