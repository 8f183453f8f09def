//! What can be asked, what is refused, and what people read when they ask for help.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::CommandFactory;

use super::{Cli, Command, ExitNow, Reference, ReplayFormat, Span, parse};
use crate::config::Overrides;
use crate::reference::ReferenceRole;
use crate::telemetry::Exit;
use crate::time::Length;

fn ask(line: &str) -> Result<Command, ExitNow> {
    parse(line.split_whitespace().map(OsString::from))
}

/// What is said against `line`.
fn refused(line: &str) -> String {
    let said = ask(line).unwrap_err();
    assert_eq!(said.exit, Exit::Usage, "{line}");
    said.text
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serve_needs_no_file() {
    let Command::Serve(serve) = ask(
        "driftd serve --brokers k:1,l:2 --topic a --topic b,c --listen 0.0.0.0:1 --state-dir d",
    )
    .unwrap() else {
        panic!("not serve")
    };
    assert_eq!(serve.config, None);
    assert_eq!(
        serve.overrides(),
        Overrides {
            brokers: Some("k:1,l:2".to_owned()),
            topics: ["a", "b", "c"].map(str::to_owned).to_vec(),
            listen: Some("0.0.0.0:1".to_owned()),
            state_dir: Some("d".to_owned()),
        }
    );
    let Command::Serve(serve) = ask("driftd serve --config d.toml").unwrap() else {
        panic!("not serve")
    };
    assert_eq!(serve.config, Some(PathBuf::from("d.toml")));
    assert_eq!(serve.overrides(), Overrides::default());
}

#[test]
fn reference_build_takes_what_it_needs() {
    let Command::Reference(Reference::Build(build)) = ask(
        "driftd reference build --model fraud --version 7 --role baseline --time-column at \
         --ignore a,b --ignore c --prediction score --layout-from old.ref --timezone Europe/Berlin \
         --exclude 2026-11-01T00:00:00Z..2026-11-02T00:00:00+01:00 --private iban --output new.ref \
         1.parquet 2.csv",
    )
    .unwrap() else {
        panic!("not build")
    };
    assert_eq!(
        (build.model.as_str(), build.version.as_str()),
        ("fraud", "7")
    );
    assert_eq!(build.role, ReferenceRole::Baseline);
    assert_eq!(build.ignore, ["a", "b", "c"]);
    let to = "2026-11-01T23:00:00Z".parse().unwrap();
    assert_eq!(
        build.exclude,
        [Span {
            from: "2026-11-01T00:00:00Z".parse().unwrap(),
            to
        }]
    );
    assert_eq!(build.private, ["iban"]);
    assert_eq!(build.inputs.len(), 2);
    let least = "driftd reference build --model m --version v --output o i";
    let Command::Reference(Reference::Build(build)) = ask(least).unwrap() else {
        panic!("not build")
    };
    assert_eq!(
        (build.role, build.time_column),
        (ReferenceRole::Training, None)
    );
}

#[test]
fn reference_export_takes_the_one_that_judges_unless_told() {
    let line = "driftd reference export --model fraud --version 7 -o learned.ref";
    let Command::Reference(Reference::Export(export)) = ask(line).unwrap() else {
        panic!("not export")
    };
    assert_eq!((export.role, export.config), (None, None));
    let Command::Reference(Reference::Export(export)) =
        ask(&format!("{line} --role training --config driftd.toml")).unwrap()
    else {
        panic!("not export")
    };
    assert_eq!(export.role, Some(ReferenceRole::Training));
    assert_eq!(export.config, Some("driftd.toml".into()));
}

#[test]
fn replay_has_the_windows_of_serve_unless_told() {
    let Command::Replay(replay) = ask("driftd replay --reference r.ref i.jsonl").unwrap() else {
        panic!("not replay")
    };
    assert_eq!(
        replay.windows,
        [1, 6, 24].map(|hours| Length::HOUR.times(hours))
    );
    assert_eq!((replay.every, replay.format), (None, ReplayFormat::Table));
    let Command::Replay(replay) =
        ask("driftd replay --reference r --window 24h,7d --every 14h --format jsonl i").unwrap()
    else {
        panic!("not replay")
    };
    assert_eq!(replay.windows, [1, 7].map(|days| Length::DAY.times(days)));
    assert_eq!(
        (replay.every, replay.format),
        (Some(Length::HOUR.times(14)), ReplayFormat::Jsonl)
    );
}

#[test]
fn what_is_wrong_is_refused_with_64() {
    let build = "driftd reference build --version v --output o";
    let replay = "driftd replay --reference r i";
    let span = "2026-11-02T00:00:00Z..2026-11-01T00:00:00Z";
    let mut said = String::new();
    for line in [
        "driftd srve",
        "driftd serve --topics a",
        "driftd check --connect=yes",
        &format!("{build} --model m"),
        &format!("{build} --model .. i"),
        &format!("{build} --model m --role test i"),
        &format!("{build} --model m --timezone Berlin i"),
        &format!("{build} --model m --exclude today i"),
        &format!("{build} --model m --exclude {span} i"),
        &format!("{replay} --window 1m"),
        &format!("{replay} --window 1h,1h"),
        &format!("{replay} --window 24h --every 3h"),
        &format!("{replay} --every 4"),
        "driftd power --reference r --rows-per-hour 0",
        "driftd power --reference r --rows-per-hour 1 --false-alarms-per-month -1",
        "driftd journal verify",
        "driftd journal verify a.jsonl --config d.toml",
        "driftd completions tcsh",
        "driftd man reference bild",
    ] {
        writeln!(said, "$ {line}\n{}", refused(line)).unwrap();
    }
    insta::assert_snapshot!("refusals", said);
}

#[test]
fn help_and_version_are_no_failure() {
    for line in [
        "driftd --help",
        "driftd help replay",
        "driftd reference build --help",
        "driftd -V",
    ] {
        assert_eq!(ask(line).unwrap_err().exit, Exit::Ok, "{line}");
    }
    assert_eq!(ask("driftd").unwrap_err().exit, Exit::Usage);
    let version = concat!("driftd ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(ask("driftd --version").unwrap_err().text, version);
}

/// Help as it is at 100 columns, the widest it gets.
#[test]
fn help_says_what_is_for_whom() {
    for path in [
        "",
        "serve",
        "demo",
        "check",
        "reference",
        "reference build",
        "reference show",
        "reference diff",
        "reference export",
        "replay",
        "power",
        "journal",
        "journal export",
        "journal verify",
        "completions",
    ] {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut command = &mut command;
        for name in path.split_whitespace() {
            command = command.find_subcommand_mut(name).unwrap();
        }
        let name = format!("help {path}").trim().replace(' ', "_");
        insta::assert_snapshot!(name, command.render_long_help().to_string());
    }
}

#[test]
fn shells_get_a_script() {
    let Command::Completions(bash) = ask("driftd completions bash").unwrap() else {
        panic!("not completions")
    };
    let script = String::from_utf8(bash.script()).unwrap();
    assert!(script.contains("--state-dir") && script.contains("driftd"));
}

/// A page has the words of the help, also of a command below a command.
#[test]
fn every_command_has_a_manual_page() {
    for (line, title, words) in [
        ("driftd man", ".TH driftd 1", "drift monitoring"),
        ("driftd man serve", ".TH driftd-serve 1", "state\\-dir"),
        (
            "driftd man reference build",
            ".TH driftd-reference-build 1",
            "time\\-column",
        ),
    ] {
        let Command::Man(man) = ask(line).unwrap() else {
            panic!("not a manual page")
        };
        let page = String::from_utf8(man.page().unwrap()).unwrap();
        assert!(page.contains(title) && page.contains(words), "{page}");
    }
}
