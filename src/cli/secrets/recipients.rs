//! `holdfast secrets recipients`: who can read which file, and what to write into `.sops.yaml` for an SSH key.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::rule::Config;
use super::stop;
use crate::cli::input;
use crate::cli::settings::Settings;
use crate::manifest::Manifest;
use crate::report::Exit;
use crate::secrets::{Names, Readers, SecretBytes, SshLine, format_of, readers_of, ssh_lines};

/// Arguments of `secrets recipients`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sops files, or folders with such files below; this folder without one.
    #[arg(conflicts_with = "ssh_key")]
    file: Vec<PathBuf>,
    /// A manifest: its host's name stands for the keys of `identities.public_keys`; may be given again.
    #[arg(long, value_name = "FILE", conflicts_with = "ssh_key")]
    manifest: Vec<PathBuf>,
    /// List readers with their files, not files with their readers.
    #[arg(long, conflicts_with = "ssh_key")]
    by_reader: bool,
    #[command(flatten)]
    config: Config,
    /// Print the age recipients of SSH keys instead. A file of public keys (`*.pub`, `authorized_keys`, `known_hosts`, the
    /// output of `ssh-keyscan`), or an OpenSSH private key, whose public half needs no passphrase; `-` is stdin; may be
    /// given again.
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
}

/// Runs `secrets recipients`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    if args.ssh_key.is_empty() {
        return match listed(args) {
            Ok(files) => print(&files, args, settings),
            Err(text) => stop(Exit::BadConfig, &text),
        };
    }
    keys(&args.ssh_key, settings)
}

/// A file and who can read it.
struct Listed {
    file: String,
    readers: Readers,
    /// Names of each reader, in the order of the groups.
    names: Vec<Vec<Vec<String>>>,
}

fn listed(args: &Args) -> Result<Vec<Listed>, String> {
    let mut names = Names::default();
    for path in &args.manifest {
        let file = input::manifest_file(path);
        let wrong = |error: String| format!("`{}`: {error}", file.display());
        let bytes = input::read(&file).map_err(|error| wrong(error.to_string()))?;
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        for key in &manifest.identities.public_keys {
            names.add(key, &manifest.host.name);
        }
    }
    if let Some(config) = args.config.path() {
        let bytes = input::read(&config).map_err(|error| format!("`{}`: {error}", config.display()))?;
        names.add_config(&String::from_utf8_lossy(&bytes));
    }
    let here = [PathBuf::from(".")];
    let mut files = Vec::new();
    for path in if args.file.is_empty() { &here[..] } else { &args.file } {
        let before = files.len();
        below(path, &mut files).map_err(|error| format!("`{}`: {error}", path.display()))?;
        if files.len() == before {
            return Err(format!("`{}` is no sops file, and holds none", path.display()));
        }
    }
    let list = |(file, readers): (PathBuf, Readers)| {
        let group = |group: &Vec<String>| group.iter().map(|reader| names.of(reader)).collect();
        let names = readers.groups.iter().map(group).collect();
        let file = file.strip_prefix(".").unwrap_or(&file).display().to_string();
        Listed { file, readers, names }
    };
    Ok(files.into_iter().map(list).collect())
}

/// Sops files at or below a path, by name; links are not followed, nor are folders that start with a dot or say that they
/// are caches.
fn below(path: &Path, found: &mut Vec<(PathBuf, Readers)>) -> std::io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        let sops = readers_of(&input::read(path)?, format_of(path));
        found.extend(sops.ok().map(|readers| (path.to_owned(), readers)));
        return Ok(());
    }
    if path.join("CACHEDIR.TAG").exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_file() || kind.is_dir() && !hidden {
            below(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn print(files: &[Listed], args: &Args, settings: &Settings) -> Exit {
    if settings.json {
        let list: Vec<Value> = files.iter().map(json).collect();
        return Settings::print(&format!("{:#}\n", json!({ "files": list })));
    }
    let mut rows = BTreeMap::new();
    for listed in files {
        if !args.by_reader {
            rows.insert(listed.file.clone(), vec![readers(listed)]);
            continue;
        }
        for (names, reader) in listed.names.iter().flatten().zip(listed.readers.groups.iter().flatten()) {
            let files: &mut Vec<String> = rows.entry(name(names, reader)).or_default();
            if !files.contains(&listed.file) {
                files.push(listed.file.clone());
            }
        }
    }
    let width = rows.keys().map(|first| first.chars().count()).max().unwrap_or_default().min(48);
    let mut out = String::new();
    for (first, rest) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{first:<width$}  {}", rest.join(", "));
    }
    Settings::print(&out)
}

fn name(names: &[String], reader: &str) -> String {
    if names.is_empty() { reader.to_owned() } else { names.join("/") }
}

/// Everybody who can read a file, for people.
fn readers(listed: &Listed) -> String {
    let groups = listed.names.iter().zip(&listed.readers.groups);
    let group = |(names, group): (&Vec<Vec<String>>, &Vec<String>)| {
        let names = names.iter().zip(group).map(|(names, reader)| name(names, reader));
        names.collect::<Vec<_>>().join(", ")
    };
    let groups: Vec<String> = groups.map(group).collect();
    match groups.as_slice() {
        [only] => only.clone(),
        several => format!("{} of [{}]", listed.readers.threshold, several.join("] [")),
    }
}

fn json(listed: &Listed) -> Value {
    let groups = listed.readers.groups.iter().zip(&listed.names);
    let group = |(group, names): (&Vec<String>, &Vec<Vec<String>>)| {
        let reader = |(reader, names)| json!({ "recipient": reader, "names": names });
        group.iter().zip(names).map(reader).collect::<Vec<_>>()
    };
    let groups: Vec<_> = groups.map(group).collect();
    json!({ "file": listed.file, "threshold": listed.readers.threshold, "groups": groups })
}

/// Prints the age recipients of SSH keys.
fn keys(files: &[PathBuf], settings: &Settings) -> Exit {
    let (mut text, mut list) = (String::new(), Vec::new());
    for path in files {
        let name = path.display().to_string();
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) => return stop(Exit::BadConfig, &format!("failed to read `{name}`: {error}")),
        };
        let mut found = false;
        for SshLine { line, owner, key, recipient } in ssh_lines(bytes.expose()) {
            match recipient {
                Ok(recipient) => {
                    found = true;
                    text.push_str(&recipient);
                    text.push('\n');
                    list.push(json!({ "file": name, "line": line, "owner": owner, "key": key, "recipient": recipient }));
                }
                Err(why) => Settings::say(&format!("warning: `{name}` line {line}: {why}\n")),
            }
        }
        if !found {
            let text = format!("`{name}` holds no ed25519 key, and no other kind has an age form");
            return stop(Exit::BadConfig, &text);
        }
    }
    if settings.json {
        Settings::print(&format!("{:#}\n", json!({ "recipients": list })))
    } else {
        Settings::print(&text)
    }
}

fn read(path: &Path) -> std::io::Result<SecretBytes> {
    if path != Path::new("-") {
        return input::read(path).map(SecretBytes::new);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(1 << 24).read_to_end(&mut bytes)?;
    Ok(SecretBytes::new(bytes))
}
