//! How much each series matters to the model, as those who trained it say.
//!
//! A JSON object of numbers from 0 on, such as a training script writes from what its model says of
//! features: `{"amount": 0.41, "country": 0.2}`. Series that it does not name count as 1. With the
//! bins of another reference come its importances, unless there are new ones.

use std::collections::BTreeMap;
use std::path::Path;

use super::look::{Inputs, listed};
use super::{BuildError, BuildRequest};
use crate::reference::Reference;

/// The importances of the series to be counted.
pub(super) fn of(
    request: &BuildRequest,
    inputs: &Inputs,
    fixed: Option<&Reference>,
) -> Result<BTreeMap<String, f64>, BuildError> {
    let Some(path) = &request.importances else {
        return Ok(fixed.map_or_else(BTreeMap::new, |one| one.header.importances.clone()));
    };
    let importances = read(path)?;
    for (name, importance) in &importances {
        if !inputs.series.iter().any(|series| *series.name == **name) {
            return Err(BuildError::Absent {
                option: "--importances",
                name: name.clone(),
                there: listed(inputs.series.iter().map(|series| &series.name)),
            });
        }
        if *importance < 0.0 {
            return Err(BuildError::Importance {
                path: path.clone(),
                name: name.clone(),
            });
        }
    }
    Ok(importances)
}

fn read(path: &Path) -> Result<BTreeMap<String, f64>, BuildError> {
    let bytes = std::fs::read(path).map_err(|source| BuildError::ImportancesFile {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| BuildError::Importances {
        path: path.to_owned(),
        source,
    })
}
