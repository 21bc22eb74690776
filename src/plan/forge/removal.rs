//! What left the manifest and was made from here: it goes after everything else.

use super::super::builder::Draft;
use super::super::{Action, Consequence, ForgeAction, Group, Verb};
use super::gitea::{Made, inside};
use crate::address::{Address, Kind};
use crate::manifest::Gitea;
use crate::observed::GiteaSeen;

const REASON: &str = "no longer declared";

pub(super) fn plan(made: &mut Made<'_, '_>, gitea: &Gitea, seen: &GiteaSeen) {
    let record = &made.builder.desired.forge;
    for place in &record.hooks {
        let is_there = |hook: &&crate::manifest::GiteaWebhook| {
            hook.repository == place.repository && hook.url == place.url
        };
        if gitea.webhooks.values().any(|hook| is_there(&hook)) {
            continue;
        }
        let hooks = seen.repositories.get(&place.repository).map(|seen| seen.hooks.as_slice());
        for hook in hooks.unwrap_or_default().iter().filter(|hook| hook.url == place.url) {
            let action = ForgeAction::DeleteHook { repository: place.repository.clone(), id: hook.id };
            remove(made, inside(Kind::Hook, &place.name), action);
        }
    }
    // Access before users, users and organisations before what they own, which stays.
    for kind in [Kind::Collaborator, Kind::User, Kind::Organisation, Kind::Repository] {
        for address in
            record.made.iter().filter(|address| address.outer.name == "gitea" && address.leaf().kind == kind)
        {
            leave(made, address, gitea, seen);
        }
    }
}

fn leave(made: &mut Made<'_, '_>, address: &Address, gitea: &Gitea, seen: &GiteaSeen) {
    let name = address.leaf().name.as_str();
    let stays = |made: &mut Made<'_, '_>, why: &str| {
        made.builder.warn(format!("{address} is no longer declared and stays: {why}"));
    };
    match address.leaf().kind {
        Kind::Collaborator => {
            let Some((repository, user)) = name.rsplit_once('/') else { return };
            let wanted = gitea.repositories.get(repository);
            let there = seen.repositories.get(repository);
            if !wanted.is_some_and(|wanted| wanted.collaborators.contains_key(user))
                && there.is_some_and(|there| there.collaborators.contains_key(user))
            {
                let (repository, user) = (repository.to_owned(), user.to_owned());
                remove(made, address.clone(), ForgeAction::DeleteCollaborator { repository, user });
            }
        }
        Kind::User if !gitea.users.contains_key(name) && seen.users.contains_key(name) => {
            if seen.owners.contains(name) {
                stays(made, "it owns repositories");
            } else {
                remove(made, address.clone(), ForgeAction::DeleteUser(name.to_owned()));
            }
        }
        Kind::Organisation
            if !gitea.organisations.contains_key(name) && seen.organisations.contains_key(name) =>
        {
            if seen.owners.contains(name) {
                stays(made, "it owns repositories");
            } else {
                remove(made, address.clone(), ForgeAction::DeleteOrganisation(name.to_owned()));
            }
        }
        Kind::Repository
            if !gitea.repositories.contains_key(name) && seen.repositories.contains_key(name) =>
        {
            stays(made, "nothing that was pushed is ever deleted from here");
        }
        _ => {}
    }
}

fn remove(made: &mut Made<'_, '_>, address: Address, action: ForgeAction) {
    let mut draft = Draft::new(address, Verb::Delete, Group::Removal, Action::Forge(action)).because(REASON);
    draft.consequence = Consequence::Removed;
    draft.needs.clone_from(&made.all);
    let is_access = draft.address.leaf().kind == Kind::Collaborator;
    let id = made.builder.add(draft);
    if is_access {
        // Whoever is gone has no access that could be taken away: users go after it.
        made.all.push(id);
    }
}
