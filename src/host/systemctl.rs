//! Runs a program of systemd and takes its answer.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::HostError;

/// How long a program may take. A manager that is busy with a boot answers late.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where an identity may stand in the environment, and the socket on which this process speaks with its service manager:
/// no child is given them.
const OURS: [&str; 6] = [
    "NOTIFY_SOCKET",
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
];

/// Runs a program that must end well; returns what it printed.
pub(super) async fn run(program: &'static str, args: &[String]) -> Result<String, HostError> {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    for name in OURS {
        command.env_remove(name);
    }
    let args = args.join(" ");
    let output = match timeout(PATIENCE, command.output()).await {
        Ok(output) => output.map_err(|source| HostError::Start { program, source })?,
        Err(_) => return Err(HostError::Silent { program, args, seconds: PATIENCE.as_secs() }),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(HostError::Failed { program, args, said: said.to_owned() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
