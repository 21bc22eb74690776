//! The manifest's `traefik` section → a stack, its static configuration and the file that holds its certificates.
//!
//! [`stack`] makes the service `traefik_app` and the filtering engine proxy `traefik_socket-proxy`; [`render`] fills
//! the generated file once secrets are open. What is generated, and why: `docs/reference/traefik.md`.

mod pem;
mod services;
mod settings;
mod tls;

use std::collections::BTreeMap;

use crate::desired::{GeneratedFile, ImageSpec, StackSpec};
use crate::manifest::{Manifest, Material, Publish, Traefik};

pub use tls::{RenderError, materials, render};

/// Name of the stack.
pub const STACK: &str = "traefik";

/// Path of the certificates' file below `<run>/generated`; also the `source` of its Swarm secret.
pub const TLS_FILE: &str = "traefik/dynamic/tls.yml";

/// What the section becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The stack, in the same form as one from compose files.
    pub stack: StackSpec,
    /// Files to render before the stack can run.
    pub files: Vec<GeneratedFile>,
}

/// Makes the stack of the reverse proxy. `images` are the manifest's, resolved.
///
/// # Errors
/// Every problem at once, each a sentence that names the field below `traefik`.
pub fn stack(
    traefik: &Traefik,
    manifest: &Manifest,
    images: &BTreeMap<String, ImageSpec>,
) -> Result<Output, Vec<String>> {
    let mut problems = problems(traefik, manifest);
    let mut image = |field: &str, name: &str| {
        let found = images.get(name).map(|image| image.reference.clone());
        if found.is_none() {
            problems.push(format!("`{field}` names `{name}`, which is not in `images`"));
        }
        found.unwrap_or_default()
    };
    let app = image("traefik.image", &traefik.image);
    let proxy = image("traefik.proxy_image", &traefik.proxy_image);
    let socket = services::engine_socket(traefik, manifest).unwrap_or_else(|problem| {
        problems.push(problem);
        String::new()
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    let parts = services::Parts { traefik, manifest, app: &app, proxy: &proxy, socket: &socket };
    Ok(Output { stack: parts.stack(), files: vec![tls::file(traefik)] })
}

fn problems(traefik: &Traefik, manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    if manifest.stacks.contains_key(STACK) {
        problems.push(format!("a stack in `stacks` has the name `{STACK}`, which this section takes"));
    }
    if !manifest.networks.contains_key(&traefik.network) {
        problems.push(format!("`traefik.network` names `{}`, which is not in `networks`", traefik.network));
    }
    if traefik.web_port == traefik.web_secure_port {
        let port = traefik.web_port;
        problems.push(format!("`traefik.web_port` and `traefik.web_secure_port` are both {port}"));
    }
    if traefik.web_port == 0 || traefik.web_secure_port == 0 {
        problems.push("`traefik.web_port` and `traefik.web_secure_port` must not be 0".to_owned());
    }
    if !settings::LEVELS.contains(&traefik.log_level.as_str()) {
        let levels = settings::LEVELS.join(", ");
        problems.push(format!("`traefik.log_level` is `{}`, not one of {levels}", traefik.log_level));
    }
    if traefik.certificates.is_empty() {
        problems.push(
            "`traefik.certificates` is empty; Traefik would serve a certificate it made itself".to_owned(),
        );
    }
    for (at, certificate) in traefik.certificates.iter().enumerate() {
        problems.extend(material_problem(
            &format!("traefik.certificates[{at}].chain"),
            &certificate.chain,
            manifest,
        ));
        problems.extend(material_problem(
            &format!("traefik.certificates[{at}].key"),
            &certificate.key,
            manifest,
        ));
    }
    problems
}

fn material_problem(field: &str, material: &Material, manifest: &Manifest) -> Option<String> {
    match (&material.secret, &material.file) {
        (Some(name), None)
            if manifest.secrets.contains_key(name) || manifest.templates.contains_key(name) =>
        {
            None
        }
        (Some(name), None) => Some(format!("`{field}.secret` names `{name}`, which is not in `secrets`")),
        (None, Some(file)) if file.is_absolute() => None,
        (None, Some(file)) => Some(format!("`{field}.file` is `{}`, not an absolute path", file.display())),
        _ => Some(format!("`{field}` needs exactly one of `secret` and `file`")),
    }
}

/// The mode of publishing in the engine's word.
const fn publish_mode(publish: Publish) -> &'static str {
    match publish {
        Publish::Host => "host",
        Publish::Ingress => "ingress",
    }
}

#[cfg(test)]
mod tests;
