//! Secrets, what opens them, and the templates that use them.

use super::super::Manifest;
use super::super::template::{Piece, TemplateError, pieces};
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, join};
use crate::source::{Source, Span};

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    judge.each(&["identities", "age_key_files"], &manifest.identities.age_key_files, |p| values::path(p));
    judge.each(&["identities", "ssh_key_files"], &manifest.identities.ssh_key_files, |p| values::path(p));
    judge.each(&["identities", "plugin_folders"], &manifest.identities.plugin_folders, |p| values::path(p));
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
