//! Payload descriptors of VP9 (RFC 9628 section 4.2), in the non-flexible mode, as browsers send spatial layers.

/// Where a packet stands in its picture.
#[derive(Debug, Clone, Copy)]
pub struct Vp9Place {
    /// Counts pictures, 15 bits.
    pub picture_id: u16,
    /// Counts pictures of the lowest temporal layer.
    pub tl0_pic_idx: u8,
    /// Spatial layer.
    pub spatial: u8,
    /// The picture is a key picture.
    pub key: bool,
    /// First packet of the layer's frame.
    pub begins: bool,
    /// Last packet of it.
    pub ends: bool,
    /// No other picture builds on it.
    pub top: bool,
}

/// Writes the descriptor with, at a key picture's begin, the sizes of all layers. Returns its length.
pub fn write(place: Vp9Place, sizes: &[(u16, u16)], out: &mut [u8; MAX_LEN]) -> usize {
    let structure = place.key && place.begins && place.spatial == 0;
    // Of a key picture, the lowest layer refers to nothing; the others refer to the layer below alone.
    let inter_picture = !place.key;
    let flags = [
        (0x80, true),
        (0x40, inter_picture),
        (0x20, true),
        (0x08, place.begins),
        (0x04, place.ends),
        (0x02, structure),
        (0x01, place.top),
    ];
    out[0] = flags
        .iter()
        .filter(|(_, set)| *set)
        .map(|(bit, _)| bit)
        .sum();
    let id = 0x8000 | (place.picture_id & 0x7fff);
    out[1..3].copy_from_slice(&id.to_be_bytes());
    // Temporal layer 0, not a switching point, spatial layer, depends on the layer below.
    out[3] = (place.spatial << 1) | u8::from(place.spatial > 0);
    out[4] = place.tl0_pic_idx;
    if !structure {
        return 5;
    }
    out[5] = ((sizes.len().max(1) as u8 - 1) << 5) | 0x10;
    let mut len = 6;
    for (width, height) in sizes {
        out[len..len + 2].copy_from_slice(&width.to_be_bytes());
        out[len + 2..len + 4].copy_from_slice(&height.to_be_bytes());
        len += 4;
    }
    len
}

/// The first byte of a frame: marker, profile 0, its type, shown (VP9 bitstream specification, section 6.2). Servers tell
/// key frames by it.
pub fn frame_header(key: bool) -> u8 {
    if key { 0x82 } else { 0x86 }
}

/// With sizes of three layers.
pub const MAX_LEN: usize = 6 + 3 * 4;

#[cfg(test)]
mod tests {
    use sluice_wire::codec::vp9::Vp9View;

    use super::*;

    #[test]
    fn descriptors_are_read_as_they_were_written() {
        let mut bytes = [0; MAX_LEN];
        let key = Vp9Place {
            picture_id: 0x7ffe,
            tl0_pic_idx: 9,
            spatial: 0,
            key: true,
            begins: true,
            ends: false,
            top: false,
        };
        let len = write(key, &[(320, 180), (640, 360)], &mut bytes);
        let mut payload = bytes[..len].to_vec();
        payload.extend([0x86; 20]);
        let view = Vp9View::parse(&payload).expect("a descriptor");
        assert!(view.is_key_frame_start());
        assert_eq!(view.structure.expect("sizes").spatial_layers, 2);
        let later = Vp9Place {
            key: false,
            spatial: 1,
            ..key
        };
        let len = write(later, &[], &mut bytes);
        assert_eq!(len, 5);
        let mut payload = bytes[..len].to_vec();
        payload.extend([0x86; 20]);
        let view = Vp9View::parse(&payload).expect("a descriptor");
        assert!(!view.is_key_frame_start());
        assert_eq!(view.spatial(), 1);
    }
}
