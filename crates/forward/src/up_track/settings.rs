//! What is negotiated for a published section.

use std::time::Duration;

use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::PayloadType;

use crate::audio_level::AudioSettings;
use crate::layers::MAX_SPATIAL;

/// What the control plane says of a published section.
#[derive(Debug, Clone)]
pub struct UpTrackSettings {
    /// Audio or video.
    pub kind: MediaKind,
    /// Payload types of the section; packets of others are dropped.
    pub codecs: Vec<UpCodec>,
    /// RTP streams: simulcast layers, or 1. Clamped to 1 to 3.
    pub streams: u8,
    /// Slower layer trackers.
    pub screen_share: bool,
    /// Payloads are encrypted end to end.
    pub encrypted: bool,
    /// The publisher has it muted.
    pub muted: bool,
    /// Header extensions of the section's kind.
    pub extensions: UpExtensions,
    /// Least time between key-frame requests, by layer.
    pub pli_throttle: [Duration; MAX_SPATIAL],
    /// Packets kept per stream.
    pub packet_buffer: usize,
    /// How loudness is measured.
    pub audio: AudioSettings,
}

/// One payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpCodec {
    /// Primary payload type.
    pub pt: PayloadType,
    /// Its format.
    pub codec: Codec,
    /// RTP clock, Hz.
    pub clock_rate: u32,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx_pt: Option<PayloadType>,
    /// NACK was negotiated.
    pub nack: bool,
}

/// Negotiated ids of the extensions that are read here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpExtensions {
    /// RFC 6464.
    pub audio_level: Option<u8>,
    /// abs-capture-time.
    pub abs_capture_time: Option<u8>,
    /// The AV1 RTP dependency descriptor.
    pub dependency_descriptor: Option<u8>,
}
