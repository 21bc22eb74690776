//! What a run said to be done is on the disk when the power goes. A machine is killed as a whole, so that all goes which
//! its kernel had in memory only: a container would keep that.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::sops::{Form, Keys};

/// The first process. Nothing is written to the disk by the time that passed, nor because a file took the place of another
/// one: who does not ask the kernel to write keeps nothing.
const INIT: &str = r"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
until [ -b /dev/nvme0n1 ]; do sleep 0.1; done
mount -t ext4 -o commit=600,noauto_da_alloc /dev/nvme0n1 /state || exit
install() { cp /sealed/$1.yaml /host/s.yaml; holdfast secrets install /host/manifest.json; }
. /task
poweroff -f
";

/// Installs one version after the other, and writes down each in a file of its own without asking for anything.
const TASK: &str =
    "for n in 1 2 3; do install $n && echo $n >/state/unflushed.$n && echo installed $n; done; sleep 100";

/// What is left, what an older version meets, and whether the next one goes through.
const LOOK: &str = "echo unflushed: $(cat /state/unflushed.1); \
     echo half: $(find /state -name '*.new' -o -name new -o -type f -size 0 ! -name 'unflushed.*'); \
     install 1; echo older: $?; install 3; echo newer: $?; cat /run/holdfast/secrets/token; echo; \
     echo half: $(find /state -name '*.new' -o -name new)";

struct Guest {
    folder: TempDir,
    /// Running, with its console.
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl Guest {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let guest = Self { folder, running: None };
        let made =
            Command::new(script()).arg("disk").arg(guest.path("disk")).status().expect("guest.sh runs");
        assert!(made.success());
        for part in ["bin", "host", "sealed", "state"] {
            fs::create_dir_all(guest.path("root").join(part)).expect("a folder");
        }
        // Most of it is for debuggers, and would be unpacked into memory.
        let strip = ["--strip-all", "-o"];
        let stripped = Command::new("strip")
            .args(strip)
            .arg(guest.path("root/bin/holdfast"))
            .arg(env!("CARGO_BIN_EXE_holdfast"))
            .status();
        assert!(stripped.expect("`strip` cannot be run; run `make setup`").success());
        guest
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("root").join(name), bytes).expect("a file of the root");
    }

    fn boot(&mut self, task: &str) {
        self.write("task", task.as_bytes());
        self.write("init", INIT.as_bytes());
        fs::set_permissions(self.path("root/init"), fs::Permissions::from_mode(0o755))
            .expect("it can be run");
        let mut command = Command::new(script());
        command.arg("boot").args([self.path("disk"), self.path("root")]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("guest.sh runs");
        let console = BufReader::new(child.stdout.take().expect("its console"));
        self.running = Some((child, console));
    }

    /// What the console says up to a line, or to the end where it does not come.
    fn said(&mut self, last: &str) -> String {
        let (_, console) = self.running.as_mut().expect("it runs");
        let mut all = String::new();
        while console.read_line(&mut all).expect("text") > 0 {
            if all.lines().next_back().is_some_and(|line| line.trim() == last) {
                break;
            }
        }
        all
    }

    fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().ok();
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/guest.sh")
}

#[test]
fn what_was_said_to_be_installed_is_on_the_disk_when_a_machine_loses_its_memory() {
    let keys = Keys::new();
    let mut guest = Guest::new();
    for version in 1..=3 {
        let plain = format!("token: canary-{version}\n");
        let sealed = keys.encrypt("s.yaml", plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        guest.write(&format!("sealed/{version}.yaml"), &sealed);
        // Each is newer than the one before, by the seconds that sops writes.
        thread::sleep(Duration::from_millis(1100));
    }
    guest.write("host/age.txt", &fs::read(keys.path("age.txt")).expect("the identity"));
    let manifest = json!({
        "version": 1,
        "host": { "name": "guest" },
        "identities": { "age_key_files": ["age.txt"], "ssh_key_files": [] },
        "secrets": { "token": { "file": "s.yaml" } },
        "paths": { "run": "/run/holdfast", "state": "/state/holdfast" },
    });
    guest.write("host/manifest.json", manifest.to_string().as_bytes());

    guest.boot(TASK);
    let said = guest.said("installed 2");
    assert!(said.contains("installed 2"), "{said}");
    guest.kill();

    guest.boot(LOOK);
    let said = guest.said("the end");
    eprintln!("{said}");
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert!(
        lines.contains(&"unflushed:"),
        "what nobody asked to be written is there, so nothing was lost: {said}"
    );
    assert!(lines.contains(&"older: 5"), "the mark of the second version is gone: {said}");
    assert!(lines.contains(&"newer: 0") && lines.contains(&"canary-3"), "{said}");
    assert_eq!(lines.iter().filter(|line| **line == "half:").count(), 2, "{said}");
}
