//! Baselines accepted against the rows that they are of.

use super::*;
use crate::delta::LayoutId;
use crate::fold::learning::tests::{delta, steady};
use crate::fold::tests::{Log, MINUTE};
use crate::reference::HourBlock;
use crate::statelog::record::{Mute, Record};
use crate::tally::Layouts;
use crate::testing::{chain, named};

const HOUR: i64 = 60 * MINUTE;

fn key(model: &str) -> ModelKey {
    named(model, "1")
}

fn command(kind: CommandKind) -> Command {
    Command {
        actor: "ann".to_owned(),
        reason: "it was a quiet week".to_owned(),
        at: Timestamp::EPOCH,
        kind,
    }
}

impl Log {
    /// Accepts what a model version served from one minute until before another.
    fn accept(&mut self, model: &str, from: i64, to: i64) -> Command {
        let kind = CommandKind::AcceptBaseline {
            key: key(model),
            from: Timestamp::from_millis(from * MINUTE),
            to: Timestamp::from_millis(to * MINUTE),
        };
        self.effects.clear();
        self.append(Record::Command(command(kind.clone())));
        command(kind)
    }

    fn refusal(&mut self, model: &str, from: i64, to: i64) -> String {
        let accepted = self.accept(model, from, to);
        let [Effect::Command(told), Effect::Refused { reason, .. }] = self.effects.as_slice()
        else {
            panic!("not refused: {:?}", self.effects)
        };
        assert_eq!(*told, accepted);
        reason.clone()
    }
}

/// A model version that learned from its first five hours and served 40, a row a minute.
fn served() -> Log {
    let mut log = Log::learning(300);
    log.now = 41 * HOUR;
    log.rows(&steady(0..300), &[100], false);
    log.rows(&steady(300..40 * 60), &[200], true);
    log
}

#[test]
fn a_baseline_has_the_rows_and_hours_of_the_whole_panes_of_its_time() {
    let mut log = served();
    let layout = Arc::clone(&log.baseline().layout);
    // panes of two hours: the first whole one begins at ten
    let accepted = log.accept("m", 9 * 60 + 1, 31 * 60);
    let baseline = Arc::clone(log.baseline());
    let [
        Effect::Command(told),
        Effect::Activated {
            learned: false,
            digest,
            ..
        },
        Effect::Layouts,
    ] = log.effects.as_slice()
    else {
        panic!("not accepted: {:?}", log.effects)
    };
    assert_eq!((told, *digest), (&accepted, baseline.digest()));
    assert_eq!(baseline.layout.digest(), layout.digest());
    let header = &baseline.header;
    assert_eq!((header.rows, header.learned), (20 * 60, false));
    assert_eq!(header.first_event, Some(Timestamp::from_millis(10 * HOUR)));
    assert_eq!(
        header.last_event,
        Some(Timestamp::from_millis(30 * HOUR - 1))
    );
    let layouts = Layouts {
        of: [(key("m"), (LayoutId(1), Arc::clone(&layout)))].into(),
        loose_series_max: 8,
    };
    let mut expected = vec![0; layout.cells()];
    for pane in &delta(layouts, 0, &steady(600..1_800)).models[0].panes {
        for (cell, count) in &pane.cells {
            expected[*cell as usize] += count;
        }
    }
    let counts: Vec<u64> = baseline
        .series
        .iter()
        .flat_map(|series| series.counts.iter())
        .collect();
    assert_eq!(counts, expected);
    let hours: Vec<(i64, u64)> = baseline
        .blocks
        .iter()
        .map(|hour: &HourBlock| (hour.start.as_millis() / HOUR, hour.rows))
        .collect();
    let every: Vec<(i64, u64)> = (10..30).map(|hour| (hour, 60)).collect();
    assert_eq!(hours, every);
    assert!(!log.model().learned);
    // the layout is the learned one still: a worker that knows of none is heard
    log.rows(&steady(40 * 60..40 * 60 + 1), &[1], false);
    let all = log
        .model()
        .hours
        .rows_of_range(Timestamp::MIN, Timestamp::MAX);
    assert_eq!(all, 40 * 60 + 1);
}

#[test]
fn what_cannot_be_accepted_is_refused_with_a_reason() {
    let mut log = served();
    let before = log.baseline().digest();
    for (model, from, to, reason) in [
        ("other", 0, 60, "there is no such model version"),
        (
            "m",
            600,
            660,
            "no whole pane of that time is kept under the layout in force; there are panes from \
             1970-01-01T00:00:00Z to 1970-01-02T16:00:00Z",
        ),
        (
            "m",
            50 * 60,
            60 * 60,
            "no whole pane of that time is kept under the layout in force; there are panes from \
             1970-01-01T00:00:00Z to 1970-01-02T16:00:00Z",
        ),
        (
            "m",
            600,
            600 + 8 * 60,
            "480 rows of that time are kept, fewer than 500",
        ),
    ] {
        let expected = format!("no baseline can be made: {reason}");
        assert_eq!(log.refusal(model, from, to), expected);
    }
    assert_eq!(log.baseline().digest(), before);
    assert!(log.model().learned);

    let mut log = Log::learning(10_000);
    log.rows(&steady(0..30), &[30], false);
    assert_eq!(
        log.refusal("m", 0, 60),
        "no baseline can be made: it has no reference yet, whose bins a baseline could have"
    );
}

#[test]
fn other_commands_are_passed_on() {
    let mut log = served();
    let chains = log.fold.chains[&chain(0)].clone();
    for kind in [
        CommandKind::Acknowledge {
            alert: "a1".to_owned(),
        },
        CommandKind::Mute(Mute {
            id: "m1".to_owned(),
            model: "m".to_owned(),
            version: None,
            series: None,
            until: Timestamp::MAX,
        }),
        CommandKind::Unmute {
            id: "m1".to_owned(),
        },
    ] {
        log.effects.clear();
        log.append(Record::Command(command(kind.clone())));
        assert_eq!(log.effects, [Effect::Command(command(kind))]);
    }
    assert_eq!(log.fold.chains[&chain(0)], chains);
}
