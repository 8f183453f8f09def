//! The first page: what fires, and every model version with its worst series.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::frame::{self, severity, state};
use super::text;
use crate::board::Board;
use crate::expose::problem::Problem;
use crate::expose::view::{self, AlertsAsked, ModelView, ModelsPage};

/// Alerts that are looked at for it.
const ALERTS_MAX: usize = 200;

/// The first page.
pub(super) fn page(board: &Board, models: &ModelsPage<'_>) -> Result<Markup, Problem> {
    let mut versions: Vec<&ModelView<'_>> = models.models.iter().collect();
    versions.sort_by_key(|one| (Reverse(urgency(one)), one.model));
    let asked = AlertsAsked {
        firing: Some(true),
        limit: ALERTS_MAX,
        ..AlertsAsked::default()
    };
    let alerts = view::alerts(board, &asked)?;
    Ok(html! {
        h1 { "Models" }
        (lead(board, models))
        @if !alerts.alerts.is_empty() {
            section aria-labelledby="firing" {
                h2 #firing { "Firing now" }
                (super::alerts::by_series(&alerts.alerts, board.log_time, &html! {
                    a href="/alerts" { "All " (board.firing.len()) " alerts" }
                }))
            }
        }
        section aria-labelledby="versions" {
            h2 #versions { "Versions" }
            @if versions.is_empty() {
                p.empty {
                    "No model has been seen yet. driftd shows each one as soon as its first rows \
                     are counted; " a href="/status" { "the status" } " says what is read."
                }
            } @else {
                (frame::scroll("Model versions", &table(&versions, board)))
                @if let Some(next) = &models.next {
                    p { a href=(format!("/?after={}", crate::expose::query::segment(next))) {
                        "More versions"
                    } }
                }
            }
        }
    })
}

/// What it all comes to, in a sentence.
fn lead(board: &Board, models: &ModelsPage<'_>) -> Markup {
    let counted = |severity: &str| -> u64 {
        let of = |one: &ModelView<'_>| one.firing.get(severity).copied().unwrap_or(0);
        models.models.iter().map(of).sum()
    };
    let (critical, warning) = (counted("critical"), counted("warning"));
    let muted = board.muted.len();
    html! {
        p.lead {
            @if critical + warning == 0 {
                "No alert that is worth a page fires"
            } @else {
                strong { (plural(critical, "critical alert")) } " and "
                strong { (plural(warning, "warning")) } " fire"
            }
            " in " (plural(models.models.len() as u64, "model version"))
            @if muted > 0 { "; " (muted) " are muted" }
            "."
            @if let Some(shard) = models.shard {
                " These are the models of shard " (shard) " only; instances of the others show "
                "theirs."
            }
        }
    }
}

fn plural(count: u64, name: &str) -> String {
    let count_text = text::count(count);
    if count == 1 {
        format!("{count_text} {name}")
    } else {
        format!("{count_text} {name}s")
    }
}

/// What comes first: alerts by their severity, then the size of the change.
fn urgency(one: &ModelView<'_>) -> (u64, u64, u64, u64) {
    let of = |severity: &str| one.firing.get(severity).copied().unwrap_or(0);
    let psi = one.worst.as_ref().map_or(0.0, |worst| worst.psi_adjusted);
    (
        of("critical"),
        of("warning"),
        of("info"),
        psi.max(0.0).to_bits(),
    )
}

fn table(versions: &[&ModelView<'_>], board: &Board) -> Markup {
    let most = versions
        .iter()
        .filter_map(|one| Some(one.worst.as_ref()?.psi_adjusted));
    let most = most.fold(0.25, f64::max);
    html! {
        table.list {
            thead {
                tr {
                    th scope="col" { "Model" }
                    th.wide scope="col" { "State" }
                    th scope="col" { "Firing" }
                    th scope="col" { "Worst series" }
                    th.num scope="col" { abbr title="population stability index, less what chance \
                        would give" { "PSI" } }
                    th scope="col" { span.hidden { "As a bar" } }
                    th.num.wide scope="col" { "Rows" }
                    th.wide scope="col" { "Last event" }
                }
            }
            tbody { @for one in versions { (row(one, most, board)) } }
        }
    }
}

fn row(one: &ModelView<'_>, most: f64, board: &Board) -> Markup {
    let path = text::model_path(one.model, one.version);
    html! {
        tr {
            th scope="row" {
                a href=(path) { (one.model) " " span.version { (one.version) } }
            }
            td.wide { (state(one.state)) }
            td {
                @if one.firing.is_empty() { span.quiet { "none" } }
                @for name in ["critical", "warning", "info"] {
                    @if let Some(count) = one.firing.get(name) {
                        span.tally { (count) "\u{a0}" (severity(name)) }
                    }
                }
            }
            @if let Some(worst) = &one.worst {
                td {
                    @let window = worst.window.0;
                    a href=(text::series_path(one.model, one.version, worst.series, window)) {
                        code { (worst.series) }
                    }
                    " " span.quiet { (worst.window.0) }
                }
                td.num { (text::score(worst.psi_adjusted)) }
                td.track { (super::chart::bar(worst.psi_adjusted, most)) }
            } @else {
                td colspan="3" { span.quiet { "no scores yet" } }
            }
            td.num.wide { (text::count(one.rows)) }
            td.wide {
                @if let Some(last) = one.last_event {
                    span title=(text::time(last.0)) { (text::ago(last.0, board.log_time)) }
                }
            }
        }
    }
}
