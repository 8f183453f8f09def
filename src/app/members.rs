//! One instance for an embedded state log: a second member of the group would take partitions away,
//! and each would see a part of the data only.
//!
//! A member that died stays in the group until its session ends, so one look is not enough: the
//! daemon stops when a member of another process was there at [`LOOKS`] looks in a row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{AppError, CONNECT_TIMEOUT, blocking};
use crate::config::{Config, Home};
use crate::source::admin;

/// How often the members of a group are looked at.
const INTERVAL: Duration = Duration::from_secs(20);

/// Looks in a row that must find the same stranger; longer together than a session of 45 s lasts.
const LOOKS: u32 = 4;

/// Done when the groups of an instance with an embedded state log have a member that is not of this
/// process; never where the state log is in Kafka.
pub(super) async fn watch(config: &Arc<Config>) -> AppError {
    if !matches!(config.state.home, Home::Embedded { .. }) {
        return std::future::pending().await;
    }
    let mut seen = 0;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let looked = Arc::clone(config);
        match blocking(move || stranger(&looked), "members").await {
            Ok(Some((group, other))) => {
                seen += 1;
                if seen >= LOOKS {
                    return AppError::SecondMember { group, other };
                }
                tracing::warn!(%group, %other, "the consumer group has another member");
            }
            Ok(None) => seen = 0,
            Err(error) => return error,
        }
    }
}

/// A group and a member of it that is not of this process. A broker that does not answer has none:
/// the consumers say so in the log.
fn stranger(config: &Config) -> Option<(String, String)> {
    let groups: BTreeSet<&str> = config
        .sources
        .iter()
        .map(|source| source.group.as_str())
        .collect();
    let ours = admin::client_id();
    for group in groups {
        let members = admin::members(&config.kafka, group, CONNECT_TIMEOUT).unwrap_or_default();
        if let Some(other) = members.into_iter().find(|member| *member != ours) {
            return Some((group.to_owned(), other));
        }
    }
    None
}
