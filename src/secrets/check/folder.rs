//! Every file below a folder, and the `.sops.yaml` that counts for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::agree::{Differs, differences};
use super::{Finding, inside, keys};
use crate::manifest::SecretFormat;
use crate::secrets::config::{Config, Rule};
use crate::secrets::document::FILE_CAP;
use crate::secrets::generate::{RECORD, Record};
use crate::secrets::metadata::Metadata;
use crate::secrets::store;
use crate::secrets::token::Token;
use crate::secrets::tree::Entry;
use crate::secrets::unlock::format_of;

/// The name of the file of creation rules.
const CONFIG: &str = ".sops.yaml";
/// What marks a folder that holds nothing but what can be made again.
const CACHE: &str = "CACHEDIR.TAG";

/// What was looked at, and what was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is not as it must be, by file.
    pub findings: Vec<Finding>,
    /// How many files were looked at.
    pub files: usize,
    /// How many of them are sops files.
    pub sealed: usize,
}

/// Looks at every file below `folder`, or at the one file that it is. Links are not followed; `.git`, folders that a
/// `.gitignore` beside them names, and folders with a `CACHEDIR.TAG` are passed over.
#[must_use]
pub fn check_folder(folder: &Path) -> Looked {
    let mut look = Look { looked: Looked::default(), configs: BTreeMap::new(), loose: BTreeMap::new() };
    look.any(folder);
    let loose = std::mem::take(&mut look.loose);
    for (config, files) in loose {
        let first: Vec<_> = files.iter().take(3).map(|file| format!("`{file}`")).collect();
        let count = files.len();
        let cause = format!(
            "has a creation rule without `path_regex`, and clear files fall under it, {count} in all: {}",
            first.join(", ")
        );
        let next = format!("$EDITOR {config} (name the secret files by `path_regex`)");
        look.looked.findings.push(Finding { file: config, path: String::new(), cause, next });
    }
    look.looked.findings.sort();
    look.looked.findings.dedup();
    look.looked
}

/// A `.sops.yaml` and the folder that its expressions are relative to; `None` for one that is damaged.
type Found = Option<Rc<(PathBuf, Option<Config>)>>;

/// What a `.sops.yaml` says of a file.
struct Under<'c> {
    folder: &'c Path,
    rule: Option<&'c Rule>,
    /// True when `holdfast.clear` names the file.
    is_clear: bool,
}

struct Look {
    looked: Looked,
    /// By folder, what counts in it.
    configs: BTreeMap<PathBuf, Found>,
    /// Clear files under a rule for everything, by `.sops.yaml`.
    loose: BTreeMap<String, Vec<String>>,
}

impl Look {
    fn any(&mut self, path: &Path) {
        let kind = match fs::symlink_metadata(path) {
            Ok(meta) => meta.file_type(),
            Err(error) => return self.unread(path, &error),
        };
        if kind.is_file() {
            self.file(path);
        } else if kind.is_dir() && !path.join(CACHE).exists() {
            match fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
                Ok(mut entries) => {
                    entries.sort_by_key(fs::DirEntry::file_name);
                    let passed = passed_over(path);
                    let kept = |entry: &&fs::DirEntry| !passed.contains(&entry.file_name());
                    entries.iter().filter(kept).for_each(|entry| self.any(&entry.path()));
                }
                Err(error) => self.unread(path, &error),
            }
        }
    }

    fn unread(&mut self, path: &Path, error: &std::io::Error) {
        self.find(path, "", format!("cannot be read: {error}"), format!("ls -l {}", path.display()));
    }

    fn find(&mut self, file: &Path, path: &str, cause: impl Into<String>, next: impl Into<String>) {
        let file = file.display().to_string();
        let finding = Finding { file, path: path.to_owned(), cause: cause.into(), next: next.into() };
        self.looked.findings.push(finding);
    }

    fn file(&mut self, file: &Path) {
        self.looked.files += 1;
        if file.file_name().is_some_and(|name| name == CONFIG) {
            // Read whether or not a file needs it.
            self.config(file.parent().unwrap_or(Path::new("")));
            return;
        }
        let found = self.config(file.parent().unwrap_or(Path::new("")));
        let config = found.as_deref().and_then(|(folder, config)| Some((folder, config.as_ref()?)));
        let under = config.and_then(|(folder, config)| self.under(file, folder, config));
        let is_clear = under.as_ref().is_some_and(|under| under.is_clear);
        let rule = under.as_ref().and_then(|under| under.rule);
        match sealed(file) {
            Ok(Some((documents, metadata))) => {
                self.looked.sealed += 1;
                self.sealed(file, &documents, &metadata);
                if let Some(under) = &under {
                    self.agrees(file, &metadata, under);
                }
            }
            Ok(None) | Err(_) if is_clear => return,
            Ok(None) => {
                if let (Some(under), Some(rule)) = (&under, rule) {
                    self.clear(file, rule, under.folder);
                }
            }
            Err(Damaged { sure, cause }) => {
                if sure || rule.is_some_and(|rule| !rule.everything) {
                    self.find(file, "", cause, restore(file));
                }
            }
        }
        self.keys(file);
    }

    /// What a `.sops.yaml` says of a file; nothing where that cannot be told.
    fn under<'c>(&mut self, file: &Path, folder: &'c Path, config: &'c Config) -> Option<Under<'c>> {
        let path = relative(file, folder);
        let is_clear = config.clear.iter().any(|clear| clear.is_match(&path));
        match config.rule(&path) {
            Ok(rule) => Some(Under { folder, rule, is_clear }),
            Err(error) => {
                let config = folder.join(CONFIG);
                self.find(&config, "", error.to_string(), format!("$EDITOR {}", config.display()));
                None
            }
        }
    }

    /// A file that is not encrypted, though a rule names it.
    fn clear(&mut self, file: &Path, rule: &Rule, folder: &Path) {
        // What says when values were made is clear on purpose, and holds nothing else.
        let is_record = file.file_name().is_some_and(|name| name == RECORD);
        if is_record && file.parent().is_some_and(|folder| Record::read(folder).is_ok()) {
            return;
        }
        if rule.everything {
            let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if !hidden {
                let config = folder.join(CONFIG).display().to_string();
                self.loose.entry(config).or_default().push(file.display().to_string());
            }
            return;
        }
        let next = format!("holdfast secrets encrypt -i {}", file.display());
        self.find(file, "", "is not encrypted, though a creation rule names it", next);
    }

    fn sealed(&mut self, file: &Path, documents: &[Vec<Entry>], metadata: &Metadata) {
        for wrong in inside::look(documents, metadata) {
            let next = if wrong.comment {
                format!("holdfast secrets rotate -i {}", file.display())
            } else {
                restore(file)
            };
            self.find(file, &wrong.place, wrong.cause, next);
        }
        if metadata.mac.is_empty() {
            self.find(file, "sops/mac", "is missing, so nothing in the file can be trusted", restore(file));
        } else if let Err(reason) = Token::parse(&metadata.mac) {
            self.find(file, "sops/mac", reason, restore(file));
        }
    }

    fn agrees(&mut self, file: &Path, metadata: &Metadata, under: &Under<'_>) {
        let config = under.folder.join(CONFIG);
        let edit = format!("$EDITOR {}", config.display());
        let Some(rule) = under.rule else {
            let cause = format!("falls under no creation rule of `{}`", config.display());
            return self.find(file, "", cause, edit);
        };
        let policy = match rule.policy() {
            Ok(policy) => policy,
            Err(error) => return self.find(&config, "", error.to_string(), edit),
        };
        for differs in differences(metadata, policy, matches!(format_of(file), SecretFormat::Binary)) {
            let name = file.display();
            let (cause, next) = match differs {
                Differs::Readers(cause) => (cause, format!("holdfast secrets updatekeys {name}")),
                Differs::Rule(cause) => (
                    cause,
                    format!(
                        "holdfast secrets decrypt {name} | holdfast secrets encrypt --filename-override {name} --output {name}"
                    ),
                ),
            };
            self.find(file, "", cause, next);
        }
    }

    fn keys(&mut self, file: &Path) {
        match keys::lines(file) {
            Ok(lines) => {
                for line in lines {
                    let cause = "holds a private key in clear text, so whoever can read the file has it";
                    let next = format!("git rm --cached {} (and replace the key)", file.display());
                    self.find(file, &format!("line {line}"), cause, next);
                }
            }
            Err(error) => self.unread(file, &error),
        }
    }

    /// The nearest `.sops.yaml`, from `folder` upward; in folders that were named it is called as they were.
    fn config(&mut self, folder: &Path) -> Found {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if let Some(found) = self.configs.get(folder) {
            return found.clone();
        }
        let found = if folder.join(CONFIG).is_file() {
            Some(Rc::new((folder.to_owned(), self.read(&folder.join(CONFIG)))))
        } else {
            let named = folder.parent().filter(|above| folder.is_relative() && !above.as_os_str().is_empty());
            let above = match named {
                Some(above) if !folder.ends_with("..") => Some(above.to_owned()),
                _ => fs::canonicalize(folder).ok().and_then(|folder| folder.parent().map(Path::to_owned)),
            };
            above.and_then(|above| self.config(&above))
        };
        self.configs.insert(folder.to_owned(), found.clone());
        found
    }

    fn read(&mut self, config: &Path) -> Option<Config> {
        let read = fs::read(config).map_err(|error| format!("cannot be read: {error}"));
        let read = read.and_then(|bytes| Config::read(&bytes).map_err(|error| error.to_string()));
        read.map_err(|cause| self.find(config, "", cause, format!("$EDITOR {}", config.display()))).ok()
    }
}

/// What is not looked at in a folder: git's own data, and folders that a line of `.gitignore` names without any pattern.
fn passed_over(folder: &Path) -> BTreeSet<OsString> {
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
    let plain = |name: &&str| !name.is_empty() && !name.contains(['/', '*', '?', '[', '!', '#', '\\']);
    let names = ignored.lines().map(|line| line.trim().trim_start_matches('/').trim_end_matches('/'));
    let folders = names.filter(plain).filter(|name| folder.join(name).is_dir());
    folders.chain([".git"]).map(OsString::from).collect()
}

/// The path that a creation rule's expression sees.
fn relative(file: &Path, folder: &Path) -> String {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (file, folder) = (real(file), real(folder));
    file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned()
}

fn restore(file: &Path) -> String {
    format!("git log -p -- {} (and bring its last good version back)", file.display())
}

/// A file that cannot be judged.
struct Damaged {
    /// True when it is a sops file for certain.
    sure: bool,
    cause: String,
}

/// The documents and the metadata of a sops file.
type Sealed = (Vec<Vec<Entry>>, Metadata);

/// What a sops file holds; nothing for any other file.
fn sealed(file: &Path) -> Result<Option<Sealed>, Damaged> {
    let unsure = |cause: String| Damaged { sure: false, cause };
    let length = fs::metadata(file).map(|meta| meta.len()).unwrap_or_default();
    if length > u64::try_from(FILE_CAP).unwrap_or(u64::MAX) {
        return Err(unsure(format!("has {length} bytes, more than {FILE_CAP} are not read")));
    }
    let bytes = fs::read(file).map_err(|error| unsure(format!("cannot be read: {error}")))?;
    let format = format_of(file);
    let marked = || {
        let text = String::from_utf8_lossy(&bytes);
        text.contains("ENC[AES256_GCM,data:") && text.contains("sops") && text.contains("lastmodified")
    };
    let named = !matches!(format, SecretFormat::Binary);
    let read = match store::read(format, &bytes) {
        Ok(read) => read,
        Err(_) if !named => return Ok(None),
        Err(error) => return Err(Damaged { sure: marked(), cause: error.to_string() }),
    };
    let Some(node) = read.metadata else { return Ok(None) };
    let metadata = Metadata::read(&node, format)
        .map_err(|error| Damaged { sure: marked(), cause: error.to_string() })?;
    Ok(Some((read.documents, metadata)))
}
