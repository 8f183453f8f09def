//! A model version: its alerts, and all its series by what their change comes to.

use maud::{Markup, html};

use super::frame::{self, crumbs, fact, severity, state};
use super::shape::Shape;
use super::{chart, text};
use crate::expose::query::segment;
use crate::expose::view::{
    AlertView, ModelView, ScoredSeries, ScoresPage, SeriesView, Start, ratio,
};
use crate::time::{Length, Timestamp};

/// What the page shows.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) model: &'a ModelView<'a>,
    pub(super) alerts: &'a [AlertView<'a>],
    pub(super) scores: &'a ScoresPage<'a>,
    /// The series of this page, with their histograms.
    pub(super) series: &'a [SeriesView<'a>],
    /// The versions there are of the model.
    pub(super) versions: &'a [Start<'a>],
    /// The lengths of windows.
    pub(super) windows: &'a [Length],
    /// What names were asked for.
    pub(super) names: &'a str,
    /// Which page of the list this is, from 1, and how many there are.
    pub(super) part: (usize, usize),
    /// How many series there are.
    pub(super) total: usize,
    pub(super) now: Timestamp,
}

/// The page of a model version.
pub(super) fn page(shown: &Shown<'_>) -> Markup {
    let model = shown.model;
    html! {
        (crumbs(&[("Models", "/".to_owned())]))
        h1 { (model.model) " " span.version { (model.version) } " " (state(model.state)) }
        (lead(shown))
        (facts(model))
        (versions(shown))
        @if !shown.alerts.is_empty() {
            section aria-labelledby="alerts" {
                h2 #alerts { "Firing now" }
                (super::alerts::by_series(shown.alerts, shown.now, &html! {
                    a href=(format!("/alerts?model={}", segment(model.model))) {
                        "All alerts of " (model.model)
                    }
                }))
            }
        }
        section aria-labelledby="series" {
            div.bar {
                h2 #series { "Series" }
                (windows(shown))
                (search(shown))
            }
            p.quiet {
                "Window from " (text::when(shown.scores.window.start.0)) " to "
                (text::when(shown.scores.window.end.0)) ", "
                (text::count(shown.scores.rows))
                " rows. By impact: importance times the root of PSI."
            }
            p.legend { span.key-then { "reference" } " " span.key-now { "this window" } }
            @if shown.series.is_empty() {
                p.empty { "No series"
                    @if !shown.names.is_empty() { " has " q { (shown.names) } " in its name" }
                    @else { " has rows in this window" } "." }
            } @else {
                (frame::scroll("Series", &table(shown)))
                (pager(shown))
            }
        }
    }
}

fn lead(shown: &Shown<'_>) -> Markup {
    let first = shown.alerts.first();
    html! {
        p.lead {
            @if let Some(alert) = first { (text::sentence(alert.sentence)) "." }
            @else if shown.model.references.is_empty() {
                "There is nothing to compare with yet."
            } @else { "No alert fires for this version." }
        }
    }
}

fn facts(model: &ModelView<'_>) -> Markup {
    let longest = model.windows.last();
    let latency = longest.and_then(|window| window.latency_ms.get("0.99"));
    html! {
        dl.facts {
            (fact("Rows", &html! { (text::count(model.rows)) }))
            @if let Some(last) = model.last_event {
                (fact("Last event", &html! { (text::when(last.0)) }))
            }
            @if let Some(first) = model.first_event {
                (fact("First event", &html! { (text::when(first.0)) }))
            }
            @for reference in &model.references {
                (fact("Reference", &html! {
                    (reference.role) @if reference.learned { ", learned" } ", "
                    (text::count(reference.rows)) " rows"
                }))
            }
            @if let Some((_, upper)) = latency {
                (fact("Latency, 99 %", &html! { "up to " (text::value(*upper)) " ms" }))
            }
            @if let Some(errors) = longest.and_then(|window| window.error_ratio) {
                (fact("Errors", &html! { (text::percent(errors)) }))
            }
            @if model.rows_beyond_horizon > 0 {
                (fact("Rows too old to score", &html! { (text::count(model.rows_beyond_horizon)) }))
            }
        }
    }
}

fn versions(shown: &Shown<'_>) -> Markup {
    let others = shown
        .versions
        .iter()
        .filter(|one| one.version != shown.model.version);
    let others: Vec<_> = others.collect();
    html! {
        @if !others.is_empty() {
            p.quiet {
                "Other versions: "
                @for (place, one) in others.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href=(text::model_path(shown.model.model, one.version)) { (one.version) }
                    " since " (text::when(one.at))
                }
            }
        }
    }
}

fn windows(shown: &Shown<'_>) -> Markup {
    let path = text::model_path(shown.model.model, shown.model.version);
    let current = shown.scores.window.length.0;
    html! {
        nav.switch aria-label="Length of the window" {
            @for length in shown.windows {
                a href=(format!("{path}?window={length}"))
                    aria-current=[(*length == current).then_some("true")] { (length) }
            }
        }
    }
}

fn search(shown: &Shown<'_>) -> Markup {
    html! {
        form.search method="get" role="search" {
            input type="hidden" name="window" value=(shown.scores.window.length.0);
            label for="names" { "Name has" }
            input #names type="search" name="names" value=(shown.names) maxlength="128" size="14";
            button type="submit" { "Find" }
        }
    }
}

fn table(shown: &Shown<'_>) -> Markup {
    html! {
        table.list.series {
            thead {
                tr {
                    th scope="col" { "Series" }
                    th scope="col" { "Reference and window" }
                    th.num scope="col" { abbr title="population stability index, less what chance \
                        would give" { "PSI" } }
                    th.num.wide scope="col" { abbr title="Kolmogorov-Smirnov distance, at least" {
                        "KS" } }
                    th.num.wide scope="col" { abbr title="Wasserstein distance, in standard \
                        deviations of the reference" { "Moved, \u{3c3}" } }
                    th.num.wide scope="col" { "Missing" }
                    th.num.wide scope="col" { "New" }
                    th scope="col" { "State" }
                }
            }
            tbody { @for series in shown.series { (row(series)) } }
        }
    }
}

fn row(series: &SeriesView<'_>) -> Markup {
    let one = &series.scored;
    let window = one.window.length.0;
    let path = text::series_path(one.model, one.version, one.series, window);
    let path = format!("{path}&at={}", one.window.end.0);
    html! {
        tr {
            th scope="row" {
                a href=(path) { code { (text::breakable(one.series)) } }
                span.sub { (one.role) ", " (one.kind) }
            }
            td.draw { (chart::small(&Shape::of(series, chart::SMALL), one.series)) }
            @if let Some(scores) = &one.scores {
                td.num { strong { (text::score(scores.psi_adjusted)) } }
                td.num.wide {
                    @if let Some(ks) = &scores.ks { (text::score(ks.lo)) } @else { (nothing()) }
                }
                td.num.wide {
                    @if let Some(moved) = scores.wasserstein_sigma { (text::score(moved)) }
                    @else { (nothing()) }
                }
            } @else {
                td.num colspan="1" { (nothing()) }
                td.num.wide { (nothing()) }
                td.num.wide { (nothing()) }
            }
            td.num.wide { (share(one.missing, one.rows)) }
            td.num.wide {
                @if let Some(novel) = one.novel { (share(novel, one.rows)) } @else { (nothing()) }
            }
            td { (standing(one)) }
        }
    }
}

/// Where the alerts of a series stand, or why there are no scores.
pub(super) fn standing(one: &ScoredSeries<'_>) -> Markup {
    html! {
        @match (&one.alert, one.insufficient) {
            (Some(alert), _) if alert.severity.is_some() => {
                (severity(alert.severity.unwrap_or_default()))
            }
            (_, Some(why)) => span.quiet { (why) },
            (Some(alert), None) => (state(alert.state)),
            (None, None) => span.quiet { "not judged" },
        }
    }
}

/// A share of the rows.
pub(super) fn share(part: u64, rows: u64) -> Markup {
    html! {
        @if let Some(share) = ratio(part, rows) { (text::percent(share)) }
        @else { (nothing()) }
    }
}

/// What does not exist for a kind.
pub(super) fn nothing() -> Markup {
    html! { span.quiet { span aria-hidden="true" { "\u{2013}" } span.hidden { "none" } } }
}

fn pager(shown: &Shown<'_>) -> Markup {
    let (part, parts) = shown.part;
    let path = text::model_path(shown.model.model, shown.model.version);
    let window = shown.scores.window.length.0;
    let names = segment(shown.names).to_string();
    let to = |part: usize| format!("{path}?window={window}&names={names}&page={part}");
    html! {
        @if parts > 1 {
            nav.pager aria-label="Pages of the list" {
                @if part > 1 { a rel="prev" href=(to(part - 1)) { "Previous" } }
                span {
                    "Page " (part) " of " (parts) ", " (text::count(shown.total as u64)) " series"
                }
                @if part < parts { a rel="next" href=(to(part + 1)) { "Next" } }
            }
        }
    }
}
