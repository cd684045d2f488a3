//! One ICE agent (RFC 8445), full or lite: checks, nomination, consent (RFC 7675), restart, role conflict.
//!
//! An adapter over the `is` crate, which forms pairs and runs the checks. What this crate adds is what a
//! server on the open internet needs around it: bounds on everything a peer can make us remember, the set of
//! remote tuples that proved themselves ([`IceAgent::is_valid`]: the gate for DTLS and SRTP), symmetric
//! responses only, W3C connection states with consent expiry, a path that follows a roaming client within
//! half a second, and a restart during which the former session keeps answering.

mod agent;
mod candidate;
mod credentials;
mod integrity;
mod outcome;
mod session;
mod translate;
mod tuples;

#[doc(hidden)]
pub mod fuzz;

pub use agent::{IceAgent, IceConfig, IceEvent, IceState, IceTransmit};
pub use candidate::{CandidateKind, LocalCandidate, Protocol, RemoteCandidate};
pub use credentials::Credentials;
pub use outcome::{IceStats, StunOutcome};
pub use sluice_wire::path::{Path, Via};
