//! The daemon as it is shipped, against a real Apache Kafka.
//!
//! `bash tests/system/kafka/kafka.sh fetch` gets Kafka's jars once; then `cargo test --test system`
//! starts one broker on loopback for all tests, and the broker goes when the tests end, however
//! they end. Each test has its own topics, its own state log and its own daemon. Some tests need
//! Prometheus, Alertmanager or Chromium with its driver, which they start themselves.
//!
//! - `exact`: ten months of flights give the numbers of `tests/data/flights/truth.json`, with each
//!   home of the state log, and also when the daemon is killed on the way.
//! - `bad_input`: whatever stands in a topic is counted and named, and nothing around it is lost.
//! - `journal`: through kills and with two replicas the journal is one chain, without repetitions.
//! - `orders`: what an operator asks of one instance holds for all, also after a restart.
//! - `source`: consumers alone, while partitions move, are cut off or are not what they were.
//! - `chaos`: three instances on three brokers while everything happens to both; a full disk.
//! - `shards`: each model is counted by one shard, also when that is killed, divided, begun anew.
//! - `refusals`: what is wrong outside of driftd gets one clear message and the right exit code.
//! - `transport`: TLS, SCRAM and all codecs of Kafka.
//! - `dashboards`: every panel shows something of the demo, in a real Prometheus.
//! - `pages`: a drift is one page with its end, through a real Prometheus and Alertmanager.
//! - `webhooks`: no alert is missed, through kills of daemons and a receiver that is down.
//! - `walk`: somebody who was paged clicks through the web view of the demo, in a real Chromium.
//! - `formats`: the same rows give the same reference, whatever file they come from.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod browser;
mod driftd;
mod flights;
mod http;
mod monitoring;
mod poll;
mod produce;
mod rig;
mod truth;

mod bad_input;
mod chaos;
mod dashboards;
mod exact;
mod formats;
mod journal;
mod orders;
mod pages;
mod refusals;
mod shards;
mod snapshots;
mod source;
mod statelog;
mod transport;
mod walk;
mod webhooks;
