//! Laws and cases of the module that this is part of.

use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::decode::{Reject, Value};
use crate::delta::{Accounting, Arrivals, LastRecord, LayoutId, ModelDelta, PaneDelta};
use crate::key::{ChainKey, ModelKey, Name, Role};
use crate::layout::{GRID_CELLS, LooseCounts};
use crate::time::{Length, Timestamp};

const PANES_MS: [i64; 4] = [1, 300_000, 7_200_000, 201_600_000];

fn name() -> impl Strategy<Value = String> {
    "[a-c<\u{e9}]{1,3}"
}

prop_compose! {
    pub(crate) fn any_chain()(
        shard in 0..3_u16,
        cluster in name(),
        topic in name(),
        incarnation in 0..3_u32,
        partition in 0..64_i32,
    ) -> ChainKey {
        ChainKey { shard, cluster: cluster.into(), topic: topic.into(), incarnation, partition }
    }
}

prop_compose! {
    pub(crate) fn any_key()(
        model in name(), version in name(), tenant in "[a]{0,1}", segment in "[b]{0,1}",
    ) -> ModelKey {
        ModelKey {
            tenant: tenant.into(),
            segment: segment.into(),
            ..ModelKey::new(Name::new(&model).unwrap(), Name::new(&version).unwrap())
        }
    }
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..3_u64, 0..=COUNT_MAX, Just(COUNT_MAX)]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let edges = prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        Just(Timestamp::EPOCH)
    ];
    let any = Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis();
    prop_oneof![edges, any.prop_map(Timestamp::from_millis)]
}

prop_compose! {
    pub(crate) fn any_accounting()(
        sums in proptest::array::uniform5(count()),
        rejected in vec(count(), Reject::ALL.len()),
        events in option::of((instant(), instant())),
        at_end: bool,
        last_record in option::of((any::<i64>(), any::<u64>())),
    ) -> Accounting {
        let [records, rows, lost, late, unnamed] = sums;
        Accounting {
            records, rows, lost, late, unnamed, at_end,
            rejected: rejected.try_into().unwrap(),
            first_event: events.map(|(a, b)| a.min(b)),
            last_event: events.map(|(a, b)| a.max(b)),
            last_record: last_record.map(|(offset, hash)| LastRecord { offset, hash }),
        }
    }
}

prop_compose! {
    fn any_loose()(
        numbers in btree_map(0..GRID_CELLS, 1..=COUNT_MAX, 0..6),
        texts in btree_map("[a-z\u{0}\u{e9}]{0,4}", 1..=COUNT_MAX / 8, 0..6),
        crowd in prop_oneof![9 => Just(0), 1 => 0..300_u32],
        outcomes in proptest::array::uniform5(count()),
    ) -> LooseCounts {
        let mut counts = LooseCounts::default();
        for (bin, n) in &numbers {
            counts.add_number(*bin, *n);
        }
        for (text, n) in &texts {
            counts.add_text(text, *n);
        }
        for i in 0..crowd {
            counts.add_text(&format!("crowd {i}"), 1);
        }
        // a crowd may have pushed some of the texts into the overflow
        counts.add_overflow(outcomes[0].saturating_sub(counts.overflow()));
        counts.add(Value::Bool(true), outcomes[1]);
        counts.add(Value::Bool(false), outcomes[2]);
        counts.add(Value::Missing, outcomes[3]);
        counts.add(Value::Invalid, outcomes[4]);
        counts
    }
}

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn any_pane(start: Timestamp, pane: Length, cells: bool) -> impl Strategy<Value = PaneDelta> {
    let cells = btree_map(
        any::<u32>(),
        1..=COUNT_MAX,
        if cells { 0..20 } else { 0..1 },
    );
    let loose = btree_map((any_role(), name().prop_map(Box::from)), any_loose(), 0..3);
    // within the pane and within what can be written
    let first = start.as_millis().max(Timestamp::MIN.as_millis());
    let last = (start.as_millis() + pane.as_millis()).min(Timestamp::MAX.as_millis() + 1);
    let shares = proptest::array::uniform5(0..=100_u64);
    (count(), shares, first..last, cells, loose).prop_map(
        move |(rows, shares, last_event, cells, loose)| {
            let part = |percent: u64| u64::try_from(u128::from(rows) * u128::from(percent) / 100);
            let [late, carried @ ..] = shares.map(|share| part(share).unwrap());
            let cells = cells.into_iter().collect();
            let last_event = Timestamp::from_millis(last_event);
            PaneDelta {
                start,
                rows,
                late,
                last_event,
                carried,
                cells,
                loose,
            }
        },
    )
}

fn any_starts(pane: Length) -> impl Strategy<Value = Vec<Timestamp>> {
    btree_set(instant().prop_map(move |at| at.floor(pane)), 0..4)
        .prop_map(|starts| starts.into_iter().collect())
}

fn any_model(pane: Length) -> impl Strategy<Value = ((ModelKey, LayoutId), Vec<PaneDelta>)> {
    let layout = prop_oneof![Just(0), 0..4_u32, any::<u32>()].prop_map(LayoutId);
    (any_key(), layout, any_starts(pane)).prop_flat_map(move |(key, layout, starts)| {
        let cells = layout != LayoutId::UNIVERSAL;
        let panes: Vec<_> = starts
            .into_iter()
            .map(|start| any_pane(start, pane, cells).boxed())
            .collect();
        (Just((key, layout)), panes)
    })
}

fn any_arrivals(pane: Length) -> impl Strategy<Value = Vec<Arrivals>> {
    let arrivals = (1..=COUNT_MAX, 0..=100_u64).prop_map(|(n, share)| (n, n / 100 * share));
    (any_starts(pane), vec(arrivals, 4)).prop_map(|(starts, counts)| {
        starts
            .into_iter()
            .zip(counts)
            .map(|(start, (records, rejected))| Arrivals {
                start,
                records,
                rejected,
            })
            .collect()
    })
}

/// Every delta that can be.
pub(crate) fn any_delta() -> impl Strategy<Value = Delta> {
    prop::sample::select(PANES_MS.to_vec()).prop_flat_map(|pane| {
        let pane = Length::from_millis(pane).unwrap();
        let range = (0..=i64::MAX, 0..=i64::MAX).prop_map(|(a, b)| (a.min(b), a.max(b)));
        let head = (
            any_chain(),
            range,
            any::<u64>(),
            any::<u64>(),
            any_accounting(),
        );
        let models = vec(any_model(pane), 0..4).prop_map(|models| {
            let models: std::collections::BTreeMap<_, _> = models.into_iter().collect();
            models
                .into_iter()
                .map(|((key, layout), panes)| ModelDelta { key, layout, panes })
                .collect::<Vec<_>>()
        });
        (head, any_arrivals(pane), models).prop_map(
            move |((chain, (from, to), writer, attempt, accounting), arrivals, models)| Delta {
                chain,
                from,
                to,
                writer,
                attempt,
                pane,
                accounting,
                arrivals,
                models,
            },
        )
    })
}

/// A delta in which only time passes.
pub(crate) fn empty_delta() -> Delta {
    Delta {
        chain: ChainKey {
            shard: 0,
            cluster: Arc::from("kXhP8dJ9Q2m5s0vYbTzqLw"),
            topic: Arc::from("inference.fraud"),
            incarnation: 0,
            partition: 7,
        },
        from: 123_456_789,
        to: 123_456_789,
        writer: 0x1234_5678_9ABC_DEF0,
        attempt: 4_711,
        pane: Length::from_millis(300_000).unwrap(),
        accounting: Accounting {
            at_end: true,
            ..Accounting::default()
        },
        arrivals: Vec::new(),
        models: Vec::new(),
    }
}

/// The counts of `rows` rows of 24 series: 16 of numbers in 100 bins and 8 of categories, in
/// `panes` panes.
pub(crate) fn dense_delta(models: u32, panes: i64, rows: u64) -> Delta {
    let mut state = 7_u64;
    let mut draw = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut delta = empty_delta();
    let at = "2026-11-23T10:15:00Z".parse::<Timestamp>().unwrap();
    for model in 0..models {
        let name = Name::new(&format!("fraud-{model:05}")).unwrap();
        let key = ModelKey::new(name, Name::new("2026-11-01").unwrap());
        let panes = (0..panes).map(|pane| {
            let start = Timestamp::from_millis(at.as_millis() + 300_000 * pane);
            let mut cells = std::collections::BTreeMap::new();
            for series in 0..24 {
                let bins = if series % 3 == 2 { 12 } else { 100 };
                for _ in 0..rows {
                    let bin = if bins == 12 {
                        draw(12) * draw(12) / 12
                    } else {
                        draw(100)
                    };
                    *cells
                        .entry(series * 104 + u32::try_from(bin).unwrap())
                        .or_default() += 1;
                }
            }
            PaneDelta {
                start,
                rows,
                late: 0,
                last_event: Timestamp::from_millis(start.as_millis() + 299_731),
                carried: [rows; 4],
                cells: cells.into_iter().collect(),
                loose: std::collections::BTreeMap::new(),
            }
        });
        delta.models.push(ModelDelta {
            key,
            layout: LayoutId(3),
            panes: panes.collect(),
        });
        delta.accounting.rows += rows;
    }
    delta.to += 5_000;
    delta.accounting.records = delta.accounting.rows;
    delta.accounting.first_event = Some(at);
    delta.accounting.last_event = Some(at);
    delta.accounting.last_record = Some(LastRecord {
        offset: delta.to - 1,
        hash: u64::MAX - 3,
    });
    delta.arrivals.push(Arrivals {
        start: at,
        records: rows,
        rejected: 0,
    });
    delta
}

proptest! {
    /// decode(encode(d)) = d, and encode(decode(encode(d))) = encode(d)
    #[test]
    fn every_delta_reads_back_as_it_was(delta in any_delta()) {
        let bytes = encode(&delta).unwrap();
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(&read, &delta);
        prop_assert_eq!(encode(&read).unwrap(), bytes);
    }

    /// The bytes do not depend on where they stand in memory.
    #[test]
    fn bytes_read_back_at_any_alignment(delta in any_delta(), at in 1..8_usize) {
        let mut bytes = vec![0; at];
        bytes.extend(encode(&delta).unwrap());
        prop_assert_eq!(decode(&bytes[at..]).unwrap(), delta);
    }

    /// Any change of the bytes is an error or a delta, never a panic.
    #[test]
    fn damaged_bytes_are_an_error_or_a_delta(
        delta in any_delta(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = encode(&delta).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(delta) = decode(&bytes) {
            encode(&delta).unwrap();
        }
    }

    /// So are bytes that nobody wrote, also behind the mark of a message.
    #[test]
    fn random_bytes_are_an_error(bytes in vec(any::<u8>(), 0..400), marked: bool) {
        let mut bytes = bytes;
        if marked && bytes.len() >= 8 {
            bytes[..4].fill(0xFF);
            bytes[5..8].fill(0);
        }
        prop_assert!(decode(&bytes).is_err());
    }
}

#[test]
fn deltas_are_small() {
    let size = |delta: &Delta| encode(delta).unwrap().len();
    assert!(size(&empty_delta()) < 700, "{}", size(&empty_delta()));
    // 24 series, 500 cells
    let delta = dense_delta(1, 1, 27);
    let cells = delta.models[0].panes[0].cells.len();
    assert!((450..550).contains(&cells), "{cells}");
    assert!(size(&delta) < 2_000, "{}", size(&delta));
    // a busy day has fewer bytes a cell
    let delta = dense_delta(50, 2, 1_000);
    let panes = delta.models.iter().flat_map(|model| &model.panes);
    let cells: usize = panes.map(|pane| pane.cells.len()).sum();
    assert!(
        size(&delta) < cells,
        "{} bytes, {cells} cells",
        size(&delta)
    );
}

/// What is done to a delta, and what is said of it.
type Spoiled = (fn(&mut Delta), &'static str);

#[test]
fn a_wrong_delta_is_not_written() {
    let good = dense_delta(2, 2, 3);
    let cases: [Spoiled; 14] = [
        (|d| d.to = d.from - 1, "range"),
        (|d| d.from = -1, "range"),
        (|d| d.chain.topic = Arc::from(""), "chain"),
        (|d| d.models.swap(0, 1), "models are not"),
        (|d| d.models[1] = d.models[0].clone(), "models are not"),
        (|d| d.models[0].panes.swap(0, 1), "panes are not"),
        (|d| d.models[0].panes[0].cells.swap(0, 1), "cells are not"),
        (|d| d.models[0].panes[0].cells[0].1 = 0, "a count of 0"),
        (
            |d| d.models[0].panes[0].cells[0].1 = u64::MAX,
            "a count of 18446744073709551615",
        ),
        (|d| d.models[0].panes[0].late = 4, "a count of 4"),
        (
            |d| d.models[0].panes[0].start = Timestamp::from_millis(1),
            "1 ms does not start",
        ),
        (
            |d| d.models[0].panes[0].last_event = Timestamp::MAX,
            "not a time",
        ),
        (
            |d| d.models[0].layout = LayoutId::UNIVERSAL,
            "without a layout",
        ),
        (|d| d.accounting.first_event = None, "not a time"),
    ];
    for (spoil, message) in cases {
        let mut delta = good.clone();
        spoil(&mut delta);
        let Err(EncodeError::Flaw(flaw)) = encode(&delta) else {
            panic!("{message}: written")
        };
        assert!(
            flaw.to_string().contains(message),
            "{flaw} instead of {message}"
        );
    }
}

#[test]
fn a_delta_beyond_the_bound_is_refused_by_writer_and_reader() {
    let mut delta = dense_delta(1, 1, 1);
    delta.models[0].panes[0].cells = (0..3_200_000).map(|cell| (cell, 1)).collect();
    assert!(matches!(encode(&delta), Err(EncodeError::TooLarge { .. })));
    delta.models[0].panes[0].cells.truncate(2_900_000);
    let bytes = encode(&delta).unwrap();
    assert_eq!(decode(&bytes).unwrap(), delta);
    // 2.9 million rows of 8 bytes and a few, as a buffer declares them; made to be a terabyte
    let near = (2_900_000 * 8)..(2_900_000 * 8 + 512);
    let declares = |bytes: &[u8]| near.contains(&u64::from_le_bytes(bytes.try_into().unwrap()));
    let mut bytes = bytes;
    let place = bytes.windows(8).position(declares).unwrap();
    bytes[place + 5] = 1;
    assert!(matches!(decode(&bytes), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn batches_read_as_one_so_that_a_log_can_be_cut_between_models() {
    let delta = dense_delta(3, 1, 5);
    let mut parts = Vec::new();
    for model in &delta.models {
        let part = Delta {
            models: vec![model.clone()],
            arrivals: Vec::new(),
            ..delta.clone()
        };
        parts.push(part);
    }
    parts[0].arrivals = delta.arrivals.clone();
    let columns = parts
        .iter()
        .map(|part| rows::write(part, rows::base(&delta)).unwrap())
        .collect();
    let header = header::write(&delta, rows::base(&delta)).unwrap();
    let bytes = stream::write(&header, columns).unwrap();
    assert_eq!(decode(&bytes).unwrap(), delta);
}
