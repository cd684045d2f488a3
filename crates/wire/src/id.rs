//! Ids that commands and events speak of: allotted by the control plane, unique within a process.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    )*};
}

ids! {
    /// One worker thread, counted from 0.
    WorkerId(u16);
    /// One WebRTC transport (ICE + DTLS + SRTP + SCTP).
    PeerId(u32);
    /// One participant of a room; it has one or two peers, all on one worker.
    ParticipantId(u32);
    /// One room: the scope within which data packets are routed.
    RoomId(u32);
    /// One published track in one codec (an SDP section a client sends on).
    TrackId(u32);
    /// One subscription to a track.
    DownTrackId(u32);
    /// An RTP synchronisation source (RFC 3550 section 3).
    Ssrc(u32);
    /// An RTP payload type, 0 to 127.
    PayloadType(u8);
}
