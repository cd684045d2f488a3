//! Bodies of the fuzz targets, shared with the corpus replay under `cargo test`.
#![allow(clippy::missing_panics_doc, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::caller::{self, Answer, Login, Request};
use crate::credential::{self, Claim};
use crate::message::{Crypto, Incoming, Key, Reply};
use crate::{
    Client, Event, FromClient, MediaAddress, PeerRules, Quotas, RelayPorts, Server, ServerConfig,
    Transport, frame,
};

/// Messages of a client: as they are, from a stranger; then signed, as a hostile user could send them.
pub fn client(input: &[u8]) {
    let mut now = Instant::now();
    let mut server = server(now);
    feed(&mut server, now, input);
    assert!(!server.knows(&CLIENT), "nobody guesses an HMAC");

    let (claim, crypto) = (claim(), Crypto::new().expect("a provider"));
    let username = credential::username(&claim);
    let password = credential::password("secret", &claim);
    let key = crypto.key(&username, "livekit", &password).expect("a key");
    let nonce = server.nonces.issue(now, &CLIENT);
    for part in [&ALLOCATE[..], input, input] {
        feed(
            &mut server,
            now,
            &sealed(part, &username, &nonce, &crypto, &key),
        );
        feed(&mut server, now, input);
        if let Some(relayed) = server.by_relayed.keys().copied().next() {
            let mut out = Vec::new();
            if server
                .handle_peer(now, relayed, PEER, input, &mut out)
                .is_some()
            {
                assert!(out.len() >= input.len());
            }
        }
        now += Duration::from_mins(2);
        server.handle_timeout(now);
        drain(&mut server, now);
    }
    server.handle_client_gone(CLIENT);
    assert_eq!(server.stats().allocations, 0);
}

/// Bytes of a stream: each message has a length that moves on and fits.
pub fn stream(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some(len)) = frame::next(rest) {
        assert!((4..=frame::MAX_MESSAGE).contains(&len));
        let Some(next) = rest.get(len..) else { break };
        rest = next;
    }
}

/// Answers to a client, whatever they are.
pub fn answer(input: &[u8]) {
    let id = input
        .get(8..20)
        .and_then(|id| <[u8; 12]>::try_from(id).ok())
        .unwrap_or_default();
    if let Some(Answer::Challenged(challenge)) = caller::decode(input, id) {
        let login = Login {
            username: "user".into(),
            password: "password".into(),
            challenge: Some(challenge),
        };
        // A challenge that is too long is refused.
        let _ = caller::encode(Request::Release, id, &login);
    }
}

fn feed(server: &mut Server, now: Instant, bytes: &[u8]) {
    if let FromClient::Relay { peer, payload, .. } = server.handle_client(now, 1, CLIENT, bytes) {
        assert!(bytes.get(payload).is_some());
        assert_eq!(peer.ip(), PEER.ip(), "only media is a peer");
        assert!((50_000..=60_000).contains(&peer.port()));
    }
    drain(server, now);
}

fn drain(server: &mut Server, now: Instant) {
    while let Some(event) = server.poll_event() {
        if let Event::OpenRelay { id, candidates } = event {
            server.handle_relay_opened(now, id, candidates.first().copied());
        }
    }
    while let Some((_, answer)) = server.poll_transmit() {
        assert_eq!(frame::next(&answer), Ok(Some(answer.len())));
        assert!(
            Incoming::parse(&answer).is_none(),
            "an answer is no request"
        );
    }
}

/// A request of the type and with the attributes of `input`, signed.
fn sealed(input: &[u8], username: &str, nonce: &str, crypto: &Crypto, key: &Key) -> Vec<u8> {
    let (kind, attributes) = input.split_first_chunk().unwrap_or((&[0, 3], input));
    let attributes = attributes.get(..MAX_ATTRIBUTES).unwrap_or(attributes);
    let mut message = vec![kind[0] & 0x3f, kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend_from_slice(&[7; 12]);
    for (typ, value) in [(0x0006, username), (0x0014, "livekit"), (0x0015, nonce)] {
        message.extend_from_slice(&u16::to_be_bytes(typ));
        message.extend_from_slice(&(value.len() as u16).to_be_bytes());
        message.extend_from_slice(value.as_bytes());
        message.resize(message.len().next_multiple_of(4), 0);
    }
    message.extend_from_slice(attributes);
    message.resize(message.len().next_multiple_of(4), 0);
    Reply::sign_raw(message, crypto, key)
}

fn server(now: Instant) -> Server {
    let config = ServerConfig {
        realm: "livekit".into(),
        credentials: vec![("devkey".into(), "secret".into())],
        ports: RelayPorts {
            v4: Some(PEER.ip()),
            v6: None,
            start: 30_000,
            end: 30_009,
            step: 1,
            offset: 0,
        },
        quotas: Quotas::new(2),
        rules: PeerRules {
            media: vec![MediaAddress {
                ip: PEER.ip(),
                ports: vec![50_000..=60_000],
            }],
            ..PeerRules::default()
        },
    };
    Server::new(now, config, [1; 32]).expect("a provider")
}

fn claim() -> Claim {
    Claim {
        api_key: "devkey".into(),
        participant: "PA_fuzz".into(),
        expiry: u64::from(u32::MAX),
    }
}

const CLIENT: Client = Client {
    transport: Transport::Udp,
    local: PEER,
    remote: SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2)),
        40_000,
    ),
};
const PEER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    50_000,
);
/// Allocate, with REQUESTED-TRANSPORT.
const ALLOCATE: [u8; 10] = [0, 3, 0, 0x19, 0, 4, 17, 0, 0, 0];
const MAX_ATTRIBUTES: usize = 1_000;
