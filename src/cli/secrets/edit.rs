//! `holdfast secrets edit FILE`: a sops file in an editor, as clear text in memory.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::file::Type;
use super::program::{to_its_end, without_ours};
use super::rule::Rules;
use super::stop;
use crate::cli::input;
use crate::cli::keys::{Keys, environment};
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::{Exit, chain};
use crate::secrets::files::Den;
use crate::secrets::{
    Edited, Identities, Opener, Policy, SecretBytes, SecretError, decrypt_with, encrypt, files, format_of,
    revise, rewrite, split_words,
};
use crate::state;

/// Where files of secrets are on a host.
const RUN: &str = "/run/holdfast";

/// Arguments of `secrets edit`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sops file; one that is not there is made, for the readers of its creation rule.
    file: PathBuf,
    /// Form of the file; by its ending without this flag.
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    /// Folder for the clear text while it is edited, in place of one in memory.
    #[arg(long, value_name = "DIR")]
    clear_folder: Option<PathBuf>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    keys: Keys,
}

/// What is edited.
enum Source {
    /// A sops file, its bytes.
    There(Vec<u8>),
    /// A file that will be made.
    New(Policy),
}

/// Runs `secrets edit`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let ended = match Session::begin(args, settings) {
        Ok(session) => session.until_good().await,
        Err(stopped) => Err(stopped),
    };
    match ended {
        Ok(exit) | Err((exit, None)) => exit,
        Err((exit, Some(text))) => stop(exit, &text),
    }
}

type Stopped = (Exit, Option<String>);

struct Session<'a> {
    args: &'a Args,
    format: SecretFormat,
    source: Source,
    identities: Identities,
    den: Den,
    clear: PathBuf,
    before: SecretBytes,
    editor: Vec<String>,
}

impl<'a> Session<'a> {
    fn begin(args: &'a Args, settings: &Settings) -> Result<Self, Stopped> {
        let bad = |text: String| (Exit::BadConfig, Some(text));
        let name = args.file.display();
        let format = args.input_type.map_or_else(|| format_of(&args.file), SecretFormat::from);
        let editor = editor().map_err(bad)?;
        let identities = args.keys.identities();
        let source = if args.file.exists() {
            let bytes = input::read(&args.file);
            Source::There(bytes.map_err(|error| bad(format!("failed to read `{name}`: {error}")))?)
        } else {
            Source::New(args.rules.policy(&args.file).map_err(bad)?)
        };
        let before = match &source {
            Source::There(bytes) => {
                opened(bytes, format, &identities).map_err(|error| refused(args, &error))?
            }
            Source::New(_) => SecretBytes::new(example(format).to_vec()),
        };
        let run = settings.run_dir.clone().unwrap_or_else(|| RUN.into());
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let made = Den::make(&run, runtime.as_deref(), args.clear_folder.as_deref()).and_then(|den| {
            let file = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            den.share()?;
            Ok((den.put(&file, &before)?, den))
        });
        let (clear, den) = made.map_err(|error| {
            bad(format!("{error}\nhint: name a folder with `--clear-folder`, best on a tmpfs with `noswap`"))
        })?;
        if !files::in_memory(den.path()) {
            Settings::say(&format!(
                "warning: the clear text is written to `{}`, which is no memory\n",
                clear.display()
            ));
        } else if files::may_be_swapped(den.path()) {
            Settings::say(&format!(
                "warning: the clear text in `{}` may be swapped to disk\n",
                clear.display()
            ));
        }
        Ok(Self { args, format, source, identities, den, clear, before, editor })
    }

    /// Opens the editor until the text can be encrypted, or its person gives up.
    async fn until_good(self) -> Result<Exit, Stopped> {
        loop {
            let ran = self.edit().await;
            let after = input::read(&self.clear).map(SecretBytes::new);
            let after = match (ran, after) {
                (Ok(()), Ok(after)) => after,
                (Err(why), Ok(after)) if after.expose() == self.before.expose() => {
                    return Err((Exit::Internal, Some(why)));
                }
                (Err(why), _) => return Err(self.given_up(Exit::Internal, &why)),
                (_, Err(error)) => {
                    let text = format!("failed to read `{}`: {error}", self.clear.display());
                    return Err((Exit::Internal, Some(text)));
                }
            };
            if after.expose() == self.before.expose() {
                Settings::say("nothing was changed\n");
                return Ok(Exit::Unmodified);
            }
            match self.written(&after) {
                Ok(Some(true)) => {
                    Settings::say(&format!(
                        "`{}` was laid out anew, as sops writes it\n",
                        self.args.file.display()
                    ));
                    return Ok(Exit::Ok);
                }
                Ok(Some(false)) => return Ok(Exit::Ok),
                Ok(None) => {
                    Settings::say("nothing was changed\n");
                    return Ok(Exit::Unmodified);
                }
                Err(error @ (SecretError::Write(_) | SecretError::Read(_))) => {
                    return Err(self.given_up(error.exit(), &error.to_string()));
                }
                Err(error) => {
                    Settings::say(&format!("error: the text cannot be encrypted: {error}\n"));
                    if !again() {
                        return Err(self.given_up(error.exit(), "the editor was given up"));
                    }
                }
            }
        }
    }

    async fn edit(&self) -> Result<(), String> {
        let (program, arguments) = self.editor.split_first().ok_or("no editor is named")?;
        let mut command = Command::new(program);
        without_ours(command.args(arguments).arg(&self.clear));
        match to_its_end(command).await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the editor `{program}` failed: {status}")),
            Err(error) => Err(format!("the editor `{program}` did not start: {error}")),
        }
    }

    /// Writes the file; tells whether it was laid out anew, or nothing where the text says what it said before.
    fn written(&self, after: &SecretBytes) -> Result<Option<bool>, SecretError> {
        let now = Timestamp::now();
        let file = &self.args.file;
        match &self.source {
            Source::There(bytes) => {
                let opener = Opener::Identities(&self.identities);
                let Some(Edited { bytes: new, laid_out_anew }) =
                    revise((bytes, self.format), &opener, after, now)?
                else {
                    return Ok(None);
                };
                rewrite(file, |found| {
                    if found == bytes {
                        return Ok(new);
                    }
                    Err(SecretError::Write("somebody else changed it meanwhile".to_owned()))
                })?;
                Ok(Some(laid_out_anew))
            }
            Source::New(policy) => {
                let helpers = (environment(), self.args.keys.ask());
                let new = encrypt(after.expose(), (self.format, self.format), policy, now, helpers)?;
                if file.exists() {
                    return Err(SecretError::Write("somebody else made it meanwhile".to_owned()));
                }
                state::write_durably(file, new.expose(), 0o644)
                    .map_err(|error| SecretError::Write(chain(&error)))?;
                Ok(Some(false))
            }
        }
    }

    /// Leaves the text where it is and says where.
    fn given_up(self, exit: Exit, why: &str) -> Stopped {
        let name = self.clear.file_name().unwrap_or_default().to_owned();
        let file = self.args.file.display().to_string();
        let place = match self.den.leave() {
            Ok(folder) => format!(
                "your text is in `{}`, in clear: remove it when it is done",
                folder.join(name).display()
            ),
            Err(error) => error.to_string(),
        };
        (exit, Some(format!("`{file}` stays as it was: {why}\n{place}")))
    }
}

fn opened(bytes: &[u8], format: SecretFormat, identities: &Identities) -> Result<SecretBytes, SecretError> {
    let document = decrypt_with(bytes, format, &Opener::Identities(identities), false)?;
    document.written(format)
}

fn refused(args: &Args, error: &SecretError) -> Stopped {
    (error.exit(), Some(format!("`{}`: {}", args.file.display(), error.told())))
}

/// Whether the editor shall be opened again. Where nobody answers it is not.
fn again() -> bool {
    Settings::say("Press enter to return to the editor, or type n to give up: ");
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line);
    if !std::io::stdin().is_terminal() {
        Settings::say("\n");
    }
    matches!(read, Ok(1..)) && !matches!(line.trim(), "n" | "no" | "q")
}

/// The program of `SOPS_EDITOR`, of `EDITOR`, or the first of those that most machines have.
fn editor() -> Result<Vec<String>, String> {
    for name in ["SOPS_EDITOR", "EDITOR"] {
        if let Some(text) = std::env::var_os(name).filter(|text| !text.is_empty()) {
            let words = split_words(&text.to_string_lossy()).map_err(|why| format!("`{name}` {why}"))?;
            return if words.is_empty() { Err(format!("`{name}` names no program")) } else { Ok(words) };
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    match ["vim", "nano", "vi"].into_iter().find(found) {
        Some(name) => Ok(vec![name.to_owned()]),
        None => Err("no editor: set `SOPS_EDITOR` or `EDITOR`, or install vim, nano or vi".to_owned()),
    }
}

/// What a new file starts with.
fn example(format: SecretFormat) -> &'static [u8] {
    match format {
        SecretFormat::Yaml => b"example_key: example_value\n",
        SecretFormat::Json => b"{\n\t\"example_key\": \"example_value\"\n}\n",
        SecretFormat::Dotenv => b"example_key=example_value\n",
        SecretFormat::Ini => b"[example_section]\nexample_key = example_value\n",
        SecretFormat::Binary => b"",
    }
}
