//! What a plan is made from: the compiled manifest, bound to this host's secrets and record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::host::HostWanted;
use super::{Compiled, Logins, StackSpec, object_name};
use crate::address::{Address, Kind};
use crate::manifest::Manifest;
use crate::observed::{ForgeRecord, InstalledFile, Ownership, stack_volumes};

/// Everything that shall be, with the names that only this host can know. No secret value is in here.
#[derive(Clone, Debug)]
pub struct Desired<'a> {
    /// Manifest, images and stacks.
    pub compiled: &'a Compiled,
    /// Keyed digest of each manifest secret and template that has a value; what is missing here is held back.
    pub digests: BTreeMap<String, String>,
    /// Files of the secrets folder, by name (`NAME`, `rendered/NAME`).
    pub files: BTreeMap<String, InstalledFile>,
    /// Generated files, by path below `<run>/generated`.
    pub generated: BTreeMap<String, InstalledFile>,
    /// What is recorded as ours.
    pub recorded: Ownership,
    /// What is recorded of what was made in forges.
    pub forge: ForgeRecord,
    /// Logins of registries.
    pub logins: Logins,
    /// What may be deleted and made anew.
    pub recreate: BTreeSet<Address>,
    /// What is desired of the host beside the engine.
    pub host: HostWanted,
    /// Names of secrets and configs that a kept generation needs.
    pub kept: BTreeSet<String>,
    /// Secrets that a forge makes the values of, and whose sops files have them.
    pub given: BTreeSet<String>,
    /// Secrets that a forge makes the values of, and that are due to be made anew by their age.
    pub due: BTreeSet<String>,
    /// Secrets that a forge makes the values of, and whose kept values do not open: no reason to make others.
    pub shut: BTreeSet<String>,
    /// What was written without an answer, so that nobody knows whether it still has to converge.
    pub open: BTreeSet<Address>,
    /// Services that were written, by this run or an earlier one, and that nobody has seen converge.
    pub unseen: BTreeSet<Address>,
}

/// What a manifest allows to be deleted and made anew.
#[must_use]
pub fn recreatable(manifest: &Manifest) -> BTreeSet<Address> {
    let networks = manifest.networks.iter().filter(|(_, network)| network.allow_recreate);
    let networks = networks.map(|(name, _)| Address::new(Kind::Network, name));
    let inside = manifest.stacks.iter().flat_map(|(name, stack)| {
        let stack_address = Address::new(Kind::Stack, name);
        // What is no address was refused when the manifest was checked.
        stack.allow_recreate.iter().filter_map(move |entry| format!("{stack_address}/{entry}").parse().ok())
    });
    networks.chain(inside).collect()
}

impl<'a> Desired<'a> {
    /// What is desired where this host adds nothing: no secret, no file, no record.
    #[must_use]
    pub fn bare(compiled: &'a Compiled) -> Self {
        Self {
            compiled,
            digests: BTreeMap::new(),
            files: BTreeMap::new(),
            host: HostWanted::default(),
            generated: BTreeMap::new(),
            recorded: Ownership::new(&compiled.manifest.instance),
            forge: ForgeRecord::default(),
            logins: Logins::default(),
            recreate: BTreeSet::new(),
            kept: BTreeSet::new(),
            given: BTreeSet::new(),
            due: BTreeSet::new(),
            shut: BTreeSet::new(),
            open: BTreeSet::new(),
            unseen: BTreeSet::new(),
        }
    }

    /// True when the thing may be deleted and made anew.
    #[must_use]
    pub fn may_recreate(&self, address: &Address) -> bool {
        self.recreate.iter().any(|allowed| allowed.covers(address))
    }

    /// Keyed id of each value that is not installed as a file.
    #[must_use]
    pub fn ids(&self) -> BTreeMap<String, String> {
        let files = self.compiled.manifest.installed().filter(|file| !file.install).map(|file| file.file());
        files.filter_map(|name| Some((name.clone(), self.digests.get(&name)?.clone()))).collect()
    }

    /// The object name of a stack's secret; `None` while its value is not there.
    #[must_use]
    pub fn secret_name(&self, stack: &StackSpec, key: &str) -> Option<String> {
        let spec = stack.secrets.get(key)?;
        if spec.fixed_name {
            return Some(spec.base.clone());
        }
        self.digests.get(&spec.source).map(|digest| object_name(&spec.base, digest))
    }

    /// The object name of a stack's config.
    #[must_use]
    pub fn config_name(stack: &StackSpec, key: &str) -> Option<String> {
        let spec = stack.configs.get(key)?;
        Some(if spec.fixed_name { spec.base.clone() } else { object_name(&spec.base, &spec.digest) })
    }

    /// Object names of the secrets of every stack whose values are there.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<String> {
        let stacks = self.compiled.stacks.values();
        stacks.flat_map(|stack| stack.secrets.keys().filter_map(|key| self.secret_name(stack, key))).collect()
    }

    /// Object names of the configs of every stack.
    #[must_use]
    pub fn config_names(&self) -> BTreeSet<String> {
        let stacks = self.compiled.stacks.values();
        stacks
            .flat_map(|stack| stack.configs.keys().filter_map(|key| Self::config_name(stack, key)))
            .collect()
    }

    /// Paths of the generated files below the run folder, also of those that cannot be made in this run.
    #[must_use]
    pub fn generated_paths(&self) -> BTreeSet<String> {
        let installed = self.compiled.generated.iter().filter(|file| file.installed);
        installed.map(|file| file.path.display().to_string()).collect()
    }

    /// The record of what is ours once this has been reached.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        let manifest = &self.compiled.manifest;
        let mut own = Ownership::new(&manifest.instance);
        own.networks = manifest.networks.keys().cloned().collect();
        own.files = self.generated_paths();
        own.secrets = self.secret_names();
        own.configs = self.config_names();
        own.volumes.clone_from(&self.recorded.volumes);
        for (name, stack) in &self.compiled.stacks {
            own.stacks.insert(name.clone());
            own.volumes
                .extend(stack.services.values().flat_map(|service| stack_volumes(&service.body, name)));
        }
        own
    }

    /// The name of the config that mirrors an ownership record with this text.
    #[must_use]
    pub fn mirror_name(&self, text: &str) -> String {
        object_name(
            &format!("holdfast_{}", self.compiled.manifest.instance),
            &content_digest(text.as_bytes()),
        )
    }

    /// Names of networks that services of any stack may refer to and that this manifest makes.
    #[must_use]
    pub fn network_names(&self) -> BTreeSet<&str> {
        let own = self.compiled.manifest.networks.keys().map(String::as_str);
        let stacks = self.compiled.stacks.values();
        own.chain(stacks.flat_map(|stack| stack.networks.values().map(|network| network.name.as_str())))
            .collect()
    }
}

/// First 12 hex digits of the SHA-256 of content that is no secret.
#[must_use]
pub fn content_digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(6).fold(String::with_capacity(12), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
