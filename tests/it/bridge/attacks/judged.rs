//! Deliveries that the forge has signed, and that must not be obeyed all the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bridge::scripted::{Scripted, wait};
use crate::bridge::service::{HEAD, SECRET, Service, ask, body, delivery, hex, request, signed};

/// What is done to an honest delivery, and the twin that would still run it.
type Played = (&'static str, fn(&mut Value), fn(&Value) -> bool);

/// A whole bot with nothing but the trigger: each twin below adds the check that it gets wrong.
fn triggers(delivery: &Value) -> bool {
    delivery["comment"]["body"].as_str().unwrap().contains("!testme")
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn played() -> Vec<Played> {
    vec![
        ("a comment that is edited into a command", |d| d["action"] = json!("edited"), triggers),
        ("a command that is deleted", |d| d["action"] = json!("deleted"), triggers),
        (
            "a comment on an issue",
            |d| d["is_pull"] = json!(false),
            |d| triggers(d) && d["issue"]["pull_request"].is_object(),
        ),
        (
            "an issue with the fields of a pull request",
            |d| d["issue"]["pull_request"] = Value::Null,
            |d| triggers(d) && d["is_pull"] == true,
        ),
        (
            "a read-only collaborator",
            |d| d["repository"]["permissions"]["push"] = json!(false),
            |d| {
                // `GET .../collaborators/USER` answers 204 for him.
                triggers(d) && d["repository"]["permissions"]["pull"] == true
            },
        ),
        (
            "the author of a fork",
            |d| d["repository"]["permissions"]["push"] = json!(false),
            |d| triggers(d) && d["pull_request"]["head"]["repo"]["permissions"]["push"] == true,
        ),
        (
            "a repository of the same name, made later",
            |d| d["repository"]["id"] = json!(8),
            |d| triggers(d) && d["repository"]["full_name"] == "team/app",
        ),
        (
            "a repository that was transferred",
            |d| d["repository"]["full_name"] = json!("mallory/app"),
            |d| triggers(d) && d["repository"]["id"] == 7,
        ),
        (
            "an outsider's comment sent by a maintainer",
            |d| d["comment"]["user"] = json!({ "id": 5, "login": "mallory" }),
            |d| triggers(d) && d["sender"]["login"] == "maria",
        ),
        (
            "a maintainer's comment sent by an outsider",
            |d| d["sender"] = json!({ "id": 5, "login": "mallory" }),
            |d| triggers(d) && d["comment"]["user"]["login"] == "maria",
        ),
        (
            "a comment changed within the second",
            |d| d["comment"]["updated_at"] = json!("2030-01-01T00:00:00Z"),
            triggers,
        ),
        (
            "a comment of last week, sent again",
            |d| {
                for time in ["created_at", "updated_at"] {
                    d["comment"][time] = json!("2020-01-01T00:00:00Z");
                }
            },
            triggers,
        ),
        (
            "the bot answers itself",
            |d| {
                let bot = json!({ "id": 9, "login": "TestBot" });
                (d["sender"], d["comment"]["user"]) = (bot.clone(), bot);
            },
            |d| triggers(d) && d["sender"]["login"] != "testbot",
        ),
        ("a quoted command", |d| d["comment"]["body"] = json!("> !testme\n\nwhy?"), triggers),
        (
            "a command behind invisible characters",
            |d| d["comment"]["body"] = json!("!testme\u{200b}"),
            triggers,
        ),
        (
            "a second command on another line",
            |d| d["comment"]["body"] = json!("!testme\r\n!testme cancel"),
            triggers,
        ),
        ("a closed pull request", |d| d["issue"]["state"] = json!("closed"), triggers),
        (
            "a merged pull request",
            |d| d["pull_request"]["merged"] = json!(true),
            |d| triggers(d) && d["issue"]["state"] == "open",
        ),
        (
            "a locked pull request",
            |d| d["issue"]["is_locked"] = json!(true),
            |d| triggers(d) && d["issue"]["state"] == "open",
        ),
        ("a shell in a parameter", |d| d["comment"]["body"] = json!("!testme RECIPE=$(id)"), triggers),
        ("a path in a parameter", |d| d["comment"]["body"] = json!("!testme PATH=/tmp/mallory"), triggers),
        ("a branch in place of a commit", |d| d["comment"]["body"] = json!("!testme $(id)"), triggers),
        (
            "the commit of somebody else's push",
            |d| d["comment"]["body"] = json!(format!("!testme {}", HEAD.replace('0', "f"))),
            triggers,
        ),
        ("a head that is no commit", |d| d["pull_request"]["head"]["sha"] = json!("`id`"), triggers),
        (
            "a push that claims to be a comment",
            |d| *d = json!({ "ref": "refs/heads/!testme", "comment": { "body": "!testme" } }),
            |d| {
                // The event's header is not signed; this one believes it.
                triggers(d)
            },
        ),
    ]
}

pub(super) fn names() -> Vec<&'static str> {
    played().into_iter().map(|played| played.0).collect()
}

#[test]
fn what_the_forge_signs_is_obeyed_only_when_everything_in_it_is_as_it_must_be() {
    let service = Service::start(|_| {});
    let mut last = 0;
    for (name, change, twin) in played() {
        last += 1;
        let mut delivery = delivery(last);
        change(&mut delivery);
        assert_eq!(
            ask(service.hook, &signed(&body(&delivery))),
            (202, "taken\n".to_owned()),
            "{name}: the answer tells"
        );
        assert!(twin(&delivery), "{name}: the twin stands, so this proves nothing");
    }
    let journal = rusqlite::Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let obeyed = "SELECT count(*) FROM task WHERE work LIKE '%obey%'";
    let obeyed = || journal.query_row(obeyed, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(obeyed(), 0);
    assert_eq!(service.deliver(&delivery(1000)), 202);
    assert_eq!(obeyed(), 1);
    // Sent again from the forge's own page: other delivery number, same bytes.
    assert_eq!(service.deliver(&delivery(1000)), 202);
    assert_eq!(obeyed(), 1);
}

/// What a forge's own page does: the same bytes under another number, which is not signed.
#[test]
fn a_delivery_that_is_sent_again_under_another_number_is_known() {
    let service = Service::start(|_| {});
    let payload = body(&delivery(1));
    let numbers = ["5b1e0001-0000-4000-8000-000000000000", "5b1e0002-0000-4000-8000-000000000000"];
    let mut seen = BTreeSet::new();
    let mut builds = 0;
    for number in numbers {
        let headers = [
            format!("x-gitea-signature: {}", hex(SECRET, &payload)),
            format!("x-gitea-delivery: {number}"),
            format!("content-length: {}", payload.len()),
            "content-type: application/json".to_owned(),
        ];
        let bytes = request(&headers.each_ref().map(String::as_str), &payload);
        assert_eq!(ask(service.hook, &bytes).0, 202);
        builds += usize::from(seen.insert(number));
    }
    assert_eq!(service.journal(), [1]);
    assert_eq!(builds, 2, "the twin stands, so this proves nothing");
}

#[test]
fn one_user_who_asks_without_end_is_told_to_wait_and_nobody_else_is() {
    let service = Service::start(|bridge| bridge["policy"] = json!({ "burst": 3, "per_minute": 1 }));
    let answers: Vec<u16> = (1..=5).map(|comment| service.deliver(&delivery(comment))).collect();
    assert_eq!(answers, [202, 202, 202, 429, 429]);
    let mut other = delivery(6);
    let user = json!({ "id": 8, "login": "ana" });
    (other["sender"], other["comment"]["user"]) = (user.clone(), user);
    assert_eq!(service.deliver(&other), 202);
    assert_eq!(service.journal(), [1, 2, 3, 6]);
    let twin = (1..=5).filter(|comment| triggers(&delivery(*comment))).count();
    assert_eq!(twin, 5, "the twin stands, so this proves nothing");
}

#[test]
fn what_was_asked_too_often_does_not_come_in_by_the_sweep() {
    let scripted = Scripted::start();
    let old = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2))
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let write = |comment: u64, login: &str| {
        let mut sent = delivery(comment);
        sent["comment"]["user"]["login"] = login.into();
        (sent["comment"]["created_at"], sent["comment"]["updated_at"]) = (json!(old), json!(old));
        scripted.write(&sent);
        sent
    };
    let flood: Vec<_> = (1..=40).map(|comment| write(comment, "maria")).collect();
    write(41, "ana");
    let mut service = scripted.bridge(|bridge| bridge["policy"] = json!({ "burst": 3, "per_minute": 1 }));
    wait("the sweep to come to the last comment", || service.journal().contains(&41));
    assert_eq!(service.journal(), [1, 2, 3, 41]);
    // What has to wait is not lost: it is read again, although the last sweep was not long ago.
    wait("the sweep to be noted", || swept(&service));
    service.kill();
    service.again();
    wait("those who may come in now", || service.journal().len() == 7);
    assert_eq!(service.journal(), [1, 2, 3, 41, 4, 5, 6]);
    let twin = flood.iter().filter(|sent| triggers(sent)).count();
    assert_eq!(twin, 40, "the twin stands, so this proves nothing");
}

#[test]
fn what_became_a_command_within_its_second_does_not_come_in_by_the_sweep() {
    let scripted = Scripted::start();
    let mut service = scripted.bridge(|_| {});
    let old = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5))
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let written = |comment: u64, action: &str| {
        let mut sent = delivery(comment);
        sent["action"] = action.into();
        (sent["comment"]["created_at"], sent["comment"]["updated_at"]) = (json!(old), json!(old));
        sent
    };
    let edited = written(1, "edited");
    assert_eq!(service.deliver(&edited), 202);
    assert_eq!(
        service.metric(r#"holdfast_bridge_verdicts_total{verdict="ignored",reason="not_created"}"#),
        1
    );
    for sent in [&edited, &written(2, "created")] {
        scripted.write(sent);
    }
    service.kill();
    service.again();
    wait("the sweep to come to the last comment", || service.journal().contains(&2));
    assert_eq!(service.journal(), [2]);
    let comment = &edited["comment"];
    let twin = comment["created_at"] == comment["updated_at"] && triggers(&edited);
    assert!(twin, "the twin stands, so this proves nothing");
}

fn swept(service: &Service) -> bool {
    let journal = rusqlite::Connection::open(service.file("state/bridge/journal.db")).unwrap();
    journal.query_row("SELECT count(*) FROM swept", [], |row| row.get::<_, i64>(0)).unwrap() > 0
}
