//! What operators ask for, through the log: the same for whoever reads it, whenever.

use super::*;
use crate::alert::Severity;
use crate::alert::judge::Source;
use crate::decode::{Names, Row, Value};
use crate::key::{Carried, Carrier, ChainKey, Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, Reference, ReferenceRole, artifact};
use crate::statelog::record::{Alerting, Command, CommandKind, Mute, Record};
use crate::tally::{Range, Router, Seen, Tally};

/// Numbers after which values repeat.
const PERIOD: u32 = 97;

/// Rows of an hour of event time.
const ROWS: u32 = 240;

fn key() -> ModelKey {
    ModelKey::new(Name::new("m").unwrap(), Name::new("1").unwrap())
}

fn hour(hour: u32) -> Timestamp {
    Timestamp::EPOCH + Length::HOUR.times(hour + 1)
}

fn config() -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::HOUR.times(6), Length::DAY],
        keep: None,
        lateness: Length::MINUTE,
        wait_max: Length::MINUTE.times(10),
        silent_after: Length::DAY.times(7),
        models_max: 8,
        models_allow: Vec::new(),
        loose_series_max: 8,
        learn_rows: 0,
        alerts: Alerting::default(),
    }
}

fn chain() -> ChainKey {
    ChainKey {
        shard: 0,
        cluster: "c".into(),
        topic: "t".into(),
        incarnation: 0,
        partition: 0,
    }
}

fn value(row: u32, shift: f64) -> Value<'static> {
    Value::Number(f64::from(row * 31 % PERIOD) / 8.0 + shift)
}

fn reference() -> Reference {
    let mut counts = LooseCounts::default();
    for row in 0..PERIOD * 20 {
        counts.add(value(row, 0.0), 1);
    }
    let series: LooseSeries = [((Role::Feature, "x".into()), counts)].into();
    let key = key();
    let mut header = Header::new(key.model, key.version, ReferenceRole::Training);
    header.rows = u64::from(PERIOD * 20);
    let rows = header.rows;
    learn(header, [rows, 0, 0, 0], &series).unwrap()
}

/// An engine, the log that feeds it, and what it said.
struct Log {
    engine: Engine,
    records: Vec<(Timestamp, Record)>,
    layouts: Arc<Layouts>,
    /// The hour of event time up to which there are rows.
    hours: u32,
    head: i64,
    alerts: Vec<(Change, Arc<Alert>)>,
    journal: Vec<journal::Entry>,
}

impl Log {
    /// A log with a reference and no rows.
    fn new() -> Self {
        let mut log = Self {
            engine: Engine::new(config()),
            records: Vec::new(),
            layouts: Arc::new(Layouts {
                of: BTreeMap::new(),
                loose_series_max: 8,
            }),
            hours: 0,
            head: 0,
            alerts: Vec::new(),
            journal: Vec::new(),
        };
        let start = 0;
        log.append(Record::Genesis {
            chain: chain(),
            start,
        });
        log.append(Record::Activate {
            key: key(),
            artifact: artifact::to_bytes(&reference()),
            natural: Vec::new(),
        });
        log
    }

    /// A log in which `x` moved after a day and fires.
    fn firing() -> (Self, Arc<Alert>) {
        let mut log = Self::new();
        log.serve(24, 0.0);
        assert!(log.alerts.is_empty(), "{:?}", log.alerts);
        log.serve(12, 8.0);
        let firing = log.board().firing;
        let alert = firing.first().expect("what moved fires");
        assert!(alert.severity >= Severity::Warning);
        (log, Arc::clone(alert))
    }

    fn append(&mut self, record: Record) {
        let now = hour(self.hours);
        self.records.push((now, record.clone()));
        self.take(now, record);
    }

    fn take(&mut self, append_time: Timestamp, record: Record) {
        let input = fold::Input {
            position: self.engine.fold().position,
            append_time,
            digest: [0; 32],
            record,
        };
        let mut outputs = Vec::new();
        self.engine
            .handle(Input::Record(input), &mut outputs)
            .unwrap();
        for output in outputs {
            match output {
                Output::Layouts(layouts, ..) => self.layouts = layouts,
                Output::Alert(change, alert) => self.alerts.push((change, alert)),
                Output::Journal(entry) => self.journal.push(entry),
                Output::Effect(_) | Output::Board(_) => {}
            }
        }
    }

    /// So many hours of rows, moved by `shift`.
    fn serve(&mut self, hours: u32, shift: f64) {
        for _ in 0..hours {
            self.serve_hour(shift);
        }
    }

    fn serve_hour(&mut self, shift: f64) {
        let (from, pane) = (hour(self.hours), self.engine.fold().base_pane());
        self.hours += 1;
        let mut router = Router::new(Arc::clone(&self.layouts), pane, Length::MINUTE);
        let (mut names, mut tally) = (Names::new(16), Tally::default());
        let slot = names.intern(Role::Feature, "x").unwrap();
        let start = self.head;
        for row in 0..ROWS {
            let at = from + Length::SECOND.times((row * 15).max(1));
            let values = [(slot, value(row, shift))];
            let row = Row {
                model: "m",
                version: "1",
                at,
                request_id: None,
                carried: Carried::NONE.with(Carrier::Features),
                values: &values,
                unnamed: 0,
            };
            tally.add(&mut router, &names, &row, Some(at));
            let seen = Seen {
                offset: self.head,
                timestamp: Some(at),
                hash: 0,
            };
            tally.record(seen, Ok(1), pane);
            self.head += 1;
        }
        let range = Range {
            chain: chain(),
            from: start,
            to: self.head,
            writer: 1,
            attempt: 1,
        };
        let delta = tally.take(&router, range, true);
        self.append(Record::Delta(Box::new(delta)));
    }

    /// What an operator does: the kinds of entries and by whom.
    fn order(&mut self, kind: CommandKind) -> Vec<(&'static str, String)> {
        let before = self.journal.len();
        self.append(Record::Command(Command {
            actor: "ann".to_owned(),
            reason: "it is known".to_owned(),
            at: Timestamp::EPOCH,
            kind,
        }));
        let said = |entry: &journal::Entry| {
            let draft = &entry.draft;
            let reason = draft.reason.as_ref().map(ToString::to_string);
            let is_hers = draft.actor.as_str() == "ann";
            assert_eq!(reason, is_hers.then(|| "it is known".to_owned()));
            (draft.event.kind(), draft.actor.to_string())
        };
        self.journal[before..].iter().map(said).collect()
    }

    fn board(&self) -> Board {
        self.engine.board()
    }

    /// What another instance knows that reads the same log.
    fn again(&self) -> Self {
        let mut again = Self {
            engine: Engine::new(config()),
            records: Vec::new(),
            layouts: Arc::clone(&self.layouts),
            hours: 0,
            head: 0,
            alerts: Vec::new(),
            journal: Vec::new(),
        };
        for (at, record) in &self.records {
            again.take(*at, record.clone());
        }
        again
    }

    /// Another instance knows, said and wrote the same.
    fn is_repeatable(&self) {
        let again = self.again();
        let (one, other) = (self.board(), again.board());
        assert_eq!(one.firing, other.firing);
        assert_eq!(one.resolved, other.resolved);
        assert_eq!(one.muted, other.muted);
        assert_eq!(mutes(&one), mutes(&other));
        assert_eq!(self.alerts, again.alerts);
        assert_eq!(self.journal, again.journal);
    }
}

fn mutes(board: &Board) -> Vec<Mute> {
    board.mutes.iter().map(|one| one.mute.clone()).collect()
}

fn acknowledge(alert: &str) -> CommandKind {
    let alert = alert.to_owned();
    CommandKind::Acknowledge { alert }
}

fn mute(id: &str, series: &str, until: Timestamp) -> CommandKind {
    CommandKind::Mute(Mute {
        id: id.to_owned(),
        model: "m".to_owned(),
        version: None,
        series: Some(series.to_owned()),
        until,
    })
}

fn unmute(id: &str) -> CommandKind {
    CommandKind::Unmute { id: id.to_owned() }
}

/// Two hours are a pane of the longest window, from an odd number on.
fn accept(from: u32, to: u32) -> CommandKind {
    CommandKind::AcceptBaseline {
        key: key(),
        from: hour(from),
        to: hour(to),
    }
}

fn by_ann(kind: &'static str) -> Vec<(&'static str, String)> {
    vec![(kind, "ann".to_owned())]
}

#[test]
fn an_alert_is_acknowledged_while_it_fires_and_afterwards() {
    let (mut log, alert) = Log::firing();
    assert_eq!(log.order(acknowledge("no such alert")), []);
    assert_eq!(log.order(acknowledge(&alert.id)), by_ann("acknowledged"));
    let firing = log.board().firing;
    let of_it = |alerts: &[Arc<Alert>]| {
        let found = alerts.iter().find(|one| one.id == alert.id).cloned();
        found.and_then(|alert| alert.acknowledged.clone())
    };
    let hand = of_it(&firing).unwrap();
    assert_eq!((&*hand.actor, &*hand.reason), ("ann", "it is known"));
    assert_eq!(hand.at, hour(36));
    // it stays acknowledged while it fires, and once it does not
    log.serve(1, 8.0);
    assert_eq!(of_it(&log.board().firing), Some(hand.clone()));
    log.serve(72, 0.0);
    assert_eq!(of_it(&log.board().firing), None);
    assert_eq!(of_it(&log.board().resolved), Some(hand));
    assert_eq!(log.order(acknowledge(&alert.id)), by_ann("acknowledged"));
    assert_eq!(of_it(&log.board().resolved).unwrap().at, hour(109));
    log.is_repeatable();
}

#[test]
fn a_mute_covers_what_fires_until_it_ends() {
    let (mut log, _) = Log::firing();
    let ids = |log: &Log| {
        log.board()
            .firing
            .iter()
            .map(|a| Arc::clone(&a.id))
            .collect()
    };
    let all: std::collections::BTreeSet<Arc<str>> = ids(&log);
    assert!(log.board().muted.is_empty());
    assert_eq!(log.order(mute("other", "y", hour(40))), by_ann("muted"));
    assert!(log.board().muted.is_empty());
    assert_eq!(log.order(mute("a", "x", hour(36))), [], "it is over");
    assert_eq!(log.order(mute("a", "x", hour(38))), by_ann("muted"));
    assert_eq!(*log.board().muted, all);
    assert_eq!(log.order(unmute("b")), []);
    assert_eq!(log.order(unmute("a")), by_ann("unmuted"));
    assert!(log.board().muted.is_empty());
    assert_eq!(log.order(unmute("a")), []);
    log.order(mute("a", "*", hour(38)));
    log.serve(1, 8.0);
    assert_eq!(*log.board().muted, ids(&log));
    log.serve(1, 8.0);
    assert!(log.board().muted.is_empty() && !log.board().firing.is_empty());
    assert_eq!(mutes(&log.board()).len(), 1);
    assert_eq!(log.order(unmute("a")), [], "it ended by itself");
    log.is_repeatable();
}

/// What fires while it is muted is told like anything else; only the mark says that it is muted.
#[test]
fn a_mute_changes_nothing_that_is_told() {
    let (loud, _) = Log::firing();
    let mut quiet = Log::new();
    quiet.order(mute("a", "x", hour(100)));
    quiet.serve(24, 0.0);
    quiet.serve(12, 8.0);
    assert_eq!(quiet.alerts, loud.alerts);
    assert_eq!(quiet.board().muted.len(), loud.board().firing.len());
    let events = |log: &Log| {
        let entries = log.journal.iter().map(|entry| entry.draft.event.clone());
        let told = entries.filter(|event| event.kind() != "muted");
        told.collect::<Vec<_>>()
    };
    assert_eq!(events(&quiet), events(&loud));
    quiet.is_repeatable();
}

#[test]
fn an_accepted_baseline_is_the_new_normal() {
    let (mut log, alert) = Log::firing();
    log.serve(24, 8.0);
    let told = log.alerts.len();
    assert_eq!(log.order(accept(200, 300)), by_ann("reference_refused"));
    let said = log.order(accept(35, 59));
    let accepted = [
        ("baseline_accepted", "ann"),
        ("reference_activated", "driftd"),
    ];
    assert_eq!(
        said[..2],
        accepted.map(|(kind, actor)| (kind, actor.to_owned()))
    );
    log.serve(48, 8.0);
    let board = log.board();
    assert!(board.firing.is_empty(), "{:?}", board.firing);
    let resolved = board.resolved.iter().any(|one| one.id == alert.id);
    assert!(resolved && log.alerts.len() > told);
    let fired = |(change, _): &(Change, Arc<Alert>)| *change == Change::Fired;
    assert!(
        !log.alerts[told..].iter().any(fired),
        "{:?}",
        &log.alerts[told..]
    );
    // its hours say what is natural
    assert_eq!(board.judges[&key()].source(), Source::Reference);
    // and what was normal before is not
    log.serve(24, 0.0);
    assert!(!log.board().firing.is_empty());
    log.is_repeatable();
}

#[test]
fn eight_days_of_live_traffic_say_more_than_an_accepted_day() {
    let mut log = Log::new();
    log.serve(9 * 24, 0.0);
    assert_eq!(log.board().judges[&key()].source(), Source::Live);
    assert_eq!(
        log.order(accept(191, 215))[..1],
        by_ann("baseline_accepted")
    );
    log.serve(4, 0.0);
    let judge = Arc::clone(&log.board().judges[&key()]);
    assert_eq!(judge.reference.header.role, ReferenceRole::Baseline);
    assert!(!judge.reference.blocks.is_empty());
    assert_eq!(judge.source(), Source::Live);
}
