//! As much of HTTP as it takes to ask a daemon on loopback, and of the format of its metrics.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

/// Asks for a page.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    ask(address, None, &format!("GET {path}"), "")
}

/// Asks with a method, a path and a body, which is JSON unless it is empty; with HTTP/1.0, so that
/// the answer ends with the connection and is not in chunks.
pub(crate) fn ask(
    address: SocketAddr,
    token: Option<&str>,
    method_and_path: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // in one piece: who is refused may be answered before all of it is read
    let mut request = Vec::new();
    write!(request, "{method_and_path} HTTP/1.0\r\nHost: {address}\r\n")?;
    if let Some(token) = token {
        write!(request, "Authorization: Bearer {token}\r\n")?;
    }
    if !body.is_empty() {
        let length = body.len();
        write!(
            request,
            "Content-Type: application/json\r\nContent-Length: {length}\r\n"
        )?;
    }
    write!(request, "\r\n{body}")?;
    stream.write_all(&request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let content_type = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map_or("", |(_, value)| value.trim());
    Ok(Answer {
        status: status.ok_or_else(bad)?,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
    })
}

/// What stands on a page of metrics.
#[derive(Debug)]
pub(crate) struct Metrics(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads the text format of Prometheus.
    pub(crate) fn of(page: &str) -> Self {
        let lines = page
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(sample).collect())
    }

    /// The sum over all samples of a counter that have at least these labels; 0 without any.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let matches = |sample: &&Sample| {
            let has = |(label, value): &(&str, &str)| {
                sample
                    .labels
                    .get(*label)
                    .is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        };
        self.0.iter().filter(matches).map(Sample::count).sum()
    }

    /// A counter with these labels by one of the others, what is 0 left out.
    pub(crate) fn counts_by(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        by: &str,
    ) -> BTreeMap<String, u64> {
        let samples = self.0.iter().filter(|sample| sample.name == name);
        let groups = samples.filter_map(|sample| sample.labels.get(by));
        let counted = groups.map(|group| {
            let labels = [labels, &[(by, group.as_str())]].concat();
            (group.clone(), self.count(name, &labels))
        });
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

impl Sample {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is checked"
    )]
    fn count(&self) -> u64 {
        let Self { name, value, .. } = self;
        assert!(
            *value >= 0.0 && value.fract() == 0.0,
            "{name} counts {value}"
        );
        *value as u64
    }
}

fn sample(line: &str) -> Sample {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a metric has a value"));
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_prefix('{').unwrap_or(rest);
    while let Some((label, after)) = rest
        .split_once("=\"")
        .filter(|_| !rest.starts_with(['}', ' ']))
    {
        let mut value = String::new();
        let mut after = after.chars();
        loop {
            match after.next().expect("a label ends") {
                '"' => break,
                '\\' => value.push(match after.next().expect("an escape ends") {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        labels.insert(label.trim_start_matches(',').to_owned(), value);
        rest = after.as_str();
    }
    let value = rest
        .trim_start_matches('}')
        .trim()
        .split(' ')
        .next()
        .unwrap_or_default();
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("no number at the end of `{line}`"));
    Sample {
        name: name.to_owned(),
        labels,
        value,
    }
}

#[test]
fn a_page_of_metrics_is_read_with_labels_and_escapes() {
    let metrics = Metrics::of(
        "# HELP a b\na{x=\"1\",y=\"q\\\"}\\n\"} 2\na{x=\"2\",y=\"\"} 3\nb 1e3\n\
         a{x=\"2\",y=\"z\"} 0\n",
    );
    assert_eq!(metrics.count("a", &[]), 5);
    assert_eq!(metrics.count("a", &[("y", "q\"}\n")]), 2);
    assert_eq!(metrics.count("b", &[]), 1000);
    assert_eq!(metrics.count("b", &[("x", "1")]), 0);
    let by_y = metrics.counts_by("a", &[("x", "2")], "y");
    assert_eq!(by_y.into_iter().collect::<Vec<_>>(), [(String::new(), 3)]);
}
