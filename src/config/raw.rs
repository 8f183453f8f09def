//! The configuration as it is written: every key, what it may be and what it is when nobody says.
//!
//! This table is the one place that knows the keys. From it come the types that serde fills, the
//! walk that names unknown keys and wrong values (`load/tree.rs`), the defaults, the names of the
//! environment variables and, through [`keys`], the reference in the README. A line reads
//!
//! ```text
//! /// What the key means.
//! key: Type = what may be written, what it is when it is not written;
//! ```
//!
//! The walk leaves only values of the right form and fills in the defaults, so no field but those
//! without a default is optional here.

mod docs;
mod kind;
mod values;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::docs::{KeyDoc, keys};
pub(super) use self::kind::{Fallback, Key, Kind};
pub(super) use self::values::{Hidden, Span};

/// The longest text in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// The most `[[source]]` tables, also the end of their numbers in environment variables.
pub(super) const SOURCES_MAX: usize = 64;
/// The most workers of a source; more cores count as so many.
pub(super) const WORKERS_MAX: i64 = 256;
/// The most librdkafka properties.
pub(super) const PROPERTIES_MAX: usize = 256;

/// What a window may be compared with.
pub(super) const BASELINES: &[&str] = &["auto", "global", "hour_of_day", "hour_of_day_weekend"];

/// The severities of alerts.
pub(super) const SEVERITIES: &[&str] = &["info", "warning", "critical"];

/// What webhooks can hear of: kinds of the journal's entries, with dots.
pub(super) const EVENTS: &[&str] = &[
    "alert.firing",
    "alert.escalated",
    "alert.resolved",
    "baseline.accepted",
    "reference.activated",
    "reference.refused",
    "schema.changed",
];

use self::Fallback::{Cores, Is, Required, Unset};
use self::Kind::{
    Choice, Field, Flag, Integer, List, Number, Numbers, Properties, Section, Sections, Text,
};

/// Declares tables of the configuration: a type for serde and its keys as data.
macro_rules! tables {
    ($($(#[doc = $about:literal])+ $table:ident {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $kind:expr, $fallback:expr;)+
    })+) => {$(
        $(#[doc = $about])+
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $table {
            $($(#[doc = $doc])+ pub(super) $key: $type,)+
        }

        impl $table {
            /// The keys of this table, in the order in which the README has them.
            pub(super) const KEYS: &[Key] = &[$(Key {
                name: stringify!($key),
                doc: concat!($($doc),+),
                kind: $kind,
                fallback: $fallback,
            },)+];
        }
    )+};
}

tables! {
    /// The whole file.
    Raw {
        /// How to reach Kafka.
        kafka: Kafka = Section(Kafka::KEYS), Required;
        /// What to consume; `[[source]]` once for each set of topics that differ in anything else.
        source: Vec<Source> = Sections(Source::KEYS), Required;
        /// Where the state log lives, the truth about what was counted.
        state: State = Section(State::KEYS), Required;
        /// Where reference snapshots are found.
        reference: Reference = Section(Reference::KEYS), Required;
        /// The windows that are scored.
        windows: Windows = Section(Windows::KEYS), Required;
        /// When a window counts as complete.
        alerts: Alerts = Section(Alerts::KEYS), Required;
        /// Which models are monitored.
        models: Models = Section(Models::KEYS), Required;
        /// Who hears of drift events; `[[webhooks]]` once for each.
        webhooks: Vec<Webhook> = Sections(Webhook::KEYS), Unset;
        /// The HTTP surface: pages, metrics, API, health.
        http: Http = Section(Http::KEYS), Required;
        /// Bounds on what the data may make driftd hold and show.
        limits: Limits = Section(Limits::KEYS), Required;
        /// What driftd says about itself, to standard error.
        log: Log = Section(Log::KEYS), Required;
    }

    /// How to reach Kafka.
    Kafka {
        /// Brokers to begin with, each `HOST:PORT`.
        brokers: Vec<String> = List(1, 64), Required;
        /// Any librdkafka properties, passed on as they are; they overrule what driftd derives from
        /// `kafka.tls` and `kafka.sasl`. In environment variables `_` stands for the dot:
        /// `DRIFTD__KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS`.
        properties: BTreeMap<String, Hidden> = Properties, Is("");
        /// TLS to the brokers. The table alone, even empty, turns it on, with the certificate
        /// authorities of the machine.
        tls: Option<Tls> = Section(Tls::KEYS), Unset;
        /// Authentication at the brokers.
        sasl: Option<Sasl> = Section(Sasl::KEYS), Unset;
    }

    /// TLS to the brokers.
    Tls {
        /// PEM file of the certificate authorities to trust instead of the machine's.
        ca: Option<String> = Text, Unset;
        /// PEM file of the client's certificate, where brokers ask for one.
        certificate: Option<String> = Text, Unset;
        /// PEM file of the key of that certificate.
        key: Option<String> = Text, Unset;
    }

    /// Authentication at the brokers.
    Sasl {
        /// How to authenticate.
        mechanism: String = Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]), Required;
        /// Who to authenticate as.
        username: String = Text, Required;
        /// The password; better in `password_file` or `DRIFTD__KAFKA__SASL__PASSWORD`.
        password: Option<Hidden> = Kind::Secret, Unset;
        /// A file with the password; a line feed at its end does not count.
        password_file: Option<String> = Text, Unset;
    }

    /// A set of topics read by one consumer group in one format.
    Source {
        /// The topics. No two sources read the same one.
        topics: Vec<String> = List(1, 64), Required;
        /// The consumer group: all instances with the same group share the work.
        group: String = Text, Is("driftd");
        /// Threads that consume and count, each with its own consumer.
        workers: usize = Integer(1, WORKERS_MAX), Cores;
        /// What the records are.
        format: String = Choice(&["json"]), Is("json");
        /// Where the fields of an event stand, when it is not the native one.
        fields: Fields = Section(Fields::KEYS), Required;
        /// Where a partition begins that was never read: `earliest`, `latest`, or a time such as
        /// `2026-11-23T10:15:00Z` (records with this Kafka timestamp or a later one).
        start: String = Text, Is("earliest");
        /// What to do when a topic was recreated or truncated: `stop` reading the partition and say
        /// so, or `restart` it as something new, which may count events twice.
        on_truncation: String = Choice(&["stop", "restart"]), Is("stop");
        /// A topic that gets a copy of each record that is rejected, the reason in its headers.
        dead_letter_topic: Option<String> = Text, Unset;
        /// The longest record value in bytes; longer ones are rejected as `oversized`.
        record_bytes_max: usize = Integer(1024, 16_777_216), Is("1048576");
        /// How much older than its record an event may be; older ones are rejected as `expired`.
        event_age_max: Span = Kind::Length("1m", "3650d"), Is("7d");
    }

    /// Where the fields of an event stand: JSON pointers. For model and version a text that does
    /// not begin with `/` is a constant; `-` says that events do not have the field.
    Fields {
        /// The model: a pointer, or the name of the only model.
        model: String = Field, Is("/model");
        /// Its version: a pointer, or the only version.
        version: String = Field, Is("/version");
        /// When it happened; where it is absent the record's Kafka timestamp counts.
        timestamp: String = Field, Is("/ts");
        /// The unit of timestamps that are numbers.
        timestamp_unit: String = Choice(&["s", "ms", "us", "ns"]), Is("ms");
        /// The caller's id of the request.
        request_id: String = Field, Is("/request_id");
        /// The object of the features; an empty text is the whole event, but for what the other
        /// fields claim.
        features: String = Field, Is("/features");
        /// The prediction, or the object of the outputs.
        prediction: String = Field, Is("/prediction");
        /// How long the call took, in milliseconds.
        latency: String = Field, Is("/latency_ms");
        /// How the call ended.
        status: String = Field, Is("/status");
    }

    /// Where the state log lives.
    State {
        /// `kafka`: in a topic of the same cluster, for any number of instances and without a disk.
        /// `embedded`: in a directory, for one instance.
        home: String = Choice(&["kafka", "embedded"]), Is("kafka");
        /// The topic of the state log, where its home is Kafka; made when it is not there.
        topic: String = Text, Is("driftd.state");
        /// The topic of the journal, where the home of the state log is Kafka; made when it is not
        /// there. Without it, that of the state log with `.journal` at its end instead of `.state`:
        /// `driftd.journal` unless `state.topic` is set.
        journal_topic: Option<String> = Text, Unset;
        /// The topic of the snapshots, where the home of the state log is Kafka; compacted, and
        /// made when it is not there. Without it, named after the state log like the journal:
        /// `driftd.snapshot` unless `state.topic` is set.
        snapshot_topic: Option<String> = Text, Unset;
        /// The directory of the state log, its snapshots and the journal, where their home is
        /// embedded; made when it is not there.
        dir: String = Text, Is("driftd-state");
        /// A directory for packed counts, in files that end with driftd, instead of memory: about
        /// 20 kB a series with the default windows, of which the kernel holds in memory what there
        /// is room for. Without it `state.dir`, where the home is embedded; with Kafka, memory.
        spill_dir: Option<String> = Text, Unset;
        /// The models that this instance counts, where one machine has not the memory for all:
        /// `i/n`, such as `2/4`, is the i-th of n shards, by a hash of the model's name. Every
        /// shard needs an instance, with the same group and topics; only with `state.home =
        /// "kafka"`. Without it, all models.
        shard: Option<String> = Text, Unset;
        /// How long counts may wait before they are appended; less at the end of a partition.
        flush_interval: Span = Kind::Length("100ms", "1m"), Is("5s");
        /// How long after a snapshot of what is known the next one is written. A start folds what
        /// came since; what came before the second newest is taken out of the state log.
        snapshot_interval: Span = Kind::Length("1s", "1d"), Is("10m");
    }

    /// Where reference snapshots are found.
    Reference {
        /// A directory, or the URL of an object store (`s3://bucket/prefix`, `gs://`, `az://`),
        /// that holds `<model>/<version>/{training,baseline}.ref`. Credentials come from the
        /// environment variables of the store (`AWS_ACCESS_KEY_ID` and the like). Without it each
        /// model version learns its reference from its first rows.
        url: Option<String> = Text, Unset;
        /// How often to look for new and changed references.
        watch_interval: Span = Kind::Length("1s", "24h"), Is("30s");
        /// How many rows a model version without a reference learns one from: its first ones, or
        /// those of its first day where they are at least 500; 0 learns none.
        learn_rows: u64 = Integer(0, 1_000_000), Is("10000");
    }

    /// The windows that are scored.
    Windows {
        /// Lengths of the windows, each from 5m to 28d and divisible by 12; a window moves in steps
        /// of a sixth of its length.
        lengths: Vec<String> = List(1, 8), Is("1h,6h,24h");
        /// How long the counts of a window are kept behind the newest event of their model version,
        /// when longer than twice its length.
        keep: Option<Span> = Kind::Length("10m", "3650d"), Unset;
    }

    /// What is worth a page, and when a window is judged.
    Alerts {
        /// False alarms that a model may cost in 30 days, over all its versions, series, windows
        /// and tests: the budget from which the level of every test follows.
        false_alarms_per_month: f64 = Number("0.000001", "1000000"), Is("1");
        /// The smallest difference that fires, in units of PSI; 0.009 is a shift of a tenth of a
        /// standard deviation.
        min_psi: f64 = Number("0", "10"), Is("0.009");
        /// What a window is compared with: `global`, the whole reference; `hour_of_day`, the same
        /// hours of it; `hour_of_day_weekend`, the same hours with weekends apart; `auto`, the last
        /// one where the reference has times over two weeks, else the first.
        baseline: String = Choice(BASELINES), Is("auto");
        /// What holds for some models or series only; later tables overrule earlier ones.
        rule: Vec<AlertRule> = Sections(AlertRule::KEYS), Unset;
        /// How long to wait for late events before a window is judged.
        lateness: Span = Kind::Length("1s", "24h"), Is("1m");
        /// How long a partition without progress may hold back judgement; then it is left out, and
        /// windows that may lack its events are marked incomplete.
        wait_max: Span = Kind::Length("1s", "24h"), Is("10m");
    }

    /// What holds for some models or series only.
    AlertRule {
        /// A glob of models.
        model: String = Text, Is("*");
        /// A glob of series; without it the rule is of the whole model.
        series: Option<String> = Text, Unset;
        /// `true`: not judged, and not charged to the budget.
        off: Option<bool> = Flag, Unset;
        /// Another smallest difference that fires.
        min_psi: Option<f64> = Number("0", "10"), Unset;
        /// Another budget; not with `series`.
        false_alarms_per_month: Option<f64> = Number("0.000001", "1000000"), Unset;
    }

    /// Which models are monitored, and what is known of them.
    Models {
        /// Globs of the models to let in, such as `fraud-*`; an empty list lets in all.
        allow: Vec<String> = List(0, 1000), Is("");
        /// What is known of some models; later tables overrule earlier ones.
        about: Vec<About> = Sections(About::KEYS), Unset;
    }

    /// What is known of some models.
    About {
        /// A glob of models.
        model: String = Text, Is("*");
        /// Who answers for them: a label of `driftd_model_info`, to route pages by.
        owner: Option<String> = Text, Unset;
        /// How much each feature matters to them, by name; others count as their reference says, or
        /// as 1. Orders what moved by impact.
        importances: BTreeMap<String, f64> = Numbers, Is("");
    }

    /// Who hears of drift events.
    Webhook {
        /// What names it in the state log, metrics and logs. Under another name it is another
        /// webhook, which begins at the present.
        name: String = Text, Required;
        /// Where events are sent, with http:// or https://; it is shown nowhere.
        url: Hidden = Kind::Secret, Required;
        /// What events are signed with: `whsec_` and the base64 of 24 to 64 bytes; better in
        /// `secret_file` or `DRIFTD__WEBHOOKS__0__SECRET`.
        secret: Option<Hidden> = Kind::Secret, Unset;
        /// A file with the secret.
        secret_file: Option<String> = Text, Unset;
        /// Globs of the models to hear of; an empty list hears of all.
        models: Vec<String> = List(0, 1000), Is("");
        /// Severities of the alerts to hear of: `info`, `warning`, `critical`.
        severities: Vec<String> = List(1, 3), Is("warning,critical");
        /// What to hear of: `alert.firing`, `alert.escalated`, `alert.resolved`,
        /// `baseline.accepted`, `reference.activated`, `reference.refused`, `schema.changed`.
        events: Vec<String> = List(1, 7), Is("alert.firing,alert.escalated,alert.resolved");
    }

    /// The HTTP surface.
    Http {
        /// The address to listen at; port 0 takes a free one and the log says which.
        listen: String = Text, Is("127.0.0.1:9464");
        /// The address at which people find the web view, such as `https://driftd.example.com`: for
        /// the links in what webhooks send, which have none without it.
        external_url: Option<String> = Text, Unset;
        /// A file of tokens, a line `ROLE NAME TOKEN` each: role `read` or `operate`, the name of
        /// who has it, and at least 16 characters. With it, reading needs a token too, see `reads`.
        /// Without it, all can read and nobody can acknowledge, mute or accept a baseline.
        tokens_file: Option<String> = Text, Unset;
        /// Who may read where there are tokens: whoever has a `token`, or `all`; then only commands
        /// need one.
        reads: String = Choice(&["token", "all"]), Is("token");
        /// TLS. With the table, what listens speaks nothing else.
        tls: Option<HttpTls> = Section(HttpTls::KEYS), Unset;
    }

    /// The certificate of the HTTP surface.
    HttpTls {
        /// PEM file of the certificate and those that lead to its authority, in this order. With
        /// it HTTP is served over TLS (1.2 or 1.3) alone; a renewed one is taken up within 10 s.
        certificate: String = Text, Required;
        /// PEM file of the key of that certificate, without a passphrase.
        key: String = Text, Required;
    }

    /// Bounds on what the data may make driftd hold and show.
    Limits {
        /// Model versions monitored; rows of further ones are counted as not admitted.
        models_max: u64 = Integer(1, 100_000), Is("1000");
        /// Series that a model version without a reference may have, and fields that its reference
        /// does not know where it has one; values of further ones are counted as not admitted.
        loose_series_max: u64 = Integer(1, 100_000), Is("512");
        /// Bytes of what is counted (panes, hours, fields that no reference knows) from which on no
        /// further model version and no further field is let in; what is let in counts on.
        state_bytes_max: u64 = Integer(1_048_576, 1_000_000_000_000), Is("4294967296");
        /// Series that have score metrics; beyond it the worst and the firing ones go first, and
        /// a metric says how many are left out.
        metric_series_max: usize = Integer(0, 10_000_000), Is("100000");
        /// A model version without rows for this long is forgotten.
        silent_after: Span = Kind::Length("10m", "3650d"), Is("7d");
    }

    /// What driftd says about itself.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`, also by module: `info,rdkafka=debug`.
        level: String = Text, Is("info");
        /// `text` for people, `json` for one object a line.
        format: String = Choice(&["text", "json"]), Is("text");
    }
}
