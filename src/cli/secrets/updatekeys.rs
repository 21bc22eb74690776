//! `holdfast secrets updatekeys FILE...`: the readers that `.sops.yaml` names, with sops's own arguments.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exposed;
use super::file::Type;
use super::rule::Config;
use super::stop;
use crate::cli::input;
use crate::cli::keys::{Keys, environment};
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::Exit;
use crate::secrets::{
    Opener, Readers, Reseal, SecretError, decrypt_with, exposures, format_of, readers_of, reseal, rewrite,
    written_threshold,
};

/// Arguments of `secrets updatekeys`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sops files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Form of the files; by their endings without this flag.
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    /// How many key groups must answer; without it as many as the file says.
    #[arg(long, value_name = "COUNT")]
    shamir_secret_sharing_threshold: Option<usize>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    keys: Keys,
}

/// Why a file stays as it was.
struct Refused(Exit, String);

/// Runs `secrets updatekeys`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    let identities = args.keys.identities();
    let mut exit = Exit::Ok;
    let mut records = Vec::new();
    for file in &args.files {
        match update(args, file, &Opener::Identities(&identities), settings) {
            Ok(record) => records.push(record),
            Err(Refused(why, text)) => exit = exit.or(stop(why, &text)),
        }
    }
    if settings.json {
        exit.or(Settings::print(&format!("{:#}\n", json!({ "files": records }))))
    } else {
        exit
    }
}

fn update(args: &Args, file: &Path, opener: &Opener<'_>, settings: &Settings) -> Result<Value, Refused> {
    let name = file.display().to_string();
    let refuse = |error: SecretError| Refused(error.exit(), format!("`{name}`: {}", error.told()));
    let format = args.input_type.map_or_else(|| format_of(file), SecretFormat::from);
    let bytes = input::read(file)
        .map_err(|error| Refused(Exit::BadConfig, format!("failed to read `{name}`: {error}")))?;
    let before = readers_of(&bytes, format).map_err(refuse)?;
    let stated = written_threshold(&bytes, format).map_err(refuse)?;
    let after = wanted(args, file, stated)?;
    let added = after.missing_in(&before);
    let gone = before.missing_in(&after);
    let same =
        before.groups == after.groups && (after.groups.len() < 2 || before.threshold == after.threshold);
    if same {
        tell(settings, &format!("`{name}` is up to date\n"));
        return Ok(json!({ "file": name, "changed": false }));
    }
    // What was tampered with is not handed to anybody.
    decrypt_with(&bytes, format, opener, false).map_err(refuse)?;
    tell(settings, &changes(&name, &before, &after));
    if !args.yes && !agreed(settings)? {
        tell(settings, &format!("`{name}` stays as it was\n"));
        return Ok(json!({ "file": name, "changed": false, "added": added, "removed": gone }));
    }
    let anew = (!before.only_grow_to(&after)).then(Timestamp::now);
    let order = Reseal { readers: after, anew, helpers: (environment(), args.keys.ask()) };
    let mut laid_out_anew = false;
    rewrite(file, |now| {
        if now != bytes {
            return Err(SecretError::Write("somebody else changed it meanwhile (try again)".to_owned()));
        }
        let edited = reseal((now, format, format), opener, &order)?;
        laid_out_anew = edited.laid_out_anew;
        Ok(edited.bytes)
    })
    .map_err(refuse)?;
    if laid_out_anew {
        Settings::say(&format!("`{name}` was laid out anew, as sops writes it\n"));
    }
    let key = if anew.is_some() { "with a new data key" } else { "with the data key that it had" };
    tell(settings, &format!("`{name}` has these readers now, {key}\n"));
    let exposed = if gone.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        exposures((file, &bytes, format), &gone, opener, &environment())
    };
    tell(settings, &exposed::text(&name, &exposed));
    Ok(json!({
        "file": name, "changed": true, "added": added, "removed": gone, "rotated": anew.is_some(),
        "exposed": exposed::json(&exposed),
    }))
}

/// Who shall open the file: the groups of its creation rule, and the threshold that it has, as far as groups go.
fn wanted(args: &Args, file: &Path, stated: usize) -> Result<Readers, Refused> {
    let none = |text: &str| Refused(Exit::BadConfig, format!("`{}`: {text}", file.display()));
    let policy = args.config.rule(file).map_err(|text| Refused(Exit::BadConfig, text))?;
    let policy = policy.ok_or_else(|| none("no `.sops.yaml` with creation rules says who may read it"))?;
    if policy.groups.iter().all(Vec::is_empty) {
        return Err(none("its creation rule names nobody who could open it"));
    }
    let stated = args.shamir_secret_sharing_threshold.unwrap_or(stated);
    let most = policy.groups.len();
    Ok(Readers { threshold: if stated == 0 { most } else { stated.min(most) }, groups: policy.groups })
}

/// What will change, as sops prints it.
fn changes(name: &str, before: &Readers, after: &Readers) -> String {
    let mut out = format!("The following changes will be made to the groups of `{name}`:\n");
    if before.threshold != after.threshold && before.groups.len().max(after.groups.len()) > 1 {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "threshold: {} → {}", before.threshold, after.threshold);
    }
    let empty = Vec::new();
    for index in 0..before.groups.len().max(after.groups.len()) {
        let _ = writeln!(out, "Group {}", index + 1);
        let (old, new) =
            (before.groups.get(index).unwrap_or(&empty), after.groups.get(index).unwrap_or(&empty));
        for reader in new {
            let _ = writeln!(out, "{}{reader}", if old.contains(reader) { "    " } else { "+++ " });
        }
        for reader in old.iter().filter(|reader| !new.contains(reader)) {
            let _ = writeln!(out, "--- {reader}");
        }
    }
    if !before.only_grow_to(after) {
        out.push_str("Somebody loses access, so all values are encrypted anew under another data key.\n");
    }
    out
}

fn agreed(settings: &Settings) -> Result<bool, Refused> {
    if !std::io::stdin().is_terminal() || settings.json {
        return Err(Refused(Exit::Usage, "nobody can be asked here: give `--yes`".to_owned()));
    }
    loop {
        Settings::say("Is this okay? (y/n): ");
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        match (read, line.trim()) {
            (Ok(1..), "y" | "yes") => return Ok(true),
            (Ok(1..), answer) if !matches!(answer, "n" | "no") => {}
            _ => return Ok(false),
        }
    }
}

fn tell(settings: &Settings, text: &str) {
    if !settings.json {
        // A reader that went away is no reason to stop.
        Settings::print(text);
    }
}
