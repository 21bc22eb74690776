//! Drone: the sign-in, users, repositories with their secrets and clocks.

use serde_json::{Value, json};

use super::super::builder::{Builder, Draft};
use super::super::{Action, Change, Consequence, DroneAction, Group, Verb, diff};
use super::gitea::{changed, declared, same_fields};
use crate::address::{Address, Kind};
use crate::manifest::{Drone, DroneRepository, DroneUser};
use crate::observed::{DroneRepositorySeen, DroneSeen};

const REASON: &str = "no longer declared";

/// The steps so far.
struct Making<'b, 'a> {
    builder: &'b mut Builder<'a>,
    drone: &'b Drone,
    seen: &'b DroneSeen,
    /// The step after which Drone may ask Gitea, and knows its repositories.
    entered: Option<usize>,
    all: Vec<usize>,
}

pub(super) fn plan(builder: &mut Builder<'_>, drone: &Drone) {
    let Some(seen) = reached(builder, drone) else { return };
    let mut making = Making { builder, drone, seen, entered: None, all: Vec::new() };
    making.enter();
    for (name, user) in &drone.users {
        making.user(name, user);
    }
    for (name, repository) in &drone.repositories {
        making.repository(name, repository);
        making.secrets(name, repository);
        making.crons(name, repository);
    }
    making.remove();
}

/// The sign-in, where it does not hold or is due.
pub(super) fn probe(builder: &mut Builder<'_>, drone: &Drone) {
    let Some(seen) = reached(builder, drone) else { return };
    let mut making = Making { builder, drone, seen, entered: None, all: Vec::new() };
    making.sign_in(Vec::new());
}

/// What was seen of it. One that does not answer is waited for; without its secrets everything is held back.
fn reached<'a>(builder: &mut Builder<'a>, drone: &Drone) -> Option<&'a DroneSeen> {
    let address = Address::new(Kind::Forge, "drone");
    for secret in [&drone.admin.token.secret, &drone.admin.password.secret] {
        if !builder.desired.digests.contains_key(secret) {
            builder.hold(address, Address::new(Kind::Secret, secret));
            return None;
        }
    }
    let seen = builder.observed.forge.drone.as_deref()?;
    if !seen.away.is_empty() {
        // What a later stage starts is not waited for in this one.
        let needs = builder.steps().iter().filter(|step| step.stage > 0).map(|step| step.id).collect();
        let action = Action::Drone(DroneAction::Await { patience: super::PATIENCE });
        let reason = format!("what it holds is known after apply: {}", seen.away);
        builder
            .add(Draft { needs, ..Draft::new(address, Verb::Await, Group::Forge, action).because(reason) });
        return None;
    }
    Some(seen)
}

/// An address inside of the Drone.
fn inside(kind: Kind, name: &str) -> Address {
    Address::in_forge("drone", kind, name)
}

/// `forge.drone/secret."OWNER/NAME/SECRET"`.
fn of_repository(kind: Kind, repository: &str, name: &str) -> Address {
    inside(kind, &format!("{repository}/{name}"))
}

/// The fields of a repository that Drone is told, in its own words.
fn settings(repository: &DroneRepository) -> Value {
    let mut wanted = declared(repository, &["timeout", "secrets", "cron"]);
    if let (Some(timeout), Some(fields)) = (repository.timeout, wanted.as_object_mut()) {
        fields.insert("timeout".to_owned(), (timeout.0.as_secs() / 60).into());
    }
    wanted
}

impl Making<'_, '_> {
    fn add(
        &mut self,
        address: Address,
        verb: Verb,
        action: DroneAction,
        more: impl FnOnce(&mut Draft),
    ) -> usize {
        let mut draft = Draft::new(address, verb, Group::Forge, Action::Drone(action));
        more(&mut draft);
        let id = self.builder.add(draft);
        self.all.push(id);
        id
    }

    /// The steps of this plan that make something in Gitea which Drone is to see.
    fn in_gitea(&self) -> Vec<usize> {
        let user = (Kind::User, self.drone.admin.username.as_str());
        let repositories = self.drone.repositories.keys().map(|name| (Kind::Repository, name.as_str()));
        let wanted: Vec<(Kind, &str)> = repositories.chain([user]).collect();
        let concerns = |address: &Address| {
            let leaf = address.leaf();
            let access = leaf.kind == Kind::Collaborator && leaf.name.ends_with(&format!("/{}", user.1));
            access || wanted.iter().any(|(kind, name)| leaf.kind == *kind && leaf.name == *name)
        };
        let steps = self.builder.steps().iter();
        let steps = steps.filter(|step| step.address.outer.name == "gitea" && concerns(&step.address));
        steps.filter(|step| step.address.outer.kind == Kind::Forge).map(|step| step.id).collect()
    }

    /// What is started again with values that this plan makes in Gitea: Drone may be, and shows Gitea what it was started with.
    fn told_anew(&self) -> Vec<usize> {
        let steps = self.builder.steps().iter().filter(|step| step.stage > 0);
        if self.builder.later.is_empty() { Vec::new() } else { steps.map(|step| step.id).collect() }
    }

    /// Signs in after these steps, where Drone is not let in, and where the last time is long ago.
    fn sign_in(&mut self, needs: Vec<usize>) -> Option<usize> {
        let why = match (self.seen.refused.as_str(), self.seen.due.as_str()) {
            ("", "") => return None,
            ("", due) => due.to_owned(),
            (refused, _) => format!("Gitea does not let Drone in ({refused})"),
        };
        let address = Address::in_forge("drone", Kind::SignIn, "");
        let id = self.add(address, Verb::Update, DroneAction::SignIn, |draft| {
            draft.reason = why;
            draft.needs = needs;
        });
        Some(id)
    }

    fn enter(&mut self) {
        let seen = self.seen;
        let unknown = self.drone.repositories.keys().find(|name| !seen.repositories.contains_key(*name));
        let needs = self.in_gitea();
        self.entered = self.sign_in([needs.clone(), self.told_anew()].concat());
        if self.entered.is_none()
            && let Some(name) = unknown
        {
            let reason = format!("it reads the repositories from Gitea anew: `{name}` is not known to it");
            let id = self.add(Address::new(Kind::Forge, "drone"), Verb::Update, DroneAction::Sync, |draft| {
                draft.reason = reason;
                draft.needs = needs;
            });
            self.entered = Some(id);
        }
    }

    /// The keyed digest of a secret; without its value, what needs it is held back.
    fn digest(&mut self, address: &Address, secret: &str) -> Option<String> {
        let digest = self.builder.desired.digests.get(secret).cloned();
        if digest.is_none() {
            self.builder.hold(address.clone(), Address::new(Kind::Secret, secret));
        }
        digest
    }

    /// What was last written of a secret, and what is to be; `None` where that is the same.
    fn rotation(&self, address: &Address, field: &str, digest: &str) -> Option<Change> {
        let before = self.builder.desired.forge.secrets.get(address);
        (before.map(String::as_str) != Some(digest)).then(|| Change {
            field: field.to_owned(),
            before: before.map(|before| format!("id {before}")),
            after: Some(format!("id {digest}")),
        })
    }

    fn user(&mut self, name: &str, user: &DroneUser) {
        let address = inside(Kind::User, name);
        let mut rotation = None;
        if let Some(token) = &user.token {
            let Some(digest) = self.digest(&address, &token.secret) else { return };
            rotation = self.rotation(&address, "token", &digest);
        }
        let token = user.token.as_ref().map(|token| token.secret.clone());
        let wanted = json!({ "admin": user.admin, "machine": user.machine, "active": true });
        let (name, needs) = (name.to_owned(), Vec::from_iter(self.entered));
        let Some(before) = self.seen.users.get(&name) else {
            let action = DroneAction::CreateUser { name, fields: wanted, token, instead: false };
            self.add(address, Verb::Create, action, |draft| draft.needs = needs);
            return;
        };
        let mut changes = diff(&same_fields(before, &wanted), &wanted);
        let instead = rotation.is_some() || before.get("machine") != wanted.get("machine");
        changes.extend(rotation);
        if changes.is_empty() {
            return;
        }
        let (action, reason) = if instead {
            let reason = "Drone changes neither the token nor the kind of a user: the old one goes first";
            (DroneAction::CreateUser { name, fields: wanted, token, instead }, reason)
        } else {
            (DroneAction::EditUser { name, fields: changed(before, &wanted) }, "")
        };
        self.add(address, Verb::Update, action, |draft| {
            draft.diff = changes;
            draft.needs = needs;
            reason.clone_into(&mut draft.reason);
        });
    }

    fn repository(&mut self, name: &str, repository: &DroneRepository) {
        let address = inside(Kind::Repository, name);
        let wanted = settings(repository);
        let none = DroneRepositorySeen::default();
        let before = self.seen.repositories.get(name).unwrap_or(&none);
        let (repository, hooks, needs) =
            (name.to_owned(), before.hooks.clone(), Vec::from_iter(self.entered));
        if !before.active {
            let action = DroneAction::Activate { repository, body: wanted, hooks };
            self.add(address, Verb::Create, action, |draft| draft.needs = needs);
            return;
        }
        let changes = diff(&same_fields(&before.settings, &wanted), &wanted);
        if !changes.is_empty() {
            let body = changed(&before.settings, &wanted);
            let action = DroneAction::EditRepository { repository: repository.clone(), body };
            self.add(address.clone(), Verb::Update, action, |draft| draft.diff = changes);
        }
        if !before.is_called {
            let reason = match hooks.len() {
                0 => "no hook in Gitea calls Drone",
                1 => "the hook in Gitea that calls Drone is turned off",
                _ => "more than one hook in Gitea calls Drone: each event would be built more than once",
            };
            let action = DroneAction::Repair { repository, hooks };
            self.add(address, Verb::Update, action, |draft| {
                reason.clone_into(&mut draft.reason);
                draft.needs = needs;
            });
        }
    }

    /// The step that makes Drone build the repository, if the plan has one.
    fn activated(&self, repository: &str) -> Vec<usize> {
        let step = self.builder.change(&inside(Kind::Repository, repository));
        step.filter(|step| step.verb == Verb::Create).map(|step| step.id).into_iter().collect()
    }

    fn secrets(&mut self, full: &str, repository: &DroneRepository) {
        for (name, secret) in &repository.secrets {
            let address = of_repository(Kind::Secret, full, name);
            let Some(digest) = self.digest(&address, &secret.value.secret) else { continue };
            let there = self.seen.repositories.get(full).and_then(|seen| seen.secrets.get(name));
            let flag = |pull_request: bool| json!({ "pull_request": pull_request });
            let mut changes = match there {
                Some(there) => diff(&flag(*there), &flag(secret.pull_request)),
                None => Vec::new(),
            };
            changes.extend(self.rotation(&address, "value", &digest).filter(|_| there.is_some()));
            if there.is_some() && changes.is_empty() {
                continue;
            }
            let action = DroneAction::PutSecret {
                repository: full.to_owned(),
                name: name.clone(),
                value: secret.value.secret.clone(),
                pull_request: secret.pull_request,
                is_new: there.is_none(),
            };
            let verb = if there.is_some() { Verb::Update } else { Verb::Create };
            let needs = self.activated(full);
            self.add(address, verb, action, |draft| {
                draft.diff = changes;
                draft.needs = needs;
            });
        }
    }

    fn crons(&mut self, full: &str, repository: &DroneRepository) {
        for (name, cron) in &repository.cron {
            let there = self.seen.repositories.get(full).and_then(|seen| seen.crons.get(name));
            let wanted = json!({ "expr": cron.expr, "branch": cron.branch, "disabled": false });
            let changes = there.map(|there| diff(there, &wanted)).unwrap_or_default();
            if there.is_some() && changes.is_empty() {
                continue;
            }
            let (repository, instead) = (full.to_owned(), there.is_some());
            let action = DroneAction::PutCron { repository, name: name.clone(), cron: cron.clone(), instead };
            let verb = if instead { Verb::Update } else { Verb::Create };
            let needs = self.activated(full);
            self.add(of_repository(Kind::Cron, full, name), verb, action, |draft| {
                draft.diff = changes;
                draft.needs = needs;
            });
        }
    }

    /// What left the manifest and was made from here.
    fn remove(&mut self) {
        let ours = self.builder.desired.forge.made.iter();
        let ours: Vec<Address> = ours.filter(|address| address.outer.name == "drone").cloned().collect();
        let before = self.all.clone();
        for address in ours {
            let Some(action) = self.leaving(&address) else { continue };
            self.add(address, Verb::Delete, action, |draft| {
                draft.group = Group::Removal;
                draft.consequence = Consequence::Removed;
                REASON.clone_into(&mut draft.reason);
                draft.needs.clone_from(&before);
            });
        }
    }

    fn leaving(&self, address: &Address) -> Option<DroneAction> {
        let name = &address.leaf().name;
        let (drone, seen) = (self.drone, self.seen);
        match address.leaf().kind {
            Kind::User => {
                let left = !drone.users.contains_key(name) && seen.users.contains_key(name);
                left.then(|| DroneAction::DeleteUser(name.clone()))
            }
            Kind::Repository => {
                let there = seen.repositories.get(name).filter(|there| there.active)?;
                let (repository, hooks) = (name.clone(), there.hooks.clone());
                let left = !drone.repositories.contains_key(name);
                left.then_some(DroneAction::Deactivate { repository, hooks })
            }
            kind @ (Kind::Secret | Kind::Cron) => {
                let (full, name) = name.rsplit_once('/')?;
                let (wanted, there) = (drone.repositories.get(full), seen.repositories.get(full)?);
                let (repository, owned) = (full.to_owned(), name.to_owned());
                if kind == Kind::Secret {
                    let left = there.secrets.contains_key(name)
                        && !wanted.is_some_and(|wanted| wanted.secrets.contains_key(name));
                    return left.then_some(DroneAction::DeleteSecret { repository, name: owned });
                }
                let left = there.crons.contains_key(name)
                    && !wanted.is_some_and(|wanted| wanted.cron.contains_key(name));
                left.then_some(DroneAction::DeleteCron { repository, name: owned })
            }
            _ => None,
        }
    }
}
