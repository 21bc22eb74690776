//! verify: what is declared is proven, and everything declared carries derived gates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;

use super::begin::Run;
use super::drone;
use super::forge;
use super::order::{Said, Tell};
use super::proofs::{self, selected};
use super::stop::Stop;
use super::trial;
use super::units;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::gates::{self, Expected, ForgeLooks, HostLooks, Limits, Planned, Sources, Tally};
use crate::host::{look_at_store, look_at_system, store_path_of};
use crate::manifest::{DroneGate, LeftField, Manifest, RunnerGate};
use crate::observed::Observed;
use crate::plan::{Plan, running_image, whole};
use crate::report::{Exit, GateResult, Verdict, chain};
use crate::state::{Lock, LockError, Proven, read_asked};
use crate::swarm::Engine;

/// What is proven.
pub(super) struct Subject<'a> {
    /// Without one only gates are run that ask none.
    pub(super) engine: Option<&'a Engine>,
    pub(super) host: &'a Host<'a>,
    /// The last look, if nothing was written since.
    pub(super) observed: Option<&'a Observed>,
}

/// Runs every gate that the order covers, and remembers what held.
pub(super) async fn prove(run: &mut Run<'_>, subject: &Subject<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let manifest = subject.host.manifest();
    let asked = read_asked(&manifest.paths.run)?;
    let proven = Proven::read(&manifest.paths.run, &run.record.manifest, &run.record.boot);
    let gates = selected(run.order, subject.host, &asked, &proven);
    let expected = expected(run, subject).await?;
    judge(run, subject, (&gates, &expected, proven), tell).await
}

/// Runs the gates whose proofs are taken anew by writing, and remembers what held; false where there are none.
pub(super) async fn probed(run: &mut Run<'_>, host: &Host<'_>, tell: &Tell<'_>) -> Result<bool, Stop> {
    let gates = proofs::probed(run.order, host);
    if gates.is_empty() {
        return Ok(false);
    }
    let subject = Subject { engine: None, host, observed: None };
    let proven = Proven::read(&host.manifest().paths.run, &run.record.manifest, &run.record.boot);
    judge(run, &subject, (&gates, &BTreeMap::new(), proven), tell).await?;
    Ok(true)
}

/// What the engine must show of each service, by what the run has seen, or by a look.
async fn expected(run: &Run<'_>, subject: &Subject<'_>) -> Result<BTreeMap<String, Expected>, Stop> {
    if let Some(observed) = subject.observed {
        // The plan of that look was empty: everything that is not held back is equal.
        let plan = Plan { held: run.record.held.clone(), ..Plan::default() };
        return Ok(expectations(&subject.host.desired, &plan, observed));
    }
    let Some(engine) = subject.engine else { return Ok(BTreeMap::new()) };
    let observed = subject.host.observe(engine, None).await?;
    let plan = whole(&subject.host.desired, &observed, run.order.only.as_ref()).map_err(Stop::Refused)?;
    Ok(expectations(&subject.host.desired, &plan, &observed))
}

async fn judge(
    run: &mut Run<'_>,
    subject: &Subject<'_>,
    (gates, expected, proven): (&[Planned], &BTreeMap<String, Expected>, Proven),
    tell: &Tell<'_>,
) -> Result<(), Stop> {
    let manifest = subject.host.manifest();
    let engine = || subject.engine.ok_or_else(|| "this command asks no engine".to_owned());
    let observe = || async move { engine()?.observe().await.map_err(|error| chain(&error)) }.boxed();
    let task_log = |task: String, mut tally: Tally| {
        async move {
            let read = engine()?.task_log(&task, &mut |line, written| tally.read(line, written)).await;
            read.map(|()| tally).map_err(|error| chain(&error))
        }
        .boxed()
    };
    let unit = |name: String| units::look_at(name, &subject.host.unlocked).boxed();
    let declared = subject.host.declared();
    let state = |name: String| units::state_of(name, &subject.host.unlocked).boxed();
    let store = |path: PathBuf, until: std::time::Instant| look_at_store(path, until).boxed();
    let own = store_path_of(&run.order.manifest);
    let archives = archives(manifest);
    let server = |gate: DroneGate| drone::answers(subject.host, gate).boxed();
    let oauth = || drone::oauth(subject.host).boxed();
    let runner = |gate: RunnerGate, mark: String| trial::seen(subject.host, gate, mark).boxed();
    let hook = |name: String| forge::hook(subject.host, name).boxed();
    let forges = ForgeLooks { hook: &hook, server: &server, oauth: &oauth, runner: &runner };
    let looks = HostLooks {
        state: &state,
        system: &|unit: Option<&str>| look_at_system(Path::new("/run"), unit),
        store: &store,
        manifest: own.as_deref(),
        archives: &archives,
    };
    let sources = Sources {
        observed: subject.observed,
        observe: &observe,
        task_log: &task_log,
        unit: Some(&unit),
        host: Some(&looks),
        forges: Some(&forges),
        expected,
        declared: &declared,
        since: run.since,
        // Who applies proves what it did itself, and what stood before: its own start is what counts.
        changed: if run.writes { None } else { proven.since.parse().ok() },
    };
    let mut progress = |progress: gates::Progress<'_>| tell.borrow_mut()(Said::Gate(&progress));
    let usual = Limits::default();
    let limits = Limits { soak: manifest.soak.map_or(usual.soak, |soak| soak.0), ..usual };
    let results = gates::verify(gates, &sources, &limits, &mut progress).await;
    remember(run, manifest, proven, results)
}

/// Records what held and what did not.
fn remember(
    run: &mut Run<'_>,
    manifest: &Manifest,
    mut proven: Proven,
    results: Vec<GateResult>,
) -> Result<(), Stop> {
    run.record.exit = run.record.exit.or(gates::exit(&results));
    let before = proven.clone();
    proven.gates.retain(|address| !results.iter().any(|result| result.address == *address));
    proven.gates.extend(
        results.iter().filter(|result| result.verdict == Verdict::Pass).map(|result| result.address.clone()),
    );
    proven.gates.retain(|address| address.outer.kind != Kind::Unit);
    run.record.gates = results;
    if run.writes {
        proven.write(&manifest.paths.run)?;
        units::forget_proven(manifest, &run.record.gates)?;
    } else if run.record.exit == Exit::Ok {
        // A run that holds the lock is changing things: what was seen before is no proof of what it leaves.
        match Lock::take(&manifest.paths.run, &run.holder(), Duration::ZERO) {
            Ok(_lock) => {
                proven.write(&manifest.paths.run)?;
                units::forget_proven(manifest, &run.record.gates)?;
                run.prove_generation(manifest)?;
            }
            Err(LockError::Held { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    } else {
        doubt(run, manifest, before);
    }
    Ok(())
}

/// Red proves nothing and takes no proof away, but one: without that of `oauth` the next `apply` asks what it else would not.
/// Who may not write cannot say so either.
fn doubt(run: &Run<'_>, manifest: &Manifest, mut proven: Proven) {
    let failed = |result: &&GateResult| result.kind == "oauth" && result.verdict != Verdict::Pass;
    let failed: Vec<&Address> =
        run.record.gates.iter().filter(failed).map(|result| &result.address).collect();
    if proven.gates.iter().any(|gate| failed.contains(&gate))
        && let Ok(_lock) = Lock::take(&manifest.paths.run, &run.holder(), Duration::ZERO)
    {
        proven.gates.retain(|gate| !failed.contains(&gate));
        drop(proven.write(&manifest.paths.run));
    }
}

/// Store paths of the images that lie in the Nix store.
fn archives(manifest: &Manifest) -> Vec<PathBuf> {
    let files = manifest.images.values().flat_map(|image| image.archive.iter().chain(&image.rootfs));
    files.filter_map(|file| store_path_of(file)).collect()
}

/// What the engine must show of each service, by full name. One that is held back is left as it is, and one that the
/// plan changes is not equal.
fn expectations(desired: &Desired<'_>, plan: &Plan, observed: &Observed) -> BTreeMap<String, Expected> {
    let held: BTreeSet<&Address> = plan.held.iter().map(|held| &held.address).collect();
    let differs: BTreeSet<&Address> = plan.steps.iter().map(|step| &step.address).collect();
    let mut expected = BTreeMap::new();
    for (name, stack) in &desired.compiled.stacks {
        let left = desired.compiled.manifest.stacks.get(name).map(|stack| &stack.left_to_others);
        for (key, service) in &stack.services {
            let address = Address::in_stack(name, Kind::Service, key);
            if held.contains(&address) {
                continue;
            }
            let image = running_image(desired, observed, service);
            let (stack, equal) = (stack.name.clone(), !differs.contains(&address));
            let mut expectation = Expected { stack, replicas: service.replicas(), image, equal };
            expect_less(&mut expectation, left.and_then(|left| left.get(key)).map_or(&[], Vec::as_slice));
            expected.insert(service.name.clone(), expectation);
        }
    }
    expected
}

/// What is left to others may be anything.
fn expect_less(expected: &mut Expected, left: &[LeftField]) {
    for field in left {
        match field {
            LeftField::Replicas => expected.replicas = None,
            LeftField::Image => expected.image.clear(),
        }
    }
}
