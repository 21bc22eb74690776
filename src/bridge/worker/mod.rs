//! The work behind the journal: each task goes from state to state, and every step can be done again after a crash.

mod build;
mod check;
mod follow;
mod forge;
mod hand;
mod sweep;
mod tell;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use self::forge::Forge;
use self::hand::{Again, Hand, Tries};
use super::journal::{Journal, Row, State, Unavailable};
use crate::bridge::bucket::Buckets;
use crate::bridge::metrics::Metrics;
use crate::bridge::serve::Moment;
use crate::bridge::wake::Wakes;
use crate::forge::drone;
use crate::forge::error::ForgeError;
use crate::manifest::Bridge;
use crate::secrets::SecretBytes;

/// The result of what a newer comment has made pointless.
const SUPERSEDED: &str = "superseded";
/// Drone's word for a build that was stopped.
const KILLED: &str = "killed";
/// Those of the tasks in hand that ask the forge or Drone for something else than how a build goes.
const AT_ONCE: usize = 16;
/// A request that failed, or that we died over, may still be at work: it is given this long before what there is is asked for.
const GRACE: Duration = Duration::from_secs(3);
/// The journal is looked through this often even when nothing new was stored.
const LOOK: Duration = Duration::from_secs(30);
/// How often the end of something old is tried to be told.
const TELL_TRIES: u32 = 30;

/// What does the work.
pub struct Worker {
    /// What the manifest says.
    pub bridge: Bridge,
    /// The forge, asked by the bot.
    pub forge: Forge,
    /// Drone.
    pub drone: drone::Api,
    /// Where the tasks are.
    pub journal: Journal,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How often each user may ask.
    pub buckets: Arc<Buckets>,
    /// Who says that something has happened.
    pub wakes: Wakes,
    /// What must never be said.
    pub secrets: Vec<SecretBytes>,
}

/// The sign of life that a service manager wants.
pub struct Pulse {
    /// At least so often.
    pub every: Option<Duration>,
    /// Who tells it.
    pub manager: Arc<dyn Fn(Moment) + Send + Sync>,
}

impl Pulse {
    /// Gives it.
    pub fn beat(&self) {
        if self.every.is_some() {
            (self.manager)(Moment::Alive);
        }
    }

    /// How long nothing needs to be done, at most `most`: a third of what is wanted, so that a late one is none too late.
    #[must_use]
    pub fn pause(&self, most: Duration) -> Duration {
        self.every.map_or(most, |every| most.min(every / 3))
    }
}

/// Why a step did not end well: it is tried again.
#[derive(Debug, thiserror::Error)]
enum Halt {
    /// The forge or Drone.
    #[error("{0}")]
    Forge(#[from] ForgeError),
    /// The disk.
    #[error(transparent)]
    Journal(#[from] Unavailable),
    /// Something has to come first.
    #[error("{0}")]
    Wait(&'static str),
}

impl Worker {
    /// Works until told to stop. What was begun then is found and finished by the next run.
    ///
    /// The sign of life is this loop's, given when the journal has answered: one that hangs gives none.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>, pulse: Pulse) {
        let sweeper = Arc::clone(&self);
        let told = stop.clone();
        let sweeping = tokio::spawn(async move { sweeper.sweeps(told).await });
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let first = Tries { resumed: Some(Instant::now() + GRACE), ..Tries::default() };
        let (mut tasks, mut hand) = (JoinSet::new(), Hand::default());
        loop {
            let (newest, room) = (hand.newest(), hand.room());
            let new = self.journal.ask(move |connection| Row::unfinished(connection, newest, room)).await;
            pulse.beat();
            for (id, tries) in hand.take(Instant::now(), new.unwrap_or_default(), first) {
                tasks.spawn(Arc::clone(&self).work(id, tries, Arc::clone(&turns)));
            }
            tokio::select! {
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
                ended = tasks.join_next(), if !tasks.is_empty() => {
                    if let Some(Ok((id, again))) = ended {
                        hand.left(id, again);
                    }
                }
                () = self.journal.news() => {}
                () = tokio::time::sleep(hand.pause(Instant::now(), pulse.pause(LOOK))) => {}
            }
        }
        sweeping.abort();
        tasks.shutdown().await;
    }

    /// Brings a task to its end, or to a failure, after which it is tried again from where it stands in the journal.
    async fn work(self: Arc<Self>, id: i64, mut tries: Tries, turns: Arc<Semaphore>) -> (i64, Option<Again>) {
        let gone = self.finish(id, &mut tries, &turns).await;
        (id, gone.err().map(|halt| tries.failed(&halt)))
    }

    async fn finish(&self, id: i64, tries: &mut Tries, turns: &Semaphore) -> Result<(), Halt> {
        let Some(mut row) = self.journal.ask(move |connection| Row::find(connection, id)).await? else {
            return Ok(());
        };
        if let Some(until) = tries.resumed.filter(|_| row.state > State::Checked) {
            tokio::time::sleep_until(until.into()).await;
        }
        let comment = row.entry.task.comment;
        while row.state != State::Done {
            let (before, times) = (row.state, row.times);
            self.give_up(&mut row, tries.failures);
            let turn = if row.state == State::Building { None } else { turns.acquire().await.ok() };
            let gone = self.step(&mut row, *tries).await;
            drop(turn);
            let (from, failures) = (before.word(), tries.failures);
            gone.inspect_err(
                |error| tracing::warn!(comment, state = from, failures, %error, "tried again later"),
            )?;
            tracing::info!(comment, from, to = row.state.word(), result = row.result, "task");
            self.metrics.runs.moved(before, times, &row);
            *tries = Tries::default();
        }
        Ok(())
    }

    /// One step, kept in the journal.
    async fn step(&self, row: &mut Row, tries: Tries) -> Result<(), Halt> {
        match row.state {
            State::Accepted => {
                self.check(row).await?;
                if row.state == State::Checked {
                    // Those that it supersedes hear of it once it is in the journal.
                    self.keep(row).await?;
                    self.wakes.wake();
                }
            }
            State::Checked if self.superseded(row).await? => over(row, SUPERSEDED),
            State::Checked => row.state = State::Asking,
            State::Asking => self.ask(row, tries).await?,
            State::Building => self.follow(row).await?,
            State::Telling => self.tell(row, tries).await?,
            State::Done => {}
        }
        self.keep(row).await
    }

    async fn keep(&self, row: &Row) -> Result<(), Halt> {
        let kept = row.clone();
        Ok(self.journal.ask(move |connection| kept.keep(connection)).await?)
    }

    /// What nobody waits for any more is told as failed, and, where that cannot be told either, not even that. What has a
    /// build is not late: it ends when the build does.
    fn give_up(&self, row: &mut Row, failures: u32) {
        let age = Timestamp::now().duration_since(row.entry.task.created);
        let most = SignedDuration::try_from(self.bridge.policy.max_age.0).unwrap_or(SignedDuration::MAX);
        if age <= most {
            return;
        }
        match row.state {
            State::Accepted | State::Checked | State::Asking => {
                row.result = Some("late".to_owned());
                row.state = State::Telling;
            }
            State::Telling if failures >= TELL_TRIES => row.state = State::Done,
            State::Building | State::Telling | State::Done => {}
        }
    }
}

/// There is nothing to wait for any more.
fn over(row: &mut Row, result: &str) {
    row.result = Some(result.to_owned());
    row.state = State::Telling;
}

/// Owner and name of a repository.
fn halves(full_name: &str) -> (&str, &str) {
    full_name.split_once('/').unwrap_or((full_name, ""))
}

/// A number as the API's types have it.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
