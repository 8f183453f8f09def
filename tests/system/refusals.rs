//! What is wrong outside of driftd gets one clear message with what to do, and an exit code that
//! says whose turn it is: 64 whoever calls or configures it, 65 whoever made the data, 69 whoever
//! runs what it needs.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::driftd::{Driftd, Ended, Home, Setup, run};
use crate::flights;
use crate::produce::create_topic;
use crate::rig::{free_address, kafka, temp_dir, text};

/// `driftd serve` with this configuration, which must not last.
fn serve(toml: &str) -> Ended {
    let dir = temp_dir("driftd-");
    let path = dir.path().join("driftd.toml");
    fs::write(&path, toml).expect("its directory can be written");
    run(&["serve", "--config", text(&path)])
}

/// A configuration that is right but for what a test replaces.
fn right(topic: &str, dir: &Path) -> String {
    format!(
        "[kafka]\nbrokers = [{:?}]\n[[source]]\ntopics = [{topic:?}]\n[state]\n\
         home = \"embedded\"\ndir = {:?}\n[http]\nlisten = \"{}\"\n",
        kafka().bootstrap(),
        text(&dir.join("state")),
        free_address(),
    )
}

#[test]
fn a_wrong_configuration_names_every_problem_with_its_key() {
    let dir = temp_dir("driftd-");
    let toml = right("any", dir.path()).replace("home = \"embedded\"", "home = \"nowhere\"")
        + "[windows]\nlengths = [\"1h\", \"7 apples\"]\n[alert]\nlateness = \"1m\"\n";
    let ended = serve(&toml);
    for key in ["state.home", "windows.lengths", "alert"] {
        ended.refused(64, &[key]);
    }
    serve("[kafka\nbrokers = 1").refused(64, &["driftd.toml"]);
}

#[test]
fn arguments_that_make_no_sense_are_usage() {
    run(&["serve", "--no-such-flag"]).refused(64, &["--no-such-flag"]);
    run(&["replay", "--reference"]).refused(64, &["--reference"]);
    run(&["serve", "--config", "/nowhere/driftd.toml"]).refused(64, &["/nowhere/driftd.toml"]);
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let (dir, nobody) = (temp_dir("driftd-"), free_address().to_string());
    let toml = right("any", dir.path()).replace(kafka().bootstrap(), &nobody);
    serve(&toml).refused(69, &[&nobody]);
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let dir = temp_dir("driftd-");
    serve(&right("no-such-topic", dir.path())).refused(69, &["no-such-topic"]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (dir, topic) = (temp_dir("driftd-"), "port-taken");
    create_topic(topic, 1);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let toml = right(topic, dir.path());
    let (before, _) = toml
        .split_once("listen = ")
        .expect("it says where to listen");
    serve(&format!("{before}listen = \"{address}\"")).refused(69, &[&address]);
}

#[test]
fn a_file_that_is_no_reference_is_named() {
    let dir = temp_dir("driftd-");
    let path = dir.path().join("corrupt.ref");
    let intact = fs::read(flights::training(flights::references())).expect("it was built");
    let mut flipped = intact.clone();
    let middle = flipped.len() / 2;
    flipped
        .iter_mut()
        .skip(middle)
        .take(64)
        .for_each(|byte| *byte ^= 0x5a);
    let cut = intact.get(..intact.len() / 3).expect("it is long");
    for corrupt in [b"".as_slice(), b"what is this", cut, &flipped] {
        fs::write(&path, corrupt).expect("its directory can be written");
        run(&["reference", "show", text(&path)]).refused(65, &["corrupt.ref"]);
    }
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let dir = temp_dir("driftd-");
    let output = dir.path().join("out.ref");
    for (name, content) in [
        ("rows.parquet", "PAR1 no PAR1"),
        ("rows.jsonl", "{\"model\":"),
    ] {
        let input = dir.path().join(name);
        fs::write(&input, content).expect("its directory can be written");
        let of = [
            "reference",
            "build",
            "--model",
            "m",
            "--version",
            "1",
            "--output",
            text(&output),
        ];
        run(&[&of[..], &[text(&input)]].concat()).refused(65, &[name]);
    }
    assert!(
        !output.exists(),
        "nothing is left of a reference that was not built"
    );
}

#[test]
fn a_corrupt_reference_is_refused_and_the_one_before_stays_in_use() {
    let (dir, topic) = (temp_dir("references-"), "corrupt-reference");
    create_topic(topic, 1);
    let path = flights::training(dir.path());
    fs::create_dir_all(path.parent().expect("it lies in a directory")).expect("a directory");
    fs::copy(flights::training(flights::references()), &path).expect("a copy");
    let mut driftd = Driftd::start(&Setup {
        name: topic,
        topics: &[topic],
        home: Home::Embedded,
        references: Some(dir.path()),
        kafka: None,
        source: "",
        windows: "",
        operator: None,
    });
    let models = |driftd: &Driftd| driftd.json("/api/v1/models")["models"].clone();
    driftd.until("the reference is active", |driftd| {
        models(driftd)
            .to_string()
            .contains(flights::MODEL)
            .then_some(())
    });
    let before = models(&driftd);
    fs::write(&path, "what is this").expect("its directory can be written");
    driftd.until("the corrupt reference is named", |driftd| {
        let log = driftd.log();
        let mut lines = log.lines();
        lines
            .any(|line| line.contains("training.ref") && !line.contains("INFO"))
            .then_some(())
    });
    assert_eq!(models(&driftd), before);
    assert_eq!(driftd.get("/-/ready").status, 200);
    driftd.kill();
}
