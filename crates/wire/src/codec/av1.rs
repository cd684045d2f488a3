//! AV1 payloads: the aggregation header and the OBUs behind it (AV1 RTP specification, section 4.4), the picture
//! size from the sequence header (AV1 specification, section 5.5).

use super::bits::BitReader;

const OBU_SEQUENCE_HEADER: u8 = 1;

/// What one payload tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Av1View {
    /// Z: begins with the rest of an OBU.
    pub continues: bool,
    /// Y: ends with an OBU that goes on in the next packet.
    pub continued: bool,
    /// N: first packet of a coded video sequence.
    pub new_sequence: bool,
    /// A sequence header is in it.
    pub sequence_header: bool,
    /// Highest width and height in pixels, from the sequence header.
    pub size: Option<(u16, u16)>,
    /// Spatial id of the first OBU that has one.
    pub spatial: Option<u8>,
    /// Temporal id of the same.
    pub temporal: Option<u8>,
}

impl Av1View {
    /// Reads the aggregation header and the head of each OBU element. None for an empty payload or one whose
    /// elements overrun it.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&header, mut rest) = payload.split_first()?;
        let mut view = Self {
            continues: header & 0x80 != 0,
            continued: header & 0x40 != 0,
            new_sequence: header & 0x08 != 0,
            ..Self::default()
        };
        let counted = usize::from(header >> 4 & 3);
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let element;
            if counted != 0 && index >= counted {
                (element, rest) = (rest, &[][..]);
            } else {
                let (len, after) = leb128(rest)?;
                (element, rest) = after.split_at_checked(len)?;
            }
            if !(view.continues && index == 1) {
                view.add(element);
            }
        }
        Some(view)
    }

    /// True where decoding can start.
    pub const fn is_key_frame_start(&self) -> bool {
        !self.continues && (self.new_sequence || self.sequence_header)
    }

    fn add(&mut self, obu: &[u8]) {
        let Some((&header, mut body)) = obu.split_first() else {
            return;
        };
        if header & 0x04 != 0 {
            let Some((&extension, after)) = body.split_first() else {
                return;
            };
            body = after;
            self.temporal.get_or_insert(extension >> 5);
            self.spatial.get_or_insert(extension >> 3 & 3);
        }
        if header & 0x02 != 0 {
            let Some((_, after)) = leb128(body) else {
                return;
            };
            body = after;
        }
        if header >> 3 & 0x0f == OBU_SEQUENCE_HEADER {
            self.sequence_header = true;
            self.size = sequence_size(body).or(self.size);
        }
    }
}

/// An unsigned LEB128 number of at most four bytes (an element is never longer than a packet) and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for index in 0..4 {
        let byte = *bytes.get(index)?;
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// `max_frame_width` and `max_frame_height` (AV1 specification, section 5.5.1).
fn sequence_size(header: &[u8]) -> Option<(u16, u16)> {
    let mut bits = BitReader::new(header);
    bits.skip(4)?;
    if bits.bit()? {
        // Reduced still picture header: one operating point, only its level.
        bits.skip(5)?;
    } else {
        let mut decoder_model = None;
        if bits.bit()? {
            bits.skip(64)?;
            if bits.bit()? {
                skip_uvlc(&mut bits)?;
            }
            if bits.bit()? {
                decoder_model = Some(bits.bits(5)? as usize + 1);
                bits.skip(32 + 5 + 5)?;
            }
        }
        let initial_display_delay = bits.bit()?;
        for _ in 0..=bits.bits(5)? {
            bits.skip(12)?;
            if bits.bits(5)? > 7 {
                bits.skip(1)?;
            }
            if let Some(delay_len) = decoder_model
                && bits.bit()?
            {
                bits.skip(2 * delay_len + 1)?;
            }
            if initial_display_delay && bits.bit()? {
                bits.skip(4)?;
            }
        }
    }
    let width_bits = bits.bits(4)? + 1;
    let height_bits = bits.bits(4)? + 1;
    let width = bits.bits(width_bits)?.checked_add(1)?;
    let height = bits.bits(height_bits)?.checked_add(1)?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

/// AV1 specification, section 4.10.3.
fn skip_uvlc(bits: &mut BitReader<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.bit()? {
        zeros += 1;
    }
    if zeros < 32 {
        bits.skip(zeros)
    } else {
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence header OBU of libaom: main profile, 640 × 360.
    const SEQUENCE: [u8; 11] = [
        0x08, 0x00, 0x00, 0x00, 0x04, 0x46, 0x3f, 0xcf, 0xbd, 0x00, 0x80,
    ];

    #[test]
    fn sequence_header_starts_a_key_frame() {
        let mut sequence = [0; 12];
        sequence[0] = 0x08;
        {
            let mut w = super::super::bits::BitWriter::new(&mut sequence[1..]);
            // Profile, still, reduced; timing, display delay; one operating point of level 5.
            for (value, count) in [
                (0, 3),
                (0, 2),
                (0, 2),
                (0, 5),
                (0, 12),
                (5, 5),
                (9, 4),
                (8, 4),
                (639, 10),
                (359, 9),
            ] {
                w.bits(value, count).unwrap();
            }
        }
        let mut payload = vec![0b0010_1000, sequence.len() as u8];
        payload.extend(sequence);
        payload.extend([0x34, 0b0010_1000, 1, 2]);
        let view = Av1View::parse(&payload).unwrap();
        assert!(view.is_key_frame_start() && view.sequence_header && view.new_sequence);
        assert_eq!(view.size, Some((640, 360)));
        assert_eq!((view.temporal, view.spatial), (Some(1), Some(1)));
    }

    #[test]
    fn the_rest_of_an_obu_is_not_read_as_one() {
        let mut payload = vec![0b1001_0000];
        payload.extend(SEQUENCE);
        let view = Av1View::parse(&payload).unwrap();
        assert!(!view.sequence_header && !view.is_key_frame_start());
    }

    #[test]
    fn elements_longer_than_the_payload_are_refused() {
        assert_eq!(Av1View::parse(&[0, 9, 1]), None);
        assert_eq!(Av1View::parse(&[0, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(Av1View::parse(&[]), None);
    }
}
