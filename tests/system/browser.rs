//! As much of `WebDriver` as it takes to use a page the way a person does, through `ChromeDriver`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::monitoring::Process;
use crate::poll::poll_until;

/// How long the browser may take for anything.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How an element is named in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window; it is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Process,
    session: String,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) scheme: &'static str,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let mut driver = Process::launch("monitoring-", "chromedriver", &[], |address, _dir| {
            vec![format!("--port={}", address.port())]
        });
        driver.until("it listens", |driver| {
            TcpStream::connect(driver.address).ok()
        });
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": flags},
        }}});
        let opened = ask(driver.address, "POST /session", &wanted);
        let session = opened["sessionId"].as_str();
        let session = session.unwrap_or_else(|| panic!("no browser: {opened:#}"));
        Self {
            session: session.to_owned(),
            driver,
        }
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("POST /session/{}/{command}", self.session);
        let answer = ask(self.driver.address, &path, body);
        assert!(
            answer.get("error").is_none(),
            "{command} {body}: {} {}",
            answer["error"],
            answer["message"]
        );
        answer
    }

    /// Runs a command of the `DevTools` protocol.
    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post(
            "goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Shows pages so from now on.
    pub(crate) fn look(&self, look: Look) {
        let scheme = json!([{"name": "prefers-color-scheme", "value": look.scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": scheme}));
        let size = json!({
            "width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": look.width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// Loads the page again.
    pub(crate) fn refresh(&self) {
        self.post("refresh", &json!({}));
    }

    /// What a script gives.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of the page, as somebody sees it.
    pub(crate) fn text(&self) -> String {
        let text = self.run("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The path of the page, with its query.
    pub(crate) fn path(&self) -> String {
        let path = self.run("return location.pathname + location.search");
        path.as_str().unwrap_or_default().to_owned()
    }

    /// The first element of a selector.
    fn find(&self, selector: &str) -> String {
        let by = json!({"using": "css selector", "value": selector});
        let found = poll_until(TIMEOUT, || {
            let path = format!("POST /session/{}/element", self.session);
            let found = ask(self.driver.address, &path, &by);
            Some(found.get(ELEMENT)?.as_str()?.to_owned())
        });
        found.unwrap_or_else(|| panic!("no {selector} on {}:\n{}", self.path(), self.text()))
    }

    /// Clicks on the first element of a selector, which leads to another page, and waits for that.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        let script = "window.isLeft = true; arguments[0].scrollIntoView({block: 'center'})";
        let arguments = json!([{ELEMENT: element}]);
        self.post(
            "execute/sync",
            &json!({"script": script, "args": arguments}),
        );
        self.post(&format!("element/{element}/click"), &json!({}));
        let path = format!("POST /session/{}/execute/sync", self.session);
        let script = "return !window.isLeft && document.readyState === 'complete'";
        let is_there = poll_until(TIMEOUT, || {
            // between two pages there is nothing to run it in
            let found = ask(
                self.driver.address,
                &path,
                &json!({"script": script, "args": []}),
            );
            (found == Value::Bool(true)).then_some(())
        });
        assert!(is_there.is_some(), "{selector} leads nowhere");
    }

    /// Types into the first element of a selector.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/value"), &json!({"text": text}));
    }

    /// Presses the key that moves the focus on.
    pub(crate) fn tab(&self) {
        let keys = json!({"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": "\u{e004}"}, {"type": "keyUp", "value": "\u{e004}"},
        ]}]});
        self.post("actions", &keys);
    }

    /// What the console said since it was asked last.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.post("se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let path = format!("DELETE /session/{}", self.session);
        // it may be gone already, which is as well
        drop(send(self.driver.address, &path, ""));
    }
}

/// The value of an answer.
fn ask(address: SocketAddr, method_and_path: &str, body: &Value) -> Value {
    let answer = send(address, method_and_path, &body.to_string());
    let answer = answer.unwrap_or_else(|error| panic!("{method_and_path}: {error}"));
    let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    answer["value"].clone()
}

/// The body of an answer; the driver keeps connections open, so its length says where it ends.
fn send(address: SocketAddr, method_and_path: &str, body: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "{method_and_path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok());
    let mut answer = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
