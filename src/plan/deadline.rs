//! How long services may take to converge: derived from what they say of themselves, unless the manifest says.
//!
//! The formula is published in `docs/reference/convergence.md`; its numbers are the constants below.

use std::time::Duration;

use serde_json::Value;

use crate::desired::ServiceSpec;
use crate::manifest;
use crate::observed::at;

/// Until a node has got an image from a registry and started its first task.
const PULL: Duration = Duration::from_secs(300);
/// The same for an image that was loaded before.
const START: Duration = Duration::from_secs(60);
/// Until a further round of an update has started its tasks: the image is there.
const ROUND: Duration = Duration::from_secs(15);
/// Until a round of a job has done its work.
const JOB: Duration = Duration::from_secs(600);
/// More for each task: an engine that starts many at once starts each of them later.
const TASK: Duration = Duration::from_secs(1);
/// Swarm's defaults where a service does not say.
const MONITOR: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(10);
const CHECK: (Duration, Duration, u64) = (Duration::from_secs(30), Duration::from_secs(30), 3);
const RESTART: Duration = Duration::from_secs(5);
/// Nobody waits longer than this for a number that a compose file made large.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// A service whose convergence takes time.
pub(super) struct Asked<'a> {
    pub(super) service: &'a ServiceSpec,
    /// True when tasks of it run already and are replaced.
    pub(super) updates: bool,
}

/// A deadline and where it comes from.
pub(super) struct Deadline {
    pub(super) time: Duration,
    /// `60 s to start, 30 s for the health check of web_app`.
    pub(super) words: String,
}

/// The deadline of a wait for services that converge side by side: the longest of them, and a little for each task.
pub(super) fn of(services: &[Asked<'_>], manifest: Option<manifest::Duration>) -> Deadline {
    if let Some(manifest::Duration(time)) = manifest {
        return Deadline { time, words: "as `deadline` says".to_owned() };
    }
    let longest = services.iter().map(|asked| (asked, Times::of(asked))).max_by_key(|(_, times)| times.sum());
    let tasks: u64 = services.iter().map(|asked| tasks(&asked.service.body)).fold(0, u64::saturating_add);
    let Some((asked, mut times)) = longest else {
        return Deadline { time: START, words: String::new() };
    };
    let count = if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") };
    times.add(times_of(TASK, tasks), &format!("for {count}"));
    let mut words = times.words();
    if services.len() > 1 {
        words = format!("{words}; the longest is `{}`", asked.service.name);
    }
    Deadline { time: times.sum().min(MOST), words }
}

/// Times that follow each other, with what each is for.
struct Times(Vec<(Duration, String)>);

impl Times {
    fn of(asked: &Asked<'_>) -> Self {
        let body = &asked.service.body;
        let mut times = Self(Vec::new());
        if asked.service.image.is_some() {
            times.add(START, "to start");
        } else {
            times.add(PULL, "to get the image and start");
        }
        if let Some(rounds) = job_rounds(body) {
            times.add(times_of(JOB, rounds), &format!("for {} of the job", counted(rounds, "round")));
            return times;
        }
        let health = health(body);
        if !health.is_zero() {
            // A task whose check fails is started again, and judged by its second failure.
            times.add(health.saturating_mul(2).saturating_add(restart(body)), "for its health check, twice");
        }
        if asked.updates {
            times.update(body, "/UpdateConfig", "update");
            if at(body, "/UpdateConfig/FailureAction") == "rollback" {
                times.update(body, "/RollbackConfig", "rollback");
            }
        }
        let monitor = nanos(body, "/UpdateConfig/Monitor").unwrap_or(MONITOR);
        times.add(monitor, "of watching it");
        times
    }

    /// Rounds of an update or a rollback, one after the other.
    fn update(&mut self, body: &Value, config: &str, what: &str) {
        let together = at(body, config).get("Parallelism").map_or(Some(1), Value::as_u64).unwrap_or_default();
        let rounds = if together == 0 { 1 } else { tasks(body).div_ceil(together).max(1) };
        let grace = nanos(body, "/TaskTemplate/ContainerSpec/StopGracePeriod").unwrap_or(GRACE);
        let delay = nanos(body, &format!("{config}/Delay")).unwrap_or_default();
        let each = ROUND.saturating_add(grace).saturating_add(health(body));
        let time = times_of(each, rounds).saturating_add(times_of(delay, rounds.saturating_sub(1)));
        self.add(time, &format!("for {} of its {what}", counted(rounds, "round")));
    }

    fn add(&mut self, time: Duration, what: &str) {
        if !time.is_zero() {
            self.0.push((time, what.to_owned()));
        }
    }

    fn sum(&self) -> Duration {
        let sum = self.0.iter().map(|(time, _)| *time).fold(Duration::ZERO, Duration::saturating_add);
        // Whole seconds, as it is printed.
        Duration::from_secs(sum.as_secs().saturating_add(u64::from(sum.subsec_nanos() > 0)))
    }

    fn words(&self) -> String {
        let parts = self.0.iter().map(|(time, what)| format!("{} s {what}", time.as_secs_f64()));
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn times_of(time: Duration, number: u64) -> Duration {
    time.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A duration of the engine's, which counts nanoseconds; zero means that nothing is said.
fn nanos(body: &Value, pointer: &str) -> Option<Duration> {
    at(body, pointer).as_u64().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
}

/// Until a health check that fails every time has said so.
fn health(body: &Value) -> Duration {
    let check = "/TaskTemplate/ContainerSpec/Healthcheck";
    let test = at(body, &format!("{check}/Test/0")).as_str();
    if test.is_none_or(|test| test == "NONE") {
        return Duration::ZERO;
    }
    let time = |key: &str| nanos(body, &format!("{check}/{key}"));
    let (interval, timeout, retries) = CHECK;
    let retries = at(body, &format!("{check}/Retries")).as_u64().filter(|n| *n > 0).unwrap_or(retries);
    let each = time("Interval").unwrap_or(interval).saturating_add(time("Timeout").unwrap_or(timeout));
    time("StartPeriod").unwrap_or_default().saturating_add(times_of(each, retries))
}

fn restart(body: &Value) -> Duration {
    let delay = at(body, "/TaskTemplate/RestartPolicy/Delay").as_u64();
    delay.map_or(RESTART, Duration::from_nanos)
}

/// Tasks that run at once; a global service counts as one, since nodes are independent of each other.
fn tasks(body: &Value) -> u64 {
    match at(body, "/Mode/Replicated") {
        Value::Null => 1,
        mode => at(mode, "/Replicas").as_u64().unwrap_or(1),
    }
}

/// How many rounds a job takes; `None` for a service that is no job.
fn job_rounds(body: &Value) -> Option<u64> {
    if at(body, "/Mode/GlobalJob").is_object() {
        return Some(1);
    }
    let job = at(body, "/Mode").get("ReplicatedJob")?;
    let number = |key: &str| job.get(key).and_then(Value::as_u64).filter(|number| *number > 0);
    let together = number("MaxConcurrent").unwrap_or(1);
    Some(number("TotalCompletions").unwrap_or(together).div_ceil(together))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn told(body: &Value, updates: bool, archive: bool) -> (u64, String) {
        let service = ServiceSpec {
            name: "web_app".into(),
            body: body.clone(),
            secrets: Vec::new(),
            configs: Vec::new(),
            image: archive.then(|| "app".into()),
            depends_on: Vec::new(),
        };
        let deadline = of(&[Asked { service: &service, updates }], None);
        (deadline.time.as_secs(), deadline.words)
    }

    #[test]
    fn a_new_service_has_time_for_its_image_and_its_first_tasks() {
        let plain = json!({"Mode": {"Replicated": {"Replicas": 2}}});
        assert_eq!(
            told(&plain, false, false),
            (307, "300 s to get the image and start, 5 s of watching it, 2 s for 2 tasks".into())
        );
        assert_eq!(told(&plain, false, true).0, 67);
        let none = json!({"Mode": {"Replicated": {"Replicas": 0}}});
        assert_eq!(told(&none, false, true).0, 65);
    }

    #[test]
    fn a_health_check_counts_as_often_as_it_may_fail() {
        let check = json!({"Test": ["CMD", "x"], "Interval": 10 * SECOND, "Timeout": 2 * SECOND, "Retries": 4, "StartPeriod": 20 * SECOND});
        let checked = json!({"TaskTemplate": {"ContainerSpec": {"Healthcheck": check}}});
        // Twice 20 + 4 x 12, and 5 in between.
        assert_eq!(told(&checked, false, true).0, 60 + 2 * 68 + 5 + 5 + 1);
        let defaults = json!({"TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["CMD", "x"]}}}});
        assert_eq!(told(&defaults, false, true).0, 60 + 2 * 180 + 5 + 5 + 1);
        let off = json!({"TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["NONE"]}}}});
        assert_eq!(told(&off, false, true).0, 66);
    }

    #[test]
    fn an_update_takes_rounds_and_a_rollback_as_many_again() {
        let mut body = json!({
            "Mode": {"Replicated": {"Replicas": 5}},
            "TaskTemplate": {"ContainerSpec": {"StopGracePeriod": 30 * SECOND}},
            "UpdateConfig": {"Parallelism": 2, "Delay": 7 * SECOND, "Monitor": 20 * SECOND},
        });
        let once = 60 + 3 * (15 + 30) + 2 * 7 + 20 + 5;
        assert_eq!(
            told(&body, true, true),
            (
                once,
                "60 s to start, 149 s for 3 rounds of its update, 20 s of watching it, 5 s for 5 tasks"
                    .into()
            )
        );
        body["UpdateConfig"]["FailureAction"] = json!("rollback");
        assert_eq!(told(&body, true, true).0, once + 5 * 45);
        body["RollbackConfig"] = json!({"Parallelism": 0});
        assert_eq!(told(&body, true, true).0, once + 45);
    }

    #[test]
    fn a_job_has_ten_minutes_a_round_and_nothing_waits_for_more_than_a_day() {
        let job = json!({"Mode": {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}}});
        assert_eq!(told(&job, false, true).0, 60 + 3 * 600 + 1);
        assert_eq!(told(&json!({"Mode": {"GlobalJob": {}}}), true, true).0, 60 + 600 + 1);
        let endless =
            json!({"Mode": {"Replicated": {"Replicas": u64::MAX}}, "UpdateConfig": {"Delay": u64::MAX}});
        assert_eq!(told(&endless, true, true).0, 24 * 3600);
        let check = json!({"Test": ["CMD", "x"], "Interval": u64::MAX, "Timeout": u64::MAX, "StartPeriod": u64::MAX, "Retries": u64::MAX});
        let container = json!({"Healthcheck": check, "StopGracePeriod": u64::MAX});
        let never =
            json!({"TaskTemplate": {"ContainerSpec": container, "RestartPolicy": {"Delay": u64::MAX}}});
        assert_eq!(told(&never, true, true).0, 24 * 3600);
    }

    #[test]
    fn the_manifest_wins_and_the_longest_service_is_named() {
        let service = |name: &str, replicas: u64| ServiceSpec {
            name: name.into(),
            body: json!({"Mode": {"Replicated": {"Replicas": replicas}}}),
            secrets: Vec::new(),
            configs: Vec::new(),
            image: Some("app".into()),
            depends_on: Vec::new(),
        };
        let (one, many) = (service("web_one", 1), service("web_many", 9));
        let asked = [&one, &many].map(|service| Asked { service, updates: true });
        let derived = of(&asked, None);
        assert!(derived.words.ends_with("10 s for 10 tasks; the longest is `web_many`"), "{}", derived.words);
        let said = of(&asked, Some(manifest::Duration::seconds(7)));
        assert_eq!((said.time.as_secs(), said.words.as_str()), (7, "as `deadline` says"));
    }
}
