//! Proves: the swarm room against a real engine.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

pub(crate) mod canonical;
mod converge;
mod faults;
mod lifecycle;
mod private;

use std::collections::BTreeMap;

use holdfast::observed::{Observed, SwarmState};
use holdfast::plan::SwarmAction;
use holdfast::secrets::{SecretBytes, Unlocked};
use holdfast::swarm::{Engine, EngineError};
use serde_json::{Value, json};

use crate::support::engine as real;

/// A fresh swarm with [`real::BUSYBOX`], and a client of it.
async fn swarm() -> (real::Engine, Engine) {
    swarm_on(real::Flavour::usual()).await
}

/// The same on an engine of this flavour.
async fn swarm_on(flavour: real::Flavour) -> (real::Engine, Engine) {
    let machine = real::Engine::start_swarm_flavour(flavour);
    machine.load_busybox();
    let engine = Engine::connect(&machine.address()).await.expect("the engine answers");
    (machine, engine)
}

async fn execute(engine: &Engine, action: SwarmAction) -> Result<(), EngineError> {
    engine.execute(&action, &Unlocked::default()).await
}

async fn observe(engine: &Engine) -> Observed {
    engine.observe().await.expect("the engine can be observed")
}

/// A service that runs `command` once, with nothing that needs IPVS.
fn service(name: &str, command: &str) -> Value {
    json!({
        "Name": name,
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": real::BUSYBOX, "Command": ["/bin/sh", "-c", command], "StopGracePeriod": 100_000_000,
            },
            "RestartPolicy": {"Condition": "any", "Delay": 100_000_000},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "UpdateConfig": {"Parallelism": 1, "Monitor": 500_000_000, "FailureAction": "pause"},
        "EndpointSpec": {"Mode": "dnsrr"},
    })
}

/// Sets the value at a JSON pointer, whose parent is there.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    if let Some(there) = body.pointer_mut(pointer) {
        *there = value;
        return body;
    }
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent is an object");
    parent.insert(key.to_owned(), value);
    body
}

fn unlocked(name: &str, bytes: &[u8]) -> Unlocked {
    let values = BTreeMap::from([(name.to_owned(), SecretBytes::new(bytes.to_vec()))]);
    let mut unlocked = Unlocked::default();
    unlocked.values = values;
    unlocked
}

fn manager(observed: &Observed) -> &holdfast::observed::ManagerState {
    match &observed.swarm {
        SwarmState::Manager(manager) => manager,
        other => panic!("this node is no manager: {other:?}"),
    }
}
