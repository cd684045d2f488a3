//! Why an association ends.

use dimpl::{CertificateError as PeerCertificate, CryptoError, Error as Library, SecurityError};
use thiserror::Error;

/// Fatal for one transport: the association is over and nothing but a new one helps. Noise is never an error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DtlsError {
    /// The certificate is none of those that signalling announced. No key was released.
    #[error("certificate does not match the announced fingerprint")]
    FingerprintMismatch,
    /// The client sent no certificate: what one with an RSA certificate does, since we ask for ECDSA.
    #[error("no ECDSA certificate from the other side; RSA is not supported")]
    NoCertificate,
    /// A certificate we cannot check, with the reason.
    #[error("unsupported certificate: {0}")]
    UnsupportedCertificate(&'static str),
    /// No SRTP profile in common, or no `use_srtp` extension at all.
    #[error("no common SRTP profile")]
    NoCommonProfile,
    /// The other side knows neither the version, nor a cipher suite, group or extension we need.
    #[error("no common parameters: {0}")]
    NoCommonParameters(String),
    /// The other side sent a fatal alert (its number, RFC 5246 section 7.2).
    #[error("fatal alert {0} from the other side")]
    Alert(u8),
    /// The handshake did not finish in time.
    #[error("handshake timed out")]
    Timeout,
    /// The association is closed: nothing can be sent.
    #[error("association closed")]
    Closed,
    /// Anything else that the library finds wrong with what arrived.
    #[error("handshake failed: {0}")]
    Protocol(String),
}

/// Translates the library's error, given the certificate seen so far.
pub(super) fn translate(error: &Library, certificate: Option<&[u8]>) -> DtlsError {
    match error {
        Library::Timeout(_) => DtlsError::Timeout,
        Library::ConnectionClosed => DtlsError::Closed,
        Library::SecurityError(SecurityError::FatalAlert { description }) => {
            DtlsError::Alert(*description)
        }
        Library::SecurityError(
            parameters @ (SecurityError::UnsupportedClientVersion(_)
            | SecurityError::UnsupportedServerVersion(_)
            | SecurityError::NoMutuallyAcceptableCipherSuite
            | SecurityError::NoCommonCipherSuite
            | SecurityError::NoCommonKeyExchangeGroup
            | SecurityError::ServerDidNotNegotiateDtls13
            | SecurityError::ExtendedMasterSecretNotNegotiated),
        ) => DtlsError::NoCommonParameters(parameters.to_string()),
        Library::CertificateError(
            PeerCertificate::NoClientCertificateReceived
            | PeerCertificate::NoServerCertificateReceived,
        ) => DtlsError::NoCertificate,
        _ if certificate.is_some_and(has_rsa_key) => {
            DtlsError::UnsupportedCertificate("RSA certificate")
        }
        Library::CertificateError(
            PeerCertificate::UnsupportedEcCurve
            | PeerCertificate::MissingEcCurveParameter
            | PeerCertificate::InvalidEcCurveParameter,
        ) => DtlsError::UnsupportedCertificate("elliptic curve"),
        Library::CertificateError(PeerCertificate::UnsupportedHashAlgorithm(_))
        | Library::CryptoError(CryptoError::UnsupportedSignatureAlgorithm(_)) => {
            DtlsError::UnsupportedCertificate("signature algorithm")
        }
        other => DtlsError::Protocol(other.to_string()),
    }
}

/// Whether a DER certificate names the key type `rsaEncryption` (RFC 8017 appendix A.1), which only its public key does:
/// signatures have identifiers of their own.
pub(super) fn has_rsa_key(certificate: &[u8]) -> bool {
    certificate
        .windows(RSA_ENCRYPTION.len())
        .any(|window| window == RSA_ENCRYPTION)
}

/// 1.2.840.113549.1.1.1 with its DER tag and length.
const RSA_ENCRYPTION: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];
