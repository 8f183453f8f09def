//! The tasks of webhooks, on whichever instance is to deliver.
//!
//! Of the instances of a group the one delivers that reads partition 0 of the first topic: there is
//! one such at a time, but for the moments in which the partition moves. Then an event may go out
//! twice, with the same id.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

use crate::app::AppError;
use crate::clock::Clock;
use crate::config::{Config, Home};
use crate::expose::Shared;
use crate::journal::Journal;
use crate::source;
use crate::statelog::Appender;
use crate::webhook::{self, Doors};

/// How long the tasks may take to end at a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The running tasks.
#[derive(Debug)]
pub(super) struct Hooks {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Hooks {
    /// Starts a task for each webhook, new ones after this entry of the journal; `first` shows the
    /// partitions of the first source.
    pub(super) fn start(
        config: &Config,
        (journal, begins_after, appender): (&Journal, u64, &Appender),
        shared: &Arc<Shared>,
        first: Option<source::Watch>,
        clock: Clock,
    ) -> Result<Self, AppError> {
        let (stop, stopping) = watch::channel(false);
        let (mut tasks, mut watches) = (Vec::new(), Vec::new());
        if config.webhooks.is_empty() {
            return Ok(Self { stop, tasks });
        }
        let of_board = Arc::clone(shared);
        let doors = Doors {
            marks: Arc::new(move || {
                let board = of_board.board().filter(|board| board.ready)?;
                Some(Arc::clone(&board.webhooks))
            }),
            is_chosen: chosen(config, first),
            journal: journal.clone(),
            begins_after,
            appender: appender.clone(),
            client: webhook::client()?,
            external_url: config.http.external_url.as_deref().map(Arc::from),
            clock,
        };
        for one in &config.webhooks {
            let (watch, task) = webhook::start(one.clone(), doors.clone(), stopping.clone());
            watches.push(watch);
            tasks.push(task);
        }
        shared.set_webhooks(move || watches.iter().map(webhook::Watch::read).collect());
        Ok(Self { stop, tasks })
    }

    /// Ends the tasks; what is under way is sent again by whoever delivers next.
    pub(super) async fn stop(self) {
        let _the_tasks_are_gone = self.stop.send(true);
        let end = async {
            for task in self.tasks {
                if task.await.is_err() {
                    tracing::error!("the task of a webhook panicked");
                }
            }
        };
        if time::timeout(STOP_TIMEOUT, end).await.is_err() {
            tracing::warn!("webhooks are given up");
        }
    }
}

fn chosen(config: &Config, first: Option<source::Watch>) -> Arc<dyn Fn() -> bool + Send + Sync> {
    if matches!(config.state.home, Home::Embedded { .. }) {
        return Arc::new(|| true);
    }
    let topic = config
        .sources
        .first()
        .and_then(|source| source.topics.first())
        .cloned();
    Arc::new(move || {
        let partitions = first.iter().flat_map(source::Watch::read);
        let mut held = partitions.filter(|one| one.assigned && one.partition == 0);
        held.any(|one| Some(&*one.topic) == topic.as_deref())
    })
}
