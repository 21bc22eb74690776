//! Proves: `doctor` names who listens, what is stale and what is full. Each test has network, processes and mounts of its
//! own, in which it sees only what it started; all of it is gone with the test.

use std::path::PathBuf;
use std::process::Command;

use holdfast::report::diagnosis_schema;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::golden;

/// An empty `/run`: neither systemd nor NixOS, whatever this machine has.
const HOUSE: &str = "set -eu; mount -t tmpfs none /run; ip link set lo up; cd \"$1\"\n";

/// Listens on TCP and UDP, speaks with itself over a connection, and says its process id.
const LISTENER: &str = "
import os, socket, time
tcp = socket.create_server(('127.0.0.1', 8080))
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(('::1', 5353))
client = socket.create_connection(('127.0.0.1', 8080))
with open('pid.new', 'w') as file: file.write(str(os.getpid()))
os.rename('pid.new', 'pid')
time.sleep(60)
";

/// What a script left in its folder.
struct Left(TempDir);

impl Left {
    /// Runs a script in a house of its own, with its folder as working directory and the program as `$HOLDFAST`.
    fn by(script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("listener.py"), LISTENER).expect("written");
        let output = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount", "/bin/sh", "-c"])
            .arg(format!("{HOUSE}{script}"))
            .arg("sh")
            .arg(folder.path())
            .env("HOLDFAST", env!("CARGO_BIN_EXE_holdfast"))
            .env_remove("HOLDFAST_MANIFEST")
            .output()
            .expect("`unshare` cannot be run; run `make setup`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("what the script wrote").trim().to_owned()
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().expect("a number")
    }

    /// What `doctor --json` saw. The exit code is that of what it found.
    fn seen(&self) -> Value {
        let seen: Value = serde_json::from_str(&self.text("seen.json")).expect("JSON");
        let found = seen.get("findings").and_then(Value::as_array).expect("a list").len();
        assert_eq!(self.text("code"), if found == 0 { "0" } else { "3" }, "{seen:#}");
        seen
    }
}

/// What was found, without the disks of this machine.
fn found<'s>(seen: &'s Value, disks: &str) -> Vec<(&'s str, &'s str)> {
    let all = seen["findings"].as_array().expect("a list").iter();
    let all = all.map(|finding| (finding["about"].as_str().unwrap(), finding["text"].as_str().unwrap()));
    all.filter(|(about, _)| !about.starts_with("disk ") || (!disks.is_empty() && about.contains(disks)))
        .collect()
}

const LOOK: &str =
    "code=0; $AS $HOLDFAST --json doctor $MANIFEST > seen.json || code=$?; echo $code > code\n";
const LISTEN: &str = "python3 listener.py & until [ -e pid ]; do sleep 0.02; done\n";

#[test]
fn a_listener_is_found_with_its_process_and_its_file() {
    let left = Left::by(&format!(
        "AS= MANIFEST=\n{LISTEN} readlink \"/proc/$(cat pid)/exe\" > exe; {LOOK} $HOLDFAST doctor > text || true"
    ));
    let seen = left.seen();
    let listeners = seen["listeners"].as_array().expect("a list");
    let places: Vec<String> = listeners
        .iter()
        .map(|one| format!("{} {} {}", one["protocol"], one["address"], one["port"]).replace('"', ""))
        .collect();
    assert_eq!(places, ["tcp 127.0.0.1 8080", "udp ::1 5353"], "and no connection");
    for one in listeners {
        let [process] = one["processes"].as_array().expect("a list").as_slice() else { panic!("{one:#}") };
        assert_eq!(process["pid"].as_u64(), Some(left.number("pid")));
        assert_eq!(process["executable"].as_str(), Some(left.text("exe").as_str()));
        assert_eq!(process["deleted"], false);
    }
    let line = format!("tcp 127.0.0.1:8080: pid {} python", left.text("pid"));
    assert!(left.text("text").contains(&line), "{}", left.text("text"));
    assert_eq!(found(&seen, ""), [], "nothing is wrong with it");
    assert_eq!(seen["units"], serde_json::json!([]));
    let not_asked = seen["not_asked"].as_array().expect("a list");
    assert!(not_asked.iter().any(|line| line == "units: no systemd"), "{not_asked:?}");
}

#[test]
fn what_may_not_be_looked_into_is_said() {
    let left = Left::by(&format!(
        "{LISTEN} touch /run/program; mount --bind \"$HOLDFAST\" /run/program; HOLDFAST=/run/program\n\
         AS='setpriv --reuid=65534 --regid=65534 --clear-groups' MANIFEST=\n{LOOK} \
         $AS $HOLDFAST doctor > text || true"
    ));
    let seen = left.seen();
    let unread = seen["not_readable"].as_array().expect("a list");
    assert!(unread.iter().any(|pid| pid.as_u64() == Some(left.number("pid"))), "{seen:#}");
    assert!(left.text("text").contains("tcp 127.0.0.1:8080: not readable"), "{}", left.text("text"));
    assert!(
        matches!(found(&seen, "").as_slice(), [("look", text)] if text.ends_with("cannot be looked into"))
    );
}

#[test]
fn a_process_whose_file_was_replaced_is_stale() {
    let left = Left::by(&format!(
        "AS= MANIFEST=\nmkdir old new; for to in old new; do cp \"$(command -v sleep)\" $to/sleep; done\n\
         old/sleep 60 & echo $! > pid; new/sleep 60 & other=$!\n\
         for one in $(cat pid) $other; do until readlink /proc/$one/exe | grep -q '/sleep$'; do sleep 0.02; done; done\n\
         cp old/sleep next; mv next old/sleep\n{LOOK}"
    ));
    let seen = left.seen();
    let [stale] = seen["stale"].as_array().expect("a list").as_slice() else { panic!("{seen:#}") };
    assert_eq!(stale["why"], "deleted");
    assert_eq!(stale["process"]["pid"].as_u64(), Some(left.number("pid")));
    let file = left.path("old/sleep").canonicalize().expect("the new file").display().to_string();
    assert_eq!(stale["process"]["executable"].as_str(), Some(file.as_str()));
    let about = format!("process {}", left.text("pid"));
    assert!(matches!(found(&seen, "").as_slice(), [(one, _)] if *one == about), "{seen:#}");
}

#[test]
fn full_folders_of_the_manifest_are_found_by_bytes_and_by_inodes() {
    let manifest =
        r#"{ "version": 1, "host": { "name": "h" }, "paths": { "run": "RUN", "state": "STATE" } }"#;
    let left = Left::by(&format!(
        "AS= MANIFEST=manifest.json\nmkdir run state\n\
         mount -t tmpfs -o size=4m none state; mount -t tmpfs -o size=4m,nr_inodes=40 none run\n\
         echo '{manifest}' | sed \"s,RUN,$1/run,; s,STATE,$1/state/later,\" > manifest.json\n\
         {LOOK} mv seen.json before.json\n\
         head -c 3900K /dev/zero > state/file; for file in $(seq 38); do : > run/$file; done\n{LOOK}"
    ));
    let folder = left.0.path().display().to_string();
    let before: Value = serde_json::from_str(&left.text("before.json")).expect("JSON");
    assert_eq!(found(&before, &folder), [], "an empty file system in memory may be small");
    let seen = left.seen();
    let texts: Vec<(&str, &str)> = found(&seen, &folder);
    let [(run, inodes), (state, bytes)] = texts.as_slice() else { panic!("{seen:#}") };
    assert_eq!((*run, *state), (&*format!("disk {folder}/run"), &*format!("disk {folder}/state/later")));
    assert!(inodes.ends_with("of 40 inodes are left"), "{inodes}");
    assert!(bytes.ends_with("of 4.0 MiB are left"), "{bytes}");
}

#[test]
fn a_wrong_manifest_is_no_reason_to_look_elsewhere() {
    let program = || Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = program().args(["doctor", "/nowhere/manifest.json"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
}

#[test]
fn the_published_schema_is_the_diagnosis() {
    let mut schema = serde_json::to_string_pretty(&diagnosis_schema()).expect("JSON");
    schema.push('\n');
    golden::same_as("docs/reference/doctor.schema.json", &schema);
}
