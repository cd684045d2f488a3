//! What a worker reports to the control plane. JSON on the seam as `[{"type":"peerOpened",...}]`,
//! mirrored by `ts/media/events.ts`.

use serde::{Deserialize, Serialize};
use sluice_wire::id::{DownTrackId, ParticipantId, PayloadType, PeerId, RoomId, TrackId};

use crate::command::{Candidate, DtlsRole, MediaKind};

/// One report. All but `audioLevels`, `quality` and `layers` are flushed at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// The transport has its sockets.
    PeerOpened {
        /// The transport.
        peer: PeerId,
        /// All our candidates; there are no later ones.
        candidates: Vec<Candidate>,
    },
    /// ICE moved, or media takes another pair.
    IceState {
        /// The transport.
        peer: PeerId,
        /// The new state.
        state: IceState,
        /// The nominated pair as `udp 192.0.2.1:50000 198.51.100.2:40000`, once there is one.
        pair: Option<String>,
    },
    /// ICE and DTLS stand: media and data flow.
    PeerConnected {
        /// The transport.
        peer: PeerId,
        /// The negotiated SRTP profile, by its name in RFC 5764 or RFC 7714.
        srtp_profile: String,
        /// Our DTLS role.
        role: DtlsRole,
        /// Milliseconds from the client's description to the first pair that DTLS could go along.
        ice_ms: u32,
        /// Milliseconds of the DTLS handshake, which may begin before a nomination.
        dtls_ms: u32,
    },
    /// The transport ended, not by our own `closePeer`.
    PeerClosed {
        /// The transport.
        peer: PeerId,
        /// Why.
        reason: PeerCloseReason,
        /// For the log: what exactly.
        detail: String,
    },
    /// A data channel is open in both directions.
    DataChannelOpened {
        /// The transport.
        peer: PeerId,
        /// Its label.
        label: String,
    },

    /// The first packet of a layer came in (again after `mute`: no).
    TrackStarted {
        /// The track.
        track: TrackId,
        /// Payload type of that packet.
        pt: PayloadType,
        /// Spatial layer: index into rids or ssrcs.
        layer: u8,
    },
    /// The state of a track's layers changed.
    Layers {
        /// The track.
        track: TrackId,
        /// One entry per spatial layer, lowest first.
        layers: Vec<LayerState>,
    },
    /// The first packet went out to a subscriber (after opening, and after each pause).
    DownTrackStarted {
        /// The subscription.
        down: DownTrackId,
    },
    /// Smoothed loudness of local audio tracks that are or just were audible, each audio interval.
    AudioLevels {
        /// Only tracks whose level is not 0, and once those that fell silent.
        levels: Vec<AudioLevel>,
    },
    /// Quality scores, each 5 s.
    Quality {
        /// Published tracks.
        up: Vec<TrackQuality>,
        /// Subscriptions.
        down: Vec<DownTrackQuality>,
    },

    /// A data packet addressed to the server itself.
    Data {
        /// The room.
        room: RoomId,
        /// Who sent it.
        participant: ParticipantId,
        /// Which sink identity it is addressed to; empty for packets that only the server takes (metrics).
        sink: String,
        /// The serialized `livekit.DataPacket`, base64.
        packet: String,
    },

    /// Answers a `query`.
    Answer {
        /// The query's id.
        id: u32,
        /// The answer.
        answer: Answer,
    },
}

/// RFC 8445 in W3C's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IceState {
    /// Checks are under way.
    Checking,
    /// A pair is nominated.
    Connected,
    /// Consent checks go unanswered; may return.
    Disconnected,
    /// Given up until ICE is restarted: consent expired (RFC 7675) or no pair ever worked.
    Failed,
}

/// Why a transport ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerCloseReason {
    /// No socket could be had (`rtc.port_range_start`–`rtc.port_range_end` exhausted).
    PortsExhausted,
    /// The certificate matched no fingerprint of the SDP.
    FingerprintMismatch,
    /// Any other handshake failure.
    DtlsFailed,
    /// The client closed DTLS or SCTP.
    RemoteClosed,
    /// Our bug, caught at the transport; the worker lives.
    InternalError,
}

/// One spatial layer as received.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerState {
    /// Packets arrive.
    pub active: bool,
    /// From the last key frame; 0 if unknown.
    pub width: u16,
    /// As `width`.
    pub height: u16,
    /// Bits per second over the last second.
    pub bitrate: u32,
}

/// Loudness of one track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AudioLevel {
    /// The track.
    pub track: TrackId,
    /// Linear, 0 to 1.
    pub level: f32,
    /// Above the active threshold.
    pub active: bool,
}

/// What came of a stream during the last quality window (5 s).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamWindow {
    /// Packets that should have come.
    pub expected: u32,
    /// Packets that came, at last.
    pub received: u32,
    /// Packets that others overtook; known of publishers only.
    pub late: u32,
    /// Largest jitter, in microseconds.
    pub jitter_us: u32,
}

/// The publisher's side of a track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackQuality {
    /// The track.
    pub track: TrackId,
    /// 0 to 100 (livekit-facts 4.12).
    pub score: f32,
    /// No packet in the window though unmuted.
    pub lost: bool,
    /// What came in.
    pub window: StreamWindow,
}

/// The subscriber's side of a track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownTrackQuality {
    /// The subscription.
    pub down: DownTrackId,
    /// 0 to 100.
    pub score: f32,
    /// Receiver reports stopped.
    pub lost: bool,
    /// Share of packets lost by the last receiver report, 0 to 1.
    pub loss: f32,
    /// Round trip by the receiver reports, in milliseconds; 0 while unknown.
    pub rtt_ms: u32,
    /// What the subscriber says came in.
    pub window: StreamWindow,
}

/// Answers to [`crate::command::Query`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Answer {
    /// Counters since the worker started, by name: `packets_in`, `packets_out`, `bytes_in`, `bytes_out`,
    /// `peers`, `up_tracks`, `down_tracks`, `links`, and `drop_<reason>`.
    WorkerStats {
        /// Name and value.
        counters: Vec<(String, u64)>,
    },
    /// Counters of one transport, by name.
    PeerStats {
        /// False where the transport is unknown.
        found: bool,
        /// Name and value, `rtt_us` and `srtp_rejected` among them.
        counters: Vec<(String, u64)>,
        /// Kinds of the tracks that hang on it.
        tracks: Vec<MediaKind>,
    },
    /// Highest reliable sequence handled; 0 for none.
    DataSequence {
        /// The sequence.
        sequence: u32,
    },
}
