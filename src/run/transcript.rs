//! The write requests that a stack would become on an empty swarm, without any engine.
//!
//! There is no second conversion here: the stack is compiled, planned and turned into requests by the code that `apply`
//! uses. Only the engine is acted: it gives each object the id `id_NAME`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bounded;
use super::stop::Stop;
use crate::address::Kind;
use crate::compose;
use crate::desired::{Compiled, Desired, ObjectRef, ServiceSpec, StackSpec};
use crate::manifest::{Manifest, Mode, Stack};
use crate::observed::{Object, Observed, SwarmState};
use crate::pins::Pins;
use crate::plan::{self, Action, Step};
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

/// So many services are planned and sent at once, and then forgotten.
const CHUNK: usize = 256;

/// Says what would be sent; returns what was worth a warning. Nothing was said where the files are refused.
///
/// # Errors
/// [`Stop::Problems`] where docker (or, without `compat`, strict mode) refuses the files; [`Stop::Apply`] with what `sink`
/// ended with.
pub fn transcript(order: &TranscriptOrder, sink: &mut Sink<'_>) -> Result<Vec<Problem>, Stop> {
    let mode = if order.compat { Mode::Compat } else { Mode::Strict };
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let compose: Vec<PathBuf> = order.files.iter().map(absolute).collect();
    // What is named by hand may be a pipe.
    let read = |path: &Path| {
        if compose.iter().any(|named| named == path) { bounded::first(path) } else { bounded::read(path) }
    };
    let stack = Stack { compose: compose.clone(), env: order.env.clone(), mode, ..Stack::default() };
    let (images, names) = Default::default();
    let (secrets, pins) = (&names, &Pins::default());
    let input =
        compose::Input { name: &order.name, stack: &stack, images: &images, secrets, networks: &names, pins };
    let alone = compose::compile_alone(&input, &read).map_err(Stop::Problems)?;
    let mut unlocked = Unlocked::default();
    unlocked.values =
        alone.values.into_iter().map(|(source, bytes)| (source, SecretBytes::new(bytes))).collect();
    let mut engine = empty(&alone.stack);
    let mut compiled = compiled(&order.name, alone.stack)?;
    send(&compiled, &[], &mut engine, &unlocked, sink)?;
    // What a service waits for was sent before it, and nobody looks at services again.
    let mut services = alone.services.into_iter();
    loop {
        let chunk = services.by_ref().take(CHUNK).map(|packed| packed.open());
        let chunk: Vec<(String, ServiceSpec)> =
            chunk.collect::<Result<_, _>>().map_err(|error| internal(&error))?;
        let Some(stack) = compiled.stacks.get_mut(&order.name).filter(|_| !chunk.is_empty()) else { break };
        let order: Vec<String> = chunk.iter().map(|(key, _)| key.clone()).collect();
        stack.services = chunk.into_iter().collect();
        for service in stack.services.values_mut() {
            service.depends_on.clear();
            take_as_present(&mut engine, service);
        }
        send(&compiled, &order, &mut engine, &unlocked, sink)?;
    }
    Ok(alone.warnings)
}

fn internal(error: &serde_json::Error) -> Stop {
    Stop::Other(Exit::Internal, error.to_string())
}

fn compiled(name: &str, stack: StackSpec) -> Result<Compiled, Stop> {
    let bare = json!({ "version": 1, "host": { "name": "transcript" } });
    Ok(Compiled {
        compiled: Compiled::FORMAT,
        manifest: serde_json::from_value::<Manifest>(bare).map_err(|error| internal(&error))?,
        images: BTreeMap::new(),
        generated: Vec::new(),
        stacks: BTreeMap::from([(name.to_owned(), stack)]),
    })
}

/// Plans and sends as `apply` does, group by group, to an engine that takes everything; services in their `order`.
fn send(
    compiled: &Compiled,
    order: &[String],
    engine: &mut Observed,
    values: &Unlocked,
    sink: &mut Sink<'_>,
) -> Result<(), Stop> {
    let plan = plan::plan(&Desired::bare(compiled), engine, None).map_err(Stop::Refused)?;
    let mine = |step: &&Step| step.address.outer.kind == Kind::Stack;
    let mut ready: Vec<&Step> = plan.steps.iter().filter(mine).collect();
    let place = |step: &Step| order.iter().position(|key| *key == step.address.leaf().name);
    ready.sort_by_cached_key(|step| (step.group, place(step)));
    for step in ready {
        let Action::Swarm(action) = &step.action else { continue };
        let Some(write) = Write::of(action, values).map_err(Stop::Engine)? else { continue };
        sink(&request_line(&write)).map_err(Stop::Apply)?;
        take(engine, &write);
    }
    Ok(())
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
    engine
}

/// Secrets and configs that a service names and the stack does not make.
fn take_as_present(engine: &mut Observed, service: &ServiceSpec) {
    let object = |reference: &ObjectRef| (reference.key.clone(), object(&reference.key, Value::Null));
    engine.secrets.extend(service.secrets.iter().filter(|it| it.external).map(object));
    engine.configs.extend(service.configs.iter().filter(|it| it.external).map(object));
}

fn object(name: &str, raw: Value) -> Object {
    Object { id: format!("id_{name}"), name: name.to_owned(), raw, ..Object::default() }
}

/// Keeps what a request makes, as far as the next look needs it.
fn take(engine: &mut Observed, write: &Write) {
    if write.path == "/services/create" {
        return;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&write.body) else { return };
    let name = body.get("Name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (table, raw) = match write.path.as_str() {
        "/networks/create" => (&mut engine.networks, body),
        "/secrets/create" => (&mut engine.secrets, Value::Null),
        "/configs/create" => (&mut engine.configs, json!({ "Spec": body })),
        _ => return,
    };
    let made = object(&name, raw);
    table.insert(name, made);
}
