//! Counts that were taken without a layout, as if they had been taken in a learned one.
//!
//! A learned layout's edges are points of the grid that loose numbers are counted on, so each of
//! their bins lies in one bin of the layout and nothing is lost, as long as every series fitted
//! `limits.loose_series_max`, and of strings beyond those that are kept, which are `new`:
//!
//! ```text
//! loose    amount {1.5: 2, 9: 1}                         country {DE: 2}          3 rows
//! layout   amount (1, 2] 2, (8, 10] 1, missing 0         country DE 2, missing 1
//! ```

use crate::delta::{LayoutId, ModelDelta, PaneDelta};
use crate::key::Carrier;
use crate::layout::Layout;
use crate::reference::learn::LooseSeries;

/// A delta without a layout, counted in `layout`, which is known as `id`.
pub(super) fn project(delta: &ModelDelta, id: LayoutId, layout: &Layout) -> ModelDelta {
    let panes = delta.panes.iter().map(|pane| project_pane(pane, layout));
    ModelDelta {
        key: delta.key.clone(),
        layout: id,
        panes: panes.collect(),
    }
}

/// A pane without a layout, counted in `layout`.
pub(super) fn project_pane(pane: &PaneDelta, layout: &Layout) -> PaneDelta {
    let mut loose = pane.loose.clone();
    PaneDelta {
        cells: take_cells(layout, pane.carried, &mut loose),
        loose,
        ..*pane
    }
}

/// Takes the series that `layout` knows out of `loose`: their counts by cell of the layout,
/// ascending and above 0. The rows that carry a series and lack it are missing in it.
pub(super) fn take_cells(
    layout: &Layout,
    carried: [u64; 4],
    loose: &mut LooseSeries,
) -> Vec<(u32, u64)> {
    let mut cells = Vec::new();
    for (at, series) in layout.series().iter().enumerate() {
        let name = (series.role(), Box::from(&**series.name()));
        let mut own = loose.remove(&name).unwrap_or_default().project(series);
        let carrier = Carrier::of(series.role(), series.name());
        let rows = carried.get(carrier as usize).copied().unwrap_or(0);
        let counted: u64 = own.iter().sum();
        if let Some(missing) = own.get_mut(series.missing_cell()) {
            *missing += rows.saturating_sub(counted);
        }
        let first = u32::try_from(layout.offset(at)).unwrap_or(u32::MAX);
        let numbered = (first..).zip(own);
        cells.extend(numbered.filter(|(_, count)| *count > 0));
    }
    cells
}
