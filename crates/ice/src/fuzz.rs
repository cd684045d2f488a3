//! Bodies of the fuzz targets, shared with the corpus replay under `cargo test`.
#![allow(clippy::missing_panics_doc, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::Sha1HmacProvider;

use crate::integrity::{AwsLcHmac, stun_fingerprint};
use crate::{Credentials, IceAgent, IceConfig, Path, Protocol, StunOutcome};

/// One datagram: first as it is, from a stranger, who must get nothing; then as the attributes of a message
/// with valid integrity, as a hostile client could send it, to agents in every role.
pub fn datagram(input: &[u8]) {
    let now = Instant::now();
    let (server, client) = (
        Credentials::new("server", "s".repeat(22)),
        Credentials::new("client", "c".repeat(22)),
    );
    for (lite, controlling, described) in [
        (false, false, true),
        (false, true, true),
        (true, false, true),
        (false, false, false),
    ] {
        let config = IceConfig {
            local: server.clone(),
            lite,
            controlling,
            tie_breaker: 5,
        };
        let mut agent = IceAgent::new(now, config);
        agent.add_local_host(Protocol::Udp, LOCAL, LOCAL);
        agent.add_local_host(Protocol::Tcp, LOCAL, LOCAL);
        if described {
            agent.set_remote(now, client.clone(), false);
        }
        let outcome = agent.handle_datagram(now, Path::udp(LOCAL, STRANGER), input);
        assert!(
            !matches!(outcome, StunOutcome::Verified | StunOutcome::Early),
            "nobody guesses an HMAC"
        );
        assert!(agent.poll_transmit().is_none(), "strangers get no answer");

        let (kind, attributes) = input.split_first_chunk().unwrap_or((&[0, 1], input));
        let message = sealed(*kind, attributes, &server.pwd);
        let mut later = now;
        for path in [
            Path::udp(LOCAL, CLIENT),
            Path::tcp(LOCAL, STRANGER),
            Path::udp(LOCAL, CLIENT),
            Path::tcp(LOCAL, CLIENT),
        ] {
            agent.handle_datagram(later, path, &message);
            while agent.poll_transmit().is_some() {}
            while agent.poll_event().is_some() {}
            later = agent
                .poll_timeout()
                .unwrap_or(later)
                .max(later + Duration::from_millis(1));
            agent.handle_timeout(later);
            agent.handle_path_closed(later, Path::tcp(LOCAL, STRANGER));
        }
        agent.handle_timeout(later + Duration::from_mins(1));
    }
}

fn sealed(kind: [u8; 2], attributes: &[u8], pwd: &str) -> Vec<u8> {
    let attributes = attributes.get(..MAX_ATTRIBUTES).unwrap_or(attributes);
    let mut message = vec![kind[0] & 0x3f, kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend_from_slice(&[7; 12]);
    message.extend_from_slice(&[0, 6, 0, 13]);
    message.extend_from_slice(b"server:client\0\0\0");
    message.extend_from_slice(&[0, 0x24, 0, 4, 0x6e, 0, 0x1e, 0xff]);
    message.extend_from_slice(attributes);
    message.resize(message.len().next_multiple_of(4), 0);
    set_length(&mut message, 24);
    let tag = AwsLcHmac.sha1_hmac(pwd.as_bytes(), &[&message]);
    message.extend_from_slice(&[0, 8, 0, 20]);
    message.extend_from_slice(&tag);
    set_length(&mut message, 8);
    let check = stun_fingerprint(&message);
    message.extend_from_slice(&[0x80, 0x28, 0, 4]);
    message.extend_from_slice(&check.to_be_bytes());
    message
}

/// The length field, as if `more` bytes followed.
fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

const LOCAL: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    50_000,
);
const CLIENT: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2)),
    40_000,
);
const STRANGER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 3)),
    30_000,
);
const MAX_ATTRIBUTES: usize = 1_000;
