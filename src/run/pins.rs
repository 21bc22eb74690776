//! The lock file of a manifest, and the manifest's own images by it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::bounded;
use super::pointer::pointer;
use crate::manifest::{Image, Loaded};
use crate::pins::{Lock, Pins, Unpinned};
use crate::source::{Problem, Source, Span};

/// Name of the lock file beside a manifest that names none.
const BESIDE: &str = "holdfast.lock.json";

/// Where the lock file of a manifest in the folder `base` is.
pub(super) fn lock_path(loaded: &Loaded, base: &Path) -> PathBuf {
    loaded.manifest.image_lock.clone().unwrap_or_else(|| base.join(BESIDE))
}

/// Reads a lock file; one that is not there locks nothing.
pub(super) fn read_lock(path: &Path) -> Result<Lock, Vec<Problem>> {
    let name = path.display().to_string();
    let at_file = |message: String| vec![Source::new(name.as_str(), "").problem(Span::default(), message)];
    match bounded::read(path) {
        Ok(bytes) => {
            let source = Source::from_bytes(name.as_str(), bytes).map_err(|problem| vec![problem])?;
            Lock::parse(&source)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lock::default()),
        Err(error) => Err(at_file(format!("cannot be read: {error}"))),
    }
}

/// What pins the images of a manifest.
pub(super) fn pins(loaded: &Loaded, lock: Lock) -> Pins {
    let manifest = Some(loaded.source.name.to_string());
    Pins { lock, manifest, policy: loaded.manifest.image_policy.clone() }
}

/// An image of the manifest with its reference pinned.
pub(super) fn pinned(loaded: &Loaded, pins: &Pins, name: &str, image: &Image) -> Result<Image, Problem> {
    let Some(text) = &image.reference else { return Ok(image.clone()) };
    match pins.allow(text).and_then(|()| pins.pin(text)) {
        Ok(pinned) => {
            // One that is pinned by hand stays as it is written, so that adopting it changes nothing.
            let reference = if text.contains('@') { text.clone() } else { pinned };
            Ok(Image { reference: Some(reference), ..image.clone() })
        }
        Err(Unpinned { message, fix }) => {
            Err(loaded.problem(&pointer(&["images", name, "reference"]), message).fix(fix))
        }
    }
}
