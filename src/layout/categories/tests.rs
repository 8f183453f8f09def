//! Laws and cases of the module that this is part of.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn text(text: &str) -> Category {
    Category::Text(text.into())
}

fn numbered(n: usize) -> Vec<(Category, u64)> {
    (0..n).map(|i| (text(&format!("c{i:05}")), 1)).collect()
}

#[test]
fn ties_at_the_cap_break_by_bytes_and_cells_are_in_order_of_bytes() {
    let mut counts = numbered(CATEGORIES_MAX + 1);
    counts.reverse();
    counts.push((text("z"), 5));
    let bins = CategoryBins::from_reference(CategoryHash::Open, counts);
    assert_eq!(bins.categories().len(), CATEGORIES_MAX);
    assert_eq!(bins.cell_of("z"), CATEGORIES_MAX - 1);
    assert_eq!(bins.cell_of("c00000"), 0);
    assert_eq!(bins.cell_of("c00098"), 98);
    assert_eq!(bins.cell_of("c00099"), bins.other_cell());
    assert_eq!(bins.cell_of("c00100"), bins.other_cell());
    assert_eq!(bins.cell_of("c00101"), bins.new_cell());
    assert_eq!(bins.merge()[98..], [98, 99, 100, 101]);
}

#[test]
fn without_further_categories_other_goes_with_new() {
    let bins = CategoryBins::from_reference(CategoryHash::Open, numbered(2));
    assert_eq!(bins.merge(), [0, 1, 2, 2]);
    let bins = CategoryBins::from_reference(CategoryHash::Open, Vec::new());
    assert_eq!((bins.merge(), bins.cell_of("")), (&[0, 0][..], 1));
}

#[test]
fn beyond_the_last_rank_a_category_counts_as_new() {
    let mut counts = numbered(CATEGORIES_MAX + OTHERS_MAX + 1);
    for (_, count) in counts.iter_mut().skip(1) {
        *count = 2;
    }
    let bins = CategoryBins::from_reference(CategoryHash::Open, counts);
    assert_eq!(bins.others().len(), OTHERS_MAX);
    assert_eq!(bins.cell_of("c00000"), bins.new_cell());
    assert_eq!(bins.cell_of("c60000"), bins.other_cell());
}

#[test]
fn a_private_series_keeps_rare_categories_as_a_hash() {
    let hash = CategoryHash::new("diagnosis", true);
    let counts = vec![
        (text("common"), PRIVATE_COUNT_MIN),
        (text("rare"), PRIVATE_COUNT_MIN - 1),
    ];
    let bins = CategoryBins::from_reference(hash, counts);
    assert_eq!(
        bins.categories(),
        [text("common"), Category::Hashed(hash.of("rare"))]
    );
    assert_eq!(
        [
            bins.cell_of("common"),
            bins.cell_of("rare"),
            bins.cell_of("never")
        ],
        [0, 1, 3]
    );
    assert_ne!(hash.of("rare"), CategoryHash::new("other", true).of("rare"));
}

#[test]
fn a_long_category_is_kept_as_a_hash() {
    let long = "x".repeat(CATEGORY_BYTES_MAX + 1);
    let hash = CategoryHash::Open;
    let bins = CategoryBins::from_reference(
        hash,
        vec![(hash.category(&long), 1), (hash.category("x"), 1)],
    );
    assert_eq!(
        [bins.cell_of("x"), bins.cell_of(&long), bins.cell_of("xx")],
        [0, 1, 3]
    );
    assert_eq!(
        CategoryBins::new(hash, vec![Category::Text(long.into())], Vec::new()).unwrap_err(),
        CategoryError::TooLong(CATEGORY_BYTES_MAX + 1)
    );
}

proptest! {
    /// The table agrees with a map from each string to its rank.
    #[test]
    fn a_string_finds_the_cell_of_its_rank(
        counts in prop::collection::hash_map("[a-c]{0,5}", 1_u64..9, 0..260),
        asked in prop::collection::vec("[a-c]{0,5}", 20),
        private: bool,
    ) {
        let hash = CategoryHash::new("s", private);
        let bins = CategoryBins::from_reference(
            hash,
            counts.iter().map(|(t, n)| (text(t), *n)).collect(),
        );
        let mut ranked: Vec<_> = counts.iter().collect();
        ranked.sort_by_key(|(t, n)| (std::cmp::Reverse(**n), (*t).clone()));
        let ranks: HashMap<String, usize> =
            (0..).zip(&ranked).map(|(i, (t, _))| ((*t).clone(), i)).collect();
        for t in asked.iter().chain(counts.keys()) {
            let cell = bins.cell_of(t);
            match ranks.get(t) {
                None => prop_assert_eq!(cell, bins.new_cell()),
                Some(rank) if *rank >= CATEGORIES_MAX => prop_assert_eq!(cell, bins.other_cell()),
                Some(_) => {
                    let kept = match &bins.categories()[cell] {
                        Category::Text(kept) => **kept == **t,
                        Category::Hashed(kept) => *kept == hash.of(t),
                    };
                    prop_assert!(kept);
                }
            }
        }
        let again = CategoryBins::new(hash, bins.categories().to_vec(), bins.others().to_vec());
        prop_assert_eq!(again, Ok(bins));
    }
}
