//! What was sent lately, so that a NACK can be answered from the publisher's ring.
//!
//! A packet is put together from its [`Sent`] record and the ring's copy both when it goes out first and when it goes
//! out again, so both are the same bytes. On the RTX stream (RFC 4588) that only saves work. Without RTX it is
//! essential: a packet that goes out again keeps SSRC, sequence number and rollover counter and so its AES-GCM nonce,
//! which must never seal two different plaintexts (RFC 7714 section 8.1). That is why send time and transport-wide
//! number are kept too.

use std::time::{Duration, Instant};

use sluice_wire::id::PayloadType;

use crate::munge::dependency_descriptor::DescriptorPatch;
use crate::munge::vp8::Vp8Patch;
use crate::record::Record;

/// Record of a packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Extended sequence number on the media stream.
    pub sequence: u64,
    pub timestamp: u32,
    pub payload_type: PayloadType,
    pub marker: bool,
    pub origin: Origin,
    pub patch: Patch,
    /// abs-send-time.
    pub send_time: [u8; 3],
    /// Transport-wide number.
    pub transport_number: Option<u16>,
    /// The playout delay was told with it.
    pub playout_delay: bool,
}

/// Where a payload comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A packet of the publisher.
    Packet { layer: u8, sequence: u64 },
    /// A block in a RED packet of the publisher: a redundant one, or the primary where none.
    Block {
        layer: u8,
        sequence: u64,
        redundant: Option<u8>,
    },
    /// A frame of Opus silence.
    Silence,
    /// Nothing but padding.
    Padding,
}

/// What is rewritten in a payload or descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    None,
    Vp8(Vp8Patch),
    Descriptor(DescriptorPatch),
}

/// The last packets of one outgoing stream.
#[derive(Debug)]
pub(crate) struct History {
    slots: Vec<Record>,
    /// A power of two.
    capacity: u64,
    highest: u64,
    /// When its clock began.
    origin: Instant,
}

impl History {
    /// Room for at least `capacity` packets, taken with the first one.
    pub fn new(capacity: u64, origin: Instant) -> Self {
        Self {
            slots: Vec::new(),
            capacity: capacity.next_power_of_two(),
            highest: 0,
            origin,
        }
    }

    /// True where a packet may take this number: it is not taken, and new enough for that to be known.
    #[inline]
    pub fn is_free(&self, sequence: u64) -> bool {
        sequence > self.highest || (sequence + self.capacity > self.highest && !self.has(sequence))
    }

    /// Remembers a packet whose number was free.
    #[inline]
    pub fn insert(&mut self, sent: &Sent) {
        debug_assert!(
            self.is_free(sent.sequence),
            "a sequence number is used once"
        );
        if self.slots.is_empty() {
            self.slots.resize(self.capacity as usize, Record::default());
        }
        let index = self.index(sent.sequence);
        self.highest = self.highest.max(sent.sequence);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Record::new(sent);
        }
    }

    /// True while the packet is remembered.
    fn has(&self, sequence: u64) -> bool {
        self.slots
            .get(self.index(sequence))
            .is_some_and(|record| record.is_of(sequence))
    }

    /// The extended form of a sequence number that was sent lately.
    pub fn extend(&self, sequence: u16) -> u64 {
        let behind = (self.highest as u16).wrapping_sub(sequence);
        self.highest.wrapping_sub(u64::from(behind))
    }

    /// Takes a packet to send again, which counts. None where it is unknown, was sent [`MAX_REPEATS`] times again,
    /// or less than `interval` ago.
    pub fn repeat(&mut self, now: Instant, sequence: u16, interval: Duration) -> Option<Sent> {
        let sequence = self.extend(sequence);
        let index = self.index(sequence);
        let since_origin = now.saturating_duration_since(self.origin);
        let millis = since_origin.as_millis() as u16;
        let record = self
            .slots
            .get_mut(index)
            .filter(|record| record.is_of(sequence))?;
        let since = u128::from(millis.wrapping_sub(record.repeated_at));
        let too_soon = record.repeats > 0 && since < interval.as_millis();
        if record.repeats >= MAX_REPEATS || too_soon {
            return None;
        }
        record.repeats += 1;
        record.repeated_at = millis;
        Some(record.sent(sequence))
    }

    fn index(&self, sequence: u64) -> usize {
        (sequence & (self.capacity - 1)) as usize
    }
}

/// Times that a packet is sent again at most; livekit-server's number.
const MAX_REPEATS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    fn sent(sequence: u64) -> Sent {
        Sent {
            sequence,
            timestamp: 0,
            payload_type: PayloadType(96),
            marker: false,
            origin: Origin::Silence,
            patch: Patch::None,
            send_time: [0; 3],
            transport_number: None,
            playout_delay: false,
        }
    }

    #[test]
    fn a_packet_repeats_three_times_and_not_within_a_round_trip() {
        let mut history = History::new(8, at(0));
        history.insert(&sent(65_540));
        let rtt = Duration::from_millis(50);
        let mut at_ms = |ms| history.repeat(at(ms), 4, rtt).is_some();
        assert_eq!(
            [10, 20, 70, 130, 300].map(&mut at_ms),
            [true, false, true, true, false]
        );
    }

    #[test]
    fn numbers_are_free_once_and_only_while_that_is_known() {
        let mut history = History::new(8, at(0));
        assert!(history.is_free(100));
        history.insert(&sent(100));
        history.insert(&sent(103));
        assert!(!history.is_free(100));
        assert!(history.is_free(101));
        history.insert(&sent(110));
        assert!(!history.is_free(102), "too old to tell");
        assert!(history.is_free(104));
    }

    #[test]
    fn a_number_from_before_the_wrap_is_found() {
        let mut history = History::new(8, at(0));
        history.insert(&sent(65_534));
        history.insert(&sent(65_538));
        assert!(history.repeat(at(0), 65_534, Duration::ZERO).is_some());
        assert!(history.repeat(at(0), 65_535, Duration::ZERO).is_none());
    }
}
