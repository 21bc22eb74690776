//! The host beside the engine: units of systemd.
//!
//! systemd is asked by its own program, `systemctl`: as root it reaches the manager before the message bus is up, which is
//! when secrets are installed at boot (`docs/decisions/0012-systemctl.md`). Nothing here waits for a job: a switch that
//! runs Holdfast holds jobs of its own, and waiting for others inside of it can stand still for ever.

mod show;
mod systemctl;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::observed::{UnitSeen, Wish};
use crate::plan::HostAction;

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
    let mut args = vec!["show".to_owned(), format!("--property={}", show::PROPERTIES.join(","))];
    args.push("--".to_owned());
    args.extend(names.iter().cloned());
    let text = systemctl::run("systemctl", &args).await?;
    let told = show::parse(&text);
    if told.len() != names.len() {
        return Err(HostError::Answer { told: told.len(), asked: names.len() });
    }
    Ok(Some(names.iter().cloned().zip(told).collect()))
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
