//! What Nix says: the manifest, typed and versioned; unknown fields are refused.
//!
//! Every name in here is the name in the file and, under `services.holdfast`, in the NixOS options. Paths are
//! relative to the manifest's folder until `holdfast compile` makes them absolute.

mod check;
mod duration;
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

pub use duration::Duration;
pub use gate::{
    AbsenceGate, CertificateGate, ClosureGate, FileGate, Gate, HttpsGate, LogSince, Redirect, StoreGate,
    SwarmGate, TcpGate, TlsVersion, UnitGate, UnitSince,
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
