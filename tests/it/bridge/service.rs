//! The real program serving a manifest, and what a forge would send it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::support::machine::program;
use crate::support::port;

pub(super) const SECRET: &str = "testme-secret";
pub(super) const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

/// A bridge that runs; killed when dropped.
pub(super) struct Service {
    pub(super) folder: TempDir,
    pub(super) hook: SocketAddr,
    pub(super) status: SocketAddr,
    child: Child,
}

impl Service {
    /// A bridge for Gitea with the hook's secret alone; `change` is done to its manifest section.
    pub(super) fn start(change: impl FnOnce(&mut Value)) -> Self {
        Self::with(&[], change)
    }

    /// The same with more secrets, names and values: `bot` and `drone` let it work on what it takes.
    pub(super) fn with(secrets: &[(&str, &str)], change: impl FnOnce(&mut Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (hook, status) = (port::own_address(), port::own_address());
        let secret = |name: &str| json!({ "secret": name });
        let mut bridge = json!({
            "listen": hook, "status_listen": status,
            "forge": { "kind": "gitea", "url": "http://127.0.0.1:9", "hook_secrets": [secret("hook")] },
            "bot": { "login": "testbot", "token": secret("bot") },
            "drone": { "url": "http://127.0.0.1:9", "token": secret("drone") },
            "repositories": { "team/app": { "id": 7, "parameters": { "RECIPE": { "one_of": ["nextcloud"] } } } },
            "policy": { "burst": 1000 },
        });
        change(&mut bridge);
        let file = json!({ "file": "secrets.yaml" });
        let manifest = json!({
            "version": 1, "host": { "name": "test.example.org" },
            "paths": { "run": folder.path().join("run"), "state": folder.path().join("state") },
            "secrets": { "hook": file, "hook_old": file, "bot": file, "drone": file, "drone_hook": file, "status": file },
            "bridge": bridge,
        });
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        std::fs::create_dir_all(folder.path().join("run/secrets")).unwrap();
        for (name, value) in [("hook", SECRET)].iter().chain(secrets) {
            std::fs::write(folder.path().join("run/secrets").join(name), format!("{value}\n")).unwrap();
        }
        let child = command(folder.path()).spawn().unwrap();
        let mut service = Self { folder, hook, status, child };
        service.wait();
        service
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until deliveries are taken.
    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.status).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the bridge ended: {ended:?}");
            assert!(Instant::now() < until, "the bridge does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the manifest says from the next start on; `change` is done to its section.
    pub(super) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let file = self.file("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        change(&mut manifest["bridge"]);
        std::fs::write(&file, manifest.to_string()).unwrap();
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, to its end.
    pub(super) fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    pub(super) fn again(&mut self) {
        self.again_with(&[]);
    }

    /// With these in its environment.
    pub(super) fn again_with(&mut self, environment: &[(&str, &OsStr)]) {
        self.child = command(self.folder.path()).envs(environment.iter().copied()).spawn().unwrap();
        self.wait();
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(super) fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Resident memory in KiB.
    pub(super) fn memory(&self) -> u64 {
        self.kernel("VmRSS")
    }

    /// What the kernel has in a field of the process.
    pub(super) fn kernel(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A page of the status listener: status and text.
    pub(super) fn page(&self, path: &str) -> (u16, String) {
        ask(self.status, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    /// A number of the metrics page.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics").1;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no `{name}` in\n{page}")).parse().unwrap()
    }

    /// Delivers as Gitea does; the status of the answer.
    pub(super) fn deliver(&self, delivery: &Value) -> u16 {
        ask(self.hook, &signed(&body(delivery))).0
    }

    /// Comments in the journal, in order.
    pub(super) fn journal(&self) -> Vec<i64> {
        let journal = rusqlite::Connection::open(self.file("state/bridge/journal.db")).unwrap();
        let mut all = journal.prepare("SELECT comment FROM task ORDER BY id").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["bridge", "serve"]).arg(folder.join("manifest.json"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// What Gitea sends for a comment on a pull request, without most of what is not read.
pub(super) fn delivery(comment: u64) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let user = json!({ "id": 3, "login": "maria", "username": "maria" });
    json!({
        "action": "created",
        "issue": {
            "id": 91, "number": 12, "state": "open", "is_locked": false, "user": { "id": 4, "login": "fork" },
            "title": "a change", "body": "!testme",
            "pull_request": { "merged": false, "merged_at": null, "draft": false },
        },
        "comment": { "id": comment, "user": user, "body": "!testme", "created_at": now, "updated_at": now },
        "repository": {
            "id": 7, "name": "app", "full_name": "team/app",
            "permissions": { "admin": false, "push": true, "pull": true },
        },
        "sender": user,
        "is_pull": true,
        "pull_request": {
            "number": 12, "state": "open", "draft": false, "merged": false,
            "head": { "ref": "change", "sha": HEAD, "repo": { "permissions": { "admin": true, "push": true } } },
        },
    })
}

pub(super) fn body(delivery: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(delivery).unwrap()
}

pub(super) fn hex(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("{:x}", mac.finalize().into_bytes())
}

/// A request with these header lines and this body.
pub(super) fn request(headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = b"POST /hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".to_vec();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The request that Gitea makes of a body.
pub(super) fn signed(body: &[u8]) -> Vec<u8> {
    let signature = format!("x-gitea-signature: {}", hex(SECRET, body));
    let length = format!("content-length: {}", body.len());
    request(&[&signature, &length, "content-type: application/json", "x-gitea-event: issue_comment"], body)
}

/// Sends bytes and reads an answer: its status and body; 0 when the connection was closed without one.
pub(super) fn ask(address: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that has answered need not read the rest.
    drop(stream.write_all(bytes));
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    drop(reader.read_line(&mut line));
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let mut rest = String::new();
    drop(reader.read_to_string(&mut rest));
    (status, rest.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
