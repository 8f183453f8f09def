//! The life of models under watch, from rows to alerts and journal, through the whole engine.

use std::fmt::Write;
use std::fs;

use super::*;
use crate::alert::Severity;
use crate::alert::judge::Source;
use crate::alert::learn;
use crate::decode::Value;
use crate::key::{Name, Role};
use crate::reference::build::{self, BuildRequest, Quiet};
use crate::reference::{Reference, ReferenceRole, zone};
use crate::statelog::record::BaselineChoice;
use crate::stats::support::SplitMix;
use crate::testing::{self, Event, Log, activate, genesis};

/// Rows an hour.
const ROWS: u32 = 120;

fn monday() -> Timestamp {
    "2024-01-01T00:00:00Z".parse().unwrap()
}

/// A row of the world: `amount` about normal, `country` of three, `one` always 1, `none` always
/// missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) shift: f64,
    pub(super) stranger: f64,
}

pub(super) const CALM: Weather = Weather {
    shift: 0.0,
    stranger: 0.0,
};

fn amount(random: &mut SplitMix, weather: Weather) -> f64 {
    let sum: f64 = (0..12).map(|_| random.unit()).sum();
    sum - 6.0 + weather.shift
}

fn country(random: &mut SplitMix, weather: Weather) -> &'static str {
    if random.unit() < weather.stranger {
        return "xx";
    }
    ["de", "de", "fr", "us"][(random.bits() % 4) as usize]
}

/// A reference of so many hours before the Monday, with times or without.
pub(super) fn reference(version: &str, hours: u32, rows: u32, timed: bool) -> Reference {
    let mut random = SplitMix(3);
    let mut csv = String::from(if timed { "ts," } else { "" }) + "amount,country,one,none\n";
    for row in 0..hours * rows {
        let step = Length::HOUR.as_millis() / i64::from(rows);
        let at = monday().as_millis() - (i64::from(hours * rows) - i64::from(row)) * step;
        if timed {
            write!(csv, "{},", Timestamp::from_millis(at)).unwrap();
        }
        let (x, c) = (amount(&mut random, CALM), country(&mut random, CALM));
        writeln!(csv, "{x},{c},1,").unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("rows.csv");
    fs::write(&input, csv).unwrap();
    let name = |text| Name::new(text).unwrap();
    let request = BuildRequest {
        inputs: vec![input],
        ..BuildRequest::new(name("m"), name(version), ReferenceRole::Training)
    };
    build::build(&request, &Quiet).unwrap()
}

/// A log, and the world whose rows are counted in it.
pub(super) struct Life {
    pub(super) log: Log,
    random: SplitMix,
}

pub(super) fn config() -> Configuration {
    Configuration {
        lateness: Length::SECOND,
        wait_max: Length::MINUTE,
        silent_after: Length::DAY.times(60),
        ..testing::config()
    }
}

impl Life {
    fn new(references: &[Reference]) -> Self {
        Self::of(config(), references)
    }

    pub(super) fn of(config: Configuration, references: &[Reference]) -> Self {
        let windows = config.windows.clone();
        let (mut log, random) = (Log::new(config), SplitMix(11));
        log.append(monday(), genesis(0));
        for reference in references {
            let (choice, mut short) = (BaselineChoice::Auto, reference.without_blocks());
            let natural = learn::of_reference(reference, &windows, choice, zone::offsets);
            short.natural = natural.map(Arc::new);
            log.append(monday(), activate(&short));
        }
        Self { log, random }
    }

    /// An hour of rows of a version, and its end.
    fn hour(&mut self, version: &str, start: Timestamp, weather: Weather) {
        self.lived(version, (start, ROWS), |_at| weather);
    }

    /// An hour of so many rows of a version, and its end.
    fn lived(
        &mut self,
        version: &str,
        (start, rows): (Timestamp, u32),
        weather: impl Fn(Timestamp) -> Weather,
    ) {
        let mut worker = self.log.worker(0);
        for row in 0..rows {
            let offset = i64::from(row) * Length::HOUR.as_millis() / i64::from(rows);
            let at = Timestamp::from_millis(start.as_millis() + offset);
            let weather = weather(at);
            let moved = amount(&mut self.random, weather);
            let country = country(&mut self.random, weather);
            let fields = [
                (Role::Feature, "amount", Value::Number(moved)),
                (Role::Feature, "country", Value::Text(country)),
                (Role::Feature, "one", Value::Number(1.0)),
                (Role::Feature, "none", Value::Missing),
            ];
            worker.add(&Event::new(version, at, &fields));
        }
        self.log.count(start + Length::HOUR, worker);
    }

    /// Hours of one version from an hour of the world on.
    pub(super) fn hours(&mut self, version: &str, hours: std::ops::Range<u32>, weather: Weather) {
        for hour in hours {
            self.hour(version, at(hour), weather);
        }
    }

    /// What was told since the last time: change, series, window, test.
    fn told(&mut self) -> Vec<(Change, String, Length, &'static str)> {
        let told = self.log.told.drain(..).map(|(change, alert)| {
            let (series, test) = (alert.series.to_string(), alert.test.as_str());
            (change, series, alert.window, test)
        });
        told.collect()
    }
}

pub(super) fn at(hour: u32) -> Timestamp {
    let since = i64::from(hour) * Length::HOUR.as_millis();
    Timestamp::from_millis(monday().as_millis() + since)
}

#[test]
fn a_shift_fires_once_is_over_once_and_a_restart_says_the_same() {
    let mut life = Life::new(&[reference("1", 24 * 15, 60, true)]);
    life.hours("1", 0..60, CALM);
    assert_eq!(life.told(), []);
    let shifted = Weather { shift: 1.0, ..CALM };
    life.hours("1", 60..80, shifted);
    life.hours("1", 80..150, CALM);
    let of_an_hour = life
        .log
        .told
        .iter()
        .filter(|(_, alert)| alert.window == Length::HOUR && alert.test.as_str() == "location");
    let one_hour: Vec<_> = of_an_hour
        .map(|(change, alert)| (*change, alert.since, alert.resolved, alert.severity))
        .collect();
    let [
        (Change::Fired, since, None, Severity::Critical),
        (Change::Resolved, _, Some(over), _),
    ] = one_hour[..]
    else {
        panic!("{one_hour:?}");
    };
    assert_eq!((since, over), (at(61), at(82)));
    assert_eq!(life.log.board().firing, []);

    // the same log again, as a restart folds it: byte for byte the same journal
    let again = life.log.again();
    assert_eq!(again.journal, life.log.journal);
    let lines = again
        .journal
        .iter()
        .map(|entry| entry.line.json.to_string());
    let firing = lines.filter(|line| {
        let of = [
            "alert_firing",
            "\"amount\"",
            "\"window\":\"1h\"",
            "\"location\"",
        ];
        of.iter().all(|part| line.contains(part))
    });
    assert_eq!(firing.count(), 1, "{:#?}", again.journal);
    assert_eq!(again.board().resolved, life.log.board().resolved);
}

/// Constant, missing and short: nothing that stays as it was fires, whatever it is made of.
#[test]
fn nothing_fires_where_nothing_changes() {
    for (hours, rows, timed) in [
        (24 * 15, 60, true),
        (24 * 3, 60, true),
        (24, 60, true),
        (1, 10, true),
        (10, 60, false),
        (1, 10, false),
    ] {
        let mut life = Life::new(&[reference("1", hours, rows, timed)]);
        life.hours("1", 0..80, CALM);
        assert_eq!(
            life.told(),
            [],
            "{hours} hours of {rows} rows, timed {timed}"
        );
    }
}

#[test]
fn a_window_longer_than_the_data_is_not_judged() {
    let mut life = Life::new(&[reference("1", 24 * 15, 60, true)]);
    let odd = Weather {
        shift: 2.0,
        stranger: 0.5,
    };
    life.hours("1", 0..12, odd);
    let windows: Vec<_> = life
        .told()
        .into_iter()
        .map(|(_, _, window, _)| window)
        .collect();
    assert!(windows.contains(&Length::HOUR) && windows.contains(&Length::HOUR.times(6)));
    assert!(!windows.contains(&Length::DAY));
}

#[test]
fn a_version_that_lives_for_an_hour_leaves_nothing_that_fires() {
    let odd = Weather {
        shift: 2.0,
        stranger: 0.5,
    };
    let versions = ["1", "2"].map(|version| reference(version, 24 * 15, 60, true));
    let mut life = Life::new(&versions);
    life.hours("1", 0..4, CALM);
    life.hour("2", at(4), odd);
    life.hours("1", 5..40, CALM);
    let told = life.told();
    let of = |change| told.iter().filter(|told| told.0 == change).count();
    assert!(of(Change::Fired) > 0, "{told:?}");
    assert_eq!(of(Change::Fired), of(Change::Resolved), "{told:?}");
    assert_eq!(life.log.board().firing, []);
}

#[test]
fn a_clock_that_jumps_judges_what_there_is_and_nothing_between() {
    let mut life = Life::new(&[reference("1", 24 * 15, 60, true)]);
    life.hours("1", 0..30, CALM);
    // two years without a row, a day, and then back to where it was
    life.hours("1", 17_520..17_545, CALM);
    life.hours("1", 30..32, CALM);
    assert_eq!(life.told(), []);
}

/// Without times in the reference small changes wait until eight live days have taught what is
/// natural; a large one in a day does not.
#[test]
fn without_times_eight_live_days_teach() {
    let mut life = Life::new(&[reference("1", 24 * 4, 60, false)]);
    let small = Weather { shift: 0.4, ..CALM };
    life.hours("1", 0..100, small);
    assert_eq!(life.told(), []);
    life.hours("1", 100..200, CALM);
    let board = life.log.board();
    let judge = board.judges.values().next().unwrap();
    assert_eq!(judge.source(), Source::Live);
    assert_eq!(life.told(), []);

    let mut other = Life::new(&[reference("1", 24 * 4, 60, false)]);
    let large = Weather { shift: 1.5, ..CALM };
    other.hours("1", 0..30, large);
    let windows: BTreeMap<_, _> = other
        .told()
        .into_iter()
        .map(|told| (told.2, told.3))
        .collect();
    assert_eq!(windows.keys().copied().collect::<Vec<_>>(), [Length::DAY]);
}

/// Somebody tries a model before its traffic comes: after eight days there is too little.
#[test]
fn a_lone_hour_long_before_the_others_is_no_beginning() {
    let mut life = Life::new(&[reference("1", 24 * 4, 60, false)]);
    let source = |life: &Life| {
        let board = life.log.board();
        board.judges.values().next().unwrap().source()
    };
    life.hours("1", 0..1, CALM);
    life.hours("1", 24 * 8..24 * 14, CALM);
    assert_eq!(source(&life), Source::Unknown);
    life.hours("1", 24 * 14..24 * 15, CALM);
    assert_eq!(source(&life), Source::Live);
    assert_eq!(life.told(), []);
    life.hours("1", 24 * 15..24 * 15 + 2, Weather { shift: 1.0, ..CALM });
    assert!(!life.told().is_empty());
}

const QUARTER: Length = Length::MINUTE.times(15);

/// So many days of a life that is watched in windows of a quarter of an hour; by the window, what
/// fired in them.
fn days(life: &mut Life, days: std::ops::Range<u32>, shift: impl Fn(Timestamp) -> f64) -> usize {
    for hour in days.start * 24..days.end * 24 {
        let weather = |at| Weather {
            shift: shift(at),
            ..CALM
        };
        life.lived("1", (at(hour), 1_200), weather);
    }
    let fired =
        |told: &(Change, String, Length, &str)| told.0 == Change::Fired && told.2 == QUARTER;
    life.told().iter().filter(|told| fired(told)).count()
}

/// A daily wave, and another mean from half past to a quarter to.
fn rhythm(at: Timestamp) -> f64 {
    let minute = at.as_millis() / Length::MINUTE.as_millis();
    let minute = u32::try_from(minute % (24 * 60)).unwrap();
    let wave = (std::f64::consts::TAU * f64::from(minute) / (24.0 * 60.0)).sin();
    let half_past = (30..45).contains(&(minute % 60));
    0.2 * wave + if half_past { 0.2 } else { 0.0 }
}

/// No hour teaches what is natural of a quarter of it: eight live days do, as they are. A rhythm
/// that was there from the beginning is natural, one that came later is not, a shift neither.
#[test]
fn windows_below_an_hour_learn_from_eight_live_days() {
    let windows = vec![QUARTER, Length::HOUR];
    let config = Configuration {
        windows,
        ..config()
    };
    let reference = reference("1", 24 * 4, 60, false);
    let life = || Life::of(config.clone(), std::slice::from_ref(&reference));
    let (mut lives, calm) = (life(), |_at| 0.0);
    assert_eq!(days(&mut lives, 0..7, rhythm), 0);
    let knows = |life: &Life| {
        let board = life.log.board();
        let judge = board.judges.values().next().unwrap();
        let nature = judge.nature.as_ref();
        let window = nature.and_then(|nature| nature.natural.window(QUARTER).cloned());
        window.is_some_and(|window| window.series[0].iter().any(Option::is_some))
    };
    assert!(!knows(&lives));
    assert_eq!(days(&mut lives, 7..10, rhythm), 0);
    assert!(knows(&lives));
    assert!(days(&mut lives, 10..11, |at| rhythm(at) + 2.0) > 0);

    let mut other = life();
    assert_eq!(days(&mut other, 0..9, calm), 0);
    assert!(days(&mut other, 9..10, rhythm) > 0);
}
