//! Commands and tokens through a socket.

use std::sync::Mutex;

use super::*;
use crate::alert::episode::{Alert, Hand};
use crate::alert::mutes::{MUTES_MAX, Mutes};
use crate::clock::Clock;
use crate::config::Tokens;
use crate::statelog::AppendError;
use crate::statelog::record::{Command, CommandKind, Mute, Record};

const READ: &str = "grafana-0123456789";
const OPERATE: &str = "ann-0123456789abcd";
const BASELINE: &str = "/api/v1/models/fraud/versions/7/baseline";

fn hand() -> Hand {
    Hand {
        actor: "bob".into(),
        reason: "seen".into(),
        at: fixture::time("2026-11-23T12:00:00Z"),
    }
}

fn alert(id: &str, series: &str) -> Alert {
    Alert {
        id: id.into(),
        series: series.into(),
        sentence: format!("`{series}` moved").into(),
        ..Alert::clone(&fixture::alert())
    }
}

fn mute(id: &str, series: &str) -> Mute {
    Mute {
        id: id.to_owned(),
        model: "fraud".to_owned(),
        version: None,
        series: Some(series.to_owned()),
        until: fixture::time("2026-11-23T18:00:00Z"),
    }
}

/// The fixture's board, where `amount` and `country` fire and `country` is muted; `vip` fired.
fn board() -> Board {
    let mut board = Board::clone(&fixture::board());
    let mut mutes = Mutes::default();
    assert!(mutes.add(&mute("m1", "country"), hand()));
    let fired = Alert {
        resolved: Some(fixture::time("2026-11-23T12:05:00Z")),
        acknowledged: Some(Arc::new(hand())),
        ..alert("a3", "vip")
    };
    board.firing = vec![
        Arc::new(alert("a1", "amount")),
        Arc::new(alert("a2", "country")),
    ];
    board.resolved = vec![Arc::new(fired)];
    board.mutes = mutes.list();
    board.muted = Arc::new(["a2".into()].into());
    board
}

/// A server with tokens and commands, and what was appended.
struct Desk {
    server: Server,
    appended: Arc<Mutex<Vec<Record>>>,
}

impl Desk {
    fn start(board: Board) -> Self {
        let server = Server::start(Some(Arc::new(board)));
        let file = format!("read grafana {READ}\noperate ann {OPERATE}\n");
        let tokens = Tokens::parse(&file).unwrap();
        server.shared.set_tokens(Some(tokens), false);
        let appended = Arc::new(Mutex::new(Vec::new()));
        server.shared.set_commands(Clock, {
            let appended = Arc::clone(&appended);
            move |record| {
                appended.lock().unwrap().push(record.clone());
                Ok(())
            }
        });
        Self { server, appended }
    }

    fn get(&self, path: &str, token: &str) -> Reply {
        self.server.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n\r\n"
        ))
    }

    fn order(&self, method_and_path: &str, body: &str) -> Reply {
        let fields = format!("Authorization: Bearer {OPERATE}\r\nContent-Type: application/json");
        order(&self.server, method_and_path, &fields, body)
    }

    /// What is said of a command that is not appended.
    fn problem(&self, method_and_path: &str, body: &str) -> (u16, String, String) {
        let reply = self.order(method_and_path, body);
        assert!(self.appended.lock().unwrap().is_empty());
        let (kind, detail) = reply.problem();
        (reply.status, kind, detail)
    }

    /// The one command that was appended for it, and the answer to it.
    fn accepted(&self, method_and_path: &str, body: &str) -> (Command, Value) {
        let reply = self.order(method_and_path, body);
        assert_eq!(reply.status, 202, "{}", reply.body);
        let appended: Vec<Record> = self.appended.lock().unwrap().drain(..).collect();
        let [Record::Command(command)] = appended.as_slice() else {
            panic!("{appended:?}")
        };
        assert_eq!(
            (command.actor.as_str(), command.reason.as_str()),
            ("ann", "so")
        );
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            (&answer["actor"], &answer["reason"]),
            (&"ann".into(), &"so".into())
        );
        assert_eq!(answer["at"], command.at.to_string());
        (command.clone(), answer)
    }
}

fn order(server: &Server, method_and_path: &str, fields: &str, body: &str) -> Reply {
    let length = body.len();
    server.send(&format!(
        "{method_and_path} HTTP/1.1\r\nHost: x\r\n{fields}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    ))
}

#[test]
fn a_command_is_appended_and_answered() {
    let desk = Desk::start(board());
    for id in ["a1", "a3"] {
        let path = format!("POST /api/v1/alerts/{id}/acknowledge");
        let (command, answer) = desk.accepted(&path, r#"{"reason":"so"}"#);
        let alert = id.to_owned();
        assert_eq!(command.kind, CommandKind::Acknowledge { alert });
        assert_eq!(
            (&answer["command"], &answer["alert"]),
            (&"acknowledge".into(), &id.into())
        );
    }
    let body =
        r#"{"model":"fraud*","series":"amount","until":"2026-11-24T00:00:00Z","reason":"so"}"#;
    let (command, answer) = desk.accepted("POST /api/v1/mutes", body);
    let CommandKind::Mute(mute) = command.kind else {
        panic!("{command:?}")
    };
    assert_eq!((mute.model.as_str(), mute.version), ("fraud*", None));
    assert_eq!(mute.series.as_deref(), Some("amount"));
    assert_eq!(mute.until, fixture::time("2026-11-24T00:00:00Z"));
    assert_eq!((mute.id.len(), &answer["id"]), (12, &mute.id.into()));
    let (command, answer) = desk.accepted("DELETE /api/v1/mutes/m1", r#"{"reason":"so"}"#);
    let id = "m1".to_owned();
    assert_eq!(command.kind, CommandKind::Unmute { id });
    assert_eq!(answer["command"], "unmute");
}

/// By default the last closed window of the longest length: the watermark is 12:04.
#[test]
fn a_baseline_is_of_the_time_asked_for_or_of_the_last_window() {
    let desk = Desk::start(board());
    for (body, from, to) in [
        (r#"{"reason":"so"}"#, "06:00", "12:00"),
        (
            r#"{"to":"2026-11-23T11:00:00Z","reason":"so"}"#,
            "05:00",
            "11:00",
        ),
        (
            r#"{"from":"2026-11-23T10:00:00Z","reason":"so"}"#,
            "10:00",
            "12:00",
        ),
    ] {
        let (command, answer) = desk.accepted(&format!("POST {BASELINE}"), body);
        let [from, to] = [from, to].map(|time| format!("2026-11-23T{time}:00Z"));
        let kind = CommandKind::AcceptBaseline {
            key: fixture::key("fraud", "7"),
            from: fixture::time(&from),
            to: fixture::time(&to),
        };
        assert_eq!(command.kind, kind);
        assert_eq!((&answer["from"], &answer["to"]), (&from.into(), &to.into()));
    }
}

const ACKNOWLEDGE: &str = "POST /api/v1/alerts/a1/acknowledge";
const MUTES: &str = "POST /api/v1/mutes";

/// Method and path, body; status, type and a part of the detail. `{}` is the baseline's path.
const WRONG: &[(&str, &str, u16, &str, &str)] = &[
    (ACKNOWLEDGE, "", 400, "bad-body", "EOF while parsing"),
    (ACKNOWLEDGE, "{}", 400, "bad-body", "missing field `reason`"),
    (
        ACKNOWLEDGE,
        r#"{"reason":" "}"#,
        400,
        "bad-body",
        "`reason` is empty",
    ),
    (
        ACKNOWLEDGE,
        r#"{"reason":"a","b":1}"#,
        400,
        "bad-body",
        "unknown field `b`",
    ),
    (
        "POST /api/v1/alerts/a9/acknowledge",
        r#"{"reason":"a"}"#,
        404,
        "unknown-alert",
        "`a9`",
    ),
    (
        "DELETE /api/v1/mutes/m9",
        r#"{"reason":"a"}"#,
        404,
        "unknown-mute",
        "`m9`",
    ),
    (
        "DELETE /api/v1/mutes/m1?x=1",
        r#"{"reason":"a"}"#,
        400,
        "bad-parameter",
        "`x`",
    ),
    (
        MUTES,
        r#"{"model":"m","reason":"a"}"#,
        400,
        "bad-body",
        "missing field `until`",
    ),
    (
        MUTES,
        r#"{"model":"m","until":"soon","reason":"a"}"#,
        400,
        "bad-body",
        "`until`: ",
    ),
    (
        MUTES,
        r#"{"model":"m","until":"2026-11-23T12:05:00Z","reason":"a"}"#,
        400,
        "bad-body",
        "`until` is over: it is 2026-11-23T12:05:00Z",
    ),
    (
        MUTES,
        r#"{"model":"","until":"2026-11-24T00:00:00Z","reason":"a"}"#,
        400,
        "bad-body",
        "unusable model",
    ),
    (
        "POST {}",
        r#"{"from":"2026-11-23T12:00:00Z","reason":"a"}"#,
        400,
        "bad-body",
        "unusable range of time",
    ),
    (
        "POST /api/v1/models/fraud/versions/8/baseline",
        r#"{"reason":"a"}"#,
        404,
        "unknown-model",
        "no version `8`",
    ),
];

#[test]
fn what_is_wrong_with_a_command_is_said_and_nothing_is_appended() {
    let desk = Desk::start(board());
    for &(order, body, status, kind, detail) in WRONG {
        let found = desk.problem(&order.replace("{}", BASELINE), body);
        let told = format!("{order} {body}: {}", found.2);
        assert_eq!((found.0, found.1.as_str()), (status, kind), "{told}");
        assert!(found.2.contains(detail), "{told}");
    }
    let reason = |letters: usize| format!(r#"{{"reason":"{}"}}"#, "x".repeat(letters));
    let (status, kind, detail) = desk.problem(ACKNOWLEDGE, &reason(1_001));
    assert_eq!((status, kind.as_str()), (400, "bad-body"));
    assert!(detail.contains("unusable reason"), "{detail}");
    let (status, kind, detail) = desk.problem(ACKNOWLEDGE, &reason(40_000));
    assert_eq!((status, kind.as_str()), (413, "body-too-large"));
    assert!(detail.contains("more than 32768 bytes"), "{detail}");
}

#[test]
fn what_cannot_be_done_is_said_before_it_is_appended() {
    let desk = Desk::start(board());
    let (name, reason) = (segment(HOSTILE), r#"{"reason":"a"}"#);
    let order = format!("POST /api/v1/models/{name}/versions/{name}/baseline");
    let (status, kind, _) = desk.problem(&order, reason);
    assert_eq!((status, kind.as_str()), (409, "no-bins"));
    let mut board = board();
    board.mutes = vec![Arc::clone(&board.mutes[0]); MUTES_MAX];
    let desk = Desk::start(board);
    let body = r#"{"model":"m","until":"2026-11-24T00:00:00Z","reason":"a"}"#;
    let (status, kind, _) = desk.problem(MUTES, body);
    assert_eq!((status, kind.as_str()), (409, "too-many-mutes"));
}

#[test]
fn a_command_says_that_it_is_json() {
    let desk = Desk::start(board());
    let (path, body) = ("POST /api/v1/alerts/a1/acknowledge", r#"{"reason":"so"}"#);
    let token = format!("Authorization: Bearer {OPERATE}");
    for kind in [
        "",
        "\r\nContent-Type: text/plain",
        "\r\nContent-Type: application/jsonp",
    ] {
        let reply = order(&desk.server, path, &format!("{token}{kind}"), body);
        assert_eq!(
            (reply.status, reply.problem().0.as_str()),
            (415, "media-type")
        );
    }
    assert!(desk.appended.lock().unwrap().is_empty());
    let fields = format!("{token}\r\nContent-Type: Application/JSON; charset=utf-8");
    assert_eq!(order(&desk.server, path, &fields, body).status, 202);
}

#[test]
fn a_command_that_cannot_be_appended_is_not_accepted() {
    let desk = Desk::start(board());
    let path = "POST /api/v1/alerts/a1/acknowledge";
    desk.server
        .shared
        .set_commands(Clock, |_record| Err(AppendError::Full));
    let (status, kind, detail) = desk.problem(path, r#"{"reason":"so"}"#);
    assert_eq!((status, kind.as_str()), (503, "not-appended"));
    assert!(detail.contains("too many records wait"), "{detail}");
    let unfolded = Board {
        ready: false,
        ..board()
    };
    let desk = Desk::start(unfolded);
    let (status, kind, _) = desk.problem(path, r#"{"reason":"so"}"#);
    assert_eq!((status, kind.as_str()), (503, "not-ready"));
}

#[test]
fn without_tokens_all_may_read_and_nobody_may_command() {
    let server = Server::start(Some(Arc::new(board())));
    server.shared.set_commands(Clock, |_record| Ok(()));
    assert_eq!(server.get("/api/v1/alerts").status, 200);
    for path in [
        "POST /api/v1/alerts/a1/acknowledge",
        "POST /api/v1/mutes",
        "DELETE /api/v1/mutes/m1",
        &format!("POST {BASELINE}"),
    ] {
        let fields = format!("Authorization: Bearer {OPERATE}\r\nContent-Type: application/json");
        let reply = order(&server, path, &fields, r#"{"reason":"so"}"#);
        let (kind, detail) = reply.problem();
        assert_eq!((reply.status, kind.as_str()), (403, "no-tokens-file"));
        assert!(detail.contains("configure `http.tokens_file`"), "{detail}");
    }
}

#[test]
fn with_tokens_reading_needs_one_and_a_command_one_that_operates() {
    let desk = Desk::start(board());
    for path in ["/metrics", "/api/v1/alerts", "/api/v1/mutes", "/nothing"] {
        let reply = desk.server.get(path);
        assert_eq!(
            (reply.status, reply.problem().0.as_str()),
            (401, "no-token")
        );
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Bearer realm=\"driftd\"")
        );
        for token in ["", "grafana", "grafana-012345678", "ann"] {
            let reply = desk.get(path, token);
            assert_eq!(
                (reply.status, reply.problem().0.as_str()),
                (401, "wrong-token")
            );
        }
        let status = if path == "/nothing" { 404 } else { 200 };
        for token in [READ, OPERATE] {
            assert_eq!(desk.get(path, token).status, status, "{path}");
        }
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(desk.server.get(path).status, 200);
    }
    let fields = format!("Authorization: bearer {READ}\r\nContent-Type: application/json");
    let path = "DELETE /api/v1/mutes/m1";
    let reply = order(&desk.server, path, &fields, r#"{"reason":"so"}"#);
    let (kind, detail) = reply.problem();
    assert_eq!((reply.status, kind.as_str()), (403, "read-only"));
    assert!(
        detail.contains("`grafana`") && !reply.body.contains(READ),
        "{detail}"
    );
    assert!(desk.appended.lock().unwrap().is_empty());
}

#[test]
fn muted_and_acknowledged_alerts_are_shown_as_such_and_page_not() {
    let server = Server::start(Some(Arc::new(board())));
    let alerts = server.get("/api/v1/alerts").json();
    let marks = |place: usize| {
        let alert = &alerts["alerts"][place];
        (
            alert["id"].clone(),
            alert["muted"].clone(),
            alert["acknowledged"].clone(),
        )
    };
    assert_eq!(marks(0), ("a1".into(), Value::Null, Value::Null));
    assert_eq!(marks(1), ("a2".into(), true.into(), Value::Null));
    let by = serde_json::json!({"actor": "bob", "reason": "seen", "at": "2026-11-23T12:00:00Z"});
    assert_eq!(marks(2), ("a3".into(), Value::Null, by));
    let mutes = server.get("/api/v1/mutes").json();
    let expected = serde_json::json!({"mutes": [{
        "id": "m1",
        "model": "fraud",
        "series": "country",
        "until": "2026-11-23T18:00:00Z",
        "actor": "bob",
        "reason": "seen",
        "at": "2026-11-23T12:00:00Z",
    }]});
    assert_eq!(mutes, expected);
    let page = server.get("/metrics").body;
    for metric in ["driftd_alert_active{", "driftd_alert_info{"] {
        let lines: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with(metric))
            .collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("series=\"amount\""), "{lines:?}");
    }
}
