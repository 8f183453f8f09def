//! The categories of a reference, and how a live string finds its cell.
//!
//! The categories of a reference, ranked by falling count, ties by rising bytes, become cells:
//!
//! ```text
//! rank      1 ..= 100              101 ..= 65,636        later, or never seen
//! cell      one each               other                 new
//! kept as   text, sorted by bytes  64-bit hash, sorted   nothing
//! ```
//!
//! What lies beyond the last rank is not known any more: reference and live rows alike count it as
//! `new`, so that the rate of new values is still compared like with like. Two different strings
//! whose hashes agree are one `other` category; among 65,536 hashes a new string is mistaken for a
//! known one about once in 2^48.
//!
//! Not every category is kept as text. One of more than [`CATEGORY_BYTES_MAX`] bytes, or in a
//! private series one of fewer than [`PRIVATE_COUNT_MIN`] rows, is kept as its hash; it then has no
//! readable name, but the same cell. The hash of a private series is keyed by the name of the
//! series and cannot be inverted, but whoever holds it can still try out values that are easy to
//! guess: it keeps rare values from being read, not from being confirmed.

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use self::table::{Table, long_key};

mod table;

pub use self::table::ShortText;

/// The most categories with a cell of their own; the rest is `other`.
pub const CATEGORIES_MAX: usize = 100;

/// The most hashes of further categories; values beyond them count as `new`, see the module header.
pub const OTHERS_MAX: usize = 65_536;

/// The longest category kept as text; longer ones are kept as a hash.
pub const CATEGORY_BYTES_MAX: usize = 128;

/// In a private series, categories of fewer rows than this are kept as a hash.
pub const PRIVATE_COUNT_MIN: u64 = 10;

/// A category of a reference. Texts come before hashes, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The string itself.
    Text(Box<str>),
    /// The [`CategoryHash`] of a string that is too long or too rare to be kept.
    Hashed(u64),
}

/// Why categories cannot be those of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CategoryError {
    /// More than [`CATEGORIES_MAX`].
    #[error("{0} categories, more than {CATEGORIES_MAX}")]
    TooMany(usize),
    /// More than [`OTHERS_MAX`].
    #[error("{0} further categories, more than {OTHERS_MAX}")]
    TooManyOthers(usize),
    /// Longer than [`CATEGORY_BYTES_MAX`].
    #[error("a category has {0} bytes, more than {CATEGORY_BYTES_MAX}")]
    TooLong(usize),
    /// Not sorted, or twice the same.
    #[error("categories are not strictly increasing")]
    NotIncreasing,
}

/// How the strings of one series are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CategoryHash {
    /// XXH3, fast.
    Open,
    /// The first 8 bytes of the SHA-256 of a key, made of the series' name, and the string.
    Private([u8; 32]),
}

impl CategoryHash {
    /// The hash for the series called `series`.
    pub fn new(series: &str, private: bool) -> Self {
        if !private {
            return Self::Open;
        }
        let key = Sha256::new_with_prefix(b"driftd private categories 1\0").chain_update(series);
        Self::Private(key.finalize().into())
    }

    /// Whether this is a hash for the series called `series`.
    pub(super) fn is_of(&self, series: &str) -> bool {
        *self == Self::new(series, matches!(self, Self::Private(_)))
    }

    /// The hash of a string.
    pub fn of(&self, text: &str) -> u64 {
        self.of_bytes(text.as_bytes())
    }

    fn of_bytes(&self, text: &[u8]) -> u64 {
        match self {
            Self::Open => xxh3_64(text),
            Self::Private(key) => {
                let digest: [u8; 32] = Sha256::new_with_prefix(key)
                    .chain_update(text)
                    .finalize()
                    .into();
                digest
                    .first_chunk()
                    .map_or(0, |first| u64::from_le_bytes(*first))
            }
        }
    }

    /// The category that a string is while a reference is read: its text, unless it is too long.
    pub fn category(&self, text: &str) -> Category {
        if text.len() > CATEGORY_BYTES_MAX {
            Category::Hashed(self.of(text))
        } else {
            Category::Text(text.into())
        }
    }
}

/// The bins of a categorical or boolean series.
#[derive(Debug, Clone)]
pub struct CategoryBins {
    hash: CategoryHash,
    categories: Box<[Category]>,
    others: Others,
    /// Display and test bins alike: each category, `other` where there is one, and `new`.
    merge: Box<[u8]>,
    table: Table,
    /// Whether some of the categories are kept as hashes.
    has_hashed: bool,
}

impl PartialEq for CategoryBins {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, &self.categories, self.others())
            == (other.hash, &other.categories, other.others())
    }
}

impl Eq for CategoryBins {}

impl CategoryBins {
    /// The bins of a reference with these categories, each once, and their counts.
    pub fn from_reference(hash: CategoryHash, counts: Vec<(Category, u64)>) -> Self {
        let mut ranked = counts;
        ranked.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        let known = ranked.len().min(CATEGORIES_MAX);
        let later = ranked.split_off(known);
        let private = matches!(hash, CategoryHash::Private(_));
        let mut categories: Vec<Category> = ranked
            .into_iter()
            .map(|(category, count)| match category {
                Category::Text(text) if private && count < PRIVATE_COUNT_MIN => {
                    Category::Hashed(hash.of(&text))
                }
                category => category,
            })
            .collect();
        categories.sort();
        // two rare strings of one hash are one category
        categories.dedup();
        let mut others: Vec<u64> = later
            .iter()
            .take(OTHERS_MAX)
            .map(|(category, _)| match category {
                Category::Text(text) => hash.of(text),
                Category::Hashed(hashed) => *hashed,
            })
            .collect();
        others.sort_unstable();
        others.dedup();
        Self::of(hash, categories, others)
    }

    /// Checks that `categories` and `others` are sorted, unique and within their bounds.
    pub fn new(
        hash: CategoryHash,
        categories: Vec<Category>,
        others: Vec<u64>,
    ) -> Result<Self, CategoryError> {
        if categories.len() > CATEGORIES_MAX {
            return Err(CategoryError::TooMany(categories.len()));
        }
        if others.len() > OTHERS_MAX {
            return Err(CategoryError::TooManyOthers(others.len()));
        }
        for category in &categories {
            match category {
                Category::Text(text) if text.len() > CATEGORY_BYTES_MAX => {
                    return Err(CategoryError::TooLong(text.len()));
                }
                _ => {}
            }
        }
        let sorted = categories.is_sorted_by(|a, b| a < b);
        if !sorted || !others.is_sorted_by(|a, b| a < b) {
            return Err(CategoryError::NotIncreasing);
        }
        Ok(Self::of(hash, categories, others))
    }

    fn of(hash: CategoryHash, categories: Vec<Category>, others: Vec<u64>) -> Self {
        let own = u8::try_from(categories.len()).unwrap_or(u8::MAX);
        // without further categories the cell `other` stays empty: it goes with `new`
        let new = own + u8::from(!others.is_empty());
        let merge = (0..own).chain([own, new]).collect();
        let table = Table::new(&categories);
        let has_hashed = categories.iter().any(|c| matches!(c, Category::Hashed(_)));
        Self {
            hash,
            categories: categories.into(),
            others: Others::new(others.into()),
            merge,
            table,
            has_hashed,
        }
    }

    /// The categories with a cell of their own, in the order of the cells.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The sorted hashes of the categories of the cell `other`.
    pub fn others(&self) -> &[u64] {
        &self.others.hashes
    }

    /// How strings are hashed.
    pub fn hash(&self) -> CategoryHash {
        self.hash
    }

    /// The cell of further categories that the reference knows.
    pub fn other_cell(&self) -> usize {
        self.categories.len()
    }

    /// The cell of what the reference never saw.
    pub fn new_cell(&self) -> usize {
        self.categories.len() + 1
    }

    /// The display and test bin of each cell.
    pub fn merge(&self) -> &[u8] {
        &self.merge
    }

    /// Whether these can be the bins of booleans.
    pub(super) fn are_boolean(&self) -> bool {
        let boolean = |category: &Category| match category {
            Category::Text(text) => matches!(&**text, "false" | "true"),
            Category::Hashed(_) => false,
        };
        self.hash == CategoryHash::Open
            && self.others().is_empty()
            && self.categories.iter().all(boolean)
    }

    /// The cell of a string.
    #[inline]
    pub fn cell_of(&self, text: &str) -> usize {
        match ShortText::new(text) {
            Some(short) => self.cell_of_short(short),
            None => self.cell_of_long(text),
        }
    }

    /// As [`Self::cell_of`].
    #[inline]
    pub fn cell_of_short(&self, text: ShortText) -> usize {
        let found = self.table.find(text.key(), |_| true);
        found.unwrap_or_else(|| self.cell_of_further(|| text.with(|text| self.hash.of_bytes(text))))
    }

    fn cell_of_long(&self, text: &str) -> usize {
        let is_text = |cell: usize| {
            let known = self.categories.get(cell);
            matches!(known, Some(Category::Text(known)) if **known == *text)
        };
        let found = self.table.find(long_key(text), is_text);
        found.unwrap_or_else(|| self.cell_of_further(|| self.hash.of(text)))
    }

    /// The cell of a string that is no category kept as text, by its hash.
    fn cell_of_further(&self, hash: impl FnOnce() -> u64) -> usize {
        if !self.has_hashed && self.others().is_empty() {
            return self.new_cell();
        }
        let hash = hash();
        if self.has_hashed
            && let Ok(cell) = self.categories.binary_search(&Category::Hashed(hash))
        {
            cell
        } else if self.others.contains(hash) {
            self.other_cell()
        } else {
            self.new_cell()
        }
    }
}

/// The sorted hashes of the categories of the cell `other`, in buckets by their top bits: hashes
/// are spread evenly, so that a bucket has few.
#[derive(Debug, Clone)]
struct Others {
    hashes: Box<[u64]>,
    /// Where each bucket begins, and where the last one ends.
    starts: Box<[u32]>,
    /// How far a hash is shifted to become the number of its bucket.
    shift: u32,
}

impl Others {
    /// How many hashes a bucket has, about.
    const IN_BUCKET: usize = 4;

    fn new(hashes: Box<[u64]>) -> Self {
        // at least two, since a hash cannot be shifted by all of its bits
        let buckets = (hashes.len() / Self::IN_BUCKET).next_power_of_two().max(2);
        let shift = u64::BITS - buckets.trailing_zeros();
        let starts = (0..=buckets as u64).map(|bucket| {
            let below = hashes.partition_point(|hash| hash >> shift < bucket);
            u32::try_from(below).unwrap_or(u32::MAX)
        });
        Self {
            starts: starts.collect(),
            shift,
            hashes,
        }
    }

    #[inline]
    fn contains(&self, hash: u64) -> bool {
        let bucket = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        let bounds = self.starts.get(bucket..).and_then(<[u32]>::first_chunk);
        bounds.is_some_and(|[from, to]| {
            let own = self.hashes.get(*from as usize..*to as usize);
            own.is_some_and(|own| own.contains(&hash))
        })
    }
}

#[cfg(test)]
mod tests;
