//! What Nix says: the manifest, typed and versioned; unknown fields are refused.
//!
//! Every name in here is the name in the file and, under `services.holdfast`, in the NixOS options. Paths are
//! relative to the manifest's folder until `holdfast compile` makes them absolute.

mod access;
mod bridge;
mod check;
mod drone;
mod duration;
mod forge;
mod gate;
mod generator;
mod installed;
mod load;
mod model;
mod registry;
mod relative;
mod schema;
mod secret;
mod stacks;
pub mod template;

pub use access::{Attest, FromForge, GITEA_SCOPES, GiteaApplication, GiteaToken, Made};
pub use bridge::{
    Bridge, BridgeBot, BridgeDrone, BridgeForge, BridgeLimits, BridgeParameter, BridgePolicy,
    BridgeRepository, ForgeKind, Range,
};
pub use drone::{Drone, DroneAdmin, DroneCron, DroneRepository, DroneSecret, DroneUser, DroneVisibility};
pub use duration::Duration;
pub use forge::{
    Forge, GITEA_EVENTS, Gitea, GiteaAdmin, GiteaOrganisation, GiteaPermission, GiteaRepository, GiteaUser,
    GiteaVisibility, GiteaWebhook,
};
pub use gate::{
    AbsenceGate, AuthGate, CertificateGate, ClosureGate, DroneGate, FileGate, Gate, HttpsGate, LogSince,
    OauthGate, Redirect, RunnerGate, StoreGate, SwarmGate, TcpGate, TlsVersion, UnitGate, UnitSince,
};
pub use generator::{
    AgeKey, Generator, HmacKey, Htpasswd, Kind as GeneratorKind, Place, RandomText, SshKey, TlsSelfSigned,
};
pub use installed::{Folder, Installed, RENDERED};
pub use load::{Loaded, examine, load};
pub use model::{
    Engine, Host, Identities, Image, ImageConfig, Ipam, Keep, Manifest, Network, Node, Paths, Subnet, Swarm,
};
pub use registry::{ImagePolicy, Password, Registry};
pub use schema::schema;
pub use secret::{Secret, SecretFormat, Template};
pub use stacks::{Certificate, Delivery, LeftField, Material, Mode, Publish, Stack, Traefik};
