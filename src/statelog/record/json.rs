//! The JSON of the small records: serde types that mirror it, and nothing else.
//!
//! Lengths and times are whole milliseconds, digests hexadecimal. An `activate` is the length of
//! its JSON in 4 bytes, little endian, the JSON that says which model version, then the artifact
//! and what its hours taught.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    Alerting, Anchor, Configuration, Kind, LEARN_ROWS, Record, RecordError, STATE_BYTES_MAX,
};
use crate::delta::{AccountingText, ChainText};
use crate::key::{ChainKey, ModelKey, Name, Shard};
use crate::layout::Digest;
use crate::time::{Length, Timestamp};

type Bytes = Result<Vec<u8>, serde_json::Error>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisText {
    chain: ChainText,
    start: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelText {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tenant: String,
    model: String,
    version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    segment: String,
    /// The bytes behind the artifact that say what its hours taught.
    #[serde(default, skip_serializing_if = "is_zero")]
    natural_bytes: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigurationText {
    windows_ms: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_ms: Option<i64>,
    lateness_ms: i64,
    wait_max_ms: i64,
    silent_after_ms: i64,
    models_max: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    models_allow: Vec<String>,
    loose_series_max: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    alerts: Alerting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learn_rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_bytes_max: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorText {
    position: u64,
    digest: String,
    heads: Vec<HeadText>,
    totals: BTreeMap<String, AccountingText>,
    log_time_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    chain: ChainText,
    head: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NeedText {
    shard: Shard,
    from: u64,
}

fn is_default(alerts: &Alerting) -> bool {
    *alerts == Alerting::default()
}

pub(super) fn write_genesis(chain: &ChainKey, start: i64) -> Bytes {
    serde_json::to_vec(&GenesisText {
        chain: chain.into(),
        start,
    })
}

pub(super) fn read_genesis(body: &[u8]) -> Result<Record, RecordError> {
    let text: GenesisText = parse(body, Kind::Genesis)?;
    Ok(Record::Genesis {
        chain: text.chain.into(),
        start: text.start,
    })
}

pub(super) fn write_need(shard: Shard, from: u64) -> Bytes {
    serde_json::to_vec(&NeedText { shard, from })
}

pub(super) fn read_need(body: &[u8]) -> Result<Record, RecordError> {
    let NeedText { shard, from } = parse(body, Kind::Need)?;
    Ok(Record::Need { shard, from })
}

pub(super) fn write_activate(key: &ModelKey, artifact: &[u8], natural: &[u8]) -> Bytes {
    let header = serde_json::to_vec(&ModelText {
        tenant: key.tenant.to_string(),
        model: key.model.to_string(),
        version: key.version.to_string(),
        segment: key.segment.to_string(),
        natural_bytes: natural.len(),
    })?;
    // the names are short, see `Name`; were they not, the length would say so and reading would
    // fail
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    Ok([&length.to_le_bytes(), header.as_slice(), artifact, natural].concat())
}

pub(super) fn read_activate(body: &[u8]) -> Result<Record, RecordError> {
    let short = || RecordError::Short(body.len());
    let (length, rest) = body.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (header, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let text: ModelText = parse(header, Kind::Activate)?;
    let artifact_bytes = rest.len().checked_sub(text.natural_bytes);
    let (artifact, natural) = artifact_bytes
        .and_then(|bytes| rest.split_at_checked(bytes))
        .ok_or_else(short)?;
    let name = |text: &str| Name::new(text).map_err(|_bad| bad(Kind::Activate, "name"));
    for part in [&text.tenant, &text.segment] {
        if !part.is_empty() {
            name(part)?;
        }
    }
    let key = ModelKey {
        tenant: Arc::from(text.tenant),
        segment: Arc::from(text.segment),
        ..ModelKey::new(name(&text.model)?, name(&text.version)?)
    };
    Ok(Record::Activate {
        key,
        artifact: artifact.to_vec(),
        natural: natural.to_vec(),
    })
}

pub(super) fn write_configuration(configuration: &Configuration) -> Bytes {
    serde_json::to_vec(&ConfigurationText {
        windows_ms: configuration
            .windows
            .iter()
            .map(|window| window.as_millis())
            .collect(),
        keep_ms: configuration.keep.map(Length::as_millis),
        lateness_ms: configuration.lateness.as_millis(),
        wait_max_ms: configuration.wait_max.as_millis(),
        silent_after_ms: configuration.silent_after.as_millis(),
        models_max: configuration.models_max,
        models_allow: configuration.models_allow.clone(),
        loose_series_max: configuration.loose_series_max,
        alerts: configuration.alerts.clone(),
        learn_rows: Some(configuration.learn_rows).filter(|rows| *rows != LEARN_ROWS),
        state_bytes_max: Some(configuration.state_bytes_max)
            .filter(|bytes| *bytes != STATE_BYTES_MAX),
    })
}

pub(super) fn read_configuration(body: &[u8]) -> Result<Configuration, RecordError> {
    const KIND: Kind = Kind::Configure;
    let text: ConfigurationText = parse(body, KIND)?;
    let length = |millis, what| Length::from_millis(millis).ok_or(bad(KIND, what));
    let windows: Vec<Length> = text
        .windows_ms
        .iter()
        .map(|millis| length(*millis, "window"))
        .collect::<Result<_, _>>()?;
    if !windows.is_sorted_by(|a, b| a < b) {
        return Err(bad(KIND, "order of windows"));
    }
    Ok(Configuration {
        windows,
        keep: text
            .keep_ms
            .map(|millis| length(millis, "time to keep panes"))
            .transpose()?,
        lateness: length(text.lateness_ms, "lateness")?,
        wait_max: length(text.wait_max_ms, "longest wait")?,
        silent_after: length(text.silent_after_ms, "length of silence")?,
        models_max: text.models_max,
        models_allow: text.models_allow,
        loose_series_max: text.loose_series_max,
        alerts: text.alerts,
        learn_rows: text.learn_rows.unwrap_or(LEARN_ROWS),
        state_bytes_max: text.state_bytes_max.unwrap_or(STATE_BYTES_MAX),
    })
}

pub(super) fn write_anchor(anchor: &Anchor) -> Bytes {
    let heads = anchor.heads.iter().map(|(chain, head)| HeadText {
        chain: chain.into(),
        head: *head,
    });
    let totals = anchor
        .totals
        .iter()
        .map(|(topic, sums)| (topic.clone(), sums.into()));
    serde_json::to_vec(&AnchorText {
        position: anchor.position,
        digest: Digest(anchor.digest).to_string(),
        heads: heads.collect(),
        totals: totals.collect(),
        log_time_ms: anchor.log_time.as_millis(),
    })
}

pub(super) fn read_anchor(body: &[u8]) -> Result<Anchor, RecordError> {
    const KIND: Kind = Kind::Anchor;
    let text: AnchorText = parse(body, KIND)?;
    let heads: Vec<(ChainKey, i64)> = text
        .heads
        .into_iter()
        .map(|head| (head.chain.into(), head.head))
        .collect();
    if !heads.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(bad(KIND, "order of chains"));
    }
    let digest: Digest = text.digest.parse().map_err(|_bad| bad(KIND, "digest"))?;
    let totals = text.totals.into_iter().map(|(topic, sums)| {
        let sums = sums
            .try_into()
            .map_err(|source| RecordError::Sums { kind: KIND, source })?;
        Ok((topic, sums))
    });
    Ok(Anchor {
        position: text.position,
        digest: digest.0,
        heads: heads.into_iter().collect(),
        totals: totals.collect::<Result<_, RecordError>>()?,
        log_time: Timestamp::checked_from_millis(text.log_time_ms).ok_or(bad(KIND, "time"))?,
    })
}

fn parse<T: DeserializeOwned>(body: &[u8], kind: Kind) -> Result<T, RecordError> {
    serde_json::from_slice(body).map_err(|source| RecordError::Json { kind, source })
}

fn bad(kind: Kind, what: &'static str) -> RecordError {
    RecordError::Value { kind, what }
}
