//! Alerts: what fires, with its sentence, and how often.

use super::table::{ALERT_ACTIVE, ALERT_INFO, ALERTS};
use super::{Text, real};
use crate::alert::episode::Alert;
use crate::board::Board;
use crate::reference::ReferenceRole;
use crate::time::Length;

/// Writes what the board says of alerts.
pub(super) fn write(page: &mut Text, board: &Board) {
    // what is muted must not page
    let firing = || {
        let all = board.firing.iter();
        all.filter(|alert| !board.muted.contains(&alert.id))
    };
    let active = firing().map(|alert| {
        let window = alert.window.to_string();
        ALERT_ACTIVE.sample(&labels(alert, &window), 1.0)
    });
    page.metric(&ALERT_ACTIVE, active);
    let info = firing().map(|alert| {
        let window = alert.window.to_string();
        let [model, version, series, window, test, severity, reference] = labels(alert, &window);
        let labels = [
            model,
            version,
            series,
            window,
            test,
            severity,
            reference,
            &alert.sentence,
        ];
        ALERT_INFO.sample(&labels, 1.0)
    });
    page.metric(&ALERT_INFO, info);
    let totals = board
        .alert_totals
        .iter()
        .map(|((model, severity, change), count)| {
            let labels = [model.as_str(), severity.as_str(), change.as_str()];
            ALERTS.sample(&labels, real(*count))
        });
    page.metric(&ALERTS, totals);
}

/// In the order of the labels of alerts.
fn labels<'a>(alert: &'a Alert, window: &'a str) -> [&'a str; 7] {
    debug_assert_eq!(window.parse::<Length>(), Ok(alert.window), "its own window");
    [
        alert.key.model.as_str(),
        alert.key.version.as_str(),
        &alert.series,
        window,
        alert.test.as_str(),
        alert.severity.as_str(),
        alert.reference.map_or("", ReferenceRole::as_str),
    ]
}
