//! Laws and cases of the module that this is part of.

use super::*;
use crate::reference::tests::{example, with_hours};
use std::fs;
use tempfile::TempDir;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn put(dir: &TempDir, path: &str, bytes: &[u8]) {
    let path = dir.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn open(url: &str) -> Store {
    Store::open(url, [("AWS_REGION".to_owned(), "eu-west-1".to_owned())]).unwrap()
}

/// A reference like another one, of another model.
fn of(model: &str, version: &str, role: ReferenceRole) -> Reference {
    let mut reference = example(100);
    reference.header.model = name(model);
    reference.header.version = name(version);
    reference.header.role = role;
    reference
}

#[tokio::test]
async fn references_are_found_by_their_path_and_read() {
    let dir = TempDir::new().unwrap();
    put(
        &dir,
        "fraud/7/training.ref",
        &artifact::to_bytes(&with_hours(300)),
    );
    let odd = of("a/b %2e", "..x", ReferenceRole::Baseline);
    let path = path_of(&odd.header.model, &odd.header.version, odd.header.role);
    assert_eq!(path, "a%2Fb%20%252e/..x/baseline.ref");
    put(&dir, &path, &artifact::to_bytes(&odd));
    for stray in [
        "README.md",
        "fraud/notes.txt",
        "fraud/7/other.ref",
        "fraud/7/x/training.ref",
    ] {
        put(&dir, stray, b"stray");
    }
    let plain = dir.path().to_str().unwrap();
    for url in [plain.to_owned(), format!("file://{plain}")] {
        let store = open(&url);
        let found = store.scan().await.unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|f| (f.model.as_str(), f.version.as_str()))
            .collect();
        assert_eq!(names, [("a/b %2e", "..x"), ("fraud", "7")]);
        assert_eq!(store.fetch(&found[0]).await.unwrap(), odd);
        assert_eq!(store.fetch(&found[1]).await.unwrap(), with_hours(300));
        assert_eq!(found[1].role, ReferenceRole::Training);
    }
}

#[tokio::test]
async fn a_changed_file_has_another_revision() {
    let dir = TempDir::new().unwrap();
    put(&dir, "fraud/7/training.ref", b"one");
    let store = open(dir.path().to_str().unwrap());
    let before = store.scan().await.unwrap();
    assert_eq!(store.scan().await.unwrap(), before);
    put(&dir, "fraud/7/training.ref", b"other");
    assert_ne!(store.scan().await.unwrap()[0].revision, before[0].revision);
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let dir = TempDir::new().unwrap();
    put(&dir, "corrupt/1/training.ref", b"nonsense");
    put(
        &dir,
        "misplaced/1/training.ref",
        &artifact::to_bytes(&example(10)),
    );
    let store = open(dir.path().to_str().unwrap());
    let found = store.scan().await.unwrap();
    let error = store.fetch(&found[0]).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Artifact {
            source: ArtifactError::Envelope(_),
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "corrupt/1/training.ref: is not a usable reference"
    );
    let error = store.fetch(&found[1]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "misplaced/1/training.ref: is a reference of fraud@7 (training), not of what its path says"
    );
    fs::remove_file(dir.path().join("corrupt/1/training.ref")).unwrap();
    assert!(matches!(
        store.fetch(&found[0]).await,
        Err(StoreError::Read { .. })
    ));
    let huge = fs::File::create(dir.path().join("corrupt/1/training.ref")).unwrap();
    huge.set_len(ARTIFACT_BYTES_MAX + 1).unwrap();
    let error = store.fetch(&found[0]).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Artifact {
            source: ArtifactError::TooLarge(_),
            ..
        }
    ));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_an_error() {
    let none = Store::open("/no/such/directory", []).unwrap_err();
    assert!(matches!(none, StoreError::Open { .. }), "{none}");
    assert!(matches!(
        Store::open("gopher://x/y", []).unwrap_err(),
        StoreError::Open { .. }
    ));
    assert!(matches!(
        Store::open("s3://[", []).unwrap_err(),
        StoreError::Url(_)
    ));
    let dir = TempDir::new().unwrap();
    assert_eq!(open(dir.path().to_str().unwrap()).scan().await.unwrap(), []);
}
