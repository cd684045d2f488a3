//! Our own certificate: one per process, shown to every client.

use std::sync::Arc;
use std::time::Duration;

use dimpl::DtlsCertificate;
use thiserror::Error;

use super::fingerprint::{Fingerprint, HashAlgorithm};

/// A self-signed ECDSA P-256 certificate with its key and the handshake settings all transports share.
///
/// Cheap to clone, so that every worker holds one.
#[derive(Clone)]
pub struct Certificate {
    identity: DtlsCertificate,
    config: Arc<dimpl::Config>,
}

/// Our certificate could not be made or read. Fatal at start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Key generation or signing failed.
    #[error("certificate generation failed")]
    Generation,
    /// The private key is not PKCS #8 or SEC 1 of an ECDSA P-256 or P-384 key.
    #[error("unsupported private key")]
    Key,
    /// The DTLS library refused its settings.
    #[error("DTLS settings refused: {0}")]
    Settings(String),
}

impl Certificate {
    /// Makes a certificate with a fresh key.
    pub fn generate() -> Result<Self, CertificateError> {
        let identity = dimpl::certificate::generate_self_signed_certificate()
            .map_err(|_| CertificateError::Generation)?;
        Ok(Self {
            identity,
            config: shared_config(None)?,
        })
    }

    /// Takes a certificate and its private key, both DER.
    pub fn from_der(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Self, CertificateError> {
        let config = shared_config(None)?;
        if certificate.is_empty()
            || config
                .crypto_provider()
                .key_provider
                .load_private_key(&private_key)
                .is_err()
        {
            return Err(CertificateError::Key);
        }
        Ok(Self {
            identity: DtlsCertificate {
                certificate,
                private_key,
            },
            config,
        })
    }

    /// The same certificate with predictable hello randoms and timer jitter: for simulations only.
    #[doc(hidden)]
    pub fn seeded(self, seed: u64) -> Result<Self, CertificateError> {
        Ok(Self {
            config: shared_config(Some(seed))?,
            ..self
        })
    }

    /// What goes into `a=fingerprint` (RFC 8122): SHA-256, upper-case pairs joined by colons.
    pub fn fingerprint_sha256(&self) -> String {
        self.fingerprint(HashAlgorithm::Sha256).value_text()
    }

    /// The certificate under another hash.
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(algorithm, &self.identity.certificate)
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.identity.certificate
    }

    pub(super) fn identity(&self) -> DtlsCertificate {
        self.identity.clone()
    }

    pub(super) fn config(&self) -> Arc<dimpl::Config> {
        Arc::clone(&self.config)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate(sha-256 {})", self.fingerprint_sha256())
    }
}

/// Handshake settings; building them runs the library's self-tests, so it is done once.
fn shared_config(seed: Option<u64>) -> Result<Arc<dimpl::Config>, CertificateError> {
    let mut builder = dimpl::Config::builder()
        .mtu(HANDSHAKE_MTU)
        .require_client_certificate(true)
        // A cookie proves the address, which an ICE check already did; without it joining is a round trip shorter.
        .use_server_cookie(false)
        .flight_start_rto(FIRST_RETRANSMISSION)
        .flight_retries(FLIGHT_RETRIES)
        .handshake_timeout(HANDSHAKE_TIMEOUT);
    if let Some(seed) = seed {
        builder = builder.dangerously_set_rng_seed(seed);
    }
    builder
        .build()
        .map(Arc::new)
        .map_err(|error| CertificateError::Settings(error.to_string()))
}

/// Bytes of UDP payload per handshake datagram; fits every tunnel a client may sit behind (IPv6 minimum 1,280).
const HANDSHAKE_MTU: usize = 1_150;

/// First retransmission, doubled each time. Lower helps joins on lossy links and repeats flights on links slower than
/// it; browsers use 50 ms, livekit-server 100 ms.
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(100);

/// Repeats of one flight; the handshake timeout ends it earlier when nothing at all comes back.
const FLIGHT_RETRIES: usize = 10;

/// From the first hello. The client's own limit and ICE's are near it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
