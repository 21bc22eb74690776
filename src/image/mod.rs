//! Any image file → one deterministic docker-archive whose two digests are known without an engine.
//!
//! Inputs: a `docker save` tarball (old, mixed or gzipped), an OCI layout (folder or tarball), a root file system
//! (folder or tarball). Of an archive the config and the unpacked layers are kept byte by byte, so the image id
//! stays what it was; a root file system becomes one layer whose bytes depend on names, modes, owners and contents
//! only, never on times or on the order of packing.
//!
//! The output is the mixed form that `docker save` writes today: `manifest.json` for engines with the classic store
//! (image id: the config's digest) and an OCI layout with the manifest in it for engines with the containerd store
//! (image id: the manifest's digest), which would otherwise make up a manifest of their own.
//!
//! Every input is read as a stream and read twice when it is written: once for the digests, once for the bytes.

mod archive;
mod config;
mod error;
mod input;
mod output;
mod rootfs;
mod tree;

use std::io::Write;
use std::path::Path;

use crate::desired::{ImageSource, ImageSpec};
use crate::manifest::{Image, ImageConfig};

pub use error::ImageError;

use input::Limits;
use output::{ArchiveWriter, Contents};

/// Resolves an image of the manifest: reads its file, if it has one, and says what the engine will call it.
///
/// # Errors
/// When the declaration is not one image, or the file cannot be read, is not an image, or is not what it says it is.
pub fn describe(name: &str, image: &Image) -> Result<ImageSpec, ImageError> {
    resolve(name, image, spec_of)
}

/// Checks an image of the manifest as far as that is quick: the declaration, and that its file can be read. Returns a
/// reference to go on with, which is not the one that the engine will be given.
///
/// # Errors
/// When the declaration is not one image, or the file cannot be read.
pub fn look(name: &str, image: &Image) -> Result<ImageSpec, ImageError> {
    resolve(name, image, |name, path, _| {
        repository_part(name)?;
        input::look(path)?;
        Ok(ImageSpec { reference: unknown(name), source: None })
    })
}

/// What stands in for the reference of an image whose file was not read whole.
#[must_use]
pub fn unknown(name: &str) -> String {
    format!("holdfast.invalid/{name}:000000000000")
}

fn resolve(
    name: &str,
    image: &Image,
    spec_of: impl Fn(&str, &Path, Option<ImageConfig>) -> Result<ImageSpec, ImageError>,
) -> Result<ImageSpec, ImageError> {
    let declared =
        |problem: &str| ImageError::Declared { name: name.to_owned(), problem: problem.to_owned() };
    match (&image.archive, &image.rootfs, &image.reference) {
        (None, None, Some(reference)) if is_pinned(reference) => {
            Ok(ImageSpec { reference: reference.clone(), source: None })
        }
        (None, None, Some(reference)) => Err(declared(&format!(
            "`{reference}` is not pinned; write `name:tag@sha256:` and the 64 digits of the digest"
        ))),
        (Some(path), None, None) if image.config.is_none() => spec_of(name, path, None),
        (Some(_), None, None) => {
            Err(declared("`config` stands beside `archive`, which has a config of its own"))
        }
        (None, Some(path), None) => spec_of(name, path, Some(image.config.clone().unwrap_or_default())),
        _ => Err(declared("exactly one of `archive`, `rootfs` and `reference` is needed")),
    }
}

/// Writes the docker-archive of an image that comes from a file. Nothing is held in memory but lists of names.
///
/// # Errors
/// When the file is no longer what `spec` was made from (checked before the first byte and again while the layers
/// are written), cannot be read, or `out` cannot be written.
pub fn write_archive(name: &str, spec: &ImageSpec, out: &mut dyn Write) -> Result<(), ImageError> {
    let Some(source) = &spec.source else {
        let problem = "it comes from a registry and has no file".to_owned();
        return Err(ImageError::Declared { name: name.to_owned(), problem });
    };
    let input = Input::read(&source.path, source.rootfs.as_ref())?;
    let contents = input.contents();
    let expect = |what, was: &str, now: String| {
        let path = source.path.clone();
        if was == now { Ok(()) } else { Err(ImageError::Changed { path, what, was: was.to_owned(), now }) }
    };
    expect("the config digest", &source.config_digest, contents.config_digest())?;
    expect("the manifest digest", &source.manifest_digest, contents.manifest_digest())?;
    let mut writer = ArchiveWriter::new(name, out);
    writer.head(contents, &spec.reference)?;
    match &input {
        Input::Archive(archive) => archive.write_layers(&mut writer)?,
        Input::RootFs(rootfs) => rootfs.write_layer(&mut writer)?,
    }
    writer.finish()
}

/// An input after its first reading.
enum Input {
    Archive(archive::Archive),
    RootFs(rootfs::RootFs),
}

impl Input {
    fn read(path: &Path, rootfs: Option<&ImageConfig>) -> Result<Self, ImageError> {
        let limits = Limits::default();
        match rootfs {
            Some(config) => rootfs::RootFs::read(path, config, limits).map(Self::RootFs),
            None => archive::Archive::read(path, limits).map(Self::Archive),
        }
    }

    const fn contents(&self) -> &Contents {
        match self {
            Self::Archive(archive) => &archive.contents,
            Self::RootFs(rootfs) => &rootfs.contents,
        }
    }
}

fn spec_of(name: &str, path: &Path, rootfs: Option<ImageConfig>) -> Result<ImageSpec, ImageError> {
    repository_part(name)?;
    let input = Input::read(path, rootfs.as_ref())?;
    let contents = input.contents();
    let config_digest = contents.config_digest();
    let short: String = config_digest.trim_start_matches("sha256:").chars().take(12).collect();
    let source = ImageSource {
        path: path.to_owned(),
        rootfs,
        manifest_digest: contents.manifest_digest(),
        config_digest,
    };
    Ok(ImageSpec { reference: format!("holdfast.invalid/{name}:{short}"), source: Some(source) })
}

fn repository_part(name: &str) -> Result<(), ImageError> {
    if is_repository_part(name) {
        return Ok(());
    }
    let problem = "its name becomes part of a repository name, which may hold a-z, 0-9 and single `.`, `_`, \
                   `-` between them";
    Err(ImageError::Declared { name: name.to_owned(), problem: problem.to_owned() })
}

/// True for `name@sha256:...` with 64 lower-case hex digits.
fn is_pinned(reference: &str) -> bool {
    reference.split_once("@sha256:").is_some_and(|(name, digits)| {
        !name.is_empty()
            && digits.len() == 64
            && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_repository_part(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edges = name.bytes().next().is_some_and(inner) && name.bytes().last().is_some_and(inner);
    let pairs = name.bytes().zip(name.bytes().skip(1));
    edges
        && name.bytes().all(|b| inner(b) || matches!(b, b'.' | b'_' | b'-'))
        && pairs.into_iter().all(|(a, b)| inner(a) || inner(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_engine_takes_become_repositories() {
        for name in ["traefik", "web-1", "a.b_c", "0"] {
            assert!(is_repository_part(name), "{name}");
        }
        for name in ["", "Web", "-a", "a-", "a--b", "a/b", "a b", "ä"] {
            assert!(!is_repository_part(name), "{name}");
        }
    }

    #[test]
    fn a_registry_image_must_be_pinned() {
        let pinned = format!("docker.io/library/nginx:1@sha256:{}", "a".repeat(64));
        let image = |reference: &str| Image { reference: Some(reference.to_owned()), ..Image::default() };
        assert_eq!(describe("x", &image(&pinned)).unwrap().reference, pinned);
        for reference in ["nginx:1", "nginx:1@sha256:abc", &pinned.replace('a', "A")] {
            let error = describe("x", &image(reference)).unwrap_err();
            assert!(error.to_string().contains("not pinned"), "{error}");
        }
    }
}
