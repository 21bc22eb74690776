//! What was so when the forge sent its delivery, and is no longer so when the work is done.

use serde_json::{Value, json};

use crate::bridge::scripted::{Fault, Scripted, World, until};
use crate::bridge::service::{HEAD, delivery};

/// The commit that was pushed after the comment.
const PUSHED: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const PULL: &str = "GET /api/v1/repos/team/app/pulls";

/// What has happened since, the result, and the commit that a naive bot builds.
type Since = (&'static str, fn(&Scripted), &'static str, fn(&Value, &World) -> Option<String>);

/// Believes its delivery.
fn believes(delivery: &Value, _: &World) -> Option<String> {
    let asks =
        delivery["comment"]["body"] == "!testme" && delivery["repository"]["permissions"]["push"] == true;
    asks.then(|| delivery["pull_request"]["head"]["sha"].as_str().unwrap().to_owned())
}

/// Asks the forge for the head, and builds that.
fn asks(delivery: &Value, world: &World) -> Option<String> {
    believes(delivery, world).map(|_| world.head.clone())
}

fn since() -> Vec<Since> {
    vec![
        (
            "a push between the comment and the work",
            |scripted| PUSHED.clone_into(&mut scripted.world().head),
            "refused:moved",
            asks,
        ),
        (
            "a comment that is edited behind its delivery",
            |scripted| "never mind".clone_into(&mut scripted.world().comments[0].1),
            "refused:edited",
            believes,
        ),
        (
            "a comment that is deleted behind its delivery",
            |scripted| scripted.world().comments.clear(),
            "refused:gone",
            believes,
        ),
        (
            "a right that was taken away",
            |scripted| {
                let may = r#"{"id":7,"full_name":"team/app","permissions":{"push":false}}"#;
                scripted.fault("GET /api/v1/repos/team/app$", 1, Fault::Said(may));
            },
            "refused:permission",
            believes,
        ),
        (
            "a repository that was put in the place of another",
            |scripted| {
                let other = r#"{"id":8,"full_name":"team/app","permissions":{"push":true}}"#;
                scripted.fault("GET /api/v1/repos/team/app$", 1, Fault::Said(other));
            },
            "refused:permission",
            believes,
        ),
        (
            "a pull request that was closed",
            |scripted| {
                let closed = r#"{"number":12,"state":"closed","merged":false,"head":{"ref":"x","sha":"0"}}"#;
                scripted.fault(PULL, 1, Fault::Said(closed));
            },
            "refused:closed",
            believes,
        ),
        (
            "a conversation that was locked",
            |scripted| {
                let locked = r#"{"number":12,"state":"open","is_locked":true,"head":{"ref":"x","sha":"0"}}"#;
                scripted.fault(PULL, 1, Fault::Said(locked));
            },
            "refused:locked",
            believes,
        ),
    ]
}

pub(super) fn names() -> Vec<&'static str> {
    since().into_iter().map(|since| since.0).collect()
}

#[test]
fn what_has_changed_since_the_delivery_is_not_built() {
    std::thread::scope(|scope| {
        for one in since() {
            scope.spawn(move || changed(&one));
        }
    });
}

fn changed((name, happens, result, twin): &Since) {
    let scripted = Scripted::start();
    let service = scripted.bridge(|_| {});
    let sent = delivery(1);
    scripted.write(&sent);
    happens(&scripted);
    assert_eq!(service.deliver(&sent), 202);
    assert_eq!(until(&service, 1, "done").as_deref(), Some(*result), "{name}");
    let world = scripted.world();
    assert!(world.builds.is_empty(), "{name}: {:?}", world.builds);
    assert!(twin(&sent, &world).is_some(), "{name}: the twin stands, so this proves nothing");
}

/// What reaches Drone is digits and names of the manifest; and nothing secret stands where it is logged.
#[test]
fn no_branch_no_commit_to_read_the_pipeline_of_and_no_token_is_in_an_address() {
    let scripted = Scripted::start();
    let service = scripted.bridge(|_| {});
    let mut sent = delivery(1);
    sent["comment"]["body"] = json!("!testme RECIPE=nextcloud");
    sent["pull_request"]["head"]["ref"] = json!("x;id>/tmp/x");
    scripted.write(&sent);
    assert_eq!(service.deliver(&sent), 202);
    until(&service, 1, "building");
    scripted.build_is(1, "success");
    assert_eq!(until(&service, 1, "done").as_deref(), Some("success"));
    let world = scripted.world();
    let mut query: Vec<&str> = world.builds[0].0.split('&').collect();
    query.sort_unstable();
    let reference = format!("REF={HEAD}");
    assert_eq!(query, ["PR=12", "RECIPE=nextcloud", &*reference, "TESTME_ID=1", "branch=main"]);
    let tells =
        |call: &String| ["bot-token-5b1e", "drone-token-5b1e"].iter().any(|token| call.contains(token));
    assert!(!world.calls.iter().any(tells), "{:?}", world.calls);
    // The twin puts all of it there, as Drone's API lets it.
    let branch = sent["pull_request"]["head"]["ref"].as_str().unwrap();
    let twin = format!("POST /api/repos/team/app/builds?branch={branch}&access_token=drone-token-5b1e");
    assert!(tells(&twin) && twin.contains(";id>"), "the twin stands, so this proves nothing");
}
