//! unlock: values, names, and everything else that only this host knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::begin::Run;
use super::forge;
use super::learn;
use super::marks;
use super::stop::Stop;
use super::units;
use crate::address::{Address, Kind};
use crate::apply::GENERATED_MODE;
use crate::desired::{Compiled, Desired, GeneratedFile, HostWanted, Logins, recreatable};
use crate::gates::fingerprint;
use crate::manifest::{Folder, Installed, Manifest, Material};
use crate::observed::{InstalledFile, Observed, Ownership, SwarmState, at, stack_volumes};
use crate::plan::{Action, Plan, SwarmAction};
use crate::report::{Exit, Failure, StepOutcome, chain};
use crate::secrets::{self, Identities, Ids, SecretBytes, Unlocked, files};
use crate::state::{
    Generation, Generations, Marks, Needs, Recreating, StateError, installed_ciphertext, read_links,
    read_logins, read_ownership, read_unseen, write_durably, write_logins,
};
use crate::swarm::{Engine, Look};
use crate::traefik;

/// How long an engine may be on its way into the swarm; with one manager it takes about a second.
const PENDING: Duration = Duration::from_secs(20);
/// The kind that digests of secrets and templates are made for, so that one value has one id wherever it goes: into a file,
/// into the swarm, to a unit.
pub(super) const ID_KIND: &str = "secret";
/// How often it is asked meanwhile.
const PENDING_POLL: Duration = Duration::from_millis(200);

/// This host, unlocked.
pub(super) struct Host<'c> {
    pub(super) desired: Desired<'c>,
    pub(super) unlocked: Unlocked,
    pub(super) generated: BTreeMap<String, SecretBytes>,
    pub(super) key: SecretBytes,
    /// The last applied generation's ciphertext.
    kept: Option<PathBuf>,
    /// The newest version of each secret file, this run's included.
    marks: Marks,
    /// True when the state folder holds no record of what is ours: the swarm's mirror of it counts then.
    unrecorded: bool,
    /// Services that were made with a login in this run, by name, until their ids are known.
    written: BTreeMap<String, String>,
    /// What forges are asked.
    pub(super) forges: forge::Questions,
}

/// Decrypts what the manifest declares; each secret on its own, so that a bad one holds back only what refers to it.
pub(super) fn unlock<'c>(run: &mut Run<'_>, compiled: &'c Compiled) -> Result<Host<'c>, Stop> {
    let manifest = &compiled.manifest;
    // No key is read that nothing needs.
    let identities = if manifest.secrets.is_empty() {
        Identities::default()
    } else {
        Identities::load(&manifest.identities, &run.order.identities)
    };
    if !compiled.generated.is_empty() {
        secrets::lock_memory();
    }
    let (mut unlocked, kept) = open(run, manifest, &identities)?;
    let marks = if run.from.is_some() {
        // What is brought back is what was kept here; the marks stay where they are.
        Marks::read(&manifest.paths.state)?
    } else {
        let today = |unlocked: &Unlocked| digests_of(manifest, unlocked);
        let marks = marks::hold_back(run, (manifest, &identities), (&mut unlocked, kept.as_deref()), today)?;
        // What was refused just now has its last good version too.
        files::fall_back(&manifest.paths.run, manifest, &mut unlocked);
        marks
    };
    learn::say_awaited(run, manifest, &mut unlocked);
    secrets::render_templates(manifest, &mut unlocked);
    let key = naming_key(manifest, &unlocked, run.writes)?;
    let instance = &manifest.instance;
    let ids = Ids::new(&key, instance);
    // An object that is still there is found by the digest it was made with, also without the value.
    let mut digests = match &run.from {
        Some(from) => from.needs()?.digests,
        None => BTreeMap::new(),
    };
    let id = |(name, value): (&String, &SecretBytes)| (name.clone(), ids.of(ID_KIND, name, value));
    digests.extend(unlocked.values.iter().map(id));
    let (wanted, mut failures) = files::wanted(manifest, Folder::Services, &unlocked, &digests);
    let (user_files, mut early) = files::wanted(manifest, Folder::Users, &unlocked, &digests);
    failures.append(&mut early);
    let has_value =
        |file: &Installed<'_>| wanted.contains_key(&file.file()) || user_files.contains_key(&file.file());
    let (links, mut refused) = units::links(manifest, &has_value);
    failures.append(&mut refused);
    let mint = unlocked.to_mint.keys().cloned().collect();
    let host = HostWanted { user_files, links, recorded_links: read_links(&manifest.paths.state)?, mint };
    let generated = generate(compiled, &mut unlocked, &mut failures);
    let only_in_swarm = compiled.generated.iter().filter(|file| !file.installed);
    let paths = only_in_swarm.map(|file| file.path.display().to_string());
    digests.extend(paths.filter_map(|path| unlocked.values.get_key_value(&path)).map(id));
    run.add_secrets(&of_secrets(manifest, &digests)?);
    let kept_objects = run.kept(manifest)?;
    let describe = |(path, bytes): (&String, &SecretBytes)| {
        let digest = ids.of("generated", path, bytes);
        (path.clone(), InstalledFile { digest, uid: 0, gid: 0, mode: GENERATED_MODE })
    };
    unlocked.logins = secrets::logins(manifest, &unlocked);
    let login = |(name, login): (&String, &secrets::Login)| (name.clone(), login.digest(&key, instance));
    let given = read_logins(&manifest.paths.state);
    let logins = Logins { wanted: unlocked.logins.iter().map(login).collect(), given };
    let record = read_ownership(&manifest.paths.state)?;
    let unrecorded = record.is_none();
    let desired = Desired {
        compiled,
        digests,
        files: wanted,
        host,
        generated: generated.iter().map(describe).collect(),
        recorded: record.unwrap_or_else(|| Ownership::new(instance)),
        forge: forge::recorded(manifest)?,
        logins,
        recreate: allowed(run, manifest),
        kept: kept_objects,
        given: learn::given(&unlocked),
        due: unlocked.due.clone(),
        shut: learn::shut(manifest, &unlocked),
        open: BTreeSet::new(),
        unseen: read_unseen(&manifest.paths.state)?,
    };
    say(run, &mut unlocked, failures);
    let (forges, written) = (forge::questions(run, manifest, &unlocked), BTreeMap::new());
    Ok(Host { desired, unlocked, generated, key, kept, marks, unrecorded, written, forges })
}

/// What did not open, and what is worth saying of what did.
fn say(run: &mut Run<'_>, unlocked: &mut Unlocked, failures: Vec<Failure>) {
    run.record.warnings.append(&mut unlocked.warnings);
    run.record.secrets.clone_from(&unlocked.failures);
    run.record.secrets.extend(failures);
    if !run.record.secrets.is_empty() {
        run.record.exit = run.record.exit.or(Exit::SecretFailed);
    }
}

/// Opens the secrets: those of today, or those of the generation that is brought back; and the folder of the kept ones.
fn open(
    run: &Run<'_>,
    manifest: &Manifest,
    identities: &Identities,
) -> Result<(Unlocked, Option<PathBuf>), Stop> {
    if let Some(from) = &run.from {
        // What is installed belongs to another generation.
        let kept = from.ciphertext();
        return Ok((secrets::unlock_kept(manifest, identities, &kept), Some(kept)));
    }
    let kept = last_kept(&manifest.paths.state)?;
    let mut unlocked = secrets::unlock(manifest, identities, kept.as_deref());
    // What is proven is what is there, whether it is due or not.
    let renew = !run.only_proves();
    let env = &run.order.identities;
    secrets::mint_missing(manifest, &mut unlocked, (run.since, renew), (&env.environment, &env.ask));
    files::fall_back(&manifest.paths.run, manifest, &mut unlocked);
    Ok((unlocked, kept))
}

/// The folder of the ciphertext that was applied last, or installed since by `secrets install`.
pub(super) fn last_kept(state: &Path) -> Result<Option<PathBuf>, StateError> {
    let installed = installed_ciphertext(state);
    if secrets::has_kept(&installed) {
        return Ok(Some(installed));
    }
    Ok(Generations::new(state).last_applied()?.map(|generation| generation.ciphertext()))
}

/// The keyed digests of a manifest's secrets as they are.
fn digests_of(manifest: &Manifest, unlocked: &Unlocked) -> Result<BTreeMap<String, String>, Stop> {
    let ids = Ids::new(&naming_key(manifest, unlocked, false)?, &manifest.instance);
    let id = |(name, value): (&String, &SecretBytes)| (name.clone(), ids.of(ID_KIND, name, value));
    of_secrets(manifest, &unlocked.values.iter().map(id).collect())
}

/// The keyed digests that make a generation: of one that does not open today, the one that it had before.
pub(super) fn of_secrets(
    manifest: &Manifest,
    digests: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Stop> {
    let newest = Generations::new(&manifest.paths.state).newest()?;
    let before = newest.map(|newest| newest.secrets()).unwrap_or_default();
    let of = |name: &String| {
        let digest = digests.get(name).or_else(|| before.get(name))?;
        Some((name.clone(), digest.clone()))
    };
    Ok(manifest.secrets.keys().filter_map(of).collect())
}

/// What may be deleted and made anew: by the manifest, by the command line, or by a run that was killed meanwhile.
fn allowed(run: &Run<'_>, manifest: &Manifest) -> BTreeSet<Address> {
    let mut allowed = recreatable(manifest);
    allowed.extend(run.order.allow_recreate.iter().cloned());
    allowed.extend(Recreating::read(&manifest.paths.state, &run.record.manifest));
    allowed
}

/// The key of Swarm secrets' names: a secret of the manifest, or 32 bytes in the state folder. A run that only looks
/// keeps no new one: it has no lock, and two runs must never end up with two keys.
pub(super) fn naming_key(
    manifest: &Manifest,
    unlocked: &Unlocked,
    writes: bool,
) -> Result<SecretBytes, Stop> {
    if let Some(name) = &manifest.naming_key {
        return unlocked.values.get(name).cloned().ok_or_else(|| {
            let text =
                format!("the naming key `{name}` cannot be opened, and every Swarm secret is named by it");
            Stop::Other(Exit::SecretFailed, text)
        });
    }
    let path = manifest.paths.state.join("naming.key");
    match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == 32 => Ok(SecretBytes::new(bytes)),
        Ok(_) => {
            let text =
                format!("`{}` is damaged: remove it to rotate every Swarm secret once", path.display());
            Err(Stop::Other(Exit::Internal, text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = vec![0; 32];
            let random = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
            random.map_err(StateError::io("read", "/dev/urandom"))?;
            if writes {
                write_durably(&path, &bytes, 0o600)?;
            }
            Ok(SecretBytes::new(bytes))
        }
        Err(error) => Err(StateError::io("read", path)(error).into()),
    }
}

/// Contents of generated files. One that cannot be made is a failure of its own; what is installed stays. One that
/// only the swarm holds joins the values, under its path.
fn generate(
    compiled: &Compiled,
    unlocked: &mut Unlocked,
    failures: &mut Vec<Failure>,
) -> BTreeMap<String, SecretBytes> {
    let mut contents = BTreeMap::new();
    for file in &compiled.generated {
        let path = file.path.display().to_string();
        match content(file, unlocked) {
            Ok(bytes) if file.installed => drop(contents.insert(path, bytes)),
            Ok(bytes) => drop(unlocked.values.insert(path, bytes)),
            Err(reason) => {
                let there = || files::generated(&compiled.manifest.paths.run);
                let kept = file.installed && there().is_ok_and(|files| files.contains_key(&path));
                failures.push(Failure { address: Address::new(Kind::File, path), reason, kept });
            }
        }
    }
    contents
}

/// One generated file, from the values and host files that it names.
fn content(file: &GeneratedFile, unlocked: &Unlocked) -> Result<SecretBytes, String> {
    let mut read = BTreeMap::new();
    for material in traefik::materials(file) {
        if let Some(path) = &material.file {
            let bytes = secrets::read_host_file(path)
                .map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
            read.insert(path.clone(), bytes);
        }
    }
    let value = |material: &Material| match (&material.secret, &material.file) {
        (Some(secret), _) => unlocked.values.get(secret),
        (None, Some(path)) => read.get(path),
        (None, None) => None,
    };
    traefik::render(file, &value).map_err(|error| chain(&error))
}

impl Host<'_> {
    pub(super) fn manifest(&self) -> &Manifest {
        &self.desired.compiled.manifest
    }

    /// What this generation needs to run again.
    pub(super) fn needs(&self) -> Needs {
        let mut objects = self.desired.secret_names();
        objects.extend(self.desired.config_names());
        let loaded = self.desired.compiled.images.values().filter(|image| image.source.is_some());
        Needs {
            objects,
            images: loaded.map(|image| image.reference.clone()).collect(),
            digests: self.desired.digests.clone(),
        }
    }

    /// One look at engine and host; at the engine it may be `begun` already. An engine that was just started, or told to
    /// make a swarm by a run that was killed, is `pending` for a moment.
    pub(super) async fn observe(&self, engine: &Engine, mut begun: Option<Look>) -> Result<Observed, Stop> {
        let until = Instant::now() + PENDING;
        let mut observed = loop {
            let observed = match begun.take() {
                Some(look) => look.seen(engine).await?,
                None => engine.observe().await?,
            };
            let pending = matches!(&observed.swarm, SwarmState::NotManager(state) if state == "pending");
            if !pending || Instant::now() >= until {
                break observed;
            }
            tokio::time::sleep(PENDING_POLL).await;
        };
        self.observe_host(&mut observed).await?;
        if self.forges.any {
            Box::pin(forge::observe(self, &mut observed)).await;
        }
        Ok(observed)
    }

    /// Notes the logins that a stage gave to services.
    pub(super) fn note_logins(&mut self, plan: &Plan, outcomes: &[StepOutcome]) -> Result<(), Stop> {
        for step in &plan.steps {
            let done = |outcome: &&StepOutcome| outcome.address == step.address && outcome.verb == step.verb;
            if outcomes.iter().find(done).is_none_or(|outcome| outcome.error.is_some()) {
                continue;
            }
            match &step.action {
                Action::Swarm(SwarmAction::CreateService(body)) => {
                    if let (Some(login), Some(name)) =
                        (self.desired.logins.of(body), body.get("Name").and_then(Value::as_str))
                    {
                        self.written.insert(name.to_owned(), login.clone());
                    }
                }
                Action::Swarm(SwarmAction::UpdateService { id, spec, .. }) => {
                    if let Some(login) = self.desired.logins.of(spec).cloned() {
                        self.desired.logins.given.insert(id.clone(), login);
                    }
                }
                _ => {}
            }
        }
        write_logins(&self.manifest().paths.state, &self.desired.logins.given)?;
        Ok(())
    }

    /// Writes down which services have which login; what is gone is forgotten.
    pub(super) fn keep_logins(&mut self, observed: &Observed) -> Result<(), Stop> {
        let given = &mut self.desired.logins.given;
        for (name, login) in std::mem::take(&mut self.written) {
            if let Some(service) = observed.services.get(&name) {
                given.insert(service.id.clone(), login);
            }
        }
        if matches!(observed.swarm, SwarmState::Manager(_)) && !given.is_empty() {
            let there: BTreeSet<&String> = observed.services.values().map(|service| &service.id).collect();
            given.retain(|id, _| there.contains(id));
        }
        write_logins(&self.manifest().paths.state, &self.desired.logins.given)?;
        Ok(())
    }

    /// Takes what is ours from the swarm's mirror when the state folder was lost, and notes the volumes of what runs:
    /// they stay when their service goes, and are ours still.
    pub(super) fn recall(&mut self, observed: &Observed) {
        if std::mem::take(&mut self.unrecorded) {
            self.desired.recorded = mirrored(self.manifest(), observed);
        }
        let desired = &mut self.desired;
        let ours = |stack: &str| {
            desired.compiled.stacks.contains_key(stack) || desired.recorded.stacks.contains(stack)
        };
        let services = observed.services.values().filter_map(|service| Some((service.stack()?, service)));
        let volumes: Vec<String> = services
            .filter(|(stack, _)| ours(stack))
            .flat_map(|(stack, service)| stack_volumes(at(&service.raw, "/Spec"), stack))
            .collect();
        desired.recorded.volumes.extend(volumes);
    }

    /// Fingerprints of the certificates that the proxy is given.
    pub(super) fn declared(&self) -> BTreeSet<String> {
        let materials = self.desired.compiled.generated.iter().flat_map(traefik::materials);
        let bytes = materials.filter_map(|material| match (&material.secret, &material.file) {
            (Some(secret), _) => self.unlocked.values.get(secret).cloned(),
            (None, Some(path)) => secrets::read_host_file(path).ok(),
            (None, None) => None,
        });
        bytes.filter_map(|bytes| fingerprint(bytes.expose())).collect()
    }

    /// What is installed, linked and asked of units; units are looked at only where something of that differs.
    pub(super) async fn observe_host(&self, observed: &mut Observed) -> Result<(), Stop> {
        units::observe(&self.desired, (&self.key, &self.unlocked.values), observed).await?;
        let manifest = self.manifest();
        let kept = |(name, sealed): &(&String, &SecretBytes)| {
            let there = std::fs::read(secrets::minted_path(manifest, name));
            there.is_ok_and(|bytes| bytes == sealed.expose())
        };
        observed.host.minted =
            self.unlocked.to_mint.iter().filter(kept).map(|(name, _)| name.clone()).collect();
        Ok(())
    }

    /// Remembers which versions of secret files were accepted.
    pub(super) fn raise_marks(&self) -> Result<(), Stop> {
        self.marks.write(&self.manifest().paths.state)?;
        Ok(())
    }

    /// Keeps the ciphertext that this generation was applied with.
    pub(super) fn keep_ciphertext(&self, generation: &Generation) -> Result<(), Stop> {
        Ok(secrets::keep_ciphertext(&self.unlocked, self.kept.as_deref(), &generation.ciphertext())?)
    }

    /// Keeps the ciphertext behind all that is installed, until something is applied.
    pub(super) fn keep_installed(&self) -> secrets::Keeping {
        let dest = installed_ciphertext(&self.manifest().paths.state);
        secrets::keep_only_ciphertext(&self.unlocked, self.kept.as_deref(), &dest)
    }
}

/// What is recorded as ours: the state folder's record, or its mirror in the swarm when the folder was lost.
pub(super) fn recorded(manifest: &Manifest, observed: &Observed) -> Result<Ownership, Stop> {
    if let Some(own) = read_ownership(&manifest.paths.state)? {
        return Ok(own);
    }
    Ok(mirrored(manifest, observed))
}

/// What the mirrors of this instance's record say.
fn mirrored(manifest: &Manifest, observed: &Observed) -> Ownership {
    let mirror = observed.configs.values().filter_map(|config| {
        let data = config.raw.pointer("/Spec/Data").and_then(Value::as_str)?;
        let own: Ownership = serde_json::from_slice(&STANDARD.decode(data).ok()?).ok()?;
        (own.instance == manifest.instance).then_some(own)
    });
    mirror.reduce(|one, other| one.union(&other)).unwrap_or_else(|| Ownership::new(&manifest.instance))
}
