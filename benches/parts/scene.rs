//! A model version with a reference, what is counted of it, and the engine that has folded that.

use std::sync::Arc;

use driftd::board::Board;
use driftd::decode::{Decoder, FieldPaths, Limits, Plan, Record as Event};
use driftd::delta::Delta;
use driftd::engine::Input;
use driftd::key::{ModelKey, Name};
use driftd::reference::build::{BuildRequest, Quiet, build};
use driftd::reference::{Reference, ReferenceRole, artifact};
use driftd::statelog::record::Record;
use driftd::tally::{Layouts, Range, Router, Seen, Tally};
use driftd::time::{Length, Timestamp};

use crate::events::{Random, flights};
use crate::log::{Log, chain};

pub(crate) const PANE: Length = Length::MINUTE.times(5);

/// When records are appended, after all of their events: 2013-03-12T12:00:00Z.
fn now() -> Timestamp {
    Timestamp::from_millis(1_363_089_600_000)
}

/// A decoder of events in the shape that needs no configuration.
pub(crate) fn decoder() -> Decoder {
    let plan = Plan::new(&FieldPaths::default()).expect("the default shape");
    Decoder::new(plan, Limits::default())
}

/// Events of the flights, always the same.
pub(crate) fn events(count: usize) -> Vec<String> {
    let mut random = Random(2013);
    (0..count).map(|_event| flights(&mut random)).collect()
}

/// The same within a minute, so that they are in one pane.
pub(crate) fn events_of_a_minute(count: usize) -> Vec<String> {
    let mut events = events(count);
    for event in &mut events {
        let day = event.find("2013-03-").expect("a time");
        let minute = "2013-03-12T10:02";
        event.replace_range(day..day + minute.len(), minute);
    }
    events
}

/// A reference of such events.
pub(crate) fn reference() -> Reference {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("training.jsonl");
    std::fs::write(&path, events(20_000).join("\n")).expect("a file");
    let name = |text| Name::new(text).expect("a name");
    let request = BuildRequest::new(name("flight-delay"), name("1"), ReferenceRole::Training);
    let request = BuildRequest {
        inputs: vec![path],
        ..request
    };
    build(&request, &Quiet).expect("a reference")
}

/// An engine, and the log that feeds it.
pub(crate) struct Scene {
    log: Log,
    head: i64,
}

impl Scene {
    /// So many model versions with this reference.
    pub(crate) fn new(reference: &Reference, models: usize) -> Self {
        let log = Log::new(models, Some(Length::DAY.times(14)), now());
        let mut scene = Self { log, head: 0 };
        for at in 0..models {
            scene.append(Record::Activate {
                key: key(at),
                artifact: artifact::to_bytes(&reference.without_blocks()),
                natural: Vec::new(),
            });
        }
        scene.append(Record::Genesis {
            chain: chain(),
            start: 0,
        });
        scene
    }

    pub(crate) fn append(&mut self, record: Record) {
        self.log.append(record).expect("a record that fits");
    }

    /// A router over what is in force.
    pub(crate) fn router(&self) -> Router {
        let layouts: Layouts = self.log.engine.fold().layouts();
        Router::new(Arc::new(layouts), PANE, Length::MINUTE)
    }

    /// The delta of these events, those of one model made to be of all of them.
    pub(crate) fn delta(&mut self, events: &[String]) -> Delta {
        let (mut decoder, mut router) = (decoder(), self.router());
        let mut tally = Tally::default();
        count(&mut decoder, &mut router, &mut tally, events);
        let (from, to) = (self.head, self.head + events.len() as i64);
        self.head = to;
        let range = Range {
            chain: chain(),
            from,
            to,
            writer: 1,
            attempt: 1,
        };
        let mut delta = tally.take(&router, range, true);
        let own = delta.models.pop().expect("one model");
        let models = self.log.engine.fold().layouts();
        delta.models = (0..models.of.len())
            .map(|at| {
                let mut other = own.clone();
                (other.key, other.layout) = (key(at), models.of[&key(at)].0);
                other
            })
            .collect();
        delta
    }

    pub(crate) fn board(&mut self) -> Arc<Board> {
        // before the end of the log there are no metrics of models
        let ended = self.log.engine.handle(Input::End, &mut Vec::new());
        ended.expect("nothing is wrong with the end");
        self.log.board().expect("what was asked for")
    }
}

/// Decodes and counts events as a lane does.
pub(crate) fn count(
    decoder: &mut Decoder,
    router: &mut Router,
    tally: &mut Tally,
    events: &[String],
) {
    for (offset, event) in (0..).zip(events) {
        let value = event.as_bytes();
        let timestamp = Some(now());
        let record = Event {
            value: Some(value),
            timestamp,
        };
        let outcome = decoder.decode(record, |names, row| {
            tally.add(router, names, row, timestamp);
        });
        let seen = Seen {
            offset,
            timestamp,
            value,
        };
        tally.record(seen, outcome, PANE);
    }
}

/// The first model is the one of the events.
pub(crate) fn key(at: usize) -> ModelKey {
    let model = match at {
        0 => "flight-delay".to_owned(),
        _ => format!("flight-delay-{at}"),
    };
    let name = |text: &str| Name::new(text).expect("a name");
    ModelKey::new(name(&model), name("1"))
}
