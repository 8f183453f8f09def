//! The parameters of a request: every one known, each at most once, empty ones as if absent.
//!
//! What cannot be understood is an error and never a default: a misspelt `window` must not quietly
//! give the scores of another one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::expose::problem::Problem;
use crate::expose::view::Sort;
use crate::key::{ModelKey, Name};
use crate::reference::ReferenceRole;
use crate::time::Timestamp;

/// Entries of a list in one answer, unless asked otherwise.
const LIMIT: usize = 1_000;

/// The most entries of a list in one answer.
const LIMIT_MAX: usize = 10_000;

/// What a name must not have where it stands between slashes or in a cursor.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Percent-encodes a name for a place between two slashes.
pub(super) fn segment(name: &str) -> impl Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}

/// The path of a model version.
pub(super) fn path_of(key: &ModelKey) -> String {
    let (model, version) = (segment(key.model.as_str()), segment(key.version.as_str()));
    format!("/api/v1/models/{model}/versions/{version}")
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Checks that all `pairs` are among the `known` names.
    pub(super) fn new(pairs: Vec<(String, String)>, known: &[&str]) -> Result<Self, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "it takes none".to_owned(),
                    _ => format!("it takes: {}", known.join(", ")),
                };
                return Err(Problem::UnknownParameter { name, known });
            }
            if value.is_empty() {
                continue;
            }
            if params.contains_key(&name) {
                return Err(Problem::TwiceParameter(name));
            }
            params.insert(name, value);
        }
        Ok(Self(params))
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter, read as what it should be.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
    }

    /// How many entries of a list to answer with.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit: usize = self.parsed("limit")?.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::parameter(
            "limit",
            format!("{limit} is not in 1 to {LIMIT_MAX}"),
        ))
    }

    /// Which reference was asked for.
    pub(super) fn reference(&self) -> Result<Option<ReferenceRole>, Problem> {
        self.role("reference")
    }

    /// The role that a parameter names.
    pub(super) fn role(&self, name: &'static str) -> Result<Option<ReferenceRole>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match ReferenceRole::from_text(text) {
            Some(role) => Ok(Some(role)),
            None => Err(Problem::parameter(
                name,
                format!("`{text}` is not one of: training, baseline"),
            )),
        }
    }

    /// In which order to list scores.
    pub(super) fn sort(&self) -> Result<Sort, Problem> {
        match self.text("sort") {
            None | Some("impact") => Ok(Sort::Impact),
            Some("psi") => Ok(Sort::Psi),
            Some("name") => Ok(Sort::Name),
            Some(other) => Err(Problem::parameter(
                "sort",
                format!("`{other}` is not one of: impact, name, psi"),
            )),
        }
    }

    /// The name of a model or a version.
    pub(super) fn name(&self, name: &'static str) -> Result<Option<Name>, Problem> {
        let read =
            |text| Name::new(text).map_err(|error| Problem::parameter(name, error.to_string()));
        self.text(name).map(read).transpose()
    }

    /// Whether only firing or only resolved alerts were asked for.
    pub(super) fn firing(&self) -> Result<Option<bool>, Problem> {
        match self.text("state") {
            None => Ok(None),
            Some("firing") => Ok(Some(true)),
            Some("resolved") => Ok(Some(false)),
            Some(other) => Err(Problem::parameter(
                "state",
                format!("`{other}` is not one of: firing, resolved"),
            )),
        }
    }

    /// After which model version a list goes on.
    pub(super) fn after_model(&self) -> Result<Option<ModelKey>, Problem> {
        let Some(text) = self.text("after") else {
            return Ok(None);
        };
        let key = text.split_once('/').and_then(|(model, version)| {
            let name = |text| Name::new(&percent_decode_str(text).decode_utf8().ok()?).ok();
            Some(ModelKey::new(name(model)?, name(version)?))
        });
        key.map(Some).ok_or_else(|| bad_cursor(text))
    }

    /// After which entry a list of scores goes on.
    pub(super) fn after_entry(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = self.text("after") else {
            return Ok(None);
        };
        Cursor::read(text).map(Some).ok_or_else(|| bad_cursor(text))
    }
}

fn bad_cursor(text: &str) -> Problem {
    let reason = format!("`{text}` is not the `next` of an earlier answer; start without it");
    Problem::parameter("after", reason)
}

/// The cursor after a model version.
pub(super) fn cursor_of(key: &ModelKey) -> String {
    format!(
        "{}/{}",
        segment(key.model.as_str()),
        segment(key.version.as_str())
    )
}

/// Where a list of scores goes on: the window, so that all pages are of one, and the last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The end of the window.
    pub(super) end: Timestamp,
    /// The reference of the entry; `-` where it has none.
    pub(super) reference: String,
    /// The role of its series.
    pub(super) role: String,
    /// Its series.
    pub(super) series: String,
}

impl Cursor {
    /// The text that [`Self::read`] reads.
    pub(super) fn write(&self) -> String {
        let series = segment(&self.series);
        format!(
            "{}/{}/{}/{series}",
            self.end.as_millis(),
            self.reference,
            self.role
        )
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let end = Timestamp::checked_from_millis(parts.next()?.parse().ok()?)?;
        let (reference, role) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let series = percent_decode_str(parts.next()?)
            .decode_utf8()
            .ok()?
            .into_owned();
        Some(Self {
            end,
            reference,
            role,
            series,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Result<Params, Problem> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let known = ["window", "limit", "reference", "sort", "after"];
        Params::new(pairs.collect(), &known)
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let text = |problem: Problem| problem.to_string();
        for pairs in [
            &[("windw", "1h")][..],
            &[("window", "1h"), ("window", "1h")],
        ] {
            assert!(params(pairs).is_err(), "{pairs:?}");
        }
        let bad = params(&[
            ("limit", "0"),
            ("reference", "x"),
            ("sort", "y"),
            ("after", "z"),
        ]);
        let bad = bad.unwrap();
        assert_eq!(
            text(bad.limit().unwrap_err()),
            "parameter `limit`: 0 is not in 1 to 10000"
        );
        for problem in [
            bad.reference().map(|_| ()).unwrap_err(),
            bad.sort().map(|_| ()).unwrap_err(),
            bad.after_model().map(|_| ()).unwrap_err(),
            bad.after_entry().map(|_| ()).unwrap_err(),
        ] {
            assert!(text(problem).starts_with("parameter `"));
        }
    }

    #[test]
    fn empty_is_as_absent() {
        let empty = params(&[("window", ""), ("window", ""), ("limit", "")]).unwrap();
        assert_eq!(
            (empty.text("window"), empty.limit().unwrap()),
            (None, LIMIT)
        );
    }

    #[test]
    fn cursors_read_back_whatever_the_names() {
        for name in ["a/b", "%2F", "a+b c&d", "\u{e9}\"<script>\\", "..."] {
            let key = ModelKey::new(Name::new(name).unwrap(), Name::new(name).unwrap());
            let after = cursor_of(&key);
            let read = params(&[("after", &after)]).unwrap().after_model().unwrap();
            assert_eq!(read, Some(key));
            let cursor = Cursor {
                end: Timestamp::from_millis(-5),
                reference: "-".to_owned(),
                role: "feature".to_owned(),
                series: name.to_owned(),
            };
            let read = params(&[("after", &cursor.write())])
                .unwrap()
                .after_entry()
                .unwrap();
            assert_eq!(read, Some(cursor));
        }
    }
}
