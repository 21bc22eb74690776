//! What the host says beside the engine: links to secrets, units of systemd, what was asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::InstalledFile;

/// What the host says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSeen {
    /// Files that are installed before users are made, by name.
    pub user_files: BTreeMap<String, InstalledFile>,
    /// The generation of files that readers see, if any is installed.
    pub generation: Option<u64>,
    /// What stands where a link shall be, or was made earlier.
    pub links: BTreeMap<PathBuf, LinkSeen>,
    /// Units, by name; `None` where systemd was not asked or does not run.
    pub units: Option<BTreeMap<String, UnitSeen>>,
    /// Keyed id of each value that is not installed as a file, as units were last told of it.
    pub ids: BTreeMap<String, String>,
    /// Secrets whose values are kept that this host has made.
    pub minted: BTreeSet<String>,
    /// What was asked of units and is not proven yet, by unit.
    pub asked: BTreeMap<String, Ask>,
}

impl HostSeen {
    /// Generations of files that a unit may still hold, which was asked to let go of them.
    #[must_use]
    pub fn held(&self) -> BTreeSet<u64> {
        let unit = |name: &String| self.units.as_ref().and_then(|units| units.get(name));
        let waits = |(name, ask): &(&String, &Ask)| unit(name).is_some_and(|unit| !ask.is_done(unit));
        self.asked.iter().filter(waits).flat_map(|(_, ask)| ask.holds.iter().copied()).collect()
    }
}

/// What stands where a link shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkSeen {
    /// Nothing.
    Missing,
    /// A link that leads there.
    Link(PathBuf),
    /// What a run that was killed in the middle has left.
    Unfinished,
    /// No link can be made, and why; whatever stands there is left alone.
    Refused(String),
}

/// A unit, as systemd describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSeen {
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `activating`, `failed`, ...
    pub active: String,
    /// How its last run ended: `success`, `exit-code`, ...
    pub result: String,
    /// How its last reload ended.
    pub reload_result: String,
    /// Its invocation id, 32 hex digits; empty when it has not run since it was loaded.
    pub invocation: String,
    /// When its state last changed, microseconds since the boot.
    pub changed: u64,
    /// True while a job for it waits or runs.
    pub job: bool,
}

impl UnitSeen {
    /// True when it runs, so that it may hold an old value.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }
}

/// A unit, as a gate that is about it looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `activating`, `failed`, ...
    pub active: String,
    /// `running`, `exited`, `auto-restart`, ...
    pub sub: String,
    /// How its last run ended, `success` also where there was none.
    pub result: String,
    /// `simple`, `oneshot`, ...; empty where it is no service.
    pub service_type: String,
    /// Its invocation id; empty when it has not run since it was loaded.
    pub invocation: String,
    /// How often systemd itself has started it again.
    pub restarts: u64,
    /// When its last activation began, microseconds since the boot; 0 where there was none.
    pub began: u64,
    /// True when its conditions did not let it run.
    pub skipped: bool,
    /// True when its files have changed since systemd read them.
    pub stale: bool,
    /// True while a job for it waits or runs.
    pub job: bool,
    /// The exit status of its last main process.
    pub status: String,
    /// Units that start it.
    pub triggers: Vec<String>,
}

/// A unit with those that start it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitsSeen {
    /// The unit.
    pub unit: UnitState,
    /// Sockets, timers and paths that start it, by name.
    pub triggers: BTreeMap<String, UnitState>,
    /// When this was seen, microseconds since the boot.
    pub now: u64,
    /// When the system was activated last, Unix seconds; `None` where there is no NixOS.
    pub activated: Option<jiff::Timestamp>,
    /// The last lines that it wrote, where it failed.
    pub log: Vec<String>,
}

/// The NixOS system that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemSeen {
    /// The store path that `/run/current-system` leads to.
    pub current: Option<PathBuf>,
    /// The one that was booted.
    pub booted: Option<PathBuf>,
    /// When `/run/current-system` was set.
    pub activated: Option<jiff::Timestamp>,
    /// Parts of the current system that only run after a boot: `kernel`, `initrd`.
    pub changed_since_boot: Vec<String>,
    /// The text of the unit that was asked for, as the current system has it.
    pub unit: Option<String>,
}

/// A path of a Nix store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSeen {
    /// The hash that Nix recorded, `sha256:` and base 32; `None` where it knows no such path.
    pub recorded: Option<String>,
    /// The hash of what lies there.
    pub actual: String,
}

/// What is asked of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// To restart.
    Restart,
    /// To reload, or to restart where it cannot.
    Reload,
}

/// Something that was asked of a unit: written down before the files change, until it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What.
    pub wish: Wish,
    /// The invocation that shall end.
    pub before: String,
    /// When the unit's state had last changed, microseconds since the boot.
    pub changed: u64,
    /// True once systemd was told.
    pub told: bool,
    /// Generations of files that the invocation may still hold.
    pub holds: BTreeSet<u64>,
}

impl Ask {
    /// True when the unit no longer is what it was when this was asked: it runs anew, was reloaded, or stopped.
    #[must_use]
    pub fn is_done(&self, unit: &UnitSeen) -> bool {
        let anew = unit.invocation != self.before;
        let reloaded = self.wish == Wish::Reload && self.told && unit.changed > self.changed;
        !unit.job && (anew || reloaded || !unit.runs())
    }
}

/// What a generation of files is called that nobody reads any more.
const LEFTOVER: &str = "leftover generation ";

/// The name under which a generation of files that nobody reads any more stands among the files that are there.
#[must_use]
pub fn leftover(generation: &str) -> String {
    format!("{LEFTOVER}{generation}")
}

/// True for a name that [`leftover`] made.
#[must_use]
pub fn is_leftover(name: &str) -> bool {
    name.starts_with(LEFTOVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_invocation_is_gone_once_it_ended_and_no_job_is_under_way() {
        let unit = |active: &str, invocation: &str, changed, job| UnitSeen {
            active: active.into(),
            invocation: invocation.into(),
            changed,
            job,
            ..UnitSeen::default()
        };
        let ask = |wish, told| Ask { wish, before: "a".into(), changed: 5, told, holds: BTreeSet::new() };
        let restart = ask(Wish::Restart, true);
        assert!(!restart.is_done(&unit("active", "a", 9, false)), "the old one runs");
        assert!(!restart.is_done(&unit("inactive", "a", 9, true)), "between stop and start");
        assert!(restart.is_done(&unit("active", "b", 9, false)));
        assert!(restart.is_done(&unit("failed", "b", 9, false)));
        assert!(restart.is_done(&unit("inactive", "a", 9, false)), "what was stopped holds nothing");
        let reload = ask(Wish::Reload, true);
        assert!(!reload.is_done(&unit("active", "a", 5, false)));
        assert!(reload.is_done(&unit("active", "a", 6, false)));
        assert!(!ask(Wish::Reload, false).is_done(&unit("active", "a", 6, false)), "it was not told yet");
    }
}
