//! What is wrong with options and files, and what is said of it.

use ::arrow::array::Date32Array;

use super::*;

#[test]
fn columns_that_look_like_identifiers_are_all_named_at_once() {
    let mut text = "id,x,other\n".to_owned();
    for row in 0..=DISTINCT_MAX {
        writeln!(text, "i{row},1,o{row}").unwrap();
    }
    let (_dir, path) = file("a.csv", &text);
    let told = error(&request(vec![path.clone()]));
    assert!(
        told.starts_with("columns `id`, `other` with more than 1000000 distinct"),
        "{told}"
    );
    assert!(told.ends_with("--ignore id,other"), "{told}");
    let ignore = vec!["id".to_owned(), "other".to_owned()];
    let reference = build(
        &BuildRequest {
            ignore,
            ..request(vec![path])
        },
        &Quiet,
    )
    .unwrap();
    assert_eq!(reference.layout.series().len(), 1);
}

/// An option, and what is said of it.
type Case = (fn(&mut BuildRequest), &'static str);

#[test]
fn options_that_name_nothing_are_errors() {
    let (_dir, path) = file("a.csv", "a,b,ts\n1,x,0\n");
    let with = |change: fn(&mut BuildRequest)| {
        let mut request = request(vec![path.clone()]);
        change(&mut request);
        error(&request).replace(&path.display().to_string(), "F")
    };
    let cases: [Case; 9] = [
        (
            |r| r.ignore = vec!["c".into()],
            "--ignore names `c`, which is in no input file; there are a, b",
        ),
        (
            |r| r.private = vec!["c".into()],
            "--private names `c`, which is in no input file; there are a, b",
        ),
        (
            |r| r.prediction = Some("c".into()),
            "F: column `c` is not there; there are a, b, ts",
        ),
        (
            |r| r.time_column = Some("c".into()),
            "F: column `c` is not there; there are a, b, ts",
        ),
        (
            |r| r.time_column = Some("b".into()),
            "F: row 1 has `x`, no RFC 3339 time such as 2026-11-23T10:15:00Z, in the time column \
             `b`",
        ),
        (
            |r| r.ignore = vec!["a".into(), "b".into()],
            "there is no column or feature to count in the input files",
        ),
        (
            |r| r.timezone = Some("Mars".into()),
            "the rows do not make a reference; did a file change while it was read?: its time zone \
             `Mars` is not known",
        ),
        (|r| r.inputs.clear(), "there are no input files"),
        (
            |r| r.exclude = vec![(Timestamp::EPOCH, Timestamp::MAX)],
            "there are no rows in the input files",
        ),
    ];
    for (change, told) in cases {
        assert_eq!(with(change), told);
    }
    let (_dir, timeless) = file("b.csv", "a\n1\n");
    let exclude = vec![(Timestamp::EPOCH, Timestamp::MAX)];
    let request = BuildRequest {
        exclude,
        ..request(vec![timeless.clone()])
    };
    let told = format!(
        "{}: has no time column, so that no times can be excluded",
        timeless.display()
    );
    assert_eq!(error(&request), told);
}

#[test]
fn importances_are_numbers_from_0_on_of_series_that_there_are() {
    let (_dir, path) = file("a.csv", "a,b,ts\n1,x,0\n");
    for (json, told) in [
        (
            r#"{"a":0.5,"c":1}"#,
            "--importances names `c`, which is in no input file; there are a, b",
        ),
        (r#"{"a":-0.5}"#, "F: the importance of `a` is below 0"),
        (
            "[1]",
            "F: is no JSON object of numbers such as {\"amount\": 0.4}",
        ),
        (
            r#"{"a":null}"#,
            "F: is no JSON object of numbers such as {\"amount\": 0.4}",
        ),
    ] {
        let (_dir, importances) = file("i.json", json);
        let name = importances.display().to_string();
        let request = BuildRequest {
            importances: Some(importances),
            ..request(vec![path.clone()])
        };
        let error = error(&request).replace(&name, "F");
        assert!(error.starts_with(told), "{json}: {error}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = TempDir::new().unwrap();
    for (name, text, told) in [
        ("a.txt", "", "the format is told by the extension"),
        ("a.parquet", "not parquet", "is not readable as Parquet"),
        ("a.arrow", "not arrow", "is not readable as Arrow"),
        (
            "a.csv",
            "a,b\n1\n",
            "is not readable as CSV: CSV error: record 1 (line: 2, byte: 4)",
        ),
        ("b.csv", "a,a\n1,2\n", "column `a` is there twice"),
        (
            "c.csv",
            "a,\n1,2\n",
            "column `` cannot be a series (a name is empty)",
        ),
        ("a.jsonl", "", "there are no rows in the input files"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let error = error(&request(vec![path]));
        assert!(error.contains(told), "{name}: {error}");
    }
    let missing = error(&request(vec![dir.path().join("none.csv")]));
    assert!(missing.contains("none.csv: cannot be read"), "{missing}");
    let dates = Arc::new(Date32Array::from(vec![1])) as ArrayRef;
    let path = dir.path().join("d.parquet");
    let numbers = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    write_parquet(
        &path,
        &RecordBatch::try_from_iter([("day", dates), ("x", numbers)]).unwrap(),
    );
    let typed = error(&request(vec![path.clone()]));
    assert!(
        typed.contains("column `day` has type Date32, which is neither number"),
        "{typed}"
    );
    let timed = BuildRequest {
        time_column: Some("day".into()),
        ..request(vec![path])
    };
    assert!(
        error(&timed).contains("but a time is a timestamp"),
        "{}",
        error(&timed)
    );
}
