//! What is known of a received packet, gathered once and read by every subscription.

use std::time::Instant;

use sluice_wire::codec::Codec;
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
    /// Of a VP8 descriptor.
    pub vp8: Option<Vp8Ids>,
    /// Of a VP9 descriptor.
    pub vp9: Option<Vp9Ids>,
    /// Of a dependency descriptor. Its bytes are in the ring.
    pub dd: Option<DescriptorIds>,
    /// RFC 6464.
    pub audio_level: Option<AudioLevel>,
    /// As the publisher sent it.
    pub abs_capture_time: Option<AbsCaptureTime>,
}

/// The VP8 payload descriptor (RFC 7741 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp8Ids {
    /// PictureID, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// True where it has 15 bits.
    pub long_picture_id: bool,
    /// TL0PICIDX.
    pub tl0_index: Option<u8>,
    /// TID; the frame depends on no higher layer.
    pub temporal: Option<u8>,
    /// Y: depends on the base layer only.
    pub layer_sync: bool,
    /// KEYIDX.
    pub key_index: Option<u8>,
    /// Length of the descriptor, bytes.
    pub descriptor_len: u8,
}

/// The VP9 payload descriptor (RFC 9628 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp9Ids {
    /// PictureID, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// P: predicted from an earlier picture.
    pub inter_picture: bool,
    /// D: predicted from the lower spatial layer of the same picture.
    pub inter_layer: bool,
    /// U: switching up to this temporal layer is possible here.
    pub switch_up: bool,
    /// Z: not a reference for upper spatial layers.
    pub not_reference: bool,
    /// B: starts a layer frame.
    pub start: bool,
    /// E: ends a layer frame.
    pub end: bool,
}

/// A dependency descriptor (AV1 RTP specification, appendix A), resolved against its template structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorIds {
    /// frame_number.
    pub frame_number: u16,
    /// start_of_frame.
    pub start: bool,
    /// end_of_frame.
    pub end: bool,
    /// True where this packet carries the template structure.
    pub has_structure: bool,
    /// active_decode_targets_bitmask, where this packet carries it.
    pub active_targets: Option<u32>,
    /// Decode target indications, two bits each, target 0 lowest: 0 not present, 1 discardable, 2 switch, 3 required.
    pub indications: u64,
    /// Decode targets of the structure.
    pub targets: u8,
    /// Frame differences to the former frame of each chain, for the first eight chains.
    pub chain_diffs: [u8; 8],
    /// Chains of the structure.
    pub chains: u8,
    /// frame_dependency_template_id.
    pub template_id: u8,
}
