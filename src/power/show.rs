//! What would be found, for people and as JSON lines.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::change::Change;
use super::{Found, Power, WITHIN};
use crate::reference::show::{escaped, line, table};
use crate::time::Length;

/// A table for people.
pub fn show(power: &Power) -> String {
    let mut text = String::new();
    let traffic = &power.traffic;
    let windows: Vec<String> = traffic.windows.iter().map(Length::to_string).collect();
    let alpha = power.alpha.iter();
    let alpha: Vec<String> = alpha
        .map(|(length, alpha)| format!("{length} {alpha:.1e}"))
        .collect();
    let is_one = traffic.false_alarms_per_month.to_bits() == 1.0_f64.to_bits();
    let alarms = if is_one { "alarm" } else { "alarms" };
    let natural = if power.is_taught {
        "learned from the hours of the reference".to_owned()
    } else {
        "not known: until 8 days of live traffic have taught it, only a PSI of 0.25 in windows \
         of a day and longer is found"
            .to_owned()
    };
    for (name, value) in [
        ("traffic", format!("{} rows an hour", traffic.rows_per_hour)),
        (
            "budget",
            format!(
                "{} false {alarms} a month for {} tests in windows of {}",
                traffic.false_alarms_per_month,
                power.tests,
                windows.join(", ")
            ),
        ),
        ("alpha", alpha.join(", ")),
        ("natural", natural),
    ] {
        line(&mut text, &format!("{name:12}{value}"));
    }
    text.push_str("\nsmallest change that is found with probability 1/2:\n\n");
    let within = WITHIN.map(|length| format!("in {length}"));
    let [first, second, third] = within;
    let head = [
        "series".to_owned(),
        "change".to_owned(),
        first,
        second,
        third,
    ];
    let rows: Vec<[String; 5]> = power.found.iter().map(row).collect();
    text + &table(&head, &rows)
}

fn row(found: &Found) -> [String; 5] {
    let change = match &found.change {
        Change::Mean => "mean, in sigma".to_owned(),
        Change::Missing => "missing, in points".to_owned(),
        Change::Category(_, Some(name)) => format!("share of {}, in points", escaped(name)),
        Change::Category(_, None) => "share of the largest, in points".to_owned(),
    };
    let size = |size: Option<f64>| match (size, &found.change) {
        (None, _) => "-".to_owned(),
        (Some(size), Change::Mean) => format!("{size:.2}"),
        (Some(size), Change::Missing) => format!("{:+.1}", 100.0 * size),
        (Some(size), Change::Category(..)) => format!("-{:.1}", 100.0 * size),
    };
    let [first, second, third] = found.smallest.map(size);
    [escaped(&found.series), change, first, second, third]
}

/// One JSON object a line, each a change of a series; what is not found has no key.
pub fn show_jsonl(power: &Power) -> String {
    let mut text = String::new();
    for found in &power.found {
        let sizes = WITHIN.iter().zip(found.smallest);
        let smallest: Map<String, Value> = sizes
            .filter_map(|(within, size)| Some((within.to_string(), json!(size?))))
            .collect();
        let (change, unit) = match &found.change {
            Change::Mean => ("mean", "sigma"),
            Change::Missing => ("missing", "share"),
            Change::Category(..) => ("category", "share"),
        };
        let mut value = json!({
            "series": &*found.series,
            "change": change,
            "unit": unit,
            "smallest": smallest,
        });
        if let (Change::Category(_, Some(name)), Some(value)) =
            (&found.change, value.as_object_mut())
        {
            value.insert("category".to_owned(), json!(name));
        }
        // writing to a string does not fail
        let _written = writeln!(text, "{value}");
    }
    text
}
