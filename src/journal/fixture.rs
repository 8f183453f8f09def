//! Entries of each kind, and chains of them.

use super::{Alert, Chain, Draft, Event, Line};
use crate::journal::event::{Deliveries, SchemaChange};
use crate::key::{ModelKey, Name};
use crate::layout::Digest;
use crate::time::{Length, Timestamp};

/// A name with everything that JSON must escape.
const HOSTILE: &str = "\"a\\b\" \u{e9}</script>";

pub(crate) fn key() -> ModelKey {
    ModelKey::new(Name::new("fraud").unwrap(), Name::new(HOSTILE).unwrap())
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn alert() -> Box<Alert> {
    Box::new(Alert {
        alert: "9f2c".into(),
        key: key(),
        series: Some("amount".into()),
        window: Length::HOUR.times(6),
        test: "location".into(),
        severity: "critical".into(),
        reference: Some("baseline".into()),
        since: time("2026-11-23T09:00:00Z"),
        end: Some(time("2026-11-23T10:00:00.120Z")),
        p: Some(1e-300),
        alpha: Some(0.1 + 0.2),
        psi: Some(f64::NAN),
        sentence: "`amount` moved up by 0.4 sigma".into(),
    })
}

/// One event of each kind, in the order of [`Event::KINDS`].
pub(crate) fn events() -> Vec<Event> {
    let bare = Box::new(Alert {
        series: None,
        reference: None,
        end: None,
        p: None,
        alpha: None,
        psi: None,
        ..*alert()
    });
    vec![
        Event::AlertFiring(alert()),
        Event::AlertEscalated(alert()),
        Event::AlertResolved(bare),
        Event::ReferenceActivated {
            key: key(),
            role: "training".into(),
            digest: Digest([1; 32]),
            layout: Digest([2; 32]),
            learned: true,
        },
        Event::ReferenceRefused {
            key: key(),
            digest: None,
            refusal: "its layout is another one".into(),
        },
        Event::Configured {
            summary: "windows 1h".into(),
        },
        Event::Acknowledged {
            alert: "9f2c".into(),
        },
        Event::Muted {
            id: "m1".into(),
            model: "fraud".into(),
            version: None,
            series: Some("amount".into()),
            until: time("2026-11-24T00:00:00Z"),
        },
        Event::Unmuted { id: "m1".into() },
        Event::BaselineAccepted {
            key: key(),
            digest: Digest([3; 32]),
            from: time("2026-11-01T00:00:00Z"),
            to: time("2026-11-08T00:00:00Z"),
        },
        Event::SchemaChanged(Box::new(SchemaChange {
            key: key(),
            before: "6".into(),
            added: ["a", HOSTILE].into_iter().collect(),
            removed: ["x"; 52].into_iter().collect(),
            retyped: [""; 0].into_iter().collect(),
        })),
        Event::WebhookDelivered(Deliveries {
            webhook: "retrain".into(),
            events: 3,
            entry: 21,
        }),
        Event::WebhookGaveUp {
            webhook: "retrain".into(),
            events: 2,
            cause: Some("HTTP 410".into()),
        },
    ]
}

/// A draft that differs from those of other numbers.
pub(crate) fn draft(n: u64) -> Draft {
    let mut events = events();
    let at = usize::try_from(n).unwrap() % events.len();
    Draft {
        at: time("2026-11-23T10:00:00Z") + Length::SECOND.times(u32::try_from(n).unwrap()),
        position: 7 * n,
        actor: "alice".into(),
        reason: n.is_multiple_of(2).then(|| "because\nso".into()),
        event: events.swap_remove(at),
    }
}

/// These lines as a file has them.
pub(crate) fn file<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.json);
        text.push('\n');
    }
    text
}

/// The first `n` lines of a chain.
pub(crate) fn lines(n: u64) -> Vec<Line> {
    let mut chain = Chain::default();
    (0..n).map(|i| chain.next(draft(i)).line).collect()
}
