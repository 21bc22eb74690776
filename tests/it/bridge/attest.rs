//! Proves: whether a hook's secret is right is told by who receives it, since its forge never tells.

use std::fs;

use serde_json::{Value, json};

use super::service::{SECRET, Service};
use crate::forge::peers::{ADMIN, GITEAS, Gitea, ask};
use crate::forge::relay::Relay;
use crate::support::world::{Ran, World};

const PUSHES: &str = r#"holdfast_bridge_verdicts_total{verdict="other",reason=""}"#;
const STATUS: &str = "status-token-5b1e";

/// A Gitea, a bridge, and a host whose manifest has hooks of the one that call the other.
pub(super) struct Host {
    pub(super) gitea: Gitea,
    pub(super) world: World,
    pub(super) service: Service,
    /// Between the host and its Gitea.
    pub(super) relay: Relay,
}

impl Host {
    /// With hooks of these names and repositories.
    pub(super) fn new(hooks: &[(&str, &str)]) -> Self {
        let (gitea, world) = (Gitea::start(GITEAS[0]), World::new());
        let service = Service::with(&[("status", STATUS)], |bridge| {
            bridge["status_token"] = json!({ "secret": "status" });
        });
        let relay = Relay::to(&gitea.url);
        let host = Self { gitea, world, service, relay };
        host.seal(SECRET);
        let secret = |name: &str| json!({ "secret": name });
        let hook = |(name, repository): &(&str, &str)| {
            let hook = json!({
                "repository": repository, "url": format!("http://{}/hook", host.service.hook),
                "events": ["push", "pull_request_comment"], "secret": secret("hook"),
                "attest": {
                    "status": format!("http://{}", host.service.status), "token": secret("status"), "timeout": "3s"
                },
            });
            ((*name).to_owned(), hook)
        };
        let repository = |(_, name): &(&str, &str)| ((*name).to_owned(), json!({ "auto_init": true }));
        host.world.edit(|manifest| {
            for section in ["stacks", "templates", "gates", "networks", "images"] {
                manifest[section] = json!({});
            }
            let file = json!({ "file": "secrets.yaml" });
            manifest["secrets"] = json!({ "admin": file, "hook": file, "status": file });
            manifest["forge"] = json!({ "gitea": {
                "url": host.gitea.url,
                "connect": host.relay.address.to_string(),
                "admin": { "username": ADMIN.0, "password": secret("admin") },
                "organisations": { "team": {} },
                "repositories": hooks.iter().map(repository).collect::<Value>(),
                "webhooks": hooks.iter().map(hook).collect::<Value>(),
            } });
        });
        host
    }

    /// The hooks' secret from now on.
    pub(super) fn seal(&self, hook: &str) {
        let plain = format!("admin: {}\nhook: {hook}\nstatus: {STATUS}\n", ADMIN.1);
        self.world.encrypt("secrets.yaml", &plain);
    }

    /// How many signed deliveries of pushes the bridge has counted.
    pub(super) fn pushes(&self) -> u64 {
        let token = format!("authorization: Bearer {STATUS}");
        let (_, page) = ask(&["-H", &token, &format!("http://{}/metrics", self.service.status)]);
        let line = page.lines().find_map(|line| line.strip_prefix(PUSHES)).expect("a counter");
        line.trim().parse().expect("a number")
    }

    /// What `verify` says of the hooks; it ends with this code.
    pub(super) fn gate(&self, code: i32) -> String {
        let ran = self.world.run(&["verify", "--only", "forge.gitea", "--json"]).expect(code).json();
        ran["gates"].as_array().expect("gates").iter().map(|gate| gate["summary"].to_string()).collect()
    }
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
    let host = Host::new(&[("bridge", "team/app")]);
    let (world, gitea) = (&host.world, &host.gitea);
    let (pushes, gate) = (|| host.pushes(), |code: i32| host.gate(code));
    let before = pushes();
    assert_eq!(steps(&apply(world).expect(0)), ["create null", r#"update "attested""#]);
    let attested = pushes();
    assert!(attested > before, "it was attested without a delivery");
    assert!(gate(0).contains("its receiver has heard a delivery"));
    let again = apply(world).expect(0);
    assert_eq!(again.json()["plan"]["steps"], json!([]));
    assert_eq!(pushes(), attested, "a run that changes nothing asked for a delivery");
    // The receiver has the old one.
    host.seal("another-secret");
    for about in ["rotated", "again"] {
        let ran = apply(world).expect(4);
        let text = ran.json()["steps"].to_string();
        assert!(text.contains("with the right signature was counted"), "{about}: {text}");
        assert!(text.contains("compare the receiver's secret"), "{about}: {text}");
        assert_eq!(pushes(), attested, "{about}: a wrong signature counts");
        if about == "again" {
            assert_eq!(steps(&ran), [r#"update "attested""#], "it is not attested for being there");
            assert!(gate(3).contains("no signed test delivery was heard"));
        }
    }
    host.seal(SECRET);
    assert_eq!(steps(&apply(world).expect(0)), [r#"update "secret""#, r#"update "attested""#]);
    assert_eq!(apply(world).expect(0).json()["plan"]["steps"], Value::Array(Vec::new()));
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
