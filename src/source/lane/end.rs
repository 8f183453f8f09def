//! Whether a lane has read all that there is.

use super::{Lane, Trouble};

/// What was last seen of a lane that may be at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::source) struct MaybeEnd(Option<(i64, i64)>);

impl Lane {
    /// The end was reached.
    pub(in crate::source) fn ended(&mut self) {
        (self.at_end, self.maybe_end) = (true, None);
        if self.remembered.is_some() {
            self.trouble.get_or_insert(Trouble::Short);
        }
    }

    /// Its partition's number was said to be at the end, and this is how its end and position look
    /// now: it is, if it has read up to there, or if neither has moved since it was last asked
    /// (behind its position are control markers then, which are not delivered).
    pub(in crate::source) fn ask_end(&mut self, end: i64) {
        let now = (end, self.writer.read());
        let Some(MaybeEnd(before)) = self.maybe_end else {
            return;
        };
        if end <= now.1 || before == Some(now) {
            self.ended();
        } else {
            self.maybe_end = Some(MaybeEnd(Some(now)));
        }
    }
}
