//! Keys and packets: the DTLS handshake of one transport, its fingerprint check, and SRTP and SRTCP in place.
//!
//! ```text
//! datagram ─▶ Dtls ─▶ Connected(SrtpKeys) ─▶ SrtpKeys::into_streams() ─▶ SrtpSender, SrtpReceiver
//! ```
//! The third-party DTLS library is named in `dtls/` only and its types end there.

mod dtls;
pub mod fuzz;
mod srtp;

pub use dtls::certificate::{Certificate, CertificateError};
pub use dtls::fingerprint::{Fingerprint, HashAlgorithm};
pub use dtls::{Dtls, DtlsCounters, DtlsError, DtlsEvent, DtlsNoise, DtlsRole, DtlsVersions};
pub use srtp::keys::{MasterKey, SrtpKeys, SrtpProfile};
pub use srtp::receiver::{MAX_INBOUND_SSRCS, Reject, SrtpReceiver};
pub use srtp::sender::{SealError, SendStream, SrtpSender};
