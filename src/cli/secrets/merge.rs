//! `holdfast secrets merge %O %A %B %P`: a merge driver for git.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::file::Type;
use super::stop;
use crate::cli::input;
use crate::cli::keys::{Keys, environment};
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::Exit;
use crate::secrets::{Merged, Opener, SecretError, format_of, merge, rewrite};

/// Arguments of `secrets merge`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The common version, `%O` of a merge driver; may be empty.
    base: PathBuf,
    /// Our version, `%A`; the result takes its place.
    ours: PathBuf,
    /// Their version, `%B`.
    theirs: PathBuf,
    /// The file's name in the repository, `%P`: for its form, and for what is said.
    #[arg(value_name = "NAME")]
    name: Option<PathBuf>,
    /// Form of the files; by the ending of the name without this flag.
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets merge`.
pub(crate) fn run(args: &Args) -> Exit {
    let name = args.name.as_deref().unwrap_or(&args.ours);
    let format = args.input_type.map_or_else(|| format_of(name), SecretFormat::from);
    let versions = [&args.base, &args.ours, &args.theirs].map(|path| read(path));
    let [Ok(base), Ok(ours), Ok(theirs)] = &versions else {
        let text = versions.iter().find_map(|version| version.as_ref().err().cloned()).unwrap_or_default();
        return stop(Exit::BadConfig, &text);
    };
    let identities = args.keys.identities();
    let helpers = (environment(), args.keys.ask());
    let opener = Opener::Identities(&identities);
    let merged = merge(format, (base, ours, theirs), &opener, helpers, Timestamp::now());
    let refused = |error: SecretError| {
        stop(error.exit(), &format!("`{}` is not merged, ours stays: {}", name.display(), error.told()))
    };
    match merged {
        Ok(Merged::File(bytes)) => rewrite(&args.ours, |_| Ok(bytes)).map_or_else(refused, |()| Exit::Ok),
        Ok(Merged::Conflicts { places, rest }) => {
            let taken = match rest.map(|bytes| rewrite(&args.ours, |_| Ok(bytes))) {
                Some(Err(error)) => return refused(error),
                Some(Ok(())) => "everything else of theirs is taken, and ours stays there",
                None => "nothing of theirs is taken",
            };
            for place in places {
                Settings::say(&format!("conflict in `{}`: {place}\n", name.display()));
            }
            let next = "see theirs with `git show MERGE_HEAD:FILE`, set what is right, and `git add` it";
            Settings::say(&format!("{taken}; {next}\n"));
            Exit::Internal
        }
        Err(error) => refused(error),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    input::read(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))
}
