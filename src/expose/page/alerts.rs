//! Alerts: what fires and fired, one of them in full with what can be done about it, and the mutes.

use maud::{Markup, html};

use super::frame::{crumbs, fact, severity, state};
use super::text;
use crate::expose::auth::Visitor;
use crate::expose::problem::Problem;
use crate::expose::query::segment;
use crate::expose::view::{AlertView, AlertsPage, MuteView};
use crate::time::{Length, Timestamp};

/// Series that stand at the top of a page, so that what is below them is not far away.
const SUBJECTS_MAX: usize = 6;

/// How long a mute can be made to last, by the form.
pub(super) const MUTE_LENGTHS: [(&str, &str); 5] = [
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "1 day"),
    ("3d", "3 days"),
    ("7d", "7 days"),
];

/// Which alerts can be asked for: how, and what that is called.
const STATES: [(&str, &str); 3] = [("firing", "Firing"), ("resolved", "Resolved"), ("", "All")];

/// Alerts one under the other: severity and sentence first.
pub(super) fn list(alerts: &[AlertView<'_>], now: Timestamp) -> Markup {
    html! {
        ul.alerts {
            @for alert in alerts { li { (item(alert, now)) } }
        }
    }
}

/// Alerts at the top of a page, those of one series as one: the worst of them in full, the others
/// named; and a link to `all` of them.
pub(super) fn by_series(alerts: &[AlertView<'_>], now: Timestamp, all: &Markup) -> Markup {
    fn subject<'a>(alert: &AlertView<'a>) -> [&'a str; 3] {
        [alert.model, alert.version, alert.series]
    }
    // they come the worst first, which stays so
    let mut groups: Vec<Vec<&AlertView<'_>>> = Vec::new();
    for alert in alerts {
        let of_it = groups.iter_mut().find(|group| {
            let first = group.first();
            first.is_some_and(|first| subject(first) == subject(alert))
        });
        match of_it {
            Some(group) => group.push(alert),
            None => groups.push(vec![alert]),
        }
    }
    html! {
        ul.alerts {
            @for group in groups.iter().take(SUBJECTS_MAX) {
                @if let Some((first, others)) = group.split_first() {
                    li { (item(first, now)) (also(others)) }
                }
            }
        }
        @if groups.len() > SUBJECTS_MAX {
            p.quiet { "and " (groups.len() - SUBJECTS_MAX) " more series" }
        }
        p { (all) }
    }
}

fn also(others: &[&AlertView<'_>]) -> Markup {
    html! {
        @if !others.is_empty() {
            p.quiet {
                "also "
                @for (place, alert) in others.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href=(text::alert_path(alert.id)) { (alert.test) " " (alert.window.0) }
                    " (" (alert.severity) ")"
                }
            }
        }
    }
}

fn item(alert: &AlertView<'_>, now: Timestamp) -> Markup {
    html! {
        div.head {
            span.how { (severity(alert.severity)) }
            a.say href=(text::alert_path(alert.id)) { (text::sentence(alert.sentence)) }
        }
        p.quiet {
            (alert.model) " " (alert.version) " \u{b7} " (alert.test) " \u{b7} window "
            (alert.window.0) " \u{b7} "
            // nothing is measured in a window in which nothing is seen
            @if alert.psi > 0.0 { "PSI " (text::score(alert.psi)) " \u{b7} " }
            @if let Some(resolved) = alert.resolved {
                (text::when(alert.since.0)) " to " (text::when(resolved.0))
            } @else {
                "since " (text::when(alert.since.0)) " (" (text::ago(alert.since.0, now)) ")"
            }
            @if let Some(hand) = &alert.acknowledged {
                " \u{b7} " span.tag { "acknowledged by " (hand.actor) }
            }
            @if alert.muted { " \u{b7} " span.tag { "muted" } }
        }
    }
}

/// What the list was asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) state: &'a str,
    pub(super) model: &'a str,
}

/// The page of all alerts.
pub(super) fn page(
    alerts: &AlertsPage<'_>,
    mutes: &[MuteView<'_>],
    asked: &Asked<'_>,
    (visitor, now): (&Visitor, Timestamp),
) -> Markup {
    let query = |state: &str| {
        let model = segment(asked.model).to_string();
        format!("/alerts?state={state}&model={model}")
    };
    html! {
        h1 { "Alerts" }
        div.bar {
            nav.switch aria-label="State" {
                @for (state, name) in STATES {
                    a href=(query(state))
                        aria-current=[(asked.state == state).then_some("true")] { (name) }
                }
            }
            form.search method="get" role="search" {
                input type="hidden" name="state" value=(asked.state);
                label for="model" { "Model is" }
                input #model type="search" name="model" value=(asked.model) maxlength="128"
                    size="14";
                button type="submit" { "Find" }
            }
        }
        @if alerts.alerts.is_empty() {
            p.empty {
                "No alert " @if asked.state == "resolved" { "was resolved" } @else { "fires" }
                @if !asked.model.is_empty() { " for " code { (asked.model) } } "."
            }
        } @else {
            (list(&alerts.alerts, now))
            @if let Some(next) = alerts.next {
                p { a href=(format!("{}&after={next}", query(asked.state))) { "More alerts" } }
            }
        }
        section aria-labelledby="mutes" {
            h2 #mutes { "Mutes in force" }
            @if mutes.is_empty() { p.empty { "None. A mute is made on the page of an alert." } }
            ul.alerts { @for mute in mutes { li { (muted(mute, visitor)) } } }
        }
    }
}

fn muted(mute: &MuteView<'_>, visitor: &Visitor) -> Markup {
    html! {
        p {
            strong { (mute.model) @if let Some(version) = mute.version { " " (version) } }
            @if let Some(series) = mute.series { " " code { (series) } }
            " until " (text::when(mute.until.0))
        }
        p.quiet { (mute.reason) " \u{b7} " (mute.actor) ", " (text::when(mute.at.0)) }
        @if let Ok((session, _)) = visitor.operator() {
            form.act method="post" action=(format!("/mutes/{}/end", segment(mute.id))) {
                input type="hidden" name="csrf" value=(session.form_token());
                label { "Reason" input name="reason" required maxlength="1000"; }
                button type="submit" { "End this mute" }
            }
        }
    }
}

/// The page of one alert.
pub(super) fn one(
    alert: &AlertView<'_>,
    (visitor, now): (&Visitor, Timestamp),
    longest: Option<Length>,
    done: Option<&str>,
) -> Markup {
    let version = text::model_path(alert.model, alert.version);
    let subject = text::subject_path(alert);
    html! {
        (crumbs(&[
            ("Alerts", "/alerts".to_owned()),
            (&format!("{} {}", alert.model, alert.version), version),
        ]))
        @if let Some(done) = done { p.notice role="status" { (done) } }
        h1.say { (text::sentence(alert.sentence)) }
        p.lead {
            (severity(alert.severity)) " " (state(alert.state)) " "
            @if let Some(resolved) = alert.resolved {
                "from " (text::when(alert.since.0)) " to " (text::when(resolved.0))
            } @else {
                "since " (text::when(alert.since.0)) ", " (text::ago(alert.since.0, now))
            }
        }
        p.go {
            a.button href=(subject) { "See " code { (alert.series) } " now" }
            a.button href=(format!("{subject}&at={}", alert.since.0)) { "When it fired" }
        }
        dl.facts {
            (fact("Series", &html! { code { (alert.series) } }))
            (fact("Test", &html! { (alert.test) }))
            (fact("Window", &html! { (alert.window.0) }))
            @if let Some(reference) = alert.reference { (fact("Against", &html! { (reference) })) }
            (fact("PSI, last window", &html! { (text::score(alert.psi)) }))
            (fact("p-value", &html! { (text::p_value(alert.p)) }))
            (fact("Level", &html! { (text::p_value(alert.alpha)) }))
            (fact("Id", &html! { code { (alert.id) } }))
        }
        @if !alert.moved_too.is_empty() {
            p {
                "Moved too: "
                @for (place, peer) in alert.moved_too.iter().enumerate() {
                    @if place > 0 { ", " }
                    a href=(text::series_path(alert.model, alert.version, peer, alert.window.0)) {
                        code { (peer) }
                    }
                }
            }
        }
        (acknowledged(alert))
        (actions(alert, visitor, longest))
    }
}

fn acknowledged(alert: &AlertView<'_>) -> Markup {
    html! {
        @if let Some(hand) = &alert.acknowledged {
            p.notice {
                "Acknowledged by " strong { (hand.actor) } " at " (text::when(hand.at.0))
                @if !hand.reason.is_empty() { ": " (hand.reason) }
            }
        }
        @if alert.muted { p.notice { "Muted: nobody is told of it for now." } }
    }
}

/// What can be done, or who may.
fn actions(alert: &AlertView<'_>, visitor: &Visitor, longest: Option<Length>) -> Markup {
    let session = match visitor.operator() {
        Ok((session, _)) => session,
        Err(problem) => return cannot(&problem, alert),
    };
    let csrf = session.form_token();
    let path = text::alert_path(alert.id);
    html! {
        section aria-labelledby="act" {
            h2 #act { "Act" }
            div.acts {
                form.act method="post" action=(format!("{path}/acknowledge")) {
                    h3 { "Acknowledge" }
                    p.quiet { "Says that you look after it. The alert goes on firing." }
                    input type="hidden" name="csrf" value=(csrf);
                    label { "Reason" input name="reason" required maxlength="1000"; }
                    button type="submit" { "Acknowledge" }
                }
                form.act method="post" action=(format!("{path}/mute")) {
                    h3 { "Mute" }
                    p.quiet { "Nobody is told for a while. It is judged and kept all the same." }
                    input type="hidden" name="csrf" value=(csrf);
                    label { "Of"
                        select name="scope" {
                            option value="series" { "this series" }
                            option value="version" { "all of version " (alert.version) }
                            option value="model" { "all of " (alert.model) }
                        }
                    }
                    label { "For"
                        select name="length" {
                            @for (value, name) in MUTE_LENGTHS { option value=(value) { (name) } }
                        }
                    }
                    label { "Reason" input name="reason" required maxlength="1000"; }
                    button type="submit" { "Mute" }
                }
                form.act method="post" action=(format!("{path}/baseline")) {
                    h3 { "Accept as new baseline" }
                    p.quiet {
                        "This is how " (alert.model) " " (alert.version) " is from now on: the \
                         rows of a period become what live data is judged against, for all its \
                         series."
                    }
                    input type="hidden" name="csrf" value=(csrf);
                    label { "From, UTC" input name="from" placeholder="2026-11-23T10:00:00Z"; }
                    label { "To, UTC" input name="to" placeholder="2026-11-24T10:00:00Z"; }
                    @if let Some(longest) = longest {
                        p.quiet { "Left empty: the last window of " (longest) "." }
                    }
                    label { "Reason" input name="reason" required maxlength="1000"; }
                    button type="submit" { "Accept" }
                }
            }
        }
    }
}

fn cannot(problem: &Problem, alert: &AlertView<'_>) -> Markup {
    let to = segment(&text::alert_path(alert.id)).to_string();
    html! {
        section aria-labelledby="act" {
            h2 #act { "Act" }
            @if matches!(problem, Problem::NoToken) {
                p {
                    "To acknowledge, mute or accept it as the new baseline, "
                    a href=(format!("{}?to={to}", super::SIGN_IN)) { "sign in" }
                    " with an operator's token."
                }
            } @else {
                p.quiet { "You cannot acknowledge or mute it here: " (problem) "." }
            }
        }
    }
}

/// Where a token is entered.
pub(super) fn sign_in(to: &str, wrong: bool) -> Markup {
    html! {
        h1 { "Sign in" }
        p.lead { "With a token of " code { "http.tokens_file" } "." }
        @if wrong { p.notice.bad role="alert" { "There is no such token." } }
        form.act.alone method="post" action=(super::SIGN_IN) {
            input type="hidden" name="to" value=(to);
            // keepers of passwords ask for a name to keep it under; it is not sent
            input type="text" autocomplete="username" value="driftd" aria-label="Name" hidden
                readonly;
            label { "Token"
                input type="password" name="token" required autofocus
                    autocomplete="current-password" maxlength="512";
            }
            button type="submit" { "Sign in" }
        }
        p.quiet { "A cookie keeps you signed in for 12 hours in this browser." }
    }
}
