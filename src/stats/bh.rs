//! Which of many small p-values to believe: the procedure of Benjamini & Hochberg (1995).
//!
//! ```text
//! p ascending:  q_(i) = min over k >= i of p_(k) N / k        at most 1
//! ```
//!
//! Believing all with `q <= 0.05` makes at most 5 % of those believed false on average, for
//! independent and for positively dependent tests.

use super::counts::real_len;

/// The adjusted p-values of `p`, in its order.
pub fn bh_adjust(p: &[f64]) -> Vec<f64> {
    let mut ranked: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    ranked.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let all = real_len(p.len());
    let mut smallest = 1.0_f64;
    for (rank, (_, p)) in ranked.iter_mut().enumerate().rev() {
        // the quotient first: it is at least 1, and so is never p > q
        smallest = smallest.min(*p * (all / real_len(rank + 1)));
        *p = smallest;
    }
    ranked.sort_unstable_by_key(|&(index, _)| index);
    ranked.into_iter().map(|(_, q)| q).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::close;

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(bh_adjust(&[]), Vec::<f64>::new());
    }

    proptest! {
        /// q_i = min over p_k >= p_i of p_k N / (number of p <= p_k), at most 1
        #[test]
        fn it_is_its_definition(p in prop::collection::vec(0.0..=1.0_f64, 0..30)) {
            let q = bh_adjust(&p);
            prop_assert_eq!(q.len(), p.len());
            for (own, q) in p.iter().zip(&q) {
                let naive = p.iter().filter(|other| *other >= own)
                    .map(|other| {
                        let rank = p.iter().filter(|any| *any <= other).count();
                        other * real_len(p.len()) / real_len(rank)
                    })
                    .fold(1.0, f64::min);
                close(*q, naive, 1e-15);
            }
        }

        /// p <= q <= 1, and q rises with p
        #[test]
        fn adjusted_values_keep_their_order(p in prop::collection::vec(0.0..=1.0_f64, 2..30)) {
            let mut pairs: Vec<_> = p.iter().copied().zip(bh_adjust(&p)).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert!(pairs.iter().all(|(p, q)| p <= q && *q <= 1.0));
            prop_assert!(pairs.is_sorted_by(|a, b| a.1 <= b.1));
        }
    }
}
