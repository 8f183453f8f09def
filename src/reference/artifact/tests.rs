//! Laws and cases of the module that this is part of.

use super::*;
use crate::layout::Layout;
use crate::reference::tests::{example, with_hours};
use crate::reference::{Header, ReferenceRole};
use proptest::prelude::*;

#[test]
fn a_reference_reads_back_as_it_was_written() {
    let nothing = Layout::new(Vec::new()).unwrap();
    let name = crate::key::Name::new("m").unwrap();
    let header = Header::new(name.clone(), name, ReferenceRole::Baseline);
    let empty = Reference::new(header, Arc::new(nothing), Vec::new(), [0; 4], Vec::new()).unwrap();
    let mut important = with_hours(500);
    important.header.importances = [("amount".to_owned(), 0.1 + 0.2)].into();
    for reference in [
        example(0),
        example(1),
        example(500),
        with_hours(500),
        important,
        empty,
    ] {
        let bytes = to_bytes(&reference);
        let again = from_bytes(&bytes).unwrap();
        assert_eq!(again, reference);
        assert_eq!(again.series, reference.series);
        assert_eq!(again.layout.series(), reference.layout.series());
        assert_eq!(to_bytes(&again), bytes);
    }
}

#[test]
fn importances_of_what_is_not_there_are_refused() {
    for (name, importance) in [("amount", -1.0), ("nothing", 1.0)] {
        let mut reference = example(300);
        reference.header.importances = [(name.to_owned(), importance)].into();
        let error = from_bytes(&to_bytes(&reference)).unwrap_err();
        let ArtifactError::Reference(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error, ReferenceError::Importance(name.to_owned()));
    }
}

#[test]
fn more_hours_than_fit_one_batch_read_back() {
    let mut reference = with_hours(300);
    let block = reference.blocks[0].clone();
    reference.blocks.clear();
    for hour in 0..5000 {
        let start = block.start + crate::reference::BLOCK.times(hour + 1);
        let cells = Vec::new();
        reference.blocks.push(crate::reference::HourBlock {
            start,
            rows: 0,
            carried: [0; 4],
            cells,
        });
    }
    assert_eq!(from_bytes(&to_bytes(&reference)).unwrap(), reference);
}

#[test]
fn other_tools_can_open_the_file() {
    let bytes = to_bytes(&with_hours(300));
    let reader =
        arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
    assert!(reader.schema().metadata()["driftd.reference"].starts_with("{\"format\":1,"));
    assert_eq!(
        reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(),
        3
    );
}

#[test]
fn what_is_wrong_is_named() {
    let good = to_bytes(&example(300));
    let error = |bytes: &[u8]| from_bytes(bytes).unwrap_err().to_string();
    assert!(error(b"").starts_with("it is not an Arrow file"));
    assert!(error(b"{\"model\":1}").starts_with("it is not an Arrow file"));
    assert!(error(&good[..good.len() / 2]).starts_with("it is not an Arrow file"));
    // same length, so that nothing else in the file moves
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut bytes = good.clone();
        let places: Vec<usize> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    };
    assert_eq!(
        error(&replaced("{\"format\":1", "{\"format\":7")),
        ArtifactError::Format(7).to_string()
    );
    assert_eq!(
        error(&replaced("driftd.reference", "driftd.otherwise")),
        ArtifactError::NoHeader.to_string()
    );
    assert_eq!(
        error(&replaced("\"training\"", "\"nonsense\"")),
        ArtifactError::Field("role").to_string()
    );
    assert_eq!(
        error(&replaced("\"fraud\"", "\"frau\\n")).as_str(),
        "its header cannot be read"
    );
    let rows = error(&replaced("\"rows\":300", "\"rows\":301"));
    assert!(rows.contains("another number of rows"), "{rows}");
    let digest = example(300).digest().to_string();
    let other = digest.chars().rev().collect::<String>();
    assert!(error(&replaced(&digest, &other)).starts_with("its content has digest"));
}

proptest! {
    /// Hostile bytes: whatever is changed, the answer is an error or the very same reference, and
    /// never a panic.
    #[test]
    fn a_damaged_file_is_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static GOOD: (Reference, Vec<u8>) = {
                let reference = with_hours(300);
                let bytes = to_bytes(&reference);
                (reference, bytes)
            };
        }
        GOOD.with(|(reference, good)| {
            let mut bytes = good.clone();
            for (at, byte) in &changes {
                bytes[at.index(good.len())] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(good.len()));
            }
            if let Ok(read) = from_bytes(&bytes) {
                // what digests do not cover may differ: names, times, hours, provenance
                prop_assert_eq!(read.digest(), reference.digest());
            }
            Ok(())
        })?;
    }
}
