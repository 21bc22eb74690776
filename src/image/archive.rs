//! Images in `docker save` tarballs and OCI layouts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ImageError;
use super::input::{Blob, Capped, Hashing, Limits, Member, Packing, clean, sniff, walk};
use super::output::{ArchiveWriter, Contents};

/// Text members above this size are taken for layers. The largest configs seen have some 100 KiB.
const TEXT_LIMIT: u64 = 4 << 20;
/// Text kept of one archive, all members together.
const TEXT_TOTAL: u64 = 64 << 20;

/// An image archive after its first reading.
pub(super) struct Archive {
    pub(super) contents: Contents,
    path: PathBuf,
    limits: Limits,
    /// Member → the layer it holds once unpacked.
    members: BTreeMap<String, Blob>,
}

/// One member, read once.
struct Seen {
    raw: Blob,
    plain: Blob,
    packing: Packing,
    text: Option<Vec<u8>>,
}

/// All members of an archive.
struct Tree<'a> {
    path: &'a Path,
    files: BTreeMap<String, Seen>,
    links: BTreeMap<String, String>,
}

/// What stands in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize, PartialEq, Eq)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct OciManifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// The fields of a config that are needed; its bytes stay as they are.
#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An image that an archive offers: members of its config and layers.
struct Offer {
    config: String,
    layers: Vec<String>,
    platform: Option<Platform>,
}

impl Archive {
    /// Reads the archive once, checks every digest it speaks of, and picks its one image.
    pub(super) fn read(path: &Path, limits: Limits) -> Result<Self, ImageError> {
        let tree = Tree::read(path, limits)?;
        let offer = tree.pick(tree.offers()?)?;
        let config = tree.text(&offer.config)?.to_vec();
        let parsed: Config = tree.json(&offer.config)?;
        let wanted = &parsed.rootfs.diff_ids;
        if wanted.len() != offer.layers.len() {
            let problem = format!("it names {} layers, the manifest {}", wanted.len(), offer.layers.len());
            return Err(tree.bad(&offer.config, problem));
        }
        let mut layers = Vec::new();
        let mut members = BTreeMap::new();
        for (name, diff_id) in offer.layers.iter().zip(wanted) {
            let (member, seen) = tree.file(name)?;
            if let Packing::Other(form) = seen.packing {
                let problem = format!("the layer is packed with {form}; gzip and plain layers are read");
                return Err(tree.bad(name, problem));
            }
            if seen.plain.digest != *diff_id {
                let found = &seen.plain.digest;
                return Err(
                    tree.bad(name, format!("the layer unpacks to `{found}`, the config says `{diff_id}`"))
                );
            }
            layers.push(seen.plain.clone());
            members.insert(member, seen.plain.clone());
        }
        Ok(Self { contents: Contents { config, layers }, path: path.to_owned(), limits, members })
    }

    /// Reads the archive again and writes each layer once.
    pub(super) fn write_layers(&self, writer: &mut ArchiveWriter<'_>) -> Result<(), ImageError> {
        let mut missing: BTreeSet<&str> = self.members.values().map(|layer| layer.digest.as_str()).collect();
        walk(&self.path, self.limits, &mut |name, member| {
            let (Member::File(reader, packed), Some(layer)) = (member, self.members.get(name)) else {
                return Ok(());
            };
            if !missing.remove(layer.digest.as_str()) {
                return Ok(());
            }
            let failed = |source| {
                let member = Some(name.to_owned());
                ImageError::Read { path: self.path.clone(), member, source }
            };
            let (packing, stream) = sniff(reader).map_err(failed)?;
            let found = if packing == Packing::Gzip {
                let mut plain = Capped::new(MultiGzDecoder::new(stream), self.limits, packed);
                writer.layer(layer, &mut plain, &failed)?
            } else {
                let mut plain = stream;
                writer.layer(layer, &mut plain, &failed)?
            };
            found.map_or(Ok(()), |found| Err(self.changed(layer, found.digest)))
        })?;
        match missing.first() {
            None => Ok(()),
            Some(digest) => Err(ImageError::Changed {
                path: self.path.clone(),
                what: "a layer",
                was: (*digest).to_owned(),
                now: "missing".to_owned(),
            }),
        }
    }

    fn changed(&self, layer: &Blob, now: String) -> ImageError {
        let (path, was) = (self.path.clone(), layer.digest.clone());
        ImageError::Changed { path, what: "a layer", was, now }
    }
}

impl<'a> Tree<'a> {
    fn read(path: &'a Path, limits: Limits) -> Result<Self, ImageError> {
        let mut tree = Self { path, files: BTreeMap::new(), links: BTreeMap::new() };
        let (mut texts, mut unpacked) = (0, 0);
        walk(path, limits, &mut |name, member| {
            match member {
                Member::Link(target) => {
                    tree.links.insert(name.to_owned(), target);
                }
                Member::File(reader, size) => {
                    let member = Some(name.to_owned());
                    let failed = |source| ImageError::Read { path: path.to_owned(), member, source };
                    let left = Limits { bytes: limits.bytes.saturating_sub(unpacked), ..limits };
                    let seen = Seen::read(reader, size, left).map_err(failed)?;
                    texts += seen.text.as_ref().map_or(0, |text| text.len() as u64);
                    unpacked += seen.plain.size;
                    if texts > TEXT_TOTAL {
                        return Err(tree.bad(name, "the archive holds more text than any image has"));
                    }
                    if tree.files.insert(name.to_owned(), seen).is_some() {
                        return Err(tree.bad(name, "it is there twice"));
                    }
                }
            }
            Ok(())
        })?;
        tree.check_names()?;
        Ok(tree)
    }

    /// Members whose name is a digest must have it.
    fn check_names(&self) -> Result<(), ImageError> {
        for (name, seen) in &self.files {
            let hex = name.strip_prefix("blobs/sha256/").or_else(|| name.strip_suffix(".json"));
            let is_digest = |hex: &&str| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            if hex.filter(is_digest).is_some_and(|hex| hex != seen.raw.hex()) {
                return Err(self.bad(name, format!("its content has the digest `{}`", seen.raw.digest)));
            }
        }
        Ok(())
    }

    /// Every image that the archive offers.
    fn offers(&self) -> Result<Vec<Offer>, ImageError> {
        if self.files.contains_key("manifest.json") {
            let saved: Vec<Saved> = self.json("manifest.json")?;
            let offer = |s: Saved| Offer { config: s.config, layers: s.layers, platform: None };
            return Ok(saved.into_iter().map(offer).collect());
        }
        if !self.files.contains_key("index.json") {
            let problem = "neither `manifest.json` nor `index.json` is in it, so it is no image".to_owned();
            return Err(ImageError::Bad { path: self.path.to_owned(), member: None, problem });
        }
        let mut offers = Vec::new();
        self.descend("index.json", 0, &mut offers)?;
        Ok(offers)
    }

    fn descend(&self, index: &str, depth: u8, offers: &mut Vec<Offer>) -> Result<(), ImageError> {
        for descriptor in self.json::<Index>(index)?.manifests {
            let member = self.blob(index, &descriptor.digest)?;
            let platform = descriptor.platform;
            if platform.as_ref().is_some_and(|platform| platform.os == "unknown") {
                continue; // an attestation
            }
            let is_index =
                descriptor.media_type.contains("index") || descriptor.media_type.contains("manifest.list");
            if is_index && depth < 2 {
                // An index may name platforms that were not saved with it: only those that are there count.
                if self.files.contains_key(&member) {
                    self.descend(&member, depth + 1, offers)?;
                }
                continue;
            }
            if !self.files.contains_key(&member) {
                if depth > 0 {
                    continue;
                }
                return Err(self.missing(&member, index));
            }
            let manifest: OciManifest = self.json(&member)?;
            let config = self.blob(&member, &manifest.config.digest)?;
            let layers = manifest.layers.iter().map(|layer| self.blob(&member, &layer.digest));
            offers.push(Offer { config, layers: layers.collect::<Result<_, _>>()?, platform });
        }
        Ok(())
    }

    /// The one image for this machine.
    fn pick(&self, mut offers: Vec<Offer>) -> Result<Offer, ImageError> {
        let whole = |problem| ImageError::Bad { path: self.path.to_owned(), member: None, problem };
        if offers.len() > 1 {
            let mut platforms = Vec::new();
            for offer in &offers {
                platforms.push(match &offer.platform {
                    Some(platform) => platform.clone(),
                    None => self
                        .json::<Config>(&offer.config)
                        .map(|c| Platform { os: c.os, architecture: c.architecture })?,
                });
            }
            let wanted = Platform { os: "linux".to_owned(), architecture: architecture().to_owned() };
            let mut keep = platforms.iter().map(|platform| *platform == wanted);
            offers.retain(|_| keep.next().unwrap_or(false));
            if offers.is_empty() {
                let there: Vec<String> =
                    platforms.iter().map(|p| format!("{}/{}", p.os, p.architecture)).collect();
                let (wanted, there) = (wanted.architecture, there.join(", "));
                return Err(whole(format!("it has no image for linux/{wanted}, only for {there}")));
            }
        }
        match (offers.len(), offers.pop()) {
            (1, Some(offer)) => Ok(offer),
            (0, _) | (_, None) => Err(whole("it holds no image".to_owned())),
            (count, _) => Err(whole(format!("it holds {count} images; save one"))),
        }
    }

    /// The member that holds the blob of a digest which `named_in` speaks of.
    fn blob(&self, named_in: &str, digest: &str) -> Result<String, ImageError> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex {
            Some(hex) => Ok(format!("blobs/sha256/{hex}")),
            None => Err(self.bad(named_in, format!("`{digest}` is not a sha256 digest"))),
        }
    }

    /// A member by name, links followed: its real name and what was seen.
    fn file(&self, name: &str) -> Result<(String, &Seen), ImageError> {
        let out = || self.bad(name, "it leads out of the archive");
        let mut at = clean(name).ok_or_else(out)?;
        for _ in 0..8 {
            if let Some(seen) = self.files.get(&at) {
                return Ok((at, seen));
            }
            let Some(target) = self.links.get(&at) else { break };
            let folder = at.rsplit_once('/').map_or("", |(folder, _)| folder);
            at = join(folder, target).ok_or_else(out)?;
        }
        Err(self.missing(name, "the manifest"))
    }

    fn text(&self, name: &str) -> Result<&[u8], ImageError> {
        let (_, seen) = self.file(name)?;
        seen.text.as_deref().ok_or_else(|| self.bad(name, "it is not JSON"))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ImageError> {
        serde_json::from_slice(self.text(name)?)
            .map_err(|e| self.bad(name, format!("it cannot be understood: {e}")))
    }

    fn missing(&self, member: &str, named_in: &str) -> ImageError {
        self.bad(member, format!("{named_in} names it, but it is not in the archive"))
    }

    fn bad(&self, member: &str, problem: impl Into<String>) -> ImageError {
        ImageError::Bad {
            path: self.path.to_owned(),
            member: Some(member.to_owned()),
            problem: problem.into(),
        }
    }
}

impl Seen {
    fn read(reader: &mut dyn Read, size: u64, limits: Limits) -> io::Result<Self> {
        let mut raw = Hashing::new(reader);
        let (packing, mut stream) = sniff(&mut raw)?;
        let mut text = None;
        let mut plain = None;
        if packing == Packing::Gzip {
            let mut unpacked = Hashing::new(Capped::new(MultiGzDecoder::new(&mut stream), limits, size));
            io::copy(&mut unpacked, &mut io::sink())?;
            plain = Some(unpacked.hasher.finish());
        } else if size <= TEXT_LIMIT {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            text = Some(bytes).filter(|bytes| matches!(bytes.first(), Some(b'{' | b'[')));
        } else {
            io::copy(&mut Capped::new(&mut stream, limits, size), &mut io::sink())?;
        }
        io::copy(&mut stream, &mut io::sink())?;
        drop(stream);
        let raw = raw.hasher.finish();
        Ok(Self { plain: plain.unwrap_or_else(|| raw.clone()), raw, packing, text })
    }
}

/// `target` as seen from `folder`; `None` where it leads out.
fn join(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// This machine's architecture in Go's words.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
