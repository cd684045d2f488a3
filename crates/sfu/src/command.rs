//! What the control plane asks of one worker. Plain data: the same commands drive the server,
//! simulations and benchmarks. JSON on the seam: `{"type":"openPeer",...}`, camelCase fields,
//! mirrored by `ts/media/commands.ts`.

use serde::{Deserialize, Serialize};
pub use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::{
    DownTrackId, ParticipantId, PayloadType, PeerId, RoomId, Ssrc, TrackId, WorkerId,
};

/// One request to one worker. Commands to one worker are handled in order; a command that names
/// something unknown is counted and ignored, since its subject may just have ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Command {
    /// Opens a transport. Answered by `peerOpened` (with its candidates) or `peerClosed`.
    OpenPeer(OpenPeer),
    /// The remote side of the description: sent once the client's SDP is known, again after an ICE
    /// restart (new credentials, same DTLS).
    SetRemote {
        /// The transport.
        peer: PeerId,
        /// The client's credentials.
        ice: IceCredentials,
        /// True where the client is an ICE lite agent.
        ice_lite: bool,
        /// Our DTLS role; `passive` (server) unless the client insists.
        dtls_role: DtlsRole,
        /// Fingerprints of which the client's certificate must match one (RFC 8122).
        fingerprints: Vec<Fingerprint>,
    },
    /// One candidate of the client.
    AddRemoteCandidate {
        /// The transport.
        peer: PeerId,
        /// The candidate; host names never reach a worker.
        candidate: Candidate,
    },
    /// New local credentials (RFC 8445 section 9); the nominated pair carries media on until the new one stands.
    RestartIce {
        /// The transport.
        peer: PeerId,
        /// Our new credentials.
        ice: IceCredentials,
    },
    /// Header extension ids negotiated for the whole bundle.
    SetExtensions {
        /// The transport.
        peer: PeerId,
        /// Ids on audio sections.
        audio: ExtensionIds,
        /// Ids on video sections.
        video: ExtensionIds,
    },
    /// Ends a transport and everything that hangs on it.
    ClosePeer {
        /// The transport.
        peer: PeerId,
    },

    /// A section the client sends on: the packets of one track in one codec. Sent again with the same
    /// id when a new offer changes its payload types, SSRCs or rids.
    OpenUpTrack(UpTrackConfig),
    /// Mutes or unmutes a published track.
    MuteUpTrack {
        /// The track.
        track: TrackId,
        /// True while the publisher has it muted.
        muted: bool,
    },
    /// The section ended.
    CloseUpTrack {
        /// The track.
        track: TrackId,
    },

    /// Subscribes: a section we send on.
    OpenDownTrack(DownTrackConfig),
    /// What the subscriber wants of it.
    SetDownTrack {
        /// The subscription.
        down: DownTrackId,
        /// False while the subscriber has it disabled.
        enabled: bool,
        /// Highest spatial layer wanted, 0 to 2.
        max_spatial: u8,
        /// Highest temporal layer wanted, 0 to 3.
        max_temporal: u8,
        /// Frames per second wanted at most; 0 for no limit.
        max_fps: u8,
    },
    /// Ends a subscription; `ssrc` may be used again by a later one on the same section.
    CloseDownTrack {
        /// The subscription.
        down: DownTrackId,
    },

    /// Creates a data channel towards the client once SCTP stands (subscriber transport of the dual mode).
    OpenDataChannel {
        /// The transport.
        peer: PeerId,
        /// The label, for example `_reliable`.
        label: String,
        /// Ordered delivery.
        ordered: bool,
        /// None for full reliability.
        max_retransmits: Option<u16>,
    },
    /// A participant's place in data routing; sent again when anything changes.
    SetParticipant(ParticipantConfig),
    /// The participant left.
    CloseParticipant {
        /// The participant.
        participant: ParticipantId,
    },
    /// Which workers hold participants of a room; data goes to each of them once.
    SetRoomWorkers {
        /// The room.
        room: RoomId,
        /// All workers with a participant of it, this one included if so. Empty: the room ended.
        workers: Vec<WorkerId>,
    },
    /// Identities of a room that are the server itself: packets to them become `data` events.
    SetDataSinks {
        /// The room.
        room: RoomId,
        /// The identities, replacing the former ones.
        identities: Vec<String>,
    },
    /// A data track with a publisher or receivers on this worker; sent again when anything changes.
    SetDataTrack(DataTrackConfig),
    /// The data track ended, or has nobody on this worker any more.
    CloseDataTrack {
        /// Its publisher.
        publisher: ParticipantId,
        /// The publisher's handle of it.
        handle: u16,
    },
    /// Sends a `DataPacket` to this worker's participants of a room.
    SendData {
        /// The room.
        room: RoomId,
        /// The serialized `livekit.DataPacket`, base64 (standard alphabet, padded).
        packet: String,
        /// Reliable or lossy channel.
        reliable: bool,
        /// Empty for everybody.
        destinations: Vec<String>,
        /// Left out, if any.
        except: Option<ParticipantId>,
    },

    /// Asks a question; answered by one `answer` event with the same id.
    Query {
        /// Echoed in the answer.
        id: u32,
        /// The question.
        query: Query,
    },
}

/// Questions; see [`crate::event::Answer`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Query {
    /// Counters of the worker.
    WorkerStats,
    /// Counters and state of one transport.
    PeerStats {
        /// The transport.
        peer: PeerId,
    },
    /// The highest reliable sequence handled from a participant (resume: `last_message_seq`).
    DataSequence {
        /// The participant.
        participant: ParticipantId,
    },
}

/// A transport to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPeer {
    /// The new transport.
    pub peer: PeerId,
    /// Credentials we offer. Their ufrag begins with the worker's tag (`docs/adr/0003`).
    pub ice: IceCredentials,
    /// True where we run ICE lite.
    pub ice_lite: bool,
    /// True where we take the controlling role at first (RFC 8445 section 6.1.1).
    pub controlling: bool,
}

/// ICE user fragment and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars.
    pub ufrag: String,
    /// 22 to 256 ice-chars.
    pub pwd: String,
}

/// Who starts the handshake (RFC 5763 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DtlsRole {
    /// We wait: DTLS server.
    Passive,
    /// We send the first hello: DTLS client.
    Active,
}

/// A certificate hash (RFC 8122).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// `sha-1`, `sha-224`, `sha-256`, `sha-384` or `sha-512`, lower case.
    pub algorithm: String,
    /// Hexadecimal pairs joined by colons, either case.
    pub value: String,
}

/// An ICE candidate, ours or the client's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Groups candidates of one base (RFC 8445 section 5.1.1.3).
    pub foundation: String,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// RFC 8445 section 5.1.2.
    pub priority: u32,
    /// A literal IPv4 or IPv6 address.
    pub ip: String,
    /// The port.
    pub port: u16,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub kind: String,
    /// `active`, `passive` or `so` for TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<String>,
}

/// Negotiated RTP header extension ids, 1 to 255; absent means not negotiated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    pub audio_level: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub abs_send_time: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`
    pub abs_capture_time: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    pub playout_delay: Option<u8>,
    /// The AV1 RTP dependency descriptor.
    pub dependency_descriptor: Option<u8>,
}

/// One payload type of a published section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpCodec {
    /// Primary payload type.
    pub pt: PayloadType,
    /// Its format.
    pub codec: Codec,
    /// RTP clock, Hz.
    pub clock_rate: u32,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx_pt: Option<PayloadType>,
    /// True where `nack` was negotiated.
    pub nack: bool,
}

/// One SSRC that the client's SDP names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpSsrc {
    /// Media.
    pub ssrc: Ssrc,
    /// Its retransmissions (`ssrc-group:FID`).
    pub rtx: Option<Ssrc>,
}

/// A published section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpTrackConfig {
    /// The track.
    pub track: TrackId,
    /// The transport it comes in on.
    pub peer: PeerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The section's media id.
    pub mid: String,
    /// Payload types in the answer's order.
    pub codecs: Vec<UpCodec>,
    /// SSRCs in SDP order: one per simulcast layer, lowest first, or one. Empty where rids are used.
    pub ssrcs: Vec<UpSsrc>,
    /// rids in spatial order, lowest first (`q`, `h`, `f`); empty without simulcast.
    pub rids: Vec<String>,
    /// True for screen shares: slower layer trackers.
    pub screen_share: bool,
    /// True where payloads are encrypted end to end: nothing of them is parsed beyond descriptors in the clear.
    pub encrypted: bool,
    /// True while muted.
    pub muted: bool,
}

/// Maps a publisher's payload type to the subscriber's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadMap {
    /// The publisher's payload type.
    pub from: PayloadType,
    /// The subscriber's for the same format.
    pub to: PayloadType,
    /// The subscriber's for retransmissions, if negotiated.
    pub rtx: Option<PayloadType>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownTrackConfig {
    /// The subscription.
    pub down: DownTrackId,
    /// The transport it leaves by.
    pub peer: PeerId,
    /// What is subscribed to.
    pub track: TrackId,
    /// The worker where the track is published; a link is made where that is another one.
    pub home: WorkerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Value of the mid extension, where the subscriber negotiated it, and of SDES item 15.
    pub mid: String,
    /// SDES CNAME: the stream id.
    pub cname: String,
    /// SSRC of the section.
    pub ssrc: Ssrc,
    /// SSRC of its retransmissions, where negotiated.
    pub rtx_ssrc: Option<Ssrc>,
    /// Payload types; packets of a publisher's type that is not here are dropped and counted, but RED whose
    /// inner format is here is unpacked.
    pub payloads: Vec<PayloadMap>,
    /// True where the subscriber may send NACK.
    pub nack: bool,
    /// True where payloads are encrypted end to end: nothing is taken out of them or put in between.
    #[serde(default)]
    pub encrypted: bool,
    /// What the subscriber is told to buffer, where the extension is negotiated.
    #[serde(default)]
    pub playout_delay: Option<PlayoutDelay>,
    /// As in `setDownTrack`.
    pub enabled: bool,
    /// As in `setDownTrack`.
    pub max_spatial: u8,
    /// As in `setDownTrack`.
    pub max_temporal: u8,
    /// As in `setDownTrack`.
    pub max_fps: u8,
}

/// How long a receiver should buffer, milliseconds (the playout-delay extension).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayoutDelay {
    /// At least.
    pub min_ms: u32,
    /// At most.
    pub max_ms: u32,
}

/// Where the packets of a data track go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataTrackConfig {
    /// Its publisher.
    pub publisher: ParticipantId,
    /// The publisher's handle of it, in the packets that come from there.
    pub handle: u16,
    /// Other workers with receivers; only of interest at the publisher's.
    pub workers: Vec<WorkerId>,
    /// Receivers on this worker.
    pub receivers: Vec<DataTrackReceiver>,
}

/// One receiver of a data track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataTrackReceiver {
    /// Who.
    pub participant: ParticipantId,
    /// Its handle of the track, put into the packets that it gets.
    pub handle: u16,
}

/// A participant's place in data routing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantConfig {
    /// The participant.
    pub participant: ParticipantId,
    /// Its room.
    pub room: RoomId,
    /// Its `PA_` id.
    pub sid: String,
    /// Its identity.
    pub identity: String,
    /// Transports it sends data on (channels of the client).
    pub up_peers: Vec<PeerId>,
    /// The transport data to it leaves by; none while it can't receive.
    pub down_peer: Option<PeerId>,
    /// May publish data packets.
    pub can_publish_data: bool,
    /// Identity is blanked on what it sends.
    pub hidden: bool,
    /// Agents may send transcriptions and keep a foreign identity in chat and text streams.
    pub agent: bool,
}
