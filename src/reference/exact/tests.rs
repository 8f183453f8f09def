//! Laws and cases of the module that this is part of.

use super::*;
use proptest::prelude::*;

fn sum(values: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    for x in values {
        sum.add(*x);
    }
    sum
}

/// A signed whole number of units of 2^-1074, as bits from the lowest: so simple that it is
/// unlikely to be wrong.
#[derive(Debug, Clone, PartialEq)]
struct Big(Vec<bool>);

const BITS: usize = 2400;

impl Big {
    fn of(x: f64) -> Self {
        let bits = x.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        let mantissa = if exponent == 0 {
            fraction
        } else {
            fraction | 1 << 52
        };
        let mut digits = vec![false; BITS];
        for bit in 0..53 {
            digits[exponent.saturating_sub(1) + bit] = mantissa >> bit & 1 == 1;
        }
        let magnitude = Self(digits);
        if x < 0.0 {
            magnitude.negated()
        } else {
            magnitude
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut carry = 0;
        let add = |(a, b): (&bool, &bool)| {
            let sum = u8::from(*a) + u8::from(*b) + carry;
            carry = sum >> 1;
            sum & 1 == 1
        };
        Self(self.0.iter().zip(&other.0).map(add).collect())
    }

    fn negated(&self) -> Self {
        let mut one = vec![false; BITS];
        one[0] = true;
        Self(self.0.iter().map(|bit| !bit).collect()).plus(&Self(one))
    }

    /// The nearest float, ties to even, by trying the two floats around it.
    fn rounded(&self) -> f64 {
        let negative = self.0[BITS - 1];
        let magnitude = if negative {
            self.negated()
        } else {
            self.clone()
        };
        // the largest float that is not above, found bit by bit
        let mut floor = 0_u64;
        for bit in (0..63).rev() {
            let tried = floor | 1 << bit;
            let fits = f64::from_bits(tried).is_finite()
                && !Self::of(f64::from_bits(tried)).above(&magnitude);
            if fits {
                floor = tried;
            }
        }
        let below = f64::from_bits(floor);
        let above = below.next_up();
        let rounded = if above.is_infinite() {
            // halfway to 2^1024 rounds up
            let ulp = Self::of(2_f64.powi(970));
            if Self::of(below).plus(&ulp).above(&magnitude) {
                below
            } else {
                above
            }
        } else {
            let twice = magnitude.plus(&magnitude);
            let middle = Self::of(below).plus(&Self::of(above));
            if middle.above(&twice) || middle == twice && floor.is_multiple_of(2) {
                below
            } else {
                above
            }
        };
        if negative { -rounded } else { rounded }
    }

    fn above(&self, other: &Self) -> bool {
        self.0.iter().rev().gt(other.0.iter().rev())
    }
}

fn naive(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(Big::of(0.0), |sum, x| sum.plus(&Big::of(*x)))
        .rounded()
}

fn a_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        -1e3..1e3,
        (-9_i32..9).prop_map(f64::from),
        prop::sample::select(vec![
            f64::MAX,
            f64::MIN,
            5e-324,
            -5e-324,
            f64::MIN_POSITIVE,
            0.1
        ]),
        (0_i32..60).prop_map(|e| 2_f64.powi(e)),
        (0_i32..60).prop_map(|e| -(2_f64.powi(e))),
    ]
}

#[test]
fn the_examples_of_the_header() {
    assert_eq!(sum(&[1e308, 1e308, -1e308]).sum(), 1e308);
    assert_eq!(sum(&[1e16, 1.0, -1e16]).sum(), 1.0);
    assert_eq!(sum(&[1e308, 1e308]).sum(), f64::INFINITY);
    assert_eq!(sum(&[1e308, 1e308]).mean(2), 1e308);
    assert_eq!(sum(&[0.1; 10]).mean(10), 0.1);
    assert_eq!(sum(&[]).mean(0), 0.0);
}

#[test]
fn carries_are_settled_before_a_chunk_overflows() {
    for x in [f64::MAX, -f64::MAX, 0.1, 5e-324] {
        let mut many = ExactSum::default();
        for _ in 0..10_000 {
            many.add(x);
        }
        assert_eq!(many.mean(10_000), x);
        let mut doubled = many.clone();
        for _ in 0..30 {
            let same = doubled.clone();
            doubled.merge(&same);
        }
        assert_eq!(doubled.mean(10_000 << 30), x);
    }
}

proptest! {
    /// The sum is the correctly rounded one, and in any order and from any parts the same bits.
    #[test]
    fn the_sum_is_exact_in_any_order(
        values in prop::collection::vec(a_number(), 0..40).prop_shuffle(),
        order in any::<u64>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = sum(&values).sum();
        prop_assert_eq!(whole.to_bits(), naive(&values).to_bits());
        let mut shuffled = values.clone();
        shuffled.sort_by_key(|x| x.to_bits().wrapping_mul(order | 1));
        let (left, right) = shuffled.split_at(cut.index(values.len() + 1));
        let mut merged = sum(left);
        merged.merge(&sum(right));
        prop_assert_eq!(merged.sum().to_bits(), whole.to_bits());
    }

    /// x * n is n times x.
    #[test]
    fn adding_a_number_many_times_is_adding_it_often(
        runs in prop::collection::vec((a_number(), 0_u64..70), 0..9)
    ) {
        let mut at_once = ExactSum::default();
        let mut often = ExactSum::default();
        for (x, times) in &runs {
            at_once.add_times(*x, *times);
            for _ in 0..*times {
                often.add(*x);
            }
        }
        prop_assert_eq!(at_once.sum().to_bits(), often.sum().to_bits());
    }

    /// min <= mean <= max, and the mean of equal numbers is that number.
    #[test]
    fn the_mean_lies_between_the_numbers(values in prop::collection::vec(a_number(), 1..40)) {
        let mean = sum(&values).mean(values.len() as u64);
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(min <= mean && mean <= max);
        prop_assert_eq!(sum(&vec![values[0]; values.len()]).mean(values.len() as u64), values[0]);
    }
}
