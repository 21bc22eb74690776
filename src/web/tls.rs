//! Trust in servers that speak TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Trusts the roots of a PEM file, or the system's.
///
/// # Errors
/// The file cannot be read, is not PEM, or nothing in it can be a root; in words that name the file.
pub fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let from = if let Some(path) = ca {
        let text = std::fs::read(path).map_err(|e| format!("cannot read `{}`: {e}", path.display()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found = found.map_err(|e| format!("`{}` is not PEM: {e}", path.display()))?;
        roots.add_parsable_certificates(found);
        format!("`{}`", path.display())
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        "the system".to_owned()
    };
    if roots.is_empty() {
        return Err(format!("{from} holds no certificate that can be a root"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
