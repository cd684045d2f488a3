//! One WebRTC transport: ICE, DTLS, SRTP and data channels behind five verbs.
//!
//! ```text
//!             ┌ STUN ─▶ ice ────────────────┐
//! datagram ─▶ ┤ DTLS ─▶ (valid tuple?) dtls ┼─▶ events, transmits
//!             │                └─▶ data ────┘
//!             └ SRTP ─▶ (valid tuple?) unprotect in place ─▶ Received::Rtp | Received::Rtcp
//! ```
//! Nothing but STUN is looked at before its source proved by STUN that it is our peer. Noise is dropped and
//! counted by reason; what is fatal ends this transport alone, a panic inside a library included.

mod close;
mod config;
mod counters;
mod event;
mod handshake;
mod peer;
mod receive;
mod send;
mod twcc;

#[doc(hidden)]
pub mod fuzz;

pub use config::{PeerConfig, RemoteDescription};
pub use counters::{DropReason, PeerStats};
pub use event::{CloseReason, PeerEvent};
pub use peer::{Peer, PeerTransmit};
pub use receive::Received;
pub use send::SendError;

pub use sluice_data::{ChannelId, ChannelSettings, DataRole, SendOutcome};
pub use sluice_ice::{
    CandidateKind, Credentials, IceState, LocalCandidate, Path, Protocol, RemoteCandidate, Via,
};
pub use sluice_secure::{
    Certificate, CertificateError, DtlsRole, DtlsVersions, Fingerprint, HashAlgorithm, SealError,
    SendStream, SrtpProfile,
};
