//! Proves: secrets against the real sops, and their files on real memory file systems (needs root).

mod identities;
mod installed;
mod isolated;
mod keygen;
mod killed;
mod opened;
mod refused;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holdfast::manifest::{Manifest, Secret, Template};
use holdfast::secrets::{self, SecretBytes, files};
use tempfile::TempDir;

/// A run folder whose memory file systems are gone when the test ends.
struct Run(TempDir);

impl Run {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join("secrets").join(name)
    }

    /// What a reader sees, or nothing.
    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.file(name)).ok()
    }

    fn observed(&self) -> BTreeMap<String, holdfast::observed::InstalledFile> {
        files::observe(self.path(), &key(), "main").expect("observed")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = files::uninstall(self.path()) {
            eprintln!("a mount is left behind: {error}");
        }
    }
}

fn key() -> SecretBytes {
    SecretBytes::new(b"a naming key for tests".to_vec())
}

fn manifest() -> Manifest {
    serde_json::from_str(r#"{"version": 1, "host": {"name": "test"}}"#).expect("a manifest")
}

fn secret(file: &Path, key: &str) -> Secret {
    serde_json::from_value(serde_json::json!({ "file": file, "key": key })).expect("a secret")
}

fn template(content: &str) -> Template {
    serde_json::from_value(serde_json::json!({ "content": content, "mode": "0440" })).expect("a template")
}

/// Tells whether a type can be printed for debugging: its own constant wins over the trait's, where it has one.
struct Probe<T>(std::marker::PhantomData<T>);

trait CannotBePrinted {
    const PRINTS: bool = false;
}

impl<T> CannotBePrinted for Probe<T> {}

impl<T: std::fmt::Debug> Probe<T> {
    const PRINTS: bool = true;
}

#[test]
fn no_type_that_holds_a_value_can_be_printed() {
    let prints = [
        Probe::<SecretBytes>::PRINTS,
        Probe::<secrets::Unlocked>::PRINTS,
        Probe::<secrets::Document>::PRINTS,
        Probe::<secrets::Identities>::PRINTS,
        Probe::<secrets::IdentityEnv>::PRINTS,
        Probe::<String>::PRINTS,
    ];
    assert_eq!(prints, [false, false, false, false, false, true]);
}
