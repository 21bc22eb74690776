//! The proof before a deployment: what the host shall open is wrapped for it.

use std::path::{Path, PathBuf};

use super::compile;
use super::pointer::pointer;
use super::stop::Stop;
use crate::manifest::{Loaded, Manifest, Place, Secret};
use crate::secrets::{Finding, Looked, check_folder, readers};
use crate::source::Problem;

/// A secret that the host cannot open.
struct Closed<'m> {
    name: &'m str,
    file: &'m Path,
    text: String,
    /// Who has to be added, where that is what is missing.
    key: Option<&'m str>,
}

/// Each secret that the host's declared keys do not open.
fn closed(manifest: &Manifest) -> Vec<Closed<'_>> {
    let keys = &manifest.identities.public_keys;
    let judge = |(name, secret)| {
        let (name, secret): (&'_ String, &'_ Secret) = (name, secret);
        let path = secret.file.display();
        let (text, key) = match readers(secret) {
            // What the host makes by itself needs no file.
            Err(_) if made_there(secret) && !secret.file.exists() => return None,
            Err(error) => (format!("`{path}` {error}"), None),
            Ok(readers) if readers.include(keys) => return None,
            Ok(readers) => {
                let text = format!(
                    "the host `{}` cannot open `{path}`: none of `identities.public_keys` is among its recipients, {}",
                    manifest.host.name,
                    readers.told()
                );
                (text, Some(keys.first().map_or("", String::as_str)))
            }
        };
        Some(Closed { name, file: &secret.file, text, key })
    };
    manifest.secrets.iter().filter_map(judge).collect()
}

fn made_there(secret: &Secret) -> bool {
    secret.generator.as_ref().is_some_and(|generator| generator.place == Place::Host)
}

/// A problem for each secret that the host's declared keys do not open. Without declared keys nothing is compared.
pub(super) fn closed_to_the_host(loaded: &Loaded) -> Vec<Problem> {
    if loaded.manifest.identities.public_keys.is_empty() {
        return Vec::new();
    }
    let problem = |closed: Closed<'_>| {
        let problem = loaded.problem(&pointer(&["secrets", closed.name, "file"]), closed.text);
        let Some(key) = closed.key else { return problem };
        let file = closed.file.display();
        problem.fix(format!(
            "add `{key}` to the file's rule in `.sops.yaml` and run `holdfast secrets updatekeys {file}`"
        ))
    };
    closed(&loaded.manifest).into_iter().map(problem).collect()
}

/// Looks at every file below `folders` and at the secrets of every manifest, without a key: nothing secret stands there
/// in clear text, sops files are as their creation rules say, and each host can open its own.
#[must_use]
pub fn check_secrets(folders: &[PathBuf], manifests: &[PathBuf]) -> Looked {
    let mut looked = Looked::default();
    for folder in folders {
        let more = check_folder(folder);
        looked.findings.extend(more.findings);
        looked.files += more.files;
        looked.sealed += more.sealed;
    }
    for path in manifests {
        looked.findings.extend(manifest(path));
    }
    looked.findings.sort();
    looked.findings.dedup();
    looked
}

/// What keeps a manifest's host from its secrets.
fn manifest(path: &Path) -> Vec<Finding> {
    let named = path.display().to_string();
    let next = format!("holdfast check {named}");
    let finding = |(path, cause)| Finding { file: named.clone(), path, cause, next: next.clone() };
    let manifest = match compile::manifest_alone(path) {
        Ok(manifest) => manifest,
        Err(Stop::Problems(problems)) => {
            let told = |problem: Problem| {
                let line = problem.source.line_column(problem.span.start).0;
                finding((format!("line {line}"), problem.message))
            };
            return problems.into_iter().map(told).collect();
        }
        Err(stop) => {
            return stop.lines().into_iter().map(|line| finding(("line 1".to_owned(), line))).collect();
        }
    };
    if manifest.secrets.is_empty() {
        return Vec::new();
    }
    if manifest.identities.public_keys.is_empty() {
        let cause = format!(
            "names no key of the host `{}`, so nobody can tell whether it opens its secrets",
            manifest.host.name
        );
        let next = format!("$EDITOR {named} (the host's `/etc/ssh/ssh_host_ed25519_key.pub`, for example)");
        return vec![Finding { file: named, path: "identities/public_keys".to_owned(), cause, next }];
    }
    let finding = |closed: Closed<'_>| {
        let file = closed.file.display();
        let next = match closed.key {
            Some(key) => {
                format!("holdfast secrets updatekeys {file} (with `{key}` in its rule of `.sops.yaml`)")
            }
            None => next.clone(),
        };
        Finding { file: named.clone(), path: format!("secrets/{}", closed.name), cause: closed.text, next }
    };
    closed(&manifest).into_iter().map(finding).collect()
}
