//! What the code of this project promises about itself, held by reading it.
//!
//! # Layers
//!
//! The modules of the crate stand in one order, [`LAYERS`]: the order that data takes, with what
//! everybody needs before it and what puts all together behind it. A module names only modules of
//! its own layer and of those before it, so there are no cycles between layers.
//!
//! # Purity
//!
//! [`PURE`] modules are functions of their arguments: they never wait, start a thread, read a clock
//! or the environment, do IO or log, and name no module that does. `stats` names nothing of this
//! crate.
//!
//! # Confinement
//!
//! The crates in [`CONFINED`] are named only where the table says, so that each can be replaced,
//! and nothing of Kafka or of a file format leaks into what counts and scores.
//!
//! Test code inside `src/` (`#[cfg(test)]` modules) may break these three, and the limit on a
//! file's length ends where it begins. Comments and texts break only the rules on form.

#![expect(
    clippy::expect_used,
    reason = "a test may stop where it cannot read the project"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use driftd::config::{Overrides, keys, load};
use driftd::expose::metrics::{Join, METRICS};

/// Layers of modules; those of one layer may name each other. A part of a module may stand in a
/// later layer than the module.
const LAYERS: &[&[&str]] = &[
    &["time"],
    &["key", "clock", "image"],
    &["spill"],
    &["decode"],
    &["layout"],
    &["stats"],
    &["files"],
    &["delta"],
    &["config", "statelog", "tally", "telemetry"],
    &["reference"],
    &["fold"],
    &["score"],
    &["journal"],
    &["alert"],
    &["power", "board"],
    &["engine"],
    &["source", "statelog/kafka", "statelog/snapshot"],
    &[
        "journal/file",
        "journal/kafka",
        "journal/writer",
        "journal/inspect",
    ],
    &["webhook"],
    &["expose"],
    &["cli"],
    &["replay"],
    &["app"],
    &["demo"],
    &["command"],
    &["lib", "main", "testing"],
];

/// Modules, and parts of modules, that are pure.
const PURE: &[&str] = &[
    "key",
    "time",
    "decode",
    "layout",
    "tally",
    "delta",
    "statelog/record",
    "statelog/chain",
    "fold",
    "image",
    "journal/audit",
    "journal/entry",
    "journal/event",
    "journal/json",
    "journal/ledger",
    "journal/text",
    "reference/learn",
    "stats",
    "score",
    "alert",
    "power",
    "engine",
    "board",
    "webhook/event",
    "webhook/queue",
];

/// What pure modules never name. Parts of `statelog`, `reference` and `journal` do IO, their front
/// pages do not.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "spawn",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "axum",
    "object_store",
    "rdkafka",
    "redb",
    "tokio",
    "tracing",
    "print",
    "println",
    "eprint",
    "eprintln",
    "crate::app",
    "crate::cli",
    "crate::clock",
    "crate::command",
    "crate::config",
    "crate::demo",
    "crate::expose",
    "crate::files",
    "crate::replay",
    "crate::source",
    "crate::telemetry",
    "crate::webhook::sender",
    "journal::file",
    "journal::inspect",
    "journal::kafka",
    "journal::writer",
    "reference::build",
    "reference::store",
    "statelog::embedded",
    "statelog::kafka",
    "statelog::snapshot",
];

/// Where data is turned into bytes and back.
const FORMATS: &[&str] = &[
    "config/raw",
    "decode",
    "files",
    "reference/artifact",
    "reference/build",
    "reference/show",
    "power/show",
    "delta",
    "statelog/record",
    "statelog/snapshot",
    "journal",
    "replay",
    "expose/view",
    "webhook/event",
];

/// What has a form: data that becomes bytes, and all that is kept of the fold between starts, whose
/// bytes are made by `image`.
const FORMS: &[&str] = &[
    "alert",
    "config/raw",
    "decode",
    "delta",
    "engine",
    "expose/view",
    "files",
    "fold",
    "image",
    "journal",
    "key",
    "layout",
    "power/show",
    "reference",
    "replay",
    "spill",
    "statelog/record",
    "statelog/snapshot",
    "time",
];

/// Crates and the only modules, or parts of modules, that name them.
const CONFINED: &[(&str, &[&str])] = &[
    (
        "rdkafka",
        &[
            "source",
            "statelog/kafka",
            "statelog/snapshot",
            "journal",
            "demo",
        ],
    ),
    ("prometheus", &["expose/metrics", "telemetry"]),
    ("maud", &["expose/page"]),
    ("serde", FORMS),
    ("reqwest", &["config", "webhook", "app/error"]),
    ("rmp_serde", &["image"]),
    ("serde_json", FORMATS),
    ("arrow", FORMATS),
    ("parquet", FORMATS),
    ("csv", FORMATS),
];

/// The only test code that waits by the clock, for a condition and up to a limit.
const MAY_SLEEP: &[&str] = &["tests/system/poll.rs"];

/// A source file has at most this many lines before its tests; more is two files.
const LINES_MAX: usize = 400;

/// A line has at most this many columns.
const COLUMNS_MAX: usize = 100;

#[test]
fn modules_name_only_modules_of_their_own_and_earlier_layers() {
    let layer_of = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let of_file = |file: &Source| LAYERS.iter().rposition(|layer| file.is_part_of(layer));
    let mut faults = Faults::default();
    for file in sources() {
        let Some(layer) = of_file(&file) else {
            faults.add(
                &file.path,
                1,
                "its module stands in no layer of tests/tidy.rs",
            );
            continue;
        };
        for (line, named) in crate_paths(&file.shipped_text()) {
            if layer_of(named).is_some_and(|of_named| of_named > layer) {
                let rule = format!("`{}` may not name the later `{named}`", file.module());
                faults.add(&file.path, line, &rule);
            }
        }
    }
    faults.none("modules name only modules of their own and earlier layers");
}

#[test]
fn pure_modules_do_nothing_but_compute() {
    let mut faults = Faults::default();
    for file in sources().iter().filter(|file| file.is_part_of(PURE)) {
        for (line, code) in file.shipped() {
            for name in IMPURE.iter().filter(|name| names(code, name)) {
                faults.add(&file.path, line, &format!("a pure module names `{name}`"));
            }
        }
    }
    faults.none("pure modules never wait, start threads, read clocks, do IO or log");
}

#[test]
fn statistics_name_nothing_of_this_crate() {
    let mut faults = Faults::default();
    for file in sources().iter().filter(|file| file.module() == "stats") {
        let front_page = file.path.ends_with("src/stats.rs");
        let text = file.shipped_text();
        for (line, _) in crate_paths(&text)
            .iter()
            .filter(|(_, module)| *module != "stats")
        {
            faults.add(&file.path, *line, "`stats` names something of this crate");
        }
        for (line, code) in file.shipped() {
            if names(code, "super::super") || (front_page && names(code, "super")) {
                faults.add(&file.path, line, "`stats` names what is above it");
            }
        }
    }
    faults.none("`stats` takes slices and returns numbers");
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let mut faults = Faults::default();
    for file in sources() {
        for (name, places) in CONFINED
            .iter()
            .filter(|(_, places)| !file.is_part_of(places))
        {
            for (line, _) in file.shipped().filter(|(_, code)| names_crate(code, name)) {
                let rule = format!("`{name}` is named outside of {}", places.join(", "));
                faults.add(&file.path, line, &rule);
            }
        }
    }
    faults.none("a crate is named only in the modules that are there for it");
}

#[test]
fn files_say_first_what_they_are() {
    let mut faults = Faults::default();
    for path in files(&["src", "tests", "benches", "fuzz"], &["rs"]) {
        if !read(&path).is_some_and(|text| text.starts_with("//! ")) {
            faults.add(&path, 1, "the file does not begin with `//! `");
        }
    }
    faults.none("every file begins with what it is about");
}

#[test]
fn lines_are_ascii_and_short() {
    let mut faults = Faults::default();
    let mut paths = files(
        &["src", "tests", "benches", "fuzz"],
        &["rs", "py", "sh", "toml"],
    );
    paths.extend(files(&[".ci", "deploy", "dashboards"], &[]));
    for path in paths {
        for (line, text) in read(&path).unwrap_or_default().lines().enumerate() {
            if !text.is_ascii() {
                faults.add(
                    &path,
                    line + 1,
                    "a character that is not ASCII; write its escape",
                );
            }
            let columns = text.chars().count();
            // rustfmt sees to code, but not to comments, texts and the arguments of macros
            let is_rust = path.extension().is_some_and(|ending| ending == "rs");
            if is_rust && columns > COLUMNS_MAX {
                faults.add(
                    &path,
                    line + 1,
                    &format!("{columns} columns, more than {COLUMNS_MAX}"),
                );
            }
        }
    }
    faults.none("lines are ASCII and those of Rust at most 100 columns wide");
}

#[test]
fn source_files_are_short() {
    let mut faults = Faults::default();
    for file in sources() {
        let lines = file.shipped().count();
        if lines > LINES_MAX {
            let rule = format!("{lines} lines before its tests, more than {LINES_MAX}");
            faults.add(&file.path, LINES_MAX + 1, &rule);
        }
    }
    faults.none("a file has at most 400 lines before its tests");
}

#[test]
fn nothing_is_left_for_later() {
    // put together here, or this file would break its own rule
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let places = [
        concat!("../", "shared"),
        concat!("DESIGN", ".md"),
        concat!("STATISTICS", ".md"),
    ];
    let mut faults = Faults::default();
    for path in files(&["."], &[]) {
        for (line, text) in read(&path).unwrap_or_default().lines().enumerate() {
            for word in words.iter().filter(|word| names(text, word)) {
                faults.add(
                    &path,
                    line + 1,
                    &format!("`{word}`: do it, or file it as an issue"),
                );
            }
            for place in places.iter().filter(|place| text.contains(**place)) {
                faults.add(
                    &path,
                    line + 1,
                    &format!("`{place}` is not part of this project"),
                );
            }
        }
    }
    faults.none("nothing is left for later, and nothing refers outside of the project");
}

#[test]
fn tests_are_not_ignored_and_do_not_sleep() {
    let mut faults = Faults::default();
    for path in files(&["src", "tests"], &["rs"]) {
        let may_sleep = MAY_SLEEP.iter().any(|place| path.ends_with(place));
        let text = read(&path).unwrap_or_default();
        for (line, code) in code_of(&text).lines().enumerate() {
            if code.contains("#[ignore") {
                faults.add(&path, line + 1, "an ignored test; mend it or remove it");
            }
            let of_tests = path.starts_with(root().join("tests"));
            if of_tests && !may_sleep && names(code, "sleep") {
                faults.add(
                    &path,
                    line + 1,
                    "a test sleeps; wait for a condition: `poll_until`",
                );
            }
        }
    }
    faults.none("tests run, and wait for conditions instead of time");
}

#[test]
fn the_readme_has_every_configuration_key() {
    let readme = read(&root().join("README.md")).expect("there is a README.md");
    let mut faults = Faults::default();
    for doc in keys() {
        if !readme.contains(&format!("`{}`", doc.key)) {
            let rule = format!("no `{}` in the configuration reference", doc.key);
            faults.add(&root().join("README.md"), 1, &rule);
        }
    }
    faults.none("the README has every configuration key, dotted and in backticks");
}

#[test]
fn the_example_configuration_has_every_key_and_no_other() {
    let mut section = String::new();
    let mut written = BTreeSet::new();
    for line in example().lines() {
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            let tables = header
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'));
            section = tables.map_or(header.to_owned(), |name| format!("{name}[]"));
            section = section.replacen("source.", "source[].", 1);
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            written.insert(format!("{section}.{key}"));
        }
    }
    let known: BTreeSet<String> = keys().into_iter().map(|doc| doc.key).collect();
    assert_eq!(
        written, known,
        "deploy/driftd.toml has the keys that there are"
    );
}

#[test]
fn the_example_configuration_is_taken_as_it_stands_and_with_all_its_settings() {
    let path = root().join("deploy/driftd.toml");
    let problems = |path: &Path| {
        let loaded = load(Some(path), [].into_iter(), &Overrides::default());
        loaded.err().map(|problems| problems.to_string())
    };
    assert_eq!(problems(&path), None);
    let all = tempfile::NamedTempFile::new().expect("a file");
    fs::write(all.path(), example()).expect("it can be written");
    let found = problems(all.path()).unwrap_or_default();
    // files that are not here, and pairs of which only one may be set
    let expected = [
        "alerts.rule[0].false_alarms_per_month: cannot stand beside `series`",
        "http.tls.certificate: `/etc/driftd/tls/tls.crt` cannot be read",
        "http.tokens_file: `/etc/driftd/tokens` cannot be read",
        "kafka.sasl.password_file: there is kafka.sasl.password already",
        "kafka.tls.ca: there is no file",
        "kafka.tls.certificate: there is no file",
        "kafka.tls.key: there is no file",
        "webhooks: an instance of a shard delivers nothing",
        "webhooks[0].secret_file: there is webhooks[0].secret already",
    ];
    let surprises: Vec<&str> = found
        .lines()
        .filter(|line| !expected.iter().any(|known| line.starts_with(known)))
        .collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
}

/// The example configuration with all its settings in force.
fn example() -> String {
    let text = read(&root().join("deploy/driftd.toml")).expect("there is an example");
    let in_force = |line: &str| {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        setting.unwrap_or(line).to_owned() + "\n"
    };
    text.lines().map(in_force).collect()
}

#[test]
fn the_readme_has_every_metric() {
    let readme = read(&root().join("README.md")).expect("there is a README.md");
    let mut faults = Faults::default();
    for metric in METRICS.iter().filter(|metric| !names(&readme, metric.name)) {
        let rule = format!("no `{}` in the metrics table", metric.name);
        faults.add(&root().join("README.md"), 1, &rule);
    }
    faults.none("the README has every metric under its full name");
}

#[test]
fn the_readme_says_how_metrics_of_instances_are_joined() {
    let readme = read(&root().join("README.md")).expect("there is a README.md");
    let mut faults = Faults::default();
    for metric in METRICS {
        let join = metric.join();
        let row = format!("| `{}` | {} |", metric.name, join.as_str());
        if readme.contains(&row) != (join != Join::Same) {
            let rule = format!("`{}` is joined by {}", metric.name, join.as_str());
            faults.add(&root().join("README.md"), 1, &rule);
        }
    }
    faults.none("the README has a row for each metric that is not the same on all instances");
}

#[test]
fn comments_texts_and_characters_are_told_apart_from_code() {
    let code = code_of(concat!(
        "let a = \"tokio \\\" // x\"; // tokio\n",
        "let b = r#\"tokio\"\"#; /* tokio /* */\n",
        "tokio */ c('\"', '\\'', 'x)\n",
    ));
    assert_eq!(code.lines().count(), 3);
    assert!(!names(&code, "tokio"), "{code}");
    assert!(code.contains("c(   ,     , 'x)"), "{code}");
}

#[test]
fn modules_of_tests_are_found_behind_all_their_attributes() {
    let code = concat!(
        "#[cfg(test)]\nuse a;\n",
        "#[cfg(test)]\n#[expect(\n    lint,\n    reason = [ ]\n)]\nmod tests;\n",
        "mod shipped;\n",
        "#[cfg(test)]\npub(crate) mod fixture {\n    mod inner;\n}\n",
        "#[cfg(test)]\npub(super) mod shared;\n",
    );
    let found = [(2, "tests;"), (9, "fixture {"), (13, "shared;")];
    assert_eq!(test_modules(code), found);
}

/// A Rust source file of the crate.
struct Source {
    path: PathBuf,
    /// The path below `src/` without its ending: `fold/pane`.
    place: String,
    /// Its text without comments and texts, line for line.
    code: String,
    /// The lines before test code begins; none in a file of tests.
    shipped_lines: usize,
}

impl Source {
    /// The top module that the file belongs to.
    fn module(&self) -> &str {
        self.place.split('/').next().unwrap_or_default()
    }

    fn is_part_of(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            let rest = self.place.strip_prefix(place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The lines, numbered from 1, that are not tests, without comments and texts.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines()).take(self.shipped_lines)
    }

    fn shipped_text(&self) -> String {
        self.shipped()
            .map(|(_, code)| code.to_owned() + "\n")
            .collect()
    }
}

/// All files below `src/`.
fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut sources: Vec<Source> = files(&["src"], &["rs"]).into_iter().map(source).collect();
    let mut of_tests = BTreeSet::new();
    for file in &sources {
        let modules = test_modules(&file.code);
        for module in modules
            .iter()
            .filter_map(|(_, item)| item.strip_suffix(';'))
        {
            let is_root = matches!(file.place.as_str(), "lib" | "main");
            let below = if is_root {
                src.clone()
            } else {
                src.join(&file.place)
            };
            of_tests.insert(below.join(module));
        }
    }
    for file in &mut sources {
        if file
            .path
            .with_extension("")
            .ancestors()
            .any(|above| of_tests.contains(above))
        {
            file.shipped_lines = 0;
        }
    }
    sources
}

fn source(path: PathBuf) -> Source {
    let text = read(&path).unwrap_or_default();
    let code = code_of(&text);
    let modules = test_modules(&code);
    let mut inline = modules.iter().filter(|(_, item)| item.ends_with('{'));
    let shipped_lines = inline
        .next()
        .map_or(code.lines().count(), |(before, _)| *before);
    let below = path
        .strip_prefix(root().join("src"))
        .expect("it lies below src")
        .with_extension("");
    let place = below.to_str().expect("paths are UTF-8").to_owned();
    Source {
        path,
        place,
        code,
        shipped_lines,
    }
}

/// The modules behind `#[cfg(test)]`, whatever other attributes they have: how many lines come
/// before the attribute, and what follows `mod`.
fn test_modules(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut attribute: Option<usize> = None;
    let mut depth = 0;
    for (at, line) in code.lines().enumerate() {
        let begins = depth == 0 && line.trim_start().starts_with("#[");
        if begins && line.trim() == "#[cfg(test)]" {
            attribute = Some(at);
        }
        if begins || depth > 0 {
            depth += line.matches('[').count();
            depth = depth.saturating_sub(line.matches(']').count());
        } else if let (Some(before), item) = (attribute.take(), module_item(line)) {
            found.extend(item.map(|item| (before, item.trim_end())));
        }
    }
    found
}

/// What follows `mod` in the line of a module.
fn module_item(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = match line.strip_prefix("pub(") {
        Some(within) => within.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    line.strip_prefix("mod ")
}

/// The line and the name of each module in `crate::module` or `crate::{module, ..}`.
fn crate_paths(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, root) in code.match_indices("crate::") {
        let before = code.get(..at).unwrap_or_default();
        if before.bytes().last().is_some_and(is_word) {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        let path = code.get(at + root.len()..).unwrap_or_default();
        match path.strip_prefix('{') {
            None => found.push((line, first_word(path))),
            Some(list) => found.extend(listed(list).map(|path| (line, first_word(path)))),
        }
    }
    found
}

/// The items of a list in braces, from behind its opening brace.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 1;
    let end = list.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let mut depth = 0;
    list.get(..end.unwrap_or(list.len()))
        .unwrap_or_default()
        .split(move |c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        })
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|c| !u8::try_from(c).is_ok_and(is_word))
        .next()
        .unwrap_or_default()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `name` stands in the code and is not part of a longer word.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let bytes = code.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + name.len());
        !before.is_some_and(|byte| is_word(*byte)) && !after.is_some_and(|byte| is_word(*byte))
    })
}

/// Whether a crate is named: at the beginning of a path, or alone in a `use`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + name.len()..).unwrap_or_default();
        let begins = !before.ends_with("::") && !before.bytes().last().is_some_and(is_word);
        let is_use = before.trim().ends_with("use") && !after.bytes().next().is_some_and(is_word);
        begins && (after.starts_with("::") || is_use)
    })
}

/// Rust code with comments, texts and characters as blanks, line for line.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let blank = blank_length(rest, code.chars().next_back());
        let (piece, after) = rest.split_at(blank.unwrap_or(next.len_utf8()));
        let keep = |c: char| blank.is_none() || c == '\n';
        code.extend(piece.chars().map(|c| if keep(c) { c } else { ' ' }));
        rest = after;
    }
    code
}

/// The length of the comment, text or character that `rest` begins with.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    let after_word = before.is_some_and(|c| u8::try_from(c).is_ok_and(is_word));
    if let Some((from, hashes)) = raw_text(rest).filter(|_| !after_word) {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = rest.get(from..).unwrap_or_default();
        return Some(
            body.find(&end)
                .map_or(rest.len(), |length| from + length + end.len()),
        );
    }
    // a quote begins a character when it ends after one or after an escape, else a lifetime
    if rest.starts_with("'\\") {
        return Some(quoted(rest, '\''));
    }
    let mut after_quote = rest.strip_prefix('\'').unwrap_or_default().chars();
    match (after_quote.next(), after_quote.next()) {
        (Some(one), Some('\'')) => Some(one.len_utf8() + 2),
        _ => None,
    }
}

/// The length of what opens a raw text, up to its quote, and how many `#` belong to it.
fn raw_text(rest: &str) -> Option<(usize, usize)> {
    let letters = if rest.starts_with("br") { 2 } else { 1 };
    let after = rest.strip_prefix("br").or(rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after
        .get(hashes..)?
        .starts_with('"')
        .then_some((letters + hashes + 1, hashes))
}

/// The length of a text or character with escapes, from quote to quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// The length of a comment in which others may be nested.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(next) = rest.get(at..).filter(|next| !next.is_empty()) {
        let step = match next {
            next if next.starts_with("/*") => 1,
            next if next.starts_with("*/") => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 {
            next.chars().next().map_or(1, char::len_utf8)
        } else {
            2
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// The top of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file, if it is one.
fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// All files below these directories of the project with one of these endings, or with any, in
/// order. What is built, version control's own files and snapshots of output are not the project's
/// text.
fn files(directories: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !matches!(name.to_str(), Some("target" | ".git" | "__pycache__")) {
                    open.push(path);
                }
            } else if endings.is_empty() || endings.contains(&ending.as_ref()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Where rules are broken.
#[derive(Default)]
struct Faults(String);

impl Faults {
    fn add(&mut self, path: &Path, line: usize, rule: &str) {
        let path = path.strip_prefix(root()).unwrap_or(path).display();
        writeln!(self.0, "{path}:{line}: {rule}").expect("a text takes more");
    }

    /// Stops the test if there are any.
    fn none(&self, rule: &str) {
        assert!(self.0.is_empty(), "{rule}, but:\n{}", self.0);
    }
}
