//! The journal of a log, however a replica was started and however often the log says it.

use super::*;
use crate::engine::{Engine, Input, Output};
use crate::fold;
use crate::key::Role;
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, ReferenceRole};
use crate::statelog::record::Record;
use crate::testing;
use crate::time::{Length, Timestamp};

fn config(models_max: u64) -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::DAY],
        models_max,
        learn_rows: LEARN_ROWS,
        ..testing::config()
    }
}

/// A reference of rows that count up to `rows`.
fn activate(role: ReferenceRole, rows: u32) -> Record {
    let mut counts = LooseCounts::default();
    for row in 0..rows {
        counts.add(crate::decode::Value::Number(row.into()), 1);
    }
    let series: LooseSeries = [((Role::Feature, "x".into()), counts)].into();
    let key = testing::key("1");
    let mut header = Header::new(key.model, key.version, role);
    header.rows = rows.into();
    let reference = learn(header, [rows.into(), 0, 0, 0], &series).unwrap();
    testing::activate(&reference)
}

/// The journal of a log, as a replica writes it that was started with this configuration.
fn journal(local: Configuration, log: &[Record]) -> Vec<Entry> {
    let mut engine = Engine::new(local);
    let mut outputs = Vec::new();
    for (position, record) in (3..).step_by(2).zip(log) {
        let input = fold::Input {
            position,
            append_time: Timestamp::from_millis(1_000 * i64::try_from(position).unwrap()),
            digest: [0; 32],
            record: record.clone(),
        };
        engine.handle(Input::Record(input), &mut outputs).unwrap();
    }
    let entries = outputs.into_iter().filter_map(|output| match output {
        Output::Journal(entry) => Some(entry),
        _ => None,
    });
    entries.collect()
}

/// What was said at which position.
fn said(entries: &[Entry]) -> Vec<(u64, &'static str)> {
    let said = |entry: &Entry| (entry.draft.position, entry.draft.event.kind());
    entries.iter().map(said).collect()
}

#[test]
fn only_news_is_written() {
    use ReferenceRole::{Baseline, Training};
    let configure = |models_max| Record::Configure(Box::new(config(models_max)));
    let log = [
        configure(1),
        configure(1),
        activate(Training, 300),
        activate(Training, 300),
        activate(Baseline, 500),
        activate(Baseline, 500),
        configure(2),
        activate(Training, 400),
        activate(Baseline, 500),
        configure(1),
    ];
    let entries = journal(config(1), &log);
    assert_eq!(
        said(&entries),
        [
            (3, "configured"),
            (7, "reference_activated"),
            (11, "reference_refused"),
            (15, "configured"),
            (17, "reference_activated"),
            (19, "reference_refused"),
            (21, "configured"),
        ]
    );
    for entry in &entries {
        let draft = &entry.draft;
        assert_eq!(
            draft.at.as_millis(),
            1_000 * i64::try_from(draft.position).unwrap()
        );
        assert_eq!((draft.actor.as_str(), &draft.reason), (DRIFTD, &None));
    }
}

/// What a replica believes before it reads the log is no part of the journal.
#[test]
fn the_journal_follows_from_the_log_alone() {
    let log = [
        Record::Configure(Box::new(config(1))),
        activate(ReferenceRole::Training, 300),
        Record::Configure(Box::new(config(2))),
    ];
    let entries = journal(config(1), &log);
    assert_eq!(entries.len(), 3);
    for models_max in [2, 3] {
        assert_eq!(journal(config(models_max), &log), entries);
    }
    let last = journal(config(1), &log[..2]);
    assert_eq!(last, entries[..2]);
}

/// A change of this text is a change of every journal there is.
#[test]
fn a_configuration_is_a_line() {
    assert_eq!(
        summary(&config(5)),
        "windows 1h, 24h; lateness 1m; wait_max 10m; silent_after 7d; models_max 5; \
         loose_series_max 8"
    );
    let full = Configuration {
        keep: Some(Length::DAY.times(30)),
        models_allow: vec!["a-*".to_owned(), "b".to_owned()],
        ..config(5)
    };
    let text = summary(&full);
    assert!(
        text.ends_with("; loose_series_max 8; keep 30d; allow a-*, b"),
        "{text}"
    );
}
