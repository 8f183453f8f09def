//! What only this instance knows: there before the state log is folded, and different on each.

use super::table::{
    BUILD_INFO, CONSUMER_LAG, DEAD_LETTERS_FAILED, FOLD_LAG, JOURNAL_APPEND_ERRORS,
    JOURNAL_DIVERGED, JOURNAL_ENTRIES, JOURNAL_UNWRITTEN, PARTITION_STOPPED, READY,
    SNAPSHOT_ERRORS, SNAPSHOT_TIME, SPILLED, STATE_APPEND_ERRORS, WEBHOOK_AGE, WEBHOOK_FAILURES,
};
use super::{Text, flag, real};
use crate::expose::Local;

/// Writes what this instance knows.
pub(super) fn write(page: &mut Text, local: &Local, ready: bool) {
    page.metric(
        &BUILD_INFO,
        [BUILD_INFO.sample(&[env!("CARGO_PKG_VERSION")], 1.0)],
    );
    page.metric(&READY, [READY.sample(&[], flag(ready))]);
    let errors = (local.append_errors)();
    page.metric(
        &STATE_APPEND_ERRORS,
        [STATE_APPEND_ERRORS.sample(&[], real(errors))],
    );
    let failed = (local.dead_letters_failed)();
    page.metric(
        &DEAD_LETTERS_FAILED,
        [DEAD_LETTERS_FAILED.sample(&[], real(failed))],
    );
    let (newest, errors) = (local.snapshots)();
    page.metric(
        &SNAPSHOT_TIME,
        newest.map(|newest| SNAPSHOT_TIME.sample(&[], newest.as_seconds())),
    );
    page.metric(
        &SNAPSHOT_ERRORS,
        [SNAPSHOT_ERRORS.sample(&[], real(errors))],
    );
    let lag = (local.fold_lag)();
    page.metric(&FOLD_LAG, lag.map(|lag| FOLD_LAG.sample(&[], real(lag))));
    let spilled = (local.spilled)();
    page.metric(&SPILLED, [SPILLED.sample(&[], real(spilled))]);
    let journal = local.journal.standing();
    for (metric, value) in [
        (&JOURNAL_ENTRIES, real(journal.stored)),
        (&JOURNAL_UNWRITTEN, real(journal.unwritten)),
        (&JOURNAL_APPEND_ERRORS, real(journal.errors)),
        (&JOURNAL_DIVERGED, flag(journal.diverged)),
    ] {
        page.metric(metric, [metric.sample(&[], value)]);
    }

    let webhooks = (local.webhooks)();
    let failures = webhooks.iter();
    page.metric(
        &WEBHOOK_FAILURES,
        failures.map(|one| WEBHOOK_FAILURES.sample(&[&one.name], real(one.failures))),
    );
    let ages = webhooks.iter();
    page.metric(
        &WEBHOOK_AGE,
        ages.map(|one| WEBHOOK_AGE.sample(&[&one.name], one.age_seconds)),
    );

    let partitions = (local.partitions)();
    let assigned = partitions.iter().filter(|partition| partition.assigned);
    let lags = assigned.filter_map(|one| {
        let lag = u64::try_from(one.lag?.max(0)).ok()?;
        Some(CONSUMER_LAG.sample(&[&one.topic, &one.partition.to_string()], real(lag)))
    });
    page.metric(&CONSUMER_LAG, lags);
    let stopped = partitions.iter().filter_map(|one| {
        let labels = [
            &*one.topic,
            &one.partition.to_string(),
            one.stopped.as_deref()?,
        ];
        Some(PARTITION_STOPPED.sample(&labels, 1.0))
    });
    page.metric(&PARTITION_STOPPED, stopped);
}
