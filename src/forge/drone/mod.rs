//! Drone's API, as far as it is needed. Proven on Drone 1.10.1; what is said of 2.x was only read.

mod api;
mod builds;
mod execute;
mod model;
mod observe;
mod repos;
mod sign_in;

pub use api::{Api, Health, Ping, ping};
pub use builds::{Feed, NewBuild};
pub use execute::execute;
pub use model::{Account, Build, Cron, LogLine, Repository, Secret, Stage, Step, Version};
pub use observe::{administered, observe, refused};
pub use repos::{NewCron, NewSecret};
pub use sign_in::sign_in;
