//! `plan(&Desired, &Observed) -> Plan`: complete, pure, the same words for plan and apply.

mod action;
pub mod canonical;
mod diff;
mod step;

pub use action::{Action, FilesAction, ImageAction, SwarmAction};
pub use diff::diff;
pub use step::{Change, Consequence, Group, Held, Plan, Step, Verb};
