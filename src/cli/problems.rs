//! Problems on their way to people (stderr) or programs (`--json`, stdout).

use serde_json::{Value, json};

use super::settings::Settings;
use crate::report::Exit;
use crate::source::Problem;

/// Prints every problem; with `--json` as `{"problems": [...]}` on stdout.
pub(crate) fn print(problems: &[Problem], settings: &Settings) -> Exit {
    if settings.json {
        let list: Vec<Value> = problems.iter().map(Problem::to_json).collect();
        return Settings::print(&format!("{:#}\n", json!({ "problems": list })));
    }
    for problem in problems {
        Settings::say(&format!("{}\n", problem.render(settings.color.stderr)));
    }
    Exit::Ok
}
