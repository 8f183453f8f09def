//! What driftd is measured against: reading records and doing nothing with them, and parsing them
//! and doing nothing with what they say.

#![expect(
    unsafe_code,
    reason = "the fastest interface of librdkafka is not in its crate"
)]

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_queue_destroy,
    rd_kafka_queue_get_consumer,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::events::{Random, Shape, event};
use crate::figure::{Figure, cpu, peak};
use crate::kafka::{Kafka, PARTITIONS};
use crate::{Case, Outcome};

/// Reads a topic with as many consumers as driftd has workers, in batches, and adds up lengths.
pub fn consume(kafka: &Kafka, topic: &str, case: &Case, events: u64) -> Outcome<Figure> {
    let seen = AtomicU64::new(0);
    let before = cpu("self")?;
    let begun = Instant::now();
    let read = |worker: i32| -> Outcome<u64> {
        let consumer: BaseConsumer = kafka
            .config()
            .set("group.id", "bare")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in (0..PARTITIONS).filter(|partition| partition % case.workers == worker) {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let mut length = 0;
        while seen.load(Ordering::Relaxed) < events {
            let read = batch(&consumer, &mut length);
            if read == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            seen.fetch_add(read, Ordering::Relaxed);
        }
        Ok(length)
    };
    std::thread::scope(|scope| -> Outcome<()> {
        let threads: Vec<_> = (0..case.workers)
            .map(|worker| scope.spawn(move || read(worker)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_panic| "panicked")??;
        }
        Ok(())
    })?;
    Ok(Figure {
        events,
        wall: begun.elapsed(),
        cpu: cpu("self")? - before,
        peak_kib: peak("self")?,
    })
}

/// Takes a batch; how many records there were.
fn batch(consumer: &BaseConsumer, length: &mut u64) -> u64 {
    let mut messages = [ptr::null_mut(); 1_000];
    // SAFETY: the client lives, there is room for so many pointers, and each message is read before
    // it is destroyed, once.
    unsafe {
        let queue = rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        let read = rd_kafka_consume_batch_queue(queue, 0, messages.as_mut_ptr(), messages.len());
        rd_kafka_queue_destroy(queue);
        let read = usize::try_from(read).unwrap_or(0);
        for message in &messages[..read] {
            *length += (**message).len as u64;
            rd_kafka_message_destroy(*message);
        }
        read as u64
    }
}

/// CPU seconds an event to parse it into a document by the fastest parser there is.
pub fn parse(shape: Shape) -> Outcome<f64> {
    const EVENTS: u64 = 20_000;
    const TIMES: u32 = 20;
    let mut random = Random(7);
    let lines: Vec<String> = (0..EVENTS)
        .map(|count| {
            let mut line = String::new();
            event(&mut line, shape, (count, count), &mut random);
            line
        })
        .collect();
    let before = cpu("self")?;
    for _ in 0..TIMES {
        for line in &lines {
            let document: sonic_rs::Value = sonic_rs::from_str(line)?;
            std::hint::black_box(&document);
        }
    }
    Ok((cpu("self")? - before) / (EVENTS as f64 * f64::from(TIMES)))
}
