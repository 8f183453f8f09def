//! The whole daemon against a real Kafka whose topic is already full, beside a bare consumer of the
//! same topic in the same run.
//!
//! ```text
//! cargo bench --bench pipeline -- [--events 6000000] [--rounds 3] [--codec lz4]
//! ```
//!
//! Events are shaped like those of the flights (20 features, 458 bytes). Kafka is started from
//! `tests/system/kafka` (see there) and stopped again. CPU is of the whole client process, from
//! `/proc`. The consumer's rate counts from the first record to the last; driftd's from when it is
//! ready until all is counted, so joining the group and the last flush are in it, and a topic shall
//! last for several times that. Compare ratios of one run: machines differ.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a program for people that measures; it fails loudly where it is wrong"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use driftd::time::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TOPIC: &str = "flights";
const PARTITIONS: i32 = 8;
const WORKERS: u64 = 2;

fn main() -> Outcome<()> {
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let events: u64 = argument("--events", "6000000").parse()?;
    let rounds: u32 = argument("--rounds", "3").parse()?;
    let kafka = Kafka::start()?;
    fill(&kafka, events, &argument("--codec", "lz4"))?;
    let mut reference = None;
    println!(
        "| round | client | events/s | CPU us/event | peak memory MB |\n|---|---|---|---|---|"
    );
    for round in 1..=rounds {
        let bare = consume(&kafka, events, round)?;
        println!("| {round} | bare consumer, {WORKERS} threads | {bare} |");
        let driftd = serve(&kafka, events, round, &mut reference)?;
        println!("| {round} | driftd, {WORKERS} workers | {driftd} |");
    }
    Ok(())
}

fn argument(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().unwrap_or_else(|| default.to_owned())
}

/// What a client did.
struct Figure {
    events: u64,
    wall: Duration,
    cpu: f64,
    peak_kib: u64,
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events = self.events as f64;
        let rate = events / self.wall.as_secs_f64();
        let cpu = self.cpu / events * 1e6;
        write!(f, "{rate:.0} | {cpu:.2} | {}", self.peak_kib / 1024)
    }
}

/// A broker of its own, stopped when dropped.
struct Kafka {
    script: PathBuf,
    dir: tempfile::TempDir,
    bootstrap: String,
}

impl Kafka {
    fn start() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = root.join("tests/system/kafka/kafka.sh");
        let dir = tempfile::tempdir()?;
        let run = |what: &[&str]| {
            let mut command = Command::new("bash");
            command
                .arg(&script)
                .args(what)
                .env("KAFKA_DIR", dir.path())
                .stderr(Stdio::inherit());
            command.output()
        };
        run(&["fetch"])?;
        let started = String::from_utf8(run(&["start", "1"])?.stdout)?;
        let found = started
            .lines()
            .find_map(|line| line.strip_prefix("KAFKA_BOOTSTRAP="));
        let bootstrap = found.ok_or("Kafka did not start")?.to_owned();
        Ok(Self {
            script,
            dir,
            bootstrap,
        })
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let mut stop = Command::new("bash");
        let stopped = stop
            .arg(&self.script)
            .arg("kill9")
            .env("KAFKA_DIR", self.dir.path())
            .status();
        if stopped.is_err() {
            println!("Kafka is still running in {}", self.dir.path().display());
        }
    }
}

/// A splitmix64 generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// One event shaped like a flight, at second `at` of the stream.
fn event(line: &mut String, at: u64, random: &mut Random) -> Outcome<()> {
    const CARRIERS: [&str; 6] = ["UA", "B6", "EV", "DL", "AA", "MQ"];
    const DESTS: [&str; 8] = ["IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD", "MCO"];
    let mut pick = |bound| random.below(bound);
    let (carrier, dest) = (CARRIERS[pick(6) as usize], DESTS[pick(8) as usize]);
    line.clear();
    write!(
        line,
        "{{\"model\":\"flight-delay\",\"version\":\"1\",\
         \"ts\":\"2026-03-{:02}T{:02}:{:02}:{:02}Z\",\
         \"request_id\":\"{at}\",\"features\":{{\"sched_dep_time\":{},\"sched_arr_time\":{},\
         \"carrier\":\"{carrier}\",\"origin\":\"JFK\",\"dest\":\"{dest}\",\"tailnum\":\"N{}\",",
        1 + at / 86_400,
        at / 3_600 % 24,
        at / 60 % 60,
        at % 60,
        500 + pick(1_800),
        600 + pick(1_700),
        10_000 + pick(4_000),
    )?;
    write!(
        line,
        "\"distance\":{},\"air_time\":{},\"dep_delay\":{},\"month\":{},\"day_of_week\":{},\
         \"hour\":{},\"temp\":{}.{:02},\"dewp\":{}.{:02},\"humid\":{}.{:02},\
         \"wind_speed\":{}.{:05},\"wind_gust\":null,\"precip\":0.0,\"pressure\":{}.{},\
         \"visib\":10.0}},",
        80 + pick(4_900),
        20 + pick(600),
        pick(120),
        1 + pick(12),
        1 + pick(7),
        5 + pick(18),
        10 + pick(80),
        pick(100),
        5 + pick(70),
        pick(100),
        15 + pick(80),
        pick(100),
        pick(40),
        pick(100_000),
        990 + pick(50),
        pick(10),
    )?;
    write!(
        line,
        "\"prediction\":0.{:06},\"latency_ms\":{}.{:03}}}",
        pick(1_000_000),
        2 + pick(60),
        pick(1_000)
    )?;
    Ok(())
}

/// Creates the topic and fills it.
fn fill(kafka: &Kafka, events: u64, codec: &str) -> Outcome<()> {
    let admin: AdminClient<DefaultClientContext> = kafka.config().create()?;
    let topic =
        NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
    let producer: BaseProducer = kafka
        .config()
        .set("compression.type", codec)
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .create()?;
    let (mut line, mut random) = (String::new(), Random(7));
    let start = "2026-03-01T00:00:00Z".parse::<Timestamp>()?.as_millis();
    let mut bytes = 0;
    for count in 0..events {
        // a day of event time over the whole stream
        let at = count * 86_400 / events.max(1);
        event(&mut line, at, &mut random)?;
        bytes += line.len() as u64;
        let partition = i32::try_from(count % 8)?;
        // the record is as old as its event, or it would be rejected as expired
        let mut record = BaseRecord::<(), str>::to(TOPIC)
            .payload(&line)
            .partition(partition)
            .timestamp(start + at.cast_signed() * 1_000);
        while let Err((error, back)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(5));
            record = back;
        }
        if count % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_mins(2))?;
    println!(
        "{events} events of {} bytes on average, {codec}, {PARTITIONS} partitions\n",
        bytes / events
    );
    Ok(())
}

/// Reads the topic with as many consumers as driftd has workers and adds up lengths.
fn consume(kafka: &Kafka, events: u64, round: u32) -> Outcome<Figure> {
    let (seen, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let before = cpu("self")?;
    let group = format!("bare-{round}");
    let read = || -> Outcome<Option<Instant>> {
        let consumer: BaseConsumer = kafka
            .config()
            .set("group.id", &group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()?;
        consumer.subscribe(&[TOPIC])?;
        let mut first = None;
        while seen.load(Ordering::Relaxed) < events {
            let (mut some, mut length) = (0, 0);
            while some < 1_000
                && let Some(message) = consumer
                    .poll(Duration::ZERO)
                    .or_else(|| consumer.poll(Duration::from_millis(20)))
            {
                length += message?.payload_len() as u64;
                some += 1;
                first.get_or_insert_with(Instant::now);
            }
            seen.fetch_add(some, Ordering::Relaxed);
            bytes.fetch_add(length, Ordering::Relaxed);
        }
        Ok(first)
    };
    let firsts: Outcome<Vec<Option<Instant>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS).map(|_| scope.spawn(read)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| "panicked")?)
            .collect()
    });
    let wall = firsts?
        .into_iter()
        .flatten()
        .min()
        .ok_or("nothing read")?
        .elapsed();
    Ok(Figure {
        events,
        wall,
        cpu: cpu("self")? - before,
        peak_kib: peak("self")?,
    })
}

/// Runs driftd until all events are counted.
fn serve(
    kafka: &Kafka,
    events: u64,
    round: u32,
    reference: &mut Option<tempfile::TempDir>,
) -> Outcome<Figure> {
    let references = match reference {
        Some(dir) => dir,
        none => none.insert(build_reference()?),
    };
    let dir = tempfile::tempdir()?;
    let port = free_port()?;
    let config = format!(
        "[kafka]\nbrokers = \"{}\"\n[[source]]\ntopics = [\"{TOPIC}\"]\n\
         group = \"driftd-{round}\"\nworkers = {WORKERS}\n[state]\nhome = \"embedded\"\n\
         dir = \"{}\"\n[reference]\nurl = \"{}\"\n\
         [http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"warn\"\n",
        kafka.bootstrap,
        dir.path().join("state").display(),
        references.path().display(),
    );
    let file = dir.path().join("driftd.toml");
    std::fs::write(&file, config)?;
    let mut driftd = Running(
        Command::new(env!("CARGO_BIN_EXE_driftd"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .spawn()?,
    );
    let pid = driftd.0.id().to_string();
    let (mut ready, deadline) = (None, Instant::now() + Duration::from_mins(10));
    loop {
        let found = rows(port).ok();
        if found.is_some() && ready.is_none() {
            ready = Some(Instant::now());
        }
        let rows = found.unwrap_or(0);
        if rows >= events {
            break;
        }
        if Instant::now() > deadline || driftd.0.try_wait()?.is_some() {
            return Err(format!("driftd counted {rows} of {events}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // counts show up flush by flush, so a rate between two looks would mean nothing: joining the
    // group is in it
    let begun = ready.ok_or("nothing counted")?;
    Ok(Figure {
        events,
        wall: begun.elapsed(),
        cpu: cpu(&pid)?,
        peak_kib: peak(&pid)?,
    })
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            let _status = self.0.wait();
        }
    }
}

/// A reference of events as they are in the topic.
fn build_reference() -> Outcome<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    let place = dir.path().join("flight-delay/1");
    std::fs::create_dir_all(&place)?;
    let (mut line, mut random, mut lines) = (String::new(), Random(8), String::new());
    for at in 0..50_000 {
        event(&mut line, at, &mut random)?;
        lines.push_str(&line);
        lines.push('\n');
    }
    let input = dir.path().join("training.jsonl");
    std::fs::write(&input, lines)?;
    let mut build = Command::new(env!("CARGO_BIN_EXE_driftd"));
    build.args([
        "reference",
        "build",
        "--model",
        "flight-delay",
        "--version",
        "1",
        "--output",
    ]);
    let built = build
        .arg(place.join("training.ref"))
        .arg(&input)
        .stdout(Stdio::null())
        .status()?;
    if built.success() {
        Ok(dir)
    } else {
        Err("the reference was not built".into())
    }
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Rows counted so far, from `/api/v1/status`.
fn rows(port: u16) -> Outcome<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(
        b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").ok_or("no body")?.1;
    let start = body.find('{').ok_or("no JSON")?;
    let end = body.rfind('}').ok_or("no JSON")?;
    let status: serde_json::Value = serde_json::from_str(&body[start..=end])?;
    let topics = status["topics"].as_array().ok_or("no topics")?;
    Ok(topics
        .iter()
        .filter_map(|topic| topic["rows"].as_u64())
        .sum())
}

/// CPU seconds of a process and its threads.
fn cpu(pid: &str) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .ok_or("stat")?
        .1
        .split_whitespace()
        .collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// The largest resident memory of a process so far, in KiB.
fn peak(pid: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
