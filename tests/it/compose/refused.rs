//! Every refused fixture: the exact text of its problems, and what docker does with the same files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::harness::{Case, entries, golden};

/// Every problem as people read it, file names relative to the fixture.
fn problems(case: &Case, folder: &Path) -> String {
    let found = case.ours().err().unwrap_or_default();
    let prefix = format!("{}/", folder.display());
    let lines = found.iter().map(|problem| {
        let fix = problem.fix.as_deref().unwrap_or("NO FIX");
        let rule = problem.rule.expect("every problem breaks a rule");
        format!("{problem} [{rule}]\n  fix: {fix}\n").replace(&prefix, "")
    });
    lines.collect()
}

#[test]
fn every_refusal_names_place_and_fix_and_says_what_docker_does() {
    let root = golden().join("refused");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let folders = entries(&root);
    let mut wrong = Vec::new();
    for folder in &folders {
        let case = Case::open(folder);
        let docker = if case.docker_accepts() { "accepts" } else { "refuses" };
        let text = format!("{}docker: {docker}\n", problems(&case, folder));
        let file = folder.join("error.txt");
        if update {
            fs::write(&file, &text).unwrap();
        }
        let want = fs::read_to_string(&file).unwrap_or_default();
        if text != want || text.starts_with("docker:") || text.contains("NO FIX") {
            wrong.push(format!("{}:\n--- golden\n{want}--- now\n{text}", folder.display()));
        }
    }
    eprintln!("{} refused fixtures", folders.len());
    assert!(wrong.is_empty(), "{}\n(UPDATE_GOLDEN=1 writes the files)", wrong.join("\n"));
}

#[test]
fn what_only_we_refuse_is_listed_in_the_reference() {
    let page = golden().join("../../../docs/reference/docker-differences.md");
    let page = fs::read_to_string(&page).expect("docs/reference/docker-differences.md");
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .collect();
    let stricter: BTreeSet<String> = entries(&golden().join("refused"))
        .iter()
        .filter(|folder| {
            fs::read_to_string(folder.join("error.txt")).unwrap_or_default().ends_with("docker: accepts\n")
        })
        .map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, stricter, "the table of docs/reference/docker-differences.md and the fixtures differ");
}
