//! Files that are whole, torn and cut.

use super::*;

fn fill(home: &mut Home, blocks: &[&[u8]]) -> Vec<BlockId> {
    let filled = home.fill(|put| {
        for bytes in blocks {
            put(BlockId::of(bytes), bytes).map_err(ImageError::Home)?;
        }
        Ok(())
    });
    filled.unwrap();
    blocks.iter().map(|bytes| BlockId::of(bytes)).collect()
}

#[test]
fn what_is_put_is_there_after_a_restart_and_what_is_not_needed_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut home, manifests) = Home::open(dir.path()).unwrap();
    assert!(manifests.is_empty());
    let large = vec![7; PART_BYTES_MAX];
    let ids = fill(&mut home, &[b"one", &large, b"three"]);
    home.put_manifest(10, b"ten").unwrap();
    home.put_manifest(20, b"twenty").unwrap();
    drop(home);

    let (mut home, mut manifests) = Home::open(dir.path()).unwrap();
    manifests.sort();
    assert_eq!(manifests, [b"ten".to_vec(), b"twenty".to_vec()]);
    assert_eq!(home.blocks(), ids.iter().copied().collect());
    let needed = BTreeSet::from([ids[0], ids[2]]);
    home.take_away(&[10], Some(&needed)).unwrap();
    for home in [home, Home::open(dir.path()).unwrap().0] {
        assert_eq!(home.blocks(), needed);
        assert_eq!(home.get(ids[2]).unwrap().unwrap(), b"three");
        assert_eq!(home.get(ids[1]).unwrap(), None);
    }
    assert_eq!(Home::open(dir.path()).unwrap().1, [b"twenty".to_vec()]);
}

#[test]
fn a_fill_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut home, _) = Home::open(dir.path()).unwrap();
    let before = fill(&mut home, &[b"one"]);
    let failed = home.fill(|put| {
        put(BlockId::of(b"two"), b"two").map_err(ImageError::Home)?;
        Err::<(), _>(ImageError::TooLarge)
    });
    assert!(matches!(failed, Err(ImageError::TooLarge)));
    let after = fill(&mut home, &[b"three"]);
    drop(home);
    let (home, _) = Home::open(dir.path()).unwrap();
    assert_eq!(
        home.blocks(),
        before.iter().chain(&after).copied().collect()
    );
    assert_eq!(home.get(after[0]).unwrap().unwrap(), b"three");
}

/// Wherever the file is cut, and whatever is written over it, it is opened, and what is not whole
/// is known by its name.
#[test]
fn a_torn_file_is_never_a_reason_not_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut home, _) = Home::open(dir.path()).unwrap();
    let blocks: Vec<Vec<u8>> = (0..9_u8)
        .map(|n| vec![n; 50 + usize::from(n) * 40])
        .collect();
    let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
    let ids = fill(&mut home, &blocks);
    drop(home);
    let file = dir.path().join(DIR).join(BLOCKS);
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut scratched = whole.clone();
        for byte in scratched.iter_mut().skip(at).take(7) {
            *byte = !*byte;
        }
        let cut: Vec<u8> = whole.iter().copied().take(at).collect();
        for torn in [scratched, cut] {
            fs::write(&file, &torn).unwrap();
            let (mut home, _) = Home::open(dir.path()).unwrap();
            for (id, bytes) in ids.iter().zip(&blocks) {
                let found = home.get(*id).unwrap();
                let is_whole = found.as_ref().is_none_or(|found| BlockId::of(found) != *id);
                assert!(is_whole || found.unwrap() == *bytes);
            }
            let later = fill(&mut home, &[b"later"]);
            drop(home);
            let (home, _) = Home::open(dir.path()).unwrap();
            assert_eq!(home.get(later[0]).unwrap().unwrap(), b"later");
        }
    }
}
