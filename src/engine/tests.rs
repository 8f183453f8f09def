//! What operators ask for, through the log: the same for whoever reads it, whenever.

use super::*;
use crate::alert::Severity;
use crate::alert::judge::Source;
use crate::decode::Value;
use crate::key::Role;
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, Reference, ReferenceRole};
use crate::statelog::record::{Command, CommandKind, Mute, Record};
use crate::testing::{self, Event, activate, config, genesis};

/// Numbers after which values repeat.
const PERIOD: u32 = 97;

/// Rows of an hour of event time.
const ROWS: u32 = 240;

fn key() -> ModelKey {
    testing::key("1")
}

fn hour(hour: u32) -> Timestamp {
    Timestamp::EPOCH + Length::HOUR.times(hour + 1)
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

/// A log, and the hour of event time up to which there are rows.
struct Served {
    log: testing::Log,
    hours: u32,
}

impl Served {
    /// A log with a reference and no rows.
    fn new() -> Self {
        let log = testing::Log::new(config());
        let mut served = Self { log, hours: 0 };
        served.append(genesis(0));
        served.append(activate(&reference()));
        served
    }

    /// A log in which `x` moved after a day and fires.
    fn firing() -> (Self, Arc<Alert>) {
        let mut served = Self::new();
        served.serve(24, 0.0);
        assert!(served.log.told.is_empty(), "{:?}", served.log.told);
        served.serve(12, 8.0);
        let firing = served.board().firing;
        let alert = firing.first().expect("what moved fires");
        assert!(alert.severity >= Severity::Warning);
        (served, Arc::clone(alert))
    }

    fn append(&mut self, record: Record) {
        self.log.append(hour(self.hours), record);
    }

    /// So many hours of rows, moved by `shift`.
    fn serve(&mut self, hours: u32, shift: f64) {
        for _ in 0..hours {
            self.serve_hour(shift);
        }
    }

    fn serve_hour(&mut self, shift: f64) {
        self.hours += 1;
        self.serve_again(self.hours - 1, shift);
    }

    /// An hour of rows, late where it is not the last one.
    fn serve_again(&mut self, at: u32, shift: f64) {
        let (from, mut worker) = (hour(at), self.log.worker(0));
        for row in 0..ROWS {
            let at = from + Length::SECOND.times((row * 15).max(1));
            let fields = [(Role::Feature, "x", value(row, shift))];
            worker.add(&Event::new("1", at, &fields));
        }
        self.log.count(hour(self.hours), worker);
    }

    /// What an operator does: the kinds of entries and by whom.
    fn order(&mut self, kind: CommandKind) -> Vec<(&'static str, String)> {
        let before = self.log.journal.len();
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
        self.log.journal[before..].iter().map(said).collect()
    }

    fn board(&self) -> Board {
        self.log.board()
    }

    /// A board with its closed windows, as readers get it.
    fn published(&mut self) -> Arc<Board> {
        let mut outputs = Vec::new();
        let engine = &mut self.log.engine;
        engine.handle(Input::End, &mut outputs).unwrap();
        engine.handle(Input::Publish, &mut outputs).unwrap();
        match outputs.pop() {
            Some(Output::Board(board)) => board,
            other => panic!("{other:?}"),
        }
    }

    /// Another instance knows, said and wrote the same.
    fn is_repeatable(&self) {
        let again = self.log.again();
        let (one, other) = (self.board(), again.board());
        assert_eq!(one.firing, other.firing);
        assert_eq!(one.resolved, other.resolved);
        assert_eq!(one.muted, other.muted);
        assert_eq!(mutes(&one), mutes(&other));
        assert_eq!(self.log.told, again.told);
        assert_eq!(self.log.journal, again.journal);
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
    let (mut served, alert) = Served::firing();
    assert_eq!(served.order(acknowledge("no such alert")), []);
    assert_eq!(served.order(acknowledge(&alert.id)), by_ann("acknowledged"));
    let firing = served.board().firing;
    let of_it = |alerts: &[Arc<Alert>]| {
        let found = alerts.iter().find(|one| one.id == alert.id).cloned();
        found.and_then(|alert| alert.acknowledged.clone())
    };
    let hand = of_it(&firing).unwrap();
    assert_eq!((&*hand.actor, &*hand.reason), ("ann", "it is known"));
    assert_eq!(hand.at, hour(36));
    // it stays acknowledged while it fires, and once it does not
    served.serve(1, 8.0);
    assert_eq!(of_it(&served.board().firing), Some(hand.clone()));
    served.serve(72, 0.0);
    assert_eq!(of_it(&served.board().firing), None);
    assert_eq!(of_it(&served.board().resolved), Some(hand));
    assert_eq!(served.order(acknowledge(&alert.id)), by_ann("acknowledged"));
    assert_eq!(of_it(&served.board().resolved).unwrap().at, hour(109));
    served.is_repeatable();
}

#[test]
fn a_mute_covers_what_fires_until_it_ends() {
    let (mut served, _) = Served::firing();
    let ids = |served: &Served| {
        served
            .board()
            .firing
            .iter()
            .map(|a| Arc::clone(&a.id))
            .collect()
    };
    let all: std::collections::BTreeSet<Arc<str>> = ids(&served);
    assert!(served.board().muted.is_empty());
    assert_eq!(served.order(mute("other", "y", hour(40))), by_ann("muted"));
    assert!(served.board().muted.is_empty());
    assert_eq!(served.order(mute("a", "x", hour(36))), [], "it is over");
    assert_eq!(served.order(mute("a", "x", hour(38))), by_ann("muted"));
    assert_eq!(*served.board().muted, all);
    assert_eq!(served.order(unmute("b")), []);
    assert_eq!(served.order(unmute("a")), by_ann("unmuted"));
    assert!(served.board().muted.is_empty());
    assert_eq!(served.order(unmute("a")), []);
    served.order(mute("a", "*", hour(38)));
    served.serve(1, 8.0);
    assert_eq!(*served.board().muted, ids(&served));
    served.serve(1, 8.0);
    assert!(served.board().muted.is_empty() && !served.board().firing.is_empty());
    assert_eq!(mutes(&served.board()).len(), 1);
    assert_eq!(served.order(unmute("a")), [], "it ended by itself");
    served.is_repeatable();
}

/// What fires while it is muted is told like anything else; only the mark says that it is muted.
#[test]
fn a_mute_changes_nothing_that_is_told() {
    let (loud, _) = Served::firing();
    let mut quiet = Served::new();
    quiet.order(mute("a", "x", hour(100)));
    quiet.serve(24, 0.0);
    quiet.serve(12, 8.0);
    assert_eq!(quiet.log.told, loud.log.told);
    assert_eq!(quiet.board().muted.len(), loud.board().firing.len());
    let events = |served: &Served| {
        let entries = served
            .log
            .journal
            .iter()
            .map(|entry| entry.draft.event.clone());
        let told = entries.filter(|event| event.kind() != "muted");
        told.collect::<Vec<_>>()
    };
    assert_eq!(events(&quiet), events(&loud));
    quiet.is_repeatable();
}

#[test]
fn an_accepted_baseline_is_the_new_normal() {
    let (mut served, alert) = Served::firing();
    served.serve(24, 8.0);
    let told = served.log.told.len();
    assert_eq!(served.order(accept(200, 300)), by_ann("reference_refused"));
    let said = served.order(accept(35, 59));
    let accepted = [
        ("baseline_accepted", "ann"),
        ("reference_activated", "driftd"),
    ];
    assert_eq!(
        said[..2],
        accepted.map(|(kind, actor)| (kind, actor.to_owned()))
    );
    served.serve(48, 8.0);
    let board = served.board();
    assert!(board.firing.is_empty(), "{:?}", board.firing);
    let resolved = board.resolved.iter().any(|one| one.id == alert.id);
    assert!(resolved && served.log.told.len() > told);
    let fired = |(change, _): &(Change, Arc<Alert>)| *change == Change::Fired;
    assert!(
        !served.log.told[told..].iter().any(fired),
        "{:?}",
        &served.log.told[told..]
    );
    // its hours say what is natural
    assert_eq!(board.judges[&key()].source(), Source::Reference);
    // and what was normal before is not
    served.serve(24, 0.0);
    assert!(!served.board().firing.is_empty());
    served.is_repeatable();
}

#[test]
fn eight_days_of_live_traffic_say_more_than_an_accepted_day() {
    let mut served = Served::new();
    served.serve(9 * 24, 0.0);
    assert_eq!(served.board().judges[&key()].source(), Source::Live);
    assert_eq!(
        served.order(accept(191, 215))[..1],
        by_ann("baseline_accepted")
    );
    served.serve(4, 0.0);
    let judge = Arc::clone(&served.board().judges[&key()]);
    assert_eq!(judge.reference.header.role, ReferenceRole::Baseline);
    assert!(!judge.reference.blocks.is_empty());
    assert_eq!(judge.source(), Source::Live);
}

/// Late rows are in the last closed window, whether there was a board before them or not.
#[test]
fn a_board_says_the_same_however_often_there_was_one() {
    let lived = |often: bool| {
        let mut served = Served::new();
        served.serve(30, 0.0);
        for late in [29, 10, 3] {
            if often {
                served.published();
            }
            served.serve_again(late, 8.0);
        }
        let rows = |windows: &Vec<Arc<ClosedWindow>>| {
            windows
                .iter()
                .map(|closed| closed.window.rows)
                .collect::<Vec<_>>()
        };
        let board = served.published();
        let counted: Vec<_> = board.closed.values().map(rows).collect();
        (counted, format!("{:?}", board.closed))
    };
    let (rows, once) = lived(false);
    assert_eq!(lived(true), (rows.clone(), once));
    // a day and what came late of it
    let day = u64::from(ROWS) * 24;
    assert_eq!(rows.concat().last(), Some(&(day + 2 * u64::from(ROWS))));
}
