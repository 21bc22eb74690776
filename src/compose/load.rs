//! Reading the files of a stack: environment, text, tree, typed file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::{Limits, Span, parse};

use super::envfile;
use super::fields::{self, Fields};
use super::interpolate::Environment;
use super::model::{EnvFile, File};
use super::mounts::join;
use super::names;
use super::place::{At, Log, Place};
use super::rules::Rule;
use super::service::Surroundings;
use super::tree::{self, Field, Kind, Tree};
use super::{Input, Packed};
use super::{modern, objects, service};

/// The newest version of the format.
const NEWEST: u8 = 13;

/// Everything that reading a stack's files shares.
pub(super) struct Loader<'a> {
    input: &'a Input<'a>,
    read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Where relative paths start: the folder of the first compose file.
    pub(super) folder: PathBuf,
    /// Problems and sources.
    pub(super) log: Log,
    /// Bytes of secrets that docker would read from files, by key; only where no manifest stands behind the files.
    pub(super) values: BTreeMap<String, Vec<u8>>,
    /// Services in the order in which they may start; only where no manifest stands behind the files.
    pub(super) packed: Vec<Packed>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(input: &'a Input<'a>, read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Self {
        let first = input.stack.compose.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let mode = input.stack.mode;
        let log = Log { mode, ..Log::default() };
        Self { input, read, folder: first.to_owned(), log, values: BTreeMap::new(), packed: Vec::new() }
    }

    /// Every compose file, typed; `None` when one could not be read at all.
    pub(super) fn files(&mut self) -> Option<Vec<File>> {
        let env = self.environment();
        if self.input.stack.compose.is_empty() {
            self.log.source(Path::new("manifest"), "");
            let message = format!("the stack `{}` names no compose file", self.input.name);
            self.log.rule(Rule::FileNone, Place::default(), message, "add one to `compose` of the stack");
            return None;
        }
        let mut version = None;
        let files: Vec<Option<File>> =
            self.input.stack.compose.iter().map(|path| self.file(path, &env, &mut version)).collect();
        files.into_iter().collect()
    }

    /// The variables of the stack: `env` over its `env_files`, later files over earlier ones.
    fn environment(&mut self) -> Environment {
        let mut env = Environment::new();
        for path in &self.input.stack.env_files {
            if let Some((text, file)) = text(self.read, path, None, &mut self.log) {
                let variables = envfile::parse(&text, file, &Environment::new(), &mut self.log);
                env.extend(variables.into_iter().map(|(key, at)| (key, at.value)));
            }
        }
        env.extend(self.input.stack.env.clone());
        env
    }

    /// The bytes of a file that a compose file names.
    pub(super) fn bytes(&mut self, path: &At<String>) -> Option<Vec<u8>> {
        let full = join(&self.folder, &path.value);
        (self.read)(&full).map_err(|error| unreadable(&full, &error, path.place, &mut self.log)).ok()
    }

    fn file(&mut self, path: &Path, env: &Environment, version: &mut Option<String>) -> Option<File> {
        let (text, file) = text(self.read, path, None, &mut self.log)?;
        let source = self.log.at(Place { file, span: Span::default() });
        let documents = match parse(&source, Limits::default()) {
            Ok(documents) => documents,
            Err(mut problem) => {
                let fix = problem.fix.take();
                let fix =
                    fix.unwrap_or_else(|| "look for a missing bracket, quote or space up to here".to_owned());
                problem.rule = Some(Rule::YamlSyntax.id());
                self.log.errors.push(problem.fix(fix));
                return None;
            }
        };
        if self.log.home.span.end == 0 {
            self.log.home = Place { file, span: Span { start: 0, end: text.len().min(1) } };
        }
        let whole = Place { file, span: Span { start: 0, end: text.len().min(1) } };
        let mut documents = documents.into_iter();
        let Some(document) = documents.next() else {
            self.log.rule(Rule::YamlEmpty, whole, "the file is empty", "write `services:`");
            return None;
        };
        if let Some(second) = documents.next() {
            let place = Place { file, span: second.span };
            self.log.rule(
                Rule::YamlDocuments,
                place,
                "docker reads the first document of a file only",
                "put the second into a file of its own",
            );
        }
        let mut tree = tree::build(document, file, env, &mut self.log);
        // Docker knows no newer spellings.
        if self.log.translates() {
            modern::translate(&mut tree, self.input.name, &mut self.log);
        }
        let services = take_services(&mut tree);
        let tree = Tree { place: if matches!(tree.kind, Kind::Map(_)) { tree.place } else { whole }, ..tree };
        let mut fields = Fields::open(&tree, "compose file", &mut self.log)?;
        self.version(&mut fields, version);
        Some(self.sections(fields, services, env))
    }

    /// `version`: nothing, `3` or a minor up to the newest; the same in every file.
    fn version(&mut self, fields: &mut Fields<'_>, version: &mut Option<String>) {
        self.log.minor = NEWEST;
        let mut text = "3.13".to_owned();
        let written = fields.value("version");
        if let Some(tree) = written {
            let Some(at) = fields::text(tree, "version", &mut self.log) else { return };
            if !matches!(at.value.as_str(), "" | "3") {
                text = at.value;
            }
            let minor = text.strip_prefix("3.").and_then(|minor| minor.parse::<u8>().ok());
            if let Some(minor) = minor.filter(|minor| *minor <= NEWEST && text == format!("3.{minor}")) {
                self.log.minor = minor;
            } else {
                let message = format!("version `{text}` is not supported");
                self.log.rule(
                    Rule::VersionUnsupported,
                    at.place,
                    message,
                    "remove the line, or write \"3.13\"",
                );
            }
        }
        match version {
            None => *version = Some(text),
            Some(first) if *first != text => {
                let place = written.map_or(fields.place, |tree| tree.place);
                let message = format!("this file has version {text}, the first one has {first}");
                self.log.rule(
                    Rule::VersionDiffers,
                    place,
                    message,
                    "write the same `version` in every file, or none",
                );
            }
            Some(_) => {}
        }
    }

    fn sections(&mut self, mut fields: Fields<'_>, services: Vec<Field>, env: &Environment) -> File {
        let mut out = File::default();
        let (read, folder) = (self.read, self.folder.clone());
        // A service may name the same file as another; each is a source once.
        let seen: RefCell<BTreeMap<PathBuf, (String, usize)>> = RefCell::default();
        let env_file = |file: &At<EnvFile>, log: &mut Log| {
            let full = join(&folder, &file.value.path);
            let absent = || read(&full).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if !file.value.required && absent() {
                let message = format!("`{}` is missing and not required", full.display());
                log.rule(Rule::EnvFileOptional, file.place, message, "create the file, or remove the line");
                return Vec::new();
            }
            let known = seen.borrow().get(&full).cloned();
            match known.or_else(|| text(read, &full, Some(file.place), log)) {
                Some((body, at)) => {
                    let variables = envfile::parse(&body, at, env, log);
                    seen.borrow_mut().insert(full, (body, at));
                    variables
                }
                None => Vec::new(),
            }
        };
        let around = Surroundings { folder: &folder, env, env_file: &env_file };
        let log = &mut self.log;
        section(&mut fields, "services", log);
        check_names(&services, "services", log);
        for field in services {
            let service = service::read(&field, &around, log);
            out.services.insert(field.key, service);
        }
        for field in section(&mut fields, "networks", log) {
            let network = objects::network(&field.value, log);
            out.networks.insert(field.key.clone(), At::new(network, field.key_place));
        }
        for field in section(&mut fields, "volumes", log) {
            let volume = objects::volume(&field.value, log);
            out.volumes.insert(field.key.clone(), At::new(volume, field.key_place));
        }
        for (key, level, map) in
            [("secrets", "secret", &mut out.secrets), ("configs", "config", &mut out.configs)]
        {
            for field in section(&mut fields, key, log) {
                let object = objects::object(&field.value, level, env, log);
                map.insert(field.key.clone(), At::new(object, field.key_place));
            }
        }
        fields.finish(log);
        out
    }
}

/// The entries of a top-level section, whose keys become parts of names.
fn section<'t>(fields: &mut Fields<'t>, key: &'static str, log: &mut Log) -> &'t [Field] {
    let Some(tree) = fields.value(key) else { return &[] };
    let entries = fields::map(tree, key, log).unwrap_or_default();
    check_names(entries, key, log);
    entries
}

/// Takes the services out of a file, so that each can go once it is read: they are most of a large file.
fn take_services(tree: &mut Tree) -> Vec<Field> {
    let Kind::Map(fields) = &mut tree.kind else { return Vec::new() };
    let services = fields.iter_mut().find(|field| field.key == "services");
    match services.map(|field| &mut field.value.kind) {
        Some(Kind::Map(services)) => std::mem::take(services),
        _ => Vec::new(),
    }
}

fn check_names(entries: &[Field], key: &str, log: &mut Log) {
    for field in entries {
        if !names::fits(&field.key) {
            let message = format!("`{}` cannot be a name in `{key}`", field.key);
            let rule = if key == "networks" { Rule::NetworkName } else { Rule::NameInvalid };
            log.rule(rule, field.key_place, message, "use letters, digits, `.`, `_` and `-`");
        }
    }
}

/// Reads a text file and adds it to the sources. `place` is where the file is named, if a file does so.
fn text(
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    path: &Path,
    place: Option<Place>,
    log: &mut Log,
) -> Option<(String, usize)> {
    match read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => {
                let file = log.source(path, &text);
                Some((text, file))
            }
            Err(error) => {
                let good = String::from_utf8_lossy(error.as_bytes().get(..error.utf8_error().valid_up_to())?)
                    .into_owned();
                let file = log.source(path, &good);
                let span = Span { start: good.len(), end: good.len() };
                log.rule(
                    Rule::FileNotUtf8,
                    Place { file, span },
                    "the file is not UTF-8 from here on",
                    "save it as UTF-8",
                );
                None
            }
        },
        Err(error) => {
            let place = place.unwrap_or_else(|| Place { file: log.source(path, ""), span: Span::default() });
            unreadable(path, &error, place, log);
            None
        }
    }
}

fn unreadable(path: &Path, error: &io::Error, place: Place, log: &mut Log) {
    let message = format!("cannot read `{}`: {error}", path.display());
    log.rule(Rule::FileUnreadable, place, message, "create the file, or correct the path");
}
