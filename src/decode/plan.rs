//! Where the fields of an event are: JSON pointers, compiled once into a tree.
//!
//! The pointers `/model`, `/meta/ts`, `/meta/id` and `/in` become the nodes below. A document is
//! walked along this tree: what is not on it is skipped, and a node whose field is `features` or
//! `prediction` takes the members that have no node of their own. So with the features at `""`, the
//! whole document, all is a feature but what other fields claim.
//!
//! ```text
//! ""  -+- model                      model
//!      +- meta -+- ts                timestamp
//!      |        +- id                request_id
//!      +- in                         features
//! ```

use std::str::FromStr;

use crate::decode::instant::TimestampUnit;
use crate::key::{Name, NameError, UNVERSIONED};

/// The most steps of a pointer: the walk recurses once for each.
pub const POINTER_STEPS_MAX: usize = 32;

/// Where one field of an event comes from.
///
/// In configuration a text that is empty or begins with `/` is a pointer, any other a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A JSON pointer (RFC 6901) from the event; the empty one is the whole event. A step into an
    /// array is a decimal index.
    Pointer(String),
    /// The same for all events.
    Constant(String),
    /// The events do not have it.
    Absent,
}

/// Why a text says nothing about where a field comes from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A pointer that is not empty begins with a slash.
    #[error("the pointer `{0}` does not begin with `/`")]
    NoSlash(String),
    /// `~` stands for itself as `~0`, and `/` as `~1`.
    #[error("in the pointer `{0}` a `~` is followed by neither 0 (for `~`) nor 1 (for `/`)")]
    Escape(String),
    /// More steps than [`POINTER_STEPS_MAX`].
    #[error("the pointer has {0} steps, more than {POINTER_STEPS_MAX}")]
    TooDeep(usize),
    /// A constant is the name of a model or version.
    #[error("`{0}` is neither a pointer (these begin with `/`) nor a constant that can be a name")]
    Constant(String, #[source] NameError),
}

impl FromStr for Field {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<Self, FieldError> {
        let field = match text.bytes().next() {
            None | Some(b'/') => Self::Pointer(text.to_owned()),
            Some(_) => Self::Constant(text.to_owned()),
        };
        field.check().map(|()| field)
    }
}

impl Field {
    fn check(&self) -> Result<(), FieldError> {
        match self {
            Self::Pointer(pointer) => steps(pointer).map(drop),
            Self::Constant(text) => {
                Name::check(text).map_err(|error| FieldError::Constant(text.clone(), error))
            }
            Self::Absent => Ok(()),
        }
    }
}

/// Where all fields of an event come from. The default is the native event, which needs no
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPaths {
    /// The model, a string: `/model`.
    pub model: Field,
    /// Its version, a string or a whole number: `/version`.
    pub version: Field,
    /// When it happened: `/ts`.
    pub timestamp: Field,
    /// What the caller calls the request: `/request_id`.
    pub request_id: Field,
    /// An object with one member for each feature: `/features`.
    pub features: Field,
    /// The prediction, or an object with one member for each output: `/prediction`.
    pub prediction: Field,
    /// How long the call took, in milliseconds: `/latency_ms`.
    pub latency: Field,
    /// How the call ended: `/status`.
    pub status: Field,
    /// The unit of a timestamp that is a number.
    pub timestamp_unit: TimestampUnit,
}

impl Default for FieldPaths {
    fn default() -> Self {
        let pointer = |name: &str| Field::Pointer(format!("/{name}"));
        Self {
            model: pointer("model"),
            version: pointer("version"),
            timestamp: pointer("ts"),
            request_id: pointer("request_id"),
            features: pointer("features"),
            prediction: pointer("prediction"),
            latency: pointer("latency_ms"),
            status: pointer("status"),
            timestamp_unit: TimestampUnit::default(),
        }
    }
}

/// Why field paths make no plan. Fields bear their names in [`FieldPaths`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A field that cannot be used by itself.
    #[error("the path of `{0}` cannot be used")]
    Field(&'static str, #[source] FieldError),
    /// There is no model.
    #[error("`model` is absent, but every event belongs to a model: give a pointer or a constant")]
    NoModel,
    /// A constant where each event has its own value.
    #[error("`{0}` cannot be a constant: give a pointer such as `/{0}`")]
    Constant(&'static str),
    /// A single value cannot be the whole event.
    #[error("`{0}` cannot be the whole event, which is an object: give a pointer such as `/{0}`")]
    Whole(&'static str),
    /// Two fields at one place.
    #[error("`{0}` and `{1}` point at the same value")]
    Same(&'static str, &'static str),
    /// A field inside another that is a single value.
    #[error("`{0}` points into `{1}`, which is a single value")]
    Inside(&'static str, &'static str),
}

/// A field that is looked for in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Model,
    Version,
    Timestamp,
    RequestId,
    Features,
    Prediction,
    Latency,
    Status,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Version => "version",
            Self::Timestamp => "timestamp",
            Self::RequestId => "request_id",
            Self::Features => "features",
            Self::Prediction => "prediction",
            Self::Latency => "latency",
            Self::Status => "status",
        }
    }

    /// Whether its value may be an object whose members are series.
    const fn has_members(self) -> bool {
        matches!(self, Self::Features | Self::Prediction)
    }
}

/// The way from a node to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The key, without escapes.
    pub(super) key: Box<str>,
    /// The key as an index, for where the document has an array.
    pub(super) index: Option<usize>,
    /// Where it leads.
    pub(super) node: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    target: Option<Target>,
    steps: Vec<Step>,
}

/// Field paths, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    nodes: Vec<Node>,
    model: Option<Box<str>>,
    version: Box<str>,
    unit: TimestampUnit,
}

impl Plan {
    /// The node of the whole event.
    pub(super) const ROOT: usize = 0;

    /// Compiles `paths`, or says what is wrong first.
    pub fn new(paths: &FieldPaths) -> Result<Self, PlanError> {
        let mut plan = Self {
            nodes: vec![Node::default()],
            model: None,
            version: UNVERSIONED.into(),
            unit: paths.timestamp_unit,
        };
        for (target, field) in [
            (Target::Model, &paths.model),
            (Target::Version, &paths.version),
            (Target::Timestamp, &paths.timestamp),
            (Target::RequestId, &paths.request_id),
            (Target::Features, &paths.features),
            (Target::Prediction, &paths.prediction),
            (Target::Latency, &paths.latency),
            (Target::Status, &paths.status),
        ] {
            field
                .check()
                .map_err(|error| PlanError::Field(target.name(), error))?;
            match (field, target) {
                (Field::Pointer(pointer), _) => plan.add(target, pointer)?,
                (Field::Constant(text), Target::Model) => plan.model = Some(text.as_str().into()),
                (Field::Constant(text), Target::Version) => plan.version = text.as_str().into(),
                (Field::Constant(_), _) => return Err(PlanError::Constant(target.name())),
                (Field::Absent, Target::Model) => return Err(PlanError::NoModel),
                (Field::Absent, _) => {}
            }
        }
        plan.single_values_hold_nothing()?;
        Ok(plan)
    }

    /// How many nodes there are; they are numbered from [`Self::ROOT`].
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The field that is at `node`.
    pub(super) fn target(&self, node: usize) -> Option<Target> {
        self.nodes.get(node).and_then(|node| node.target)
    }

    /// The ways on from `node`.
    pub(super) fn steps(&self, node: usize) -> &[Step] {
        self.nodes.get(node).map_or(&[], |node| &node.steps)
    }

    /// The model of all events, if that is a constant.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The version of events that name none.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The unit of a timestamp that is a number.
    pub(super) fn unit(&self) -> TimestampUnit {
        self.unit
    }

    fn add(&mut self, target: Target, pointer: &str) -> Result<(), PlanError> {
        let keys = steps(pointer).map_err(|error| PlanError::Field(target.name(), error))?;
        if keys.is_empty() && !target.has_members() {
            return Err(PlanError::Whole(target.name()));
        }
        let mut at = Self::ROOT;
        for key in keys {
            at = self.step(at, key);
        }
        match self
            .nodes
            .get_mut(at)
            .and_then(|node| node.target.replace(target))
        {
            Some(other) => Err(PlanError::Same(other.name(), target.name())),
            None => Ok(()),
        }
    }

    /// The node that `key` leads to from `node`, a new one if need be.
    fn step(&mut self, node: usize, key: Box<str>) -> usize {
        if let Some(step) = self.steps(node).iter().find(|step| step.key == key) {
            return step.node;
        }
        let new = self.nodes.len();
        let index = key
            .parse()
            .ok()
            .filter(|index: &usize| *index.to_string() == *key);
        if let Some(node) = self.nodes.get_mut(node) {
            node.steps.push(Step {
                key,
                index,
                node: new,
            });
        }
        self.nodes.push(Node::default());
        new
    }

    fn single_values_hold_nothing(&self) -> Result<(), PlanError> {
        for node in &self.nodes {
            let single = node.target.filter(|target| !target.has_members());
            if let (Some(outer), Some(step)) = (single, node.steps.first()) {
                let mut at = step.node;
                // a node without a field has ways on, for nodes are only made for fields
                while let (None, Some(step)) = (self.target(at), self.steps(at).first()) {
                    at = step.node;
                }
                let inner = self.target(at).map_or("", Target::name);
                return Err(PlanError::Inside(inner, outer.name()));
            }
        }
        Ok(())
    }
}

/// The keys of a pointer, without escapes.
fn steps(pointer: &str) -> Result<Vec<Box<str>>, FieldError> {
    let mut parts = pointer.split('/');
    if parts.next() != Some("") {
        return Err(FieldError::NoSlash(pointer.to_owned()));
    }
    let keys: Vec<Box<str>> = parts
        .map(|part| {
            let lone = part
                .split('~')
                .skip(1)
                .any(|after| !after.starts_with(['0', '1']));
            (!lone).then(|| part.replace("~1", "/").replace("~0", "~").into())
        })
        .collect::<Option<_>>()
        .ok_or_else(|| FieldError::Escape(pointer.to_owned()))?;
    if keys.len() > POINTER_STEPS_MAX {
        return Err(FieldError::TooDeep(keys.len()));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Field {
        Field::Pointer(text.to_owned())
    }

    #[test]
    fn a_text_is_a_pointer_or_a_constant() {
        assert_eq!("".parse(), Ok(pointer("")));
        assert_eq!("/a~1b/~0/0".parse(), Ok(pointer("/a~1b/~0/0")));
        assert_eq!("fraud".parse(), Ok(Field::Constant("fraud".to_owned())));
        for (text, said) in [
            (
                "/a~",
                "in the pointer `/a~` a `~` is followed by neither 0 (for `~`) nor 1 (for `/`)",
            ),
            (
                "/~2",
                "in the pointer `/~2` a `~` is followed by neither 0 (for `~`) nor 1 (for `/`)",
            ),
            (
                ".",
                "`.` is neither a pointer (these begin with `/`) nor a constant that can be a name",
            ),
        ] {
            assert_eq!(text.parse::<Field>().unwrap_err().to_string(), said);
        }
        assert_eq!(
            "/a".repeat(33).parse::<Field>(),
            Err(FieldError::TooDeep(33))
        );
    }

    #[test]
    fn the_keys_of_a_pointer_are_without_escapes() {
        let keys = steps("/a~1b//~01/0").unwrap();
        assert_eq!(keys, ["a/b", "", "~1", "0"].map(Box::from));
    }

    #[test]
    fn what_makes_no_plan_is_named() {
        let native = FieldPaths::default();
        assert!(Plan::new(&native).is_ok());
        for (paths, said) in [
            (
                FieldPaths {
                    model: Field::Absent,
                    ..native.clone()
                },
                PlanError::NoModel,
            ),
            (
                FieldPaths {
                    status: Field::Constant("ok".into()),
                    ..native.clone()
                },
                PlanError::Constant("status"),
            ),
            (
                FieldPaths {
                    latency: pointer(""),
                    ..native.clone()
                },
                PlanError::Whole("latency"),
            ),
            (
                FieldPaths {
                    latency: pointer("/status"),
                    ..native.clone()
                },
                PlanError::Same("latency", "status"),
            ),
            (
                FieldPaths {
                    version: pointer("/model/a/b"),
                    ..native.clone()
                },
                PlanError::Inside("version", "model"),
            ),
            (
                FieldPaths {
                    model: pointer("model"),
                    ..native.clone()
                },
                PlanError::Field("model", FieldError::NoSlash("model".to_owned())),
            ),
            (
                FieldPaths {
                    features: pointer(""),
                    prediction: pointer(""),
                    ..native.clone()
                },
                PlanError::Same("features", "prediction"),
            ),
        ] {
            assert_eq!(Plan::new(&paths), Err(said));
        }
    }
}
