//! Proves: every kind of identity that opens a file of sops opens it here, and what goes wrong is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use age::secrecy::SecretString;
use holdfast::manifest::{self, SecretFormat};
use holdfast::secrets::{
    Ask, Environment, Identities, IdentityEnv, SecretBytes, decrypt, recipient_of, unlock,
};

use crate::support::sops::{Form, Keys, run};

const PASSPHRASE: &str = "correct horse";

/// Nothing of the machine that runs the tests.
fn nothing() -> manifest::Identities {
    manifest::Identities { ssh_key_files: Vec::new(), ..Default::default() }
}

fn given(passphrase: &str) -> Ask {
    Ask::Given(SecretBytes::new(passphrase.as_bytes().to_vec()))
}

/// The value that opens, or the error.
fn open(sealed: &[u8], cfg: &manifest::Identities, env: &IdentityEnv) -> Result<String, String> {
    let document = decrypt(sealed, SecretFormat::Yaml, &Identities::load(cfg, env))
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(document.get("a").expect("a").expose().to_vec()).expect("text"))
}

/// A fresh SSH key; returns its path and its public line.
fn ssh_key(keys: &Keys, kind: &str, passphrase: &str) -> (PathBuf, String) {
    let path = keys.path(&format!("id_{kind}_{}", passphrase.len()));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "somebody@example.org", "-f"]).arg(&path);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    run(&mut command);
    let public = fs::read_to_string(path.with_extension("pub")).expect("the public key");
    (path, public.trim().to_owned())
}

#[test]
fn ssh_keys_of_both_kinds_open_with_and_without_a_passphrase() {
    let keys = Keys::new();
    for kind in ["ed25519", "rsa"] {
        for passphrase in ["", PASSPHRASE] {
            let (path, public) = ssh_key(&keys, kind, passphrase);
            let sealed = keys.encrypt("a.yaml", b"a: one\n", &public, &[]);
            let cfg = manifest::Identities { ssh_key_files: vec![path.clone()], ..nothing() };
            let ask = |ask| open(&sealed, &cfg, &IdentityEnv { ask, ..Default::default() });
            assert_eq!(ask(given("correct horse\n")), Ok("one".to_owned()), "{kind}");
            let of_env = IdentityEnv {
                ssh_key_file: Some(path.clone()),
                ask: given(PASSPHRASE),
                ..Default::default()
            };
            assert_eq!(open(&sealed, &nothing(), &of_env), Ok("one".to_owned()), "{kind}");
            if passphrase.is_empty() {
                continue;
            }
            let unasked = ask(Ask::Nobody).unwrap_err();
            assert!(unasked.contains("nobody can be asked for it here"), "{unasked}");
            let wrong = ask(given("another")).unwrap_err();
            assert!(
                wrong.contains("does not open by the passphrase given") && !wrong.contains("another"),
                "{wrong}"
            );
        }
    }
}

#[test]
fn a_protected_ed25519_key_opens_its_age_form_too_and_is_asked_for_once() {
    let keys = Keys::new();
    let (path, public) = ssh_key(&keys, "ed25519", PASSPHRASE);
    let converted = recipient_of(&public).expect("an age form");
    let asked = keys.path("asked");
    let askpass = keys.path("askpass");
    let script = format!("#!/bin/sh\necho \"$1\" >>'{}'\necho '{PASSPHRASE}'\n", asked.display());
    fs::write(&askpass, script).expect("askpass");
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o755)).expect("askpass");
    let cfg = manifest::Identities { ssh_key_files: vec![path.clone()], ..nothing() };
    let env = IdentityEnv { ask: Ask::Program(askpass, Environment::default()), ..Default::default() };
    let identities = Identities::load(&cfg, &env);
    let other = keys.recipient(Form::AgeFile);
    let sealed = keys.encrypt("b.yaml", b"a: other\n", &other, &[]);
    assert!(decrypt(&sealed, SecretFormat::Yaml, &identities).is_err());
    assert!(!asked.exists(), "nobody is asked for a key that the file does not name");
    for recipient in [&converted, &public] {
        let sealed = keys.encrypt("a.yaml", b"a: one\n", recipient, &[]);
        assert!(decrypt(&sealed, SecretFormat::Yaml, &identities).is_ok(), "{recipient}");
    }
    assert_eq!(fs::read_to_string(asked).expect("asked"), format!("Passphrase of {}\n", path.display()));
}

/// A key file under a passphrase, with little work so that the test is quick.
fn protect(path: &Path, text: &[u8], armored: bool) {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(4);
    let sealed = if armored {
        age::encrypt_and_armor(&recipient, text).expect("encrypted").into_bytes()
    } else {
        age::encrypt(&recipient, text).expect("encrypted")
    };
    fs::write(path, sealed).expect("written");
}

#[test]
fn a_key_file_under_a_passphrase_opens_and_too_much_work_is_not_done() {
    let keys = Keys::new();
    let sealed = keys.encrypt("a.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    let text = fs::read(keys.path("age.txt")).expect("age.txt");
    let path = keys.path("protected.txt");
    let env = |ask| IdentityEnv { age_key_file: Some(path.clone()), ask, ..Default::default() };
    for armored in [true, false] {
        protect(&path, &text, armored);
        assert_eq!(open(&sealed, &nothing(), &env(given(PASSPHRASE))), Ok("one".to_owned()));
    }
    assert!(
        open(&sealed, &nothing(), &env(given("x"))).unwrap_err().contains("does not open by the passphrase")
    );
    assert!(open(&sealed, &nothing(), &env(Ask::Nobody)).unwrap_err().contains("nobody can be asked"));
    let bytes = fs::read(&path).expect("protected.txt");
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    let line = bytes[end..].iter().position(|byte| *byte == b'\n').expect("a line") + end;
    let greedy = [&bytes[..line - 1], b"25", &bytes[line..]].concat();
    fs::write(&path, greedy).expect("written");
    let begun = Instant::now();
    let error = open(&sealed, &nothing(), &env(given(PASSPHRASE))).unwrap_err();
    assert!(error.contains("2^25 rounds"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn all_keys_of_a_text_are_tried() {
    let keys: [Keys; 3] = std::array::from_fn(|_| Keys::new());
    let text =
        |keys: &Keys| fs::read_to_string(keys.path("age.txt")).expect("age.txt").replace("# a key\n", "");
    let all = format!(
        "# several\n\n  {} {}  # last\n\r\n{}",
        text(&keys[0]).trim(),
        text(&keys[1]).trim(),
        text(&keys[2])
    );
    let env = IdentityEnv { age_key: Some(SecretBytes::new(all.into_bytes())), ..Default::default() };
    for keys in &keys {
        let sealed = keys.encrypt("a.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
        assert_eq!(open(&sealed, &nothing(), &env), Ok("one".to_owned()));
    }
}

#[test]
fn commands_give_keys_for_the_recipient_that_they_are_told() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    let other = Keys::new().recipient(Form::AgeFile);
    let sealed = keys.encrypt("a.yaml", b"a: one\n", &format!("{other},{recipient}"), &[]);
    let file = keys.path("age.txt");
    let script = format!(
        "[ \"$SOPS_AGE_RECIPIENT\" = {recipient} ] || exit 4; [ -z \"$CARGO\" ] || exit 5; cat {}",
        file.display()
    );
    let env = |text: String| IdentityEnv { age_key_cmd: Some(text), ..Default::default() };
    assert_eq!(open(&sealed, &nothing(), &env(format!("/bin/sh -c '{script}'"))), Ok("one".to_owned()));
    for (command, says) in [
        ("sh -c true", "is not an absolute path"),
        ("/bin/sh -c 'exit 4'", "exit status: 4"),
        ("/no/such/program", "did not start"),
        ("/bin/sh -c 'yes CANARY-c0de'", "printed more than"),
        ("/bin/echo 'open", "quote that is not closed"),
    ] {
        let error = open(&sealed, &nothing(), &env(command.to_owned())).unwrap_err();
        assert!(
            error.contains(says) && error.contains("SOPS_AGE_KEY_CMD") && !error.contains("CANARY"),
            "{error}"
        );
    }
    let (path, public) = ssh_key(&keys, "ed25519", "");
    let sealed = keys.encrypt("b.yaml", b"a: two\n", &public, &[]);
    let env =
        IdentityEnv { ssh_key_cmd: Some(format!("/bin/cat '{}'", path.display())), ..Default::default() };
    assert_eq!(open(&sealed, &nothing(), &env), Ok("two".to_owned()));
}

/// A folder with the plugin, and what it needs of the environment.
struct Plugin {
    folder: tempfile::TempDir,
}

const FINE: u8 = 0;
const ASKS: u8 = 1;
const HANGS: u8 = 2;
const SAYS_ERROR: u8 = 3;
const DIES: u8 = 4;
const FLOODS: u8 = 5;

impl Plugin {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("age-plugin-hftest");
        fs::write(&program, include_str!("hftest-plugin.py")).expect("the plugin");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("the plugin");
        Self { folder }
    }

    /// Recipient and identity of one key.
    fn pair(how: u8) -> (String, String) {
        let bytes = [&[how], b"sixteen bytes...".as_slice()].concat();
        let encode = |prefix| {
            let prefix = bech32::Hrp::parse(prefix).expect("a prefix");
            bech32::encode::<bech32::Bech32>(prefix, &bytes).expect("bech32")
        };
        (encode("age1hftest"), encode("age-plugin-hftest-").to_uppercase())
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.path().display())
    }

    fn env(&self, identity: &str, ask: Ask) -> IdentityEnv {
        let environment =
            Environment { folders: Vec::new(), variables: vec![("PATH".into(), self.path().into())] };
        let age_key = Some(SecretBytes::new(identity.as_bytes().to_vec()));
        IdentityEnv { age_key, ask, environment, ..Default::default() }
    }
}

#[test]
fn a_plugin_opens_what_sops_wrapped_by_it() {
    let (keys, plugin) = (Keys::new(), Plugin::new());
    for (how, ask) in [(FINE, Ask::Nobody), (ASKS, given("1234"))] {
        let (recipient, identity) = Plugin::pair(how);
        let sealed = keys.encrypt_with_path("a.yaml", b"a: one\n", &recipient, &plugin.path());
        assert_eq!(open(&sealed, &nothing(), &plugin.env(&identity, ask.clone())), Ok("one".to_owned()));
        // From a declared folder, which PATH does not name.
        let cfg = manifest::Identities { plugin_folders: vec![plugin.folder.path().to_owned()], ..nothing() };
        let mut env = plugin.env(&identity, ask);
        env.environment.variables = vec![("PATH".into(), "/usr/bin:/bin".into())];
        assert_eq!(open(&sealed, &cfg, &env), Ok("one".to_owned()));
        let error = open(&sealed, &nothing(), &env).unwrap_err();
        assert!(error.contains("`age-plugin-hftest` is not on this machine"), "{error}");
    }
    let (recipient, identity) = Plugin::pair(ASKS);
    let sealed = keys.encrypt_with_path("a.yaml", b"a: one\n", &recipient, &plugin.path());
    let wrong = open(&sealed, &nothing(), &plugin.env(&identity, given("9876"))).unwrap_err();
    assert!(wrong.contains("wrong PIN") && !wrong.contains("9876"), "{wrong}");
    let nobody = open(&sealed, &nothing(), &plugin.env(&identity, Ask::Nobody)).unwrap_err();
    assert!(nobody.contains("nobody can be asked"), "{nobody}");
}

#[test]
fn each_file_is_unwrapped_once_by_each_identity_however_many_secrets_are_in_it() {
    let (keys, plugin) = (Keys::new(), Plugin::new());
    let (count, real) = (plugin.folder.path().join("count"), plugin.folder.path().join("real"));
    let program = plugin.folder.path().join("age-plugin-hftest");
    fs::rename(&program, &real).expect("moved");
    let script = format!("#!/bin/sh\necho >> {}\nexec python3 {} \"$@\"\n", count.display(), real.display());
    fs::write(&program, script).expect("the plugin that counts");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let (recipient, fine) = Plugin::pair(FINE);
    let (files, names) = (["a.yaml", "b.yaml", "c.yaml"], ["one", "two", "three", "four"]);
    let mut secrets = serde_json::Map::new();
    for file in files {
        let sealed =
            keys.encrypt_with_path(file, b"one: 1\ntwo: 2\nthree: 3\nfour: 4\n", &recipient, &plugin.path());
        fs::write(keys.path(file), sealed).expect("written");
        for name in names {
            let secret = serde_json::json!({ "file": keys.path(file), "key": name });
            secrets.insert(format!("{name}-{file}"), secret);
        }
    }
    let manifest = serde_json::json!({ "version": 1, "host": { "name": "h" }, "secrets": secrets });
    let manifest: manifest::Manifest = serde_json::from_value(manifest).expect("a manifest");
    let runs = |identities: &str| {
        fs::remove_file(&count).ok();
        let identities = Identities::load(&nothing(), &plugin.env(identities, Ask::Nobody));
        let unlocked = unlock(&manifest, &identities, None);
        assert!(unlocked.failures.is_empty(), "{:?}", unlocked.failures);
        assert_eq!(unlocked.values.len(), files.len() * names.len());
        fs::read_to_string(&count).expect("counted").len()
    };
    let one = runs(&fine);
    let (_, other) = Plugin::pair(SAYS_ERROR);
    let two = runs(&format!("{other}\n{fine}"));
    eprintln!(
        "{} files of {} secrets: {one} unwraps with one identity, {two} with two",
        files.len(),
        names.len()
    );
    assert_eq!(one, files.len());
    assert!((files.len()..=2 * files.len()).contains(&two), "{two}");
}

#[test]
fn a_plugin_that_misbehaves_is_said_and_does_not_hold_anything_up() {
    let (keys, plugin) = (Keys::new(), Plugin::new());
    let (recipient, _) = Plugin::pair(FINE);
    let sealed = keys.encrypt_with_path("a.yaml", b"a: one\n", &recipient, &plugin.path());
    for (how, says) in
        [(SAYS_ERROR, "the token is not plugged in"), (DIES, "ended too early"), (FLOODS, "said")]
    {
        let begun = Instant::now();
        let error = open(&sealed, &nothing(), &plugin.env(&Plugin::pair(how).1, Ask::Nobody)).unwrap_err();
        assert!(error.contains(says) && error.contains("age-plugin-hftest"), "{how}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    if std::env::var_os("HOLDFAST_TEST_FULL").is_some() {
        let error = open(&sealed, &nothing(), &plugin.env(&Plugin::pair(HANGS).1, Ask::Nobody)).unwrap_err();
        assert!(error.contains("took too long"), "{error}");
    }
    // A key beside it opens all the same.
    let both = format!("{recipient},{}", keys.recipient(Form::AgeFile));
    let sealed = keys.encrypt_with_path("a.yaml", b"a: one\n", &both, &plugin.path());
    let mut env = plugin.env(&Plugin::pair(DIES).1, Ask::Nobody);
    env.age_key_file = Some(keys.path("age.txt"));
    assert_eq!(open(&sealed, &nothing(), &env), Ok("one".to_owned()));
}

#[test]
fn a_post_quantum_recipient_is_passed_over_and_named() {
    let keys = Keys::new();
    let (other, ours) = (Keys::new().recipient(Form::AgeFile), keys.recipient(Form::AgeFile));
    let sealed = keys.encrypt("a.yaml", b"a: one\n", &format!("{other},{ours}"), &[]);
    let mut text = String::from_utf8(sealed).expect("text");
    text = text.replace(&other, &format!("age1pq1{}", "q".repeat(1900)));
    let env = IdentityEnv { age_key_file: Some(keys.path("age.txt")), ..Default::default() };
    assert_eq!(open(text.as_bytes(), &nothing(), &env), Ok("one".to_owned()));
    let error = open(text.as_bytes(), &nothing(), &IdentityEnv::default()).unwrap_err();
    assert!(error.contains("age1pq1qqqqqqqqqqqqq... (post-quantum, which is not supported)"), "{error}");
    assert!(error.len() < 600, "{error}");
}
