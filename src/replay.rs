//! `driftd replay`: files through the same tally, fold and scores as live, without Kafka.
//!
//! Rows become deltas of one chain, cut wherever event time passes a tick, and the deltas become
//! records of a log whose time is the event time itself. So a window closes here exactly when it
//! would have closed live on an ordered topic:
//!
//! ```text
//! rows up to 10:10 --delta, log time 10:10--> fold --watermark 10:09--> windows that end at 10:00
//! ```
//!
//! A table for people is a backtest: the alerts that would have fired. JSON lines have all scores.
//!
//! Inputs should be in the order of time, as live data nearly is; rows that lie further back than
//! the panes that are kept are counted, said at the end, and not scored.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::alert::learn;
use crate::board::{Board, ClosedWindow};
use crate::cli;
use crate::delta::Delta;
use crate::engine::{Engine, Input, Output};
use crate::expose::view::ScoredSeries;
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::fold::{self, FoldError};
use crate::key::{ChainKey, ModelKey};
use crate::reference::progress::Progress;
use crate::reference::{Reference, artifact, zone};
use crate::replay::backtest::{Backtest, Setting};
use crate::replay::cut::Cutter;
use crate::replay::rows::{Piece, RowsError};
use crate::statelog::record::{Alerting, Configuration, Record};
use crate::tally::Router;
use crate::time::{Length, Timestamp};

mod backtest;
mod bins;
mod cut;
mod rows;

/// Panes are kept for this long, so that files need not be in perfect order.
const KEEP: Length = Length::DAY.times(3);

/// Series that the reference does not know are kept up to this number.
const LOOSE_SERIES_MAX: u64 = 512;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An input cannot be read.
    #[error("cannot replay")]
    Rows(#[from] RowsError),
    /// No row had a time.
    #[error("no row of {} of model {model} has a time: windows need one", list(.inputs))]
    NoRows {
        /// The model version of the reference.
        model: ModelKey,
        /// The inputs.
        inputs: Vec<PathBuf>,
    },
    /// The fold refused a record of this replay: a fault of driftd.
    #[error("the fold refused a replayed record; this is a fault of driftd")]
    Fold(#[from] FoldError),
    /// The output cannot be written.
    #[error("cannot write the scores")]
    Output(#[from] io::Error),
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// Replays `args.inputs` against `reference` and writes scores to `out`.
pub fn replay(
    reference: &Reference,
    args: &cli::Replay,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<(), ReplayError> {
    let mut replayer = Replayer::new(reference, args, out)?;
    let shape = replayer.cutter.layout();
    let mut failed = Ok(());
    rows::read(
        &args.inputs,
        (&reference.layout, shape.as_deref()),
        progress,
        |piece| {
            failed = replayer.piece(&piece);
            if failed.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    )?;
    failed?;
    replayer.finish(reference, args)
}

/// What the board of a replay depends on.
fn configuration(args: &cli::Replay) -> Configuration {
    let mut windows = args.windows.clone();
    windows.sort_unstable();
    windows.dedup();
    let keep = windows
        .last()
        .map_or(KEEP, |longest| longest.times(2).max(KEEP));
    Configuration {
        windows,
        keep: Some(keep),
        lateness: Length::MINUTE,
        wait_max: Length::DAY,
        silent_after: Length::DAY.times(36_500),
        models_max: u64::MAX,
        models_allow: Vec::new(),
        loose_series_max: LOOSE_SERIES_MAX,
        state_bytes_max: u64::MAX,
        alerts: Alerting {
            false_alarms_per_month: args.false_alarms_per_month,
            ..Alerting::default()
        },
        // rows are compared with the reference that was given, and with nothing else
        learn_rows: 0,
    }
}

/// What counts rows in the layouts and panes of the engine.
fn cutter(engine: &Engine, key: ModelKey, chain: ChainKey) -> Cutter {
    let (fold, pane) = (engine.fold(), engine.fold().base_pane());
    let router = Router::new(Arc::new(fold.layouts()), pane, fold.config.lateness);
    Cutter::new(router, pane, key, chain)
}

/// The state of a replay.
struct Replayer<'a> {
    key: ModelKey,
    engine: Engine,
    cutter: Cutter,
    /// The next position of the log.
    position: u64,
    log_time: Timestamp,
    /// How often each window is scored; its step unless asked otherwise.
    every: Option<Length>,
    /// The last tick scored of each window length.
    scored: BTreeMap<Length, Timestamp>,
    format: cli::ReplayFormat,
    backtest: Backtest,
    out: &'a mut dyn Write,
    outputs: Vec<Output>,
}

impl<'a> Replayer<'a> {
    fn new(
        reference: &Reference,
        args: &cli::Replay,
        out: &'a mut dyn Write,
    ) -> Result<Self, ReplayError> {
        let key = ModelKey::new(
            reference.header.model.clone(),
            reference.header.version.clone(),
        );
        let engine = Engine::new(configuration(args));
        let (cluster, topic) = (Arc::from("files"), Arc::from("files"));
        let chain = ChainKey {
            shard: 0,
            cluster,
            topic,
            incarnation: 0,
            partition: 0,
        };
        let mut replayer = Self {
            key: key.clone(),
            cutter: cutter(&engine, key.clone(), chain.clone()),
            engine,
            position: 0,
            log_time: Timestamp::MIN,
            every: args.every,
            scored: BTreeMap::new(),
            format: args.format,
            backtest: Backtest::default(),
            out,
            outputs: Vec::new(),
        };
        let natural = learn::of_reference(
            reference,
            &replayer.engine.fold().config.windows,
            replayer.engine.fold().config.alerts.baseline,
            zone::offsets,
        );
        replayer.append(Record::Activate {
            key: key.clone(),
            artifact: artifact::to_bytes(&reference.without_blocks()),
            natural: natural
                .as_ref()
                .map_or_else(Vec::new, artifact::natural_to_bytes),
        })?;
        let genesis = Record::Genesis {
            chain: chain.clone(),
            start: 0,
        };
        replayer.append(genesis)?;
        // rows are counted in the layout that has just come
        replayer.cutter = cutter(&replayer.engine, key, chain);
        Ok(replayer)
    }

    fn append(&mut self, record: Record) -> Result<(), ReplayError> {
        let (position, append_time) = (self.position, self.log_time);
        let record = fold::Input {
            position,
            append_time,
            digest: [0; 32],
            record,
        };
        self.engine
            .handle(Input::Record(record), &mut self.outputs)?;
        for output in self.outputs.drain(..) {
            if let Output::Alert(change, alert) = output {
                self.backtest.take(change, alert);
            }
        }
        self.position += 1;
        Ok(())
    }

    fn piece(&mut self, piece: &Piece<'_>) -> Result<(), ReplayError> {
        match piece {
            Piece::Row(names, row) => match self.cutter.row(names, row) {
                Some(delta) => self.fold(delta),
                None => Ok(()),
            },
            Piece::Columns(rows) => {
                let values = rows.values();
                let mut from = 0;
                while from < rows.at.len() {
                    let (cut, to) = self.cutter.columns((rows, &values), from);
                    cut.map_or(Ok(()), |delta| self.fold(delta))?;
                    from = to;
                }
                Ok(())
            }
        }
    }

    /// Brings a delta into the fold and scores the windows that this closes.
    fn fold(&mut self, delta: Delta) -> Result<(), ReplayError> {
        self.log_time = self
            .log_time
            .max(delta.accounting.last_event.unwrap_or(self.log_time));
        self.append(Record::Delta(Box::new(delta)))?;
        match self.format {
            cli::ReplayFormat::Table => Ok(()),
            cli::ReplayFormat::Jsonl => self.score(),
        }
    }

    /// Scores the windows that closed and were not scored yet, in order of time, short ones first.
    fn score(&mut self) -> Result<(), ReplayError> {
        let fold = self.engine.fold();
        let (Some(watermark), Some(model)) = (fold.watermark, fold.models.get(&self.key)) else {
            return Ok(());
        };
        let model = Arc::clone(model);
        let mut due = Vec::new();
        for (index, panes) in model.windows.iter().enumerate() {
            let every = self.every.unwrap_or_else(|| panes.step());
            let Some((first, _)) = panes.span() else {
                continue;
            };
            let before = self.scored.get(&panes.window()).copied();
            let mut end = before.unwrap_or_else(|| first.floor(every)) + every;
            while end <= watermark {
                due.push((end, index));
                self.scored.insert(panes.window(), end);
                end = end + every;
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        due.sort_unstable();
        let board = self.engine.board();
        for (end, index) in due {
            if let Some(panes) = model.windows.get(index) {
                self.print(&board, &model, panes, end)?;
            }
        }
        Ok(())
    }

    fn print(
        &mut self,
        board: &Board,
        model: &ModelState,
        panes: &Panes,
        end: Timestamp,
    ) -> Result<(), ReplayError> {
        let closed: ClosedWindow = board.window(model, panes, end);
        if closed.window.rows == 0 {
            return Ok(());
        }
        for series in ScoredSeries::all(model, &closed) {
            serde_json::to_writer(&mut *self.out, &series).map_err(io::Error::from)?;
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Closes the windows that the last rows are in.
    fn finish(mut self, reference: &Reference, args: &cli::Replay) -> Result<(), ReplayError> {
        let last = self.cutter.cut(true);
        self.fold(last)?;
        let Some(model) = self
            .engine
            .fold()
            .models
            .get(&self.key)
            .filter(|model| model.rows > 0)
        else {
            return Err(ReplayError::NoRows {
                model: self.key,
                inputs: args.inputs.clone(),
            });
        };
        let beyond = model.rows_beyond_horizon;
        // with nothing more to read, log time alone carries the watermark on to the next tick of
        // every window; further ones would judge the silence behind the files
        let step = model.windows.last().map_or(Length::DAY, Panes::step);
        self.log_time = self.log_time + self.every.unwrap_or(step) + Length::MINUTE;
        let silence = self.cutter.cut(true);
        self.fold(silence)?;
        self.report(reference, args)?;
        self.out.flush()?;
        if beyond > 0 {
            tracing::warn!(
                rows = beyond,
                "rows out of order by more than is kept were not scored"
            );
        }
        Ok(())
    }

    /// Tells what fired, where people read it.
    fn report(&mut self, reference: &Reference, args: &cli::Replay) -> Result<(), ReplayError> {
        let board = self.engine.board();
        let Some(model) = board.models.get(&self.key) else {
            return Ok(());
        };
        if self.format == cli::ReplayFormat::Table {
            let setting = Setting {
                reference,
                model,
                config: &board.config,
                judge: board.judges.get(&self.key).map(|judge| &**judge),
                quiet_until: args.quiet_until,
            };
            self.backtest.write(self.out, &setting)?;
        }
        Ok(())
    }
}
