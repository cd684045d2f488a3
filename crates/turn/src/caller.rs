//! The client's half of TURN, as much of it as a reachability probe needs: what to ask, and what an answer says.
//! No state, no clock, no sockets; requests carry long-term credentials (RFC 8489 section 9.2).

use std::net::{IpAddr, SocketAddr};

use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
    AttrType,
};
use rtc_stun::crypto::default_provider;
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE,
    METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, MessageType, Setter,
    TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

/// What to ask a TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A relayed address for UDP of this family.
    Allocate {
        /// IPv6 instead of IPv4 (RFC 8656 section 7.1).
        v6: bool,
    },
    /// To let datagrams from this address through.
    CreatePermission(IpAddr),
    /// A number instead of the peer's address.
    ChannelBind {
        /// 0x4000 to 0x4fff.
        number: u16,
        /// The peer.
        peer: SocketAddr,
    },
    /// The allocation's end.
    Release,
}

/// Who asks.
#[derive(Clone, Default)]
pub struct Login {
    /// As the server's operator gave it.
    pub username: String,
    /// As the server's operator gave it.
    pub password: String,
    /// As the server's challenge told it; without it a request carries no credentials.
    pub challenge: Option<Challenge>,
}

/// What a server wants to see in requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Goes into the key.
    pub realm: String,
    /// Goes back as it is.
    pub nonce: String,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is an allocation.
    Allocated {
        /// The relayed transport address.
        relayed: SocketAddr,
    },
    /// Any other request was granted.
    Granted,
    /// Credentials are wanted, or the nonce is old: ask again with these.
    Challenged(Challenge),
    /// No.
    Refused {
        /// RFC 8656 section 18.
        code: u16,
        /// The server's words.
        reason: String,
    },
}

/// A request could not be written: the password or a name does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("request can't be written: {0}")]
pub struct Unwritable(String);

/// Writes a request under the transaction id `id`.
///
/// # Errors
/// Where credentials are of a length that STUN has no room for.
pub fn encode(request: Request, id: [u8; 12], login: &Login) -> Result<Vec<u8>, Unwritable> {
    let unwritable = |error: &dyn std::fmt::Display| Unwritable(error.to_string());
    let mut message = Message::new();
    message.transaction_id = TransactionId(id);
    message.typ = MessageType::new(
        match request {
            Request::Allocate { .. } => METHOD_ALLOCATE,
            Request::CreatePermission(_) => METHOD_CREATE_PERMISSION,
            Request::ChannelBind { .. } => METHOD_CHANNEL_BIND,
            Request::Release => METHOD_REFRESH,
        },
        CLASS_REQUEST,
    );
    message.write_header();
    add_body(&mut message, request).map_err(|error| unwritable(&error))?;
    if let Some(Challenge { realm, nonce }) = &login.challenge {
        if [&login.username, realm, nonce]
            .iter()
            .any(|text| text.len() > MAX_TEXT)
        {
            return Err(Unwritable("credentials are too long".to_owned()));
        }
        message.add(ATTR_USERNAME, login.username.as_bytes());
        message.add(ATTR_REALM, realm.as_bytes());
        message.add(ATTR_NONCE, nonce.as_bytes());
        let provider = default_provider().map_err(|error| unwritable(&error))?;
        MessageIntegrity::new_long_term_integrity_with_provider(
            login.username.clone(),
            realm.clone(),
            login.password.clone(),
            provider.crypto(),
        )
        .and_then(|integrity| integrity.add_to(&mut message))
        .map_err(|error| unwritable(&error))?;
    }
    Ok(message.raw)
}

fn add_body(message: &mut Message, request: Request) -> Result<(), String> {
    match request {
        Request::Allocate { v6 } => {
            message.add(ATTR_REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]);
            if v6 {
                message.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[FAMILY_V6, 0, 0, 0]);
            }
            Ok(())
        }
        Request::CreatePermission(ip) => add_peer(message, SocketAddr::new(ip, 0)),
        Request::ChannelBind { number, peer } => {
            let [high, low] = number.to_be_bytes();
            message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
            add_peer(message, peer)
        }
        Request::Release => {
            message.add(ATTR_LIFETIME, &[0; 4]);
            Ok(())
        }
    }
}

fn add_peer(message: &mut Message, peer: SocketAddr) -> Result<(), String> {
    XorMappedAddress {
        ip: peer.ip(),
        port: peer.port(),
    }
    .add_to_as(message, ATTR_XOR_PEER_ADDRESS)
    .map_err(|error| error.to_string())
}

/// Reads the answer to the request `id`; none for anything else.
pub fn decode(bytes: &[u8], id: [u8; 12]) -> Option<Answer> {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).ok()?;
    if message.transaction_id.0 != id {
        return None;
    }
    match message.typ.class {
        CLASS_SUCCESS_RESPONSE if message.typ.method == METHOD_ALLOCATE => {
            let mut relayed = XorMappedAddress::default();
            relayed
                .get_from_as(&message, ATTR_XOR_RELAYED_ADDRESS)
                .ok()?;
            Some(Answer::Allocated {
                relayed: SocketAddr::new(relayed.ip, relayed.port),
            })
        }
        CLASS_SUCCESS_RESPONSE => Some(Answer::Granted),
        CLASS_ERROR_RESPONSE => refusal(&message),
        _ => None,
    }
}

fn refusal(message: &Message) -> Option<Answer> {
    let mut error = ErrorCodeAttribute::default();
    error.get_from(message).ok()?;
    let challenge = text(message, ATTR_REALM)
        .zip(text(message, ATTR_NONCE))
        .map(|(realm, nonce)| Challenge { realm, nonce });
    match challenge {
        Some(challenge) if [UNAUTHENTICATED, STALE_NONCE].contains(&error.code.0) => {
            Some(Answer::Challenged(challenge))
        }
        _ => Some(Answer::Refused {
            code: error.code.0,
            reason: String::from_utf8_lossy(&error.reason).into_owned(),
        }),
    }
}

fn text(message: &Message, attribute: AttrType) -> Option<String> {
    String::from_utf8(message.get(attribute).ok()?).ok()
}

/// Protocol number of UDP, the only one that relays speak.
const UDP: u8 = 17;
const FAMILY_V6: u8 = 2;
const UNAUTHENTICATED: u16 = 401;
const STALE_NONCE: u16 = 438;
/// Bytes of USERNAME, REALM and NONCE at most (RFC 8489 sections 14.3, 14.9, 14.10).
const MAX_TEXT: usize = 763;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 12] = *b"transaction!";

    fn response(class: u16, method: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = (class | method).to_be_bytes().to_vec();
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend([0x21, 0x12, 0xa4, 0x42]);
        bytes.extend(ID);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_challenge_is_told_from_a_refusal() {
        let unauthenticated: (u16, &[u8]) = (0x0009, &[0, 0, 4, 1]);
        let challenge = response(
            0x0110,
            3,
            &[unauthenticated, (0x0014, b"livekit"), (0x0015, b"nonce")],
        );
        let told = Challenge {
            realm: "livekit".to_owned(),
            nonce: "nonce".to_owned(),
        };
        assert_eq!(decode(&challenge, ID), Some(Answer::Challenged(told)));
        let refusal = response(0x0110, 8, &[(0x0009, b"\0\0\x04\x03no")]);
        assert_eq!(
            decode(&refusal, ID),
            Some(Answer::Refused {
                code: 403,
                reason: "no".to_owned()
            })
        );
    }

    #[test]
    fn answers_to_other_requests_are_none() {
        assert_eq!(decode(&response(0x0100, 8, &[]), ID), Some(Answer::Granted));
        assert_eq!(decode(&response(0x0100, 8, &[]), [7; 12]), None);
        assert_eq!(decode(&response(0x0000, 8, &[]), ID), None);
        assert_eq!(decode(b"HTTP/1.1 400 Bad Request", ID), None);
    }

    #[test]
    fn requests_are_signed_once_there_is_a_challenge() {
        let mut login = Login {
            username: "user".to_owned(),
            password: "password".to_owned(),
            challenge: None,
        };
        let plain = encode(Request::Allocate { v6: false }, ID, &login).expect("it fits");
        assert_eq!(plain.len(), 28);
        login.challenge = Some(Challenge {
            realm: "livekit".to_owned(),
            nonce: "nonce".to_owned(),
        });
        let signed = encode(Request::Allocate { v6: false }, ID, &login).expect("it fits");
        assert_eq!(
            signed.get(signed.len() - 24..signed.len() - 20),
            Some(&[0, 8, 0, 20][..])
        );
        login.username = "u".repeat(800);
        assert!(encode(Request::Release, ID, &login).is_err());
    }
}
