//! What is fixed for the life of a subscription.

use std::time::Instant;

use sluice_wire::codec::MediaKind;
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtp::PlayoutDelay;

use crate::munge::rtp::StreamState;

/// Settings of a subscription.
#[derive(Debug, Clone)]
pub struct DownTrackSettings {
    /// Audio or video.
    pub kind: MediaKind,
    /// SSRC of the section.
    pub ssrc: Ssrc,
    /// SSRC of its retransmissions, where negotiated.
    pub rtx_ssrc: Option<Ssrc>,
    /// Payload types by the publisher's.
    pub payloads: Vec<PayloadMap>,
    /// Value of the mid extension.
    pub mid: String,
    /// Negotiated header extensions.
    pub extensions: ExtensionIds,
    /// The subscriber may send NACK.
    pub nack: bool,
    /// Payloads are encrypted end to end: nothing is taken out of them or put in between.
    pub encrypted: bool,
    /// Told to the subscriber until it has it, where the extension is negotiated.
    pub playout_delay: Option<PlayoutDelay>,
    /// Origin of abs-send-time: one for all packets to a peer.
    pub origin: Instant,
    /// Where numbers start.
    pub seed: u64,
    /// What to go on from, where another subscription used the SSRC before: its numbers must not be used again.
    pub resume: Option<DownTrackState>,
}

/// Maps a publisher's payload type to the subscriber's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadMap {
    /// The publisher's payload type.
    pub from: PayloadType,
    /// The subscriber's for the same format.
    pub to: PayloadType,
    /// The subscriber's for retransmissions, if negotiated.
    pub rtx: Option<PayloadType>,
}

/// Ids of the header extensions that we write; those that are none were not negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// The section's media id.
    pub mid: Option<u8>,
    /// abs-send-time.
    pub abs_send_time: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u8>,
    /// AV1 dependency descriptor.
    pub dependency_descriptor: Option<u8>,
    /// abs-capture-time.
    pub abs_capture_time: Option<u8>,
    /// RFC 6464 audio level.
    pub audio_level: Option<u8>,
    /// playout-delay.
    pub playout_delay: Option<u8>,
}

/// What the next subscription on the same SSRCs goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownTrackState {
    /// The media stream.
    pub stream: StreamState,
    /// Last extended sequence number of the RTX stream.
    pub rtx_sequence: u64,
}
