//! Waiting until services run as they were told to, or telling why they will not.

mod count;
mod judge;
mod outcome;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(super) use count::has_ended;
pub use outcome::{ConvergeError, Failed, Reason, Waiting};

use super::images::chain;
use super::observe::{elements as list, task, text};
use super::{Engine, EngineError};
use crate::observed::{Cluster, Task, at};
use crate::plan::Awaited;
use crate::report::{Outcome, ServiceOutcome};
use judge::{Moment, Verdict, Watch, asks_for_nodes};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// The longest pause while the engine does not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// Of so many services that fail the log is asked for: where all of a large stack fail, that would take minutes.
const LOGS: usize = 20;
/// How many lines of a failing task's log are told.
const LOG_LINES: usize = 10;
/// Tasks made from the current spec of their service: swarmkit itself compares them.
const CURRENT: &str = "/tasks?filters=%7B%22_up-to-date%22%3A%7B%22true%22%3Atrue%7D%7D";

/// One look: services by name, and current tasks by service id.
struct Look {
    services: BTreeMap<String, Value>,
    tasks: BTreeMap<String, Vec<Task>>,
    /// Nodes and what is used on them, while something finds no place.
    cluster: Option<Cluster>,
}

impl Engine {
    /// Waits until the services run as their current specs say, calling `progress` at every look.
    ///
    /// Each is waited for on its own: one that fails leaves the others their time. For one that waiting cannot help no
    /// time is spent: a rollback is never a success, and tasks that keep ending, an image that no node has and a
    /// placement that no node fits are its end. An engine that restarts meanwhile is waited for.
    ///
    /// # Errors
    /// [`ConvergeError`]: which services, why, and the last lines that their failing tasks wrote.
    pub async fn converge(
        &self,
        services: &[Awaited],
        deadline: Duration,
        progress: &mut dyn FnMut(&Waiting),
    ) -> Result<Vec<ServiceOutcome>, ConvergeError> {
        let began = Instant::now();
        let mut watches: Watches =
            services.iter().map(|one| (one.service.clone(), Watch::new(one))).collect();
        let mut waiting = Waiting { deadline, ..Waiting::default() };
        let (mut failed, mut outcomes) = (Vec::new(), Vec::new());
        let mut pause = LOOK;
        loop {
            let look = self.look(&watches).await;
            waiting.elapsed = began.elapsed();
            match look {
                Ok(look) => {
                    (waiting.engine, pause) = (None, LOOK);
                    let judged = judge_all(&mut watches, &look, &mut waiting, &failed);
                    outcomes = judged.outcomes;
                    for one in judged.failed {
                        failed.push(self.explain(one, &watches, &waiting).await);
                    }
                    if waiting.services.is_empty() {
                        return error(failed, &outcomes, waiting.elapsed).map_or(Ok(outcomes), Err);
                    }
                }
                Err(error) => {
                    waiting.engine = Some(chain(&error));
                    pause = PAUSE.min(pause * 2);
                }
            }
            progress(&waiting);
            if waiting.elapsed >= deadline {
                for one in out_of_time(services, &watches, &waiting) {
                    waiting.failed.push((one.0.clone(), one.1.to_string()));
                    failed.push(self.explain(one, &watches, &waiting).await);
                }
                return error(failed, &outcomes, waiting.elapsed).map_or(Ok(outcomes), Err);
            }
            sleep(pause.min(deadline.saturating_sub(waiting.elapsed))).await;
        }
    }

    async fn look(&self, watches: &Watches) -> Result<Look, EngineError> {
        let (services, tasks) = tokio::join!(self.transport.get("/services"), self.transport.get(CURRENT));
        let services = list(services?, "GET /services")?;
        let services: BTreeMap<String, Value> =
            services.into_iter().map(|raw| (text(at(&raw, "/Spec/Name")), raw)).collect();
        let mut tasks_by_service: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        for raw in &list(tasks?, "GET /tasks")? {
            tasks_by_service.entry(text(at(raw, "/ServiceID"))).or_default().push(task(raw));
        }
        let mut look = Look { services, tasks: tasks_by_service, cluster: None };
        let mut services = watches.keys().filter_map(|name| look.services.get(name));
        if services.any(|service| asks_for_nodes(service, &current_tasks(service, &look))) {
            let (nodes, tasks) = tokio::join!(self.transport.get("/nodes"), self.transport.get("/tasks"));
            let (nodes, tasks) = (list(nodes?, "GET /nodes")?, list(tasks?, "GET /tasks")?);
            let services: Vec<&Value> = look.services.values().collect();
            look.cluster = Some(Cluster::read(&nodes, &services, &tasks));
        }
        Ok(look)
    }

    /// What there is to say of a failure: its task's own words where Swarm's are not enough, and its log.
    async fn explain(
        &self,
        (service, mut reason): (String, Reason),
        watches: &Watches,
        waiting: &Waiting,
    ) -> Failed {
        let last = watches.get(&service).and_then(Watch::last_failure).map(|task| task.id.clone());
        let mut task = reason.task().map(str::to_owned).or(last);
        if let (None, Reason::RolledBack { message } | Reason::Paused { message }) = (&task, &mut reason)
            && let Some(failed) = self.failed_in_update(&service, waiting.elapsed).await
        {
            *message = format!("{message}; its task said: {}", failed.error);
            task = Some(failed.id);
        }
        let log = match (task, &reason) {
            (_, Reason::EngineGone { .. } | Reason::ImageMissing { .. }) | (None, _) => Vec::new(),
            _ if waiting.failed.len() > LOGS => Vec::new(),
            (Some(task), _) => self.log_tail(&task, LOG_LINES).await,
        };
        Failed { service, reason, log }
    }
}

/// The error that names those which failed, if any did.
fn error(failed: Vec<Failed>, services: &[ServiceOutcome], elapsed: Duration) -> Option<ConvergeError> {
    let mut services = services.to_vec();
    for one in &failed {
        for told in services.iter_mut().filter(|told| told.service == one.service) {
            (told.outcome, told.words) = (one.reason.outcome(), one.reason.to_string());
        }
    }
    let mut failed = failed.into_iter();
    let Failed { service, reason, log } = failed.next()?;
    Some(ConvergeError { service, reason, elapsed, log, others: failed.collect(), services })
}

impl Engine {
    /// The task for which Swarm ended an update: it may go from failed to replaced between two looks.
    async fn failed_in_update(&self, service: &str, waited: Duration) -> Option<Task> {
        let filter = format!("/tasks?filters=%7B%22service%22%3A%7B%22{service}%22%3Atrue%7D%7D");
        let (services, tasks) = tokio::join!(self.transport.get("/services"), self.transport.get(&filter));
        let services = list(services.ok()?, "GET /services").ok()?;
        let service = services.iter().find(|raw| at(raw, "/Spec/Name") == service)?;
        // That is when the rollback began; by the engine's clock the wait began no earlier than this.
        let started = at(service, "/UpdateStatus/StartedAt").as_str()?.parse::<Timestamp>().ok()?;
        let began = started.checked_sub(waited + LOOK).ok()?;
        let tasks = list(tasks.ok()?, "GET /tasks").ok()?;
        let failed = tasks.iter().map(task).filter(|task| {
            let made = task.created.parse::<Timestamp>().ok();
            matches!(task.state.as_str(), "failed" | "rejected") && made.is_some_and(|made| made >= began)
        });
        failed.max_by(|a, b| a.since.cmp(&b.since))
    }
}

/// What is remembered of each service, by its full name.
type Watches = BTreeMap<String, Watch>;

/// What one look says of every service.
struct Judged {
    /// Those that this look saw fail.
    failed: Vec<(String, Reason)>,
    outcomes: Vec<ServiceOutcome>,
}

/// Judges every service that has not failed before, and lists those that are waited for in `waiting`.
fn judge_all(watches: &mut Watches, look: &Look, waiting: &mut Waiting, failed: &[Failed]) -> Judged {
    let now = Moment { elapsed: waiting.elapsed, wall: Timestamp::now(), cluster: look.cluster.as_ref() };
    let mut judged = Judged { failed: Vec::new(), outcomes: Vec::new() };
    waiting.services.clear();
    for (name, watch) in watches {
        let before = failed.iter().find(|one| one.service == *name).map(|one| one.reason.clone());
        let is_new = before.is_none();
        let verdict = match (before, look.services.get(name)) {
            (Some(reason), _) => Verdict::Failed(reason),
            (None, None) => Verdict::Failed(Reason::Removed),
            (None, Some(service)) => watch.judge(service, &current_tasks(service, look), &now),
        };
        let (outcome, words) = match verdict {
            Verdict::Done(outcome) => (outcome, String::new()),
            Verdict::Waiting(missing) => {
                waiting.services.push((name.clone(), missing.clone()));
                (Outcome::NotYet, missing)
            }
            Verdict::Failed(reason) => {
                let told = (reason.outcome(), reason.to_string());
                if is_new {
                    waiting.failed.push((name.clone(), told.1.clone()));
                    judged.failed.push((name.clone(), reason));
                }
                told
            }
        };
        judged.outcomes.push(ServiceOutcome { service: name.clone(), outcome, words });
    }
    judged
}

/// The service's tasks; of a job only those of its current run.
fn current_tasks(service: &Value, look: &Look) -> Vec<Task> {
    let iteration = at(service, "/JobStatus/JobIteration/Index").as_u64();
    let tasks = look.tasks.get(&text(at(service, "/ID"))).into_iter().flatten();
    tasks.filter(|task| iteration.is_none() || task.iteration == iteration).cloned().collect()
}

/// What is still waited for when time is up; of an engine that is gone nobody knows which that is.
fn out_of_time(services: &[Awaited], watches: &Watches, waiting: &Waiting) -> Vec<(String, Reason)> {
    if let Some(message) = &waiting.engine {
        let has_failed = |name: &str| waiting.failed.iter().any(|(failed, _)| failed == name);
        let open = services.iter().map(|one| &one.service).find(|name| !has_failed(name));
        return open
            .map(|name| (name.clone(), Reason::EngineGone { message: message.clone() }))
            .into_iter()
            .collect();
    }
    let reason = |(service, missing): &(String, String)| {
        let error = watches.get(service).and_then(Watch::last_failure).map(|task| task.error.clone());
        (service.clone(), Reason::Deadline { missing: missing.clone(), error: error.unwrap_or_default() })
    };
    waiting.services.iter().map(reason).collect()
}
