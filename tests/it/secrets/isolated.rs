//! Proves: one bad secret costs nothing but itself, and keeps its last good version.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast::manifest::Manifest;
use holdfast::report::Failure;
use holdfast::secrets::{
    Identities, IdentityEnv, Unlocked, files, keep_ciphertext, render_templates, unlock,
};

use super::{Run, key, manifest, put, secret, template, wanted_of};
use crate::support::sops::{Form, Keys};

/// Two files, a secret in each and one more in the first.
struct House {
    keys: Keys,
    manifest: Manifest,
    identities: Identities,
}

impl House {
    fn new() -> Self {
        let keys = Keys::new();
        let identities = keys.identities(Form::AgeFile);
        let mut house = Self { keys, manifest: manifest(), identities };
        house.seal("a.yaml", "one: CANARY-1\ntwo: CANARY-2\n");
        house.seal("b.yaml", "three: CANARY-3\n");
        for (name, file) in [("one", "a.yaml"), ("two", "a.yaml"), ("three", "b.yaml")] {
            house.manifest.secrets.insert(name.to_owned(), secret(&house.keys.path(file), name));
        }
        for (name, content) in [("both", "{{ one }} {{ three }}"), ("only", "{{ one | json }}")] {
            house.manifest.templates.insert(name.to_owned(), template(content));
        }
        house
    }

    fn seal(&self, name: &str, plain: &str) {
        self.keys.encrypt(name, plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
    }

    fn unlock(&self, kept: Option<&Path>) -> Unlocked {
        let mut unlocked = unlock(&self.manifest, &self.identities, kept);
        render_templates(&self.manifest, &mut unlocked);
        no_canary(&unlocked);
        unlocked
    }

    fn kept(&self) -> PathBuf {
        self.keys.path("kept")
    }
}

fn no_canary(unlocked: &Unlocked) {
    let said = format!("{:?} {:?}", unlocked.failures, unlocked.warnings);
    assert!(!said.contains("CANARY"), "{said}");
}

fn value<'u>(unlocked: &'u Unlocked, name: &str) -> Option<&'u str> {
    unlocked.values.get(name).map(|value| std::str::from_utf8(value.expose()).expect("text"))
}

fn failed(failures: &[Failure]) -> Vec<(String, bool)> {
    failures.iter().map(|failure| (failure.address.to_string(), failure.kept)).collect()
}

#[test]
fn a_bad_file_fails_what_refers_to_it_and_nothing_else() {
    let house = House::new();
    assert!(house.unlock(None).failures.is_empty());
    let stranger = Keys::new();
    let plain = house.keys.path("b.yaml");
    fs::write(&plain, stranger.encrypt("b.yaml", b"three: CANARY-3\n", &stranger.recipient(Form::Ssh), &[]))
        .expect("written");

    let unlocked = house.unlock(None);
    assert_eq!((value(&unlocked, "one"), value(&unlocked, "two")), (Some("CANARY-1"), Some("CANARY-2")));
    assert_eq!(value(&unlocked, "rendered/only"), Some("\"CANARY-1\""));
    assert_eq!((value(&unlocked, "three"), value(&unlocked, "rendered/both")), (None, None));
    let expected = [("secret.three".to_owned(), false), ("template.both".to_owned(), false)];
    assert_eq!(failed(&unlocked.failures), expected);
    let reason = &unlocked.failures[0].reason;
    for part in [
        plain.display().to_string(),
        stranger.recipient(Form::Ssh),
        house.keys.recipient(Form::AgeFile),
        house.keys.path("age.txt").display().to_string(),
    ] {
        assert!(reason.contains(&part), "{part} is not in: {reason}");
    }
    assert!(unlocked.failures[1].reason.contains("`three`"), "{}", unlocked.failures[1].reason);
}

#[test]
fn every_way_to_fail_names_the_secret_and_the_file() {
    let house = House::new();
    let path = house.keys.path("b.yaml");
    let good = fs::read_to_string(&path).expect("sealed");
    let no_mac: Vec<_> = good.lines().filter(|line| !line.contains("mac:")).collect();
    let cases = [
        ("has no MAC", no_mac.join("\n")),
        ("three", good.replacen("data:", "data:A", 1)),
        ("is not in the file", good.clone()),
        ("no `sops` section", "three: CANARY-3\n".to_owned()),
        ("line ", "three: [CANARY-3\n".to_owned()),
        ("it is empty", String::new()),
    ];
    for (said, text) in cases {
        let mut house = House {
            manifest: house.manifest.clone(),
            keys: Keys::new(),
            identities: house.keys.identities(Form::AgeFile),
        };
        if text == good {
            house.manifest.secrets.get_mut("three").expect("three").key = Some("absent".to_owned());
        }
        fs::write(&path, &text).expect("written");
        let unlocked = house.unlock(None);
        let failure = &unlocked.failures[0];
        assert_eq!(failure.address.to_string(), "secret.three");
        assert!(failure.reason.starts_with(&format!("{}: ", path.display())), "{}", failure.reason);
        assert!(failure.reason.contains(said), "{said}: {}", failure.reason);
        assert!(value(&unlocked, "two").is_some());
    }
    fs::remove_file(&path).expect("removed");
    let failure = &house.unlock(None).failures[0];
    assert!(failure.reason.contains("b.yaml: cannot be read: No such file"), "{}", failure.reason);
}

#[test]
fn after_a_boot_the_kept_ciphertext_gives_the_last_good_version() {
    let house = House::new();
    keep_ciphertext(&house.unlock(None), None, &house.kept()).expect("kept");
    let kept_text: Vec<u8> = fs::read_dir(house.kept())
        .expect("kept")
        .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!String::from_utf8_lossy(&kept_text).contains("CANARY"), "only ciphertext is kept");

    // The file is truncated; its value is the old one, the failure is still told.
    fs::write(house.keys.path("b.yaml"), "three: ENC[").expect("truncated");
    // The other file moves on and loses one key.
    house.seal("a.yaml", "one: CANARY-1-new\n");
    let unlocked = house.unlock(Some(&house.kept()));
    assert_eq!(value(&unlocked, "one"), Some("CANARY-1-new"));
    assert_eq!(value(&unlocked, "two"), Some("CANARY-2"));
    assert_eq!(value(&unlocked, "three"), Some("CANARY-3"));
    assert_eq!(value(&unlocked, "rendered/both"), Some("CANARY-1-new CANARY-3"));
    assert_eq!(
        failed(&unlocked.failures),
        [("secret.three".to_owned(), true), ("secret.two".to_owned(), true)]
    );

    // What is kept from that run still holds the old versions.
    let next = house.keys.path("kept-next");
    keep_ciphertext(&unlocked, None, &next).expect("kept on");
    let again = house.unlock(Some(&next));
    assert_eq!((value(&again, "two"), value(&again, "three")), (Some("CANARY-2"), Some("CANARY-3")));

    // Kept ciphertext is opened like any other: a flipped bit in it gives nothing.
    for entry in fs::read_dir(&next).expect("kept") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, text.replacen("data:", "data:A", 1)).expect("damaged");
    }
    let broken = house.unlock(Some(&next));
    assert_eq!((value(&broken, "two"), value(&broken, "three")), (None, None));
}

#[test]
fn what_is_still_installed_stands_in_when_nothing_was_kept() {
    let house = House::new();
    let run = Run::new();
    put(run.path(), &house.manifest, &house.unlock(None)).expect("installed");
    let before = run.observed();

    fs::write(house.keys.path("b.yaml"), "three: ENC[").expect("truncated");
    let mut unlocked = unlock(&house.manifest, &house.identities, None);
    files::fall_back(run.path(), &house.manifest, &mut unlocked);
    render_templates(&house.manifest, &mut unlocked);
    no_canary(&unlocked);
    assert_eq!(failed(&unlocked.failures), [("secret.three".to_owned(), true)]);
    let (wanted, _) = wanted_of(&house.manifest, &unlocked, &key());
    assert_eq!(wanted, before, "nothing has to be written");
}

#[test]
fn a_template_that_can_no_longer_be_rendered_keeps_its_installed_text() {
    let mut house = House::new();
    let run = Run::new();
    put(run.path(), &house.manifest, &house.unlock(None)).expect("installed");
    house.manifest.templates.insert("both".to_owned(), template("{{ one }} {{ not_there }}"));
    let mut unlocked = unlock(&house.manifest, &house.identities, None);
    files::fall_back(run.path(), &house.manifest, &mut unlocked);
    render_templates(&house.manifest, &mut unlocked);
    assert_eq!(failed(&unlocked.failures), [("template.both".to_owned(), true)]);
    put(run.path(), &house.manifest, &unlocked).expect("installed");
    assert_eq!(run.read("rendered/both").as_deref(), Some("CANARY-1 CANARY-3"));
}

#[test]
fn every_source_of_identities_is_tried_and_told() {
    let house = House::new();
    let mut config = house.keys.config(Form::Ssh);
    config.ssh_key_files.push(house.keys.path("no-such-key"));
    fs::write(house.keys.path("bad.txt"), "CANARY-not-a-key\n").expect("written");
    config.age_key_files.push(house.keys.path("bad.txt"));
    let env = IdentityEnv { age_key_file: Some(house.keys.path("age.txt")), ..Default::default() };
    let identities = Identities::load(&config, &env);
    assert_eq!(identities.tried().len(), 5, "{:?}", identities.tried());
    assert!(!identities.tried().concat().contains("CANARY"));
    assert!(
        unlock(&house.manifest, &identities, None).failures.is_empty(),
        "the good source opens everything"
    );
}

#[test]
fn a_passphrase_key_is_told_by_its_name() {
    let keys = Keys::new();
    let path = keys.path("locked");
    crate::support::sops::run(
        std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "CANARY", "-f"])
            .arg(&path),
    );
    let config = holdfast::manifest::Identities {
        age_key_files: vec![],
        ssh_key_files: vec![path.clone()],
        ..Default::default()
    };
    let tried = Identities::load(&config, &IdentityEnv::default()).tried();
    let named = format!("{} is protected by a passphrase", path.display());
    assert!(
        matches!(tried.as_slice(), [one] if one.contains(&named) && !one.contains("CANARY")),
        "{tried:?}"
    );
}

#[test]
fn single_values_of_dotenv_and_ini_files_are_taken_by_their_endings() {
    let mut house = House::new();
    house.seal("app.env", "three=CANARY-3\nother=1\n");
    house.seal("app.ini", "[db]\npassword = CANARY-4\n");
    for (file, key, expected) in [("app.env", "three", "CANARY-3"), ("app.ini", "db/password", "CANARY-4")] {
        let three = house.manifest.secrets.get_mut("three").expect("three");
        (three.file, three.key) = (house.keys.path(file), Some(key.to_owned()));
        let unlocked = house.unlock(None);
        assert_eq!(value(&unlocked, "three"), Some(expected), "{file}");
    }
}
