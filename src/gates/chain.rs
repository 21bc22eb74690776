//! Certificates as facts, and in plain words what is wrong with a chain.

use std::fmt;
use std::net::IpAddr;

use rustls::CertificateError;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The reason for a handshake that was signed by another key than the certificate's.
pub(super) const OTHER_KEY: &str =
    "key of another certificate: the server's private key does not belong to the certificate that it serves";

/// One certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cert {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// Hex, colons between the bytes.
    pub(super) serial: String,
    pub(super) not_before: Time,
    pub(super) not_after: Time,
    /// SHA-256 of the whole certificate, hex.
    pub(super) sha256: String,
    /// Subject alternative names: DNS names and addresses.
    pub(super) names: Vec<String>,
    /// Extended key usages; empty when the certificate does not restrict them.
    pub(super) purposes: Vec<String>,
    #[serde(skip)]
    pub(super) subject_der: Vec<u8>,
    #[serde(skip)]
    pub(super) issuer_der: Vec<u8>,
    /// The public key, as `SubjectPublicKeyInfo`.
    #[serde(skip)]
    pub(super) public_key: Vec<u8>,
}

/// Unix seconds that are written as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub(super) i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl Cert {
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let (_, cert) =
            X509Certificate::from_der(der).map_err(|error| format!("not a certificate: {error}"))?;
        Ok(Self {
            subject: cert.subject().to_string(),
            issuer: cert.issuer().to_string(),
            serial: cert.raw_serial_as_string(),
            not_before: Time(cert.validity().not_before.timestamp()),
            not_after: Time(cert.validity().not_after.timestamp()),
            sha256: hex(&Sha256::digest(der)),
            names: names(&cert),
            purposes: purposes(&cert),
            subject_der: cert.subject().as_raw().to_vec(),
            issuer_der: cert.issuer().as_raw().to_vec(),
            public_key: cert.public_key().raw.to_vec(),
        })
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// True when one of the names covers this one; a wildcard stands for exactly one label.
    pub(super) fn covers(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.names.iter().any(|have| have.parse() == Ok(address));
        }
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|have| {
            have.eq_ignore_ascii_case(name)
                || have
                    .strip_prefix("*.")
                    .is_some_and(|have| parent.is_some_and(|parent| have.eq_ignore_ascii_case(parent)))
        })
    }

    /// True when this very certificate can hold for the name at no later time.
    pub(super) fn is_past_cure(&self, name: &str, now: i64) -> bool {
        self.not_after.0 < now || !self.covers(name)
    }

    /// Names the certificate in a reason: its subject, or its first name where the subject is empty.
    pub(super) fn label(&self) -> &str {
        if self.subject.is_empty() { self.names.first().map_or("", String::as_str) } else { &self.subject }
    }
}

/// The raw subject of a certificate.
pub(super) fn subject_of(der: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(der).ok().map(|(_, cert)| cert.subject().as_raw().to_vec())
}

fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(general_name).collect()
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

fn purposes(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = cert.extended_key_usage() else { return Vec::new() };
    let usage = &extension.value;
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "server"),
        (usage.client_auth, "client"),
        (usage.code_signing, "code signing"),
        (usage.email_protection, "e-mail"),
        (usage.time_stamping, "time stamping"),
        (usage.ocsp_signing, "OCSP signing"),
    ];
    let known = known.into_iter().filter(|(set, _)| *set).map(|(_, word)| word.to_owned());
    known.chain(usage.other.iter().map(ToString::to_string)).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is wrong with the validity of a certificate at `now`.
pub(super) fn validity_problem(cert: &Cert, now: i64) -> Option<String> {
    if now > cert.not_after.0 {
        let ago = ago(now - cert.not_after.0);
        Some(format!("certificate expired: `{}` since {}, {ago} ago", cert.label(), cert.not_after))
    } else if now < cert.not_before.0 {
        let ahead = ago(cert.not_before.0 - now);
        Some(format!(
            "certificate not yet valid: `{}` only from {}, in {ahead}",
            cert.label(),
            cert.not_before
        ))
    } else {
        None
    }
}

/// A span in the largest unit that fits.
pub(super) fn ago(seconds: i64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / DAY, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Why a leaf does not stand for a name.
pub(super) fn name_problem(leaf: &Cert, name: &str) -> Option<String> {
    if leaf.covers(name) {
        return None;
    }
    if leaf.names.is_empty() {
        return Some(format!(
            "certificate for another name: `{}` has no subject names (a common name counts for nothing), \
             `{name}` was asked for",
            leaf.label()
        ));
    }
    let deep = leaf.names.iter().find(|have| {
        have.strip_prefix('*').is_some_and(|suffix| name.to_lowercase().ends_with(&suffix.to_lowercase()))
    });
    if let Some(wildcard) = deep {
        return Some(format!(
            "certificate for another name: `{wildcard}` stands for one label only and does not cover `{name}`"
        ));
    }
    Some(format!(
        "certificate for another name: `{name}` was asked for, served is {}",
        leaf.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    ))
}

/// What verification is told besides the chain.
pub(super) struct Trust<'a> {
    /// The name that was asked for.
    pub(super) name: &'a str,
    /// Unix seconds.
    pub(super) now: i64,
    /// True for the raw subject of a trusted root.
    pub(super) knows: &'a dyn Fn(&[u8]) -> bool,
    /// Where the roots come from.
    pub(super) roots: &'a str,
}

/// Why a chain was refused: every reason that can be told, the verifier's own first.
pub(super) fn refusal_problems(error: &CertificateError, chain: &[Cert], trust: &Trust<'_>) -> Vec<String> {
    let Some(leaf) = chain.first() else { return vec!["no certificate was served".to_owned()] };
    let dates: Vec<_> = chain.iter().filter_map(|cert| validity_problem(cert, trust.now)).collect();
    let name = name_problem(leaf, trust.name);
    let mut problems = Vec::new();
    match error {
        CertificateError::UnknownIssuer => problems.push(broken_chain(leaf, chain, trust)),
        CertificateError::BadSignature => {
            let generic =
                || "a certificate of the chain is not signed by the issuer that it names".to_owned();
            problems.push(forged(last_of(leaf, chain), trust).unwrap_or_else(generic));
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            problems.push(format!(
                "certificate for another use: `{}` is for {} and not for servers",
                leaf.label(),
                leaf.purposes.join(", ")
            ));
        }
        other if dates.is_empty() && name.is_none() => {
            problems.push(format!("certificate refused: {other}"));
        }
        _ => {}
    }
    problems.extend(dates);
    problems.extend(name);
    problems
}

/// The sent certificates in the order in which each was issued by the next, as indices; starts with the leaf.
pub(super) fn path(chain: &[Cert]) -> Vec<usize> {
    let mut path = vec![0];
    let mut current = chain.first();
    while let Some(cert) = current.filter(|cert| !cert.is_self_issued()) {
        let next = chain
            .iter()
            .enumerate()
            .find(|(at, next)| next.subject_der == cert.issuer_der && !path.contains(at));
        if let Some((at, _)) = next {
            path.push(at);
        }
        current = next.map(|(_, next)| next);
    }
    path
}

/// The last certificate that a chain leads to from its leaf.
fn last_of<'a>(leaf: &'a Cert, chain: &'a [Cert]) -> &'a Cert {
    path(chain).last().and_then(|at| chain.get(*at)).unwrap_or(leaf)
}

/// For a chain whose last certificate names a trusted root, which then cannot have signed it.
fn forged(last: &Cert, trust: &Trust<'_>) -> Option<String> {
    (trust.knows)(&last.issuer_der).then(|| {
        format!(
            "`{}` names the trusted root `{}` as its issuer but was not signed by that root's key",
            last.label(),
            last.issuer
        )
    })
}

/// Why a chain does not end at a trusted root.
fn broken_chain(leaf: &Cert, chain: &[Cert], trust: &Trust<'_>) -> String {
    let last = last_of(leaf, chain);
    let roots = trust.roots;
    if leaf.is_self_issued() {
        return format!(
            "self-signed certificate: `{}` is its own issuer and not among {roots}",
            leaf.label()
        );
    }
    if last.is_self_issued() {
        return format!("unknown root: the chain ends at `{}`, which is not among {roots}", last.subject);
    }
    if let Some(forged) = forged(last, trust) {
        return forged;
    }
    if last == leaf {
        return format!(
            "incomplete chain: `{}` was issued by `{}`, which was not sent and is not among {roots} (a missing \
             intermediate certificate, or the wrong root)",
            leaf.label(),
            leaf.issuer
        );
    }
    format!(
        "unknown issuer: the chain ends at `{}`, whose issuer `{}` is not among {roots}",
        last.subject, last.issuer
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cert(subject: &str, issuer: &str) -> Cert {
        Cert {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            subject_der: subject.as_bytes().to_vec(),
            issuer_der: issuer.as_bytes().to_vec(),
            not_after: Time(1_000_000),
            ..Cert::default()
        }
    }

    fn why(chain: &[Cert], known: &str) -> String {
        let trusted = |subject: &[u8]| subject == known.as_bytes();
        let trust = Trust { name: "a.example.org", now: 500_000, knows: &trusted, roots: "`ca.pem`" };
        broken_chain(&chain[0], chain, &trust)
    }

    #[test]
    fn each_way_to_break_a_chain_has_its_own_words() {
        assert!(why(&[cert("leaf", "leaf")], "root").starts_with("self-signed certificate"));
        assert!(why(&[cert("leaf", "inter")], "root").starts_with("incomplete chain"));
        assert!(why(&[cert("leaf", "inter"), cert("inter", "r2")], "root").starts_with("unknown issuer"));
        assert!(why(&[cert("leaf", "r2"), cert("r2", "r2")], "root").starts_with("unknown root"));
        assert!(why(&[cert("leaf", "root")], "root").contains("not signed by that root's key"));
    }

    #[test]
    fn the_path_finds_its_way_through_a_wrong_order() {
        let chain = [cert("leaf", "a"), cert("root", "root"), cert("b", "root"), cert("a", "b")];
        assert_eq!(path(&chain), [0, 3, 2, 1]);
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = vec!["*.example.org".to_owned(), "192.0.2.7".to_owned()];
        let leaf = Cert { names, ..cert("leaf", "root") };
        for name in ["a.example.org", "A.EXAMPLE.org", "192.0.2.7"] {
            assert_eq!(name_problem(&leaf, name), None, "{name}");
        }
        for name in ["a.b.example.org", "example.org", "a.example.net", "192.0.2.8"] {
            assert!(name_problem(&leaf, name).is_some(), "{name} was covered");
        }
        assert!(name_problem(&leaf, "a.b.example.org").unwrap().contains("one label only"));
        assert!(
            name_problem(&cert("leaf", "root"), "x").unwrap().contains("a common name counts for nothing")
        );
    }

    #[test]
    fn dates_are_said_in_full() {
        let cert = cert("leaf", "root");
        let text = validity_problem(&cert, 1_000_000 + 3 * DAY).unwrap();
        assert_eq!(text, "certificate expired: `leaf` since 1970-01-12T13:46:40Z, 3 days ago");
        assert_eq!(validity_problem(&cert, 1_000_000), None);
    }
}
