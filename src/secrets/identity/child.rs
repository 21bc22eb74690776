//! Programs that give keys: started without a shell and with an environment of their own, ended when their time is up.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

/// How long a program may take to end after it has said all.
const GRACE: Duration = Duration::from_secs(1);

/// What a program gets to see of the environment, and where plugins are looked for.
#[derive(Clone, Default)]
pub struct Environment {
    /// Folders with plugins, before those of `PATH`.
    pub folders: Vec<PathBuf>,
    /// Variables, by name; no other ones are handed on.
    pub variables: Vec<(OsString, OsString)>,
}

/// What a program prints that is run to its end without input: at most so much, in at most that time.
///
/// # Errors
/// It does not start, takes too long, prints too much or fails.
pub(in crate::secrets) fn run(
    program: &Path,
    arguments: &[String],
    environment: &Environment,
    (patience, cap): (Duration, usize),
) -> Result<Zeroizing<Vec<u8>>, String> {
    Child::start(program, arguments, environment, patience)
        .map_err(|error| format!("`{}` did not start: {error}", program.display()))?
        .output(cap)
        .map_err(|why| format!("`{}` {why}", program.display()))
}

impl Environment {
    /// The program `name`: in a declared folder, or in an absolute one of `PATH`.
    pub(in crate::secrets) fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.variables.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value);
        let path = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
        self.folders.iter().cloned().chain(path).map(|folder| folder.join(name)).find(|found| found.is_file())
    }
}

/// A program under way. Dropped, it is ended with all that it started.
pub(super) struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    until: Instant,
    /// True once its number is no longer its own.
    reaped: bool,
}

impl Child {
    /// Starts `program`; what it writes to stderr goes nowhere, because nobody knows what it is.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        environment: &Environment,
        patience: Duration,
    ) -> io::Result<Self> {
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment.variables.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let output = output.ok_or_else(|| io::Error::other("has no output"))?;
        if let Some(input) = &input {
            fcntl_setfl(input, OFlags::NONBLOCK)?;
        }
        Ok(Self { process, input, output, until: Instant::now() + patience, reaped: false })
    }

    /// Starts its time anew.
    pub(super) fn again(&mut self, patience: Duration) {
        self.until = Instant::now() + patience;
    }

    /// Everything that it prints, of which there is at most `cap` bytes, once it has ended well.
    pub(super) fn output(mut self, cap: usize) -> Result<Zeroizing<Vec<u8>>, String> {
        self.input = None;
        let mut all = Zeroizing::new(Vec::with_capacity(cap.min(1 << 20) + 1));
        let mut piece = Zeroizing::new([0_u8; 512]);
        loop {
            let got = self.read(piece.as_mut_slice()).map_err(|error| error.to_string())?;
            all.extend_from_slice(piece.get(..got).unwrap_or_default());
            if all.len() > cap {
                return Err(format!("printed more than {cap} bytes"));
            }
            if got == 0 {
                break;
            }
        }
        match self.ended() {
            Some(status) if status.success() => Ok(all),
            Some(status) => Err(format!("failed: {status}")),
            None => Err("closed its output and did not end".to_owned()),
        }
    }

    /// Waits a moment for its end.
    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        let until = Instant::now() + GRACE;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.id()?), look) {
                Ok(Some(_)) => return self.reap(),
                Ok(None) | Err(rustix::io::Errno::INTR) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => return None,
            }
        }
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
    }

    /// Ends it and all that it started, while its number is still its own.
    fn reap(&mut self) -> Option<std::process::ExitStatus> {
        if let Some(group) = self.id().filter(|_| !self.reaped) {
            // Nothing is left to end, or it cannot be: both are nothing to tell.
            kill_process_group(group, Signal::KILL).ok();
        }
        self.reaped = true;
        self.process.wait().ok()
    }

    /// Closes its input and lets it end by itself.
    pub(super) fn finish(mut self) {
        self.input = None;
        self.ended();
    }

    /// Waits until `fd` is ready.
    fn ready(fd: &impl AsFd, flags: PollFlags, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(fd, flags)], Some(&left)) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "took too long and was ended")),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Child {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Self::ready(&self.output, PollFlags::IN, self.until)?;
        self.output.read(into)
    }
}

impl Write for Child {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let input = self.input.as_mut().ok_or_else(|| io::Error::other("its input is closed"))?;
        Self::ready(input, PollFlags::OUT, self.until)?;
        input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input = None;
        if !self.reaped {
            self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: u64) -> Result<Vec<u8>, String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let environment = Environment { folders: Vec::new(), variables: vec![("SEEN".into(), "yes".into())] };
        let child =
            Child::start(Path::new("/bin/sh"), &arguments, &environment, Duration::from_millis(patience));
        child.unwrap().output(100).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn it_sees_the_environment_that_it_is_given_and_no_other() {
        assert_eq!(shell("echo $SEEN $HOME $CARGO", 5000).unwrap(), b"yes\n");
    }

    #[test]
    fn it_is_ended_with_what_it_started_when_its_time_is_up() {
        let begun = Instant::now();
        assert!(shell("sleep 600 & sleep 600", 200).unwrap_err().contains("too long"));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn too_much_output_and_a_bad_end_are_failures() {
        assert!(shell("while :; do echo xxxxxxxxxxxxxxxx; done", 5000).unwrap_err().contains("100 bytes"));
        assert!(shell("echo x; exit 3", 5000).unwrap_err().contains("exit status: 3"));
    }
}
