//! What becomes of a lane whose partition ends or begins elsewhere than it thought.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::config::Start;
use crate::decode::{Decoder, FieldPaths, Limits, Plan};
use crate::delta::LastRecord;
use crate::key::ChainKey;
use crate::source::desk::{Arrived, DeskSize};
use crate::source::door::Door;
use crate::source::place::Beginnings;
use crate::time::Length;

const HEAD: i64 = 44;

/// A client of one partition that begins and ends here.
struct Bounded(i64, i64);

impl Client for Bounded {
    fn assign(&self, _: &[(Place, i64)]) -> bool {
        true
    }

    fn unassign(&self, _: &[Place]) {}

    fn seek(&self, _: &Place, _: i64) -> bool {
        true
    }

    fn reassign(&self, _: &Place, _: i64) -> bool {
        true
    }

    fn set_paused(&self, _: &Place, _: bool) -> bool {
        true
    }

    fn ask(&self, questions: &[(Place, Start)]) -> Option<BTreeMap<Place, i64>> {
        let answer = |(place, start): &(Place, Start)| {
            let offset = if *start == Start::Earliest {
                self.0
            } else {
                self.1
            };
            (place.clone(), offset)
        };
        Some(questions.iter().map(answer).collect())
    }
}

fn chain() -> ChainKey {
    ChainKey {
        shard: 0,
        cluster: "c".into(),
        topic: "t".into(),
        incarnation: 0,
        partition: 0,
    }
}

/// A desk with a lane at [`HEAD`], where the fold remembers a record or not.
fn desk(last_record: Option<LastRecord>) -> (ReaderCommon, Desk) {
    let door = Arc::<Door>::default();
    door.set_layouts(Arc::default(), Length::MINUTE, Length::MINUTE);
    let head = Head {
        position: HEAD,
        last_record,
    };
    door.set_head(&chain(), head);
    let plan = Plan::new(&FieldPaths::default()).unwrap();
    let size = DeskSize {
        names_max: 100,
        flush_ms: 1_000,
        workers: 1,
    };
    let decoder = Decoder::new(plan, Limits::default());
    let mut desk = Desk::new(decoder, &door, 1, size).unwrap();
    desk.assigned(&Assigned {
        chain: chain(),
        head,
    });
    let common = ReaderCommon {
        cluster: "c".into(),
        append: Arc::new(|_, _| Ok(0)),
        door,
        beginnings: Beginnings::new(Start::Earliest, []),
        on_truncation: OnTruncation::Stop,
        tolls: Tolls::default(),
    };
    (common, desk)
}

fn read(desk: &mut Desk, offset: i64) {
    let arrived = Arrived {
        topic: "t",
        partition: 0,
        offset,
        timestamp: None,
        value: Some(b"{}"),
    };
    desk.record(&arrived, 0);
}

/// The client was out of range once; the lane then.
fn looked_at(common: &ReaderCommon, desk: &mut Desk, client: &Bounded) -> (Option<Stopped>, i64) {
    look_at_bounds(common, client, desk, &mut 1, 0);
    let lane = &desk.lanes[0];
    (lane.stopped, lane.writer.read())
}

#[test]
fn a_partition_is_stopped_only_where_what_was_counted_is_gone() {
    // read to 46: the end may lie before that, but not before the head
    for (end, stopped, position) in [
        (HEAD + 1, None, HEAD),
        (HEAD, None, HEAD),
        (HEAD - 1, Some(Stopped::Truncated), HEAD),
    ] {
        let (common, mut desk) = desk(None);
        read(&mut desk, HEAD);
        read(&mut desk, HEAD + 1);
        let found = looked_at(&common, &mut desk, &Bounded(0, end));
        assert_eq!(found, (stopped, position), "end {end}");
    }
}

/// A topic that was made anew may end exactly where the remembered record was: nothing is out of
/// range then, and no record is there to be compared.
#[test]
fn an_end_before_the_remembered_record_is_looked_at() {
    let last = LastRecord {
        offset: 41,
        hash: 0xa,
    };
    for (end, stopped) in [(41, Some(Stopped::Truncated)), (HEAD, None), (60, None)] {
        let (common, mut desk) = desk(Some(last));
        desk.reached_end("t", 0, HEAD);
        assert_eq!(desk.lanes[0].trouble, Some(Trouble::Short));
        look_at_bounds(&common, &Bounded(0, end), &mut desk, &mut 0, 0);
        let lane = &desk.lanes[0];
        assert_eq!((lane.stopped, lane.trouble), (stopped, None), "end {end}");
        assert_eq!(lane.at_end, stopped.is_none(), "end {end}");
    }
}

/// A lane that was held back when its topic was made anew is still held back, and knows it: or
/// nobody would ever ask the client to go on.
#[test]
fn another_chain_of_a_partition_that_is_paused_is_paused() {
    let (common, mut desk) = desk(None);
    let common = ReaderCommon {
        on_truncation: OnTruncation::Restart,
        ..common
    };
    desk.lanes[0].paused = true;
    look_at_bounds(&common, &Bounded(0, HEAD - 1), &mut desk, &mut 1, 0);
    let lane = &desk.lanes[0];
    assert_eq!((lane.chain.incarnation, lane.paused), (1, true));
    steer(&Bounded(0, HEAD - 1), &mut desk);
    assert!(!desk.lanes[0].paused);
}

/// Who reads a partition as something that is over goes on with what it is now.
#[test]
fn a_restart_joins_the_newest_chain() {
    let (common, mut desk) = desk(None);
    let head = Head {
        position: 7,
        last_record: None,
    };
    common.door.set_head(&chain().next_incarnation(), head);
    restart(&mut desk.lanes[0], &common);
    let lane = &desk.lanes[0];
    let found = (
        lane.chain.incarnation,
        lane.writer.read(),
        lane.is_misplaced(),
    );
    assert_eq!(found, (1, 7, true));
}
