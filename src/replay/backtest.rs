//! What a replay found, for people: each alert from when it fired until it was over, and whether
//! that was more than the budget allows.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::alert::Severity;
use crate::alert::budget::MONTH;
use crate::alert::episode::{Alert, Change};
use crate::alert::judge::{Judge, Source};
use crate::fold::model::ModelState;
use crate::reference::Reference;
use crate::reference::natural::Buckets;
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

/// The alerts of a replay, in the order in which they fired.
#[derive(Debug, Default)]
pub(super) struct Backtest {
    /// As they fired, and as they are now.
    found: Vec<(Arc<Alert>, Arc<Alert>)>,
    /// The place of each by its id.
    places: BTreeMap<Arc<str>, usize>,
}

/// What is said besides the alerts.
pub(super) struct Setting<'a> {
    pub(super) reference: &'a Reference,
    pub(super) model: &'a ModelState,
    pub(super) config: &'a Configuration,
    pub(super) judge: Option<&'a Judge>,
    pub(super) quiet_until: Option<Timestamp>,
}

impl Backtest {
    /// Takes what became of an alert.
    pub(super) fn take(&mut self, change: Change, alert: Arc<Alert>) {
        if change == Change::Fired {
            self.places.insert(Arc::clone(&alert.id), self.found.len());
            self.found.push((Arc::clone(&alert), alert));
        } else if let Some((_, now)) = self
            .places
            .get(&alert.id)
            .and_then(|place| self.found.get_mut(*place))
        {
            *now = alert;
        }
    }

    /// Writes all that was found.
    pub(super) fn write(&self, out: &mut dyn Write, setting: &Setting<'_>) -> io::Result<()> {
        head(out, setting)?;
        if self.found.is_empty() {
            writeln!(out, "no alert fired")?;
        } else {
            self.table(out)?;
            writeln!(out)?;
            writeln!(out, "{}", self.summary())?;
        }
        if let Some(until) = setting.quiet_until {
            self.quiet(out, setting, until)?;
        }
        Ok(())
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |of: &dyn Fn(&Alert) -> usize| {
            let widths = self.found.iter().map(|(alert, _)| of(alert));
            widths.max().unwrap_or(0).max(6)
        };
        let series = width(&|alert| printable(&alert.series).len());
        writeln!(
            out,
            "{:<20}  {:<20}  {:<8}  {:<6}  {:<series$}  {:<8}  {:>6}",
            "since", "until", "severity", "window", "series", "test", "psi"
        )?;
        for (fired, now) in &self.found {
            let until = now
                .resolved
                .map_or_else(|| "firing".to_owned(), |at| at.to_string());
            writeln!(
                out,
                "{:<20}  {until:<20}  {:<8}  {:<6}  {:<series$}  {:<8}  {:>6.3}",
                fired.since.to_string(),
                now.severity.as_str(),
                fired.window.to_string(),
                printable(&fired.series),
                fired.test.as_str(),
                fired.psi,
            )?;
            writeln!(out, "    {}", printable(&fired.sentence))?;
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let of = |severity: Severity| {
            let count = self
                .found
                .iter()
                .filter(|(_, now)| now.severity == severity)
                .count();
            format!("{count} {}", severity.as_str())
        };
        let all = [Severity::Critical, Severity::Warning, Severity::Info].map(of);
        format!("{} alerts: {}", self.found.len(), all.join(", "))
    }

    /// How the quiet time went, and how long the first alert after it took.
    fn quiet(
        &self,
        out: &mut dyn Write,
        setting: &Setting<'_>,
        until: Timestamp,
    ) -> io::Result<()> {
        let first = setting.model.first_event.unwrap_or(until);
        let months = seconds(until, first).max(0.0) / MONTH.as_seconds();
        let early = self
            .found
            .iter()
            .filter(|(fired, _)| fired.since <= until)
            .count();
        let rate = if months > 0.0 {
            real(early) / months
        } else {
            0.0
        };
        let budget = setting
            .judge
            .map_or(setting.config.alerts.false_alarms_per_month, |judge| {
                judge.false_alarms_per_month
            });
        writeln!(
            out,
            "quiet until {until}: {early} alerts in {months:.1} months, {rate:.2} a month where \
             the budget is {budget}",
        )?;
        let mut late = self.found.iter().filter(|(fired, _)| fired.since > until);
        match late.next() {
            None => writeln!(out, "after that: no alert"),
            Some((fired, _)) => {
                let hours = seconds(fired.since, until) / Length::HOUR.as_seconds();
                writeln!(
                    out,
                    "after that: the first alert {hours:.1} h later, of `{}`",
                    printable(&fired.series)
                )
            }
        }
    }
}

fn head(out: &mut dyn Write, setting: &Setting<'_>) -> io::Result<()> {
    let Setting {
        reference,
        model,
        config,
        judge,
        ..
    } = setting;
    let span = |from: Option<Timestamp>, to: Option<Timestamp>| match from.zip(to) {
        Some((from, to)) => format!(", {from} to {to}"),
        None => String::new(),
    };
    let header = &reference.header;
    writeln!(
        out,
        "{} against {} ({} rows{}){}",
        printable(&model.key.to_string()),
        header.role.as_str(),
        header.rows,
        span(header.first_event, header.last_event),
        judge.map_or("", baseline),
    )?;
    let lengths: Vec<String> = config.windows.iter().map(Length::to_string).collect();
    writeln!(
        out,
        "{} rows{}; {} false alarms a month for {} tests in windows of {}\n",
        model.rows,
        span(model.first_event, model.last_event),
        judge.map_or(0.0, |judge| judge.false_alarms_per_month),
        judge.map_or(0, |judge| judge.tests),
        lengths.join(", "),
    )
}

/// What windows were compared with.
fn baseline(judge: &Judge) -> &'static str {
    let profile = judge
        .nature
        .as_ref()
        .and_then(|nature| nature.natural.profile.as_ref());
    match (judge.source(), profile.map(|profile| profile.buckets)) {
        (Source::Unknown, _) => "; what is natural is not known: only large differences fire",
        (_, Some(Buckets::HourOfDay)) => "; windows against the same hours of the day",
        (_, Some(Buckets::HourOfDayWeekend)) => {
            "; windows against the same hours of working days or weekends"
        }
        (_, None) => "",
    }
}

/// Text from the data, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let is_plain = !char.is_control();
            let escaped = (!is_plain).then(|| char.escape_default());
            is_plain
                .then_some(char)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect()
}

fn seconds(later: Timestamp, earlier: Timestamp) -> f64 {
    later.as_seconds() - earlier.as_seconds()
}

#[expect(clippy::cast_precision_loss, reason = "there are few alerts")]
fn real(count: usize) -> f64 {
    count as f64
}
