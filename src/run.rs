//! The pipeline: load → unlock → observe → plan → apply → verify → report.
//!
//! This is the page to read: each command is one function, and each line of it is a room. What a command found out
//! goes into one [`Record`]; what stops it is a [`Stop`], and both end in the same exit code.

mod begin;
mod bounded;
mod brought;
mod clear;
mod collect;
mod compile;
mod converge;
mod credentials;
mod destroy;
mod doctor;
mod drone;
mod forge;
mod generate;
mod generation;
mod health;
mod install;
mod learn;
mod lock;
mod marks;
mod order;
mod pins;
mod pointer;
mod ports;
mod probe;
mod proofs;
mod prove;
mod pull;
mod readers;
mod removal;
mod rollback;
mod seen;
mod status;
mod stop;
mod transcript;
mod trial;
mod units;
mod unlock;
mod watch;

pub use compile::{Compilation, check, compile, write as write_compiled};
pub use credentials::serve as serve_credentials;
pub use doctor::doctor;
pub use generate::{Fate, GenerateOrder, Generated, generate};
pub use lock::{LockOrder, LockOutcome, LockedImage, Locking, lock};
pub use order::{Order, Said, Tell};
pub use pull::pull;
pub use readers::check_secrets;
pub use stop::Stop;
pub use transcript::{Sink, TranscriptOrder, transcript};
pub use watch::Watcher;

use std::mem::ManuallyDrop;

use crate::desired::Compiled;
use crate::manifest::Folder;
use crate::report::Record;
use crate::secrets;
use crate::swarm::{Asked, Engine, Look};
use begin::Run;

/// Makes the host equal to the manifest and, unless the order says otherwise, proves it.
pub async fn apply(order: &Order, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("apply", order);
    let ended = apply_line(&mut run, tell).await;
    run.end(ended)
}

async fn apply_line(run: &mut Run<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let _lock = run.lock(&opened)?;
    // From here on nobody else writes, so the engine may be asked; it answers while specs are read and secrets unlocked.
    let asked = Asked::of(&opened.compiled.manifest.engine.address).await;
    // Large and full of small pieces: the end of the process frees it at once, dropping it would do so one by one.
    let compiled = ManuallyDrop::new(run.load(opened)?);
    let (engine, look) = asked?.agreed().await?;
    let mut host = unlock::unlock(run, &compiled)?;
    apply_host(run, (&engine, look), &mut host, tell).await
}

/// The line from what shall be to what is proven; the lock is held.
async fn apply_host(
    run: &mut Run<'_>,
    (engine, look): (&Engine, Look),
    host: &mut unlock::Host<'_>,
    tell: &Tell<'_>,
) -> Result<(), Stop> {
    let generation = run.generation(host)?;
    host.raise_marks()?;
    let observed = ManuallyDrop::new(converge::until_equal(run, (engine, look), host, tell).await?);
    host.keep_ciphertext(&generation)?;
    if run.order.verify {
        prove::prove(run, &prove::Subject { engine: Some(engine), host, observed: Some(&observed) }, tell)
            .await?;
    }
    run.settle(&generation, host)
}

/// Installs secrets and templates of these folders, with links to them, and tells the units that use what changed; needs
/// no engine, so that it can run before there is one.
pub async fn install(order: &Order, folders: &[Folder], tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("secrets install", order);
    let ended = install_line(&mut run, folders, tell).await;
    run.end(ended)
}

async fn install_line(run: &mut Run<'_>, folders: &[Folder], tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let _lock = run.lock(&opened)?;
    let mut compiled = run.load(opened)?;
    install::narrow(&mut compiled.manifest, folders);
    let host = unlock::unlock(run, &compiled)?;
    host.raise_marks()?;
    // What is needed before users are made is a part of that.
    let keeping = folders.contains(&Folder::Services).then(|| host.keep_installed());
    let ended = install::until_equal(run, &host, folders, tell).await;
    // What opened is good, whatever becomes of its installation.
    let kept = keeping.map_or(Ok(()), secrets::Keeping::end);
    ended?;
    Ok(kept?)
}

/// Says what [`install()`] would do, and does nothing.
pub async fn plan_install(order: &Order, folders: &[Folder]) -> Record {
    let mut run = Run::begin("secrets install", order);
    let ended = plan_install_line(&mut run, folders).await;
    run.end(ended)
}

async fn plan_install_line(run: &mut Run<'_>, folders: &[Folder]) -> Result<(), Stop> {
    let opened = run.open()?;
    let mut compiled = run.load(opened)?;
    install::narrow(&mut compiled.manifest, folders);
    let host = unlock::unlock(run, &compiled)?;
    install::plan(run, &host, folders).await
}

/// Brings back a generation that was recorded, whole, and proves it: the one of this number, or the last proven one
/// before the current one.
pub async fn rollback(order: &Order, to: Option<u64>, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("rollback", order);
    let ended = rollback_line(&mut run, to, tell).await;
    run.end(ended)
}

async fn rollback_line(run: &mut Run<'_>, to: Option<u64>, tell: &Tell<'_>) -> Result<(), Stop> {
    let state = rollback::state(run)?;
    let from = rollback::choose(&state, to)?;
    let opened = rollback::open(run, &from, state)?;
    let _lock = run.lock(&opened)?;
    rollback::still(&opened, &from, to)?;
    run.from = Some(from);
    let asked = Asked::of(&opened.compiled.manifest.engine.address).await;
    let compiled = run.load(opened)?;
    let (engine, look) = asked?.agreed().await?;
    let mut host = unlock::unlock(run, &compiled)?;
    let ended = apply_host(run, (&engine, look), &mut host, tell).await;
    rollback::say(run);
    ended
}

/// Lists the generations that a rollback can bring back; reads only.
#[must_use]
pub fn generations(order: &Order) -> Record {
    let mut run = Run::begin("rollback", order);
    let ended = rollback::state(&mut run).and_then(|state| rollback::list(&mut run, &state));
    run.end(ended)
}

/// Says what `apply` would do, and does nothing.
pub async fn plan(order: &Order) -> Record {
    let mut run = Run::begin("plan", order);
    let ended = plan_line(&mut run).await;
    run.end(ended)
}

async fn plan_line(run: &mut Run<'_>) -> Result<(), Stop> {
    let (compiled, engine, look) = load(run).await?;
    let mut host = unlock::unlock(run, &compiled)?;
    let observed = host.observe(&engine, Some(look)).await?;
    status::compare(run, &mut host, &observed)
}

/// load, for a command that only reads; the engine answers meanwhile.
async fn load(run: &mut Run<'_>) -> Result<(Compiled, Engine, Look), Stop> {
    let opened = run.open()?;
    let asked = Asked::of(&opened.compiled.manifest.engine.address).await;
    let compiled = run.load(opened)?;
    let (engine, look) = asked?.agreed().await?;
    Ok((compiled, engine, look))
}

/// Runs the gates, and writes nothing to the engine.
pub async fn verify(order: &Order, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("verify", order);
    let ended = verify_line(&mut run, tell).await;
    run.end(ended)
}

async fn verify_line(run: &mut Run<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let compiled = run.load(opened)?;
    let engine = Engine::connect(&compiled.manifest.engine.address).await?;
    let host = unlock::unlock(run, &compiled)?;
    prove::prove(run, &prove::Subject { engine: Some(&engine), host: &host, observed: None }, tell).await
}

/// Takes the proofs anew that write: test deliveries of hooks, Drone's sign-in, builds that prove a runner. Changes nothing
/// that is declared, and needs no engine.
pub async fn probe(order: &Order, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("probe", order);
    let ended = probe_line(&mut run, tell).await;
    run.end(ended)
}

async fn probe_line(run: &mut Run<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let _lock = run.lock(&opened)?;
    let compiled = run.load(opened)?;
    let mut host = unlock::unlock(run, &compiled)?;
    probe::anew(run, &mut host, tell).await
}

/// Says what is there, and where it differs from the manifest; reads only.
pub async fn status(order: &Order) -> Record {
    let mut run = Run::begin("status", order);
    let ended = status_line(&mut run).await;
    run.end(ended)
}

async fn status_line(run: &mut Run<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    health::applied(run, &opened.compiled.manifest);
    let asked = Asked::of(&opened.compiled.manifest.engine.address).await;
    let compiled = run.load(opened)?;
    let mut host = unlock::unlock(run, &compiled)?;
    run.record.certificates = health::certificates(run.order, &host).await;
    let (engine, look) = asked?.agreed().await?;
    let observed = host.observe(&engine, Some(look)).await?;
    status::compare(run, &mut host, &observed)?;
    run.record.services = status::services(&compiled, &observed, &run.record.plan);
    run.record.unproven = health::unproven(run, &compiled);
    Ok(())
}

/// As [`status()`], again and again: after each thing that happens, `tell` hears what is new, until it says that nobody
/// listens any more. Reads only.
pub async fn watch<'t>(order: &Order, tell: &'t mut Watcher<'t>) -> Record {
    let mut run = Run::begin("status", order);
    let ended = watch::watch(&mut run, tell).await;
    run.end(ended)
}

/// Removes what earlier runs brought onto this node and nothing needs any more; or only says what that is.
pub async fn collect(order: &Order, dry_run: bool, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("collect", order);
    let ended = collect_line(&mut run, dry_run, tell).await;
    run.end(ended)
}

async fn collect_line(run: &mut Run<'_>, dry_run: bool, tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let _lock = if dry_run { None } else { Some(run.lock(&opened)?) };
    let manifest = &opened.compiled.manifest;
    let engine = Engine::connect(&manifest.engine.address).await?;
    collect::old(run, manifest, &engine, tell).await
}

/// Removes what is recorded as ours, waits until it is gone, and reports anything left.
pub async fn destroy(order: &Order, tell: &Tell<'_>) -> Record {
    let mut run = Run::begin("destroy", order);
    let ended = destroy_line(&mut run, tell).await;
    run.end(ended)
}

async fn destroy_line(run: &mut Run<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let opened = run.open()?;
    let _lock = run.lock(&opened)?;
    let compiled = run.load(opened)?;
    let engine = Engine::connect(&compiled.manifest.engine.address).await?;
    destroy::all(run, &compiled, &engine, tell).await
}
