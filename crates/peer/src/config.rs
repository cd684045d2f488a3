//! How a transport begins, and what signalling tells of the other side.

use sluice_data::DataRole;
use sluice_ice::Credentials;
use sluice_secure::{Certificate, DtlsRole, DtlsVersions, Fingerprint};
use sluice_wire::id::PeerId;

/// How a transport begins.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// For logs.
    pub id: PeerId,
    /// Our credentials.
    pub ice: Credentials,
    /// Answers checks and sends none.
    pub ice_lite: bool,
    /// Takes the controlling role at first.
    pub controlling: bool,
    /// Shared by all transports of the process.
    pub certificate: Certificate,
    /// DTLS versions spoken.
    pub versions: DtlsVersions,
    /// Passive but for clients in tests.
    pub data: DataRole,
    /// Makes the tie breaker and where transport-cc numbers begin.
    pub seed: u64,
}

impl PeerConfig {
    /// A server's transport: full ICE, DTLS 1.2, passive data.
    pub fn new(id: PeerId, ice: Credentials, certificate: Certificate, seed: u64) -> Self {
        Self {
            id,
            ice,
            ice_lite: false,
            controlling: false,
            certificate,
            versions: DtlsVersions::V12,
            data: DataRole::Passive,
            seed,
        }
    }
}

/// The other side's description, as far as a transport needs it.
#[derive(Debug, Clone)]
pub struct RemoteDescription {
    /// Its credentials; others than before mean that it restarted ICE.
    pub ice: Credentials,
    /// True for a lite agent.
    pub ice_lite: bool,
    /// Our DTLS role; the first one given holds for the life of the transport.
    pub dtls_role: DtlsRole,
    /// Of which its certificate must match one; those first given hold for the life of the transport.
    pub fingerprints: Vec<Fingerprint>,
}
