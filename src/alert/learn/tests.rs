//! What blocks teach about made-up worlds.

use super::*;
use crate::alert::support::{Weather, hours, layout};

fn calm(_hour: i64) -> Weather {
    Weather {
        rows: 300,
        mean: 0.0,
        missing: 0.01,
    }
}

/// Days of a world in which nights have other values, and more of them are missing.
fn nights(hour: i64) -> Weather {
    let is_night = hour % 24 < 8;
    Weather {
        rows: 300,
        mean: if is_night { 1.0 } else { 0.0 },
        missing: if is_night { 0.2 } else { 0.01 },
    }
}

const WINDOWS: [Length; 3] = [Length::HOUR, Length::HOUR.times(6), Length::DAY];

fn taught(days: i64, weather: fn(i64) -> Weather, buckets: Option<Buckets>) -> Natural {
    let (layout, utc) = (layout(), Offsets::utc());
    let natural = learn(Lesson {
        layout: &layout,
        hours: &hours(&layout, days * 24, 7, weather),
        buckets: buckets.map(|buckets| (buckets, &utc)),
        windows: &WINDOWS,
    });
    assert!(natural.fits(&layout));
    natural
}

fn tau(natural: &Natural, window: Length, part: Part) -> f64 {
    natural.window(window).unwrap().series[0][part as usize]
        .unwrap()
        .tau
}

#[test]
fn a_calm_world_has_next_to_no_dispersion() {
    let natural = taught(14, calm, None);
    for window in WINDOWS {
        for part in [Part::Main, Part::Shape, Part::Missing] {
            assert!(tau(&natural, window, part) < 1e-3, "{window} {part:?}");
        }
    }
    assert_eq!(natural.profile, None);
}

/// A shift of 1 in a third of the hours is natural for an hour, and nothing for a day.
#[test]
fn nights_are_natural_for_hours_and_not_for_days() {
    let natural = taught(14, nights, None);
    for part in [Part::Main, Part::Missing] {
        assert!(tau(&natural, Length::HOUR, part) > 0.02, "{part:?}");
        assert!(tau(&natural, Length::DAY, part) < 2e-4, "{part:?}");
    }
}

#[test]
fn against_the_same_hour_nights_are_not_natural() {
    for buckets in [Buckets::HourOfDay, Buckets::HourOfDayWeekend] {
        let natural = taught(14, nights, Some(buckets));
        for part in [Part::Main, Part::Missing] {
            assert!(
                tau(&natural, Length::HOUR, part) < 1e-3,
                "{part:?} {buckets:?}"
            );
        }
        let profile = natural.profile.unwrap();
        let [values, missing] = profile.spread[0];
        assert!(values > 0.01 && missing > 0.01, "{values} {missing}");
        let weekdays = if buckets == Buckets::HourOfDay {
            14
        } else {
            10
        };
        assert_eq!(profile.hours[3], weekdays);
    }
}

#[test]
fn too_few_blocks_of_a_window_teach_with_shorter_ones() {
    let natural = taught(5, calm, None);
    let block = |window| natural.window(window).unwrap().block;
    assert_eq!(block(Length::HOUR), Length::HOUR);
    assert_eq!(block(Length::HOUR.times(6)), Length::HOUR.times(6));
    assert_eq!(block(Length::DAY), Length::HOUR.times(12));
    let lengths = |window| {
        block_lengths(window)
            .iter()
            .map(Length::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lengths(Length::DAY.times(7)),
        ["7d", "24h", "12h", "6h", "3h", "1h"]
    );
    assert_eq!(lengths(Length::MINUTE.times(90)), ["1h"]);
    assert!(lengths(Length::MINUTE.times(30)).is_empty());
}

#[test]
fn a_few_hours_teach_nothing() {
    let (layout, utc) = (layout(), Offsets::utc());
    for count in [0, 1, 7] {
        let natural = learn(Lesson {
            layout: &layout,
            hours: &hours(&layout, count, 7, calm),
            buckets: Some((Buckets::HourOfDay, &utc)),
            windows: &WINDOWS,
        });
        assert!(natural.fits(&layout));
        let known = natural
            .windows
            .iter()
            .flat_map(|window| window.series.iter().flatten());
        assert_eq!(known.filter(|part| part.is_some()).count(), 0);
    }
}

/// What was learned comes back from its bytes, and not for another layout.
#[test]
fn what_was_learned_survives_its_bytes() {
    use crate::reference::artifact::{natural_from_bytes, natural_to_bytes};
    let natural = taught(14, nights, Some(Buckets::HourOfDayWeekend));
    let bytes = natural_to_bytes(&natural);
    assert_eq!(natural_from_bytes(&bytes).unwrap(), natural);
    assert!(natural.fits(&layout()));
    let other = Layout::new(vec![layout().series()[0].clone()]).unwrap();
    assert!(!natural.fits(&other));
}
