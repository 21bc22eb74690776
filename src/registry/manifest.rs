//! What a manifest says of an image.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What registries call the manifests that are understood here.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A manifest, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// An index: the platforms of its images.
    Index(Vec<String>),
    /// One image: the digest of its configuration, which tells the platform.
    Image(String),
}

/// Reads a manifest.
pub(super) fn read(bytes: &[u8]) -> Result<Manifest, String> {
    let json: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    if let Some(images) = json.get("manifests").and_then(Value::as_array) {
        let mut platforms = Vec::new();
        for platform in images.iter().filter_map(|image| image.get("platform")).filter_map(platform) {
            // One platform may have several images; attestations are of no platform.
            if platform != "unknown/unknown" && !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        return Ok(Manifest::Index(platforms));
    }
    match json.pointer("/config/digest").and_then(Value::as_str) {
        Some(digest) => Ok(Manifest::Image(digest.to_owned())),
        None => Err("it is no manifest of an image".to_owned()),
    }
}

/// `os/architecture[/variant]` of an index entry or an image configuration.
pub(super) fn platform(json: &Value) -> Option<String> {
    let text = |key: &str| json.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (os, architecture) = text("os").zip(text("architecture"))?;
    let variant = text("variant").map(|variant| format!("/{variant}")).unwrap_or_default();
    Some(format!("{os}/{architecture}{variant}"))
}

/// `sha256:...` of bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> Result<Manifest, String> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn an_index_tells_its_platforms_without_attestations() {
        let entry = |os: &str, architecture: &str, variant: &str| json!({"platform": {"os": os, "architecture": architecture, "variant": variant}});
        let index = json!({"manifests": [
            entry("linux", "amd64", ""), entry("linux", "arm", "v7"), entry("unknown", "unknown", ""),
            entry("linux", "amd64", ""), {"digest": "sha256:aa"},
        ]});
        let told = ["linux/amd64", "linux/arm/v7"].map(str::to_owned).to_vec();
        assert_eq!(of(&index), Ok(Manifest::Index(told)));
    }

    #[test]
    fn an_image_tells_its_configuration_and_anything_else_is_refused() {
        let image = json!({"config": {"digest": "sha256:aa"}, "layers": []});
        assert_eq!(of(&image), Ok(Manifest::Image("sha256:aa".to_owned())));
        assert!(of(&json!({"schemaVersion": 1, "fsLayers": []})).unwrap_err().contains("no manifest"));
        assert!(read(b"<html>").unwrap_err().contains("no JSON"));
    }
}
