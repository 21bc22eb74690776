//! What is desired of the host beside the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::manifest::{Folder, Manifest};
use crate::observed::InstalledFile;

/// What is desired of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostWanted {
    /// Files that are installed before users are made, by name.
    pub user_files: BTreeMap<String, InstalledFile>,
    /// Links to installed files, with what they lead to.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Links that were made earlier, with what they lead to.
    pub recorded_links: BTreeMap<PathBuf, PathBuf>,
    /// Secrets whose values this host has just made and has to keep.
    pub mint: BTreeSet<String>,
}

impl HostWanted {
    /// The links that `manifest` declares, with what each leads to; whether or not the file has a value.
    #[must_use]
    pub fn declared_links(manifest: &Manifest) -> BTreeMap<PathBuf, PathBuf> {
        let run = &manifest.paths.run;
        let of = |file: crate::manifest::Installed<'_>| {
            let links = file.links(run);
            links.map(|path| (path.to_owned(), file.place(run))).collect::<Vec<_>>()
        };
        manifest.installed().flat_map(of).collect()
    }

    /// True for a target of a link that may be replaced or removed: it leads to where this Holdfast installs, or to
    /// where sops-nix did, whose place it takes.
    #[must_use]
    pub fn is_ours(run: &Path, target: &Path) -> bool {
        let below = |folder: PathBuf| target.starts_with(&folder) && target != folder;
        let own = Folder::ALL.into_iter().any(|folder| below(run.join(folder.link())));
        own || ["/run/secrets", "/run/secrets-for-users"].into_iter().any(|folder| below(folder.into()))
    }
}
