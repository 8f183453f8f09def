//! Records from librdkafka many at a time: half of what a poll for each of them costs.
//!
//! ```text
//! partitions --forwarded--> Queue --rd_kafka_consume_callback_queue--> Fetched, Fetched, ..
//! group, errors, log ------------------ the client's own queue, which is polled as before
//! ```
//!
//! A partition is forwarded before it is assigned, so that none of its records goes another way,
//! and again now and then: when librdkafka stops to fetch a partition it ends the forwarding, and
//! where that partition was given again meanwhile, its records wait until it is forwarded anew.
//!
//! What was fetched before a partition was given back, sought or paused never leaves the queue:
//! librdkafka compares versions when it hands out each record, though not when it passes over a
//! control marker, see [`super::client`]. Its call for batches would not do: it takes the end of a
//! partition for a record of the position (2.12, `rd_kafka_q_serve_rkmessages`).
//!
//! This is the only module that is not safe Rust, since the crate `rdkafka` has no such call. What
//! it relies on (librdkafka 2.12, `rdkafka.h`): a client outlives its queues, which [`Intake`] sees
//! to; and a message, with its topic and value, lives until the callback that is given it returns.

#![expect(
    unsafe_code,
    reason = "calls to librdkafka that its crate does not have, see the module header"
)]

use std::any::Any;
use std::ffi::{CStr, CString, c_void};
use std::ops::{ControlFlow, Deref};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, slice};

use rdkafka::bindings::{
    rd_kafka_consume_callback_queue, rd_kafka_message_t, rd_kafka_message_timestamp,
    rd_kafka_queue_destroy, rd_kafka_queue_forward, rd_kafka_queue_get_partition,
    rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_topic_name, rd_kafka_yield,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use super::door::lock;
use super::rebalance::Group;
use crate::time::Timestamp;

/// The queue that the partitions of a client are forwarded to.
struct Queue(NonNull<rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: it was made by `rd_kafka_queue_new`, and its client lives.
        unsafe { rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// Where the context of a client has its queue, while there is one.
#[derive(Default)]
pub(super) struct Line(Mutex<Option<Arc<Queue>>>);

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

/// A consumer whose records come many at a time.
pub(super) struct Intake {
    /// Before the consumer, which outlives it therefore.
    queue: Option<Arc<Queue>>,
    consumer: BaseConsumer<Group>,
}

impl Intake {
    /// Opens the queue of a consumer that has no partitions yet.
    pub(super) fn new(consumer: BaseConsumer<Group>) -> Self {
        // SAFETY: the client lives.
        let queue = unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).map(|queue| Arc::new(Queue(queue)));
        lock(&consumer.context().line.0).clone_from(&queue);
        Self { queue, consumer }
    }

    /// Hands what was fetched by now to `each`, in the order of each partition, or until it breaks.
    /// Waits up to `wait` for the first. `each` may ask anything of the client. It should break
    /// rarely: while it is at work nothing counts as waiting, and more is fetched.
    pub(super) fn take(&self, wait: Duration, each: impl FnMut(Fetched<'_>) -> ControlFlow<()>) {
        let Some(queue) = &self.queue else {
            return;
        };
        let timeout_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let mut taking = Taking {
            consumer: &self.consumer,
            each,
            panic: None,
        };
        let opaque = (&raw mut taking).cast();
        let callback = callback_of(&taking);
        // SAFETY: the queue lives, and the callback is given what it is for, while that lives.
        unsafe {
            rd_kafka_consume_callback_queue(queue.0.as_ptr(), timeout_ms, Some(callback), opaque);
        }
        if let Some(panic) = taking.panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
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

/// What librdkafka's callback is given besides a message.
struct Taking<'a, F> {
    consumer: &'a BaseConsumer<Group>,
    each: F,
    panic: Option<Box<dyn Any + Send>>,
}

type Callback = unsafe extern "C" fn(*mut rd_kafka_message_t, *mut c_void);

/// The callback that is to be given this.
fn callback_of<F: FnMut(Fetched<'_>) -> ControlFlow<()>>(_taking: &Taking<'_, F>) -> Callback {
    take_one::<F>
}

/// Hands one message on; a panic must not cross librdkafka.
unsafe extern "C" fn take_one<F: FnMut(Fetched<'_>) -> ControlFlow<()>>(
    message: *mut rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: it is what [`Intake::take`] gave, which nothing else uses meanwhile.
    let taking = unsafe { &mut *opaque.cast::<Taking<'_, F>>() };
    // SAFETY: librdkafka gives it for as long as this call.
    let Some(message) = (unsafe { message.as_ref() }) else {
        return;
    };
    let each = &mut taking.each;
    let flow = catch_unwind(AssertUnwindSafe(|| each(Fetched { message })));
    let goes_on = matches!(flow, Ok(ControlFlow::Continue(())));
    taking.panic = flow.err();
    if !goes_on {
        // SAFETY: the client lives. What is left stays in the queue.
        unsafe { rd_kafka_yield(taking.consumer.client().native_ptr()) }
    }
}

/// A record, or what is wrong with a partition.
#[derive(Clone, Copy)]
pub(super) struct Fetched<'a> {
    message: &'a rd_kafka_message_t,
}

impl<'a> Fetched<'a> {
    /// What is wrong, where this is no record.
    pub(super) fn error(self) -> Option<RDKafkaErrorCode> {
        let error = self.message.err;
        (error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error.into())
    }

    pub(super) fn topic(self) -> &'a str {
        if self.message.rkt.is_null() {
            return "";
        }
        // SAFETY: the message keeps its topic, and that its name, which is a C string.
        let name = unsafe { CStr::from_ptr(rd_kafka_topic_name(self.message.rkt)) };
        // the names of topics are ASCII
        name.to_str().unwrap_or_default()
    }

    pub(super) fn partition(self) -> i32 {
        self.message.partition
    }

    pub(super) fn offset(self) -> i64 {
        self.message.offset
    }

    /// Its timestamp, if it has one.
    pub(super) fn timestamp(self) -> Option<Timestamp> {
        // SAFETY: the message lives; which kind of timestamp it is need not be told.
        let millis = unsafe { rd_kafka_message_timestamp(self.message, ptr::null_mut()) };
        (millis != -1).then(|| Timestamp::from_millis(millis))
    }

    /// Its value, if it has one.
    pub(super) fn value(self) -> Option<&'a [u8]> {
        // SAFETY: they are of a message that lives as long as what is returned.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// Its key, if it has one.
    pub(super) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: as above.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }
}

/// So many bytes, which must live and not change as long as `'a`; none where there is no pointer.
unsafe fn bytes<'a>(from: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's.
    (!from.is_null()).then(|| unsafe { slice::from_raw_parts(from.cast(), length) })
}
