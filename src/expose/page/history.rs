//! Each score of a series over time: small charts that share their axis of time, and a table.

use maud::{Markup, html};

use super::chart::{Dot, Marks};
use super::model::nothing;
use super::series::Shown;
use super::{chart, frame, text};
use crate::expose::view::Point;
use crate::time::Timestamp;

/// A score over time: its name, how it is written, and where a point has it.
type Line = (&'static str, fn(f64) -> String, fn(&Point) -> Option<f64>);

const LINES: [Line; 7] = [
    ("PSI", text::score, |point| point.psi),
    ("KS distance, at least", text::score, |point| {
        Some(point.ks?.lo)
    }),
    ("Moved by, \u{3c3}", text::score, |point| {
        point.wasserstein_sigma
    }),
    ("JS distance", text::score, |point| point.js_distance_bits),
    ("Missing", text::percent, |point| point.missing_ratio),
    ("Invalid", text::percent, |point| point.invalid_ratio),
    ("Never seen before", text::percent, |point| {
        point.novel_ratio
    }),
];

/// The charts of each score, and their values as a table.
pub(super) fn history(shown: &Shown<'_>) -> Markup {
    let Some(history) = shown.history.filter(|history| !history.history.is_empty()) else {
        return html! {};
    };
    let points = &history.history;
    let fired: Vec<Timestamp> = shown.alerts.iter().map(|alert| alert.since.0).collect();
    let marks = Marks {
        starts: shown.starts,
        fired: &fired,
        shown: shown.series.scored.window.end.0,
    };
    let lines = LINES.iter().filter_map(|(name, write, of)| {
        let dots: Vec<Dot> = points
            .iter()
            .map(|point| Dot {
                at: point.end.0,
                value: of(point),
                complete: point.complete,
            })
            .collect();
        let any = dots
            .iter()
            .any(|dot| dot.value.is_some_and(|value| value > 0.0));
        // what was never there needs no chart; PSI is always worth one
        (any || *name == "PSI").then_some((*name, *write, dots))
    });
    html! {
        section aria-labelledby="history" {
            h2 #history { "History" }
            p.legend {
                "Windows of " (history.window.0) ", one each " (history.step.0)
                ", as far back as their rows are kept; earlier scores are in Prometheus. "
                span.key-line { "alert line" } " " span.key-start { "a version starts" } " "
                span.key-fired { "an alert fired" } " " span.key-open { "not complete" }
            }
            div.multiples {
                @for (name, write, dots) in lines {
                    @let line = shown.series.alert_line_psi.filter(|_| name == "PSI");
                    figure {
                        figcaption {
                            (name)
                            @if let Some(last) = dots.iter().rev().find_map(|dot| dot.value) {
                                " " strong { (write(last)) }
                            }
                        }
                        (chart::history(&dots, line, &marks, (name, write)))
                    }
                }
            }
            details {
                summary { "As a table" }
                (frame::scroll("History", &points_table(points)))
            }
        }
    }
}

fn points_table(points: &[Point]) -> Markup {
    let has = |of: &fn(&Point) -> Option<f64>| points.iter().any(|point| of(point).is_some());
    let lines: Vec<&Line> = LINES.iter().filter(|(_, _, of)| has(of)).collect();
    html! {
        table.list.values {
            thead { tr {
                th scope="col" { "Window ends" }
                th.num scope="col" { "Rows" }
                @for (name, _, _) in &lines { th.num scope="col" { (name) } }
            } }
            tbody {
                @for point in points.iter().rev() {
                    tr {
                        th scope="row" {
                            (text::when(point.end.0))
                            @if !point.complete { span.sub { "not complete" } }
                        }
                        td.num { (text::count(point.rows)) }
                        @for (_, write, of) in &lines {
                            td.num {
                                @if let Some(value) = of(point) { (write(value)) }
                                @else { (nothing()) }
                            }
                        }
                    }
                }
            }
        }
    }
}
