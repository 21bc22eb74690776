//! The section that says what a Drone shall hold.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, Password};

/// A Drone that builds what is in `forge.gitea`. What is not declared, and was not made from here, is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drone {
    /// Where it is: `https://drone.example.org`.
    pub url: String,
    /// `HOST:PORT` that is dialled in place of the URL's; name and TLS stay those of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Where Gitea's hooks call it, where `DRONE_SERVER_PROXY_HOST` says something else than `url`:
    /// `http://drone:8080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<String>,
    /// An administrator of Drone, whom `DRONE_USER_CREATE` makes: everything is done in this name, and it becomes the owner
    /// of the repositories.
    pub admin: DroneAdmin,
    /// Further users, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, DroneUser>,
    /// Repositories that are built, by `OWNER/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, DroneRepository>,
}

/// In whose name a Drone is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneAdmin {
    /// The name, in Drone and in Gitea.
    pub username: String,
    /// The token for Drone's API, the one in `DRONE_USER_CREATE`.
    pub token: Password,
    /// The password for Gitea, with which Drone is let in.
    pub password: Password,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneUser {
    /// True for an administrator of Drone.
    #[serde(default)]
    pub admin: bool,
    /// True for a user that is no person: it cannot sign in, and has a token only.
    #[serde(default)]
    pub machine: bool,
    /// The token for Drone's API; a random one without. Another one is another user of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Password>,
}

/// Who may see a repository's builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DroneVisibility {
    /// Everybody.
    Public,
    /// Who may see the repository.
    Private,
    /// Everybody who is signed in.
    Internal,
}

/// A repository that is built. What is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneRepository {
    /// True where pipelines may do what only trusted ones may: host volumes, privileged containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    /// True where a pipeline has to be signed or approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// How long a build may take, in whole minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Who may see its builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<DroneVisibility>,
    /// The file with the pipeline: `.drone.yml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_path: Option<String>,
    /// True where pull requests from forks are not built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_forks: Option<bool>,
    /// True where pull requests are not built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_pull_requests: Option<bool>,
    /// True where a newer build of a pull request ends the pending ones before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_cancel_pull_requests: Option<bool>,
    /// True where a newer build of a branch ends the pending ones before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_cancel_pushes: Option<bool>,
    /// True where a newer build ends the running ones too; Drone 1 does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_cancel_running: Option<bool>,
    /// Secrets of its builds, by name; others are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, DroneSecret>,
    /// Builds that a clock starts, by name; others are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cron: BTreeMap<String, DroneCron>,
}

/// A secret of builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneSecret {
    /// Its value. Drone never tells it: what counts is what was written last.
    pub value: Password,
    /// True where builds of pull requests get it.
    #[serde(default)]
    pub pull_request: bool,
}

/// A build that a clock starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneCron {
    /// When, with seconds first: `0 0 2 * * *`, or `@daily`.
    pub expr: String,
    /// The branch that is built.
    pub branch: String,
}
