//! What the journal tells of.
//!
//! Each kind of event has a name and fields that never change their meaning: an entry is read as
//! long as anybody keeps it. A field that does not apply is left out, and so is a number that is
//! none.

use crate::journal::json::Json;
use crate::journal::text::{Names, Text};
use crate::key::ModelKey;
use crate::layout::Digest;
use crate::time::{Length, Timestamp};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An alert began to fire.
    AlertFiring(Box<Alert>),
    /// An alert that fires became more severe.
    AlertEscalated(Box<Alert>),
    /// An alert fires no longer.
    AlertResolved(Box<Alert>),
    /// A reference, and with it a layout, is in force from here on.
    ReferenceActivated {
        /// The model version.
        key: ModelKey,
        /// What the reference is to it.
        role: Text,
        /// The reference.
        digest: Digest,
        /// Its layout.
        layout: Digest,
        /// Whether it was learned from live rows.
        learned: bool,
    },
    /// A reference was found and is not in force.
    ReferenceRefused {
        /// The model version.
        key: ModelKey,
        /// The reference, where it could be read.
        digest: Option<Digest>,
        /// Why.
        refusal: Text,
    },
    /// Another configuration is in force from here on.
    Configured {
        /// What it says.
        summary: Text,
    },
    /// Somebody saw an alert and says so.
    Acknowledged {
        /// The alert.
        alert: Text,
    },
    /// Alerts will not be told of for a while.
    Muted {
        /// What names the mute.
        id: Text,
        /// Whose alerts.
        model: Text,
        /// Of which version; of all where there is none.
        version: Option<Text>,
        /// Of which series; of all where there is none.
        series: Option<Text>,
        /// The end of it.
        until: Timestamp,
    },
    /// A mute ended before its time.
    Unmuted {
        /// What names the mute.
        id: Text,
    },
    /// A serving period was accepted as what is normal.
    BaselineAccepted {
        /// The model version.
        key: ModelKey,
        /// The reference that was made of it.
        digest: Digest,
        /// Where the period begins.
        from: Timestamp,
        /// Where it ends.
        to: Timestamp,
    },
    /// A version of a model has other series than the one before.
    SchemaChanged(Box<SchemaChange>),
    /// A webhook's receiver took some events.
    WebhookDelivered(Deliveries),
    /// A webhook's receiver never took some events.
    WebhookGaveUp {
        /// The webhook.
        webhook: Text,
        /// How many events.
        events: u64,
        /// Why the last one of them was given up.
        cause: Option<Text>,
    },
}

/// An alert, as it is when it fires, becomes more severe or is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What names the alert.
    pub alert: Text,
    /// The model version.
    pub key: ModelKey,
    /// The series; an alert on the model version itself has none.
    pub series: Option<Text>,
    /// The length of its windows.
    pub window: Length,
    /// Which test spoke.
    pub test: Text,
    /// How severe it is.
    pub severity: Text,
    /// The role of the reference that it was judged by, if by any.
    pub reference: Option<Text>,
    /// When it began to fire, in event time.
    pub since: Timestamp,
    /// The end of the window in which it began or ended, in event time.
    pub end: Option<Timestamp>,
    /// How likely such a window is when nothing changed.
    pub p: Option<f64>,
    /// What the budget allows this test.
    pub alpha: Option<f64>,
    /// The adjusted PSI of the window.
    pub psi: Option<f64>,
    /// What an engineer on call reads.
    pub sentence: Text,
}

/// What another version has, lacks and means by the same name.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaChange {
    /// The model version that is new.
    pub key: ModelKey,
    /// The version that it is compared with.
    pub before: Text,
    /// Series that it has besides.
    pub added: Names,
    /// Series that it lacks.
    pub removed: Names,
    /// Series of another type.
    pub retyped: Names,
}

/// What a webhook's receiver took.
#[derive(Debug, Clone, PartialEq)]
pub struct Deliveries {
    /// The webhook.
    pub webhook: Text,
    /// How many events.
    pub events: u64,
    /// The last entry that is done with.
    pub entry: u64,
}

impl Event {
    /// The names of all kinds.
    pub const KINDS: [&str; 13] = [
        "alert_firing",
        "alert_escalated",
        "alert_resolved",
        "reference_activated",
        "reference_refused",
        "configured",
        "acknowledged",
        "muted",
        "unmuted",
        "baseline_accepted",
        "schema_changed",
        "webhook_delivered",
        "webhook_gave_up",
    ];

    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AlertFiring(_) => "alert_firing",
            Self::AlertEscalated(_) => "alert_escalated",
            Self::AlertResolved(_) => "alert_resolved",
            Self::ReferenceActivated { .. } => "reference_activated",
            Self::ReferenceRefused { .. } => "reference_refused",
            Self::Configured { .. } => "configured",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Muted { .. } => "muted",
            Self::Unmuted { .. } => "unmuted",
            Self::BaselineAccepted { .. } => "baseline_accepted",
            Self::SchemaChanged(_) => "schema_changed",
            Self::WebhookDelivered(_) => "webhook_delivered",
            Self::WebhookGaveUp { .. } => "webhook_gave_up",
        }
    }

    /// Its kind and fields, in the order that they have for ever.
    pub(super) fn write(&self, json: &mut Json) {
        json.put("kind", self.kind());
        match self {
            Self::AlertFiring(alert) | Self::AlertEscalated(alert) | Self::AlertResolved(alert) => {
                alert.write(json);
            }
            Self::ReferenceActivated {
                key,
                role,
                digest,
                layout,
                learned,
            } => {
                json.model(key);
                json.put("role", role.as_str());
                json.shown("digest", digest);
                json.shown("layout", layout);
                json.put("learned", *learned);
            }
            Self::ReferenceRefused {
                key,
                digest,
                refusal,
            } => {
                json.model(key);
                json.maybe("digest", digest.as_ref());
                json.put("refusal", refusal.as_str());
            }
            Self::Configured { summary } => json.put("summary", summary.as_str()),
            Self::Acknowledged { alert } => json.put("alert", alert.as_str()),
            Self::Muted {
                id,
                model,
                version,
                series,
                until,
            } => {
                json.put("id", id.as_str());
                json.put("model", model.as_str());
                json.maybe("version", version.as_ref());
                json.maybe("series", series.as_ref());
                json.shown("until", until);
            }
            Self::Unmuted { id } => json.put("id", id.as_str()),
            Self::BaselineAccepted {
                key,
                digest,
                from,
                to,
            } => {
                json.model(key);
                json.shown("digest", digest);
                json.shown("from", from);
                json.shown("to", to);
            }
            Self::SchemaChanged(change) => change.write(json),
            Self::WebhookDelivered(deliveries) => deliveries.write(json),
            Self::WebhookGaveUp {
                webhook,
                events,
                cause,
            } => {
                json.put("webhook", webhook.as_str());
                json.put("events", *events);
                json.maybe("cause", cause.as_ref());
            }
        }
    }
}

impl Deliveries {
    fn write(&self, json: &mut Json) {
        json.put("webhook", self.webhook.as_str());
        json.put("events", self.events);
        json.put("entry", self.entry);
    }
}

impl Alert {
    fn write(&self, json: &mut Json) {
        json.put("alert", self.alert.as_str());
        json.model(&self.key);
        json.maybe("series", self.series.as_ref());
        json.shown("window", &self.window);
        json.put("test", self.test.as_str());
        json.put("severity", self.severity.as_str());
        json.maybe("reference", self.reference.as_ref());
        json.shown("since", &self.since);
        json.maybe("end", self.end.as_ref());
        json.number("p", self.p);
        json.number("alpha", self.alpha);
        json.number("psi", self.psi);
        json.put("sentence", self.sentence.as_str());
    }
}

impl SchemaChange {
    fn write(&self, json: &mut Json) {
        json.model(&self.key);
        json.put("before", self.before.as_str());
        let mut left_out = 0;
        for (name, names) in [
            ("added", &self.added),
            ("removed", &self.removed),
            ("retyped", &self.retyped),
        ] {
            left_out += names.left_out();
            json.put(
                name,
                names.kept().iter().map(Text::as_str).collect::<Vec<_>>(),
            );
        }
        if left_out > 0 {
            json.put("left_out", left_out);
        }
    }
}
