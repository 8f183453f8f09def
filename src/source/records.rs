//! Records from librdkafka in batches: half of what a poll for each of them costs.
//!
//! ```text
//! partitions --forwarded--> Queue --rd_kafka_consume_batch_queue--> Batch --> Fetched, Fetched ..
//! group, errors, log ------------------ the client's own queue, which is polled as before
//! ```
//!
//! A partition is forwarded before it is assigned, so that none of its records goes another way.
//! What was fetched before a partition was given back, sought or paused never leaves the queue:
//! librdkafka compares versions when it hands records out.
//!
//! This is the only module that is not safe Rust, since the crate `rdkafka` has no such call. What
//! it relies on (librdkafka 2.12, `rdkafka.h`): a client outlives its queues and messages, which
//! [`Intake`] sees to; and a message is ours, with its topic and value, until it is destroyed, by
//! the [`Batch`] that [`Fetched`] borrows from.

#![expect(
    unsafe_code,
    reason = "calls to librdkafka that its crate does not have, see the module header"
)]

use std::ffi::{CStr, CString, c_void};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::time::Duration;
use std::{fmt, slice};

use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_t,
    rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_partition, rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_topic_name,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use super::door::lock;
use super::rebalance::Group;
use crate::time::Timestamp;

/// The most records of one batch.
pub(super) const BATCH_MAX: usize = 512;

/// The queue that the partitions of a client are forwarded to.
struct Queue(NonNull<rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: it was made by `rd_kafka_queue_new`, and its client lives.
        unsafe { rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// Where the context of a client has its queue, while there is one.
#[derive(Default)]
pub(super) struct Line(Mutex<Option<Queue>>);

impl Line {
    /// Forwards a partition of `consumer`, whose context this is in.
    pub(super) fn forward(&self, consumer: &BaseConsumer<Group>, topic: &str, partition: i32) {
        let queue = lock(&self.0);
        let (Some(queue), Ok(topic)) = (&*queue, CString::new(topic)) else {
            return;
        };
        let client = consumer.client().native_ptr();
        // SAFETY: client and queue live, the name is a C string, and what is got is destroyed once.
        unsafe {
            let own = rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
            if !own.is_null() {
                rd_kafka_queue_forward(own, queue.0.as_ptr());
                rd_kafka_queue_destroy(own);
            }
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = lock(&self.0).is_some();
        f.debug_struct("Line").field("is_open", &is_open).finish()
    }
}

/// A consumer whose records come in batches.
pub(super) struct Intake {
    batch: Batch,
    consumer: BaseConsumer<Group>,
}

impl Intake {
    /// Opens the queue of a consumer that has no partitions yet.
    pub(super) fn new(consumer: BaseConsumer<Group>) -> Self {
        // SAFETY: the client lives.
        let queue = unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) };
        *lock(&consumer.context().line.0) = NonNull::new(queue).map(Queue);
        let batch = Batch::default();
        Self { batch, consumer }
    }

    /// Takes what was fetched, instead of what was taken before.
    pub(super) fn take(&mut self) {
        self.read(Duration::ZERO, BATCH_MAX);
    }

    /// Takes one record, if there is one before so much time has passed.
    pub(super) fn wait(&mut self, wait: Duration) {
        self.read(wait, 1);
    }

    fn read(&mut self, wait: Duration, records_max: usize) {
        let messages = &mut self.batch;
        messages.clear();
        messages.0.resize(records_max, ptr::null_mut());
        let timeout_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let queue = lock(&self.consumer.context().line.0);
        let read = queue.as_ref().map_or(0, |queue| {
            // SAFETY: the queue lives, and there is room for so many pointers.
            unsafe {
                rd_kafka_consume_batch_queue(
                    queue.0.as_ptr(),
                    timeout_ms,
                    messages.0.as_mut_ptr(),
                    messages.0.len(),
                )
            }
        });
        // less than none is an error, which leaves none
        messages.0.truncate(usize::try_from(read).unwrap_or(0));
    }

    /// How many records were taken.
    pub(super) fn len(&self) -> usize {
        self.batch.0.len()
    }

    /// What was taken, in the order of each partition.
    pub(super) fn fetched(&self) -> impl Iterator<Item = Fetched<'_>> {
        let mut known = (ptr::null_mut(), "");
        self.batch.0.iter().filter_map(move |message| {
            // SAFETY: librdkafka gave it, and it is not destroyed before the batch changes.
            let message = unsafe { message.as_ref()? };
            if known.0 != message.rkt {
                known = (message.rkt, topic_of(message));
            }
            Some(Fetched {
                topic: known.1,
                message,
            })
        })
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.batch.clear();
        *lock(&self.consumer.context().line.0) = None;
    }
}

impl Deref for Intake {
    type Target = BaseConsumer<Group>;

    fn deref(&self) -> &BaseConsumer<Group> {
        &self.consumer
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// Messages of librdkafka, which are destroyed with it.
#[derive(Default)]
struct Batch(Vec<*mut rd_kafka_message_t>);

// SAFETY: messages may be used and destroyed on any thread.
unsafe impl Send for Batch {}

impl Batch {
    fn clear(&mut self) {
        for message in self.0.drain(..) {
            // SAFETY: librdkafka gave it, and it is destroyed here only.
            unsafe { rd_kafka_message_destroy(message) }
        }
    }
}

fn topic_of(message: &rd_kafka_message_t) -> &str {
    if message.rkt.is_null() {
        return "";
    }
    // SAFETY: the message keeps its topic, and that its name, which is a C string.
    let name = unsafe { CStr::from_ptr(rd_kafka_topic_name(message.rkt)) };
    // the names of topics are ASCII
    name.to_str().unwrap_or_default()
}

/// A record, or what is wrong with a partition.
#[derive(Clone, Copy)]
pub(super) struct Fetched<'a> {
    pub(super) topic: &'a str,
    message: &'a rd_kafka_message_t,
}

impl<'a> Fetched<'a> {
    /// What is wrong, where this is no record.
    pub(super) fn error(&self) -> Option<RDKafkaErrorCode> {
        let error = self.message.err;
        (error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error.into())
    }

    pub(super) fn partition(&self) -> i32 {
        self.message.partition
    }

    pub(super) fn offset(&self) -> i64 {
        self.message.offset
    }

    /// Its timestamp, if it has one.
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        // SAFETY: the message lives; which kind of timestamp it is need not be told.
        let millis = unsafe { rd_kafka_message_timestamp(self.message, ptr::null_mut()) };
        (millis != -1).then(|| Timestamp::from_millis(millis))
    }

    /// Its value, if it has one.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: they are of a message that lives as long as what is returned.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// Its key, if it has one.
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: as above.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }
}

/// So many bytes, which must live and not change as long as `'a`; none where there is no pointer.
unsafe fn bytes<'a>(from: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's.
    (!from.is_null()).then(|| unsafe { slice::from_raw_parts(from.cast(), length) })
}
