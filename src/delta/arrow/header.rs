//! The header of a delta as JSON: what there is once, short, and without what is zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DecodeError, Flaw};
use crate::decode::Reject;
use crate::delta::{Accounting, Delta, LastRecord};
use crate::key::ChainKey;
use crate::time::{Length, Timestamp};

/// Mirrors the JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    chain: ChainText,
    from: i64,
    to: i64,
    writer: u64,
    attempt: u64,
    pane_ms: i64,
    /// What the first pane counts from; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    accounting: AccountingText,
}

/// Mirrors a [`ChainKey`] as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainText {
    #[serde(default, skip_serializing_if = "is_default")]
    shard: u16,
    cluster: String,
    topic: String,
    #[serde(default, skip_serializing_if = "is_default")]
    incarnation: u32,
    partition: i32,
}

impl From<&ChainKey> for ChainText {
    fn from(chain: &ChainKey) -> Self {
        Self {
            shard: chain.shard,
            cluster: chain.cluster.to_string(),
            topic: chain.topic.to_string(),
            incarnation: chain.incarnation,
            partition: chain.partition,
        }
    }
}

impl From<ChainText> for ChainKey {
    fn from(text: ChainText) -> Self {
        Self {
            shard: text.shard,
            cluster: Arc::from(text.cluster),
            topic: Arc::from(text.topic),
            incarnation: text.incarnation,
            partition: text.partition,
        }
    }
}

/// Mirrors an [`Accounting`] as JSON. Rejections stand by the name of their reason, so that a new
/// reason moves none of the others.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccountingText {
    #[serde(skip_serializing_if = "is_default")]
    records: u64,
    #[serde(skip_serializing_if = "is_default")]
    rows: u64,
    #[serde(skip_serializing_if = "is_default")]
    rejected: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "is_default")]
    lost: u64,
    #[serde(skip_serializing_if = "is_default")]
    late: u64,
    #[serde(skip_serializing_if = "is_default")]
    unnamed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_ms: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    at_end: bool,
    /// Offset and hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_record: Option<(i64, u64)>,
}

impl From<&Accounting> for AccountingText {
    fn from(sums: &Accounting) -> Self {
        let rejected = Reject::ALL
            .iter()
            .zip(sums.rejected)
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.as_str().to_owned(), count))
            .collect();
        Self {
            records: sums.records,
            rows: sums.rows,
            rejected,
            lost: sums.lost,
            late: sums.late,
            unnamed: sums.unnamed,
            first_event_ms: sums.first_event.map(Timestamp::as_millis),
            last_event_ms: sums.last_event.map(Timestamp::as_millis),
            at_end: sums.at_end,
            last_record: sums.last_record.map(|last| (last.offset, last.hash)),
        }
    }
}

impl From<Accounting> for AccountingText {
    fn from(sums: Accounting) -> Self {
        Self::from(&sums)
    }
}

impl TryFrom<AccountingText> for Accounting {
    type Error = Flaw;
    fn try_from(text: AccountingText) -> Result<Self, Flaw> {
        let mut rejected = [0; Reject::ALL.len()];
        for (reason, count) in text.rejected {
            let known = Reject::ALL
                .iter()
                .zip(&mut rejected)
                .find(|(r, _)| r.as_str() == reason);
            let Some((_, place)) = known else {
                return Err(Flaw::Reason(reason));
            };
            *place = count;
        }
        Ok(Self {
            records: text.records,
            rows: text.rows,
            rejected,
            lost: text.lost,
            late: text.late,
            unnamed: text.unnamed,
            first_event: text.first_event_ms.map(timestamp).transpose()?,
            last_event: text.last_event_ms.map(timestamp).transpose()?,
            at_end: text.at_end,
            last_record: text
                .last_record
                .map(|(offset, hash)| LastRecord { offset, hash }),
        })
    }
}

/// The header of `delta`, whose panes count from `base`.
pub(super) fn write(delta: &Delta, base: Option<Timestamp>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Header {
        chain: ChainText::from(&delta.chain),
        from: delta.from,
        to: delta.to,
        writer: delta.writer,
        attempt: delta.attempt,
        pane_ms: delta.pane.as_millis(),
        base_ms: base.map(Timestamp::as_millis),
        accounting: AccountingText::from(&delta.accounting),
    })
}

/// A delta without rows yet, and what its panes count from.
pub(super) fn read(text: &str) -> Result<(Delta, Timestamp), DecodeError> {
    let header: Header = serde_json::from_str(text).map_err(DecodeError::Header)?;
    let pane = Length::from_millis(header.pane_ms).ok_or(Flaw::Pane(header.pane_ms))?;
    let delta = Delta {
        chain: header.chain.into(),
        from: header.from,
        to: header.to,
        writer: header.writer,
        attempt: header.attempt,
        pane,
        accounting: header.accounting.try_into()?,
        arrivals: Vec::new(),
        models: Vec::new(),
    };
    Ok((delta, start(header.base_ms.unwrap_or(0), pane)?))
}

/// A point in time that can be written.
pub(super) fn timestamp(millis: i64) -> Result<Timestamp, Flaw> {
    Timestamp::checked_from_millis(millis).ok_or(Flaw::Time(millis))
}

/// The start of a pane. That of the first pane there is may lie before [`Timestamp::MIN`], and only
/// [`Timestamp::floor`] can make it.
pub(super) fn start(millis: i64, pane: Length) -> Result<Timestamp, Flaw> {
    let start = Timestamp::from_millis(millis).floor(pane);
    if start.as_millis() == millis {
        Ok(start)
    } else {
        Err(Flaw::Start(millis))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
