//! The page, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::alert::Severity;
use crate::alert::episode::Change;
use crate::expose::fixture::{self, HOSTILE, Log};
use crate::expose::{PartitionView, Shared};
use crate::fold::webhooks::Mark;
use crate::time::Timestamp;
use crate::webhook::Standing;

/// A sample: name, labels, value.
type Line = (String, BTreeMap<String, String>, f64);

/// The samples of a page by metric; panics where the page breaks a rule of the text format.
fn parse(page: &str) -> BTreeMap<String, Vec<Line>> {
    let mut families: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut helped = None;
    let mut current = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(text.len() > 5, "{name} has no help");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(
                helped.take().as_deref(),
                Some(name),
                "HELP comes before TYPE"
            );
            assert!(matches!(kind, "gauge" | "counter"), "{kind}");
            if let Some(metric) = METRICS.iter().find(|metric| metric.name == name) {
                assert_eq!(metric.kind.as_str(), kind);
            }
            current = name.to_owned();
            let twice = families.insert(current.clone(), Vec::new());
            assert!(twice.is_none(), "{name} is there twice");
        } else {
            let line = sample(line);
            assert_eq!(line.0, current, "samples come after their TYPE");
            families.get_mut(&current).unwrap().push(line);
        }
    }
    for (name, lines) in &families {
        let unique: BTreeSet<_> = lines.iter().map(|line| &line.1).collect();
        assert_eq!(
            unique.len(),
            lines.len(),
            "{name} has two samples of the same labels"
        );
        assert!(!lines.is_empty(), "{name} has no samples");
    }
    families
}

fn sample(line: &str) -> Line {
    let (head, value) = line.rsplit_once(' ').unwrap();
    let value: f64 = value.parse().unwrap();
    assert!(value.is_finite(), "{line}");
    let (name, mut rest) = head.split_once('{').unwrap_or((head, "}"));
    assert!(
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    );
    let mut labels = BTreeMap::new();
    while rest != "}" {
        let (label, quoted) = rest.split_once("=\"").unwrap();
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (_, '\\') => text.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} is no escape"),
                }),
                (at, '"') => break at,
                (_, plain) => text.push(plain),
            }
        };
        labels.insert(label.trim_start_matches(',').to_owned(), text);
        rest = quoted.split_at(end + 1).1;
    }
    (name.to_owned(), labels, value)
}

fn local() -> Local {
    let shared = Shared::new(SurfaceLimits {
        metric_series_max: 9,
    });
    let partition = PartitionView {
        topic: "events".to_owned(),
        partition: 0,
        assigned: true,
        position: 7,
        high: Some(9),
        lag: Some(2),
        at_end: false,
        stopped: None,
    };
    let gone = Some(Arc::from("truncated"));
    shared.set_source(move || {
        let stopped = PartitionView {
            partition: 1,
            assigned: false,
            stopped: gone.clone(),
            ..partition.clone()
        };
        vec![partition.clone(), stopped]
    });
    shared.set_append_errors(|| 4);
    shared.set_dead_letters_failed(|| 6);
    shared.set_fold_lag(|| Some(5));
    shared.set_spilled(|| 11);
    shared.set_webhooks(|| {
        vec![Standing {
            name: "retrain".into(),
            failures: 8,
            age_seconds: 90.5,
        }]
    });
    shared.set_snapshots(|| (Some(Timestamp::from_millis(1_700_000_000_000)), 3));
    shared.local()
}

fn page(board: &Board, series_max: usize) -> String {
    let mut page = Page::new(SurfaceLimits {
        metric_series_max: series_max,
    });
    let mut board = board.clone();
    let mark = Mark {
        to: 9,
        delivered: 7,
        given_up: 2,
        at: board.log_time,
    };
    board.webhooks = Arc::new([("retrain".into(), mark)].into());
    text(&page.render(Some(&board), &local()))
}

fn text(parts: &Parts) -> String {
    String::from_utf8(parts.concat()).unwrap()
}

fn values<'a>(lines: &'a [Line], label: &str, text: &str) -> Vec<&'a Line> {
    lines
        .iter()
        .filter(|line| line.1.get(label).is_some_and(|has| has == text))
        .collect()
}

#[test]
fn every_metric_of_the_table_is_on_the_page_and_no_other() {
    let mut board = (*fixture::board()).clone();
    board.firing.push(fixture::alert());
    let fired = (
        fixture::key("fraud", "7").model,
        Severity::Warning,
        Change::Fired,
    );
    board.alert_totals.insert(fired, 1);
    let families = parse(&page(&board, 1_000));
    let exported: BTreeSet<&str> = families
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("process_"))
        .collect();
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(exported, known);
    assert_eq!(known.len(), METRICS.len(), "a metric is in the table twice");
    for metric in METRICS {
        for (_, labels, _) in &families[metric.name] {
            let names: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
            assert_eq!(
                names,
                metric.labels.iter().copied().collect(),
                "{}",
                metric.name
            );
        }
    }
    assert!(families.contains_key("process_resident_memory_bytes"));
}

#[test]
fn values_are_those_of_the_board() {
    let board = fixture::board();
    let families = parse(&page(&board, 1_000));
    let one = |name: &str| families[name].first().unwrap().2;
    let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-9, "{value}");
    near(one("driftd_records_total"), 1251.0);
    near(one("driftd_rows_total"), 1250.0);
    near(one("driftd_records_lost_total"), 3.0);
    near(
        values(
            &families["driftd_records_rejected_total"],
            "reason",
            "malformed",
        )[0]
        .2,
        1.0,
    );
    near(
        values(
            &families["driftd_state_records_total"],
            "result",
            "superseded",
        )[0]
        .2,
        1.0,
    );
    near(one("driftd_consumer_lag_records"), 2.0);
    let event_time = board.watermark.unwrap().as_seconds();
    near(one("driftd_event_timestamp_seconds"), event_time);
    near(
        one("driftd_state_timestamp_seconds"),
        board.log_time.as_seconds(),
    );
    let left_out = real(board.left_out.len() as u64);
    near(one("driftd_partitions_left_out"), left_out);
    assert_eq!(families["driftd_partition_stopped"].len(), 1);
    assert_eq!(families["driftd_watermark_timestamp_seconds"].len(), 1);
    // 4 series of 2 windows against 2 references, and 4 of 2 of the idle one against 1
    assert_eq!(families["driftd_psi"].len(), 16);
    assert_eq!(families["driftd_ks_distance"].len(), 8);
    let info = values(&families["driftd_model_info"], "model", "idle");
    assert_eq!(info[0].1["reference"], "training");
    let closed = &board.closed[&fixture::key("fraud", "7")][0];
    let rows = values(&families["driftd_window_rows"], "model", "fraud");
    near(rows[0].2, real(closed.window.rows));
    let drifted = closed.scores.iter().find(|one| one.series == 0).unwrap();
    let psi = values(&families["driftd_psi"], "series", "amount");
    near(psi[0].2, drifted.scores.as_ref().unwrap().psi);
}

#[test]
fn a_log_in_which_nothing_stands_has_no_time() {
    let mut board = Board::clone(&fixture::board());
    (board.position, board.watermark) = (0, None);
    let families = parse(&page(&board, 1_000));
    for time in [
        "driftd_event_timestamp_seconds",
        "driftd_state_timestamp_seconds",
    ] {
        assert!(!families.contains_key(time), "{time}");
    }
    assert!(families.contains_key("driftd_partitions_left_out"));
}

#[test]
fn a_model_version_says_what_it_learns() {
    let mut board = Board::clone(&fixture::board());
    for model in board.models.values_mut() {
        let model = Arc::make_mut(model);
        let has_reference = model.references.judge().is_some();
        (model.learned, model.learning) = (has_reference, !has_reference);
    }
    let families = parse(&page(&board, 1_000));
    let of = |model: &str| {
        let learning = values(&families["driftd_model_learning"], "model", model)[0].2;
        let info = values(&families["driftd_model_info"], "model", model)[0];
        (info.1["reference"].clone(), learning > 0.0)
    };
    assert_eq!(of("fraud"), ("learned".to_owned(), false));
    assert_eq!(of(HOSTILE), ("none".to_owned(), true));
}

#[test]
fn whatever_names_are_the_page_can_be_read() {
    let families = parse(&page(&fixture::board(), 1_000));
    let lines = values(&families["driftd_window_rows"], "model", HOSTILE);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].1["version"], HOSTILE);
}

#[test]
fn before_the_log_is_folded_there_is_only_what_this_instance_knows() {
    let mut page = Page::new(SurfaceLimits {
        metric_series_max: 9,
    });
    let families = parse(&text(&page.render(None, &local())));
    let names: Vec<_> = families
        .keys()
        .filter(|name| !name.starts_with("process_"))
        .collect();
    assert_eq!(
        names,
        [
            "driftd_build_info",
            "driftd_consumer_lag_records",
            "driftd_dead_letters_failed_total",
            "driftd_fold_lag_records",
            "driftd_journal_append_errors_total",
            "driftd_journal_diverged",
            "driftd_journal_entries_total",
            "driftd_journal_unwritten_entries",
            "driftd_partition_stopped",
            "driftd_ready",
            "driftd_snapshot_errors_total",
            "driftd_snapshot_timestamp_seconds",
            "driftd_spilled_bytes",
            "driftd_state_append_errors_total",
            "driftd_webhook_failures_total",
            "driftd_webhook_undelivered_age_seconds",
        ]
    );
    assert!(families["driftd_ready"][0].2.abs() < 1e-9);
}

/// What is not said before the log is folded comes from it, and is the same on all instances.
#[test]
fn what_an_instance_alone_knows_is_not_the_same_on_all() {
    let mut page = Page::new(SurfaceLimits {
        metric_series_max: 9,
    });
    let families = parse(&text(&page.render(None, &local())));
    for metric in METRICS {
        let is_local = families.contains_key(metric.name);
        let is_of_log = matches!(metric.join(), Join::Same | Join::Shard);
        assert_eq!(!is_of_log, is_local, "{}", metric.name);
        let is_sum = metric.join() == Join::Sum;
        assert!(
            !is_sum || is_local,
            "{} counts every event once an instance",
            metric.name
        );
    }
}

#[test]
fn the_worst_series_are_kept_and_the_others_counted() {
    let families = parse(&page(&fixture::board(), 3));
    assert_eq!(families["driftd_psi"].len(), 3);
    // 24 score series: with 3 kept, 21 are left out
    assert!((families["driftd_series_omitted"][0].2 - 21.0).abs() < 1e-9);
    let all = parse(&page(&fixture::board(), 1_000));
    let mut psi: Vec<f64> = all["driftd_psi_adjusted"]
        .iter()
        .map(|line| line.2)
        .collect();
    psi.sort_by(f64::total_cmp);
    let mut kept: Vec<f64> = families["driftd_psi_adjusted"]
        .iter()
        .map(|line| line.2)
        .collect();
    kept.sort_by(f64::total_cmp);
    assert_eq!(kept, psi[psi.len() - 3..]);
}

#[test]
fn scores_are_rendered_again_only_when_windows_close_and_go_with_their_series() {
    let mut log = Log::new();
    log.rows("2026-11-23T10:00:00Z", "2026-11-23T12:05:00Z");
    let mut page = Page::new(SurfaceLimits {
        metric_series_max: 1_000,
    });
    let first = page.scores.of(&log.board(true)).as_ptr();
    let same = log.board(true);
    assert_eq!(page.scores.of(&same).as_ptr(), first);
    let mut gone = Board::clone(&same);
    gone.closed.clear();
    assert!(!text(&[Bytes::new(), page.scores.of(&gone)]).contains("driftd_psi{"));
    let families = parse(&text(&page.render(Some(&gone), &local())));
    assert!(!families.contains_key("driftd_window_rows"));
}
