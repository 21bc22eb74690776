//! Deadline, retry and soak over real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use holdfast::gates::{Limits, Planned, Progress, Sources, exit, verify};
use holdfast::manifest::{Gate, HttpsGate};
use holdfast::report::{Exit, Verdict};
use tokio::net::TcpListener;

use super::server::{Reply, http, http_on, nobody};
use super::{assert_fails, assert_passes, planned, run_all};

fn quick() -> Limits {
    Limits { deadline: Duration::from_millis(400), ..super::quick() }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";

fn wants_200(at: std::net::SocketAddr) -> Gate {
    let gate = HttpsGate {
        url: "http://app.example.org/".to_owned(),
        at: vec![at],
        status: vec!["200".to_owned()],
        ..HttpsGate::default()
    };
    Gate { https: Some(gate), ..Gate::default() }
}

/// A server that answers well so many times, then no more.
async fn dies_after(good: u32) -> std::net::SocketAddr {
    let count = Arc::new(AtomicU32::new(0));
    http(move |_| Reply::close(if count.fetch_add(1, Ordering::SeqCst) < good { OK } else { BROKEN })).await
}

#[tokio::test]
async fn a_server_that_dies_after_two_passes_fails_the_soak() {
    let changed = Planned { soak: true, ..planned(wants_200(dies_after(2).await)) };
    let result = run_all(&[changed], &quick()).await.remove(0);
    assert_fails(&result, "status 502, expected 200");
    assert!(result.attempts.iter().any(|attempt| attempt.verdict == Verdict::Fail));
    let unchanged = planned(wants_200(dies_after(2).await));
    assert_passes(&run_all(&[unchanged], &quick()).await.remove(0));
}

#[tokio::test]
async fn a_soak_lasts_as_long_as_it_says() {
    let changed = Planned { soak: true, ..planned(wants_200(dies_after(u32::MAX).await)) };
    let started = Instant::now();
    let result = run_all(&[changed], &quick()).await.remove(0);
    assert_passes(&result);
    assert!(started.elapsed() >= quick().soak, "{:?}", started.elapsed());
    assert!(result.attempt_count >= 3);
    assert_eq!(result.limits_ms["soak"], 250);
}

#[tokio::test]
async fn it_asks_until_the_server_is_up() {
    let at = nobody();
    let up = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        http_on(TcpListener::bind(at).await.unwrap(), |_| Reply::close(OK))
    });
    let result = run_all(&[planned(wants_200(at))], &quick()).await.remove(0);
    assert_passes(&result);
    assert!(result.attempt_count > 1);
    assert_eq!(up.await.unwrap(), at);
}

#[tokio::test]
async fn the_deadline_holds_and_only_the_last_attempts_are_kept() {
    let started = Instant::now();
    let result = run_all(&[planned(wants_200(nobody()))], &quick()).await.remove(0);
    assert_fails(&result, "refused the connection");
    let elapsed = started.elapsed();
    assert!(elapsed >= quick().deadline && elapsed < Duration::from_secs(2), "{elapsed:?}");
    assert!(result.attempt_count > 5);
    assert_eq!(result.attempts.len(), 5);
}

#[tokio::test]
async fn all_run_at_once_and_none_is_not_success() {
    let mut gates = Vec::new();
    for _ in 0..20 {
        gates.push(planned(wants_200(nobody())));
    }
    let started = Instant::now();
    let results = run_all(&gates, &quick()).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!((results.len(), exit(&results)), (20, Exit::GateFailed));
    assert_eq!(exit(&run_all(&[], &quick()).await), Exit::Vacuous);
}

#[tokio::test]
async fn every_attempt_is_told_and_the_last_one_says_so() {
    let gates = [planned(wants_200(nobody())), planned(wants_200(dies_after(1).await))];
    let (expected, mut told, mut done) = (std::collections::BTreeMap::new(), 0, 0);
    let sources = Sources {
        unit: None,
        host: None,
        forges: None,
        observed: None,
        observe: &|| Box::pin(async { Err(String::new()) }),
        task_log: &|_, _| Box::pin(async { Err(String::new()) }),
        expected: &expected,
        declared: &std::collections::BTreeSet::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        changed: None,
    };
    let mut count = |progress: Progress<'_>| {
        told += 1;
        done += u32::from(progress.done);
    };
    let results = verify(&gates, &sources, &quick(), &mut count).await;
    assert_eq!(told, results.iter().map(|result| result.attempt_count).sum::<u32>());
    assert_eq!(done, 2);
}
