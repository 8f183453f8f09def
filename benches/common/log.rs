//! A state log that is folded as it is written: what benches of the engine stand on.

use std::error::Error;
use std::sync::Arc;

use driftd::board::Board;
use driftd::engine::{Engine, Input, Output};
use driftd::fold::{self, FoldError};
use driftd::key::ChainKey;
use driftd::statelog::record::{Alerting, Configuration, Record};
use driftd::time::{Length, Timestamp};

/// The engine, and when the next record is appended.
pub(crate) struct Log {
    pub(crate) engine: Engine,
    pub(crate) now: Timestamp,
}

impl Log {
    /// With the default windows, which keep their panes for `keep` where that is longer.
    pub(crate) fn new(models: usize, keep: Option<Length>, now: Timestamp) -> Self {
        let engine = Engine::new(Configuration {
            windows: [1, 6, 24].map(|hours| Length::HOUR.times(hours)).to_vec(),
            keep,
            lateness: Length::MINUTE,
            wait_max: Length::DAY,
            silent_after: Length::DAY.times(365),
            models_max: models as u64,
            models_allow: Vec::new(),
            loose_series_max: 1,
            state_bytes_max: u64::MAX,
            learn_rows: 0,
            alerts: Alerting::default(),
        });
        Self { engine, now }
    }

    pub(crate) fn append(&mut self, record: Record) -> Result<(), FoldError> {
        let input = fold::Input {
            position: self.engine.fold().position,
            append_time: self.now,
            digest: [0; 32],
            record,
        };
        self.engine.handle(Input::Record(input), &mut Vec::new())
    }

    /// All windows scored.
    pub(crate) fn board(&mut self) -> Result<Arc<Board>, Box<dyn Error>> {
        let mut outputs = Vec::new();
        self.engine.handle(Input::Publish, &mut outputs)?;
        let board = outputs.into_iter().find_map(|output| match output {
            Output::Board(board) => Some(board),
            _ => None,
        });
        Ok(board.ok_or("no board")?)
    }
}

/// The only chain.
pub(crate) fn chain() -> ChainKey {
    ChainKey {
        shard: 0,
        cluster: Arc::from("bench"),
        topic: Arc::from("events"),
        incarnation: 0,
        partition: 0,
    }
}
