//! Headers of packets we send, written straight into the send slot.

use super::{FIXED_HEADER_LEN, PROFILE_ONE_BYTE, PROFILE_TWO_BYTE};
use crate::id::{PayloadType, Ssrc};

/// The fixed header of an outgoing packet; it has no contributing sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutHeader {
    /// The marker bit.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: PayloadType,
    /// The sequence number.
    pub sequence: u16,
    /// In units of the payload's clock.
    pub timestamp: u32,
    /// Our synchronisation source.
    pub ssrc: Ssrc,
    /// Sets the padding bit; the caller writes the padding behind the payload.
    pub padding: bool,
}

/// Header extension elements of one outgoing packet, held inline as they go on the wire. Reuse one with
/// [`Self::clear`].
#[derive(Debug, Clone)]
pub struct ExtensionBlock {
    bytes: [u8; Self::MAX_WIRE_BYTES],
    /// How much of `bytes` is elements, without padding.
    used: usize,
    count: usize,
    /// In the two-byte form: an element does not fit the one-byte form.
    wide: bool,
}

impl ExtensionBlock {
    /// Most elements a block holds.
    pub const MAX_ELEMENTS: usize = 8;
    /// Most bytes of values a block holds: the longest dependency descriptor and a few small elements.
    pub const MAX_BYTES: usize = 320;

    const MAX_WIRE_BYTES: usize = Self::MAX_BYTES + 2 * Self::MAX_ELEMENTS;

    /// An empty block.
    pub const fn new() -> Self {
        Self {
            bytes: [0; Self::MAX_WIRE_BYTES],
            used: 0,
            count: 0,
            wide: false,
        }
    }

    /// Forgets all elements.
    #[inline]
    pub const fn clear(&mut self) {
        self.used = 0;
        self.count = 0;
        self.wide = false;
    }

    /// True without elements.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an element; false, and nothing added, where the id is 0, the value is longer than 255 bytes or the
    /// block is full.
    #[inline]
    pub fn push(&mut self, id: u8, value: &[u8]) -> bool {
        let Ok(len) = u8::try_from(value.len()) else {
            return false;
        };
        let values = self.used - self.count * self.head_len() + value.len();
        if id == 0 || self.count == Self::MAX_ELEMENTS || values > Self::MAX_BYTES {
            return false;
        }
        if !self.wide && !fits_one_byte(id, len) {
            self.widen();
        }
        self.append(id, len, value).is_some()
    }

    /// The elements in order, as id and value.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.bytes.as_slice();
        (0..self.count).map_while(move |_| {
            let (id, len) = if self.wide {
                let (&[id, len], behind) = rest.split_first_chunk()?;
                rest = behind;
                (id, len)
            } else {
                let (first, behind) = rest.split_first()?;
                rest = behind;
                (first >> 4, (first & 0xf) + 1)
            };
            let (value, behind) = rest.split_at_checked(usize::from(len))?;
            rest = behind;
            Some((id, value))
        })
    }

    /// Bytes of the block on the wire with its own header; 0 without elements.
    #[inline]
    pub const fn wire_len(&self) -> usize {
        if self.count == 0 {
            return 0;
        }
        4 + self.used.next_multiple_of(4)
    }

    /// What tells an element from the one before it, bytes.
    #[inline]
    const fn head_len(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    #[inline]
    fn append(&mut self, id: u8, len: u8, value: &[u8]) -> Option<()> {
        let head_len = self.head_len();
        let end = self.used + head_len + value.len();
        let (head, slot) = self
            .bytes
            .get_mut(self.used..end)?
            .split_at_mut_checked(head_len)?;
        match head {
            [first] => *first = id << 4 | len.wrapping_sub(1),
            [first, second] => (*first, *second) = (id, len),
            _ => return None,
        }
        slot.copy_from_slice(value);
        self.count += 1;
        self.used = end;
        Some(())
    }

    /// Takes the two-byte form for all elements.
    #[cold]
    fn widen(&mut self) {
        let narrow = self.clone();
        self.clear();
        self.wide = true;
        for (id, value) in narrow.iter() {
            // In the one-byte form a value has 16 bytes at most.
            let added = self.append(id, value.len() as u8, value);
            debug_assert!(added.is_some(), "there is room for two bytes each");
        }
    }
}

/// The one-byte form holds ids 1 to 14 and values of 1 to 16 bytes (RFC 8285 section 4.2).
const fn fits_one_byte(id: u8, len: u8) -> bool {
    id <= 14 && matches!(len, 1..=16)
}

impl Default for ExtensionBlock {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the fixed header and the extension block at the start of `out` and returns their length; `None` where
/// `out` is too short. The block takes the one-byte form where it can.
#[inline]
pub fn write_header(
    out: &mut [u8],
    header: &OutHeader,
    extensions: &ExtensionBlock,
) -> Option<usize> {
    let total = FIXED_HEADER_LEN + extensions.wire_len();
    let out = out.get_mut(..total)?;
    let (fixed, block) = out.split_first_chunk_mut::<FIXED_HEADER_LEN>()?;
    let flags = 0x80 | u8::from(header.padding) << 5 | u8::from(!extensions.is_empty()) << 4;
    let [q0, q1] = header.sequence.to_be_bytes();
    let [t0, t1, t2, t3] = header.timestamp.to_be_bytes();
    let [s0, s1, s2, s3] = header.ssrc.0.to_be_bytes();
    let marker_pt = u8::from(header.marker) << 7 | header.payload_type.0 & 0x7f;
    *fixed = [flags, marker_pt, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3];
    if !extensions.is_empty() {
        write_block(block, extensions)?;
    }
    Some(total)
}

/// Writes the block, which fills `out`.
#[inline]
fn write_block(out: &mut [u8], extensions: &ExtensionBlock) -> Option<()> {
    let (head, rest) = out.split_first_chunk_mut::<4>()?;
    let [p0, p1] = if extensions.wide {
        PROFILE_TWO_BYTE
    } else {
        PROFILE_ONE_BYTE
    }
    .to_be_bytes();
    let [w0, w1] = u16::try_from(rest.len() / 4).ok()?.to_be_bytes();
    *head = [p0, p1, w0, w1];
    let (elements, padding) = rest.split_at_mut_checked(extensions.used)?;
    elements.copy_from_slice(extensions.bytes.get(..extensions.used)?);
    padding.fill(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::RtpView;

    const HEADER: OutHeader = OutHeader {
        marker: true,
        payload_type: PayloadType(111),
        sequence: 65_535,
        timestamp: 0xffff_fc18,
        ssrc: Ssrc(7),
        padding: false,
    };

    fn written(extensions: &ExtensionBlock) -> Vec<u8> {
        let mut out = [0xee; 600];
        let len = write_header(&mut out, &HEADER, extensions).unwrap();
        assert_eq!(len, FIXED_HEADER_LEN + extensions.wire_len());
        let mut bytes = out[..len].to_vec();
        bytes.extend(b"payload");
        bytes
    }

    #[test]
    fn a_header_without_extensions_is_twelve_bytes() {
        let bytes = written(&ExtensionBlock::new());
        let view = RtpView::parse(&bytes).unwrap();
        let header = view.header();
        assert_eq!(header.header_len, 12);
        assert_eq!(
            (header.marker, header.payload_type, header.sequence),
            (true, PayloadType(111), 65_535)
        );
        assert_eq!((header.timestamp, header.ssrc), (0xffff_fc18, Ssrc(7)));
        assert_eq!(view.payload(), b"payload");
    }

    #[test]
    fn small_elements_take_the_one_byte_form() {
        let mut block = ExtensionBlock::new();
        assert!(block.push(14, &[1]));
        assert!(block.push(1, &[9; 16]));
        let bytes = written(&block);
        assert_eq!(bytes[12..14], [0xbe, 0xde]);
        let view = RtpView::parse(&bytes).unwrap();
        let all: Vec<_> = view.extensions().collect();
        assert_eq!(all, [(14, &[1][..]), (1, &[9; 16][..])]);
    }

    #[test]
    fn long_empty_or_high_elements_take_the_two_byte_form() {
        for (id, value) in [
            (15, &[1, 2][..]),
            (3, &[5; 17][..]),
            (3, &[][..]),
            (255, &[6; 255][..]),
        ] {
            let mut block = ExtensionBlock::new();
            assert!(block.push(2, &[1]));
            assert!(block.push(id, value));
            let bytes = written(&block);
            assert_eq!(bytes[12..14], [0x10, 0x00]);
            let view = RtpView::parse(&bytes).unwrap();
            assert_eq!(view.extension(2), Some(&[1][..]));
            assert_eq!(view.extension(id), Some(value));
            assert_eq!(view.payload(), b"payload");
        }
    }

    #[test]
    fn small_elements_take_the_two_byte_form_beside_a_long_one() {
        let mut block = ExtensionBlock::new();
        assert!(block.push(1, &[7; 3]));
        assert!(block.push(2, &[8]));
        assert!(block.push(3, &[9; 17]));
        assert!(block.push(4, &[6; 2]));
        let bytes = written(&block);
        assert_eq!(bytes[12..14], [0x10, 0x00]);
        let view = RtpView::parse(&bytes).unwrap();
        let expected = [
            (1, &[7; 3][..]),
            (2, &[8][..]),
            (3, &[9; 17][..]),
            (4, &[6; 2][..]),
        ];
        assert_eq!(view.extensions().collect::<Vec<_>>(), expected);
        assert_eq!(block.iter().collect::<Vec<_>>(), expected);
        block.clear();
        assert!(block.push(5, &[1]));
        assert_eq!(written(&block)[12..14], [0xbe, 0xde], "small again");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut block = ExtensionBlock::new();
        assert!(!block.push(0, &[1]));
        assert!(!block.push(1, &[0; 256]));
        assert!(block.push(1, &[0; 255]));
        assert!(!block.push(2, &[0; 66]));
        for id in 2..=8 {
            assert!(block.push(id, &[1]));
        }
        assert!(!block.push(9, &[1]));
        assert_eq!(write_header(&mut [0; 200], &HEADER, &block), None);
        block.clear();
        assert!(block.is_empty());
        assert_eq!(write_header(&mut [0; 12], &HEADER, &block), Some(12));
    }
}
