//! What Drone answers: the fields that are used.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A user of Drone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Name.
    pub login: String,
    /// True for an administrator of Drone.
    pub admin: bool,
    /// True for a user that is no person.
    pub machine: bool,
    /// True while repositories are read from the forge.
    pub syncing: bool,
}

/// What is told of a Drone server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// `1.10.1`.
    pub version: String,
}

/// A repository as Drone knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "these are the forge's own switches")]
pub struct Repository {
    /// Number.
    pub id: i64,
    /// `owner/name`.
    pub slug: String,
    /// Owner.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// True where it is built.
    pub active: bool,
    /// `public`, `private` or `internal`.
    pub visibility: String,
    /// Its pipeline, `.drone.yml`.
    pub config_path: String,
    /// True where its pipelines may do what only trusted ones may.
    pub trusted: bool,
    /// True where a pipeline has to be signed.
    pub protected: bool,
    /// True where pull requests from forks are not built.
    pub ignore_forks: bool,
    /// True where pull requests are not built.
    pub ignore_pull_requests: bool,
    /// Minutes a build may take.
    pub timeout: i64,
}

/// A secret of a repository; its value is never told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// True where builds of pull requests get it.
    pub pull_request: bool,
}

/// A build that a clock starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cron {
    /// Name.
    pub name: String,
    /// When, with seconds first: `0 0 3 * * *`, or `@daily`.
    pub expr: String,
    /// The branch that is built.
    pub branch: String,
    /// True where it is turned off.
    pub disabled: bool,
}

/// A build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Its number in the repository.
    pub number: i64,
    /// `pending`, `running`, `success` and others.
    pub status: String,
    /// Why it is in error.
    pub error: String,
    /// `custom`, `push` and others.
    pub event: String,
    /// What set it off, in the words of the forge.
    pub message: String,
    /// The branch that it was made on.
    pub target: String,
    /// The commit whose pipeline it runs.
    pub after: String,
    /// Its parameters.
    #[serde(deserialize_with = "or_default")]
    pub params: BTreeMap<String, String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it began; 0 before.
    pub started: i64,
    /// When it ended; 0 before.
    pub finished: i64,
    /// Its pipelines; only where one build is asked for.
    #[serde(deserialize_with = "or_default")]
    pub stages: Vec<Stage>,
}

impl Build {
    /// True where nothing more will come of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        const UNDER_WAY: [&str; 4] = ["waiting_on_dependencies", "pending", "running", "blocked"];
        !UNDER_WAY.contains(&self.status.as_str())
    }
}

/// A pipeline of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stage {
    /// Its number in the build, from 1.
    pub number: i64,
    /// Name.
    pub name: String,
    /// As a build's.
    pub status: String,
    /// Why it is in error.
    pub error: String,
    /// The runner that has it.
    pub machine: String,
    /// When it began; 0 before.
    pub started: i64,
    /// When it ended; 0 before.
    pub stopped: i64,
    /// Its steps.
    #[serde(deserialize_with = "or_default")]
    pub steps: Vec<Step>,
}

/// A step of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Its number in the pipeline, from 1.
    pub number: i64,
    /// Name.
    pub name: String,
    /// As a build's.
    pub status: String,
    /// Why it is in error.
    pub error: String,
    /// Exit code of its script.
    pub exit_code: i64,
    /// When it began; 0 before.
    pub started: i64,
    /// When it ended; 0 before.
    pub stopped: i64,
}

/// A line of a step's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// Its place.
    pub pos: i64,
    /// Its text, with its line break.
    pub out: String,
}

/// `null` is what is there when nothing is said.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
