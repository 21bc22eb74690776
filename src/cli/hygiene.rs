//! What the process does for its own secrecy before it reads a secret.
//!
//! A variable stays in `/proc/PID/environ` for as long as a process runs, whatever the process does about it. So a
//! program that is started with a key in a variable starts itself anew without it, and hands the key on in memory.

use std::ffi::OsString;
use std::io;
use std::sync::OnceLock;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

use super::anew::Handed;
use crate::secrets::SecretBytes;

/// The variable that holds a key.
const KEY: &str = "SOPS_AGE_KEY";
/// How the key is handed on.
const HANDED: Handed = Handed { memory: "holdfast-identity", variable: "HOLDFAST_AGE_KEY_FD" };

static AGE_KEY: OnceLock<SecretBytes> = OnceLock::new();

/// The identities that `SOPS_AGE_KEY` held.
pub(crate) fn age_key() -> Option<SecretBytes> {
    AGE_KEY.get().cloned()
}

/// Takes the key out of the environment: returns in a process that never had it there, or says why there is none.
pub(crate) fn scrub() -> Result<(), String> {
    if std::env::var_os(HANDED.variable).is_some() {
        let key =
            HANDED.take().map_err(|error| format!("failed to read the key that was handed on: {error}"))?;
        if let Some(key) = key {
            drop(AGE_KEY.set(SecretBytes::from(key)));
        }
        return Ok(());
    }
    let Some(key) = std::env::var_os(KEY).filter(|key| !key.is_empty()) else { return Ok(()) };
    let why = anew(key);
    Err(format!(
        "failed to take `{KEY}` out of the environment: {why}; put the key into a file and name that in `SOPS_AGE_KEY_FILE`"
    ))
}

/// Starts this program anew, with the key in memory that it inherits; comes back only with an error.
fn anew(key: OsString) -> io::Error {
    HANDED.start(&Zeroizing::new(key.into_encoded_bytes()), Some(KEY))
}

/// No core files, and nobody of the same user looks into this process. What is not possible is left: nothing here is a
/// reason not to work.
pub(crate) fn shut() {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}
