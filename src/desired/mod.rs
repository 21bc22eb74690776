//! What shall be: complete objects with references, from manifest and compose files.
//!
//! A [`Compiled`] manifest is what `holdfast compile` writes and a switch reads: no YAML, no environment. Specs
//! carry secret *references* only; [`crate::plan`] binds them to object ids.

mod host;
mod logins;
mod spec;
pub mod swarm;
mod wanted;

pub use host::HostWanted;
pub use logins::{Logins, image_of, registry_of};
pub use spec::{
    Compiled, Condition, ConfigSpec, Dependency, ExternalObject, FileTarget, GeneratedFile, ImageSource,
    ImageSpec, NetworkSpec, ObjectRef, PemKind, Piece, SecretSpec, ServiceSpec, StackSpec, object_name,
};
pub use wanted::{Desired, content_digest, recreatable};
