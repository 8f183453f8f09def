//! The last record of a delta, by which its partition is recognised.

use xxhash_rust::xxh3::xxh3_64;

use crate::delta::LastRecord;

/// A longer value is hashed at once.
const COPIED_MAX: usize = 4_096;

/// The last record so far. Its value is copied, and hashed only when it has turned out to be the
/// last: a copy costs a tenth of a hash.
#[derive(Debug, Default)]
pub(super) struct Last {
    offset: Option<i64>,
    value: Vec<u8>,
    /// Of a value that is too long to be copied.
    hash: Option<u64>,
}

impl Last {
    /// Another record has come.
    #[inline]
    pub(super) fn set(&mut self, offset: i64, value: &[u8]) {
        self.offset = Some(offset);
        self.value.clear();
        if value.len() > COPIED_MAX {
            self.hash = Some(xxh3_64(value));
        } else {
            self.hash = None;
            self.value.extend_from_slice(value);
        }
    }

    /// The last one, if there was any.
    pub(super) fn record(&self) -> Option<LastRecord> {
        Some(LastRecord {
            offset: self.offset?,
            hash: self.hash.unwrap_or_else(|| xxh3_64(&self.value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_value_whatever_its_length() {
        let mut last = Last::default();
        assert_eq!(last.record(), None);
        let long = vec![7; COPIED_MAX + 1];
        for (offset, value) in (3..).zip([&b"a"[..], &long, &long[1..], b""]) {
            last.set(offset, value);
            let hash = xxh3_64(value);
            assert_eq!(last.record(), Some(LastRecord { offset, hash }));
        }
    }
}
