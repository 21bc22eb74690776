//! Which fixtures are read back: those that are accepted as docker accepts them, and newer spellings.

use std::path::Path;

use crate::compose::harness::{Case, entries, golden};

/// A fixture to deploy from both sides.
pub(super) struct Fixture {
    /// `accepted/NAME` or `translated/NAME`.
    pub(super) name: String,
    /// What is read here.
    pub(super) case: Case,
    /// What docker is given: the same files, or the same stack in a spelling that it knows; nothing where it has no word
    /// for it.
    pub(super) docker: Option<Case>,
}

/// Fixtures that are in every sample: they have configs and secrets, whose names are docker's or ours.
const ALWAYS: &[&str] = &[
    "accepted/configs-declared",
    "accepted/secrets-bound",
    "accepted/stack-gitea",
    "accepted/stack-recipe-with-overlays",
];

impl Fixture {
    /// Whether it is in the sample `turn`, of which each has about one of so many. Told by its name alone, so that a new
    /// fixture moves no other one.
    pub(super) fn sampled(&self, turn: u32) -> bool {
        let (family, name) = self.name.split_once('/').expect("a family");
        let each = if family == "accepted" { 4 } else { 6 };
        let sum: u32 = name.bytes().map(u32::from).sum();
        ALWAYS.contains(&self.name.as_str()) || sum % each == turn
    }
}

/// Every fixture that can be deployed.
pub(super) fn all() -> Vec<Fixture> {
    let name = |family: &str, folder: &Path| {
        format!("{family}/{}", folder.file_name().expect("a name").to_string_lossy())
    };
    let of = |family: &str| entries(&golden().join(family)).into_iter();
    let accepted = of("accepted").map(|folder| Fixture {
        name: name("accepted", &folder),
        case: Case::open(&folder),
        docker: Some(Case::open(&folder)),
    });
    // A file that names its stack deploys under no other name.
    let named = |folder: &Path| folder.ends_with("name") || folder.ends_with("docker-compose-config");
    let translated = of("translated").filter(|folder| !named(folder)).map(|folder| {
        let (case, older) = (Case::open(&folder), folder.join("docker"));
        let docker = if older.is_dir() {
            Some(Case::open(&older))
        } else {
            Some(Case::open(&folder)).filter(Case::docker_accepts)
        };
        Fixture { name: name("translated", &folder), case, docker }
    });
    accepted.chain(translated).collect()
}
