//! `image lock`: asks registries what the tags of a manifest stand for, and keeps the answers beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use super::bounded;
use super::compile;
use super::pins;
use super::pointer::pointer;
use crate::compose;
use crate::manifest::{Loaded, Manifest};
use crate::pins::{Lock, Locked, Pins, Reference};
use crate::registry::{Registry, RegistryError};
use crate::report::{Exit, chain};
use crate::secrets::{self, Identities, IdentityEnv, Login};
use crate::source::Problem;
use crate::state::write_durably;

/// Questions under way at once: enough to hide the way to a registry, too few to trip its limits.
const AT_ONCE: usize = 8;

/// What `image lock` is asked for.
#[derive(Default)]
pub struct LockOrder {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// The lock file in place of the manifest's.
    pub lock: Option<PathBuf>,
    /// Images that are asked for again: `nginx:1.27`, or `nginx` for every tag of it.
    pub update: Vec<String>,
    /// True to ask for all of them again.
    pub update_all: bool,
    /// True to remove entries that the manifest does not use.
    pub prune: bool,
    /// True to ask nobody and write nothing.
    pub check: bool,
    /// Identities from the environment.
    pub identities: IdentityEnv,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Locking {
    /// Version of this format: 1.
    pub schema: u32,
    /// The lock file.
    pub lock: PathBuf,
    /// Every image of the manifest that needs the lock file.
    pub images: Vec<LockedImage>,
    /// Entries that the manifest does not use.
    pub unused: Vec<String>,
    /// True when the lock file was written.
    pub written: bool,
    /// What is wrong with the manifest, its compose files or the lock file.
    #[serde(skip)]
    pub problems: Vec<Problem>,
    /// Errors that belong to no image.
    pub errors: Vec<String>,
    /// How it ended.
    pub exit: Exit,
}

/// One image.
#[derive(Debug, Serialize)]
pub struct LockedImage {
    /// In docker's short spelling, with its tag.
    pub image: String,
    /// What became of it.
    pub outcome: LockOutcome,
    /// What it is locked to now; `None` when it is not.
    pub locked: Option<Locked>,
    /// Why it could not be asked for.
    pub error: Option<String>,
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockOutcome {
    /// It was in the lock file, and nobody was asked.
    There,
    /// It is in the lock file now.
    Locked,
    /// Its tag stands for something else now.
    Updated,
    /// Its tag stands for what was locked.
    Same,
    /// Its registry could not tell: the entry stays as it was.
    Kept,
    /// It is not in the lock file.
    Missing,
}

/// Locks the images of a manifest.
pub async fn lock(order: &LockOrder) -> Locking {
    let mut out = Locking { schema: 1, ..Locking::default() };
    match locked(order, &mut out).await {
        Ok(()) => {}
        Err(Wrong::Problems(problems)) => {
            out.problems = problems;
            out.exit = out.exit.or(Exit::BadConfig);
        }
        Err(Wrong::Error(exit, text)) => {
            out.errors.push(text);
            out.exit = out.exit.or(exit);
        }
    }
    out
}

enum Wrong {
    Problems(Vec<Problem>),
    Error(Exit, String),
}

async fn locked(order: &LockOrder, out: &mut Locking) -> Result<(), Wrong> {
    let (loaded, base) = compile::manifest_of(&order.manifest).map_err(Wrong::Problems)?;
    let path = order.lock.clone().unwrap_or_else(|| pins::lock_path(&loaded, &base));
    // Written through a link, not over it.
    out.lock = fs::canonicalize(&path).unwrap_or(path);
    let mut lock = pins::read_lock(&out.lock).map_err(Wrong::Problems)?;
    let wanted = wanted(&loaded).map_err(Wrong::Problems)?;
    out.unused = lock.images.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
    if order.check {
        return check(&loaded, &lock, wanted, out);
    }
    let update = update(order, &wanted)?;
    let asked: Vec<&str> = wanted
        .keys()
        .map(String::as_str)
        .filter(|name| update.contains(name) || !lock.images.contains_key(*name))
        .collect();
    let answers = ask(order, &loaded.manifest, &asked, &lock).await;
    for name in wanted.keys() {
        out.images.push(match answers.get(name.as_str()) {
            None => there(name, &lock),
            Some(answer) => settle(name, answer, &mut lock, &mut out.exit),
        });
    }
    if order.prune {
        lock.images.retain(|name, _| wanted.contains_key(name));
    }
    write(&lock, out)
}

/// The images that need the lock file, each with the places that name it.
fn wanted(loaded: &Loaded) -> Result<BTreeMap<String, Vec<Problem>>, Vec<Problem>> {
    let manifest = &loaded.manifest;
    let policy = Pins { policy: manifest.image_policy.clone(), ..Pins::default() };
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    for (name, image) in &manifest.images {
        if let Some(text) = &image.reference {
            let place = loaded.problem(&pointer(&["images", name, "reference"]), "");
            named.push(compose::NamedImage { text: text.clone(), place });
        }
    }
    let secrets: BTreeSet<String> =
        manifest.secrets.keys().chain(manifest.templates.keys()).cloned().collect();
    let networks: BTreeSet<String> = manifest.networks.keys().cloned().collect();
    let images = BTreeMap::new();
    for (name, stack) in &manifest.stacks {
        let input = compose::Input {
            name,
            stack,
            images: &images,
            secrets: &secrets,
            networks: &networks,
            pins: &policy,
        };
        match compose::images(&input, &bounded::read) {
            Ok(found) => named.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    let mut wanted: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for image in named {
        let at = |message: String, fix: String| Problem { message, ..image.place.clone() }.fix(fix);
        match (policy.allow(&image.text), Reference::parse(&image.text)) {
            (Err(wrong), _) => problems.push(at(wrong.message, wrong.fix)),
            (Ok(()), None) => problems.push(at(
                format!("`{}` is not an image", image.text),
                "write it like `registry.example.org/app:1.2`".to_owned(),
            )),
            (Ok(()), Some(reference)) => {
                if reference.digest.is_none() && !image.text.starts_with(crate::pins::ARCHIVES) {
                    wanted.entry(reference.tagged()).or_default().push(image.place);
                }
            }
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

/// `--check`: every place whose image is not in the lock file is a problem.
fn check(
    loaded: &Loaded,
    lock: &Lock,
    wanted: BTreeMap<String, Vec<Problem>>,
    out: &mut Locking,
) -> Result<(), Wrong> {
    let mut problems = Vec::new();
    for (name, places) in wanted {
        out.images.push(there(&name, lock));
        if !lock.images.contains_key(&name) {
            problems.extend(places.into_iter().map(|place| {
                let message = format!("the image `{name}` is not in the lock file");
                Problem { message, ..place }.fix(format!("run `holdfast image lock {}`", loaded.source.name))
            }));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Wrong::Problems(problems)) }
}

/// The images that `--update` and `--update-all` mean.
fn update<'w>(
    order: &LockOrder,
    wanted: &'w BTreeMap<String, Vec<Problem>>,
) -> Result<BTreeSet<&'w str>, Wrong> {
    if order.update_all {
        return Ok(wanted.keys().map(String::as_str).collect());
    }
    let mut update = BTreeSet::new();
    for text in &order.update {
        let meant = Reference::parse(text);
        let is_meant = |name: &&str| {
            meant.as_ref().is_some_and(|meant| match &meant.tag {
                Some(_) => meant.tagged() == **name,
                None => Reference::parse(name).is_some_and(|other| other.name() == meant.name()),
            })
        };
        let before = update.len();
        update.extend(wanted.keys().map(String::as_str).filter(is_meant));
        if update.len() == before
            && !wanted.keys().any(|name| update.contains(name.as_str()) && is_meant(&name.as_str()))
        {
            let known: Vec<&str> = wanted.keys().map(String::as_str).collect();
            let text = format!(
                "`{text}` is no image of the manifest that is locked; those are: {}",
                known.join(", ")
            );
            return Err(Wrong::Error(Exit::Usage, text));
        }
    }
    Ok(update)
}

type Answer = Result<Locked, (Exit, String)>;

/// Asks the registries, several at once.
async fn ask<'a>(
    order: &LockOrder,
    manifest: &Manifest,
    asked: &[&'a str],
    lock: &Lock,
) -> BTreeMap<&'a str, Answer> {
    let references: Vec<(&str, Reference)> =
        asked.iter().filter_map(|name| Some((*name, Reference::parse(name)?))).collect();
    let names: BTreeSet<&str> = references.iter().map(|(_, reference)| reference.registry.as_str()).collect();
    let registries = registries(order, manifest, &names);
    let questions = references.iter().map(|(name, reference)| {
        let registry = registries.get(reference.registry.as_str());
        async move {
            let answer = match registry {
                Some(Ok(registry)) => {
                    let known = lock.images.get(*name);
                    registry.resolve(reference, known).await.map_err(|e: RegistryError| (e.exit(), chain(&e)))
                }
                Some(Err((exit, why))) => Err((*exit, why.clone())),
                None => Err((Exit::Internal, format!("nobody was asked for `{name}`"))),
            };
            (*name, answer)
        }
    });
    stream::iter(questions).buffer_unordered(AT_ONCE).collect().await
}

/// The registries that are asked, with their logins. Only the secrets that they need are opened.
fn registries<'n>(
    order: &LockOrder,
    manifest: &Manifest,
    names: &BTreeSet<&'n str>,
) -> BTreeMap<&'n str, Result<Registry, (Exit, String)>> {
    let passwords: BTreeSet<&String> = (manifest.registries.iter())
        .filter(|(name, _)| names.contains(name.as_str()))
        .filter_map(|(_, registry)| registry.password.as_ref().map(|password| &password.secret))
        .collect();
    let (mut logins, mut failures) = (BTreeMap::new(), BTreeMap::new());
    if !passwords.is_empty() {
        let mut needed = manifest.clone();
        needed.secrets.retain(|name, _| passwords.contains(name));
        let identities = Identities::load(&manifest.identities, &order.identities);
        let unlocked = secrets::unlock(&needed, &identities, None);
        logins = secrets::logins(&needed, &unlocked);
        failures = unlocked
            .failures
            .into_iter()
            .map(|failure| (failure.address.outer.name, failure.reason))
            .collect();
    }
    let nothing = crate::manifest::Registry::default();
    names
        .iter()
        .map(|name| {
            let settings = manifest.registries.get(*name).unwrap_or(&nothing);
            let login: Option<Login> = logins.remove(*name);
            let registry = match (&settings.password, &login) {
                (Some(password), None) => {
                    let why = failures.get(&password.secret).cloned().unwrap_or_default();
                    let text = format!(
                        "the login of `{name}` cannot be opened: secret `{}`: {why}",
                        password.secret
                    );
                    Err((Exit::SecretFailed, text))
                }
                _ => Registry::new(name, settings, login).map_err(|error| (error.exit(), chain(&error))),
            };
            (*name, registry)
        })
        .collect()
}

fn there(name: &str, lock: &Lock) -> LockedImage {
    let locked = lock.images.get(name).cloned();
    let outcome = if locked.is_some() { LockOutcome::There } else { LockOutcome::Missing };
    LockedImage { image: name.to_owned(), outcome, locked, error: None }
}

/// Takes an answer over. A registry that could not tell takes nothing away.
fn settle(name: &str, answer: &Answer, lock: &mut Lock, exit: &mut Exit) -> LockedImage {
    let before = lock.images.get(name).cloned();
    let (outcome, error) = match (answer, &before) {
        (Ok(now), None) => {
            lock.images.insert(name.to_owned(), now.clone());
            (LockOutcome::Locked, None)
        }
        (Ok(now), Some(before)) if now == before => (LockOutcome::Same, None),
        (Ok(now), Some(_)) => {
            lock.images.insert(name.to_owned(), now.clone());
            (LockOutcome::Updated, None)
        }
        (Err((why, text)), before) => {
            *exit = exit.or(*why);
            let outcome = if before.is_some() { LockOutcome::Kept } else { LockOutcome::Missing };
            (outcome, Some(text.clone()))
        }
    };
    LockedImage { image: name.to_owned(), outcome, locked: lock.images.get(name).cloned(), error }
}

fn write(lock: &Lock, out: &mut Locking) -> Result<(), Wrong> {
    let unwritten = |text: String| Wrong::Error(Exit::Internal, text);
    if lock.images.is_empty() && !out.lock.exists() {
        return Ok(());
    }
    let text = lock.text().map_err(|error| unwritten(format!("the lock file cannot be made: {error}")))?;
    out.written =
        write_durably(&out.lock, text.as_bytes(), 0o644).map_err(|error| unwritten(chain(&error)))?;
    Ok(())
}
