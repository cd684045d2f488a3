//! As much of STUN (RFC 8489) as routing needs: is it a message, which, and whose ufrag does it name.
//! Nothing here is authenticated; the ICE agent that the message is routed to does that.

/// Class and method of a message (RFC 8489 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageType {
    /// Request, indication or response.
    pub class: Class,
    /// 12 bits; binding is 1.
    pub method: u16,
}

impl MessageType {
    /// A connectivity check.
    pub const BINDING_REQUEST: Self = Self {
        class: Class::Request,
        method: 1,
    };
}

/// The class bits of a message type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// Success response.
    Success,
    /// Error response.
    Error,
}

/// The type of a STUN message, or `None` where the header is not one: magic cookie, length, zero bits.
pub fn message_type(message: &[u8]) -> Option<MessageType> {
    let (header, body) = message.split_first_chunk::<HEADER_LEN>()?;
    let [t0, t1, l0, l1, cookie @ ..] = header;
    let kind = u16::from_be_bytes([*t0, *t1]);
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let well_formed = kind >> 14 == 0
        && cookie.starts_with(&MAGIC_COOKIE)
        && len.is_multiple_of(4)
        && len == body.len();
    well_formed.then_some(())?;
    let class = match ((kind >> 7) & 2) | ((kind >> 4) & 1) {
        0 => Class::Request,
        1 => Class::Indication,
        2 => Class::Success,
        _ => Class::Error,
    };
    let method = (kind & 0xf) | ((kind >> 1) & 0x70) | ((kind >> 2) & 0xf80);
    Some(MessageType { class, method })
}

/// The receiver's ufrag in the USERNAME of a binding request: the part before the colon
/// (RFC 8445 section 7.2.2). `None` for any other message.
pub fn local_ufrag(message: &[u8]) -> Option<&str> {
    if message_type(message)? != MessageType::BINDING_REQUEST {
        return None;
    }
    let username = attribute(message, ATTR_USERNAME)?;
    let colon = username.iter().position(|&byte| byte == b':')?;
    let ufrag = username.get(..colon)?;
    let is_ice_char = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let legal = (MIN_UFRAG..=MAX_UFRAG).contains(&ufrag.len()) && ufrag.iter().all(is_ice_char);
    legal.then(|| str::from_utf8(ufrag).ok()).flatten()
}

/// The value of the first attribute of type `wanted`.
fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(HEADER_LEN..)?;
    loop {
        let (&[t0, t1, l0, l1], body) = rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = body.get(..len)?;
        if u16::from_be_bytes([t0, t1]) == wanted {
            return Some(value);
        }
        rest = body.get(len.next_multiple_of(4)..)?;
    }
}

const HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const ATTR_USERNAME: u16 = 0x0006;
// RFC 8839 section 5.4: 4 to 256 ice-chars.
const MIN_UFRAG: usize = 4;
const MAX_UFRAG: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (attribute, value) in attributes {
            body.extend(attribute.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(MAGIC_COOKIE);
        bytes.extend([7; 12]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_type_bits_interleave_class_and_method() {
        let parsed = |kind| message_type(&message(kind, &[]));
        assert_eq!(parsed(0x0001), Some(MessageType::BINDING_REQUEST));
        assert_eq!(
            parsed(0x0011),
            Some(MessageType {
                class: Class::Indication,
                method: 1
            })
        );
        assert_eq!(
            parsed(0x0101),
            Some(MessageType {
                class: Class::Success,
                method: 1
            })
        );
        assert_eq!(
            parsed(0x0113),
            Some(MessageType {
                class: Class::Error,
                method: 3
            })
        );
        assert_eq!(
            parsed(0x3eef),
            Some(MessageType {
                class: Class::Request,
                method: 0xfff
            })
        );
    }

    #[test]
    fn the_local_ufrag_is_the_part_before_the_colon() {
        let request = message(
            0x0001,
            &[
                (0x8022, b"abc"),
                (0x0006, b"AbCd12:remote"),
                (0x0008, &[0; 20]),
            ],
        );
        assert_eq!(local_ufrag(&request), Some("AbCd12"));
    }

    #[test]
    fn other_messages_name_no_ufrag() {
        assert_eq!(
            local_ufrag(&message(0x0101, &[(0x0006, b"AbCd12:remote")])),
            None
        );
        assert_eq!(local_ufrag(&message(0x0001, &[])), None);
        assert_eq!(local_ufrag(&message(0x0001, &[(0x0006, b"nocolon")])), None);
        assert_eq!(
            local_ufrag(&message(0x0001, &[(0x0006, b"a b!:remote")])),
            None
        );
        assert_eq!(
            local_ufrag(&message(0x0001, &[(0x0006, b"abc:remote")])),
            None
        );
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let good = message(0x0001, &[(0x0006, b"AbCd12:remote")]);
        for len in 0..good.len() {
            assert_eq!(local_ufrag(&good[..len]), None);
        }
        let mut overlong = good.clone();
        overlong[22] = 0xff;
        assert_eq!(local_ufrag(&overlong), None);
        let mut cookie = good;
        cookie[4] ^= 1;
        assert_eq!(local_ufrag(&cookie), None);
    }
}
