//! The task against a real receiver, a real state log and a fold of it.
//!
//! ```text
//! journal --Sender--> receiver      refuses, is down, comes back
//!    log <--marks--/ \--> fold      in a thread of its own
//! ```

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::config::Secret;
use crate::engine::Engine;
use crate::engine::Input;
use crate::fold;
use crate::journal::fixture::draft;
use crate::journal::{Chain, Event as What};
use crate::key::{ModelKey, Name};
use crate::statelog::{self, Read, Reader};
use crate::testing;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// What a receiver got: the event's id, its model, and which it was of that model.
type Got = (String, String, u64);

/// What a receiver does, and got.
#[derive(Debug, Default)]
struct Desk {
    got: Mutex<Vec<Got>>,
    /// Answers to give first.
    refusals: Mutex<Vec<u16>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(Shared(desk): Shared<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if let Some(status) = lock(&desk.refusals).pop() {
        return StatusCode::from_u16(status).unwrap();
    }
    let field = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(field("content-type"), MEDIA_TYPE);
    let body = String::from_utf8(body.to_vec()).unwrap();
    let (id, timestamp) = (field("webhook-id"), field("webhook-timestamp"));
    let timestamp: i64 = timestamp.parse().unwrap();
    assert!((Clock.now().as_millis() / 1000 - timestamp).abs() < 60);
    let signature = Secret::new(SECRET).unwrap().sign(&id, timestamp, &body);
    assert_eq!(field("webhook-signature"), signature);
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["id"], id.as_str());
    let model = event["data"]["model"].as_str().unwrap().to_owned();
    let seq = id.split('-').next().unwrap().parse().unwrap();
    lock(&desk.got).push((id, model, seq));
    StatusCode::NO_CONTENT
}

/// A receiver that is up until this is dropped.
async fn receiver(at: Option<SocketAddr>, desk: &Arc<Desk>) -> (SocketAddr, oneshot::Sender<()>) {
    let at = at.unwrap_or(([127, 0, 0, 1], 0).into());
    let listener = TcpListener::bind(at).await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = Router::new().fallback(receive).with_state(Arc::clone(desk));
    let (up, down) = oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            ended = axum::serve(listener, router) => ended.unwrap(),
            _ = down => {}
        }
    });
    (at, up)
}

/// A state log that is folded, and a journal.
struct World {
    journal: Journal,
    chain: Chain,
    appender: Appender,
    marks: Arc<Mutex<Arc<Marks>>>,
    chosen: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (state, kafka) = testing::embedded(dir.path());
        let (appender, reader) = statelog::open(&state, &kafka, Clock).unwrap();
        let marks = Arc::new(Mutex::new(Arc::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shown, told) = (Arc::clone(&marks), Arc::clone(&stop));
        thread::spawn(move || fold_all(reader, &shown, &told));
        Self {
            journal: Journal::default(),
            chain: Chain::default(),
            appender,
            marks,
            chosen: Arc::new(AtomicBool::new(true)),
            stop,
            _dir: dir,
        }
    }

    /// An alert of a model fires now.
    fn fire(&mut self, model: &str) {
        let mut draft = draft(0);
        draft.at = Clock.now();
        if let What::AlertFiring(alert) = &mut draft.event {
            alert.key = ModelKey::new(Name::new(model).unwrap(), Name::new("7").unwrap());
        }
        self.journal.add(self.chain.next(draft));
    }

    fn start(&self, at: SocketAddr) -> (Watch, JoinHandle<()>, watch::Sender<bool>) {
        let webhook = Webhook {
            name: "retrain".to_owned(),
            url: format!("http://user:word@{at}/hook?key=secret")
                .parse()
                .unwrap(),
            secret: Secret::new(SECRET).unwrap(),
            models: vec!["fraud*".to_owned()],
            severities: vec!["critical".to_owned()],
            events: vec!["alert.firing".to_owned()],
        };
        let (marks, chosen) = (Arc::clone(&self.marks), Arc::clone(&self.chosen));
        let doors = Doors {
            marks: Arc::new(move || Some(Arc::clone(&lock(&marks)))),
            is_chosen: Arc::new(move || chosen.load(Ordering::Relaxed)),
            journal: self.journal.clone(),
            begins_after: self.chain.seq,
            appender: self.appender.clone(),
            client: client().unwrap(),
            external_url: Some("https://driftd.example".into()),
            clock: Clock,
        };
        let (stop, stopping) = watch::channel(false);
        let (watch, task) = start(webhook, doors, stopping);
        (watch, task, stop)
    }

    fn mark(&self) -> Option<fold::webhooks::Mark> {
        lock(&self.marks).get("retrain").copied()
    }
}

fn fold_all(mut reader: Reader, shown: &Mutex<Arc<Marks>>, stop: &AtomicBool) {
    let mut engine = Engine::new(testing::config());
    while !stop.load(Ordering::Relaxed) {
        if let Read::Entry(entry) = reader.next(Duration::from_millis(20)).unwrap() {
            let record = fold::Input {
                position: entry.position,
                append_time: entry.append_time,
                digest: entry.digest,
                record: entry.record.unwrap(),
            };
            engine
                .handle(Input::Record(record), &mut Vec::new())
                .unwrap();
            *lock(shown) = Arc::clone(&engine.fold().webhooks);
        }
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = time::timeout(LONG, async {
        while !is_so() {
            time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// The entries that came first, of one model.
fn first(got: &[Got], model: &str) -> Vec<u64> {
    let mut first = Vec::new();
    for (_, _, seq) in got.iter().filter(|(_, of, _)| of == model) {
        if !first.contains(seq) {
            first.push(*seq);
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_happened_is_delivered_in_order_whatever_the_receiver_does() {
    let mut world = World::new();
    // history, of which a new webhook hears nothing
    world.fire("fraud");
    let desk = Arc::<Desk>::default();
    lock(&desk.refusals).extend([404, 503]);
    let (at, up) = receiver(None, &desk).await;
    let (watch, task, stop) = world.start(at);
    until("it begins", || {
        world.mark().is_some_and(|mark| mark.to == 1)
    })
    .await;
    for model in ["fraud", "fraud-eu", "other", "fraud"] {
        world.fire(model);
    }
    // a 503 and a 404 first, then all of them
    until("three are taken", || lock(&desk.got).len() == 3).await;
    until("it is told", || {
        world.mark().is_some_and(|mark| mark.to == 5)
    })
    .await;
    assert_eq!(watch.read().failures, 2);
    assert!(watch.read().age_seconds.abs() < 1e-9);

    drop(up);
    for model in ["fraud", "fraud-eu"] {
        world.fire(model);
    }
    until("it fails", || watch.read().failures > 3).await;
    assert!(watch.read().age_seconds > 0.0);
    // another instance goes on where the log says that this one was
    stop.send_replace(true);
    task.await.unwrap();
    let (_up_to_the_end, again) = (receiver(Some(at), &desk).await, world.start(at));
    until("all are taken", || lock(&desk.got).len() >= 5).await;
    until("it is told", || {
        world
            .mark()
            .is_some_and(|mark| (mark.to, mark.delivered, mark.given_up) == (7, 5, 0))
    })
    .await;
    let got = lock(&desk.got).clone();
    assert_eq!(first(&got, "fraud"), [2, 5, 6]);
    assert_eq!(first(&got, "fraud-eu"), [3, 7]);
    assert_eq!(first(&got, "other"), [0_u64; 0]);

    // one that is no longer chosen is silent
    world.chosen.store(false, Ordering::Relaxed);
    until("it sees that", || again.0.read().age_seconds.abs() < 1e-9).await;
    time::sleep(LOOK_INTERVAL * 3).await;
    world.fire("fraud");
    time::sleep(LOOK_INTERVAL * 3).await;
    assert_eq!(lock(&desk.got).len(), got.len());
    world.chosen.store(true, Ordering::Relaxed);
    until("it is taken", || lock(&desk.got).len() == got.len() + 1).await;
}

#[tokio::test]
async fn what_is_told_of_a_failure_has_nothing_of_the_url() {
    let world = World::new();
    let at = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = at.local_addr().unwrap();
    let url: reqwest::Url = format!("http://user:word@{at}/hook?key=secret")
        .parse()
        .unwrap();
    let error = client()
        .unwrap()
        .post(url.clone())
        .send()
        .await
        .unwrap_err();
    let told = error_chain(&error.without_url());
    for part in ["user", "word", "hook", "key", "secret"] {
        assert!(!told.contains(part), "{told}");
    }
    let (watch, task, stop) = world.start(at);
    assert!(!format!("{watch:?}").contains("word"));
    stop.send_replace(true);
    task.await.unwrap();
}
