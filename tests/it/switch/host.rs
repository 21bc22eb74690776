//! A machine of its own, the generations of `tests/machine/hosts.nix`, and a switch between them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::TempDir;

use super::decide::{Active, Decision, decide};
use crate::forge::peers;
use crate::support::copy_program;
use crate::support::machine::{self, Machine};
use crate::support::sops::{Form, Keys};

/// Settings with which nix needs neither a daemon nor the network.
const NIX_CONFIG: &str = "build-users-group =\nsubstituters =\nsandbox = false\n";

/// Where the generation of the machine is named, as `/nix/var/nix/profiles/system` does it elsewhere.
const PROFILE: &str = "/var/lib/system-profile";

/// Another program than the rules of `decide.rs`, by path: NixOS's own, where somebody has it.
const OTHER: &str = "HOLDFAST_TEST_SWITCH";

/// A machine as the modules make it.
pub(super) struct Host {
    pub(super) machine: Machine,
    generations: PathBuf,
    turn: Mutex<()>,
    _keys: TempDir,
}

/// How a switch ended.
pub(super) struct Switched {
    pub(super) code: i32,
    pub(super) said: String,
}

impl Switched {
    pub(super) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        self
    }
}

impl Host {
    /// The host that scenarios share; it goes with the process, as its owner.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Host> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        let machine = Machine::own();
        let keys = Keys::new();
        fs::copy(keys.path("age.txt"), machine.folder("").join("age.txt")).expect("the identity");
        let sealed = tempfile::tempdir().expect("a folder");
        for (name, token) in [("one", "value-1"), ("two", "value-2")] {
            let plain = format!(
                "token: canary-{token}\nother: canary-other\nhash: {HASH}\nhook: canary-hook\nbot: canary-bot\n\
                 drone: canary-drone\nrpc: canary-rpc-{token}\nadmin: {}\n",
                peers::ADMIN.1
            );
            let text = keys.encrypt("s.yaml", plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
            fs::write(sealed.path().join(format!("{name}.yaml")), text).expect("a sealed file");
        }
        let program = program();
        let place = program.parent().expect("a folder").display().to_string();
        machine.sh(&format!("mkdir -p {place} && ln -sfn /srv/share/holdfast {place}/holdfast"));
        let generations = build(&program, sealed.path());
        // Only the builds needed it here.
        fs::remove_dir_all(&place).expect("the folder of the link");
        let host = Self { machine, generations, turn: Mutex::new(()), _keys: keys.dir };
        // What a NixOS is before anything is configured.
        let nothing = host.path("nothing");
        host.machine.sh(&format!(
            "touch /etc/NIXOS; ln -sfnT {nothing} {PROFILE}; systemctl isolate --no-block multi-user.target; \
             {nothing}/activate {nothing} && systemctl daemon-reload && systemctl start multi-user.target"
        ));
        host
    }

    /// Waits for the other scenarios.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation of this name, at the same path on both sides.
    pub(super) fn path(&self, name: &str) -> String {
        let link = self.generations.join(name);
        let place = fs::read_link(&link).unwrap_or_else(|error| panic!("`{}`: {error}", link.display()));
        place.display().to_string()
    }

    /// Switches to a generation, as `nixos-rebuild switch` does once it is built.
    pub(super) fn switch(&self, name: &str) -> Switched {
        let path = self.path(name);
        self.machine.sh(&format!("ln -sfnT {path} {PROFILE}"));
        match std::env::var_os(OTHER) {
            Some(program) => self.other(Path::new(&program), &path, "switch"),
            None => self.act(&path),
        }
    }

    /// What a switch would do.
    pub(super) fn dry_activate(&self, name: &str) -> Switched {
        let path = self.path(name);
        if let Some(program) = std::env::var_os(OTHER) {
            return self.other(Path::new(&program), &path, "dry-activate");
        }
        let decision = decide(&self.current(), &units(&path), &self.active());
        let script = format!("{path}/dry-activate");
        let ran = self.machine.output(&["env", "NIXOS_ACTION=dry-activate", &script, &path]);
        let said = format!("{decision:?}\n{}", text(&ran));
        Switched { code: ran.status.code().unwrap_or(-1), said }
    }

    /// The units that are linked now.
    fn current(&self) -> PathBuf {
        PathBuf::from(self.machine.sh("readlink -f /etc/systemd/system"))
    }

    fn active(&self) -> Active {
        let listed = self.machine.sh("systemctl list-units --all --plain --no-legend --full");
        listed
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let (name, state) = (words.next()?, words.nth(1)?);
                (state != "inactive").then(|| (name.to_owned(), state.to_owned()))
            })
            .collect()
    }

    fn act(&self, path: &str) -> Switched {
        let mut run = Steps { host: self, code: 0, said: String::new() };
        let (new, active) = (units(path), self.active());
        let mut decision = decide(&self.current(), &new, &active);
        run.systemctl("stop", &decision.stop, false);
        run.activate(path);
        let asked = |name: &str| -> Vec<String> {
            let list = format!("/run/nixos/activation-{name}-list");
            self.machine
                .sh(&format!("cat {list} 2>/dev/null || true; rm -f {list}"))
                .lines()
                .map(str::to_owned)
                .collect()
        };
        decision.asked(&asked("restart"), &asked("reload"), &new, &active);
        self.machine.sh("systemctl reset-failed && systemctl daemon-reload");
        run.systemctl("restart", ["sysinit-reactivation.target"], true);
        run.reload(&mut decision);
        run.systemctl("restart", &decision.restart, true);
        // A socket does not start once its service runs.
        let (sockets, others): (Vec<_>, Vec<_>) =
            decision.start.iter().partition(|name| name.ends_with(".socket"));
        run.systemctl("start", sockets, true);
        run.systemctl("start", others, true);
        run.failed();
        Switched { code: run.code, said: run.said }
    }

    /// Another program that switches, with the environment that NixOS gives its own.
    fn other(&self, program: &Path, path: &str, action: &str) -> Switched {
        let inside = self.machine.folder("").join("switch");
        copy_program(program, inside);
        let text_of_call = format!(
            "env OUT={path} TOPLEVEL={path} DISTRO_ID=debian PRE_SWITCH_CHECK=/bin/true \
             INSTALL_BOOTLOADER=/bin/true LOCALE_ARCHIVE= SYSTEMD=/usr NIXOS_NO_SYNC=1 /srv/share/switch {action}"
        );
        let ran = self.machine.output(&["bash", "-c", &text_of_call]);
        Switched { code: ran.status.code().unwrap_or(-1), said: text(&ran) }
    }
}

/// The steps of a switch, in the order that NixOS has for them.
struct Steps<'a> {
    host: &'a Host,
    code: i32,
    said: String,
}

impl Steps<'_> {
    fn say(&mut self, words: &str) {
        self.said += words;
        self.said.push('\n');
    }

    /// One command for all of them; what does not succeed counts if `counts`.
    fn systemctl(&mut self, verb: &str, units: impl IntoIterator<Item = impl AsRef<str>>, counts: bool) {
        let units: Vec<String> = units.into_iter().map(|unit| unit.as_ref().to_owned()).collect();
        if units.is_empty() {
            return;
        }
        self.say(&format!("{verb}: {}", units.join(" ")));
        let args: Vec<&str> =
            ["systemctl", verb].into_iter().chain(units.iter().map(String::as_str)).collect();
        let ran = self.host.machine.output(&args);
        self.say(&text(&ran));
        if counts && !ran.status.success() {
            self.code = 4;
        }
    }

    fn activate(&mut self, path: &str) {
        let ran =
            self.host.machine.output(&["env", "NIXOS_ACTION=switch", &format!("{path}/activate"), path]);
        self.say(&text(&ran));
        if !ran.status.success() {
            self.say("the activation failed");
            self.code = 2;
        }
    }

    /// What does not run any more by now is started instead.
    fn reload(&mut self, decision: &mut Decision) {
        let active = self.host.active();
        let (runs, ended): (Vec<_>, Vec<_>) = decision.reload.iter().cloned().partition(|name| {
            active.get(name).is_some_and(|state| state == "active" || state == "activating")
        });
        decision.start.extend(ended);
        self.systemctl("reload", runs, true);
    }

    /// Units that failed, or fail again and again.
    fn failed(&mut self) {
        let look = "sleep 0.25; systemctl list-units --failed --plain --no-legend --full | awk '{print $1}'; \
                    for unit in $(systemctl list-units --type=service --plain --no-legend --full | awk '$4 == \"auto-restart\" {print $1}'); do \
                    [ \"$(systemctl show --value --property=ExecMainStatus $unit)\" = 0 ] || echo $unit; done";
        let failed = self.host.machine.sh(look);
        if !failed.is_empty() {
            self.say(&format!("failed: {failed}"));
            let status = format!("systemctl status --no-pager --full {} || true", failed.replace('\n', " "));
            let status = self.host.machine.sh(&status);
            self.say(&status);
            self.code = 4;
        }
    }
}

/// A password that was hashed.
pub(super) const HASH: &str = "$6$holdfast$notarealhashbutlongenough";

fn units(generation: &str) -> PathBuf {
    Path::new(generation).join("etc/systemd/system")
}

fn text(ran: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// The program at a path that is there on both sides, that no unit's hardening hides, and that another build does not
/// share: what the builds make of it is kept by this name.
fn program() -> PathBuf {
    let program = machine::program();
    let about = fs::metadata(&program).expect("the program");
    let folder =
        format!("/var/lib/holdfast-machine/{}-{}-{}", about.len(), about.mtime(), about.mtime_nsec());
    let place = Path::new(&folder).join("holdfast");
    if !place.exists() {
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(program, &place).expect("a link");
    }
    place
}

/// Builds all generations; the folder with a link to each.
fn build(program: &Path, sealed: &Path) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/holdfast");
    let cache = std::env::var_os("HOLDFAST_CACHE").map_or_else(home, PathBuf::from);
    let root = fs::canonicalize(cache.join("machine")).expect("there is no machine; run `make setup`");
    let mut command = Command::new("nix-build");
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NIX_CONFIG", NIX_CONFIG)
        .env("HOLDFAST_BIN", program);
    command.args(["--no-out-link", "tests/machine/hosts.nix", "--argstr", "machine"]).arg(root);
    command.args(["--argstr", "sealed"]).arg(sealed);
    command.args(["--argstr", "drone"]).arg(peers::drone_program());
    let built = command.output().expect("`nix-build` cannot be run; run `make setup`");
    assert!(built.status.success(), "{}", text(&built));
    PathBuf::from(String::from_utf8_lossy(&built.stdout).trim())
}
