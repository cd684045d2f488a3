//! Connections that carry messages in a stream of bytes: accepted, framed, bounded in time and memory.
//!
//! ```text
//! listener ─accept─▶ admission ─▶ ┌ connection ──────────────────────────────┐
//!                                 │ ByteStream ─▶ Framer ─▶ messages         │
//!                                 │ ByteStream ◀─ outbound buffer ◀─ messages │
//!                                 └──────────────────────────────────────────┘
//! ```
//! A [`Table`] holds the connections of one kind of one worker; what the bytes travel in ([`ByteStream`]: TCP, or TLS
//! over it) and how they are cut into messages ([`Framer`]) is up to the kind.

mod admission;
mod bytes;
mod connection;
mod counters;
mod framer;
mod listener;
mod outbound;
mod slots;
mod table;

pub use bytes::ByteStream;
pub use connection::{CloseReason, Limits};
pub use counters::StreamCounters;
pub use framer::{Frame, Framer, Malformed, Rfc4571};
pub use listener::Listener;
pub use outbound::Urgency;
pub use slots::StreamSlots;
pub use table::{Key, Received, TOKENS, Table};
