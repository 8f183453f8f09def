//! Which models an instance counts, where one machine has not the memory for all.
//!
//! ```text
//! shard of a model = XXH3-64(its name) mod n + 1        all versions of a model are in one shard
//! 2/4  covers  2/8 and 6/8                              i/n covers j/m  <=>  n divides m, i = j
//!                                                       where both are taken mod n
//! ```
//!
//! What a shard writes for itself is in topics of its own: `driftd.snapshot.2-of-4`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Name;

/// Shards that there may be: far more than a state log of one partition feeds.
pub const SHARDS_MAX: u32 = 256;

/// A part of the models: shard `index` of `of`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    of: u32,
    index: u32,
}

/// A text is not a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard is `i/n`, the i-th of n, such as 2/4: from 1/1 to {SHARDS_MAX}/{SHARDS_MAX}")]
pub struct ShardError;

impl Shard {
    /// The only shard: all models.
    pub const ALL: Self = Self { of: 1, index: 1 };

    /// How many shards there are.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether it is the only one.
    pub const fn is_all(self) -> bool {
        self.of == 1
    }

    /// All of as many shards as there are, in order.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |index| Self { index, ..self })
    }

    /// The shard that a model is in, where there are as many as here.
    #[must_use]
    pub fn home(self, model: &Name) -> Self {
        let rest = xxh3_64(model.as_str().as_bytes()) % u64::from(self.of);
        // a remainder is less than what it is of
        let index = u32::try_from(rest).unwrap_or_default() + 1;
        Self { index, ..self }
    }

    /// Whether a model is in it.
    pub fn owns(self, model: &Name) -> bool {
        self.is_all() || self.home(model) == self
    }

    /// Whether all models of `other` are in it too, whatever they are called.
    pub const fn covers(self, other: Self) -> bool {
        other.of.is_multiple_of(self.of) && (other.index - 1) % self.of == self.index - 1
    }
}

/// What stands between the parts of the name of a topic.
const BETWEEN: [&str; 2] = [".", "-of-"];

impl Shard {
    /// The topic of what is kept in `stem` where there is only one shard.
    pub fn topic(self, stem: &str) -> String {
        let [dot, of] = BETWEEN;
        if self.is_all() {
            return stem.to_owned();
        }
        format!("{stem}{dot}{}{of}{}", self.index, self.of)
    }

    /// The shard whose topic this is, if it is one of `stem`.
    pub fn of_topic(stem: &str, topic: &str) -> Option<Self> {
        let [dot, of] = BETWEEN;
        let rest = topic.strip_prefix(stem)?;
        if rest.is_empty() {
            return Some(Self::ALL);
        }
        let (index, of) = rest.strip_prefix(dot)?.split_once(of)?;
        let shard: Self = format!("{index}/{of}").parse().ok()?;
        (shard.topic(stem) == topic).then_some(shard)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain).ok_or(ShardError)
        };
        let (index, of) = text.split_once('/').ok_or(ShardError)?;
        let (index, of): (u32, u32) = (number(index)?, number(of)?);
        if index == 0 || index > of || of > SHARDS_MAX {
            return Err(ShardError);
        }
        Ok(Self { of, index })
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;
    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn a_shard_is_written_as_it_is_read() {
        for text in ["1/1", "2/4", "256/256"] {
            assert_eq!(shard(text).to_string(), text);
        }
        for text in [
            "", "1", "0/1", "3/2", "1/257", "+1/2", "1/2/3", " 1/2", "a/b",
        ] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
    }

    /// A log and the topics of shards are divided by it.
    #[test]
    fn the_shard_of_a_name_is_for_ever() {
        let home = |name: &str| shard("1/4").home(&Name::new(name).unwrap()).to_string();
        let homes = ["fraud", "churn", "m", "flights", "\u{e9}"].map(home);
        assert_eq!(homes.join(" "), "2/4 4/4 1/4 2/4 4/4");
    }

    #[test]
    fn a_topic_says_of_which_shard_it_is() {
        for text in ["1/1", "2/4", "256/256"] {
            let topic = shard(text).topic("a.b");
            assert_eq!(Shard::of_topic("a.b", &topic), Some(shard(text)), "{topic}");
        }
        assert_eq!(shard("2/4").topic("a.b"), "a.b.2-of-4");
        for topic in [
            "a",
            "a.b.",
            "a.b.5-of-4",
            "a.b.02-of-4",
            "a.b.1-of-1",
            "a.bc",
            "a.b.x",
        ] {
            assert_eq!(Shard::of_topic("a.b", topic), None, "{topic}");
        }
    }

    #[test]
    fn each_model_is_in_one_shard_and_what_covers_it_has_it_too() {
        for number in 0..500 {
            let model = Name::new(&format!("model-{number}")).unwrap();
            assert!(Shard::ALL.owns(&model));
            for of in [2, 3, 4, 6, 12] {
                let of = shard(&format!("1/{of}"));
                let owners: Vec<Shard> = of.all().filter(|one| one.owns(&model)).collect();
                assert_eq!(owners, [of.home(&model)]);
                for wider in ["1/2", "2/2", "1/3", "2/3", "3/3", "1/4"].map(shard) {
                    let is_covered = wider.covers(owners[0]);
                    assert!(!is_covered || wider.owns(&model), "{wider} {}", owners[0]);
                }
            }
        }
        assert!(shard("2/4").covers(shard("6/8")) && !shard("2/4").covers(shard("3/8")));
        assert!(!shard("2/4").covers(shard("2/2")) && Shard::ALL.covers(shard("2/2")));
    }
}
