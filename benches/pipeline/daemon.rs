//! driftd, as its users run it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::figure::{Figure, cpu, peak, resident};
use crate::kafka::Kafka;
use crate::{Case, Outcome};

/// A state log in a directory of its own.
const EMBEDDED: &str = "home = \"embedded\"\ndir = \"{dir}\"";

/// A running daemon, killed when dropped.
pub struct Daemon {
    process: Child,
    port: u16,
    /// Kept as long as the process.
    _dir: tempfile::TempDir,
}

impl Daemon {
    /// Starts driftd over a topic; `state` is what stands under `[state]` in its configuration,
    /// with `{dir}` for a directory of its own.
    pub fn start(
        kafka: &Kafka,
        topic: &str,
        (workers, references): (i32, &Path),
        state: &str,
    ) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = format!(
            "[kafka]\nbrokers = \"{}\"\n[[source]]\ntopics = [\"{topic}\"]\n\
             group = \"driftd-{port}\"\nworkers = {workers}\n[state]\n{}\n\
             [reference]\nurl = \"{}\"\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"warn\"\n",
            kafka.bootstrap,
            state.replace("{dir}", &dir.path().join("state").display().to_string()),
            references.display(),
        );
        let file = dir.path().join("driftd.toml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftd"));
        let process = command.arg("serve").arg("--config").arg(&file).spawn()?;
        Ok(Self {
            process,
            port,
            _dir: dir,
        })
    }

    /// Waits until so many rows are counted; how long it was ready then. Ten minutes without one
    /// more row are an error.
    pub fn wait(&mut self, rows: u64) -> Outcome<Duration> {
        let (mut ready, mut most, mut grown) = (None, None, Instant::now());
        loop {
            let found = self.rows().ok();
            if found.is_some() && ready.is_none() {
                ready = Some(Instant::now());
            }
            if found > most {
                (most, grown) = (found, Instant::now());
            }
            if let Some(ready) = ready.filter(|_| found.is_some_and(|found| found >= rows)) {
                return Ok(ready.elapsed());
            }
            let is_stuck = grown.elapsed() > Duration::from_mins(10);
            if is_stuck || self.process.try_wait()?.is_some() {
                return Err(format!("driftd counted {found:?} of {rows}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the references of all models are in force.
    pub fn wait_for_references(&mut self, models: u64) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            let metrics = self.get("/metrics").unwrap_or_default();
            let infos = metrics
                .lines()
                .filter(|line| line.starts_with("driftd_model_info{"));
            let found = infos
                .filter(|line| line.contains("reference=\"training\""))
                .count() as u64;
            if found >= models {
                return Ok(());
            }
            if Instant::now() > deadline || self.process.try_wait()?.is_some() {
                return Err(format!("{found} of {models} references are in force").into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn get(&self, path: &str) -> Outcome<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").ok_or("no body")?.1.to_owned())
    }

    /// CPU seconds so far.
    pub fn cpu(&self) -> Outcome<f64> {
        cpu(&self.process.id().to_string())
    }

    /// The largest resident memory so far, and that of now; Prometheus was here before.
    pub fn megabytes(&self) -> Outcome<(u64, u64)> {
        self.get("/metrics")?;
        let process = self.process.id().to_string();
        Ok((peak(&process)? / 1_024, resident(&process)? / 1_024))
    }

    /// Rows counted so far, from `/api/v1/status`.
    pub fn rows(&self) -> Outcome<u64> {
        let body = self.get("/api/v1/status")?;
        let start = body.find('{').ok_or("no JSON")?;
        let end = body.rfind('}').ok_or("no JSON")?;
        let status: serde_json::Value = serde_json::from_str(&body[start..=end])?;
        let topics = status["topics"].as_array().ok_or("no topics")?;
        Ok(topics
            .iter()
            .filter_map(|topic| topic["rows"].as_u64())
            .sum())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            let _status = self.process.wait();
        }
    }
}

/// Runs driftd over a topic without events until it has taken in all references; the CPU seconds
/// of that.
pub fn begin(kafka: &Kafka, (case, references): (&Case, &Path)) -> Outcome<f64> {
    let topic = "nothing";
    kafka.create(topic)?;
    let mut daemon = Daemon::start(kafka, topic, (case.workers, references), EMBEDDED)?;
    daemon.wait_for_references(case.shape.models)?;
    let cpu = daemon.cpu()?;
    kafka.forget(topic)?;
    Ok(cpu)
}

/// Runs driftd until all events of a topic are counted. Its rate is from when it is ready, joining
/// the group and the last flush included.
pub fn serve(
    kafka: &Kafka,
    topic: &str,
    (case, references): (&Case, &Path),
    events: u64,
) -> Outcome<Figure> {
    let mut daemon = Daemon::start(kafka, topic, (case.workers, references), EMBEDDED)?;
    let wall = daemon.wait(events)?;
    Ok(Figure {
        events,
        wall,
        cpu: daemon.cpu()?,
        peak_kib: peak(&daemon.process.id().to_string())?,
    })
}
