//! The program starts itself anew, with what it hands on to itself in memory that nothing else finds.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

/// Nothing that is handed on is longer.
const LONGEST: u64 = 1 << 20;

/// What is handed on.
pub(crate) struct Handed {
    /// The name of the memory.
    pub(crate) memory: &'static str,
    /// The variable that says in which file descriptor it is.
    pub(crate) variable: &'static str,
}

impl Handed {
    /// Starts this program anew with the same arguments, without one variable; comes back only with an error.
    pub(crate) fn start(&self, bytes: &[u8], without: Option<&str>) -> io::Error {
        let memory = match memfd_create(self.memory, MemfdFlags::empty()) {
            Ok(memory) => File::from(memory),
            Err(error) => return error.into(),
        };
        if let Err(error) = (&memory).write_all(bytes) {
            return error;
        }
        let mut arguments = std::env::args_os();
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        if let Some(without) = without {
            command.env_remove(without);
        }
        command.args(arguments).env(self.variable, memory.as_raw_fd().to_string()).exec()
    }

    /// Reads the memory and empties it, so that nothing that inherits it finds anything. A descriptor of anything else is
    /// left alone.
    pub(crate) fn take(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(fd) = std::env::var_os(self.variable) else { return Ok(None) };
        let number: u32 = fd.to_str().and_then(|fd| fd.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
        let path = format!("/proc/self/fd/{number}");
        let what = std::fs::read_link(&path)?;
        if what.as_os_str().as_bytes() != format!("/memfd:{} (deleted)", self.memory).as_bytes() {
            return Ok(None);
        }
        let mut memory = File::options().read(true).write(true).open(path)?;
        let length = memory.metadata()?.len().min(LONGEST);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
        (&mut memory).take(LONGEST).read_to_end(&mut bytes)?;
        memory.set_len(0)?;
        Ok((!bytes.is_empty()).then_some(bytes))
    }
}
