//! Between the creation of a file and its last `chmod`, somebody else opens it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::Host;
use crate::support::kill::{End, at};

const VALUE: &str = "CANARY-61c0";

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// Files that hold the value while others than root and those who shall may read it.
fn open_to_others(folder: &Path) -> Vec<String> {
    let of = |path: PathBuf| {
        let meta = fs::symlink_metadata(&path).ok()?;
        let holds = meta.is_file() && fs::read_to_string(&path).is_ok_and(|text| text.contains(VALUE));
        let (uid, gid, mode) = (meta.uid(), meta.gid(), meta.mode() & 0o777);
        let wrong =
            mode & 0o007 != 0 || (mode & 0o070 != 0 && gid != 4321) || (mode & 0o700 != 0o400 && uid != 0);
        (holds && wrong).then(|| format!("{} {uid}:{gid} {mode:o}", path.display()))
    };
    files(folder).into_iter().filter_map(of).collect()
}

/// A command under a umask that takes nothing away.
fn generous(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn no_moment_of_an_installation_shows_a_value_to_others() {
    // The obvious way: write, then own, and only then protect.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f").display().to_string();
    let script = format!("printf %s {VALUE} >{file}; exec chown 1234:4321 {file}");
    let mut naive = Command::new("/bin/sh");
    naive.args(["-c", &script]);
    assert_eq!(at(&generous(&naive), "fchownat", 1), End::Killed);
    assert_eq!(open_to_others(folder.path()).len(), 1, "the attack does not work");

    let mut kills = 0;
    for call in ["fchown", "fchmod", "renameat"] {
        for nth in 1.. {
            let secret = json!({ "file": "a.yaml", "owner": "1234", "group": "4321", "mode": "0440" });
            let host = Host::new(&json!({ "pw": secret }));
            host.seal("a.yaml", &format!("pw: {VALUE}\n"));
            let end = at(&generous(&host.command(&["secrets", "install"])), call, nth);
            let found = open_to_others(&host.path("run"));
            assert_eq!(found, Vec::<String>::new(), "killed at {call} {nth}");
            if end == End::Finished {
                let file = fs::metadata(host.path("run/secrets/pw")).expect("installed");
                assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (1234, 4321, 0o440));
                let folder = fs::metadata(host.path("run/secrets/.")).expect("the folder");
                assert_eq!(folder.mode() & 0o7777, 0o751, "the umask counts");
                break;
            }
            kills += 1;
        }
    }
    println!("killed {kills} times");
    assert!(kills >= 4, "only {kills} places");
}
