//! The task of one webhook: it reads the journal, sends what is due, and tells the state log.
//!
//! ```text
//! not chosen   another instance delivers: nothing is kept
//! chosen       mark unknown     the log is told that the webhook begins where this instance did
//!              mark known       Queue::new(mark), then: read, send, mark, again and again
//!              mark moved by    somebody else: begins anew from there, with the same ids
//! ```
//!
//! URLs may hold secrets, so a webhook is named by its name everywhere, and what is told of an
//! answer is its status or the kind of failure.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

use crate::clock::Clock;
use crate::config::Webhook;
use crate::fold::webhooks::Marks;
use crate::journal::Journal;
use crate::key::globs;
use crate::statelog::record::{Delivered, Record};
use crate::statelog::{Appender, Failed};
use crate::telemetry::error_chain;
use crate::time::{Length, Timestamp};
use crate::webhook::event::{Event, Filter, MEDIA_TYPE};
use crate::webhook::queue::{Answer, Next, Queue};

/// How long a receiver has for one event.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a webhook looks for new entries.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Entries read from the journal at once.
const PAGE: usize = 500;

/// How long the state log has to show that a webhook begins; then it is told again.
const BEGIN_TIMEOUT: Length = Length::SECOND.times(30);

/// How each webhook does; [`i64::MAX`] stands for no event that waits.
#[derive(Debug)]
struct State {
    failures: AtomicU64,
    oldest_ms: AtomicI64,
}

/// Shows to others how a webhook does.
#[derive(Debug, Clone)]
pub struct Watch {
    name: Arc<str>,
    state: Arc<State>,
    clock: Clock,
}

/// How a webhook does on this instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Its name.
    pub name: Arc<str>,
    /// Attempts that failed.
    pub failures: u64,
    /// How old the oldest event is that waits, in seconds; 0 where none does.
    pub age_seconds: f64,
}

impl Watch {
    /// How it does now.
    pub fn read(&self) -> Standing {
        let oldest = self.state.oldest_ms.load(Ordering::Relaxed);
        let age = Timestamp::checked_from_millis(oldest)
            .map_or(0, |oldest| self.clock.now().millis_since(oldest).max(0));
        #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds")]
        let age_seconds = age as f64 / 1000.0;
        Standing {
            name: Arc::clone(&self.name),
            failures: self.state.failures.load(Ordering::Relaxed),
            age_seconds,
        }
    }
}

/// What webhooks ask and tell.
#[derive(Clone)]
pub struct Doors {
    /// The marks in the state log; `None` until it is folded.
    pub marks: Arc<dyn Fn() -> Option<Arc<Marks>> + Send + Sync>,
    /// Whether this instance is the one that delivers.
    pub is_chosen: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The journal.
    pub journal: Journal,
    /// The last entry before this instance counted anything: a webhook that is new begins there.
    pub begins_after: u64,
    /// The state log.
    pub appender: Appender,
    /// What makes requests, see [`client`].
    pub client: Client,
    /// Where people find the web view.
    pub external_url: Option<Arc<str>>,
    /// The machine's clock.
    pub clock: Clock,
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").finish_non_exhaustive()
    }
}

/// What makes the requests of all webhooks; an error where the machine's certificate authorities
/// cannot be used.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("driftd/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(Policy::none())
        .build()
}

/// Starts the task of a webhook, which ends when `stopping` says so.
pub fn start(
    webhook: Webhook,
    doors: Doors,
    stopping: watch::Receiver<bool>,
) -> (Watch, JoinHandle<()>) {
    let state = Arc::new(State {
        failures: AtomicU64::new(0),
        oldest_ms: AtomicI64::new(i64::MAX),
    });
    let watch = Watch {
        name: webhook.name.as_str().into(),
        state: Arc::clone(&state),
        clock: doors.clock,
    };
    let sender = Sender {
        filter: Filter {
            models: globs(&webhook.models),
            severities: webhook.severities.clone(),
            events: webhook.events.clone(),
        },
        webhook,
        doors,
        state,
        queue: None,
        begun: None,
        is_down: false,
    };
    (watch, tokio::spawn(sender.run(stopping)))
}

struct Sender {
    webhook: Webhook,
    filter: Filter,
    doors: Doors,
    state: Arc<State>,
    queue: Option<Queue>,
    /// When the state log was told that the webhook begins.
    begun: Option<Timestamp>,
    /// The last attempt failed, which was said.
    is_down: bool,
}

impl Sender {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            let event = self.turn();
            let sent = async {
                let Some(event) = &event else {
                    time::sleep(LOOK_INTERVAL).await;
                    return None;
                };
                Some(self.send(event).await)
            };
            let answer = tokio::select! {
                answer = sent => answer,
                // an event that is under way is sent again by whoever delivers next
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            if let (Some(event), Some(answer)) = (event, answer) {
                self.take(&event, &answer);
            }
        }
    }

    /// Brings the queue up to date; the event that is due, if one is.
    fn turn(&mut self) -> Option<Event> {
        let marks = (self.doors.marks)().filter(|_| (self.doors.is_chosen)());
        let Some(marks) = marks else {
            self.queue = None;
            self.show();
            return None;
        };
        let now = self.doors.clock.now();
        let Some(mark) = marks.get(self.webhook.name.as_str()) else {
            self.queue = None;
            self.begin(now);
            return None;
        };
        let name = &self.webhook.name;
        let queue = self
            .queue
            .take()
            .and_then(|mut queue| queue.folded(mark.to).then_some(queue));
        let queue = queue.unwrap_or_else(|| Queue::new(name, mark.to));
        let queue = self.queue.insert(queue);
        let room = queue.room().min(PAGE);
        if room > 0 {
            for line in self.doors.journal.after(queue.cursor(), room).lines {
                let event = Event::of(&line).filter(|event| event.passes(&self.filter));
                queue.read(line.seq, event);
            }
        }
        let next = queue.next(now);
        if let Some(told) = queue.mark(now) {
            self.tell(told);
        }
        self.show();
        match next {
            Next::Send(event) => Some(event),
            Next::Wait(_) | Next::Idle => None,
        }
    }

    /// A webhook that is new begins at the present, and not at the history.
    fn begin(&mut self, now: Timestamp) {
        let is_due = |at| now.millis_since(at) >= BEGIN_TIMEOUT.as_millis();
        if self.begun.is_none_or(is_due) {
            self.begun = Some(now);
            self.tell(Delivered {
                webhook: self.webhook.name.clone(),
                from: None,
                to: self.doors.begins_after,
                delivered: 0,
                given_up: 0,
                cause: None,
            });
        }
    }

    fn tell(&self, told: Delivered) {
        let appended = self
            .doors
            .appender
            .append(&Record::Delivered(told), &Failed::default());
        if let Err(error) = appended {
            let (webhook, error) = (&self.webhook.name, error_chain(&error));
            tracing::warn!(webhook, error, "the state log was not told of deliveries");
        }
    }

    async fn send(&self, event: &Event) -> Answer {
        let body = event.body(self.doors.external_url.as_deref());
        let timestamp = self.doors.clock.now().as_millis().div_euclid(1000);
        let signature = self.webhook.secret.sign(&event.id, timestamp, &body);
        let sent = self
            .doors
            .client
            .post(self.webhook.url.clone())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send();
        match sent.await {
            Ok(response) => answer(&response),
            Err(error) => Answer::Down(error_chain(&error.without_url()), None),
        }
    }

    fn take(&mut self, event: &Event, answer: &Answer) {
        let (name, id) = (&self.webhook.name, &event.id);
        if *answer == Answer::Taken {
            tracing::debug!(webhook = name, event = id, "delivered");
        } else {
            self.state.failures.fetch_add(1, Ordering::Relaxed);
        }
        // once as it begins and once as it ends, or a receiver that is down would fill the log
        match answer {
            Answer::Taken if self.is_down => tracing::info!(webhook = name, "delivers again"),
            Answer::Refused(status) if !self.is_down => {
                tracing::warn!(webhook = name, event = id, status, "an event is refused");
            }
            Answer::Down(cause, _) if !self.is_down => {
                tracing::warn!(webhook = name, cause, "the receiver does not take events");
            }
            _ => {}
        }
        self.is_down = *answer != Answer::Taken;
        if let Some(queue) = &mut self.queue {
            queue.answered(event, answer, self.doors.clock.now(), chance());
        }
        self.show();
    }

    fn show(&self) {
        let oldest = self.queue.as_ref().and_then(Queue::oldest);
        let oldest = oldest.map_or(i64::MAX, Timestamp::as_millis);
        self.state.oldest_ms.store(oldest, Ordering::Relaxed);
    }
}

/// What an answer means. Its body is not read: it is a stranger's, and as long as they like.
fn answer(response: &Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    let is_busy = matches!(status.as_u16(), 408 | 425 | 429);
    if !is_busy && !status.is_server_error() {
        return Answer::Refused(status.as_u16());
    }
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let after = seconds.and_then(|seconds| {
        let millis = i64::from(seconds).saturating_mul(1000);
        Length::from_millis(millis)
    });
    Answer::Down(format!("HTTP {}", status.as_u16()), after)
}

/// A number from 0 to 1 that nobody can foresee.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    #[expect(clippy::cast_precision_loss, reason = "of 32 bits")]
    let part = bits as f64 / f64::from(u32::MAX);
    part
}

#[cfg(test)]
mod tests;
