//! A client, and a server whose ports are always free.
#![allow(clippy::disallowed_methods, dead_code)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_ERROR_CODE, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
    AttrType,
};
use rtc_stun::crypto::default_provider;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
    METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageType, Method, Setter,
    TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;
use sluice_turn::credential::{self, Claim};
use sluice_turn::{
    Client, Event, FromClient, MediaAddress, PeerRules, Quotas, RelayPorts, Server, ServerConfig,
    Transport,
};

/// Seconds since the epoch.
pub const WALL: u64 = 1_790_000_000;
/// A media port of the node.
pub const MEDIA: &str = "192.0.2.1:50000";

pub struct Bench {
    pub server: Server,
    pub now: Instant,
    pub taken: Vec<u16>,
    pub closed: Vec<SocketAddr>,
    transaction: u64,
}

/// What an answer said.
#[derive(Debug)]
pub struct Answer {
    /// 0 for success.
    pub code: u16,
    pub message: Message,
}

impl Answer {
    pub fn relayed(&self) -> SocketAddr {
        let mut address = XorMappedAddress::default();
        address
            .get_from_as(&self.message, ATTR_XOR_RELAYED_ADDRESS)
            .expect("a relayed address");
        SocketAddr::new(address.ip, address.port)
    }

    pub fn lifetime(&self) -> u32 {
        let value = self.message.get(ATTR_LIFETIME).expect("a lifetime");
        u32::from_be_bytes(value.try_into().expect("four bytes"))
    }

    pub fn text(&self, typ: AttrType) -> String {
        String::from_utf8(self.message.get(typ).expect("the attribute")).expect("text")
    }
}

/// A user as a client knows itself.
pub struct User {
    pub client: Client,
    pub username: String,
    pub password: String,
    pub nonce: String,
}

pub fn user(port: u16, participant: &str) -> User {
    user_until(port, participant, WALL + 300)
}

pub fn user_until(port: u16, participant: &str, expiry: u64) -> User {
    let claim = Claim {
        api_key: "devkey".into(),
        participant: participant.into(),
        expiry,
    };
    User {
        client: client(Transport::Udp, port),
        username: credential::username(&claim),
        password: credential::password("secret", &claim),
        nonce: String::new(),
    }
}

pub fn client(transport: Transport, port: u16) -> Client {
    Client {
        transport,
        local: ([192, 0, 2, 1], 3478).into(),
        remote: ([198, 51, 100, 7], port).into(),
    }
}

pub fn rules() -> PeerRules {
    PeerRules {
        media: vec![
            MediaAddress {
                ip: "192.0.2.1".parse().expect("an address"),
                ports: vec![50_000..=60_000],
            },
            MediaAddress {
                ip: "2001:db8::1".parse().expect("an address"),
                ports: vec![50_000..=60_000],
            },
        ],
        ..PeerRules::default()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(rules(), 12)
    }

    pub fn with(rules: PeerRules, per_user: u32) -> Self {
        let now = Instant::now();
        let config = ServerConfig {
            realm: "livekit".into(),
            credentials: vec![("devkey".into(), "secret".into())],
            ports: RelayPorts {
                v4: Some("192.0.2.1".parse().expect("an address")),
                v6: Some("2001:db8::1".parse().expect("an address")),
                start: 30_000,
                end: 30_099,
                step: 1,
                offset: 0,
            },
            quotas: Quotas::new(per_user),
            rules,
        };
        Self {
            server: Server::new(now, config, [5; 32]).expect("a server"),
            now,
            taken: Vec::new(),
            closed: Vec::new(),
            transaction: 0,
        }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        self.server.handle_timeout(self.now);
        self.settle();
    }

    /// Hands a message in, opens ports, and returns the answer if there is one.
    pub fn send(&mut self, client: Client, bytes: &[u8]) -> Option<Answer> {
        self.server.handle_client(self.now, WALL, client, bytes);
        self.settle();
        let (to, bytes) = self.server.poll_transmit()?;
        assert_eq!(to, client);
        assert!(
            self.server.poll_transmit().is_none(),
            "one answer a request"
        );
        let mut message = Message {
            raw: bytes,
            ..Message::default()
        };
        message.decode().expect("a well-formed answer");
        let code = if message.typ.class == CLASS_ERROR_RESPONSE {
            let value = message.get(ATTR_ERROR_CODE).expect("a code");
            u16::from(value[2]) * 100 + u16::from(value[3])
        } else {
            0
        };
        Some(Answer { code, message })
    }

    fn settle(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::OpenRelay { id, candidates } => {
                    let free = candidates
                        .into_iter()
                        .find(|address| !self.taken.contains(&address.port()));
                    self.taken.extend(free.map(|address| address.port()));
                    self.server.handle_relay_opened(self.now, id, free);
                }
                Event::CloseRelay { relayed } => {
                    self.taken.retain(|port| *port != relayed.port());
                    self.closed.push(relayed);
                }
            }
        }
    }

    /// An unsigned request.
    pub fn request(&mut self, method: Method, attributes: &[(AttrType, Vec<u8>)]) -> Message {
        self.transaction += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        message(
            MessageType::new(method, CLASS_REQUEST),
            transaction,
            attributes,
        )
    }

    /// Asks with the credentials of a user, fetching a nonce first where there is none.
    pub fn ask(
        &mut self,
        user: &mut User,
        method: Method,
        attributes: &[(AttrType, Vec<u8>)],
    ) -> Answer {
        if user.nonce.is_empty() {
            let request = self.request(METHOD_ALLOCATE, &[]);
            let challenge = self.send(user.client, &request.raw).expect("a challenge");
            assert_eq!(challenge.code, 401);
            assert_eq!(challenge.text(ATTR_REALM), "livekit");
            user.nonce = challenge.text(ATTR_NONCE);
        }
        let request = self.signed(user, method, attributes);
        self.send(user.client, &request).expect("an answer")
    }

    pub fn signed(
        &mut self,
        user: &User,
        method: Method,
        attributes: &[(AttrType, Vec<u8>)],
    ) -> Vec<u8> {
        let mut request = self.request(method, attributes);
        request.add(ATTR_USERNAME, user.username.as_bytes());
        request.add(ATTR_REALM, b"livekit");
        request.add(ATTR_NONCE, user.nonce.as_bytes());
        let provider = default_provider().expect("a provider");
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            user.username.clone(),
            "livekit".into(),
            user.password.clone(),
            provider.crypto(),
        );
        integrity
            .expect("a key")
            .add_to(&mut request)
            .expect("signed");
        request.raw
    }

    pub fn allocate(&mut self, user: &mut User) -> SocketAddr {
        let answer = self.ask(user, METHOD_ALLOCATE, &[udp()]);
        assert_eq!(answer.code, 0);
        answer.relayed()
    }

    pub fn permit(&mut self, user: &mut User, peer: &str) -> u16 {
        self.ask(user, METHOD_CREATE_PERMISSION, &[address(peer)])
            .code
    }

    pub fn bind(&mut self, user: &mut User, number: u16, peer: &str) -> u16 {
        self.ask(user, METHOD_CHANNEL_BIND, &[channel(number), address(peer)])
            .code
    }

    pub fn refresh(&mut self, user: &mut User, seconds: u32) -> Answer {
        let lifetime = (ATTR_LIFETIME, seconds.to_be_bytes().to_vec());
        self.ask(user, METHOD_REFRESH, &[lifetime])
    }

    pub fn indicate(&mut self, user: &User, peer: &str, payload: &[u8]) -> FromClient {
        let data = (ATTR_DATA, payload.to_vec());
        let kind = MessageType::new(METHOD_SEND, CLASS_INDICATION);
        let indication = message(kind, [9; 12], &[address(peer), data]);
        self.server
            .handle_client(self.now, WALL, user.client, &indication.raw)
    }

    pub fn channel_data(&mut self, user: &User, number: u16, payload: &[u8]) -> FromClient {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        bytes.extend_from_slice(payload);
        self.server
            .handle_client(self.now, WALL, user.client, &bytes)
    }
}

fn message(
    kind: MessageType,
    transaction: [u8; 12],
    attributes: &[(AttrType, Vec<u8>)],
) -> Message {
    let mut message = Message::new();
    message.transaction_id = TransactionId(transaction);
    message.set_type(kind);
    message.write_header();
    for (typ, value) in attributes {
        if *typ == ATTR_XOR_PEER_ADDRESS {
            let text = std::str::from_utf8(value).expect("text");
            let at: SocketAddr = text.parse().expect("an address");
            let (ip, port) = (at.ip(), at.port());
            XorMappedAddress { ip, port }
                .add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS)
                .expect("an address");
        } else {
            message.add(*typ, value);
        }
    }
    message
}

pub fn udp() -> (AttrType, Vec<u8>) {
    (ATTR_REQUESTED_TRANSPORT, vec![17, 0, 0, 0])
}

/// As text; encoded when the transaction is known.
pub fn address(peer: &str) -> (AttrType, Vec<u8>) {
    (ATTR_XOR_PEER_ADDRESS, peer.as_bytes().to_vec())
}

pub fn channel(number: u16) -> (AttrType, Vec<u8>) {
    let [high, low] = number.to_be_bytes();
    (ATTR_CHANNEL_NUMBER, vec![high, low, 0, 0])
}
