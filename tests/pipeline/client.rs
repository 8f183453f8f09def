//! A client of the topic, as librdkafka is one: it prefetches, loses its place, is told to go on
//! elsewhere, and sometimes refuses.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use driftd::config::Start;
use driftd::source::{Client, Place};

use crate::random::Random;
use crate::topic::{TOPIC, Topic, Written};

/// What a poll gives.
#[derive(Debug)]
pub(crate) enum Polled {
    Record(Written),
    /// Of a partition, at an offset.
    End(i32, i64),
    OutOfRange,
    /// The topic was made anew, and what follows is of the new one.
    Replaced,
    Nothing,
}

/// One assigned partition.
#[derive(Debug, Default)]
struct Fetching {
    position: i64,
    /// How often the log had been cut when the position was taken.
    epoch: usize,
    /// How often it had been made when that was told last.
    made: usize,
    fetched: VecDeque<Written>,
    paused: bool,
    said_end: bool,
    /// Out of range, and not told since where to go on.
    lost: bool,
}

/// See the module header.
#[derive(Debug)]
pub(crate) struct SimClient {
    topic: Rc<RefCell<Topic>>,
    assigned: RefCell<BTreeMap<i32, Fetching>>,
    random: RefCell<Random>,
    /// In peace, nothing is refused.
    pub(crate) peace: bool,
    /// Whether it forgets, at a seek, what it has fetched.
    pub(crate) forgets: bool,
    /// Whether it tells that a topic was made anew.
    pub(crate) tells: bool,
}

impl SimClient {
    pub(crate) fn new(topic: Rc<RefCell<Topic>>, random: Random) -> Self {
        Self {
            topic,
            assigned: RefCell::default(),
            random: RefCell::new(random),
            peace: false,
            forgets: true,
            tells: true,
        }
    }

    pub(crate) fn reads(&self, partition: i32) -> bool {
        self.assigned.borrow().contains_key(&partition)
    }

    pub(crate) fn poll(&self) -> Polled {
        let mut random = self.random.borrow_mut();
        let mut assigned = self.assigned.borrow_mut();
        let begin = random.index(assigned.len());
        let topic = self.topic.borrow();
        // all of them once, from a random one on
        let numbers: Vec<i32> = assigned.keys().copied().collect();
        for partition in numbers.iter().cycle().skip(begin).take(numbers.len()) {
            let fetching = assigned.get_mut(partition).expect("it is assigned");
            match fetching.poll(&topic, *partition, &mut random) {
                Polled::Nothing => {}
                Polled::Replaced if !self.tells => {}
                polled => return polled,
            }
        }
        Polled::Nothing
    }

    /// The group gives or takes some partitions: it forgets what it has fetched of the others, and
    /// sometimes takes it for delivered.
    pub(crate) fn rebalance(&self) {
        let mut random = self.random.borrow_mut();
        for fetching in self.assigned.borrow_mut().values_mut() {
            let is_skipped = random.one_in(2);
            if let Some(first) = fetching.fetched.front().filter(|_| !is_skipped) {
                fetching.position = first.offset;
            }
            fetching.fetched.clear();
        }
    }

    fn refuses(&self, one_in: u64) -> bool {
        !self.peace && self.random.borrow_mut().one_in(one_in)
    }

    fn begin(&self, partition: i32, position: i64, paused: bool) {
        let topic = self.topic.borrow();
        let home = &topic.partitions[index(partition)];
        let epoch = home.epoch();
        let mut assigned = self.assigned.borrow_mut();
        let before = assigned.remove(&partition);
        // where it is read already, a seek does not make the client forget which topic it is
        let made = before.as_ref().map_or(topic.made, |before| before.made);
        let before = before.filter(|_| !self.forgets);
        assigned.insert(
            partition,
            Fetching {
                position,
                epoch,
                made,
                fetched: before.map(|before| before.fetched).unwrap_or_default(),
                paused,
                ..Fetching::default()
            },
        );
    }
}

impl Fetching {
    fn poll(&mut self, topic: &Topic, partition: i32, random: &mut Random) -> Polled {
        if self.paused {
            return Polled::Nothing;
        }
        if let Some(record) = self.fetched.pop_front() {
            return Polled::Record(record);
        }
        let home = &topic.partitions[index(partition)];
        if self.lost {
            return Polled::Nothing;
        }
        if std::mem::replace(&mut self.made, topic.made) != topic.made {
            return Polled::Replaced;
        }
        if home.is_out_of_range(self.position, self.epoch) {
            self.lost = true;
            return Polled::OutOfRange;
        }
        self.epoch = home.epoch();
        let max = 1 + random.index(8);
        self.fetched = topic.fetch(index(partition), self.position, max).into();
        match (self.fetched.back(), self.fetched.len() < max) {
            (Some(last), false) => self.position = last.offset + 1,
            // what is behind are control markers
            _ => self.position = home.end,
        }
        if let Some(record) = self.fetched.pop_front() {
            self.said_end = false;
            return Polled::Record(record);
        }
        if std::mem::replace(&mut self.said_end, true) {
            return Polled::Nothing;
        }
        Polled::End(partition, self.position)
    }
}

impl Client for SimClient {
    fn assign(&self, beginnings: &[(Place, i64)]) -> bool {
        if self.refuses(20) {
            return false;
        }
        for ((_, partition), offset) in beginnings {
            self.begin(*partition, *offset, false);
        }
        true
    }

    fn unassign(&self, places: &[Place]) {
        for (_, partition) in places {
            self.assigned.borrow_mut().remove(partition);
        }
    }

    fn seek(&self, place: &Place, offset: i64) -> bool {
        if self.refuses(8) {
            return false;
        }
        let of_place = |fetching: &Fetching| fetching.paused;
        let paused = self.assigned.borrow().get(&place.1).is_some_and(of_place);
        self.begin(place.1, offset, paused);
        true
    }

    fn reassign(&self, place: &Place, offset: i64) -> bool {
        self.seek(place, offset)
    }

    fn set_paused(&self, place: &Place, paused: bool) -> bool {
        if self.refuses(8) {
            return false;
        }
        if let Some(fetching) = self.assigned.borrow_mut().get_mut(&place.1) {
            // librdkafka forgets what it has fetched, and fetches it again
            if let Some(first) = fetching.fetched.front() {
                fetching.position = first.offset;
            }
            fetching.fetched.clear();
            fetching.paused = paused;
        }
        true
    }

    fn ask(&self, questions: &[(Place, Start)]) -> Option<BTreeMap<Place, i64>> {
        if self.refuses(6) {
            return None;
        }
        let topic = self.topic.borrow();
        let answers = questions.iter().filter(|_| !self.refuses(20));
        Some(
            answers
                .map(|((name, partition), start)| {
                    assert_eq!(&**name, TOPIC);
                    let home = &topic.partitions[index(*partition)];
                    let answer = match start {
                        Start::Earliest => home.low,
                        Start::Latest | Start::At(_) => home.end,
                    };
                    ((name.clone(), *partition), answer)
                })
                .collect(),
        )
    }
}

pub(crate) fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("numbers of partitions are positive")
}
