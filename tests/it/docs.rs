//! Proves: the generated pages of `docs/reference/` say what the program does, and links between pages lead somewhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::report::Exit;
use regex::Regex;

use crate::support::golden;

#[test]
fn the_command_reference_is_what_the_program_prints() {
    let top = help(&[]);
    let mut page = "# Commands\n\nWritten by `make docs` from the program's own help.\n\n".to_owned();
    write!(page, "```text\n{top}```\n").unwrap();
    let commands = commands(&top);
    assert!(commands.contains(&"check".to_owned()), "the list of commands was not found in:\n{top}");
    for command in commands {
        let text = help(&[&command]);
        write!(page, "\n## holdfast {command}\n\n```text\n{text}```\n").unwrap();
        for inner in self::commands(&text) {
            let text = help(&[&command, &inner]);
            write!(page, "\n### holdfast {command} {inner}\n\n```text\n{text}```\n").unwrap();
        }
    }
    golden::same_as("docs/reference/cli.md", &page);
}

#[test]
fn the_exit_codes_are_the_published_ones() {
    let mut page =
        "# Exit codes\n\nStable. An unknown non-zero code is a failure. The name is printed with the \
                    number.\n\n| code | name | meaning |\n|---|---|---|\n"
            .to_owned();
    for (exit, meaning) in EXITS {
        writeln!(page, "| {} | {} | {meaning} |", exit.code(), exit.name()).unwrap();
    }
    page.push_str("\n`secrets exec` ends as the command that it runs.\n");
    page.push_str("\nWhere two causes apply, the first of this order wins: ");
    let mut ranked: Vec<Exit> =
        EXITS.iter().map(|(exit, _)| *exit).filter(|exit| *exit != Exit::Ok).collect();
    ranked
        .sort_by(|a, b| if a.or(*b) == *a { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater });
    let ranked: Vec<String> = ranked.iter().map(|exit| exit.code().to_string()).collect();
    writeln!(page, "{}.", ranked.join(", ")).unwrap();
    golden::same_as("docs/reference/exit-codes.md", &page);
}

const EXITS: &[(Exit, &str)] = &[
    (Exit::Ok, "success, or nothing to do"),
    (Exit::Internal, "an unexpected error: a bug, local input or output"),
    (Exit::Changes, "`plan --detailed-exitcode` found changes"),
    (Exit::GateFailed, "a gate failed, or could not give an answer; `doctor` found something"),
    (Exit::ApplyFailed, "a step, convergence or a rollback failed"),
    (Exit::SecretFailed, "a secret could not be decrypted or delivered"),
    (Exit::Locked, "another run holds the lock"),
    (Exit::Vacuous, "nothing was verified: no gate was selected, or it expects nothing"),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Unreachable, "the engine, a swarm manager or a registry is out of reach"),
    (Exit::BadConfig, "manifest, compose file or policy is wrong"),
    (Exit::Interrupted, "interrupted by SIGINT"),
    (Exit::Terminated, "ended by SIGTERM"),
    (Exit::Unmodified, "`secrets edit`: nothing was changed, so nothing was written"),
];

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("CHANGELOG.md")];
    pages.extend(below(&root.join("docs"), "md"));
    assert!(pages.len() > 10, "the pages were not found");
    let dead: Vec<String> = pages.iter().flat_map(|page| dead_links(page)).collect();
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

fn dead_links(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let targets = link.captures_iter(&text).map(|found| found[1].to_owned());
    let here = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let dead = here.filter(|target| {
        let file = target.split('#').next().unwrap_or_default();
        !page.parent().unwrap().join(file).exists()
    });
    dead.map(|target| format!("{}: {target} does not exist", page.display())).collect()
}

fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { below(&path, ending) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(args)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "holdfast {args:?} --help: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn commands(top: &str) -> Vec<String> {
    let list = top.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}
