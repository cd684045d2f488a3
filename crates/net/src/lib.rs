//! Sockets, threads and clocks: the only impure crate. [`Engine`] runs one thread per worker; each thread owns
//! its sockets, its [`sluice_sfu::Worker`] and its ends of the rings to the other threads.
//!
//! ```text
//! engine ──commands──▶ mailbox ─▶ ┌────────────┐ ─▶ outbox ──events──▶ engine
//!                                 │ thread/run │
//!                    rings to and │  one turn  │ UDP in and out
//!                 from the others └────────────┘
//! ```

// Everything else gets time, sockets and threads as arguments; they must come from somewhere, and it is here.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod affinity;
mod config;
mod engine;
mod gather;
mod ice_tcp;
mod kernel;
mod lock;
mod log;
mod mailbox;
mod mesh;
mod mux;
mod outbox;
mod polled;
mod ports;
mod probe;
mod relay;
mod socket;
mod sockets;
mod steady;
mod stream;
mod thread;
mod waker;

pub use config::{AddressConfig, AudioSettings, ConfigError, EngineConfig, TcpPort, UdpPorts};
pub use engine::{Engine, StartError, SubmitError};
pub use probe::{ProbeError, Prober};
pub use relay::{ApiCredential, TurnCertificateError, TurnConfig, TurnTls};
