//! `store`: what lies in the Nix store is what Nix recorded when it was put there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, json};

use super::context::Context;
use super::seen::{Hope, Seen};
use crate::manifest::StoreGate;
use crate::observed::StoreSeen;

/// A gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Store {
    gate: StoreGate,
}

impl Store {
    pub(super) fn prepare(gate: &StoreGate) -> Self {
        Self { gate: gate.clone() }
    }

    pub(super) fn source() -> String {
        "Nix's database, and the store itself".to_owned()
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(host) = context.shared.sources.host else {
            return Seen::unknown("Nix cannot be asked here");
        };
        let mut paths: BTreeSet<PathBuf> = self.gate.paths.iter().cloned().collect();
        paths.extend(host.manifest.map(ToOwned::to_owned));
        paths.extend(host.archives.iter().cloned());
        if paths.is_empty() {
            let reason = "neither this manifest nor an image of it lies in the Nix store, so that there is nothing to compare";
            return Seen::unknown(reason).with_hope(Hope::Never);
        }
        let mut found = Vec::new();
        for path in paths {
            match (host.store)(path.clone(), context.until.into_std()).await {
                Ok(seen) => found.push((path, seen)),
                Err(reason) => return Seen::unknown(reason),
            }
        }
        judge(&found)
    }
}

fn judge(found: &[(PathBuf, StoreSeen)]) -> Seen {
    let mut facts = Map::new();
    let mut problems = Vec::new();
    for (path, StoreSeen { recorded, actual }) in found {
        let shown = path.display();
        facts.insert(shown.to_string(), json!({ "recorded": recorded, "actual": actual }));
        match recorded {
            None => problems.push(format!("Nix knows no valid path `{shown}`")),
            Some(recorded) if recorded != actual => problems.push(format!(
                "`{shown}` is damaged: Nix recorded {recorded}, and it is {actual}; `nix-store --repair-path` brings it back"
            )),
            Some(_) => {}
        }
    }
    let holds = format!("{} paths are what Nix recorded", found.len());
    Seen::judged(&problems, holds, facts.into()).with_hope(Hope::Never)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    #[test]
    fn both_hashes_are_named_where_they_differ() {
        let path = |recorded: Option<&str>| {
            let seen = StoreSeen { recorded: recorded.map(str::to_owned), actual: "sha256:1".to_owned() };
            judge(&[("/nix/store/a-x".into(), seen)])
        };
        assert_eq!(path(Some("sha256:1")).verdict, Verdict::Pass);
        let damaged = path(Some("sha256:0"));
        assert!(
            damaged.reason.contains("sha256:0") && damaged.reason.contains("sha256:1"),
            "{}",
            damaged.reason
        );
        assert_eq!((damaged.verdict, path(None).verdict), (Verdict::Fail, Verdict::Fail));
    }
}
