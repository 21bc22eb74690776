//! TLS handshakes that keep the presented chain, whether it is trusted or not.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::chain;
use super::net::Budget;
use super::read::bounded;
use super::seen::Trouble;

/// Both versions that are spoken here.
pub(super) static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
/// Only TLS 1.2, to see whether a server refuses it.
pub(super) static ONLY_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// The roots that are trusted.
#[derive(Debug)]
pub(super) struct Roots {
    store: Arc<RootCertStore>,
    subjects: BTreeSet<Vec<u8>>,
    /// The file, or `the system's roots`.
    pub(super) from: String,
}

impl Roots {
    /// Reads a PEM file, or the system's roots.
    pub(super) fn load(ca: Option<&Path>) -> Result<Self, String> {
        let Some(path) = ca else {
            let found = rustls_native_certs::load_native_certs();
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Self::of(found.certs, "the system's roots".to_owned())
                .map_err(|reason| format!("{reason}{why}"));
        };
        let from = format!("`{}`", path.display());
        let certs = read_certs(path)?;
        Self::of(certs, from)
    }

    fn of(certs: Vec<CertificateDer<'static>>, from: String) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let subjects = certs.iter().filter_map(|der| chain::subject_of(der)).collect();
        let (taken, _) = store.add_parsable_certificates(certs);
        if taken == 0 {
            return Err(format!("{from} hold no certificate that can be a root"));
        }
        Ok(Self { store: Arc::new(store), subjects, from })
    }

    /// True when a root has this subject (raw DER).
    pub(super) fn knows(&self, subject: &[u8]) -> bool {
        self.subjects.contains(subject)
    }
}

/// Every certificate of a PEM file; an error names the file.
pub(super) fn read_certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = bounded(path)?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certs = certs.map_err(|error| format!("`{}` is not PEM: {error}", path.display()))?;
    if certs.is_empty() { Err(format!("`{}` holds no certificate", path.display())) } else { Ok(certs) }
}

/// SHA-256 of the first certificate in a PEM text, hex; `None` where there is none.
#[must_use]
pub fn fingerprint(pem: &[u8]) -> Option<String> {
    let first = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    chain::Cert::read(&first).ok().map(|cert| cert.sha256)
}

/// How to shake hands.
pub(super) struct Wish<'a> {
    /// SNI and the name to verify.
    pub(super) name: &'a str,
    pub(super) roots: &'a Roots,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    /// True to offer HTTP/1.1 by ALPN.
    pub(super) http: bool,
}

/// What came of a handshake.
pub(super) struct Handshake {
    /// The presented chain, leaf first; empty when the server got not so far.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) outcome: Result<Box<TlsStream<TcpStream>>, Refusal>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Verification of the chain failed.
    Untrusted(CertificateError),
    /// The server proved that it has a key, but not the one of its certificate.
    OtherKey,
    /// The server refused with this alert.
    Alert(String),
    /// The server ended the connection without a word.
    Closed(String),
    /// Anything else.
    Trouble(Trouble),
}

/// Shakes hands over a connection.
pub(super) async fn handshake(stream: TcpStream, wish: &Wish<'_>, budget: Budget) -> Handshake {
    let nothing = |trouble| Handshake { chain: Vec::new(), outcome: Err(Refusal::Trouble(trouble)) };
    let Ok(name) = ServerName::try_from(wish.name.to_owned()) else {
        return nothing(Trouble::unknown(format!("`{}` is not a server name", wish.name)));
    };
    let (config, recorder) = match config(wish) {
        Ok(parts) => parts,
        Err(error) => return nothing(Trouble::unknown(format!("cannot set up TLS: {error}"))),
    };
    let peer = stream.peer_addr().map_or_else(|_| wish.name.to_owned(), |peer| peer.to_string());
    let connector = TlsConnector::from(Arc::new(config));
    let shake = async { Ok(connector.connect(name, stream).await) };
    let late = |time: &str| format!("{peer} accepted the connection but did not speak TLS within {time}");
    let shaken = budget.within(shake, late).await;
    let record = std::mem::take(&mut *recorder.record.lock().unwrap_or_else(PoisonError::into_inner));
    let outcome = match shaken {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(refusal(&peer, &error, &record)),
        Err(trouble) => Err(Refusal::Trouble(trouble)),
    };
    Handshake { chain: record.chain, outcome }
}

fn config(wish: &Wish<'_>) -> Result<(ClientConfig, Arc<Recorder>), String> {
    let provider = Arc::new(ring::default_provider());
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&wish.roots.store), Arc::clone(&provider))
            .build()
            .map_err(|error| error.to_string())?;
    let recorder = Arc::new(Recorder { inner, provider: Arc::clone(&provider), record: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(wish.versions)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    // Every handshake must show the chain, so none is resumed.
    config.resumption = rustls::client::Resumption::disabled();
    if wish.http {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok((config, recorder))
}

fn refusal(peer: &str, error: &io::Error, record: &Record) -> Refusal {
    if let Some(error) = &record.untrusted {
        return Refusal::Untrusted(error.clone());
    }
    if record.other_key {
        return Refusal::OtherKey;
    }
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::AlertReceived(alert)) => Refusal::Alert(format!("{alert:?}")),
        Some(Error::PeerIncompatible(why)) => {
            Refusal::Trouble(Trouble::fail(format!("{peer} speaks no TLS that is allowed: {why:?}")))
        }
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => {
            Refusal::Trouble(Trouble::fail(format!("{peer} does not speak TLS")))
        }
        Some(other) => Refusal::Trouble(Trouble::fail(format!("TLS with {peer} failed: {other}"))),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Refusal::Closed(format!("{peer} closed the connection during the TLS handshake"))
            }
            _ => Refusal::Trouble(Trouble::fail(format!("TLS with {peer} failed: {error}"))),
        },
    }
}

/// Keeps what a server presents, then verifies it in earnest.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    chain: Vec<Vec<u8>>,
    untrusted: Option<CertificateError>,
    other_key: bool,
}

impl Recorder {
    fn note(&self, note: impl FnOnce(&mut Record)) {
        note(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn signature(
        &self,
        result: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if result.is_err() {
            self.note(|record| record.other_key = true);
        }
        result
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(others).map(|der| der.to_vec()).collect();
        self.note(|record| record.chain = chain);
        self.inner.verify_server_cert(leaf, others, name, ocsp, now).inspect_err(|error| {
            let error = match error {
                Error::InvalidCertificate(error) => error.clone(),
                _ => CertificateError::BadEncoding,
            };
            self.note(|record| record.untrusted = Some(error));
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(self.inner.verify_tls12_signature(message, cert, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(self.inner.verify_tls13_signature(message, cert, signed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
