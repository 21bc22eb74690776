//! Proves: `secrets generate` makes what a manifest declares into sops files that the real sops opens, the tools of each
//! kind take the values, a second run writes nothing, what is due is made anew, and a run that is killed costs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::sops::{Form, Keys, run};
use crate::support::world::Ran;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A checkout with a creation rule for `vault/` and a manifest that declares `secrets`.
fn checkout(secrets: &Value) -> Keys {
    let keys = Keys::new();
    fs::create_dir(keys.path("vault")).expect("a folder");
    let age = keys.recipient(Form::AgeFile);
    let rules = format!("creation_rules:\n  - path_regex: ^vault/\n    age: {age}\n");
    fs::write(keys.path(".sops.yaml"), rules).expect(".sops.yaml");
    declare(&keys, secrets);
    keys
}

fn declare(keys: &Keys, secrets: &Value) {
    let manifest = json!({
        "version": 1, "host": { "name": "web.example.org" }, "secrets": secrets,
        "identities": { "public_keys": [keys.recipient(Form::AgeFile)] },
    });
    fs::write(keys.path("manifest.json"), manifest.to_string()).expect("written");
}

fn command(keys: &Keys, args: &[&str]) -> Command {
    let mut command = keys.opening(PROGRAM);
    command.args(["secrets", "generate", "--manifest", "manifest.json"]).args(args).stdin(Stdio::null());
    command
}

fn generate(keys: &Keys, args: &[&str]) -> Ran {
    Ran::new(&command(keys, args).output().expect("the program runs"))
}

/// What the real sops finds in a file of the folder.
fn opened(keys: &Keys, file: &str) -> Value {
    let json = keys.decrypt(&format!("vault/{file}"), &["--output-type", "json"]);
    serde_json::from_slice(&json).expect("JSON")
}

fn record(keys: &Keys) -> Value {
    serde_json::from_slice(&fs::read(keys.path("vault/generated.json")).expect("a record")).expect("JSON")
}

/// Every file below the folder of secrets with its inode and its bytes.
fn everything(keys: &Keys) -> BTreeMap<String, (u64, Vec<u8>)> {
    let entries = fs::read_dir(keys.path("vault")).expect("a folder").map(|entry| entry.expect("an entry"));
    let file = |entry: fs::DirEntry| {
        let inode = entry.metadata().expect("metadata").ino();
        (entry.file_name().to_string_lossy().into_owned(), (inode, fs::read(entry.path()).expect("a file")))
    };
    entries.map(file).collect()
}

/// One of each kind, in files of four stores.
fn one_of_each() -> Value {
    let made = |file: &str, key: &str, generator: Value| json!({ "file": format!("vault/{file}"), "key": key, "generator": generator });
    json!({
        "password": made("a.yaml", "web/password", json!({ "random": { "length": 40 } })),
        "pin": made("a.yaml", "web/pin", json!({ "random": { "length": 6, "charset": "0123456789" } })),
        "age": made("a.yaml", "age", json!({ "age_key": {} })),
        "ssh": made("b.json", "ssh", json!({ "ssh_key": { "comment": "web@example.org" } })),
        "tls": made("a.yaml", "tls", json!({ "tls_self_signed": { "names": ["web.example.org", "192.0.2.7"], "days": 90 } })),
        "login": made("c.env", "LOGIN", json!({ "htpasswd": { "user": "me", "password": { "secret": "password" } } })),
        "hmac": made("d.ini", "web/hmac", json!({ "hmac_key": { "bits": 512 } })),
        "token": made("e.bin", "", json!({ "random": { "charset": "hex" } })),
    })
}

#[test]
fn the_real_tools_take_every_kind_and_a_second_run_writes_nothing() {
    let keys = checkout(&one_of_each());
    let dry = generate(&keys, &["--dry-run"]).expect(0);
    assert_eq!(dry.out.matches("would be made").count(), 8, "{}", dry.out);
    assert!(everything(&keys).is_empty());
    let ran = generate(&keys, &[]).expect(0);
    assert_eq!(ran.out.matches(": made (").count(), 8, "{}", ran.out);

    let yaml = opened(&keys, "a.yaml");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let password = text(&yaml["web"]["password"]);
    assert!(password.len() == 40 && password.chars().all(|letter| letter.is_ascii_alphanumeric()));
    assert!(text(&yaml["web"]["pin"]).len() == 6 && text(&yaml["web"]["pin"]).parse::<u32>().is_ok());
    let file = |name: &str, text: &str| {
        let path = keys.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        path
    };
    let says = |command: &mut Command| String::from_utf8(run(command)).expect("text").trim().to_owned();
    let public = |file: &str, place: &str| text(&record(&keys)["files"][file][place]["public"]);
    let age = file("age", &text(&yaml["age"]));
    assert_eq!(says(Command::new("age-keygen").arg("-y").arg(age)), public("a.yaml", "age"));
    let ssh = file("ssh", &text(&opened(&keys, "b.json")["ssh"]));
    assert_eq!(says(Command::new("ssh-keygen").arg("-y").arg("-f").arg(ssh)), public("b.json", "ssh"));
    assert!(public("b.json", "ssh").ends_with(" web@example.org"));
    let tls = file("tls", &text(&yaml["tls"]));
    let names =
        says(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&tls));
    assert!(names.contains("DNS:web.example.org") && names.contains("IP Address:192.0.2.7"), "{names}");
    let certificate = file("certificate", &public("a.yaml", "tls"));
    run(Command::new("openssl").arg("verify").arg("-CAfile").arg(&certificate).arg(&tls));
    let from = says(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&tls));
    assert_eq!(
        from,
        says(Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(&certificate))
    );
    let line = text(&opened(&keys, "c.env")["LOGIN"]);
    let hash = line.strip_prefix("me:").expect("the user");
    let check = "import crypt, sys; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])";
    run(Command::new("python3").args(["-W", "ignore", "-c", check, &password, hash]));
    assert_eq!(text(&opened(&keys, "d.ini")["web"]["hmac"]).len(), 88);
    let token = keys.decrypt("vault/e.bin", &[]);
    assert!(token.len() == 32 && token.iter().all(u8::is_ascii_hexdigit), "{token:?}");
    assert!(!fs::read_to_string(keys.path("vault/generated.json")).expect("text").contains(&password));

    let before = everything(&keys);
    assert_eq!(generate(&keys, &[]).expect(0).out, "nothing to do\n");
    assert_eq!(generate(&keys, &["--renew"]).expect(0).out, "nothing to do\n");
    assert!(everything(&keys) == before, "the second run wrote something");
    // Whoever has no key is told the same.
    let mut command = Command::new(PROGRAM);
    command
        .args(["secrets", "generate", "--manifest", "manifest.json"])
        .current_dir(keys.dir.path())
        .env_clear();
    assert_eq!(Ran::new(&command.output().expect("runs")).expect(0).out, "nothing to do\n");
    let mut check = Command::new(PROGRAM);
    check.args(["secrets", "check", "vault", "--manifest", "manifest.json"]).current_dir(keys.dir.path());
    run(&mut check);
}

#[test]
fn a_file_that_is_there_keeps_everything_else_and_readers_and_rules_are_those_it_has() {
    let other = Keys::new();
    let keys = checkout(&json!({}));
    keys.encrypt_by_config("vault/a.yaml", b"# ours\nhand: written\n\nempty: \"\"\n");
    let before = fs::read_to_string(keys.path("vault/a.yaml")).expect("a file");
    let random = json!({ "random": {} });
    let secret =
        |key: &str, file: &str| json!({ "file": format!("vault/{file}"), "key": key, "generator": random });
    declare(
        &keys,
        &json!({ "hand": secret("hand", "a.yaml"), "empty": secret("empty", "a.yaml"), "new": secret("x/y", "a.yaml") }),
    );
    let ran = generate(&keys, &[]).expect(0);
    assert!(ran.out.contains("secret.hand: is there, and recorded now"), "{}", ran.out);
    let after = fs::read_to_string(keys.path("vault/a.yaml")).expect("a file");
    let stays = |line: &&str| {
        !["mac:", "lastmodified:", "empty:"].iter().any(|key| line.trim_start().starts_with(key))
    };
    assert!(before.lines().filter(stays).all(|line| after.lines().any(|other| other == line)), "{after}");
    let now = opened(&keys, "a.yaml");
    assert_eq!(now["hand"], "written");
    assert!(now["empty"].as_str().is_some_and(|text| text.len() == 32) && now["x"]["y"].is_string());

    // Nobody is named, nothing is made; nor where the rule would leave the value clear, or the file does not open.
    declare(&keys, &json!({ "one": { "file": "elsewhere.yaml", "generator": random } }));
    assert!(
        generate(&keys, &[]).expect(78).err.contains("none of its creation rules matches `elsewhere.yaml`")
    );
    declare(&keys, &json!({ "one": secret("a_unencrypted", "b.yaml") }));
    assert!(generate(&keys, &[]).expect(78).err.contains("leaves `a_unencrypted` clear"));
    keys.encrypt("vault/other.yaml", b"a: one\n", &other.recipient(Form::AgeFile), &[]);
    declare(&keys, &json!({ "one": secret("b", "other.yaml") }));
    assert!(generate(&keys, &[]).expect(5).err.contains("no identity opens it"));
    assert!(!keys.path("elsewhere.yaml").exists() && !keys.path("vault/b.yaml").exists());
}

#[test]
fn what_is_due_is_made_anew_with_what_depends_on_it_and_only_when_told_to() {
    let keys = checkout(&json!({
        "password": { "file": "vault/a.yaml", "generator": { "random": {}, "renew_after_days": 30 } },
        "login": { "file": "vault/b.yaml", "generator": { "htpasswd": { "user": "me", "password": { "secret": "password" } } } },
        "tls": { "file": "vault/b.yaml", "generator": { "tls_self_signed": { "names": ["web.example.org"], "days": 90 } } },
        "hmac": { "file": "vault/b.yaml", "generator": { "hmac_key": {} } },
    }));
    generate(&keys, &[]).expect(0);
    let age = |place: &str, file: &str, days: i64| {
        let mut record = record(&keys);
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        record["files"][file][place]["made"] = json!(then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        fs::write(keys.path("vault/generated.json"), record.to_string()).expect("written");
    };
    age("password", "a.yaml", 29);
    age("tls", "b.yaml", 59);
    age("hmac", "b.yaml", 9999);
    assert_eq!(generate(&keys, &["--renew"]).expect(0).out, "nothing to do\n");
    age("password", "a.yaml", 31);
    age("tls", "b.yaml", 61);
    let (a, b) = (opened(&keys, "a.yaml"), opened(&keys, "b.yaml"));
    let ran = generate(&keys, &[]).expect(0);
    assert_eq!(ran.out.matches("is due").count(), 2, "{}", ran.out);
    assert_eq!((opened(&keys, "a.yaml"), opened(&keys, "b.yaml")), (a.clone(), b.clone()));
    let ran = generate(&keys, &["--renew"]).expect(0);
    assert_eq!(ran.out.matches("made anew").count(), 3, "{}", ran.out);
    let (new_a, new_b) = (opened(&keys, "a.yaml"), opened(&keys, "b.yaml"));
    assert!(new_a["password"] != a["password"] && new_b["login"] != b["login"] && new_b["tls"] != b["tls"]);
    assert_eq!(new_b["hmac"], b["hmac"]);
    assert_eq!(generate(&keys, &["--renew"]).expect(0).out, "nothing to do\n");
    // A password that somebody else changed has a line of its own.
    run(keys.sops().args(["set", "vault/a.yaml", "[\"password\"]", "\"hunter2\""]));
    let ran = generate(&keys, &[]).expect(0);
    assert!(ran.out.contains("secret.login: made anew"), "{}", ran.out);
    assert_eq!(generate(&keys, &[]).expect(0).out, "nothing to do\n");
}

#[test]
fn a_run_that_is_killed_at_any_moment_loses_nothing_and_the_next_one_leaves_nothing_over() {
    let keys = checkout(&one_of_each());
    let mut kept: BTreeMap<String, Value> = BTreeMap::new();
    let mut killed = 0;
    for round in 0..24 {
        let mut child =
            command(&keys, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
        std::thread::sleep(Duration::from_millis(10 + 35 * round));
        killed += u32::from(child.try_wait().expect("a child").is_none());
        child.kill().ok();
        child.wait().expect("ended");
        // What was there before is there still, and what is there opens.
        for file in ["a.yaml", "b.json", "c.env", "d.ini"] {
            if keys.path(&format!("vault/{file}")).exists() {
                let now = opened(&keys, file);
                if let Some(before) = kept.insert(file.to_owned(), now.clone()) {
                    assert_eq!(before, now, "{file}");
                }
            }
        }
    }
    eprintln!("{killed} runs of 24 were killed before their end");
    assert!(killed > 2, "no run was killed: the waits are too long");
    generate(&keys, &[]).expect(0);
    assert_eq!(generate(&keys, &[]).expect(0).out, "nothing to do\n");
    let files: Vec<String> = everything(&keys).into_keys().collect();
    assert_eq!(files, ["a.yaml", "b.json", "c.env", "d.ini", "e.bin", "generated.json"]);
    let age = opened(&keys, "a.yaml")["age"].as_str().expect("a key").to_owned();
    fs::write(keys.path("age"), age).expect("written");
    let recipient =
        String::from_utf8(run(Command::new("age-keygen").arg("-y").arg(keys.path("age")))).expect("text");
    assert_eq!(record(&keys)["files"]["a.yaml"]["age"]["public"], recipient.trim());
    let record = record(&keys);
    let places = |file: &Value| file.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(record["files"].as_object().expect("files").values().map(places).sum::<usize>(), 8);
}

#[test]
fn generators_that_cannot_be_are_refused_at_their_place() {
    let refused = [
        (json!({}), "one kind, this one has 0"),
        (json!({ "random": {}, "age_key": {} }), "one kind, this one has 2"),
        (json!({ "random": { "length": 0 } }), "not from 1 to 4096"),
        (json!({ "random": { "charset": "aaa" } }), "fewer than two characters"),
        (json!({ "hmac_key": { "bits": 65 } }), "multiple of 8"),
        (json!({ "tls_self_signed": { "names": [] } }), "it is for no name"),
        (json!({ "htpasswd": { "user": "a:b", "password": { "secret": "p" } } }), "cannot be the user"),
        (
            json!({ "htpasswd": { "user": "a", "password": { "secret": "absent" } } }),
            "`absent` is not in `secrets`",
        ),
        (json!({ "htpasswd": { "user": "a", "password": { "secret": "one" } } }), "itself"),
        (json!({ "random": {}, "where": "host" }), "does not name both"),
        (json!({ "random": {}, "renew_after_days": 0 }), "always be due"),
        (json!({ "random": {}, "renew": 3 }), "renew"),
    ];
    let keys = checkout(&json!({}));
    for (generator, says) in refused {
        declare(
            &keys,
            &json!({ "p": { "file": "vault/p.yaml" }, "one": { "file": "vault/a.yaml", "generator": generator } }),
        );
        let ran = generate(&keys, &[]).expect(78);
        assert!(ran.err.contains(says), "{generator}: {}", ran.err);
    }
}
