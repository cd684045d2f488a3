//! [`Sent`] in 32 bytes: each packet and subscriber writes one into memory that was last touched a whole history ago,
//! so half a cache line instead of one is half the misses that forwarding has, and half the memory of a subscription.

use sluice_wire::id::PayloadType;

use crate::munge::dependency_descriptor::DescriptorPatch;
use crate::munge::vp8::Vp8Patch;
use crate::rtx::{Origin, Patch, Sent};

/// A kept [`Sent`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    /// The lower half: a number 2^32 packets ago has long been overwritten.
    sequence: u32,
    timestamp: u32,
    /// Active targets, or TL0PICIDX and KEYIDX.
    patch_bits: u32,
    /// Frame number or picture id.
    patch_number: u16,
    transport_number: u16,
    /// When sent again last, in milliseconds of the history's clock, wrapping.
    pub repeated_at: u16,
    /// Times sent again.
    pub repeats: u8,
    flags: u8,
    /// Sequence number in the publisher's ring, 48 bits.
    source: [u8; 6],
    send_time: [u8; 3],
    /// The marker bit, then the payload type.
    marker_and_type: u8,
    /// The publisher's stream in the lower half, what is rewritten in the upper.
    layer_and_patch: u8,
    /// A redundant block's index, or the number of decode targets: no packet has both.
    block_or_targets: u8,
}

impl Record {
    /// True of the record of this packet.
    #[inline]
    pub fn is_of(&self, sequence: u64) -> bool {
        self.flags & TAKEN != 0 && self.sequence == sequence as u32
    }

    /// Keeps what is needed to send it again.
    #[inline]
    pub fn new(sent: &Sent) -> Self {
        let (kind, layer, source, block) = match sent.origin {
            Origin::Packet { layer, sequence } => (PACKET, layer, sequence, None),
            Origin::Block {
                layer,
                sequence,
                redundant,
            } => (BLOCK, layer, sequence, redundant),
            Origin::Silence => (SILENCE, 0, 0, None),
            Origin::Padding => (PADDING, 0, 0, None),
        };
        let (patch, patch_number, patch_bits, targets) = match sent.patch {
            Patch::None => (0, 0, 0, 0),
            Patch::Vp8(patch) => {
                let (number, bits) = patch.to_bits();
                (VP8, number, bits, 0)
            }
            Patch::Descriptor(patch) => {
                let (number, targets, active) = patch.to_bits();
                (DESCRIPTOR, number, active, targets)
            }
        };
        let [source @ .., _, _] = source.to_le_bytes();
        Self {
            sequence: sent.sequence as u32,
            timestamp: sent.timestamp,
            patch_bits,
            patch_number,
            transport_number: sent.transport_number.unwrap_or_default(),
            repeated_at: 0,
            repeats: 0,
            flags: TAKEN
                | kind
                | (u8::from(block.is_some()) * REDUNDANT)
                | (u8::from(sent.transport_number.is_some()) * NUMBERED)
                | (u8::from(sent.playout_delay) * PLAYOUT_DELAY),
            source,
            send_time: sent.send_time,
            marker_and_type: u8::from(sent.marker) << 7 | sent.payload_type.0 & 0x7f,
            layer_and_patch: patch << 4 | layer & 0xf,
            block_or_targets: block.unwrap_or(targets),
        }
    }

    /// The record of the packet with this extended sequence number, whole again.
    pub fn sent(&self, sequence: u64) -> Sent {
        let has = |flag| self.flags & flag != 0;
        let layer = self.layer_and_patch & 0xf;
        let mut source = [0; 8];
        source[..6].copy_from_slice(&self.source);
        let source = u64::from_le_bytes(source);
        let origin = match self.flags & KINDS {
            PACKET => Origin::Packet {
                layer,
                sequence: source,
            },
            BLOCK => Origin::Block {
                layer,
                sequence: source,
                redundant: has(REDUNDANT).then_some(self.block_or_targets),
            },
            SILENCE => Origin::Silence,
            _ => Origin::Padding,
        };
        let patch = match self.layer_and_patch >> 4 {
            VP8 => Patch::Vp8(Vp8Patch::from_bits(self.patch_number, self.patch_bits)),
            DESCRIPTOR => Patch::Descriptor(DescriptorPatch::from_bits(
                self.patch_number,
                self.block_or_targets,
                self.patch_bits,
            )),
            _ => Patch::None,
        };
        Sent {
            sequence,
            timestamp: self.timestamp,
            payload_type: PayloadType(self.marker_and_type & 0x7f),
            marker: self.marker_and_type & 0x80 != 0,
            origin,
            patch,
            send_time: self.send_time,
            transport_number: has(NUMBERED).then_some(self.transport_number),
            playout_delay: has(PLAYOUT_DELAY),
        }
    }
}

const TAKEN: u8 = 0x80;
const REDUNDANT: u8 = 0x40;
const NUMBERED: u8 = 0x20;
const PLAYOUT_DELAY: u8 = 0x10;
/// The kinds of origin.
const KINDS: u8 = 0x03;
const PACKET: u8 = 0;
const BLOCK: u8 = 1;
const SILENCE: u8 = 2;
const PADDING: u8 = 3;

/// What is rewritten.
const VP8: u8 = 1;
const DESCRIPTOR: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_half_a_cache_line() {
        assert_eq!(size_of::<Record>(), 32);
    }

    #[test]
    fn a_record_loses_nothing() {
        let sequence = 0xdead_beef_0123;
        let origins = [
            Origin::Packet {
                layer: 2,
                sequence: 0x9876_5432_1000,
            },
            Origin::Block {
                layer: 0,
                sequence: 7,
                redundant: Some(0),
            },
            Origin::Block {
                layer: 0,
                sequence: 7,
                redundant: None,
            },
            Origin::Silence,
            Origin::Padding,
        ];
        let patches = [
            Patch::None,
            Patch::Vp8(Vp8Patch::from_bits(0xffff, 0x00_ab_1f)),
            Patch::Vp8(Vp8Patch::from_bits(0x007f, 0)),
            Patch::Descriptor(DescriptorPatch::from_bits(65_535, 32, u32::MAX)),
            Patch::Descriptor(DescriptorPatch::from_bits(1, 0, 0)),
        ];
        for origin in origins {
            for patch in patches {
                if matches!(origin, Origin::Block { .. }) && patch != Patch::None {
                    continue;
                }
                for on in [true, false] {
                    let sent = Sent {
                        sequence,
                        timestamp: 0xfedc_ba98,
                        payload_type: PayloadType(if on { 127 } else { 0 }),
                        marker: on,
                        origin,
                        patch,
                        send_time: [1, 2, 3],
                        transport_number: on.then_some(0xffff),
                        playout_delay: on,
                    };
                    let record = Record::new(&sent);
                    assert!(record.is_of(sequence) && !record.is_of(sequence + 1));
                    assert_eq!(record.sent(sequence), sent);
                }
            }
        }
        assert!(!Record::default().is_of(0));
    }
}
