//! The bytes of natural variation: JSON, as it travels beside an artifact in the state log.
//!
//! ```text
//! {"windows":[{"length_ms":3600000,"block_ms":3600000,"series":[[[0.0012,13.1],null,..],..],
//!              "carriers":[[0.0,16.0],null,null,null]}],
//!  "profile":{"buckets":"hour_of_day_weekend","offsets":[[-62167219200000,0]],
//!             "hours":[10,..],"counts":[[12,9,31,..],..],"spread":[[0.001,0.0],..]}}
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ArtifactError;
use crate::key::Carrier;
use crate::reference::narrow::Narrow;
use crate::reference::natural::{
    Buckets, Dispersion, Natural, Offsets, Part, Profile, WindowNatural,
};
use crate::time::{Length, Timestamp};

type RawSeries = [Option<(f64, f64)>; Part::ALL.len()];
type RawCarriers = [Option<(f64, f64)>; Carrier::ALL.len()];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNatural {
    windows: Vec<RawWindow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<RawProfile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    length_ms: i64,
    block_ms: i64,
    series: Vec<RawSeries>,
    #[serde(default, skip_serializing_if = "is_unknown")]
    carriers: RawCarriers,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    buckets: String,
    offsets: Vec<(i64, i32)>,
    hours: Vec<u32>,
    counts: Vec<Vec<u64>>,
    spread: Vec<[f64; 2]>,
}

/// The bytes of what is natural.
///
/// # Panics
///
/// Never: numbers are finite, and everything has a JSON form.
pub fn natural_to_bytes(natural: &Natural) -> Vec<u8> {
    let raw = RawNatural {
        windows: natural
            .windows
            .iter()
            .map(|window| RawWindow {
                length_ms: window.length.as_millis(),
                block_ms: window.block.as_millis(),
                series: window.series.iter().map(raw_of).collect(),
                carriers: raw_of(&window.carriers),
            })
            .collect(),
        profile: natural.profile.as_deref().map(|profile| RawProfile {
            buckets: profile.buckets.as_str().to_owned(),
            offsets: profile
                .offsets
                .as_slice()
                .iter()
                .map(|(from, minutes)| (from.as_millis(), *minutes))
                .collect(),
            hours: profile.hours.clone(),
            counts: profile.counts.iter().map(Narrow::to_vec).collect(),
            spread: profile.spread.clone(),
        }),
    };
    #[expect(clippy::expect_used, reason = "a struct of numbers and texts")]
    serde_json::to_vec(&raw).expect("natural variation can be written")
}

/// Reads [`natural_to_bytes`]. Of which layout it is nothing in it says, see [`Natural::fits`].
pub fn natural_from_bytes(bytes: &[u8]) -> Result<Natural, ArtifactError> {
    let raw: RawNatural = serde_json::from_slice(bytes).map_err(ArtifactError::Header)?;
    let bad = || ArtifactError::Field("natural variation");
    let length = |millis| Length::from_millis(millis).ok_or_else(bad);
    let window = |raw: RawWindow| {
        Ok(WindowNatural {
            length: length(raw.length_ms)?,
            block: length(raw.block_ms)?,
            series: raw.series.into_iter().map(known).collect(),
            carriers: known(raw.carriers),
        })
    };
    Ok(Natural {
        windows: raw
            .windows
            .into_iter()
            .map(window)
            .collect::<Result<_, ArtifactError>>()?,
        profile: raw
            .profile
            .map(|raw| profile(raw).map(Arc::new).ok_or_else(bad))
            .transpose()?,
    })
}

fn is_unknown(carriers: &RawCarriers) -> bool {
    carriers.iter().all(Option::is_none)
}

fn raw_of<const N: usize>(known: &[Option<Dispersion>; N]) -> [Option<(f64, f64)>; N] {
    known.map(|one| one.map(|one| (one.tau, one.tail_df)))
}

fn known<const N: usize>(raw: [Option<(f64, f64)>; N]) -> [Option<Dispersion>; N] {
    raw.map(|one| one.map(|(tau, tail_df)| Dispersion { tau, tail_df }))
}

fn profile(raw: RawProfile) -> Option<Profile> {
    let all = [Buckets::HourOfDay, Buckets::HourOfDayWeekend];
    let offsets = raw.offsets.into_iter();
    let offsets = offsets
        .map(|(from, minutes)| Some((Timestamp::checked_from_millis(from)?, minutes)))
        .collect::<Option<_>>()?;
    Some(Profile {
        buckets: all.into_iter().find(|one| one.as_str() == raw.buckets)?,
        offsets: Offsets::new(offsets)?,
        hours: raw.hours,
        counts: raw
            .counts
            .iter()
            .map(|counts| Narrow::new(counts))
            .collect(),
        spread: raw.spread,
    })
}
