//! Problems on their way to people (stderr) or programs (`--json`, stdout).

use serde_json::json;

use super::settings::Settings;
use crate::report::{Exit, count};
use crate::source::{Problem, Severity};

/// Prints every problem; with `--json` as `{"problems": [...]}` on stdout. Any error among them is the exit code.
pub(crate) fn print(problems: &[Problem], settings: &Settings) -> Exit {
    if settings.json {
        return Settings::print(&format!("{:#}\n", json!({ "problems": problems }))).or(exit(problems));
    }
    say(problems, settings)
}

/// Says every problem, with its place, on stderr. Any error among them is the exit code.
pub(crate) fn say(problems: &[Problem], settings: &Settings) -> Exit {
    for problem in problems {
        Settings::say(&format!("{}\n", problem.render(settings.color.stderr)));
    }
    let exit = exit(problems);
    if exit != Exit::Ok {
        let count = count(problems.len(), "problem");
        Settings::say(&format!("{count}: {} ({})\n", exit.name(), exit.code()));
    }
    exit
}

fn exit(problems: &[Problem]) -> Exit {
    let bad = problems.iter().any(|problem| problem.severity == Severity::Error);
    if bad { Exit::BadConfig } else { Exit::Ok }
}
