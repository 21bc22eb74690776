//! A run: its order, its record, its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::compile::{self, Compilation};
use super::order::Order;
use super::stop::Stop;
use crate::desired::Compiled;
use crate::manifest::Manifest;
use crate::report::{Exit, Record};
use crate::state::{Generation, Generations, Lock, touched_by_others};

/// A run under way.
pub(super) struct Run<'o> {
    pub(super) order: &'o Order,
    pub(super) record: Record,
    /// When it began.
    pub(super) since: jiff::Timestamp,
    /// True once it holds the lock: only then may it change anything.
    pub(super) writes: bool,
    /// The generation that is brought back, in a rollback.
    pub(super) from: Option<Generation>,
    started: Instant,
    /// Texts of the compiled manifest, for its digest and its generation.
    pub(super) texts: Vec<(PathBuf, Vec<u8>)>,
}

impl<'o> Run<'o> {
    pub(super) fn begin(command: &str, order: &'o Order) -> Self {
        let now = jiff::Timestamp::now();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let record = Record {
            schema: 1,
            command: command.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            run: format!("{}-{}", now.as_millisecond(), std::process::id()),
            boot: boot.trim().to_owned(),
            started: format!("{now:.3}"),
            ..Record::default()
        };
        Self {
            order,
            record,
            since: now,
            writes: false,
            from: None,
            started: Instant::now(),
            texts: Vec::new(),
        }
    }

    /// True where what is there is proven, and nothing of it is to be renewed or waited for.
    pub(super) fn only_proves(&self) -> bool {
        matches!(self.record.command.as_str(), "verify" | "probe")
    }

    /// load, its first half: the manifest says where the engine, the lock and the state are. A file is compiled whole.
    pub(super) fn open(&mut self) -> Result<Compilation, Stop> {
        self.open_at(&self.order.manifest)
    }

    /// As [`Self::open`], from another place than the order says.
    pub(super) fn open_at(&mut self, path: &Path) -> Result<Compilation, Stop> {
        let mut opened = compile::open(path)?;
        self.record.warnings.extend(opened.warnings.iter().map(ToString::to_string));
        if opened.texts.is_empty() {
            opened.texts = compile::texts(&opened.compiled)?;
        }
        let manifest = &mut opened.compiled.manifest;
        self.record.instance.clone_from(&manifest.instance);
        self.record.host.clone_from(&manifest.host.name);
        self.order.override_places(manifest);
        Ok(opened)
    }

    /// The manifest alone: what its stacks and images are is not looked at.
    pub(super) fn manifest(&self) -> Result<Manifest, Stop> {
        let path = &self.order.manifest;
        let mut manifest = if path.is_dir() {
            compile::open(path)?.compiled.manifest
        } else {
            compile::manifest_of(path).map_err(Stop::Problems)?.0.manifest
        };
        self.order.override_places(&mut manifest);
        Ok(manifest)
    }

    /// load, its second half: the stacks of a folder.
    pub(super) fn load(&mut self, opened: Compilation) -> Result<Compiled, Stop> {
        let loaded = compile::finish(opened)?;
        self.texts = loaded.texts;
        let mut digest = Sha256::new();
        for (path, bytes) in &self.texts {
            digest.update(path.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(bytes);
        }
        self.record.manifest = format!("{:x}", digest.finalize());
        Ok(loaded.compiled)
    }

    /// One writer at a time.
    pub(super) fn lock(&mut self, opened: &Compilation) -> Result<Lock, Stop> {
        let paths = &opened.compiled.manifest.paths;
        ours_alone(&paths.run, &paths.state)?;
        let lock = Lock::take(&paths.run, &self.holder(), self.order.lock_wait)?;
        // Made just now, perhaps, where others may make things too.
        ours_alone(&paths.run, &paths.state)?;
        self.writes = true;
        Ok(lock)
    }

    /// The line that others are shown while this run holds the lock.
    pub(super) fn holder(&self) -> String {
        format!(
            "holdfast {} (pid {}, run {}, since {})",
            self.record.command,
            std::process::id(),
            self.record.run,
            self.record.started
        )
    }

    /// The keyed digests of its secrets are part of what a generation is, and not of its manifest's digest.
    pub(super) fn add_secrets(&mut self, digests: &BTreeMap<String, String>) {
        let text = Generation::secrets_text(digests);
        // What a forge told meanwhile takes the place of what was known before.
        self.texts.retain(|(path, _)| *path != text.0);
        self.texts.push(text);
    }

    /// Names of secrets and configs that the generations need which will be kept after this run.
    pub(super) fn kept(&self, manifest: &Manifest) -> Result<BTreeSet<String>, Stop> {
        let generations = Generations::new(&manifest.paths.state);
        let mut names = BTreeSet::new();
        for generation in generations.kept(Some(&self.texts), manifest.keep.generations)? {
            names.extend(generation.needs()?.objects);
        }
        Ok(names)
    }

    /// The record, with its end.
    pub(super) fn end(mut self, ended: Result<(), Stop>) -> Record {
        if let Err(stop) = ended {
            self.record.errors.extend(stop.lines());
            self.record.exit = self.record.exit.or(stop.exit());
            if let Stop::Problems(problems) = stop {
                self.record.problems = problems;
            }
        }
        self.record.elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record
    }
}

/// Refuses run and state folders that somebody else could exchange for others in the middle of a run.
fn ours_alone(run: &Path, state: &Path) -> Result<(), Stop> {
    for (field, path) in [("paths.run", run), ("paths.state", state)] {
        let touched = touched_by_others(path).map_err(|error| {
            Stop::Other(Exit::BadConfig, format!("`{field}`: `{}`: {error}", path.display()))
        })?;
        if let Some(touched) = touched {
            let text = format!(
                "`{field}`: `{}` belongs to user {} and others may change it, so they could lead this run elsewhere; \
                 name a place that root alone can write to",
                touched.path.display(),
                touched.owner
            );
            return Err(Stop::Other(Exit::BadConfig, text));
        }
    }
    Ok(())
}
