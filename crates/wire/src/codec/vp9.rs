//! VP9 payload descriptor, RFC 9628 section 4.2.

/// Most spatial layers that a scalability structure can tell.
pub const MAX_SPATIAL: usize = 8;

/// Layer indices of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// TID, 0 to 7.
    pub temporal: u8,
    /// U: a receiver may step up to this temporal layer here.
    pub switching_up: bool,
    /// SID, 0 to 7.
    pub spatial: u8,
    /// D: depends on the spatial layer below in the same picture.
    pub inter_layer: bool,
}

/// The descriptor in front of every VP9 payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9View {
    /// Picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// P: predicted from former pictures.
    pub inter_picture: bool,
    /// F: flexible mode.
    pub flexible: bool,
    /// B: first packet of a layer frame.
    pub frame_start: bool,
    /// E: last packet of a layer frame.
    pub frame_end: bool,
    /// Z: no higher spatial layer refers to this one.
    pub not_reference_for_higher: bool,
    /// Layer indices.
    pub layer: Option<Layer>,
    /// TL0PICIDX, in the non-flexible mode.
    pub tl0_pic_idx: Option<u8>,
    /// What the scalability structure says, where there is one.
    pub structure: Option<Structure>,
    /// Length of the descriptor, bytes.
    pub descriptor_len: usize,
}

/// A scalability structure (section 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// Spatial layers, 1 to 8.
    pub spatial_layers: u8,
    /// Width and height of each, lowest first; zeros where not told.
    pub sizes: [(u16, u16); MAX_SPATIAL],
}

impl Vp9View {
    /// Reads the descriptor.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut bytes = Bytes { payload, at: 0 };
        let first = bytes.next()?;
        let flag = |bit: u8| first & bit != 0;
        let picture_id = if flag(0x80) {
            let high = bytes.next()?;
            Some(if high & 0x80 != 0 {
                u16::from(high & 0x7f) << 8 | u16::from(bytes.next()?)
            } else {
                u16::from(high)
            })
        } else {
            None
        };
        let flexible = flag(0x10);
        let mut layer = None;
        let mut tl0_pic_idx = None;
        if flag(0x20) {
            let byte = bytes.next()?;
            layer = Some(Layer {
                temporal: byte >> 5,
                switching_up: byte & 0x10 != 0,
                spatial: byte >> 1 & 7,
                inter_layer: byte & 1 != 0,
            });
            if !flexible {
                tl0_pic_idx = Some(bytes.next()?);
            }
        }
        if flexible && flag(0x40) {
            // P_DIFF with N: at most three.
            let mut more = 0;
            while bytes.next()? & 1 != 0 {
                more += 1;
                if more == 3 {
                    return None;
                }
            }
        }
        let structure = if flag(0x02) {
            Some(Structure::parse(&mut bytes)?)
        } else {
            None
        };
        Some(Self {
            picture_id,
            inter_picture: flag(0x40),
            flexible,
            frame_start: flag(0x08),
            frame_end: flag(0x04),
            not_reference_for_higher: flag(0x01),
            layer,
            tl0_pic_idx,
            structure,
            descriptor_len: bytes.at,
        })
    }

    /// Spatial layer; 0 where there are no layer indices.
    pub fn spatial(&self) -> u8 {
        self.layer.map_or(0, |l| l.spatial)
    }

    /// Temporal layer; 0 where there are no layer indices.
    pub fn temporal(&self) -> u8 {
        self.layer.map_or(0, |l| l.temporal)
    }

    /// True for the first packet of a picture that needs no former one.
    pub fn is_key_frame_start(&self) -> bool {
        !self.inter_picture && self.frame_start && self.spatial() == 0
    }

    /// Size of the highest spatial layer, where a structure tells it.
    pub fn size(&self) -> Option<(u16, u16)> {
        let structure = self.structure?;
        let top = usize::from(structure.spatial_layers).checked_sub(1)?;
        structure
            .sizes
            .get(top)
            .copied()
            .filter(|&size| size != (0, 0))
    }
}

impl Structure {
    fn parse(bytes: &mut Bytes<'_>) -> Option<Self> {
        let head = bytes.next()?;
        let spatial_layers = (head >> 5) + 1;
        let mut sizes = [(0, 0); MAX_SPATIAL];
        if head & 0x10 != 0 {
            for size in sizes.iter_mut().take(usize::from(spatial_layers)) {
                *size = (bytes.next_u16()?, bytes.next_u16()?);
            }
        }
        if head & 0x08 != 0 {
            for _ in 0..bytes.next()? {
                let references = bytes.next()? >> 2 & 3;
                for _ in 0..references {
                    bytes.next()?;
                }
            }
        }
        Some(Self {
            spatial_layers,
            sizes,
        })
    }
}

struct Bytes<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.payload.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn next_u16(&mut self) -> Option<u16> {
        Some(u16::from(self.next()?) << 8 | u16::from(self.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_flexible_key_frame_with_structure() {
        // I L B V, picture id 0x1234, layer 0, TL0PICIDX 7, SS: 2 layers with sizes, one group of one reference.
        let payload = [
            0b1010_1010,
            0x92,
            0x34,
            0b0001_0000,
            7,
            0b0011_1000,
            1,
            0x40,
            0,
            0xb4,
            2,
            0x80,
            1,
            0x68,
            1,
            0b0000_0100,
            1,
            0xff,
        ];
        let view = Vp9View::parse(&payload).unwrap();
        assert_eq!(view.picture_id, Some(0x1234));
        assert_eq!(view.tl0_pic_idx, Some(7));
        assert!(view.is_key_frame_start());
        assert_eq!(view.size(), Some((640, 360)));
        assert_eq!(view.descriptor_len, payload.len() - 1);
    }

    #[test]
    fn flexible_packet_of_an_upper_layer() {
        // I P L F E, 7-bit id, TID 1 U SID 2 D, two references.
        let payload = [0b1111_0100, 0x05, 0b0011_0101, 0b0000_0011, 0b0000_0100];
        let view = Vp9View::parse(&payload).unwrap();
        assert_eq!(
            view.layer,
            Some(Layer {
                temporal: 1,
                switching_up: true,
                spatial: 2,
                inter_layer: true
            })
        );
        assert!(view.frame_end && !view.frame_start && !view.is_key_frame_start());
        assert_eq!(view.descriptor_len, 5);
    }

    #[test]
    fn a_fourth_reference_is_refused() {
        assert_eq!(Vp9View::parse(&[0b0101_0000, 1, 1, 1, 0]), None);
    }
}
