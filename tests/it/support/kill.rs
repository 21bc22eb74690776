//! Kills a process at a chosen system call, from outside: nothing in the program knows of it.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// How a process ended that was to be killed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It died at the call.
    Killed,
    /// It made fewer calls and succeeded.
    Finished,
}

/// Runs `command` and kills it as it enters its `nth` (from 1) call of `syscall`, in any of its threads and
/// children.
pub(crate) fn at(command: &Command, syscall: &str, nth: usize) -> End {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={syscall}")]);
    traced.args(["-e", &format!("inject={syscall}:signal=KILL:when={nth}")]);
    traced.arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        traced.env(name, value.expect("a variable that is set"));
    }
    let output = traced
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("strace cannot be started ({error}): run `make setup`"));
    if output.status.signal() == Some(9) {
        return End::Killed;
    }
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{syscall} {nth}: {}", String::from_utf8_lossy(&said));
    End::Finished
}
