//! One value of each kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::{Zeroize, Zeroizing};

use crate::manifest::{GeneratorKind, RandomText, TlsSelfSigned};
use crate::secrets::convert::new_identity;
use crate::secrets::random;
use crate::secrets::value::SecretBytes;

/// bcrypt's own alphabet.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, NO_PAD);
/// Rounds of bcrypt, as a power of two: about a quarter of a second.
const COST: u32 = 12;
/// More rounds are not tried on a line that somebody else wrote.
const MOST: u32 = 16;
/// bcrypt looks at no more bytes of a password.
const LONGEST: usize = 72;

/// A value that was made.
pub struct Made {
    /// The value.
    pub value: SecretBytes,
    /// What of it everybody may know.
    pub public: Option<String>,
}

/// Makes a value. An htpasswd line needs its `password`; a certificate starts on the day of `now`.
///
/// # Errors
/// No random bytes, a password that bcrypt does not take whole, names that no certificate can have.
pub fn make(kind: GeneratorKind<'_>, password: Option<&SecretBytes>, now: Timestamp) -> Result<Made, String> {
    let secret = |value| Made { value, public: None };
    match kind {
        GeneratorKind::Random(text) => Ok(secret(characters(text)?)),
        GeneratorKind::Hmac(key) => {
            let bytes = bytes(usize::try_from(key.bits / 8).unwrap_or_default())?;
            Ok(secret(SecretBytes::new(STANDARD.encode(&*bytes).into_bytes())))
        }
        GeneratorKind::Age => {
            let (recipient, value) = new_identity();
            Ok(Made { value, public: Some(recipient) })
        }
        GeneratorKind::Ssh(key) => ssh(&key.comment),
        GeneratorKind::Tls(tls) => certificate(tls, now),
        GeneratorKind::Forge(_) => Err("a forge makes it".to_owned()),
        GeneratorKind::Htpasswd(line) => {
            let password = password.ok_or("its password is not known")?;
            htpasswd(&line.user, password).map(secret)
        }
    }
}

/// What of a value everybody may know; nothing where it is not what this kind makes.
#[must_use]
pub fn public_part(kind: GeneratorKind<'_>, value: &SecretBytes) -> Option<String> {
    let text = std::str::from_utf8(value.expose()).ok()?;
    match kind {
        GeneratorKind::Age => {
            let identity: age::x25519::Identity = text.trim().parse().ok()?;
            Some(identity.to_public().to_string())
        }
        GeneratorKind::Ssh(_) => PrivateKey::from_openssh(text).ok()?.public_key().to_openssh().ok(),
        GeneratorKind::Tls(_) => {
            let from = text.find("-----BEGIN CERTIFICATE-----")?;
            text.get(from..).map(str::to_owned)
        }
        GeneratorKind::Random(_)
        | GeneratorKind::Hmac(_)
        | GeneratorKind::Htpasswd(_)
        | GeneratorKind::Forge(_) => None,
    }
}

/// Whether an htpasswd line is for this user and opens by this password.
#[must_use]
pub fn opens(line: &SecretBytes, user: &str, password: &SecretBytes) -> bool {
    let hash = || {
        let text = std::str::from_utf8(line.expose()).ok()?;
        let (name, hash) = text.trim_end().split_once(':')?;
        let mut parts = hash.split('$').skip(1);
        let (kind, cost, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let cost: u32 = cost.parse().ok().filter(|cost| (4..=MOST).contains(cost))?;
        let (salt, digest) = rest.split_at_checked(22)?;
        let salt: [u8; 16] = BCRYPT.decode(salt).ok()?.try_into().ok()?;
        let fits = name == user && matches!(kind, "2a" | "2b" | "2y");
        fits.then_some((cost, salt, digest.to_owned()))
    };
    let Some((cost, salt, digest)) = hash() else { return false };
    hashed(password, cost, salt).is_ok_and(|found| found == digest)
}

fn bytes(count: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(vec![0; count]);
    random::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// Each character as likely as any other: numbers beyond the last whole run of the characters are thrown away.
fn characters(text: &RandomText) -> Result<SecretBytes, String> {
    let characters = text.characters();
    let count = u32::try_from(characters.len()).unwrap_or(u32::MAX).max(1);
    let most = u32::MAX - u32::MAX % count;
    let length = usize::try_from(text.length).unwrap_or_default();
    let mut made = Zeroizing::new(String::with_capacity(length * 4));
    let mut left = length;
    while left > 0 {
        let numbers = bytes(left * 4)?;
        for number in numbers.chunks_exact(4) {
            let mut word = <[u8; 4]>::try_from(number).unwrap_or_default();
            let number = u32::from_le_bytes(word);
            word.zeroize();
            let at = usize::try_from(number % count).unwrap_or_default();
            if let (true, Some(character)) = (number < most, characters.get(at)) {
                made.push(*character);
                left -= 1;
            }
        }
    }
    Ok(SecretBytes::new(made.as_bytes().to_vec()))
}

fn ssh(comment: &str) -> Result<Made, String> {
    let seed = bytes(32)?;
    let mut whole = Zeroizing::new([0_u8; 32]);
    whole.copy_from_slice(&seed);
    let failed = |error: ssh_key::Error| format!("no SSH key can be made: {error}");
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&whole));
    let key = PrivateKey::new(pair, comment).map_err(failed)?;
    let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
    let public = key.public_key().to_openssh().map_err(failed)?;
    Ok(Made { value: SecretBytes::new(text.as_bytes().to_vec()), public: Some(public) })
}

fn certificate(tls: &TlsSelfSigned, now: Timestamp) -> Result<Made, String> {
    let failed = |error: rcgen::Error| format!("no certificate can be made: {error}");
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let mut wanted = rcgen::CertificateParams::new(tls.names.clone()).map_err(failed)?;
    let first = now.to_zoned(TimeZone::UTC).date();
    let last = first
        .checked_add(jiff::Span::new().days(i64::from(tls.days)))
        .map_err(|error| format!("no certificate can be made: {error}"))?;
    let name = tls.names.first().cloned().unwrap_or_default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, name);
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    // The days of a manifest stay far inside of what can be.
    let day = |date: Date| rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()));
    wanted.not_before = day(first);
    wanted.not_after = day(last);
    let certificate = wanted.self_signed(&key).map_err(failed)?.pem();
    let key = Zeroizing::new(key.serialize_pem());
    let mut bundle = Vec::with_capacity(key.len() + certificate.len());
    bundle.extend_from_slice(key.as_bytes());
    bundle.extend_from_slice(certificate.as_bytes());
    Ok(Made { value: SecretBytes::new(bundle), public: Some(certificate) })
}

fn htpasswd(user: &str, password: &SecretBytes) -> Result<SecretBytes, String> {
    let mut salt = [0; 16];
    salt.copy_from_slice(&bytes(16)?);
    let digest = hashed(password, COST, salt)?;
    let line = format!("{user}:$2y${COST:02}${}{digest}", BCRYPT.encode(salt));
    Ok(SecretBytes::new(line.into_bytes()))
}

/// The part of a bcrypt hash behind its salt. One line break at the password's end does not count.
fn hashed(password: &SecretBytes, cost: u32, salt: [u8; 16]) -> Result<String, String> {
    let text = password.expose();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() || text.len() > LONGEST || text.contains(&0) {
        return Err(format!("its password is empty, longer than {LONGEST} bytes, or has a zero byte in it"));
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    whole.extend_from_slice(text);
    whole.push(0);
    whole.truncate(LONGEST);
    let digest = bcrypt::bcrypt(cost, salt, &whole);
    Ok(BCRYPT.encode(digest.get(..23).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::manifest::{Generator, Htpasswd};

    fn now() -> Timestamp {
        "2026-11-21T22:00:00Z".parse().unwrap()
    }

    fn generator(text: &str) -> Generator {
        serde_json::from_str(text).unwrap()
    }

    fn text(made: &Made) -> String {
        String::from_utf8(made.value.expose().to_vec()).unwrap()
    }

    #[test]
    fn every_character_of_a_set_comes_about_as_often_as_any_other() {
        for (charset, size) in [("alnum", 62), ("hex", 16), ("base64url", 64), ("abcé", 4)] {
            let random = RandomText { length: 4096, charset: charset.to_owned() };
            let mut seen: BTreeMap<char, u32> = BTreeMap::new();
            for _ in 0..16 {
                for character in text(&make(GeneratorKind::Random(&random), None, now()).unwrap()).chars() {
                    *seen.entry(character).or_default() += 1;
                }
            }
            assert_eq!(seen.len(), size, "{charset}");
            let mean = 4096.0 * 16.0 / f64::from(u32::try_from(size).unwrap());
            assert!(
                seen.values().all(|count| (f64::from(*count) - mean).abs() < mean.sqrt() * 7.0),
                "{seen:?}"
            );
        }
    }

    #[test]
    fn public_parts_are_those_of_the_values_and_no_two_values_are_the_same() {
        let kinds = [
            r#"{"age_key": {}}"#,
            r#"{"ssh_key": {"comment": "web@example.org"}}"#,
            r#"{"tls_self_signed": {"names": ["web.example.org", "192.0.2.7"], "days": 90}}"#,
            r#"{"hmac_key": {"bits": 512}}"#,
        ];
        for kind in kinds {
            let generator = generator(kind);
            let kind = generator.kinds()[0];
            let (one, two) = (make(kind, None, now()).unwrap(), make(kind, None, now()).unwrap());
            assert!(one.value.expose() != two.value.expose(), "{}", kind.name());
            assert_eq!(public_part(kind, &one.value), one.public, "{}", kind.name());
            assert!(one.public.is_none() || one.public != two.public);
        }
        let hmac = generator(r#"{"hmac_key": {"bits": 512}}"#);
        let made = make(hmac.kinds()[0], None, now()).unwrap();
        assert_eq!(STANDARD.decode(made.value.expose()).unwrap().len(), 64);
    }

    #[test]
    fn a_line_opens_by_its_password_alone() {
        // A hash that the reference implementation's test suite has.
        let known = b"me:$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe".to_vec();
        let known = SecretBytes::new(known);
        let password = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
        assert!(opens(&known, "me", &password("a")) && opens(&known, "me", &password("a\n")));
        assert!(!opens(&known, "me", &password("b")) && !opens(&known, "you", &password("a")));
        assert!(!opens(&password("me:$2y$31$m0CrhHm10qJ3lXRY.5zDGO"), "me", &password("a")));
        let line = Htpasswd {
            user: "me".to_owned(),
            password: crate::manifest::Password { secret: "p".to_owned() },
        };
        let made = make(GeneratorKind::Htpasswd(&line), Some(&password("hunter2")), now()).unwrap();
        assert!(text(&made).starts_with("me:$2y$12$") && text(&made).len() == 63);
        assert!(opens(&made.value, "me", &password("hunter2")));
        let long = password(&"a".repeat(73));
        assert!(make(GeneratorKind::Htpasswd(&line), Some(&long), now()).is_err());
    }
}
