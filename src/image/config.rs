//! The config of an image that is made from a root file system.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::archive::architecture;
use super::input::Blob;
use crate::manifest::ImageConfig;

// The field order of these three is part of the digest: it must never change.
#[derive(Serialize)]
struct Text<'a> {
    architecture: &'a str,
    config: Run<'a>,
    created: &'a str,
    os: &'a str,
    rootfs: Layers<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Run<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, Value>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Layers<'a> {
    r#type: &'a str,
    diff_ids: [&'a str; 1],
}

/// The config: what the manifest gives, and no time that anything was made at.
pub(super) fn config_text(config: &ImageConfig, layer: &Blob) -> Vec<u8> {
    let text = Text {
        architecture: config.architecture.as_deref().unwrap_or_else(|| architecture()),
        config: Run {
            user: config.user.as_deref(),
            exposed_ports: config.ports.iter().map(|port| (port.as_str(), json!({}))).collect(),
            env: &config.env,
            entrypoint: &config.entrypoint,
            cmd: &config.cmd,
            working_dir: config.workdir.as_deref(),
            labels: &config.labels,
        },
        created: "1970-01-01T00:00:00Z",
        os: "linux",
        rootfs: Layers { r#type: "layers", diff_ids: [&layer.digest] },
    };
    // Strings, lists and maps with text keys always have a JSON form.
    serde_json::to_vec(&text).unwrap_or_default()
}
