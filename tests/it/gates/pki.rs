//! Certificates of every kind, good and bad.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const DAY: i64 = 86_400;

/// An authority.
pub(super) struct Ca {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Ca {
    pub(super) fn root(name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let cert = params.self_signed(&key).unwrap();
        Self { der: cert.der().clone(), pem: cert.pem(), issuer: Issuer::new(params, key) }
    }

    pub(super) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Self { der: cert.der().clone(), pem: cert.pem(), issuer: Issuer::new(params, key) }
    }

    pub(super) fn leaf(&self, wish: &Wish) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let cert = wish.params().signed_by(&key, &self.issuer).unwrap();
        Leaf::of(&cert, &key)
    }
}

/// What a leaf shall be.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) names: &'static [&'static str],
    /// Days from now on; negative for the past.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) purpose: ExtendedKeyUsagePurpose,
}

impl Default for Wish {
    fn default() -> Self {
        Self { names: &["*.example.org"], from: -30, to: 60, purpose: ExtendedKeyUsagePurpose::ServerAuth }
    }
}

impl Wish {
    fn params(&self) -> CertificateParams {
        let names: Vec<_> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.names.first().copied().unwrap_or("app.example.org"));
        params.extended_key_usages = vec![self.purpose.clone()];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let at = |days: i64| {
            let seconds = i64::try_from(now).unwrap() + days * DAY;
            date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap())
        };
        (params.not_before, params.not_after) = (at(self.from), at(self.to));
        params
    }

    pub(super) fn self_signed(&self) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let cert = self.params().self_signed(&key).unwrap();
        Leaf::of(&cert, &key)
    }
}

/// A leaf and its key.
pub(super) struct Leaf {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) key_pem: String,
    key: Vec<u8>,
}

impl Leaf {
    fn of(cert: &rcgen::Certificate, key: &KeyPair) -> Self {
        let (key_pem, key) = (key.serialize_pem(), key.serialize_der());
        Self { der: cert.der().clone(), pem: cert.pem(), key_pem, key }
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// A folder of PEM files.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}
