//! A delivery of a comment, as Gitea, Forgejo and GitHub write it.
//!
//! Fields that are not used may be anything and may come and go with the forge's versions; those that are used have one
//! type, and one that stands twice is refused: another reader might take the other one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

/// The parts of a delivery that decide something.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Payload<'a> {
    /// `created`, `edited` or `deleted`.
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    /// What was commented on.
    #[serde(borrow, deserialize_with = "object")]
    pub issue: Issue<'a>,
    /// The comment.
    #[serde(borrow, deserialize_with = "object")]
    pub comment: Comment<'a>,
    /// Where.
    #[serde(borrow, deserialize_with = "object")]
    pub repository: Repository<'a>,
    /// Who did it; for an edit, not who wrote the comment.
    #[serde(borrow, deserialize_with = "object")]
    pub sender: User<'a>,
    /// Gitea and Forgejo only.
    #[serde(default)]
    pub is_pull: Option<bool>,
    /// The pull request itself: from Gitea 1.23 and Forgejo 11 on.
    #[serde(borrow, default, deserialize_with = "maybe")]
    pub pull_request: Option<PullRequest<'a>>,
}

/// An issue or a pull request, which are numbered together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Issue<'a> {
    /// Number within the repository.
    #[serde(deserialize_with = "positive")]
    pub number: u64,
    /// `open` or `closed`.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// True when only writers may comment, in Gitea's and Forgejo's word.
    #[serde(default)]
    pub is_locked: Option<bool>,
    /// The same in GitHub's word.
    #[serde(default)]
    pub locked: Option<bool>,
    /// There for a pull request.
    #[serde(default, deserialize_with = "maybe")]
    pub pull_request: Option<PullMeta>,
}

/// What an issue says about being a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullMeta {
    /// Gitea and Forgejo.
    #[serde(default)]
    pub merged: Option<bool>,
    /// All forges, from Gitea 1.21 on.
    #[serde(default)]
    pub merged_at: Option<Timestamp>,
    /// From Gitea 1.22 on.
    #[serde(default)]
    pub draft: Option<bool>,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Comment<'a> {
    /// Number within the forge.
    #[serde(deserialize_with = "positive")]
    pub id: u64,
    /// Who wrote it.
    #[serde(borrow, deserialize_with = "object")]
    pub user: User<'a>,
    /// What it says.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User<'a> {
    /// Number within the forge.
    #[serde(deserialize_with = "positive")]
    pub id: u64,
    /// Name to log in with.
    #[serde(borrow)]
    pub login: Cow<'a, str>,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Repository<'a> {
    /// Number within the forge.
    #[serde(deserialize_with = "positive")]
    pub id: u64,
    /// `owner/name`.
    #[serde(borrow)]
    pub full_name: Cow<'a, str>,
    /// What the sender may do here. Not in GitHub's deliveries.
    #[serde(default, deserialize_with = "maybe")]
    pub permissions: Option<Permissions>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Permissions {
    /// Write code.
    pub push: bool,
}

/// A pull request. The permissions within it are about the fork, whose owner may do everything there: they are not read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest<'a> {
    /// Number within the repository.
    #[serde(deserialize_with = "positive")]
    pub number: u64,
    /// `open` or `closed`.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// True once it is merged.
    #[serde(default)]
    pub merged: Option<bool>,
    /// True while it is not ready.
    #[serde(default)]
    pub draft: Option<bool>,
    /// What is to be merged.
    #[serde(borrow, deserialize_with = "object")]
    pub head: Head<'a>,
}

/// The end of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head<'a> {
    /// Its commit.
    #[serde(borrow)]
    pub sha: Cow<'a, str>,
}

impl<'a> Payload<'a> {
    /// Reads a delivery's JSON: a text, since of bytes serde would not look at those of fields that are not used.
    ///
    /// # Errors
    /// When it is not JSON, nested too deep, or a field that is used is missing, there twice or of another type.
    pub fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(|Object(payload)| payload)
    }
}

/// Of a map alone. serde takes a list of a type's values for it as well, where another reader finds nothing.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Map<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Map<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Map(PhantomData))
}

fn maybe<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|Object(one)| one))
}

/// A number that identifies something: from 1 to what a signed number of 64 bits holds.
fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let wrong = || de::Error::custom(format!("{number} identifies nothing"));
    u64::try_from(number).ok().filter(|number| *number > 0).ok_or_else(wrong)
}
