//! What a lane does about each thing that can happen to it.

use std::sync::Mutex;

use super::*;
use crate::tally::Layouts;

const PACE: Pace = Pace {
    flush_ms: 5_000,
    bytes_max: 8_000,
};
const HEAD: i64 = 44;

fn assigned(last_record: Option<LastRecord>) -> Assigned {
    let (cluster, topic) = (Arc::from("c"), Arc::from("t"));
    let chain = ChainKey {
        shard: 0,
        cluster,
        topic,
        incarnation: 0,
        partition: 3,
    };
    Assigned {
        chain,
        head: Head {
            position: HEAD,
            last_record,
        },
    }
}

fn lane() -> Lane {
    Lane::new(&assigned(None))
}

fn router() -> Router {
    Router::new(Arc::new(Layouts::default()), Length::MINUTE, Length::MINUTE)
}

/// Counts a record without rows.
fn count(lane: &mut Lane, offset: i64, now_ms: u64) {
    assert!(lane.admits(offset, || 0));
    let seen = Seen {
        offset,
        timestamp: None,
        value: &[],
    };
    lane.counted(seen, Ok(0), Length::MINUTE, now_ms);
}

fn seal(lane: &mut Lane, attempt: u64, now_ms: u64) {
    lane.seal(&router(), Author { writer: 9, attempt }, now_ms);
}

/// A state log that says the same to everything, and what it was handed.
fn log(answer: fn() -> Result<(), AppendError>) -> (Append, Arc<Mutex<Vec<Record>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&taken);
    let append: Append = Arc::new(move |record: &Record, _: &Failed| {
        log.lock().unwrap().push(record.clone());
        answer().map(|()| 100)
    });
    (append, taken)
}

fn fate(lane: &mut Lane, attempt: u64, accepted: bool) -> Action {
    lane.fate(&Fate {
        chain: lane.chain.clone(),
        attempt,
        accepted,
    })
}

#[test]
fn the_remembered_record_is_read_once_more_and_not_counted() {
    let last = LastRecord {
        offset: 41,
        hash: 0xa,
    };
    let mut lane = Lane::new(&assigned(Some(last)));
    assert_eq!((lane.target(), lane.writer.read()), (41, HEAD));
    assert!(!lane.admits(41, || 0xa));
    assert_eq!((lane.trouble, lane.target()), (None, HEAD));
    assert!(
        !lane.admits(41, || 0xb),
        "what comes again later is only dropped"
    );
    assert_eq!(lane.trouble, None);
    assert!(lane.admits(HEAD, || 0));
}

#[test]
fn another_record_in_its_place_is_trouble_and_nothing_is_counted_after_it() {
    let last = LastRecord {
        offset: 41,
        hash: 0xa,
    };
    for (offset, hash) in [(41, 0xb), (42, 0xa)] {
        let mut lane = Lane::new(&assigned(Some(last)));
        assert!(!lane.admits(offset, || hash));
        assert_eq!(lane.trouble, Some(Trouble::Changed));
        assert!(!lane.admits(HEAD, || 0));
    }
    let mut gone = Lane::new(&assigned(Some(last)));
    assert!(
        gone.admits(HEAD + 5, || 0),
        "retention or compaction took the record"
    );
    assert_eq!(gone.trouble, None);
}

/// The last record that was read, wherever it went, is read once more and not counted again.
#[test]
fn a_client_that_may_be_anywhere_goes_on_at_the_last_record_that_was_read() {
    let (mut lane, hash) = (lane(), xxhash_rust::xxh3::xxh3_64(&[]));
    lane.lose_place();
    assert_eq!((lane.is_misplaced(), lane.target()), (true, HEAD));
    lane.footing = Footing::Sure;
    for (offset, seals) in [(HEAD + 2, false), (HEAD + 3, true), (HEAD + 7, false)] {
        count(&mut lane, offset, 0);
        if seals {
            seal(&mut lane, 1, 0);
        }
        lane.lose_place();
        assert_eq!((lane.is_misplaced(), lane.target()), (true, offset));
        assert!(!lane.admits(offset + 1, || 0), "it may have skipped some");
        lane.footing = Footing::Sure;
        assert!(!lane.admits(offset, || hash));
        assert_eq!((lane.trouble, lane.target()), (None, offset + 1));
    }
    // what is tallied is thrown away, not what is sealed
    lane.rewind();
    assert_eq!((lane.target(), lane.writer.read()), (HEAD + 3, HEAD + 4));
}

/// After a rebalance, the first gap is read once more, and what is still missing is not there.
#[test]
fn a_gap_after_a_rebalance_is_looked_into() {
    for ends in [false, true] {
        let mut lane = lane();
        count(&mut lane, HEAD, 0);
        lane.doubt_place();
        if ends {
            lane.ended(HEAD + 3);
            assert!(!lane.at_end);
        } else {
            assert!(!lane.admits(HEAD + 3, || 0));
        }
        assert_eq!((lane.is_misplaced(), lane.target()), (true, HEAD));
        lane.footing = Footing::Sure;
        assert!(!lane.admits(HEAD, || xxhash_rust::xxh3::xxh3_64(&[])));
        if ends {
            lane.ended(HEAD + 3);
            assert!(lane.at_end);
        } else {
            count(&mut lane, HEAD + 3, 0);
        }
        assert_eq!((lane.is_misplaced(), lane.trouble), (false, None));
    }
    let mut lane = lane();
    lane.doubt_place();
    count(&mut lane, HEAD, 0);
    assert!(lane.admits(HEAD + 2, || 0), "nothing was missing");
}

/// What is not counted for good may be read again, whatever there is now.
#[test]
fn another_record_where_one_was_read_is_no_other_partition() {
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    lane.lose_place();
    lane.footing = Footing::Sure;
    assert!(!lane.admits(HEAD, || 0xb));
    assert_eq!(
        (lane.trouble, lane.is_misplaced()),
        (Some(Trouble::Ahead), true)
    );
    lane.restart(Some(Head {
        position: HEAD,
        last_record: None,
    }));
    lane.footing = Footing::Sure;
    assert_eq!(lane.trouble, None);
    assert!(lane.admits(HEAD, || 0xb));
    // once it is counted, it is another one
    count(&mut lane, HEAD, 0);
    seal(&mut lane, 1, 0);
    lane.hand_over(&log(|| Ok(())).0, 0);
    fate(&mut lane, 1, true);
    lane.lose_place();
    lane.footing = Footing::Sure;
    assert!(!lane.admits(HEAD, || 0xc));
    assert_eq!(lane.trouble, Some(Trouble::Changed));
}

#[test]
fn a_delta_is_due_by_time_or_by_size() {
    let mut lane = lane();
    assert!(
        !lane.wants_seal(PACE, 10_000),
        "nothing to say, and not at the end"
    );
    count(&mut lane, HEAD, 10_000);
    assert!(!lane.wants_seal(PACE, 14_999));
    assert!(lane.wants_seal(PACE, 15_000));
    lane.at_end = true;
    assert!(!lane.wants_seal(PACE, 10_999));
    assert!(lane.wants_seal(PACE, 11_000), "sooner at the end");
    let slow = Pace {
        flush_ms: 300,
        ..PACE
    };
    assert!(
        lane.wants_seal(slow, 10_300),
        "but not later than otherwise"
    );
    let small = Pace {
        bytes_max: 0,
        ..PACE
    };
    assert!(lane.wants_seal(small, 10_000), "as large as it may be");
}

#[test]
fn at_the_end_little_waits_longer_than_much() {
    let mut lane = lane();
    let (append, _) = log(|| Ok(()));
    count(&mut lane, HEAD, 0);
    seal(&mut lane, 1, 0);
    assert_eq!(
        lane.hand_over(&append, 0),
        Handed::Over,
        "a delta of 100 bytes"
    );
    fate(&mut lane, 1, true);
    count(&mut lane, HEAD + 1, 10_000);
    lane.at_end = true;
    lane.input_bytes = 999;
    assert!(!lane.wants_seal(PACE, 14_999) && lane.wants_seal(PACE, 15_000));
    lane.input_bytes = 1_000;
    assert!(!lane.wants_seal(PACE, 10_999) && lane.wants_seal(PACE, 11_000));
}

#[test]
fn a_lane_that_is_full_and_cannot_finish_a_delta_is_blocked() {
    let full = Pace {
        bytes_max: 0,
        ..PACE
    };
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    assert!(!lane.is_blocked(full), "it can be finished");
    seal(&mut lane, 1, 0);
    count(&mut lane, HEAD + 1, 0);
    assert!(lane.is_blocked(full) && !lane.wants_seal(full, 0) && !lane.is_blocked(PACE));
}

#[test]
fn at_the_end_time_is_said_to_pass() {
    let (append, taken) = log(|| Ok(()));
    let mut lane = lane();
    lane.at_end = true;
    let said: Vec<u64> = (0..200_000)
        .step_by(1_000)
        .filter(|now_ms| {
            let wants = lane.wants_seal(PACE, *now_ms);
            if wants {
                seal(&mut lane, *now_ms, *now_ms);
                assert_eq!(lane.hand_over(&append, *now_ms), Handed::Over);
                assert!(!lane.wants_seal(PACE, now_ms + 70_000), "one at a time");
                fate(&mut lane, *now_ms, true);
            }
            wants
        })
        .collect();
    assert_eq!(said, [0, 60_000, 120_000, 180_000]);
    for record in taken.lock().unwrap().iter() {
        let Record::Delta(delta) = record else {
            panic!("{record:?}")
        };
        assert_eq!(
            (delta.from, delta.to, delta.accounting.at_end),
            (HEAD, HEAD, true)
        );
    }
}

#[test]
fn a_delta_that_says_it_is_at_the_end_needs_no_empty_one_after_it() {
    let (append, _) = log(|| Ok(()));
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    lane.at_end = true;
    seal(&mut lane, 1, 1_000);
    lane.hand_over(&append, 1_000);
    fate(&mut lane, 1, true);
    assert!(!lane.wants_seal(PACE, 60_999) && lane.wants_seal(PACE, 61_000));
    // read and finished before the end was seen: said as soon as it is
    count(&mut lane, HEAD + 1, 61_000);
    seal(&mut lane, 2, 61_000);
    lane.hand_over(&append, 61_000);
    fate(&mut lane, 2, true);
    lane.at_end = true;
    assert!(lane.wants_seal(PACE, 61_001));
}

#[test]
fn a_full_state_log_is_asked_again_and_a_closed_one_too() {
    for answer in [|| Err(AppendError::Full), || Err(AppendError::Closed)] {
        let (append, taken) = log(answer);
        let mut lane = lane();
        count(&mut lane, HEAD, 0);
        seal(&mut lane, 1, 0);
        for now_ms in [0, RETRY_MS - 1, RETRY_MS] {
            assert_eq!(lane.hand_over(&append, now_ms), Handed::Not);
        }
        let asked = taken.lock().unwrap();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0], asked[1]);
    }
}

#[test]
fn a_delta_that_is_too_large_is_cut_until_it_is_one_record() {
    let (append, _) = log(|| Err(AppendError::TooLarge { bytes: 2, max: 1 }));
    let mut lane = lane();
    for records in [5, 2, 1] {
        for record in 0..records {
            count(&mut lane, HEAD + record, 0);
        }
        seal(&mut lane, 1, 0);
        assert_eq!(lane.hand_over(&append, 0), Handed::TooLarge);
        assert_eq!(lane.cut(), records > 1);
        lane.restart(None);
        assert_eq!((lane.writer.read(), lane.is_misplaced()), (HEAD, true));
        lane.footing = Footing::Sure;
    }
    count(&mut lane, HEAD, 0);
    assert!(lane.wants_seal(PACE, 0), "one record at a time now");
}

#[test]
fn a_restart_begins_at_the_head_that_the_fold_knows() {
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    let last_record = Some(LastRecord {
        offset: 70,
        hash: 1,
    });
    lane.restart(Some(Head {
        position: 75,
        last_record,
    }));
    assert_eq!(
        (lane.writer.head(), lane.writer.read(), lane.target()),
        (75, 75, 70)
    );
    assert!(
        !lane.has_counts() && !lane.admits(80, || 0),
        "not before the client was moved"
    );
    lane.restart(None);
    assert_eq!((lane.writer.read(), lane.target()), (HEAD, HEAD));
}

#[test]
fn a_failure_report_or_the_deadline_is_a_cause_to_restart() {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&failures);
    let append: Append = Arc::new(move |_: &Record, failed: &Failed| {
        kept.lock().unwrap().push(failed.clone());
        Ok(100)
    });
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    seal(&mut lane, 1, 0);
    lane.hand_over(&append, 0);
    assert_eq!(lane.tick(1), None);
    assert_eq!(lane.tick(45_000), Some(Cause::Unseen));
    failures.lock().unwrap()[0].set();
    assert_eq!(lane.tick(1), Some(Cause::Failed));
    lane.restart(None);
    assert_eq!(lane.tick(90_000), None, "that attempt is of the past");
}

#[test]
fn what_retention_took_is_part_of_the_next_delta() {
    let (append, taken) = log(|| Ok(()));
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    lane.lost(10, HEAD + 11, 5);
    assert!(!lane.admits(HEAD + 1, || 0) && lane.target() == HEAD + 11);
    lane.footing = Footing::Sure;
    count(&mut lane, HEAD + 11, 6);
    seal(&mut lane, 1, 7);
    lane.hand_over(&append, 7);
    let taken = taken.lock().unwrap();
    let Record::Delta(delta) = &taken[0] else {
        panic!("{taken:?}")
    };
    assert_eq!((delta.from, delta.to), (HEAD, HEAD + 12));
    assert_eq!((delta.accounting.records, delta.accounting.lost), (2, 10));
}

#[test]
fn a_stopped_lane_counts_nothing() {
    let mut lane = lane();
    count(&mut lane, HEAD, 0);
    lane.stop(Stopped::Truncated);
    assert!(!lane.has_counts() && !lane.admits(HEAD + 1, || 0));
    assert!(!lane.wants_seal(PACE, 1_000_000));
    let names = [Stopped::Truncated, Stopped::TooLarge, Stopped::Unwritable].map(Stopped::as_str);
    assert_eq!(names, ["truncated", "too_large", "unwritable"]);
}
