//! The host beside the engine: units of systemd, who listens, processes, disks.
//!
//! systemd is asked by its own program, `systemctl`: as root it reaches the manager before the message bus is up, which is
//! when secrets are installed at boot (`docs/decisions/0012-systemctl.md`). Nothing here waits for a job: a switch that
//! runs Holdfast holds jobs of its own, and waiting for others inside of it can stand still for ever.
//!
//! Nix is asked the same way, by `nix-store` ([`look_at_store`]); what it says is compared with what lies on the disk.

mod disk;
mod examine;
mod listeners;
mod processes;
mod show;
mod store;
mod system;
mod systemctl;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

use crate::observed::{UnitSeen, UnitState, UnitsSeen, Wish};
use crate::plan::HostAction;

pub use examine::examine;
pub use store::{look_at_store, store_path_of};
pub use system::look_at_system;

/// Why systemd did not do, or say, what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A program could not be started.
    #[error("failed to start `{program}`")]
    Start {
        /// Which.
        program: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program ended in another way than well.
    #[error("`{program} {args}` failed: {said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it was asked.
        args: String,
        /// The last line that it said.
        said: String,
    },
    /// A program did not end.
    #[error("`{program} {args}` gave no answer in {seconds} s")]
    Silent {
        /// Which.
        program: &'static str,
        /// What it was asked.
        args: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// An answer is not of the form that is known.
    #[error("`systemctl show` told of {told} units where {asked} were asked for")]
    Answer {
        /// How many it told of.
        told: usize,
        /// How many were asked for.
        asked: usize,
    },
}

/// True where systemd runs this host.
#[must_use]
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// How units are, by the names that they were asked by; `None` where systemd does not run.
///
/// # Errors
/// systemd cannot be asked.
pub async fn units(names: &BTreeSet<String>) -> Result<Option<BTreeMap<String, UnitSeen>>, HostError> {
    if !has_systemd() {
        return Ok(None);
    }
    if names.is_empty() {
        return Ok(Some(BTreeMap::new()));
    }
    Ok(Some(ask(names, &show::PROPERTIES, show::parse).await?))
}

/// What systemd says of some properties of units, by the names that they were asked by.
async fn ask<T>(
    names: &BTreeSet<String>,
    properties: &[&str],
    parse: fn(&str) -> Vec<T>,
) -> Result<BTreeMap<String, T>, HostError> {
    let mut args = vec!["show".to_owned(), format!("--property={}", properties.join(","))];
    args.push("--".to_owned());
    args.extend(names.iter().cloned());
    let text = systemctl::run("systemctl", &args).await?;
    let told = parse(&text);
    if told.len() != names.len() {
        return Err(HostError::Answer { told: told.len(), asked: names.len() });
    }
    Ok(names.iter().cloned().zip(told).collect())
}

/// How a unit is, with those that start it; `None` where systemd does not run. Its log and the system's activation are
/// not looked at.
///
/// # Errors
/// systemd cannot be asked.
pub async fn state(name: &str) -> Result<Option<UnitsSeen>, HostError> {
    if !has_systemd() {
        return Ok(None);
    }
    let states = |names: BTreeSet<String>| async move { ask(&names, &show::STATE, show::parse_states).await };
    let mut found = states(BTreeSet::from([name.to_owned()])).await?;
    let unit = found.remove(name).unwrap_or_default();
    let triggers: BTreeSet<String> = unit.triggers.iter().cloned().collect();
    let triggers: BTreeMap<String, UnitState> =
        if triggers.is_empty() { BTreeMap::new() } else { states(triggers).await? };
    let now = clock_gettime(ClockId::Monotonic);
    let now = now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000;
    Ok(Some(UnitsSeen { unit, triggers, now, ..UnitsSeen::default() }))
}

/// An error and its causes on one line.
fn words(error: &HostError) -> String {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Asks a unit that runs to restart or to reload, and does not wait for it.
///
/// # Errors
/// systemd cannot be asked, or refuses.
pub async fn tell(action: &HostAction) -> Result<(), HostError> {
    let verb = match action.wish {
        _ if action.failed => "restart",
        Wish::Restart => "try-restart",
        Wish::Reload => "try-reload-or-restart",
    };
    let args = ["--no-block", "--no-ask-password", verb, "--", &action.unit].map(str::to_owned);
    systemctl::run("systemctl", &args).await.map(drop)
}

/// The last lines of a unit in the journal of this boot; none where it cannot be read. They are not told apart by
/// invocation: of a process that ends at once the journal often does not know which one it was of.
pub async fn log(unit: &str, lines: usize) -> Vec<String> {
    let mut args = ["--no-pager", "--quiet", "--output=cat", "--boot"].map(str::to_owned).to_vec();
    args.extend([format!("--lines={lines}"), format!("--unit={unit}")]);
    let text = systemctl::run("journalctl", &args).await.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
