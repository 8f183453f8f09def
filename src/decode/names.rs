//! The names of series as small numbers, so that nothing behind decode handles strings.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decode::row::{SeriesName, Slot};
use crate::key::{Carrier, LATENCY, PREDICTION, Role, STATUS};

/// The names that strangers shall not crowd out: they get the first slots, in this order.
const FIXED: [(Carrier, Role, &str); 3] = [
    (Carrier::Prediction, Role::Prediction, PREDICTION),
    (Carrier::Latency, Role::Operational, LATENCY),
    (Carrier::Status, Role::Operational, STATUS),
];

/// The names of series that were met, each with its [`Slot`].
///
/// A cache of one worker: which slot a name gets depends on what came before, so a slot means
/// nothing outside of these names. At the limit no name is added any more; values of new names are
/// counted by [`crate::decode::Row::unnamed`] until the names are cleared.
#[derive(Debug)]
pub struct Names {
    known: Vec<SeriesName>,
    // a hash map, because it is looked up for each key whose place in the event is not the usual
    // one, and one with random keys, because strangers choose the names; it is never iterated
    slots: [HashMap<Arc<str>, Slot>; Role::ALL.len()],
    max: usize,
}

impl Names {
    /// No names but the three that every model may have, and at most `max`.
    pub fn new(max: usize) -> Self {
        let mut names = Self {
            known: Vec::new(),
            slots: Default::default(),
            max,
        };
        names.clear();
        names
    }

    /// What `slot` stands for; `None` for a slot from before the names were cleared, or of others.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&SeriesName> {
        self.known.get(usize::try_from(slot.0).ok()?)
    }

    /// How many names there are; their slots are `0..len`.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is no name, as with a limit of 0.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The slot of the series `name`, a new one if need be; `None` at the limit.
    ///
    /// `name` is the name of the series after renaming, and checked by [`crate::key::Name::check`].
    pub fn intern(&mut self, role: Role, name: &str) -> Option<Slot> {
        let slots = self.slots.get_mut(role as usize)?;
        if let Some(&slot) = slots.get(name) {
            return Some(slot);
        }
        if self.known.len() >= self.max {
            return None;
        }
        let slot = Slot(u32::try_from(self.known.len()).ok()?);
        let name: Arc<str> = name.into();
        slots.insert(Arc::clone(&name), slot);
        self.known.push(SeriesName { name, role });
        Some(slot)
    }

    /// The slot of a series that needs no name from the data: `prediction`, `latency_ms`, `status`.
    /// `None` where the limit is less than these three.
    #[inline]
    pub(super) fn fixed(&self, carrier: Carrier) -> Option<Slot> {
        let slot = FIXED.iter().position(|(of, _, _)| *of == carrier)?;
        let slot = Slot(u32::try_from(slot).ok()?);
        self.get(slot).map(|_| slot)
    }

    /// Forgets all names but the three that every model may have; all other slots are void.
    pub fn clear(&mut self) {
        self.known.clear();
        self.slots.iter_mut().for_each(HashMap::clear);
        for (_, role, name) in FIXED {
            self.intern(role, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_slot_and_the_limit_holds() {
        let mut names = Names::new(5);
        let feature = names.intern(Role::Feature, "a").unwrap();
        let output = names.intern(Role::Prediction, "a").unwrap();
        assert_ne!(feature, output);
        assert_eq!(names.intern(Role::Feature, "a"), Some(feature));
        assert_eq!(names.intern(Role::Feature, "b"), None);
        assert_eq!((names.len(), names.is_empty()), (5, false));
        for (carrier, role, name) in FIXED {
            assert_eq!(names.fixed(carrier), names.intern(role, name));
        }
        let name = names.get(output).unwrap();
        assert_eq!((&*name.name, name.role), ("a", Role::Prediction));

        names.clear();
        assert_eq!(names.get(output), None);
        assert!(names.intern(Role::Feature, "b").is_some());
        assert!(Names::new(0).is_empty());
        assert_eq!(Names::new(2).fixed(Carrier::Status), None);
    }
}
