//! From the texts of categories to their cells.

use xxhash_rust::xxh3::xxh3_64;

use super::Category;

/// A text of at most seven bytes, as a number: the first byte in the lowest one, zeros behind the
/// text, and its length in the highest byte. Different texts are different numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortText(u64);

impl ShortText {
    /// The most bytes.
    pub const BYTES_MAX: usize = 7;

    /// The text, if it is short.
    #[inline]
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let word = match *bytes {
            [] => 0,
            [a] => u64::from(a),
            [a, b] => u64::from(a) | u64::from(b) << 8,
            [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
            _ if bytes.len() <= Self::BYTES_MAX => {
                // two words that overlap, where the bytes are equal
                let (first, last) = (bytes.first_chunk()?, bytes.last_chunk()?);
                let shift = 8 * (bytes.len() - 4);
                u64::from(u32::from_le_bytes(*first))
                    | u64::from(u32::from_le_bytes(*last)) << shift
            }
            _ => return None,
        };
        Some(Self(word | (bytes.len() as u64) << 56))
    }

    /// The text with this key, if it is one.
    #[inline]
    pub fn from_key(key: u64) -> Option<Self> {
        (key >> 56 <= Self::BYTES_MAX as u64).then_some(Self(key))
    }

    /// The number that stands for the text; those of longer ones are not among them.
    #[inline]
    pub fn key(self) -> u64 {
        self.0
    }

    /// Calls `f` with the bytes of the text.
    #[inline]
    pub(super) fn with<T>(self, f: impl FnOnce(&[u8]) -> T) -> T {
        let bytes = self.0.to_le_bytes();
        let [.., length] = bytes;
        f(bytes.get(..usize::from(length)).unwrap_or_default())
    }
}

/// The key of a text that is not short: its XXH3 but for the highest byte, which no short one has.
pub(super) fn long_key(text: &str) -> u64 {
    xxh3_64(text.as_bytes()) | 0xFF << 56
}

/// An open-addressed table from the keys of texts to their cells. It has a power of two of slots,
/// at least twice as many as categories, so that probes are few.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The key and the cell; [`Table::FREE`] where there is none.
    slots: Box<[(u64, u16)]>,
    /// How far a spread key is shifted to become the number of a slot.
    shift: u32,
}

impl Table {
    const FREE: u16 = u16::MAX;

    pub(super) fn new(categories: &[Category]) -> Self {
        // at least two, since a key cannot be shifted by all of its bits
        let slots = (2 * categories.len()).next_power_of_two().max(2);
        let mut table = Self {
            slots: vec![(0, Self::FREE); slots].into(),
            shift: u64::BITS - slots.trailing_zeros(),
        };
        for (cell, category) in (0_u16..).zip(categories) {
            if let Category::Text(text) = category {
                let key = ShortText::new(text).map_or_else(|| long_key(text), ShortText::key);
                table.put(key, cell);
            }
        }
        table
    }

    fn put(&mut self, key: u64, cell: u16) {
        let is_free = |at: &usize| self.slots.get(*at).is_some_and(|slot| slot.1 == Self::FREE);
        let free = self.probe(key).find(is_free);
        if let Some(slot) = free.and_then(|at| self.slots.get_mut(at)) {
            *slot = (key, cell);
        }
    }

    /// The cell of a text with this key that `is_it`.
    #[inline]
    pub(super) fn find(&self, key: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        for at in self.probe(key) {
            let (held, cell) = *self.slots.get(at)?;
            if cell == Self::FREE {
                return None;
            }
            let cell = usize::from(cell);
            if held == key && is_it(cell) {
                return Some(cell);
            }
        }
        None
    }

    /// The slots to try for a key: each once. Keys of texts differ in some of their bytes only, so
    /// they are spread by a multiplication (Fibonacci hashing, Knuth 6.4).
    #[inline]
    fn probe(&self, key: u64) -> impl Iterator<Item = usize> + use<> {
        let slots = self.slots.len();
        let spread = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        let first = usize::try_from(spread).unwrap_or(0);
        (0..slots).map(move |step| (first + step) & (slots - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_text_is_told_from_all_others(one in "[ab\0]{0,9}", other in "[ab\0]{0,9}") {
            let [short, next] = [&one, &other].map(|text| ShortText::new(text));
            prop_assert_eq!(short.is_some(), one.len() <= ShortText::BYTES_MAX);
            if let (Some(short), Some(next)) = (short, next) {
                prop_assert_eq!(short == next, one == other);
            }
            if let Some(short) = short {
                prop_assert_eq!(short.with(<[u8]>::to_vec), one.as_bytes());
                prop_assert_eq!(ShortText::from_key(short.key()), Some(short));
                prop_assert!(short.key() != long_key(&other));
            }
            prop_assert_eq!(ShortText::from_key(long_key(&one)), None);
        }
    }
}
