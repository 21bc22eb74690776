//! verify: what is declared is proven, and everything declared carries derived gates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;

use super::begin::Run;
use super::drone;
use super::forge;
use super::order::{Order, Said, Tell};
use super::stop::Stop;
use super::trial;
use super::units;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::gates::{self, Check, Expected, ForgeLooks, HostLooks, Limits, Planned, Sources, Tally};
use crate::host::{look_at_store, look_at_system, store_path_of};
use crate::manifest::{
    ClosureGate, DroneGate, FileGate, Folder, Gate, Installed, LeftField, Manifest, RunnerGate, SwarmGate,
};
use crate::observed::{Ask, InstalledFile, Observed};
use crate::plan::{Plan, running_image, whole};
use crate::report::{Exit, GateResult, Verdict, chain};
use crate::state::{Lock, LockError, Proven, read_asked};
use crate::swarm::Engine;

/// What is proven.
pub(super) struct Subject<'a> {
    pub(super) engine: &'a Engine,
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
    let expected = if let Some(observed) = &subject.observed {
        // The plan of that look was empty: everything that is not held back is equal.
        let plan = Plan { held: run.record.held.clone(), ..Plan::default() };
        expectations(&subject.host.desired, &plan, observed)
    } else {
        let observed = subject.host.observe(subject.engine, None).await?;
        let plan = whole(&subject.host.desired, &observed, run.order.only.as_ref()).map_err(Stop::Refused)?;
        expectations(&subject.host.desired, &plan, &observed)
    };
    let observe = || {
        let look = subject.engine.observe();
        async move { look.await.map_err(|error| chain(&error)) }.boxed()
    };
    let task_log = |task: String, mut tally: Tally| {
        async move {
            let read = subject.engine.task_log(&task, &mut |line, written| tally.read(line, written)).await;
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
        expected: &expected,
        declared: &declared,
        since: run.since,
        // Who applies proves what it did itself, and what stood before: its own start is what counts.
        changed: if run.writes { None } else { proven.since.parse().ok() },
    };
    let mut progress = |progress: gates::Progress<'_>| tell.borrow_mut()(Said::Gate(&progress));
    let usual = Limits::default();
    let limits = Limits { soak: manifest.soak.map_or(usual.soak, |soak| soak.0), ..usual };
    let results = gates::verify(&gates, &sources, &limits, &mut progress).await;
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

/// The gates that the order covers, and the one that it asks for itself.
fn selected(order: &Order, host: &Host<'_>, asked: &BTreeMap<String, Ask>, proven: &Proven) -> Vec<Planned> {
    let part = order.only.as_ref().and_then(|only| part_of_stack(only, &host.desired));
    let covered = |gate: &Planned| order.only.as_ref().is_none_or(|only| only.covers(&gate.address));
    let expected = order.expect_closure.as_deref().map(expected_closure);
    all(host, asked, part, proven).into_iter().filter(covered).chain(expected).collect()
}

/// Every gate of the manifest, and those that what it declares carries without asking.
fn all(
    host: &Host<'_>,
    asked: &BTreeMap<String, Ask>,
    part: Option<Planned>,
    proven: &Proven,
) -> Vec<Planned> {
    let manifest = host.manifest();
    let mut gates = vec![derived(Address::single(Kind::Swarm), Check::Manager)];
    for name in manifest.networks.keys() {
        gates.push(derived(Address::new(Kind::Network, name), Check::Network(name.clone())));
    }
    for file in manifest.installed().filter(|file| file.install) {
        gates.push(installed(host, &file));
    }
    gates.extend(linked(host));
    for (unit, ask) in asked {
        gates.push(derived(Address::new(Kind::Unit, unit), Check::Unit(unit.clone(), ask.clone())));
    }
    for name in host.desired.compiled.stacks.keys() {
        let gate = SwarmGate { stack: name.clone(), service: None };
        let gate = Gate { swarm: Some(gate), ..Gate::default() };
        gates.push(derived(Address::new(Kind::Stack, name), gate.into()));
    }
    let gitea = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let hooks = gitea.into_iter().flat_map(|gitea| &gitea.webhooks);
    for (name, _) in hooks.filter(|(_, hook)| hook.attest.is_some()) {
        gates.push(derived(Address::in_forge("gitea", Kind::Hook, name), Check::Hook(name.clone())));
    }
    for (name, gate) in &manifest.gates {
        let address = Address::new(Kind::Gate, name);
        gates.push(Planned { address, gate: gate.clone().into(), derived: false, soak: false });
    }
    gates.extend(part);
    for gate in &mut gates {
        // A file is what it is: looking again for ten seconds proves nothing more.
        let lives = !matches!(
            gate.address.outer.kind,
            Kind::Secret | Kind::Template | Kind::Link | Kind::Network | Kind::Swarm | Kind::Forge
        );
        gate.soak = lives && !proven.gates.iter().any(|held| held.covers(&gate.address));
    }
    gates
}

/// What proves one part of a stack: the service itself; of anything else the services of the stack, which use it.
fn part_of_stack(only: &Address, desired: &Desired<'_>) -> Option<Planned> {
    let inner = only.inner.as_ref()?;
    let stack = desired.compiled.stacks.get(&only.outer.name)?;
    let is_service = inner.kind == Kind::Service && stack.services.contains_key(&inner.name);
    let gate = SwarmGate { stack: stack.name.clone(), service: is_service.then(|| inner.name.clone()) };
    Some(derived(only.clone(), Gate { swarm: Some(gate), ..Gate::default() }.into()))
}

/// The gate that the command line asks for. No gate of a manifest can have its name.
fn expected_closure(toplevel: &Path) -> Planned {
    let gate = ClosureGate { expect: Some(toplevel.to_owned()), ..ClosureGate::default() };
    let address = Address::new(Kind::Gate, "--expect-closure");
    derived(address, Gate { closure: Some(gate), ..Gate::default() }.into())
}

/// Store paths of the images that lie in the Nix store.
fn archives(manifest: &Manifest) -> Vec<PathBuf> {
    let files = manifest.images.values().flat_map(|image| image.archive.iter().chain(&image.rootfs));
    files.filter_map(|file| store_path_of(file)).collect()
}

fn derived(address: Address, gate: Check) -> Planned {
    Planned { address, gate, derived: true, soak: false }
}

/// A secret or template is there, with its owner and mode.
fn installed(host: &Host<'_>, file: &Installed<'_>) -> Planned {
    let wanted = match file.folder() {
        Folder::Services => host.desired.files.get(&file.file()),
        Folder::Users => host.desired.host.user_files.get(&file.file()),
    };
    at(file.address(), file.place(&host.manifest().paths.run), wanted)
}

/// Each link leads to a file with that owner and mode.
fn linked(host: &Host<'_>) -> Vec<Planned> {
    let run = &host.manifest().paths.run;
    let of = |(path, target): (&PathBuf, &PathBuf)| {
        let place = |folder: Folder| target.strip_prefix(run.join(folder.link())).ok()?.to_str();
        let wanted = place(Folder::Services).and_then(|name| host.desired.files.get(name));
        let wanted =
            wanted.or_else(|| place(Folder::Users).and_then(|name| host.desired.host.user_files.get(name)));
        at(Address::new(Kind::Link, path.display().to_string()), path.clone(), wanted)
    };
    host.desired.host.links.iter().map(of).collect()
}

/// A file with this owner and mode.
fn at(address: Address, path: PathBuf, wanted: Option<&InstalledFile>) -> Planned {
    let number = |part: fn(&InstalledFile) -> u32| wanted.map(|file| part(file).to_string());
    let gate = FileGate {
        path,
        mode: wanted.map(|file| format!("{:04o}", file.mode)).or_else(|| Some("0400".to_owned())),
        owner: number(|file| file.uid),
        group: number(|file| file.gid),
        ..FileGate::default()
    };
    derived(address, Gate { file: Some(gate), ..Gate::default() }.into())
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
