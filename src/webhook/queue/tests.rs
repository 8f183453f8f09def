//! What is sent when, by a clock that is a number.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::journal::fixture::draft;
use crate::journal::{self, Chain};
use crate::key::{ModelKey, Name};

/// The time in seconds.
fn at(seconds: i64) -> Timestamp {
    "2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap()
        + Length::from_millis(seconds * 1000).unwrap_or(Length::SECOND)
}

fn start() -> Timestamp {
    at(1)
}

fn event(seq: u64, model: &str, time: Timestamp) -> Event {
    let mut chain = Chain {
        seq: seq - 1,
        ..Chain::default()
    };
    let mut draft = draft(0);
    draft.at = time;
    if let journal::Event::AlertFiring(alert) = &mut draft.event {
        alert.key = ModelKey::new(Name::new(model).unwrap(), Name::new("7").unwrap());
    }
    Event::of(&chain.next(draft).line).unwrap()
}

/// A queue with an event of each of these models, from entry 1 on.
fn queue(models: &[&str]) -> Queue {
    let mut queue = Queue::new("w", 0);
    for (seq, model) in (1..).zip(models) {
        queue.read(seq, Some(event(seq, model, start())));
    }
    queue
}

fn sent(next: &Next) -> u64 {
    match next {
        Next::Send(event) => event.seq,
        other => panic!("{other:?}"),
    }
}

/// Sends what is due now and answers; the number of its entry.
fn step(queue: &mut Queue, now: Timestamp, answer: &Answer) -> u64 {
    let next = queue.next(now);
    let seq = sent(&next);
    if let Next::Send(event) = next {
        queue.answered(&event, answer, now, 0.0);
    }
    seq
}

fn down(retry_after: Option<Length>) -> Answer {
    Answer::Down("HTTP 503".to_owned(), retry_after)
}

fn told(queue: &mut Queue, now: Timestamp) -> Option<(u64, u64, u64)> {
    let told = queue.mark(now)?;
    Some((told.to, told.delivered, told.given_up))
}

#[test]
fn events_go_out_in_their_order_and_the_mark_follows() {
    let mut queue = queue(&["a", "b", "a"]);
    queue.read(4, None);
    assert_eq!(queue.oldest(), Some(start()));
    let order = [1, 2, 3].map(|_| step(&mut queue, at(1), &Answer::Taken));
    assert_eq!(order, [1, 2, 3]);
    assert_eq!((queue.next(at(1)), queue.oldest()), (Next::Idle, None));
    assert_eq!(told(&mut queue, at(1)), Some((4, 3, 0)));
    // not again until the log shows it, or has had the time
    assert_eq!(told(&mut queue, at(30)), None);
    assert_eq!(told(&mut queue, at(31)), Some((4, 3, 0)));
    assert!(queue.folded(4));
    assert_eq!(told(&mut queue, at(100)), None);
}

#[test]
fn the_same_is_told_until_it_is_folded() {
    let mut queue = queue(&["a", "a", "a"]);
    step(&mut queue, at(1), &Answer::Taken);
    assert_eq!(told(&mut queue, at(1)), Some((1, 1, 0)));
    step(&mut queue, at(2), &Answer::Taken);
    assert_eq!(told(&mut queue, at(40)), Some((1, 1, 0)));
    assert!(queue.folded(1));
    assert_eq!(told(&mut queue, at(42)), Some((2, 1, 0)));
    // what another instance has told
    assert!(!queue.folded(3));
}

#[test]
fn one_that_is_stuck_holds_up_its_own_model_alone() {
    let mut queue = queue(&["a", "b", "a", "b"]);
    assert_eq!(step(&mut queue, at(1), &Answer::Refused(400)), 1);
    assert_eq!(step(&mut queue, at(1), &Answer::Taken), 2);
    assert_eq!(step(&mut queue, at(1), &Answer::Taken), 4);
    assert_eq!(queue.next(at(1)), Next::Wait(at(2)));
    assert_eq!(told(&mut queue, at(1)), None);
    assert_eq!(step(&mut queue, at(2), &Answer::Taken), 1);
    assert_eq!(step(&mut queue, at(2), &Answer::Taken), 3);
    assert_eq!(told(&mut queue, at(2)), Some((4, 4, 0)));
}

#[test]
fn a_receiver_that_is_down_is_asked_less_and_less() {
    let mut queue = queue(&["a", "b"]);
    let mut now = at(1);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        step(&mut queue, now, &down(None));
        let Next::Wait(then) = queue.next(now) else {
            panic!("it waits")
        };
        pauses.push(then.millis_since(now) / 1000);
        now = then;
    }
    assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 32]);
    assert_eq!(pauses[9..], [300, 300, 300]);
    // the first one that is taken ends the pause of the receiver
    step(&mut queue, now, &Answer::Taken);
    assert_eq!(queue.paused_until, None);
    step(&mut queue, now, &Answer::Taken);
    assert_eq!(queue.next(now), Next::Idle);
}

/// An event that breaks the receiver must not look as if the receiver was down.
#[test]
fn one_that_always_fails_does_not_starve_the_others() {
    let mut queue = queue(&["bad", "b", "b", "b", "b"]);
    let (mut now, mut taken, mut failed) = (at(1), 0, 0);
    while taken < 4 {
        match queue.next(now) {
            Next::Send(event) if event.model == "bad" => {
                failed += 1;
                queue.answered(&event, &down(None), now, 0.0);
            }
            Next::Send(event) => {
                taken += 1;
                queue.answered(&event, &Answer::Taken, now, 0.0);
            }
            Next::Wait(then) => now = then,
            Next::Idle => panic!("something waits"),
        }
    }
    assert!(failed <= 2 && now <= at(3), "{failed} {now}");
}

#[test]
fn a_receiver_may_ask_for_a_pause_up_to_a_bound() {
    let mut queue = queue(&["a"]);
    step(&mut queue, at(1), &down(Some(Length::SECOND.times(60))));
    assert_eq!(queue.next(at(1)), Next::Wait(at(61)));
    step(&mut queue, at(61), &down(Some(Length::DAY)));
    assert_eq!(queue.next(at(61)), Next::Wait(at(61 + 15 * 60)));
}

#[test]
fn chance_takes_away_a_half_at_most() {
    for failures in 1..40 {
        let (whole, half) = (backoff(failures, 0.0), backoff(failures, 1.0));
        assert!(whole <= BACKOFF_MAX && half >= Length::from_millis(500).unwrap());
        assert_eq!(half.as_millis() * 2, whole.as_millis());
    }
}

#[test]
fn what_is_refused_for_an_hour_is_given_up_and_the_next_one_goes() {
    let mut queue = queue(&["a", "a"]);
    let mut now = at(1);
    let mut attempts = 0;
    loop {
        match queue.next(now) {
            Next::Send(event) if event.seq == 1 => {
                attempts += 1;
                queue.answered(&event, &Answer::Refused(410), now, 0.0);
            }
            Next::Send(_) => break,
            Next::Wait(then) => now = then,
            Next::Idle => panic!("something waits"),
        }
    }
    assert!(now.millis_since(start()) >= REFUSED_MAX.as_millis());
    assert!(attempts > 10);
    let told = queue.mark(now).unwrap();
    assert_eq!((told.to, told.delivered, told.given_up), (1, 0, 1));
    assert_eq!(told.cause.as_deref(), Some("HTTP 410"));
    assert_eq!(step(&mut queue, now, &Answer::Taken), 2);
}

#[test]
fn what_is_too_old_is_given_up() {
    let mut queue = queue(&["a", "a", "b"]);
    let late = start() + AGE_MAX + Length::SECOND;
    queue.read(4, Some(event(4, "a", late)));
    assert_eq!(sent(&queue.next(late)), 4);
    let told = queue.mark(late).unwrap();
    assert_eq!((told.to, told.delivered, told.given_up), (3, 0, 3));
    assert_eq!(told.cause.as_deref(), Some("older than 3d"));
}

#[test]
fn entries_that_the_journal_no_longer_has_are_given_up() {
    let mut queue = Queue::new("w", 10);
    queue.read(15, Some(event(15, "a", start())));
    let told = queue.mark(at(1)).unwrap();
    assert_eq!((told.from, told.to, told.given_up), (Some(10), 14, 4));
}

#[test]
fn entries_that_are_no_events_move_the_mark_seldom() {
    let mut queue = Queue::new("w", 0);
    for seq in 1..=1_000 {
        assert_eq!(queue.mark(at(1)), None);
        queue.read(seq, None);
    }
    assert_eq!(told(&mut queue, at(1)), Some((1_000, 0, 0)));
}

#[test]
fn there_is_room_for_so_many_and_settled_ones_take_some() {
    let mut queue = queue(&["a", "b", "b"]);
    assert_eq!(queue.room(), HELD_MAX - 3);
    step(&mut queue, at(1), &Answer::Refused(400));
    step(&mut queue, at(1), &Answer::Taken);
    assert_eq!(queue.room(), HELD_MAX - 3);
    step(&mut queue, at(2), &Answer::Taken);
    step(&mut queue, at(2), &Answer::Taken);
    let told = queue.mark(at(2)).unwrap();
    assert!(queue.folded(told.to));
    assert_eq!(queue.room(), HELD_MAX);
}

proptest! {
    /// However the receiver answers, and whenever all begins anew from the mark: each event is
    /// taken or given up, those of a model in their order, and the counts of the marks add up.
    #[test]
    fn every_event_is_taken_in_the_order_of_its_model(
        models in vec(0..3_usize, 1..30),
        answers in vec(0..8_u8, 0..60),
        restarts in vec(any::<bool>(), 0..60),
    ) {
        let names = ["a", "b", "c"];
        let events: Vec<Event> = (1..)
            .zip(&models)
            .map(|(seq, model)| event(seq, names[*model], start()))
            .collect();
        let (mut mark, mut counted) = (0, 0);
        let mut queue = Queue::new("w", 0);
        let mut taken: Vec<u64> = Vec::new();
        let mut now = at(1);
        let (mut answers, mut restarts) = (answers.into_iter(), restarts.into_iter());
        while mark < events.len() as u64 {
            let cursor = queue.cursor();
            for event in events.iter().filter(|event| event.seq > cursor) {
                queue.read(event.seq, Some(event.clone()));
            }
            match queue.next(now) {
                Next::Send(event) => {
                    let answer = match answers.next().unwrap_or_default() {
                        0..4 => Answer::Taken,
                        4..6 => Answer::Refused(404),
                        _ => down(None),
                    };
                    if answer == Answer::Taken {
                        taken.push(event.seq);
                    }
                    queue.answered(&event, &answer, now, 0.5);
                }
                Next::Wait(then) => {
                    prop_assert!(then > now);
                    now = then;
                }
                Next::Idle => now = now + Length::SECOND,
            }
            if let Some(told) = queue.mark(now) {
                prop_assert_eq!(told.from.unwrap_or_default(), mark);
                prop_assert_eq!(told.given_up, 0);
                (mark, counted) = (told.to, counted + told.delivered);
                prop_assert!(queue.folded(mark));
            }
            if restarts.next().unwrap_or_default() {
                queue = Queue::new("w", mark);
            }
        }
        prop_assert_eq!(counted, events.len() as u64);
        for model in names {
            let of_model: Vec<u64> = events
                .iter()
                .filter(|event| event.model == model)
                .map(|event| event.seq)
                .collect();
            let mut first = Vec::new();
            for seq in taken.iter().filter(|seq| of_model.contains(seq)) {
                if !first.contains(seq) {
                    first.push(*seq);
                }
            }
            prop_assert_eq!(first, of_model);
        }
    }
}
