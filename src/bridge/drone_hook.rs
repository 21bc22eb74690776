//! Whether a call is Drone's: its global webhook signs the date and a digest of the body. What the body says decides
//! nothing; a call only wakes who follows a build, so that one that is sent again does no harm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use hyper::header::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::signature::Unsigned;
use crate::secrets::SecretBytes;

/// How far its clock and ours may be apart, the time on the way included.
const AGE: SignedDuration = SignedDuration::from_mins(5);

/// Judges the headers `Date`, `Digest` and `Signature` of a call against its body.
///
/// # Errors
/// When one is missing, there twice or malformed, the call is too old, or it is not signed with the secret.
pub fn check(secret: &SecretBytes, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Unsigned> {
    let (date, digest) = (one(headers, "date")?, one(headers, "digest")?);
    let claimed = signature(one(headers, "signature")?).ok_or(Unsigned::Malformed)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).map_err(|_| Unsigned::Wrong)?;
    for part in ["date: ", date, "\ndigest: ", digest] {
        mac.update(part.as_bytes());
    }
    mac.verify_slice(&claimed).map_err(|_| Unsigned::Wrong)?;
    // Both are the sender's own words from here on.
    let right = STANDARD.encode(Sha256::digest(body));
    if digest.strip_prefix("SHA-256=") != Some(&right) {
        return Err(Unsigned::Wrong);
    }
    let sent = jiff::fmt::rfc2822::parse(date).map_err(|_| Unsigned::Malformed)?.timestamp();
    if now.duration_since(sent).abs() > AGE { Err(Unsigned::Old) } else { Ok(()) }
}

/// The one value of a header.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Unsigned> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Unsigned::Missing),
        (Some(_), Some(_)) => Err(Unsigned::Twice),
        (Some(value), None) => HeaderValue::to_str(value).map_err(|_| Unsigned::Malformed),
    }
}

/// The bytes of `keyId="...",algorithm="hmac-sha256",headers="date digest",signature="BASE64"`, in any order.
fn signature(header: &str) -> Option<Vec<u8>> {
    let (mut algorithm, mut signed, mut signature) = (None, None, None);
    for field in header.split(',') {
        let (name, value) = field.trim_ascii().split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let place = match name {
            "algorithm" => &mut algorithm,
            "headers" => &mut signed,
            "signature" => &mut signature,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let as_drone_does = algorithm == Some("hmac-sha256") && signed == Some("date digest");
    if as_drone_does { STANDARD.decode(signature?).ok() } else { None }
}

#[cfg(test)]
#[path = "drone_hook_tests.rs"]
mod tests;
