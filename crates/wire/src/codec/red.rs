//! Redundant audio, RFC 2198: older blocks first, the primary last.

use std::ops::Range;

use crate::id::PayloadType;

/// Most redundant blocks that we read.
pub const MAX_REDUNDANT: usize = 8;

/// One older encoding in a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redundant {
    /// Its payload type.
    pub payload_type: PayloadType,
    /// How much older than the packet, RTP ticks, below 2^14.
    pub timestamp_offset: u16,
    /// Where it lies in the payload.
    pub range: Range<usize>,
}

/// A payload taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedView {
    blocks: [Redundant; MAX_REDUNDANT],
    count: usize,
    /// Payload type of the primary.
    pub primary_type: PayloadType,
    /// Where the primary lies in the payload.
    pub primary: Range<usize>,
}

impl RedView {
    /// Walks the headers. None where blocks overrun the payload or there are more than [`MAX_REDUNDANT`].
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut blocks: [Redundant; MAX_REDUNDANT] = std::array::from_fn(|_| Redundant {
            payload_type: PayloadType(0),
            timestamp_offset: 0,
            range: 0..0,
        });
        let mut count = 0;
        let mut at = 0;
        let primary_type = loop {
            let first = *payload.get(at)?;
            if first & 0x80 == 0 {
                at += 1;
                break PayloadType(first);
            }
            let &[_, a, b, c] = payload.get(at..at + 4)? else {
                return None;
            };
            let block = blocks.get_mut(count)?;
            block.payload_type = PayloadType(first & 0x7f);
            block.timestamp_offset = u16::from(a) << 6 | u16::from(b >> 2);
            block.range = 0..(usize::from(b & 3) << 8 | usize::from(c));
            count += 1;
            at += 4;
        };
        for block in blocks.iter_mut().take(count) {
            let end = at + block.range.len();
            block.range = at..end;
            at = end;
        }
        if at > payload.len() {
            return None;
        }
        Some(Self {
            blocks,
            count,
            primary_type,
            primary: at..payload.len(),
        })
    }

    /// The older encodings, oldest first.
    pub fn redundant(&self) -> &[Redundant] {
        self.blocks.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_redundant_blocks_and_a_primary() {
        let payload = [
            0xef,
            1920u16.to_be_bytes()[0] << 2 | 0x1e,
            0x00,
            2, // offset 1920 = 0x780
            0xef,
            0x0f,
            0x00,
            1,
            111,
            1,
            2,
            3,
            4,
            5,
        ];
        let view = RedView::parse(&payload).unwrap();
        assert_eq!(view.redundant().len(), 2);
        assert_eq!(view.redundant()[0].timestamp_offset, 1920);
        assert_eq!(view.redundant()[1].timestamp_offset, 960);
        assert_eq!(view.redundant()[0].range, 9..11);
        assert_eq!(view.redundant()[1].range, 11..12);
        assert_eq!(view.primary, 12..14);
        assert_eq!(view.primary_type, PayloadType(111));
    }

    #[test]
    fn blocks_longer_than_the_payload_are_refused() {
        assert_eq!(RedView::parse(&[0xef, 0, 3, 0xff, 111, 1]), None);
        assert_eq!(RedView::parse(&[0xef, 0, 3]), None);
        assert_eq!(RedView::parse(&[]), None);
    }
}
