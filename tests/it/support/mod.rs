//! What several test modules share.

pub(crate) mod attacks;
pub(crate) mod engine;
pub(crate) mod faulty;
pub(crate) mod golden;
pub(crate) mod kill;
pub(crate) mod machine;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod sops;
pub(crate) mod stub;
pub(crate) mod world;
