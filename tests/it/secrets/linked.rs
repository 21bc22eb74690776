//! Proves: links to installed files stand where they are told to, replace and remove nothing else, and are never led
//! astray by somebody who may write to a folder above.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use holdfast::observed::LinkSeen;
use holdfast::secrets::files::{link, observe_link, unlink};
use tempfile::TempDir;

const TARGET: &str = "/run/holdfast/secrets/a";

/// What counts as a link of Holdfast's own.
fn ours(target: &Path) -> bool {
    target.starts_with("/run/holdfast/secrets")
}

fn refused(path: &Path) -> String {
    let LinkSeen::Refused(reason) = observe_link(path, &ours) else { panic!("{} is taken", path.display()) };
    link(path, Path::new(TARGET), &ours).expect_err("refused by the look, and made");
    reason
}

fn leads(path: &Path) -> Option<String> {
    fs::read_link(path).ok().map(|target| target.display().to_string())
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

fn folder() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().expect("a folder")
}

#[test]
fn a_link_is_made_led_elsewhere_and_removed() {
    let folder = folder();
    let path = folder.path().join("etc/app/token");
    assert_eq!(observe_link(&path, &ours), LinkSeen::Missing);
    link(&path, Path::new(TARGET), &ours).expect("made, with the folders above");
    assert_eq!(observe_link(&path, &ours), LinkSeen::Link(TARGET.into()));
    let above = fs::metadata(folder.path().join("etc/app")).expect("the folder");
    assert_eq!((above.uid(), above.mode() & 0o7777), (0, 0o755));
    link(&path, Path::new("/run/holdfast/secrets/b"), &ours).expect("led elsewhere");
    assert_eq!(leads(&path).as_deref(), Some("/run/holdfast/secrets/b"));
    unlink(&path, &ours).expect("removed");
    unlink(&path, &ours).expect("it is gone already");
    assert_eq!(entries(&folder.path().join("etc/app")), 0);
}

#[test]
fn what_is_no_link_of_ours_stays() {
    let folder = folder();
    let (file, below, foreign) =
        (folder.path().join("file"), folder.path().join("folder"), folder.path().join("foreign"));
    fs::write(&file, "kept").expect("a file");
    fs::create_dir(&below).expect("a folder");
    symlink("/etc/hostname", &foreign).expect("a link");
    assert!(refused(&file).contains("is no link"));
    assert!(refused(&below).contains("is a folder"));
    assert!(refused(&foreign).contains("a link of somebody else"));
    for path in [&file, &below, &foreign] {
        unlink(path, &ours).expect("nothing to remove");
    }
    assert_eq!(fs::read_to_string(&file).expect("the file"), "kept");
    assert_eq!(leads(&foreign).as_deref(), Some("/etc/hostname"));
    assert_eq!(entries(folder.path()), 3, "something is left behind");
}

/// A user leads a folder of the path to `/etc`, or what stands for it here. A naive installation follows.
#[test]
fn a_parent_that_a_user_leads_elsewhere_is_not_followed() {
    let folder = folder();
    let (home, victim) = (folder.path().join("home"), folder.path().join("etc"));
    fs::create_dir(&home).expect("a home");
    fs::create_dir(&victim).expect("a folder of the host");
    chown(&home, Some(1234), Some(1234)).expect("the owner");
    symlink(&victim, home.join("config")).expect("a link of the user");
    let path = home.join("config/shadow");

    symlink(TARGET, &path).expect("the naive way");
    assert!(leads(&victim.join("shadow")).is_some(), "the attack does not work, so this shows nothing");
    fs::remove_file(&path).expect("taken back");

    let reason = refused(&path);
    assert!(reason.contains("home/config") && reason.contains("is a link"), "{reason}");
    assert_eq!(entries(&victim), 0);
    // Nor does it take a link away there.
    symlink(TARGET, victim.join("shadow")).expect("a link");
    unlink(&path, &ours).expect_err("removed through the link");
    assert_eq!(entries(&victim), 1);
}

#[test]
fn no_folder_is_made_where_others_may_write() {
    let folder = folder();
    for (owner, mode) in [(1234, 0o755), (0, 0o777), (0, 0o1777), (0, 0o775)] {
        let open = folder.path().join("open");
        fs::create_dir(&open).expect("a folder");
        chown(&open, Some(owner), None).expect("the owner");
        fs::set_permissions(&open, fs::Permissions::from_mode(mode)).expect("the mode");
        assert!(refused(&open.join("new/token")).contains("can be written by others"));
        assert_eq!(entries(&open), 0);
        // A link in it does no harm: it leads to where root installs.
        link(&open.join("token"), Path::new(TARGET), &ours).expect("a link in a folder of a user");
        fs::remove_dir_all(&open).expect("removed");
    }
}

#[test]
fn what_a_killed_run_left_is_seen_and_finished() {
    let folder = folder();
    let path = folder.path().join("token");
    let aside = folder.path().join(".token.holdfast");
    symlink(TARGET, &aside).expect("a leftover");
    assert_eq!(observe_link(&path, &ours), LinkSeen::Unfinished);
    link(&path, Path::new(TARGET), &ours).expect("made");
    assert_eq!(entries(folder.path()), 1);
    symlink(TARGET, &aside).expect("a leftover");
    unlink(&path, &ours).expect("removed");
    assert_eq!(entries(folder.path()), 0);
    // What only has the name of a leftover is not taken for one.
    fs::write(&aside, "somebody's").expect("a file");
    link(&path, Path::new(TARGET), &ours).expect_err("the name is taken");
    assert_eq!(fs::read_to_string(&aside).expect("the file"), "somebody's");
}
