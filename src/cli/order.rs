//! Flags of the commands that look at a host, resolved to a [`run::Order`](crate::run::Order).

use std::path::{Path, PathBuf};

use super::flags::ManifestArg;
use super::keys::from_environment;
use super::settings::Settings;
use crate::address::Address;
use crate::manifest::Duration;
use crate::run::Order;

/// The manifest and the part of it that a command is about.
#[derive(clap::Args)]
pub(crate) struct Part {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Only what this address covers, and what that needs: `stack.web`, `gate.web_https`.
    #[arg(long, value_name = "ADDRESS")]
    only: Option<Address>,
}

/// What a plan may do.
#[derive(clap::Args)]
pub(crate) struct Allowed {
    /// Let this be deleted and made anew where it cannot be changed in place, with everything that uses it:
    /// `network.proxy`, `stack.web/service.app`; may be given again.
    #[arg(long, value_name = "ADDRESS")]
    allow_recreate: Vec<Address>,
}

/// What a run with secrets may do.
#[derive(clap::Args)]
pub(crate) struct Older {
    /// Take this file of secrets although it is older than what was applied here; may be given again.
    #[arg(long, value_name = "FILE")]
    allow_older: Vec<PathBuf>,
}

impl Older {
    /// The same order, with what is allowed.
    pub(crate) fn apply_to(&self, order: Order) -> Order {
        Order { allow_older: self.allow_older.clone(), ..order }
    }
}

impl Allowed {
    /// The same order, with what is allowed.
    pub(crate) fn apply_to(&self, order: Order) -> Order {
        Order { allow_recreate: self.allow_recreate.clone(), ..order }
    }
}

/// Flags of commands that write.
#[derive(clap::Args)]
pub(crate) struct Writing {
    /// How long to wait for the lock that another run holds, `5m`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    lock_wait: Duration,
}

/// Flags of commands that apply a manifest, or a generation that was recorded.
#[derive(clap::Args)]
pub(crate) struct Applying {
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    writing: Writing,
    /// Leave the gates to a later `verify`.
    #[arg(long)]
    no_verify: bool,
    /// Also write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Applying {
    /// The same order, for a command that applies.
    pub(crate) fn apply_to(&self, order: Order) -> Order {
        Order { verify: !self.no_verify, ..self.writing.apply_to(self.allowed.apply_to(order)) }
    }

    /// Where the report goes as JUnit XML too.
    pub(crate) fn junit(&self) -> Option<&Path> {
        self.junit.as_deref()
    }
}

/// How long a service stays without being asked.
#[derive(clap::Args)]
pub(crate) struct Idle {
    /// End after this long without a request, `60s`.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    idle: Duration,
}

impl Idle {
    /// It as a time.
    pub(crate) const fn duration(&self) -> std::time::Duration {
        self.idle.0
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| error.to_string())
}

impl Part {
    /// An order for a command that only reads.
    pub(crate) fn order(&self, settings: &Settings) -> Order {
        Order { only: self.only.clone(), ..order(self.manifest.path(), settings) }
    }
}

/// An order for a command that only reads, of the whole of a manifest.
pub(crate) fn order(manifest: PathBuf, settings: &Settings) -> Order {
    Order {
        manifest,
        engine: settings.engine.clone(),
        run_dir: settings.run_dir.clone(),
        state_dir: settings.state_dir.clone(),
        identities: from_environment(),
        ..Order::default()
    }
}

impl Writing {
    /// The same order, for a command that writes.
    pub(crate) fn apply_to(&self, order: Order) -> Order {
        Order { lock_wait: self.lock_wait.0, ..order }
    }
}
