//! The last packets of one layer in plaintext, kept once for all subscriptions.

use crate::packet::PacketMeta;

/// Fixed number of slots, addressed by sequence number. A slot's memory is taken when it is first used and kept.
#[derive(Debug)]
pub struct PacketRing {
    slots: Vec<Slot>,
    /// Bytes reserved for a slot at its first use.
    typical_len: usize,
    highest: Option<u64>,
}

#[derive(Debug, Default)]
struct Slot {
    meta: Option<PacketMeta>,
    /// The dependency descriptor, then the payload.
    bytes: Vec<u8>,
    descriptor_len: usize,
}

/// A packet in the ring.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// What is known of it.
    pub meta: &'a PacketMeta,
    /// Its dependency descriptor as received; empty without one.
    pub descriptor: &'a [u8],
    /// Its payload without padding.
    pub payload: &'a [u8],
}

impl PacketRing {
    /// A ring of `capacity` packets (at least one), most of them not longer than `typical_len` bytes.
    pub fn new(capacity: usize, typical_len: usize) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(capacity.max(1), Slot::default);
        Self {
            slots,
            typical_len,
            highest: None,
        }
    }

    /// Stores a packet; false where it is older than all that the ring may hold or longer than a packet can be.
    pub fn insert(&mut self, meta: PacketMeta, descriptor: &[u8], payload: &[u8]) -> bool {
        let len = descriptor.len() + payload.len();
        if self.is_too_old(meta.sequence) || len > MAX_LEN {
            return false;
        }
        let typical_len = self.typical_len;
        let Some(slot) = self.slot_mut(meta.sequence) else {
            return false;
        };
        slot.bytes.clear();
        if slot.bytes.capacity() < len {
            slot.bytes.reserve_exact(len.max(typical_len));
        }
        slot.bytes.extend_from_slice(descriptor);
        slot.bytes.extend_from_slice(payload);
        slot.descriptor_len = descriptor.len();
        slot.meta = Some(meta);
        self.highest = self.highest.max(Some(meta.sequence));
        true
    }

    /// The packet with this (published) sequence number, while it is kept.
    #[inline]
    pub fn get(&self, sequence: u64) -> Option<Stored<'_>> {
        let slot = self.slots.get(self.index(sequence))?;
        let meta = slot
            .meta
            .as_ref()
            .filter(|meta| meta.sequence == sequence)?;
        let (descriptor, payload) = slot.bytes.split_at_checked(slot.descriptor_len)?;
        Some(Stored {
            meta,
            descriptor,
            payload,
        })
    }

    /// True where newer packets have taken all slots.
    pub fn is_too_old(&self, sequence: u64) -> bool {
        self.highest
            .is_some_and(|highest| sequence + self.slots.len() as u64 <= highest)
    }

    /// The highest sequence number stored so far.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }

    fn slot_mut(&mut self, sequence: u64) -> Option<&mut Slot> {
        let index = self.index(sequence);
        self.slots.get_mut(index)
    }

    fn index(&self, sequence: u64) -> usize {
        (sequence % self.slots.len() as u64) as usize
    }
}

/// No datagram path of ours carries more.
const MAX_LEN: usize = 9_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::meta;

    #[test]
    fn a_packet_is_found_until_its_slot_is_taken() {
        let mut ring = PacketRing::new(4, 100);
        for sequence in 10..14 {
            assert!(ring.insert(meta(sequence), b"dd", &[sequence as u8; 3]));
        }
        let stored = ring.get(10).unwrap();
        assert_eq!(
            (stored.descriptor, stored.payload),
            (&b"dd"[..], &[10; 3][..])
        );
        assert!(ring.insert(meta(14), b"", b"new"));
        assert!(ring.get(10).is_none());
        assert_eq!(ring.get(14).unwrap().payload, b"new");
    }

    #[test]
    fn a_packet_older_than_the_ring_does_not_displace_a_newer_one() {
        let mut ring = PacketRing::new(4, 100);
        assert!(ring.insert(meta(20), b"", b"new"));
        assert!(!ring.insert(meta(16), b"", b"old"));
        assert!(ring.insert(meta(17), b"", b"late"));
        assert_eq!(ring.get(20).unwrap().payload, b"new");
    }

    #[test]
    fn slots_keep_their_memory() {
        let mut ring = PacketRing::new(2, 50);
        assert!(ring.insert(meta(1), b"", &[1; 40]));
        let before = ring.get(1).unwrap().payload.as_ptr();
        assert!(ring.insert(meta(3), b"", &[3; 50]));
        assert_eq!(ring.get(3).unwrap().payload.as_ptr(), before);
    }

    #[test]
    fn oversized_packets_are_refused() {
        assert!(!PacketRing::new(2, 50).insert(meta(1), b"", &[0; 9_001]));
    }
}
