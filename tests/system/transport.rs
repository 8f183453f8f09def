//! Encrypted and authenticated connections, and every codec that producers may use.

use crate::driftd::{Driftd, Home, Setup, run};
use crate::poll::now_s;
use crate::produce::{Record, create_topic, producer, send};
use crate::rig::{kafka, temp_dir, text};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const EVENTS: u64 = 500;

#[test]
fn topics_of_every_codec_are_read_over_tls_with_scram() {
    let now_s = now_s();
    let topics: Vec<String> = CODECS
        .iter()
        .map(|codec| format!("codec.{codec}"))
        .collect();
    for (codec, topic) in CODECS.iter().zip(&topics) {
        create_topic(topic, 1);
        let records: Vec<Record> = (0..EVENTS)
            .map(|i| record(now_s - 1000 + i.cast_signed()))
            .collect();
        send(&producer(codec), topic, &records);
    }
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut driftd = Driftd::start(&Setup {
        name: "transport",
        topics: &topics,
        home: Home::Kafka,
        references: None,
        kafka: Some(&secure(kafka().value("KAFKA_PASSWORD"))),
        source: "",
        windows: "",
        operator: None,
    });
    for topic in topics {
        driftd.until_counted(topic, EVENTS);
        assert_eq!(
            driftd
                .metrics()
                .count("driftd_rows_total", &[("topic", topic)]),
            EVENTS
        );
    }
}

#[test]
fn a_wrong_password_is_named() {
    let dir = temp_dir("driftd-");
    let path = dir.path().join("driftd.toml");
    let table = secure("wrong");
    let toml = format!(
        "[kafka]\n{table}\n[[source]]\ntopics = [\"codec.none\"]\n\
         [http]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&path, toml).expect("its directory can be written");
    let address = kafka().value("KAFKA_SASLSSL");
    run(&["serve", "--config", text(&path)]).refused(69, &[address, "SASL"]);
}

/// The `[kafka]` table for the listener with TLS and SCRAM.
fn secure(password: &str) -> String {
    let kafka = kafka();
    format!(
        "brokers = [{:?}]\ntls = {{ ca = {:?} }}\n\
         sasl = {{ mechanism = \"SCRAM-SHA-512\", username = {:?}, password = {password:?} }}",
        kafka.value("KAFKA_SASLSSL"),
        kafka.value("KAFKA_CA"),
        kafka.value("KAFKA_USER"),
    )
}

fn record(ts_s: i64) -> Record {
    let event = format!(
        "{{\"model\":\"shop\",\"ts\":{},\"features\":{{\"amount\":{}}}}}",
        ts_s * 1000,
        ts_s % 100
    );
    Record {
        partition: 0,
        timestamp: ts_s * 1000,
        value: Some(event.into_bytes()),
    }
}
