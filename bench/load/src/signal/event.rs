//! What a session asks of its client and tells it.

use sluice_peer::{
    ChannelSettings, Credentials, Fingerprint, LocalCandidate, RemoteCandidate, RemoteDescription,
};
use sluice_wire::id::Ssrc;

use super::plan::{Codec, Kind};

/// Which of a client's transports. With a single peer connection there is only the publisher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc {
    /// The one that the client offers.
    Publisher,
    /// The one that the server offers.
    Subscriber,
}

/// What signalling needs to know of a transport of the client, given once for each that was asked for.
#[derive(Debug, Clone)]
pub struct LocalTransport {
    /// Its ICE credentials.
    pub ice: Credentials,
    /// Its certificate's.
    pub fingerprint: Fingerprint,
    /// Its addresses, trickled once it is described.
    pub candidates: Vec<LocalCandidate>,
}

/// What a session asks of its client and tells it, in order.
#[derive(Debug, Clone)]
pub enum SessionEvent {
    /// The server took the client in.
    Joined,
    /// A transport is needed: full ICE, sending SCTP's INIT. `Session::set_local` is to follow.
    CreateTransport {
        /// Which.
        pc: Pc,
        /// Begins as ICE's controlling side.
        controlling: bool,
        /// Data channels to open on it as soon as it stands; the server opens those of the subscriber's.
        channels: Vec<ChannelSettings>,
    },
    /// The server's side of a transport, our DTLS role included; once for each, and again after an ICE restart.
    Remote {
        /// Which.
        pc: Pc,
        /// For `Peer::set_remote`.
        remote: RemoteDescription,
    },
    /// A candidate of the server's, always after its `Remote`.
    Candidate {
        /// Which.
        pc: Pc,
        /// For `Peer::add_remote_candidate`.
        candidate: RemoteCandidate,
    },
    /// The server takes a track; what is sent must look like this. Sending begins once the transport stands.
    Publish(Publication),
    /// The server will send a track; comes again where its streams changed.
    Subscribed(Subscription),
    /// The server sends a track no more.
    Unsubscribed {
        /// Its SID.
        track: String,
    },
    /// The server wants a published track's layers of these qualities and no others (dynacast).
    Wanted {
        /// SID of the published track.
        track: String,
        /// From the lowest layer on, whether it is wanted.
        layers: [bool; 3],
    },
    /// The session is over; the last event.
    Left {
        /// Livekit's name of the reason, or what of the server's could not be understood; a short word to count by.
        reason: String,
    },
}

/// A track that we publish, as negotiated.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Its place in `SessionConfig::publish`.
    pub plan: usize,
    /// Its SID.
    pub track: String,
    /// On which transport.
    pub pc: Pc,
    /// Audio or video.
    pub kind: Kind,
    /// The section's name, for the MID extension.
    pub mid: String,
    /// How packets look.
    pub format: Format,
    /// One per simulcast layer, lowest first; one otherwise.
    pub encodings: Vec<Encoding>,
    /// Ids of header extensions.
    pub extensions: Extensions,
}

/// A payload format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Of packets.
    pub payload_type: u8,
    /// Of retransmissions on a stream of their own, where there are such.
    pub rtx: Option<u8>,
    /// Redundant audio around it, where both sides agreed on it and the plan asks for it.
    pub red: Option<u8>,
    /// The codec.
    pub codec: Codec,
    /// RTP ticks per second.
    pub clock_rate: u32,
    /// Lost packets may be asked for (generic NACK).
    pub nack: bool,
}

/// One stream that we send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// With simulcast: the value of the RID extension, and of the repaired-RID extension on retransmissions.
    pub rid: Option<String>,
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// Of its retransmissions.
    pub rtx: Option<Ssrc>,
}

/// A track that the server sends us.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Its SID.
    pub track: String,
    /// The publisher's participant SID.
    pub publisher: String,
    /// The publisher's identity, if it is known by now.
    pub publisher_identity: Option<String>,
    /// On which transport.
    pub pc: Pc,
    /// Audio or video.
    pub kind: Kind,
    /// The section's name.
    pub mid: String,
    /// The stream; the server may send on it in any of the formats.
    pub ssrc: Ssrc,
    /// Its retransmissions, where they have a stream of their own.
    pub rtx: Option<Ssrc>,
    /// Formats of the section; RED is one of its own here.
    pub formats: Vec<Format>,
    /// Ids of header extensions.
    pub extensions: Extensions,
}

/// Ids of the header extensions that a section agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// RFC 9143.
    pub mid: Option<u8>,
    /// RFC 8852.
    pub rid: Option<u8>,
    /// RFC 8852.
    pub repaired_rid: Option<u8>,
    /// RFC 6464.
    pub audio_level: Option<u8>,
    /// webrtc.org's.
    pub abs_send_time: Option<u8>,
    /// webrtc.org's.
    pub abs_capture_time: Option<u8>,
    /// Transport-wide sequence numbers: what the server gives feedback on, or, on what it sends, wants from us.
    pub transport_cc: Option<u8>,
    /// webrtc.org's.
    pub playout_delay: Option<u8>,
    /// The AV1 RTP specification, appendix A.
    pub dependency_descriptor: Option<u8>,
}
