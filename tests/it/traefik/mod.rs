//! The real Traefik runs what is generated: as a process on loopback, and as a stack on a real engine.
#![expect(clippy::indexing_slicing, reason = "a test that stops there says where")]

mod clients;
mod process;
mod proxy;
mod swarm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast::desired::ImageSpec;
use holdfast::manifest::{Manifest, Material};
use holdfast::secrets::SecretBytes;
use holdfast::state::write_durably;
use holdfast::traefik::{self, Output};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

/// The real program, or a failure that says how to get it.
fn program() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let program = Path::new(&home).join(".cache/holdfast/traefik-3.7.9/traefik");
    assert!(program.exists(), "{} is missing; run `make setup`", program.display());
    program
}

/// A certificate authority and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// DER of its own certificate.
    root: Vec<u8>,
}

/// A certificate with its key.
struct Pair {
    /// DER of the leaf.
    leaf: Vec<u8>,
    chain: SecretBytes,
    key: SecretBytes,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A certificate for `*.example.org`.
    fn wildcard(&self) -> Pair {
        let params = CertificateParams::new(vec!["*.example.org".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            leaf: leaf.der().to_vec(),
            chain: SecretBytes::new(leaf.pem().into_bytes()),
            key: SecretBytes::new(key.serialize_pem().into_bytes()),
        }
    }
}

/// The stack of a manifest whose `traefik` section is changed by `change`.
fn stack(run: &Path, images: &BTreeMap<String, ImageSpec>, change: impl FnOnce(&mut Value)) -> Output {
    let mut text = json!({
        "version": 1, "host": { "name": "example" }, "networks": { "proxy": {} }, "paths": { "run": run },
        "secrets": { "key": { "file": "/s.yaml" } },
        "traefik": {
            "image": "traefik", "proxy_image": "holdfast",
            "certificates": [{ "chain": { "file": "/etc/chain.pem" }, "key": { "secret": "key" } }],
        },
    });
    change(&mut text);
    let manifest: Manifest = serde_json::from_value(text).unwrap();
    traefik::stack(manifest.traefik.as_ref().unwrap(), &manifest, images).unwrap()
}

fn static_text(output: &Output) -> String {
    String::from_utf8(STANDARD.decode(&output.stack.configs["static"].data).unwrap()).unwrap()
}

/// Renders the certificates' file and puts it into place by one rename.
fn put_certificate(output: &Output, pair: &Pair, folder: &Path) {
    let value = |material: &Material| Some(if material.secret.is_some() { &pair.key } else { &pair.chain });
    let bytes = traefik::render(&output.files[0], &value).unwrap();
    assert!(write_durably(&folder.join("tls.yml"), bytes.expose(), 0o400).unwrap());
}
