//! The same rows give the same reference, whatever file they come from.

use std::fs::{self, File};
use std::path::Path;

use arrow::ipc::writer::FileWriter;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::driftd::run;
use crate::flights::{self, Event};
use crate::rig::{temp_dir, text};

/// What `make.py` writes.
const DIGESTS: [(&str, &str); 3] = [
    (
        "reference.jsonl",
        "7e4971d7aea16492b6e41ab23763887f150865a235b8e456dc3f79bb0a58f4bd",
    ),
    (
        "reference.csv",
        "da71020a4635dcd70eeffe169c503b7427c4b4919c2ad018b3401c7c05f82645",
    ),
    (
        "live.jsonl",
        "9407c4323d0c83ffc7e56e3369f133864d9705e5f4388f18fad37678f3e94019",
    ),
];

#[test]
fn events_and_tables_are_those_of_the_script_that_made_the_flights() {
    let texts = [jsonl("reference"), flights::csv("reference"), jsonl("live")];
    for ((name, expected), text) in DIGESTS.iter().zip(texts) {
        let digest = Sha256::digest(text.as_bytes());
        let digest = digest
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(digest, *expected, "{name} of {} bytes", text.len());
    }
}

#[test]
fn the_same_rows_give_the_same_digest_from_every_format() {
    let dir = temp_dir("formats-");
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a.jsonl"), jsonl("reference")).expect("a directory can be written");
    fs::write(path("a.csv"), flights::csv("reference")).expect("a directory can be written");
    write_arrow(&path("a.arrow"));
    let expected = digest(&flights::parquet("reference"), &path("parquet.ref"));
    for name in ["a.jsonl", "a.csv", "a.arrow"] {
        assert_eq!(
            digest(&path(name), &path(name).with_extension("ref")),
            expected,
            "{name}"
        );
    }
    // and in any order of the rows
    let backwards: Vec<String> = jsonl("reference")
        .lines()
        .rev()
        .map(str::to_owned)
        .collect();
    fs::write(path("b.jsonl"), backwards.join("\n")).expect("a directory can be written");
    assert_eq!(
        digest(&path("b.jsonl"), &path("b.ref")),
        expected,
        "backwards"
    );
}

/// Builds a reference and asks `show` for its digest.
fn digest(input: &Path, output: &Path) -> String {
    flights::build_reference(input, output);
    let show = run(&["reference", "show", "--json", text(output)]);
    show.succeeded();
    let shown: Value = serde_json::from_str(&show.stdout).expect("it shows JSON");
    let digest = shown["digest"].as_str().expect("a reference has a digest");
    assert_eq!(digest.len(), 64);
    digest.to_owned()
}

fn jsonl(name: &str) -> String {
    flights::events(name)
        .into_iter()
        .map(|Event { json, .. }| json + "\n")
        .collect()
}

fn write_arrow(path: &Path) {
    let batches = flights::batches("reference");
    let schema = batches.first().expect("there are rows").schema();
    let file = File::create(path).expect("a directory can be written");
    let mut writer = FileWriter::try_new(file, &schema).expect("an Arrow file");
    for batch in &batches {
        writer.write(batch).expect("a batch can be written");
    }
    writer.finish().expect("a file can be finished");
}
