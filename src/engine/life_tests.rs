//! The life of models under watch, from rows to alerts and journal, through the whole engine.

use std::fmt::Write;
use std::fs;

use super::*;
use crate::alert::Severity;
use crate::alert::judge::Source;
use crate::alert::learn;
use crate::decode::{Names, Row, Value};
use crate::key::{Carried, Carrier, ChainKey, Name, Role};
use crate::reference::build::{self, BuildRequest, Quiet};
use crate::reference::{Reference, ReferenceRole, artifact, zone};
use crate::statelog::record::{Alerting, BaselineChoice, Record};
use crate::stats::support::SplitMix;
use crate::tally::{Range, Router, Seen, Tally};

/// Rows an hour.
const ROWS: u32 = 120;

const WINDOWS: [Length; 3] = [Length::HOUR, Length::HOUR.times(6), Length::DAY];

fn monday() -> Timestamp {
    "2024-01-01T00:00:00Z".parse().unwrap()
}

/// A row of the world: `amount` about normal, `country` of three, `one` always 1, `none` always
/// missing.
#[derive(Debug, Clone, Copy)]
struct Weather {
    shift: f64,
    stranger: f64,
}

const CALM: Weather = Weather {
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
fn reference(version: &str, hours: u32, rows: u32, timed: bool) -> Reference {
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

/// An engine, and the log that feeds it, to be fed to another one.
struct Life {
    engine: Engine,
    log: Vec<(Timestamp, Record)>,
    outputs: Vec<Output>,
    router: Router,
    head: i64,
    random: SplitMix,
}

fn config() -> Configuration {
    Configuration {
        windows: WINDOWS.to_vec(),
        keep: None,
        lateness: Length::SECOND,
        wait_max: Length::MINUTE,
        silent_after: Length::DAY.times(60),
        models_max: 8,
        models_allow: Vec::new(),
        loose_series_max: 8,
        learn_rows: 0,
        alerts: Alerting::default(),
    }
}

fn chain() -> ChainKey {
    let (cluster, topic) = (Arc::from("c"), Arc::from("t"));
    ChainKey {
        shard: 0,
        cluster,
        topic,
        incarnation: 0,
        partition: 0,
    }
}

impl Life {
    fn new(references: &[Reference]) -> Self {
        Self::of(config(), references)
    }

    fn of(config: Configuration, references: &[Reference]) -> Self {
        let engine = Engine::new(config);
        let pane = engine.fold().base_pane();
        let layouts = Arc::new(engine.fold().layouts());
        let mut life = Self {
            engine,
            log: Vec::new(),
            outputs: Vec::new(),
            router: Router::new(layouts, pane, Length::MINUTE),
            head: 0,
            random: SplitMix(11),
        };
        let start = 0;
        life.append(
            monday(),
            Record::Genesis {
                chain: chain(),
                start,
            },
        );
        for reference in references {
            life.bring(reference, monday());
        }
        life
    }

    fn bring(&mut self, reference: &Reference, at: Timestamp) {
        let key = ModelKey::new(
            reference.header.model.clone(),
            reference.header.version.clone(),
        );
        let windows = &self.engine.fold().config.windows;
        let natural = learn::of_reference(reference, windows, BaselineChoice::Auto, zone::offsets);
        let activate = Record::Activate {
            key,
            artifact: artifact::to_bytes(&reference.without_blocks()),
            natural: natural
                .as_ref()
                .map_or_else(Vec::new, artifact::natural_to_bytes),
        };
        self.append(at, activate);
        let (layouts, pane) = (self.engine.fold().layouts(), self.engine.fold().base_pane());
        self.router.reset(Arc::new(layouts), pane, Length::MINUTE);
    }

    fn append(&mut self, append_time: Timestamp, record: Record) {
        self.log.push((append_time, record.clone()));
        let position = self.log.len() as u64 - 1;
        feed(
            &mut self.engine,
            position,
            append_time,
            record,
            &mut self.outputs,
        );
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
        let (mut names, mut tally) = (Names::new(16), Tally::default());
        let slots = ["amount", "country", "one", "none"]
            .map(|name| names.intern(Role::Feature, name).unwrap());
        let pane = self.engine.fold().base_pane();
        for row in 0..rows {
            let offset = i64::from(row) * Length::HOUR.as_millis() / i64::from(rows);
            let at = Timestamp::from_millis(start.as_millis() + offset);
            let ([a, c, o, n], weather) = (slots, weather(at));
            let moved = amount(&mut self.random, weather);
            let values = [
                (a, Value::Number(moved)),
                (c, Value::Text(country(&mut self.random, weather))),
                (o, Value::Number(1.0)),
                (n, Value::Missing),
            ];
            let row = Row {
                model: "m",
                version,
                at,
                request_id: None,
                carried: Carried::NONE.with(Carrier::Features),
                values: &values,
                unnamed: 0,
            };
            tally.add(&mut self.router, &names, &row, None);
            let offset = self.head + i64::try_from(tally.records()).unwrap();
            let seen = Seen {
                offset,
                timestamp: None,
                hash: 0,
            };
            tally.record(seen, Ok(1), pane);
        }
        let to = self.head + i64::from(rows);
        let range = Range {
            chain: chain(),
            from: self.head,
            to,
            writer: 1,
            attempt: 1,
        };
        let delta = tally.take(&self.router, range, true);
        self.head = to;
        self.append(start + Length::HOUR, Record::Delta(Box::new(delta)));
    }

    /// Hours of one version from an hour of the world on.
    fn hours(&mut self, version: &str, hours: std::ops::Range<u32>, weather: Weather) {
        for hour in hours {
            self.hour(version, at(hour), weather);
        }
    }

    /// What was told since the last time: change, series, window, test.
    fn told(&mut self) -> Vec<(Change, String, Length, &'static str)> {
        let told = self.outputs.drain(..).filter_map(|output| match output {
            Output::Alert(change, alert) => Some((
                change,
                alert.series.to_string(),
                alert.window,
                alert.test.as_str(),
            )),
            _ => None,
        });
        told.collect()
    }
}

fn at(hour: u32) -> Timestamp {
    let since = i64::from(hour) * Length::HOUR.as_millis();
    Timestamp::from_millis(monday().as_millis() + since)
}

fn feed(
    engine: &mut Engine,
    position: u64,
    append_time: Timestamp,
    record: Record,
    outputs: &mut Vec<Output>,
) {
    let input = fold::Input {
        position,
        append_time,
        digest: [0; 32],
        record,
    };
    engine.handle(Input::Record(input), outputs).unwrap();
}

fn entries(outputs: &[Output]) -> Vec<String> {
    let entries = outputs.iter().filter_map(|output| match output {
        Output::Journal(entry) => Some(entry.line.json.to_string()),
        _ => None,
    });
    entries.collect()
}

#[test]
fn a_shift_fires_once_is_over_once_and_a_restart_says_the_same() {
    let mut life = Life::new(&[reference("1", 24 * 15, 60, true)]);
    life.hours("1", 0..60, CALM);
    assert_eq!(life.told(), []);
    let shifted = Weather { shift: 1.0, ..CALM };
    life.hours("1", 60..80, shifted);
    life.hours("1", 80..150, CALM);
    let one_hour: Vec<_> = life
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Alert(change, alert)
                if alert.window == Length::HOUR && alert.test.as_str() == "location" =>
            {
                Some((*change, alert.since, alert.resolved, alert.severity))
            }
            _ => None,
        })
        .collect();
    let [
        (Change::Fired, since, None, Severity::Critical),
        (Change::Resolved, _, Some(over), _),
    ] = one_hour[..]
    else {
        panic!("{one_hour:?}");
    };
    assert_eq!((since, over), (at(61), at(82)));
    assert_eq!(life.engine.board().firing, []);

    // the same log again, as a restart folds it: byte for byte the same journal
    let (mut again, mut outputs) = (Engine::new(config()), Vec::new());
    for (position, (append_time, record)) in (0..).zip(life.log.clone()) {
        feed(&mut again, position, append_time, record, &mut outputs);
    }
    let journal = entries(&outputs);
    let firing = |series: &str| {
        let of = format!("\"series\":\"{series}\"");
        let lines = journal.iter().filter(|line| line.contains("alert_firing"));
        lines
            .filter(|line| line.contains(&of) && line.contains("\"window\":\"1h\""))
            .filter(|line| line.contains("\"location\""))
            .count()
    };
    assert_eq!(firing("amount"), 1, "{journal:#?}");
    assert!(journal.ends_with(&entries(&life.outputs)));
    assert_eq!(again.board().resolved, life.engine.board().resolved);
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
    assert_eq!(life.engine.board().firing, []);
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
    let board = life.engine.board();
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
        let board = life.engine.board();
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
