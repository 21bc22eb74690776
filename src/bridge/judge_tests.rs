//! One delivery that is accepted, and everything that turns it into another verdict when one thing is changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::manifest::{BridgeBot, BridgeDrone, BridgeForge, Password};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "76543210fedcba9876543210fedcba9876543210";

fn bridge(kind: ForgeKind) -> Bridge {
    let secret = |name: &str| Password { secret: name.to_owned() };
    let repository = BridgeRepository { id: 7, branch: "main".to_owned(), parameters: BTreeMap::default() };
    Bridge {
        listen: "127.0.0.1:8787".parse().unwrap(),
        status_listen: "127.0.0.1:8788".parse().unwrap(),
        status_token: None,
        journal: None,
        forge: BridgeForge {
            kind,
            url: "https://git.example.org".to_owned(),
            connect: None,
            ca: None,
            hook_secrets: vec![secret("hook")],
        },
        bot: BridgeBot { login: "testbot".to_owned(), token: secret("bot") },
        drone: BridgeDrone {
            url: "https://ci.example.org".to_owned(),
            connect: None,
            ca: None,
            token: secret("drone"),
            webhook_secret: None,
        },
        repositories: BTreeMap::from([("team/app".to_owned(), repository)]),
        policy: crate::manifest::BridgePolicy::default(),
        limits: crate::manifest::BridgeLimits::default(),
    }
}

/// What Gitea 1.26 sends for a comment on a pull request, without most of what is not read.
fn delivery() -> Value {
    let user = json!({ "id": 3, "login": "maria", "username": "maria", "email": "maria@example.org" });
    json!({
        "action": "created",
        "issue": {
            "id": 91, "number": 12, "state": "open", "is_locked": false, "user": { "id": 4, "login": "fork" },
            "title": "a change", "body": "!testme",
            "pull_request": { "merged": false, "merged_at": null, "draft": false, "html_url": "https://git.example.org/x" },
            "repository": { "id": 7, "name": "app", "owner": "team", "full_name": "team/app" },
        },
        "comment": {
            "id": 1001, "user": user, "body": "!testme",
            "created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z",
        },
        "repository": {
            "id": 7, "name": "app", "full_name": "team/app", "owner": { "login": "team" },
            "permissions": { "admin": false, "push": true, "pull": true },
        },
        "sender": user,
        "is_pull": true,
        "pull_request": {
            "number": 12, "state": "open", "draft": false, "merged": false, "mergeable": true,
            "head": { "label": "change", "ref": "change", "sha": SHA, "repo_id": 8,
                      "repo": { "id": 8, "permissions": { "admin": true, "push": true, "pull": true } } },
        },
    })
}

fn verdict_at(bridge: &Bridge, delivery: &Value, now: &str) -> Verdict {
    let text = serde_json::to_string_pretty(delivery).unwrap();
    judge(bridge, &Payload::read(&text).unwrap(), now.parse().unwrap())
}

fn verdict(delivery: &Value) -> Verdict {
    verdict_at(&bridge(ForgeKind::Gitea), delivery, "2026-03-01T10:00:02Z")
}

/// The delivery with one place changed; `Value::Null` takes it away.
fn with(pointer: &str, value: Value) -> Value {
    let mut delivery = delivery();
    let (map, key) = pointer.rsplit_once('/').unwrap();
    let map = delivery.pointer_mut(map).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        map.remove(key)
    } else {
        map.insert(key.to_owned(), value)
    };
    delivery
}

#[test]
fn a_writers_comment_on_an_open_pull_request_is_accepted_with_the_head_it_was_written_on() {
    let Verdict::Accept(task, command) = verdict(&delivery()) else { panic!("not accepted") };
    assert_eq!((task.repository, task.pull, task.comment, task.user), (7, 12, 1001, 3));
    assert_eq!((task.full_name.as_str(), task.login.as_str()), ("team/app", "maria"));
    assert_eq!(task.head.unwrap().as_str(), SHA);
    assert_eq!(command, Command::Run { commit: None, parameters: BTreeMap::new() });
    // Gitea up to 1.22 does not send the pull request.
    let Verdict::Accept(task, _) = verdict(&with("/pull_request", Value::Null)) else {
        panic!("not accepted")
    };
    assert_eq!(task.head, None);
    // Before 1.22 nothing but these two is said about a pull request.
    let old = with("/issue/pull_request", json!({ "merged": false, "merged_at": null }));
    assert!(matches!(verdict(&old), Verdict::Accept(..)));
}

#[test]
fn each_thing_that_is_not_as_it_must_be_is_ignored_for_its_own_reason() {
    for (pointer, value, why) in [
        ("/action", json!("deleted"), Ignored::NotCreated),
        ("/action", json!("Created"), Ignored::NotCreated),
        ("/is_pull", json!(false), Ignored::NotPull),
        ("/is_pull", Value::Null, Ignored::NotPull),
        ("/issue/pull_request", Value::Null, Ignored::NotPull),
        ("/repository/id", json!(8), Ignored::Repository),
        ("/repository/full_name", json!("team/app2"), Ignored::Repository),
        ("/repository/full_name", json!("Team/App"), Ignored::Repository),
        ("/sender", json!({ "id": 9, "login": "TestBot" }), Ignored::Bot),
        ("/comment/user", json!({ "id": 9, "login": "testbot" }), Ignored::Bot),
        ("/comment/body", json!("nice"), Ignored::NoCommand),
        ("/comment/body", json!("> !testme"), Ignored::NoCommand),
        ("/sender/id", json!(5), Ignored::Sender),
        ("/sender/login", json!("mallory"), Ignored::Sender),
        ("/comment/updated_at", json!("2026-03-01T10:00:01Z"), Ignored::Edited),
        ("/pull_request/number", json!(13), Ignored::Contradiction),
        ("/pull_request/head/sha", json!("main"), Ignored::Contradiction),
        ("/pull_request/head/sha", json!("$(id)"), Ignored::Contradiction),
    ] {
        let delivery = with(pointer, value.clone());
        assert_eq!(verdict(&delivery), Verdict::Ignore(why), "{pointer} = {value}");
    }
}

#[test]
fn an_edit_is_kept_in_mind_where_nothing_else_will_tell_of_it() {
    let edited = |pointer: &str, value: Value| {
        let mut delivery = with(pointer, value);
        delivery["action"] = "edited".into();
        verdict(&delivery)
    };
    let Verdict::Edited(edit) = edited("/sender/login", json!("mallory")) else { panic!("forgotten") };
    assert_eq!((edit.repository, edit.comment, edit.user), (7, 1001, 3));
    assert_eq!(edit.at, "2026-03-01T10:00:00Z".parse().unwrap());
    for (pointer, value) in [
        ("/comment/updated_at", json!("2026-03-01T10:00:01Z")),
        ("/comment/body", json!("nice")),
        ("/is_pull", json!(false)),
        ("/repository/id", json!(8)),
    ] {
        let verdict = edited(pointer, value);
        assert_eq!(verdict, Verdict::Ignore(Ignored::NotCreated), "{pointer}");
    }
}

#[test]
fn a_writer_who_cannot_be_obeyed_is_told_why() {
    let merged = json!({ "merged": true, "merged_at": "2026-03-01T09:00:00Z" });
    for (pointer, value, why) in [
        ("/issue/state", json!("closed"), Refusal::Closed),
        ("/issue/pull_request", merged, Refusal::Closed),
        ("/issue/pull_request/merged", json!(true), Refusal::Closed),
        ("/pull_request/state", json!("closed"), Refusal::Closed),
        ("/pull_request/merged", json!(true), Refusal::Closed),
        ("/issue/is_locked", json!(true), Refusal::Locked),
        ("/comment/body", json!(format!("!testme {OTHER}")), Refusal::OtherHead),
        ("/comment/body", json!("!testme\u{200b}"), Refusal::Misread(Misread::Invisible)),
        ("/comment/body", json!("!testme PATH=/tmp"), Refusal::Misread(Misread::Parameter)),
    ] {
        let found = verdict(&with(pointer, value.clone()));
        assert!(
            matches!(&found, Verdict::Refuse(_, refusal) if *refusal == why),
            "{pointer} = {value}: {found:?}"
        );
    }
    let asked = with("/comment/body", json!(format!("!testme {SHA}")));
    assert!(matches!(verdict(&asked), Verdict::Accept(..)));
}

#[test]
fn an_outsider_is_told_that_and_nothing_of_what_else_is_wrong() {
    let mut delivery = with("/repository/permissions/push", json!(false));
    delivery["issue"]["state"] = json!("closed");
    delivery["comment"]["body"] = json!("!testme nonsense");
    assert!(matches!(verdict(&delivery), Verdict::Refuse(_, Refusal::Permission)));
    for silent in
        [with("/repository/permissions", Value::Null), with("/repository/permissions/push", json!(false))]
    {
        assert!(matches!(verdict(&silent), Verdict::Refuse(_, Refusal::Permission)));
    }
}

#[test]
fn drafts_follow_the_policy() {
    let draft = with("/pull_request/draft", json!(true));
    assert!(matches!(verdict(&draft), Verdict::Accept(..)));
    let mut strict = bridge(ForgeKind::Gitea);
    strict.policy.drafts = false;
    for draft in [draft, with("/issue/pull_request/draft", json!(true))] {
        let found = verdict_at(&strict, &draft, "2026-03-01T10:00:02Z");
        assert!(matches!(found, Verdict::Refuse(_, Refusal::Draft)), "{found:?}");
    }
}

#[test]
fn an_old_comment_is_ignored_and_a_clock_that_is_behind_loses_none() {
    for (now, taken) in [
        ("2026-03-01T10:00:00Z", true),
        ("2026-03-02T10:00:00Z", true),
        ("2026-03-02T10:00:01Z", false),
        ("2030-01-01T00:00:00Z", false),
        ("2026-03-01T09:00:00Z", true),
        ("1970-01-01T00:00:00Z", true),
    ] {
        let found = verdict_at(&bridge(ForgeKind::Gitea), &delivery(), now);
        let expected =
            if taken { matches!(found, Verdict::Accept(..)) } else { found == Verdict::Ignore(Ignored::Age) };
        assert!(expected, "{now}: {found:?}");
    }
}

#[test]
fn github_has_other_words_for_the_same() {
    let github = bridge(ForgeKind::Github);
    let mut delivery = delivery();
    for gone in ["is_pull", "pull_request"] {
        delivery.as_object_mut().unwrap().remove(gone);
    }
    delivery["repository"].as_object_mut().unwrap().remove("permissions");
    delivery["issue"].as_object_mut().unwrap().remove("is_locked");
    delivery["issue"]["locked"] = json!(false);
    delivery["issue"]["pull_request"] = json!({ "url": "https://api.example.org/x", "merged_at": null });
    let judged = |delivery: &Value| verdict_at(&github, delivery, "2026-03-01T10:00:02Z");
    assert!(matches!(judged(&delivery), Verdict::Accept(..)));
    assert_eq!(verdict(&delivery), Verdict::Ignore(Ignored::NotPull), "a GitHub delivery is none of Gitea's");
    delivery["issue"]["locked"] = json!(true);
    assert!(matches!(judged(&delivery), Verdict::Refuse(_, Refusal::Locked)));
}

#[test]
fn a_delivery_with_a_used_field_of_another_type_missing_or_twice_is_refused_whole() {
    let read = |text: &str| Payload::read(text).is_ok();
    assert!(read(&delivery().to_string()));
    for pointer in [
        "/action",
        "/issue",
        "/issue/number",
        "/comment/id",
        "/comment/user",
        "/comment/body",
        "/comment/created_at",
        "/repository/id",
        "/repository/full_name",
        "/sender",
        "/sender/login",
    ] {
        for value in [Value::Null, json!([]), json!(-1), json!(1e30), json!({ "a": 1 })] {
            assert!(!read(&with(pointer, value.clone()).to_string()), "{pointer} = {value}");
        }
    }
    for (pointer, value) in [
        ("/comment/id", json!(0)),
        ("/comment/id", json!(u64::MAX)),
        ("/comment/id", json!("1")),
        ("/repository/permissions/push", json!("true")),
        ("/is_pull", json!(1)),
        // Values of a map in a list, which serde takes for the map, and no other reader.
        ("/sender", json!([3, "maria"])),
        ("/issue/pull_request", json!([false, null, false])),
        ("/repository/permissions", json!([true])),
        ("/pull_request/head", json!(["0123456789abcdef0123456789abcdef01234567"])),
    ] {
        assert!(!read(&with(pointer, value.clone()).to_string()), "{pointer} = {value}");
    }
    let twice = delivery().to_string().replacen(
        "\"action\":\"created\"",
        "\"action\":\"created\",\"action\":\"created\"",
        1,
    );
    assert!(!read(&twice), "a field that stands twice");
    let escaped = delivery().to_string().replacen(
        "\"action\":\"created\"",
        "\"action\":\"created\",\"\\u0061ction\":\"edited\"",
        1,
    );
    assert!(!read(&escaped), "a field that stands twice, once escaped");
    for death in ["", "null", "[]", "{", "\"\"", "{\"action\":1e400}", "\u{feff}{}", &"[".repeat(100_000)] {
        assert!(!read(death), "{death:.20}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!read(&deep), "nesting without end in a field that is not used");
}
