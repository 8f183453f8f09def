//! The blocks of a tally, found without a search where rows of one time follow each other.

use super::block::Block;
use super::router::Route;
use crate::time::{Length, Timestamp};

/// By route, then by pane.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    of: Vec<Panes>,
    /// About how many bytes they take.
    bytes: usize,
}

/// The blocks of one model version.
#[derive(Debug, Default)]
struct Panes {
    /// By the start of the pane.
    blocks: Vec<(Timestamp, Block)>,
    /// The place of the one that was asked for last.
    last: usize,
}

impl Blocks {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many bytes more were taken by one of them.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The block of the route `found`, which is `route`, in the pane of length `pane` that `at` is
    /// in; made where there is none.
    pub(super) fn at(
        &mut self,
        (found, route): (usize, &Route),
        at: Timestamp,
        pane: Length,
    ) -> Option<&mut Block> {
        if found >= self.of.len() {
            self.of.resize_with(found + 1, Panes::default);
        }
        let panes = self.of.get_mut(found)?;
        let length = 0..pane.as_millis();
        let is_in = |(start, _): &(Timestamp, Block)| length.contains(&at.millis_since(*start));
        if !panes.blocks.get(panes.last).is_some_and(is_in) {
            let start = at.floor(pane);
            let found = panes
                .blocks
                .binary_search_by_key(&start, |(start, _)| *start);
            panes.last = found.unwrap_or_else(|free| {
                let block = Block::new(route.shape.as_deref(), at);
                self.bytes += block.bytes();
                panes.blocks.insert(free, (start, block));
                free
            });
        }
        panes.blocks.get_mut(panes.last).map(|(_, block)| block)
    }

    /// All blocks: those of each route by the start of the pane.
    pub(super) fn into_routes(self) -> impl Iterator<Item = Vec<(Timestamp, Block)>> {
        self.of.into_iter().map(|panes| panes.blocks)
    }
}
