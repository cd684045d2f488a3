//! What workers say to each other: packets of a track once per worker that has subscribers, and back what those
//! subscribers want; data messages of a room likewise. Plain data: between two threads it travels through a ring,
//! and nothing in it assumes shared memory but the packet buffers, whose content is plain data too.

use bytes::Bytes;
use sluice_forward::layers::LayerStates;
use sluice_forward::packet::PacketMeta;
use sluice_wire::id::{ParticipantId, RoomId, TrackId};

use crate::command::UpTrackConfig;
use crate::pool::PoolBuffer;

/// One message from one worker to another, handled in order.
///
/// Messages for which [`LinkMessage::may_drop`] is false must arrive; the others are dropped and counted
/// where the way is full.
#[derive(Debug, Clone)]
pub enum LinkMessage {
    /// Subscribers' side to home: this worker has subscribers. Level, not edge: said again whenever it changes and
    /// at any time, also before the track is opened at home.
    Want {
        /// The track.
        track: TrackId,
        /// Highest spatial layer that anybody here wants; none while all are paused.
        max_layer: Option<u8>,
    },
    /// Subscribers' side to home: the last subscriber here is gone.
    Unwant {
        /// The track.
        track: TrackId,
    },
    /// Subscribers' side to home: somebody here can't go on without a key frame.
    KeyFrame {
        /// The track.
        track: TrackId,
        /// Its layer.
        layer: u8,
    },
    /// Subscribers' side to home: packets that this link lost.
    Nack {
        /// The track.
        track: TrackId,
        /// Its layer.
        layer: u8,
        /// Published sequence numbers ([`PacketMeta::sequence`]).
        lost: Vec<u64>,
    },

    /// Home to subscribers' side: the track exists, or its description changed.
    Opened(Box<UpTrackConfig>),
    /// Home to subscribers' side: the publisher muted or unmuted.
    Muted {
        /// The track.
        track: TrackId,
        /// True while muted.
        muted: bool,
    },
    /// Home to subscribers' side: the track ended; one of the same id may be opened later.
    Closed {
        /// The track.
        track: TrackId,
    },
    /// Home to subscribers' side: what home sees of the layers, all of them, the ones that are not sent included. Level,
    /// not edge.
    Layers {
        /// The track.
        track: TrackId,
        /// Which are active, and their frame rates.
        states: LayerStates,
    },
    /// Home to subscribers' side: one packet as home's up track saw it.
    Packet {
        /// The track.
        track: TrackId,
        /// Bytes of the dependency descriptor that the packet begins with.
        descriptor_len: u16,
        /// What is known of it; descriptor and payload. Its arrival time is home's and means nothing elsewhere.
        packet: PoolBuffer<PacketMeta>,
    },
    /// Home to subscribers' side: a sender report of the publisher (RFC 3550 section 6.4.1).
    SenderReport {
        /// The track.
        track: TrackId,
        /// Its layer.
        layer: u8,
        /// NTP timestamp of the publisher's clock.
        ntp: u64,
        /// RTP timestamp of the same instant.
        rtp: u32,
    },

    /// A data message for the participants of a room on the other worker.
    Data(DataMessage),
}

/// One data message on its way to the receivers of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMessage {
    /// The room.
    pub room: RoomId,
    /// Who sent it; none for the server.
    pub sender: Option<ParticipantId>,
    /// What it is.
    pub body: DataBody,
}

/// The shapes of data messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataBody {
    /// A serialized `livekit.DataPacket`, its sender fields already right.
    Packet {
        /// Reliable or lossy channel.
        reliable: bool,
        /// The packet.
        packet: Bytes,
    },
    /// A packet of a data track, with its publisher's handle.
    Track(Bytes),
    /// A message of a channel with a label of its own.
    Raw {
        /// The sender's identity; empty where hidden.
        identity: String,
        /// Text or binary.
        binary: bool,
        /// The message.
        message: Bytes,
    },
}

impl LinkMessage {
    /// True for what a full ring may drop: media, which is repaired, lossy data and data tracks.
    pub fn may_drop(&self) -> bool {
        matches!(
            self,
            Self::Packet { .. }
                | Self::SenderReport { .. }
                | Self::Nack { .. }
                | Self::Data(DataMessage {
                    body: DataBody::Track(_)
                        | DataBody::Packet {
                            reliable: false,
                            ..
                        },
                    ..
                })
        )
    }
}
