//! Proves: secrets against the real sops, and their files on real memory file systems (needs root).

mod age;
mod attacks;
mod booted;
mod by_editor;
mod canary;
mod checked;
mod edited;
mod edited_lines;
mod executed;
mod faults;
mod flips;
mod generated;
mod identities;
mod in_git;
mod installed;
mod isolated;
mod keygen;
mod killed;
mod linked;
mod minted;
mod named;
mod older;
mod opened;
mod oracle;
mod printed;
mod random;
mod readers;
mod refused;
mod regrouped;
mod rewritten;
mod rotated;
mod sinks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use holdfast::manifest::{Folder, Manifest, Secret, SecretFormat, Template};
use holdfast::observed::InstalledFile;
use holdfast::report::Failure;
use holdfast::secrets::{self, FilesError, SecretBytes, Unlocked, files};
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

    fn observed(&self) -> Files {
        observe(self.path())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = files::uninstall(self.path()) {
            eprintln!("a mount is left behind: {error}");
        }
    }
}

/// A sops file as a machine makes it whose clock says `time`, as all that is known of a time is what the file says.
fn sealed_at(plain: &str, format: SecretFormat, recipients: Vec<String>, time: jiff::Timestamp) -> Vec<u8> {
    let policy = secrets::Policy { groups: vec![recipients], ..Default::default() };
    let nobody = (secrets::Environment::default(), secrets::Ask::Nobody);
    let sealed = secrets::encrypt(plain.as_bytes(), (format, format), &policy, time, nobody);
    sealed.unwrap_or_else(|error| panic!("{error}")).expose().to_vec()
}

type Files = BTreeMap<String, InstalledFile>;

/// What is installed in the folder of services.
fn observe(run: &Path) -> Files {
    let ids = secrets::Ids::new(&key(), "main");
    let id = |name: &str, bytes: &SecretBytes| ids.of("secret", name, bytes);
    files::observe(run, Folder::Services, &BTreeSet::new(), &id).expect("observed")
}

/// Installs in the folder of services; nothing older stays.
fn put(run: &Path, manifest: &Manifest, unlocked: &Unlocked) -> Result<(), FilesError> {
    files::install(run, Folder::Services, &BTreeSet::new(), manifest, unlocked)
}

fn wanted_of(manifest: &Manifest, unlocked: &Unlocked, key: &SecretBytes) -> (Files, Vec<Failure>) {
    let ids = secrets::Ids::new(key, &manifest.instance);
    let id = |(name, value): (&String, &SecretBytes)| (name.clone(), ids.of("secret", name, value));
    files::wanted(manifest, Folder::Services, unlocked, &unlocked.values.iter().map(id).collect())
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
