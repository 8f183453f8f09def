//! A random stream of events, of which some are late, out of order, batches or no events at all.

use std::fmt::Write;

use crate::produce::Random;

/// The model versions.
pub(super) const KEYS: [(&str, &str); 4] = [("m0", "1"), ("m0", "2"), ("m1", "1"), ("m2", "1")];

/// The series of each.
pub(super) const SERIES: [&str; 3] = ["amount", "country", "prediction"];

const COUNTRIES: [&str; 8] = ["de", "fr", "it", "es", "nl", "pl", "se", "at"];

/// How far an event may be behind the newest ones.
const DISORDER_MS: i64 = 20 * 60_000;

/// What is in one row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Its place in [`KEYS`].
    pub(super) key: usize,
    pub(super) ts: i64,
    pub(super) amount: Option<i64>,
    pub(super) country: Option<&'static str>,
    pub(super) prediction: i64,
}

/// What a record is good for.
#[derive(Debug, Clone)]
pub(super) enum Gives {
    Rows(Vec<Row>),
    /// It is rejected for this reason.
    Rejected(&'static str),
}

/// One record to be.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) value: String,
    /// Its Kafka timestamp.
    pub(super) timestamp: i64,
    pub(super) gives: Gives,
}

/// See the module header.
#[derive(Debug)]
pub(super) struct Events(Random);

impl Events {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// An event of about this time.
    pub(super) fn next(&mut self, now: i64) -> Event {
        // most are nearly in order, some are not
        let behind = if self.0.below(10) == 0 {
            DISORDER_MS
        } else {
            30_000
        };
        let ts = now - self.0.below(behind);
        // stamped up to two minutes after it happened, or before it, as clocks go
        let timestamp = ts + self.0.below(150_000) - 30_000;
        match self.0.below(100) {
            0 => self.cut(ts, timestamp),
            1 => {
                let value = self.row(ts).to_json().replacen("\"model\"", "\"mdl\"", 1);
                Event::rejected(value, timestamp, "missing_model")
            }
            2 => {
                let value = self.row(timestamp + 301_000).to_json();
                Event::rejected(value, timestamp, "future")
            }
            3..=6 => {
                let count = 2 + self.0.below(4);
                let rows: Vec<Row> = (0..count).map(|at| self.row(ts + at)).collect();
                let texts: Vec<String> = rows.iter().map(Row::to_json).collect();
                Event {
                    value: format!("[{}]", texts.join(",")),
                    timestamp,
                    gives: Gives::Rows(rows),
                }
            }
            _ => {
                let row = self.row(ts);
                Event {
                    value: row.to_json(),
                    timestamp,
                    gives: Gives::Rows(vec![row]),
                }
            }
        }
    }

    /// One that ends too early.
    fn cut(&mut self, ts: i64, timestamp: i64) -> Event {
        let mut json = self.row(ts).to_json();
        for _ in 0..=self.0.below(20) {
            json.pop();
        }
        Event::rejected(json, timestamp, "malformed")
    }

    fn row(&mut self, ts: i64) -> Row {
        let place = |below: i64| usize::try_from(below).expect("it is small");
        // the smaller of two: small ones are more frequent
        let amount = self.0.below(60).min(self.0.below(60));
        Row {
            key: place(self.0.below(4)),
            ts,
            amount: (self.0.below(20) > 0).then_some(amount),
            country: (self.0.below(30) > 0).then_some(COUNTRIES[place(self.0.below(8))]),
            prediction: self.0.below(10),
        }
    }
}

impl Event {
    const fn rejected(value: String, timestamp: i64, reason: &'static str) -> Self {
        let gives = Gives::Rejected(reason);
        Self {
            value,
            timestamp,
            gives,
        }
    }
}

impl Row {
    fn to_json(&self) -> String {
        let (model, version) = KEYS[self.key];
        let ts = self.ts;
        let mut json = format!("{{\"model\":\"{model}\",\"version\":\"{version}\",\"ts\":{ts}");
        json += ",\"features\":{\"amount\":";
        match self.amount {
            Some(amount) => write!(json, "{amount}"),
            None => write!(json, "null"),
        }
        .expect("a text takes more");
        match self.country {
            Some(country) => write!(json, ",\"country\":\"{country}\""),
            None => write!(json, ",\"country\":null"),
        }
        .expect("a text takes more");
        json + &format!("}},\"prediction\":{}}}", self.prediction)
    }
}
