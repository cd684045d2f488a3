//! Data channels of one transport: SCTP (RFC 8831) over DTLS, DCEP (RFC 8832), bounded both ways.
//!
//! An adapter over `sctp-proto`. We stay passive: the client sends INIT. What this crate adds is channel
//! establishment, a screen that hostile packets don't pass, and send buffers that report a drop rather than
//! grow: a slow reader costs its own messages and nothing else.

mod channel;
mod dcep;
mod establish;
mod screen;
mod transport;

#[doc(hidden)]
pub mod fuzz;

pub use channel::{ChannelId, ChannelSettings, SendOutcome};
pub use screen::Refusal;
pub use transport::{
    DataConfig, DataEvent, DataRole, DataStats, DataTransport, MAX_CHANNELS, MAX_MESSAGE_BYTES,
};
