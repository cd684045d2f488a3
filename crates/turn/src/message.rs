//! STUN messages in and out: the adapter over `rtc-stun`, whose types end here.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_ERROR_CODE, ATTR_EVEN_PORT, ATTR_FINGERPRINT,
    ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USERNAME,
    ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS, AttrType,
};
use rtc_stun::crypto::{RTCCryptoProvider, default_provider};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE,
    METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageType, Setter,
    TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Binding,
    Allocate,
    Refresh,
    CreatePermission,
    ChannelBind,
    /// An indication.
    Send,
    /// Connect and ConnectionBind (RFC 6062).
    TcpRelay,
}

/// An attribute that should be something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The key of long-term credentials: MD5 over name, realm and password (RFC 8489 section 9.2.2).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

/// HMAC-SHA1 and MD5 for messages.
#[derive(Clone)]
pub(crate) struct Crypto(Arc<dyn RTCCryptoProvider>);

impl Crypto {
    /// None only where the library was built without one.
    pub fn new() -> Option<Self> {
        default_provider().ok().map(Self)
    }

    pub fn key(&self, username: &str, realm: &str, password: &str) -> Option<Key> {
        let (username, realm, password) = (username.into(), realm.into(), password.into());
        let key =
            MessageIntegrity::long_term_integrity_key(username, realm, password, self.0.crypto());
        key.ok().map(Key)
    }
}

/// A well-formed request or indication that a server may get.
pub(crate) struct Incoming {
    pub method: Method,
    message: Message,
    /// Attributes that integrity covers; those behind it are not to be believed (RFC 8489 section 14.5).
    covered: usize,
}

impl Incoming {
    /// None for what a server does not answer: responses, other methods, a wrong FINGERPRINT, broken attributes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut message = Message {
            raw: bytes.to_vec(),
            ..Message::default()
        };
        message.decode().ok()?;
        let length = usize::try_from(message.length).ok()?;
        if bytes.len() != HEADER_LEN + length || bytes.first()? >> 6 != 0 {
            return None;
        }
        let attributes = &message.attributes.0;
        if attributes.iter().any(|a| a.typ == ATTR_FINGERPRINT)
            && FINGERPRINT.check(&message).is_err()
        {
            return None;
        }
        let method = match (message.typ.method, message.typ.class) {
            (METHOD_BINDING, CLASS_REQUEST) => Method::Binding,
            (METHOD_ALLOCATE, CLASS_REQUEST) => Method::Allocate,
            (METHOD_REFRESH, CLASS_REQUEST) => Method::Refresh,
            (METHOD_CREATE_PERMISSION, CLASS_REQUEST) => Method::CreatePermission,
            (METHOD_CHANNEL_BIND, CLASS_REQUEST) => Method::ChannelBind,
            (METHOD_CONNECT | METHOD_CONNECTION_BIND, CLASS_REQUEST) => Method::TcpRelay,
            (METHOD_SEND, CLASS_INDICATION) => Method::Send,
            _ => return None,
        };
        let integrity = attributes
            .iter()
            .position(|a| a.typ == ATTR_MESSAGE_INTEGRITY);
        let covered = integrity.unwrap_or(attributes.len());
        Some(Self {
            method,
            message,
            covered,
        })
    }

    pub fn transaction(&self) -> [u8; 12] {
        self.message.transaction_id.0
    }

    pub fn is_signed(&self) -> bool {
        self.covered < self.message.attributes.0.len()
            && self.message.contains(ATTR_MESSAGE_INTEGRITY)
    }

    pub fn has_fingerprint(&self) -> bool {
        self.message.contains(ATTR_FINGERPRINT)
    }

    /// True where the message was signed with this key.
    pub fn verify(&mut self, crypto: &Crypto, key: &Key) -> bool {
        MessageIntegrity::check(&mut self.message, &key.0, crypto.0.crypto()).is_ok()
    }

    pub fn username(&self) -> Option<&str> {
        self.text(ATTR_USERNAME)
    }

    pub fn realm(&self) -> Option<&str> {
        self.text(ATTR_REALM)
    }

    pub fn nonce(&self) -> Option<&str> {
        self.text(ATTR_NONCE)
    }

    /// Attributes that must be understood (RFC 8489 section 15.1) and are not.
    pub fn unknown(&self) -> Vec<u16> {
        let known = |a: AttrType| !a.required() || KNOWN.contains(&a);
        let attributes = self.covered_attributes().filter(|(typ, _)| !known(*typ));
        attributes
            .map(|(typ, _)| typ.value())
            .take(MAX_UNKNOWN)
            .collect()
    }

    /// As asked for; None if not.
    pub fn lifetime(&self) -> Result<Option<Duration>, Malformed> {
        let Some(value) = self.value(ATTR_LIFETIME) else {
            return Ok(None);
        };
        let seconds = value.try_into().map_err(|_| Malformed)?;
        Ok(Some(Duration::from_secs(u64::from(u32::from_be_bytes(
            seconds,
        )))))
    }

    /// Whether a UDP relay is asked for. None where the attribute is missing.
    pub fn requests_udp(&self) -> Result<Option<bool>, Malformed> {
        match self.value(ATTR_REQUESTED_TRANSPORT) {
            None => Ok(None),
            Some([protocol, _, _, _]) => Ok(Some(*protocol == UDP)),
            Some(_) => Err(Malformed),
        }
    }

    /// Whether the family asked for is IPv6. None where none is asked for; the error is an unknown family.
    pub fn requested_v6(&self) -> Result<Option<bool>, Malformed> {
        match self.value(ATTR_REQUESTED_ADDRESS_FAMILY) {
            None => Ok(None),
            Some([1, ..]) => Ok(Some(false)),
            Some([2, ..]) => Ok(Some(true)),
            Some(_) => Err(Malformed),
        }
    }

    /// Whether an even port is asked for, and whether the next one is to be kept for a second allocation.
    pub fn even_port(&self) -> Result<Option<bool>, Malformed> {
        match self.value(ATTR_EVEN_PORT) {
            None => Ok(None),
            Some([bits]) => Ok(Some(bits & 0x80 != 0)),
            Some(_) => Err(Malformed),
        }
    }

    pub fn has_reservation(&self) -> bool {
        self.value(ATTR_RESERVATION_TOKEN).is_some()
    }

    pub fn channel(&self) -> Option<u16> {
        match self.value(ATTR_CHANNEL_NUMBER)? {
            [high, low, _, _] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// Every peer address, in order.
    pub fn peers(&self) -> Result<Vec<SocketAddr>, Malformed> {
        let transaction = &self.message.transaction_id.0;
        let attributes = self.covered_attributes();
        let peers = attributes.filter(|(typ, _)| *typ == ATTR_XOR_PEER_ADDRESS);
        peers
            .map(|(_, value)| xor_address(value, transaction).ok_or(Malformed))
            .collect()
    }

    fn text(&self, typ: AttrType) -> Option<&str> {
        std::str::from_utf8(self.value(typ)?).ok()
    }

    fn value(&self, typ: AttrType) -> Option<&[u8]> {
        self.covered_attributes()
            .find(|(other, _)| *other == typ)
            .map(|(_, value)| value)
    }

    fn covered_attributes(&self) -> impl Iterator<Item = (AttrType, &[u8])> {
        let attributes = self.message.attributes.0.iter().take(self.covered);
        attributes.map(|attribute| (attribute.typ, attribute.value.as_slice()))
    }
}

/// What a Send indication carries: its peer, and where the payload stands in the message.
pub(crate) fn send_indication(
    incoming: &Incoming,
    bytes: &[u8],
) -> Option<(SocketAddr, Range<usize>)> {
    let peer = incoming.peers().ok()?.into_iter().next()?;
    let mut at = HEADER_LEN;
    loop {
        let [t0, t1, l0, l1] = *bytes.get(at..)?.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = at + 4..at + 4 + len;
        if u16::from_be_bytes([t0, t1]) == ATTR_DATA.value() {
            return bytes.get(value.clone()).is_some().then_some((peer, value));
        }
        at = value.end.next_multiple_of(4);
    }
}

/// Writes a Data indication (RFC 8656 section 11.6).
pub(crate) fn write_data_indication(
    peer: SocketAddr,
    payload: &[u8],
    transaction: [u8; 12],
    out: &mut Vec<u8>,
) {
    let address_len: usize = if peer.is_ipv4() { 8 } else { 20 };
    let body = 4 + address_len + 4 + payload.len().next_multiple_of(4);
    out.extend_from_slice(&DATA_INDICATION);
    out.extend_from_slice(&(body as u16).to_be_bytes());
    out.extend_from_slice(&MAGIC_COOKIE);
    out.extend_from_slice(&transaction);
    out.extend_from_slice(&ATTR_XOR_PEER_ADDRESS.value().to_be_bytes());
    out.extend_from_slice(&(address_len as u16).to_be_bytes());
    write_xor_address(peer, &transaction, out);
    out.extend_from_slice(&ATTR_DATA.value().to_be_bytes());
    out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    out.extend_from_slice(payload);
    out.resize(
        out.len() + (payload.len().next_multiple_of(4) - payload.len()),
        0,
    );
}

/// An answer under construction.
pub(crate) struct Reply(Message);

impl Reply {
    pub fn success(to: &Incoming) -> Self {
        Self::new(to, CLASS_SUCCESS_RESPONSE)
    }

    /// An error without a phrase: the code says all, and strangers get no byte more than they must.
    pub fn error(to: &Incoming, code: u16) -> Self {
        let mut reply = Self::new(to, CLASS_ERROR_RESPONSE);
        let (class, number) = ((code / 100) as u8, (code % 100) as u8);
        reply.0.add(ATTR_ERROR_CODE, &[0, 0, class, number]);
        reply
    }

    fn new(to: &Incoming, class: rtc_stun::message::MessageClass) -> Self {
        let mut message = Message::new();
        message.transaction_id = TransactionId(to.transaction());
        message.set_type(MessageType::new(to.message.typ.method, class));
        message.write_header();
        Self(message)
    }

    pub fn realm(mut self, realm: &str) -> Self {
        self.0.add(ATTR_REALM, realm.as_bytes());
        self
    }

    pub fn nonce(mut self, nonce: &str) -> Self {
        self.0.add(ATTR_NONCE, nonce.as_bytes());
        self
    }

    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.0
            .add(ATTR_LIFETIME, &(lifetime.as_secs() as u32).to_be_bytes());
        self
    }

    pub fn relayed(self, address: SocketAddr) -> Self {
        self.address(ATTR_XOR_RELAYED_ADDRESS, address)
    }

    pub fn mapped(self, address: SocketAddr) -> Self {
        self.address(ATTR_XORMAPPED_ADDRESS, address)
    }

    pub fn unknown(mut self, attributes: &[u16]) -> Self {
        let value: Vec<u8> = attributes
            .iter()
            .flat_map(|typ| typ.to_be_bytes())
            .collect();
        self.0.add(ATTR_UNKNOWN_ATTRIBUTES, &value);
        self
    }

    fn address(mut self, typ: AttrType, address: SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        // It fails for no address.
        let _ = XorMappedAddress { ip, port }.add_to_as(&mut self.0, typ);
        self
    }

    /// The finished message, signed where there is a key.
    pub fn finish(mut self, signer: Option<(&Crypto, &Key)>, fingerprint: bool) -> Vec<u8> {
        if let Some((crypto, key)) = signer {
            let integrity =
                MessageIntegrity::new_raw_integrity_with_provider(key.0.clone(), crypto.0.crypto());
            // It fails only behind a fingerprint.
            let _ = integrity.add_to(&mut self.0);
        }
        if fingerprint {
            let _ = FINGERPRINT.add_to(&mut self.0);
        }
        self.0.raw
    }
}

impl Reply {
    /// Signs a message whose attributes may be anything, for the fuzz targets.
    pub fn sign_raw(mut bytes: Vec<u8>, crypto: &Crypto, key: &Key) -> Vec<u8> {
        let length = (bytes.len().saturating_sub(HEADER_LEN)) as u16;
        if let Some(field) = bytes.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        let mut message = Message {
            raw: bytes,
            length: u32::from(length),
            ..Message::default()
        };
        let integrity =
            MessageIntegrity::new_raw_integrity_with_provider(key.0.clone(), crypto.0.crypto());
        // It fails only behind a fingerprint.
        let _ = integrity.add_to(&mut message);
        message.raw
    }
}

fn xor_address(value: &[u8], transaction: &[u8; 12]) -> Option<SocketAddr> {
    let [_, family, p0, p1, address @ ..] = value else {
        return None;
    };
    let port = u16::from_be_bytes([p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
    let mask = MAGIC_COOKIE.iter().chain(transaction);
    let ip = match family {
        1 => {
            let mut octets: [u8; 4] = address.try_into().ok()?;
            octets
                .iter_mut()
                .zip(mask)
                .for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::from(octets)
        }
        2 => {
            let mut octets: [u8; 16] = address.try_into().ok()?;
            octets
                .iter_mut()
                .zip(mask)
                .for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::from(octets)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn write_xor_address(address: SocketAddr, transaction: &[u8; 12], out: &mut Vec<u8>) {
    let [p0, p1] = address.port().to_be_bytes();
    let family = if address.is_ipv4() { 1 } else { 2 };
    out.extend_from_slice(&[0, family, p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
    let mask = MAGIC_COOKIE.iter().chain(transaction);
    match address.ip() {
        IpAddr::V4(ip) => out.extend(
            ip.octets()
                .iter()
                .zip(mask)
                .map(|(octet, mask)| octet ^ mask),
        ),
        IpAddr::V6(ip) => out.extend(
            ip.octets()
                .iter()
                .zip(mask)
                .map(|(octet, mask)| octet ^ mask),
        ),
    }
}

/// Understood, of those that must be. DONT-FRAGMENT is not: relays can't ask for it packet by packet.
const KNOWN: [AttrType; 13] = [
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_CHANNEL_NUMBER,
    ATTR_LIFETIME,
    ATTR_XOR_PEER_ADDRESS,
    ATTR_DATA,
    ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_EVEN_PORT,
    ATTR_REQUESTED_TRANSPORT,
    ATTR_RESERVATION_TOKEN,
    // What checks of an ICE agent carry, which uses a TURN server as a STUN server: it is not for us.
    AttrType(0x0024),
];

/// IANA's number of UDP in REQUESTED-TRANSPORT.
const UDP: u8 = 17;
/// Unknown attributes named in an answer.
const MAX_UNKNOWN: usize = 8;
const HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
