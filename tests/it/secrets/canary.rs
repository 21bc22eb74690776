//! Proves: no secret and no key is found where it must not be: arguments, environments, reports, files, cores.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::world::{CANARY, World};

fn holds(bytes: &[u8], canaries: &[String]) -> bool {
    canaries.iter().any(|canary| bytes.windows(canary.len()).any(|part| part == canary.as_bytes()))
}

/// Parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// A process and all that it started.
fn family(of: u32) -> Vec<u32> {
    let parents = parents();
    let within = |mut pid: u32| loop {
        if pid == of {
            return true;
        }
        match parents.get(&pid) {
            Some(parent) if *parent != pid => pid = *parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|pid| within(*pid)).collect()
}

/// Where arguments or environments of these processes hold a canary.
fn in_processes(pids: &[u32], canaries: &[String]) -> Vec<String> {
    let places = pids.iter().flat_map(|pid| ["cmdline", "environ"].map(|what| format!("/proc/{pid}/{what}")));
    places.filter(|place| fs::read(place).is_ok_and(|bytes| holds(&bytes, canaries))).collect()
}

/// Files below a folder that hold a canary.
fn in_files(folder: &Path, canaries: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            found.extend(in_files(&entry.path(), canaries));
        } else if kind.is_file() && fs::read(entry.path()).is_ok_and(|bytes| holds(&bytes, canaries)) {
            found.push(entry.path());
        }
    }
    found
}

fn status(pid: u32, line: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default().trim().to_owned()
}

/// What is seen of a run while it lasts.
#[derive(Default)]
struct Seen {
    hits: Vec<String>,
    samples: usize,
    children: usize,
    cores: String,
    locked: String,
}

/// Looks at a program until it ends. What counts begins when it has taken the key out of its environment.
fn watch(child: &mut Child, canaries: &[String]) -> Seen {
    let (mut seen, mut clean) = (Seen::default(), false);
    let until = Instant::now() + Duration::from_secs(180);
    while child.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < until, "it does not end");
        let environ = fs::read(format!("/proc/{}/environ", child.id())).unwrap_or_default();
        clean = clean || holds(&environ, &["HOLDFAST_AGE_KEY_FD=".to_owned()]);
        if clean {
            let family = family(child.id());
            seen.samples += 1;
            seen.children += family.len() - 1;
            seen.hits.extend(in_processes(&family, canaries));
            let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
            let cores = limits.lines().find(|line| line.starts_with("Max core file size"));
            seen.cores = cores.map_or(seen.cores, str::to_owned);
            let locked = status(child.id(), "VmLck:");
            seen.locked = if locked.is_empty() { seen.locked } else { locked };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

/// A scan that finds nothing says something only if it finds what is there.
fn the_scans_find_what_is_there(folder: &Path, canaries: &[String]) {
    for (argument, variable) in [(&*canaries[0], ""), ("", &*canaries[1])] {
        let mut shell = Command::new("/bin/sh");
        let mut twin = shell.args(["-c", "sleep 60; true", argument]).env("X", variable).spawn().expect("sh");
        let begun = Instant::now();
        while family(twin.id()).len() < 2 || in_processes(&family(twin.id()), canaries).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "a canary in a process is not found");
        }
        let family = family(twin.id());
        assert_eq!(
            in_processes(&family[1..], canaries).is_empty(),
            variable.is_empty(),
            "a child inherits variables"
        );
        for pid in family.into_iter().rev() {
            drop(Command::new("kill").args(["-9", &pid.to_string()]).status());
        }
        twin.wait().expect("ended");
    }
    let deep = folder.join("twin/deep");
    fs::create_dir_all(&deep).expect("a folder");
    fs::write(deep.join("file"), format!("\0\0{}\0", canaries[2])).expect("written");
    assert_eq!(in_files(folder, &canaries[2..3]).len(), 2, "the twin, and the key file itself");
    fs::remove_dir_all(folder.join("twin")).expect("removed");
}

#[test]
fn no_canary_is_found_where_it_must_not_be() {
    let world = World::new();
    let folder = world.path("");
    let secret_line =
        |text: String| text.lines().find(|line| line.starts_with("AGE-SECRET")).expect("a key").to_owned();
    let opens = secret_line(fs::read_to_string(world.path("age.txt")).expect("age.txt"));
    let other = String::from_utf8(crate::support::sops::run(&mut Command::new("age-keygen"))).expect("text");
    let canaries = [CANARY.to_owned(), secret_line(other), opens];
    the_scans_find_what_is_there(&folder, &canaries);

    // The key that opens comes from a command, so that there are children to look at; the variable holds another one.
    world.edit(|manifest| manifest["identities"] = serde_json::json!({ "ssh_key_files": [] }));
    let command = format!("/bin/sh -c 'sleep 0.5; cat {}'", world.path("age.txt").display());
    let out = world.path("out");
    for (run, args) in
        [&["apply", "-vv", "--json", "--junit", "junit.xml"][..], &["status"], &["plan", "--json"]]
            .iter()
            .enumerate()
    {
        let mut holdfast = world.command(args);
        holdfast.current_dir(&folder).env("SOPS_AGE_KEY", &canaries[1]).env("SOPS_AGE_KEY_CMD", &command);
        holdfast
            .stdout(File::create(&out).expect("out"))
            .stderr(File::create(world.path(&format!("err{run}"))).expect("err"));
        let mut child = holdfast.spawn().expect("the program runs");
        let seen = watch(&mut child, &canaries);
        let said = fs::read_to_string(world.path(&format!("err{run}"))).expect("err");
        assert!(child.wait().expect("ended").success(), "{said}");
        assert_eq!(seen.hits, Vec::<String>::new());
        assert!(
            seen.samples > 20 && seen.children > 0,
            "{} samples, {} children",
            seen.samples,
            seen.children
        );
        assert_eq!(
            seen.cores.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
            ["0", "0"],
            "{}",
            seen.cores
        );
        // CAP_IPC_LOCK is bit 14.
        let may =
            u64::from_str_radix(&status(std::process::id(), "CapEff:"), 16).expect("capabilities") >> 14 & 1
                == 1;
        assert_eq!(seen.locked != "0 kB", may, "memory is locked where that is allowed: {}", seen.locked);
        fs::rename(&out, world.path(&format!("out{run}"))).expect("kept");
    }
    let installed = world.run_dir().join("secrets");
    let (inside, outside): (Vec<_>, Vec<_>) = in_files(&folder, &canaries)
        .into_iter()
        .partition(|path| !path.starts_with(&folder) || path.starts_with(world.run_dir()));
    assert!(
        inside.iter().any(|path| path.components().any(|part| part.as_os_str() == "token")),
        "{inside:?}"
    );
    assert!(installed.exists());
    assert_eq!(outside, [world.path("age.txt")], "only the key file itself");
    assert!(inside.iter().all(|path| path.to_string_lossy().contains("secrets")), "{inside:?}");
}

#[test]
fn nobody_of_the_same_user_looks_into_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder");
    let path = |name: &str| folder.path().join(name);
    crate::support::copy_program(env!("CARGO_BIN_EXE_holdfast"), path("holdfast"));
    let mut keygen = Command::new("ssh-keygen");
    crate::support::sops::run(
        keygen.args(["-q", "-t", "ed25519", "-N", "a passphrase", "-f"]).arg(path("id")),
    );
    fs::set_permissions(path("id"), fs::Permissions::from_mode(0o644)).expect("id");
    fs::write(path("askpass"), "#!/bin/sh\nsleep 20\n").expect("askpass");
    fs::set_permissions(path("askpass"), fs::Permissions::from_mode(0o755)).expect("askpass");
    let as_nobody = |program: &str, args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]).args(args);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let looked =
        |pid: u32| as_nobody("cat", &[&format!("/proc/{pid}/environ")]).status().expect("cat").success();
    let wait = |child: &Child, what: &str| {
        let begun = Instant::now();
        while !fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default().starts_with(what)
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let mut twin = as_nobody("sleep", &["30"]).spawn().expect("sleep");
    wait(&twin, "sleep");
    assert!(looked(twin.id()), "the twin can be looked into");
    let args = ["secrets", "keygen", "--ssh-key", "id", "--askpass", "./askpass"];
    let askpass = path("askpass").display().to_string();
    let args = [&args[..5], &[&*askpass]].concat();
    let mut holdfast = as_nobody("./holdfast", &args).spawn().expect("holdfast");
    wait(&holdfast, "holdfast");
    let begun = Instant::now();
    while family(holdfast.id()).len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not ask");
    }
    assert!(!looked(holdfast.id()), "the program can be looked into");
    for child in [&mut twin, &mut holdfast] {
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}

#[test]
fn the_key_of_the_variable_opens_all_the_same() {
    let keys = crate::support::sops::Keys::new();
    let run = |args: &[&str], fd: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command
            .args(args)
            .current_dir(keys.dir.path())
            .stdin(Stdio::null())
            .env("SOPS_AGE_KEY", "AGE-SECRET-KEY-1X");
        if let Some(fd) = fd {
            command.env_remove("SOPS_AGE_KEY").env("HOLDFAST_AGE_KEY_FD", fd);
        }
        command.output().expect("the program runs")
    };
    // Arguments and exit codes go through; a descriptor of something else is left alone, one that is none is an error.
    assert_eq!(run(&["--version"], None).status.code(), Some(0));
    assert_eq!(run(&["no-such-command"], None).status.code(), Some(64));
    assert_eq!(run(&["--version"], Some("0")).status.code(), Some(0));
    assert_eq!(run(&["--version"], Some("999")).status.code(), Some(1));
}
