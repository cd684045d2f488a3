//! What a datagram on a WebRTC port is (RFC 7983, with RTCP told apart by RFC 5761).

/// A protocol that shares the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 8489.
    Stun,
    /// TURN channel data (RFC 8656 section 12.4).
    ChannelData,
    /// RFC 6347, RFC 9147.
    Dtls,
    /// RTP, protected or not.
    Rtp,
    /// RTCP, protected or not.
    Rtcp,
}

/// Classifies a datagram by its first two bytes and its length; `None` for what none of the protocols can be.
#[inline]
pub fn classify(datagram: &[u8]) -> Option<Kind> {
    let (&first, rest) = datagram.split_first()?;
    let (kind, shortest) = match first {
        0..=3 => (Kind::Stun, STUN_HEADER),
        20..=63 => (Kind::Dtls, DTLS_RECORD_HEADER),
        64..=79 => (Kind::ChannelData, CHANNEL_DATA_HEADER),
        128..=191 => match rest.first()? {
            192..=223 => (Kind::Rtcp, RTCP_HEADER),
            _ => (Kind::Rtp, RTP_HEADER),
        },
        _ => return None,
    };
    (datagram.len() >= shortest).then_some(kind)
}

// Shortest messages, bytes.
const STUN_HEADER: usize = 20;
const DTLS_RECORD_HEADER: usize = 13;
const CHANNEL_DATA_HEADER: usize = 4;
const RTP_HEADER: usize = 12;
const RTCP_HEADER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(first: u8, second: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[0] = first;
        bytes[1] = second;
        bytes
    }

    #[test]
    fn the_first_byte_tells_the_protocols_apart() {
        assert_eq!(classify(&datagram(0, 1, 20)), Some(Kind::Stun));
        assert_eq!(classify(&datagram(22, 254, 13)), Some(Kind::Dtls));
        assert_eq!(classify(&datagram(64, 0, 4)), Some(Kind::ChannelData));
        assert_eq!(classify(&datagram(128, 96, 12)), Some(Kind::Rtp));
        assert_eq!(classify(&datagram(128, 200, 8)), Some(Kind::Rtcp));
    }

    #[test]
    fn a_marker_bit_does_not_make_rtcp_of_rtp() {
        assert_eq!(classify(&datagram(128, 0x80 | 0x60, 12)), Some(Kind::Rtp));
        assert_eq!(classify(&datagram(128, 0x80 | 0x23, 12)), Some(Kind::Rtp));
    }

    #[test]
    fn short_and_unassigned_datagrams_are_nothing() {
        for len in 0..8 {
            assert_eq!(classify(&datagram(128, 200, 8)[..len]), None);
        }
        for first in (4..20).chain(80..128).chain(192..=255) {
            assert_eq!(
                classify(&datagram(first, 0, 100)),
                None,
                "first byte {first}"
            );
        }
        assert_eq!(classify(&datagram(128, 96, 11)), None);
    }
}
