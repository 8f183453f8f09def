//! Webhooks: what the journal tells of alerts reaches a receiver, through `kill -9` of daemons and
//! a receiver that takes a few events and then none for a while.
//!
//! ```text
//! receiver   takes 3, then is down    takes 2 more, then is down       takes all
//! first      starts         kill -9   starts again           kill -9
//! second                              starts                           goes on where it was
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::driftd::{Driftd, Home, PATIENCE, Setup};
use crate::flights;
use crate::poll::{now_s, poll_until};
use crate::truth::truth;

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn no_alert_is_missed_through_kill_9_and_a_receiver_that_is_down() {
    let topics = [flights::topic()];
    let setup = Setup {
        name: "webhooks",
        topics: &topics,
        home: Home::Kafka,
        references: Some(flights::references()),
        kafka: None,
        source: "",
        windows: "lengths = [\"24h\", \"7d\"]",
        operator: None,
    };
    let receiver = Receiver::start();
    let (mut first, mut second) = (Driftd::prepare(&setup), Driftd::prepare(&setup));
    let webhook = format!(
        "[[webhooks]]\nname = \"retrain\"\nurl = \"http://{}/drift?key=hidden\"\n\
         secret = \"whsec_{SECRET}\"\n\n[log]",
        receiver.address
    );
    first.reconfigure("[log]", &webhook);
    second.reconfigure("[log]", &webhook);
    receiver.take(3);
    first.start_again();
    receiver.until_taken(3);
    first.kill();
    receiver.take(2);
    first.start_again();
    second.start_again();
    receiver.until_taken(5);
    first.kill();
    receiver.take(1_000_000);
    second.until_counted(topics[0], truth().live_rows);

    let expected = second.until("all events are told to be delivered", |driftd| {
        let of = [("webhook", "retrain"), ("result", "delivered")];
        let delivered = driftd.metrics().count("driftd_webhook_events_total", &of);
        let told = alerts(driftd);
        (delivered == told.len() as u64).then_some(told)
    });
    assert!(expected.len() > 5, "{expected:#?}");
    assert_eq!(delivered(&second), expected.len() as u64, "in the journal");
    let taken = receiver.taken();
    let events = without_repetitions(&taken);
    // what was taken and not told to the log when a daemon was killed comes again, and no more
    let again = taken.len() - events.len();
    assert!(again <= 5, "{again} came again: {taken:#?}");
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (entry, event) in expected.iter().zip(events) {
        let id = event["id"].as_str().expect("it has an id");
        let seq = id.split('-').next().expect("it begins with a number");
        assert_eq!(seq, entry["seq"].to_string(), "in the order of the journal");
        let kind = entry["kind"].as_str().expect("a kind").replace('_', ".");
        assert_eq!(event["type"], format!("driftd.{kind}"));
        assert_eq!(event["time"], entry["at"]);
        assert_eq!(event["data"]["id"], entry["alert"]);
        assert_eq!(event["data"]["sentence"], entry["sentence"]);
    }
    for log in [first.log(), second.log()] {
        for secret in ["hidden", SECRET] {
            assert!(!log.contains(secret), "{secret} is in a log");
        }
    }
}

/// The events in the order in which they came first; what comes again is the same.
fn without_repetitions(taken: &[Value]) -> Vec<&Value> {
    let mut first: Vec<&Value> = Vec::new();
    for event in taken {
        match first.iter().find(|before| before["id"] == event["id"]) {
            Some(before) => assert_eq!(*before, event, "the same id, the same event"),
            None => first.push(event),
        }
    }
    first
}

/// How many events the journal says were taken.
fn delivered(driftd: &Driftd) -> u64 {
    let page = driftd.json("/api/v1/journal?limit=10000");
    let entries = page["journal"].as_array().expect("entries are a list");
    let told = entries
        .iter()
        .filter(|entry| entry["kind"] == "webhook_delivered");
    told.filter_map(|entry| entry["events"].as_u64()).sum()
}

/// The entries of the journal that a webhook hears of by default.
fn alerts(driftd: &Driftd) -> Vec<Value> {
    let page = driftd.json("/api/v1/journal?limit=10000");
    let entries = page["journal"].as_array().expect("entries are a list");
    let is_heard = |entry: &&Value| {
        let kind = entry["kind"].as_str().expect("a kind");
        kind.starts_with("alert_") && entry["severity"] != "info"
    };
    entries.iter().filter(is_heard).cloned().collect()
}

/// A receiver that takes as many events as it may, and is down else.
struct Receiver {
    address: SocketAddr,
    room: Arc<AtomicI64>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        let (room, taken) = (Arc::new(AtomicI64::new(0)), Arc::default());
        let receiver = Self {
            address,
            room: Arc::clone(&room),
            taken: Arc::clone(&taken),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // a daemon that was killed breaks off
                let _broken_off = answer(&stream, &room, &taken);
            }
        });
        receiver
    }

    /// It may take so many from now on.
    fn take(&self, events: i64) {
        self.room.store(events, Ordering::Relaxed);
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().expect("nobody panics with it").clone()
    }

    fn until_taken(&self, events: usize) {
        let taken = poll_until(PATIENCE, || (self.taken().len() >= events).then_some(()));
        assert!(taken.is_some(), "only {:#?} came", self.taken());
    }
}

/// Reads one event, checks its signature, and takes it if there is room.
fn answer(
    mut stream: &TcpStream,
    room: &AtomicI64,
    taken: &Mutex<Vec<Value>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut fields = BTreeMap::new();
    for line in reader.by_ref().lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            fields.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; field("content-length").parse().unwrap_or_default()];
    reader.read_exact(&mut body)?;
    let status = if room.fetch_sub(1, Ordering::Relaxed) > 0 {
        let key = STANDARD.decode(SECRET).expect("it is base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key will do");
        let (id, timestamp) = (field("webhook-id"), field("webhook-timestamp"));
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let seconds: i64 = timestamp.parse().expect("seconds");
        let is_right = field("webhook-signature") == expected && now_s() - seconds < 60;
        if is_right {
            let event = serde_json::from_slice(&body).expect("it is JSON");
            taken.lock().expect("nobody panics with it").push(event);
            "204 No Content"
        } else {
            "401 Unauthorized"
        }
    } else {
        "503 Service Unavailable"
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}
