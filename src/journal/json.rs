//! One flat JSON object with its fields in the order in which they are put: the same values give
//! the same bytes, on every machine and in every version.

use std::fmt::Display;

use serde_json::Value;

use crate::key::ModelKey;

/// An object that grows.
#[derive(Debug)]
pub(super) struct Json(String);

impl Json {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A field; `name` has nothing to escape.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(&value.into().to_string());
    }

    /// A field with a value as people write it.
    pub(super) fn shown(&mut self, name: &str, value: &impl Display) {
        self.put(name, value.to_string());
    }

    /// As [`Self::shown`], where there is a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.shown(name, value);
        }
    }

    /// A number in its shortest form that reads back; what is none is left out.
    pub(super) fn number(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.put(name, value);
        }
    }

    /// A model version; the reserved parts of its key only where they are set.
    pub(super) fn model(&mut self, key: &ModelKey) {
        let ModelKey {
            tenant,
            model,
            version,
            segment,
        } = key;
        self.maybe("tenant", Some(tenant).filter(|tenant| !tenant.is_empty()));
        self.put("model", model.as_str());
        self.put("version", version.as_str());
        self.maybe(
            "segment",
            Some(segment).filter(|segment| !segment.is_empty()),
        );
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
