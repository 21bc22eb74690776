//! Users, organisations, repositories and access to them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::builder::{Builder, Draft};
use super::super::{Action, Change, Consequence, ForgeAction, Group, Verb, diff};
use super::{access, hooks, removal};
use crate::address::{Address, Kind};
use crate::manifest::{Gitea, GiteaOrganisation, GiteaRepository, GiteaUser};
use crate::observed::GiteaSeen;

/// The steps so far, by what they make.
pub(super) struct Made<'b, 'a> {
    pub(super) builder: &'b mut Builder<'a>,
    /// Ids of steps that make something, by its address.
    ids: BTreeMap<Address, usize>,
    /// Ids of all.
    pub(super) all: Vec<usize>,
}

pub(super) fn plan(builder: &mut Builder<'_>, gitea: &Gitea, seen: &GiteaSeen) {
    let mut made = Made { builder, ids: BTreeMap::new(), all: Vec::new() };
    for (name, user) in &gitea.users {
        plan_user(&mut made, name, user, seen);
    }
    for (name, organisation) in &gitea.organisations {
        plan_organisation(&mut made, name, organisation, seen);
    }
    for (name, repository) in &gitea.repositories {
        plan_repository(&mut made, (name, repository), gitea, seen);
        plan_collaborators(&mut made, name, repository, seen);
    }
    for (name, hook) in &gitea.webhooks {
        hooks::plan(&mut made, name, hook, seen);
    }
    access::plan(&mut made, gitea, seen);
    access::removal(&mut made, gitea, seen);
    removal::plan(&mut made, gitea, seen);
}

/// Test deliveries of the hooks that are attested.
pub(super) fn probe(builder: &mut Builder<'_>, gitea: &Gitea, seen: &GiteaSeen) {
    let mut made = Made { builder, ids: BTreeMap::new(), all: Vec::new() };
    for (name, hook) in &gitea.webhooks {
        hooks::probe(&mut made, name, hook, seen);
    }
}

/// An address inside of the Gitea.
pub(super) fn inside(kind: Kind, name: &str) -> Address {
    Address::in_forge("gitea", kind, name)
}

impl Made<'_, '_> {
    /// Adds a step; what it needs is named by address, and waited for where the plan makes it.
    pub(super) fn add(&mut self, mut draft: Draft, needs: &[Address]) {
        draft.needs.extend(needs.iter().filter_map(|address| self.ids.get(address)));
        let (address, verb) = (draft.address.clone(), draft.verb);
        let id = self.builder.add(draft);
        self.all.push(id);
        if verb == Verb::Create {
            self.ids.insert(address, id);
        }
    }

    /// The keyed digest of a secret; without its value, what needs it is held back.
    pub(super) fn digest(&mut self, address: &Address, secret: &str) -> Option<String> {
        let digest = self.builder.desired.digests.get(secret).cloned();
        if digest.is_none() {
            self.builder.hold(address.clone(), Address::new(Kind::Secret, secret));
        }
        digest
    }

    /// What was last written of a secret, and what is to be; `None` where that is the same.
    pub(super) fn rotation(&self, address: &Address, field: &str, digest: &str) -> Option<Change> {
        let before = self.builder.desired.forge.secrets.get(address);
        let words = |digest: &str| format!("id {digest}");
        (before.map(String::as_str) != Some(digest)).then(|| Change {
            field: field.to_owned(),
            before: before.map(|before| words(before)),
            after: Some(words(digest)),
        })
    }
}

pub(super) fn draft(address: Address, verb: Verb, action: ForgeAction) -> Draft {
    Draft::new(address, verb, Group::Forge, Action::Forge(action))
}

/// The fields of `before` that `wanted` has too.
pub(super) fn same_fields(before: &Value, wanted: &Value) -> Value {
    let fields = wanted.as_object().into_iter().flatten();
    let field = |name: &String| (name.clone(), before.get(name).cloned().unwrap_or_default());
    fields.map(|(name, _)| field(name)).collect()
}

/// The fields of `wanted` that are another in `before`.
pub(super) fn changed(before: &Value, wanted: &Value) -> Value {
    let fields = wanted.as_object().into_iter().flatten();
    let differ = fields.filter(|(name, value)| before.get(*name) != Some(*value));
    differ.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A section as the fields that it declares, without those that are no fields of the forge's.
pub(super) fn declared(section: &impl serde::Serialize, without: &[&str]) -> Value {
    // A section of the manifest always serialises.
    let mut value = serde_json::to_value(section).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !without.contains(&name.as_str()));
    }
    value
}

fn plan_user(made: &mut Made<'_, '_>, name: &str, user: &GiteaUser, seen: &GiteaSeen) {
    let address = inside(Kind::User, name);
    let wanted = declared(user, &["password"]);
    let mut rotation = None;
    if let Some(password) = &user.password {
        let Some(digest) = made.digest(&address, &password.secret) else { return };
        rotation = made.rotation(&address, "password", &digest);
    }
    let secret = user.password.as_ref().map(|password| password.secret.clone());
    let name = name.to_owned();
    let Some(before) = seen.users.get(&name) else {
        let action = ForgeAction::CreateUser { name, fields: wanted, password: secret };
        made.add(draft(address, Verb::Create, action), &[]);
        return;
    };
    let mut changes = diff(&same_fields(before, &wanted), &wanted);
    let password = secret.filter(|_| rotation.is_some());
    changes.extend(rotation);
    if !changes.is_empty() {
        let action = ForgeAction::EditUser { name, fields: changed(before, &wanted), password };
        made.add(draft(address, Verb::Update, action).changing(changes, Consequence::None), &[]);
    }
}

fn plan_organisation(made: &mut Made<'_, '_>, name: &str, wanted: &GiteaOrganisation, seen: &GiteaSeen) {
    let address = inside(Kind::Organisation, name);
    let wanted = declared(wanted, &[]);
    let Some(before) = seen.organisations.get(name) else {
        let mut body = wanted.as_object().cloned().unwrap_or_default();
        body.insert("username".to_owned(), name.into());
        made.add(draft(address, Verb::Create, ForgeAction::CreateOrganisation(body.into())), &[]);
        return;
    };
    let changes = diff(&same_fields(before, &wanted), &wanted);
    if !changes.is_empty() {
        // What is not said again is emptied by older versions.
        let mut body = before.as_object().cloned().unwrap_or_default();
        body.extend(wanted.as_object().cloned().unwrap_or_default());
        let action = ForgeAction::EditOrganisation { name: name.to_owned(), body: body.into() };
        made.add(draft(address, Verb::Update, action).changing(changes, Consequence::None), &[]);
    }
}

fn plan_repository(
    made: &mut Made<'_, '_>,
    (full, repository): (&str, &GiteaRepository),
    gitea: &Gitea,
    seen: &GiteaSeen,
) {
    let address = inside(Kind::Repository, full);
    let wanted = declared(repository, &["auto_init", "collaborators"]);
    if let Some(before) = seen.repositories.get(full) {
        let changes = diff(&same_fields(&before.settings, &wanted), &wanted);
        if !changes.is_empty() {
            let body = changed(&before.settings, &wanted);
            let action = ForgeAction::EditRepository { repository: full.to_owned(), body };
            made.add(draft(address, Verb::Update, action).changing(changes, Consequence::None), &[]);
        }
        return;
    }
    let (owner, name) = full.split_once('/').unwrap_or_default();
    let in_organisation = gitea.organisations.contains_key(owner) || seen.organisations.contains_key(owner);
    let mut body = Map::from_iter([("private".to_owned(), true.into())]);
    body.extend(wanted.as_object().cloned().unwrap_or_default());
    body.insert("name".to_owned(), name.into());
    body.insert("auto_init".to_owned(), repository.auto_init.into());
    let action =
        ForgeAction::CreateRepository { owner: owner.to_owned(), in_organisation, body: body.into() };
    let needs = [inside(Kind::Organisation, owner), inside(Kind::User, owner)];
    made.add(draft(address, Verb::Create, action), &needs);
}

fn plan_collaborators(made: &mut Made<'_, '_>, full: &str, repository: &GiteaRepository, seen: &GiteaSeen) {
    for (user, permission) in &repository.collaborators {
        let address = inside(Kind::Collaborator, &format!("{full}/{user}"));
        let there = seen.repositories.get(full).and_then(|seen| seen.collaborators.get(user));
        let wanted = permission.word();
        // Whoever administers the whole site is told as an owner, whatever they were given.
        if there.is_some_and(|there| there == wanted || there == "owner") {
            continue;
        }
        let changes = diff(
            &there.map_or(Value::Null, |there| serde_json::json!({ "permission": there })),
            &serde_json::json!({ "permission": wanted }),
        );
        let verb = if there.is_some() { Verb::Update } else { Verb::Create };
        let (repository, user) = (full.to_owned(), user.clone());
        let needs = [inside(Kind::Repository, full), inside(Kind::User, &user)];
        let action = ForgeAction::PutCollaborator { repository, user, permission: wanted };
        made.add(draft(address, verb, action).changing(changes, Consequence::None), &needs);
    }
}
