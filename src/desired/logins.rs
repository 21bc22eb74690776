//! Which services carry which login of a registry.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifest::Manifest;
use crate::observed::at;
use crate::pins::Reference;

/// Logins by what tells one from another: a keyed digest, never a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// Of each registry whose password is there.
    pub wanted: BTreeMap<String, String>,
    /// What services were last written with, by service id; the engine keeps a login and never tells it.
    pub given: BTreeMap<String, String>,
}

/// The image that a service's spec runs.
#[must_use]
pub fn image_of(body: &Value) -> &str {
    at(body, "/TaskTemplate/ContainerSpec/Image").as_str().unwrap_or_default()
}

/// The registry of a service's image.
#[must_use]
pub fn registry_of(body: &Value) -> Option<String> {
    Reference::parse(image_of(body)).map(|image| image.registry)
}

impl Logins {
    /// The digest of the login that a service's image wants; `None` where it wants none.
    #[must_use]
    pub fn of(&self, body: &Value) -> Option<&String> {
        if self.wanted.is_empty() {
            return None;
        }
        self.wanted.get(&registry_of(body)?)
    }

    /// The manifest secret whose password a service's image wants and that was not opened.
    #[must_use]
    pub fn missing<'m>(&self, manifest: &'m Manifest, body: &Value) -> Option<&'m str> {
        if manifest.registries.is_empty() {
            return None;
        }
        let registry = registry_of(body)?;
        let password = manifest.registries.get(&registry)?.password.as_ref()?;
        (!self.wanted.contains_key(&registry)).then_some(password.secret.as_str())
    }
}
