//! The thread that reads the state log, drives the engine and carries its outputs out.
//!
//! It is the only place that mutates what is known. It publishes a board when the log has nothing
//! more to read, and at least every [`PUBLISH_INTERVAL`] while it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use super::snapshots::Copies;
use crate::alert::episode::{Alert, Change};
use crate::clock::Clock;
use crate::engine::{Engine, Input, Output};
use crate::expose::Shared;
use crate::fold::{self, Effect, FoldError};
use crate::journal::Journal;
use crate::layout::Digest;
use crate::source::{Door, Head};
use crate::statelog::record::{Command, Record, RecordError};
use crate::statelog::{Appender, Entry, Failed, Read, Reader, StateLogError};

/// How long readers of the board wait at most for what is folded.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// How long the reader waits for a record before the thread looks around.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

/// Why the thread ended.
#[derive(Debug, thiserror::Error)]
pub enum FoldingError {
    /// The log cannot be read.
    #[error("reading failed")]
    Read(#[from] StateLogError),
    /// A record cannot be read.
    #[error("the record at position {position} cannot be read")]
    Record {
        /// Its place.
        position: u64,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// The fold refuses to go on.
    #[error("folding failed")]
    Fold(#[from] FoldError),
    /// The thread panicked: a fault of driftd.
    #[error("the fold panicked; this is a fault of driftd, please report it")]
    Panicked,
}

/// What the rest of the wiring waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// The log was folded to its end.
    Ready,
    /// A configuration came through the log.
    Configured,
    /// A reference came through the log.
    Reference {
        /// Its digest, where it could be read; it is active, or was refused.
        digest: Option<Digest>,
    },
}

/// Where outputs go.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) door: Arc<Door>,
    pub(super) shared: Arc<Shared>,
    pub(super) appender: Appender,
    pub(super) journal: Journal,
    pub(super) copies: Copies,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) clock: Clock,
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Folding {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), FoldingError>>,
}

impl Folding {
    /// Starts the thread; `None` where the machine has no room for one.
    pub(super) fn start(reader: Reader, engine: Engine, doors: Doors) -> Option<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("fold".to_owned())
            .spawn(move || {
                Thread {
                    reader,
                    engine,
                    doors,
                    ready: false,
                }
                .run(&told)
            })
            .ok()?;
        Some(Self { stop, thread })
    }

    /// Ends the thread; why it had ended already, if it had.
    pub(super) async fn stop(self) -> Result<(), FoldingError> {
        self.stop.store(true, Ordering::Relaxed);
        let join = move || self.thread.join();
        match tokio::task::spawn_blocking(join).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => Err(FoldingError::Panicked),
        }
    }
}

struct Thread {
    reader: Reader,
    engine: Engine,
    doors: Doors,
    ready: bool,
}

impl Thread {
    fn run(mut self, stop: &AtomicBool) -> Result<(), FoldingError> {
        let mut outputs = Vec::new();
        let mut published = self.doors.clock.instant();
        let mut is_dirty = false;
        while !stop.load(Ordering::Relaxed) {
            let read = self.reader.next(READ_TIMEOUT)?;
            let is_idle = matches!(read, Read::Idle);
            match read {
                Read::Entry(entry) => {
                    let is_configuration = matches!(entry.record, Ok(Record::Configure(_)));
                    self.fold(entry, &mut outputs)?;
                    is_dirty = true;
                    if is_configuration {
                        self.publish(&mut outputs)?;
                        self.tell(Event::Configured);
                    }
                }
                Read::End if !self.ready => self.get_ready(&mut outputs)?,
                Read::End | Read::Idle => {}
            }
            let now = self.doors.clock.instant();
            if self.ready {
                self.doors.copies.offer(now, &self.engine);
            }
            let is_due = is_idle || now.duration_since(published) >= PUBLISH_INTERVAL;
            if is_dirty && is_due {
                self.publish(&mut outputs)?;
                published = now;
                is_dirty = false;
            }
        }
        Ok(())
    }

    fn get_ready(&mut self, outputs: &mut Vec<Output>) -> Result<(), FoldingError> {
        self.ready = true;
        self.engine.handle(Input::End, outputs)?;
        let fold = self.engine.fold();
        // of chains that nothing was heard of since a snapshot
        for (key, chain) in &fold.chains {
            self.doors.door.set_head(key, Head::of(chain));
        }
        let layouts = Arc::new(fold.layouts());
        self.doors
            .door
            .set_layouts(layouts, fold.base_pane(), fold.config.lateness);
        tracing::info!(position = fold.position, "the state log is folded");
        self.doors.journal.catch_up();
        self.publish(outputs)?;
        self.tell(Event::Ready);
        Ok(())
    }

    fn fold(&mut self, entry: Entry, outputs: &mut Vec<Output>) -> Result<(), FoldingError> {
        let Entry {
            position,
            append_time,
            digest,
            record,
        } = entry;
        let record = record.map_err(|source| FoldingError::Record { position, source })?;
        let record = fold::Input {
            position,
            append_time,
            digest,
            record,
        };
        self.engine.handle(Input::Record(record), outputs)?;
        self.carry_out(outputs);
        Ok(())
    }

    fn publish(&mut self, outputs: &mut Vec<Output>) -> Result<(), FoldingError> {
        self.engine.handle(Input::Publish, outputs)?;
        self.carry_out(outputs);
        Ok(())
    }

    fn carry_out(&self, outputs: &mut Vec<Output>) {
        for output in outputs.drain(..) {
            match output {
                Output::Board(board) => self.doors.shared.publish(board),
                Output::Layouts(layouts, pane, lateness) => {
                    self.doors.door.set_layouts(layouts, pane, lateness);
                }
                Output::Journal(entry) => self.doors.journal.add(entry),
                Output::Effect(effect) => self.effect(effect),
                Output::Alert(change, alert) => self.alert(change, &alert),
            }
        }
    }

    fn effect(&self, effect: Effect) {
        match effect {
            Effect::Head {
                chain,
                position,
                last_record,
            } => {
                self.doors.door.set_head(
                    &chain,
                    Head {
                        position,
                        last_record,
                    },
                );
            }
            Effect::Fate {
                chain,
                writer,
                attempt,
                accepted,
            } => {
                self.doors.door.fate(writer, attempt, &chain, accepted);
            }
            Effect::Activated {
                key,
                role,
                digest,
                layout,
                learned,
                ..
            } => {
                let role = role.as_str();
                tracing::info!(model = %key, role, %digest, %layout, learned, "reference active");
                self.tell(Event::Reference {
                    digest: Some(digest),
                });
            }
            Effect::Refused {
                key,
                digest,
                reason,
            } => {
                tracing::warn!(model = %key, reason, "reference refused");
                self.tell(Event::Reference { digest });
            }
            Effect::Command(command) if self.ready => {
                let Command { actor, reason, .. } = command;
                tracing::info!(actor, reason, kind = ?command.kind, "command");
            }
            // while the log is read again, its anchors are in it already
            Effect::Anchor(anchor) if self.ready => {
                let appended = self
                    .doors
                    .appender
                    .append(&Record::Anchor(anchor), &Failed::default());
                if let Err(error) = appended {
                    tracing::warn!(%error, "anchor not appended");
                }
            }
            Effect::GivenUp(told) if self.ready => {
                let (webhook, events) = (told.webhook, told.given_up);
                let cause = told.cause.unwrap_or_default();
                tracing::warn!(webhook, events, cause, "a webhook gave up events");
            }
            Effect::Anchor(_)
            | Effect::Command(_)
            | Effect::Configured
            | Effect::Delivered(_)
            | Effect::GivenUp(_)
            | Effect::Layouts => {}
        }
    }

    /// One line for each change, of those that happen now: what the log says again at a start was
    /// said when it happened.
    fn alert(&self, change: Change, alert: &Alert) {
        if self.ready {
            tracing::info!(
                alert = %alert.id,
                model = %alert.key,
                series = %alert.series,
                window = %alert.window,
                test = alert.test.as_str(),
                severity = alert.severity.as_str(),
                sentence = %alert.sentence,
                "alert {}",
                change.as_str()
            );
        }
    }

    /// Tells those who wait; when nobody reads, the event is dropped and the board still tells.
    fn tell(&self, event: Event) {
        if self.doors.events.try_send(event).is_err() {
            tracing::debug!("nobody waits for the fold's events");
        }
    }
}
