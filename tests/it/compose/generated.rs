//! Random stacks of one or two files: what is accepted here becomes what docker creates.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use holdfast::manifest::Mode;

use super::harness::{Case, requests};

/// Values that a key of a service may have. A file takes at most one of each.
const KEYS: &[(&str, &[&str])] = &[
    ("hostname", &["a", "\"{{.Node.Hostname}}\"", "\"\""]),
    ("user", &["\"1000\"", "root"]),
    ("working_dir", &["/srv", "$MISSING", "${N-a}x", "$N-a"]),
    ("container_name", &["x"]),
    ("privileged", &["true", "${YES}"]),
    ("links", &["[a]"]),
    ("init", &["true", "false"]),
    ("read_only", &["true", "false", "${YES}"]),
    ("tty", &["true", "false"]),
    ("stop_grace_period", &["10s", "0s", "1m30s"]),
    ("stop_signal", &["SIGQUIT"]),
    ("command", &["sh -c 'a b'", "[a, b]", "[]", "\"\""]),
    ("entrypoint", &["/entry x", "[/entry, y]"]),
    ("environment", &["{A: 1, B: x}", "[A=2, C=3]", "{A: \"\"}", "{D: 0440, B: 1.10}", "[YES]"]),
    ("labels", &["{a: 1, b: }", "[a=2, c]", "{b: \"\"}"]),
    ("sysctls", &["{net.core.somaxconn: 1}", "[net.core.somaxconn=2]"]),
    ("cap_add", &["[kill]", "[ALL]", "[CAP_KILL, chown]"]),
    ("cap_drop", &["[ALL]", "[kill]"]),
    ("dns", &["192.0.2.1", "[192.0.2.2, 192.0.2.1]"]),
    ("extra_hosts", &["[\"z:192.0.2.1\"]", "{a: 192.0.2.3}"]),
    ("ulimits", &["{nofile: 5}", "{nofile: {soft: 1, hard: 2}, core: 0}"]),
    ("logging", &["{driver: json-file}", "{driver: syslog, options: {a: 1}}", "{options: {b: 2}}", "{}"]),
    (
        "networks",
        &["[one]", "[two, one]", "{one: {aliases: [x]}}", "{one: , two: {}}", "{one: {driver_opts: {a: b}}}"],
    ),
    (
        "ports",
        &["[\"80:80\"]", "[\"80:80/udp\", \"81:81\"]", "[{target: 82, published: 80, mode: host}]", "[9000]"],
    ),
    ("volumes", &["[\"data:/d\", \"/x:/x:ro\"]", "[\"other:/d\"]", "[{type: tmpfs, target: /t}]", "[/anon]"]),
    ("secrets", &["[s_one]", "[{source: s_two, target: x, mode: 0400}, s_one]"]),
    ("configs", &["[conf]", "[{source: conf, target: /etc/conf, mode: 292}]"]),
    (
        "healthcheck",
        &["{test: a b, interval: 10s}", "{interval: 0s, retries: 0}", "{disable: true}", "{timeout: 1s}"],
    ),
];

/// The same for `deploy`.
const DEPLOY: &[(&str, &[&str])] = &[
    ("mode", &["replicated", "global"]),
    ("replicas", &["0", "3", "${N}"]),
    ("endpoint_mode", &["vip", "DNSRR"]),
    ("labels", &["{a: 1}", "[b=2]"]),
    (
        "update_config",
        &["{}", "{parallelism: 0, order: start-first}", "{delay: 5s, max_failure_ratio: 0.1}", "{delay: 0s}"],
    ),
    ("rollback_config", &["{monitor: 3s}"]),
    ("restart_policy", &["{condition: none}", "{max_attempts: 0, delay: 0s}", "{delay: 5s, window: 1m}"]),
    (
        "resources",
        &["{limits: {memory: 64M}}", "{limits: {cpus: \"0.5\"}, reservations: {memory: 1g}}", "{limits: {}}"],
    ),
    ("placement", &["{constraints: [a == b]}", "{preferences: [{spread: x}], max_replicas_per_node: 2}"]),
];

/// Keys of which strict refuses the values from this one on, whatever else stands in the file: docker drops them, or no node
/// takes them.
const LOST: &[(&str, usize)] = &[("working_dir", 1), ("container_name", 0), ("privileged", 0), ("links", 0)];

/// The sections that every first file ends with.
const REST: &str = "networks: {one: , two: {name: real_two}}\nvolumes: {data: , other: {driver: local}}\n\
                    secrets: {s_one: {external: true}, s_two: {external: true}}\nconfigs: {conf: {file: conf.txt}}\n";

/// One number per key: which of its values stands, beyond the last for none.
fn choice() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..12, KEYS.len() + DEPLOY.len())
}

/// The same without what strict refuses by itself.
fn tame(mut choice: Vec<usize>) -> Vec<usize> {
    for ((key, values), at) in KEYS.iter().zip(&mut choice) {
        if LOST.iter().any(|(lost, from)| lost == key && *at >= *from) {
            *at = values.len();
        }
    }
    choice
}

/// One file or two. Nine of ten for strict hold nothing that it refuses by itself; what it refuses of the others is for
/// their being two, or for keys that do not go together.
fn stack(mode: Mode) -> impl Strategy<Value = Vec<Vec<usize>>> {
    let tamed = if mode == Mode::Strict { 9 } else { 1 };
    let files = || prop::collection::vec(choice(), 1..3);
    prop_oneof![
        1 => files(),
        tamed => files().prop_map(|files| files.into_iter().map(tame).collect::<Vec<_>>()),
    ]
}

fn lines(pool: &[(&str, &[&str])], choice: &[usize], indent: &str) -> String {
    let mut out = String::new();
    for ((key, values), at) in pool.iter().zip(choice) {
        if let Some(value) = values.get(*at) {
            writeln!(out, "{indent}{key}: {value}").unwrap();
        }
    }
    out
}

fn service(choice: &[usize]) -> String {
    let (keys, deploy) = choice.split_at(KEYS.len());
    let digest = "a".repeat(64);
    let head = format!("services:\n  app:\n    image: nginx:1@sha256:{digest}\n");
    format!("{head}{}    deploy:\n{}", lines(KEYS, keys, "    "), lines(DEPLOY, deploy, "      "))
}

fn write(folder: &Path, files: &[Vec<usize>]) {
    fs::write(folder.join("conf.txt"), "x").unwrap();
    fs::write(folder.join("vars"), "YES=true\nN=4\n").unwrap();
    for (at, choice) in files.iter().enumerate() {
        let rest = if at == 0 { REST } else { "" };
        fs::write(folder.join(format!("{at}.yml")), service(choice) + rest).unwrap();
    }
}

#[test]
fn random_stacks_become_what_docker_creates() {
    compare(Mode::Strict);
}

#[test]
fn random_stacks_in_compat_become_what_docker_creates() {
    compare(Mode::Compat);
}

/// Compares what `mode` accepts with docker.
fn compare(mode: Mode) {
    let asked = std::env::var_os("HOLDFAST_TEST_STACKS");
    let asked = asked.map(|count| count.to_string_lossy().parse().expect("HOLDFAST_TEST_STACKS is a number"));
    let full = std::env::var_os("HOLDFAST_TEST_FULL").map_or(1250, |_| 5000);
    let cases = asked.unwrap_or(full);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let compared = std::cell::Cell::new(0);
    runner
        .run(&stack(mode), |files| {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), &files);
            let case = Case::open(folder.path());
            let Ok(ours) = case.read(mode) else { return Ok(()) };
            let docker = case.docker(&ours.stack).map_err(TestCaseError::fail)?;
            compared.set(compared.get() + 1);
            prop_assert_eq!(
                requests(&ours.stack),
                docker,
                "{}",
                files.iter().map(|file| service(file)).collect::<String>()
            );
            Ok(())
        })
        .unwrap();
    let share = compared.get() * 100 / cases;
    eprintln!(
        "{} of {cases} random stacks ({share}%) compared with docker in {mode:?}, the others are refused here",
        compared.get()
    );
    assert!(share >= 50, "too few stacks were accepted to prove anything");
}
