//! Virtual networks, a virtual clock and model clients for the tests of everything above `wire`.
//!
//! ```text
//! World ── now
//!   ├─ Network ── Link per direction: loss, bursts, delay, jitter, reordering, duplication, rate, queue
//!   ├─ Client ── a peer with VP8 simulcast and Opus senders, and receivers that check what they get
//!   └─ Server ── workers, and the links between them
//! ```
//! Equal seeds give equal runs but for key exchange and certificates, whose randomness the cryptographic library
//! keeps to itself.

pub mod client;
pub mod clock;
pub mod link;
pub mod media;
pub mod network;
pub mod presets;
pub mod room;
pub mod server;
pub mod world;

pub use client::{Client, ClientSettings, Description};
pub use link::{Link, LinkSettings, Loss};
pub use network::{Datagram, Network};
pub use room::{Room, Subscription};
pub use server::Server;
pub use world::World;
