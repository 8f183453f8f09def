//! What is written, and what is said of it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::config::{
    Config, Home, LogFormat, OnTruncation, Overrides, Problems, Start, TokenRole, environment,
    keys, load,
};
use crate::decode::{FieldPaths, Limits};
use crate::time::Length;

const LEAST: &str = "kafka.brokers = 'k:9092'\nsource = [{ topics = ['t'] }]\n";

/// A file of this text; the directory goes when it is dropped.
fn file(toml: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.toml");
    std::fs::write(&path, toml).unwrap();
    (dir, path)
}

fn load_from(toml: &str, env: &[(&str, &str)], overrides: &Overrides) -> Result<Config, Problems> {
    let (_dir, path) = file(toml);
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(&path), env, overrides)
}

fn load_toml(toml: &str) -> Result<Config, Problems> {
    load_from(toml, &[], &Overrides::default())
}

/// What is said of a file `d.toml` with brokers and, where it does not have sources, a topic.
fn said(toml: &str, env: &[(&str, &str)], overrides: &Overrides) -> String {
    let source = if toml.contains("source") {
        ""
    } else {
        "source = [{ topics = ['t'] }]\n"
    };
    let (dir, path) = file(&format!("kafka.brokers = 'k:9092'\n{source}{toml}"));
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let text = load(Some(&path), env, overrides).unwrap_err().to_string();
    text.replace(&format!("{}/", dir.path().display()), "")
}

fn brokers(brokers: &str) -> Overrides {
    Overrides {
        brokers: Some(brokers.to_owned()),
        ..Overrides::default()
    }
}

#[test]
fn brokers_and_topics_are_enough() {
    let config = load_toml(LEAST).unwrap();
    assert_eq!(config.kafka.brokers, "k:9092");
    assert!(config.kafka.properties.is_empty());
    let source = &config.sources[0];
    assert_eq!(source.topics, ["t"]);
    assert_eq!(source.group, "driftd");
    assert!((1..=256).contains(&source.workers));
    assert_eq!(source.fields, FieldPaths::default());
    assert_eq!(source.decode, Limits::default());
    assert_eq!(source.start, Start::Earliest);
    assert_eq!(source.on_truncation, OnTruncation::Stop);
    assert_eq!(source.dead_letter_topic, None);
    assert_eq!(
        config.state.home,
        Home::Kafka {
            topic: "driftd.state".to_owned(),
            journal_topic: "driftd.journal".to_owned(),
            snapshot_topic: "driftd.snapshot".to_owned(),
        }
    );
    assert_eq!(config.state.spill_dir, None);
    assert_eq!(config.state.flush_interval, Length::SECOND.times(5));
    assert_eq!(config.reference, None);
    assert_eq!(
        config.fold.windows,
        [1, 6, 24].map(|hours| Length::HOUR.times(hours))
    );
    assert_eq!(config.fold.keep, None);
    assert_eq!(config.fold.lateness, Length::MINUTE);
    assert_eq!(config.fold.wait_max, Length::MINUTE.times(10));
    assert_eq!(config.fold.silent_after, Length::DAY.times(7));
    assert_eq!(
        (config.fold.models_max, config.fold.loose_series_max),
        (1000, 512)
    );
    assert_eq!(config.fold.learn_rows, 10_000);
    assert!(config.fold.models_allow.is_empty());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.limits.metric_series_max, 100_000);
    assert_eq!(
        (config.log.level.as_str(), config.log.format),
        ("info", LogFormat::Text)
    );
}

#[test]
fn nothing_is_required_but_brokers_and_topics() {
    let nothing = load(None, std::iter::empty(), &Overrides::default());
    assert_eq!(
        nothing.unwrap_err().to_string(),
        "kafka.brokers: is required; set it in the file, as DRIFTD__KAFKA__BROKERS or with \
         --brokers\nsource[0].topics: is required; set it in the file, as \
         DRIFTD__SOURCE__0__TOPICS or with --topic"
    );
}

#[test]
fn all_that_can_be_set_is_read() {
    let (dir, ca) = file("");
    let (tokens_dir, tokens) = file("operate ann 0123456789abcdef");
    let config = load_toml(&format!(
        include_str!("all.toml"),
        ca.display(),
        tokens.display()
    ));
    drop((dir, tokens_dir));
    let config = config.unwrap();
    assert_eq!(config.kafka.properties["socket.timeout.ms"], "1000");
    assert_eq!(config.kafka.properties["security.protocol"], "ssl");
    insta::assert_debug_snapshot!(config);
}

#[test]
fn a_file_of_tokens_is_read_at_the_start() {
    let of = |path: &Path| load_toml(&format!("{LEAST}http.tokens_file = '{}'", path.display()));
    let (_dir, good) = file("read ann 0123456789abcdef");
    let tokens = of(&good).unwrap().http.tokens.unwrap();
    assert_eq!(
        tokens.find("0123456789abcdef").unwrap().role,
        TokenRole::Read
    );
    let (_dir, bad) = file("read ann 0123456789abcdef\nwrite bob fedcba9876543210\n\nread");
    let said = of(&bad).unwrap_err().to_string();
    for what in ["line 2 has a role", "line 4 is not `ROLE NAME TOKEN`"] {
        assert!(
            said.contains("http.tokens_file: ") && said.contains(what),
            "{said}"
        );
    }
    assert!(!said.contains("fedcba"), "{said}");
    let said = of(&bad.with_extension("none")).unwrap_err().to_string();
    assert!(said.contains("cannot be read"), "{said}");
}

#[test]
fn later_layers_overrule_earlier_ones_key_by_key() {
    let toml = "
        kafka.brokers = 'file:1'
        kafka.properties = { 'client.id' = 'file', 'client.rack' = 'file' }
        http.listen = '127.0.0.1:1'
        [[source]]
        topics = ['file']
        group = 'file'
        [[source]]
        topics = ['second']";
    let env = [
        ("PATH", "/bin"),
        ("DRIFTD_PORT", "tcp://10.0.0.1:9464"),
        ("DRIFTD__KAFKA__BROKERS", "env:1,env:2"),
        ("DRIFTD__KAFKA__PROPERTIES__CLIENT_ID", "env"),
        ("DRIFTD__SOURCE__1__GROUP", "env"),
        ("DRIFTD__SOURCE__1__WORKERS", "7"),
        ("DRIFTD__SOURCE__2__TOPICS", "third,fourth"),
        ("DRIFTD__HTTP__LISTEN", "127.0.0.1:2"),
        ("DRIFTD__MODELS__ALLOW", "{a,b}*, c"),
    ];
    let overrides = Overrides {
        listen: Some("127.0.0.1:3".to_owned()),
        state_dir: Some("d".to_owned()),
        ..brokers("flag:1")
    };
    let config = load_from(toml, &env, &overrides).unwrap();
    assert_eq!(config.kafka.brokers, "flag:1");
    assert_eq!(config.kafka.properties["client.id"], "env");
    assert_eq!(config.kafka.properties["client.rack"], "file");
    let sources: Vec<(String, &str)> = config
        .sources
        .iter()
        .map(|s| (s.topics.join(","), s.group.as_str()))
        .collect();
    assert_eq!(
        sources,
        [
            ("file".to_owned(), "file"),
            ("second".to_owned(), "env"),
            ("third,fourth".to_owned(), "driftd")
        ]
    );
    assert_eq!(config.sources[1].workers, 7);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.state.spill_dir.as_deref(), Some(Path::new("d")));
    assert_eq!(
        config.state.home,
        Home::Embedded {
            dir: PathBuf::from("d")
        }
    );
    assert_eq!(config.fold.models_allow, ["{a,b}*", "c"]);
}

#[test]
fn flags_alone_are_a_configuration() {
    let overrides = Overrides {
        topics: vec!["a".to_owned(), "b".to_owned()],
        ..brokers("k:1, l:2")
    };
    let config = load(None, std::iter::empty(), &overrides).unwrap();
    assert_eq!(config.kafka.brokers, "k:1,l:2");
    assert_eq!(config.sources[0].topics, ["a", "b"]);
}

#[test]
fn tls_and_sasl_become_properties_of_librdkafka() {
    let (_dir, password) = file("hunter2\r\n");
    let sasl = |password: &str| {
        format!("kafka.sasl = {{ mechanism = 'SCRAM-SHA-512', username = 'me', {password} }}\n")
    };
    let from_file = sasl(&format!("password_file = '{}'", password.display()));
    for (toml, protocol, ca) in [
        ("kafka.tls = {}\n".to_owned(), Some("ssl"), Some("probe")),
        (sasl("password = 'hunter2'"), Some("sasl_plaintext"), None),
        (
            format!("kafka.tls = {{}}\n{from_file}"),
            Some("sasl_ssl"),
            Some("probe"),
        ),
        (String::new(), None, None),
    ] {
        let config = load_toml(&format!("{toml}{LEAST}")).unwrap();
        let property = |name: &str| config.kafka.properties.get(name).map(String::as_str);
        assert_eq!(property("security.protocol"), protocol);
        assert_eq!(property("ssl.ca.location"), ca);
        if toml.contains("sasl") {
            assert_eq!(property("sasl.mechanisms"), Some("SCRAM-SHA-512"));
            assert_eq!(property("sasl.username"), Some("me"));
            assert_eq!(property("sasl.password"), Some("hunter2"));
        }
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

/// `cases.txt` has each kind of problem, and exactly what is said of it.
#[test]
fn a_problem_names_its_key_what_is_wrong_and_where_it_came_from() {
    let cases = include_str!("cases.txt").split("\n\n").skip(1);
    for case in cases {
        let lines = |mark| {
            case.lines()
                .filter_map(move |line| line.strip_prefix::<&str>(mark))
        };
        let toml: Vec<&str> = case
            .lines()
            .filter(|line| !line.starts_with(['$', '>']))
            .collect();
        let set = lines("$ ").map(|line| line.split_once('=').unwrap());
        let (flags, env): (Vec<_>, Vec<_>) = set.partition(|(name, _)| name.starts_with("--"));
        let flag = |name| {
            flags
                .iter()
                .find(|flag| flag.0 == name)
                .map(|flag| flag.1.to_owned())
        };
        let overrides = Overrides {
            brokers: flag("--brokers"),
            topics: flag("--topic").into_iter().collect(),
            listen: flag("--listen"),
            state_dir: flag("--state-dir"),
        };
        let expected: Vec<&str> = lines("> ").collect();
        assert_eq!(
            said(&toml.join("\n"), &env, &overrides),
            expected.join("\n"),
            "{case}"
        );
    }
}

#[test]
fn brokers_are_hosts_with_ports() {
    for broker in [
        "k",
        "k:",
        ":9092",
        "k:0",
        "k:65536",
        "k:+1",
        "SSL://k:9092",
        "::1:9092",
        "a b:1",
    ] {
        assert_eq!(
            said("", &[], &brokers(broker)),
            format!("kafka.brokers: `{broker}` is not HOST:PORT (--brokers)")
        );
    }
    for broker in [
        "k:1",
        "a-b.example.com:65535",
        "10.0.0.1:9092",
        "[::1]:9092",
    ] {
        assert!(load_from(LEAST, &[], &brokers(broker)).is_ok());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_problem_of_the_file() {
    let none = |path: &Path| {
        load(Some(path), std::iter::empty(), &Overrides::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        none(Path::new("/none/d.toml")),
        "cannot be read: No such file or directory (os error 2) (/none/d.toml)"
    );
    assert_eq!(
        none(Path::new("/")),
        "cannot be read: Is a directory (os error 21) (/)"
    );
    for (toml, expected) in [
        (
            "http.listen = \n",
            "is not TOML: line 3, column 15: string values must be quoted, expected literal string \
             (d.toml)",
        ),
        (
            "http.listen = 'a'\nhttp.listen = 'b'",
            "is not TOML: line 4, column 6: duplicate key (d.toml)",
        ),
        (
            "limits.models_max = 99999999999999999999",
            "is not TOML: number too large to fit in target type (d.toml)",
        ),
    ] {
        assert_eq!(said(toml, &[], &Overrides::default()), expected);
    }
    let (_dir, large) = file(&"#".repeat(1 << 21));
    assert!(none(&large).starts_with("has more than 1048576 bytes"));
}

/// Whatever is wrong around a secret, no message repeats it.
#[test]
fn secrets_are_in_no_message() {
    for toml in [
        "kafka.sasl.password = 'hunter2",
        "kafka.sasl.password = hunter2",
        "kafka.sasl.password = ['hunter2']",
        "kafka.sasl = 'hunter2'",
        "kafka.sasl.password = 'hunter2'",
        "kafka.sasl.password = 'hunter2'\nkafka.sasl.password = 'hunter2'",
        "kafka.sasl.pasword = 'hunter2'",
        "kafka.properties = 'hunter2'",
        "kafka.properties.'ssl.key.password' = ['hunter2']",
        "kafka.properties.'ssl key password' = 'hunter2'",
        "reference.url = 's3://key:hunter2@bucket'",
    ] {
        let env = [
            ("DRIFTD__KAFKA__SASL", "hunter2"),
            ("DRIFTD__KAFKA__PASSWORD", "hunter2"),
        ];
        let problems = said(toml, &env, &Overrides::default());
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn the_environment_of_this_process_can_be_read() {
    assert!(environment().any(|(name, _)| name == "PATH"));
}

/// The defaults and the examples in the table of keys are what the table says may be written.
#[test]
fn every_key_is_documented_once() {
    let keys = keys();
    for doc in &keys {
        assert!(
            doc.meaning.ends_with('.') && doc.meaning.len() > 10,
            "{doc:?}"
        );
        assert_eq!(
            keys.iter().filter(|other| other.key == doc.key).count(),
            1,
            "{doc:?}"
        );
        assert!(doc.meaning.len() < 400, "{doc:?}");
    }
}

proptest! {
    /// Loading ends with a configuration or with problems, whatever is written.
    #[test]
    fn anything_may_be_written(
        key in prop::sample::select(keys()),
        text in "\\PC{0,12}|[0-9]{1,25}[a-z]{0,2}",
        bare in any::<bool>(),
    ) {
        // the topic of the least configuration, which nothing else may be
        prop_assume!(text != "t");
        let path = key.key.replace("[]", "");
        let value = if bare { text.clone() } else { format!("{text:?}") };
        let toml = match path.strip_prefix("source.") {
            None => format!("{path} = {value}"),
            Some(rest) => format!("[[source]]\n{rest} = {value}"),
        };
        drop(load_toml(&toml));
        let name = key.key.replace("[]", ".0").replace('.', "__").to_uppercase();
        let variable = format!("DRIFTD__{name}");
        match load_from(LEAST, &[(&variable, &text)], &Overrides::default()) {
            Ok(config) => prop_assert!(!config.sources.is_empty()),
            Err(problems) => {
                for problem in &problems {
                    let is_of_it = problem.source.as_deref() == Some(variable.as_str());
                    prop_assert!(is_of_it || problem.what == "is required", "{}", problem);
                }
            }
        }
    }
}
