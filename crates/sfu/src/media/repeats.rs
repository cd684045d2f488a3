//! Sealed packets kept to be sent again as they are, for subscriptions without a retransmission stream: a sequence
//! number is sealed once (see `sluice_secure::SrtpSender`), so what goes out again must be the very same bytes.

use sluice_wire::codec::MediaKind;

/// The last packets of one subscription.
#[derive(Debug)]
pub struct Repeats {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    sequence: Option<u16>,
    bytes: Vec<u8>,
}

impl Repeats {
    /// Room for what a subscriber can ask for within a usual round trip.
    pub fn new(kind: MediaKind) -> Self {
        let capacity = match kind {
            MediaKind::Audio => AUDIO_PACKETS,
            MediaKind::Video => VIDEO_PACKETS,
        };
        let mut slots = Vec::new();
        slots.resize_with(capacity, Slot::default);
        Self { slots }
    }

    /// Keeps a sealed packet in place of an older one.
    pub fn keep(&mut self, sequence: u16, sealed: &[u8]) {
        let at = usize::from(sequence) % self.slots.len().max(1);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.sequence = Some(sequence);
            slot.bytes.clear();
            slot.bytes.extend_from_slice(sealed);
        }
    }

    /// A packet that is still kept.
    pub fn get(&self, sequence: u16) -> Option<&[u8]> {
        let slot = self
            .slots
            .get(usize::from(sequence) % self.slots.len().max(1))?;
        (slot.sequence == Some(sequence)).then_some(slot.bytes.as_slice())
    }
}

/// 640 ms in packets of 20 ms. A divisor of 2^16, so that the wrap of sequence numbers disturbs nothing.
const AUDIO_PACKETS: usize = 32;

/// A second at 1 Mbit/s. A divisor of 2^16.
const VIDEO_PACKETS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_kept_until_newer_ones_take_their_place() {
        let mut repeats = Repeats::new(MediaKind::Audio);
        for sequence in [65_535, 0, 1] {
            repeats.keep(sequence, &sequence.to_be_bytes());
        }
        assert_eq!(repeats.get(65_535), Some(&[0xff, 0xff][..]));
        repeats.keep(31, b"newer");
        assert_eq!(repeats.get(65_535), None);
        assert_eq!(repeats.get(0), Some(&[0, 0][..]));
        assert_eq!(repeats.get(2), None);
    }
}
