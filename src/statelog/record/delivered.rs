//! How far a webhook has got in the journal: its type, its bounds, its JSON.
//!
//! ```text
//! {"webhook":"retrain","to":17}                                begins after entry 17
//! {"webhook":"retrain","from":17,"to":21,"delivered":3}        entries 18 to 21: three were events
//! {"webhook":"retrain","from":21,"to":22,"given_up":1,"cause":"HTTP 410"}
//! ```
//!
//! As with a delta, one whose `from` is not where its webhook stands has no effect: two instances
//! that deliver at the same time count nothing twice.

use serde::{Deserialize, Serialize};

use super::{Kind, RecordError};

/// The longest name of a webhook in bytes; a longer one is refused.
pub const WEBHOOK_NAME_BYTES_MAX: usize = 64;

/// The longest cause in bytes; a longer one is refused.
const CAUSE_BYTES_MAX: usize = 128;

/// How far a webhook has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// The webhook, by the name that it has in the configuration.
    pub webhook: String,
    /// The last entry of the journal that was done with before; `None` of a webhook that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The last entry that is done with now.
    pub to: u64,
    /// Events of the entries between that the receiver has taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivered: u64,
    /// Those that it never took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub given_up: u64,
    /// Why the last one of those was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Delivered {
    /// Whether this may name a webhook: letters, digits, `_` and `-`.
    pub fn is_name(text: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=WEBHOOK_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
    }

    /// What of it cannot be, if anything.
    fn flaw(&self) -> Option<&'static str> {
        let entries = self.to.checked_sub(self.from.unwrap_or(self.to));
        let events = self.delivered.checked_add(self.given_up);
        let is_plain =
            |cause: &String| cause.len() <= CAUSE_BYTES_MAX && !cause.chars().any(char::is_control);
        if !Self::is_name(&self.webhook) {
            return Some("name");
        }
        if entries.is_none_or(|entries| events.is_none_or(|events| events > entries)) {
            return Some("range of entries");
        }
        if !self.cause.iter().all(is_plain) {
            return Some("cause");
        }
        None
    }
}

pub(super) fn write(delivered: &Delivered) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(delivered)
}

pub(super) fn read(body: &[u8]) -> Result<Delivered, RecordError> {
    let kind = Kind::Delivered;
    let delivered: Delivered =
        serde_json::from_slice(body).map_err(|source| RecordError::Json { kind, source })?;
    match delivered.flaw() {
        None => Ok(delivered),
        Some(what) => Err(RecordError::Value { kind, what }),
    }
}
