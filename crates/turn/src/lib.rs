//! A TURN server (RFC 8656) without sockets and clocks: requests come in, answers and relayed packets go out.
//!
//! One [`Server`] serves one worker's clients over UDP, and over TCP and TLS where somebody else splits the stream
//! into messages ([`frame`]). It relays UDP only, knows its users by credentials that it can derive
//! ([`credential`]), and lets them reach what [`PeerRules`] permit, which by default is this node's own media ports.
//!
//! ```text
//! unknown ──Allocate──▶ challenged (401, nonce; no state here) ──Allocate, signed──▶ allocated ⟲ Refresh
//!                                                                                      │
//!                            gone ◀──Refresh 0, lifetime over, stream closed───────────┘
//! ```
//! Not supported, each with the answer that RFC 8656 gives: TCP relays (RFC 6062), reserved port pairs, mobility.
//! An ADDITIONAL-ADDRESS-FAMILY is ignored: a client that wants both families makes two allocations.

pub mod caller;
pub mod credential;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;

mod allocation;
mod challenge;
mod cidr;
mod client;
mod message;
mod ports;
mod quota;
mod relay;
mod requests;
mod rules;
mod server;
mod stats;

pub use cidr::{Cidr, CidrError};
pub use client::{Client, Transport};
pub use ports::RelayPorts;
pub use quota::Quotas;
pub use rules::{MediaAddress, PeerRules};
pub use server::{Event, FromClient, RelayId, Server, ServerConfig};
pub use stats::{Drop, Refusal, Stats};
