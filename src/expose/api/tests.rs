//! The surface through a socket: shapes, encodings, and what is said when something is wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::OPENAPI;
use crate::board::Board;
use crate::config::SurfaceLimits;
use crate::expose::fixture::{self, HOSTILE, Log};
use crate::expose::query::{path_of, segment};
use crate::expose::{ExposeError, PartitionView, Shared, bind, serve};
use crate::journal::fixture::draft;
use crate::journal::ledger::NEWEST_MAX;
use crate::journal::{self, Chain, Journal, Line};
use crate::key::Shard;
use crate::reference::artifact;

mod openapi;
mod orders;
mod pages;

/// A server with a runtime of its own.
struct Server {
    runtime: Runtime,
    at: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<JoinHandle<Result<(), ExposeError>>>,
}

/// What came back.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The answer, with numbers rounded for snapshots.
    fn json(&self) -> Value {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, Some("application/json"))
        );
        rounded(serde_json::from_str(&self.body).unwrap())
    }

    /// The problem's type and detail.
    fn problem(&self) -> (String, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let document: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert!(
            document["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        let text = |member: &str| document[member].as_str().unwrap().to_owned();
        let kind = text("type");
        (
            kind.strip_prefix("urn:driftd:problem:").unwrap().to_owned(),
            text("detail"),
        )
    }
}

fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.4e}", number.as_f64().unwrap());
            text.parse::<f64>().unwrap().into()
        }
        Value::Array(all) => all.into_iter().map(rounded).collect(),
        Value::Object(all) => all
            .into_iter()
            .map(|(name, value)| (name, rounded(value)))
            .collect(),
        other => other,
    }
}

impl Server {
    fn start(board: Option<Arc<Board>>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(bind(([127, 0, 0, 1], 0).into())).unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::new(SurfaceLimits {
            metric_series_max: 100,
        }));
        if let Some(board) = board {
            shared.publish(board);
        }
        shared.set_source(|| {
            vec![PartitionView {
                topic: "events".to_owned(),
                partition: 0,
                assigned: true,
                position: 1254,
                high: Some(1260),
                lag: Some(6),
                at_end: false,
                stopped: None,
            }]
        });
        let (stop, stopped) = oneshot::channel();
        let ended = runtime.spawn(serve(listener, None, Arc::clone(&shared), async {
            drop(stopped.await);
        }));
        Self {
            runtime,
            at,
            shared,
            stop: Some(stop),
            ended: Some(ended),
        }
    }

    fn get(&self, path: &str) -> Reply {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
    }

    fn send(&self, request: &str) -> Reply {
        let text = String::from_utf8(self.receive(request)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn receive(&self, request: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn problem(&self, path: &str) -> (u16, String, String) {
        let reply = self.get(path);
        let (kind, detail) = reply.problem();
        (reply.status, kind, detail)
    }
}

const FRAUD: &str = "/api/v1/models/fraud/versions/7";

#[test]
fn health_is_told_before_and_after_the_log_is_folded() {
    let server = Server::start(None);
    assert_eq!(server.get("/-/healthy").status, 200);
    let (status, kind, detail) = server.problem("/-/ready");
    assert_eq!((status, kind.as_str()), (503, "not-ready"));
    assert!(detail.contains("not folded yet"), "{detail}");
    let mut log = Log::new();
    server.shared.publish(log.board(false));
    let reply = server.get("/-/ready");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("5"))
    );
    assert!(
        reply.problem().1.contains("position 5 so far"),
        "{}",
        reply.body
    );
    assert_eq!(server.problem("/api/v1/models").1, "not-ready");
    assert_eq!(server.problem("/api/v1/journal").1, "not-ready");
    assert!(server.get("/metrics").body.contains("driftd_ready 0\n"));
    insta::assert_json_snapshot!("status_before_ready", server.get("/api/v1/status").json());
    server.shared.publish(log.board(true));
    assert_eq!(server.get("/-/ready").status, 200);
}

#[test]
fn metrics_are_in_the_text_format() {
    let server = Server::start(Some(fixture::board()));
    let reply = server.get("/metrics");
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(reply.body.contains("# TYPE driftd_psi gauge\n"));
    assert!(reply.body.contains("driftd_ready 1\n"));
}

#[test]
fn answers_have_their_shapes() {
    let server = Server::start(Some(fixture::board()));
    insta::assert_json_snapshot!("models", server.get("/api/v1/models").json());
    insta::assert_json_snapshot!("status", server.get("/api/v1/status").json());
    let scores = server.get(&format!("{FRAUD}/scores?window=1h&reference=training"));
    insta::assert_json_snapshot!("scores", scores.json());
    let series = server.get(&format!(
        "{FRAUD}/series/country?window=1h&reference=training"
    ));
    insta::assert_json_snapshot!("series_categorical", series.json());
    let mut series = server
        .get(&format!("{FRAUD}/series/amount?window=1h"))
        .json();
    let histogram = series["histogram"].as_array_mut().unwrap();
    histogram.drain(4..histogram.len() - 3);
    insta::assert_json_snapshot!("series_numeric", series);
    insta::assert_json_snapshot!(
        "series_loose",
        server.get(&format!("{FRAUD}/series/extra")).json()
    );
    let history = server.get(&format!(
        "{FRAUD}/series/amount/history?from=2026-11-23T11:30:00Z"
    ));
    insta::assert_json_snapshot!("history", history.json());
}

/// The board of `fraud`, as the shard has it that `fraud` is in, or as another one.
fn of_two(is_home: bool) -> Board {
    let first: Shard = "1/2".parse().unwrap();
    let home = first.home(&fixture::key("fraud", "7").model);
    let shard = first.all().find(|shard| (*shard == home) == is_home);
    Board {
        shard: shard.unwrap(),
        ..(*fixture::board()).clone()
    }
}

#[test]
fn a_model_of_another_shard_is_misdirected() {
    let (home, other) = (of_two(true).shard.to_string(), of_two(false));
    let server = Server::start(Some(Arc::new(other)));
    for path in [
        format!("{FRAUD}/scores"),
        format!("{FRAUD}/series/amount"),
        format!("{FRAUD}/series/amount/history"),
        format!("{FRAUD}/reference"),
        "/api/v1/models/fraud/versions/never/scores".to_owned(),
        "/api/v1/alerts?model=fraud".to_owned(),
    ] {
        let reply = server.get(&path);
        let (kind, detail) = reply.problem();
        assert_eq!(
            (reply.status, kind.as_str()),
            (421, "other-shard"),
            "{path}"
        );
        let document: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(document["shard"], home.as_str());
        assert!(detail.contains(&format!("shard {home}")), "{detail}");
    }
    let page = server.get("/models/fraud/versions/7");
    assert_eq!(page.status, 421);
    assert!(
        page.body.contains(&format!("shard {home}")),
        "{}",
        page.body
    );
}

#[test]
fn lists_and_pages_say_of_which_shard_they_are() {
    let board = of_two(true);
    let shard = board.shard.to_string();
    let server = Server::start(Some(Arc::new(board)));
    for path in ["/api/v1/models", "/api/v1/alerts", "/api/v1/status"] {
        assert_eq!(server.get(path).json()["shard"], shard.as_str(), "{path}");
    }
    let shards = server.get("/api/v1/status").json()["shards"].clone();
    assert_eq!(
        shards,
        serde_json::json!([{"shard": "1/2"}, {"shard": "2/2"}])
    );
    for path in ["/", "/status"] {
        let page = server.get(path).body;
        assert!(page.contains(&shard), "{path}: {page}");
    }
    let metrics = server.get("/metrics").body;
    let line = format!("driftd_shard_info{{shard=\"{shard}\"}} 1\n");
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn a_reference_is_given_as_the_artifact_that_it_is() {
    let board = fixture::board();
    let server = Server::start(Some(Arc::clone(&board)));
    let references = &board.models[&fixture::key("fraud", "7")].references;
    for (role, expected) in [
        ("", &references.baseline),
        ("?role=baseline", &references.baseline),
        ("?role=training", &references.training),
    ] {
        let request = format!("GET {FRAUD}/reference{role} HTTP/1.0\r\nHost: x\r\n\r\n");
        let reply = server.receive(&request);
        let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let reference = artifact::from_bytes(&reply[end.unwrap() + 4..]).unwrap();
        assert_eq!(&reference, &**expected.as_ref().unwrap());
    }
    let idle = "/api/v1/models/idle/versions/1/reference?role=baseline";
    assert_eq!(
        server.problem(idle),
        (
            404,
            "unknown-reference".to_owned(),
            "model version `idle@1` has no baseline reference; it has training".to_owned()
        )
    );
    let (status, kind, _) = server.problem(&format!("{FRAUD}/reference?role=both"));
    assert_eq!((status, kind.as_str()), (400, "bad-parameter"));
}

#[test]
fn what_a_model_version_is_compared_with_is_its_state() {
    let mut board = Board::clone(&fixture::board());
    let server = Server::start(None);
    let mut states = |learned: bool, learning: bool| -> Vec<String> {
        for model in board.models.values_mut() {
            let model = Arc::make_mut(model);
            (model.learned, model.learning) = (learned, learning);
        }
        server.shared.publish(Arc::new(board.clone()));
        let models = server.get("/api/v1/models").json();
        let models = models["models"].as_array().unwrap();
        let state = |model: &Value| model["state"].as_str().unwrap().to_owned();
        models.iter().map(state).collect()
    };
    assert_eq!(
        states(false, false),
        ["no reference", "monitored", "monitored"]
    );
    assert_eq!(states(true, true), ["learning", "learned", "learned"]);
}

#[test]
fn the_counts_of_a_series_add_up() {
    let server = Server::start(Some(fixture::board()));
    for name in ["amount", "country", "vip", "prediction", "extra"] {
        let series = server
            .get(&format!("{FRAUD}/series/{name}?window=1h"))
            .json();
        let sum = |bins: &Value, of: &str| -> u64 {
            bins.as_array()
                .unwrap()
                .iter()
                .filter_map(|bin| bin[of].as_u64())
                .sum()
        };
        let rows = series["rows"].as_u64().unwrap();
        assert_eq!(sum(&series["histogram"], "count"), rows, "{name}");
        if name != "extra" {
            let present =
                rows - series["missing"].as_u64().unwrap() - series["invalid"].as_u64().unwrap();
            assert_eq!(sum(&series["bins"], "count"), present, "{name}");
            assert_eq!(
                sum(&series["histogram"], "reference"),
                series["reference"]["rows"].as_u64().unwrap()
            );
            let psi: f64 = series["bins"]
                .as_array()
                .unwrap()
                .iter()
                .map(|bin| bin["contribution"].as_f64().unwrap())
                .sum();
            assert!((psi - series["scores"]["psi"].as_f64().unwrap()).abs() < 1e-3);
        }
    }
}

#[test]
fn history_and_series_say_the_same_of_a_window() {
    let server = Server::start(Some(fixture::board()));
    for name in ["amount", "vip", "extra"] {
        let history = server.get(&format!("{FRAUD}/series/{name}/history")).json();
        for point in history["history"].as_array().unwrap() {
            let end = point["end"].as_str().unwrap();
            let series = server
                .get(&format!("{FRAUD}/series/{name}?window=1h&at={end}"))
                .json();
            assert_eq!(series["window"]["end"], point["end"]);
            assert_eq!(series["rows"], point["rows"]);
            assert_eq!(series["scores"]["psi"], point["psi"]);
            assert_eq!(series["insufficient"], point["insufficient"]);
            assert_eq!(series["validity"]["complete"], point["complete"]);
        }
    }
}

#[test]
fn the_journal_is_answered_as_it_is_stored() {
    let server = Server::start(Some(fixture::board()));
    let journal = Journal::default();
    server.shared.set_journal(journal.clone());
    let body = |path: &str| {
        let reply = server.get(path);
        reply.json();
        reply.body
    };
    assert_eq!(body("/api/v1/journal"), "{\"journal\":[]}");
    let mut chain = Chain::default();
    for n in 0..5 {
        journal.add(chain.next(draft(n)));
    }
    let lines = journal::fixture::lines(5);
    let list = |lines: &[Line]| {
        let lines: Vec<&str> = lines.iter().map(|line| &*line.json).collect();
        lines.join(",")
    };
    let all = format!("{{\"journal\":[{}],\"oldest\":1}}", list(&lines));
    assert_eq!(body("/api/v1/journal"), all);
    let some = format!(
        "{{\"journal\":[{}],\"next\":3,\"oldest\":1}}",
        list(&lines[1..3])
    );
    assert_eq!(body("/api/v1/journal?after=1&limit=2"), some);
    assert_eq!(
        body("/api/v1/journal?after=5"),
        "{\"journal\":[],\"oldest\":1}"
    );
    assert_eq!(
        server.problem("/api/v1/journal?after=-1").1,
        "bad-parameter"
    );
}

#[test]
fn entries_that_are_not_kept_are_said_to_be_elsewhere() {
    let server = Server::start(Some(fixture::board()));
    let journal = Journal::default();
    server.shared.set_journal(journal.clone());
    let mut chain = Chain::default();
    for _ in 0..NEWEST_MAX + 2 {
        journal.add(chain.next(draft(6)));
    }
    let (status, kind, detail) = server.problem("/api/v1/journal?after=1");
    assert_eq!((status, kind.as_str()), (410, "journal-not-kept"));
    assert!(
        detail.contains("after=2") && detail.contains("driftd journal export"),
        "{detail}"
    );
    for path in ["/api/v1/journal?limit=1", "/api/v1/journal?limit=1&after=2"] {
        let page = server.get(path).json();
        assert_eq!((&page["oldest"], &page["next"]), (&3.into(), &3.into()));
        assert_eq!(page["journal"][0]["seq"], 3);
    }
}

#[test]
fn lists_go_on_where_they_stopped() {
    let server = Server::start(Some(fixture::board()));
    let entry = |entry: &Value| format!("{}/{}", entry["series"], entry["reference"]["role"]);
    for sort in ["impact", "name", "psi"] {
        let path = format!("{FRAUD}/scores?window=1h&sort={sort}");
        let whole = server.get(&path).json();
        let whole: Vec<_> = whole["scores"]
            .as_array()
            .unwrap()
            .iter()
            .map(entry)
            .collect();
        assert_eq!(whole.len(), 9);
        let mut pages = Vec::new();
        let mut after = String::new();
        loop {
            let page = server.get(&format!("{path}&limit=4&after={after}")).json();
            pages.extend(page["scores"].as_array().unwrap().iter().map(entry));
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = segment(next).to_string();
        }
        assert_eq!(pages, whole);
    }
    let first = server.get("/api/v1/models?limit=2").json();
    let after = segment(first["next"].as_str().unwrap()).to_string();
    let second = server
        .get(&format!("/api/v1/models?limit=2&after={after}"))
        .json();
    let of = |page: &Value| page["models"].as_array().unwrap().len();
    assert_eq!((of(&first), of(&second)), (2, 1));
    assert!(second["next"].is_null());
}

#[test]
fn scores_are_sorted_as_asked() {
    let server = Server::start(Some(fixture::board()));
    let names = |sort: &str| -> Vec<String> {
        let page = server.get(&format!(
            "{FRAUD}/scores?window=1h&reference=training&sort={sort}"
        ));
        let page = page.json();
        let entries = page["scores"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["series"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("name"),
        ["amount", "country", "extra", "prediction", "vip"]
    );
    assert_eq!(names("impact")[..2], ["country", "amount"]);
    assert_eq!(names("impact")[4], "extra");
}

#[test]
fn names_are_percent_decoded_once() {
    let server = Server::start(Some(fixture::board()));
    let path = path_of(&fixture::key(HOSTILE, HOSTILE));
    let reply = server.get(&format!("{path}/series/{}", segment(HOSTILE)));
    assert_eq!(reply.json()["series"], HOSTILE);
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let (status, kind, _) = server.problem("/api/v1/models/%ff/versions/1/scores");
    assert_eq!((status, kind.as_str()), (400, "bad-path"));
}

/// A path, in which `{}` is [`FRAUD`]; the status, the kind of problem and a part of what is said.
const WRONG: &[(&str, u16, &str, &str)] = &[
    ("/nothing?x=1", 404, "unknown-path", "`/nothing`"),
    (
        "/api/v1/models?windw=1h",
        400,
        "bad-parameter",
        "it takes: limit, after",
    ),
    (
        "/api/v1/models?limit=10001",
        400,
        "bad-parameter",
        "1 to 10000",
    ),
    (
        "/api/v1/models/fraud/versions/8/scores",
        404,
        "unknown-model",
        "/api/v1/models",
    ),
    (
        "{}/scores?window=2h",
        400,
        "unknown-window",
        "there are: 1h, 6h",
    ),
    (
        "{}/scores?window=x",
        400,
        "bad-parameter",
        "such as 30s, 5m, 6h or 7d",
    ),
    ("{}/scores?at=noon", 400, "bad-parameter", "RFC 3339"),
    (
        "{}/scores?sort=size",
        400,
        "bad-parameter",
        "impact, name, psi",
    ),
    (
        "{}/scores?after=zzz",
        400,
        "bad-parameter",
        "start without it",
    ),
    (
        "{}/scores?window=1h&at=2026-11-23T09:00:00Z",
        400,
        "not-kept",
        "from 2026-11-23T10:10:00Z to 2026-11-23T12:10:00Z",
    ),
    (
        "{}/series/none",
        404,
        "unknown-series",
        "/api/v1/models/fraud/versions/7/scores",
    ),
    (
        "{}/series/none/history",
        404,
        "unknown-series",
        "/scores?window=1h",
    ),
    (
        "{}/series/amount/history?step=15m",
        400,
        "bad-parameter",
        "multiple of 10m",
    ),
    (
        "/api/v1/models/idle/versions/1/scores?reference=baseline",
        404,
        "unknown-reference",
        "it has training",
    ),
];

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let server = Server::start(Some(fixture::board()));
    for &(path, status, kind, detail) in WRONG {
        let found = server.problem(&path.replace("{}", FRAUD));
        assert_eq!(
            (found.0, found.1.as_str()),
            (status, kind),
            "{path}: {}",
            found.2
        );
        assert!(found.2.contains(detail), "{path}: {}", found.2);
    }
}

#[test]
fn only_reading_is_allowed() {
    let server = Server::start(Some(fixture::board()));
    let reply = server.send(
        "POST /api/v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, Some("GET,HEAD"))
    );
    let (kind, detail) = reply.problem();
    assert_eq!(
        (kind.as_str(), detail.as_str()),
        (
            "wrong-method",
            "POST is not possible here; the header `Allow` says what is"
        )
    );
    let head = server.send("HEAD /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_request_has_bounds() {
    let server = Server::start(Some(fixture::board()));
    let long = server.problem(&format!("/api/v1/models?limit={}", "1".repeat(9_000)));
    assert_eq!((long.0, long.1.as_str()), (414, "uri-too-long"));
    let field = "y".repeat(40_000);
    let large = server.send(&format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {field}\r\nConnection: close\r\n\r\n"
    ));
    assert_eq!(
        (large.status, large.problem().0.as_str()),
        (431, "headers-too-large")
    );
}

#[test]
fn when_too_many_compute_the_next_one_is_told_to_come_back() {
    let server = Server::start(Some(fixture::board()));
    let held: Vec<_> =
        std::iter::from_fn(|| Arc::clone(&server.shared.compute).try_acquire_owned().ok())
            .collect();
    let (status, kind, _) = server.problem("/api/v1/models");
    assert_eq!((status, kind.as_str()), (503, "busy"));
    assert_eq!(server.get("/metrics").status, 200);
    drop(held);
    assert_eq!(server.get("/api/v1/models").status, 200);
}

#[test]
fn a_model_version_without_rows_says_so() {
    let server = Server::start(Some(fixture::board()));
    let scores = server.get("/api/v1/models/idle/versions/1/scores").json();
    assert_eq!(scores["rows"], 0);
    assert_eq!(
        scores["scores"][0]["insufficient"],
        "fewer than 5 values in the window"
    );
    assert!(scores["scores"][0]["scores"].is_null());
    let server = Server::start(Some(Log::new().board(true)));
    let found = server.problem("/api/v1/models/idle/versions/1/scores");
    assert_eq!((found.0, found.1.as_str()), (404, "no-time"));
}

#[test]
fn a_port_in_use_is_named_and_the_server_ends_when_told() {
    let mut server = Server::start(None);
    let error = server.runtime.block_on(bind(server.at)).unwrap_err();
    assert!(matches!(error, ExposeError::InUse(at) if at == server.at));
    assert!(error.to_string().contains("set `http.listen`"), "{error}");
    drop(server.stop.take());
    server
        .runtime
        .block_on(server.ended.take().unwrap())
        .unwrap()
        .unwrap();
    server.runtime.block_on(bind(server.at)).unwrap();
}
