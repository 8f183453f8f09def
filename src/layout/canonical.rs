//! The canonical bytes of a layout, whose SHA-256 is its digest.
//!
//! All numbers are little-endian, all lists are preceded by their length:
//!
//! ```text
//! "driftd layout" 0 1                        the format and its version
//! u32 series, each:
//!   u16 name bytes, name; u8 role; u8 kind   codes: the place in `ALL`
//!   numeric:      u16 edges, f64 bits each; for each bin u16 display bin, u16 test bin
//!   categorical:  u8 1 if private; u16 texts, each u16 bytes and text; u16 hashed, u64 each;
//!                 u32 others, u64 each
//! ```
//!
//! Reading takes no more memory than the bytes themselves have room for, and the reader of a layout
//! compares digests, so that there is one form only.

use super::categories::{Category, CategoryBins, CategoryHash};
use super::edges::{Edges, EdgesError, NumericBins};
use super::{Bins, Kind, LayoutError, SERIES_MAX, SeriesLayout};
use crate::key::Role;

pub(super) const MAGIC: &[u8] = b"driftd layout\0\x01";

pub(super) fn encode(series: &[SeriesLayout]) -> Vec<u8> {
    let mut out = Writer(MAGIC.to_vec());
    out.length32(series.len());
    for series in series {
        out.text(series.name());
        out.0.extend([series.role() as u8, series.kind() as u8]);
        match series.bins() {
            Bins::Numeric(bins) => encode_numeric(&mut out, bins),
            Bins::Categorical(bins) => encode_categories(&mut out, bins),
        }
    }
    out.0
}

fn encode_numeric(out: &mut Writer, bins: &NumericBins) {
    let edges = bins.edges().as_slice();
    out.length16(edges.len());
    for edge in edges {
        out.0.extend(edge.to_bits().to_le_bytes());
    }
    for (display, test) in bins.display().iter().zip(bins.tests()) {
        out.0.extend(u16::from(*display).to_le_bytes());
        out.0.extend(u16::from(*test).to_le_bytes());
    }
}

fn encode_categories(out: &mut Writer, bins: &CategoryBins) {
    let texts = bins
        .categories()
        .iter()
        .filter_map(|category| match category {
            Category::Text(text) => Some(&**text),
            Category::Hashed(_) => None,
        });
    let hashed = bins
        .categories()
        .iter()
        .filter_map(|category| match category {
            Category::Text(_) => None,
            Category::Hashed(hash) => Some(*hash),
        });
    out.0.push(u8::from(bins.hash() != CategoryHash::Open));
    out.length16(texts.clone().count());
    texts.for_each(|text| out.text(text));
    out.length16(hashed.clone().count());
    hashed.for_each(|hash| out.0.extend(hash.to_le_bytes()));
    out.length32(bins.others().len());
    bins.others()
        .iter()
        .for_each(|hash| out.0.extend(hash.to_le_bytes()));
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<SeriesLayout>, LayoutError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(LayoutError::Format)?;
    let mut input = Reader(rest);
    let count = input.length32()?;
    if count > SERIES_MAX {
        return Err(LayoutError::TooManySeries(count));
    }
    let mut series = Vec::new();
    for _ in 0..count {
        series.push(decode_series(&mut input)?);
    }
    if input.0.is_empty() {
        Ok(series)
    } else {
        Err(LayoutError::NotCanonical)
    }
}

fn decode_series(input: &mut Reader<'_>) -> Result<SeriesLayout, LayoutError> {
    let name = input.text()?;
    let [role] = input.array()?;
    let [kind] = input.array()?;
    let role = *Role::ALL
        .get(usize::from(role))
        .ok_or(LayoutError::Format)?;
    let kind = *Kind::ALL
        .get(usize::from(kind))
        .ok_or(LayoutError::Format)?;
    let bins = match kind {
        Kind::Numeric => Bins::Numeric(decode_numeric(input)?),
        Kind::Categorical | Kind::Boolean => Bins::Categorical(decode_categories(input, name)?),
    };
    SeriesLayout::new(name, role, kind, bins)
}

fn decode_numeric(input: &mut Reader<'_>) -> Result<NumericBins, LayoutError> {
    let count = input.length16()?;
    let edges = input.list(count, |bytes| f64::from_bits(u64::from_le_bytes(bytes)))?;
    let pairs = input.list(count + 1, |[a, b, c, d]: [u8; 4]| {
        [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
    })?;
    // no reference has as many merged bins
    let narrow = |bin: u16| u8::try_from(bin).map_err(|_large| EdgesError::Merge);
    let (mut display, mut tests) = (Vec::new(), Vec::new());
    for [shown, test] in pairs {
        display.push(narrow(shown)?);
        tests.push(narrow(test)?);
    }
    Ok(NumericBins::new(Edges::new(edges)?, display, tests)?)
}

fn decode_categories(input: &mut Reader<'_>, name: &str) -> Result<CategoryBins, LayoutError> {
    let private = match input.array()? {
        [0] => false,
        [1] => true,
        _ => return Err(LayoutError::NotCanonical),
    };
    let mut categories = Vec::new();
    for _ in 0..input.length16()? {
        categories.push(Category::Text(input.text()?.into()));
    }
    let hashed = input.length16()?;
    categories.extend(input.list(hashed, |hash| Category::Hashed(u64::from_le_bytes(hash)))?);
    let others = input.length32()?;
    let others = input.list(others, u64::from_le_bytes)?;
    Ok(CategoryBins::new(
        CategoryHash::new(name, private),
        categories,
        others,
    )?)
}

/// Appends canonical parts. The constructors of what is written bound every length.
struct Writer(Vec<u8>);

impl Writer {
    fn length16(&mut self, length: usize) {
        self.0
            .extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    }

    fn length32(&mut self, length: usize) {
        self.0
            .extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length16(text.len());
        self.0.extend(text.as_bytes());
    }
}

/// Takes parts off the front of bytes that nobody has checked.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(LayoutError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(LayoutError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn length16(&mut self) -> Result<usize, LayoutError> {
        self.array()
            .map(|length| usize::from(u16::from_le_bytes(length)))
    }

    fn length32(&mut self) -> Result<usize, LayoutError> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_beyond_memory| LayoutError::Truncated)
    }

    fn text(&mut self) -> Result<&'a str, LayoutError> {
        let length = self.length16()?;
        str::from_utf8(self.take(length)?).map_err(|_not_utf8| LayoutError::NotCanonical)
    }

    fn list<T, const N: usize>(
        &mut self,
        length: usize,
        item: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, LayoutError> {
        let bytes = self.take(length.checked_mul(N).ok_or(LayoutError::Truncated)?)?;
        let (items, _) = bytes.as_chunks::<N>();
        Ok(items.iter().map(|bytes| item(*bytes)).collect())
    }
}
