//! Brokers, and what TLS and SASL are in the properties of librdkafka.
//!
//! ```text
//! kafka.tls   kafka.sasl   security.protocol
//! -           -            (librdkafka's default: plaintext)
//! -           set          sasl_plaintext
//! set         -            ssl
//! set         set          sasl_ssl
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::Kafka;
use crate::config::check::Checker;
use crate::config::check::problem::{Problem, know, shown};
use crate::config::load::read;
use crate::config::raw::{self, Hidden};

/// Properties that driftd's exact counts stand on, or that have a key of their own, and what to do
/// instead of setting them.
const OWN: [(&str, &str); 19] = [
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("group.id", "set source.group"),
    ("auto.offset.reset", "set source.start"),
    ("acks", ALWAYS),
    ("request.required.acks", ALWAYS),
    ("allow.auto.create.topics", ALWAYS),
    ("auto.commit.enable", ALWAYS),
    ("auto.commit.interval.ms", ALWAYS),
    ("enable.auto.commit", ALWAYS),
    ("enable.auto.offset.store", ALWAYS),
    ("enable.partition.eof", ALWAYS),
    ("group.instance.id", ALWAYS),
    ("group.protocol", ALWAYS),
    ("group.remote.assignor", ALWAYS),
    ("isolation.level", ALWAYS),
    ("offset.store.method", ALWAYS),
    ("partition.assignment.strategy", ALWAYS),
    ("transactional.id", ALWAYS),
];
const ALWAYS: &str = "leave it out, driftd needs its own value";

/// The longest password in bytes.
const PASSWORD_BYTES_MAX: usize = 4096;

impl Checker {
    pub(super) fn kafka(&mut self, raw: raw::Kafka) -> Kafka {
        for broker in &raw.brokers {
            if !is_host_and_port(broker) {
                let what = format!("{} is not HOST:PORT", shown(broker));
                self.report(Problem::new("kafka.brokers", what));
            }
        }
        let mut properties = BTreeMap::new();
        let mut set = |name: &str, value: &str| properties.insert(name.into(), value.into());
        match (&raw.tls, &raw.sasl) {
            (None, None) => None,
            (None, Some(_)) => set("security.protocol", "sasl_plaintext"),
            (Some(_), None) => set("security.protocol", "ssl"),
            (Some(_), Some(_)) => set("security.protocol", "sasl_ssl"),
        };
        if let Some(tls) = raw.tls {
            self.tls(tls, &mut properties);
        }
        if let Some(sasl) = raw.sasl {
            self.sasl(sasl, &mut properties);
        }
        self.properties(raw.properties, &mut properties);
        Kafka {
            brokers: raw.brokers.join(","),
            properties,
        }
    }

    fn tls(&mut self, raw: raw::Tls, properties: &mut BTreeMap<String, String>) {
        match (&raw.certificate, &raw.key) {
            (Some(_), None) => {
                self.report(Problem::new("kafka.tls.certificate", "needs kafka.tls.key"));
            }
            (None, Some(_)) => {
                self.report(Problem::new("kafka.tls.key", "needs kafka.tls.certificate"));
            }
            _ => {}
        }
        for (path, key) in [
            (&raw.ca, "kafka.tls.ca"),
            (&raw.certificate, "kafka.tls.certificate"),
            (&raw.key, "kafka.tls.key"),
        ] {
            if let Some(path) = path
                && !Path::new(path).exists()
            {
                let what = format!("there is no file {}", shown(path));
                self.report(Problem::new(key, what));
            }
        }
        // a librdkafka with its own OpenSSL does not know where the machine keeps its authorities
        let ca = raw.ca.unwrap_or_else(|| "probe".to_owned());
        properties.insert("ssl.ca.location".to_owned(), ca);
        for (name, path) in [
            ("ssl.certificate.location", raw.certificate),
            ("ssl.key.location", raw.key),
        ] {
            properties.extend(path.map(|path| (name.to_owned(), path)));
        }
    }

    fn sasl(&mut self, raw: raw::Sasl, properties: &mut BTreeMap<String, String>) {
        let password = match (raw.password, raw.password_file) {
            (Some(Hidden(password)), None) => password,
            (None, Some(file)) => self.password(&file),
            (None, None) => {
                let keys = ["kafka.sasl.password", "kafka.sasl.password_file"];
                if !keys.iter().any(|key| know(&self.problems, key)) {
                    let problem = Problem::new("kafka.sasl.password", "is required");
                    self.report(problem.hint("or give kafka.sasl.password_file"));
                }
                return;
            }
            (Some(_), Some(_)) => {
                let what = "there is kafka.sasl.password already";
                self.report(
                    Problem::new("kafka.sasl.password_file", what).hint("give one of them"),
                );
                return;
            }
        };
        for (name, value) in [
            ("sasl.mechanisms", raw.mechanism),
            ("sasl.username", raw.username),
            ("sasl.password", password),
        ] {
            properties.insert(name.to_owned(), value);
        }
    }

    fn password(&mut self, file: &str) -> String {
        let what = match read(Path::new(file)) {
            Err(what) => format!("{} {what}", shown(file)),
            Ok(text) => match text.strip_suffix('\n').map_or(&*text, trim_return) {
                "" => format!("{} is empty", shown(file)),
                password if password.len() > PASSWORD_BYTES_MAX => {
                    format!("{} has more than {PASSWORD_BYTES_MAX} bytes", shown(file))
                }
                password => return password.to_owned(),
            },
        };
        self.report(Problem::new("kafka.sasl.password_file", what));
        String::new()
    }

    /// Adds the operator's own properties, which overrule those that are there.
    fn properties(
        &mut self,
        raw: BTreeMap<String, Hidden>,
        properties: &mut BTreeMap<String, String>,
    ) {
        for (name, Hidden(value)) in raw {
            let key = format!("kafka.properties.{name}");
            if let Some((_, instead)) = OWN.iter().find(|(own, _)| *own == name) {
                self.report(Problem::new(key, "is set by driftd").hint(*instead));
            } else if !is_property(&name) {
                self.report(Problem::new(
                    key,
                    "is not the name of a librdkafka property",
                ));
            }
            properties.insert(name, value);
        }
    }
}

fn trim_return(text: &str) -> &str {
    text.strip_suffix('\r').unwrap_or(text)
}

fn is_property(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| letter(byte) || b".-_".contains(&byte))
}

/// Whether `text` is a host or an address, an IPv6 one in brackets, and a port.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = |host: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !host.is_empty() && host.bytes().all(letter)
    };
    let host_fits = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host(host),
    };
    host_fits
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}
