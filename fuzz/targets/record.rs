//! Any bytes as a record of the state log: an error, or a record that the fold takes and that is
//! the same again after its bytes.

#![no_main]

use driftd::fold::{Fold, Input};
use driftd::statelog::record::{Alerting, Configuration, LEARN_ROWS, Record};
use driftd::time::{Length, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(record) = Record::from_bytes(data) else {
        return;
    };
    let bytes = record.to_bytes().expect("what was read can be written");
    let again = Record::from_bytes(&bytes).expect("what was written can be read");
    let twice = again.to_bytes().expect("what was read can be written");
    assert_eq!(bytes, twice, "a record has one form");
    fold(record);
});

/// The record behind one that makes it count, in a log of its own.
fn fold(record: Record) {
    let mut fold = Fold::new(Configuration {
        windows: vec![Length::HOUR, Length::DAY],
        keep: None,
        lateness: Length::MINUTE,
        wait_max: Length::MINUTE,
        silent_after: Length::DAY,
        models_max: 4,
        models_allow: Vec::new(),
        loose_series_max: 16,
        state_bytes_max: 1 << 40,
        alerts: Alerting::default(),
        learn_rows: LEARN_ROWS,
    });
    let mut before = Vec::new();
    if let Record::Delta(delta) = &record {
        before.push(Record::Genesis {
            chain: delta.chain.clone(),
            start: delta.from,
        });
    }
    let mut effects = Vec::new();
    for (position, record) in (0..).zip(before.into_iter().chain([record])) {
        let input = Input {
            position,
            append_time: Timestamp::from_millis(1_795_428_900_000),
            digest: [0; 32],
            record,
        };
        // an anchor may disagree
        drop(fold.apply(input, &mut effects));
    }
}
