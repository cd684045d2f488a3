//! RFC 4571: packets in a stream of bytes, each behind its length. What ICE-TCP speaks (RFC 6544 section 3).

use std::ops::Range;

/// Bytes in front of each packet.
pub const HEADER_LEN: usize = 2;

/// Longest packet taken, bytes: no client of ours sends a longer one over UDP either, and whoever announces more is
/// no client.
pub const MAX_PACKET: usize = 1_500;

/// The stream announces a packet longer than [`MAX_PACKET`]; where the next one begins is nobody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes")]
pub struct Oversize(pub usize);

/// Where the first packet of `stream` lies; none while it is not all there. An empty packet is one too.
///
/// # Errors
/// [`Oversize`], as soon as the length is there.
pub fn first_packet(stream: &[u8]) -> Result<Option<Range<usize>>, Oversize> {
    let Some((length, packets)) = stream.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > MAX_PACKET {
        return Err(Oversize(length));
    }
    let whole = packets.len() >= length;
    Ok(whole.then_some(HEADER_LEN..HEADER_LEN + length))
}

/// What goes in front of a packet; none for one that no length can tell of.
pub fn header(packet_len: usize) -> Option<[u8; HEADER_LEN]> {
    u16::try_from(packet_len).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_one_behind_the_other() {
        let stream = [0, 3, b'o', b'n', b'e', 0, 0, 0, 2, b't'];
        assert_eq!(first_packet(&stream), Ok(Some(2..5)));
        assert_eq!(first_packet(&stream[5..]), Ok(Some(2..2)));
        assert_eq!(first_packet(&stream[7..]), Ok(None));
    }

    #[test]
    fn a_header_in_two_pieces_is_waited_for() {
        assert_eq!(first_packet(&[]), Ok(None));
        assert_eq!(first_packet(&[5]), Ok(None));
        assert_eq!(first_packet(&[5, 220]), Ok(None));
    }

    #[test]
    fn a_length_that_no_packet_has_is_refused_before_its_bytes_come() {
        assert_eq!(first_packet(&[5, 221]), Err(Oversize(1_501)));
        assert_eq!(first_packet(b"GET / HTTP/1.1"), Err(Oversize(0x4745)));
    }

    #[test]
    fn headers_tell_the_length() {
        assert_eq!(header(3), Some([0, 3]));
        assert_eq!(header(65_536), None);
    }
}
