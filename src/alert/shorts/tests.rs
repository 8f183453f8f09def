//! What made-up blocks teach of short windows, and whose word counts.

use std::sync::Arc;

use super::*;
use crate::alert::judge::{Nature, Source};
use crate::alert::support::{Weather, hours, layout};
use crate::alert::taught::LIVE_DAYS;
use crate::reference::natural::{Dispersion, Natural, Part, SeriesNatural};

const QUARTER: Length = Length::MINUTE.times(15);

/// Nights have other values.
fn nights(hour: i64) -> Weather {
    Weather {
        rows: 300,
        mean: if hour % 24 < 8 { 1.0 } else { 0.0 },
        missing: 0.01,
    }
}

#[test]
fn nights_are_natural_unless_hours_of_the_day_are_told_apart() {
    let (layout, utc) = (layout(), Offsets::utc());
    let blocks = hours(&layout, i64::from(LIVE_DAYS) * 24, 7, nights);
    let tau = |alike| {
        let learned = learn_parts(&layout, &blocks, alike, QUARTER);
        assert_eq!((learned.length, learned.block), (QUARTER, QUARTER));
        learned.series[0][Part::Main as usize].unwrap().tau
    };
    assert!(tau(None) > 0.02);
    assert!(tau(Some((Buckets::HourOfDay, &utc))) < 1e-3);
}

fn window(length: Length, taus: &[f64]) -> WindowNatural {
    let of = |tau: &f64| -> SeriesNatural {
        [Some(Dispersion {
            tau: *tau,
            tail_df: 16.0,
        }); Part::ALL.len()]
    };
    WindowNatural {
        length,
        block: length,
        series: taus.iter().map(of).collect(),
        carriers: [None; 4],
    }
}

fn nature(windows: Vec<WindowNatural>, places: Option<Vec<Option<usize>>>) -> Nature {
    Nature {
        source: Source::Reference,
        natural: Arc::new(Natural {
            windows,
            profile: None,
        }),
        places,
    }
}

#[test]
fn short_windows_are_those_of_the_version_before_until_there_are_own_ones() {
    let unknown = WindowNatural {
        series: vec![[None; Part::ALL.len()]; 2],
        ..window(QUARTER, &[])
    };
    let own = nature(vec![unknown, window(BLOCK, &[1.0, 2.0])], None);
    // there the second series stood first, and the first one was not there
    let before = nature(
        vec![window(QUARTER, &[7.0]), window(BLOCK, &[8.0])],
        Some(vec![None, Some(0)]),
    );
    let mut shorts = Shorts::default();
    let tau = |shorts: &Shorts, length: Length| {
        let own = own.clone().with_shorts(shorts.windows().clone());
        let complete = own.after(&before);
        let window = complete.natural.window(length).unwrap().clone();
        let main = window.series.iter().map(|one| one[Part::Main as usize]);
        main.map(|one| one.map(|one| one.tau)).collect::<Vec<_>>()
    };
    assert_eq!(tau(&shorts, QUARTER), [None, Some(7.0)]);
    assert_eq!(tau(&shorts, BLOCK), [Some(1.0), Some(2.0)]);
    shorts.windows.insert(QUARTER, window(QUARTER, &[3.0, 4.0]));
    assert_eq!(tau(&shorts, QUARTER), [Some(3.0), Some(4.0)]);
    assert_eq!(tau(&shorts, BLOCK), [Some(1.0), Some(2.0)]);
}
