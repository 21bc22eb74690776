//! The plan and its steps.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Action, Effect, Left, registry, select};
use crate::address::{Address, Kind};
use crate::observed::Ownership;

/// Everything a run will do, decided before the first write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Plan {
    /// Steps, in the order in which they are printed.
    pub steps: Vec<Step>,
    /// What is held back, and because of what.
    pub held: Vec<Held>,
    /// What differs and is left to others.
    pub left: Vec<Left>,
    /// What stays under a name that docker gave it, because it is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// What `collect` leaves although no generation needs it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Stays>,
    /// Things worth saying that change nothing.
    pub warnings: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Step {
    /// Its place in the plan, from 0.
    pub id: usize,
    /// What it changes.
    pub address: Address,
    /// What is done, in one word.
    pub verb: Verb,
    /// How it is done. Serialised without content: bodies may be large, and no secret is ever in here.
    #[serde(skip)]
    pub action: Action,
    /// What differs, field by field; empty for a creation whose name says all.
    pub diff: Vec<Change>,
    /// What it means for what runs.
    pub consequence: Consequence,
    /// What it does to the tasks of a service that is there; `None` for anything else.
    pub effect: Option<Effect>,
    /// Why, in words, where the diff does not say it.
    pub reason: String,
    /// Ids of the steps that must have succeeded before.
    pub needs: Vec<usize>,
    /// Steps of one stage run group by group; those of one group may run at once.
    pub group: Group,
    /// The stage that it runs in, from 0: before each stage the engine is observed and the plan made again.
    pub stage: usize,
    /// Which wave of services it belongs to, from 0: a wave begins when what it depends on has converged.
    pub wave: usize,
    /// Values that only another step can produce: field → address of what produces it. A step runs only once
    /// nothing is left in here.
    pub after: BTreeMap<String, Address>,
}

impl Step {
    /// True when it makes this thing; a forge that is waited for makes what is inside of it.
    pub(super) fn makes(&self, address: &Address) -> bool {
        let is_forge = self.address.outer.kind == Kind::Forge && self.address.inner.is_none();
        if self.verb == Verb::Await {
            is_forge && self.address.covers(address)
        } else {
            self.address == *address
        }
    }
}

/// The groups of a stage, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The swarm itself, the node, files, images: nothing of it needs another.
    Ground,
    /// Services that are made anew, or use something that is.
    Teardown,
    /// Networks and configs that are made anew.
    Clearing,
    /// Networks.
    Networks,
    /// Configs and secrets.
    Objects,
    /// Services, made and changed.
    Services,
    /// Waiting for them; side by side with the services of later waves, as each one's needs say.
    Convergence,
    /// What forges hold, once what runs them has converged.
    Forge,
    /// Services that left, and what left forges.
    Removal,
    /// What they used.
    Collection,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Makes it.
    Create,
    /// Changes it in place.
    Update,
    /// Deletes it, so that a later step can make it anew.
    Replace,
    /// Deletes it.
    Delete,
    /// Waits for it.
    Await,
    /// Asks it to restart.
    Restart,
    /// Asks it to read its files again.
    Reload,
}

/// What a step means for what runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Nothing restarts.
    #[default]
    None,
    /// Something reads its files again.
    Reload,
    /// A unit of systemd restarts.
    Restart,
    /// Tasks are replaced as the update policy says; a job runs again.
    RollingRestart,
    /// It goes away and comes back.
    Recreate,
    /// It goes away for good; nothing that it kept in volumes is lost.
    Removed,
    /// Something is lost for good.
    DataAtRisk,
}

/// One field that differs. A secret shows as its object's name, never as its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Path of the field, `TaskTemplate.ContainerSpec.Env[2]`.
    pub field: String,
    /// What it is; `None` when it is not there.
    pub before: Option<String>,
    /// What it shall be; `None` when it goes away; "known after apply" where only another step can tell.
    pub after: Option<String>,
}

/// Something that is not done although it is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    /// What is held back.
    pub address: Address,
    /// What holds it back.
    pub because: Address,
}

/// A config, secret or image that a service keeps under the name that docker gave it, because it is the same as what
/// the manifest says. It gets a name of ours with the next change that restarts the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// What it is; for an image the service that runs it.
    pub address: Address,
    /// The name that it has.
    pub name: String,
    /// The name that it would have.
    pub wanted: String,
    /// True when it belongs to the stack, and so goes when nothing refers to it any more.
    pub ours: bool,
}

/// Something that was brought by an earlier run, that no generation needs, and that stays all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stays {
    /// The image, as the engine lists it.
    pub name: String,
    /// What needs it: "the container `web_app.1.x` uses it".
    pub because: String,
}

impl Plan {
    /// Adds what is kept to a record: what belongs to a stack is ours from now on, and a secret is trusted for the
    /// value that it was kept for, and for no later one.
    pub fn take_over(&self, own: &mut Ownership) {
        for kept in &self.kept {
            let names = match kept.address.leaf().kind {
                Kind::Config => &mut own.configs,
                Kind::Secret => {
                    own.trusted.insert(kept.name.clone(), kept.wanted.clone());
                    &mut own.secrets
                }
                _ => continue,
            };
            if kept.ours {
                names.insert(kept.name.clone());
            }
        }
    }

    /// True when nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// True when it changes nothing and only waits for what is under way.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        !self.is_empty()
            && self
                .steps
                .iter()
                .all(|step| step.verb == Verb::Await && step.address.outer.kind != Kind::Forge)
    }

    /// Services that it makes or changes, and that therefore have to converge.
    #[must_use]
    pub fn moved(&self) -> BTreeSet<Address> {
        let moves = |step: &&Step| {
            let is_service = step.address.leaf().kind == Kind::Service;
            is_service && matches!(step.verb, Verb::Create | Verb::Update) && !registry::is_refresh(step)
        };
        self.steps.iter().filter(moves).map(|step| step.address.clone()).collect()
    }

    /// The part of it that `only` covers, and what that needs.
    #[must_use]
    pub fn only(self, only: &Address) -> Self {
        select::only(self, only)
    }
}
