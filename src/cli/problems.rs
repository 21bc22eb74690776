//! Problems on their way to people (stderr) or programs (`--json`, stdout).

use serde_json::{Value, json};

use super::settings::Settings;
use crate::report::Exit;
use crate::source::{Problem, Severity};

/// Prints every problem; with `--json` as `{"problems": [...]}` on stdout. Any error among them is the exit code.
pub(crate) fn print(problems: &[Problem], settings: &Settings) -> Exit {
    let bad = problems.iter().any(|problem| problem.severity == Severity::Error);
    let exit = if bad { Exit::BadConfig } else { Exit::Ok };
    if settings.json {
        let list: Vec<Value> = problems.iter().map(Problem::to_json).collect();
        return Settings::print(&format!("{:#}\n", json!({ "problems": list }))).or(exit);
    }
    for problem in problems {
        Settings::say(&format!("{}\n", problem.render(settings.color.stderr)));
    }
    if bad {
        let count =
            if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
        Settings::say(&format!("{count}: {} ({})\n", exit.name(), exit.code()));
    }
    exit
}
