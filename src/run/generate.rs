//! Values that are made in a checkout: what is missing, what is due, and what that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::compile;
use super::stop::Stop;
use crate::manifest::{Generator, GeneratorKind, Manifest, Place, Secret, SecretFormat};
use crate::report::{Exit, chain};
use crate::secrets::{
    self, Ask, Document, Entry, Environment, Identities, Opener, Policy, RECORD, Record, SecretBytes,
    SecretError, decrypt, filled, format_of, has_value, last_written, policy_for, rewrite,
};
use crate::state::write_durably;

/// What to make, and with what.
pub struct GenerateOrder<'k> {
    /// The manifest.
    pub manifest: PathBuf,
    /// The checkout that files of the Nix store come from.
    pub checkout: PathBuf,
    /// True to only say what would be made.
    pub dry_run: bool,
    /// True to make anew what is due.
    pub renew: bool,
    /// What opens the files.
    pub identities: &'k Identities,
    /// Where plugins of recipients run, and whom they ask.
    pub plugins: (Environment, Ask),
    /// The time.
    pub now: Timestamp,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was missing and is made.
    Made,
    /// It was due, or depends on what was made, and is made anew.
    Renewed,
    /// It is due; nothing is done without being told to.
    Due,
    /// It was there and its entry in the record is new or another one.
    Recorded,
    /// It is merged from a host.
    Pulled,
    /// It is there, another one than on the host: the sops file wins.
    Kept,
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Generated {
    /// The secret's name.
    pub secret: String,
    /// Its sops file.
    pub file: PathBuf,
    /// Its place in the file; empty for a whole file.
    pub place: String,
    /// What became of it.
    pub fate: Fate,
}

/// A secret of the manifest that has a generator.
pub(super) struct Job<'m> {
    pub(super) name: &'m str,
    pub(super) generator: &'m Generator,
    pub(super) kind: GeneratorKind<'m>,
    pub(super) file: PathBuf,
    pub(super) format: SecretFormat,
    pub(super) place: &'m str,
}

/// Makes what is missing in the checkout, and with `renew` what is due; each sops file is written once, whole.
///
/// # Errors
/// A manifest with problems; a file that cannot be read, opened or written. Files before it are written by then.
pub fn generate(order: &GenerateOrder<'_>) -> Result<Vec<Generated>, Stop> {
    let (loaded, _) = compile::manifest_of(&order.manifest).map_err(Stop::Problems)?;
    let jobs = jobs(&loaded.manifest, Place::Checkout, &order.checkout);
    let mut checkout = Checkout::new(order, &loaded.manifest);
    let mut wanted: BTreeMap<&str, Fate> = BTreeMap::new();
    let mut told = Vec::new();
    for job in &jobs {
        match checkout.fate(job, &wanted)? {
            Some(Fate::Due) => told.push(job.told(Fate::Due)),
            Some(fate) => drop(wanted.insert(job.name, fate)),
            None => {}
        }
    }
    let mut made: BTreeMap<&str, secrets::Made> = BTreeMap::new();
    for job in jobs.iter().filter(|job| wanted.contains_key(job.name)) {
        let password = job.generator.password().map(|of| match made.get(of) {
            Some(made) => Ok(made.value.clone()),
            None => checkout.value(of),
        });
        let value = secrets::make(job.kind, password.transpose()?.as_ref(), order.now)
            .map_err(|why| Stop::Other(Exit::SecretFailed, format!("`secret.{}`: {why}", job.name)))?;
        made.insert(job.name, value);
    }
    if !order.dry_run {
        sweep(&jobs);
        let values: Vec<(&Job<'_>, &SecretBytes)> =
            jobs.iter().filter_map(|job| Some((job, &made.get(job.name)?.value))).collect();
        checkout.write(&values)?;
    }
    let fate = |job: &Job<'_>| wanted.get(job.name).map(|fate| job.told(*fate));
    told.extend(jobs.iter().filter_map(fate));
    told.extend(checkout.record(&jobs, &made)?);
    Ok(told)
}

/// Every secret that is made at `place`; those that need the value of another one come last.
pub(super) fn jobs<'m>(manifest: &'m Manifest, place: Place, checkout: &Path) -> Vec<Job<'m>> {
    let job = |(name, secret): (&'m String, &'m Secret)| {
        let generator = secret.generator.as_ref().filter(|generator| generator.place == place)?;
        let kind = generator.kinds().into_iter().next()?;
        let file = in_checkout(&secret.file, checkout);
        let format = secret.format.unwrap_or_else(|| format_of(&file));
        Some(Job { name, generator, kind, file, format, place: secret.place(name) })
    };
    let mut jobs: Vec<Job<'m>> = manifest.secrets.iter().filter_map(job).collect();
    jobs.sort_by_key(|job| job.generator.password().is_some());
    jobs
}

impl Job<'_> {
    pub(super) fn told(&self, fate: Fate) -> Generated {
        let (secret, place) = (self.name.to_owned(), self.place.to_owned());
        Generated { secret, file: self.file.clone(), place, fate }
    }
}

/// A manifest that Nix wrote names files of its store: `/nix/store/DIGEST-NAME/PATH` is `PATH` of the checkout.
pub(super) fn in_checkout(file: &Path, checkout: &Path) -> PathBuf {
    let below =
        file.strip_prefix("/nix/store").ok().map(|rest| rest.components().skip(1).collect::<PathBuf>());
    match below {
        Some(below) if !below.as_os_str().is_empty() => checkout.join(below),
        _ => file.to_owned(),
    }
}

/// The sops files of a manifest in the checkout, each read once.
pub(super) struct Checkout<'o> {
    order: &'o GenerateOrder<'o>,
    manifest: &'o Manifest,
    files: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Files that were opened, or did not open.
    opened: BTreeMap<PathBuf, Option<Document>>,
    records: BTreeMap<PathBuf, Record>,
}

impl<'o> Checkout<'o> {
    pub(super) fn new(order: &'o GenerateOrder<'o>, manifest: &'o Manifest) -> Self {
        let (files, opened, records) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { order, manifest, files, opened, records }
    }

    /// What has to be done about a value; nothing where it is there and not due.
    fn fate(&mut self, job: &Job<'_>, wanted: &BTreeMap<&str, Fate>) -> Result<Option<Fate>, Stop> {
        if !self.holds(job)? {
            return Ok(Some(Fate::Made));
        }
        if let Some(of) = job.generator.password() {
            if wanted.contains_key(of) {
                return Ok(Some(Fate::Renewed));
            }
            // Whoever cannot open the files is not told whether the line is the password's.
            if let (GeneratorKind::Htpasswd(line), Some(value), Ok(password)) =
                (job.kind, self.opened(job), self.value(of))
                && !secrets::opens(&value, &line.user, &password)
            {
                return Ok(Some(Fate::Renewed));
            }
        }
        let Some(days) = job.generator.due_after() else { return Ok(None) };
        let made = self.entry(job)?.and_then(|entry| entry.made.parse::<Timestamp>().ok());
        let age = jiff::SignedDuration::from_hours(24 * i64::from(days));
        let due = made.is_some_and(|made| self.order.now.duration_since(made) >= age);
        Ok(due.then_some(if self.order.renew { Fate::Renewed } else { Fate::Due }))
    }

    /// Whether the file has a value for it.
    pub(super) fn holds(&mut self, job: &Job<'_>) -> Result<bool, Stop> {
        match self.bytes(&job.file)? {
            Some(bytes) => {
                has_value(&bytes, job.format, job.place).map_err(|error| refused(&job.file, &error))
            }
            None => Ok(false),
        }
    }

    fn bytes(&mut self, file: &Path) -> Result<Option<Vec<u8>>, Stop> {
        if let Some(bytes) = self.files.get(file) {
            return Ok(bytes.clone());
        }
        let bytes = match super::bounded::read(file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Stop::Other(
                    Exit::SecretFailed,
                    format!("failed to read `{}`: {error}", file.display()),
                ));
            }
        };
        self.files.insert(file.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// The value as it is in the file; nothing where that does not open.
    pub(super) fn opened(&mut self, job: &Job<'_>) -> Option<SecretBytes> {
        let bytes = self.bytes(&job.file).ok()??;
        let identities = self.order.identities;
        let opened = self.opened.entry(job.file.clone());
        let document = opened.or_insert_with(|| decrypt(&bytes, job.format, identities).ok()).as_ref()?;
        value(document, job.place, job.format).ok()
    }

    /// The value of any secret of the manifest.
    pub(super) fn value(&mut self, name: &str) -> Result<SecretBytes, Stop> {
        let secret = self.manifest.secrets.get(name);
        let secret =
            secret.ok_or_else(|| Stop::Other(Exit::BadConfig, format!("no secret is called `{name}`")))?;
        let file = in_checkout(&secret.file, &self.order.checkout);
        let format = secret.format.unwrap_or_else(|| format_of(&file));
        let none = || {
            Stop::Other(Exit::SecretFailed, format!("failed to read `{}`: it is not there", file.display()))
        };
        let bytes = self.bytes(&file)?.ok_or_else(none)?;
        let document =
            decrypt(&bytes, format, self.order.identities).map_err(|error| refused(&file, &error))?;
        value(&document, secret.place(name), format).map_err(|error| refused(&file, &error))
    }

    /// Puts values into their files: each file is replaced by one rename, or made.
    pub(super) fn write(&mut self, values: &[(&Job<'_>, &SecretBytes)]) -> Result<(), Stop> {
        let files: BTreeSet<&PathBuf> = values.iter().map(|(job, _)| &job.file).collect();
        for file in files {
            let mine: Vec<_> = values.iter().filter(|(job, _)| job.file == *file).collect();
            let places: Vec<(&str, &SecretBytes)> =
                mine.iter().map(|(job, value)| (job.place, *value)).collect();
            let Some(format) = mine.first().map(|(job, _)| job.format) else { continue };
            let before = self.bytes(file)?;
            let written = put(self.order, (file, format), before.as_deref(), &places);
            written.map_err(|error| refused(file, &error))?;
            self.files.remove(file);
            self.opened.remove(file);
        }
        Ok(())
    }

    fn entry(&mut self, job: &Job<'_>) -> Result<Option<&Entry>, Stop> {
        let (folder, name) = split(&job.file);
        if !self.records.contains_key(&folder) {
            self.records.insert(folder.clone(), Record::read(&folder)?);
        }
        Ok(self.records.get(&folder).and_then(|record| record.files.get(&name)?.get(job.place)))
    }

    /// Brings the records in line with the files: with what was `made`, and with what a run that was killed, or somebody
    /// else, left behind.
    pub(super) fn record(
        &mut self,
        jobs: &[Job<'_>],
        made: &BTreeMap<&str, secrets::Made>,
    ) -> Result<Vec<Generated>, Stop> {
        let mut told = Vec::new();
        let now = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for job in jobs {
            let before = self.entry(job)?.cloned();
            let generator = job.kind.name().to_owned();
            let entry = if let Some(made) = made.get(job.name) {
                Entry { generator, made: now(self.order.now), public: made.public.clone() }
            } else if let Some(bytes) = self.bytes(&job.file)? {
                let public = self.opened(job).and_then(|value| secrets::public_part(job.kind, &value));
                match &before {
                    // Whether it is still right cannot be told, or it is.
                    Some(entry) if public.is_none() || public == entry.public => continue,
                    _ => {
                        let made =
                            last_written(&bytes, job.format).map_err(|error| refused(&job.file, &error))?;
                        Entry { generator, made, public }
                    }
                }
            } else {
                continue;
            };
            if before.as_ref() == Some(&entry) {
                continue;
            }
            let (folder, name) = split(&job.file);
            let files = &mut self.records.entry(folder).or_default().files;
            files.entry(name).or_default().insert(job.place.to_owned(), entry);
            if !made.contains_key(job.name) {
                told.push(job.told(Fate::Recorded));
            }
        }
        if !self.order.dry_run {
            for (folder, record) in self.records.iter().filter(|(_, record)| !record.files.is_empty()) {
                record.write(folder)?;
            }
        }
        Ok(told)
    }
}

/// Removes what a run that was killed has left beside the files.
pub(super) fn sweep(jobs: &[Job<'_>]) {
    for job in jobs {
        let (folder, name) = split(&job.file);
        for left in [format!(".{name}.holdfast-new"), format!("{name}.new"), format!("{RECORD}.new")] {
            // Nothing else can be done about one that stays; the next write of the file replaces it.
            std::fs::remove_file(folder.join(left)).ok();
        }
    }
}

/// The folder of a file, and its name.
fn split(file: &Path) -> (PathBuf, String) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (file.parent().unwrap_or_else(|| Path::new("/")).to_owned(), name)
}

fn put(
    order: &GenerateOrder<'_>,
    (file, format): (&Path, SecretFormat),
    before: Option<&[u8]>,
    values: &[(&str, &SecretBytes)],
) -> Result<(), SecretError> {
    let opener = Opener::Identities(order.identities);
    let binary = matches!(format, SecretFormat::Binary);
    // What is there already keeps its own readers and its own rule.
    let policy = if before.is_some() && !binary { Policy::default() } else { policy_for(file)? };
    let plugins = || order.plugins.clone();
    let Some(before) = before else {
        let bytes = filled(None, (format, &policy), values, order.now, plugins())?;
        return match write_durably(file, bytes.expose(), 0o644) {
            Ok(_) => Ok(()),
            Err(error) => Err(SecretError::Write(chain(&error))),
        };
    };
    rewrite(file, |bytes| {
        if bytes != before {
            return Err(SecretError::Write("somebody else changed it meanwhile (try again)".to_owned()));
        }
        filled(Some((bytes, &opener)), (format, &policy), values, order.now, plugins())
    })
}

fn value(document: &Document, place: &str, format: SecretFormat) -> Result<SecretBytes, SecretError> {
    if place.is_empty() || matches!(format, SecretFormat::Binary) {
        document.whole()
    } else {
        document.get(place)
    }
}

fn refused(file: &Path, error: &SecretError) -> Stop {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    Stop::Other(error.exit(), format!("`{}`: {error}{hint}", file.display()))
}
