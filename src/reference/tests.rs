//! Laws and cases of the module that this is part of.

use super::*;
use crate::key::Role;
use crate::reference::learn::{LooseSeries, learn};
use crate::time::Timestamp;

use crate::decode::Value;

/// A reference with a series of each kind, of `rows` rows.
pub(super) fn example(rows: u32) -> Reference {
    let mut series = LooseSeries::new();
    let mut count = |role, name: &str, value: Value<'_>| {
        series.entry((role, name.into())).or_default().add(value, 1);
    };
    for row in 0..rows {
        let x = f64::from(row % 97) / 8.0;
        count(
            Role::Feature,
            "amount",
            if row % 9 == 0 {
                Value::Missing
            } else {
                Value::Number(x)
            },
        );
        count(
            Role::Feature,
            "country",
            Value::Text(["DE", "FR", "GB"][row as usize % 3]),
        );
        count(Role::Feature, "vip", Value::Bool(row % 2 == 0));
        count(Role::Prediction, "prediction", Value::Number(x / 100.0));
    }
    let name = |text: &str| Name::new(text).unwrap();
    let mut header = Header::new(name("fraud"), name("7"), ReferenceRole::Training);
    header.rows = rows.into();
    header.provenance.created_at = Some(Timestamp::from_millis(1_000));
    header.provenance.tool_version = "0.1.0".to_owned();
    learn(header, [rows.into(), rows.into(), 0, 0], &series).unwrap()
}

/// The same with its rows in two hours.
pub(super) fn with_hours(rows: u32) -> Reference {
    let whole = example(rows);
    let mut header = whole.header.clone();
    let hour = |n: u32| Timestamp::EPOCH + BLOCK.times(n);
    header.first_event = Some(hour(5));
    header.last_event = Some(hour(7));
    header.timezone = Some("Europe/Berlin".to_owned());
    let cells = BlockCells::new(&whole.layout);
    let mut sums = vec![0_u64; cells.cells()];
    for (at, (series, layout)) in whole.series.iter().zip(whole.layout.series()).enumerate() {
        for (cell, count) in series.counts.iter().enumerate() {
            sums[cells.offset(at) + block_cell(layout, cell)] += count;
        }
    }
    // the first hour has the first of what there is of each series, the second the rest
    let first = u64::from(rows / 3);
    let mut early = vec![0; sums.len()];
    for at in 0..whole.layout.series().len() {
        let mut left = first;
        for cell in cells.offset(at)..cells.offset(at + 1) {
            early[cell] = left.min(sums[cell]);
            left -= early[cell];
        }
    }
    let late: Vec<u64> = sums
        .iter()
        .zip(&early)
        .map(|(all, early)| all - early)
        .collect();
    let block = |start, rows, counts: &[u64]| HourBlock {
        start,
        rows,
        carried: [rows, rows, 0, 0],
        cells: (0..)
            .zip(counts.iter().copied())
            .filter(|(_, count)| *count > 0)
            .collect(),
    };
    let rest = u64::from(rows) - first;
    let blocks = vec![block(hour(5), first, &early), block(hour(7), rest, &late)];
    Reference::new(header, whole.layout, whole.series, whole.carried, blocks).unwrap()
}

/// What [`Reference::new`] says when one thing in a good reference is changed.
fn changed(change: impl FnOnce(&mut Reference)) -> Result<Reference, ReferenceError> {
    let mut parts = with_hours(300);
    change(&mut parts);
    Reference::new(
        parts.header,
        parts.layout,
        parts.series,
        parts.carried,
        parts.blocks,
    )
}

#[test]
fn roles_have_one_name_each() {
    for role in ReferenceRole::ALL {
        assert_eq!(ReferenceRole::from_text(role.as_str()), Some(role));
    }
    assert!(ReferenceRole::Training < ReferenceRole::Baseline);
}

#[test]
fn the_digest_is_of_layout_counts_and_statistics_only() {
    let reference = with_hours(300);
    let same = [
        example(300),
        reference.without_blocks(),
        changed(|parts| parts.header.model = Name::new("other").unwrap()).unwrap(),
        changed(|parts| parts.header.provenance.created_at = None).unwrap(),
        changed(|parts| parts.header.role = ReferenceRole::Baseline).unwrap(),
    ];
    for same in same {
        assert_eq!(same.digest(), reference.digest());
    }
    assert_ne!(example(301).digest(), reference.digest());
    let shifted = changed(|parts| {
        parts.blocks.clear();
        change(&mut parts.series[1], |counts| {
            (counts[0], counts[1]) = (counts[0] - 1, counts[1] + 1);
        });
    });
    assert_ne!(shifted.unwrap().digest(), reference.digest());
}

fn change(series: &mut SeriesReference, change: impl FnOnce(&mut Vec<u64>)) {
    let mut counts = series.counts.to_vec();
    change(&mut counts);
    series.counts = counts.into();
}

/// A change, and what it makes of a good reference.
type Case = (ReferenceError, fn(&mut Reference));

fn refused(cases: &[Case]) {
    for (at, (error, change)) in cases.iter().enumerate() {
        assert_eq!(changed(change).unwrap_err(), *error, "case {at}");
    }
}

#[test]
fn a_header_that_cannot_be_is_refused() {
    refused(&[
        (ReferenceError::Rows(ROWS_MAX + 1), |r| {
            r.header.rows = ROWS_MAX + 1;
        }),
        (ReferenceError::Times, |r| r.header.first_event = None),
        (ReferenceError::Times, |r| {
            r.header.first_event = Some(Timestamp::MAX);
        }),
        (ReferenceError::Timezone("Mars".into()), |r| {
            r.header.timezone = Some("Mars".into());
        }),
        (ReferenceError::Convention("x".into()), |r| {
            r.header.convention = "x".into();
        }),
        (ReferenceError::Carried(Carrier::Status), |r| {
            r.carried[3] = 301;
        }),
    ]);
    assert!(changed(|_| {}).is_ok());
}

#[test]
fn counts_that_do_not_add_up_are_refused() {
    let counts = |name: &str| ReferenceError::Counts(name.to_owned());
    refused(&[
        (
            ReferenceError::Series {
                found: 3,
                expected: 4,
            },
            |r| r.series.truncate(3),
        ),
        (counts("country"), |r| {
            change(&mut r.series[1], |counts| counts[0] += 1);
        }),
        (counts("amount"), |r| {
            change(&mut r.series[0], |counts| counts[0] = u64::MAX);
        }),
        (counts("amount"), |r| {
            change(&mut r.series[0], |counts| counts.truncate(2));
        }),
    ]);
}

#[test]
fn statistics_that_do_not_fit_are_refused() {
    let statistics = |name: &str| ReferenceError::Statistics(name.to_owned());
    refused(&[
        (statistics("amount"), |r| r.series[0].sd = f64::NAN),
        (statistics("amount"), |r| r.series[0].sd = -1.0),
        (statistics("amount"), |r| r.series[0].mean = 1e9),
        (statistics("amount"), |r| r.series[0].means[5] = 12.0),
        (statistics("amount"), |r| r.series[0].min = -0.0),
        (statistics("country"), |r| r.series[1].mean = 1.0),
    ]);
}

#[test]
fn hours_that_do_not_add_up_are_refused() {
    refused(&[
        (ReferenceError::Hours, |r| r.blocks.reverse()),
        (ReferenceError::Hours, |r| {
            r.blocks[0].start = Timestamp::from_millis(1);
        }),
        (ReferenceError::HourCounts, |r| r.blocks[0].cells[0].1 += 1),
        (ReferenceError::HourCounts, |r| {
            r.blocks[0].cells[0].0 = u32::MAX;
        }),
        (ReferenceError::HourCounts, |r| r.blocks[0].carried[0] -= 1),
        (ReferenceError::HourCounts, |r| {
            let mut again = r.blocks[1].clone();
            again.start = again.start + BLOCK;
            r.blocks.push(again);
        }),
    ]);
}

#[test]
fn blocks_are_read_series_by_series() {
    let reference = with_hours(300);
    let cells = BlockCells::new(&reference.layout);
    for (at, layout) in reference.layout.series().iter().enumerate() {
        let counts: Vec<_> = reference
            .blocks
            .iter()
            .map(|b| cells.counts(b, at))
            .collect();
        assert_eq!(counts[0].len(), layout.test_bins() + 2);
        assert_eq!(counts.concat().iter().sum::<u64>(), 300);
        assert_eq!(counts[0].iter().sum::<u64>(), 100);
    }
    assert_eq!(cells.offset(99), cells.cells());
}
