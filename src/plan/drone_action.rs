//! What a step does with a Drone.

use std::time::Duration;

use serde_json::Value;

use crate::manifest::DroneCron;

/// A write to a Drone. Secrets are taken from the unlocked ones when the call is made.
#[derive(Clone, Debug, PartialEq)]
pub enum DroneAction {
    /// Waits until it answers, and takes its administrator's token.
    Await {
        /// Time for it.
        patience: Duration,
    },
    /// Signs in through Gitea, and reads the repositories of the user as the proof that it worked.
    SignIn,
    /// `POST /api/user/repos`: reads the repositories of the user from Gitea anew.
    Sync,
    /// `POST /api/users`.
    CreateUser {
        /// The name.
        name: String,
        /// The declared fields.
        fields: Value,
        /// The secret that holds the token; Drone makes one up without.
        token: Option<String>,
        /// True where one of this name goes before: neither its token nor its kind can be changed.
        instead: bool,
    },
    /// `PATCH /api/users/NAME`.
    EditUser {
        /// The name.
        name: String,
        /// Fields that change.
        fields: Value,
    },
    /// `DELETE /api/users/NAME`.
    DeleteUser(String),
    /// `POST /api/repos/OWNER/NAME`, and then its settings.
    Activate {
        /// `OWNER/NAME`.
        repository: String,
        /// Settings.
        body: Value,
        /// Numbers of hooks in Gitea that call Drone already: it makes its own anew.
        hooks: Vec<i64>,
    },
    /// `PATCH /api/repos/OWNER/NAME`; what Drone does not keep is an error.
    EditRepository {
        /// `OWNER/NAME`.
        repository: String,
        /// Fields that change.
        body: Value,
    },
    /// `POST /api/repos/OWNER/NAME/repair`: Drone makes its hook anew.
    Repair {
        /// `OWNER/NAME`.
        repository: String,
        /// Numbers of hooks in Gitea that call Drone.
        hooks: Vec<i64>,
    },
    /// `DELETE /api/repos/OWNER/NAME`, which builds it no more, and then the hooks that Drone leaves in Gitea.
    Deactivate {
        /// `OWNER/NAME`.
        repository: String,
        /// Their numbers.
        hooks: Vec<i64>,
    },
    /// `POST /api/repos/OWNER/NAME/secrets`, or `PATCH` of one.
    PutSecret {
        /// `OWNER/NAME`.
        repository: String,
        /// The secret's name in Drone.
        name: String,
        /// The manifest secret that holds the value.
        value: String,
        /// True where builds of pull requests get it.
        pull_request: bool,
        /// True where there is none yet.
        is_new: bool,
    },
    /// `DELETE /api/repos/OWNER/NAME/secrets/SECRET`.
    DeleteSecret {
        /// `OWNER/NAME`.
        repository: String,
        /// The secret's name in Drone.
        name: String,
    },
    /// `POST /api/repos/OWNER/NAME/cron`.
    PutCron {
        /// `OWNER/NAME`.
        repository: String,
        /// The clock's name.
        name: String,
        /// The clock.
        cron: DroneCron,
        /// True where one of this name goes before: Drone does not change all of it.
        instead: bool,
    },
    /// `DELETE /api/repos/OWNER/NAME/cron/CRON`.
    DeleteCron {
        /// `OWNER/NAME`.
        repository: String,
        /// The clock's name.
        name: String,
    },
}

impl DroneAction {
    /// The manifest secret that it writes.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::CreateUser { token, .. } => token.as_deref(),
            Self::PutSecret { value, .. } => Some(value),
            _ => None,
        }
    }
}
