//! A reference from files, in memory that does not grow with them.
//!
//! The files are read several times, since edges must be known before anything is counted in them:
//!
//! ```text
//! look    names and, in CSV, types of all columns; SHA-256 of the files
//! bins    exact quantiles of numbers, exact counts of texts     again where numbers did not fit
//! count   every cell, exact sums of each bin, hour blocks
//! ```
//!
//! Each pass reads the columns in shares, one for each thread, and at most [`GROUP_SERIES`] series
//! at once. What a pass adds up (integers, exact sums, sets) does not depend on the order of rows,
//! nor on how they are split into files and shares, so the digest does not either. How quantiles
//! are exact in bounded memory is told in `ranks`.
//!
//! The kind of a series is that of most of its values; of equally many numeric before categorical
//! before boolean, and numeric where there are none. Other values are `invalid`.
//!
//! Hours are kept where rows have times: the latest that fit, as they are counted
//! ([`BLOCK_CELLS_MAX`]) and in the artifact.

mod count;
mod gather;
mod importances;
mod look;
mod ranks;
mod request;
mod scan;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use self::count::{Counted, Counting, Hours};
use self::gather::{Gather, Gathered, Gathering, RowCount, Shape, Zooming};
use self::look::{InputFile, InputSeries, Inputs, look};
use self::ranks::Zoom;
use self::scan::{collect, deal, scan};
use super::artifact;
use super::moments::Range;
use super::{BlockCells, Header, HourBlock, Input, Reference, SeriesReference};
use crate::layout::{Bins, Kind, Layout, LayoutError, SeriesLayout};

pub use self::request::{BuildError, BuildRequest};
pub use super::progress::{Progress, Quiet, Terminal};

/// The most series whose state is held at once; more are taken in turns.
pub const GROUP_SERIES: usize = 512;

/// The memory for numbers that are held to find quantiles; where it does not do, the files are read
/// again.
pub const NUMBER_BYTES_MAX: usize = 1 << 30;

/// The memory for distinct texts; the column that exceeds it looks like an identifier.
pub const TEXT_BYTES_MAX: usize = 512 << 20;

/// The most distinct texts of one column; one with more looks like an identifier and is an error.
pub const DISTINCT_MAX: usize = 1_000_000;

/// About how many cells hour blocks may have, each series taken for 24: earlier hours than fit are
/// not kept.
pub const BLOCK_CELLS_MAX: usize = 16 << 20;

/// The most bytes of hour blocks in an artifact: earlier hours than fit are not kept.
const BLOCK_BYTES_MAX: usize = 128 << 20;

/// The most threads that read.
const THREADS_MAX: usize = 8;

/// Builds a reference; the module header says how.
pub fn build(request: &BuildRequest, progress: &dyn Progress) -> Result<Reference, BuildError> {
    let other = request.layout_from.as_deref().map(read).transpose()?;
    let fixed = other.as_ref().map(|other| Arc::clone(&other.layout));
    let inputs = look(request, fixed.as_deref(), progress)?;
    let importances = importances::of(request, &inputs, other.as_ref())?;
    let mut parts = Parts::default();
    for group in inputs.series.chunks(GROUP_SERIES) {
        let found = find_bins(&inputs, group, fixed.as_deref(), &mut parts, progress)?;
        let hours = Hours::new(&parts.rows, inputs.series.len());
        for counted in count(&inputs, found, &parts.rows, &hours, progress)? {
            parts.add(counted, &hours);
        }
    }
    if parts.rows.rows == 0 {
        return Err(BuildError::NoRows(String::new()));
    }
    let layout = match fixed {
        Some(layout) => layout,
        None => Arc::new(Layout::new(parts.layouts)?),
    };
    let header = Header {
        importances,
        ..header(request, &inputs, &parts.rows)
    };
    let blocks = latest(parts.blocks);
    Ok(Reference::new(
        header,
        layout,
        parts.series,
        parts.rows.carried,
        blocks,
    )?)
}

/// The latest blocks that an artifact has room for.
fn latest(mut blocks: Vec<HourBlock>) -> Vec<HourBlock> {
    let mut bytes = 0;
    let fits = |block: &&HourBlock| {
        bytes += (block.cells.len() + 8) * (size_of::<u32>() + size_of::<u64>());
        bytes <= BLOCK_BYTES_MAX
    };
    let kept = blocks.iter().rev().take_while(fits).count();
    blocks.split_off(blocks.len() - kept)
}

/// What becomes of a reference's parts, group by group.
#[derive(Default)]
struct Parts {
    /// Counted with the first group.
    rows: RowCount,
    layouts: Vec<SeriesLayout>,
    series: Vec<SeriesReference>,
    blocks: Vec<HourBlock>,
    /// The block cells of the series so far.
    cells: usize,
}

impl Parts {
    fn add(&mut self, counted: Counted, hours: &Hours) {
        if self.series.is_empty() {
            self.blocks = hours.blocks();
        }
        counted.append_to(&mut self.blocks, self.cells);
        let (layout, series) = counted.reference();
        self.cells += BlockCells::of(&layout);
        self.layouts.push(layout);
        self.series.push(series);
    }
}

/// A series with its bins, and where its numbers lie.
type Binned = (InputSeries, SeriesLayout, Option<Range>);

/// Reads the files until the bins of a group of series are known.
fn find_bins(
    inputs: &Inputs,
    group: &[InputSeries],
    fixed: Option<&Layout>,
    parts: &mut Parts,
    progress: &dyn Progress,
) -> Result<Vec<Binned>, BuildError> {
    let held = Arc::new(AtomicUsize::new(0));
    let bytes_max = NUMBER_BYTES_MAX / group.len().max(1);
    let gather = |series: &InputSeries| {
        let layout = fixed.and_then(|layout| layout.series().get(layout.find(&series.name)?));
        Gather::new(series.clone(), layout.cloned(), bytes_max, &held)
    };
    let mut rows = parts.series.is_empty().then(RowCount::default);
    let shares = deal(group.iter().map(gather).collect(), inputs.threads());
    let names = deal(names(group), inputs.threads());
    let passes = shares.into_iter().map(|series| Gathering {
        series,
        rows: rows.take(),
    });
    let passes = scan(
        inputs,
        names.into_iter().zip(passes).collect(),
        "finding bins",
        progress,
    )?;
    let mut gathered = Vec::new();
    for pass in passes {
        parts.rows = pass.rows.unwrap_or(std::mem::take(&mut parts.rows));
        gathered.push(pass.series);
    }
    let gathered = collect(gathered)
        .into_iter()
        .map(Gather::finish)
        .collect::<Result<_, _>>()?;
    let gathered = zoom(inputs, gathered, progress)?;
    let too_many = gathered
        .iter()
        .filter(|one| matches!(one.shape, Shape::TooMany));
    let too_many: Vec<_> = too_many.map(|one| one.series.name.to_string()).collect();
    if !too_many.is_empty() {
        return Err(BuildError::Identifiers(too_many));
    }
    Ok(gathered.into_iter().map(binned).collect::<Result<_, _>>()?)
}

fn names(series: &[InputSeries]) -> Vec<Arc<str>> {
    series
        .iter()
        .map(|series| Arc::clone(&series.name))
        .collect()
}

/// Reads again what did not fit, until all edges are known.
fn zoom(
    inputs: &Inputs,
    mut gathered: Vec<Gathered>,
    progress: &dyn Progress,
) -> Result<Vec<Gathered>, BuildError> {
    loop {
        let again = gathered.iter_mut().filter_map(|one| match &mut one.shape {
            Shape::Numbers(zoom) if !zoom.is_done() => {
                Some((Arc::clone(&one.series.name), std::mem::take(zoom)))
            }
            _ => None,
        });
        let (names, zooms): (Vec<_>, Vec<_>) = again.unzip();
        if names.is_empty() {
            return Ok(gathered);
        }
        let passes = deal(zooms, inputs.threads()).into_iter().map(Zooming);
        let shares = deal(names.clone(), inputs.threads())
            .into_iter()
            .zip(passes)
            .collect();
        let passes = scan(inputs, shares, "finding edges", progress)?;
        let zooms = collect(passes.into_iter().map(|pass| pass.0).collect());
        let mut found = names.into_iter().zip(zooms).peekable();
        for one in &mut gathered {
            if let Some((_, mut zoom)) = found.next_if(|(name, _)| *name == one.series.name) {
                zoom.settle();
                one.shape = Shape::Numbers(zoom);
            }
        }
    }
}

fn binned(gathered: Gathered) -> Result<Binned, LayoutError> {
    let Gathered {
        series,
        range,
        shape,
    } = gathered;
    let bins = match shape {
        Shape::Known(layout) => return Ok((series, layout, range)),
        Shape::Numbers(zoom) => zoom.bins()?,
        Shape::TooMany => Zoom::default().bins()?,
    };
    let layout = SeriesLayout::new(
        &series.name,
        series.role,
        Kind::Numeric,
        Bins::Numeric(bins),
    )?;
    Ok((series, layout, range))
}

/// Reads the files once more and counts.
fn count(
    inputs: &Inputs,
    found: Vec<Binned>,
    rows: &RowCount,
    hours: &Hours,
    progress: &dyn Progress,
) -> Result<Vec<Counted>, BuildError> {
    let names = found
        .iter()
        .map(|(series, ..)| Arc::clone(&series.name))
        .collect();
    let names = deal(names, inputs.threads());
    let series = found
        .into_iter()
        .map(|(_, layout, range)| Counted::new(layout, range, hours));
    let shares = deal(series.collect(), inputs.threads());
    let passes = shares
        .into_iter()
        .map(|series| Counting::new(series, hours));
    let passes = scan(
        inputs,
        names.into_iter().zip(passes).collect(),
        "counting",
        progress,
    )?;
    Ok(collect(
        passes.into_iter().map(|pass| pass.finish(rows)).collect(),
    ))
}

/// The reference whose bins are to be counted in.
fn read(path: &Path) -> Result<Reference, BuildError> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|source| BuildError::LayoutFile {
        path: path.to_owned(),
        source,
    })?;
    let from = |source| BuildError::LayoutFrom {
        path: path.to_owned(),
        source,
    };
    artifact::from_bytes(&bytes).map_err(from)
}

fn header(request: &BuildRequest, inputs: &Inputs, rows: &RowCount) -> Header {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into()
    };
    let input = |file: &InputFile| Input {
        name: name(&file.path),
        sha256: file.sha256,
    };
    let mut header = Header::new(request.model.clone(), request.version.clone(), request.role);
    header.rows = rows.rows;
    header.first_event = rows.first;
    header.last_event = rows.last;
    header.timezone.clone_from(&request.timezone);
    header.provenance.inputs = inputs.files.iter().map(input).collect();
    header.provenance.created_at = request.created_at;
    header
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "numbers come back as they are"
)]
mod tests;
