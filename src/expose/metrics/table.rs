//! All metrics: name, labels, type and what a value means.
//!
//! The README's table is checked against this one, and so is every page in the tests.

/// What a value may do from one scrape to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grow, over restarts too where it comes from the state log.
    Counter,
    /// Anything.
    Gauge,
}

impl Kind {
    /// The name in the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// How the values of several instances of one group become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// It comes from the state log and is the same on all instances that have folded as far: `max
    /// without(instance)`. A sum counts everything once an instance.
    Same,
    /// It is of the models of a shard, and the same on all instances of that one: as [`Self::Same`]
    /// where there is one shard, else the sum over shards of that.
    Shard,
    /// What this instance alone has seen or done: `sum without(instance)`.
    Sum,
    /// How one instance is: `max`, `min` or a line for each, but no sum.
    Each,
}

impl Join {
    /// The name used in the README.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Shard => "shard",
            Self::Sum => "sum",
            Self::Each => "each",
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What a value means.
    pub help: &'static str,
}

impl Metric {
    /// How the values of several instances become one.
    pub fn join(&self) -> Join {
        let is_of = |metrics: &[Self]| metrics.iter().any(|metric| metric.name == self.name);
        if is_of(SUMMED) {
            Join::Sum
        } else if is_of(EACH) {
            Join::Each
        } else if is_of(OF_A_SHARD) {
            Join::Shard
        } else {
            Join::Same
        }
    }
}

/// What an instance alone has seen or done. A partition is read by one instance at a time.
const SUMMED: &[Metric] = &[
    CONSUMER_LAG,
    PARTITION_STOPPED,
    STATE_APPEND_ERRORS,
    DEAD_LETTERS_FAILED,
    JOURNAL_APPEND_ERRORS,
    SNAPSHOT_ERRORS,
    WEBHOOK_FAILURES,
];

/// What is of the models of a shard, and does not say of which.
const OF_A_SHARD: &[Metric] = &[
    SERIES_OMITTED,
    ROWS_UNADMITTED,
    ROWS_BEYOND_HORIZON,
    LIMIT_HITS,
    MEMORY,
    SHARD_INFO,
];

/// How an instance is.
const EACH: &[Metric] = &[
    READY,
    BUILD_INFO,
    JOURNAL_ENTRIES,
    JOURNAL_UNWRITTEN,
    JOURNAL_DIVERGED,
    SNAPSHOT_TIME,
    FOLD_LAG,
    SPILLED,
    WEBHOOK_AGE,
];

const SCORE: &[&str] = &["model", "version", "series", "window", "reference"];
const WINDOW: &[&str] = &["model", "version", "window"];
const TESTED: &[&str] = &["model", "version", "series", "window", "test", "reference"];
const ALERT: &[&str] = &[
    "model",
    "version",
    "series",
    "window",
    "test",
    "severity",
    "reference",
];
const ALERT_SENTENCE: &[&str] = &[
    "model",
    "version",
    "series",
    "window",
    "test",
    "severity",
    "reference",
    "sentence",
];
const TOPIC: &[&str] = &["topic"];
const PARTITION: &[&str] = &["topic", "partition"];

macro_rules! metrics {
    ($($id:ident, $name:literal, $kind:ident, $labels:expr, $help:literal;)+) => {
        $(pub(super) const $id: Metric = Metric {
            name: concat!("driftd_", $name),
            kind: Kind::$kind,
            labels: $labels,
            help: $help,
        };)+

        /// All metrics of driftd; the page has those of the process (`process_*`) besides.
        pub const METRICS: &[Metric] = &[$($id),+];
    };
}

metrics! {
    PSI, "psi", Gauge, SCORE,
        "Population stability index of the last closed window against the reference, over its \
         deciles or categories, Jeffreys-smoothed, natural logarithm. 0 is no change.";
    PSI_ADJUSTED, "psi_adjusted", Gauge, SCORE,
        "PSI less what it would be on average if nothing had changed, at least 0: comparable \
         between windows of different size.";
    KS_DISTANCE, "ks_distance", Gauge, SCORE,
        "Kolmogorov-Smirnov distance at the bins' edges, 0 to 1: the true distance is at least \
         this. Numeric series only.";
    JS_DISTANCE, "js_distance", Gauge, SCORE,
        "Jensen-Shannon distance (the root of the divergence in bits), 0 to 1.";
    WASSERSTEIN_SIGMA, "wasserstein_sigma", Gauge, SCORE,
        "Wasserstein-1 distance in standard deviations of the reference. Numeric series only.";
    MISSING_RATIO, "missing_ratio", Gauge, SCORE,
        "Share of the rows of the last closed window without a value: null, or absent where the \
         event has the object that should hold it.";
    INVALID_RATIO, "invalid_ratio", Gauge, SCORE,
        "Share of the rows of the last closed window with a value of another type than the \
         reference's.";
    NOVEL_RATIO, "novel_ratio", Gauge, SCORE,
        "Share of the rows of the last closed window with a category that the reference never \
         saw. Categorical and boolean series only.";
    ALERT_EVIDENCE, "alert_evidence", Gauge, TESTED,
        "log10(alpha / p) of a test in the last closed window, within 300 of 0: an alert needs 0 \
         or more, and a difference that matters.";
    ALERT_LINE_PSI, "alert_line_psi", Gauge, SCORE,
        "PSI at which the series would fire at the number of rows of the last closed window; of \
         the 1,000 series nearest to it.";
    SERIES_OMITTED, "series_omitted", Gauge, &[],
        "Score series (series, window, reference) left out because there are more than \
         limits.metric_series_max; the worst are kept.";
    WINDOW_ROWS, "window_rows", Gauge, WINDOW,
        "Rows in the last closed window that can be scored: what its scores stand on.";
    WINDOW_END, "window_end_timestamp_seconds", Gauge, WINDOW,
        "End of the last closed window in event time, seconds since 1970.";
    WINDOW_COMPLETE, "window_complete", Gauge, WINDOW,
        "1 if the last closed window was complete when it closed: all of it kept and no \
         partition left out; else 0.";
    MODEL_LAST_EVENT, "model_last_event_timestamp_seconds", Gauge, &["model", "version"],
        "Largest event time of the model version, seconds since 1970.";
    MODEL_INFO, "model_info", Gauge, &["model", "version", "owner", "reference"],
        "Always 1. The label owner says who answers for the model, reference what there is to \
         compare with: training, baseline, both, learned (from its own first rows) or none.";
    MODEL_LEARNING, "model_learning", Gauge, &["model", "version"],
        "1 while the model version has no reference and learns one from its first rows, else 0.";
    ALERT_ACTIVE, "alert_active", Gauge, ALERT,
        "1 while the alert fires and is not muted. Only the severities warning and critical are \
         worth a page.";
    ALERT_INFO, "alert_info", Gauge, ALERT_SENTENCE,
        "1 while the alert fires and is not muted; the label sentence says what moved, as of when \
         it fired.";
    ALERTS, "alerts_total", Counter, &["model", "severity", "transition"],
        "Alerts that fired, got worse (escalated) or were over (resolved).";
    LATENCY, "latency_seconds", Gauge, &["model", "version", "q", "window"],
        "Quantile of the latency that events told, in the last closed window, at the upper edge of \
         its bin.";
    ERROR_RATIO, "error_ratio", Gauge, WINDOW,
        "Share of the events with a status in the last closed window whose status is not one of \
         ok, success, succeeded or a number below 400.";
    RECORDS, "records_total", Counter, TOPIC,
        "Kafka records counted, rejected ones included, each exactly once.";
    ROWS, "rows_total", Counter, TOPIC,
        "Rows decoded from these records.";
    RECORDS_REJECTED, "records_rejected_total", Counter, &["topic", "reason"],
        "Records that gave no rows, by reason.";
    ROWS_LATE, "rows_late_total", Counter, TOPIC,
        "Rows whose event time was behind their record's Kafka timestamp by more than \
         alerts.lateness. They are counted like any other.";
    RECORDS_LOST, "records_lost_total", Counter, TOPIC,
        "Offsets that Kafka's retention took before they were read.";
    ROWS_UNADMITTED, "rows_unadmitted_total", Counter, TOPIC,
        "Rows of model versions beyond limits.models_max, or not in models.allow.";
    ROWS_BEYOND_HORIZON, "rows_beyond_horizon_total", Counter, TOPIC,
        "Rows too old or too far ahead for every window that is kept.";
    WATERMARK, "watermark_timestamp_seconds", Gauge, PARTITION,
        "How far event time has come on the partition, less alerts.lateness, seconds since 1970.";
    EVENT_TIME, "event_timestamp_seconds", Gauge, &[],
        "How far event time has come over all partitions, less alerts.lateness, seconds since \
         1970: windows that end before are closed and judged.";
    PARTITIONS_LEFT_OUT, "partitions_left_out", Gauge, &[],
        "Partitions that made no progress for alerts.wait_max and are no longer waited for: \
         windows that may lack their events are marked incomplete.";
    STATE_TIME, "state_timestamp_seconds", Gauge, &[],
        "When the newest folded record of the state log was appended, by the log's clock, seconds \
         since 1970.";
    LIMIT_HITS, "limit_hits_total", Counter, &["limit"],
        "How often a limit kept something out: models, loose_series, state_bytes.";
    MEMORY, "memory_bytes", Gauge, &["of"],
        "Bytes that counts take, which limits.state_bytes_max bounds: of panes, of hours. What of \
         them is in files of state.spill_dir and not in memory: driftd_spilled_bytes.";
    SPILLED, "spilled_bytes", Gauge, &[],
        "Bytes of the files of state.spill_dir that this instance has packed counts in; a file is \
         gone when nothing in it is of use any more.";
    STATE_RECORDS, "state_records_total", Counter, &["result"],
        "Deltas in the state log by what became of them: accepted were counted, superseded had \
         been counted before and had no effect.";
    WEBHOOK_EVENTS, "webhook_events_total", Counter, &["webhook", "result"],
        "Events of the webhook by what became of them: delivered were taken by its receiver, \
         given_up never were.";
    READY, "ready", Gauge, &[],
        "1 once the state log is folded; before that there are no metrics that come from it.";
    BUILD_INFO, "build_info", Gauge, &["version"],
        "Always 1.";
    SHARD_INFO, "shard_info", Gauge, &["shard"],
        "Always 1. The label shard says which models this instance counts, state.shard: 1/1 is all \
         of them.";
    CONSUMER_LAG, "consumer_lag_records", Gauge, PARTITION,
        "Records of the partition not yet read; only on the instance that reads it.";
    PARTITION_STOPPED, "partition_stopped", Gauge, &["topic", "partition", "reason"],
        "1 while this instance does not read the partition, for this reason.";
    STATE_APPEND_ERRORS, "state_append_errors_total", Counter, &[],
        "Appends to the state log by this instance that failed; they are tried again.";
    DEAD_LETTERS_FAILED, "dead_letters_failed_total", Counter, &[],
        "Rejected records that this instance could not copy to source.dead_letter_topic.";
    JOURNAL_ENTRIES, "journal_entries_total", Counter, &[],
        "Entries of the journal that are in its home.";
    JOURNAL_UNWRITTEN, "journal_unwritten_entries", Gauge, &[],
        "Entries of the journal that are not in its home yet.";
    JOURNAL_APPEND_ERRORS, "journal_append_errors_total", Counter, &[],
        "Attempts of this instance to store entries of the journal that failed; they are \
         repeated.";
    JOURNAL_DIVERGED, "journal_diverged", Gauge, &[],
        "1 if the journal's home has other entries than the state log implies, and this instance \
         writes nothing more to it; else 0.";
    SNAPSHOT_TIME, "snapshot_timestamp_seconds", Gauge, &[],
        "Log time of the newest snapshot that this instance knows of; a start folds what came \
         since.";
    SNAPSHOT_ERRORS, "snapshot_errors_total", Counter, &[],
        "Snapshots that this instance could not write; the state log keeps what they would have \
         replaced.";
    FOLD_LAG, "fold_lag_records", Gauge, &[],
        "Records of the state log that this instance has not folded yet.";
    WEBHOOK_FAILURES, "webhook_failures_total", Counter, &["webhook"],
        "Attempts of this instance to deliver an event that failed; they are repeated until the \
         event is given up.";
    WEBHOOK_AGE, "webhook_undelivered_age_seconds", Gauge, &["webhook"],
        "Age of the oldest event that this instance has still to deliver, 0 where there is none; \
         one instance delivers for all.";
}
