//! Exit codes. The published table is `docs/reference/exit-codes.md`; an unknown non-zero code is a failure.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Success, or nothing to do.
    #[default]
    Ok,
    /// An unexpected error: a bug, local input or output.
    Internal,
    /// `plan --detailed-exitcode` found changes.
    Changes,
    /// A gate failed or could not give an answer.
    GateFailed,
    /// A step, convergence or a rollback failed.
    ApplyFailed,
    /// A secret could not be decrypted or delivered.
    SecretFailed,
    /// Another run holds the lock.
    Locked,
    /// Nothing was verified.
    Vacuous,
    /// The command line is wrong.
    Usage,
    /// The engine, a swarm manager or a registry is out of reach.
    Unreachable,
    /// Manifest, compose file or policy is wrong.
    BadConfig,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// An editor changed nothing, as sops says it.
    Unmodified,
    /// A program that was run for its own sake ended so; never in a record.
    #[serde(skip)]
    Child(u8),
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Internal => 1,
            Self::Changes => 2,
            Self::GateFailed => 3,
            Self::ApplyFailed => 4,
            Self::SecretFailed => 5,
            Self::Locked => 6,
            Self::Vacuous => 8,
            Self::Usage => 64,
            Self::Unreachable => 75,
            Self::BadConfig => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Unmodified => 200,
            Self::Child(code) => code,
        }
    }

    /// The name that is printed with the number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Internal => "internal",
            Self::Changes => "changes",
            Self::GateFailed => "gate-failed",
            Self::ApplyFailed => "apply-failed",
            Self::SecretFailed => "secret-failed",
            Self::Locked => "locked",
            Self::Vacuous => "vacuous",
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
            Self::BadConfig => "bad-config",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Unmodified => "unmodified",
            Self::Child(_) => "child",
        }
    }

    /// Of two causes the one that wins: 78, 75, 6, 5, 4, 3, 8, then the rest.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted | Self::Terminated => 0,
            Self::Usage => 1,
            Self::BadConfig => 2,
            Self::Unreachable => 3,
            Self::Locked => 4,
            Self::SecretFailed => 5,
            Self::ApplyFailed => 6,
            Self::GateFailed => 7,
            Self::Vacuous => 8,
            Self::Internal => 9,
            Self::Changes => 10,
            Self::Unmodified => 11,
            Self::Child(_) => 12,
            Self::Ok => 13,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
