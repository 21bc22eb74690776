//! PEM blocks, checked as far as text and outer length go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::desired::PemKind;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The lines of the blocks of a kind, BEGIN and END lines included. Text outside of blocks is left out.
pub(super) fn select(bytes: &[u8], kind: PemKind) -> Result<Vec<&str>, &'static str> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not PEM but binary")?;
    let (mut selected, mut blocks) = (Vec::new(), 0);
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else {
            continue;
        };
        let mut block = vec![line];
        loop {
            let line = lines.next().ok_or("has a PEM block that does not end")?;
            block.push(line);
            if let Some(end) = line.strip_prefix(END) {
                if end.strip_suffix(DASHES) != Some(label) {
                    return Err("has a PEM block that ends as something else");
                }
                break;
            }
        }
        if wanted(label, kind)? {
            check(&block)?;
            block.retain(|line| !line.is_empty());
            selected.append(&mut block);
            blocks += 1;
        }
    }
    match (kind, blocks) {
        (PemKind::Chain, 0) => Err("holds no PEM certificate"),
        (PemKind::Key, 0) => Err("holds no PEM private key"),
        (PemKind::Key, 2..) => Err("holds more than one private key"),
        _ => Ok(selected),
    }
}

fn wanted(label: &str, kind: PemKind) -> Result<bool, &'static str> {
    match (kind, label) {
        (PemKind::Chain, "CERTIFICATE" | "X509 CERTIFICATE")
        | (PemKind::Key, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY") => Ok(true),
        (PemKind::Key, "ENCRYPTED PRIVATE KEY") => Err("is a private key under a passphrase"),
        _ => Ok(false),
    }
}

/// Base64 that decodes to one DER sequence of the length that it says.
fn check(block: &[&str]) -> Result<(), &'static str> {
    let inner = block.get(1..block.len().saturating_sub(1)).unwrap_or_default();
    if inner.iter().any(|line| line.contains(':')) {
        return Err("is a private key under a passphrase");
    }
    let mut base64 = Zeroizing::new(String::with_capacity(inner.iter().map(|line| line.len()).sum()));
    for line in inner {
        base64.push_str(line);
    }
    let der =
        Zeroizing::new(STANDARD.decode(base64.as_bytes()).map_err(|_| "has a PEM block that is not base64")?);
    if sequence_length(&der) == Some(der.len()) {
        Ok(())
    } else {
        Err("has a PEM block that is cut or damaged")
    }
}

/// Length of a DER sequence with its header.
fn sequence_length(der: &[u8]) -> Option<usize> {
    let [0x30, first, rest @ ..] = der else { return None };
    if *first < 0x80 {
        return Some(2 + usize::from(*first));
    }
    let count = usize::from(*first & 0x7f);
    if count > 4 {
        return None;
    }
    let length = rest.get(..count)?.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    Some(2 + count + length)
}
