//! The NixOS system that runs: `/run/current-system` and what was booted.

use std::fs;
use std::path::Path;

use crate::observed::SystemSeen;

/// What a running kernel keeps until the next boot.
const BOOTED: [&str; 4] = ["kernel", "initrd", "kernel-modules", "systemd"];

/// What stands in a run folder (`/run`) of the system that was activated last, and of the one that was booted; with the
/// text of one of its units, drop-ins included.
#[must_use]
pub fn look_at_system(run: &Path, unit: Option<&str>) -> SystemSeen {
    let (current, booted) = (run.join("current-system"), run.join("booted-system"));
    let leads_to = |path: &Path| path.canonicalize().ok();
    let differs = |part: &&str| leads_to(&current.join(part)) != leads_to(&booted.join(part));
    let linked = fs::symlink_metadata(&current).and_then(|link| link.modified()).ok();
    SystemSeen {
        unit: unit.and_then(|unit| text_of(&current.join("etc/systemd/system"), unit)),
        changed_since_boot: BOOTED.into_iter().filter(differs).map(str::to_owned).collect(),
        activated: linked.and_then(|time| jiff::Timestamp::try_from(time).ok()),
        current: leads_to(&current),
        booted: leads_to(&booted),
    }
}

fn text_of(folder: &Path, unit: &str) -> Option<String> {
    let mut text = fs::read_to_string(folder.join(unit)).ok()?;
    let more = fs::read_dir(folder.join(format!("{unit}.d"))).into_iter().flatten().filter_map(Result::ok);
    for part in more {
        text.push_str(&fs::read_to_string(part.path()).unwrap_or_default());
    }
    Some(text)
}
