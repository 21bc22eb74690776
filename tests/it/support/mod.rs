//! What several test modules share.

pub(crate) mod attacks;
pub(crate) mod engine;
pub(crate) mod faulty;
pub(crate) mod golden;
pub(crate) mod kill;
pub(crate) mod machine;
pub(crate) mod port;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod sops;
pub(crate) mod stub;
pub(crate) mod world;

/// Copies a program that is to be run. By another process: one that is started here while we write would hold the copy open
/// for writing, and then nobody may run it (`ETXTBSY`).
pub(crate) fn copy_program(from: impl AsRef<std::path::Path>, to: impl AsRef<std::path::Path>) {
    let status = std::process::Command::new("cp").arg(from.as_ref()).arg(to.as_ref()).status();
    assert!(status.expect("`cp` cannot be run").success(), "{}", from.as_ref().display());
}
