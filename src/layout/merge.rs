//! Merges of adjacent value cells into fewer bins.
//!
//! Many bins keep scores exact, few bins give tests their power. The merge for tests goes from the
//! left over the counts of the reference:
//!
//! ```text
//! a point bin of at least 1/32 of all values stays alone
//! rest   = values outside of those
//! others are joined until they hold at least rest/16, or a lone point bin comes
//! ```
//!
//! Worked example: counts 0 1 [50] 0 1 1 1 1 ... (forty-six ones), the point bin in brackets, 97
//! values in all. The point bin holds more than 1/32 of them, the rest is 47, a sixteenth of it
//! 2.9: bins `0 1`, `[50]`, `0 1 1 1`, then three ones each, and last what is left over.

/// Into how many bins of equal mass the values outside of lone point bins are divided.
pub const TEST_BINS: u64 = 16;

/// A point bin of at least one in this many values stays alone.
const LONE_POINT: u64 = 32;

/// The most test bins of numbers there can be: 32 lone point bins, 16 filled bins, and one begun
/// before each lone point bin and at the end.
pub const TEST_BINS_MAX: usize = 32 + 16 + 33;

const _: () = assert!(TEST_BINS_MAX < 256, "a test bin has eight bits");

/// The test bin of each cell, from the reference's count of each and whether it is a point bin.
pub(super) fn for_tests(counts: &[u64], points: &[bool]) -> Vec<u8> {
    let total: u128 = counts.iter().map(|count| u128::from(*count)).sum();
    let alone = |count: u64, point: bool| {
        point && count > 0 && u128::from(count) * u128::from(LONE_POINT) >= total
    };
    let cells = || counts.iter().copied().zip(points.iter().copied());
    let rest: u128 = cells()
        .filter(|(count, point)| !alone(*count, *point))
        .map(|(n, _)| u128::from(n))
        .sum();

    let mut merge = Vec::with_capacity(counts.len());
    let (mut bin, mut mass, mut begun) = (0_u8, 0_u128, false);
    for (count, point) in cells() {
        if alone(count, point) {
            bin += u8::from(begun);
            merge.push(bin);
            (bin, mass, begun) = (bin + 1, 0, false);
            continue;
        }
        merge.push(bin);
        (mass, begun) = (mass + u128::from(count), true);
        if mass > 0 && mass * u128::from(TEST_BINS) >= rest {
            (bin, mass, begun) = (bin + 1, 0, false);
        }
    }
    merge
}

/// Whether `merge` starts at 0 and goes up by at most 1 from cell to cell.
pub(super) fn is_adjacent(merge: &[u8]) -> bool {
    merge.first().is_none_or(|first| *first == 0)
        && merge.is_sorted_by(|a, b| b.checked_sub(*a).is_some_and(|step| step <= 1))
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "the counts are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule again, as a search for the cells of one bin after the other.
    fn naive(counts: &[u64], points: &[bool]) -> Vec<u8> {
        let total: u64 = counts.iter().sum();
        let alone: Vec<bool> = counts
            .iter()
            .zip(points)
            .map(|(c, p)| *p && *c > 0 && *c as f64 / total as f64 >= 1.0 / 32.0)
            .collect();
        let rest: u64 = counts
            .iter()
            .zip(&alone)
            .filter(|(_, a)| !**a)
            .map(|(c, _)| c)
            .sum();
        let mut merge = Vec::new();
        let (mut bin, mut at) = (0, 0);
        while at < counts.len() {
            let mut end = at + 1;
            if !alone[at] {
                let mass = |end: usize| counts[at..end].iter().sum::<u64>();
                let full = |end| mass(end) > 0 && 16.0 * mass(end) as f64 >= rest as f64;
                while end < counts.len() && !alone[end] && !full(end) {
                    end += 1;
                }
            }
            merge.extend(std::iter::repeat_n(bin, end - at));
            (bin, at) = (bin + 1, end);
        }
        merge
    }

    #[test]
    fn the_example_of_the_header() {
        let mut counts = vec![0, 1, 50, 0];
        counts.extend([1; 46]);
        let mut points = vec![false; counts.len()];
        points[2] = true;
        let merge = for_tests(&counts, &points);
        assert_eq!(merge[..11], [0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 4]);
        assert_eq!(*merge.last().unwrap(), 2 + 15);
    }

    #[test]
    fn a_hundred_equal_bins_become_fourteen_of_seven_and_what_is_left() {
        let merge = for_tests(&[10; 100], &[false; 100]);
        let sizes: Vec<_> = merge.chunk_by(|a, b| a == b).map(<[u8]>::len).collect();
        assert_eq!(sizes, [&[7; 14][..], &[2]].concat());
    }

    #[test]
    fn a_constant_has_a_point_bin_and_two_open_bins() {
        assert_eq!(for_tests(&[0, 9, 0], &[false, true, false]), [0, 1, 2]);
        assert_eq!(for_tests(&[0], &[false]), [0]);
    }

    proptest! {
        /// The merge partitions the cells into runs, is what the rule says, and stays in bounds.
        #[test]
        fn the_merge_is_adjacent_bounded_and_as_the_naive_one(
            cells in prop::collection::vec(
                (prop_oneof![Just(0), 0_u64..40, 0_u64..4000], any::<bool>()), 1..500
            )
        ) {
            let (counts, points): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
            let merge = for_tests(&counts, &points);
            prop_assert!(is_adjacent(&merge));
            prop_assert!(usize::from(*merge.last().unwrap()) < TEST_BINS_MAX);
            prop_assert_eq!(merge, naive(&counts, &points));
        }
    }
}
