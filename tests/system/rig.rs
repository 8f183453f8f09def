//! The one Kafka of all tests, and places for what they write.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

/// Where tests may write; `target/tmp`.
const TMP: &str = env!("CARGO_TARGET_TMPDIR");

/// One running broker, or several.
#[derive(Debug)]
pub(crate) struct Kafka {
    /// Deleted with the brokers.
    dir: PathBuf,
    env: BTreeMap<String, String>,
    /// The script that holds the brokers and lets them go when its standard input ends: when this
    /// is dropped, or this process ends.
    _holder: Mutex<Child>,
}

impl Kafka {
    /// Starts brokers in a directory of this name; more settings in the environment of the script.
    pub(crate) fn start(name: &str, brokers: &str, settings: &[(&str, &str)]) -> Self {
        let dir = Path::new(TMP).join(format!("kafka-{}{name}", id()));
        #[expect(
            clippy::zombie_processes,
            reason = "it ends after this process, and because of it"
        )]
        let mut holder = script(&dir)
            .args(["hold", brokers])
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs kafka.sh");
        let mut env = BTreeMap::new();
        for line in BufReader::new(holder.stdout.take().expect("it has an output")).lines() {
            let line = line.expect("its output is text");
            if line == "READY" {
                return Self {
                    dir,
                    env,
                    _holder: Mutex::new(holder),
                };
            }
            env.extend(
                line.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
        panic!("Kafka did not start; kafka.sh says why on standard error");
    }

    /// Has the script do something to the brokers, with more settings in its environment.
    pub(crate) fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) {
        let mut command = script(&self.dir);
        command.args(arguments).envs(settings.iter().copied());
        let ended = command.output().expect("bash runs kafka.sh");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            ended.status.success(),
            "kafka.sh {arguments:?} ended with {}:\n{}{}",
            ended.status,
            said(&ended.stdout),
            said(&ended.stderr)
        );
    }

    /// `HOST:PORT` of the listener without security; of several, with commas.
    pub(crate) fn bootstrap(&self) -> &str {
        self.value("KAFKA_BOOTSTRAP")
    }

    /// What the script says of the broker: `KAFKA_SASLSSL`, `KAFKA_CA`, `KAFKA_USER`, ..
    pub(crate) fn value(&self, name: &str) -> &str {
        self.env
            .get(name)
            .unwrap_or_else(|| panic!("kafka.sh says nothing of {name}"))
    }

    /// A directory that goes when the broker does.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The broker, started when it is asked for first.
pub(crate) fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| Kafka::start("", "1", &[("KAFKA_SECURE", "1")]))
}

/// The script, for the brokers in a directory.
fn script(dir: &Path) -> Command {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(TMP)
        .parent()
        .expect("tmp lies in the target directory");
    let mut command = Command::new("bash");
    command
        .arg(project.join("tests/system/kafka/kafka.sh"))
        .env("KAFKA_DIR", dir)
        .env("KAFKA_LIB", target.join("kafka/lib"));
    command
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

/// A new directory `target/tmp/<prefix>XXXXXX`, deleted when it is dropped.
pub(crate) fn temp_dir(prefix: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(TMP)
        .expect("target/tmp can be written")
}

/// A port of loopback that nobody listens at. From a range of its own, so that neither kafka.sh nor
/// outgoing connections take it before it is used, and never the same one twice.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + id() * 64;
        let port = u16::try_from(10_000 + offset % 10_000).expect("it is below 20,000");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
