//! The header of a data track's packets, as far as routing needs it: 12 bytes, then extensions where bit X says so.
//!
//! Version (3 bits), start and end of frame, X, reserved bits; then, big-endian, the track's handle at 2, sequence
//! number at 4, frame number at 6, timestamp at 8. Extensions begin with their length in words, less one, itself
//! included; each is an id, a length and data; id 0 begins the padding.

/// The publisher's handle of the track that a packet belongs to; none where the packet is malformed.
pub fn handle(packet: &[u8]) -> Option<u16> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    let [first, _, high, low, ..] = *header;
    if first & EXTENDED != 0 {
        check_extensions(packet.get(HEADER..)?)?;
    }
    Some(u16::from_be_bytes([high, low]))
}

/// Puts a receiver's handle in place of the publisher's; a packet too short for one stays as it is.
pub fn set_handle(packet: &mut [u8], handle: u16) {
    if let Some(place) = packet.get_mut(HANDLE) {
        place.copy_from_slice(&handle.to_be_bytes());
    }
}

fn check_extensions(rest: &[u8]) -> Option<()> {
    let (words, rest) = rest.split_first_chunk()?;
    let length = (usize::from(u16::from_be_bytes(*words)) + 1) * 4 - words.len();
    let mut rest = rest.get(..length)?;
    while let Some((id, after)) = rest.split_first() {
        if *id == PADDING {
            break;
        }
        let (size, data) = after.split_first()?;
        rest = data.get(usize::from(*size)..)?;
    }
    Some(())
}

/// Bytes before extensions.
const HEADER: usize = 12;

/// Where the handle is.
const HANDLE: std::ops::Range<usize> = 2..4;

/// Bit X of the first byte.
const EXTENDED: u8 = 0b100;

/// The extension id that ends them.
const PADDING: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 13] = [0x18, 0, 1, 2, 0, 3, 0, 4, 0, 0, 0, 5, b'x'];

    fn extended(extensions: &[u8]) -> Vec<u8> {
        let mut packet = PLAIN[..12].to_vec();
        packet[0] |= EXTENDED;
        packet.extend_from_slice(extensions);
        packet
    }

    #[test]
    fn the_handle_is_read_and_replaced_and_nothing_else_changes() {
        let mut packet = PLAIN;
        assert_eq!(handle(&packet), Some(0x0102));
        set_handle(&mut packet, 0xfffe);
        assert_eq!(handle(&packet), Some(0xfffe));
        assert_eq!((&packet[..2], &packet[4..]), (&PLAIN[..2], &PLAIN[4..]));
    }

    #[test]
    fn packets_shorter_than_their_header_are_malformed() {
        assert_eq!(handle(&PLAIN[..11]), None);
        assert_eq!(handle(&[]), None);
        assert_eq!(handle(&PLAIN[..12]), Some(0x0102));
    }

    #[test]
    fn extensions_must_lie_within_their_length_and_the_packet() {
        assert!(handle(&extended(&[0, 1, 7, 3, b'a', b'b', b'c', 0])).is_some());
        assert!(handle(&extended(&[0, 0, 0, 0])).is_some());
        for bad in [&[][..], &[0], &[0, 1, 7, 3], &[0, 1, 7, 9, 1, 2, 3, 4]] {
            assert_eq!(handle(&extended(bad)), None, "{bad:?}");
        }
    }
}
