//! `docker stack config` prints the files of a stack as one, merged and with its variables replaced. What it prints,
//! read here as a file, becomes the same requests as the files themselves, in both modes; and what one side refuses the
//! other one refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::harness::{entries, require_docker};
use super::transcript::{Sent, each_fixture, listed, only, ours, sorted, strict};

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Agreement {
    /// Both sides of compat became requests, else both were refused.
    pub(super) compat: bool,
    /// Strict accepts the files, and what docker prints for them.
    pub(super) strict: bool,
}

/// What `docker stack config` prints, or why it refuses.
fn printed_by_docker(
    files: &[PathBuf],
    env: &BTreeMap<String, String>,
    home: &Path,
) -> Result<String, String> {
    require_docker();
    let mut command = Command::new("docker");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DOCKER_CONFIG", home).envs(env).args(["stack", "config"]);
    for file in files {
        command.arg("-c").arg(file);
    }
    let exit = command.output().expect("run docker");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if exit.status.success() { Ok(text(&exit.stdout)) } else { Err(text(&exit.stderr)) }
}

/// Compares the files with what docker prints for them.
pub(super) fn compare(files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<Agreement, String> {
    let temp = tempfile::tempdir().unwrap();
    let compat = ours(files, env);
    let printed = match (printed_by_docker(files, env, temp.path()), &compat) {
        (Ok(printed), _) => printed,
        (Err(_), Err(_)) => return Ok(Agreement { compat: false, strict: false }),
        (Err(error), Ok(_)) => return Err(format!("`docker stack config` refuses it: {error}")),
    };
    let merged = beside(files, temp.path());
    // Variables are replaced; what looks like one is text.
    fs::write(&merged, printed.replace('$', "$$")).unwrap();
    let merged = [merged];
    let shown = |what: &str| format!("{what}\n--- docker stack config\n{printed}");
    let again = ours(&merged, env);
    if compat.is_ok() && again.is_err() && printed_by_docker(&merged, env, temp.path()).is_err() {
        // Docker does not read what it prints: an item twice in a list, a limit of zero.
        return Ok(Agreement { compat: true, strict: false });
    }
    let accepted = match (compat, again) {
        (Ok(files), Ok(merged)) => {
            let (files, merged) = (sorted(files), sorted(merged));
            if files != merged {
                let (left, right) = (only(&files, &merged), only(&merged, &files));
                return Err(shown(&format!("compat differs\n  files:  {left}\n  merged: {right}")));
            }
            true
        }
        (Err(_), Err(_)) => false,
        (Ok(_), Err(error)) => return Err(shown(&format!("compat refuses what docker prints: {error}"))),
        (Err(error), Ok(_)) => return Err(shown(&format!("compat refuses the files alone: {error}"))),
    };
    // What strict takes has lost nothing on the way; what it refuses may be lost already.
    let lossless = |files: &[PathBuf]| if nested(files) { None } else { strict(files, env).ok() };
    let Some(files) = lossless(files) else { return Ok(Agreement { compat: accepted, strict: false }) };
    match strict(&merged, env).map(any_order) {
        Ok(merged) if any_order(files.clone()) == merged => Ok(Agreement { compat: accepted, strict: true }),
        Ok(merged) => {
            let files = any_order(files);
            let (left, right) = (only(&files, &merged), only(&merged, &files));
            Err(shown(&format!("strict differs\n  files:  {left}\n  merged: {right}")))
        }
        // Docker prints what both files have for one path; strict takes the later one, as with every other mount.
        Err(error) if error.contains("[mount-target]") && tmpfs_twice(&printed) => {
            Ok(Agreement { compat: accepted, strict: false })
        }
        Err(error) => Err(shown(&format!("strict refuses what docker prints: {error}"))),
    }
}

/// As [`sorted`], with the mounts of a service in any order: those of `tmpfs`, which docker stack has no word for, stand
/// behind those of the last file or between those of the first.
fn any_order(mut sent: Vec<Sent>) -> Vec<String> {
    for (_, body) in &mut sent {
        let mounts = body.pointer_mut("/TaskTemplate/ContainerSpec/Mounts").and_then(Value::as_array_mut);
        if let Some(mounts) = mounts {
            mounts.sort_by_key(ToString::to_string);
        }
    }
    sorted(sent)
}

/// True where a service has two items of `tmpfs` for one path.
fn tmpfs_twice(printed: &str) -> bool {
    let lists = printed.split("\n    tmpfs:\n").skip(1);
    let paths = lists.map(|rest| {
        let items = rest.lines().map_while(|line| line.strip_prefix("      - "));
        items.map(|item| item.trim_matches(['"', '\'']).split(':').next().unwrap_or_default())
    });
    paths.into_iter().any(|mut paths| {
        let mut seen = BTreeSet::new();
        !paths.all(|path| seen.insert(path))
    })
}

/// True where a default holds a variable, which strict reads otherwise than docker.
fn nested(files: &[PathBuf]) -> bool {
    static NESTED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{[^}]*\$").unwrap());
    files.iter().any(|file| NESTED.is_match(&fs::read_to_string(file).unwrap_or_default()))
}

/// A path for another file in the place of `files`: all that lies beside them can be reached from there.
fn beside(files: &[PathBuf], temp: &Path) -> PathBuf {
    let folder = temp.join("merged");
    fs::create_dir(&folder).unwrap();
    let here = files.first().and_then(|file| file.parent()).map(entries).unwrap_or_default();
    for path in here.iter().filter(|path| !files.contains(path)) {
        symlink(path, folder.join(path.file_name().unwrap())).unwrap();
    }
    folder.join("merged.yaml")
}

#[test]
fn what_docker_stack_config_prints_becomes_the_requests_of_its_files() {
    let results = each_fixture(|case| compare(&case.files, &case.env));
    let count =
        |wanted: &dyn Fn(&Agreement) -> bool| results.values().flatten().filter(|it| wanted(it)).count();
    let (compat, strict) = (count(&|it| it.compat), count(&|it| it.strict));
    eprintln!(
        "{} fixtures through `docker stack config`: {compat} the same in compat, {strict} in strict",
        results.len()
    );
    let intended: BTreeSet<String> =
        ["Not followed by compat", "Not read back"].iter().flat_map(|section| listed(section)).collect();
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|(name, result)| Some((name, result.as_ref().err()?)))
        .filter(|(name, _)| !intended.contains(*name))
        .map(|(name, reason)| format!("{name}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let equal: Vec<String> = listed("Not read back")
        .into_iter()
        .filter(|name| results.get(name).is_none_or(Result::is_ok))
        .collect();
    assert!(equal.is_empty(), "docs/reference/docker-differences.md lists what is equal: {equal:?}");
    assert!(compat > 100 && strict > 80, "too few fixtures prove anything");
}
