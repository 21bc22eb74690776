//! Programs that get clear text: an editor, a command. They see the environment, but no key to secrets, and not the way to
//! the service manager of this process.

use std::io;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// Variables that hold keys, or say where keys are, and those by which a service manager knows this process.
const OURS: [&str; 10] = [
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "SOPS_AGE_RECIPIENT",
    "HOLDFAST_AGE_KEY_FD",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Takes out of what a program will see what is for this one alone.
pub(super) fn without_ours(command: &mut Command) -> &mut Command {
    for name in OURS {
        command.env_remove(name);
    }
    command
}

/// Runs a program to its end, whatever signal comes meanwhile: SIGTERM and SIGHUP are handed on to it; SIGINT and SIGQUIT
/// are not, since a terminal gives them to both, and the program decides what they mean.
///
/// # Errors
/// It does not start.
pub(super) async fn to_its_end(command: Command) -> io::Result<ExitStatus> {
    // Before it is started: none is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut child = tokio::process::Command::from(command).spawn()?;
    loop {
        let told = tokio::select! {
            ended = child.wait() => return ended,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
            _ = interrupt.recv() => continue,
            _ = quit.recv() => continue,
        };
        let number = child.id().and_then(|number| i32::try_from(number).ok());
        if let Some(child) = number.and_then(Pid::from_raw) {
            // It is not reaped yet, so the number is its own; one that has ended hears nothing any more.
            kill_process(child, told).ok();
        }
    }
}
