//! What is not judged would not have fired.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::judge::{Nature, Source, whole_of};
use crate::alert::scene::{hour, key};
use crate::alert::settings::SeriesSettings;
use crate::decode::Value;
use crate::key::Role;
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::narrow::Narrow;
use crate::reference::natural::{
    Buckets, Dispersion, Natural, Offsets, Part, Profile, WindowNatural,
};
use crate::reference::{BlockCells, Header, Reference, ReferenceRole};
use crate::time::Timestamp;

const ROWS: u64 = 4_000;
const TEXTS: [&str; 4] = ["de", "fr", "us", "new"];

/// A numeric, a categorical and a boolean series, a tenth of them missing.
fn reference() -> Reference {
    let mut series = LooseSeries::new();
    let mut put = |name: &str, values: &[Value<'_>]| {
        let mut counts = LooseCounts::default();
        let each = ROWS / 10 * 9 / values.len() as u64;
        for value in values {
            counts.add(*value, each);
        }
        counts.add(Value::Missing, ROWS - each * values.len() as u64);
        series.insert((Role::Feature, name.into()), counts);
    };
    let numbers: Vec<Value<'_>> = (1..=36_u8).map(|x| Value::Number(f64::from(x))).collect();
    put("amount", &numbers);
    put("country", &TEXTS.map(Value::Text)[..3]);
    put("vip", &[true, true, false].map(Value::Bool));
    let mut header = Header::new(key("1").model, key("1").version, ReferenceRole::Training);
    header.rows = ROWS;
    learn(header, [ROWS, 0, 0, 0], &series).unwrap()
}

/// What a case is made of: what is natural, the budget, and how much hours differ.
#[derive(Debug, Clone)]
struct World {
    learned: Option<Dispersion>,
    false_alarms_per_month: f64,
    spread: f64,
}

fn world() -> impl Strategy<Value = World> {
    let tau = prop_oneof![Just(0.0), 1e-6..1e-2_f64];
    let learned = (tau, 2.0..16.0_f64).prop_map(|(tau, tail_df)| Dispersion { tau, tail_df });
    let budget = prop_oneof![Just(0.0), Just(1.0), 1e-3..1e4_f64];
    let spread = prop_oneof![Just(0.0), 1e-3..1.0_f64];
    (prop::option::weighted(0.8, learned), budget, spread).prop_map(
        |(learned, false_alarms_per_month, spread)| World {
            learned,
            false_alarms_per_month,
            spread,
        },
    )
}

fn judge_of(reference: Reference, world: &World, length: Length) -> Judge {
    let layout = Arc::clone(&reference.layout);
    let series = layout.series().len();
    let cells = BlockCells::new(&layout).cells();
    let bucket = |hour: usize| {
        let count = |cell: usize| ((cell * 7 + hour * 3) % 11) as u64 * 9;
        Narrow::new(&(0..cells).map(count).collect::<Vec<_>>())
    };
    let profile = Profile {
        buckets: Buckets::HourOfDay,
        offsets: Offsets::utc(),
        hours: vec![9; 24],
        counts: (0..24).map(bucket).collect(),
        spread: vec![[world.spread; 2]; series],
    };
    let nature = Nature {
        source: Source::Reference,
        natural: Arc::new(Natural {
            windows: vec![WindowNatural {
                length,
                block: length,
                series: vec![[world.learned; Part::ALL.len()]; series],
                carriers: [world.learned; 4],
            }],
            profile: Some(Arc::new(profile)),
        }),
        places: None,
    };
    Judge {
        cells: BlockCells::new(&layout),
        nature: Some(nature),
        false_alarms_per_month: world.false_alarms_per_month,
        tests: 14,
        windows: 1,
        settings: vec![SeriesSettings::default(); series],
        importances: Vec::new(),
        owner: None,
        whole: whole_of(&reference),
        reference: Arc::new(reference),
    }
}

/// Rows like those of the reference, with so many more in some cells.
fn window(
    judge: &Judge,
    length: Length,
    end: Timestamp,
    more: &[(usize, u64)],
    share: u64,
) -> Window {
    let mut cells: Vec<u64> = judge
        .reference
        .series
        .iter()
        .flat_map(|one| one.counts.iter())
        .collect();
    for cell in &mut cells {
        *cell /= share;
    }
    let count = cells.len();
    for (cell, rows) in more {
        cells[cell % count] += rows;
    }
    let rows = cells.iter().sum();
    Window {
        length,
        end,
        rows,
        late: 0,
        carried: [rows, 0, 0, 0],
        rows_elsewhere: 0,
        cells: Narrow::new(&cells),
        loose: BTreeMap::new(),
        kept: true,
    }
}

fn hours(window: &Window) -> Vec<HourRows> {
    (0..3)
        .map(|bucket| HourRows {
            bucket,
            series: vec![(window.rows / 30, window.rows / 27); 3],
        })
        .collect()
}

/// Every test of every series judged in full: so simple that it is unlikely to be wrong.
fn see_all(tick: &Tick<'_>, episodes: &mut Episodes, told: &mut Vec<Told>) {
    let length = tick.window.length;
    for verdicts in tick.judge.window(tick.window, tick.hours) {
        let layout = &tick.judge.reference.layout.series()[verdicts.series];
        for judged in &verdicts.tests {
            let at = (Arc::clone(layout.name()), length, judged.compared.test);
            let seen = Seen {
                judged: *judged,
                rule: tick.judge.rule(verdicts.series, length),
                learned: tick
                    .judge
                    .learned(verdicts.series, length, &judged.compared),
            };
            let alert = || tick.alert(verdicts.series, judged);
            told.extend(take(episodes, at, tick.window.end, seen, alert));
        }
    }
}

proptest! {
    /// What is told and what fires afterwards is the same to the last digit, tick after tick,
    /// whatever is natural and however far rows move.
    #[test]
    fn what_is_not_judged_would_not_have_fired(
        world in world(),
        is_day in any::<bool>(),
        moves in prop::collection::vec(
            (prop::collection::vec((0_usize..500, 1_u64..200), 0..4), 1_u64..200, 0..3_u8), 1..8,
        ),
    ) {
        let length = if is_day { Length::DAY } else { Length::HOUR };
        let judge = judge_of(reference(), &world, length);
        let screen = Screen::new(&judge, length);
        let key = key("1");
        let (mut some, mut all) = (Episodes::new(), Episodes::new());
        for (at, (more, share, times)) in (0..).zip(&moves) {
            // what moved once goes on for a while, or nothing would ever be over
            for again in 0..=*times {
                let end = hour(100 + 4 * at * 4 + u32::from(again) * 4);
                let window = window(&judge, length, end, more, *share);
                let hours = hours(&window);
                let tick = Tick::new(&key, (&judge, &screen), &window, &hours);
                let (mut told, mut told_by_all) = (Vec::new(), Vec::new());
                tick.see(&mut some, &mut told);
                see_all(&tick, &mut all, &mut told_by_all);
                prop_assert_eq!(told, told_by_all);
                prop_assert_eq!(format!("{some:?}"), format!("{all:?}"));
            }
        }
    }
}

#[test]
fn a_window_like_the_reference_needs_no_verdict_and_a_large_shift_gets_one() {
    let world = World {
        learned: Some(Dispersion {
            tau: 1e-4,
            tail_df: 16.0,
        }),
        false_alarms_per_month: 1.0,
        spread: 0.0,
    };
    let judge = judge_of(reference(), &world, Length::HOUR);
    let screen = Screen::new(&judge, Length::HOUR);
    let can_fire = |more: &[(usize, u64)]| -> Vec<bool> {
        let window = window(&judge, Length::HOUR, hour(9), more, 10);
        let series = judge.judged_series();
        series
            .map(|(place, layout)| {
                let (expected, current) = judge.sides((place, layout), &window, &[]);
                let can_fire = screen.can_fire((place, layout.kind()), &expected, &current);
                can_fire.contains(&true)
            })
            .collect()
    };
    assert_eq!(can_fire(&[]), [false; 3]);
    // the last cell of all is that of the invalid values of `vip`
    let last = judge.reference.layout.cells() - 1;
    assert_eq!(can_fire(&[(0, 300), (last, 40)]), [true, false, true]);
}
