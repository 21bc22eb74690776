//! Proves: what only a host makes is made once, kept for the host and its admins, the same after a boot, a kill and a
//! rollback of files, and merged into the checkout, where the sops file wins.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use holdfast::manifest::SecretFormat;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::sealed_at;

use crate::support::kill::{End, at};
use crate::support::sops::{Form, Keys, run};
use crate::support::world::{Ran, World, unmount_below};

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A host without an engine, its admin, and secrets that are made on it.
struct Site {
    host: Keys,
    admin: Keys,
}

impl Site {
    fn new() -> Self {
        let site = Self { host: Keys::new(), admin: Keys::new() };
        let made = |generator: Value| {
            let mut generator = generator;
            generator["where"] = json!("host");
            json!({ "file": "vault/a.yaml", "generator": generator })
        };
        let manifest = json!({
            "version": 1, "host": { "name": "web.example.org" },
            "identities": {
                "age_key_files": ["age.txt"], "ssh_key_files": [],
                "public_keys": [site.host.recipient(Form::AgeFile)], "admins": [site.admin.recipient(Form::AgeFile)],
            },
            "secrets": {
                "token": made(json!({ "random": {} })),
                "login": made(json!({ "htpasswd": { "user": "me", "password": { "secret": "token" } } })),
                "key": made(json!({ "age_key": {} })),
            },
            "templates": { "env": { "content": "TOKEN={{ token }}\n" } },
            "paths": { "run": "run", "state": "state" },
        });
        fs::write(site.host.path("manifest.json"), manifest.to_string()).expect("written");
        site
    }

    fn install(&self, more: &[&str]) -> Ran {
        Ran::new(&self.command(more).output().expect("the program runs"))
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(["secrets", "install"])
            .arg(self.host.path("manifest.json"))
            .args(more)
            .stdin(Stdio::null());
        command
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.host.path("run/secrets").join(name)).ok()
    }

    /// The bytes of what is kept.
    fn kept(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.host.path("state/minted").join(format!("{name}.json"))).ok()
    }

    /// What the admin finds in it, with the real sops.
    fn opened(&self, name: &str) -> String {
        let path = self.host.path("state/minted").join(format!("{name}.json"));
        let text = run(self.admin.sops().args(["decrypt", "--extract", "[\"value\"]"]).arg(path));
        String::from_utf8(text).expect("text")
    }

    fn pull(&self, more: &[&str]) -> Ran {
        let mut command = self.admin.opening(PROGRAM);
        let manifest = self.admin.path("manifest.json");
        command
            .args(["secrets", "pull", "--manifest"])
            .arg(manifest)
            .arg(self.host.path("state/minted"))
            .args(more);
        Ran::new(&command.stdin(Stdio::null()).output().expect("the program runs"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        unmount_below(self.host.dir.path());
    }
}

fn holds(folder: &Path, text: &str) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let found = |path: std::path::PathBuf| {
        if path.is_dir() {
            holds(&path, text)
        } else {
            fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
        }
    };
    entries.any(found)
}

#[test]
fn values_are_made_once_for_the_host_and_its_admins_and_pulled_where_the_sops_file_wins() {
    let site = Site::new();
    let check =
        Command::new(PROGRAM).arg("check").arg(site.host.path("manifest.json")).output().expect("runs");
    Ran::new(&check).expect(0);
    let dry = site.install(&["--dry-run", "--json"]).expect(0).json();
    let planned = |record: &Value| {
        record["plan"]["steps"]
            .as_array()
            .expect("steps")
            .iter()
            .map(|step| step["address"].as_str().expect("an address").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(planned(&dry)[..3], ["secret.key", "secret.login", "secret.token"], "{dry:#}");
    assert!(site.kept("token").is_none());

    site.install(&[]).expect(0);
    let token = site.read("token").expect("installed");
    assert_eq!((token.len(), &token), (32, &site.opened("token")));
    assert_eq!(site.read("rendered/env"), Some(format!("TOKEN={token}\n")));
    let login = site.read("login").expect("installed");
    let check = "import crypt, sys; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])";
    run(Command::new("python3").args(["-W", "ignore", "-c", check, &token, &login["me:".len()..]]));
    assert!(!holds(&site.host.path("state"), &token), "the state folder holds a value in clear text");
    let before = ["token", "login", "key"].map(|name| site.kept(name));
    // A second run writes nothing, a boot changes nothing, and what cannot be opened is not made again.
    assert!(planned(&site.install(&["--json"]).expect(0).json()).is_empty());
    unmount_below(site.host.dir.path());
    fs::remove_dir_all(site.host.path("run")).expect("removed");
    site.install(&[]).expect(0);
    assert_eq!(site.read("token"), Some(token.clone()));
    fs::rename(site.host.path("age.txt"), site.host.path("away.txt")).expect("moved");
    let ran = site.install(&["--json"]).expect(5);
    assert!(ran.out.contains("no identity opens it"), "{}", ran.out);
    fs::rename(site.host.path("away.txt"), site.host.path("age.txt")).expect("moved");
    assert!(["token", "login", "key"].map(|name| site.kept(name)) == before);

    // Into the checkout of the admin.
    fs::copy(site.host.path("manifest.json"), site.admin.path("manifest.json")).expect("copied");
    let readers = [&site.admin, &site.host].map(|keys| keys.recipient(Form::AgeFile)).join(",");
    let rules = format!("creation_rules:\n  - path_regex: ^vault/\n    age: {readers}\n");
    fs::write(site.admin.path(".sops.yaml"), rules).expect("written");
    assert_eq!(site.pull(&["--dry-run"]).expect(0).out.matches("would be pulled").count(), 3);
    let pulled = site.pull(&[]).expect(0);
    assert_eq!(pulled.out.matches(": pulled (").count(), 3, "{}", pulled.out);
    let values: Value =
        serde_json::from_slice(&site.admin.decrypt("vault/a.yaml", &["--output-type", "json"]))
            .expect("JSON");
    assert_eq!((&values["token"], &values["login"]), (&json!(token), &json!(login)));
    let record: Value =
        serde_json::from_slice(&fs::read(site.admin.path("vault/generated.json")).expect("a record"))
            .expect("JSON");
    assert!(record["files"]["a.yaml"]["key"]["public"].as_str().is_some_and(|text| text.starts_with("age1")));
    assert_eq!(site.pull(&[]).expect(0).out, "nothing to do\n");

    // The host takes the same value from the sops file: nothing changes. Then another one: that one counts.
    fs::create_dir(site.host.path("vault")).expect("a folder");
    let hand_over =
        || assert!(fs::copy(site.admin.path("vault/a.yaml"), site.host.path("vault/a.yaml")).is_ok());
    hand_over();
    assert!(planned(&site.install(&["--json"]).expect(0).json()).is_empty());
    run(site.admin.sops().args(["set", "vault/a.yaml", "[\"token\"]", "\"hunter2\""]));
    hand_over();
    assert!(!planned(&site.install(&["--json"]).expect(0).json()).is_empty());
    assert_eq!(site.read("token").as_deref(), Some("hunter2"));
    let kept = site.pull(&[]).expect(0);
    assert!(kept.out.contains("secret.token: has another value on the host"), "{}", kept.out);
    assert!(String::from_utf8(site.admin.decrypt("vault/a.yaml", &[])).expect("text").contains("hunter2"));
}

#[test]
fn what_is_due_by_its_age_is_made_anew_with_what_was_made_of_it_and_a_wrong_clock_makes_nothing() {
    let site = Site::new();
    let path = site.host.path("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("it")).expect("JSON");
    manifest["secrets"]["token"]["generator"]["renew_after_days"] = json!(30);
    fs::write(&path, manifest.to_string()).expect("written");
    let check = Command::new(PROGRAM).arg("check").arg(&path).output().expect("runs");
    Ran::new(&check).expect(0);
    let all = || ["token", "login", "key"].map(|name| site.read(name).expect("installed"));
    // As if it had been made so many days ago; negative is to come.
    let age = |name: &str, days: i64| {
        let time = Timestamp::now() - SignedDuration::from_hours(24 * days);
        let recipients = [&site.host, &site.admin].map(|keys| keys.recipient(Form::AgeFile)).to_vec();
        let plain = json!({ "value": site.opened(name) }).to_string();
        let sealed = sealed_at(&plain, SecretFormat::Json, recipients, time);
        fs::write(site.host.path("state/minted").join(format!("{name}.json")), sealed).expect("written");
    };
    let steps = |record: &Value| {
        let steps = record["plan"]["steps"].as_array().expect("steps").iter();
        let names = steps.filter_map(|step| step["address"].as_str()).map(str::to_owned);
        names.filter(|name| name.starts_with("secret.")).collect::<Vec<_>>()
    };
    site.install(&[]).expect(0);
    let first = all();
    for (name, days) in [("token", 29), ("login", 29), ("key", 4000)] {
        age(name, days);
    }
    assert!(steps(&site.install(&["--json"]).expect(0).json()).is_empty(), "not due");
    assert_eq!(all(), first);

    age("token", 31);
    let due = ["secret.login", "secret.token"];
    assert_eq!(steps(&site.install(&["--dry-run", "--json"]).expect(0).json()), due);
    assert_eq!(all(), first, "a look makes nothing");
    assert_eq!(steps(&site.install(&["--json"]).expect(0).json()), due);
    let [token, login, key] = all();
    assert!(token != first[0] && login != first[1] && key == first[2]);
    assert_eq!((&token, &login), (&site.opened("token"), &site.opened("login")));
    let check = "import crypt, sys; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])";
    run(Command::new("python3").args(["-W", "ignore", "-c", check, &token, &login["me:".len()..]]));
    assert!(steps(&site.install(&["--json"]).expect(0).json()).is_empty(), "made anew once");

    // Killed between the two, the line is made anew by the next run.
    age("login", 1);
    assert_eq!(steps(&site.install(&["--json"]).expect(0).json()), ["secret.login"]);
    // The clock was set back: nothing is due by a time that is still to come, and that is said.
    let before = all();
    age("token", -400);
    age("login", -400);
    let ran = site.install(&["--json"]).expect(0);
    let warnings = ran.json()["warnings"].to_string();
    assert!(
        warnings.contains("`secret.token` was made at") && warnings.contains("still to come"),
        "{warnings}"
    );
    assert_eq!(all(), before);
    // What does not open is never made anew.
    age("token", 31);
    fs::rename(site.host.path("age.txt"), site.host.path("away.txt")).expect("moved");
    assert!(steps(&site.install(&["--json"]).expect(5).json()).is_empty());
    assert_eq!(all(), before);
}

#[test]
fn killed_at_any_write_the_host_never_makes_a_value_twice() {
    let mut kills = 0;
    for call in ["rename", "fsync", "mount", "renameat"] {
        for nth in 1.. {
            let site = Site::new();
            let end = at(&site.command(&[]), call, nth);
            let place = format!("killed at {call} {nth}");
            let seen = ["token", "login", "key"].map(|name| (site.kept(name), site.read(name)));
            site.install(&[]).expect(0);
            for (name, (kept, read)) in ["token", "login", "key"].into_iter().zip(seen) {
                assert!(kept.is_some() || read.is_none(), "{place}: {name} was used before it was kept");
                assert!(kept.is_none() || kept == site.kept(name), "{place}: {name} was made twice");
                assert!(read.is_none() || read == site.read(name), "{place}: {name} changed");
                assert_eq!(site.read(name).as_deref(), Some(site.opened(name).as_str()), "{place}");
            }
            let left = fs::read_dir(site.host.path("state/minted")).expect("a folder").count();
            assert_eq!(left, 3, "{place}: something is left behind");
            if end == End::Finished {
                break;
            }
            kills += 1;
        }
    }
    eprintln!("killed at {kills} calls");
    assert!(kills >= 6, "the installation was hardly ever killed: {kills}");
}

#[test]
fn a_swarm_secret_is_made_on_the_host_and_the_second_run_writes_nothing() {
    let world = World::new();
    let public = run(Command::new("age-keygen").arg("-y").arg(world.path("age.txt")));
    let public = String::from_utf8(public).expect("text").trim().to_owned();
    world.edit(|manifest| {
        manifest["identities"]["public_keys"] = json!([public]);
        manifest["identities"]["admins"] = json!([public]);
        manifest["secrets"]["token"] =
            json!({ "file": "absent.yaml", "generator": { "hmac_key": {}, "where": "host" } });
    });
    let makes = |steps: &Value| {
        let steps = steps.as_array().expect("steps").clone();
        steps.iter().filter(|step| step["address"] == "secret.token" && step["verb"] == "create").count()
    };
    assert_eq!(makes(&world.run(&["plan", "--json"]).expect(0).json()["plan"]["steps"]), 1);
    assert!(!world.path("state/minted").exists());
    assert_eq!(makes(&world.apply()["steps"]), 1);
    assert_eq!(fs::read_to_string(world.run_dir().join("secrets/token")).expect("installed").len(), 44);
    world.assert_settled();
}
