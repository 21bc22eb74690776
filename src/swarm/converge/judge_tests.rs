use serde_json::json;

use super::*;

const AT: &str = "2030-01-01T00:00:00Z";

fn service(extra: &Value) -> Value {
    let mut spec = json!({"Name": "web_app", "Mode": {"Replicated": {"Replicas": 1}}, "TaskTemplate": {}});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(extra.as_object().unwrap().clone());
    json!({"ID": "s", "Spec": spec})
}

fn restart(condition: &str, attempts: u64) -> Value {
    service(&json!({"TaskTemplate": {"RestartPolicy": {"Condition": condition, "MaxAttempts": attempts}}}))
}

fn task(id: &str, desired: &str, state: &str, error: &str) -> Task {
    Task {
        id: id.into(),
        slot: 1,
        desired: desired.into(),
        state: state.into(),
        error: error.into(),
        since: AT.into(),
        created: id.into(),
        image: "app:1".into(),
        ..Task::default()
    }
}

fn failed(id: &str) -> Task {
    task(id, "shutdown", "failed", "task: non-zero exit (3)")
}

fn moment(seconds: u64) -> Moment<'static> {
    let elapsed = Duration::from_secs(seconds);
    Moment { elapsed, wall: AT.parse::<Timestamp>().unwrap() + elapsed, cluster: None }
}

/// The verdict of the last of several looks, one a second.
fn after(service: &Value, looks: &[Vec<Task>]) -> Verdict {
    let mut watch = Watch::new(&Awaited::new("web_app"));
    let verdicts = looks.iter().zip(0..).map(|(tasks, second)| watch.judge(service, tasks, &moment(second)));
    verdicts.last().unwrap()
}

#[test]
fn a_task_counts_as_running_only_after_a_moment() {
    let running = vec![task("1", "running", "running", "")];
    let web = service(&json!({}));
    assert!(matches!(after(&web, std::slice::from_ref(&running)), Verdict::Waiting(_)));
    assert_eq!(after(&web, &vec![running.clone(); 4]), Verdict::Done(Outcome::Converged));
    let checked =
        service(&json!({"TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["CMD", "x"]}}}}));
    // What is stopped because it is unhealthy, and ends well, runs for an instant.
    assert!(matches!(after(&checked, std::slice::from_ref(&running)), Verdict::Waiting(_)));
    assert_eq!(after(&checked, &vec![running.clone(); 2]), Verdict::Done(Outcome::Converged));
    let mut again = vec![vec![], vec![failed("0")], running.clone()];
    assert!(matches!(after(&checked, &again), Verdict::Waiting(_)), "one has failed before");
    again.push(running.clone());
    assert_eq!(after(&checked, &again), Verdict::Done(Outcome::Converged));
    let slow = service(&json!({"UpdateConfig": {"Monitor": 30_000_000_000_u64}}));
    assert!(matches!(after(&slow, &vec![running; 20]), Verdict::Waiting(_)));
}

#[test]
fn a_service_without_replicas_has_converged_at_once() {
    let none = service(&json!({"Mode": {"Replicated": {"Replicas": 0}}}));
    assert_eq!(after(&none, &[vec![]]), Verdict::Done(Outcome::Converged));
    let one_too_many = vec![task("1", "running", "running", "")];
    assert!(matches!(after(&none, &vec![one_too_many; 9]), Verdict::Waiting(_)));
}

#[test]
fn three_ends_of_one_replica_are_a_crash_loop_and_two_are_not() {
    let web = service(&json!({}));
    let looks = |count: usize| {
        let ended = ["1", "2", "3"].iter().take(count).map(|id| failed(id)).collect();
        after(&web, &[vec![], ended])
    };
    assert!(matches!(looks(2), Verdict::Waiting(_)));
    let Verdict::Failed(Reason::CrashLoop { task, failures: 3, error, .. }) = looks(3) else { panic!() };
    assert_eq!((task.len(), error.as_str()), (1, "task: non-zero exit (3)"));
}

#[test]
fn ends_are_counted_even_when_the_engine_forgets_them() {
    let looks = ["1", "2", "3"].map(|id| vec![failed(id)]);
    let looks: Vec<_> = std::iter::once(vec![]).chain(looks).collect();
    assert!(matches!(after(&service(&json!({})), &looks), Verdict::Failed(Reason::CrashLoop { .. })));
}

#[test]
fn ends_before_the_wait_tell_about_the_past() {
    let past = vec![failed("1"), failed("2"), failed("3"), task("4", "running", "starting", "")];
    assert!(matches!(after(&service(&json!({})), &vec![past.clone(); 9]), Verdict::Waiting(_)));
    let dead: Vec<Task> = past.into_iter().take(3).collect();
    assert!(matches!(
        after(&restart("none", 0), &vec![dead; 9]),
        Verdict::Failed(Reason::CrashLoop { failures: 3, .. })
    ));
}

#[test]
fn one_end_is_enough_where_nothing_starts_it_again() {
    assert!(matches!(
        after(&restart("none", 0), &[vec![], vec![failed("1")]]),
        Verdict::Failed(Reason::CrashLoop { .. })
    ));
    let twice = [vec![], vec![failed("1")], vec![failed("1"), failed("2")]];
    assert!(matches!(after(&restart("on-failure", 1), &twice[..2]), Verdict::Waiting(_)));
    assert!(matches!(after(&restart("on-failure", 1), &twice), Verdict::Failed(Reason::CrashLoop { .. })));
}

#[test]
fn a_task_that_ends_well_is_done_or_broken_as_the_policy_says() {
    let done = |id| task(id, "shutdown", "complete", "");
    assert_eq!(after(&restart("none", 0), &[vec![], vec![done("1")]]), Verdict::Done(Outcome::Completed));
    let always = [vec![], vec![done("1"), done("2"), done("3")]];
    assert!(matches!(after(&restart("any", 0), &always), Verdict::Failed(Reason::CrashLoop { .. })));
}

#[test]
fn a_rollback_is_a_failure_even_when_everything_runs() {
    let running = vec![task("1", "running", "running", "")];
    for (state, expected) in
        [("rollback_completed", true), ("rollback_paused", true), ("rollback_started", false)]
    {
        let mut web = service(&json!({}));
        web["UpdateStatus"] = json!({"State": state, "Message": "update rolled back"});
        let verdict = after(&web, &vec![running.clone(); 9]);
        assert_eq!(matches!(verdict, Verdict::Failed(Reason::RolledBack { .. })), expected, "{state}");
        assert_ne!(verdict, Verdict::Done(Outcome::Converged), "{state}");
    }
    let mut web = service(&json!({}));
    web["UpdateStatus"] = json!({"State": "paused", "Message": "paused"});
    assert!(matches!(after(&web, &[running]), Verdict::Failed(Reason::Paused { .. })));
}

#[test]
fn an_update_under_way_has_not_converged() {
    let mut web = service(&json!({}));
    web["UpdateStatus"] = json!({"State": "updating"});
    let running = vec![vec![task("1", "running", "running", "")]; 9];
    assert!(matches!(after(&web, &running), Verdict::Waiting(_)));
    web["UpdateStatus"]["State"] = json!("completed");
    assert_eq!(after(&web, &running), Verdict::Done(Outcome::Converged));
}

#[test]
fn a_missing_image_is_told_after_the_second_refusal() {
    let no = |id| task(id, "shutdown", "rejected", "No such image: app:1");
    let web = service(&json!({}));
    assert!(matches!(after(&web, &[vec![], vec![no("1")]]), Verdict::Waiting(_)));
    let Verdict::Failed(Reason::ImageMissing { image, .. }) = after(&web, &[vec![], vec![no("1"), no("2")]])
    else {
        panic!()
    };
    assert_eq!(image, "app:1");
}

#[test]
fn a_failing_health_check_is_told_as_such() {
    let sick =
        |id| task(id, "shutdown", "failed", "task: non-zero exit (137): dockerexec: unhealthy container");
    let verdict = after(&service(&json!({})), &[vec![], vec![sick("1"), sick("2")]]);
    assert!(matches!(verdict, Verdict::Failed(Reason::Unhealthy { failures: 2, .. })));
}

#[test]
fn no_node_is_given_time_to_become_suitable() {
    let pending =
        vec![task("1", "running", "pending", "no suitable node (host-mode port already in use on 1 node)")];
    let web = service(&json!({}));
    assert!(matches!(after(&web, &vec![pending.clone(); 19]), Verdict::Waiting(_)));
    assert!(matches!(after(&web, &vec![pending; 21]), Verdict::Failed(Reason::NoSuitableNode { .. })));
}

#[test]
fn a_global_service_needs_a_task_and_all_of_its_tasks() {
    let global = service(&json!({"Mode": {"Global": {}}}));
    let on = |id: &str, node: &str, state: &str| Task {
        slot: 0,
        node: node.into(),
        ..task(id, "running", state, "")
    };
    assert!(matches!(after(&global, &vec![vec![]; 9]), Verdict::Waiting(_)));
    let half = vec![on("1", "a", "running"), on("2", "b", "starting")];
    assert!(matches!(after(&global, &vec![half; 9]), Verdict::Waiting(_)));
    let all = vec![on("1", "a", "running"), on("2", "b", "running")];
    assert_eq!(after(&global, &vec![all; 9]), Verdict::Done(Outcome::Converged));
}

#[test]
fn a_job_has_converged_when_it_has_run() {
    let job = service(&json!({"Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}}}));
    let done = |id: &str, slot| Task { slot, ..task(id, "complete", "complete", "") };
    assert!(matches!(after(&job, &vec![vec![done("1", 0)]; 5]), Verdict::Waiting(_)));
    assert_eq!(after(&job, &[vec![], vec![done("1", 0), done("2", 1)]]), Verdict::Done(Outcome::Completed));
}

#[test]
fn an_update_that_was_over_before_says_nothing_of_this_one() {
    let mut web = service(&json!({}));
    let running = vec![task("1", "running", "running", "")];
    for (state, message) in [("rollback_completed", "update rolled back"), ("paused", "update paused")] {
        web["UpdateStatus"] = json!({"State": state, "Message": message, "StartedAt": AT});
        let mut watch = Watch::new(&Awaited { past: web["UpdateStatus"].clone(), ..Awaited::new("web_app") });
        let looks: Vec<Verdict> = (0..5).map(|second| watch.judge(&web, &running, &moment(second))).collect();
        assert_eq!(looks.last(), Some(&Verdict::Done(Outcome::Converged)), "{state}");
        // What is said at another time is said of this one.
        let mut later = web.clone();
        later["UpdateStatus"]["StartedAt"] = json!("2030-01-01T00:00:09Z");
        assert!(matches!(watch.judge(&later, &running, &moment(9)), Verdict::Failed(_)), "{state}");
    }
    // A pause that left the service half-way is no success, however old.
    let mut watch = Watch::new(&Awaited { past: web["UpdateStatus"].clone(), ..Awaited::new("web_app") });
    assert!(matches!(watch.judge(&web, &[], &moment(0)), Verdict::Failed(Reason::Paused { .. })));
}

#[test]
fn what_is_not_known_is_waited_for() {
    let mut web = service(&json!({}));
    let running = vec![vec![task("1", "running", "running", "")]; 9];
    web["UpdateStatus"] = json!({"State": "levitating"});
    assert_eq!(
        after(&web, &running),
        Verdict::Waiting("swarm says `levitating` of the update, which is not known".into())
    );
    web["UpdateStatus"] = Value::Null;
    let odd = vec![vec![task("1", "running", "hibernating", "")]; 9];
    assert_eq!(after(&web, &odd), Verdict::Waiting("0 of 1 running, a task is hibernating".into()));
}

fn cluster() -> Cluster {
    let node = json!({"ID": "n", "Spec": {"Availability": "active", "Role": "manager", "Labels": {"zone": "a"}},
        "Status": {"State": "ready"}, "Description": {"Hostname": "n1"}});
    Cluster::read(&[node], &[], &[])
}

#[test]
fn a_label_that_no_node_has_is_told_at_once_and_with_the_nodes() {
    let cluster = cluster();
    let at = |second| Moment { cluster: Some(&cluster), ..moment(second) };
    let placement = json!({"TaskTemplate": {"Placement": {"Constraints": ["node.labels.zone==b"]}}});
    let told = "no node can run it: no node has label zone=b; nodes: n1 (zone=a) (swarm says: ";
    let pending = [task("1", "running", "pending", "no suitable node (scheduling constraints)")];
    let global = json!({"Mode": {"Global": {}}, "TaskTemplate": placement["TaskTemplate"]});
    for (spec, tasks) in [(placement, &pending[..]), (global, &[])] {
        let web = service(&spec);
        assert!(asks_for_nodes(&web, tasks));
        let mut watch = Watch::new(&Awaited::new("web_app"));
        assert!(matches!(watch.judge(&web, tasks, &at(0)), Verdict::Waiting(_)));
        assert!(matches!(watch.judge(&web, tasks, &at(2)), Verdict::Waiting(_)));
        let Verdict::Failed(reason) = watch.judge(&web, tasks, &at(3)) else { panic!("{spec}") };
        assert_eq!(reason.outcome(), Outcome::Unschedulable);
        assert!(reason.to_string().starts_with(told), "{reason}");
    }
}

#[test]
fn whoever_waits_for_an_end_does_not_go_on_while_it_runs() {
    let once = restart("none", 0);
    let awaited = Awaited { until: Condition::Completed, ..Awaited::new("web_app") };
    let mut watch = Watch::new(&awaited);
    let running = [task("1", "running", "running", "")];
    for second in 0..20 {
        let verdict = watch.judge(&once, &running, &moment(second));
        assert_eq!(verdict, Verdict::Waiting("0 of 1 completed".into()));
    }
    let done = [task("1", "shutdown", "complete", "")];
    assert_eq!(watch.judge(&once, &done, &moment(20)), Verdict::Done(Outcome::Completed));
}
