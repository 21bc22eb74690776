//! `stack transcript --compat` against the real docker CLI: every fixture, the same requests, the same refusals.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use holdfast::run::{Stop, TranscriptOrder, transcript};
use serde_json::Value;

use super::harness::{Case, STACK, deploy, entries, golden};
use crate::support::stub::Stub;

/// A write: path and body.
pub(super) type Sent = (String, Value);

/// The kinds of objects in the order in which docker makes them.
const ORDER: [&str; 4] = ["/networks/create", "/secrets/create", "/configs/create", "/services/create"];

/// What docker sends, or what it says when it refuses.
pub(super) fn docker(files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<Vec<Sent>, String> {
    let temp = tempfile::tempdir().expect("temporary folder");
    let socket = temp.path().join("engine.sock");
    let stub = Stub::start_generous(&socket);
    let exit = deploy(STACK, files, env, (&socket, temp.path()));
    if exit.status.success() {
        Ok(stub.posts())
    } else {
        Err(String::from_utf8_lossy(&exit.stderr).into_owned())
    }
}

/// What we would send, or why not.
pub(super) fn ours(files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<Vec<Sent>, String> {
    sent(files, env, true)
}

/// The same in strict.
pub(super) fn strict(files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<Vec<Sent>, String> {
    sent(files, env, false)
}

fn sent(files: &[PathBuf], env: &BTreeMap<String, String>, compat: bool) -> Result<Vec<Sent>, String> {
    let order = TranscriptOrder { name: STACK.to_owned(), files: files.to_owned(), env: env.clone(), compat };
    let mut lines = Vec::new();
    let mut keep = |line: &[u8]| {
        lines.extend_from_slice(line);
        Ok(())
    };
    match transcript(&order, &mut keep) {
        Ok(_) => Ok(read(&lines)),
        Err(Stop::Problems(problems)) => {
            let text = |problem: &holdfast::source::Problem| {
                format!("{problem} [{}]", problem.rule.unwrap_or("no rule"))
            };
            Err(problems.iter().map(text).collect::<Vec<_>>().join("\n"))
        }
        Err(stop) => panic!("only files are refused: {:?}", stop.lines()),
    }
}

/// Lines of a transcript.
fn read(lines: &[u8]) -> Vec<Sent> {
    let text = std::str::from_utf8(lines).expect("a transcript is text");
    let request = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("each line is an object");
        assert_eq!(line["method"], "POST");
        (line["path"].as_str().unwrap_or_default().to_owned(), line["body"].clone())
    };
    text.lines().map(request).collect()
}

/// Compares both sides. `Ok` says whether they sent something or both refused.
pub(super) fn compare(files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<bool, String> {
    let (docker, ours) = match (docker(files, env), ours(files, env)) {
        (Err(_), Err(_)) => return Ok(false),
        (Err(docker), Ok(_)) => return Err(format!("docker refuses it: {docker}")),
        (Ok(_), Err(ours)) => return Err(format!("only we refuse it: {ours}")),
        (Ok(docker), Ok(ours)) => (docker, ours),
    };
    let rank = |sent: &Sent| ORDER.iter().position(|path| *path == sent.0);
    if !ours.is_sorted_by_key(rank) || ours.iter().any(|sent| rank(sent).is_none()) {
        return Err("the kinds do not come in docker's order".to_owned());
    }
    let (docker, ours) = (sorted(docker), sorted(ours));
    if docker == ours {
        return Ok(true);
    }
    Err(format!("\n  docker: {}\n  ours:   {}", only(&docker, &ours), only(&ours, &docker)))
}

/// The lines that the other side has not.
pub(super) fn only(lines: &[String], other: &[String]) -> String {
    lines.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n    ")
}

/// Holds every fixture against something, two at a time; what came of each, by name.
pub(super) fn each_fixture<T: Send>(
    compare: impl Fn(&Case) -> Result<T, String> + Sync,
) -> BTreeMap<String, Result<T, String>> {
    let root = golden();
    let kinds = ["accepted", "refused", "translated", "recipes"];
    let folders: Vec<PathBuf> = kinds.iter().flat_map(|name| entries(&root.join(name))).collect();
    let queue = Mutex::new(folders.iter());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(folder) = queue.lock().unwrap().next() else { break };
                    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let result = compare(&Case::open(folder));
                    results.lock().unwrap().insert(name, result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// One text for each request, keys sorted (as [`Value`] keeps them); within a kind docker's order is that of a Go map.
pub(super) fn sorted(sent: Vec<Sent>) -> Vec<String> {
    let mut lines: Vec<String> = sent.into_iter().map(|(path, body)| format!("{path} {body}")).collect();
    lines.sort();
    lines
}

/// The fixtures that a section of the reference lists.
pub(super) fn listed(section: &str) -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/docker-differences.md");
    let page = fs::read_to_string(page).expect("docs/reference/docker-differences.md");
    let heading = format!("\n## {section}\n");
    let (_, section) = page.split_once(&heading).expect("the section of the page");
    let section = section.split("\n## ").next().unwrap_or_default();
    let name = |line: &str| line.strip_prefix("- `")?.split_once('`').map(|(name, _)| name.to_owned());
    section.lines().filter_map(name).collect()
}

#[test]
fn every_fixture_becomes_the_requests_of_docker_or_is_refused_by_both() {
    let results = each_fixture(|case| compare(&case.files, &case.env));
    let count = |want: bool| results.values().filter(|result| **result == Ok(want)).count();
    eprintln!(
        "{} of {} fixtures sent the same, {} refused by both",
        count(true),
        results.len(),
        count(false)
    );
    let differing: BTreeSet<String> =
        results.iter().filter(|(_, result)| result.is_err()).map(|(name, _)| name.clone()).collect();
    let intended = listed("Not followed by compat");
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|(name, result)| Some((name, result.as_ref().err()?)))
        .filter(|(name, reason)| !intended.contains(*name) || !reason.starts_with("only we refuse it"))
        .map(|(name, reason)| format!("{name}: {reason}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(differing, intended, "docs/reference/docker-differences.md lists what is equal by now");
    assert!(count(true) > 100 && count(false) > 50, "too few fixtures prove anything");
}

#[test]
fn the_program_prints_one_request_a_line_and_exits_78_where_docker_refuses() {
    let holdfast = || Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yml");
    fs::write(folder.path().join("pw"), "open").unwrap();
    let text = "services:\n  app: {image: \"nginx:${TAG}\", secrets: [pw], depends_on: [db]}\n  db: {image: db}\n\
                secrets: {pw: {file: pw}}\n";
    fs::write(&file, text).unwrap();
    let run = |more: &[&str]| {
        let mut command = holdfast();
        command.args(["stack", "transcript", STACK, "-c"]).arg(&file).args(more);
        command.env("TAG", "ambient").output().unwrap()
    };
    let exit = run(&["--compat", "--env", "TAG=1.27"]);
    assert!(exit.status.success(), "{}", String::from_utf8_lossy(&exit.stderr));
    let sent = read(&exit.stdout);
    let paths: Vec<&str> = sent.iter().map(|sent| sent.0.as_str()).collect();
    assert_eq!(paths, ["/networks/create", "/secrets/create", "/services/create", "/services/create"]);
    assert_eq!(sent[1].1["Data"], "b3Blbg==");
    // Docker has no order of services.
    let names = |sent: &[Sent]| -> Vec<Value> { sent.iter().map(|sent| sent.1["Name"].clone()).collect() };
    assert_eq!(names(&sent[2..]), ["web_app", "web_db"]);
    let container = &sent[2].1["TaskTemplate"]["ContainerSpec"];
    assert_eq!(container["Image"], "nginx:1.27");
    assert_eq!(container["Secrets"][0]["SecretID"], "id_web_pw");
    // Strict mode has rules of its own, among them that no secret comes from a plain file.
    let strict = run(&["--env", "TAG=1.27"]);
    assert_eq!(strict.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&strict.stderr).contains("secret-plain"));
    // In strict a service stands behind those that it waits for.
    let pinned = text.replace(", secrets: [pw]", "").replace("image: db", "image: db@sha256:DIGEST");
    let pinned = pinned.replace("${TAG}", "1@sha256:DIGEST").replace("secrets: {pw: {file: pw}}\n", "");
    fs::write(&file, pinned.replace("DIGEST", &"a".repeat(64))).unwrap();
    let strict = run(&[]);
    assert!(strict.status.success(), "{}", String::from_utf8_lossy(&strict.stderr));
    assert_eq!(names(&read(&strict.stdout)[1..]), ["web_db", "web_app"]);
    fs::write(&file, "services: {app: {image: a, unknown: 1}}\n").unwrap();
    let refused = run(&["--compat"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("compose.yml:1:28"));
}
