//! Counts in as few bytes each as the largest of them needs.

use std::ops::Range;
use std::sync::Arc;

/// Counts that no longer change; clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow(Width);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Width {
    Two(Arc<[u16]>),
    Four(Arc<[u32]>),
    Eight(Arc<[u64]>),
}

impl Narrow {
    /// These counts.
    pub fn new(counts: &[u64]) -> Self {
        let two = counts.iter().map(|count| u16::try_from(*count).ok());
        let four = || counts.iter().map(|count| u32::try_from(*count).ok());
        Self(if let Some(counts) = two.collect() {
            Width::Two(counts)
        } else if let Some(counts) = four().collect() {
            Width::Four(counts)
        } else {
            Width::Eight(counts.into())
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Width::Two(counts) => counts.len(),
            Width::Four(counts) => counts.len(),
            Width::Eight(counts) => counts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That at this place, 0 where there is none.
    pub fn get(&self, place: usize) -> u64 {
        let found = match &self.0 {
            Width::Two(counts) => counts.get(place).map(|count| u64::from(*count)),
            Width::Four(counts) => counts.get(place).map(|count| u64::from(*count)),
            Width::Eight(counts) => counts.get(place).copied(),
        };
        found.unwrap_or(0)
    }

    /// All of them, one by one.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.len()).map(|place| self.get(place))
    }

    /// Appends those at these places, as far as there are such.
    pub fn append_to(&self, places: Range<usize>, all: &mut Vec<u64>) {
        match &self.0 {
            Width::Two(counts) => widen(counts, places, all),
            Width::Four(counts) => widen(counts, places, all),
            Width::Eight(counts) => widen(counts, places, all),
        }
    }

    /// Those at these places, as far as there are such.
    pub fn at(&self, places: Range<usize>) -> Vec<u64> {
        let mut all = Vec::with_capacity(places.len());
        self.append_to(places, &mut all);
        all
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<u64> {
        self.at(0..self.len())
    }
}

impl From<Vec<u64>> for Narrow {
    fn from(counts: Vec<u64>) -> Self {
        Self::new(&counts)
    }
}

impl Default for Narrow {
    fn default() -> Self {
        Self::new(&[])
    }
}

fn widen<T: Copy + Into<u64>>(counts: &[T], places: Range<usize>, all: &mut Vec<u64>) {
    let counts = counts.get(places).unwrap_or_default();
    all.extend(counts.iter().map(|count| (*count).into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_counts_come_back_whatever_the_largest_is() {
        for largest in [0, 7, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let counts = [3, 0, largest, 12];
            let narrow = Narrow::new(&counts);
            assert_eq!((narrow.len(), narrow.to_vec()), (4, counts.to_vec()));
            assert_eq!(narrow.iter().collect::<Vec<_>>(), counts);
            assert_eq!(narrow.get(4), 0);
            let mut some = vec![1];
            narrow.append_to(1..3, &mut some);
            narrow.append_to(3..9, &mut some);
            assert_eq!(some, [1, 0, largest]);
        }
        assert!(Narrow::new(&[]).is_empty());
    }
}
