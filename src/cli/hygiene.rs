//! What the process does for its own secrecy before it reads a secret.
//!
//! A variable stays in `/proc/PID/environ` for as long as a process runs, whatever the process does about it. So a
//! program that is started with a key in a variable starts itself anew without it, and hands the key on in memory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::{Zeroize, Zeroizing};

use crate::secrets::SecretBytes;

/// The variable that holds a key.
const KEY: &str = "SOPS_AGE_KEY";
/// Says in which file descriptor the key is handed on.
const HANDED_ON: &str = "HOLDFAST_AGE_KEY_FD";
/// The name of the memory that it is handed on in.
const MEMORY: &str = "holdfast-identity";
/// No set of identities is larger.
const LONGEST: u64 = 1 << 20;

static AGE_KEY: OnceLock<SecretBytes> = OnceLock::new();

/// The identities that `SOPS_AGE_KEY` held.
pub(crate) fn age_key() -> Option<SecretBytes> {
    AGE_KEY.get().cloned()
}

/// Takes the key out of the environment: returns in a process that never had it there, or says why there is none.
pub(crate) fn scrub() -> Result<(), String> {
    if let Some(fd) = std::env::var_os(HANDED_ON) {
        if let Some(key) =
            take(&fd).map_err(|error| format!("failed to read the key that was handed on: {error}"))?
        {
            drop(AGE_KEY.set(key));
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
    let memory = match memfd_create(MEMORY, MemfdFlags::empty()) {
        Ok(memory) => File::from(memory),
        Err(error) => return error.into(),
    };
    let written = (&memory).write_all(key.as_bytes());
    let mut bytes = key.into_encoded_bytes();
    bytes.zeroize();
    if let Err(error) = written {
        return error;
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env_remove(KEY).env(HANDED_ON, memory.as_raw_fd().to_string()).exec()
}

/// Reads the memory and empties it, so that nothing that inherits it finds anything. A descriptor of anything else is
/// left alone.
fn take(fd: &OsStr) -> io::Result<Option<SecretBytes>> {
    let number: u32 = fd.to_str().and_then(|fd| fd.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let path = format!("/proc/self/fd/{number}");
    let what = std::fs::read_link(&path)?;
    if what.as_os_str().as_bytes() != format!("/memfd:{MEMORY} (deleted)").as_bytes() {
        return Ok(None);
    }
    let mut memory = File::options().read(true).write(true).open(path)?;
    let length = memory.metadata()?.len().min(LONGEST);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    (&mut memory).take(LONGEST).read_to_end(&mut bytes)?;
    memory.set_len(0)?;
    Ok((!bytes.is_empty()).then(|| SecretBytes::from(bytes)))
}

/// No core files, and nobody of the same user looks into this process. What is not possible is left: nothing here is a
/// reason not to work.
pub(crate) fn shut() {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}
