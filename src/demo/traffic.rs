//! Believable inference traffic for two models, and the story of what goes wrong with it.
//!
//! Everything follows from a seed and the event time, so each demo tells the same story:
//!
//! ```text
//! hour  0   all is as in training
//! hour  6   fraud@7  amount moves up by half a standard deviation     (a new merchant)
//! hour 10   fraud@7  country has a value never seen, XK, in 4 %       (a new market)
//! hour 14   churn@3  monthly_spend is null in 15 % instead of 1 %     (a broken join)
//! hour 18   fraud@8  rolls out: half of the traffic at once, then all
//! ```

use std::fmt::Write;

use crate::time::{Length, Timestamp};

/// A step of the story.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Hours of event time after the start.
    pub(super) hour: u32,
    /// What happens, for people.
    pub(super) what: &'static str,
    /// Where to see it: model, version, series.
    pub(super) series: (&'static str, &'static str, &'static str),
}

/// The story, in order.
pub(super) const STORY: [Step; 4] = [
    Step {
        hour: 6,
        what: "fraud@7: `amount` moves up by half a standard deviation",
        series: ("fraud", "7", "amount"),
    },
    Step {
        hour: 10,
        what: "fraud@7: a country never seen in training, XK, is 4 % of the traffic",
        series: ("fraud", "7", "country"),
    },
    Step {
        hour: 14,
        what: "churn@3: `monthly_spend` is null in 15 % of the rows instead of 1 %",
        series: ("churn", "3", "monthly_spend"),
    },
    Step {
        hour: 18,
        what: "fraud@8 rolls out: half of the fraud traffic, two hours later all of it",
        series: ("fraud", "8", "amount"),
    },
];

/// A model of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Scores card payments.
    Fraud,
    /// Scores customers.
    Churn,
}

impl Model {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Fraud, Self::Churn];

    /// Events a minute of event time, at the mean over a day.
    pub(super) const fn per_minute(self) -> u32 {
        match self {
            Self::Fraud => 120,
            Self::Churn => 60,
        }
    }
}

/// A splitmix64 generator: small, seeded, the same on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A generator whose numbers follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `[0, 1)`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
    }

    /// One of `choices` with these weights, which add up to 1.
    fn pick(&mut self, choices: &[(&'static str, f64)]) -> &'static str {
        let mut left = self.unit();
        for (choice, weight) in choices {
            left -= weight;
            if left < 0.0 {
                return choice;
            }
        }
        choices.last().map_or("", |(choice, _)| choice)
    }
}

/// How busy the hour is, 1.0 on average over a day: people sleep.
pub(super) fn busyness(at: Timestamp) -> f64 {
    let since = at.millis_since(at.floor(Length::DAY));
    let day = Length::from_millis(since.max(1)).map_or(0.0, Length::as_seconds) / 86_400.0;
    1.0 - 0.6 * libm::cos(std::f64::consts::TAU * (day - 0.1))
}

/// Appends one event as a line of JSON. `hour` is the story's; before 0 is the training data.
pub(super) fn event(model: Model, at: Timestamp, hour: f64, random: &mut Random, out: &mut String) {
    match model {
        Model::Fraud => fraud(at, hour, random, out),
        Model::Churn => churn(at, hour, random, out),
    }
}

/// The training data of version 8 is that of the hours after it rolled out.
fn version(hour: f64, random: &mut Random) -> &'static str {
    let share = if hour < 18.0 {
        0.0
    } else if hour < 20.0 {
        0.5
    } else {
        1.0
    };
    if random.unit() < share { "8" } else { "7" }
}

fn fraud(at: Timestamp, hour: f64, random: &mut Random, out: &mut String) {
    const COUNTRIES: [(&str, f64); 6] = [
        ("DE", 0.4),
        ("FR", 0.2),
        ("NL", 0.15),
        ("AT", 0.12),
        ("PL", 0.08),
        ("ES", 0.05),
    ];
    const DEVICES: [(&str, f64); 3] = [("ios", 0.42), ("android", 0.38), ("web", 0.2)];
    let version = version(hour, random);
    // the version that replaces it was trained on the traffic as it is by then
    let moved = hour >= 6.0 || version == "8";
    let log_amount = 3.4 + 0.9 * random.normal() + if moved { 0.45 } else { 0.0 };
    let is_new = (hour >= 10.0 || version == "8") && random.unit() < 0.04;
    let country = if is_new {
        "XK"
    } else {
        random.pick(&COUNTRIES)
    };
    let device = random.pick(&DEVICES);
    let age = (-libm::log(1.0 - random.unit()) * 400.0).floor();
    let is_vip = random.unit() < 0.08;
    let risk = 0.6 * (log_amount - 3.4) - 0.002 * age + 0.4 * random.normal() - 2.0;
    let score = 1.0 / (1.0 + libm::exp(-risk));
    let latency = 9.0 * libm::exp(0.4 * random.normal());
    let status = if random.unit() < 0.004 { "error" } else { "ok" };
    let _infallible = write!(
        out,
        "{{\"model\":\"fraud\",\"version\":\"{version}\",\"ts\":\"{at}\",\"features\":{{\
         \"amount\":{:.2},\"country\":\"{country}\",\"device\":\"{device}\",\
         \"account_age_days\":{age},\"vip\":{is_vip}}},\"prediction\":{score:.5},\
         \"latency_ms\":{latency:.2},\"status\":\"{status}\"}}",
        libm::exp(log_amount),
    );
}

fn churn(at: Timestamp, hour: f64, random: &mut Random, out: &mut String) {
    const PLANS: [(&str, f64); 4] = [
        ("basic", 0.45),
        ("plus", 0.3),
        ("family", 0.2),
        ("business", 0.05),
    ];
    let tenure = (-libm::log(1.0 - random.unit()) * 26.0).floor();
    let plan = random.pick(&PLANS);
    let calls = (-libm::log(1.0 - random.unit()) * 0.9).floor();
    let spend = 28.0 + 11.0 * random.normal() + if plan == "business" { 60.0 } else { 0.0 };
    let null_share = if hour >= 14.0 { 0.15 } else { 0.01 };
    let is_null = random.unit() < null_share;
    let risk = 0.5 * calls - 0.03 * tenure - 0.8 + if is_null { 0.7 } else { 0.0 };
    let score = 1.0 / (1.0 + libm::exp(-risk - 0.3 * random.normal()));
    let latency = 21.0 * libm::exp(0.3 * random.normal());
    let _infallible = write!(
        out,
        "{{\"model\":\"churn\",\"version\":\"3\",\"ts\":\"{at}\",\"features\":{{\
         \"tenure_months\":{tenure},\"plan\":\"{plan}\",\"support_calls\":{calls},\
         \"autopay\":{},\"monthly_spend\":",
        random.unit() < 0.7,
    );
    let _infallible = if is_null {
        write!(out, "null")
    } else {
        write!(out, "{spend:.2}")
    };
    let _infallible = write!(
        out,
        "}},\"prediction\":{score:.5},\"latency_ms\":{latency:.2},\"status\":\"ok\"}}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_the_same_each_time_and_every_line_is_json() {
        let tell = || {
            let mut random = Random::new(7);
            let mut lines = String::new();
            for (model, hour) in Model::ALL.into_iter().zip([0.0, 19.0]).cycle().take(50) {
                event(model, Timestamp::EPOCH, hour, &mut random, &mut lines);
                lines.push('\n');
            }
            lines
        };
        assert_eq!(tell(), tell());
        for line in tell().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["features"].is_object(), "{line}");
        }
    }

    #[test]
    fn a_day_is_as_busy_as_the_mean_says() {
        let hours = (0..24).map(|hour| busyness(Timestamp::from_millis(hour * 3_600_000)));
        let mean = hours.sum::<f64>() / 24.0;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
    }
}
