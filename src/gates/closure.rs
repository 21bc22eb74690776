//! `closure`: the NixOS system that runs is the one that this manifest belongs to.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen};
use crate::manifest::ClosureGate;
use crate::observed::SystemSeen;

/// A gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    gate: ClosureGate,
}

impl Closure {
    pub(super) fn prepare(gate: &ClosureGate) -> Result<Self, String> {
        if gate.unit.is_none() && gate.expect.is_none() && !gate.booted {
            return Err("it expects nothing".to_owned());
        }
        Ok(Self { gate: gate.clone() })
    }

    pub(super) fn source() -> String {
        "`/run/current-system`".to_owned()
    }

    pub(super) fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(host) = context.shared.sources.host else {
            return Seen::unknown("the system cannot be looked at here");
        };
        judge(&self.gate, host.manifest, &(host.system)(self.gate.unit.as_deref()))
    }
}

/// Judges the system that runs; `own` is the store path that the manifest lies in.
pub(super) fn judge(gate: &ClosureGate, own: Option<&Path>, system: &SystemSeen) -> Seen {
    let Some(current) = &system.current else {
        return Seen::unknown(
            "`/run/current-system` leads nowhere: this is no NixOS, or it was never activated",
        );
    };
    let facts = json!({
        "current": current, "booted": system.booted, "manifest": own, "reboot_needed_for": system.changed_since_boot,
    });
    let mut problems = Vec::new();
    if let Some(expect) = gate.expect.as_ref().filter(|expect| *expect != current) {
        problems.push(format!(
            "the system that runs is `{}`, expected `{}`",
            current.display(),
            expect.display()
        ));
    }
    if let Some(unit) = &gate.unit {
        let Some(own) = own else {
            let reason = "this manifest does not lie in the Nix store, so that no unit can name it for good";
            return Seen::unknown(reason).with_hope(Hope::Never);
        };
        problems.extend(unit_problem(unit, own, system.unit.as_deref()));
    }
    let reboot = system.changed_since_boot.join(", ");
    if gate.booted && !reboot.is_empty() {
        problems
            .push(format!("a reboot is needed: {reboot} of the system that runs are not what was booted"));
    }
    let more = if reboot.is_empty() { String::new() } else { format!("; a reboot would change {reboot}") };
    let holds = format!("`{}` runs{more}", current.display());
    Seen::judged(&problems, holds, facts).with_hope(Hope::OnlyAfterChange)
}

fn unit_problem(unit: &str, own: &Path, text: Option<&str>) -> Option<String> {
    let Some(text) = text else {
        return Some(format!("the system that runs has no unit `{unit}`"));
    };
    if names(text, own) {
        return None;
    }
    let others = like(text, own);
    let instead = if others.is_empty() {
        "names no manifest".to_owned()
    } else {
        let others: Vec<String> = others.iter().map(|path| format!("`{}`", path.display())).collect();
        format!("names {}", others.join(" and "))
    };
    Some(format!("`{unit}` of the system that runs {instead}, and this is `{}`", own.display()))
}

/// True when the text names this very path, or something in it.
fn names(text: &str, own: &Path) -> bool {
    let own = own.display().to_string();
    text.match_indices(&own).any(|(at, _)| {
        let rest = text.get(at + own.len()..).unwrap_or_default();
        !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || "+-._?=".contains(letter))
    })
}

/// Other store paths of the same name that the text names.
fn like(text: &str, own: &Path) -> Vec<PathBuf> {
    let store = own.parent().map(|store| format!("{}/", store.display())).unwrap_or_default();
    let name = own.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.split_once('-').map_or(name, |(_, name)| name);
    let words = text.split(|letter: char| letter.is_whitespace() || "\"'=:;,".contains(letter));
    let entries = words.filter_map(|word| word.strip_prefix(&store)?.split('/').next());
    let same = entries.filter(|entry| entry.split_once('-').is_some_and(|(_, of)| of == name));
    let mut found: Vec<PathBuf> = same.map(|entry| Path::new(&store).join(entry)).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    const OWN: &str = "/nix/store/0c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-holdfast-manifest";
    const OTHER: &str = "/nix/store/zzzz3bmr1zh3lfmh9wk8mxv1rr5dglcx-holdfast-manifest";

    fn system(unit: Option<&str>) -> SystemSeen {
        SystemSeen {
            current: Some("/nix/store/a-nixos-system".into()),
            unit: unit.map(str::to_owned),
            ..SystemSeen::default()
        }
    }

    fn judged(gate: &ClosureGate, own: Option<&str>, system: &SystemSeen) -> (Verdict, String) {
        let seen = judge(gate, own.map(Path::new), system);
        (seen.verdict, seen.reason)
    }

    #[test]
    fn the_unit_must_name_this_very_manifest() {
        let gate = ClosureGate { unit: Some("holdfast-apply.service".into()), ..ClosureGate::default() };
        let exec = |path: &str| {
            format!("[Service]\nExecStart=/nix/store/b-holdfast/bin/holdfast apply {path} --x\n")
        };
        let of = |text: &str| judged(&gate, Some(OWN), &system(Some(text)));
        assert_eq!(of(&exec(OWN)).0, Verdict::Pass);
        assert_eq!(of(&format!("ExecStart=x {OWN}/manifest.json")).0, Verdict::Pass);
        let (verdict, reason) = of(&exec(OTHER));
        assert!(verdict == Verdict::Fail && reason.contains(OTHER) && reason.contains(OWN), "{reason}");
        assert_eq!(of(&exec(&format!("{OWN}-2"))).0, Verdict::Fail, "a longer name is another path");
        assert!(of("[Service]\n").1.contains("names no manifest"));
        assert!(judged(&gate, Some(OWN), &system(None)).1.contains("has no unit"));
        assert_eq!(judged(&gate, None, &system(Some(&exec(OWN)))).0, Verdict::Unknown);
        assert_eq!(judged(&gate, Some(OWN), &SystemSeen::default()).0, Verdict::Unknown);
    }

    #[test]
    fn the_system_is_the_expected_one_and_was_booted() {
        let expect = |path: &str| ClosureGate { expect: Some(path.into()), ..ClosureGate::default() };
        assert_eq!(judged(&expect("/nix/store/a-nixos-system"), None, &system(None)).0, Verdict::Pass);
        let (verdict, reason) = judged(&expect("/nix/store/b-nixos-system"), None, &system(None));
        assert!(verdict == Verdict::Fail && reason.contains("b-nixos-system"), "{reason}");
        let gate = ClosureGate { booted: true, ..ClosureGate::default() };
        assert_eq!(judged(&gate, None, &system(None)).0, Verdict::Pass);
        let waits = SystemSeen { changed_since_boot: vec!["kernel".into()], ..system(None) };
        let (verdict, reason) = judged(&gate, None, &waits);
        assert!(verdict == Verdict::Fail && reason.contains("a reboot is needed: kernel"), "{reason}");
        let (verdict, reason) = judged(&expect("/nix/store/a-nixos-system"), None, &waits);
        assert!(verdict == Verdict::Pass && reason.contains("a reboot would change kernel"), "{reason}");
    }
}
