//! driftd, from its start until all events of a topic are counted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::figure::{Figure, cpu, peak};
use crate::kafka::Kafka;
use crate::{Case, Outcome};

/// Runs driftd until all events are counted. What is read before it is ready counts for nothing:
/// its rate is from there on, joining the group and the last flush included.
pub fn serve(
    kafka: &Kafka,
    topic: &str,
    (case, references): (&Case, &Path),
    events: u64,
) -> Outcome<Figure> {
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = format!(
        "[kafka]\nbrokers = \"{}\"\n[[source]]\ntopics = [\"{topic}\"]\n\
         group = \"driftd-{port}\"\nworkers = {}\n[state]\nhome = \"embedded\"\n\
         dir = \"{}\"\n[reference]\nurl = \"{}\"\n\
         [http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"warn\"\n",
        kafka.bootstrap,
        case.workers,
        dir.path().join("state").display(),
        references.display(),
    );
    let file = dir.path().join("driftd.toml");
    std::fs::write(&file, config)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftd"));
    let mut driftd = Running(command.arg("serve").arg("--config").arg(&file).spawn()?);
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
    Ok(Figure {
        events,
        wall: ready.ok_or("nothing counted")?.elapsed(),
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
