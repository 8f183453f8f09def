//! A series in a window: what is said of it, the histograms, what each bin adds, each score over
//! time.

use maud::{Markup, html};

use super::frame::{self, crumbs, fact, severity, state};
use super::model::{nothing, share};
use super::shape::{self, Shape};
use super::{chart, history, text};
use crate::expose::view::{AlertView, Bin, HistoryView, SeriesView, Start, TestView};
use crate::time::{Length, Timestamp};

/// What the page shows.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) series: &'a SeriesView<'a>,
    pub(super) history: Option<&'a HistoryView<'a>>,
    /// Its alerts in windows of this length, and in others, those that fire first.
    pub(super) alerts: &'a [AlertView<'a>],
    pub(super) windows: &'a [Length],
    pub(super) starts: &'a [Start<'a>],
    /// The steps of the window.
    pub(super) step: Length,
    /// Whether there is a window a step before this one.
    pub(super) earlier: bool,
    /// Whether this is the last window.
    pub(super) latest: bool,
    /// The references that there are.
    pub(super) references: &'a [&'static str],
    pub(super) now: Timestamp,
}

/// The page of a series.
pub(super) fn page(shown: &Shown<'_>) -> Markup {
    let one = &shown.series.scored;
    let (model, version) = (one.model, one.version);
    let version_path = text::model_path(model, version);
    html! {
        (crumbs(&[
            ("Models", "/".to_owned()),
            (&format!("{model} {version}"), version_path),
        ]))
        h1 {
            code { (one.series) } " "
            @if let Some(alert) = &one.alert {
                @if let Some(name) = alert.severity { (severity(name)) }
                @else { (state(alert.state)) }
            }
        }
        p.lead { (said(shown)) }
        (when(shown))
        (facts(shown))
        div.two { (histogram(shown.series)) (scores(shown)) }
        (history::history(shown))
        div.two { (bins(shown.series)) (tests(&one.tests)) }
        @if !shown.alerts.is_empty() {
            section aria-labelledby="alerts" {
                h2 #alerts { "Alerts of this series" }
                (super::alerts::list(shown.alerts, shown.now))
            }
        }
    }
}

/// The sentence: that of the alert that fires, or that none does and why.
fn said(shown: &Shown<'_>) -> Markup {
    let one = &shown.series.scored;
    let length = one.window.length.0;
    let firing = shown.alerts.iter().filter(|alert| alert.state == "firing");
    let of_window = firing.clone().find(|alert| alert.window.0 == length);
    let Some(alert) = of_window.or_else(|| firing.clone().next()) else {
        return html! {
            "No alert fires. " (size(shown))
        };
    };
    html! { (text::sentence(alert.sentence)) ". " span.quiet {
        "Since " (text::when(alert.since.0)) ", in windows of " (alert.window.0) "."
    } }
}

fn size(shown: &Shown<'_>) -> Markup {
    let one = &shown.series.scored;
    html! {
        @if let Some(scores) = &one.scores {
            "PSI is " (text::score(scores.psi_adjusted)) " over " (text::count(one.rows)) " rows"
            @if let Some(line) = shown.series.alert_line_psi {
                "; it would fire from about " (text::score(line))
            }
            "."
        } @else if let Some(why) = one.insufficient {
            "There are no scores: " (why) "."
        }
    }
}

/// Which window this is, and the ways to others.
fn when(shown: &Shown<'_>) -> Markup {
    let one = &shown.series.scored;
    let window = one.window;
    let base = |length| text::series_path(one.model, one.version, one.series, length);
    let against = one
        .reference
        .as_ref()
        .map_or("", |reference| reference.role);
    let here = format!("{}&reference={against}", base(window.length.0));
    let end = window.end.0;
    let (earlier, later) = (end - shown.step, end + shown.step);
    html! {
        div.bar {
            nav.switch aria-label="Length of the window" {
                @for length in shown.windows {
                    a href=(format!("{}&at={end}&reference={against}", base(*length)))
                        aria-current=[(*length == window.length.0).then_some("true")] { (length) }
                }
            }
            nav.switch aria-label="Time of the window" {
                @if shown.earlier {
                    a rel="prev" href=(format!("{here}&at={earlier}")) { "\u{2190} Earlier" }
                }
                @if shown.latest {
                    a aria-current="true" href=(here) { "Latest" }
                } @else {
                    a rel="next" href=(format!("{here}&at={later}")) { "Later \u{2192}" }
                    a href=(here) { "Latest" }
                }
            }
            @if shown.references.len() > 1 {
                nav.switch aria-label="Reference" {
                    @for role in shown.references {
                        a href=(format!("{}&at={end}&reference={role}", base(window.length.0)))
                            aria-current=[(*role == against).then_some("true")] { (role) }
                    }
                }
            }
        }
        p.quiet {
            "Window from " (text::when(window.start.0)) " to " (text::when(end)) ", "
            (one.role) ", " (one.kind)
            @if let Some(reference) = &one.reference {
                ", against the " (reference.role) " reference of "
                (text::count(reference.rows)) " rows"
                @if reference.learned { " that were learned from" }
            }
            "."
        }
    }
}

fn histogram(series: &SeriesView<'_>) -> Markup {
    let one = &series.scored;
    html! {
        section aria-labelledby="histogram" {
            h2 #histogram { "Histogram" }
            p.legend {
                @if one.reference.is_some() { span.key-then { "reference" } " " }
                span.key-now { "this window" } " share of the rows with a valid value"
            }
            (chart::large(&Shape::of(series, chart::LARGE), one.series))
        }
    }
}

fn facts(shown: &Shown<'_>) -> Markup {
    let one = &shown.series.scored;
    let validity = one.validity;
    html! {
        dl.facts {
            (fact("Rows", &html! { (text::count(one.rows)) }))
            (fact("Missing", &share(one.missing, one.rows)))
            (fact("Invalid", &share(one.invalid, one.rows)))
            @if let Some(novel) = one.novel {
                (fact("Never seen before", &share(novel, one.rows)))
            }
            (fact("Late rows", &html! { (text::count(validity.late)) }))
            (fact("Rejected records", &html! { (text::percent(validity.rejected_share)) }))
            (fact("Window", &html! {
                @if validity.complete { "complete" }
                @else { strong { "not complete" } }
            }))
        }
    }
}

fn scores(shown: &Shown<'_>) -> Markup {
    let Some(scores) = &shown.series.scored.scores else {
        return html! {};
    };
    let row = |name: &str, value: Markup, says: &str| {
        html! { tr { th scope="row" { (name) } td.num { (value) } td.quiet { (says) } } }
    };
    let (lo, hi) = scores.psi_ci;
    let number = |value: f64| html! { (text::score(value)) };
    html! {
        section aria-labelledby="scores" {
            h2 #scores { "Scores" }
            (frame::scroll("Scores", &html! {
                table.list.values {
                    thead { tr {
                        th scope="col" { "Score" } th.num scope="col" { "Value" }
                        th scope="col" { "What it says" }
                    } }
                    tbody {
                        (row("PSI, adjusted",
                            html! { strong { (text::score(scores.psi_adjusted)) } },
                            "population stability index less what chance would give"))
                        (row("95 % interval", html! {
                            (text::score(lo)) " \u{2013} " (text::score(hi)) }, "of the above"))
                        (row("PSI", number(scores.psi), "as other tools count it"))
                        @if let Some(line) = shown.series.alert_line_psi {
                            (row("Alert line", number(line),
                                "the PSI at which the most sensitive test of its values fires"))
                        }
                        @if let Some(ks) = &scores.ks {
                            (row("KS distance", html! {
                                (text::score(ks.lo)) " \u{2013} " (text::score(ks.hi)) },
                                "the true one lies within, always"))
                        }
                        @if let Some(moved) = scores.wasserstein_sigma {
                            (row("Moved by", html! { (text::score(moved)) "\u{a0}\u{3c3}" },
                                "how far values moved on average, in standard deviations"))
                        }
                        @if let Some(auc) = scores.auc {
                            (row("AUC", number(auc),
                                "how likely a value is above one of the reference; 0.5 is no \
                                 change"))
                        }
                        (row("JS distance", html! { (text::score(scores.js_distance_bits)) },
                            "Jensen-Shannon, base 2, from 0 to 1"))
                        (row("Hellinger", number(scores.hellinger), "from 0 to 1"))
                        (row("Largest change", html! { (text::percent(scores.l_infinity)) },
                            "of one bin's share"))
                    }
                }
            }))
        }
    }
}

/// What each bin that people see adds to PSI.
fn bins(series: &SeriesView<'_>) -> Markup {
    let Some(bins) = &series.bins else {
        return html! {};
    };
    let whole = |side: fn(&Bin<'_>) -> u64| shape::real(bins.iter().map(side).sum::<u64>().max(1));
    let (then, now) = (
        whole(|bin| bin.reference.unwrap_or(0)),
        whole(|bin| bin.count),
    );
    let added = |bin: &Bin<'_>| bin.contribution.unwrap_or(0.0);
    let most = bins.iter().map(added).fold(0.0, f64::max);
    html! {
        section aria-labelledby="bins" {
            h2 #bins { "What each bin adds" }
            (frame::scroll("Bins", &html! {
                table.list.values {
                    thead { tr {
                        th scope="col" { "Bin" }
                        th.num scope="col" { "Reference" }
                        th.num scope="col" { "Window" }
                        th.num scope="col" { abbr title="points of percent" { "Change" } }
                        th.num.wide scope="col" { "Rows" }
                        th.num scope="col" { "Adds to PSI" }
                        th.wide scope="col" { span.hidden { "As a bar" } }
                    } }
                    tbody {
                        @for bin in bins {
                            @let before = shape::real(bin.reference.unwrap_or(0)) / then;
                            @let after = shape::real(bin.count) / now;
                            tr {
                                th scope="row" {
                                    (shape::label(bin))
                                    @if bin.largest { span.sub { "largest change" } }
                                }
                                td.num { (text::percent(before)) }
                                td.num { (text::percent(after)) }
                                td.num { (text::points(after - before)) }
                                td.num.wide { (text::count(bin.count)) }
                                td.num {
                                    @if let Some(added) = bin.contribution { (text::score(added)) }
                                    @else { (nothing()) }
                                }
                                td.track.wide { (chart::bar(added(bin), most)) }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn tests(tests: &[TestView]) -> Markup {
    html! {
        @if !tests.is_empty() {
            section aria-labelledby="tests" {
                h2 #tests { "Tests" }
                p.quiet {
                    "A test fires when its p-value, with what is natural of the series, is at most \
                     its level, and the change is large enough to matter."
                }
                (frame::scroll("Tests", &html! {
                    table.list.values {
                        thead { tr {
                            th scope="col" { "Test" }
                            th scope="col" { "Verdict" }
                            th.num scope="col" { "p-value" }
                            th.num scope="col" { "Level" }
                            th.num scope="col" { "PSI" }
                        } }
                        tbody {
                            @for test in tests {
                                tr {
                                    th scope="row" { (test.name) }
                                    td { (verdict(test.verdict)) }
                                    td.num { (text::p_value(test.p)) }
                                    td.num { (text::p_value(test.alpha)) }
                                    td.num {
                                        @if let Some(psi) = test.psi { (text::score(psi)) }
                                        @else { (nothing()) }
                                    }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

fn verdict(verdict: &str) -> Markup {
    let (class, says) = match verdict {
        "drift" => ("state bad", "drift"),
        "small" => ("state mute", "too small to matter"),
        "learning" => ("state mute", "learning what is natural"),
        _ => ("state good", "quiet"),
    };
    html! { span class=(class) { (says) } }
}
