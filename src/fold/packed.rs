//! Counts of many cells in few bytes, for hours that seldom change any more.
//!
//! ```text
//! bytes   (gap run count*run)*        gap: cells without counts, run: cells with them, one by one
//! [0 0 5 300 0 7]  ->  2 2 5 172 2  1 1 7
//! ```
//!
//! All numbers are base-128 with the lowest digits first, the top bit set on all bytes but the
//! last: a count below 128 is one byte, and so is a whole gap.

/// The bytes of counts by cell.
pub(super) fn pack(counts: &[u64]) -> Box<[u8]> {
    let mut bytes = Vec::new();
    let mut rest = counts;
    loop {
        let gap = rest.iter().take_while(|count| **count == 0).count();
        let (_, filled) = rest.split_at_checked(gap).unwrap_or((rest, &[]));
        let run = filled.iter().take_while(|count| **count > 0).count();
        if run == 0 {
            return bytes.into();
        }
        put(&mut bytes, gap as u64);
        put(&mut bytes, run as u64);
        let (run, later) = filled.split_at_checked(run).unwrap_or((filled, &[]));
        for count in run {
            put(&mut bytes, *count);
        }
        rest = later;
    }
}

/// The cells with counts above 0 of [`pack`]'s bytes, ascending.
pub(super) fn unpack(mut bytes: &[u8]) -> Vec<(u32, u64)> {
    let mut cells = Vec::new();
    let mut cell = 0_u32;
    while let (Some(gap), Some(run)) = (take(&mut bytes), take(&mut bytes)) {
        cell = cell.saturating_add(u32::try_from(gap).unwrap_or(u32::MAX));
        for _ in 0..run {
            let Some(count) = take(&mut bytes) else {
                return cells;
            };
            cells.push((cell, count));
            cell = cell.saturating_add(1);
        }
    }
    cells
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_header() {
        let packed = pack(&[0, 0, 5, 300, 0, 7]);
        assert_eq!(&*packed, [2, 2, 5, 172, 2, 1, 1, 7]);
        assert_eq!(unpack(&packed), [(2, 5), (3, 300), (5, 7)]);
    }

    proptest! {
        /// What was packed comes out again, and small counts without gaps cost a byte each.
        #[test]
        fn what_is_packed_comes_out_again(
            counts in prop::collection::vec(
                prop_oneof![Just(0_u64), 1_u64..200, any::<u64>()], 0..60,
            ),
        ) {
            let filled: Vec<_> =
                (0..).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
            prop_assert_eq!(unpack(&pack(&counts)), filled);
            let small: Vec<u64> = counts.iter().map(|count| count % 127 + 1).collect();
            prop_assert!(pack(&small).len() <= small.len() + 2);
        }

        /// No bytes make it panic.
        #[test]
        fn any_bytes_are_unpacked(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let cells = unpack(&bytes);
            prop_assert!(cells.len() <= bytes.len());
        }
    }
}
