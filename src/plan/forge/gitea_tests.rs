//! Proves what is planned for a Gitea, from what is declared, seen and recorded.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Plan, Verb, plan, probes};
use crate::desired::{Compiled, Desired};
use crate::manifest;
use crate::observed::{
    ForgeRecord, GiteaHookSeen, GiteaRepositorySeen, GiteaSeen, HookPlace, ManagerState, Observed, SwarmState,
};

fn manifest(forge: &Value) -> manifest::Manifest {
    serde_json::from_value(json!({ "version": 1, "host": { "name": "test" }, "forge": forge })).unwrap()
}

fn declared() -> Value {
    json!({ "gitea": {
        "url": "http://git.example.org",
        "admin": { "username": "root", "password": { "secret": "admin" } },
        "users": { "bot": { "email": "bot@example.org", "password": { "secret": "bot" } } },
        "organisations": { "team": { "description": "d" } },
        "repositories": { "team/app": { "private": true, "collaborators": { "bot": "write" } } },
        "webhooks": { "bridge": {
            "repository": "team/app", "url": "http://127.0.0.1:1/hook",
            "events": ["push", "pull_request_comment"], "secret": { "secret": "hook" }
        } }
    } })
}

fn hook(id: i64, events: &[&str]) -> GiteaHookSeen {
    let settings = json!({
        "type": "gitea", "content_type": "json", "active": true, "branch_filter": "",
        "events": crate::observed::events(events.iter().copied(), false),
    });
    GiteaHookSeen { id, url: "http://127.0.0.1:1/hook".into(), settings }
}

/// A Gitea that is as it is declared.
fn seen() -> GiteaSeen {
    let mut seen = GiteaSeen { version: "1".into(), ..GiteaSeen::default() };
    let bot = json!({ "email": "bot@example.org", "full_name": "", "admin": false, "restricted": false });
    seen.users.insert("bot".into(), bot);
    seen.organisations
        .insert("team".into(), json!({ "description": "d", "website": "w", "visibility": "public" }));
    let repository = GiteaRepositorySeen {
        settings: json!({ "private": true, "description": "", "default_branch": "main" }),
        collaborators: [("bot".to_owned(), "write".to_owned())].into(),
        hooks: vec![hook(7, &["pull_request_comment", "push"])],
    };
    seen.repositories.insert("team/app".into(), repository);
    seen
}

fn planned(declared: &Value, seen: GiteaSeen, change: impl FnOnce(&mut Desired<'_>)) -> Plan {
    planned_by(declared, seen, change, |desired, observed| plan(desired, observed, None).unwrap())
}

fn planned_by(
    declared: &Value,
    seen: GiteaSeen,
    change: impl FnOnce(&mut Desired<'_>),
    plan: impl FnOnce(&Desired<'_>, &Observed) -> Plan,
) -> Plan {
    let manifest = manifest(declared);
    let compiled = Compiled {
        compiled: 1,
        manifest,
        images: BTreeMap::default(),
        generated: Vec::new(),
        stacks: BTreeMap::default(),
    };
    let mut desired = Desired::bare(&compiled);
    for name in ["admin", "bot", "hook"] {
        desired.digests.insert(name.into(), format!("{name}-1"));
    }
    let of = |address: &str| address.parse().unwrap();
    desired.forge.secrets.insert(of("forge.gitea/user.bot"), "bot-1".into());
    desired.forge.secrets.insert(of("forge.gitea/hook.bridge"), "hook-1".into());
    change(&mut desired);
    let mut observed =
        Observed { swarm: SwarmState::Manager(Box::<ManagerState>::default()), ..Observed::default() };
    observed.forge.gitea = Some(Box::new(seen));
    let mut plan = plan(&desired, &observed);
    plan.steps.retain(|step| step.address.outer.kind == crate::address::Kind::Forge);
    plan
}

fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {}", step.verb, step.address)).collect()
}

#[test]
fn what_is_as_declared_is_left_alone() {
    assert_eq!(words(&planned(&declared(), seen(), |_| {})), [""; 0]);
}

#[test]
fn an_empty_gitea_gets_everything_in_the_order_that_it_needs() {
    let plan = planned(&declared(), GiteaSeen::default(), |desired| desired.forge = ForgeRecord::default());
    let wanted = [
        "Create forge.gitea/user.bot",
        "Create forge.gitea/organisation.team",
        r#"Create forge.gitea/repository."team/app""#,
        r#"Create forge.gitea/collaborator."team/app/bot""#,
        "Create forge.gitea/hook.bridge",
    ];
    assert_eq!(words(&plan), wanted);
    let needs: Vec<Vec<usize>> = plan.steps.iter().map(|step| step.needs.clone()).collect();
    let first = plan.steps[0].id;
    let at = |ids: &[usize]| ids.iter().map(|id| id + first).collect::<Vec<_>>();
    assert_eq!(needs, [at(&[]), at(&[]), at(&[1]), at(&[2, 0]), at(&[2])]);
}

#[test]
fn each_field_that_differs_is_one_change_of_its_own() {
    type Case = (&'static str, fn(&mut GiteaSeen));
    let cases: [Case; 5] = [
        ("Update forge.gitea/user.bot", |seen| {
            seen.users.get_mut("bot").unwrap()["email"] = "x@example.org".into();
        }),
        ("Update forge.gitea/organisation.team", |seen| {
            seen.organisations.get_mut("team").unwrap()["description"] = "other".into();
        }),
        (r#"Update forge.gitea/repository."team/app""#, |seen| {
            seen.repositories.get_mut("team/app").unwrap().settings["private"] = false.into();
        }),
        (r#"Update forge.gitea/collaborator."team/app/bot""#, |seen| {
            seen.repositories.get_mut("team/app").unwrap().collaborators.insert("bot".into(), "admin".into());
        }),
        ("Update forge.gitea/hook.bridge", |seen| {
            seen.repositories.get_mut("team/app").unwrap().hooks = vec![hook(7, &["push"])];
        }),
    ];
    for (wanted, change) in cases {
        let mut seen = seen();
        change(&mut seen);
        let plan = planned(&declared(), seen, |_| {});
        assert_eq!(words(&plan), [wanted]);
        assert_eq!(plan.steps[0].diff.len(), 1, "{:?}", plan.steps[0].diff);
    }
}

#[test]
fn a_change_of_an_organisation_says_what_is_not_declared_again() {
    let mut seen = seen();
    seen.organisations.get_mut("team").unwrap()["description"] = "other".into();
    let plan = planned(&declared(), seen, |_| {});
    let body = format!("{:?}", plan.steps[0].action);
    assert!(body.contains(r#""website": String("w")"#), "{body}");
}

#[test]
fn a_hook_whose_secret_is_another_or_unknown_is_made_anew_and_the_old_ones_go() {
    for digest in [Some("hook-0"), None] {
        let mut seen = seen();
        seen.repositories.get_mut("team/app").unwrap().hooks.push(hook(9, &["push"]));
        let plan = planned(&declared(), seen, |desired| {
            let address = "forge.gitea/hook.bridge".parse().unwrap();
            match digest {
                Some(digest) => drop(desired.forge.secrets.insert(address, digest.into())),
                None => drop(desired.forge.secrets.remove(&address)),
            }
        });
        assert_eq!(words(&plan), ["Update forge.gitea/hook.bridge"]);
        let body = format!("{:?}", plan.steps[0].action);
        assert!(body.contains("instead_of: [7, 9]"), "{body}");
    }
}

#[test]
fn a_hook_is_attested_where_its_receiver_has_not_heard_of_this_secret_yet() {
    let mut declared = declared();
    declared["gitea"]["webhooks"]["bridge"]["attest"] = json!({ "status": "http://127.0.0.1:2" });
    let address = || "forge.gitea/hook.bridge".parse().unwrap();
    let right = "hook-1 http://127.0.0.1:1/hook http://127.0.0.1:2";
    for (heard, steps) in
        [(None, 1), (Some("hook-0 http://127.0.0.1:1/hook http://127.0.0.1:2"), 1), (Some(right), 0)]
    {
        let plan = planned(&declared, seen(), |desired| {
            desired.forge.attested.extend(heard.map(|heard| (address(), heard.to_owned())));
        });
        assert_eq!(plan.steps.len(), steps, "{heard:?}: {:?}", words(&plan));
    }
    // One that is made anew, for whatever reason, is attested anew, and after that.
    let plan = planned(&declared, GiteaSeen::default(), |desired| {
        desired.forge.attested.insert(address(), right.to_owned());
    });
    let [.., made, attested] = plan.steps.as_slice() else { panic!("{:?}", words(&plan)) };
    assert_eq!((made.verb, attested.verb), (Verb::Create, Verb::Update));
    assert_eq!(attested.needs, [made.id]);
}

#[test]
fn a_probe_attests_what_is_proven_already_and_leaves_to_apply_what_is_not_equal() {
    let mut declared = declared();
    let probed = |declared: &Value, seen: GiteaSeen, change: fn(&mut Desired<'_>)| {
        words(&planned_by(declared, seen, change, |desired, observed| probes(desired, observed, None)))
    };
    let of = || "forge.gitea/hook.bridge".parse().unwrap();
    assert_eq!(probed(&declared, seen(), |_| {}), [""; 0], "nobody can tell");
    declared["gitea"]["webhooks"]["bridge"]["attest"] = json!({ "status": "http://127.0.0.1:2" });
    let heard = |desired: &mut Desired<'_>| {
        let heard = "hook-1 http://127.0.0.1:1/hook http://127.0.0.1:2".to_owned();
        desired.forge.attested.insert("forge.gitea/hook.bridge".parse().unwrap(), heard);
    };
    assert_eq!(probed(&declared, seen(), heard), ["Update forge.gitea/hook.bridge"]);
    let mut other = seen();
    other.users.clear();
    assert_eq!(probed(&declared, other, heard), ["Update forge.gitea/hook.bridge"], "nothing else");
    assert_eq!(probed(&declared, GiteaSeen::default(), heard), [""; 0], "there is no hook");
    let rotated = |desired: &mut Desired<'_>| drop(desired.digests.insert("hook".into(), "hook-2".into()));
    assert_eq!(probed(&declared, seen(), rotated), [""; 0], "it has the old secret yet");
    let only =
        planned_by(&declared, seen(), heard, |desired, observed| probes(desired, observed, Some(&of())));
    assert_eq!(words(&only), ["Update forge.gitea/hook.bridge"]);
    let away = GiteaSeen { away: "refused".into(), ..GiteaSeen::default() };
    assert_eq!(probed(&declared, away, heard), ["Await forge.gitea"]);
}

#[test]
fn of_two_hooks_with_one_url_the_one_that_is_right_stays() {
    let mut seen = seen();
    seen.repositories.get_mut("team/app").unwrap().hooks.insert(0, hook(3, &["push"]));
    let plan = planned(&declared(), seen, |_| {});
    assert_eq!(words(&plan), ["Delete forge.gitea/hook.bridge"]);
    assert!(plan.steps[0].reason.contains("number 3"));
}

#[test]
fn what_left_goes_last_and_only_if_it_was_made_from_here() {
    let mut less = declared();
    less["gitea"]["users"] = json!({});
    less["gitea"]["webhooks"] = json!({});
    less["gitea"]["repositories"]["team/app"]["collaborators"] = json!({});
    less["gitea"]["organisations"]["team"]["description"] = "new".into();
    assert_eq!(words(&planned(&less, seen(), |_| {})), ["Update forge.gitea/organisation.team"]);
    let plan = planned(&less, seen(), |desired| {
        let record = &mut desired.forge;
        for address in ["forge.gitea/user.bot", r#"forge.gitea/collaborator."team/app/bot""#] {
            record.made.insert(address.parse().unwrap());
        }
        let (name, repository, url) = ("bridge".into(), "team/app".into(), "http://127.0.0.1:1/hook".into());
        record.hooks.insert(HookPlace { name, repository, url });
    });
    let wanted = [
        "Update forge.gitea/organisation.team",
        "Delete forge.gitea/hook.bridge",
        r#"Delete forge.gitea/collaborator."team/app/bot""#,
        "Delete forge.gitea/user.bot",
    ];
    assert_eq!(words(&plan), wanted);
    let first = plan.steps[0].id;
    assert!(plan.steps[1..3].iter().all(|step| step.needs == [first]));
    assert_eq!(plan.steps[3].needs, [first, plan.steps[2].id]);
}

#[test]
fn repositories_and_those_who_own_some_stay_and_that_is_said() {
    let mut less = declared();
    less["gitea"]["organisations"] = json!({});
    less["gitea"]["repositories"] = json!({});
    less["gitea"]["webhooks"] = json!({});
    let mut seen = seen();
    seen.owners.insert("team".into());
    let plan = planned(&less, seen, |desired| {
        for address in ["forge.gitea/organisation.team", r#"forge.gitea/repository."team/app""#] {
            desired.forge.made.insert(address.parse().unwrap());
        }
    });
    assert_eq!(words(&plan), [""; 0]);
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
}

#[test]
fn a_gitea_that_does_not_answer_is_waited_for_and_nothing_else_is_planned() {
    let away = GiteaSeen { away: "it refused the connection".into(), ..GiteaSeen::default() };
    let plan = planned(&declared(), away, |_| {});
    assert_eq!(words(&plan), ["Await forge.gitea"]);
    assert!(!plan.only_waits(), "what it holds has not been compared: the run is not over");
}

#[test]
fn a_secret_that_is_not_there_holds_back_only_what_needs_it() {
    let plan = planned(&declared(), GiteaSeen::default(), |desired| {
        desired.digests.remove("hook");
    });
    assert!(
        plan.steps
            .iter()
            .all(|step| step.verb == Verb::Create && step.address.to_string() != "forge.gitea/hook.bridge")
    );
    let held: Vec<String> =
        plan.held.iter().map(|held| format!("{} {}", held.address, held.because)).collect();
    assert_eq!(held, ["forge.gitea/hook.bridge secret.hook"]);
    let plan = planned(&declared(), seen(), |desired| {
        desired.digests.remove("admin");
    });
    assert_eq!((words(&plan).len(), plan.held.len()), (0, 1));
}
