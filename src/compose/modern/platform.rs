//! `platform` of a service: the nodes that its tasks may run on.

use super::super::model::Platform;
use super::super::place::{At, Log};
use super::super::rules::Rule;

/// `OS/ARCHITECTURE`, in the engine's words. A variant is refused: the scheduler does not look at it.
pub(in super::super) fn read(at: &At<String>, log: &mut Log) -> Option<At<Platform>> {
    let mut parts = at.value.split('/');
    let os = parts.next().unwrap_or_default();
    let architecture = parts.next().map(|word| match word {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    });
    let variant = parts.next();
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let fits = matches!((architecture, variant), (_, None) | (Some("arm64"), Some("v8")));
    match architecture {
        // Nodes name their ARM variants in another way than images do.
        Some("arm") | None => refuse(at, log),
        Some(architecture) if word(os) && word(architecture) && fits && parts.next().is_none() => {
            let platform = Platform { os: os.to_owned(), architecture: architecture.to_owned() };
            Some(At::new(platform, at.place))
        }
        _ => refuse(at, log),
    }
}

fn refuse(at: &At<String>, log: &mut Log) -> Option<At<Platform>> {
    let message = format!("`platform: {}` names no nodes of a swarm", at.value);
    let fix = "write `OS/ARCHITECTURE` such as `linux/amd64`; for a variant use node labels and constraints";
    log.rule(Rule::NewerSpelling, at.place, message, fix);
    None
}
