//! What a step does, as data: one enum per room that executes, matched exhaustively.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::DroneAction;
use crate::desired::{Condition, ImageSpec};
use crate::manifest::{Folder, GiteaWebhook};
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
    /// A Gitea.
    Forge(ForgeAction),
    /// A Drone.
    Drone(DroneAction),
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

/// A write to a Gitea. Bodies are complete but for secrets, which are taken from the unlocked ones when the call is made.
#[derive(Clone, Debug, PartialEq)]
pub enum ForgeAction {
    /// Waits until it answers, and lets its administrator in.
    Await {
        /// Time for it.
        patience: std::time::Duration,
    },
    /// `POST /admin/users`, and then what only a change can say.
    CreateUser {
        /// The name.
        name: String,
        /// The declared fields.
        fields: Value,
        /// The secret that holds the password; a random one is made up without.
        password: Option<String>,
    },
    /// `PATCH /admin/users/NAME`.
    EditUser {
        /// The name.
        name: String,
        /// Fields that change.
        fields: Value,
        /// The secret that holds the password, where it is another one.
        password: Option<String>,
    },
    /// `DELETE /admin/users/NAME`.
    DeleteUser(String),
    /// `POST /orgs`.
    CreateOrganisation(Value),
    /// `PATCH /orgs/NAME`.
    EditOrganisation {
        /// The name.
        name: String,
        /// All of it.
        body: Value,
    },
    /// `DELETE /orgs/NAME`.
    DeleteOrganisation(String),
    /// `POST /orgs/OWNER/repos` or `POST /admin/users/OWNER/repos`.
    CreateRepository {
        /// The owner.
        owner: String,
        /// True where the owner is an organisation.
        in_organisation: bool,
        /// The repository.
        body: Value,
    },
    /// `PATCH /repos/OWNER/NAME`.
    EditRepository {
        /// `OWNER/NAME`.
        repository: String,
        /// Fields that change.
        body: Value,
    },
    /// `PUT /repos/OWNER/NAME/collaborators/USER`.
    PutCollaborator {
        /// `OWNER/NAME`.
        repository: String,
        /// Who.
        user: String,
        /// `read`, `write` or `admin`.
        permission: &'static str,
    },
    /// `DELETE /repos/OWNER/NAME/collaborators/USER`.
    DeleteCollaborator {
        /// `OWNER/NAME`.
        repository: String,
        /// Who.
        user: String,
    },
    /// Makes a hook, and only then deletes those that it stands in for: nothing that happens meanwhile is lost.
    CreateHook {
        /// The hook.
        hook: Box<GiteaWebhook>,
        /// Numbers of hooks with the same URL.
        instead_of: Vec<i64>,
    },
    /// `PATCH /repos/OWNER/NAME/hooks/ID`, which leaves its secret.
    EditHook {
        /// Its number.
        id: i64,
        /// The hook.
        hook: Box<GiteaWebhook>,
    },
    /// `DELETE /repos/OWNER/NAME/hooks/ID`.
    DeleteHook {
        /// `OWNER/NAME`.
        repository: String,
        /// Its number.
        id: i64,
    },
    /// `POST /repos/OWNER/NAME/hooks/ID/tests`, and waits until the receiver has counted a signed delivery.
    AttestHook {
        /// The hook.
        hook: Box<GiteaWebhook>,
        /// What is attested, for the record: keyed digest of the secret, and where.
        what: String,
        /// Time for it.
        patience: std::time::Duration,
    },
    /// `POST /users/USER/tokens`; the value is kept before anything else happens.
    CreateToken {
        /// Whose.
        user: String,
        /// Its name in Gitea.
        name: String,
        /// What it opens.
        scopes: Vec<String>,
        /// The secret that keeps the value.
        secret: String,
    },
    /// `DELETE /users/USER/tokens/ID`.
    DeleteToken {
        /// Whose.
        user: String,
        /// Its number.
        id: i64,
    },
    /// Makes or changes an OAuth application. Both make a secret, which is kept before anything else happens.
    WriteApplication(Box<WriteApplication>),
    /// Keeps the client id of an OAuth application, which Gitea tells at any time.
    ReadApplication {
        /// Whose.
        owner: String,
        /// Its number.
        id: i64,
        /// The secret that keeps it.
        secret: String,
    },
    /// `DELETE /user/applications/oauth2/ID`.
    DeleteApplication {
        /// Whose.
        owner: String,
        /// Its number.
        id: i64,
    },
    /// Cannot be done, and says why: what a sops file gives is not what the forge has.
    Conflict {
        /// Why, and what to do about it.
        why: String,
    },
}

/// An OAuth application that is made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteApplication {
    /// Its number; `None` for a new one.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Whose.
    pub owner: String,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// True where it can keep its secret.
    pub confidential: bool,
    /// What stays as it is.
    pub skip_secondary: Option<bool>,
    /// The manifest secret that keeps its client id.
    pub id_secret: Option<String>,
    /// The manifest secret that keeps its client secret.
    pub secret: Option<String>,
}

impl ForgeAction {
    /// The manifest secret that it writes.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::CreateUser { password, .. } | Self::EditUser { password, .. } => password.as_deref(),
            Self::CreateHook { hook, .. } => Some(&hook.secret.secret),
            _ => None,
        }
    }
}
