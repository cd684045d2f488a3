//! The Data Channel Establishment Protocol (RFC 8832): two messages.

use crate::channel::ChannelSettings;

/// A DCEP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dcep {
    /// DATA_CHANNEL_OPEN, section 5.1.
    Open(ChannelSettings),
    /// DATA_CHANNEL_ACK, section 5.2.
    Ack,
}

impl Dcep {
    /// None where malformed: an unknown type or channel type, lengths that don't fit, a label that is no
    /// UTF-8 or longer than [`MAX_LABEL`].
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [ACK, ..] => Some(Self::Ack),
            [OPEN, kind, _, _, r0, r1, r2, r3, l0, l1, p0, p1, rest @ ..] => {
                let label_len = usize::from(u16::from_be_bytes([*l0, *l1]));
                let protocol_len = usize::from(u16::from_be_bytes([*p0, *p1]));
                if rest.len() != label_len + protocol_len
                    || label_len > MAX_LABEL
                    || protocol_len > MAX_LABEL
                {
                    return None;
                }
                let label = std::str::from_utf8(rest.get(..label_len)?).ok()?.to_owned();
                let parameter = u32::from_be_bytes([*r0, *r1, *r2, *r3]);
                let parameter = u16::try_from(parameter).unwrap_or(u16::MAX);
                let (max_retransmits, max_lifetime_ms) = match kind & !UNORDERED {
                    RELIABLE => (None, None),
                    RETRANSMITS => (Some(parameter), None),
                    LIFETIME => (None, Some(parameter)),
                    _ => return None,
                };
                Some(Self::Open(ChannelSettings {
                    label,
                    ordered: kind & UNORDERED == 0,
                    max_retransmits,
                    max_lifetime_ms,
                }))
            }
            _ => None,
        }
    }

    /// The message's bytes. A label beyond [`MAX_LABEL`] is cut at a character.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self::Open(settings) = self else {
            return vec![ACK];
        };
        let (kind, parameter) = match (settings.max_retransmits, settings.max_lifetime_ms) {
            (Some(count), _) => (RETRANSMITS, count),
            (None, Some(ms)) => (LIFETIME, ms),
            (None, None) => (RELIABLE, 0),
        };
        let kind = if settings.ordered {
            kind
        } else {
            kind | UNORDERED
        };
        let mut end = settings.label.len().min(MAX_LABEL);
        while !settings.label.is_char_boundary(end) {
            end -= 1;
        }
        let label = &settings.label.as_bytes()[..end];
        let mut bytes = Vec::with_capacity(12 + label.len());
        bytes.extend_from_slice(&[OPEN, kind]);
        bytes.extend_from_slice(&PRIORITY_NORMAL.to_be_bytes());
        bytes.extend_from_slice(&u32::from(parameter).to_be_bytes());
        bytes.extend_from_slice(&(label.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&0u16.to_be_bytes());
        bytes.extend_from_slice(label);
        bytes
    }
}

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
const RELIABLE: u8 = 0x00;
const RETRANSMITS: u8 = 0x01;
const LIFETIME: u8 = 0x02;
const UNORDERED: u8 = 0x80;
/// RFC 8831 section 6.4.
const PRIORITY_NORMAL: u16 = 256;
/// Bytes of a label or protocol name. The field would hold 65,535; no application comes near this.
pub(crate) const MAX_LABEL: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_type_reads_back_as_written() {
        let mut settings = ChannelSettings::reliable("_reliable");
        for ordered in [true, false] {
            for (count, lifetime) in [
                (None, None),
                (Some(0), None),
                (Some(7), None),
                (None, Some(500)),
            ] {
                settings.ordered = ordered;
                settings.max_retransmits = count;
                settings.max_lifetime_ms = lifetime;
                let open = Dcep::Open(settings.clone());
                assert_eq!(Dcep::parse(&open.to_bytes()), Some(open));
            }
        }
        assert_eq!(Dcep::parse(&Dcep::Ack.to_bytes()), Some(Dcep::Ack));
    }

    #[test]
    fn malformed_messages_are_none() {
        let open = Dcep::Open(ChannelSettings::lossy("name")).to_bytes();
        for cut in 0..open.len() {
            assert_eq!(Dcep::parse(&open[..cut]), None, "cut at {cut}");
        }
        let mut longer = open.clone();
        longer.push(0);
        assert_eq!(Dcep::parse(&longer), None);
        let mut kind = open.clone();
        kind[1] = 0x7f;
        assert_eq!(Dcep::parse(&kind), None);
        let mut label = open;
        label[12] = 0xff;
        assert_eq!(Dcep::parse(&label), None);
        assert_eq!(Dcep::parse(&[0x55]), None);
    }

    #[test]
    fn a_label_is_cut_at_a_character() {
        let open = Dcep::Open(ChannelSettings::reliable("é".repeat(MAX_LABEL)));
        let Some(Dcep::Open(settings)) = Dcep::parse(&open.to_bytes()) else {
            panic!("unreadable")
        };
        assert_eq!(settings.label.len(), MAX_LABEL);
    }
}
