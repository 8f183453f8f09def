//! What is in the input files, before anything is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{BuildError, BuildRequest, THREADS_MAX};
use crate::decode::{Decoder, FieldPaths, Limits, Names, Plan, Row};
use crate::files::{
    self, CsvTypes, EventsRead, FilesError, Format, TableOptions, read_events, table_shape,
};
use crate::key::{Name, Role};
use crate::layout::{CategoryHash, Digest, Layout, SERIES_MAX};
use crate::reference::progress::Progress;

/// The most other model versions that are remembered, to be named if there are no others.
const OTHERS_MAX: usize = 20;

/// The most names that an error lists.
const NAMED_MAX: usize = 20;

/// A file to read.
#[derive(Debug)]
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

/// A series to count.
#[derive(Debug, Clone)]
pub(super) struct InputSeries {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) hash: CategoryHash,
}

/// What there is to read.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) files: Vec<InputFile>,
    pub(super) options: TableOptions,
    /// In order of name.
    pub(super) series: Vec<InputSeries>,
    model: Name,
    version: Name,
}

impl Inputs {
    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// How many threads read. A thread saves nothing of reading events, only of reading columns.
    pub(super) fn threads(&self) -> usize {
        if self.files.iter().all(|file| file.format == Format::Events) {
            return 1;
        }
        std::thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS_MAX))
    }

    /// Whether a row of an event is one to be counted.
    pub(super) fn takes(&self, row: &Row<'_>) -> bool {
        row.model == self.model.as_str()
            && row.version == self.version.as_str()
            && !self.options.excludes(row.at)
    }
}

/// A decoder of events in the native shape.
pub(super) fn decoder() -> Decoder {
    #[expect(
        clippy::expect_used,
        reason = "the native event is the default of the plan"
    )]
    let plan = Plan::new(&FieldPaths::default()).expect("the native event is a plan");
    Decoder::new(plan, Limits::default())
}

/// Finds out what the files have. With a fixed layout, its series are those to count.
pub(super) fn look(
    request: &BuildRequest,
    fixed: Option<&Layout>,
    progress: &dyn Progress,
) -> Result<Inputs, BuildError> {
    if request.inputs.is_empty() {
        return Err(BuildError::NoInputs);
    }
    let formats = request
        .inputs
        .iter()
        .map(|path| Format::of(path))
        .collect::<Result<Vec<_>, _>>()?;
    let sizes = request
        .inputs
        .iter()
        .map(|path| files::size(path))
        .collect::<Result<Vec<_>, _>>()?;
    progress.begin("looking at files", sizes.iter().sum());
    let mut inputs = Inputs {
        files: Vec::new(),
        options: TableOptions {
            time_column: request.time_column.clone(),
            prediction: request.prediction.clone(),
            ignore: request.ignore.clone(),
            only: None,
            exclude: request.exclude.clone(),
            csv: CsvTypes::default(),
        },
        series: Vec::new(),
        model: request.model.clone(),
        version: request.version.clone(),
    };
    for ((path, format), bytes) in request.inputs.iter().zip(formats).zip(sizes) {
        let sha256 = sha256(path, progress)?;
        inputs.files.push(InputFile {
            path: path.clone(),
            format,
            bytes,
            sha256,
        });
    }
    let mut found = Found::default();
    found.tables(&inputs)?;
    found.events(&inputs, progress)?;
    inputs.options.csv = csv_types(&inputs, fixed)?;
    found.check(request)?;
    inputs.series = found.series(request, fixed, progress)?;
    Ok(inputs)
}

fn sha256(path: &Path, progress: &dyn Progress) -> Result<Digest, FilesError> {
    let fail = |source| FilesError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(fail)?;
    let mut sha = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut part).map_err(fail)?;
        if read == 0 {
            return Ok(Digest(sha.finalize().into()));
        }
        sha.update(part.get(..read).unwrap_or(&[]));
        progress.advance(read as u64);
    }
}

fn csv_types(inputs: &Inputs, fixed: Option<&Layout>) -> Result<CsvTypes, FilesError> {
    let csv = inputs
        .files
        .iter()
        .filter(|file| file.format == Format::Csv);
    let csv: Vec<_> = csv.map(|file| file.path.clone()).collect();
    let types = CsvTypes::infer(&csv, &inputs.options, |_bytes| {})?;
    Ok(match fixed {
        Some(layout) => CsvTypes::of_layout(layout).or(types),
        None => types,
    })
}

/// What the files have.
#[derive(Default)]
struct Found {
    series: BTreeMap<Arc<str>, Role>,
    /// Columns that were asked to be left out, and are there.
    ignored: BTreeSet<String>,
    /// Events of other model versions.
    others: BTreeMap<String, u64>,
    others_more: bool,
    /// A file that has no times.
    timeless: Option<PathBuf>,
    events: EventsRead,
    taken: u64,
    unnamed: bool,
}

impl Found {
    fn tables(&mut self, inputs: &Inputs) -> Result<(), BuildError> {
        for file in inputs
            .files
            .iter()
            .filter(|file| file.format != Format::Events)
        {
            let shape = table_shape(&file.path, &inputs.options)?;
            for column in shape.series {
                self.series.insert(column.name, column.role);
            }
            let ignored = |column: &String| inputs.options.ignore.contains(column);
            self.ignored
                .extend(shape.columns.into_iter().filter(ignored));
            if !shape.has_times {
                self.timeless.get_or_insert_with(|| file.path.clone());
            }
        }
        Ok(())
    }

    fn events(&mut self, inputs: &Inputs, progress: &dyn Progress) -> Result<(), BuildError> {
        let mut decoder = decoder();
        // by slot, whether it was met
        let mut met = Vec::new();
        let is_event = |file: &&InputFile| file.format == Format::Events;
        for file in inputs.files.iter().filter(is_event) {
            let read = read_events(&file.path, &mut decoder, |names, row| {
                if inputs.takes(row) {
                    self.row(names, row, &mut met, &inputs.options.ignore);
                } else {
                    self.other(row, inputs);
                }
            })?;
            if let Some(rejects) = rejects(&read) {
                progress.note(&format!("{}: {rejects}", file.path.display()));
            }
            self.events.merge(&read);
        }
        let expected = inputs.files.iter().any(|file| is_event(&file));
        if expected && self.taken == 0 {
            Err(self.nothing(inputs))
        } else {
            Ok(())
        }
    }

    fn row(&mut self, names: &Names, row: &Row<'_>, met: &mut Vec<bool>, ignore: &[String]) {
        self.taken += 1;
        self.unnamed |= row.unnamed > 0;
        for (slot, _) in row.values {
            let at = slot.0 as usize;
            if met.len() <= at {
                met.resize(at + 1, false);
            }
            let Some(met) = met.get_mut(at).filter(|met| !**met) else {
                continue;
            };
            *met = true;
            if let Some(series) = names.get(*slot) {
                if ignore.iter().any(|ignored| **ignored == *series.name) {
                    self.ignored.insert(series.name.to_string());
                } else {
                    self.series.insert(Arc::clone(&series.name), series.role);
                }
            }
        }
    }

    fn other(&mut self, row: &Row<'_>, inputs: &Inputs) {
        if inputs.options.excludes(row.at) {
            return;
        }
        let name = format!("{}@{}", row.model, row.version);
        if let Some(count) = self.others.get_mut(&name) {
            *count += 1;
        } else if self.others.len() < OTHERS_MAX {
            self.others.insert(name, 1);
        } else {
            self.others_more = true;
        }
    }

    /// Why there is no event to count.
    fn nothing(&self, inputs: &Inputs) -> BuildError {
        if self.others.is_empty() {
            let rejects = rejects(&self.events);
            return BuildError::NoRows(rejects.map_or(String::new(), |told| format!("; {told}")));
        }
        let mut found: Vec<_> = self
            .others
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        if self.others_more {
            found.push("more".to_owned());
        }
        let wanted = format!("{}@{}", inputs.model, inputs.version);
        BuildError::OtherModels {
            wanted,
            found: found.join(", "),
        }
    }

    /// Whether what was asked for can be done.
    fn check(&self, request: &BuildRequest) -> Result<(), BuildError> {
        if self.unnamed || self.series.len() > SERIES_MAX {
            return Err(BuildError::TooManySeries(self.series.len()));
        }
        if let Some(path) = self
            .timeless
            .as_ref()
            .filter(|_| !request.exclude.is_empty())
        {
            return Err(BuildError::NoTimes(path.clone()));
        }
        let absent = |option, name: &String| BuildError::Absent {
            option,
            name: name.clone(),
            there: listed(self.series.keys()),
        };
        if let Some(name) = request
            .ignore
            .iter()
            .find(|name| !self.ignored.contains(*name))
        {
            return Err(absent("--ignore", name));
        }
        match request
            .private
            .iter()
            .find(|name| !self.series.contains_key(name.as_str()))
        {
            Some(name) => Err(absent("--private", name)),
            None => Ok(()),
        }
    }

    /// The series to count.
    fn series(
        self,
        request: &BuildRequest,
        fixed: Option<&Layout>,
        progress: &dyn Progress,
    ) -> Result<Vec<InputSeries>, BuildError> {
        let series = match fixed {
            None => self.series,
            Some(layout) => {
                let unknown = self
                    .series
                    .keys()
                    .filter(|name| layout.find(name).is_none());
                let unknown: Vec<_> = unknown.collect();
                if !unknown.is_empty() {
                    let unknown = listed(unknown.into_iter());
                    progress.note(&format!(
                        "not counted, since the layout has no such series: {unknown}"
                    ));
                }
                layout
                    .series()
                    .iter()
                    .map(|s| (Arc::clone(s.name()), s.role()))
                    .collect()
            }
        };
        if series.is_empty() {
            return Err(BuildError::NoSeries);
        }
        let series = series.into_iter().map(|(name, role)| {
            let private = request.private.iter().any(|private| **private == *name);
            InputSeries {
                hash: CategoryHash::new(&name, private),
                name,
                role,
            }
        });
        Ok(series.collect())
    }
}

/// What lines were rejected for, if any were.
fn rejects(read: &EventsRead) -> Option<String> {
    let rejects = read
        .rejects()
        .map(|(reason, count)| format!("{reason} {count}"));
    let rejects: Vec<_> = rejects.collect();
    (!rejects.is_empty()).then(|| format!("lines rejected: {}", rejects.join(", ")))
}

/// The first of these names, for an error.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    let mut names: Vec<String> = names.take(NAMED_MAX + 1).map(ToString::to_string).collect();
    if names.len() > NAMED_MAX {
        names.truncate(NAMED_MAX);
        names.push("..".to_owned());
    }
    names.join(", ")
}
