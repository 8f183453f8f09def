//! The JSON header of an artifact.
//!
//! ```text
//! {"format":1,"model":"fraud","version":"7","role":"training",
//!  "convention":"deciles-inverted-cdf-jeffreys","rows":51955,
//!  "first_event":"2013-01-01T10:15:00Z","last_event":"2013-03-01T04:59:00Z","timezone":null,
//!  "digest":"..","layout":"..",
//!  "provenance":{"inputs":[{"name":"train.parquet","sha256":".."}],"created_at":null,
//!                "tool_version":"0.1.0"}}
//! ```
//!
//! A reference that was learned from live rows has `"learned":true` besides, one that says how much
//! series matter `"importances":{"amount":0.4}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, FORMAT};
use crate::key::Name;
use crate::layout::Digest;
use crate::reference::{Header, Input, Provenance, Reference, ReferenceRole};
use crate::time::Timestamp;

/// The header as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    format: u32,
    model: String,
    version: String,
    role: String,
    convention: String,
    rows: u64,
    first_event: Option<String>,
    last_event: Option<String>,
    timezone: Option<String>,
    /// Left out where it says nothing new, so that older readers understand all other references.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    learned: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    importances: BTreeMap<String, f64>,
    digest: String,
    layout: String,
    provenance: RawProvenance,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvenance {
    inputs: Vec<RawInput>,
    created_at: Option<String>,
    tool_version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    name: String,
    sha256: String,
}

/// Only the format, so that a header of another format is named as such.
#[derive(Debug, Deserialize)]
struct RawFormat {
    format: u32,
}

/// The digests that the content must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// Of the whole.
    pub(super) content: Digest,
    /// Of the layout.
    pub(super) layout: Digest,
}

pub(super) fn write(reference: &Reference) -> String {
    let header = &reference.header;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let input = |input: &Input| RawInput {
        name: input.name.clone(),
        sha256: input.sha256.to_string(),
    };
    let raw = RawHeader {
        format: FORMAT,
        model: header.model.to_string(),
        version: header.version.to_string(),
        role: header.role.as_str().to_owned(),
        convention: header.convention.to_string(),
        rows: header.rows,
        first_event: time(header.first_event),
        last_event: time(header.last_event),
        timezone: header.timezone.clone(),
        learned: header.learned,
        importances: header.importances.clone(),
        digest: reference.digest().to_string(),
        layout: reference.layout.digest().to_string(),
        provenance: RawProvenance {
            inputs: header.provenance.inputs.iter().map(input).collect(),
            created_at: time(header.provenance.created_at),
            tool_version: header.provenance.tool_version.clone(),
        },
    };
    #[expect(clippy::expect_used, reason = "a struct of strings and numbers")]
    serde_json::to_string(&raw).expect("a header can be written")
}

pub(super) fn read(text: &str) -> Result<(Header, Said), ArtifactError> {
    let RawFormat { format } = serde_json::from_str(text).map_err(ArtifactError::Header)?;
    if format != FORMAT {
        return Err(ArtifactError::Format(format));
    }
    let raw: RawHeader = serde_json::from_str(text).map_err(ArtifactError::Header)?;
    let input = |raw: RawInput| {
        let sha256 = digest(&raw.sha256, "digest of an input")?;
        Ok(Input {
            name: raw.name,
            sha256,
        })
    };
    let said = Said {
        content: digest(&raw.digest, "digest")?,
        layout: digest(&raw.layout, "digest of its layout")?,
    };
    let header = Header {
        model: Name::new(&raw.model).map_err(ArtifactError::Name)?,
        version: Name::new(&raw.version).map_err(ArtifactError::Name)?,
        role: ReferenceRole::from_text(&raw.role).ok_or(ArtifactError::Field("role"))?,
        convention: raw.convention.into(),
        rows: raw.rows,
        first_event: time(raw.first_event, "first event")?,
        last_event: time(raw.last_event, "last event")?,
        timezone: raw.timezone,
        learned: raw.learned,
        importances: raw.importances,
        provenance: Provenance {
            inputs: raw
                .provenance
                .inputs
                .into_iter()
                .map(input)
                .collect::<Result<_, _>>()?,
            created_at: time(raw.provenance.created_at, "creation time")?,
            tool_version: raw.provenance.tool_version,
        },
    };
    Ok((header, said))
}

fn digest(text: &str, field: &'static str) -> Result<Digest, ArtifactError> {
    text.parse()
        .map_err(|_no_digest| ArtifactError::Field(field))
}

fn time(text: Option<String>, field: &'static str) -> Result<Option<Timestamp>, ArtifactError> {
    let parse = |text: String| text.parse().map_err(|_no_time| ArtifactError::Field(field));
    text.map(parse).transpose()
}
