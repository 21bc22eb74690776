//! What is asked for, and what is told while it happens.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::apply::Event;
use crate::gates;
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::secrets::IdentityEnv;

/// A command with everything resolved; the rooms behind it never look at flags or the environment.
#[derive(Default)]
pub struct Order {
    /// A manifest file, or the folder that `holdfast compile` wrote.
    pub manifest: PathBuf,
    /// Engine address in place of the manifest's.
    pub engine: Option<String>,
    /// Run folder in place of the manifest's.
    pub run_dir: Option<PathBuf>,
    /// State folder in place of the manifest's.
    pub state_dir: Option<PathBuf>,
    /// Only what this address covers, and what that needs.
    pub only: Option<Address>,
    /// How long to wait for the lock.
    pub lock_wait: Duration,
    /// True to run the gates after an apply.
    pub verify: bool,
    /// True when a plan with changes is exit code 2.
    pub detailed_exitcode: bool,
    /// What may be deleted and made anew, besides what the manifest says.
    pub allow_recreate: Vec<Address>,
    /// Files of secrets that may be older than what was applied here, besides what the manifest says.
    pub allow_older: Vec<PathBuf>,
    /// The NixOS system that must run, besides what gates say.
    pub expect_closure: Option<PathBuf>,
    /// How long `status` waits for the certificates that are served where gates look; `None`: it does not ask for them.
    pub served: Option<Duration>,
    /// True when `destroy` removes volumes too.
    pub volumes: bool,
    /// Identities from the environment.
    pub identities: IdentityEnv,
}

impl Order {
    /// The command line wins over the manifest, and is no part of what a generation is.
    pub(super) fn override_places(&self, manifest: &mut Manifest) {
        if let Some(engine) = &self.engine {
            manifest.engine.address.clone_from(engine);
        }
        if let Some(run) = &self.run_dir {
            manifest.paths.run.clone_from(run);
        }
        if let Some(state) = &self.state_dir {
            manifest.paths.state.clone_from(state);
        }
    }
}

/// What is told while a command runs.
pub enum Said<'a> {
    /// The plan, before the first write.
    Plan(&'a Plan),
    /// A step.
    Step(&'a Event<'a>),
    /// A gate.
    Gate(&'a gates::Progress<'a>),
}

/// Where it is told.
pub type Tell<'a> = RefCell<&'a mut dyn FnMut(Said<'_>)>;
