//! What can be asked of a build, and why there may be no answer.

use std::path::PathBuf;

use super::DISTINCT_MAX;
use crate::files::FilesError;
use crate::key::Name;
use crate::layout::{LayoutError, SERIES_MAX};
use crate::reference::artifact::ArtifactError;
use crate::reference::{ReferenceError, ReferenceRole};
use crate::time::Timestamp;

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// What the rows are to the model.
    pub role: ReferenceRole,
    /// The column of event times in tables; `ts`, where there is one, if none is named.
    pub time_column: Option<String>,
    /// Columns, or series of events, to leave out.
    pub ignore: Vec<String>,
    /// The column of the prediction in tables.
    pub prediction: Option<String>,
    /// An artifact whose layout to count in, instead of a layout of these rows.
    pub layout_from: Option<PathBuf>,
    /// The time zone of hours of the day.
    pub timezone: Option<String>,
    /// Rows of these times, `from <= t < to`, are left out.
    pub exclude: Vec<(Timestamp, Timestamp)>,
    /// Series whose rare categories are kept as keyed hashes.
    pub private: Vec<String>,
    /// A file that says how much each series matters to the model.
    pub importances: Option<PathBuf>,
    /// When this is, to be noted in the artifact.
    pub created_at: Option<Timestamp>,
    /// The files.
    pub inputs: Vec<PathBuf>,
}

impl BuildRequest {
    /// A request without inputs and with everything else as it is by default.
    pub fn new(model: Name, version: Name, role: ReferenceRole) -> Self {
        Self {
            model,
            version,
            role,
            time_column: None,
            ignore: Vec::new(),
            prediction: None,
            layout_from: None,
            timezone: None,
            exclude: Vec::new(),
            private: Vec::new(),
            importances: None,
            created_at: None,
            inputs: Vec::new(),
        }
    }
}

/// Why no reference was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or a column of it.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Nothing to read.
    #[error("there are no input files")]
    NoInputs,
    /// Nothing was read.
    #[error("there are no rows in the input files{0}")]
    NoRows(String),
    /// Events of other models only.
    #[error(
        "no event is of {wanted}; there are {found}: name one of them with --model and --version"
    )]
    OtherModels {
        /// The model version asked for.
        wanted: String,
        /// Those found, and how many events of each.
        found: String,
    },
    /// Columns with too many distinct texts.
    #[error(
        "{} with more than {DISTINCT_MAX} distinct texts, or too long ones, look like identifiers: \
         leave them out with --ignore {}", columns(.0), .0.join(",")
    )]
    Identifiers(Vec<String>),
    /// More series than a layout may have.
    #[error("there are {0} series, more than {SERIES_MAX}")]
    TooManySeries(usize),
    /// A series or column that was named and is not there.
    #[error("{option} names `{name}`, which is in no input file; there are {there}")]
    Absent {
        /// The option that names it.
        option: &'static str,
        /// Its name.
        name: String,
        /// What there is.
        there: String,
    },
    /// No column or feature to count.
    #[error("there is no column or feature to count in the input files")]
    NoSeries,
    /// Times are to be excluded, and a file has none.
    #[error("{}: has no time column, so that no times can be excluded", .0.display())]
    NoTimes(PathBuf),
    /// The reference whose layout was to be used.
    #[error("{}: cannot be read", path.display())]
    LayoutFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// As above, when the file is no reference.
    #[error("{}: is not a usable reference", path.display())]
    LayoutFrom {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ArtifactError,
    },
    /// The file of importances.
    #[error("{}: cannot be read", path.display())]
    ImportancesFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// As above, when it says something else.
    #[error("{}: is no JSON object of numbers such as {{\"amount\": 0.4}}", path.display())]
    Importances {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A series that matters less than not at all.
    #[error("{}: the importance of `{name}` is below 0", path.display())]
    Importance {
        /// The file.
        path: PathBuf,
        /// The series.
        name: String,
    },
    /// The series make no layout.
    #[error("the series of the input files make no layout")]
    Layout(#[from] LayoutError),
    /// The parts disagree.
    #[error("the rows do not make a reference; did a file change while it was read?")]
    Reference(#[from] ReferenceError),
}

fn columns(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let noun = if names.len() == 1 {
        "column"
    } else {
        "columns"
    };
    format!("{noun} {}", names.join(", "))
}
