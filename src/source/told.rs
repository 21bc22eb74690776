//! Problems as programs read them.

use schemars::JsonSchema;
use serde::Serialize;

use super::problem::{Problem, Severity};

/// A problem as `--json` prints it. Lines and columns count from 1, columns in characters; the end is behind the last
/// character.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ToldProblem {
    /// The file, as it was named.
    pub file: String,
    /// Where it begins.
    pub line: usize,
    /// Where it begins.
    pub column: usize,
    /// Where it ends.
    pub end_line: usize,
    /// Where it ends.
    pub end_column: usize,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead, or the next command.
    pub fix: Option<String>,
    /// Id of the rule that it breaks, where there is a table of rules.
    pub rule: Option<String>,
}

impl From<Problem> for ToldProblem {
    fn from(problem: Problem) -> Self {
        let (line, column) = problem.source.line_column(problem.span.start);
        let (end_line, end_column) = problem.source.line_column(problem.span.end);
        Self {
            file: problem.source.name.to_string(),
            line,
            column,
            end_line,
            end_column,
            severity: problem.severity,
            message: problem.message,
            fix: problem.fix,
            rule: problem.rule.map(str::to_owned),
        }
    }
}
