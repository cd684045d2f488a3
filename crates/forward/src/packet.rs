//! What is known of a received packet, gathered once and read by every subscription.

use std::time::Instant;

use sluice_wire::codec::Codec;
use sluice_wire::codec::vp8::Vp8View;
use sluice_wire::codec::vp9::Vp9View;
use sluice_wire::dependency_descriptor::Descriptor;
use sluice_wire::id::PayloadType;
use sluice_wire::rtp::{AbsCaptureTime, AudioLevel};

/// One packet of a published track. Made by [`crate::up_track::UpTrack`]; its payload and dependency
/// descriptor lie in the layer's ring until newer packets push them out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacketMeta {
    /// Index of the RTP stream: the simulcast layer, lowest first; 0 for SVC and audio.
    pub layer: u8,
    /// Counts restarts of the layer: another SSRC, or a jump that no loss explains. Sequence numbers and
    /// timestamps of two epochs have no relation but that the later epoch's sequence numbers are higher.
    pub epoch: u16,
    /// Extended sequence number of the layer, with the places of dropped padding packets closed up.
    pub sequence: u64,
    /// RTP timestamp as received.
    pub timestamp: u32,
    /// Marker bit as received.
    pub marker: bool,
    /// The publisher's (primary) payload type.
    pub pt: PayloadType,
    /// Its format.
    pub codec: Codec,
    /// When it came in. For a repaired packet when the repair came in.
    pub arrival: Instant,
    /// Payload without padding, bytes.
    pub payload_len: u16,
    /// Came in behind a newer packet: repaired or reordered.
    pub late: bool,
    /// Begins a key frame: decoding can start here.
    pub key_frame: bool,
    /// First packet of its frame (of its layer frame with SVC), as far as the payload tells.
    pub frame_start: bool,
    /// Last packet of its frame (of its layer frame with SVC).
    pub frame_end: bool,
    /// Spatial id within the stream (SVC); 0 otherwise.
    pub spatial: u8,
    /// Temporal id; 0 where unknown.
    pub temporal: u8,
    /// Decoding may step up to this temporal layer here (VP8 Y, VP9 U, DD switch indication).
    pub switch_up: bool,
    /// VP8: its payload descriptor.
    pub vp8: Option<Vp8View>,
    /// VP9: its payload descriptor.
    pub vp9: Option<Vp9View>,
    /// The dependency descriptor, where there is one that could be resolved. Its bytes are in the ring.
    pub dd: Option<Descriptor>,
    /// RFC 6464.
    pub audio_level: Option<AudioLevel>,
    /// As the publisher sent it.
    pub abs_capture_time: Option<AbsCaptureTime>,
}
