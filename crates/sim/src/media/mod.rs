//! Model media: frames that carry their own history, so that a receiver can tell whether a decoder could show them.

pub mod decoder;
pub mod inbound;
pub mod opus;
pub mod outbound;
pub mod stamp;
pub mod vp8;

pub use decoder::{Decoder, DecoderReport};
pub use inbound::{Inbound, InboundReport, InboundSettings};
pub use opus::{OpusSettings, OpusSource};
pub use outbound::{ExtensionNumbers, Outbound, OutboundSettings};
pub use stamp::Stamp;
pub use vp8::{Vp8Layer, Vp8Settings, Vp8Source};
