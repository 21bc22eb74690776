//! GitHub, as its documentation has it: there is none here to ask. And a bot of Gitea that is no administrator.

use serde_json::{Value, json};

use super::scripted::{Fault, Scripted, until};
use super::service::{HEAD, Service, ask, body, delivery, hex, request};

/// What GitHub delivers of a comment: nothing of the head, nothing of what its writer may.
fn delivered(comment: u64, text: &str) -> Value {
    let mut payload = delivery(comment);
    payload["comment"]["body"] = text.into();
    payload["issue"]["locked"] = false.into();
    payload["issue"]["pull_request"] = json!({ "url": "https://x/pulls/12", "merged_at": null });
    payload["repository"] = json!({ "id": 7, "full_name": "team/app", "private": false });
    for gone in ["is_pull", "pull_request"] {
        payload.as_object_mut().unwrap().remove(gone);
    }
    payload
}

/// Somebody comments on GitHub.
fn comment(scripted: &Scripted, service: &Service, number: u64, text: &str) {
    let payload = delivered(number, text);
    scripted.write(&payload);
    let bytes = body(&payload);
    let signature = format!("x-hub-signature-256: sha256={}", hex(super::service::SECRET, &bytes));
    let length = format!("content-length: {}", bytes.len());
    let headers = [&*signature, &length, "content-type: application/json", "x-github-event: issue_comment"];
    assert_eq!(ask(service.hook, &request(&headers, &bytes)).0, 202);
}

#[test]
fn a_comment_on_github_is_obeyed_when_it_names_the_head_and_its_writer_may_write() {
    let scripted = Scripted::start();
    let service = scripted.bridge(|bridge| bridge["forge"]["kind"] = "github".into());
    assert_eq!(service.page("/readyz"), (200, "ready\n".to_owned()));
    let result = |number: u64| until(&service, number, "done").unwrap();

    comment(&scripted, &service, 1, "!testme");
    assert_eq!(result(1), "refused:commit_needed");
    comment(&scripted, &service, 2, "!testme rerun");
    assert_eq!(result(2), "refused:commit_needed");
    comment(&scripted, &service, 3, &format!("!testme {}", "b".repeat(40)));
    assert_eq!(result(3), "refused:other_head");
    scripted.world().permission = "read".to_owned();
    comment(&scripted, &service, 4, &format!("!testme {HEAD}"));
    assert_eq!(result(4), "refused:permission");
    scripted.fault("GET /api/v3/repos/team/app/collaborators/", 1, Fault::Status(403));
    comment(&scripted, &service, 5, &format!("!testme {HEAD}"));
    assert_eq!(result(5), "refused:unknown");
    assert_eq!(scripted.world().builds.len(), 0);

    scripted.world().permission = "write".to_owned();
    scripted.world().calls.clear();
    comment(&scripted, &service, 6, &format!("!testme {HEAD}"));
    until(&service, 6, "building");
    scripted.build_is(1, "success");
    assert_eq!(result(6), "success");
    let world = scripted.world();
    for call in [
        "POST /api/v3/repos/team/app/issues/comments/6/reactions",
        "GET /api/v3/repos/team/app/collaborators/maria/permission",
        "GET /api/v3/repos/team/app/issues/comments/6",
        "GET /api/v3/repos/team/app/pulls/12",
        "POST /api/v3/repos/team/app/issues/12/comments",
        &format!("POST /api/v3/repos/team/app/statuses/{HEAD}"),
    ] {
        assert!(world.calls.iter().any(|one| one == call), "{call} is not in {:?}", world.calls);
    }
    assert!(!world.calls.iter().any(|call| call.contains("/api/v1/")), "{:?}", world.calls);
    assert_eq!(world.statuses.last(), Some(&(HEAD.to_owned(), "success".to_owned())));
    assert!(world.answers.last().unwrap().1.contains("passed on"), "{:?}", world.answers);
    assert!(world.answers[0].1.contains("Name it: `!testme COMMIT`"), "{:?}", world.answers);
}

#[test]
fn a_bot_that_is_no_administrator_says_that_it_cannot_tell_and_does_not_guess() {
    let scripted = Scripted::start();
    // Gitea's answer to `Sudo` of a lesser token.
    scripted.fault("GET /api/v1/repos/team/app$", 99, Fault::Status(403));
    let service = scripted.bridge(|_| {});
    for (number, permission, result) in [(1, "read", "refused:unknown"), (2, "none", "refused:unknown")] {
        scripted.world().permission = permission.to_owned();
        scripted.comment(&service, number, "!testme");
        assert_eq!(until(&service, number, "done").as_deref(), Some(result));
    }
    // A bot that may not even ask.
    scripted.fault("GET /api/v1/repos/team/app/collaborators", 1, Fault::Status(403));
    scripted.comment(&service, 3, "!testme");
    assert_eq!(until(&service, 3, "done").as_deref(), Some("refused:unknown"));
    // What the list of collaborators has is enough.
    scripted.world().permission = "write".to_owned();
    scripted.comment(&service, 4, "!testme");
    until(&service, 4, "building");
    let world = scripted.world();
    assert_eq!(world.builds.len(), 1);
    assert!(world.answers[0].1.contains("has to be an administrator's"), "{:?}", world.answers);
}
