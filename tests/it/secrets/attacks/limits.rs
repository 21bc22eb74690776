//! Files that are made to take all memory, all time or the whole stack. One bad file costs nothing but itself.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::manifest;
use holdfast::secrets::{Ask, FilesError, Identities, IdentityEnv, SecretBytes, Unlocked, decrypt};
use serde_json::json;

use super::super::installed::declared;
use super::super::{Run, put};
use super::Host;
use crate::support::sops::Form;
use crate::support::world::Ran;

/// What a naive reader is given, in a process of its own.
const INPUT: &str = "HOLDFAST_TEST_INPUT";

/// This test binary, told to run one of the naive readers below, with a limit on its memory.
fn naive(reader: &str, input: &str) -> bool {
    let mut command = Command::new("prlimit");
    command.arg("--as=2000000000").arg(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "--ignored", &format!("secrets::attacks::limits::{reader}")]);
    command.env(INPUT, input).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("prlimit runs: run `make setup`").success()
}

fn input() -> String {
    std::env::var_os(INPUT)
        .and_then(|text| text.into_string().ok())
        .expect("set by the test that starts this")
}

#[test]
#[ignore = "a naive reader, started by the tests in this file"]
fn takes_list_positions_at_their_word() {
    let position: usize = input().parse().expect("a number");
    let mut list: Vec<Option<String>> = Vec::new();
    list.resize_with(position + 1, || None);
    assert!(list.iter().all(Option::is_none));
}

#[test]
#[ignore = "a naive reader, started by the tests in this file"]
fn goes_down_as_deep_as_it_is_led() {
    fn level(rest: &str) -> usize {
        let [one, two, three] = [rest.len(); 3].map(std::hint::black_box);
        rest.strip_prefix('[').map_or(0, |rest| level(rest) + 1) + (one + two - 2 * three)
    }
    let depth: usize = input().parse().expect("a number");
    assert_eq!(level(&"[".repeat(depth)), depth);
}

#[test]
#[ignore = "a naive reader, started by the tests in this file"]
fn expands_every_alias() {
    let levels: u32 = input().parse().expect("a number");
    let mut text = "lol".to_owned();
    for _ in 0..levels {
        text = text.repeat(10);
    }
    assert!(!text.is_empty());
}

#[test]
#[ignore = "a naive reader, started by the tests in this file"]
fn reads_the_whole_file() {
    assert!(!fs::read(input()).expect("read").is_empty());
}

/// What an installation took beside a file that opens.
struct Took {
    ran: Ran,
    kib: u64,
    time: Duration,
}

/// The file `name` beside a good one, which is installed whatever the other one is.
fn beside(name: &str, write: impl FnOnce(PathBuf)) -> Took {
    let host = Host::new(&json!({ "bad": { "file": name, "key": "pw" }, "good": { "file": "good.yaml" } }));
    host.seal("good.yaml", "good: value\n");
    write(host.path(name));
    let begun = Instant::now();
    let mut command = host.command(&["secrets", "install", "--json"]);
    let mut child = command
        .stdout(File::create(host.path("out")).expect("out"))
        .stderr(File::create(host.path("err")).expect("err"))
        .spawn()
        .expect("the program runs");
    let mut kib = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib = kib.max(seen.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().expect("killed");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let time = begun.elapsed();
    let read = |name: &str| fs::read_to_string(host.path(name)).expect("text");
    let ran = Ran { code: status.code().unwrap_or(-1), out: read("out"), err: read("err") };
    assert_eq!(host.installed("good").as_deref(), Some("value"), "{name}: {}", ran.err);
    eprintln!("{name}: {kib} KiB, {} ms", time.as_millis());
    Took { ran: ran.expect(5), kib, time }
}

/// It fails alone, named, in a bounded time and memory, and its text is not repeated.
fn costs_only_itself(name: &str, says: &str, write: impl FnOnce(PathBuf)) {
    let Took { ran, kib, time } = beside(name, write);
    let said = ran.json()["secrets"].to_string();
    assert!(said.contains("secret.bad") && said.contains(name) && said.contains(says), "{name}: {said}");
    assert!(said.len() < 2000, "{name}: an error of {} characters", said.len());
    assert!(kib < 300_000, "{name}: {kib} KiB");
    assert!(time < Duration::from_secs(60), "{name}: {time:?}");
}

fn text(path: PathBuf, text: &str) {
    fs::write(path, text).expect("written");
}

const STAMP: &str = "sops_lastmodified=2026-01-01T00:00:00Z\nsops_mac=x\n";

#[test]
fn a_list_position_of_a_billion_takes_no_memory() {
    assert!(naive("takes_list_positions_at_their_word", "1"), "the twin does not work at all");
    assert!(!naive("takes_list_positions_at_their_word", "999999999"), "the attack does not work");
    let line = "sops_age__list_999999999__map_enc=x\n";
    costs_only_itself("list.env", "gap", |path| text(path, &format!("pw=x\n{line}{STAMP}")));
}

#[test]
fn depth_without_end_does_not_overflow_the_stack() {
    assert!(naive("goes_down_as_deep_as_it_is_led", "10"), "the twin does not work at all");
    assert!(!naive("goes_down_as_deep_as_it_is_led", "900000"), "the attack does not work");
    for (separator, name) in [("__map_a", "maps.env"), ("__list_0", "lists.env")] {
        let key = format!("sops_a{}=1\n", separator.repeat(100_000));
        costs_only_itself(name, "nested too deeply", |path| text(path, &format!("pw=x\n{key}{STAMP}")));
    }
    let ini = format!("[sops]\na{} = 1\n", "__map_a".repeat(100_000));
    costs_only_itself("deep.ini", "nested too deeply", |path| text(path, &ini));
    let nested = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
    costs_only_itself("deep.json", "nested too deeply", |path| {
        text(path, &format!("{{\"pw\":{}}}", nested(400_000)));
    });
    costs_only_itself("deep.yaml", "deep.yaml", |path| text(path, &format!("pw: {}\n", nested(400_000))));
}

#[test]
fn aliases_of_aliases_are_not_expanded_without_end() {
    assert!(naive("expands_every_alias", "2"), "the twin does not work at all");
    assert!(!naive("expands_every_alias", "10"), "the attack does not work");
    let mut laugh = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (name, before) in ('b'..='j').zip('a'..) {
        let aliases = vec![format!("*{before}"); 10].join(", ");
        writeln!(laugh, "{name}: &{name} [{aliases}]").expect("text");
    }
    costs_only_itself("laugh.yaml", "in aliases", |path| text(path, &laugh));
}

#[test]
fn a_file_of_one_gigabyte_is_not_read() {
    let large =
        |path: PathBuf| File::create(path).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
    let folder = tempfile::tempdir().expect("a folder");
    let (small, big) = (folder.path().join("small"), folder.path().join("big"));
    fs::write(&small, "x").expect("written");
    File::create(&big).and_then(|file| file.set_len(3 << 30)).expect("a sparse file");
    assert!(naive("reads_the_whole_file", &small.display().to_string()), "the twin does not work at all");
    assert!(!naive("reads_the_whole_file", &big.display().to_string()), "the attack does not work");
    let Took { ran, kib, .. } = beside("large.yaml", large);
    let said = ran.json()["secrets"].to_string();
    assert!(said.contains("large.yaml") && said.contains("larger than 1 MiB"), "{said}");
    assert!(kib < 100_000, "{kib} KiB");
}

/// A pipe in the place of a file has no end, and nobody may ever write to it.
#[test]
fn a_pipe_is_not_waited_for() {
    let pipe = |path: PathBuf| drop(crate::support::sops::run(Command::new("mkfifo").arg(path)));
    let folder = tempfile::tempdir().expect("a folder");
    pipe(folder.path().join("pipe"));
    let mut naive = Command::new("timeout");
    naive.args(["1", "cat"]).arg(folder.path().join("pipe"));
    assert_eq!(naive.status().expect("timeout").code(), Some(124), "the attack does not work");
    costs_only_itself("pipe.yaml", "no regular file", pipe);
}

/// Ten thousand recipients fit into no file that is read; as many as fit are no work to speak of.
#[test]
fn recipients_without_end_are_no_work_without_end() {
    let host = Host::new(&json!({ "pw": { "file": "a.yaml" } }));
    let sealed = String::from_utf8(host.seal("a.yaml", "pw: hunter2\n")).expect("text");
    let (head, rest) = sealed.split_once("    age:\n").expect("recipients");
    let (entry, tail) = rest.split_once("    lastmodified").expect("the end of the recipients");
    // A wrap that looks like ours, and is not: the ciphertext is another one's.
    let other = crate::support::sops::Keys::new();
    let foreign = other.encrypt("a.yaml", b"pw: x\n", &other.recipient(Form::AgeFile), &[]);
    let foreign = String::from_utf8(foreign).expect("text");
    let foreign = foreign.split_once("    age:\n").expect("recipients").1;
    let foreign = foreign.split_once("    lastmodified").expect("the end").0;
    let lying = foreign.replace(&other.recipient(Form::AgeFile), &host.keys.recipient(Form::AgeFile));
    let with = |count: usize| format!("{head}    age:\n{}{entry}    lastmodified{tail}", lying.repeat(count));

    let fit = (1_000_000 - sealed.len()) / lying.len();
    let most = if std::env::var_os("HOLDFAST_TEST_FULL").is_some() { fit } else { fit.min(300) };
    text(host.path("a.yaml"), &with(most));
    let begun = Instant::now();
    host.install().expect(0);
    println!("{most} of {fit} recipients that lie before the right one: {} ms", begun.elapsed().as_millis());
    assert_eq!(host.installed("pw").as_deref(), Some("hunter2"));
    assert!(begun.elapsed() < Duration::from_secs(60));

    text(host.path("a.yaml"), &with(10_000));
    let said = host.install().expect(5).json()["secrets"].to_string();
    assert!(said.contains("a.yaml") && said.contains("larger than 1 MiB"), "{said}");
    assert_eq!(host.installed("pw").as_deref(), Some("hunter2"), "the last good version is gone");
}

/// An age file by a passphrase that asks for 2^`rounds` rounds of scrypt. Its MAC is looked at after that work.
fn costly(rounds: &str) -> String {
    let (salt, body, mac) = ("A".repeat(22), "A".repeat(43), "A".repeat(43));
    format!("age-encryption.org/v1\n-> scrypt {salt} {rounds}\n{body}\n--- {mac}\n{}", "x".repeat(32))
}

#[test]
#[ignore = "a naive reader, started by the tests in this file"]
fn does_all_the_work_that_is_asked_for() {
    let mut identity = age::scrypt::Identity::new("password".to_owned().into());
    identity.set_max_work_factor(63);
    let file = costly(&input());
    let opened =
        age::Decryptor::new(file.as_bytes()).expect("an age file").decrypt(std::iter::once(&identity as _));
    assert!(opened.is_err(), "it has no right MAC");
}

#[test]
fn a_passphrase_is_not_worked_for_without_end() {
    assert!(naive("does_all_the_work_that_is_asked_for", "10"), "the naive reader does not work at all");
    assert!(!naive("does_all_the_work_that_is_asked_for", "30"), "the attack does not work");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("keys.age");
    fs::write(&key, costly("30")).expect("written");
    let env = IdentityEnv {
        age_key_file: Some(key),
        ask: Ask::Given(SecretBytes::new(b"password".to_vec())),
        ..IdentityEnv::default()
    };
    let nothing = manifest::Identities { ssh_key_files: Vec::new(), ..manifest::Identities::default() };
    let identities = Identities::load(&nothing, &env);
    let keys = super::Keys::new();
    let sealed = keys.encrypt("e.json", b"{\"a\": \"x\"}", &keys.recipient(Form::AgeFile), &[]);
    let began = Instant::now();
    let error = decrypt(&sealed, manifest::SecretFormat::Json, &identities).err().expect("no key opens it");
    assert!(error.to_string().contains("asks for 2^30 rounds of work"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn armor_without_end_is_no_work_without_end() {
    let armor = "A".repeat(900_000);
    costs_only_itself("armor.env", "no identity opens it", |path| {
        let wrap = format!("sops_age__list_0__map_enc=-----BEGIN AGE ENCRYPTED FILE-----\\n{armor}\n");
        text(
            path,
            &format!("pw=x\nsops_age__list_0__map_recipient=age1x\n{wrap}{STAMP}sops_version=3.9.4\n"),
        );
    });
}

/// ramfs has no limit of its own: without one of ours a template that repeats a value takes the memory of the host.
#[test]
fn a_memory_file_system_without_a_limit_is_not_filled() {
    let run = Run::new();
    let folder = run.path().join("secrets.d");
    fs::create_dir(&folder).expect("the mount point");
    let mut mount = Command::new("mount");
    crate::support::sops::run(mount.args(["-t", "ramfs", "-o", "mode=0751", "holdfast"]).arg(&folder));
    let large = vec![b'x'; (64 << 20) + 1];
    fs::write(folder.join("naive"), &large).expect("the attack does not work");
    fs::remove_file(folder.join("naive")).expect("removed");

    let values = |bytes: &[u8]| {
        let mut unlocked = Unlocked::default();
        unlocked.values.insert("a".to_owned(), SecretBytes::new(bytes.to_vec()));
        unlocked
    };
    put(run.path(), &declared(&["a"]), &values(b"good")).expect("installed");
    let error = put(run.path(), &declared(&["a"]), &values(&large)).expect_err("installed");
    assert!(matches!(error, FilesError::TooLarge { .. }), "{error}");
    assert_eq!(error.exit().code(), 5);
    assert_eq!(run.read("a").as_deref(), Some("good"));
}

#[test]
fn more_key_shares_than_can_be_are_refused() {
    let group = |index: usize| format!("sops_key_groups__list_{index}__map_age__list_0__map_enc=x\n");
    let groups: String = (0..300).map(group).collect();
    let threshold = "sops_shamir_threshold=300\n";
    costs_only_itself("groups.env", "no identity opens it", |path| {
        text(path, &format!("pw=x\n{groups}{threshold}{STAMP}sops_version=3.9.4\n"));
    });
}
