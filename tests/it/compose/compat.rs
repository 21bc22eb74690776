//! Compat: what it accepts is what docker sends, for every fixture and for random stacks.

use std::collections::BTreeSet;

use holdfast::compose::Rule;
use holdfast::manifest::Mode;

use super::harness::{Case, entries, golden, requests};

#[test]
fn what_compat_accepts_is_what_docker_sends_and_strict_says_why_not() {
    let mut folders = entries(&golden().join("accepted"));
    let accepted = folders.len();
    folders.extend(entries(&golden().join("refused")));
    let (mut wrong, mut compared, mut warned) = (Vec::new(), 0, BTreeSet::new());
    for (at, folder) in folders.iter().enumerate() {
        let case = Case::open(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (case.read(Mode::Compat), case.ours()) {
            (Ok(compat), strict) => {
                compared += 1;
                warned.extend(compat.warnings.iter().filter_map(|warning| warning.rule));
                if strict.is_err() && compat.warnings.is_empty() {
                    wrong.push(format!("{name}: strict refuses it and compat says nothing"));
                }
                match case.docker(&compat.stack) {
                    Ok(docker) if docker == requests(&compat.stack) => {}
                    Ok(docker) => {
                        wrong.push(format!(
                            "{name}:\n  ours   {:?}\n  docker {docker:?}",
                            requests(&compat.stack)
                        ));
                    }
                    Err(error) => wrong.push(format!("{name}: docker refuses it: {error}")),
                }
            }
            (Err(_), Ok(_)) if at < accepted => {
                wrong.push(format!("{name}: compat refuses what strict accepts"));
            }
            (Err(problems), _) => {
                let allowed = |rule: &&Rule| !rule.followed();
                let refusing: BTreeSet<&str> =
                    Rule::ALL.iter().filter(allowed).map(|rule| rule.id()).collect();
                if !problems.iter().all(|problem| problem.rule.is_some_and(|rule| refusing.contains(rule))) {
                    wrong.push(format!("{name}: compat refuses by a rule that it follows"));
                }
            }
        }
    }
    eprintln!("{compared} of {} fixtures are accepted in compat and compared with docker", folders.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > accepted, "compat accepts nothing that strict refuses");
    let silent: Vec<&str> = Rule::ALL
        .iter()
        .filter(|rule| rule.followed())
        .map(|rule| rule.id())
        .filter(|id| !warned.contains(id))
        .collect();
    assert!(silent.len() < 40, "rules that no compared fixture breaks: {silent:?}");
    eprintln!("rules that no compared fixture breaks: {silent:?}");
}
