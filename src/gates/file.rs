//! `file`: mode, owner, size and the shape of a content that is never shown.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use regex::bytes::Regex;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::seen::{Hope, Seen};
use crate::manifest::FileGate;

/// As much of a content is read; a longer file has no shape that could be judged.
const CONTENT_CAP: u64 = 1 << 20;

/// A gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct File {
    gate: FileGate,
    mode: Option<u32>,
    shape: Option<Regex>,
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    There {
        /// Permission bits, with set-id and sticky.
        mode: u32,
        uid: u32,
        gid: u32,
        size: u64,
        regular: bool,
        /// Whether the content has the shape; `None` when that was not asked.
        shape: Option<Shape>,
    },
}

/// What is known of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Matches,
    Differs,
    TooLong,
}

/// Names and numbers of users or groups: lines of `/etc/passwd` or `/etc/group`.
pub(super) fn id_of(table: &str, name: &str) -> Option<u32> {
    if let Ok(id) = name.parse() {
        return Some(id);
    }
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

impl File {
    pub(super) fn prepare(gate: &FileGate) -> Result<Self, String> {
        let others = gate.mode.is_some()
            || gate.owner.is_some()
            || gate.group.is_some()
            || gate.size.is_some()
            || gate.shape.is_some();
        if gate.absent == others {
            let both = "`absent` excludes every other expectation";
            return Err(if others { both } else { "it expects nothing" }.to_owned());
        }
        let mode = gate.mode.as_deref().map(|text| {
            let octal = text.strip_prefix("0o").unwrap_or(text);
            u32::from_str_radix(octal, 8).map_err(|_| format!("`{text}` is not an octal mode"))
        });
        let shape = gate.shape.as_deref().map(|text| {
            let whole = format!(r"\A(?:{text})\z");
            Regex::new(&whole).map_err(|_| format!("`{text}` is not a regular expression"))
        });
        Ok(Self { gate: gate.clone(), mode: mode.transpose()?, shape: shape.transpose()? })
    }

    pub(super) fn source(&self) -> String {
        format!("file `{}`", self.gate.path.display())
    }

    pub(super) async fn attempt(&self) -> Seen {
        let file = self.clone();
        let looked = tokio::task::spawn_blocking(move || file.look()).await;
        looked.unwrap_or_else(|_| Seen::unknown("looking at the file broke off"))
    }

    fn look(&self) -> Seen {
        let path = self.gate.path.as_path();
        let found = match self.find(path) {
            Ok(found) => found,
            Err(error) => return Seen::unknown(format!("cannot look at `{}`: {error}", path.display())),
        };
        let table = |path| std::fs::read_to_string(path).unwrap_or_default();
        judge_file(self, &found, &table("/etc/passwd"), &table("/etc/group"))
    }

    fn find(&self, path: &Path) -> std::io::Result<Found> {
        let meta = match std::fs::metadata(path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                // A dangling link is something, although it leads to nothing.
                let link = std::fs::symlink_metadata(path).is_ok() && self.gate.absent;
                return if link { Err(error) } else { Ok(Found::Nothing) };
            }
            other => other?,
        };
        let shape = match &self.shape {
            Some(shape) if meta.is_file() => Some(shape_of(path, shape)?),
            _ => None,
        };
        Ok(Found::There {
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            size: meta.size(),
            regular: meta.is_file(),
            shape,
        })
    }
}

fn shape_of(path: &Path, shape: &Regex) -> std::io::Result<Shape> {
    let mut content = Zeroizing::new(Vec::new());
    std::fs::File::open(path)?.take(CONTENT_CAP + 1).read_to_end(&mut content)?;
    Ok(if content.len() as u64 > CONTENT_CAP {
        Shape::TooLong
    } else if shape.is_match(&content) {
        Shape::Matches
    } else {
        Shape::Differs
    })
}

/// Judges what is there against what is asked; the tables turn names into numbers.
pub(super) fn judge_file(file: &File, found: &Found, users: &str, groups: &str) -> Seen {
    let (gate, path) = (&file.gate, file.gate.path.display());
    let Found::There { mode, uid, gid, size, regular, shape } = found else {
        let seen = if gate.absent {
            Seen::pass(format!("`{path}` does not exist"), json!({ "exists": false }))
        } else {
            Seen::fail(format!("`{path}` does not exist"), json!({ "exists": false }))
        };
        return seen;
    };
    let facts = json!({
        "exists": true, "mode": format!("{mode:04o}"), "uid": uid, "gid": gid, "size": size, "regular": regular,
    });
    if gate.absent {
        return Seen::fail(format!("`{path}` exists and must not"), facts);
    }
    let mut problems = Vec::new();
    if let Some(want) = file.mode.filter(|want| want != mode) {
        problems.push(format!("mode of `{path}` is {mode:04o}, expected {want:04o}"));
    }
    problems.extend(owner_problem("owner", gate.owner.as_deref(), *uid, users));
    problems.extend(owner_problem("group", gate.group.as_deref(), *gid, groups));
    if let Some(want) = gate.size.filter(|want| want != size) {
        problems.push(format!("`{path}` has {size} bytes, expected {want}"));
    }
    match (&gate.shape, shape) {
        (None, _) | (Some(_), Some(Shape::Matches)) => {}
        (Some(pattern), Some(Shape::Differs)) => {
            problems.push(format!("the content of `{path}` ({size} bytes) has not the shape `{pattern}`"));
        }
        (Some(_), Some(Shape::TooLong)) => {
            return Seen::new(
                crate::report::Verdict::Unknown,
                format!("`{path}` is too long to judge its shape"),
                facts,
            );
        }
        (Some(_), None) => problems.push(format!("`{path}` is no regular file")),
    }
    Seen::judged(&problems, holds(gate, &facts), facts).with_hope(Hope::OnlyAfterChange)
}

fn holds(gate: &FileGate, facts: &Value) -> String {
    let mode = facts.get("mode").and_then(Value::as_str).unwrap_or_default();
    format!("`{}` is there, mode {mode}", gate.path.display())
}

fn owner_problem(what: &str, want: Option<&str>, have: u32, table: &str) -> Option<String> {
    let want = want?;
    match id_of(table, want) {
        None => Some(format!("{what} is {have}, expected `{want}`, who is not known on this host")),
        Some(id) if id != have => Some(format!("{what} is {have}, expected `{want}` ({id})")),
        Some(_) => None,
    }
}
