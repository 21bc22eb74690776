//! `holdfast stack ...`: what compose files become.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::problems;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Stop, TranscriptOrder};

/// So many bytes are printed at once.
const PIECE: usize = 64 << 10;

/// Commands of `stack`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print the write requests that compose files become on an empty swarm, one JSON object a line.
    ///
    /// No engine is asked; an object has the id `id_NAME`. External objects are taken as present. With `--compat` the
    /// lines hold the content of secrets that the files name in plain text.
    Transcript(TranscriptArgs),
}

/// Arguments of `stack transcript`.
#[derive(clap::Args)]
pub(super) struct TranscriptArgs {
    /// The stack's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// A compose file; may be given several times, later ones are merged over earlier ones.
    #[arg(short = 'c', long = "compose-file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A variable of the files; may be given several times. The process environment is never read.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Docker's own rules and names, images as `docker stack deploy --resolve-image never` sends them.
    #[arg(long)]
    compat: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write `NAME=VALUE`")?;
    if key.is_empty() { Err("the name is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

/// Runs `stack`.
pub(super) fn run(command: Command, settings: &Settings) -> Exit {
    match command {
        Command::Transcript(args) => transcript(args, settings),
    }
}

fn transcript(args: TranscriptArgs, settings: &Settings) -> Exit {
    let env: BTreeMap<String, String> = args.env.into_iter().collect();
    let order = TranscriptOrder { name: args.name, files: args.files, env, compat: args.compat };
    let mut lines = Vec::new();
    let mut print = |line: &[u8]| {
        lines.extend_from_slice(line);
        if lines.len() < PIECE { Ok(()) } else { Settings::print_part(&std::mem::take(&mut lines)) }
    };
    match run::transcript(&order, &mut print) {
        Ok(warnings) => {
            for warning in &warnings {
                Settings::say(&format!("{}\n", warning.render(settings.color.stderr)));
            }
            Settings::print_bytes(&lines)
        }
        // A result that could not be printed was told of already, or nobody reads it any more.
        Err(Stop::Apply(exit)) => exit,
        Err(Stop::Problems(found)) => problems::print(&found, settings).or(Exit::BadConfig),
        Err(stop) => {
            for line in stop.lines() {
                Settings::say(&format!("error: {line}\n"));
            }
            stop.exit()
        }
    }
}
