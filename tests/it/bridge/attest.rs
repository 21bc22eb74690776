//! Proves: whether a hook's secret is right is told by who receives it, since its forge never tells.

use std::fs;

use serde_json::{Value, json};

use super::service::{SECRET, Service};
use crate::forge::peers::{ADMIN, GITEAS, Gitea, ask};
use crate::support::world::{Ran, World};

const PUSHES: &str = r#"holdfast_bridge_verdicts_total{verdict="other",reason=""}"#;
const STATUS: &str = "status-token-5b1e";

fn seal(world: &World, hook: &str) {
    world.encrypt("secrets.yaml", &format!("admin: {}\nhook: {hook}\nstatus: {STATUS}\n", ADMIN.1));
}

fn apply(world: &World) -> Ran {
    world.run(&["apply", "--no-verify", "--json"])
}

/// Every step's address and the first field of what it changes.
fn steps(ran: &Ran) -> Vec<String> {
    let steps = ran.json()["plan"]["steps"].as_array().expect("steps").clone();
    let forge = steps.iter().filter(|step| step["address"] == "forge.gitea/hook.bridge");
    forge.map(|step| format!("{} {}", step["verb"].as_str().unwrap(), step["diff"][0]["field"])).collect()
}

#[test]
fn a_hook_is_attested_by_its_receiver_once_and_a_wrong_secret_is_told() {
    let (gitea, world) = (Gitea::start(GITEAS[0]), World::new());
    let service = Service::with(&[("status", STATUS)], |bridge| {
        bridge["status_token"] = json!({ "secret": "status" });
    });
    let pushes = || {
        let token = format!("authorization: Bearer {STATUS}");
        let (_, page) = ask(&["-H", &token, &format!("http://{}/metrics", service.status)]);
        let line = page.lines().find_map(|line| line.strip_prefix(PUSHES)).expect("a counter");
        line.trim().parse::<u64>().expect("a number")
    };
    seal(&world, SECRET);
    world.edit(|manifest| {
        for section in ["stacks", "templates", "gates", "networks", "images"] {
            manifest[section] = json!({});
        }
        let file = json!({ "file": "secrets.yaml" });
        manifest["secrets"] = json!({ "admin": file, "hook": file, "status": file });
        manifest["forge"] = json!({ "gitea": {
            "url": gitea.url,
            "admin": { "username": ADMIN.0, "password": { "secret": "admin" } },
            "organisations": { "team": {} },
            "repositories": { "team/app": { "auto_init": true } },
            "webhooks": { "bridge": {
                "repository": "team/app", "url": format!("http://{}/hook", service.hook),
                "events": ["push", "pull_request_comment"], "secret": { "secret": "hook" },
                "attest": { "status": format!("http://{}", service.status), "token": { "secret": "status" }, "timeout": "3s" },
            } },
        } });
    });
    let before = pushes();
    assert_eq!(steps(&apply(&world).expect(0)), ["create null", r#"update "attested""#]);
    let attested = pushes();
    assert!(attested > before, "it was attested without a delivery");
    let gate = |code: i32| {
        let ran = world.run(&["verify", "--only", "forge.gitea", "--json"]).expect(code).json();
        ran["gates"]
            .as_array()
            .expect("gates")
            .iter()
            .map(|gate| gate["summary"].to_string())
            .collect::<String>()
    };
    assert!(gate(0).contains("its receiver has heard a delivery"));
    let again = apply(&world).expect(0);
    assert_eq!(again.json()["plan"]["steps"], json!([]));
    assert_eq!(pushes(), attested, "a run that changes nothing asked for a delivery");
    // The receiver has the old one.
    seal(&world, "another-secret");
    for about in ["rotated", "again"] {
        let ran = apply(&world).expect(4);
        let text = ran.json()["steps"].to_string();
        assert!(text.contains("with the right signature was counted"), "{about}: {text}");
        assert!(text.contains("compare the receiver's secret"), "{about}: {text}");
        assert_eq!(pushes(), attested, "{about}: a wrong signature counts");
        if about == "again" {
            assert_eq!(steps(&ran), [r#"update "attested""#], "it is not attested for being there");
            assert!(gate(3).contains("no signed test delivery was heard"));
        }
    }
    seal(&world, SECRET);
    assert_eq!(steps(&apply(&world).expect(0)), [r#"update "secret""#, r#"update "attested""#]);
    assert_eq!(apply(&world).expect(0).json()["plan"]["steps"], Value::Array(Vec::new()));
    assert!(gate(0).contains("its receiver has heard a delivery"));
    let heard = pushes();
    let hook = gitea.get("/repos/team/app/hooks").1[0]["id"].clone();
    let off = json!({ "active": false, "events": ["push", "pull_request_comment"] });
    assert_eq!(gitea.call(ADMIN, "PATCH", &format!("/repos/team/app/hooks/{hook}"), &off).0, 200);
    assert!(gate(3).contains("is turned off"));
    assert_eq!(pushes(), heard, "verify asked for a delivery");
    let record = fs::read_to_string(world.path("state/forge.json")).expect("a record");
    assert!(!record.contains(SECRET) && !record.contains(STATUS), "a value is in the record");
}
