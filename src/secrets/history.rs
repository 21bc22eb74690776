//! Versions of a file in the history of the git repository that it is in, as the program `git` tells them.

use std::path::Path;
use std::time::Duration;

use super::document::FILE_CAP;
use super::identity::{Environment, run};

/// How long one question to git may take; a large repository has a long history.
const PATIENCE: Duration = Duration::from_secs(120);
/// Names and numbers of objects, not their content.
const LIST_CAP: usize = 16 << 20;

/// What history knows of a file.
#[derive(Default)]
pub(super) struct History {
    /// Each content that it had, once.
    pub(super) versions: Vec<Vec<u8>>,
    /// Why there may be more versions than these.
    pub(super) gaps: Vec<String>,
}

/// Every version of the file on any branch, under each name that it had.
pub(super) fn history(file: &Path, environment: &Environment) -> History {
    let mut all = History::default();
    if let Err(why) = look(file, environment, &mut all) {
        all.gaps.push(format!("its history was not looked at: {why}"));
    }
    all
}

fn look(file: &Path, environment: &Environment, all: &mut History) -> Result<(), String> {
    let program = environment.find("git").ok_or("the program `git` is not in `PATH`")?;
    let file = std::fs::canonicalize(file).map_err(|error| error.to_string())?;
    let folder = file.parent().unwrap_or_else(|| Path::new("/")).to_string_lossy().into_owned();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let git = |folder: &str, cap: usize, arguments: &[&str]| {
        let quiet = ["-c", "log.showSignature=false", "-c", "core.quotePath=false", "--literal-pathspecs"];
        let arguments: Vec<String> =
            ["-C", folder].iter().chain(&quiet).chain(arguments).map(|&word| word.to_owned()).collect();
        run(&program, &arguments, &quietly(environment), (PATIENCE, cap))
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let questions = ["rev-parse", "--show-toplevel", "--show-prefix", "--is-shallow-repository"];
    let place = text(&git(&folder, LIST_CAP, &questions).map_err(|_| "it is in no git repository")?);
    let mut place = place.lines();
    let (top, prefix) = (place.next().unwrap_or_default(), place.next().unwrap_or_default());
    if place.next() == Some("true") {
        all.gaps.push("the repository is a shallow one: its older history is not here".to_owned());
    }
    let renames = [
        "log",
        "--all",
        "--follow",
        "--diff-filter=R",
        "--format=",
        "--name-status",
        "-z",
        "--",
        name.as_str(),
    ];
    let renames = git(&folder, LIST_CAP, &renames).unwrap_or_default();
    let mut names: Vec<String> = text(&renames).split('\0').map(str::to_owned).collect();
    names.retain(|name| !name.is_empty() && !is_status(name));
    names.push(format!("{prefix}{name}"));
    names.sort();
    names.dedup();
    let mut list = vec!["rev-list", "--all", "--full-history", "--objects", "--"];
    list.extend(names.iter().map(String::as_str));
    let objects = text(&git(top, LIST_CAP, &list)?);
    let mut missing = 0;
    for line in objects.lines() {
        let Some((object, name)) = line.split_once(' ') else { continue };
        if names.iter().any(|known| known == name) {
            match git(top, FILE_CAP, &["cat-file", "blob", object]) {
                Ok(bytes) => all.versions.push(bytes.to_vec()),
                Err(_) => missing += 1,
            }
        }
    }
    if missing > 0 {
        all.gaps.push(format!("{missing} versions of it cannot be read"));
    }
    Ok(())
}

/// `R100` and its like, before the two names of a file.
fn is_status(word: &str) -> bool {
    word.strip_prefix('R')
        .is_some_and(|rest| rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The environment in which git asks nobody and fetches nothing.
fn quietly(environment: &Environment) -> Environment {
    let mut environment = environment.clone();
    for (name, value) in
        [("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1")]
    {
        environment.variables.push((name.into(), value.into()));
    }
    environment
}
