//! A received RTP packet, read in place.

use std::ops::Range;

use super::{FIXED_HEADER_LEN, PROFILE_ONE_BYTE, PROFILE_TWO_BYTE};
use crate::id::{PayloadType, Ssrc};

/// The fixed header and where its packet's parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// The marker bit; for video the last packet of a frame.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: PayloadType,
    /// The 16-bit sequence number.
    pub sequence: u16,
    /// In units of the payload's clock.
    pub timestamp: u32,
    /// The sender's synchronisation source.
    pub ssrc: Ssrc,
    /// Fixed header, contributing sources and extension block, bytes.
    pub header_len: usize,
    /// Padding at the end with its length byte, bytes.
    pub padding_len: usize,
}

/// A packet whose lengths were checked once, so that no accessor can fail.
#[derive(Debug, Clone, Copy)]
pub struct RtpView<'a> {
    bytes: &'a [u8],
    header: RtpHeader,
    profile: u16,
    /// Content of the extension block.
    extension_block: &'a [u8],
}

impl<'a> RtpView<'a> {
    /// Checks the header's lengths against the packet. Extension elements are not checked: a malformed one
    /// ends [`Self::extensions`] early (RFC 8285 section 4.1.2 lets a receiver ignore the block).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_HEADER_LEN>()
            .ok_or(RtpError::TooShort)?;
        let [flags, marker_pt, seq @ .., t0, t1, t2, t3, s0, s1, s2, s3] = fixed;
        if flags >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let rest = rest
            .get(usize::from(flags & 0x0f) * 4..)
            .ok_or(RtpError::Csrc)?;
        let mut body = rest;
        let mut profile = 0;
        let mut extension_block: &[u8] = &[];
        if flags & 0x10 != 0 {
            let (&[p0, p1, w0, w1], rest) =
                rest.split_first_chunk::<4>().ok_or(RtpError::Extension)?;
            profile = u16::from_be_bytes([p0, p1]);
            let len = usize::from(u16::from_be_bytes([w0, w1])) * 4;
            (extension_block, body) = rest.split_at_checked(len).ok_or(RtpError::Extension)?;
        }
        let padding_len = if flags & 0x20 == 0 {
            0
        } else {
            let padding = body.last().map_or(0, |&byte| usize::from(byte));
            if padding == 0 || padding > body.len() {
                return Err(RtpError::Padding);
            }
            padding
        };
        let header = RtpHeader {
            marker: marker_pt & 0x80 != 0,
            payload_type: PayloadType(marker_pt & 0x7f),
            sequence: u16::from_be_bytes(*seq),
            timestamp: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            ssrc: Ssrc(u32::from_be_bytes([*s0, *s1, *s2, *s3])),
            header_len: bytes.len() - body.len(),
            padding_len,
        };
        Ok(Self {
            bytes,
            header,
            profile,
            extension_block,
        })
    }

    /// The header.
    #[inline]
    pub const fn header(&self) -> RtpHeader {
        self.header
    }

    /// The whole packet.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The payload without padding.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.payload_range()).unwrap_or_default()
    }

    /// Where the payload lies in the packet.
    #[inline]
    pub const fn payload_range(&self) -> Range<usize> {
        self.header.header_len..self.bytes.len() - self.header.padding_len
    }

    /// The first extension element with this id.
    #[inline]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find_map(|(found, value)| (found == id).then_some(value))
    }

    /// The extension elements in order, as id and value (RFC 8285), of both header forms.
    #[inline]
    pub const fn extensions(&self) -> Extensions<'a> {
        let form = if self.profile == PROFILE_ONE_BYTE {
            Form::OneByte
        } else if self.profile & 0xfff0 == PROFILE_TWO_BYTE {
            Form::TwoByte
        } else {
            Form::Foreign
        };
        Extensions {
            form,
            rest: self.extension_block,
        }
    }
}

/// Iterator over extension elements.
#[derive(Debug, Clone)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    /// A profile of its own (RFC 3550 section 5.3.1): no elements.
    Foreign,
}

impl<'a> Extensions<'a> {
    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                self.rest = rest;
                continue;
            }
            let (id, len, rest) = match self.form {
                // Id 15 stops processing (RFC 8285 section 4.2).
                Form::OneByte if first >> 4 == 15 => return None,
                Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1, rest),
                Form::TwoByte => {
                    let (&len, rest) = rest.split_first()?;
                    (first, usize::from(len), rest)
                }
                Form::Foreign => return None,
            };
            let (value, rest) = rest.split_at_checked(len)?;
            self.rest = rest;
            return Some((id, value));
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let element = self.element();
        if element.is_none() {
            self.rest = &[];
        }
        element
    }
}

/// Why bytes are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than the fixed header.
    #[error("shorter than an RTP header")]
    TooShort,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// More contributing sources than bytes.
    #[error("contributing sources exceed the packet")]
    Csrc,
    /// The extension block is longer than the packet.
    #[error("header extension exceeds the packet")]
    Extension,
    /// No padding length, or more padding than payload.
    #[error("padding exceeds the payload")]
    Padding,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![
            flags,
            0x80 | 0x60,
            0xff,
            0xdc,
            0,
            0,
            0,
            9,
            0xde,
            0xad,
            0xbe,
            0xef,
        ];
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn the_fixed_header_is_read() {
        let bytes = packet(0x80, b"payload");
        let view = RtpView::parse(&bytes).unwrap();
        let expected = RtpHeader {
            marker: true,
            payload_type: PayloadType(96),
            sequence: 65_500,
            timestamp: 9,
            ssrc: Ssrc(0xdead_beef),
            header_len: 12,
            padding_len: 0,
        };
        assert_eq!(view.header(), expected);
        assert_eq!(view.payload(), b"payload");
        assert_eq!(view.extensions().count(), 0);
    }

    #[test]
    fn one_byte_extensions_are_found_past_padding() {
        let bytes = packet(
            0x90,
            &[0xbe, 0xde, 0, 2, 0x10, 0xaa, 0, 0x31, 1, 2, 0, 0, b'p'],
        );
        let view = RtpView::parse(&bytes).unwrap();
        assert_eq!(view.extension(1), Some(&[0xaa][..]));
        assert_eq!(view.extension(3), Some(&[1, 2][..]));
        assert_eq!(view.extension(2), None);
        assert_eq!(view.payload(), b"p");
    }

    #[test]
    fn id_fifteen_ends_the_one_byte_form() {
        let bytes = packet(0x90, &[0xbe, 0xde, 0, 1, 0xf0, 0xaa, 0x10, 1]);
        assert_eq!(RtpView::parse(&bytes).unwrap().extensions().count(), 0);
    }

    #[test]
    fn two_byte_extensions_may_be_empty_and_long() {
        let bytes = packet(0x90, &[0x10, 0x05, 0, 2, 200, 0, 0, 17, 3, 1, 2, 3]);
        let view = RtpView::parse(&bytes).unwrap();
        let all: Vec<_> = view.extensions().collect();
        assert_eq!(all, [(200, &[][..]), (17, &[1, 2, 3][..])]);
    }

    #[test]
    fn an_element_beyond_the_block_ends_it() {
        let bytes = packet(0x90, &[0xbe, 0xde, 0, 1, 0x10, 0xaa, 0x2f, 1]);
        let all: Vec<_> = RtpView::parse(&bytes).unwrap().extensions().collect();
        assert_eq!(all, [(1, &[0xaa][..])]);
    }

    #[test]
    fn padding_is_no_payload() {
        let bytes = packet(0xa0, &[1, 2, 0, 0, 3]);
        let view = RtpView::parse(&bytes).unwrap();
        assert_eq!(view.payload(), [1, 2]);
        assert_eq!(view.header().padding_len, 3);
    }

    #[test]
    fn lengths_beyond_the_packet_are_refused() {
        assert_eq!(RtpView::parse(&[]).unwrap_err(), RtpError::TooShort);
        assert_eq!(
            RtpView::parse(&packet(0x80, &[])[..11]).unwrap_err(),
            RtpError::TooShort
        );
        assert_eq!(
            RtpView::parse(&packet(0x40, &[])).unwrap_err(),
            RtpError::Version
        );
        assert_eq!(
            RtpView::parse(&packet(0x82, &[0; 7])).unwrap_err(),
            RtpError::Csrc
        );
        assert_eq!(
            RtpView::parse(&packet(0x90, &[0xbe, 0xde, 0])).unwrap_err(),
            RtpError::Extension
        );
        assert_eq!(
            RtpView::parse(&packet(0x90, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0])).unwrap_err(),
            RtpError::Extension
        );
        assert_eq!(
            RtpView::parse(&packet(0xa0, &[1, 2, 4])).unwrap_err(),
            RtpError::Padding
        );
        assert_eq!(
            RtpView::parse(&packet(0xa0, &[1, 2, 0])).unwrap_err(),
            RtpError::Padding
        );
        assert_eq!(
            RtpView::parse(&packet(0xa0, &[])).unwrap_err(),
            RtpError::Padding
        );
    }
}
