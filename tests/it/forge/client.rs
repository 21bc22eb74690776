//! A client secret that somebody makes anew in Gitea's pages ends the one that is kept: it is seen, and made once more.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use super::peers::{ADMIN, DRONE_TOKEN, Drone, GITEAS, Gitea};
use super::relay::Relay;
use super::steps;
use crate::support::world::World;

const APPLICATION: &str = "forge.gitea/oauth_application.drone";
/// The question, which is no `GET`, whether Gitea takes a client secret.
const QUESTION: &str = "POST /login/oauth/access_token ";

/// A host whose Drone has an application that was made from here.
struct Host {
    world: World,
    gitea: Gitea,
    relay: Relay,
    address: String,
}

impl Host {
    fn new() -> Self {
        let gitea = Gitea::start(GITEAS[0]);
        let relay = Relay::to(&gitea.url);
        let host = Self { world: World::new(), gitea, relay, address: Drone::address() };
        host.world.encrypt("secrets.yaml", &format!("admin: {}\ndrone: {DRONE_TOKEN}\n", ADMIN.1));
        host.declare(false);
        host
    }

    fn declare(&self, with_drone: bool) {
        let recipient = self.world.recipient();
        self.world.edit(|manifest| {
            for section in ["stacks", "templates", "images", "networks", "gates"] {
                manifest[section] = json!({});
            }
            manifest["soak"] = json!("0s");
            manifest["identities"]["public_keys"] = json!([recipient]);
            manifest["identities"]["admins"] = json!([recipient]);
            let secret = json!({ "file": "secrets.yaml" });
            let by = |of: &str| {
                let of = format!("gitea.oauth_applications.drone.{of}");
                json!({ "file": "secrets.yaml", "generator": { "forge": { "of": of }, "where": "host" } })
            };
            manifest["secrets"] = json!({
                "admin": secret, "drone": secret, "id": by("client_id"), "secret": by("client_secret")
            });
            manifest["forge"] = json!({ "gitea": {
                "url": self.gitea.url,
                "connect": self.relay.address.to_string(),
                "admin": { "username": ADMIN.0, "password": { "secret": "admin" } },
                "oauth_applications": { "drone": {
                    "owner": ADMIN.0, "redirect_uris": [format!("http://{}/login", self.address)]
                } },
            } });
            if with_drone {
                manifest["gates"] = json!({ "oauth": { "oauth": {}, "deadline": "3s" } });
                manifest["forge"]["drone"] = json!({
                    "url": format!("http://{}", self.address),
                    "admin": {
                        "username": ADMIN.0, "token": { "secret": "drone" }, "password": { "secret": "admin" }
                    },
                });
            }
        });
    }

    /// What is installed.
    fn kept(&self) -> [String; 2] {
        let place = |name: &str| self.world.run_dir().join("secrets").join(name);
        ["id", "secret"].map(|name| fs::read_to_string(place(name)).expect("it is installed"))
    }

    fn run(&self, args: &[&str], code: i32) -> Value {
        self.world.run(&[args, &["--json"]].concat()).expect(code).json()
    }

    fn applied(&self, code: i32) -> Vec<String> {
        steps(&self.run(&["apply", "--no-verify"], code), "forge.")
    }

    fn planned(&self) -> Vec<String> {
        steps(&self.run(&["plan"], 0), "forge.")
    }

    /// What the gate says.
    fn gate(&self, code: i32) -> String {
        self.run(&["verify"], code)["gates"].to_string()
    }

    /// Applies once more, and fails unless nothing but `GET` was sent to Gitea.
    fn settled(&self, about: &str) {
        let before = self.relay.count.writes();
        assert_eq!(self.applied(0), [""; 0], "{about}");
        assert_eq!(self.relay.count.writes(), before, "{about}: {:?}", self.relay.count.lines());
    }

    /// As the button in Gitea's pages does.
    fn make_anew(&self) {
        let path = "/user/applications/oauth2";
        let all = self.gitea.get(path).1;
        let same = json!({
            "name": "drone", "redirect_uris": all[0]["redirect_uris"], "confidential_client": true
        });
        let path = format!("{path}/{}", all[0]["id"]);
        assert_eq!(self.gitea.call(ADMIN, "PATCH", &path, &same).0, 200);
    }
}

#[test]
fn a_client_secret_that_somebody_made_anew_is_seen_and_made_once_more() {
    let host = Host::new();
    assert_eq!(host.applied(0), [format!("create {APPLICATION}")]);
    let [id, first] = host.kept();
    let mut drone = Drone::start(&host.address, &host.gitea, (&id, &first));
    host.declare(true);
    assert_eq!(steps(&host.run(&["apply"], 0), "forge."), ["update forge.drone/sign_in"]);
    host.settled("with a proof");

    host.make_anew();
    let asked = host.relay.count.lines().len();
    assert_eq!(host.planned(), [""; 0], "what is proven is not asked again");
    let said = host.gate(3);
    assert!(said.contains("does not take the client secret of the application `drone`"), "{said}");
    let lines = host.relay.count.lines();
    assert!(lines[asked..].iter().all(|line| line.starts_with(QUESTION)), "verify wrote: {lines:?}");
    assert_eq!(host.planned(), [format!("update {APPLICATION}")]);
    assert_eq!(host.applied(0), [format!("update {APPLICATION}")]);
    let [same, second] = host.kept();
    assert!(same == id && second != first, "another application, or the same secret");
    drone.show((&id, &second));
    host.gate(0);
    host.settled("with another secret");

    // Nobody looked until Drone was kept out.
    host.make_anew();
    drone.forget_tokens();
    assert_eq!(host.planned(), [format!("update {APPLICATION}"), "update forge.drone/sign_in".to_owned()]);
    // This Drone is no stack: nothing gives it the secret, and the sign-in says what it met.
    host.applied(5);
    let [_, third] = host.kept();
    assert_ne!(third, second);
    drone.show((&id, &third));
    assert_eq!(host.applied(0), ["update forge.drone/sign_in"]);
    host.gate(0);
    host.settled("after all of it");
}
