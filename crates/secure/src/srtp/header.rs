//! The few header fields that protection needs, read from any bytes without a panic.

/// What SRTP reads of an RTP header (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpFields {
    pub ssrc: u32,
    pub sequence: u16,
    /// Fixed header, CSRC list and extension block: sent in the clear, authenticated.
    pub header_len: usize,
}

impl RtpFields {
    /// `None` for anything that is not an RTP packet whose header lies within `packet`.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; RTP_FIXED_LEN] = packet.first_chunk()?;
        let [first, _, s0, s1, _, _, _, _, a, b, c, d] = *fixed;
        if first >> 6 != VERSION {
            return None;
        }
        let mut header_len = RTP_FIXED_LEN + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let extension: &[u8; 4] = packet.get(header_len..)?.first_chunk()?;
            header_len += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if header_len > packet.len() {
            return None;
        }
        Some(Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([s0, s1]),
            header_len,
        })
    }
}

/// SSRC of the sender of a compound RTCP packet, or `None` when it is shorter than the clear header or not version 2.
pub(crate) fn rtcp_sender(packet: &[u8]) -> Option<u32> {
    let [first, _, _, _, a, b, c, d] = *packet.first_chunk::<RTCP_CLEAR_LEN>()?;
    (first >> 6 == VERSION).then(|| u32::from_be_bytes([a, b, c, d]))
}

const VERSION: u8 = 2;
const RTP_FIXED_LEN: usize = 12;

/// The first header and the sender SSRC stay in the clear (RFC 3711 section 3.4).
pub(crate) const RTCP_CLEAR_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_length_counts_csrcs_and_extension() {
        let mut packet = vec![0x92, 0x60, 0x12, 0x34, 0, 0, 0, 0, 1, 2, 3, 4];
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1, 0, 0, 0, 0, 9]);
        let fields = RtpFields::parse(&packet).unwrap();
        assert_eq!(
            fields,
            RtpFields {
                ssrc: 0x0102_0304,
                sequence: 0x1234,
                header_len: 28
            }
        );
    }

    #[test]
    fn header_that_claims_more_than_the_packet_is_refused() {
        for len in 0..RTP_FIXED_LEN {
            assert_eq!(RtpFields::parse(&vec![0x80; len]), None);
        }
        assert_eq!(
            RtpFields::parse(&[0x8f; 40]),
            None,
            "fifteen CSRCs in 40 bytes"
        );
        assert_eq!(
            RtpFields::parse(&[0x90; 12]),
            None,
            "extension header missing"
        );
        assert_eq!(
            RtpFields::parse(&[0x90; 64]),
            None,
            "extension longer than the packet"
        );
        assert_eq!(RtpFields::parse(&[0x40; 64]), None, "version 1");
    }
}
