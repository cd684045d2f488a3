//! Bodies of the fuzz targets, shared with the corpus replay under `cargo test`.
#![allow(clippy::missing_panics_doc, clippy::disallowed_methods)]

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sluice_wire::id::PeerId;

use crate::{
    CandidateKind, Certificate, CloseReason, Credentials, DataRole, DtlsRole, HashAlgorithm, Path,
    Peer, PeerConfig, PeerEvent, Protocol, Received, RemoteCandidate, RemoteDescription, Via,
};

/// One datagram to a transport that is connected: from a stranger, who must get nothing, over UDP, a connection and
/// each kind of relay, all of which then close; and along the path of its own client.
pub fn datagram(input: &[u8]) {
    CALL.with_borrow_mut(|kept| {
        let call = kept.get_or_insert_with(Call::connected);
        for via in Via::ALL {
            let path = Path {
                via,
                local: SERVER,
                remote: STRANGER,
            };
            let received = call
                .server
                .handle_datagram(call.now, path, &mut input.to_vec());
            assert!(matches!(received, Received::Dropped(_)), "{received:?}");
            call.server.handle_path_closed(call.now, path);
            assert!(
                call.server.poll_transmit().is_none(),
                "strangers get no answer"
            );
        }

        call.server
            .handle_datagram(call.now, Path::udp(SERVER, CLIENT), &mut input.to_vec());
        call.exchange();
        call.now += Duration::from_millis(1);
        if call.exhausted() {
            *kept = None;
        }
    });
}

thread_local! {
    static CALL: RefCell<Option<Call>> = const { RefCell::new(None) };
}

struct Call {
    now: Instant,
    start: Instant,
    server: Peer,
    client: Peer,
    ended: bool,
}

impl Call {
    fn connected() -> Self {
        let now = Instant::now();
        let (mut server, at_server) = side(now, "server", SERVER, DtlsRole::Server);
        let (mut client, at_client) = side(now, "client", CLIENT, DtlsRole::Client);
        client.set_remote(now, at_server);
        client.add_remote_candidate(now, &candidate(SERVER));
        server.set_remote(now, at_client);
        let mut call = Self {
            now,
            start: now,
            server,
            client,
            ended: false,
        };
        for _ in 0..1_000 {
            call.exchange();
            if call.server.is_connected() && call.client.is_connected() {
                return call;
            }
            call.now += Duration::from_millis(5);
        }
        unreachable!("two transports without a loss between them connect");
    }

    fn exchange(&mut self) {
        self.server.handle_timeout(self.now);
        self.client.handle_timeout(self.now);
        for _ in 0..4 {
            while let Some(mut transmit) = self.client.poll_transmit() {
                self.server.handle_datagram(
                    self.now,
                    Path::udp(SERVER, CLIENT),
                    &mut transmit.bytes,
                );
            }
            while let Some(mut transmit) = self.server.poll_transmit() {
                self.client.handle_datagram(
                    self.now,
                    Path::udp(CLIENT, SERVER),
                    &mut transmit.bytes,
                );
            }
        }
        while let Some(event) = self.server.poll_event() {
            if let PeerEvent::Closed { reason, detail } = event {
                assert_ne!(reason, CloseReason::InternalError, "{detail}");
                self.ended = true;
            }
        }
        while self.client.poll_event().is_some() {}
    }

    /// A fresh pair now and then, so that a finding needs only its own input.
    fn exhausted(&self) -> bool {
        self.ended || self.now - self.start > Duration::from_secs(10)
    }
}

/// A transport, and its description for the other side.
fn side(now: Instant, name: &str, bound: SocketAddr, role: DtlsRole) -> (Peer, RemoteDescription) {
    let ice = Credentials::new(name, name.repeat(4));
    let certificate = Certificate::generate()
        .and_then(|made| made.seeded(1))
        .expect("a certificate");
    let description = RemoteDescription {
        ice: ice.clone(),
        ice_lite: false,
        dtls_role: if role == DtlsRole::Server {
            DtlsRole::Client
        } else {
            DtlsRole::Server
        },
        fingerprints: vec![certificate.fingerprint(HashAlgorithm::Sha256)],
    };
    let mut config = PeerConfig::new(PeerId(1), ice, certificate, 1);
    config.controlling = role == DtlsRole::Client;
    config.data = if role == DtlsRole::Client {
        DataRole::Active
    } else {
        DataRole::Passive
    };
    let mut peer = Peer::new(now, config);
    peer.add_local_address(Protocol::Udp, bound, bound);
    peer.add_local_address(Protocol::Tcp, bound, bound);
    (peer, description)
}

fn candidate(addr: SocketAddr) -> RemoteCandidate {
    RemoteCandidate {
        foundation: "1".to_owned(),
        priority: 2_130_706_431,
        addr,
        kind: CandidateKind::Host,
        protocol: Protocol::Udp,
    }
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), 40_000);
const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 3)), 30_000);
