//! Blocks, as a home keeps them or does not.

use super::*;
use std::cell::RefCell;
use std::collections::HashMap;

/// What was put, and how often anything was.
#[derive(Default)]
struct Home {
    blocks: HashMap<BlockId, Vec<u8>>,
    puts: usize,
}

type Day = Arc<Vec<u64>>;

fn write(album: &mut Album, home: &mut Home, days: &[Day]) -> BlockId {
    let mut put = |id, bytes: &[u8]| {
        home.blocks.insert(id, bytes.to_vec());
        home.puts += 1;
        Ok(())
    };
    let mut writer = album.begin(&mut put);
    let root = writer.block(|writer| {
        let ids = days
            .iter()
            .map(|day| writer.shared(day, |_, day| Ok(day.clone())));
        ids.collect::<Result<Vec<_>, _>>()
    });
    let root = root.unwrap();
    *album = writer.end();
    root
}

fn read(home: &Home, root: BlockId) -> Result<Vec<Vec<u64>>, ImageError> {
    let get = |id| Ok(home.blocks.get(&id).cloned());
    let reader = Reader(&get);
    let days: Vec<BlockId> = reader.read(root)?;
    days.into_iter().map(|day| reader.read(day)).collect()
}

#[test]
fn an_image_writes_what_changed_and_reads_back_whole() {
    let (mut album, mut home) = (Album::default(), Home::default());
    let mut days: Vec<Day> = (0..5).map(|day| Arc::new(vec![day; 9])).collect();
    let first = write(&mut album, &mut home, &days);
    assert_eq!(home.puts, 6);
    assert_eq!(album.blocks().len(), 6);

    // nothing changed: nothing is written, and the image has the same name
    assert_eq!(write(&mut album, &mut home, &days), first);
    assert_eq!(home.puts, 6);

    // one day changed, as the fold changes it: that one and the root
    Arc::make_mut(days.last_mut().unwrap()).push(7);
    let second = write(&mut album, &mut home, &days);
    assert_eq!(home.puts, 8);
    assert_eq!(album.blocks().len(), 6);

    let plain = |days: &[Day]| days.iter().map(|day| (**day).clone()).collect::<Vec<_>>();
    assert_eq!(read(&home, second).unwrap(), plain(&days));
    days.pop();
    let shorter = write(&mut album, &mut home, &days);
    assert_eq!(album.blocks().len(), 5);
    assert_eq!(read(&home, shorter).unwrap(), plain(&days));
}

#[test]
fn an_album_keeps_nothing_alive_and_is_not_fooled_by_addresses() {
    let (mut album, mut home) = (Album::default(), Home::default());
    for round in 0..50_u64 {
        let day: Day = Arc::new(vec![round]);
        let held = Arc::downgrade(&day);
        let root = write(&mut album, &mut home, &[day]);
        assert_eq!(read(&home, root).unwrap(), [vec![round]]);
        assert_eq!(held.strong_count(), 0);
    }
}

#[test]
fn blocks_that_are_missing_damaged_or_of_something_else_are_named() {
    let (mut album, mut home) = (Album::default(), Home::default());
    let days: Vec<Day> = vec![Arc::new(vec![1, 2, 3])];
    let root = write(&mut album, &mut home, &days);
    let day = *home.blocks.keys().find(|id| **id != root).unwrap();
    let whole = home.blocks.remove(&day).unwrap();
    assert!(matches!(read(&home, root), Err(ImageError::Missing(id)) if id == day));
    for cut in 0..whole.len() {
        home.blocks
            .insert(day, whole.iter().copied().take(cut).collect());
        assert!(matches!(read(&home, root), Err(ImageError::Damaged(id)) if id == day));
    }
    home.blocks.insert(day, whole);
    let get = |id| Ok(home.blocks.get(&id).cloned());
    let wrong = Reader(&get).read::<String>(day);
    assert!(matches!(wrong, Err(ImageError::Decode { id, .. }) if id == day));
}

#[test]
fn a_home_that_fails_ends_the_image_and_the_next_one_is_whole() {
    let (mut album, mut home) = (Album::default(), Home::default());
    let days: Vec<Day> = (0..3).map(|day| Arc::new(vec![day])).collect();
    let left = RefCell::new(2);
    let mut put = |id, bytes: &[u8]| {
        let mut left = left.borrow_mut();
        if *left == 0 {
            return Err("disk full".into());
        }
        *left -= 1;
        home.blocks.insert(id, bytes.to_vec());
        Ok(())
    };
    let mut writer = album.begin(&mut put);
    let failed: Result<Vec<_>, _> = days
        .iter()
        .map(|day| writer.shared(day, |_, day| Ok(day.clone())))
        .collect();
    assert!(matches!(failed, Err(ImageError::Home(_))));
    home.blocks.clear();
    let root = write(&mut album, &mut home, &days);
    assert_eq!(read(&home, root).unwrap().len(), 3);
}

#[test]
fn a_long_block_is_cut_into_parts() {
    let (mut album, mut home) = (Album::default(), Home::default());
    // what zstd cannot make small
    let mut state = 1_u64;
    let noise = (0..3 * PART_BYTES_MAX / 8).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^ state >> 29
    });
    let days: Vec<Day> = vec![Arc::new(noise.collect())];
    let root = write(&mut album, &mut home, &days);
    assert!(home.puts >= 5, "{}", home.puts);
    assert!(
        home.blocks
            .values()
            .all(|bytes| bytes.len() <= PART_BYTES_MAX + 1)
    );
    assert_eq!(album.blocks().len(), home.blocks.len());
    assert_eq!(read(&home, root).unwrap(), [(*days[0]).clone()]);
    let puts = home.puts;
    assert_eq!(write(&mut album, &mut home, &days), root);
    assert_eq!((home.puts, album.blocks().len()), (puts, home.blocks.len()));
}
