//! Proves: files appear whole, with the right owner and mode, in memory only, and survive what goes wrong.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use holdfast::manifest::Manifest;
use holdfast::secrets::{FilesError, SecretBytes, Unlocked, files, render_templates};

use super::{Run, key, manifest, put, secret, template, wanted_of};
use crate::support::sops::run;

pub(super) fn unlocked(values: &[(&str, &str)]) -> Unlocked {
    let mut unlocked = Unlocked::default();
    for (name, value) in values {
        unlocked.values.insert((*name).to_owned(), SecretBytes::new(value.as_bytes().to_vec()));
    }
    unlocked
}

pub(super) fn declared(names: &[&str]) -> Manifest {
    let mut manifest = manifest();
    for name in names {
        manifest.secrets.insert((*name).to_owned(), secret(Path::new("/nowhere.yaml"), name));
    }
    manifest
}

pub(super) fn generations(run: &Run) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(run.path().join("secrets.d"))
        .expect("the folder of generations")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_observed_after_installing_is_what_was_wanted() {
    let run = Run::new();
    let mut manifest = declared(&["plain", "owned"]);
    let owned = manifest.secrets.get_mut("owned").expect("owned");
    (owned.owner, owned.group, owned.mode) = ("1234".to_owned(), "daemon".to_owned(), "0640".to_owned());
    manifest.templates.insert("app.env".to_owned(), template("KEY={{ plain }}\n"));
    let mut unlocked = unlocked(&[("plain", "one"), ("owned", "two")]);
    render_templates(&manifest, &mut unlocked);

    let (wanted, failures) = wanted_of(&manifest, &unlocked, &key());
    assert!(failures.is_empty());
    assert_ne!(run.observed(), wanted, "nothing is installed yet");
    put(run.path(), &manifest, &unlocked).expect("installed");
    assert_eq!(run.observed(), wanted);

    assert_eq!(run.read("plain").as_deref(), Some("one"));
    assert_eq!(run.read("rendered/app.env").as_deref(), Some("KEY=one\n"));
    let meta = fs::metadata(run.file("owned")).expect("owned");
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1234, 1, 0o640));
    assert_eq!(fs::metadata(run.file("")).expect("the folder").mode() & 0o7777, 0o751);

    // The second time: a new generation, and only that one.
    put(run.path(), &manifest, &unlocked).expect("installed again");
    assert_eq!(generations(&run), ["2"]);
    assert_eq!(run.observed(), wanted);
}

#[test]
fn the_files_are_on_a_file_system_that_is_never_swapped() {
    let run = Run::new();
    put(run.path(), &declared(&["a"]), &unlocked(&[("a", "1")])).expect("installed");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    let at = run.path().join("secrets.d").display().to_string();
    let line = table.lines().find(|line| line.split(' ').nth(4) == Some(&at)).expect("a mount");
    assert!(line.contains(" - ramfs ") || line.contains("noswap"), "{line}");
    assert!(["nosuid", "nodev", "noexec"].iter().all(|flag| line.contains(flag)), "{line}");
}

#[test]
fn a_changed_owner_mode_or_value_is_a_difference() {
    let run = Run::new();
    let mut manifest = declared(&["a"]);
    let values = unlocked(&[("a", "1")]);
    put(run.path(), &manifest, &values).expect("installed");
    let wanted = |manifest: &Manifest, values: &Unlocked| wanted_of(manifest, values, &key()).0;
    assert_eq!(run.observed(), wanted(&manifest, &values));
    assert_ne!(run.observed(), wanted(&manifest, &unlocked(&[("a", "2")])));
    manifest.secrets.get_mut("a").expect("a").mode = "0440".to_owned();
    assert_ne!(run.observed(), wanted(&manifest, &values));
    manifest.secrets.get_mut("a").expect("a").mode = "0400".to_owned();
    fs::set_permissions(run.file("a"), std::os::unix::fs::PermissionsExt::from_mode(0o444)).expect("chmod");
    assert_ne!(run.observed(), wanted(&manifest, &values), "a mode changed by hand is seen");
}

#[test]
fn an_unknown_owner_fails_alone() {
    let run = Run::new();
    let mut manifest = declared(&["good", "bad", "../out", "rendered"]);
    manifest.secrets.get_mut("bad").expect("bad").owner = "no-such-user".to_owned();
    let values = unlocked(&[("good", "1"), ("bad", "2"), ("../out", "3"), ("rendered", "4")]);
    let (wanted, failures) = wanted_of(&manifest, &values, &key());
    let failed: Vec<_> = failures.iter().map(|failure| failure.address.leaf().name.as_str()).collect();
    assert_eq!(failed, ["../out", "bad", "rendered"]);
    assert!(failures[1].reason.contains("`no-such-user`"), "{}", failures[1].reason);
    put(run.path(), &manifest, &values).expect("installed");
    assert_eq!(run.observed(), wanted);
    assert_eq!(run.read("good").as_deref(), Some("1"));
}

#[test]
fn a_full_file_system_keeps_the_old_generation_and_a_smaller_one_goes_in_later() {
    let run_folder = Run::new();
    let folder = run_folder.path().join("secrets.d");
    fs::create_dir(&folder).expect("the mount point");
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "noswap,size=64k,mode=0751", "holdfast"])
        .arg(&folder));
    let manifest = declared(&["a", "big"]);
    put(run_folder.path(), &manifest, &unlocked(&[("a", "old")])).expect("installed");

    let big = "x".repeat(100 << 10);
    let error = put(run_folder.path(), &manifest, &unlocked(&[("a", "new"), ("big", &big)])).unwrap_err();
    let FilesError::Io { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.raw_os_error(), Some(28), "no space left: {error}");
    assert!(!error.to_string().contains("xxx"));
    assert_eq!(run_folder.read("a").as_deref(), Some("old"));
    assert_eq!(generations(&run_folder), ["1"], "what was begun is gone");

    put(run_folder.path(), &manifest, &unlocked(&[("a", "new")])).expect("installed");
    assert_eq!(run_folder.read("a").as_deref(), Some("new"));
}

#[test]
fn what_a_killed_run_left_behind_is_seen_and_cleaned() {
    let run = Run::new();
    let manifest = declared(&["a"]);
    let values = unlocked(&[("a", "1")]);
    put(run.path(), &manifest, &values).expect("installed");
    let (wanted, _) = wanted_of(&manifest, &values, &key());
    let folder = run.path().join("secrets.d");
    // Killed while writing, after the rename, and before the link was flipped.
    for left in [".new", "7"] {
        fs::create_dir(folder.join(left)).expect("a leftover");
        fs::write(folder.join(left).join("a"), "half").expect("a leftover file");
    }
    std::os::unix::fs::symlink("secrets.d/7", run.path().join(".secrets.new")).expect("a leftover link");
    assert_eq!(run.read("a").as_deref(), Some("1"), "the link still leads to the whole generation");
    assert_ne!(run.observed(), wanted, "a leftover is a difference");
    put(run.path(), &manifest, &values).expect("installed");
    assert_eq!(run.observed(), wanted);
    assert_eq!(generations(&run).len(), 1);
    assert!(fs::symlink_metadata(run.path().join(".secrets.new")).is_err());
}

#[test]
fn what_was_never_linked_does_not_count_as_installed() {
    let run = Run::new();
    let values = unlocked(&[("a", "1")]);
    put(run.path(), &declared(&["a"]), &values).expect("installed");
    fs::rename(run.path().join("secrets.d/1"), run.path().join("secrets.d/.new")).expect("renamed");
    fs::remove_file(run.path().join("secrets")).expect("removed");
    assert_eq!(run.observed().keys().collect::<Vec<_>>(), ["leftover generation .new"]);
}

/// A mount above hides the good one, which the mount table goes on listing.
#[test]
fn a_mount_that_hides_the_memory_file_system_is_refused() {
    let folder = Run::new();
    let manifest = declared(&["a"]);
    put(folder.path(), &manifest, &unlocked(&[("a", "1")])).expect("installed");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "swapped"]).arg(folder.path()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("the mode");
    fs::create_dir(folder.path().join("secrets.d")).expect("a folder");
    let error = put(folder.path(), &manifest, &unlocked(&[("a", "2")])).err();
    run(Command::new("umount").arg(folder.path()));
    let error = error.expect("written where it can be swapped out").to_string();
    assert!(error.contains("hidden under another mount"), "{error}");
    assert_eq!(folder.read("a").as_deref(), Some("1"));
}

/// Whoever can write to the run folder could lead the mount over any folder of the host.
#[test]
fn a_run_folder_of_somebody_else_or_with_links_is_refused() {
    let (folder, target) = (Run::new(), tempfile::tempdir().expect("a temporary folder"));
    std::os::unix::fs::symlink(target.path(), folder.path().join("secrets.d")).expect("a link");
    let install = || put(folder.path(), &declared(&["a"]), &unlocked(&[("a", "1")])).err();
    let linked = install();
    fs::remove_file(folder.path().join("secrets.d")).expect("removed");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    if table.contains(&target.path().display().to_string()) {
        run(Command::new("umount").arg(target.path()));
    }
    assert!(linked.expect("mounted over a link's target").to_string().contains("is a link"));

    for (owner, mode) in [(1234, 0o755), (0, 0o777)] {
        std::os::unix::fs::chown(folder.path(), Some(owner), None).expect("the owner");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("the mode");
        let error = install();
        std::os::unix::fs::chown(folder.path(), Some(0), None).expect("the owner");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("the mode");
        let error = error.expect("installed below another user's folder").to_string();
        assert!(error.contains("another user"), "{error}");
    }
}

#[test]
fn something_foreign_mounted_there_is_refused() {
    for (options, times, said) in
        [("size=64k", 1, "may be swapped"), ("noswap,size=64k", 2, "one mount on top of another")]
    {
        let folder = Run::new();
        let at = folder.path().join("secrets.d");
        fs::create_dir(&at).expect("the mount point");
        for _ in 0..times {
            run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "holdfast"]).arg(&at));
        }
        let error = put(folder.path(), &declared(&["a"]), &unlocked(&[("a", "1")])).unwrap_err();
        for _ in 0..times {
            run(Command::new("umount").arg(&at));
        }
        assert!(error.to_string().contains(said), "{error}");
        assert!(folder.read("a").is_none());
    }
}

#[test]
fn a_generated_file_is_replaced_in_a_folder_that_stays_the_same() {
    let run = Run::new();
    let path = Path::new("traefik/dynamic/tls.yml");
    let put = |text: &str| {
        files::put(run.path(), path, &SecretBytes::new(text.as_bytes().to_vec()), 0o400).expect("put");
    };
    put("one");
    let folder = run.path().join("generated/traefik/dynamic");
    let inode = fs::metadata(&folder).expect("the folder").ino();
    let before = files::observe_generated(run.path(), &key(), "main").expect("observed");
    put("two");
    assert_eq!(fs::read_to_string(folder.join("tls.yml")).expect("the file"), "two");
    assert_eq!(fs::metadata(&folder).expect("the folder").ino(), inode);
    let after = files::observe_generated(run.path(), &key(), "main").expect("observed");
    assert_ne!(before, after);
    assert_eq!(after.keys().collect::<Vec<_>>(), ["traefik/dynamic/tls.yml"]);
    assert_eq!(after["traefik/dynamic/tls.yml"].mode, 0o400);
    assert!(files::put(run.path(), Path::new("../out"), &SecretBytes::new(vec![1]), 0o400).is_err());

    files::remove(run.path(), path).expect("removed");
    files::remove(run.path(), path).expect("removed twice");
    assert!(files::generated(run.path()).expect("observed").is_empty());
    assert!(folder.is_dir(), "a container may have the folder mounted");
}

#[test]
fn a_generated_file_never_goes_through_a_link() {
    let run = Run::new();
    files::put(run.path(), Path::new("a/file"), &SecretBytes::new(vec![1]), 0o400).expect("put");
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(elsewhere.path(), run.path().join("generated/link")).expect("a link");
    assert!(files::put(run.path(), Path::new("link/file"), &SecretBytes::new(vec![1]), 0o400).is_err());
    assert_eq!(fs::read_dir(elsewhere.path()).expect("the folder").count(), 0);
}

#[test]
fn uninstalling_leaves_no_mount_and_no_file() {
    let run = Run::new();
    put(run.path(), &declared(&["a"]), &unlocked(&[("a", "1")])).expect("installed");
    files::put(run.path(), Path::new("x/y"), &SecretBytes::new(vec![1]), 0o400).expect("put");
    files::uninstall(run.path()).expect("uninstalled");
    assert_eq!(fs::read_dir(run.path()).expect("the run folder").count(), 0);
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    assert!(!table.contains(&run.path().display().to_string()));
    files::uninstall(run.path()).expect("uninstalled twice");
}
