//! VP8 payload descriptor, RFC 7741 section 4.2, and what a key frame's header says (section 4.3).

/// Longest descriptor, bytes.
pub const MAX_LEN: usize = 6;

/// A picture id with the width it has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// The id, below 2^15 or 2^7.
    pub value: u16,
    /// True where it takes 15 bits, false for 7.
    pub long: bool,
}

/// Temporal layer of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    /// TID, 0 to 3.
    pub id: u8,
    /// Y: it depends on the base layer only, so a receiver may step up here.
    pub layer_sync: bool,
}

/// The descriptor in front of every VP8 payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// S: a partition starts here.
    pub partition_start: bool,
    /// PID, 0 to 7.
    pub partition: u8,
    /// Picture id.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: running count of base layer frames.
    pub tl0_pic_idx: Option<u8>,
    /// TID and Y.
    pub temporal: Option<Temporal>,
    /// KEYIDX: running count of key frames, 0 to 31.
    pub key_idx: Option<u8>,
}

/// What one payload tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8View {
    /// The descriptor.
    pub descriptor: Vp8Descriptor,
    /// Its length, bytes.
    pub descriptor_len: usize,
    /// A key frame starts here.
    pub key_frame: bool,
    /// Width and height in pixels, where a key frame starts here.
    pub size: Option<(u16, u16)>,
}

impl Vp8View {
    /// Reads the descriptor and, behind it, the first bytes of a frame.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (descriptor, descriptor_len) = Vp8Descriptor::parse(payload)?;
        let frame = payload.get(descriptor_len..)?;
        let key_frame = descriptor.is_frame_start() && frame.first().is_some_and(|b| b & 1 == 0);
        let size = if key_frame {
            key_frame_size(frame)
        } else {
            None
        };
        Some(Self {
            descriptor,
            descriptor_len,
            key_frame,
            size,
        })
    }
}

impl Vp8Descriptor {
    /// Reads a descriptor and its length.
    pub fn parse(payload: &[u8]) -> Option<(Self, usize)> {
        let mut bytes = payload.iter().copied();
        let mut len = 1;
        let mut next = || {
            len += 1;
            bytes.next()
        };
        let first = next()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_pic_idx: None,
            temporal: None,
            key_idx: None,
        };
        if first & 0x80 != 0 {
            let present = next()?;
            if present & 0x80 != 0 {
                let high = next()?;
                let long = high & 0x80 != 0;
                let mut value = u16::from(high & 0x7f);
                if long {
                    value = value << 8 | u16::from(next()?);
                }
                descriptor.picture_id = Some(PictureId { value, long });
            }
            if present & 0x40 != 0 {
                descriptor.tl0_pic_idx = Some(next()?);
            }
            if present & 0x30 != 0 {
                let byte = next()?;
                if present & 0x20 != 0 {
                    descriptor.temporal = Some(Temporal {
                        id: byte >> 6,
                        layer_sync: byte & 0x20 != 0,
                    });
                }
                if present & 0x10 != 0 {
                    descriptor.key_idx = Some(byte & 0x1f);
                }
            }
        }
        Some((descriptor, len - 1))
    }

    /// True for the first packet of a frame.
    pub const fn is_frame_start(&self) -> bool {
        self.partition_start && self.partition == 0
    }

    /// Writes the descriptor; returns the buffer and how much of it is used.
    pub fn write(&self) -> ([u8; MAX_LEN], usize) {
        let mut out = [0; MAX_LEN];
        let mut len = 0;
        let mut push = |byte| {
            if let Some(slot) = out.get_mut(len) {
                *slot = byte;
                len += 1;
            }
        };
        let present = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_pic_idx.is_some()) << 6
            | u8::from(self.temporal.is_some()) << 5
            | u8::from(self.key_idx.is_some()) << 4;
        push(
            u8::from(present != 0) << 7
                | u8::from(self.non_reference) << 5
                | u8::from(self.partition_start) << 4
                | self.partition & 0x07,
        );
        if present != 0 {
            push(present);
        }
        if let Some(id) = self.picture_id {
            if id.long {
                push((id.value >> 8) as u8 | 0x80);
                push(id.value as u8);
            } else {
                push(id.value as u8 & 0x7f);
            }
        }
        if let Some(index) = self.tl0_pic_idx {
            push(index);
        }
        if self.temporal.is_some() || self.key_idx.is_some() {
            let temporal = self
                .temporal
                .map_or(0, |t| t.id << 6 | u8::from(t.layer_sync) << 5);
            push(temporal | self.key_idx.unwrap_or(0) & 0x1f);
        }
        (out, len)
    }
}

/// Width and height from an uncompressed key frame header, RFC 6386 section 9.1.
fn key_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    match *frame.get(3..10)? {
        [0x9d, 0x01, 0x2a, w0, w1, h0, h1] => Some((
            u16::from_le_bytes([w0, w1]) & 0x3fff,
            u16::from_le_bytes([h0, h1]) & 0x3fff,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_fields_is_written_as_it_was_read() {
        for mask in 0..64u8 {
            let descriptor = Vp8Descriptor {
                non_reference: mask & 1 != 0,
                partition_start: true,
                partition: 3,
                picture_id: (mask & 2 != 0).then_some(PictureId {
                    value: 0x55,
                    long: mask & 4 != 0,
                }),
                tl0_pic_idx: (mask & 8 != 0).then_some(200),
                temporal: (mask & 16 != 0).then_some(Temporal {
                    id: 2,
                    layer_sync: true,
                }),
                key_idx: (mask & 32 != 0).then_some(17),
            };
            let (bytes, len) = descriptor.write();
            assert_eq!(Vp8Descriptor::parse(&bytes[..len]), Some((descriptor, len)));
        }
    }

    #[test]
    fn key_frame_tells_its_size() {
        let payload = [
            0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0x00,
        ];
        let view = Vp8View::parse(&payload).unwrap();
        assert!(view.key_frame);
        assert_eq!(view.size, Some((640, 360)));
    }

    #[test]
    fn continuation_of_a_key_frame_is_no_key_frame() {
        assert!(!Vp8View::parse(&[0x00, 0x10, 0x02]).unwrap().key_frame);
    }

    #[test]
    fn a_descriptor_cut_short_is_refused() {
        assert_eq!(Vp8View::parse(&[0x90, 0xf0, 0x80]), None);
        assert_eq!(Vp8View::parse(&[]), None);
    }
}
