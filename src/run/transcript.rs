//! The write requests that a stack would become on an empty swarm, without any engine.
//!
//! There is no second conversion here: the stack is compiled, planned and turned into requests by the code that `apply`
//! uses. Only the engine is acted: it gives each object the id `id_NAME`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::stop::Stop;
use crate::address::{Address, Kind};
use crate::compose;
use crate::desired::{Compiled, Desired, StackSpec};
use crate::manifest::{Manifest, Mode, Stack};
use crate::observed::{Object, Observed, SwarmState};
use crate::pins::Pins;
use crate::plan::{self, Action, Plan, Step};
use crate::report::Exit;
use crate::secrets::{SecretBytes, Unlocked};
use crate::source::Problem;
use crate::swarm::Write;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct TranscriptOrder {
    /// The stack's name.
    pub name: String,
    /// Compose files, merged in this order.
    pub files: Vec<PathBuf>,
    /// Variables of the files.
    pub env: BTreeMap<String, String>,
    /// True for docker's own rules and names.
    pub compat: bool,
}

/// Takes one request at a time, `{"method":…,"path":…,"body":…}` and a line break, in the order of sending. They hold the
/// bytes of secrets that docker would read from files. An exit code ends the transcript.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Exit> + 'a;

/// Looks again at most this often: networks and objects, then services, then what waits for services.
const ROUNDS: usize = 1000;

/// Says what would be sent; returns what was worth a warning. Nothing was said where the files are refused.
///
/// # Errors
/// [`Stop::Problems`] where docker (or, without `compat`, strict mode) refuses the files; [`Stop::Apply`] with what `sink`
/// ended with.
pub fn transcript(order: &TranscriptOrder, sink: &mut Sink<'_>) -> Result<Vec<Problem>, Stop> {
    let mode = if order.compat { Mode::Compat } else { Mode::Strict };
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let compose = order.files.iter().map(absolute).collect();
    let stack = Stack { compose, env: order.env.clone(), mode, ..Stack::default() };
    let (images, names) = Default::default();
    let (secrets, pins) = (&names, &Pins::default());
    let input =
        compose::Input { name: &order.name, stack: &stack, images: &images, secrets, networks: &names, pins };
    let alone = compose::compile_alone(&input, &|path: &Path| fs::read(path)).map_err(Stop::Problems)?;
    let mut unlocked = Unlocked::default();
    unlocked.values =
        alone.values.into_iter().map(|(source, bytes)| (source, SecretBytes::new(bytes))).collect();
    send(&order.name, alone.stack, &unlocked, sink)?;
    Ok(alone.warnings)
}

/// Plans and sends, stage by stage as `apply` does, to an engine that takes everything.
fn send(name: &str, stack: StackSpec, values: &Unlocked, sink: &mut Sink<'_>) -> Result<(), Stop> {
    let bare = json!({ "version": 1, "host": { "name": "transcript" } });
    let manifest: Manifest =
        serde_json::from_value(bare).map_err(|error| Stop::Other(Exit::Internal, error.to_string()))?;
    let mut engine = empty(&stack);
    let compiled = Compiled {
        compiled: Compiled::FORMAT,
        manifest,
        images: BTreeMap::new(),
        generated: Vec::new(),
        stacks: BTreeMap::from([(name.to_owned(), stack)]),
    };
    let desired = Desired::bare(&compiled);
    let whole = Address::new(Kind::Stack, name);
    for _ in 0..ROUNDS {
        let plan = plan::plan(&desired, &engine, None).map_err(Stop::Refused)?;
        let mine = |step: &&Step| whole.covers(&step.address);
        // What the last stage makes is looked at by nobody.
        let is_last = !plan.steps.iter().filter(mine).any(|step| step.stage > 0);
        let sent = stage(&plan, &mine, values, (&mut engine, is_last), sink)?;
        if sent == 0 || is_last {
            break;
        }
    }
    Ok(())
}

/// Sends the first stage of a plan, group by group; returns how many requests that were.
fn stage(
    plan: &Plan,
    mine: &dyn Fn(&&Step) -> bool,
    values: &Unlocked,
    (engine, is_last): (&mut Observed, bool),
    sink: &mut Sink<'_>,
) -> Result<usize, Stop> {
    let mut ready: Vec<&Step> = plan.steps.iter().filter(|step| step.stage == 0).filter(mine).collect();
    ready.sort_by_key(|step| step.group);
    let mut sent = 0;
    for step in ready {
        let Action::Swarm(action) = &step.action else { continue };
        let Some(write) = Write::of(action, values).map_err(Stop::Engine)? else { continue };
        sink(&request_line(&write)).map_err(Stop::Apply)?;
        if !is_last {
            take(engine, &write);
        }
        sent += 1;
    }
    Ok(sent)
}

fn request_line(write: &Write) -> Vec<u8> {
    let head = format!(r#"{{"method":"POST","path":{},"body":"#, Value::from(write.path.as_str()));
    [head.as_bytes(), &write.body, b"}\n"].concat()
}

/// A manager of a swarm that holds what the stack takes as given, and nothing else.
fn empty(stack: &StackSpec) -> Observed {
    let mut engine = Observed { swarm: SwarmState::Manager(Box::default()), ..Observed::default() };
    let object = |name: &String| (name.clone(), object(name, json!({ "Scope": "swarm" })));
    engine.networks = stack.external_networks.iter().map(|network| object(&network.name)).collect();
    for service in stack.services.values() {
        let foreign = |reference: &&crate::desired::ObjectRef| reference.external;
        engine.secrets.extend(service.secrets.iter().filter(foreign).map(|it| object(&it.key)));
        engine.configs.extend(service.configs.iter().filter(foreign).map(|it| object(&it.key)));
    }
    engine
}

fn object(name: &str, raw: Value) -> Object {
    Object { id: format!("id_{name}"), name: name.to_owned(), raw, ..Object::default() }
}

/// Keeps what a request makes, as far as the next look needs it.
fn take(engine: &mut Observed, write: &Write) {
    let Ok(body) = serde_json::from_slice::<Value>(&write.body) else { return };
    let name = body.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (table, raw) = match write.path.as_str() {
        "/networks/create" => (&mut engine.networks, body),
        "/secrets/create" => (&mut engine.secrets, Value::Null),
        "/configs/create" => (&mut engine.configs, json!({ "Spec": body })),
        "/services/create" => (&mut engine.services, json!({ "Spec": body })),
        _ => return,
    };
    let made = object(&name, raw);
    table.insert(name, made);
}
