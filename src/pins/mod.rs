//! Which bytes an image's name stands for: references as docker spells them, the lock file, the policy.

mod lock;
mod policy;
mod reference;

pub use lock::{Lock, Locked};
pub use reference::{HUB, Reference};

use crate::manifest::ImagePolicy;

/// Reference prefix of images that are made from files; no registry is ever asked for them.
pub const ARCHIVES: &str = "holdfast.invalid/";

/// What pinning looks at.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// What the lock file says.
    pub lock: Lock,
    /// The manifest, as the command that locks what is missing names it.
    pub manifest: Option<String>,
    /// What may run, where the manifest says so.
    pub policy: Option<ImagePolicy>,
}

/// Why an image may not run as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinned {
    /// What is wrong.
    pub message: String,
    /// What to write, or the command to type.
    pub fix: String,
}

impl Pins {
    /// The image as services name it, pinned: as it is written when that has a digest, else `name:tag@digest` by the
    /// lock file.
    ///
    /// # Errors
    /// The text is no image, or its digest is not known.
    pub fn pin(&self, text: &str) -> Result<String, Unpinned> {
        let reference = parse(text)?;
        if reference.digest.is_some() || text.starts_with(ARCHIVES) {
            return Ok(reference.familiar());
        }
        let name = reference.tagged();
        match self.lock.images.get(&name) {
            Some(locked) => Ok(format!("{name}@{}", locked.digest)),
            None => Err(Unpinned {
                message: format!("the image `{text}` has no digest and is not in the lock file"),
                fix: format!("run `holdfast image lock {}`", self.manifest.as_deref().unwrap_or("MANIFEST")),
            }),
        }
    }

    /// What the policy says against an image.
    ///
    /// # Errors
    /// Why it may not run.
    pub fn allow(&self, text: &str) -> Result<(), Unpinned> {
        match &self.policy {
            Some(policy) if !text.starts_with(ARCHIVES) => policy::judge(policy, text, &parse(text)?),
            _ => Ok(()),
        }
    }

    /// The platforms of a pinned image, `linux/arm/v7`; none where the lock file does not know that very digest.
    #[must_use]
    pub fn platforms(&self, pinned: &str) -> &[String] {
        let Some(reference) = Reference::parse(pinned) else { return &[] };
        let locked = self.lock.images.get(&reference.tagged());
        let locked = locked.filter(|locked| reference.digest.as_ref() == Some(&locked.digest));
        locked.map_or(&[], |locked| &locked.platforms)
    }
}

fn parse(text: &str) -> Result<Reference, Unpinned> {
    Reference::parse(text).ok_or_else(|| Unpinned {
        message: format!("`{text}` is not an image"),
        fix: "write it like `registry.example.org/app:1.2`".to_owned(),
    })
}
