//! Fixtures on two real engines (a sample, or all with `HOLDFAST_TEST_FULL`): what the real docker CLI deploys
//! needs no update here, and what was made here needs none of docker's. The only node is drained: everything is stored and allocated, and nothing starts, so
//! that replicas, virtual IPs and published ports stay as the fixture says, although this kernel may not have IPVS.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast::address::Kind;
use holdfast::compose::{Input, compile};
use holdfast::desired::{Compiled, Desired, HostWanted, Logins, StackSpec};
use holdfast::manifest::Stack;
use holdfast::observed::{Observed, Ownership};
use holdfast::pins::Pins;
use holdfast::plan::{Action, Plan, Step, SwarmAction, Verb, canonical, plan};
use holdfast::secrets::{SecretBytes, Unlocked};
use holdfast::swarm::Engine;
use serde_json::{Value, json};

use super::families::{self, Fixture};
use crate::compose::harness::Case;
use crate::engine::canonical::mutants;
use crate::support::engine::{self as real, Flavour};

const SECRETS: [&str; 3] = ["s_one", "s_two", "s_three"];

#[tokio::test]
async fn fixtures_are_equal_after_docker_on_the_oldest_engine_and_the_other_way_round() {
    fixtures(Flavour::Debian, 3).await;
}

#[tokio::test]
async fn fixtures_are_equal_after_docker_on_the_newest_engine_and_the_other_way_round() {
    fixtures(Flavour::Moby, 1).await;
}

/// Fixtures that every engine refuses to make: values that the CLI passes on and the engine does not take.
const REFUSED: &[(&str, &str)] = &[("accepted/networks-options", "plugin special")];

/// Fixtures that use what Debian's engine is too old for: docker drops it there, here it is refused.
const TOO_NEW: &[(&str, &str)] = &[
    ("accepted/healthcheck-text", "Healthcheck.StartInterval` is asked for, and the engine (20.10.24"),
    ("accepted/volumes-subpath", "VolumeOptions.Subpath` is asked for, and the engine (20.10.24"),
];

/// So many fixtures are on the engine at once.
const BATCH: usize = 12;

/// The fixtures of the sample `turn`, or all of them.
async fn fixtures(flavour: Flavour, turn: u32) {
    let began = Instant::now();
    let lab = Lab::new(flavour).await;
    let (mut count, mut wrong, mut refused) = (Count::default(), Vec::new(), BTreeSet::new());
    let all = families::all();
    let too_new = if flavour == Flavour::Debian { TOO_NEW } else { &[] };
    let expected = [REFUSED, too_new].concat();
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let taken: Vec<&Fixture> = all.iter().filter(|fixture| full || fixture.sampled(turn)).collect();
    let listed = taken.iter().filter(|one| expected.iter().any(|(fixture, _)| *fixture == one.name));
    let listed = listed.count();
    for (at, fixture) in taken.iter().enumerate() {
        let name = &fixture.name;
        for (ours_first, stack) in [(false, format!("d{at}")), (true, format!("h{at}"))] {
            if !ours_first && fixture.docker.is_none() {
                continue;
            }
            let spec = compiled(fixture, &stack);
            lab.prepared(&fixture.case, &spec).await;
            let ended = if ours_first {
                lab.holdfast_then_docker(fixture, &spec, &mut count).await
            } else {
                lab.docker_then_holdfast(fixture, &spec, &mut count).await
            };
            let why = expected.iter().find(|(fixture, _)| fixture == name).map(|(_, why)| *why);
            match (ended, why) {
                (Err(said), Some(why)) if said.contains(why) => drop(refused.insert(name.clone())),
                (Err(said), _) => wrong.push(format!("{name} as {stack}: {said}")),
                (Ok(()), Some(why)) => wrong.push(format!("{name} as {stack} is not refused: {why}")),
                (Ok(()), None) => {}
            }
            lab.make_room(&spec, &mut count, &mut wrong).await;
        }
        if at % BATCH == BATCH - 1 {
            lab.untouched(&mut count, &mut wrong).await;
            lab.clear();
        }
    }
    lab.untouched(&mut count, &mut wrong).await;
    eprintln!(
        "{flavour:?}: {} of {} fixtures ({}), {} of them refused, {} that need IPVS, {count:?}, {:.0?}",
        taken.len(),
        all.len(),
        of_each(&taken),
        refused.len(),
        count.mesh,
        began.elapsed()
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(refused.len(), listed);
    let least = |whole: usize| if full { whole } else { whole / 6 };
    assert!(count.mesh > least(50) && count.mutants > least(1500) && count.kept > least(15), "{count:?}");
    assert!(count.untouched > least(60) && count.replaced > least(5), "{count:?}");
}

/// `9 accepted, 2 translated`.
fn of_each(taken: &[&Fixture]) -> String {
    let count = |family: &str| taken.iter().filter(|one| one.name.starts_with(family)).count();
    ["accepted", "translated"].map(|family| format!("{} {family}", count(family))).join(", ")
}

/// What was compared.
#[derive(Debug, Default)]
struct Count {
    /// Services that docker made and that were found equal.
    equal: usize,
    /// Fixtures of them that need IPVS to run.
    mesh: usize,
    /// Single fields changed, each of which was seen.
    mutants: usize,
    /// Names of docker's that were kept.
    kept: usize,
    /// Services that were made here and found equal.
    made: usize,
    /// Services made here that docker deployed again without replacing a task.
    untouched: usize,
    /// Services that docker gave other configs and secrets (its own names): their tasks were replaced.
    replaced: usize,
}

/// One engine for all fixtures.
struct Lab {
    flavour: Flavour,
    machine: real::Engine,
    engine: Engine,
    home: tempfile::TempDir,
    /// Tasks by service, of services that docker deploys again and shall not touch; and of those it must replace.
    before: std::cell::RefCell<BTreeMap<String, (BTreeSet<String>, bool)>>,
}

fn compiled(fixture: &Fixture, name: &str) -> Compiled {
    let case = &fixture.case;
    let stack = Stack { compose: case.files.clone(), env: case.env.clone(), ..Stack::default() };
    let secrets = SECRETS.map(str::to_owned).into();
    let input = Input {
        name,
        stack: &stack,
        images: &BTreeMap::new(),
        secrets: &secrets,
        networks: &case.networks,
        pins: &Pins::default(),
    };
    let mut spec = compile(&input, &|path: &Path| fs::read(path))
        .unwrap_or_else(|_| panic!("{} is refused", fixture.name))
        .stack;
    spec.trust_secrets = spec.secrets.keys().cloned().collect();
    let networks: BTreeMap<_, _> = case.networks.iter().map(|name| (name.clone(), json!({}))).collect();
    let manifest = json!({ "version": 1, "host": { "name": "h" }, "networks": networks });
    Compiled {
        compiled: 1,
        manifest: serde_json::from_value(manifest).unwrap(),
        images: BTreeMap::new(),
        generated: Vec::new(),
        stacks: [(name.to_owned(), spec)].into(),
    }
}

fn desired(compiled: &Compiled) -> Desired<'_> {
    Desired {
        compiled,
        digests: SECRETS.map(|name| (name.to_owned(), "0123456789ab".to_owned())).into(),
        files: BTreeMap::new(),
        host: HostWanted::default(),
        generated: BTreeMap::new(),
        recorded: Ownership::new("main"),
        recreate: BTreeSet::new(),
        kept: BTreeSet::new(),
        given: BTreeSet::new(),
        due: BTreeSet::new(),
        shut: BTreeSet::new(),
        open: BTreeSet::new(),
        unseen: BTreeSet::new(),
        forge: holdfast::observed::ForgeRecord::default(),
        logins: Logins::default(),
    }
}

fn stack(compiled: &Compiled) -> &StackSpec {
    compiled.stacks.values().next().unwrap()
}

/// Steps that change the stack: the mirror of the record is none, and here nothing runs that could be waited for.
fn about_the_stack(plan: &Plan) -> Vec<&Step> {
    let changes = |step: &&Step| step.address.outer.kind != Kind::Ownership && step.verb != Verb::Await;
    plan.steps.iter().filter(changes).collect()
}

fn told(steps: &[&Step]) -> String {
    let line = |step: &&Step| format!("\n  {:?} {} {:?}", step.verb, step.address, step.diff);
    steps.iter().map(line).collect()
}

fn needs_ipvs(spec: &StackSpec) -> bool {
    spec.services.values().any(|service| {
        let endpoint = &service.body["EndpointSpec"];
        let ports = endpoint["Ports"].as_array().cloned().unwrap_or_default();
        endpoint["Mode"] != "dnsrr" || ports.iter().any(|port| port["PublishMode"] != "host")
    })
}

impl Lab {
    async fn new(flavour: Flavour) -> Self {
        let machine = real::Engine::start_swarm_flavour(flavour);
        let node = machine.docker(&["node", "ls", "-q"]);
        machine.docker(&["node", "update", "--availability", "drain", &node]);
        let engine = Engine::connect(&machine.address()).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("value"), "x").unwrap();
        let file = home.path().join("value");
        for name in SECRETS {
            machine.docker(&["secret", "create", name, file.to_str().unwrap()]);
        }
        Self { flavour, machine, engine, home, before: std::cell::RefCell::default() }
    }

    async fn look(&self) -> Observed {
        self.engine.observe().await.unwrap()
    }

    /// Makes what is external to the stack, as docker does.
    async fn prepared(&self, case: &Case, compiled: &Compiled) {
        let spec = stack(compiled);
        let networks: Vec<_> =
            spec.external_networks.iter().map(|one| &one.name).chain(&case.networks).collect();
        let configs = spec.services.values().flat_map(|service| &service.configs);
        let configs: BTreeSet<_> =
            configs.filter(|config| config.external).map(|config| &config.key).collect();
        if networks.is_empty() && configs.is_empty() {
            return;
        }
        let there = self.look().await;
        for name in networks.into_iter().filter(|name| !there.networks.contains_key(*name)) {
            self.machine.docker(&["network", "create", "-d", "overlay", name]);
        }
        let file = self.home.path().join("value");
        for name in configs.into_iter().filter(|name| !there.configs.contains_key(*name)) {
            self.machine.docker(&["config", "create", name, file.to_str().unwrap()]);
        }
    }

    /// `docker stack deploy` of the files with nothing but the case's variables.
    fn deploy(&self, case: &Case, stack: &str) -> Result<(), String> {
        let mut command = Command::new("docker");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DOCKER_HOST", self.machine.address()).env("DOCKER_CONFIG", self.home.path());
        command.envs(&case.env).args(["stack", "deploy", "--resolve-image", "never", "--detach=true"]);
        for file in &case.files {
            command.arg("-c").arg(file);
        }
        let output = command.arg(stack).output().expect("run docker");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("docker: {said}")) }
    }

    async fn docker_then_holdfast(
        &self,
        fixture: &Fixture,
        compiled: &Compiled,
        count: &mut Count,
    ) -> Result<(), String> {
        let spec = stack(compiled);
        fixture.docker.as_ref().map_or(Ok(()), |case| self.deploy(case, &spec.name))?;
        let desired = desired(compiled);
        let observed = self.settled().await;
        let plan = plan(&desired, &observed, None).map_err(|refused| format!("{refused:#?}"))?;
        let steps = about_the_stack(&plan);
        if !steps.is_empty() {
            return Err(format!("docker made it, and it is not equal:{}", told(&steps)));
        }
        count.equal += spec.services.len();
        count.mesh += usize::from(needs_ipvs(spec));
        count.kept += plan.kept.len();
        let names = canonical::network_names(&observed);
        for service in spec.services.values() {
            let stored = &observed.services[&service.name].raw["Spec"];
            let form = canonical::service(stored, &names);
            // The engine keeps no consistency of a mount.
            let told = |(field, _): &(String, Value)| !field.ends_with("/Consistency");
            for (field, mutant) in mutants(&service.body).into_iter().filter(told) {
                count.mutants += 1;
                if canonical::service(&mutant, &names) == form {
                    return Err(format!("a change of {field} of {} is not seen", service.name));
                }
            }
        }
        Ok(())
    }

    async fn holdfast_then_docker(
        &self,
        fixture: &Fixture,
        compiled: &Compiled,
        count: &mut Count,
    ) -> Result<(), String> {
        self.reached(&desired(compiled)).await?;
        let spec = stack(compiled);
        count.made += spec.services.len();
        let Some(case) = &fixture.docker else { return Ok(()) };
        let tasks = self.tasks(spec).await;
        self.deploy(case, &spec.name)?;
        // Docker's own names of configs and secrets are other names.
        let renamed = |name: &str| {
            let service = spec.services.values().find(|service| service.name == name).unwrap();
            let fixed = |key: &str| spec.configs.get(key).is_none_or(|config| config.fixed_name);
            !service.secrets.is_empty() || service.configs.iter().any(|config| !fixed(&config.key))
        };
        let tasks = tasks.into_iter().map(|(name, ids)| (name.clone(), (ids, renamed(&name))));
        self.before.borrow_mut().extend(tasks);
        Ok(())
    }

    /// Carries out plans until there is nothing left to change.
    async fn reached(&self, desired: &Desired<'_>) -> Result<(), String> {
        let mut values = Unlocked::default();
        values.values = SECRETS.map(|name| (name.to_owned(), SecretBytes::new(b"x".to_vec()))).into();
        for _ in 0..6 {
            let observed = self.settled().await;
            let plan = plan(desired, &observed, None).map_err(|refused| format!("{refused:#?}"))?;
            let steps = about_the_stack(&plan);
            if steps.is_empty() {
                return Ok(());
            }
            for step in steps.into_iter().filter(|step| step.stage == 0) {
                let Action::Swarm(action) = &step.action else { continue };
                let done = self.engine.execute(action, &values).await;
                done.map_err(|error| format!("{}: {error:?}", step.address))?;
            }
        }
        let observed = self.settled().await;
        let plan = plan(desired, &observed, None).map_err(|refused| format!("{refused:#?}"))?;
        Err(format!("made here, and it is not equal:{}", told(&about_the_stack(&plan))))
    }

    /// A look once every overlay has its addresses: docker does not wait for them.
    async fn settled(&self) -> Observed {
        let began = Instant::now();
        loop {
            let observed = self.look().await;
            let waits = |network: &Value| {
                let driver = network["Driver"].as_str().unwrap_or_default();
                let overlay = driver == "overlay" || (driver.is_empty() && network["Scope"] == "swarm");
                // This engine never finds addresses for a swarm's network with a subnet of IPv6: "invalid Prefix".
                let never = self.flavour == Flavour::Moby && network["EnableIPv6"] == true;
                overlay && !never && network["IPAM"]["Config"].get(0).is_none()
            };
            let left: Vec<_> = observed.networks.values().filter(|network| waits(&network.raw)).collect();
            if left.is_empty() {
                return observed;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "networks without addresses: {left:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ids of the tasks of a stack's services that shall have some.
    async fn tasks(&self, spec: &StackSpec) -> BTreeMap<String, BTreeSet<String>> {
        let began = Instant::now();
        loop {
            let observed = self.look().await;
            let wanted = spec.services.values().filter(|service| {
                let mode = &service.body["Mode"];
                mode.get("Replicated").is_some() && service.replicas() != Some(0)
            });
            let found = wanted.map(|service| (service.name.clone(), ids(&observed, &service.name)));
            let found: BTreeMap<_, _> = found.collect();
            if found.values().all(|ids| !ids.is_empty()) {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no tasks: {found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Judges whether tasks were replaced, of everything that waits to be judged.
    async fn untouched(&self, count: &mut Count, wrong: &mut Vec<String>) {
        let before = std::mem::take(&mut *self.before.borrow_mut());
        let began = Instant::now();
        let changed = |observed: &Observed, name: &str, had: &BTreeSet<String>| ids(observed, name) != *had;
        // As long as the orchestrator ever took, and as long as it still has something to do.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut observed = self.look().await;
        while before.iter().any(|(name, (had, must))| *must && !changed(&observed, name, had)) {
            if began.elapsed() > Duration::from_secs(15) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            observed = self.look().await;
        }
        for (name, (had, must)) in &before {
            match (changed(&observed, name, had), must) {
                (false, false) => count.untouched += 1,
                (true, true) => count.replaced += 1,
                (true, false) => wrong.push(format!("docker replaced tasks of {name}, which are equal")),
                (false, true) => wrong.push(format!("docker gave {name} other names and replaced nothing")),
            }
        }
    }

    /// Takes a stack away at once that is in the way of the next one: it publishes ports, or has subnets or names that
    /// stand in the file. The others go later, all at once.
    async fn make_room(&self, compiled: &Compiled, count: &mut Count, wrong: &mut Vec<String>) {
        let spec = stack(compiled);
        let own = format!("{}_", spec.name);
        let publishes = |body: &Value| body["EndpointSpec"].get("Ports").is_some();
        let ports = spec.services.values().any(|service| publishes(&service.body));
        let networks = spec.networks.values();
        let networks =
            networks.filter(|network| !network.name.starts_with(&own) || !network.body["IPAM"].is_null());
        let networks: Vec<_> = networks.map(|network| network.name.as_str()).collect();
        let configs: Vec<_> = spec
            .configs
            .values()
            .filter(|config| config.fixed_name)
            .map(|config| config.base.as_str())
            .collect();
        if !ports && networks.is_empty() && configs.is_empty() {
            return;
        }
        self.untouched(count, wrong).await;
        let observed = self.look().await;
        let there = |name: &str| observed.services.get(name).map(|service| service.id.clone());
        for id in spec.services.values().filter_map(|service| there(&service.name)) {
            self.delete(&format!("/services/{id}"));
        }
        let values = Unlocked::default();
        let networks = networks.into_iter().filter_map(|name| observed.networks.get(name));
        let gone = networks.map(|network| SwarmAction::RemoveNetwork(network.id.clone()));
        let configs = configs.into_iter().filter_map(|name| observed.configs.get(name));
        let gone = gone.chain(configs.map(|config| SwarmAction::RemoveConfig(config.id.clone())));
        for action in gone {
            self.engine.execute(&action, &values).await.unwrap();
        }
    }

    /// Takes every service away, and does not wait for it.
    fn clear(&self) {
        let ids = self.machine.docker(&["service", "ls", "-q"]);
        ids.lines().for_each(|id| self.delete(&format!("/services/{id}")));
    }

    fn delete(&self, path: &str) {
        let mut stream = UnixStream::connect(&self.machine.socket).unwrap();
        write!(stream, "DELETE {path} HTTP/1.0\r\nHost: docker\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{path}: {answer}");
    }
}

/// Ids of the tasks that a service wants.
fn ids(observed: &Observed, service: &str) -> BTreeSet<String> {
    let tasks = observed.services.get(service).and_then(|service| observed.tasks.get(&service.id));
    let live =
        tasks.into_iter().flatten().filter(|task| task.desired != "shutdown" && task.desired != "remove");
    live.map(|task| task.id.clone()).collect()
}
