//! Passphrases: who can be asked for one.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use age::secrecy::SecretString;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::super::value::SecretBytes;
use super::child::{Child, Environment};

/// No passphrase is longer.
const LONGEST: usize = 1024;
/// How long an askpass program may wait for its person.
const PATIENCE: Duration = Duration::from_secs(300);

/// Who is asked for a passphrase.
#[derive(Clone, Default)]
pub enum Ask {
    /// Nobody is there: what wants a passphrase is not used. The only one for units.
    #[default]
    Nobody,
    /// The person at the terminal.
    Terminal,
    /// This one is used, whatever asks; from a file descriptor.
    Given(SecretBytes),
    /// A program that is run with the question as its argument and prints the answer, as `SSH_ASKPASS`.
    Program(PathBuf, Environment),
}

impl Ask {
    /// The answer to `question`.
    pub(in crate::secrets) fn passphrase(&self, question: &str) -> Result<SecretString, String> {
        let bytes = match self {
            Self::Nobody => {
                return Err("is protected by a passphrase, and nobody can be asked for it here".to_owned());
            }
            Self::Given(passphrase) => Zeroizing::new(passphrase.expose().to_vec()),
            Self::Terminal => terminal(question)?,
            Self::Program(program, environment) => {
                let child = Child::start(program, &[question.to_owned()], environment, PATIENCE).map_err(
                    |error| format!("wants a passphrase, and `{}` did not start: {error}", program.display()),
                )?;
                child
                    .output(LONGEST)
                    .map_err(|why| format!("wants a passphrase, and `{}` {why}", program.display()))?
            }
        };
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        if line.is_empty() {
            return Err("wants a passphrase, and the one given is empty".to_owned());
        }
        let text = std::str::from_utf8(line)
            .map_err(|_| "wants a passphrase, and the one given is no text".to_owned())?;
        Ok(SecretString::from(text.to_owned()))
    }
}

/// Asks at the terminal, without echo. Keys are read one by one, so that an interrupt can put the echo back.
fn terminal(question: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let none =
        |error: std::io::Error| format!("wants a passphrase, and there is no terminal to ask at: {error}");
    let mut tty = File::options().read(true).write(true).open("/dev/tty").map_err(none)?;
    let before = tcgetattr(&tty).map_err(|error| none(error.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    tcsetattr(&tty, OptionalActions::Flush, &silent).map_err(|error| none(error.into()))?;
    let answer = write!(tty, "{question}: ").and_then(|()| keys(&mut tty));
    let restored = tcsetattr(&tty, OptionalActions::Flush, &before);
    drop(writeln!(tty));
    restored.map_err(|error| none(error.into()))?;
    answer.map_err(none)?.ok_or_else(|| "wants a passphrase, and the question was cancelled".to_owned())
}

/// What is typed up to the end of the line; `None` after an interrupt.
fn keys(from: &mut impl Read) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut key = Zeroizing::new([0_u8]);
    loop {
        if from.read(&mut *key)? == 0 {
            return Ok(Some(typed));
        }
        match *key {
            [b'\n' | b'\r' | 4] => return Ok(Some(typed)),
            [3] => return Ok(None),
            [8 | 127] => drop(typed.pop()),
            [21] => typed.clear(),
            [byte] if typed.len() < LONGEST => typed.push(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn keys_are_edited_as_at_any_terminal() {
        for (typed, expected) in
            [("ab\x7fc\nrest", Some("ac")), ("xy\x15z\r", Some("z")), ("a\x03", None), ("a", Some("a"))]
        {
            let answer = keys(&mut typed.as_bytes()).unwrap();
            assert_eq!(answer.as_deref().map(Vec::as_slice), expected.map(str::as_bytes));
        }
    }

    #[test]
    fn the_first_line_counts_and_an_empty_one_is_refused() {
        let given = |text: &str| Ask::Given(SecretBytes::new(text.as_bytes().to_vec())).passphrase("x");
        assert_eq!(given("one two\nthree").unwrap().expose_secret(), "one two");
        assert!(given("\n").unwrap_err().contains("empty"));
        assert!(Ask::Nobody.passphrase("x").unwrap_err().contains("nobody can be asked"));
    }
}
