//! What one part knows, in the words of another.

use crate::expose::PartitionView;
use crate::source::PartitionStatus;

/// A partition of this instance, as the API and metrics show it.
pub(super) fn partition(status: PartitionStatus) -> PartitionView {
    PartitionView {
        topic: status.topic.to_string(),
        partition: status.partition,
        assigned: status.assigned,
        position: status.position,
        high: status.high,
        lag: status.lag,
        at_end: status.at_end,
        stopped: status.stopped,
    }
}
