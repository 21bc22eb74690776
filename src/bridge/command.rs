//! What a comment asks for: the whole comment is one command, or it is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::commit::Commit;
use crate::manifest::BridgeParameter;

/// Bytes of a command; a longer comment is none.
const LONGEST: usize = 1000;

/// What a comment turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something else: most comments.
    Nothing,
    /// A command.
    Command(Command),
    /// It begins as a command does and is none.
    Misread(Misread),
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Test the pull request.
    Run {
        /// The commit that the writer has looked at.
        commit: Option<Commit>,
        /// Parameters, each declared and of its type.
        parameters: BTreeMap<String, String>,
    },
    /// Stop what runs for the pull request.
    Cancel,
    /// Run the last test of the pull request once more.
    Rerun,
}

/// Why what begins as a command is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// Characters that look like nothing, or like others: what people see is not what stands there.
    #[error("there are characters in it that cannot be seen or are not ASCII")]
    Invisible,
    /// More lines than one.
    #[error("a command stands alone in its comment, on one line")]
    Lines,
    /// Longer than any command.
    #[error("it is too long")]
    Long,
    /// A word that is no subcommand, commit or parameter.
    #[error("a word of it is neither a command, nor a commit in full, nor `NAME=VALUE`")]
    Word,
    /// A parameter that the repository does not declare.
    #[error("there is no such parameter here")]
    Parameter,
    /// A value that the parameter does not take.
    #[error("`{0}` does not take this value")]
    Value(String),
    /// A parameter, or a commit, twice.
    #[error("something stands in it twice")]
    Twice,
}

impl Misread {
    /// A word for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Invisible => "invisible",
            Self::Lines => "lines",
            Self::Long => "long",
            Self::Word => "word",
            Self::Parameter => "parameter",
            Self::Value(_) => "value",
            Self::Twice => "twice",
        }
    }
}

/// Reads a comment. `trigger` is the word that a command begins with; `declared` are the repository's parameters.
///
/// White space around it does not count, since forms end their last line. A quoted command (`> !testme`) begins with
/// another character and is no command.
#[must_use]
pub fn read(comment: &str, trigger: &str, declared: &BTreeMap<String, BridgeParameter>) -> Said {
    let text = comment.trim_ascii();
    if !begins(text, trigger) {
        return Said::Nothing;
    }
    if text.len() > LONGEST {
        return Said::Misread(Misread::Long);
    }
    if text.contains(['\n', '\r']) {
        return Said::Misread(Misread::Lines);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Said::Misread(Misread::Invisible);
    }
    // The first word is the trigger: everything before it would have been seen above.
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).skip(1).collect();
    match words.as_slice() {
        ["cancel"] => Said::Command(Command::Cancel),
        ["rerun"] => Said::Command(Command::Rerun),
        words => run(words, declared).map_or_else(Said::Misread, Said::Command),
    }
}

/// Whether the text begins with the trigger as a word, if only what can be seen counts: that it cannot be obeyed is told
/// to its writer then.
fn begins(text: &str, trigger: &str) -> bool {
    let hidden = |c: char| !c.is_ascii() || (c.is_ascii_control() && !c.is_ascii_whitespace());
    let mut rest = text;
    for expected in trigger.chars() {
        rest = rest.trim_start_matches(hidden);
        let Some(after) = rest.strip_prefix(expected) else { return false };
        rest = after;
    }
    rest.chars().next().is_none_or(|next| next.is_ascii_whitespace() || hidden(next))
}

fn run(words: &[&str], declared: &BTreeMap<String, BridgeParameter>) -> Result<Command, Misread> {
    let mut commit = None;
    let mut parameters = BTreeMap::new();
    for word in words {
        let before = match word.split_once('=') {
            None => commit.replace(Commit::new(word).ok_or(Misread::Word)?).map(|_| ()),
            Some((name, value)) => {
                let parameter = declared.get(name).ok_or(Misread::Parameter)?;
                if !takes(parameter, value) {
                    return Err(Misread::Value(name.to_owned()));
                }
                parameters.insert(name.to_owned(), value.to_owned()).map(|_| ())
            }
        };
        if before.is_some() {
            return Err(Misread::Twice);
        }
    }
    Ok(Command::Run { commit, parameters })
}

/// Whether a parameter takes a value.
fn takes(parameter: &BridgeParameter, value: &str) -> bool {
    if let Some(range) = parameter.integer {
        // As it is printed: no sign in front, no zeros, so that the build sees what was judged.
        return value
            .parse::<u64>()
            .is_ok_and(|number| (range.min..=range.max).contains(&number) && number.to_string() == value);
    }
    if parameter.commit {
        return Commit::new(value).is_some();
    }
    parameter.one_of.iter().any(|one| one == value)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
