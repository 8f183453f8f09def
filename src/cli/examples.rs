//! What stands below the help of each command.

pub(super) const TOP: &str = "\
Examples:
  driftd demo                                      see it work, with nothing else installed
  driftd serve --brokers localhost:9092 --topic inference
  driftd serve --config driftd.toml

Exit codes:
  0   as asked
  64  the command line or the configuration is wrong
  65  input is not what it should be
  69  something that is needed is not available: a broker, a topic, a port
  70  a fault of driftd itself";

pub(super) const SERVE: &str = "\
kafka.brokers and source.topics have no default; all else has.

Examples:
  driftd serve --brokers localhost:9092 --topic inference
  driftd serve --config driftd.toml --listen 0.0.0.0:9464
  DRIFTD__KAFKA__BROKERS=kafka:9092 DRIFTD__SOURCE__0__TOPICS=a,b driftd serve";

pub(super) const DEMO: &str = "\
Ctrl-C ends it; nothing is left behind.

Examples:
  driftd demo
  driftd demo --listen 127.0.0.1:0                 at a free port, which it prints";

pub(super) const CHECK: &str = "\
Examples:
  driftd check --config driftd.toml                exits with 64 if anything is wrong
  driftd check --config driftd.toml --connect      and with 69 if something is not there";

pub(super) const BUILD: &str = "\
In tables the columns prediction, latency_ms, status, request_id and ts mean what they mean in
events; every other column is a feature.

Examples:
  driftd reference build --model fraud --version 7 --output training.ref train.parquet
  driftd reference build --model fraud --version 7 --role baseline --layout-from training.ref \\
      --time-column ts --timezone Europe/Berlin \\
      --exclude 2026-11-01T00:00:00Z..2026-11-02T00:00:00Z --output baseline.ref week-*.jsonl";

pub(super) const SHOW: &str = "\
Examples:
  driftd reference show training.ref
  driftd reference show training.ref --json";

pub(super) const DIFF: &str = "\
Examples:
  driftd reference diff fraud-6.ref fraud-7.ref";

pub(super) const EXPORT: &str = "\
It reads the state log to its end, and changes nothing. A running driftd keeps a log of state.home =
\"embedded\" to itself: ask that one, at /api/v1/models/fraud/versions/7/reference.

Examples:
  driftd reference export --model fraud --version 7 --config driftd.toml --output learned.ref";

pub(super) const REPLAY: &str = "\
Examples:
  driftd replay --reference training.ref events.jsonl
  driftd replay --reference training.ref --window 24h --every 4h --format jsonl march.parquet";

pub(super) const POWER: &str = "\
Examples:
  driftd power --reference training.ref --rows-per-hour 1000
  driftd power --reference training.ref --rows-per-hour 50 --windows 24h,7d \\
      --false-alarms-per-month 0.2 --format jsonl";
pub(super) const JOURNAL_EXPORT: &str = "\
A running driftd need not be stopped for it.

Examples:
  driftd journal export --config driftd.toml > journal.jsonl
  driftd journal export --config driftd.toml | driftd journal verify -";

pub(super) const JOURNAL_VERIFY: &str = "\
Each entry has the hash of the one before it, so what is changed, put in or taken out is found. The
first entry that does not fit is named, and the exit code is 65. Only entries taken off the end, or
a last entry rewritten, leave a chain that fits; keep the head that is printed, and compare.

Examples:
  driftd journal verify journal.jsonl
  driftd journal verify --config driftd.toml";

pub(super) const COMPLETIONS: &str = "\
Examples:
  driftd completions bash > ~/.local/share/bash-completion/completions/driftd";
