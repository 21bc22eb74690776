//! load: manifest, compose files and images become one [`Compiled`]; or a folder of one is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::bounded;
use super::clear::told_in_the_clear;
use super::pins;
use super::pointer::pointer;
use super::ports;
use super::readers::closed_to_the_host;
use super::stop::Stop;
use crate::address::{Address, Kind, Part};
use crate::compose;
use crate::desired::{Compiled, ImageSpec, StackSpec};
use crate::image;
use crate::manifest::{self, LeftField, Loaded, Manifest, RENDERED};
use crate::pins::Pins;
use crate::report::chain;
use crate::source::{Problem, Severity, Source, Span};
use crate::state::write_durably;
use crate::traefik;

/// A compiled manifest and what was worth a warning.
#[derive(Debug)]
pub struct Compilation {
    /// The result.
    pub compiled: Compiled,
    /// Problems that stop nothing.
    pub warnings: Vec<Problem>,
    /// Its files, where they were read and not made.
    pub(super) texts: Vec<(PathBuf, Vec<u8>)>,
    /// The folder that the specs of the stacks are still to be read from.
    unread: Option<PathBuf>,
}

/// What to do where a compiled manifest is no help. In the message itself, as not every command prints fixes.
const FROM_NIX: &str = "name the file that `holdfast compile` was given; of a NixOS host it is what \
    `nix build .#nixosConfigurations.HOST.config.services.holdfast.manifest.source` makes";

/// The stack that the manifest's `traefik` section becomes.
const TRAEFIK: &str = "traefik";

/// Opens a folder that was compiled before, or compiles a file in memory. Of a folder this reads the manifest, which is
/// small; [`finish`] reads the specs.
pub(super) fn open(path: &Path) -> Result<Compilation, Stop> {
    if path.is_dir() {
        return read(path);
    }
    compile(path).map_err(Stop::Problems)
}

/// Reads the specs of what [`open`] opened.
pub(super) fn finish(mut opened: Compilation) -> Result<Compilation, Stop> {
    if let Some(folder) = opened.unread.take() {
        for name in opened.compiled.stack_names() {
            let file = Path::new("specs").join(format!("{name}.json"));
            let spec: StackSpec = read_json(&folder, file, &mut opened.texts)?;
            opened.compiled.stacks.insert(name, spec);
        }
    }
    Ok(opened)
}

/// Resolves everything that needs no host.
///
/// # Errors
/// Every problem of the manifest, or, when that is sound, of its images, compose files and proxy section.
pub fn compile(path: &Path) -> Result<Compilation, Vec<Problem>> {
    let (loaded, base) = manifest_of(path)?;
    let lock = pins::read_lock(&pins::lock_path(&loaded, &base))?;
    resolve(&loaded, &pins::pins(&loaded, lock), image::describe)
}

/// Every problem that [`compile`] would find and every warning, of the manifest at `path` and, unless it is looked at
/// `alone`, of what it names, all at once. Images are not read whole: that they can be read is enough. What was compiled was
/// checked by that, so only whether all of it can be read is left to say.
#[must_use]
pub fn check(source: &Source, path: &Path, alone: bool) -> Vec<Problem> {
    let base = match base_of(path) {
        Ok(base) => base,
        Err(problem) => return vec![problem],
    };
    if is_compiled(source) {
        let unread = read(&base).and_then(finish).err();
        let lines = unread.iter().flat_map(Stop::lines);
        return lines.map(|line| at_file(path, line)).collect();
    }
    let (loaded, mut problems) = manifest::examine(source, &base);
    let Some(loaded) = loaded else { return problems };
    if alone {
        problems.extend(told_in_the_clear(&loaded));
        return problems;
    }
    let more = pins::read_lock(&pins::lock_path(&loaded, &base))
        .and_then(|lock| resolve(&loaded, &pins::pins(&loaded, lock), image::look))
        .map_or_else(|more| more, |compilation| compilation.warnings);
    let place = |problem: &Problem| {
        let line = problem.source.line_column(problem.span.start).0;
        (problem.source.name.clone(), line)
    };
    let known: BTreeSet<_> = problems.iter().map(place).collect();
    problems.extend(more.into_iter().filter(|problem| !known.contains(&place(problem))));
    problems
}

/// Reads a manifest that was not compiled; returns it with the folder that it lies in.
pub(super) fn manifest_of(path: &Path) -> Result<(Loaded, PathBuf), Vec<Problem>> {
    let file = if path.is_dir() { path.join("manifest.json") } else { path.to_owned() };
    let (source, base) = text_of(&file)?;
    if is_compiled(&source) {
        return Err(vec![at_file(&file, format!("this is compiled; {FROM_NIX}"))]);
    }
    Ok((manifest::load(&source, &base)?, base))
}

/// The manifest alone, of a file or of what was compiled of it.
pub(super) fn manifest_alone(path: &Path) -> Result<Manifest, Stop> {
    let (source, base) = text_of(path).map_err(Stop::Problems)?;
    if is_compiled(&source) {
        return Ok(read(&base)?.compiled.manifest);
    }
    Ok(manifest::load(&source, &base).map_err(Stop::Problems)?.manifest)
}

/// True for the file of a compiled manifest.
fn is_compiled(source: &Source) -> bool {
    #[derive(serde::Deserialize)]
    struct Made {
        compiled: u32,
    }
    serde_json::from_str::<Made>(&source.text).is_ok_and(|made| made.compiled > 0)
}

/// The text of a manifest, and the folder that its paths are relative to.
fn text_of(path: &Path) -> Result<(Source, PathBuf), Vec<Problem>> {
    let bytes =
        bounded::first(path).map_err(|error| vec![at_file(path, format!("cannot be read: {error}"))])?;
    let source = Source::from_bytes(path.display().to_string(), bytes).map_err(|problem| vec![problem])?;
    Ok((source, base_of(path).map_err(|problem| vec![problem])?))
}

/// The folder of a manifest.
fn base_of(path: &Path) -> Result<PathBuf, Problem> {
    let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::canonicalize(base).map_err(|error| at_file(path, format!("its folder cannot be resolved: {error}")))
}

/// A problem of a file as a whole.
fn at_file(path: &Path, message: String) -> Problem {
    Source::new(path.display().to_string(), "").problem(Span::default(), message)
}

/// How an image of the manifest becomes one that services can name.
type Describe = fn(&str, &manifest::Image) -> Result<ImageSpec, image::ImageError>;

fn resolve(loaded: &Loaded, pins: &Pins, describe: Describe) -> Result<Compilation, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let mut compiled = Compiled::new(loaded.manifest.clone());
    for (name, image) in &loaded.manifest.images {
        let spec = pins::pinned(loaded, pins, name, image).and_then(|image| {
            describe(name, &image).map_err(|error| loaded.problem(&pointer(&["images", name]), chain(&error)))
        });
        let spec = spec.unwrap_or_else(|problem| {
            problems.push(problem);
            // Every stack that runs it would only say the same again.
            ImageSpec { reference: image::unknown(name), source: None }
        });
        compiled.images.insert(name.clone(), spec);
    }
    let secrets: BTreeSet<String> =
        loaded.manifest.secrets.keys().chain(loaded.manifest.templates.keys()).cloned().collect();
    let networks: BTreeSet<String> = loaded.manifest.networks.keys().cloned().collect();
    let mut published = Vec::new();
    for (name, stack) in &loaded.manifest.stacks {
        let images = &compiled.images;
        let input = compose::Input { name, stack, images, secrets: &secrets, networks: &networks, pins };
        match compose::compile(&input, &bounded::read) {
            Ok(mut output) => {
                warnings.extend(output.warnings);
                name_templates(&loaded.manifest, &mut output.stack);
                published.extend(output.published);
                problems.extend(nothing_to_recreate(loaded, name, &output.stack));
                problems.extend(nothing_to_leave(loaded, name, &output.stack));
                compiled.stacks.insert(name.clone(), output.stack);
            }
            Err(found) => problems.extend(found),
        }
    }
    if let Some(section) = &loaded.manifest.traefik {
        match traefik::stack(section, &loaded.manifest, &compiled.images) {
            Ok(output) => {
                published.extend(ports::of_section(loaded, TRAEFIK, &output.stack));
                compiled.stacks.insert(TRAEFIK.to_owned(), output.stack);
                compiled.generated = output.files;
            }
            Err(found) => {
                problems.extend(found.into_iter().map(|text| loaded.problem(&pointer(&["traefik"]), text)));
            }
        }
    }
    let (sure, unsure): (Vec<_>, Vec<_>) =
        compose::clashes(&published).into_iter().partition(|problem| problem.severity == Severity::Error);
    problems.extend(sure);
    warnings.extend(unsure);
    warnings.extend(told_in_the_clear(loaded));
    problems.extend(unknown_dependencies(loaded, &compiled));
    problems.extend(closed_to_the_host(loaded));
    if problems.is_empty() {
        Ok(Compilation { compiled, warnings, texts: Vec::new(), unread: None })
    } else {
        Err(problems)
    }
}

/// A stack may wait for a service of another one, which only its compose files tell of.
fn unknown_dependencies(loaded: &Loaded, compiled: &Compiled) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, stack) in &loaded.manifest.stacks {
        for (index, text) in stack.depends_on.iter().enumerate() {
            let Ok(Address { outer, inner: Some(service) }) = text.parse::<Address>() else { continue };
            let other = compiled.stacks.get(&outer.name);
            if other.is_some_and(|other| !other.services.contains_key(&service.name)) {
                let at = pointer(&["stacks", name, "depends_on", &index.to_string()]);
                let message = format!("the stack `{}` has no service `{}`", outer.name, service.name);
                problems.push(loaded.problem(&at, message));
            }
        }
    }
    problems
}

/// A secret of a stack that names a template gets what is rendered of it.
fn name_templates(manifest: &Manifest, stack: &mut StackSpec) {
    for secret in stack.secrets.values_mut() {
        if !manifest.secrets.contains_key(&secret.source) && manifest.templates.contains_key(&secret.source) {
            secret.source = format!("{RENDERED}/{}", secret.source);
        }
    }
}

/// An allowance that names nothing of the stack allows nothing, and is no less a mistake.
fn nothing_to_recreate(loaded: &Loaded, name: &str, spec: &StackSpec) -> Vec<Problem> {
    let allowed = loaded.manifest.stacks.get(name).map(|stack| stack.allow_recreate.as_slice());
    let unknown = allowed.unwrap_or_default().iter().enumerate().filter(|(_, entry)| {
        let address = format!("stack.x/{entry}").parse::<Address>();
        !address.is_ok_and(|address| {
            let Part { kind, name } = address.leaf();
            match kind {
                Kind::Network => spec.networks.contains_key(name),
                Kind::Config => spec.configs.contains_key(name),
                _ => spec.services.contains_key(name),
            }
        })
    });
    unknown
        .map(|(index, entry)| {
            let at = pointer(&["stacks", name, "allow_recreate", &index.to_string()]);
            loaded
                .problem(&at, format!("`{entry}` is not in the stack; its compose files make no such thing"))
        })
        .collect()
}

/// What is left to others must be there.
fn nothing_to_leave(loaded: &Loaded, name: &str, spec: &StackSpec) -> Vec<Problem> {
    let left = loaded.manifest.stacks.get(name).map(|stack| &stack.left_to_others);
    let wrong = left.into_iter().flatten().filter_map(|(key, fields)| {
        let text = match spec.services.get(key) {
            None => format!("`{key}` is no service of the stack"),
            Some(service) if fields.contains(&LeftField::Replicas) && service.replicas().is_none() => {
                format!("`{key}` has no replicas: it is global, or a job")
            }
            Some(_) => return None,
        };
        Some(loaded.problem(&pointer(&["stacks", name, "left_to_others", key]), text))
    });
    wrong.collect()
}

/// The files of a compiled manifest: path below its folder, and text.
pub(super) fn texts(compiled: &Compiled) -> Result<Vec<(PathBuf, Vec<u8>)>, Stop> {
    let text = |value: Result<Vec<u8>, serde_json::Error>| {
        value.map_err(|error| Stop::Compiled(format!("the compiled manifest cannot be written: {error}")))
    };
    let mut texts = vec![(PathBuf::from("manifest.json"), text(serde_json::to_vec(compiled))?)];
    for (name, stack) in &compiled.stacks {
        texts.push((Path::new("specs").join(format!("{name}.json")), text(serde_json::to_vec(stack))?));
    }
    Ok(texts)
}

/// Writes a compiled manifest: `FOLDER/manifest.json` and `FOLDER/specs/STACK.json`; specs of stacks that are no
/// longer there are removed.
///
/// # Errors
/// The folder cannot be written.
pub fn write(compiled: &Compiled, folder: &Path) -> Result<(), Stop> {
    let texts = texts(compiled)?;
    let specs = folder.join("specs");
    for entry in fs::read_dir(&specs).into_iter().flatten().filter_map(Result::ok) {
        let ours = texts.iter().any(|(path, _)| folder.join(path) == entry.path());
        if !ours && entry.path().extension().is_some_and(|ending| ending == "json") {
            let error =
                |error| Stop::Compiled(format!("failed to remove `{}`: {error}", entry.path().display()));
            fs::remove_file(entry.path()).map_err(error)?;
        }
    }
    for (path, bytes) in texts {
        write_durably(&folder.join(path), &bytes, 0o644)?;
    }
    Ok(())
}

/// Reads the manifest of what [`write()`] wrote.
fn read(folder: &Path) -> Result<Compilation, Stop> {
    let path = folder.join("manifest.json");
    let mut texts = Vec::new();
    let compiled: Compiled = read_json(folder, "manifest.json".into(), &mut texts)?;
    if compiled.compiled != Compiled::FORMAT {
        let text = format!(
            "`{}` was compiled in format {}, this program reads {}; run `holdfast compile` again",
            path.display(),
            compiled.compiled,
            Compiled::FORMAT
        );
        return Err(Stop::Compiled(text));
    }
    Ok(Compilation { compiled, warnings: Vec::new(), texts, unread: Some(folder.to_owned()) })
}

/// Reads one file of a compiled manifest, and keeps its text.
fn read_json<T: serde::de::DeserializeOwned>(
    folder: &Path,
    file: PathBuf,
    texts: &mut Vec<(PathBuf, Vec<u8>)>,
) -> Result<T, Stop> {
    let path = folder.join(&file);
    let wrong =
        |text: String| Stop::Compiled(format!("`{}` {text}; run `holdfast compile` again", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is no compiled manifest: {error}")))?;
    texts.push((file, text.into_bytes()));
    Ok(value)
}

impl Compiled {
    /// Version of the compiled format.
    pub const FORMAT: u32 = 1;

    /// Nothing resolved yet.
    fn new(manifest: manifest::Manifest) -> Self {
        Self {
            compiled: Self::FORMAT,
            manifest,
            images: BTreeMap::new(),
            generated: Vec::new(),
            stacks: BTreeMap::new(),
        }
    }

    /// Names of every stack, the proxy's own included.
    fn stack_names(&self) -> Vec<String> {
        let proxy = self.manifest.traefik.as_ref().map(|_| TRAEFIK.to_owned());
        self.manifest.stacks.keys().cloned().chain(proxy).collect()
    }
}
