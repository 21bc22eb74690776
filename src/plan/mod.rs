//! `plan(&Desired, &Observed) -> Plan`: complete, pure, the same words for plan and apply.

mod action;
mod step;

pub use action::{Action, FilesAction, ImageAction, SwarmAction};
pub use step::{Change, Consequence, Group, Held, Plan, Step, Verb};
