//! The sections that say where images may come from, and how a registry is asked.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a registry is asked: by `image lock`, by pulls, and by every node that runs a task from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Who asks; needs a `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password or access token; needs a `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// PEM file of the roots that `image lock` trusts for this registry in place of the system's. The engine has its
    /// own place for them: `/etc/docker/certs.d/REGISTRY/ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// True to speak plain HTTP; loopback addresses do without being told.
    #[serde(default)]
    pub plain_http: bool,
}

/// A password, by the name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// Name of a secret of the manifest; one line break at its end does not count.
    pub secret: String,
}

/// Which images may run. Images that are made from files always may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagePolicy {
    /// Images that may float: `redis:7` allows that tag, `redis` every tag and none.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Registries that images may come from, `docker.io` being one; any when empty.
    #[serde(default)]
    pub registries: Vec<String>,
}
