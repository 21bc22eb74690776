//! Commands that print identities: `SOPS_AGE_KEY_CMD` and its like. No shell is involved.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zeroize::Zeroizing;

use super::child::{Child, Environment};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Identities are short; more than this is something else.
const CAP: usize = 1 << 20;

type Printed = Result<Arc<Zeroizing<Vec<u8>>>, String>;

/// A command, run once for each recipient that nothing else opens.
pub(super) struct Command {
    words: Result<Vec<String>, String>,
    environment: Environment,
    printed: Mutex<BTreeMap<String, Printed>>,
}

impl Command {
    pub(super) fn new(text: &str, environment: &Environment) -> Self {
        let words = split_words(text).map_err(str::to_owned).and_then(|words| match words.first() {
            Some(program) if Path::new(program).is_absolute() => Ok(words),
            Some(program) => Err(format!("`{program}` is not an absolute path")),
            None => Err("is empty".to_owned()),
        });
        Self { words, environment: environment.clone(), printed: Mutex::default() }
    }

    /// What it prints for a recipient.
    pub(super) fn print(&self, recipient: &str) -> Printed {
        let words = self.words.as_ref().map_err(Clone::clone)?;
        let mut printed = self.printed.lock().map_err(|_| "failed".to_owned())?;
        let known = printed.entry(recipient.to_owned());
        known.or_insert_with(|| self.run(words, recipient).map(Arc::new)).clone()
    }

    fn run(&self, words: &[String], recipient: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let (program, arguments) = words.split_first().ok_or("is empty")?;
        let mut environment = self.environment.clone();
        environment.variables.push(("SOPS_AGE_RECIPIENT".into(), recipient.into()));
        Child::start(Path::new(program), arguments, &environment, PATIENCE)
            .map_err(|error| format!("`{program}` did not start: {error}"))?
            .output(CAP)
            .map_err(|why| format!("`{program}` {why}"))
    }

    /// Why it gave nothing, where that is so.
    pub(super) fn failed(&self) -> Option<String> {
        if let Err(why) = &self.words {
            return Some(why.clone());
        }
        let printed = self.printed.lock().ok()?;
        printed.values().find_map(|printed| printed.as_ref().err().cloned())
    }
}

/// Words as a shell would split them: blanks part, quotes and backslashes keep together, nothing is expanded.
///
/// # Errors
/// A quote that is not closed, a backslash at the end; reads behind the name of the text.
pub fn split_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match (quote, char) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(char),
            (_, '\\') => {
                let next = rest.next().ok_or("ends with a backslash")?;
                let word = word.get_or_insert_default();
                // Between double quotes a backslash stands for itself before most characters.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("has a quote that is not closed") } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_nothing_is_expanded() {
        for (text, expected) in [
            ("  a  b\tc ", vec!["a", "b", "c"]),
            (r#"a 'b  c' "d \" e" f\ g '' "#, vec!["a", "b  c", "d \" e", "f g", ""]),
            (r#"x$HOME `y` "\n" '\n' a"b"c"#, vec!["x$HOME", "`y`", "\\n", "\\n", "abc"]),
            ("", vec![]),
        ] {
            assert_eq!(split_words(text).unwrap(), expected, "{text}");
        }
        assert!(split_words("a 'b").is_err());
        assert!(split_words("a\\").is_err());
    }

    #[test]
    fn it_runs_once_for_each_recipient_and_is_told_which() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text = format!("/bin/sh -c 'echo ran >>\"{}\"; echo for $SOPS_AGE_RECIPIENT'", log.display());
        let command = Command::new(&text, &Environment::default());
        for _ in 0..2 {
            assert_eq!(command.print("age1a").unwrap().as_slice(), b"for age1a\n");
            assert_eq!(command.print("age1b").unwrap().as_slice(), b"for age1b\n");
        }
        assert_eq!(std::fs::read_to_string(log).unwrap(), "ran\nran\n");
        assert!(command.failed().is_none());
    }

    #[test]
    fn a_relative_program_is_never_looked_for() {
        let command = Command::new("sh -c true", &Environment::default());
        assert!(command.print("age1a").unwrap_err().contains("not an absolute path"));
        assert!(command.failed().is_some());
    }
}
