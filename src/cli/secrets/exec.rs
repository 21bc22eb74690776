//! `holdfast secrets exec env|file FILE COMMAND`: a program that gets the values of a sops file.
//!
//! The program takes the place of this one, so that nothing of it is left and the exit code is the program's own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::file::Type;
use super::program::{to_its_end, without_ours};
use super::stop;
use crate::cli::input;
use crate::cli::keys::Keys;
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::Exit;
use crate::secrets::files::Den;
use crate::secrets::{Document, Opener, SecretBytes, SecretError, decrypt_with, format_of};

/// What shells say of a program that is not there, and of one that cannot be started.
const NOT_THERE: u8 = 127;
const NOT_STARTED: u8 = 126;

/// Arguments of `secrets exec`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run a command with each value of a sops file in a variable of its environment (as `sops exec-env`).
    Env(EnvArgs),
    /// Run a command with the clear text of a sops file under the path that stands for `{}` (as `sops exec-file`).
    File(Box<FileArgs>),
}

/// Arguments of `secrets exec env`.
#[derive(clap::Args)]
struct EnvArgs {
    /// Give the command no other variables.
    #[arg(long)]
    pristine: bool,
    #[command(flatten)]
    what: What,
}

/// Arguments of `secrets exec file`.
#[derive(clap::Args)]
struct FileArgs {
    /// Form of the clear text; that of the file without this flag.
    #[arg(long, value_name = "TYPE")]
    output_type: Option<Type>,
    /// Use a file in a folder in memory, for a command that closes what it inherits, or that goes by the name.
    #[arg(long)]
    no_fifo: bool,
    /// The name of that file.
    #[arg(long, value_name = "NAME", default_value = "tmp-file", requires = "no_fifo")]
    filename: PathBuf,
    #[command(flatten)]
    what: What,
}

#[derive(clap::Args)]
struct What {
    /// Form of the file; by its ending without this flag.
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    #[command(flatten)]
    keys: Keys,
    /// The sops file.
    file: PathBuf,
    /// The command: one argument is a line for `/bin/sh`, several are a program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

type Stopped = (Exit, String);

/// Runs `secrets exec`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let done = match &args.command {
        Command::Env(args) => env(args),
        Command::File(args) => file(args, settings).await,
    };
    done.unwrap_or_else(|(exit, text)| stop(exit, &text))
}

fn env(args: &EnvArgs) -> Result<Exit, Stopped> {
    let (document, _) = args.what.open()?;
    let variables = document.variables().map_err(|error| args.what.refused(&error))?;
    let mut program = program(&args.what.command);
    if args.pristine {
        program.env_clear();
    }
    without_ours(&mut program);
    for (name, value) in variables {
        program.env(name, OsStr::from_bytes(value.expose()));
    }
    Err(replaced(program))
}

async fn file(args: &FileArgs, settings: &Settings) -> Result<Exit, Stopped> {
    let (document, format) = args.what.open()?;
    let to = args.output_type.map_or(format, SecretFormat::from);
    let clear = document.written(to).map_err(|error| args.what.refused(&error))?;
    if !args.no_fifo {
        let memory = memory(&clear)
            .map_err(|error| (Exit::Internal, format!("no memory for the clear text: {error}")))?;
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        let mut program = program(&placed(&args.what.command, Path::new(&path)));
        return Err(replaced(std::mem::replace(without_ours(&mut program), Program::new("/bin/false"))));
    }
    let name = args.filename.to_string_lossy();
    if name.contains('/') || name.starts_with('.') || name.is_empty() {
        return Err((Exit::Usage, "`--filename` is the name of a file, not a path".to_owned()));
    }
    let run = settings.run_dir.clone().unwrap_or_else(|| "/run/holdfast".into());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let made = Den::make(&run, runtime.as_deref(), None).and_then(|den| {
        den.share()?;
        Ok((den.put(&name, &clear)?, den))
    });
    let (path, _den) = made.map_err(|error| (error.exit(), error.to_string()))?;
    drop(clear);
    let mut program = program(&placed(&args.what.command, &path));
    without_ours(&mut program);
    let name = program.get_program().to_owned();
    let status = to_its_end(program).await.map_err(|error| not_started(&name, &error))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(if code == 0 { Exit::Ok } else { Exit::Child(u8::try_from(code).unwrap_or(u8::MAX)) })
}

impl What {
    fn open(&self) -> Result<(Document, SecretFormat), Stopped> {
        let format = self.input_type.map_or_else(|| format_of(&self.file), SecretFormat::from);
        let bytes = input::read(&self.file).map_err(|error| {
            (Exit::BadConfig, format!("failed to read `{}`: {error}", self.file.display()))
        })?;
        let identities = self.keys.identities();
        let document = decrypt_with(&bytes, format, &Opener::Identities(&identities), false);
        Ok((document.map_err(|error| self.refused(&error))?, format))
    }

    fn refused(&self, error: &SecretError) -> Stopped {
        (error.exit(), format!("`{}`: {}", self.file.display(), error.told()))
    }
}

/// A line for a shell, as sops takes it, or a program with its arguments.
fn program(command: &[OsString]) -> Program {
    match command {
        [line] => {
            let mut shell = Program::new("/bin/sh");
            shell.arg("-c").arg(line);
            shell
        }
        several => {
            let mut program = Program::new(several.first().cloned().unwrap_or_default());
            program.args(several.iter().skip(1));
            program
        }
    }
}

/// Comes back only where the program cannot be started.
fn replaced(mut program: Program) -> Stopped {
    let error = program.exec();
    not_started(program.get_program(), &error)
}

fn not_started(name: &OsStr, error: &std::io::Error) -> Stopped {
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_THERE } else { NOT_STARTED };
    (Exit::Child(code), format!("`{}` did not start: {error}", name.to_string_lossy()))
}

/// The command with the path in the place of every `{}`.
fn placed(command: &[OsString], path: &Path) -> Vec<OsString> {
    let path = path.as_os_str().as_bytes();
    let place = |word: &OsString| {
        let mut out = Vec::with_capacity(word.len() + path.len());
        let mut rest = word.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            if let Some(behind) = rest.strip_prefix(b"{}") {
                out.extend_from_slice(path);
                rest = behind;
            } else {
                out.push(*first);
                rest = behind;
            }
        }
        OsString::from_vec(out)
    };
    command.iter().map(place).collect()
}

/// Memory that a program inherits, and that nobody can change.
fn memory(clear: &SecretBytes) -> std::io::Result<OwnedFd> {
    let mut memory = File::from(memfd_create("holdfast-clear", MemfdFlags::ALLOW_SEALING)?);
    memory.write_all(clear.expose())?;
    fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(memory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_braces_is_the_path() {
        let words = ["cat".into(), "x{}y {}".into(), "{".into(), "{a}".into()];
        let placed = placed(&words, Path::new("/p"));
        assert_eq!(placed, ["cat", "x/py /p", "{", "{a}"]);
    }
}
