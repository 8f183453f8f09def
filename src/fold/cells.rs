//! Sparse counts by cell of a layout: plain while they grow, packed once they hardly do.

use serde::{Deserialize, Serialize};

use super::packed::{self, Unpacked};
use crate::image::run;

/// A sparse vector of counts: cells ascending, counts above 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cells(Form);

/// Equal where the counts are, packed or not.
impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Cells {}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Form {
    Plain(Plain),
    Packed(#[serde(with = "run")] Box<[u8]>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Packed(Box::default())
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Plain {
    cells: Vec<u32>,
    counts: Vec<u64>,
}

impl Cells {
    /// The cells and their counts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        match &self.0 {
            Form::Plain(plain) => Iter::Plain(plain.iter()),
            Form::Packed(bytes) => Iter::Packed(packed::unpack(bytes)),
        }
    }

    /// Adds them to sums by cell.
    pub fn add_to(&self, sums: &mut [u64]) {
        match &self.0 {
            Form::Plain(plain) => add_all(plain.iter(), sums),
            Form::Packed(bytes) => add_all(packed::unpack(bytes), sums),
        }
    }

    /// Adds ascending `(cell, count)` pairs; what was packed is plain from here on.
    pub(super) fn add(&mut self, more: &[(u32, u64)]) {
        self.plain().add(more);
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        let more: Vec<_> = other.iter().collect();
        self.add(&more);
    }

    pub(super) fn pack(&mut self) {
        if let Form::Plain(plain) = &self.0 {
            self.0 = Form::Packed(packed::pack(plain.iter()));
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        matches!(self.0, Form::Packed(_))
    }

    /// The bytes that they take beyond the value itself: the same on all replicas.
    pub(super) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Plain(Plain { cells, counts }) => {
                cells.len() * size_of::<u32>() + counts.len() * size_of::<u64>()
            }
            Form::Packed(bytes) => bytes.len(),
        }
    }

    fn plain(&mut self) -> &mut Plain {
        if let Form::Packed(bytes) = &self.0 {
            let (cells, counts) = packed::unpack(bytes).unzip();
            self.0 = Form::Plain(Plain { cells, counts });
        }
        match &mut self.0 {
            Form::Plain(plain) => plain,
            #[expect(clippy::unreachable, reason = "made plain just above")]
            Form::Packed(_) => unreachable!(),
        }
    }
}

fn add_all(cells: impl Iterator<Item = (u32, u64)>, sums: &mut [u64]) {
    for (cell, count) in cells {
        if let Some(sum) = sums.get_mut(cell as usize) {
            *sum += count;
        }
    }
}

enum Iter<'a, P> {
    Plain(P),
    Packed(Unpacked<'a>),
}

impl<P: Iterator<Item = (u32, u64)>> Iterator for Iter<'_, P> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(plain) => plain.next(),
            Self::Packed(unpacked) => unpacked.next(),
        }
    }
}

impl Plain {
    fn iter(&self) -> impl Iterator<Item = (u32, u64)> + Clone + '_ {
        self.cells.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds ascending `(cell, count)` pairs. Most cells are there already after the first few
    /// deltas of a pane; room is made only for those that are not.
    fn add(&mut self, more: &[(u32, u64)]) {
        let mut at = 0;
        let mut new = 0;
        for (cell, count) in more {
            at += self.ahead(at, *cell);
            match self.counts.get_mut(at) {
                Some(sum) if self.cells.get(at) == Some(cell) => *sum += count,
                _ => new += 1,
            }
        }
        if new > 0 {
            self.insert(more, new);
        }
    }

    /// How many cells from `at` on are before `cell`, which is not far.
    fn ahead(&self, at: usize, cell: u32) -> usize {
        let rest = self.cells.get(at..).unwrap_or(&[]);
        let mut reach = 1;
        while rest.get(reach - 1).is_some_and(|other| *other < cell) {
            reach *= 2;
        }
        let near = rest.get(reach / 2..reach.min(rest.len())).unwrap_or(&[]);
        reach / 2 + near.partition_point(|other| *other < cell)
    }

    /// Inserts the `new` pairs of `more` whose cells are not there: from the end, so that each cell
    /// moves once.
    fn insert(&mut self, more: &[(u32, u64)], new: usize) {
        let mut from = self.cells.len();
        let mut to = from + new;
        self.cells.reserve_exact(new);
        self.cells.resize(to, 0);
        self.counts.reserve_exact(new);
        self.counts.resize(to, 0);
        for (cell, count) in more.iter().rev() {
            while from > 0 && self.cells.get(from - 1).is_some_and(|last| last > cell) {
                (from, to) = (from - 1, to - 1);
                self.cells.copy_within(from..=from, to);
                self.counts.copy_within(from..=from, to);
            }
            if from > 0 && self.cells.get(from - 1) == Some(cell) {
                continue;
            }
            to -= 1;
            if let (Some(place), Some(sum)) = (self.cells.get_mut(to), self.counts.get_mut(to)) {
                (*place, *sum) = (*cell, *count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Adding sparse counts equals adding the dense vectors, whether some are packed or not.
        #[test]
        fn sparse_sums_equal_dense_sums(
            adds in prop::collection::vec(
                prop::collection::btree_map(0_u32..40, 1_u64..9, 0..20), 0..8
            ),
        ) {
            let mut sparse = Cells::default();
            let mut dense = [0; 40];
            for (at, add) in adds.into_iter().enumerate() {
                if at % 3 == 2 {
                    sparse.pack();
                }
                let pairs: Vec<_> = add.into_iter().collect();
                sparse.add(&pairs);
                for (cell, count) in pairs {
                    dense[cell as usize] += count;
                }
            }
            let expected: Vec<_> = (0..).zip(dense).filter(|(_, count)| *count > 0).collect();
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected.clone());
            sparse.pack();
            prop_assert!(sparse.is_packed());
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected);
            let mut sums = [0; 40];
            sparse.add_to(&mut sums);
            prop_assert_eq!(sums, dense);
        }
    }
}
