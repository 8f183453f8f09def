//! Counts by cell of a layout: plain while they grow, packed once they hardly do.
//!
//! ```text
//! sparse      12 bytes for each cell with a count
//! two, four   so many bytes for each cell up to the last one with a count, where that is less and
//!             no count is too large
//! packed      see `packed`
//! ```
//!
//! Which of the plain forms it is follows from the counts alone, whatever order they came in: all
//! replicas agree on the bytes that they take.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::packed::{self, Unpacked};
use crate::spill::{Bytes, Spill};
use crate::time::Length;

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
#[serde(from = "Stored", into = "Stored")]
enum Form {
    Sparse(Box<Sparse>),
    Two(Box<Dense<u16>>),
    Four(Box<Dense<u32>>),
    Packed(Bytes),
}

const _: () = assert!(
    size_of::<Cells>() <= 24,
    "most of them are packed, and there are many"
);

impl Default for Form {
    fn default() -> Self {
        Self::Packed(Bytes::default())
    }
}

/// How counts stand in snapshots.
#[derive(Serialize, Deserialize)]
enum Stored {
    Plain(Plain),
    Packed(Bytes),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Plain {
    Sparse(Sparse),
    /// How first versions wrote hours.
    All(Vec<u64>),
}

impl From<Stored> for Form {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Plain(Plain::Sparse(sparse)) => sparse.settled(),
            Stored::Plain(Plain::All(counts)) => {
                let filled = (0..).zip(counts).filter(|(_, count)| *count > 0);
                let (cells, counts) = filled.unzip();
                Sparse { cells, counts }.settled()
            }
            Stored::Packed(bytes) => Self::Packed(bytes),
        }
    }
}

impl From<Form> for Stored {
    fn from(form: Form) -> Self {
        match form {
            Form::Sparse(sparse) => Self::Plain(Plain::Sparse(*sparse)),
            Form::Two(dense) => Self::Plain(Plain::Sparse(dense.to_sparse())),
            Form::Four(dense) => Self::Plain(Plain::Sparse(dense.to_sparse())),
            Form::Packed(bytes) => Self::Packed(bytes),
        }
    }
}

impl Cells {
    /// The cells and their counts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        match &self.0 {
            Form::Sparse(sparse) => Iter::Sparse(sparse.iter()),
            Form::Two(dense) => Iter::Two(dense.iter()),
            Form::Four(dense) => Iter::Four(dense.iter()),
            Form::Packed(bytes) => Iter::Packed(packed::unpack(bytes.read())),
        }
    }

    /// Adds them to sums by cell.
    pub fn add_to(&self, sums: &mut [u64]) {
        match &self.0 {
            Form::Sparse(sparse) => {
                for (cell, count) in sparse.iter() {
                    if let Some(sum) = sums.get_mut(cell as usize) {
                        *sum += count;
                    }
                }
            }
            Form::Two(dense) => dense.add_to(sums),
            Form::Four(dense) => dense.add_to(sums),
            Form::Packed(bytes) => packed::add_to(&bytes.read(), sums),
        }
    }

    /// Adds ascending `(cell, count)` pairs; what was packed is plain from here on.
    pub(super) fn add(&mut self, more: &[(u32, u64)]) {
        self.0 = match std::mem::take(&mut self.0) {
            Form::Two(dense) => dense.with(more).map_or_else(Sparse::settled, Form::Two),
            Form::Four(dense) => dense.with(more).map_or_else(Sparse::settled, Form::Four),
            Form::Sparse(sparse) => sparse.with(more),
            Form::Packed(bytes) => {
                let (cells, counts) = packed::unpack(bytes.read()).unzip();
                Sparse { cells, counts }.with(more)
            }
        };
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        let more: Vec<_> = other.iter().collect();
        self.add(&more);
    }

    /// Packs them, to be kept for about so long.
    pub(super) fn pack(&mut self, spill: &Spill, kept: Length) {
        let bytes = match &self.0 {
            Form::Sparse(sparse) => packed::pack(sparse.iter()),
            Form::Two(dense) => packed::pack(dense.iter()),
            Form::Four(dense) => packed::pack(dense.iter()),
            Form::Packed(_) => return,
        };
        self.0 = Form::Packed(spill.put(kept, bytes));
    }

    /// Moves what is packed there.
    pub(super) fn spill(&mut self, spill: &Spill, kept: Length) {
        if let Form::Packed(bytes) = &mut self.0 {
            bytes.spill(spill, kept);
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        matches!(self.0, Form::Packed(_))
    }

    /// The bytes that they take beyond the value itself: the same on all replicas.
    pub(super) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Sparse(sparse) => {
                let Sparse { cells, counts } = &**sparse;
                size_of::<Sparse>() + size_of_val(&**cells) + size_of_val(&**counts)
            }
            Form::Two(dense) => size_of_val(&**dense) + size_of_val(&*dense.counts),
            Form::Four(dense) => size_of_val(&**dense) + size_of_val(&*dense.counts),
            Form::Packed(bytes) => bytes.len(),
        }
    }
}

enum Iter<'a, S, T, F> {
    Sparse(S),
    Two(T),
    Four(F),
    Packed(Unpacked<Cow<'a, [u8]>>),
}

impl<S, T, F> Iterator for Iter<'_, S, T, F>
where
    S: Iterator<Item = (u32, u64)>,
    T: Iterator<Item = (u32, u64)>,
    F: Iterator<Item = (u32, u64)>,
{
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Sparse(sparse) => sparse.next(),
            Self::Two(dense) => dense.next(),
            Self::Four(dense) => dense.next(),
            Self::Packed(unpacked) => unpacked.next(),
        }
    }
}

/// Whether `filled` counts, the last of them in the last of so many cells, take less room in a
/// dense form of so many bytes each.
fn is_dense(filled: usize, cells: usize, bytes: usize) -> bool {
    filled * (size_of::<u32>() + size_of::<u64>()) > cells * bytes
}

/// Counts of all cells up to the last that has one, so many above 0 that this takes less room.
#[derive(Debug, Clone)]
struct Dense<T> {
    counts: Vec<T>,
    filled: usize,
}

impl<T: Copy + Default + PartialEq + Into<u64> + TryFrom<u64>> Dense<T> {
    /// Where there are enough for this form, and none is too large for it.
    fn of(sparse: &Sparse) -> Option<Self> {
        let cells = sparse.cells.last().map_or(0, |last| *last as usize + 1);
        let fits = |count: &u64| T::try_from(*count).is_ok();
        if !is_dense(sparse.cells.len(), cells, size_of::<T>()) || !sparse.counts.iter().all(fits) {
            return None;
        }
        let mut counts = vec![T::default(); cells];
        for (cell, count) in sparse.iter() {
            if let Some(place) = counts.get_mut(cell as usize) {
                *place = T::try_from(count).unwrap_or_default();
            }
        }
        Some(Self {
            counts,
            filled: sparse.cells.len(),
        })
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u64)> + Clone + '_ {
        let all = (0..).zip(self.counts.iter().map(|count| (*count).into()));
        all.filter(|(_, count)| *count > 0)
    }

    fn add_to(&self, sums: &mut [u64]) {
        for (sum, count) in sums.iter_mut().zip(&self.counts) {
            *sum += (*count).into();
        }
    }

    /// With ascending pairs added; what they come to where this form has no room for that.
    fn with(mut self: Box<Self>, more: &[(u32, u64)]) -> Result<Box<Self>, Sparse> {
        if !self.has_room(more) {
            let mut sparse = self.to_sparse();
            sparse.add(more);
            return Err(sparse);
        }
        self.add(more);
        let is_dense = is_dense(self.filled, self.counts.len(), size_of::<T>());
        if is_dense {
            Ok(self)
        } else {
            Err(self.to_sparse())
        }
    }

    /// Whether no sum gets too large for this form, and no cell is far beyond the others.
    fn has_room(&self, more: &[(u32, u64)]) -> bool {
        let last = more.last().map_or(0, |(last, _)| *last as usize + 1);
        let cells = self.counts.len().max(last);
        let is_near = is_dense(self.filled + more.len(), cells, size_of::<T>());
        let fits = |(cell, count): &(u32, u64)| {
            let sum = self.counts.get(*cell as usize).copied().unwrap_or_default();
            T::try_from(sum.into().saturating_add(*count)).is_ok()
        };
        is_near && more.iter().all(fits)
    }

    /// Adds ascending pairs, for which there is room.
    fn add(&mut self, more: &[(u32, u64)]) {
        if let Some((last, _)) = more.last()
            && *last as usize >= self.counts.len()
        {
            let cells = *last as usize + 1;
            self.counts.reserve_exact(cells - self.counts.len());
            self.counts.resize(cells, T::default());
        }
        for (cell, count) in more {
            if let Some(sum) = self.counts.get_mut(*cell as usize) {
                self.filled += usize::from(*sum == T::default() && *count > 0);
                *sum = T::try_from((*sum).into() + count).unwrap_or(*sum);
            }
        }
    }

    fn to_sparse(&self) -> Sparse {
        let (cells, counts) = self.iter().unzip();
        Sparse { cells, counts }
    }
}

/// The cells that have counts, and these.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sparse {
    cells: Vec<u32>,
    counts: Vec<u64>,
}

impl Sparse {
    fn iter(&self) -> impl Iterator<Item = (u32, u64)> + Clone + '_ {
        self.cells.iter().copied().zip(self.counts.iter().copied())
    }

    fn settled(self) -> Form {
        Dense::of(&self)
            .map(|dense| Form::Two(Box::new(dense)))
            .or_else(|| Dense::of(&self).map(|dense| Form::Four(Box::new(dense))))
            .unwrap_or_else(|| Form::Sparse(Box::new(self)))
    }

    fn with(mut self, more: &[(u32, u64)]) -> Form {
        self.add(more);
        self.settled()
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

    /// Which form counts have depends on nothing but them, and sums may get large.
    #[test]
    fn the_form_follows_from_the_counts() {
        let few = [(0, 1), (990, 1)];
        let many: Vec<(u32, u64)> = (0..300).map(|cell| (cell * 2, 7)).collect();
        let large = [(5, u64::from(u32::MAX))];
        let of = |adds: &[&[(u32, u64)]]| {
            let mut cells = Cells::default();
            for add in adds {
                cells.add(add);
            }
            cells
        };
        let form = |cells: &Cells| match cells.0 {
            Form::Sparse(_) => "sparse",
            Form::Two(_) => "two",
            Form::Four(_) => "four",
            Form::Packed(_) => "packed",
        };
        assert_eq!(form(&of(&[&few])), "sparse");
        let not_so_large = [(5, u64::from(u16::MAX))];
        assert_eq!(form(&of(&[&many])), "two");
        assert_eq!(of(&[&many]).bytes(), size_of::<Dense<u16>>() + 599 * 2);
        for (adds, expected) in [
            ([&many[..], &few], "two"),
            ([&many[..100], &few], "sparse"),
            ([&many, &many], "two"),
            ([&many[..40], &many], "two"),
            ([&not_so_large, &many], "two"),
            ([&many, &not_so_large], "two"),
            ([&many, &[(0, u64::from(u16::MAX))]], "four"),
            ([&large, &many], "four"),
            ([&many, &[(0, u64::from(u32::MAX))]], "sparse"),
            ([&many, &[(u32::MAX, 1)]], "sparse"),
        ] {
            let (forth, mut back) = (of(&adds), of(&[adds[1], adds[0]]));
            assert_eq!((form(&forth), form(&back)), (expected, expected));
            assert_eq!(forth, back);
            assert_eq!(forth.bytes(), back.bytes());
            let stored = rmp_serde::to_vec_named(&forth).unwrap();
            let read: Cells = rmp_serde::from_slice(&stored).unwrap();
            assert_eq!((form(&read), &read), (expected, &forth));
            back.pack(&Spill::default(), Length::HOUR);
            assert_eq!(back, forth);
            back.add(&[]);
            assert_eq!(form(&back), expected, "unpacked");
        }
    }

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
                    sparse.pack(&Spill::default(), Length::HOUR);
                }
                let pairs: Vec<_> = add.into_iter().collect();
                sparse.add(&pairs);
                for (cell, count) in pairs {
                    dense[cell as usize] += count;
                }
            }
            let expected: Vec<_> = (0..).zip(dense).filter(|(_, count)| *count > 0).collect();
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected.clone());
            sparse.pack(&Spill::default(), Length::HOUR);
            prop_assert!(sparse.is_packed());
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected.clone());
            sparse.add(&[]);
            let cells = expected.last().map_or(0, |(last, _)| *last as usize + 1);
            prop_assert_eq!(matches!(sparse.0, Form::Two(_)), is_dense(expected.len(), cells, 2));
            prop_assert_eq!(sparse.iter().collect::<Vec<_>>(), expected);
            let mut sums = [0; 40];
            sparse.add_to(&mut sums);
            prop_assert_eq!(sums, dense);
        }
    }
}
