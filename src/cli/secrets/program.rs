//! Programs that get clear text: an editor, a command. They see the environment, but no key to secrets.

use std::process::Command;

/// Variables that hold keys, or say where keys are.
const KEYS: [&str; 7] = [
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "SOPS_AGE_RECIPIENT",
    "HOLDFAST_AGE_KEY_FD",
];

/// Takes the keys out of what a program will see.
pub(super) fn without_keys(command: &mut Command) -> &mut Command {
    for name in KEYS {
        command.env_remove(name);
    }
    command
}
