//! Made-up events: what they look like, and references of them.

use std::fmt::Write as _;

use driftd::key::Name;
use driftd::reference::artifact;

use crate::{Outcome, quiet};

/// What is in a topic.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub features: usize,
    /// How many categories each tenth feature has; those beyond a hundred take 8 bytes each.
    pub tails: u64,
    /// Bytes of a field that nothing is read of.
    pub ballast: usize,
    /// Models whose events come in turns.
    pub models: u64,
    /// One event in so many is up to five hours late; 0 for none.
    pub late: u64,
}

/// A splitmix64 generator.
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// The `count`th event, at second `at` of the stream.
pub fn event(line: &mut String, shape: Shape, (count, at): (u64, u64), random: &mut Random) {
    const CARRIERS: [&str; 6] = ["UA", "B6", "EV", "DL", "AA", "MQ"];
    const DESTS: [&str; 8] = ["IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD", "MCO"];
    let is_late = shape.late > 0 && count % shape.late == 0;
    let late = if is_late { random.below(18_000) } else { 0 };
    let at = at.saturating_sub(late);
    line.clear();
    let mut add = |text: std::fmt::Arguments<'_>| line.write_fmt(text).unwrap_or_default();
    add(format_args!(
        "{{\"model\":\"model-{:04}\",\"version\":\"1\",\"ts\":\"2026-03-{:02}T{:02}:{:02}:{:02}Z\",\
         \"request_id\":\"{count}\",\"features\":{{",
        count % shape.models,
        1 + at / 86_400,
        at / 3_600 % 24,
        at / 60 % 60,
        at % 60,
    ));
    for feature in 0..shape.features {
        let comma = if feature == 0 { "" } else { "," };
        add(format_args!("{comma}\"feature_{feature}\":"));
        let mut pick = |bound| random.below(bound);
        match feature % 10 {
            0 | 5 => add(format_args!("{}", 80 + pick(4_900))),
            1 => add(format_args!("{}.{:02}", 10 + pick(80), pick(100))),
            2 => add(format_args!("\"{}\"", CARRIERS[pick(6) as usize])),
            3 => add(format_args!("0.{:06}", pick(1_000_000))),
            4 => add(format_args!("{}", pick(24))),
            6 => add(format_args!("{}.{:05}", pick(40), pick(100_000))),
            7 => add(format_args!("\"{}\"", DESTS[pick(8) as usize])),
            8 if pick(5) == 0 => add(format_args!("null")),
            8 => add(format_args!("{}.{}", 990 + pick(50), pick(10))),
            _ => add(format_args!("\"N{}\"", 10_000 + pick(shape.tails))),
        }
    }
    let mut pick = |bound| random.below(bound);
    add(format_args!(
        "}},\"prediction\":0.{:06},\"latency_ms\":{}.{:03}",
        pick(1_000_000),
        2 + pick(60),
        pick(1_000)
    ));
    if shape.ballast > 0 {
        add(format_args!(",\"trace\":\"{}\"", "x".repeat(shape.ballast)));
    }
    line.push('}');
}

/// A folder with a reference of each model, as events are in the topic.
pub fn references(shape: Shape) -> Outcome<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    let (mut line, mut random, mut lines) = (String::new(), Random(8), String::new());
    let one = Shape { models: 1, ..shape };
    for at in 0..50_000 {
        event(&mut line, one, (at, at), &mut random);
        lines.push_str(&line);
        lines.push('\n');
    }
    let (input, output) = (
        dir.path().join("training.jsonl"),
        dir.path().join("one.ref"),
    );
    std::fs::write(&input, lines)?;
    quiet(
        std::process::Command::new(env!("CARGO_BIN_EXE_driftd"))
            .args([
                "reference",
                "build",
                "--model",
                "model-0000",
                "--version",
                "1",
            ])
            .arg("--output")
            .arg(&output)
            .arg(&input),
    )?;
    let mut reference = artifact::from_bytes(&std::fs::read(&output)?)?;
    std::fs::remove_file(&input)?;
    std::fs::remove_file(&output)?;
    for model in 0..shape.models {
        let name = format!("model-{model:04}");
        let place = dir.path().join(&name).join("1");
        std::fs::create_dir_all(&place)?;
        reference.header.model = Name::new(&name)?;
        std::fs::write(place.join("training.ref"), artifact::to_bytes(&reference))?;
    }
    Ok(dir)
}
