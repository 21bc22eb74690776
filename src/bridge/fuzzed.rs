//! What the fuzz target asks of the reader of deliveries; built for it and for tests only.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzz target tells what it found"
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::command::Command;
use super::form;
use super::judge::{Task, Verdict, judge};
use super::payload::Payload;
use super::signature::Keys;
use crate::manifest::{
    Bridge, BridgeBot, BridgeDrone, BridgeForge, BridgeLimits, BridgeParameter, BridgePolicy,
    BridgeRepository, ForgeKind, Password,
};
use crate::secrets::SecretBytes;

/// A signed delivery of any bytes, as JSON and as a form, and the same bytes as a signature.
pub fn payload(bytes: &[u8]) {
    let keys = Keys::new(&[SecretBytes::new(b"testme-secret".to_vec())]).expect("a key");
    let now: Timestamp = "2026-03-01T10:00:00Z".parse().expect("a time");
    let decoded = form::payload(bytes);
    for kind in [ForgeKind::Gitea, ForgeKind::Forgejo, ForgeKind::Github] {
        assert!(keys.check(kind, std::iter::once(bytes), b"body").is_err(), "a signature out of nothing");
        for json in [Some(bytes), decoded.as_deref()].into_iter().flatten() {
            let Ok(json) = std::str::from_utf8(json) else { continue };
            let Ok(payload) = Payload::read(json) else { continue };
            let bridge = bridge(kind);
            match judge(&bridge, &payload, now) {
                Verdict::Ignore(_) => {}
                Verdict::Edited(edit) => assert!(edit.repository == 7 && payload.action == "edited"),
                Verdict::Refuse(task, _) => same(json, &task),
                Verdict::Accept(task, command) => {
                    same(json, &task);
                    harmless(&command);
                    let pushes = payload.repository.permissions.is_some_and(|may| may.push);
                    assert!(pushes || kind == ForgeKind::Github, "of somebody who may not write");
                }
            }
        }
    }
}

/// Another reader of the same text sees the same task, or none: it looks at what is in fields that are not used, too.
fn same(json: &str, task: &Task) {
    let Ok(other) = serde_json::from_str::<Value>(json) else { return };
    let at = |pointer: &str| other.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/action"), "created");
    assert_eq!((at("/repository/id"), at("/repository/full_name")), (7.into(), "team/app".into()));
    assert_eq!(task.full_name, "team/app");
    assert_eq!((at("/comment/id"), at("/issue/number")), (task.comment.into(), task.pull.into()));
    assert_eq!((at("/sender/id"), at("/comment/user/id")), (task.user.into(), task.user.into()));
    assert_eq!(
        (at("/sender/login"), at("/comment/user/login")),
        (task.login.clone().into(), task.login.clone().into())
    );
    let body = at("/comment/body");
    let first = body.as_str().unwrap_or_default().chars().find(char::is_ascii_graphic);
    assert_eq!(first, Some('!'), "{body}");
}

/// What reaches a build holds nothing that a shell, a query or YAML gives a meaning.
fn harmless(command: &Command) {
    let Command::Run { commit, parameters } = command else { return };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    assert!(commit.as_ref().is_none_or(|commit| plain(commit.as_str())), "{command:?}");
    let known = ["RECIPE", "COUNT", "BASE"];
    assert!(parameters.iter().all(|(name, value)| known.contains(&&**name) && plain(value)), "{command:?}");
}

fn bridge(kind: ForgeKind) -> Bridge {
    let secret = |name: &str| Password { secret: name.to_owned() };
    let url = || "https://git.example.org".to_owned();
    let any = "127.0.0.1:0".parse().expect("an address");
    let parameters = BTreeMap::from([
        (
            "RECIPE".to_owned(),
            BridgeParameter { one_of: vec!["nextcloud".to_owned()], ..BridgeParameter::default() },
        ),
        (
            "COUNT".to_owned(),
            BridgeParameter {
                integer: Some(crate::manifest::Range { min: 1, max: 20 }),
                ..BridgeParameter::default()
            },
        ),
        ("BASE".to_owned(), BridgeParameter { commit: true, ..BridgeParameter::default() }),
    ]);
    let repository = BridgeRepository { id: 7, branch: "main".to_owned(), parameters };
    Bridge {
        listen: any,
        status_listen: any,
        status_token: None,
        journal: None,
        forge: BridgeForge { kind, url: url(), connect: None, ca: None, hook_secrets: vec![secret("hook")] },
        bot: BridgeBot { login: "testbot".to_owned(), token: secret("bot") },
        drone: BridgeDrone {
            url: url(),
            connect: None,
            ca: None,
            token: secret("drone"),
            webhook_secret: None,
        },
        repositories: BTreeMap::from([("team/app".to_owned(), repository)]),
        policy: BridgePolicy::default(),
        limits: BridgeLimits::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds of the fuzz target hold what they claim to hold.
    #[test]
    fn the_seeds_of_the_fuzz_target_are_deliveries_that_are_obeyed() {
        for (seed, kind) in [("gitea", ForgeKind::Gitea), ("github", ForgeKind::Github)] {
            let file =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/seeds/{seed}.payload"));
            let json = std::fs::read_to_string(file).unwrap();
            let now = "2026-03-01T10:00:00Z".parse().unwrap();
            let read = Payload::read(&json).unwrap();
            let said = judge(&bridge(kind), &read, now);
            assert!(matches!(said, Verdict::Accept(..)), "{seed}: {said:?}");
            payload(json.as_bytes());
            for cut in 0..json.len() {
                payload(&json.as_bytes()[..cut]);
            }
        }
    }
}
