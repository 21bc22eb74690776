//! Keys that docker refuses or drops and that have a meaning in a swarm: what becomes of them.
//!
//! A fixture holds the new spelling and, in a folder `docker`, the same stack as docker understands it, whose
//! requests must be equal. Without that folder docker has no way to say it, and the recorded requests are the proof.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::harness::{Case, entries, golden, requests};

/// What becomes of a fixture; the requests only where docker has no word for them.
fn outcome(case: &Case, folder: &Path) -> Result<Value, String> {
    let output = case
        .ours()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let order: Value = output
        .stack
        .services
        .iter()
        .filter(|(_, service)| !service.depends_on.is_empty())
        .map(|(key, service)| (key.clone(), json!(service.depends_on)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let here = format!("{}/", folder.display());
    let warnings: Vec<String> =
        output.warnings.iter().map(|warning| warning.message.replace(&here, "")).collect();
    let mut out = json!({
        "docker": if case.docker_accepts() { "accepts" } else { "refuses" },
        "depends_on": order,
        "warnings": warnings,
    });
    if !folder.join("docker").is_dir() {
        out["requests"] = json!(requests(&output.stack));
    }
    Ok(out)
}

/// Docker's requests for the older spelling, if there is one, are ours for the newer one.
fn as_docker(case: &Case, folder: &Path) -> Result<(), String> {
    let folder = folder.join("docker");
    if !folder.is_dir() {
        return Ok(());
    }
    let ours = case.ours().map_err(|_| "is refused".to_owned())?.stack;
    let docker = Case::open(&folder).docker(&ours)?;
    if requests(&ours) == docker {
        return Ok(());
    }
    let text = |value: &_| serde_json::to_string_pretty(value).unwrap();
    Err(format!("ours:\n{}\ndocker:\n{}", text(&requests(&ours)), text(&docker)))
}

#[test]
fn newer_spellings_become_what_they_mean_in_a_swarm() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let folders = entries(&golden().join("translated"));
    let mut wrong = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let case = Case::open(folder);
        let outcome = match as_docker(&case, folder).and_then(|()| outcome(&case, folder)) {
            Ok(outcome) => outcome,
            Err(reason) => {
                wrong.push(format!("{name}: {reason}"));
                continue;
            }
        };
        let text = serde_json::to_string_pretty(&outcome).unwrap() + "\n";
        let file = folder.join("outcome.json");
        if update {
            fs::write(&file, &text).unwrap();
        }
        let want = fs::read_to_string(&file).unwrap_or_default();
        if text != want {
            wrong.push(format!("{name}:\n--- golden\n{want}--- now\n{text}"));
        }
    }
    eprintln!("{} translated fixtures", folders.len());
    assert!(wrong.is_empty(), "{}\n(UPDATE_GOLDEN=1 writes the files)", wrong.join("\n"));
}
