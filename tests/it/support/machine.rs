//! A machine of its own with systemd: `tests/machine/machine.sh` behind a guard that ends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::copy_program;
use super::world::Ran;

/// A booted Debian. Scenarios share one, one after the other: each has units, folders and a manifest of its own name.
pub(crate) struct Machine {
    name: String,
    /// Its address on host0.
    pub(crate) ip: String,
    share: TempDir,
    turn: Mutex<()>,
}

/// The machine that tests share while any of them uses it.
static SHARED: Mutex<Weak<Machine>> = Mutex::new(Weak::new());

impl Machine {
    /// The shared machine, booted if no other test uses it now.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = shared.upgrade() {
            return machine;
        }
        let machine = Arc::new(Self::boot_new());
        *shared = Arc::downgrade(&machine);
        machine
    }

    /// A machine for who calls alone.
    pub(crate) fn own() -> Self {
        Self::boot_new()
    }

    fn boot_new() -> Self {
        // A name of its own: the former machine may be on its way down while this one boots.
        static BOOTED: AtomicUsize = AtomicUsize::new(0);
        let share = tempfile::tempdir().expect("a temporary folder");
        let (program, place) = (program(), share.path().join("holdfast"));
        fs::hard_link(&program, &place).unwrap_or_else(|_| copy_program(&program, &place));
        let pid = std::process::id();
        let name = format!("it-{pid}-{}", BOOTED.fetch_add(1, Ordering::Relaxed));
        let share_path = share.path().display().to_string();
        let said = script(&["up", &name, "--share", &share_path, "--owner", &pid.to_string()]);
        let ip =
            said.lines().find_map(|line| line.strip_prefix("MACHINE_IP=")).expect("an address").to_owned();
        Self { name, ip, share, turn: Mutex::new(()) }
    }

    /// Waits for the other tests on this machine.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder that both sides see; here, and as `/srv/share/NAME` inside.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.share.path().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Ends the machine as a power cut does, and boots it again.
    pub(crate) fn boot(&self) {
        script(&["boot", &self.name]);
    }

    /// Shuts the machine down, and boots it again.
    pub(crate) fn reboot(&self) {
        script(&["reboot", &self.name]);
    }

    /// Runs a program inside, whatever comes of it.
    pub(crate) fn output(&self, args: &[&str]) -> Output {
        let mut command = Command::new(path());
        command.args(["exec", &self.name]).args(args).stdin(Stdio::null());
        command.output().expect("machine.sh runs")
    }

    /// What a command of this host begins with that shall meet the machine on its loopback.
    pub(crate) fn network(&self) -> Vec<String> {
        [path().display().to_string(), "net".to_owned(), self.name.clone()].to_vec()
    }

    /// Runs shell text inside that must succeed; returns what it printed, without the last line break.
    pub(crate) fn sh(&self, text: &str) -> String {
        let output = self.output(&["bash", "-ec", text]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}:\n{out}\n{err}");
        out.trim_end().to_owned()
    }

    /// Runs the program inside.
    pub(crate) fn holdfast(&self, args: &[&str]) -> Ran {
        Ran::new(&self.output(&[&["/srv/share/holdfast"], args].concat()))
    }

    /// Writes a unit; what is not said is as systemd has it.
    pub(crate) fn unit(&self, name: &str, text: &str) {
        let folder = self.folder("units");
        fs::write(folder.join(name), text).expect("a unit");
        self.sh(&format!("cp /srv/share/units/{name} /etc/systemd/system/ && systemctl daemon-reload"));
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, property: &str) -> String {
        self.sh(&format!("systemctl show --value --property={property} {unit}"))
    }

    /// Waits until something inside is so.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            assert!(
                Instant::now() < until,
                "{what}: still not so\n{}",
                self.sh("journalctl -b -n 40 --no-pager")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let output = Command::new(path()).args(["down", &self.name]).output();
        if !output.is_ok_and(|output| output.status.success()) {
            eprintln!("machine `{}` did not go down", self.name);
        }
    }
}

/// The program that machines have: this build's, or another one where `HOLDFAST_TEST_PROGRAM` names it.
pub(crate) fn program() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_holdfast"));
    std::env::var_os("HOLDFAST_TEST_PROGRAM").map_or_else(built, PathBuf::from)
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/machine.sh")
}

fn script(args: &[&str]) -> String {
    let output = Command::new(path()).args(args).stdin(Stdio::null()).output().expect("machine.sh runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "machine.sh {}: {out}{err}", args.join(" "));
    out.into_owned()
}
