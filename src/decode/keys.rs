//! The keys of the objects that are looked into, found without hashing where their order repeats.
//!
//! Consecutive events mostly have the same keys in the same order and spelling. So each known key
//! remembers the one that followed it last, and the walk first compares the bytes at hand with all
//! that stood between the values then:
//!
//! ```text
//! {"origin":"EWR","dest":"IAH",    after "EWR" came `,"dest":` last time: 8 bytes compared, found
//! {"origin":"EWR","hour":5,        it did not: look "hour" up, and remember it after "origin"
//! ```
//!
//! That a key occurs once in an object is seen by a stamp: each object that is entered gets a
//! number, and a key that bears the number of its object already is there for the second time.
//!
//! This is a cache. What a key means follows from the plan, its text and the names alone, and a key
//! that finds no place here (a stranger) costs more, but means the same.

use std::collections::HashMap;

use crate::decode::plan::Plan;
use crate::decode::row::Slot;
use crate::key::NAME_BYTES_MAX;

/// The most keys that nothing wants of which the place is remembered, and the longest of them: more
/// are looked up each time.
const IGNORED_MAX: usize = 1_024;

/// The most bytes around a key that are remembered with it: quotes, punctuation, white space.
const SPACE_MAX: usize = 64;

/// No key: it follows the last key of objects that were never seen to go on.
const NONE: u32 = u32::MAX;

/// What a key means for the value behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody wants it.
    Ignored,
    /// It is on the way to a field: go on at this node of the plan.
    Node(usize),
    /// It is a value of this series.
    Series(Slot),
    /// It is a value of a series whose name could not be kept.
    Unnamed,
    /// It would be a series, but its key cannot be a name.
    BadName,
}

#[derive(Debug)]
struct Entry {
    /// What stood before its value last time, from the end of the value before, or from the bracket
    /// that opens the object.
    spelled: Vec<u8>,
    /// Whether it was the first of its object then: no comma is in front.
    first: bool,
    meaning: Meaning,
    /// The entry that followed last.
    next: u32,
    /// The number of the last object in which it occurred.
    seen: u64,
}

impl Entry {
    /// It is the next key of the object that the walk is in.
    #[inline]
    fn meet(&mut self, at: &mut Position) -> Known {
        let repeated = self.seen == at.object;
        self.seen = at.object;
        (at.first, at.last, at.next) = (false, at.next, self.next);
        Known {
            meaning: self.meaning,
            repeated,
        }
    }
}

/// How far the walk is in one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    object: u64,
    /// No key was met yet.
    first: bool,
    last: u32,
    next: u32,
}

impl Position {
    /// Whether no key was met yet.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// A key that has no place was met: what follows it is not remembered.
    pub(super) fn pass(&mut self) {
        self.first = false;
    }
}

/// A key that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// What it means.
    pub(super) meaning: Meaning,
    /// Whether it occurred in this object before.
    pub(super) repeated: bool,
}

/// The known keys of all nodes of a plan.
#[derive(Debug)]
pub(super) struct Keys {
    /// First one for each node, which stands for the beginning of its objects, then the keys.
    entries: Vec<Entry>,
    /// Of each node. Hashed with random keys, because strangers choose the texts; never iterated.
    places: Vec<HashMap<Box<str>, u32>>,
    ignored: usize,
    objects: u64,
}

impl Keys {
    /// Knows the keys of `plan`.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut keys = Self {
            entries: Vec::new(),
            places: Vec::new(),
            ignored: 0,
            objects: 0,
        };
        for _node in 0..plan.nodes() {
            keys.push(Meaning::Ignored);
            keys.places.push(HashMap::new());
        }
        for node in 0..plan.nodes() {
            for step in plan.steps(node) {
                keys.add(node, &step.key, Meaning::Node(step.node));
            }
        }
        keys
    }

    /// The position before the first key of an object at `node`.
    #[inline]
    pub(super) fn enter(&mut self, node: usize) -> Position {
        self.objects += 1;
        Position {
            object: self.objects,
            first: true,
            last: u32::try_from(node).unwrap_or(NONE),
            next: self.entries.get(node).map_or(NONE, |entry| entry.next),
        }
    }

    /// The key at the front of `text`, which begins after a value or the opening bracket, and how
    /// far its value is, if it is the one that followed last time.
    #[inline]
    pub(super) fn expect(&mut self, at: &mut Position, text: &[u8]) -> Option<(Known, usize)> {
        let entry = self.entries.get_mut(at.next as usize)?;
        if entry.first != at.first || !begins_with(text, &entry.spelled) {
            return None;
        }
        let length = entry.spelled.len();
        Some((entry.meet(at), length))
    }

    /// The key `key` of `node`, which is expected at this place from now on, where this is what
    /// stands before its value, unless that is mostly white space.
    pub(super) fn find(
        &mut self,
        at: &mut Position,
        node: usize,
        key: &str,
        spelled: &[u8],
    ) -> Option<Known> {
        let &place = self.places.get(node)?.get(key)?;
        if let Some(last) = self.entries.get_mut(at.last as usize) {
            last.next = place;
        }
        let entry = self.entries.get_mut(place as usize)?;
        // an escape is at most six bytes for one of the key
        let is_remembered = entry.spelled == spelled && entry.first == at.first;
        if !is_remembered && spelled.len() <= 6 * key.len() + SPACE_MAX {
            entry.spelled.clear();
            entry.spelled.extend_from_slice(spelled);
            entry.first = at.first;
        }
        at.next = place;
        Some(entry.meet(at))
    }

    /// Remembers a key of `node` that was not found, if it is worth a place, and says whether it
    /// is.
    pub(super) fn learn(&mut self, node: usize, key: &str, meaning: Meaning) -> bool {
        let worth = match meaning {
            Meaning::Node(_) | Meaning::Series(_) => true,
            Meaning::Ignored => self.ignored < IGNORED_MAX && key.len() <= NAME_BYTES_MAX,
            Meaning::Unnamed | Meaning::BadName => false,
        };
        if worth {
            self.ignored += usize::from(meaning == Meaning::Ignored);
            self.add(node, key, meaning);
        }
        worth
    }

    fn add(&mut self, node: usize, key: &str, meaning: Meaning) {
        let place = self.push(meaning);
        if let Some(places) = self.places.get_mut(node) {
            places.insert(key.into(), place);
        }
    }

    fn push(&mut self, meaning: Meaning) -> u32 {
        let place = u32::try_from(self.entries.len()).unwrap_or(NONE);
        self.entries.push(Entry {
            spelled: Vec::new(),
            first: true,
            meaning,
            next: NONE,
            seen: 0,
        });
        place
    }
}

/// As `text.starts_with(key)` for a key that was spelled before, without a call for those of the
/// usual lengths: two words that overlap cover one that is at least as long as one and at most as
/// long as both.
#[inline]
fn begins_with(text: &[u8], key: &[u8]) -> bool {
    #[inline]
    fn ends_equal<const N: usize>(text: &[u8], key: &[u8]) -> bool {
        text.first_chunk::<N>() == key.first_chunk() && text.last_chunk::<N>() == key.last_chunk()
    }
    let Some(text) = text.get(..key.len()) else {
        return false;
    };
    match key.len() {
        0 => false,
        4..=7 => ends_equal::<4>(text, key),
        8..=16 => ends_equal::<8>(text, key),
        17..=32 => ends_equal::<16>(text, key),
        33..=64 => ends_equal::<32>(text, key),
        _ => text == key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::plan::FieldPaths;

    fn keys() -> Keys {
        Keys::new(&Plan::new(&FieldPaths::default()).unwrap())
    }

    #[test]
    fn a_key_is_expected_where_it_followed_last_time() {
        let mut keys = keys();
        let mut at = keys.enter(Plan::ROOT);
        assert!(keys.expect(&mut at, br#""model":"#).is_none());
        assert!(
            keys.find(&mut at, Plan::ROOT, "model", br#""model":"#)
                .is_some()
        );
        assert!(
            keys.find(&mut at, Plan::ROOT, "ts", br#", "ts": "#)
                .is_some()
        );

        let mut at = keys.enter(Plan::ROOT);
        assert!(keys.expect(&mut at, br#""models":"#).is_none());
        assert!(keys.expect(&mut at, br#""mod"#).is_none());
        let (known, length) = keys.expect(&mut at, br#""model":"a""#).unwrap();
        assert_eq!((known.repeated, length), (false, 8));
        let (known, length) = keys.expect(&mut at, br#", "ts": 1"#).unwrap();
        assert_eq!((known.repeated, length), (false, 8));
        let known = keys
            .find(&mut at, Plan::ROOT, "model", br#","mod\u0065l":"#)
            .unwrap();
        assert!(known.repeated);
    }

    /// What stands before a first key has no comma, and what stands before another has one.
    #[test]
    fn a_key_is_not_expected_at_the_front_where_it_stood_behind() {
        let mut keys = keys();
        let mut at = keys.enter(Plan::ROOT);
        keys.find(&mut at, Plan::ROOT, "ts", br#""ts":"#).unwrap();
        keys.find(&mut at, Plan::ROOT, "ts", br#","ts":"#).unwrap();
        let mut at = keys.enter(Plan::ROOT);
        assert!(keys.expect(&mut at, br#","ts":1"#).is_none());
        let mut at = keys.enter(Plan::ROOT);
        keys.find(&mut at, Plan::ROOT, "ts", br#""ts":"#).unwrap();
        assert!(keys.expect(&mut at, br#""ts":1"#).is_none());
    }

    #[test]
    fn white_space_is_not_remembered_without_end() {
        let mut keys = keys();
        let mut at = keys.enter(Plan::ROOT);
        let spelled = format!("{}\"ts\":", " ".repeat(100));
        let found = keys.find(&mut at, Plan::ROOT, "ts", spelled.as_bytes());
        assert!(found.is_some());
        let mut at = keys.enter(Plan::ROOT);
        assert!(keys.expect(&mut at, spelled.as_bytes()).is_none());
    }

    #[test]
    fn keys_that_nobody_wants_have_a_bound() {
        let mut keys = keys();
        assert!(!keys.learn(
            Plan::ROOT,
            &"x".repeat(NAME_BYTES_MAX + 1),
            Meaning::Ignored
        ));
        for key in 0..IGNORED_MAX {
            assert!(keys.learn(Plan::ROOT, &key.to_string(), Meaning::Ignored));
        }
        assert!(!keys.learn(Plan::ROOT, "x", Meaning::Ignored));
        assert!(keys.learn(Plan::ROOT, "x", Meaning::Series(Slot(0))));
    }
}
