//! The one file that holds certificates, keys and TLS options, so that they change in one rename.

use crate::desired::{GeneratedFile, PemKind, Piece};
use crate::manifest::{Certificate, Delivery, Material, Traefik};
use crate::secrets::SecretBytes;

use super::{TLS_FILE, pem};

/// A generated file that cannot be rendered; the last good one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct RenderError {
    /// The secret or host file: "secret `wildcard_key`", "file `/etc/ssl/chain.pem`".
    pub what: String,
    /// What is wrong with it; no byte of it.
    pub problem: &'static str,
}

/// What stands in the dynamic configuration.
pub(super) fn file(traefik: &Traefik) -> GeneratedFile {
    let mut pieces = Vec::new();
    let mut text = String::from(
        "tls:\n  options:\n    default:\n      minVersion: VersionTLS12\n      sniStrict: false\n",
    );
    if let Some(first) = traefik.certificates.first() {
        text.push_str("  stores:\n    default:\n      defaultCertificate:\n        certFile: |\n");
        pair(first, "        keyFile: |\n", 10, &mut text, &mut pieces);
    }
    text.push_str("  certificates:\n");
    for certificate in &traefik.certificates {
        text.push_str("    - certFile: |\n");
        pair(certificate, "      keyFile: |\n", 8, &mut text, &mut pieces);
    }
    GeneratedFile { path: TLS_FILE.into(), installed: traefik.delivery == Delivery::Folder, pieces }
}

fn pair(certificate: &Certificate, key: &str, indent: usize, text: &mut String, pieces: &mut Vec<Piece>) {
    let pem = |material: &Material, kind| Piece::Pem { material: material.clone(), kind, indent };
    pieces.push(Piece::Text(std::mem::take(text)));
    pieces.push(pem(&certificate.chain, PemKind::Chain));
    pieces.push(Piece::Text(key.to_owned()));
    pieces.push(pem(&certificate.key, PemKind::Key));
}

/// The secrets and host files that a generated file needs, each once, in order of use.
#[must_use]
pub fn materials(file: &GeneratedFile) -> Vec<&Material> {
    let mut materials = Vec::new();
    for piece in &file.pieces {
        if let Piece::Pem { material, .. } = piece
            && !materials.contains(&material)
        {
            materials.push(material);
        }
    }
    materials
}

/// Fills a generated file. `value` gives the bytes of a secret or host file, `None` when it has none.
///
/// # Errors
/// When a value is missing, or holds no PEM of its kind that could be read; whether a key belongs to its certificate
/// is for the gate to say.
pub fn render<'a>(
    file: &GeneratedFile,
    value: &dyn Fn(&Material) -> Option<&'a SecretBytes>,
) -> Result<SecretBytes, RenderError> {
    let mut blocks = Vec::new();
    let mut room = 0;
    for piece in &file.pieces {
        match piece {
            Piece::Text(text) => room += text.len(),
            Piece::Pem { material, kind, indent } => {
                let fail = |problem| RenderError { what: name_of(material), problem };
                let bytes = value(material).ok_or_else(|| fail("has no value"))?;
                let found = pem::select(bytes.expose(), *kind).map_err(fail)?;
                room += found.iter().map(|line| line.len() + indent + 1).sum::<usize>();
                blocks.push(found);
            }
        }
    }
    // One allocation of the right size: growing would leave copies of a key behind.
    let mut out = Vec::with_capacity(room);
    let mut blocks = blocks.into_iter();
    for piece in &file.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Pem { indent, .. } => {
                for line in blocks.next().unwrap_or_default() {
                    out.resize(out.len() + indent, b' ');
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
        }
    }
    Ok(SecretBytes::new(out))
}

fn name_of(material: &Material) -> String {
    match (&material.secret, &material.file) {
        (Some(secret), _) => format!("secret `{secret}`"),
        (None, Some(file)) => format!("file `{}`", file.display()),
        (None, None) => "a certificate without a source".to_owned(),
    }
}
