//! Prometheus, Alertmanager and somebody to be paged, with the files of `deploy`, on loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driftd::PATIENCE;
use crate::http;
use crate::poll::poll_until;
use crate::rig::{free_address, temp_dir, text};

/// What Debian and others call it.
const ALERTMANAGER: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the project, with parts of it replaced, each of which is there.
pub(crate) fn adapted(path: &str, parts: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(project(path)).expect("it is there");
    parts.iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "no {old:?} in {path}");
        text.replace(old, new)
    })
}

/// A process that is killed when this is dropped. Its directory has its `pid`, for whoever must
/// clean up after us.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    dir: TempDir,
    child: Child,
}

impl Process {
    /// Starts a command in a directory of its own, in which `files` are, and waits until it is
    /// ready.
    pub(crate) fn start(
        prefix: &str,
        program: &str,
        files: &[(&str, &str)],
        arguments: impl FnOnce(SocketAddr, &Path) -> Vec<String>,
    ) -> Self {
        let mut process = Self::launch(prefix, program, files, arguments);
        process.until("it is ready", |process| {
            let ready = http::get(process.address, "/-/ready").ok()?;
            (ready.status == 200).then_some(())
        });
        process
    }

    /// The demo.
    pub(crate) fn demo() -> Self {
        let driftd = env!("CARGO_BIN_EXE_driftd");
        Self::start("driftd-", driftd, &[], |address, _dir| {
            let listen = address.to_string();
            vec!["demo".to_owned(), "--listen".to_owned(), listen]
        })
    }

    /// Starts a command in a directory of its own, in which `files` are.
    pub(crate) fn launch(
        prefix: &str,
        program: &str,
        files: &[(&str, &str)],
        arguments: impl FnOnce(SocketAddr, &Path) -> Vec<String>,
    ) -> Self {
        let (address, dir) = (free_address(), temp_dir(prefix));
        for (name, content) in files {
            fs::write(dir.path().join(name), content).expect("its directory can be written");
        }
        let log = File::create(dir.path().join("log")).expect("a log");
        let child = Command::new(program)
            .args(arguments(address, dir.path()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has many handles"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        fs::write(dir.path().join("pid"), child.id().to_string()).expect("it can be written");
        Self {
            address,
            dir,
            child,
        }
    }

    /// Waits for something of a running process.
    pub(crate) fn until<T>(&mut self, what: &str, ask: impl Fn(&Self) -> Option<T>) -> T {
        let answer = poll_until(PATIENCE, || {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                panic!("it ended with {status} before {what}:\n{}", self.log());
            }
            ask(self)
        });
        answer.unwrap_or_else(|| panic!("it never came that {what}; log:\n{}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("it has a log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // it may have ended by itself, which is as well
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A Prometheus that asks once a second, and judges as often.
#[derive(Debug)]
pub(crate) struct Prometheus(Process);

impl Prometheus {
    /// Scrapes `driftd`, applies `rules` and tells `alertmanager`.
    pub(crate) fn start(driftd: SocketAddr, rules: &str, alertmanager: Option<SocketAddr>) -> Self {
        let told: Vec<String> = alertmanager.iter().map(SocketAddr::to_string).collect();
        // JSON is YAML
        let config = json!({
            "global": {
                "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s",
            },
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": told}]}]},
            "scrape_configs": [
                {"job_name": "driftd", "static_configs": [{"targets": [driftd.to_string()]}]},
            ],
        })
        .to_string();
        let files = [("prometheus.yaml", &*config), ("rules.yaml", rules)];
        Self(Process::start(
            "monitoring-",
            "prometheus",
            &files,
            |address, dir| {
                vec![
                    format!("--config.file={}", text(&dir.join("prometheus.yaml"))),
                    format!("--storage.tsdb.path={}", text(&dir.join("tsdb"))),
                    format!("--web.listen-address={address}"),
                    "--log.level=warn".to_owned(),
                ]
            },
        ))
    }

    /// What an expression is now: labels and value.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        self.ask("query", expression, "")
    }

    /// What an expression was from `from` to `to`, in seconds since 1970.
    pub(crate) fn range(&self, expression: &str, (from, to): (i64, i64)) -> Vec<Value> {
        self.ask(
            "query_range",
            expression,
            &format!("&start={from}&end={to}&step=2"),
        )
    }

    fn ask(&self, how: &str, expression: &str, more: &str) -> Vec<Value> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let path = format!("/api/v1/{how}?query={query}{more}");
        let answer = http::get(self.0.address, &path).expect("Prometheus answers");
        let body: Value = serde_json::from_str(&answer.body).expect("it is JSON");
        let result = body["data"]["result"].as_array();
        result
            .unwrap_or_else(|| panic!("{expression}: {body}"))
            .clone()
    }

    /// Waits until an expression has a value.
    pub(crate) fn until(&mut self, expression: &str) {
        let asked = Self::ask_once(self.0.address, expression);
        self.0
            .until(&format!("`{expression}` has a value"), |_process| asked());
    }

    fn ask_once(address: SocketAddr, expression: &str) -> impl Fn() -> Option<()> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let path = format!("/api/v1/query?query={query}");
        move || {
            let answer = http::get(address, &path).ok()?;
            let body: Value = serde_json::from_str(&answer.body).ok()?;
            let result = body["data"]["result"].as_array()?;
            (!result.is_empty()).then_some(())
        }
    }
}

/// An Alertmanager with the configuration of `deploy`, whose receivers are all `hook`.
pub(crate) fn alertmanager(hook: SocketAddr) -> Process {
    let config = adapted(
        "deploy/alertmanager/alertmanager.yaml",
        &[
            ("127.0.0.1:9900", &hook.to_string()),
            // long enough for all that one change of the data does
            ("group_wait: 30s", "group_wait: 12s"),
            ("group_interval: 5m", "group_interval: 1s"),
        ],
    );
    let template = adapted("deploy/alertmanager/driftd.tmpl", &[]);
    let files = [("alertmanager.yaml", &*config), ("driftd.tmpl", &*template)];
    let program = ALERTMANAGER.into_iter().find(|program| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|ended| ended.status.success())
    });
    let program = program.expect("prometheus-alertmanager is installed");
    Process::start("monitoring-", program, &files, |address, dir| {
        vec![
            format!("--config.file={}", text(&dir.join("alertmanager.yaml"))),
            format!("--storage.path={}", text(&dir.join("data"))),
            format!("--web.listen-address={address}"),
            // no gossip
            "--cluster.listen-address=".to_owned(),
            "--log.level=warn".to_owned(),
        ]
    })
}

/// A page that somebody got.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Who.
    pub(crate) path: String,
    /// What.
    pub(crate) body: Value,
}

/// Somebody to be paged.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    pages: Arc<Mutex<Vec<Page>>>,
}

impl Hook {
    /// Takes pages until the process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        let pages = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&pages);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(page) = take(stream) {
                    taken.lock().expect("nobody panics with it").push(page);
                }
            }
        });
        Self { address, pages }
    }

    /// All pages so far.
    pub(crate) fn pages(&self) -> Vec<Page> {
        self.pages.lock().expect("nobody panics with it").clone()
    }
}

/// Reads one request and thanks for it.
fn take(stream: TcpStream) -> Option<Page> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut path, mut length) = (None, 0);
    for line in reader.by_ref().lines() {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if path.is_none() {
            path = line.split(' ').nth(1).map(str::to_owned);
        } else if let Some(bytes) = line.strip_prefix("content-length:") {
            length = bytes.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    let thanks = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(thanks).ok()?;
    Some(Page {
        path: path?,
        body: serde_json::from_slice(&body).ok()?,
    })
}
