//! What a step does, as data: one enum per room that executes, matched exhaustively.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::desired::{Condition, ImageSpec};
use crate::manifest::Folder;
use crate::observed::Wish;

/// Which room executes, and what.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The engine.
    Swarm(SwarmAction),
    /// An image.
    Image(ImageAction),
    /// Files under the run folder, and links to them.
    Files(FilesAction),
    /// A unit of systemd.
    Host(HostAction),
}

/// A write to the engine. Bodies are complete; ids of other objects are already in them.
#[derive(Clone, Debug, PartialEq)]
pub enum SwarmAction {
    /// `POST /swarm/init` with this body.
    Init(Value),
    /// `POST /swarm/update`: the whole new spec.
    UpdateSwarm {
        /// Version index that was read.
        version: u64,
        /// The spec.
        spec: Value,
    },
    /// `POST /nodes/ID/update`: the whole new spec.
    UpdateNode {
        /// The node.
        id: String,
        /// Version index that was read.
        version: u64,
        /// The spec.
        spec: Value,
    },
    /// `POST /networks/create`.
    CreateNetwork(Value),
    /// `DELETE /networks/ID`.
    RemoveNetwork(String),
    /// `POST /configs/create`.
    CreateConfig(Value),
    /// `POST /configs/ID/update`: only labels can change.
    UpdateConfig {
        /// The object.
        id: String,
        /// Version index that was read.
        version: u64,
        /// The spec.
        spec: Value,
    },
    /// `DELETE /configs/ID`.
    RemoveConfig(String),
    /// `POST /secrets/create`: the bytes of a manifest secret or template under a name and labels; the value is
    /// taken from the unlocked secrets when the call is made, so that no plan ever holds it.
    CreateSecret(NewSecret),
    /// `DELETE /secrets/ID`.
    RemoveSecret(String),
    /// `POST /services/create`.
    CreateService(Value),
    /// `POST /services/ID/update`.
    UpdateService {
        /// The service.
        id: String,
        /// Version index that was read.
        version: u64,
        /// The spec.
        spec: Value,
    },
    /// `DELETE /services/ID`, then waits until its tasks are gone.
    RemoveService(String),
    /// `DELETE /volumes/NAME`.
    RemoveVolume(String),
    /// Waits until services have converged.
    Converge {
        /// Services.
        services: Vec<Awaited>,
        /// Time for it.
        deadline: std::time::Duration,
    },
}

/// A secret that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSecret {
    /// Full object name.
    pub name: String,
    /// Manifest secret or template.
    pub source: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `Driver` of the engine's secret spec; such a secret holds no bytes.
    pub driver: Option<Value>,
    /// `Templating` of the engine's secret spec.
    pub templating: Option<Value>,
}

/// A service that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// Full name.
    pub service: String,
    /// What the engine said of an update (`UpdateStatus`) that was over when the plan was made, where the plan does not
    /// change the service: a rollback to what is wanted is no failure of it. Null otherwise.
    pub past: Value,
    /// How far it must have come: running and healthy, or ended well.
    pub until: Condition,
}

impl Awaited {
    /// A service of which nothing is known from before.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), past: Value::Null, until: Condition::Started }
    }
}

/// A write of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageAction {
    /// Streams the deterministic archive into `POST /images/load`.
    Load {
        /// Manifest name.
        name: String,
        /// What it is.
        spec: Box<ImageSpec>,
    },
    /// `POST /images/create` for an image of a registry.
    Pull {
        /// `name:tag@sha256:...`.
        reference: String,
    },
    /// `DELETE /images/NAME`, never by force.
    Remove {
        /// As the engine lists it: `name:tag` or `name@sha256:...`.
        name: String,
        /// How long containers that use it may take to go.
        patience: std::time::Duration,
    },
}

/// A write of files under the run folder, or of a link to them.
#[derive(Clone, Debug, PartialEq)]
pub enum FilesAction {
    /// Keeps a value that the host has made, sealed, in the state folder; before anything uses it.
    Mint {
        /// The secret.
        name: String,
    },
    /// Installs a new generation of secrets and templates and flips the link.
    Install {
        /// Which ones.
        folder: Folder,
        /// Former generations that stay.
        keep: BTreeSet<u64>,
    },
    /// Removes generations that nobody reads any more.
    Prune {
        /// Of which files.
        folder: Folder,
        /// Former generations that stay.
        keep: BTreeSet<u64>,
    },
    /// Renames one generated file into place in a real folder.
    Put {
        /// Path below the run folder.
        path: PathBuf,
    },
    /// Removes one generated file.
    Remove {
        /// Path below the run folder.
        path: PathBuf,
    },
    /// Makes a link to an installed file, or leads one there.
    Link {
        /// Where.
        path: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// Removes such a link.
    Unlink {
        /// Where.
        path: PathBuf,
    },
}

/// Asks something of a unit, without waiting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAction {
    /// The unit.
    pub unit: String,
    /// What.
    pub wish: Wish,
    /// True when it failed after an earlier wish, and so has to be started too.
    pub failed: bool,
}
