//! A build, followed to its end: Drone's stream and its webhook say when to look, and time does where neither speaks.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Halt, KILLED, SUPERSEDED, Worker, halves, number, over};
use crate::bridge::journal::Row;
use crate::bridge::runs::Look;
use crate::forge::drone;

/// How often a build is looked at while nobody says when to.
const POLL: Duration = Duration::from_secs(2);
/// How often while the stream is open, in case that it does not say everything.
const RARELY: Duration = Duration::from_secs(15);
/// How long the stream may take to open, and how long it is left alone after it could not be.
const OPEN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(10);

/// What the stream has said.
#[derive(Default)]
struct Told {
    /// True while it is open.
    open: bool,
    /// How often it told of the build, or may have: nothing is told of what was before it was opened.
    times: u64,
}

/// Listens to the stream of a repository's builds, opens it again when it ends, and tells of one build.
async fn listen(drone: drone::Api, full_name: String, build: i64, told: watch::Sender<Told>) {
    let (owner, name) = halves(&full_name);
    loop {
        match timeout(OPEN, drone.follow(owner, name)).await {
            Ok(Ok(mut feed)) => {
                told.send_modify(|told| (told.open, told.times) = (true, told.times + 1));
                while let Ok(Some(one)) = feed.next().await {
                    if one.number == build {
                        told.send_modify(|told| told.times += 1);
                    }
                }
                told.send_modify(|told| told.open = false);
            }
            Ok(Err(error)) => tracing::debug!(%error, "no stream"),
            Err(_) => tracing::debug!("no stream in time"),
        }
        sleep(AGAIN).await;
    }
}

impl Worker {
    /// Waits for the end of a build, and tells of it on the way.
    pub(super) async fn follow(&self, row: &mut Row) -> Result<(), Halt> {
        let Some(build) = row.build.map(number) else {
            over(row, "no_build");
            return Ok(());
        };
        let full_name = row.entry.task.full_name.clone();
        let (owner, name) = halves(&full_name);
        let (tell, mut stream) = watch::channel(Told::default());
        // Ends with this set.
        let mut listening = JoinSet::new();
        listening.spawn(listen(self.drone.clone(), full_name.clone(), build, tell));
        let mut wakes = self.wakes.listen();
        let mut told = None;
        loop {
            wakes.mark_unchanged();
            stream.mark_unchanged();
            let Some(seen) = self.drone.build(owner, name, build).await? else {
                over(row, "gone");
                return Ok(());
            };
            row.times.picked = at(seen.started);
            row.times.ended = at(seen.finished);
            if seen.is_over() {
                // We may have died after stopping it.
                let stopped = seen.status == KILLED && self.superseded(row).await?;
                over(row, if stopped { SUPERSEDED } else { &seen.status });
                return Ok(());
            }
            if self.superseded(row).await? {
                self.drone.cancel(owner, name, build).await?;
                over(row, SUPERSEDED);
                return Ok(());
            }
            if told.as_ref() != Some(&seen.status) {
                self.progress(row, &seen).await?;
                told = Some(seen.status);
            }
            let pause = if stream.borrow().open { RARELY } else { POLL };
            let look = tokio::select! {
                _ = stream.changed() => Look::Stream,
                _ = wakes.changed() => Look::Wake,
                () = sleep(pause) => Look::Poll,
            };
            self.metrics.runs.looked(look);
        }
    }

    /// Whether a newer comment on the same pull request asks for a test, and has passed the second judgement.
    pub(super) async fn superseded(&self, row: &Row) -> Result<bool, Halt> {
        if !self.bridge.policy.supersede {
            return Ok(false);
        }
        let task = row.entry.task.clone();
        Ok(self.journal.ask(move |connection| Row::supersedes(connection, &task)).await?)
    }
}

/// Drone's time; 0 is none.
fn at(seconds: i64) -> Option<Timestamp> {
    if seconds > 0 { Timestamp::from_second(seconds).ok() } else { None }
}
