//! Mutes: what operators do not want to be paged for, and until when.
//!
//! ```text
//! model fraud*, series amount, until 12:00   covers what fires of `amount` of each model fraud*,
//!                                            whatever its version, before 12:00 by the log's clock
//! ```
//!
//! A text is a name or a glob of names. A mute changes nothing of an alert but whether it pages:
//! the journal and the API tell of it as of any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::episode::{Alert, Hand};
use crate::statelog::record::Mute;
use crate::time::Timestamp;

/// Mutes in force at the same time; further ones have no effect until one of these has ended.
pub const MUTES_MAX: usize = 500;

/// What makes a text a glob and not only a name.
const GLOB: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A mute that is in force.
#[derive(Debug, Clone)]
pub struct Muting {
    /// What it covers, and until when.
    pub mute: Mute,
    /// By whose hand.
    pub by: Hand,
    model: Pattern,
    version: Option<Pattern>,
    series: Option<Pattern>,
}

impl Muting {
    fn new(mute: &Mute, by: Hand) -> Self {
        Self {
            model: Pattern::new(&mute.model),
            version: mute.version.as_deref().map(Pattern::new),
            series: mute.series.as_deref().map(Pattern::new),
            mute: mute.clone(),
            by,
        }
    }

    /// Whether an alert is one of those that are not to page.
    pub fn covers(&self, alert: &Alert) -> bool {
        let fits = |pattern: &Option<Pattern>, name: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.fits(name))
        };
        self.model.fits(alert.key.model.as_str())
            && fits(&self.version, alert.key.version.as_str())
            && fits(&self.series, &alert.series)
    }
}

/// A name, or a glob of names.
#[derive(Debug, Clone)]
struct Pattern {
    text: Arc<str>,
    /// None where the text can only be a name.
    glob: Option<GlobMatcher>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let glob = text.contains(GLOB).then(|| Glob::new(text).ok()).flatten();
        Self {
            text: text.into(),
            glob: glob.map(|glob| glob.compile_matcher()),
        }
    }

    /// A name may have the characters of a glob, so the text itself fits too.
    fn fits(&self, name: &str) -> bool {
        *self.text == *name || self.glob.as_ref().is_some_and(|glob| glob.is_match(name))
    }
}

/// The mutes in force, by their ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Mute, Hand)>", into = "Vec<(Mute, Hand)>")]
pub struct Mutes {
    by_id: BTreeMap<Arc<str>, Arc<Muting>>,
}

impl From<Vec<(Mute, Hand)>> for Mutes {
    fn from(kept: Vec<(Mute, Hand)>) -> Self {
        let by_id = kept.into_iter().map(|(mute, by)| {
            let id = mute.id.as_str().into();
            (id, Arc::new(Muting::new(&mute, by)))
        });
        Self {
            by_id: by_id.collect(),
        }
    }
}

impl From<Mutes> for Vec<(Mute, Hand)> {
    fn from(mutes: Mutes) -> Self {
        let all = mutes.by_id.values();
        all.map(|one| (one.mute.clone(), one.by.clone())).collect()
    }
}

impl Mutes {
    /// Takes a mute; whether it is in force now. One that is over already has no effect, nor one
    /// beyond [`MUTES_MAX`].
    pub fn add(&mut self, mute: &Mute, by: Hand) -> bool {
        let has_room = self.by_id.len() < MUTES_MAX || self.by_id.contains_key(&*mute.id);
        let is_taken = has_room && mute.until > by.at;
        if is_taken {
            let muting = Arc::new(Muting::new(mute, by));
            self.by_id.insert(mute.id.as_str().into(), muting);
        }
        is_taken
    }

    /// Ends a mute; whether there was one.
    pub fn remove(&mut self, id: &str) -> bool {
        self.by_id.remove(id).is_some()
    }

    /// Ends those whose time is over; whether there were any.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.by_id.len();
        self.by_id.retain(|_, muting| muting.mute.until > now);
        self.by_id.len() < before
    }

    /// Whether any of them covers an alert.
    pub fn cover(&self, alert: &Alert) -> bool {
        self.by_id.values().any(|muting| muting.covers(alert))
    }

    /// All of them, in the order of their ids.
    pub fn list(&self) -> Vec<Arc<Muting>> {
        self.by_id.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Severity, Test};
    use crate::key::{ModelKey, Name};
    use crate::reference::ReferenceRole;
    use crate::time::Length;

    fn alert(model: &str, version: &str, series: &str) -> Alert {
        Alert {
            id: "a".into(),
            key: ModelKey::new(Name::new(model).unwrap(), Name::new(version).unwrap()),
            series: series.into(),
            window: Length::HOUR,
            test: Test::Location,
            reference: Some(ReferenceRole::Training),
            since: Timestamp::EPOCH,
            severity: Severity::Warning,
            p: 0.0,
            alpha: 1e-6,
            psi: 0.2,
            sentence: "it moved".into(),
            peers: Vec::new(),
            resolved: None,
            acknowledged: None,
        }
    }

    fn mute(id: &str, model: &str, version: Option<&str>, series: Option<&str>) -> Mute {
        Mute {
            id: id.to_owned(),
            model: model.to_owned(),
            version: version.map(str::to_owned),
            series: series.map(str::to_owned),
            until: at(10),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn hand(millis: i64) -> Hand {
        Hand {
            actor: "ann".into(),
            reason: "known".into(),
            at: at(millis),
        }
    }

    #[test]
    fn names_and_globs_cover_what_they_name() {
        let fired = alert("fraud-eu", "7", "amount[0]");
        for (model, version, series, covers) in [
            ("fraud-eu", None, None, true),
            ("fraud-*", None, None, true),
            ("*", Some("7"), Some("amount*"), true),
            ("fraud-eu", Some("7"), Some("amount[0]"), true),
            ("fraud-{eu,us}", None, None, true),
            ("fraud", None, None, false),
            ("fraud-us", None, None, false),
            ("fraud-eu", Some("8"), None, false),
            ("fraud-eu", None, Some("country"), false),
            // not a glob, and not its name either
            ("fraud-{", None, None, false),
        ] {
            let mut mutes = Mutes::default();
            assert!(mutes.add(&mute("m", model, version, series), hand(0)));
            assert_eq!(
                mutes.cover(&fired),
                covers,
                "{model} {version:?} {series:?}"
            );
        }
    }

    #[test]
    fn a_mute_ends_when_its_time_is_over_or_somebody_ends_it() {
        let mut mutes = Mutes::default();
        let fired = alert("m", "1", "x");
        assert!(!mutes.add(&mute("late", "m", None, None), hand(10)));
        assert!(mutes.add(&mute("a", "m", None, None), hand(9)));
        assert!(mutes.add(&mute("b", "m", None, None), hand(9)));
        assert!(!mutes.expire(at(9)) && mutes.cover(&fired));
        assert!(mutes.remove("a") && !mutes.remove("a"));
        assert!(mutes.cover(&fired));
        assert!(mutes.expire(at(10)) && !mutes.expire(at(10)));
        assert!(!mutes.cover(&fired) && mutes.list().is_empty());
    }

    #[test]
    fn beyond_the_limit_a_mute_only_replaces_its_own_like() {
        let mut mutes = Mutes::default();
        for n in 0..MUTES_MAX {
            assert!(mutes.add(&mute(&n.to_string(), "m", None, None), hand(0)));
        }
        assert!(!mutes.add(&mute("one more", "m", None, None), hand(0)));
        assert!(mutes.add(&mute("7", "other", None, None), hand(0)));
        assert_eq!(mutes.list().len(), MUTES_MAX);
        assert!(mutes.list().iter().any(|one| one.mute.model == "other"));
        assert!(mutes.remove("7") && mutes.add(&mute("one more", "m", None, None), hand(0)));
    }
}
