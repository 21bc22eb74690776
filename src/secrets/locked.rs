//! Memory that is never swapped out.

use std::sync::Once;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};

/// From here on nothing of this process is swapped out, where that is allowed; for whoever is about to hold something
/// secret. Where it is not possible it is left: that is no reason not to work.
pub fn lock_memory() {
    static LOCKED: Once = Once::new();
    LOCKED.call_once(|| {
        // Under a limit that counts, memory that is wanted later could not be had.
        let free = getrlimit(Resource::Memlock).current.is_none() || may_lock().unwrap_or_default();
        if free {
            mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).ok();
        }
    });
}

/// Whether no limit on locked memory counts for this process: it has the capability `CAP_IPC_LOCK`, bit 14.
fn may_lock() -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some((u64::from_str_radix(effective.trim(), 16).ok()? >> 14) & 1 == 1)
}
