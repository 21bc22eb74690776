//! Secrets, what opens them, and the templates that use them.

use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath};

use super::super::template::{Piece, TemplateError, pieces};
use super::super::{Installed, Manifest};
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, join};
use crate::source::{Source, Span};

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    judge.each(&["identities", "age_key_files"], &manifest.identities.age_key_files, |p| values::path(p));
    judge.each(&["identities", "ssh_key_files"], &manifest.identities.ssh_key_files, |p| values::path(p));
    judge.each(&["identities", "plugin_folders"], &manifest.identities.plugin_folders, |p| values::path(p));
    judge.each(&["identities", "public_keys"], &manifest.identities.public_keys, |key| public_key(key));
    judge.each(&["identities", "admins"], &manifest.identities.admins, |key| public_key(key));
    judge.each(&["allow_older"], &manifest.allow_older, |p| values::path(p));
    judge.names(&["secrets"], manifest.secrets.keys(), file_name);
    for (name, secret) in &manifest.secrets {
        judge.value(&["secrets", name, "file"], values::path(&secret.file));
        judge_file(judge, &["secrets", name], [&secret.owner, &secret.group, &secret.mode]);
    }
    judge.names(&["templates"], manifest.templates.keys(), file_name);
    for (name, template) in &manifest.templates {
        if manifest.secrets.contains_key(name) {
            let message = format!("`{name}` is a secret and a template");
            let wrong = Wrong { message, fix: "rename one of them".to_owned() };
            judge.wrong_key(&["templates", name], &["templates", name], wrong);
        }
        judge_file(judge, &["templates", name], [&template.owner, &template.group, &template.mode]);
        judge_content(judge, &["templates", name, "content"], &template.content);
    }
    if let Some(name) = &manifest.naming_key {
        judge.refers(&["naming_key"], name, "secrets");
    }
    let mut taken = BTreeMap::new();
    for file in manifest.installed() {
        judge_links(judge, manifest, &file, &mut taken);
        judge_units(judge, &file);
        judge_sinks(judge, &file);
        if file.needed_for_users {
            for (field, text) in [("owner", file.owner), ("group", file.group)] {
                let message = format!("`{text}` does not exist yet when users are made");
                let verdict = holds(matches!(text, "root" | "0"), message, "write `root`, or leave it out");
                judge.value(&[section(&file), file.name, field], verdict);
            }
        }
    }
}

fn section(file: &Installed<'_>) -> &'static str {
    if file.kind == crate::address::Kind::Secret { "secrets" } else { "templates" }
}

/// Links stand at places of their own, and never where Holdfast's own files are.
fn judge_links<'m>(
    judge: &mut Judge<'_>,
    manifest: &'m Manifest,
    file: &Installed<'m>,
    taken: &mut BTreeMap<&'m FilePath, String>,
) {
    let run = &manifest.paths.run;
    for (path, (field, index)) in file.links_declared().zip(file.link_fields()) {
        let index = index.map(|index| index.to_string());
        let place: Vec<&str> =
            [section(file), file.name, field].into_iter().chain(index.as_deref()).collect();
        judge.value(&place, link(path));
        if path == file.place(run) {
            continue;
        }
        let own = path.starts_with(run) || path.starts_with(&manifest.paths.state);
        let message = "this is in a folder of Holdfast's own";
        judge.value(&place, holds(!own, message, "write a path outside of `paths.run` and `paths.state`"));
        let address = file.address().to_string();
        if let Some(other) = taken.insert(path, address) {
            let message = format!("`{}` is already the place of {other}", path.display());
            judge.value(&place, holds(false, message, "give each link a path of its own"));
        }
    }
}

/// An absolute path that is written in its shortest form and names something.
fn link(path: &FilePath) -> Verdict {
    let plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    let same = path.components().collect::<std::path::PathBuf>().as_os_str() == path.as_os_str();
    holds(
        path.is_absolute() && path.parent().is_some() && plain && same,
        format!("`{}` is not an absolute path in its shortest form", path.display()),
        "write it like `/etc/app/token`, without `.`, `..` and a slash at the end",
    )
}

/// Kinds of units that can be restarted.
const UNIT_KINDS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "device",
    "slice",
    "scope",
];

fn judge_units(judge: &mut Judge<'_>, file: &Installed<'_>) {
    let at = [section(file), file.name];
    judge.each(&join(&at, &["restart_units"]), file.restart_units, |name| unit(name));
    judge.each(&join(&at, &["reload_units"]), file.reload_units, |name| unit(name));
    for (index, name) in file.reload_units.iter().enumerate() {
        let index = index.to_string();
        let message = format!("`{name}` is restarted and reloaded by the same change");
        let twice = file.restart_units.contains(name);
        let place = join(&at, &["reload_units", &index]);
        judge.value(&place, holds(!twice, message, "name it in `restart_units` or in `reload_units`"));
    }
}

/// Credentials go to services alone, and what is not installed has no file to link to.
fn judge_sinks(judge: &mut Judge<'_>, file: &Installed<'_>) {
    let at = [section(file), file.name];
    judge.each(&join(&at, &["credentials"]), file.credentials, |name| {
        unit(name)?;
        let message = format!("`{name}` cannot load a credential");
        let loads = [".service", ".socket", ".mount", ".swap"].iter().any(|kind| name.ends_with(kind));
        holds(loads, message, "name a service, socket, mount or swap")
    });
    let wants = file.links_declared().next().is_some() || file.needed_for_users;
    let message = "no file of it is installed, and a link or the making of users wants one";
    let fix = "leave `install` out, or `path`, `symlinks` and `needed_for_users`";
    judge.value(&join(&at, &["install"]), holds(file.install || !wants, message, fix));
}

/// The full name of a unit, as systemd takes it.
pub(super) fn unit(text: &str) -> Verdict {
    let (stem, kind) = text.rsplit_once('.').unwrap_or((text, ""));
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    let fits = text.len() < 256
        && !stem.is_empty()
        && !stem.starts_with(['@', '-'])
        && !stem.ends_with('@')
        && stem.chars().all(letters)
        && UNIT_KINDS.contains(&kind);
    holds(
        fits,
        format!("`{text}` is not the full name of a unit"),
        "write it like `app.service`, or `app@one.service` for one instance of a template",
    )
}

/// A key that files are wrapped for; a private one must not be in a manifest at all.
fn public_key(key: &str) -> Verdict {
    let known = ["age1", "ssh-ed25519 AAAA", "ssh-rsa AAAA"].iter().any(|start| key.starts_with(start));
    let what = if key.contains("SECRET") || key.contains("PRIVATE") {
        "this is a private key"
    } else {
        "this is no public key"
    };
    holds(
        known,
        what,
        "write one like `age1...` or `ssh-ed25519 AAAA...`, as in `/etc/ssh/ssh_host_ed25519_key.pub`",
    )
}

/// The name of an installed file; `rendered` is the folder of the templates.
fn file_name(name: &str) -> Verdict {
    values::name(name)?;
    holds(name != "rendered", "`rendered` is the folder of rendered templates", "give it another name")
}

fn judge_file(judge: &mut Judge<'_>, at: &Path<'_>, [owner, group, mode]: [&String; 3]) {
    judge.value(&join(at, &["owner"]), values::filled(owner, "the owner"));
    judge.value(&join(at, &["group"]), values::filled(group, "the group"));
    judge.value(&join(at, &["mode"]), values::mode(mode));
}

fn judge_content(judge: &mut Judge<'_>, at: &Path<'_>, content: &str) {
    let Some(node) = judge.root.at(at) else { return };
    match pieces(content) {
        Ok(pieces) => {
            for piece in pieces {
                if let Piece::Secret { name, span, .. } = piece
                    && let Err(wrong) = judge.declared(&name, "secrets")
                {
                    judge.tell(inside(judge.source, node.span, content, span), node.span, wrong);
                }
            }
        }
        Err(errors) => {
            for TemplateError { span, message, fix } in errors {
                judge.tell(inside(judge.source, node.span, content, span), node.span, Wrong { message, fix });
            }
        }
    }
}

/// Where a part of a string stands in the file. Escapes move the bytes, so that the same text is looked for in
/// what was written, as it is or in JSON's spelling, as often as it stands before the part; where it is not found,
/// the whole string is meant.
fn inside(source: &Source, whole: Span, text: &str, part: Span) -> Span {
    let written = source.text.get(whole.start..whole.end).unwrap_or_default();
    let Some(wanted) = text.get(part.start..part.end).filter(|wanted| !wanted.is_empty()) else {
        return whole;
    };
    let earlier = text.get(..part.start).map_or(0, |before| before.matches(wanted).count());
    let json = serde_json::Value::from(wanted).to_string();
    for spelling in [wanted, json.trim_matches('"')] {
        if let Some((at, found)) = written.match_indices(spelling).nth(earlier) {
            return Span { start: whole.start + at, end: whole.start + at + found.len() };
        }
    }
    whole
}
