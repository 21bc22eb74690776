//! Waiting until services run as they were told to, or telling why they will not.

mod judge;
mod outcome;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub use outcome::{ConvergeError, Reason, Waiting};

use super::images::chain;
use super::observe::{task, text};
use super::{Engine, EngineError};
use crate::observed::{Task, at};
use judge::{Moment, Verdict, Watch};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The longest pause while the engine does not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// How many lines of a failing task's log are told.
const LOG_LINES: usize = 10;
/// Tasks made from the current spec of their service: swarmkit itself compares them.
const CURRENT: &str = "/tasks?filters=%7B%22_up-to-date%22%3A%7B%22true%22%3Atrue%7D%7D";

/// One look: services by name, and current tasks by service id.
struct Look {
    services: BTreeMap<String, Value>,
    tasks: BTreeMap<String, Vec<Task>>,
}

impl Engine {
    /// Waits until the named services (full names) run as their current specs say, calling `progress` at every look.
    /// It ends early where waiting cannot help: a rollback is never a success, and tasks that keep ending, an image that
    /// no node has and a placement that no node fits end the wait. An engine that restarts meanwhile is waited for.
    ///
    /// # Errors
    /// [`ConvergeError`]: which service, why, and the last lines that its failing task wrote.
    pub async fn converge(
        &self,
        services: &[String],
        deadline: Duration,
        progress: &mut dyn FnMut(&Waiting),
    ) -> Result<(), ConvergeError> {
        let began = Instant::now();
        let mut watches: BTreeMap<String, Watch> =
            services.iter().map(|name| (name.clone(), Watch::new())).collect();
        let mut waiting = Waiting { elapsed: Duration::ZERO, deadline, services: Vec::new(), engine: None };
        let mut pause = LOOK;
        loop {
            let look = self.look().await;
            waiting.elapsed = began.elapsed();
            match look {
                Ok(look) => {
                    (waiting.engine, pause) = (None, LOOK);
                    waiting.services.clear();
                    match judge_all(&mut watches, &look, &mut waiting) {
                        Some((service, reason)) => {
                            return Err(self.failure(service, reason, &watches, &waiting).await);
                        }
                        None if waiting.services.is_empty() => return Ok(()),
                        None => {}
                    }
                }
                Err(error) => {
                    waiting.engine = Some(chain(&error));
                    pause = PAUSE.min(pause * 2);
                }
            }
            progress(&waiting);
            if waiting.elapsed >= deadline {
                let (service, reason) = out_of_time(services, &watches, &waiting);
                return Err(self.failure(service, reason, &watches, &waiting).await);
            }
            sleep(pause.min(deadline.saturating_sub(waiting.elapsed))).await;
        }
    }

    async fn look(&self) -> Result<Look, EngineError> {
        let (services, tasks) = tokio::join!(self.transport.get("/services"), self.transport.get(CURRENT));
        let Value::Array(services) = services? else { return Ok(Look::empty()) };
        let services = services.into_iter().map(|raw| (text(at(&raw, "/Spec/Name")), raw)).collect();
        let mut tasks_by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        let tasks = tasks?;
        for raw in tasks.as_array().into_iter().flatten() {
            tasks_by_service.entry(text(at(raw, "/ServiceID"))).or_default().push(task(raw));
        }
        Ok(Look { services, tasks: tasks_by_service })
    }

    async fn failure(
        &self,
        service: String,
        reason: Reason,
        watches: &BTreeMap<String, Watch>,
        waiting: &Waiting,
    ) -> ConvergeError {
        let last = watches.get(&service).and_then(Watch::last_failure).map(|task| task.id.clone());
        let task = reason.task().map(str::to_owned).or(last);
        let log = match (task, &reason) {
            (_, Reason::EngineGone { .. } | Reason::ImageMissing { .. }) | (None, _) => Vec::new(),
            (Some(task), _) => self.log_tail(&task, LOG_LINES).await,
        };
        let others = waiting.services.iter().map(|(name, _)| name.clone()).filter(|name| *name != service);
        ConvergeError { others: others.collect(), service, reason, elapsed: waiting.elapsed, log }
    }
}

impl Look {
    const fn empty() -> Self {
        Self { services: BTreeMap::new(), tasks: BTreeMap::new() }
    }
}

/// Judges every service; lists those that are waited for in `waiting`, and returns the first that failed.
fn judge_all(
    watches: &mut BTreeMap<String, Watch>,
    look: &Look,
    waiting: &mut Waiting,
) -> Option<(String, Reason)> {
    let now = Moment { elapsed: waiting.elapsed, wall: Timestamp::now() };
    let mut failed = None;
    for (name, watch) in watches {
        let verdict = match look.services.get(name) {
            None => Verdict::Failed(Reason::Removed),
            Some(service) => watch.judge(service, &current_tasks(service, look), now),
        };
        match verdict {
            Verdict::Converged => {}
            Verdict::Waiting(missing) => waiting.services.push((name.clone(), missing)),
            Verdict::Failed(reason) => failed = failed.or(Some((name.clone(), reason))),
        }
    }
    failed
}

/// The service's tasks; of a job only those of its current run.
fn current_tasks(service: &Value, look: &Look) -> Vec<Task> {
    let iteration = at(service, "/JobStatus/JobIteration/Index").as_u64();
    let tasks = look.tasks.get(&text(at(service, "/ID"))).into_iter().flatten();
    tasks.filter(|task| iteration.is_none() || task.iteration == iteration).cloned().collect()
}

fn out_of_time(
    services: &[String],
    watches: &BTreeMap<String, Watch>,
    waiting: &Waiting,
) -> (String, Reason) {
    if let Some(message) = waiting.engine.clone() {
        return (services.first().cloned().unwrap_or_default(), Reason::EngineGone { message });
    }
    let (service, missing) = waiting.services.first().cloned().unwrap_or_default();
    let error = watches.get(&service).and_then(Watch::last_failure).map(|task| task.error.clone());
    (service, Reason::Deadline { missing, error: error.unwrap_or_default() })
}
