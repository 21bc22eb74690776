//! Proves what is planned for a Drone, from what is declared, seen and recorded.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Plan, Verb, plan};
use crate::address::Kind;
use crate::desired::{Compiled, Desired};
use crate::manifest;
use crate::observed::{
    DroneRepositorySeen, DroneSeen, ForgeRecord, GiteaApplicationSeen, GiteaRepositorySeen, GiteaSeen,
    ManagerState, Observed, SwarmState,
};

fn declared() -> Value {
    json!({
        "gitea": {
            "url": "http://git.example.org",
            "admin": { "username": "root", "password": { "secret": "admin" } },
            "repositories": { "team/app": {} },
        },
        "drone": {
            "url": "http://ci.example.org",
            "admin": { "username": "root", "token": { "secret": "token" }, "password": { "secret": "admin" } },
            "users": { "ci": { "machine": true, "token": { "secret": "ci" } } },
            "repositories": { "team/app": {
                "trusted": true, "timeout": "90m",
                "secrets": { "KEY": { "value": { "secret": "key" } } },
                "cron": { "nightly": { "expr": "@daily", "branch": "main" } }
            } }
        }
    })
}

/// A Drone that is as it is declared.
fn seen() -> DroneSeen {
    let repository = DroneRepositorySeen {
        active: true,
        settings: json!({ "trusted": true, "timeout": 90, "protected": false }),
        secrets: [("KEY".to_owned(), false)].into(),
        crons: [("nightly".to_owned(), json!({ "expr": "@daily", "branch": "main", "disabled": false }))]
            .into(),
        hooks: vec![4],
        is_called: true,
    };
    let ci = json!({ "admin": false, "machine": true, "active": true });
    DroneSeen {
        users: [("ci".to_owned(), ci)].into(),
        repositories: [("team/app".to_owned(), repository)].into(),
        ..DroneSeen::default()
    }
}

fn planned(declared: &Value, seen: DroneSeen, change: impl FnOnce(&mut Desired<'_>, &mut GiteaSeen)) -> Plan {
    let of = "gitea.oauth_applications.drone.client_secret";
    let client = json!({ "file": "a.yaml", "generator": { "forge": { "of": of }, "where": "host" } });
    let secrets = json!({ "client": client });
    let manifest = json!({ "version": 1, "host": { "name": "test" }, "secrets": secrets, "forge": declared });
    let compiled = Compiled {
        compiled: 1,
        manifest: serde_json::from_value::<manifest::Manifest>(manifest).unwrap(),
        images: BTreeMap::default(),
        generated: Vec::new(),
        stacks: BTreeMap::default(),
    };
    let mut desired = Desired::bare(&compiled);
    for name in ["admin", "token", "ci", "key"] {
        desired.digests.insert(name.into(), format!("{name}-1"));
    }
    for (address, digest) in
        [("forge.drone/user.ci", "ci-1"), (r#"forge.drone/secret."team/app/KEY""#, "key-1")]
    {
        desired.forge.secrets.insert(address.parse().unwrap(), digest.into());
    }
    let repository = GiteaRepositorySeen { settings: json!({}), ..GiteaRepositorySeen::default() };
    let mut gitea = GiteaSeen { version: "1".into(), ..GiteaSeen::default() };
    gitea.repositories.insert("team/app".into(), repository);
    change(&mut desired, &mut gitea);
    let mut observed =
        Observed { swarm: SwarmState::Manager(Box::<ManagerState>::default()), ..Observed::default() };
    observed.forge.gitea = Some(Box::new(gitea));
    observed.forge.drone = Some(Box::new(seen));
    let mut plan = plan(&desired, &observed, None).unwrap();
    plan.steps.retain(|step| step.address.outer.kind == Kind::Forge);
    plan
}

fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{:?} {}", step.verb, step.address)).collect()
}

const APP: &str = r#"forge.drone/repository."team/app""#;

#[test]
fn what_is_as_declared_is_left_alone() {
    assert_eq!(words(&planned(&declared(), seen(), |_, _| {})), [""; 0]);
}

#[test]
fn an_empty_drone_is_entered_first_and_after_what_it_is_to_see_in_gitea() {
    let empty = DroneSeen { refused: "Unauthorized".into(), ..DroneSeen::default() };
    let plan = planned(&declared(), empty, |_, gitea| gitea.repositories.clear());
    let wanted = [
        r#"Create forge.gitea/repository."team/app""#,
        "Update forge.drone/sign_in",
        "Create forge.drone/user.ci",
        &format!("Create {APP}"),
        r#"Create forge.drone/secret."team/app/KEY""#,
        r#"Create forge.drone/cron."team/app/nightly""#,
    ];
    assert_eq!(words(&plan), wanted);
    let first = plan.steps[0].id;
    let needs: Vec<Vec<usize>> =
        plan.steps.iter().map(|step| step.needs.iter().map(|id| id - first).collect()).collect();
    assert_eq!(needs, [vec![], vec![0], vec![1], vec![1], vec![3], vec![3]]);
    assert!(plan.steps[1].reason.contains("(Unauthorized)"), "{}", plan.steps[1].reason);
}

#[test]
fn a_sign_in_waits_for_what_is_started_with_a_secret_that_this_plan_makes() {
    let mut with = declared();
    let uris = json!(["http://ci.example.org/login"]);
    with["gitea"]["oauth_applications"] = json!({ "drone": { "owner": "root", "redirect_uris": uris } });
    let settings = json!({ "redirect_uris": uris, "confidential_client": true });
    for kept in [true, false] {
        let out = DroneSeen { refused: "unauthorized_client".into(), ..seen() };
        let plan = planned(&with, out, |desired, gitea| {
            desired.digests.insert("client".into(), "client-1".into());
            let (name, settings) = ("drone".into(), settings.clone());
            let there = GiteaApplicationSeen {
                id: 5,
                name,
                settings,
                skip_secondary: None,
                id_kept: true,
                secret_kept: kept,
            };
            gitea.applications.insert("root".into(), vec![there]);
        });
        let sign_in =
            plan.steps.iter().find(|step| step.address.to_string() == "forge.drone/sign_in").unwrap();
        assert_eq!(sign_in.stage > 0, !kept, "{:?}", words(&plan));
    }
}

#[test]
fn a_repository_that_drone_has_not_seen_yet_is_read_before_it_is_built() {
    let mut without = seen();
    without.repositories.clear();
    let plan = planned(&declared(), without, |_, _| {});
    assert_eq!(words(&plan)[..2], ["Update forge.drone".to_owned(), format!("Create {APP}")]);
    assert_eq!(plan.steps[1].needs, [plan.steps[0].id]);
}

#[test]
fn each_thing_that_differs_is_one_step_of_its_own() {
    type Case = (&'static str, fn(&mut DroneSeen), usize);
    fn app(seen: &mut DroneSeen) -> &mut DroneRepositorySeen {
        seen.repositories.get_mut("team/app").unwrap()
    }
    let update = format!("Update {APP}");
    let create = format!("Create {APP}");
    let cases: [Case; 11] = [
        ("Update forge.drone/sign_in", |seen| seen.refused = "Unauthorized".into(), 0),
        ("Update forge.drone/sign_in", |seen| seen.due = "14 days ago".into(), 0),
        (&*update.leak(), |seen| app(seen).settings["trusted"] = false.into(), 1),
        ("Update forge.drone/repository.\"team/app\"", |seen| app(seen).settings["timeout"] = 60.into(), 1),
        ("Update forge.drone/repository.\"team/app\"", |seen| app(seen).is_called = false, 0),
        (&*create.leak(), |seen| app(seen).active = false, 0),
        (
            "Update forge.drone/secret.\"team/app/KEY\"",
            |seen| *app(seen).secrets.get_mut("KEY").unwrap() = true,
            1,
        ),
        ("Create forge.drone/secret.\"team/app/KEY\"", |seen| app(seen).secrets.clear(), 0),
        (
            "Update forge.drone/cron.\"team/app/nightly\"",
            |seen| app(seen).crons.get_mut("nightly").unwrap()["disabled"] = true.into(),
            1,
        ),
        ("Update forge.drone/user.ci", |seen| seen.users.get_mut("ci").unwrap()["admin"] = true.into(), 1),
        ("Create forge.drone/user.ci", |seen| seen.users.clear(), 0),
    ];
    for (wanted, change, fields) in cases {
        let mut seen = seen();
        change(&mut seen);
        let plan = planned(&declared(), seen, |_, _| {});
        assert_eq!(words(&plan), [wanted]);
        assert_eq!(plan.steps[0].diff.len(), fields, "{wanted}: {:?}", plan.steps[0].diff);
    }
}

#[test]
fn a_setting_that_this_drone_does_not_have_is_planned_and_so_told_of() {
    let mut more = declared();
    more["drone"]["repositories"]["team/app"]["auto_cancel_running"] = true.into();
    assert_eq!(words(&planned(&more, seen(), |_, _| {})), [format!("Update {APP}")]);
}

#[test]
fn another_value_is_written_and_another_token_is_another_user() {
    let plan = planned(&declared(), seen(), |desired, _| {
        desired.digests.insert("key".into(), "key-2".into());
        desired.digests.insert("ci".into(), "ci-2".into());
    });
    assert_eq!(words(&plan), ["Update forge.drone/user.ci", r#"Update forge.drone/secret."team/app/KEY""#]);
    let action = format!("{:?}", plan.steps[0].action);
    assert!(action.contains("instead: true"), "{action}");
}

#[test]
fn what_left_goes_last_and_only_if_it_was_made_from_here() {
    let mut less = declared();
    less["drone"]["users"] = json!({});
    less["drone"]["repositories"] = json!({});
    let ours = [
        "forge.drone/user.ci",
        APP,
        r#"forge.drone/secret."team/app/KEY""#,
        r#"forge.drone/cron."team/app/nightly""#,
        // What a Gitea has under the same name is not Drone's.
        r#"forge.gitea/repository."team/app""#,
    ];
    assert_eq!(words(&planned(&less, seen(), |_, _| {})), [""; 0]);
    let plan = planned(&less, seen(), |desired, _| {
        desired.forge = ForgeRecord::default();
        desired.forge.made = ours.iter().map(|address| address.parse().unwrap()).collect();
    });
    assert!(plan.steps.iter().all(|step| step.verb == Verb::Delete), "{:?}", words(&plan));
    let mut gone: Vec<String> = plan.steps.iter().map(|step| step.address.to_string()).collect();
    gone.sort();
    let mut wanted: Vec<&str> = ours[..4].to_vec();
    wanted.sort_unstable();
    assert_eq!(gone, wanted);
    assert!(format!("{:?}", plan.steps).contains("hooks: [4]"), "the hook that Drone leaves stays");
}

#[test]
fn a_drone_that_does_not_answer_is_waited_for_and_nothing_else_of_it_is_planned() {
    let away = DroneSeen { away: "it refused the connection".into(), ..DroneSeen::default() };
    let plan = planned(&declared(), away, |_, _| {});
    assert_eq!(words(&plan), ["Await forge.drone"]);
    assert!(!plan.only_waits(), "what it holds has not been compared: the run is not over");
}

#[test]
fn a_secret_that_is_not_there_holds_back_only_what_needs_it() {
    for (secret, held) in [("key", r#"forge.drone/secret."team/app/KEY""#), ("token", "forge.drone")] {
        let plan = planned(&declared(), seen(), |desired, _| drop(desired.digests.remove(secret)));
        assert_eq!(words(&plan), [""; 0]);
        let found: Vec<String> =
            plan.held.iter().map(|held| format!("{} {}", held.address, held.because)).collect();
        assert_eq!(found, [format!("{held} secret.{secret}")]);
    }
}
