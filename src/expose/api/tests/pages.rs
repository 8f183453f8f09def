//! Pages through a socket: that they are there, that nothing of the data is read as anything but
//! text, and that forms do what they should for whom they should.

use std::cell::RefCell;
use std::sync::Mutex;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use proptest::prelude::*;

use super::*;
use crate::alert::episode::{Alert, Hand};
use crate::alert::mutes::Mutes;
use crate::clock::Clock;
use crate::config::Tokens;
use crate::decode::Value as Given;
use crate::key::{Carrier, ModelKey, Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::{Header, ReferenceRole};
use crate::statelog::record::{Command, CommandKind, Mute, Record};
use crate::testing;
use crate::time::{Length, Timestamp};

/// What an HTML parser makes of a page.
#[derive(Debug, Default)]
struct Read {
    tags: RefCell<Vec<Tag>>,
    text: RefCell<String>,
    errors: RefCell<Vec<String>>,
}

impl TokenSink for &Read {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => {
                let raw = tag.kind == html5ever::tokenizer::StartTag && &*tag.name == "style";
                self.tags.borrow_mut().push(tag);
                if raw {
                    return TokenSinkResult::RawData(RawKind::Rawtext);
                }
            }
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::ParseError(error) => self.errors.borrow_mut().push(error.to_string()),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Read {
    fn of(page: &str) -> Self {
        let read = Self::default();
        let tokenizer = Tokenizer::new(&read, TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(page));
        let _no_scripts = tokenizer.feed(&input);
        tokenizer.end();
        read
    }

    /// Its tags with the names of their attributes: all that is not data. Where a name may break
    /// depends on the name.
    fn bones(&self) -> Vec<String> {
        let tags = self.tags.borrow();
        let bone = |tag: &Tag| {
            let names: Vec<String> = tag
                .attrs
                .iter()
                .map(|one| one.name.local.to_string())
                .collect();
            format!("{:?} {} {names:?}", tag.kind, tag.name)
        };
        let of_all = tags
            .iter()
            .filter(|tag| &*tag.name != "wbr" || !tag.attrs.is_empty());
        of_all.map(bone).collect()
    }

    /// The values of an attribute.
    fn values(&self, name: &str) -> Vec<String> {
        let tags = self.tags.borrow();
        let attributes = tags.iter().flat_map(|tag| &tag.attrs);
        attributes
            .filter(|one| &*one.name.local == name)
            .map(|one| one.value.to_string())
            .collect()
    }
}

/// A board on which everything that strangers name is called so.
fn board_of(name: &'static str) -> Arc<Board> {
    let key = ModelKey::new(Name::new(name).unwrap(), Name::new(name).unwrap());
    let fields = |row: u32| {
        [
            (
                Role::Feature,
                name,
                Given::Text(if row.is_multiple_of(2) { name } else { "b" }),
            ),
            (Role::Feature, "x", Given::Number(f64::from(row % 17))),
        ]
    };
    let mut series = LooseSeries::new();
    for row in 0..200 {
        for (role, name, value) in fields(row) {
            let counts: &mut LooseCounts = series.entry((role, name.into())).or_default();
            counts.add(value, 3);
        }
    }
    let mut header = Header::new(
        key.model.clone(),
        key.version.clone(),
        ReferenceRole::Training,
    );
    header.rows = 600;
    let reference = learn(header, [600, 600, 0, 0], &series).unwrap();
    let mut log = testing::Log::new(fixture::config());
    let at = fixture::time("2026-11-23T10:00:00Z");
    log.append(at, testing::genesis(0));
    log.append(at, testing::activate(&reference));
    let mut worker = log.worker(0);
    for row in 0..130 {
        let at = at + Length::MINUTE.times(row.max(1));
        let (fields, carried) = (
            fields(row * row),
            testing::Event::new(name, at, &[]).carried,
        );
        let event = testing::Event {
            model: name,
            version: name,
            at,
            carried: carried.with(Carrier::Prediction),
            fields: &fields,
        };
        worker.add(&event);
    }
    log.count(at + Length::MINUTE.times(131), worker);
    let mut board = log.board();
    board.ready = true;
    fire(&mut board, name, key);
    Arc::new(board)
}

/// An alert, acknowledged, and a mute, with what is called so in all their texts.
fn fire(board: &mut Board, name: &'static str, key: ModelKey) {
    let at = fixture::time("2026-11-23T10:00:00Z");
    let hand = Hand {
        actor: name.into(),
        reason: name.into(),
        at,
    };
    let alert = Alert {
        id: "00c0ffee".into(),
        key,
        series: name.into(),
        sentence: format!("`{name}` moved, {name}").into(),
        peers: vec![name.into(), "x".into()],
        acknowledged: Some(Arc::new(hand.clone())),
        ..Alert::clone(&fixture::alert())
    };
    let mut mutes = Mutes::default();
    let mute = Mute {
        id: "m1".to_owned(),
        model: name.to_owned(),
        version: Some(name.to_owned()),
        series: Some(name.to_owned()),
        until: at + Length::DAY,
    };
    assert!(mutes.add(&mute, hand));
    board.firing = vec![Arc::new(alert)];
    board.mutes = mutes.list();
}

/// All pages of a board, in an order that does not depend on names.
fn pages_of(name: &str, server: &Server) -> Vec<Reply> {
    let encoded = segment(name).to_string();
    let version = format!("/models/{encoded}/versions/{encoded}");
    let paths = [
        "/".to_owned(),
        format!("{version}?window=1h"),
        format!("{version}/series/{encoded}?window=1h"),
        format!("{version}/series/x?window=6h"),
        format!("/alerts?model={encoded}"),
        "/alerts/00c0ffee".to_owned(),
        "/journal".to_owned(),
        "/status".to_owned(),
    ];
    let get = |path: &String| {
        let reply = server.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply
    };
    paths.iter().map(get).collect()
}

fn serve_board(name: &'static str) -> Server {
    let server = Server::start(Some(board_of(name)));
    let journal = Journal::default();
    let mut chain = Chain::default();
    for n in 0..11 {
        journal.add(chain.next(draft(n)));
    }
    server.shared.set_journal(journal);
    server
}

/// What may stand in a name, with everything that means something in HTML, attributes, URLs, SVG.
fn hostile() -> impl Strategy<Value = String> {
    let payloads = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "\"><svg onload=alert(1)>",
        "' onfocus='alert(1)' autofocus='",
        "javascript:alert(1)",
        "//evil.example/",
        "../../sign-out?x=",
        "</style><b>",
        "</title><textarea>",
        "&lt;b&gt;&#x3C;&amp;",
        "data:text/html,<b>",
        "a?b=c&d#e",
        "%3Cb%3E%00",
        "\u{202e}\u{feff}\u{2028}\u{e9}",
        "{{x}}${y}<%=z%>",
    ]);
    let any = "[<>&\"'=/ \\\\;:#?%{}()\\[\\]a-z0-9.\u{e9}\u{202e}|^-]{1,40}";
    prop_oneof![payloads.prop_map(str::to_owned), any.prop_map(|name| name)]
        .prop_filter("it is a name", |name| {
            Name::check(name).is_ok() && !["b", "x"].contains(&name.as_str())
        })
}

/// The names of a table of series may come in another order, which is no reading of them.
fn sorted(mut bones: Vec<String>) -> Vec<String> {
    bones.sort();
    bones
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The tags of a page with hostile names are those of the same page with a plain one, nothing
    /// in it is wrong to a parser of HTML, and no link leads anywhere but to us.
    #[test]
    fn no_name_is_read_as_anything_but_text(name in hostile()) {
        let plain = serve_board("plain");
        let expected = pages_of("plain", &plain);
        let name: &'static str = name.leak();
        let server = serve_board(name);
        for (page, expected) in pages_of(name, &server).iter().zip(&expected) {
            let (read, expected) = (Read::of(&page.body), Read::of(&expected.body));
            prop_assert_eq!(sorted(read.bones()), sorted(expected.bones()));
            prop_assert_eq!(&*read.errors.borrow(), &Vec::<String>::new());
            for attribute in ["href", "action", "src"] {
                for to in read.values(attribute) {
                    let inside = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
                    let known = to == "#main" || to.starts_with("data:image/svg+xml,");
                    prop_assert!(inside || known, "{}", to);
                }
            }
            let policy = page.header("content-security-policy").unwrap();
            let strict = policy.starts_with("default-src 'none'; style-src 'sha256-");
            prop_assert!(strict, "{}", policy);
        }
    }
}

/// Each page that a page leads to is there, whatever the names.
#[test]
fn links_lead_somewhere() {
    for name in ["plain", HOSTILE] {
        let server = serve_board(name);
        for page in pages_of(name, &server) {
            for path in Read::of(&page.body).values("href") {
                let of_us = path.starts_with('/') && !path.contains("before=");
                // what the journal's fixture tells of is not on this board
                let fictional =
                    path.starts_with("/alerts/") && !path.starts_with("/alerts/00c0ffee");
                let told = path.starts_with("/models/fraud");
                if of_us && !fictional && !told {
                    assert_eq!(server.get(&path).status, 200, "{path}");
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_is_told_as_a_page() {
    let server = Server::start(Some(fixture::board()));
    for (path, status) in [
        ("/models/none/versions/1", 404),
        ("/models/fraud/versions/7?window=2h", 400),
        ("/models/fraud/versions/7?x=1", 400),
        ("/models/fraud/versions/7/series/none", 404),
        ("/alerts/none", 404),
        ("/sign-in", 403),
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, status, "{path}");
        assert!(
            reply.body.starts_with("<!DOCTYPE html>"),
            "{path}: {}",
            reply.body
        );
        assert!(
            reply
                .header("content-security-policy")
                .is_some_and(|it| it.contains("sha256-"))
        );
    }
    let browser = "GET /none HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let reply = server.send(browser);
    assert_eq!(
        (reply.status, reply.body.contains("<h1>No such path</h1>")),
        (404, true)
    );
    let api = server.get("/api/v1/models");
    let bare = Some("default-src 'none'; frame-ancestors 'none'");
    assert_eq!(api.header("content-security-policy"), bare);
    for page in [api, server.get("/")] {
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
    }
}

const OPERATE: &str = "ann-0123456789abcd";
const READ: &str = "grafana-0123456789";

/// A server with tokens, and the commands that were appended.
struct Desk {
    server: Server,
    appended: Arc<Mutex<Vec<Command>>>,
}

impl Desk {
    fn start(open_reads: bool) -> Self {
        let mut board = Board::clone(&fixture::board());
        board.firing = vec![Arc::new(Alert {
            series: "amount".into(),
            ..Alert::clone(&fixture::alert())
        })];
        let board = Arc::new(board);
        let server = Server::start(Some(Arc::clone(&board)));
        let tokens = format!("operate ann {OPERATE}\nread grafana {READ}");
        let tokens = Tokens::parse(&tokens).unwrap();
        server.shared.set_tokens(Some(tokens), open_reads);
        let appended = Arc::new(Mutex::new(Vec::new()));
        server.shared.set_commands(Clock, {
            let (appended, shared) = (Arc::clone(&appended), Arc::downgrade(&server.shared));
            move |record| {
                if let Record::Command(command) = record {
                    appended.lock().unwrap().push(command.clone());
                    shared.upgrade().unwrap().publish(after(&board, command));
                }
                Ok(())
            }
        });
        Self { server, appended }
    }

    fn post(&self, path: &str, fields: &str, body: &str) -> Reply {
        let length = body.len();
        self.server.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\
             \r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    fn get(&self, path: &str, cookie: &str) -> Reply {
        self.server.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Signs in; the cookie, and what forms carry.
    fn sign_in(&self, token: &str) -> (String, String) {
        let body = format!("token={token}&to=%2Falerts");
        let reply = self.post("/sign-in", OWN, &body);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some("/alerts"))
        );
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = self.get("/alerts/00c0ffee", &cookie);
        assert_eq!(page.status, 200);
        let read = Read::of(&page.body);
        let hidden = read.values("value").into_iter().find(|one| one.len() == 64);
        (cookie, hidden.unwrap())
    }
}

/// What the fold would make of a command, as far as a form waits for it.
fn after(board: &Board, command: &Command) -> Arc<Board> {
    let mut board = board.clone();
    let hand = Hand {
        actor: command.actor.as_str().into(),
        reason: command.reason.as_str().into(),
        at: command.at,
    };
    match &command.kind {
        CommandKind::Acknowledge { .. } => {
            board.firing = vec![Arc::new(Alert {
                acknowledged: Some(Arc::new(hand)),
                ..Alert::clone(&board.firing[0])
            })];
        }
        CommandKind::Mute(mute) => {
            let at = board.log_time;
            let mut mutes = Mutes::default();
            assert!(mutes.add(mute, Hand { at, ..hand }));
            board.mutes = mutes.list();
        }
        _ => {}
    }
    Arc::new(board)
}

/// What browsers send with a form of ours.
const OWN: &str = "Sec-Fetch-Site: same-origin\r\nOrigin: http://x\r\n";

#[test]
fn an_operator_acts_by_forms() {
    let desk = Desk::start(false);
    let (cookie, csrf) = desk.sign_in(OPERATE);
    let fields = format!("Cookie: {cookie}\r\n{OWN}");
    for (form, body, done) in [
        ("acknowledge", "reason=so", "acknowledged"),
        ("mute", "reason=so&scope=series&length=4h", "muted"),
        (
            "baseline",
            "reason=so&from=&to=2026-11-23T11%3A00%3A00Z",
            "accepted",
        ),
    ] {
        let path = format!("/alerts/00c0ffee/{form}");
        let reply = desk.post(&path, &fields, &format!("csrf={csrf}&{body}"));
        let to = format!("/alerts/00c0ffee?done={done}");
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some(&*to)),
            "{}",
            reply.body
        );
        assert_eq!(desk.get(&to, &cookie).status, 200);
    }
    let given: Vec<Command> = desk.appended.lock().unwrap().drain(..).collect();
    assert!(
        given
            .iter()
            .all(|one| (&*one.actor, &*one.reason) == ("ann", "so"))
    );
    let until = fixture::board().log_time + Length::HOUR.times(4);
    let [acknowledged, muted, accepted] = given.map_kinds();
    let alert = "00c0ffee".to_owned();
    assert_eq!(acknowledged, CommandKind::Acknowledge { alert });
    let CommandKind::Mute(mute) = muted else {
        panic!("{muted:?}")
    };
    assert_eq!(
        (&*mute.model, mute.version.as_deref()),
        ("fraud", Some("7"))
    );
    assert_eq!(
        (mute.series.as_deref(), mute.until),
        (Some("amount"), until)
    );
    let time = |clock: &str| -> Timestamp { fixture::time(&format!("2026-11-23T{clock}:00Z")) };
    let (from, to) = (time("05:00"), time("11:00"));
    let key = fixture::key("fraud", "7");
    assert_eq!(accepted, CommandKind::AcceptBaseline { key, from, to });
    // signing out forgets the cookie
    let reply = desk.post("/sign-out", &fields, &format!("csrf={csrf}"));
    assert!(
        reply
            .header("set-cookie")
            .unwrap()
            .starts_with("driftd_session=; ")
    );
}

trait MapKinds {
    fn map_kinds(self) -> [CommandKind; 3];
}

impl MapKinds for Vec<Command> {
    fn map_kinds(self) -> [CommandKind; 3] {
        let kinds: Vec<CommandKind> = self.into_iter().map(|one| one.kind).collect();
        kinds.try_into().unwrap()
    }
}

#[test]
fn forms_of_others_do_nothing() {
    let desk = Desk::start(false);
    let (cookie, csrf) = desk.sign_in(OPERATE);
    let (reader, readers) = desk.sign_in_reader();
    let path = "/alerts/00c0ffee/acknowledge";
    let with = |cookie: &str, origin: &str| format!("Cookie: {cookie}\r\n{origin}");
    let body = |csrf: &str| format!("csrf={csrf}&reason=so");
    let elsewhere = "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil\r\n";
    for (fields, body, status) in [
        (with(&cookie, elsewhere), body(&csrf), 403),
        (with(&cookie, ""), body(&csrf), 403),
        (with(&cookie, OWN), body(""), 403),
        (with(&cookie, OWN), body(&readers), 403),
        (with(&reader, OWN), body(&readers), 403),
        (with("driftd_session=1.2.3", OWN), body(&csrf), 303),
        (with(&cookie, OWN), format!("csrf={csrf}&reason=+"), 400),
        (
            with(&cookie, OWN),
            format!("csrf={csrf}&reason=so&x=1"),
            400,
        ),
    ] {
        let reply = desk.post(path, &fields, &body);
        assert_eq!(reply.status, status, "{fields} {body}: {}", reply.body);
    }
    // a cookie is no leave to command by JSON
    let json = r#"{"reason":"so"}"#;
    let reply = desk.server.send(&format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n{OWN}Content-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
        json.len()
    ));
    assert_eq!(reply.status, 401);
    // signing in from elsewhere, or with a wrong token, gives no cookie
    for (fields, token, status) in [(elsewhere, OPERATE, 403), (OWN, "wrong", 200)] {
        let reply = desk.post("/sign-in", fields, &format!("token={token}&to=/"));
        assert_eq!((reply.status, reply.header("set-cookie")), (status, None));
    }
    assert!(desk.appended.lock().unwrap().is_empty());
}

impl Desk {
    /// One who may only read sees no forms but the one to sign out.
    fn sign_in_reader(&self) -> (String, String) {
        let (cookie, csrf) = self.sign_in(READ);
        let page = self.get("/alerts/00c0ffee", &cookie);
        assert_eq!(Read::of(&page.body).values("action"), ["/sign-out"]);
        (cookie, csrf)
    }
}

#[test]
fn pages_ask_for_a_token_where_reading_needs_one() {
    let closed = Desk::start(false);
    let reply = closed.server.get("/models/a%2Fb/versions/7?window=1h");
    let to = "/sign-in?to=%2Fmodels%2Fa%252Fb%2Fversions%2F7%3Fwindow=1h";
    assert_eq!((reply.status, reply.header("location")), (303, Some(to)));
    assert_eq!(closed.server.get(to).status, 200);
    assert_eq!(closed.server.problem("/api/v1/models").0, 401);
    let (cookie, _) = closed.sign_in(READ);
    for path in ["/", "/api/v1/models"] {
        assert_eq!(closed.get(path, &cookie).status, 200, "{path}");
    }
    let open = Desk::start(true);
    for path in ["/", "/api/v1/models", "/metrics"] {
        assert_eq!(open.server.get(path).status, 200, "{path}");
    }
    assert_eq!(open.server.problem("/api/v1/none").0, 404);
}
