//! Certificates that live as long as a test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// The name in all of them.
pub const DOMAIN: &str = "turn.example.com";

/// An authority.
pub struct Authority {
    root: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let root = params.self_signed(&key).expect("it can be signed");
        Self {
            root,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for [`DOMAIN`] with an ECDSA key.
    pub fn issue(&self) -> Pair {
        self.issue_for(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub fn issue_for(&self, algorithm: &'static SignatureAlgorithm) -> Pair {
        let key = KeyPair::generate_for(algorithm).expect("a key can be made");
        let params = CertificateParams::new(vec![DOMAIN.to_owned()]).expect("a good name");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("it can be signed");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts this authority alone.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_with(rustls::ALL_VERSIONS)
    }

    pub fn client_with(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.root.der().clone())
            .expect("a root certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
