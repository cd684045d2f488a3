//! Livekit's signalling from the client's side: tokens, the WebSocket, protobuf messages and SDP.
//!
//! [`Session`] is one client's conversation, sans-IO: messages in and out, and events that ask its client for transports
//! and tell it what to send and to expect on them. [`SignalSocket`] carries the messages. Nothing here knows of media;
//! of data channels only the envelope of what goes through them.

mod answering;
mod event;
mod offering;
mod pings;
mod plan;
mod proto;
mod publications;
mod received;
mod remote;
mod room;
mod sdp;
mod session;
mod socket;
mod target;
mod token;
mod trickle;
mod user_packet;

#[cfg(test)]
pub use event::Format;
pub use event::{
    Encoding, Extensions, LocalTransport, Pc, Publication, SessionEvent, Subscription,
};
pub use plan::{
    AudioPlan, Codec, Kind, PublishPlan, Quality, SessionConfig, SubscribePlan, VideoPlan,
    VideoWish,
};
pub use session::Session;
pub use socket::{SignalSocket, SocketEnd, SocketEvent};
pub use target::Target;
pub use user_packet::{Delivery, read_user_packet, write_user_packet};
