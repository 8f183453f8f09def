//! A state directory without room: counting waits, says so, and goes on where it was.
//!
//! The directory is a small file system of the daemon's own, in a mount namespace that goes with
//! it, and is reached from here through `/proc`. A path there must not have links: they would lead
//! out of the namespace.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::driftd::{Driftd, Home, Setup};
use crate::produce::{Record, create_topic, producer, send};
use crate::rig::text;

/// The size of the file system.
const SIZE: &str = "size=8m";

/// Events of a part.
const EVENTS: u64 = 2_000;

#[test]
fn a_full_disk_holds_counting_up_and_loses_nothing() {
    let topic = "chaos-disk";
    create_topic(topic, 2);
    let producer = producer("none");
    let mut driftd = Driftd::prepare(&Setup {
        name: topic,
        topics: &[topic],
        home: Home::Embedded,
        references: None,
        kafka: None,
        source: "",
        windows: "lengths = [\"1h\"]",
        operator: None,
    });
    launch(&mut driftd);
    send(&producer, topic, &events(0));
    driftd.until_counted(topic, EVENTS);
    let state = fs::canonicalize(driftd.state_dir()).expect("it is there");
    let state = format!("/proc/{}/root{}", driftd.pid(), text(&state));
    for part in 1..=2 {
        let errors = driftd
            .metrics()
            .count("driftd_state_append_errors_total", &[]);
        // some more is counted yet, as far as the files have room inside
        let filler = fill(Path::new(&state));
        send(&producer, topic, &events(part));
        driftd.until("appends fail", |driftd| {
            let metrics = driftd.metrics();
            (metrics.count("driftd_state_append_errors_total", &[]) > errors).then_some(())
        });
        assert!(
            driftd.log().contains("state log not written, trying again"),
            "{}",
            driftd.log_end()
        );
        fs::remove_file(filler).expect("it is there");
        driftd.until_counted(topic, (part + 1) * EVENTS);
    }
    let metrics = driftd.metrics();
    let lost = metrics.count("driftd_records_lost_total", &[("topic", topic)]);
    assert_eq!(lost, 0);
    driftd.signal("TERM");
    driftd.until_ended();
}

/// Starts it with a state directory that has a file system of its own.
fn launch(driftd: &mut Driftd) {
    let state = driftd.state_dir();
    fs::create_dir_all(&state).expect("its directory can be written");
    let id = Command::new("id").arg("-u").output().expect("id runs");
    // whoever is not root has to become root of a namespace to mount something
    let unshare = if id.stdout == b"0\n" { "-m" } else { "-rm" };
    let mount = "mount -t tmpfs -o $1 none \"$2\" && shift 2 && exec \"$@\"";
    let command = ["unshare", unshare, "bash", "-c", mount, "bash", SIZE];
    driftd.launch_by(&[&command[..], &[text(&state)]].concat());
    driftd.until_ready();
}

/// Leaves no room in a directory, to the last byte.
fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("filler");
    let mut file = File::create(&path).expect("it can be made");
    let mut write = |length: usize, times: usize| {
        let block = vec![0; length];
        (0..times).any(|_| file.write_all(&block).is_err())
    };
    // bounded, should the directory be of another file system after all
    assert!(write(65_536, 256), "it is larger than it was made");
    assert!(write(1, 65_536), "there is room left");
    path
}

/// A part of the events.
fn events(part: u64) -> Vec<Record> {
    let event = |at: u64| {
        let ts = 1_767_225_600_000 + at * 1_000;
        let json = format!(
            "{{\"model\":\"m{}\",\"version\":\"1\",\"ts\":{ts},\"features\":{{\"amount\":{at}}}}}",
            at % 3
        );
        Record {
            partition: i32::try_from(at % 2).expect("there are few"),
            timestamp: i64::try_from(ts).expect("it is a time"),
            value: Some(json.into_bytes()),
        }
    };
    (part * EVENTS..(part + 1) * EVENTS).map(event).collect()
}
