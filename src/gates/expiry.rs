//! When certificates cease to be valid, said without a judgement.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::Instant;

use super::chain::Cert;
use super::net::{Budget, NoConnection, connect, resolve};
use super::read::{aside, bounded};
use super::seen::Trouble;
use super::tls::{BOTH, Roots, Wish, handshake};
use crate::manifest::CertificateGate;

/// When the first certificate of a chain ceases to be valid, RFC 3339; or why that is not known.
pub type Expiry = Result<String, String>;

/// The first one of a PEM text to expire.
///
/// # Errors
/// It holds no certificate, or something that is none.
pub fn expiry(pem: &[u8]) -> Expiry {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    first(chain.map_err(|error| format!("it is not PEM: {error}"))?.iter().map(AsRef::as_ref))
}

/// As [`expiry`], of a file.
///
/// # Errors
/// As there, and where the file cannot be read.
pub fn expiry_of_file(path: &Path) -> Expiry {
    expiry(&bounded(path)?)
}

/// The first one of the chain to expire that each address of a gate serves, trusted or not.
pub async fn served(gate: &CertificateGate, patience: Duration) -> Vec<(String, Expiry)> {
    let budget = Budget { until: Instant::now() + patience, whole: patience };
    let ca = gate.ca.clone();
    let roots = match aside(move || Roots::load(ca.as_deref())).await {
        Ok(roots) => roots,
        Err(reason) => return vec![(String::new(), Err(reason))],
    };
    let addresses = if gate.at.is_empty() {
        match resolve(&gate.name, 443, budget).await {
            Ok(addresses) => addresses,
            Err(Trouble { reason, .. }) => return vec![(String::new(), Err(reason))],
        }
    } else {
        gate.at.clone()
    };
    let wish = Wish { name: &gate.name, roots: &roots, versions: BOTH, http: false };
    let wish = &wish;
    let each = addresses.into_iter().map(|at| async move {
        let expiry = match connect(at, budget).await {
            // The chain is kept whatever comes of the handshake.
            Ok(stream) => first(handshake(stream, wish, budget).await.chain.iter().map(Vec::as_slice)),
            Err(NoConnection { trouble, .. }) => Err(trouble.reason),
        };
        (at.to_string(), expiry)
    });
    join_all(each).await
}

fn first<'d>(chain: impl Iterator<Item = &'d [u8]>) -> Expiry {
    let times: Result<Vec<_>, _> = chain.map(|der| Cert::read(der).map(|cert| cert.not_after)).collect();
    let first = times?.into_iter().min();
    first.map(|time| time.to_string()).ok_or_else(|| "there is no certificate".to_owned())
}
