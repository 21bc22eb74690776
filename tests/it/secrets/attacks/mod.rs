//! Proves: known attacks on secrets do not work. Each test shows first, on a naive twin, that its attack does.
//!
//! The twin is the real sops where that is what an attacker meets elsewhere, or a few lines that do the thing the
//! obvious way.

mod commands;
mod images;
mod leaks;
mod limits;
mod links;
mod memory;
mod names;
mod reuse;
mod revoked;
mod rights;
mod rollback;
mod socket;
mod stale;
mod structure;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::attacks::page_names_every_test;
use crate::support::sops::{Form, Keys};
use crate::support::world::{Ran, unmount_below};

/// A host without an engine: keys, a manifest, a run and a state folder.
pub(super) struct Host {
    pub(super) keys: Keys,
}

impl Host {
    /// With these secrets, as a manifest has them.
    pub(super) fn new(secrets: &Value) -> Self {
        let host = Self { keys: Keys::new() };
        host.write(secrets, &json!({}));
        host
    }

    /// Writes the manifest.
    pub(super) fn write(&self, secrets: &Value, more: &Value) {
        let mut manifest = json!({
            "version": 1,
            "host": { "name": "test" },
            "identities": { "age_key_files": ["age.txt"], "ssh_key_files": [] },
            "secrets": secrets,
            "paths": { "run": "run", "state": "state" },
        });
        if let (Some(manifest), Some(more)) = (manifest.as_object_mut(), more.as_object()) {
            manifest.extend(more.clone());
        }
        fs::write(self.path("manifest.json"), manifest.to_string()).expect("manifest.json");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.keys.path(name)
    }

    /// Encrypts a file with the real sops.
    pub(super) fn seal(&self, file: &str, plain: &str) -> Vec<u8> {
        self.keys.encrypt(file, plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[])
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(args).arg(self.path("manifest.json")).stdin(Stdio::null()).env_remove("SOPS_AGE_KEY");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).output().expect("the program runs"))
    }

    pub(super) fn install(&self) -> Ran {
        self.run(&["secrets", "install", "--json"])
    }

    /// What is installed.
    pub(super) fn installed(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("run/secrets").join(name)).ok()
    }

    /// The program behind the socket `credentials.sock`.
    fn serve(&self) -> Serving {
        let command = self.command(&["credentials", "serve", "--idle", "30s"]);
        serve(command, &self.path("credentials.sock"))
    }

    /// What the socket gives to somebody who connects from an address of this name.
    fn ask(&self, name: &str) -> Vec<u8> {
        ask(&self.path("credentials.sock"), name).expect("an answer, and be it empty")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        unmount_below(self.keys.dir.path());
    }
}

/// Starts a program with a listening socket as its standard input.
pub(super) fn serve(mut command: Command, socket: &std::path::Path) -> Serving {
    let socket = UnixListener::bind(socket).expect("a socket");
    command.stdin(OwnedFd::from(socket)).stderr(Stdio::piped()).stdout(Stdio::null());
    Serving(command.spawn().expect("the program runs"))
}

/// A program that serves; ended with the test.
pub(super) struct Serving(Child);

impl Serving {
    /// Ends it and gives what it said.
    fn end(mut self) -> String {
        use std::io::Read as _;
        self.0.kill().expect("killed");
        let mut said = String::new();
        let stderr = self.0.stderr.as_mut().expect("its standard error");
        stderr.read_to_string(&mut said).expect("text");
        said
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Connects from an abstract address and reads to the end, as systemd does.
pub(super) fn ask(socket: &std::path::Path, name: &str) -> std::io::Result<Vec<u8>> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket as open};
    use std::io::Read as _;
    let fd = open(AddressFamily::UNIX, SocketType::STREAM, None)?;
    if !name.is_empty() {
        bind(&fd, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    }
    connect(&fd, &SocketAddrUnix::new(socket)?)?;
    let mut all = Vec::new();
    fs::File::from(fd).take(1 << 20).read_to_end(&mut all)?;
    Ok(all)
}

/// The data key of a sealed file, out of the wrap that these keys open.
fn data_key(keys: &Keys, sealed: &str) -> Option<Vec<u8>> {
    const END: &str = "-----END AGE ENCRYPTED FILE-----";
    let text = fs::read_to_string(keys.path("age.txt")).expect("age.txt");
    let line = text.lines().find(|line| line.starts_with("AGE-")).expect("a key");
    let identity: age::x25519::Identity = line.parse().expect("an identity");
    let lines: Vec<&str> = sealed.lines().map(str::trim).collect();
    let mut wraps = lines.split(|line| line.starts_with("-----BEGIN")).skip(1);
    wraps.find_map(|wrap| {
        let body: Vec<&str> = wrap.iter().copied().take_while(|line| *line != END).collect();
        let armor = format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n{END}\n", body.join("\n"));
        age::decrypt(&identity, armor.as_bytes()).ok()
    })
}

#[test]
fn the_page_of_attacks_names_every_test() {
    page_names_every_test("docs/reference/secrets-attacks.md", "secrets::attacks", 16);
}
