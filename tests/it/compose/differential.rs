//! Every accepted fixture, compared request by request with what docker sends.

use super::harness::{Case, entries, golden, requests};

#[test]
fn every_accepted_file_becomes_what_docker_creates() {
    let root = golden().join("accepted");
    let mut failed = Vec::new();
    let folders = entries(&root);
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Err(reason) = compare(&Case::open(folder)) {
            failed.push(format!("{name}: {reason}"));
        }
    }
    eprintln!("{} fixtures compared with docker", folders.len());
    assert!(failed.is_empty(), "{} of {} differ:\n{}", failed.len(), folders.len(), failed.join("\n"));
}

/// The difference, as lines of both sides that the other does not have.
fn compare(case: &Case) -> Result<(), String> {
    let ours = case
        .ours()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let docker = case.docker(&ours.stack).map_err(|error| format!("docker refuses it: {error}"))?;
    let ours = requests(&ours.stack);
    if ours == docker {
        return Ok(());
    }
    let ours = serde_json::to_string_pretty(&ours).unwrap();
    let docker = serde_json::to_string_pretty(&docker).unwrap();
    let only = |left: &str, right: &str, mark: &str| -> String {
        let right: Vec<&str> = right.lines().collect();
        let lines = left.lines().filter(|line| !right.contains(line)).map(|line| format!("  {mark} {line}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    Err(format!("\n{}\n{}", only(&docker, &ours, "docker:"), only(&ours, &docker, "ours:  ")))
}
