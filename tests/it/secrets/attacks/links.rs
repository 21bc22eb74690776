//! Somebody who owns a folder above a place leads it elsewhere, in the middle of a run.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use holdfast::secrets::files::{link, unlink};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde_json::json;
use tempfile::TempDir;

use super::Host;
use crate::support::sops::Form;

const ATTACKER: u32 = 65534;
const TARGET: &str = "/run/holdfast/secrets/a";
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// From here on this thread is somebody without rights.
fn become_somebody() {
    let (user, group) = (Uid::from_raw(ATTACKER), Gid::from_raw(ATTACKER));
    set_thread_groups(&[]).expect("groups");
    set_thread_res_gid(group, group, group).expect("group");
    set_thread_res_uid(user, user, user).expect("user");
}

/// A thread of another user that exchanges a folder and a link all the time.
struct Exchanger {
    stop: Arc<AtomicBool>,
    exchanges: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Exchanger {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let (stop, exchanges) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&exchanges));
        let thread = std::thread::spawn(move || {
            become_somebody();
            fs::File::open("/etc/shadow").expect_err("the attacker has rights, so this shows nothing");
            while !told.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("exchanged");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, exchanges, thread: Some(thread) }
    }

    fn count(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the attacker lives to the end");
        }
    }
}

/// `home` belongs to the attacker and holds `config`, a folder, and `evil`, a link to `etc`, which is root's.
pub(super) fn home() -> (TempDir, PathBuf, PathBuf) {
    let all = fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(all).tempdir().expect("a folder");
    let (home, etc) = (folder.path().join("home"), folder.path().join("etc"));
    for path in [&home, &home.join("config"), &etc] {
        fs::create_dir(path).expect("a folder");
    }
    symlink(&etc, home.join("evil")).expect("a link");
    for path in [&home, &home.join("config")] {
        chown(path, Some(ATTACKER), Some(ATTACKER)).expect("the owner");
    }
    (folder, home, etc)
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

fn ours(target: &Path) -> bool {
    target.starts_with("/run/holdfast/secrets")
}

#[test]
fn a_parent_that_changes_all_the_time_never_leads_a_link_astray() {
    let (_folder, home, etc) = home();
    let path = home.join("config/token");
    let attacker = Exchanger::start(home.join("config"), home.join("evil"));
    // The obvious way looks, and then goes by the path again.
    let begun = Instant::now();
    while entries(&etc) == 0 {
        assert!(begun.elapsed() < PATIENCE, "the attack does not work, so this shows nothing");
        if fs::symlink_metadata(home.join("config")).is_ok_and(|meta| meta.is_dir()) {
            drop(symlink(TARGET, &path));
        }
        drop(
            fs::remove_file(home.join("config/token")).or_else(|_| fs::remove_file(home.join("evil/token"))),
        );
        if entries(&etc) == 0 && fs::symlink_metadata(etc.join("token")).is_ok() {
            break;
        }
    }
    drop(fs::remove_file(etc.join("token")));

    let (before, begun, mut made) = (attacker.count(), Instant::now(), 0);
    while made < 50 || attacker.count() - before < 2000 {
        assert!(begun.elapsed() < PATIENCE, "{made} links made");
        made += usize::from(link(&path, Path::new(TARGET), &ours).is_ok());
        assert_eq!(entries(&etc), 0, "a link was made in a folder of root");
        drop(unlink(&path, &ours));
        drop(unlink(&home.join("evil/token"), &ours));
    }
    let exchanged = attacker.count() - before;
    drop(attacker);
    assert_eq!(entries(&etc), 0);
    println!("{made} links made during {exchanged} exchanges");
}

/// Root's files in the place that the attacker leads to are not removed either.
#[test]
fn a_parent_that_changes_all_the_time_never_loses_a_link_of_root() {
    let (_folder, home, etc) = home();
    let path = home.join("config/token");
    symlink(TARGET, etc.join("token")).expect("a link of root");
    let attacker = Exchanger::start(home.join("config"), home.join("evil"));
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "the attack does not work, so this shows nothing");
        drop(fs::remove_file(&path));
        if entries(&etc) == 0 {
            break;
        }
    }
    symlink(TARGET, etc.join("token")).expect("a link of root");
    let (begun, before) = (Instant::now(), attacker.count());
    while attacker.count() - before < 2000 {
        assert!(begun.elapsed() < PATIENCE, "the attacker sleeps");
        drop(unlink(&path, &ours));
        assert_eq!(entries(&etc), 1, "a link of root is gone");
    }
}

/// State and run folders below a folder of somebody else: whoever may rename them gives the lock, the marks and the
/// mount to root as he likes.
#[test]
fn a_state_or_run_folder_that_others_may_exchange_is_refused() {
    for place in ["state", "run"] {
        let (_folder, home, etc) = home();
        fs::set_permissions(&etc, fs::Permissions::from_mode(0o700)).expect("the mode");
        let host = Host::new(&json!({}));
        host.seal("a.yaml", "pw: hunter2\n");
        let mut paths = json!({ "run": "run", "state": "state" });
        if let Some(path) = paths.get_mut(place) {
            *path = json!(home.join("config/deep"));
        }
        // The obvious way makes the folder wherever the path leads.
        let attacker = Exchanger::start(home.join("config"), home.join("evil"));
        let begun = Instant::now();
        while entries(&etc) == 0 {
            assert!(begun.elapsed() < PATIENCE, "the attack does not work, so this shows nothing");
            drop(fs::create_dir_all(home.join("config/deep")));
        }
        drop(attacker);
        fs::remove_dir_all(etc.join("deep")).expect("removed");
        drop(fs::remove_dir_all(home.join("config/deep")));
        drop(fs::remove_dir_all(home.join("evil/deep")));

        host.write(&json!({ "pw": { "file": "a.yaml" } }), &json!({ "paths": paths }));
        let ran = host.run(&["secrets", "install"]);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("home") && said.contains("65534"), "{place}: {said}");
        assert_ne!(ran.code, 0, "{place}: {said}");
        assert_eq!(entries(&etc), 0, "{place}");
    }
}

/// A key file that somebody else may exchange is opened, and never through a link of his.
#[test]
fn a_key_file_of_somebody_else_leads_root_to_no_other_file() {
    let (_folder, home, etc) = home();
    let host = Host::new(&json!({}));
    host.seal("a.yaml", "pw: hunter2\n");
    let key = fs::read(host.path("age.txt")).expect("the key");
    fs::write(etc.join("keys.txt"), &key).expect("a key of root");
    fs::set_permissions(etc.join("keys.txt"), fs::Permissions::from_mode(0o600)).expect("the mode");
    symlink(etc.join("keys.txt"), home.join("config/keys.txt")).expect("a link");
    assert!(
        fs::read(home.join("config/keys.txt")).is_ok(),
        "the attack does not work, so this shows nothing"
    );
    let identities = |path: &Path| json!({ "identities": { "age_key_files": [path], "ssh_key_files": [] } });
    let secrets = json!({ "pw": { "file": "a.yaml" } });
    host.write(&secrets, &identities(&home.join("config/keys.txt")));
    let said = host.install().expect(5).json()["secrets"].to_string();
    assert!(said.contains("is a link") && said.contains("keys.txt"), "{said}");
    // His own file, without a link, is his to give; and so are links of root, as to a disk that keeps state.
    fs::remove_file(home.join("config/keys.txt")).expect("removed");
    fs::write(home.join("config/keys.txt"), &key).expect("a key");
    host.write(&secrets, &identities(&home.join("config/keys.txt")));
    host.install().expect(0);
    symlink(etc.join("keys.txt"), host.path("linked.txt")).expect("a link of root");
    host.write(&secrets, &identities(&host.path("linked.txt")));
    host.install().expect(0);
    assert_eq!(fs::metadata(&home).expect("home").uid(), ATTACKER);
}

/// A sops file that somebody else may exchange is opened, and never through a link of his: root's own file would be installed
/// as his secret, with him as its owner.
#[test]
fn a_sops_file_of_somebody_else_leads_root_to_no_other_file() {
    let (_folder, home, etc) = home();
    let host = Host::new(&json!({}));
    let (his, roots) = (host.seal("his.yaml", "pw: his\n"), host.seal("roots.yaml", "pw: only-for-root\n"));
    let path = home.join("config/a.yaml");
    let linked = || {
        drop(fs::remove_file(&path));
        symlink(etc.join("a.yaml"), &path).expect("a link");
    };
    fs::write(etc.join("a.yaml"), &roots).expect("a file of root");
    fs::set_permissions(etc.join("a.yaml"), fs::Permissions::from_mode(0o600)).expect("the mode");
    linked();
    let naive = fs::read(&path).expect("read");
    assert_eq!(naive, roots, "the attack does not work, so this shows nothing");
    host.write(&json!({ "pw": { "file": path, "owner": "nobody" } }), &json!({}));
    let said = host.install().expect(5).json()["secrets"].to_string();
    assert!(said.contains("is a link") && said.contains("a.yaml") && said.contains("secret.pw"), "{said}");
    assert_eq!(host.installed("pw"), None);
    // His own file is his to give. What he leads elsewhere later changes nothing of what is installed.
    fs::remove_file(&path).expect("removed");
    fs::write(&path, &his).expect("a file of his");
    host.install().expect(0);
    assert_eq!(host.installed("pw").as_deref(), Some("his"));
    linked();
    host.install().expect(5);
    assert_eq!(host.installed("pw").as_deref(), Some("his"), "the last good version is gone");
    // Before a deployment it is a problem of the manifest, at its place.
    let keys = json!({ "identities": { "public_keys": [host.keys.recipient(Form::AgeFile)] } });
    host.write(&json!({ "pw": { "file": path } }), &keys);
    let ran = host.run(&["check"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 78 && said.contains("is a link") && said.contains("manifest.json:1:"), "{said}");
    // Links of root are followed, as to a disk that keeps state.
    symlink(etc.join("a.yaml"), host.path("linked.yaml")).expect("a link of root");
    host.write(&json!({ "pw": { "file": "linked.yaml" } }), &json!({}));
    host.install().expect(0);
    assert_eq!(host.installed("pw").as_deref(), Some("only-for-root"));
}

/// What only root may read.
const ROOTS: &str = "CANARY=only-for-root\n";

/// A manifest with one stack, whose compose file names an env file and a config in the folder of somebody else.
fn stack_in(host: &Host, config: &Path) {
    let config = config.display();
    let compose = format!(
        "services:\n  app:\n    image: registry.example.org/app:1@sha256:{}\n    env_file: {config}/app.env\n    configs: [app]\n\
         configs:\n  app:\n    file: {config}/app.conf\n",
        "0".repeat(64)
    );
    fs::write(host.path("compose.yaml"), compose).expect("compose.yaml");
    let more = format!("{config}/more.yaml");
    host.write(&json!({}), &json!({ "stacks": { "web": { "compose": ["compose.yaml", more] } } }));
}

/// Compiles as root; what it said, and all that it wrote.
fn compiled(host: &Host) -> (i32, String) {
    let out = host.path("out");
    drop(fs::remove_dir_all(&out));
    let ran = host.run(&["compile", "-o", &out.display().to_string()]);
    let spec = fs::read_to_string(out.join("specs/web.json")).unwrap_or_default();
    (ran.code, format!("{}{}{spec}", ran.out, ran.err))
}

/// Compose files and what they name stand in a folder of somebody else, who leads root to a file of root's by a link: its
/// text would stand in an error, or in the environment of his service.
#[test]
fn a_compose_input_of_somebody_else_leads_root_to_no_other_file() {
    let (_folder, home, etc) = home();
    let (host, config) = (Host::new(&json!({})), home.join("config"));
    for (name, text) in [("app.env", "A=his\n"), ("app.conf", "his\n"), ("more.yaml", "services: {}\n")] {
        fs::write(config.join(name), text).expect("a file of his");
        fs::write(etc.join(name), ROOTS).expect("a file of root");
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(0o600)).expect("the mode");
    }
    stack_in(&host, &config);
    let (code, said) = compiled(&host);
    assert!(code == 0 && said.contains("A=his"), "his own files are his to give: {said}");
    for name in ["app.env", "app.conf", "more.yaml"] {
        let (path, own) = (config.join(name), config.join("own"));
        fs::rename(&path, &own).expect("aside");
        symlink(etc.join(name), &path).expect("a link");
        let naive = fs::read_to_string(&path).expect("read");
        assert_eq!(naive, ROOTS, "the attack does not work, so this shows nothing");
        let (code, said) = compiled(&host);
        assert_eq!(code, 78, "{name}: {said}");
        assert!(said.contains("is a link") && said.contains(name), "{name}: {said}");
        assert!(!said.contains("only-for-root"), "{name}: {said}");
        fs::rename(&own, &path).expect("back");
    }
    let attacker = Exchanger::start(config.clone(), home.join("evil"));
    let begun = Instant::now();
    while !fs::read_to_string(config.join("app.env")).is_ok_and(|text| text == ROOTS) {
        assert!(begun.elapsed() < PATIENCE, "the attack does not work, so this shows nothing");
    }
    let (mut good, before) = (0, attacker.count());
    for _ in 0..20 {
        let (code, said) = compiled(&host);
        assert!(!said.contains("only-for-root"), "{said}");
        good += usize::from(code == 0);
    }
    println!("{good} of 20 compiled during {} exchanges", attacker.count() - before);
}

/// A pipe, a device or a file without end in the place of what a compose file names.
#[test]
fn a_compose_input_without_end_is_not_waited_for() {
    let (_folder, home, _etc) = home();
    let (host, config) = (Host::new(&json!({})), home.join("config"));
    fs::write(config.join("app.env"), "A=his\n").expect("a file");
    fs::write(config.join("more.yaml"), "services: {}\n").expect("a file");
    stack_in(&host, &config);
    let path = config.join("app.conf");
    drop(crate::support::sops::run(std::process::Command::new("mkfifo").arg(&path)));
    let mut naive = std::process::Command::new("timeout");
    assert_eq!(naive.args(["1", "cat"]).arg(&path).status().expect("timeout").code(), Some(124));
    let refused = |why: &str| {
        let begun = Instant::now();
        let (code, said) = compiled(&host);
        assert!(code == 78 && said.contains(why), "{said}");
        assert!(begun.elapsed() < PATIENCE, "{why}");
    };
    refused("no regular file");
    fs::remove_file(&path).expect("removed");
    symlink("/dev/zero", &path).expect("a link");
    refused("no regular file");
    fs::remove_file(&path).expect("removed");
    fs::File::create(&path).and_then(|file| file.set_len(1 << 30)).expect("a gigabyte");
    refused("larger than");
}
