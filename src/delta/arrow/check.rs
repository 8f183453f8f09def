//! What holds of every delta in the log, so that the fold need not look again.
//!
//! ```text
//! 0 <= from <= to      start = pane * k      start <= last event < start + pane
//! 0 < count <= COUNT_MAX, and everything that has an order is in it, without repetition
//! ```

use crate::delta::{Accounting, Arrivals, Delta, LayoutId, ModelDelta, PaneDelta};
use crate::key::{ChainKey, ModelKey, Name, NameError, Role};
use crate::layout::{GRID_CELLS, LooseCounts, SERIES_NAME_BYTES_MAX};
use crate::time::{Length, Timestamp};

/// The largest count in a delta: more than any range holds, and 65,536 of them still fit into the
/// 64 bits of a sum.
pub const COUNT_MAX: u64 = 1 << 48;

/// The longest name of a cluster or topic; Kafka allows a topic 249 bytes.
const CHAIN_NAME_BYTES_MAX: usize = 256;

/// A rule that a delta breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not 0 <= from <= to.
    #[error("the range {from}..{to} is none")]
    Range {
        /// Its start.
        from: i64,
        /// Its end.
        to: i64,
    },
    /// A partition below 0, or a name of a cluster or topic that is empty or too long.
    #[error("the chain is none")]
    Chain,
    /// A length of zero or less.
    #[error("a pane of {0} ms")]
    Pane(i64),
    /// A point in time that is none, or an order of two that is not.
    #[error("{0} ms is not a time that can stand where it stands")]
    Time(i64),
    /// The start of a pane that is not a multiple of its length.
    #[error("{0} ms does not start a pane")]
    Start(i64),
    /// A count that is 0 where there must be one, or above [`COUNT_MAX`], or a part that exceeds
    /// the whole.
    #[error("a count of {0} cannot be right")]
    Count(u64),
    /// Something out of order, or twice.
    #[error("{0} are not in ascending order")]
    Order(&'static str),
    /// A name that is none.
    #[error("unusable name")]
    Name(#[from] NameError),
    /// Cells without a layout.
    #[error("cells without a layout")]
    Cells,
    /// A reason for rejection that this version does not know.
    #[error("`{0}` is no reason to reject a record that this version knows")]
    Reason(String),
}

/// Checks all rules.
pub(super) fn check(delta: &Delta) -> Result<(), Flaw> {
    check_chain(&delta.chain)?;
    let Delta { from, to, pane, .. } = *delta;
    if from < 0 || to < from {
        return Err(Flaw::Range { from, to });
    }
    check_accounting(&delta.accounting)?;
    delta
        .arrivals
        .iter()
        .try_for_each(|arrivals| check_arrivals(arrivals, pane))?;
    ascending(
        "arrivals",
        delta.arrivals.iter().map(|arrivals| arrivals.start),
    )?;
    delta
        .models
        .iter()
        .try_for_each(|model| check_model(model, pane))?;
    ascending(
        "models",
        delta.models.iter().map(|model| (&model.key, model.layout)),
    )
}

fn check_chain(chain: &ChainKey) -> Result<(), Flaw> {
    let usable = |name: &str| !name.is_empty() && name.len() <= CHAIN_NAME_BYTES_MAX;
    let good = usable(&chain.cluster) && usable(&chain.topic) && chain.partition >= 0;
    if good { Ok(()) } else { Err(Flaw::Chain) }
}

fn check_accounting(sums: &Accounting) -> Result<(), Flaw> {
    [sums.records, sums.rows, sums.lost, sums.late, sums.unnamed]
        .iter()
        .chain(&sums.rejected)
        .try_for_each(|count| bounded(*count))?;
    match (sums.first_event, sums.last_event) {
        (None, None) => Ok(()),
        (Some(first), Some(last)) if first <= last => Ok(()),
        (Some(odd), _) | (None, Some(odd)) => Err(Flaw::Time(odd.as_millis())),
    }
}

fn check_arrivals(arrivals: &Arrivals, pane: Length) -> Result<(), Flaw> {
    check_start(arrivals.start, pane)?;
    counted(arrivals.records)?;
    part_of(arrivals.rejected, arrivals.records)
}

fn check_model(model: &ModelDelta, pane: Length) -> Result<(), Flaw> {
    check_key(&model.key)?;
    for block in &model.panes {
        check_pane(block, pane)?;
        if model.layout == LayoutId::UNIVERSAL && !block.cells.is_empty() {
            return Err(Flaw::Cells);
        }
    }
    ascending("panes", model.panes.iter().map(|block| block.start))
}

/// The model and version are checked by their type.
fn check_key(key: &ModelKey) -> Result<(), Flaw> {
    [&key.tenant, &key.segment]
        .into_iter()
        .filter(|part| !part.is_empty())
        .try_for_each(|part| Ok(Name::check(part)?))
}

fn check_pane(block: &PaneDelta, pane: Length) -> Result<(), Flaw> {
    check_start(block.start, pane)?;
    if !(0..pane.as_millis()).contains(&block.last_event.millis_since(block.start)) {
        return Err(Flaw::Time(block.last_event.as_millis()));
    }
    bounded(block.rows)?;
    part_of(block.late, block.rows)?;
    block
        .carried
        .iter()
        .try_for_each(|rows| part_of(*rows, block.rows))?;
    block
        .cells
        .iter()
        .try_for_each(|(_, count)| counted(*count))?;
    ascending("cells", block.cells.iter().map(|(cell, _)| *cell))?;
    block
        .loose
        .iter()
        .try_for_each(|((_role, name), counts)| check_loose(name, counts))
}

/// Order and number of the strings, and that a number's bin is one, are [`LooseCounts`]' own
/// affair.
fn check_loose(name: &str, counts: &LooseCounts) -> Result<(), Flaw> {
    // a prefix may take the name of a series past the bound of a name, see `layout`
    match Name::check(name) {
        Err(NameError::TooLong(bytes)) if bytes <= SERIES_NAME_BYTES_MAX => {
            if name.chars().any(char::is_control) {
                return Err(NameError::Unprintable.into());
            }
        }
        checked => checked?,
    }
    outcomes(counts).into_iter().try_for_each(bounded)?;
    counts
        .numbers()
        .values()
        .try_for_each(|count| counted(*count))?;
    counts.texts().try_for_each(|(_, count)| counted(count))
}

/// The counts of a loose series that are one number each, in the order of their keys in the rows.
pub(super) fn outcomes(counts: &LooseCounts) -> [u64; 5] {
    [
        counts.overflow(),
        counts.trues(),
        counts.falses(),
        counts.missing(),
        counts.invalid(),
    ]
}

/// The role of a code.
pub(super) fn role_of(code: u64) -> Option<Role> {
    Role::ALL.into_iter().find(|role| *role as u64 == code)
}

/// Whether a number's bin is one.
pub(super) fn is_grid_bin(bin: u32) -> bool {
    bin < GRID_CELLS
}

fn check_start(start: Timestamp, pane: Length) -> Result<(), Flaw> {
    if start.floor(pane) == start {
        Ok(())
    } else {
        Err(Flaw::Start(start.as_millis()))
    }
}

fn bounded(count: u64) -> Result<(), Flaw> {
    part_of(count, COUNT_MAX)
}

fn counted(count: u64) -> Result<(), Flaw> {
    if count == 0 {
        Err(Flaw::Count(0))
    } else {
        bounded(count)
    }
}

fn part_of(count: u64, whole: u64) -> Result<(), Flaw> {
    if count <= whole {
        Ok(())
    } else {
        Err(Flaw::Count(count))
    }
}

fn ascending<T: PartialOrd>(
    what: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<(), Flaw> {
    if items.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(Flaw::Order(what))
    }
}
