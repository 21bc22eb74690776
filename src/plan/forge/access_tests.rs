//! Proves what is planned for tokens and applications of a Gitea, and for everything that is made of their values.

use serde_json::{Value, json};

use super::super::tests::{compiled, desired, manager, object, web};
use super::super::{Plan, Step, Stuck, Verb, plan};
use crate::desired::{Desired, ServiceSpec, StackSpec};
use crate::observed::{
    AccessPlace, GiteaApplicationSeen, GiteaSeen, GiteaTokenSeen, InstalledFile, Observed, scopes,
};

fn manifest() -> Value {
    let by = |of: &str| json!({ "file": "a.yaml", "generator": { "forge": { "of": of }, "where": "host" } });
    json!({
        "secrets": {
            "admin": { "file": "a.yaml" },
            "token": by("gitea.tokens.bridge"),
            "id": by("gitea.oauth_applications.drone.client_id"),
            "secret": by("gitea.oauth_applications.drone.client_secret"),
        },
        "templates": { "env": { "content": "T={{ token }}" } },
        "forge": { "gitea": {
            "url": "http://git.example.org",
            "admin": { "username": "root", "password": { "secret": "admin" } },
            "tokens": { "bridge": { "user": "bot", "scopes": ["write:issue", "read:user"] } },
            "oauth_applications": { "drone": { "owner": "bot", "redirect_uris": ["https://ci.example.org/login"] } },
        } },
    })
}

/// The stack `web`, whose service `app` uses the token, and `git` nothing.
fn stack() -> StackSpec {
    let mut stack = web();
    let app = stack.services.get("app").unwrap().clone();
    let mut body = app.body.clone();
    body["Name"] = "web_git".into();
    let git = ServiceSpec { name: "web_git".into(), body, secrets: Vec::new(), ..app };
    stack.services.insert("git".into(), git);
    stack
}

fn token(id: i64, name: &str, kept: bool) -> GiteaTokenSeen {
    GiteaTokenSeen { id, name: name.into(), scopes: scopes(["read:user", "write:issue"]), kept }
}

fn application(id: i64, kept: bool) -> GiteaApplicationSeen {
    let settings = json!({ "redirect_uris": ["https://ci.example.org/login"], "confidential_client": true });
    let name = "drone".into();
    GiteaApplicationSeen { id, name, settings, skip_secondary: Some(true), id_kept: kept, secret_kept: kept }
}

fn seen(tokens: Vec<GiteaTokenSeen>, applications: Vec<GiteaApplicationSeen>) -> GiteaSeen {
    let mut seen = GiteaSeen { version: "1".into(), ..GiteaSeen::default() };
    seen.tokens.insert("bot".into(), tokens);
    seen.applications.insert("bot".into(), applications);
    seen
}

/// As it shall be.
fn equal() -> GiteaSeen {
    seen(vec![token(3, "bridge", true)], vec![application(5, true)])
}

fn planned(seen: GiteaSeen, change: impl FnOnce(&mut Desired<'_>, &mut Observed)) -> Plan {
    let compiled = compiled(&manifest(), &[stack()]);
    let mut desired = desired(&compiled);
    for name in ["admin", "token", "id", "secret", "rendered/env"] {
        desired.digests.insert(name.into(), "0123456789ab".into());
    }
    let mut observed = manager();
    observed.forge.gitea = Some(Box::new(seen));
    change(&mut desired, &mut observed);
    plan(&desired, &observed, None).unwrap()
}

/// Steps of the forge.
fn words(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().filter(|step| step.address.to_string().starts_with("forge."));
    steps.map(|step| format!("{:?} {}", step.verb, step.address)).collect()
}

/// The first step of the forge.
fn of_forge(plan: &Plan) -> &Step {
    plan.steps.iter().find(|step| step.address.to_string().starts_with("forge.")).unwrap()
}

fn forget(desired: &mut Desired<'_>) {
    for name in ["token", "id", "secret", "rendered/env"] {
        desired.digests.remove(name);
    }
}

#[test]
fn what_is_kept_and_as_declared_is_left_alone() {
    let plan = planned(equal(), |_, _| {});
    assert_eq!(words(&plan), [""; 0]);
    assert!(plan.held.is_empty());
}

#[test]
fn what_uses_a_value_that_is_not_told_yet_comes_after_it_and_nothing_else_does() {
    for away in [false, true] {
        let mut empty = seen(Vec::new(), Vec::new());
        if away {
            empty = GiteaSeen { away: "it refused the connection".into(), ..GiteaSeen::default() };
        }
        let plan = planned(empty, |desired, _| forget(desired));
        assert!(plan.held.is_empty(), "{:?}", plan.held);
        let at = |address: &str, verb: Verb| {
            let mut steps = plan.steps.iter().filter(|step| step.address.to_string() == address);
            steps.find(|step| step.verb == verb).unwrap_or_else(|| panic!("no {address}"))
        };
        let secret = at("stack.web/secret.token", Verb::Create);
        assert_eq!(secret.after["Data"].to_string(), "forge.gitea/token.bridge");
        let app = at("stack.web/service.app", Verb::Create);
        assert!(app.stage > secret.stage && secret.stage > 0);
        assert!(app.after.values().any(|address| address.to_string() == "stack.web/secret.token"));
        // The Gitea itself may be in the same stack: it must not wait for what it tells.
        assert_eq!(
            at("stack.web/service.git", Verb::Create).stage,
            1,
            "a config's id is known in the next stage"
        );
        assert!(at("stack.web/service.git", Verb::Create).needs.iter().all(|need| *need != secret.id));
        let waits: Vec<usize> = plan
            .steps
            .iter()
            .filter(|step| step.address.to_string() == "stack.web")
            .map(|step| step.stage)
            .collect();
        assert_eq!(waits, [1, app.stage]);
        let files = at("files", Verb::Create);
        assert_eq!(
            files.diff.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(),
            ["id", "secret", "token", "rendered/env"]
        );
        assert!(files.diff.iter().all(|change| change.after.as_deref() == Some("known after apply")));
        let forge = if away {
            vec!["Await forge.gitea"]
        } else {
            vec!["Create forge.gitea/token.bridge", "Create forge.gitea/oauth_application.drone"]
        };
        assert_eq!(words(&plan), forge);
    }
}

#[test]
fn a_gitea_that_a_later_stage_starts_is_not_waited_for_before() {
    let away = GiteaSeen { away: "it refused the connection".into(), ..GiteaSeen::default() };
    let stage = |plan: &Plan| of_forge(plan).stage;
    // The service `git` waits for the id of a config.
    assert_eq!(stage(&planned(away.clone(), |desired, _| forget(desired))), 1);
    let plan = planned(away, |desired, observed| {
        forget(desired);
        let name = "web_page_2cf24dba5fb0";
        observed.configs.insert(name.into(), object(name, json!({ "Name": name })));
    });
    assert_eq!(stage(&plan), 0, "what comes after it is not waited for either");
    let app = plan.steps.iter().find(|step| step.address.to_string() == "stack.web/service.app").unwrap();
    assert!(app.stage > 0);
}

#[test]
fn what_waits_for_a_forge_that_failed_is_held_back_by_it() {
    for away in ["", "it refused the connection"] {
        let empty = GiteaSeen { away: away.into(), ..seen(Vec::new(), Vec::new()) };
        let plan = planned(empty, |desired, _| forget(desired));
        let forge = plan.steps.iter().filter(|step| step.address.to_string().starts_with("forge."));
        let mut stuck = Stuck::default();
        stuck.fail(&plan, &forge.map(|step| step.id).collect());
        let left = stuck.without(&plan);
        let held: Vec<String> = left.held.iter().map(|held| held.address.to_string()).collect();
        assert!(held.contains(&"stack.web/service.app".to_owned()), "{held:?}");
        assert!(left.steps.iter().all(|step| !step.after.values().any(|it| it.outer.name == "gitea")));
        assert!(left.steps.iter().any(|step| step.address.to_string() == "stack.web/service.git"));
    }
}

#[test]
fn a_value_that_was_lost_or_is_due_is_made_anew_and_all_that_uses_it_changes() {
    type Case = (&'static str, fn(&mut GiteaSeen, &mut Desired<'_>));
    let cases: [Case; 4] = [
        ("known here", |seen, _| seen.tokens.get_mut("bot").unwrap()[0].kept = false),
        ("due by its age", |_, desired| desired.due.extend(["token".to_owned()])),
        ("the old one goes", |seen, _| seen.tokens.get_mut("bot").unwrap()[0].scopes = scopes(["read:user"])),
        ("", |seen, _| seen.tokens.get_mut("bot").unwrap().clear()),
    ];
    for (reason, change) in cases {
        let mut seen = equal();
        let plan = planned(equal(), |desired, observed| {
            change(&mut seen, desired);
            observed.forge.gitea = Some(Box::new(seen));
            let file = InstalledFile { digest: "0123456789ab".into(), uid: 0, gid: 0, mode: 0o400 };
            for name in ["admin", "id", "secret", "token", "rendered/env"] {
                desired.files.insert(name.into(), file.clone());
                observed.files.insert(name.into(), file.clone());
            }
            let name = "web_token_0123456789ab";
            observed.secrets.insert(name.into(), object(name, json!({ "Name": name })));
        });
        let step =
            plan.steps.iter().find(|step| step.address.to_string() == "forge.gitea/token.bridge").unwrap();
        assert!(step.reason.contains(reason), "{reason}: {}", step.reason);
        assert_eq!(words(&plan).len(), 1, "{reason}: {:?}", words(&plan));
        for address in ["stack.web/secret.token", "stack.web/service.app", "files"] {
            let step = plan.steps.iter().find(|step| step.address.to_string() == address);
            assert!(step.is_some_and(|step| step.stage > 0), "{reason}: {address}");
        }
    }
}

#[test]
fn a_new_token_has_a_name_of_its_own_and_the_old_one_goes_after_what_uses_it() {
    let lost = planned(seen(vec![token(3, "bridge", false)], vec![application(5, true)]), |_, _| {});
    let made = lost.steps.iter().find(|step| step.address.to_string() == "forge.gitea/token.bridge").unwrap();
    assert!(format!("{:?}", made.action).contains(r#"name: "bridge.2""#), "{:?}", made.action);
    let both =
        || seen(vec![token(3, "bridge", false), token(4, "bridge.2", true)], vec![application(5, true)]);
    let record = |desired: &mut Desired<'_>| {
        let address = "forge.gitea/token.bridge".parse().unwrap();
        desired.forge.access.insert(AccessPlace { address, user: "bot".into(), name: "bridge.2".into() });
    };
    let plan = planned(both(), |desired, _| record(desired));
    assert_eq!(words(&plan), ["Delete forge.gitea/token.bridge"]);
    let gone = of_forge(&plan);
    assert!(format!("{:?}", gone.action).contains("id: 3"), "{:?}", gone.action);
    let mut before = plan.steps.iter().filter(|step| step.address.to_string() == "stack.web/service.app");
    assert!(before.all(|step| gone.needs.contains(&step.id)) && gone.needs.len() > 3, "{:?}", gone.needs);
    // Somebody's own token of such a name is not ours.
    let plan = planned(both(), |_, _| {});
    assert!(
        format!(
            "{:?}",
            plan.steps.iter().find(|step| step.address.to_string().starts_with("forge.")).unwrap().action
        )
        .contains("bridge.3")
    );
}

#[test]
fn an_application_is_changed_in_place_and_says_again_what_is_not_declared() {
    type Case = (&'static str, fn(&mut GiteaSeen, &mut Desired<'_>));
    let cases: [Case; 4] = [
        ("every change", |seen, _| {
            seen.applications.get_mut("bot").unwrap()[0].settings["redirect_uris"] = json!(["https://x"]);
        }),
        ("secret is not known", |seen, _| seen.applications.get_mut("bot").unwrap()[0].secret_kept = false),
        ("secret is not known", |_, desired| {
            desired.forge.anew.insert("forge.gitea/oauth_application.drone".parse().unwrap());
        }),
        ("due", |_, desired| desired.due.extend(["secret".to_owned()])),
    ];
    for (reason, change) in cases {
        let plan = planned(equal(), |desired, observed| {
            change(observed.forge.gitea.as_mut().unwrap(), desired);
        });
        assert_eq!(words(&plan), ["Update forge.gitea/oauth_application.drone"], "{reason}");
        let step = plan.steps.iter().find(|step| step.address.to_string().starts_with("forge.")).unwrap();
        assert!(step.reason.contains(reason), "{reason}: {}", step.reason);
        let action = format!("{:?}", step.action);
        assert!(action.contains("id: Some(5)") && action.contains("skip_secondary: Some(true)"), "{action}");
    }
    // A client id is told at any time: nothing is made anew for it.
    let plan = planned(equal(), |_, observed| {
        let gitea = observed.forge.gitea.as_mut().unwrap();
        gitea.applications.get_mut("bot").unwrap()[0].id_kept = false;
    });
    let step = plan.steps.iter().find(|step| step.address.to_string().starts_with("forge.")).unwrap();
    assert!(format!("{:?}", step.action).contains("ReadApplication"), "{:?}", step.action);
}

#[test]
fn of_two_applications_of_one_name_the_one_that_is_known_stays() {
    let two = seen(vec![token(3, "bridge", true)], vec![application(4, false), application(5, true)]);
    let plan = planned(two, |_, _| {});
    assert_eq!(words(&plan), ["Delete forge.gitea/oauth_application.drone"]);
    assert!(format!("{:?}", of_forge(&plan).action).contains("id: 4"));
}

#[test]
fn what_a_sops_file_gives_is_never_ended_and_that_is_said() {
    let plan = planned(equal(), |desired, observed| {
        desired.given.extend(["token".to_owned(), "secret".to_owned()]);
        let gitea = observed.forge.gitea.as_mut().unwrap();
        gitea.tokens.get_mut("bot").unwrap()[0].kept = false;
        gitea.applications.get_mut("bot").unwrap()[0].settings["confidential_client"] = false.into();
    });
    let actions: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| step.address.to_string().starts_with("forge."))
        .map(|step| format!("{:?}", step.action))
        .collect();
    assert_eq!(actions.len(), 2, "{actions:?}");
    assert!(actions.iter().all(|action| action.contains("Conflict") && action.contains("secrets unset")));
    let app = plan.steps.iter().find(|step| step.address.to_string() == "stack.web/secret.token").unwrap();
    assert!(app.after.is_empty(), "what the file gives is known");
}

#[test]
fn what_is_kept_and_does_not_open_is_no_reason_to_make_another() {
    let plan = planned(seen(vec![token(3, "bridge", false)], vec![application(5, false)]), |desired, _| {
        forget(desired);
        desired.shut.extend(["token".to_owned(), "secret".to_owned()]);
    });
    assert_eq!(words(&plan), [""; 0]);
    let held: Vec<String> =
        plan.held.iter().map(|held| format!("{} {}", held.address, held.because)).collect();
    for wanted in [
        "stack.web/service.app secret.token",
        "forge.gitea/token.bridge secret.token",
        "forge.gitea/oauth_application.drone secret.secret",
    ] {
        assert!(held.contains(&wanted.to_owned()), "{wanted}: {held:?}");
    }
}

#[test]
fn what_left_goes_only_where_it_was_made_from_here() {
    let mut manifest = manifest();
    manifest["secrets"] = json!({ "admin": { "file": "a.yaml" } });
    manifest["templates"] = json!({});
    manifest["forge"]["gitea"]["tokens"] = json!({});
    manifest["forge"]["gitea"]["oauth_applications"] = json!({});
    let compiled = compiled(&manifest, &[]);
    let mut desired = desired(&compiled);
    desired.digests.insert("admin".into(), "0123456789ab".into());
    let mut observed = manager();
    observed.forge.gitea = Some(Box::new(equal()));
    assert_eq!(words(&plan(&desired, &observed, None).unwrap()), [""; 0]);
    for (address, name) in
        [("forge.gitea/token.bridge", "bridge"), ("forge.gitea/oauth_application.drone", "drone")]
    {
        let address = address.parse().unwrap();
        desired.forge.access.insert(AccessPlace { address, user: "bot".into(), name: name.into() });
    }
    let wanted = ["Delete forge.gitea/token.bridge", "Delete forge.gitea/oauth_application.drone"];
    assert_eq!(words(&plan(&desired, &observed, None).unwrap()), wanted);
}
