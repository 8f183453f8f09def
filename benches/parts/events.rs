//! Made-up events like those of the flights: 20 features of which 4 are strings and 8 whole
//! numbers, about 453 bytes; and others of other shapes.

/// Random numbers that are the same in each run (Steele, Lea, Flood 2014, "splitmix64").
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `from` to below `to`.
    fn whole(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// A decimal with so many digits after the point.
    fn decimal(&mut self, to: u64, digits: usize) -> String {
        let scale = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        format!("{}.{:0digits$}", self.whole(0, to), self.next() % scale)
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let index = usize::try_from(self.next() % texts.len() as u64).unwrap_or(0);
        texts.get(index).copied().unwrap_or_default()
    }

    /// The same as a JSON string.
    fn string(&mut self, texts: &[&str]) -> String {
        format!("\"{}\"", self.one_of(texts))
    }
}

/// The features of one flight: name and value.
fn features(random: &mut Random) -> Vec<(&'static str, String)> {
    let airports = [
        "EWR", "JFK", "LGA", "IAH", "MIA", "ORD", "LAX", "ATL", "BOS", "FLL",
    ];
    let gust = if random.whole(0, 4) == 0 {
        random.decimal(40, 5)
    } else {
        "null".to_owned()
    };
    vec![
        ("sched_dep_time", random.whole(500, 2359).to_string()),
        ("sched_arr_time", random.whole(1, 2359).to_string()),
        (
            "carrier",
            random.string(&["UA", "AA", "B6", "DL", "EV", "MQ", "9E"]),
        ),
        ("origin", random.string(&airports[..3])),
        ("dest", random.string(&airports)),
        ("tailnum", format!("\"N{}UA\"", random.whole(100, 999))),
        ("distance", random.whole(94, 2586).to_string()),
        ("air_time", random.whole(20, 400).to_string()),
        (
            "dep_delay",
            format!("{}{}", random.one_of(&["", "-"]), random.whole(1, 40)),
        ),
        ("month", random.whole(3, 13).to_string()),
        ("day_of_week", random.whole(1, 8).to_string()),
        ("hour", random.whole(5, 24).to_string()),
        ("temp", random.decimal(90, 2)),
        ("dewp", random.decimal(70, 2)),
        ("humid", random.decimal(100, 2)),
        ("wind_speed", random.decimal(30, 5)),
        ("wind_gust", gust),
        ("precip", random.decimal(1, 2)),
        ("pressure", format!("10{}", random.decimal(30, 1))),
        ("visib", "10.0".to_owned()),
    ]
}

/// An event of `model` with these features.
fn event(random: &mut Random, model: &str, features: &[(&str, String)]) -> String {
    let members: Vec<_> = features
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!(
        "{{\"model\":\"{model}\",\"version\":\"1\",\"ts\":\"2013-03-{:02}T{:02}:{:02}:00Z\",\
         \"request_id\":\"{}\",\"features\":{{{}}},\"prediction\":{},\"latency_ms\":{}}}",
        random.whole(6, 12),
        random.whole(0, 24),
        random.whole(0, 60),
        random.whole(1, 336_776),
        members.join(","),
        random.decimal(1, 6),
        random.decimal(30, 3),
    )
}

pub(crate) fn flights(random: &mut Random) -> String {
    let features = features(random);
    event(random, "flight-delay", &features)
}

/// The same with the features in any order.
pub(crate) fn shuffled(random: &mut Random) -> String {
    let mut features = features(random);
    for left in (1..features.len()).rev() {
        let other = usize::try_from(random.whole(0, left as u64 + 1)).unwrap_or(0);
        features.swap(left, other);
    }
    event(random, "flight-delay", &features)
}

/// One of a thousand models, each with feature names of its own.
pub(crate) fn thousand_models(random: &mut Random) -> String {
    let model = random.whole(0, 1_000);
    let features: Vec<_> = features(random)
        .into_iter()
        .map(|(key, value)| (format!("{key}_{model}"), value))
        .collect();
    let features: Vec<_> = features
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    event(random, &format!("model-{model}"), &features)
}

/// A hundred features that use all digits of an f64.
pub(crate) fn long_numbers(random: &mut Random) -> String {
    let names: Vec<_> = (0..100).map(|index| format!("feature_{index}")).collect();
    #[expect(clippy::cast_precision_loss, reason = "any f64 will do")]
    let mut number = || (random.next() as f64 / u64::MAX as f64).to_string();
    let features: Vec<_> = names.iter().map(|name| (name.as_str(), number())).collect();
    event(random, "wide", &features)
}

/// As Python's `json.dumps` writes it by default, with a space after commas and colons.
pub(crate) fn spaced(random: &mut Random) -> String {
    flights(random)
        .replace("\":", "\": ")
        .replace(",\"", ", \"")
}
