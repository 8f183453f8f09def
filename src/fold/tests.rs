//! Laws of the fold: whatever happens to appends, the counts are those of the records.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model::FUTURE_KEPT;
use super::*;
use crate::decode::Value;
use crate::delta::LayoutId;
use crate::key::Role;
use crate::layout::LooseCounts;
use crate::reference::{Header, Reference, ReferenceRole, learn};
use crate::testing::{self, Event, PANE, Worker, activate, chain, genesis, without_layouts};

pub(super) const MINUTE: i64 = 60_000;

pub(super) fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6)],
        models_max: 3,
        ..testing::config()
    }
}

/// Record `offset` of a partition: a minute of event time each, a value that depends on both.
fn event(partition: i32, offset: i64) -> (Timestamp, f64) {
    let at = Timestamp::from_millis(offset * MINUTE / 2);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let value = (offset % 7 + i64::from(partition)) as f64;
    (at, value)
}

/// The delta of the records `from..to` of a partition, by the real tally, without a layout.
fn delta(partition: i32, from: i64, to: i64, at_end: bool) -> Delta {
    delta_in(without_layouts(), partition, from, to, at_end)
}

/// The same in the layouts of a fold.
fn delta_in(layouts: Layouts, partition: i32, from: i64, to: i64, at_end: bool) -> Delta {
    let mut worker = Worker::new(layouts, PANE, (partition, from));
    for offset in from..to {
        let (at, value) = event(partition, offset);
        let fields = [(Role::Feature, "x", Value::Number(value))];
        worker.add(&Event::new("1", at, &fields));
    }
    worker.delta(at_end)
}

/// A fold and the log that feeds it.
pub(super) struct Log {
    pub(super) fold: Fold,
    pub(super) effects: Vec<Effect>,
    position: u64,
    pub(super) now: i64,
}

impl Log {
    fn new() -> Self {
        Self::of(config())
    }

    pub(super) fn of(config: Configuration) -> Self {
        Self {
            fold: Fold::new(config),
            effects: Vec::new(),
            position: 0,
            now: 0,
        }
    }

    pub(super) fn append(&mut self, record: Record) {
        let append_time = Timestamp::from_millis(self.now);
        let input = Input {
            position: self.position,
            append_time,
            digest: [0; 32],
            record,
        };
        self.fold.apply(input, &mut self.effects).unwrap();
        self.position += 1;
    }

    pub(super) fn model(&self) -> &ModelState {
        self.fold.models.values().next().unwrap()
    }

    /// Per pane start of the first window: rows, and counts per grid bin.
    fn panes(&self) -> BTreeMap<Timestamp, (u64, BTreeMap<u32, u64>)> {
        let panes = &self.model().windows[0];
        panes
            .range(Timestamp::MIN, Timestamp::MAX)
            .map(|(start, pane)| {
                let counts = pane.under(LayoutId::UNIVERSAL).unwrap();
                let loose = counts.loose.values().next().unwrap();
                (start, (counts.rows, loose.numbers().clone()))
            })
            .collect()
    }
}

/// What happens to an append.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Lost,
    Twice,
    Late,
}

proptest! {
    /// Duplicated, lost, reordered appends, zombies that start from stale heads: each record of the
    /// source is counted once, in the pane of its own time.
    #[test]
    fn every_record_is_counted_once(
        steps in prop::collection::vec(
            (
                0..2_i32,
                0..30_i64,
                prop::sample::select(vec![Fault::None, Fault::Lost, Fault::Twice, Fault::Late]),
                any::<bool>(),
            ),
            0..40,
        ),
    ) {
        const END: i64 = 100;
        let mut log = Log::new();
        log.now = 200 * MINUTE;
        for partition in 0..2 {
            log.append(genesis(partition));
            log.append(Record::Genesis { chain: chain(partition), start: 50 });
        }
        let mut delayed: Vec<Delta> = Vec::new();
        let mut stale = [0, 0];
        for (partition, length, fault, is_zombie) in steps {
            let known = usize::try_from(partition).unwrap();
            let head = log.fold.chains[&chain(partition)].head;
            let from = if is_zombie { stale[known] } else { head };
            stale[known] = head;
            let to = (from + length).min(END);
            let delta = delta(partition, from, to, false);
            match fault {
                Fault::None => log.append(Record::Delta(Box::new(delta))),
                Fault::Lost => {}
                Fault::Twice => {
                    log.append(Record::Delta(Box::new(delta.clone())));
                    log.append(Record::Delta(Box::new(delta)));
                }
                Fault::Late => delayed.push(delta),
            }
        }
        for delta in delayed.into_iter().rev() {
            log.append(Record::Delta(Box::new(delta)));
        }
        for partition in 0..2 {
            let head = log.fold.chains[&chain(partition)].head;
            log.append(Record::Delta(Box::new(delta(partition, head, END, true))));
        }
        let mut naive: BTreeMap<Timestamp, (u64, BTreeMap<u32, u64>)> = BTreeMap::new();
        for partition in 0..2 {
            for offset in 0..END {
                let (at, value) = event(partition, offset);
                let pane = naive.entry(at.floor(PANE)).or_default();
                pane.0 += 1;
                let mut bin = LooseCounts::default();
                bin.add(Value::Number(value), 1);
                let (bin, _) = bin.numbers().first_key_value().unwrap();
                *pane.1.entry(*bin).or_default() += 1;
            }
        }
        prop_assert_eq!(log.panes(), naive);
        prop_assert_eq!(log.fold.topics["events"].totals.records, 200);
        prop_assert_eq!(log.fold.topics["events"].totals.rows, 200);
        prop_assert_eq!(log.model().rows, 200);
    }
}

#[test]
fn a_delta_on_an_unknown_chain_has_no_effect() {
    let mut log = Log::new();
    log.append(Record::Delta(Box::new(delta(0, 0, 10, true))));
    assert!(log.fold.models.is_empty());
    assert_eq!((log.fold.accepted, log.fold.superseded), (0, 1));
    let fate = log.effects.last().unwrap();
    assert!(matches!(
        fate,
        Effect::Fate {
            accepted: false,
            ..
        }
    ));
}

#[test]
fn an_event_from_2100_evicts_nothing_and_moves_no_time() {
    let mut log = Log::new();
    log.now = 60 * MINUTE;
    log.append(genesis(0));
    log.append(Record::Delta(Box::new(delta(0, 0, 100, false))));
    let before = log.panes();
    let mut far = delta(0, 100, 101, true);
    let start = Timestamp::from_millis(log.now) + FUTURE_KEPT.times(30_000);
    far.models[0].panes[0].start = start.floor(PANE);
    far.models[0].panes[0].last_event = start;
    far.accounting.last_event = Some(start);
    log.append(Record::Delta(Box::new(far)));
    assert_eq!(log.panes(), before);
    // record 99 is of minute 49.5
    assert_eq!(
        log.model().last_event,
        Some(Timestamp::from_millis(99 * MINUTE / 2))
    );
    assert_eq!(log.model().rows_beyond_horizon, 1);
    assert_eq!(
        log.fold.watermark,
        Some(Timestamp::from_millis(97 * MINUTE / 2))
    );
}

#[test]
fn log_time_closes_the_windows_of_a_quiet_topic() {
    let mut log = Log::new();
    log.now = 1_000 * MINUTE;
    log.append(genesis(0));
    log.append(Record::Delta(Box::new(delta(0, 0, 21, true))));
    // the last event is of minute 10, and no other is to come: the watermark follows log time
    assert_eq!(log.fold.watermark, Some(Timestamp::from_millis(9 * MINUTE)));
    log.now += 30 * MINUTE;
    log.append(Record::Delta(Box::new(delta(0, 21, 21, true))));
    assert_eq!(
        log.fold.watermark,
        Some(Timestamp::from_millis(39 * MINUTE))
    );
}

#[test]
fn model_versions_beyond_the_limit_are_counted_as_not_admitted() {
    let mut log = Log::new();
    log.now = 60 * MINUTE;
    log.append(genesis(0));
    for model in 0..5 {
        let from = model * 10;
        let mut delta = delta(0, from, from + 10, true);
        delta.models[0].key.model = crate::key::Name::new(&format!("m{model}")).unwrap();
        log.append(Record::Delta(Box::new(delta)));
    }
    assert_eq!(log.fold.models.len(), 3);
    assert_eq!(log.fold.topics["events"].rows_unadmitted, 20);
    assert_eq!(log.fold.limit_hits.models, 2);
}

#[test]
fn nothing_more_is_let_in_once_counts_take_the_bytes_that_they_may() {
    let config = |state_bytes_max| Configuration {
        state_bytes_max,
        ..config()
    };
    let mut log = Log::of(config(1 << 20));
    log.now = 60 * MINUTE;
    log.append(genesis(0));
    let mut count = |from, model: &str, field: &str| {
        let mut delta = delta(0, from, from + 10, true);
        delta.models[0].key.model = crate::key::Name::new(model).unwrap();
        for pane in &mut delta.models[0].panes {
            let counts = pane.loose.pop_first().unwrap().1;
            pane.loose.insert((Role::Feature, field.into()), counts);
        }
        log.append(Record::Delta(Box::new(delta)));
        let own = log.fold.models.values().map(|model| model.bytes().total());
        assert_eq!(log.fold.state_bytes, own.sum::<u64>());
        let full = config(log.fold.state_bytes);
        log.append(Record::Configure(Box::new(full)));
        log.fold.limit_hits.state_bytes
    };
    assert_eq!(count(0, "m", "x"), 0);
    assert_eq!(count(10, "m2", "x"), 1);
    // in the pane of six hours it would be a second one, in a new pane of one hour it is the first
    assert_eq!(count(20, "m", "y"), 2);
    assert_eq!(count(30, "m", "x"), 2);
    assert_eq!(log.fold.topics["events"].rows_unadmitted, 10);
    assert_eq!(log.model().rows, 30);
}

/// A zombie that reads a topic made anew, as what it was before, is not counted beside those who
/// know.
#[test]
fn a_chain_takes_nothing_once_the_next_one_of_its_partition_has_begun() {
    let mut log = Log::new();
    log.now = 60 * MINUTE;
    let genesis = |chain| Record::Genesis { chain, start: 0 };
    log.append(genesis(chain(0)));
    log.append(genesis(chain(1)));
    log.append(Record::Delta(Box::new(delta(0, 0, 10, false))));
    log.append(genesis(chain(0).next_incarnation()));
    log.append(Record::Delta(Box::new(delta(0, 10, 20, false))));
    log.append(Record::Delta(Box::new(delta(1, 0, 10, false))));
    assert_eq!((log.fold.accepted, log.fold.superseded), (2, 1));
    assert_eq!(log.fold.chains[&chain(0)].head, 10);
}

#[test]
fn an_anchor_that_disagrees_stops_the_fold() {
    let mut log = Log::new();
    log.append(Record::Genesis {
        chain: chain(0),
        start: 7,
    });
    log.position = ANCHOR_EVERY;
    log.append(Record::Genesis {
        chain: chain(1),
        start: 7,
    });
    let Some(Effect::Anchor(anchor)) = log
        .effects
        .iter()
        .find(|effect| matches!(effect, Effect::Anchor(_)))
        .cloned()
    else {
        panic!("no anchor");
    };
    log.append(Record::Anchor(anchor.clone()));
    let mut other = anchor;
    other.heads.insert(chain(0), 8);
    // of a tail that was cut off: another record stood there, or the same, appended at another time
    for of_another_log in [
        Anchor {
            digest: [1; 32],
            ..other.clone()
        },
        Anchor {
            log_time: other.log_time + Length::SECOND,
            ..other.clone()
        },
    ] {
        log.append(Record::Anchor(of_another_log));
    }
    let record = Record::Anchor(other);
    let append_time = Timestamp::EPOCH;
    let input = Input {
        position: log.position,
        append_time,
        digest: [0; 32],
        record,
    };
    let error = log.fold.apply(input, &mut log.effects).unwrap_err();
    assert!(
        matches!(error, FoldError::Diverged { position: 1 }),
        "{error}"
    );
}

#[test]
fn windows_that_stay_keep_their_panes_when_the_configuration_changes() {
    let mut log = Log::new();
    log.now = 60 * MINUTE;
    log.append(genesis(0));
    log.append(Record::Delta(Box::new(delta(0, 0, 100, true))));
    let before = log.panes();
    let windows = vec![Length::HOUR, Length::DAY];
    log.append(Record::Configure(Box::new(Configuration {
        windows,
        ..config()
    })));
    assert_eq!(log.panes(), before);
    assert_eq!(log.model().windows[1].window(), Length::DAY);
    assert_eq!(log.effects.last(), Some(&Effect::Layouts));
}

#[test]
fn panes_of_workers_divide_the_hour_and_the_panes_of_all_windows() {
    let minutes = |minutes| Length::MINUTE.times(minutes);
    for (windows, pane) in [
        (vec![Length::DAY], Length::HOUR),
        (vec![Length::HOUR, Length::HOUR.times(6)], minutes(5)),
        (vec![Length::HOUR.times(7)], minutes(5)),
        (vec![minutes(48)], minutes(4)),
    ] {
        let fold = Fold::new(Configuration {
            windows: windows.clone(),
            ..config()
        });
        assert_eq!(fold.base_pane(), pane, "{windows:?}");
    }
}

/// A reference made from records `from..to` of partition 0.
fn learned(from: i64, to: i64) -> Reference {
    let delta = delta(0, from, to, true);
    let mut header = Header::new(
        delta.models[0].key.model.clone(),
        delta.models[0].key.version.clone(),
        ReferenceRole::Training,
    );
    header.rows = delta.accounting.rows;
    let mut series = learn::LooseSeries::new();
    for pane in &delta.models[0].panes {
        for (name, counts) in &pane.loose {
            series.entry(name.clone()).or_default().merge(counts);
        }
    }
    learn::learn(header, [delta.accounting.rows, 0, 0, 0], &series).unwrap()
}

#[test]
fn hours_are_of_the_layout_in_force_and_volumes_of_all() {
    let hours_of = |log: &Log| -> Vec<u64> {
        let hours = log.model().hours.range(Timestamp::MIN, Timestamp::MAX);
        hours.map(|hour| hour.rows).collect()
    };
    let volumes = |log: &Log| -> Vec<u64> { log.model().volume.values().copied().collect() };
    let mut log = Log::new();
    log.now = 2_000 * MINUTE;
    log.append(genesis(0));
    // two records a minute: 120 an hour
    log.append(Record::Delta(Box::new(delta(0, 0, 150, true))));
    assert_eq!(log.model().first_event, Some(Timestamp::EPOCH));
    assert_eq!((hours_of(&log), volumes(&log)), (vec![], vec![120, 30]));
    log.append(activate(&learned(0, 50)));
    let next = delta_in(log.fold.layouts(), 0, 150, 300, true);
    log.append(Record::Delta(Box::new(next)));
    assert_eq!(
        (hours_of(&log), volumes(&log)),
        (vec![90, 60], vec![120, 120, 60])
    );
    let first = log
        .model()
        .hours
        .range(Timestamp::MIN, Timestamp::MAX)
        .next();
    let counts = log
        .model()
        .hours
        .cells()
        .unwrap()
        .counts(&first.unwrap(), 0);
    assert_eq!(counts.iter().sum::<u64>(), 90);
    // another layout: the hours begin again
    log.append(activate(&learned(0, 3)));
    let next = delta_in(log.fold.layouts(), 0, 300, 310, true);
    log.append(Record::Delta(Box::new(next)));
    assert_eq!(
        (hours_of(&log), volumes(&log)),
        (vec![10], vec![120, 120, 70])
    );
}
