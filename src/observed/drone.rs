//! What a Drone said.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One look at a Drone: what is declared in it, and what is recorded as made from here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DroneSeen {
    /// Why nothing is known; empty where it answered.
    pub away: String,
    /// What it says when it is to ask Gitea in its administrator's name and is not let in; empty where it is.
    pub refused: String,
    /// Why the sign-in is to be done anew although Drone is let in; empty where it is not.
    pub due: String,
    /// Users that are there, by name: the fields that can be declared.
    pub users: BTreeMap<String, Value>,
    /// Repositories that are known to it, by `OWNER/NAME`.
    pub repositories: BTreeMap<String, DroneRepositorySeen>,
}

/// A repository that Drone knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DroneRepositorySeen {
    /// True where it is built.
    pub active: bool,
    /// The fields that can be declared, as far as this Drone has them; the timeout in minutes.
    pub settings: Value,
    /// Its secrets, by name: whether builds of pull requests get them.
    pub secrets: BTreeMap<String, bool>,
    /// Its clocks, by name: the fields that can be declared.
    pub crons: BTreeMap<String, Value>,
    /// Numbers of the hooks in Gitea that call Drone.
    pub hooks: Vec<i64>,
    /// True where one of those, and only one, is there and turned on.
    pub is_called: bool,
}

/// What a Drone server answers to whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroneAnswers {
    /// Status of `GET /healthz`.
    pub healthz: u16,
    /// What `GET /version` names; empty where it names none.
    pub version: String,
    /// `license.kind` of `GET /varz`: `foss` is a build without the calls that runners need.
    pub license: String,
    /// Status of a runner's `POST /rpc/v2/ping`; `None` where no runner's secret is declared.
    pub ping: Option<u16>,
}

/// Whether Gitea lets a Drone in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OauthSeen {
    /// In whose name.
    pub user: String,
    /// What Drone says where it is not let in; empty where it is.
    pub refused: String,
    /// OAuth applications whose client secret is kept here, and is not the one that Gitea takes.
    pub untaken: BTreeSet<String>,
    /// When it was signed in to last, as RFC 3339, where that is recorded.
    pub signed_in: Option<String>,
    /// Seconds since then.
    pub age: Option<u64>,
}

/// A build that was asked for to see that a runner takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialSeen {
    /// Its number in the repository.
    pub number: i64,
    /// `pending`, `running`, `success` and others.
    pub status: String,
    /// Why it is in error.
    pub error: String,
    /// The runner that has it; empty before one does.
    pub runner: String,
    /// Seconds from when it was asked for until a runner began with it.
    pub waited: Option<i64>,
    /// True where nothing more will come of it.
    pub over: bool,
    /// True where an earlier run asked for it.
    pub earlier: bool,
}
