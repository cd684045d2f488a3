//! The certificate that clients over TLS are shown; it may change at any time, for handshakes from then on.

use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::lock::Lock;

/// The certificate in use. Locked when a handshake begins, never on the way of a packet.
#[derive(Debug, Default)]
pub struct CertificateStore {
    current: Lock<Option<Arc<CertifiedKey>>>,
}

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TurnCertificateError {
    /// No `BEGIN CERTIFICATE`.
    #[error("the certificate file holds no certificate in PEM")]
    NoCertificate,
    /// It begins like one.
    #[error("the certificate can't be read: {0}")]
    Certificate(String),
    /// No `BEGIN PRIVATE KEY`, or one of a kind that nobody knows.
    #[error("the key file holds no private key in PEM that can be used: {0}")]
    Key(String),
    /// Each is good by itself.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

impl CertificateStore {
    /// Takes a chain, the server's certificate first, and its RSA, ECDSA or Ed25519 key.
    ///
    /// # Errors
    /// Where they can't be used; the former ones stay then.
    pub fn set(&self, certificate: &str, key: &str) -> Result<(), TurnCertificateError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| TurnCertificateError::Certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(TurnCertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| TurnCertificateError::Key(error.to_string()))?;
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| TurnCertificateError::Key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(TurnCertificateError::Mismatch),
            Err(error) => return Err(TurnCertificateError::Certificate(error.to_string())),
        }
        let mut current = self.current.take();
        *current = Some(Arc::new(certified));
        Ok(())
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.take();
        current.clone()
    }
}

/// TLS 1.2 and 1.3 with the certificates of a store. Sessions are not resumed: a handshake proves nothing to us that
/// we would want to keep, and workers need not share a table.
///
/// # Errors
/// Never, as long as the provider knows both versions.
pub fn server_config(store: Arc<CertificateStore>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(store);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
