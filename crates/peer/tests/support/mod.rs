//! Two transports around a seeded lossy link with a virtual clock.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{
    CandidateKind, Certificate, ChannelId, Credentials, DataRole, DropReason, DtlsRole,
    Fingerprint, HashAlgorithm, Peer, PeerConfig, PeerEvent, Protocol, Received, RemoteCandidate,
    RemoteDescription, SendStream,
};
use sluice_wire::id::{PeerId, Ssrc};
use sluice_wire::path::Path;

pub const SERVER: &str = "192.0.2.1:50000";
pub const CLIENT: &str = "198.51.100.2:40000";
pub const STRANGER: &str = "203.0.113.5:5555";
pub const ROAMED: &str = "203.0.113.77:6001";

/// A transport and what came of it.
pub struct Side {
    pub peer: Peer,
    pub creds: Credentials,
    pub certificate: Certificate,
    pub role: DtlsRole,
    pub bound: SocketAddr,
    /// What the other side sees instead, behind a NAT.
    pub seen_as: Option<SocketAddr>,
    pub events: Vec<(Duration, PeerEvent)>,
    pub rtp: Vec<Vec<u8>>,
    pub rtcp: Vec<Vec<u8>>,
    pub drops: Vec<DropReason>,
    pub bytes_out: usize,
}

impl Side {
    pub fn server(now: Instant, seed: u64) -> Self {
        Self::new(
            now,
            "server",
            SERVER,
            DtlsRole::Server,
            DataRole::Passive,
            seed,
        )
    }

    pub fn client(now: Instant, seed: u64) -> Self {
        Self::new(
            now,
            "client",
            CLIENT,
            DtlsRole::Client,
            DataRole::Active,
            seed + 1_000,
        )
    }

    pub fn lite_server(now: Instant, seed: u64) -> Self {
        let mut side = Self::server(now, seed);
        let mut config = PeerConfig::new(
            PeerId(1),
            side.creds.clone(),
            side.certificate.clone(),
            seed,
        );
        config.ice_lite = true;
        side.peer = Peer::new(now, config);
        side.peer
            .add_local_address(Protocol::Udp, side.bound, side.bound)
            .expect("usable");
        side
    }

    /// Takes the other ICE role than its DTLS role suggests, as where the server offers.
    pub fn with_other_ice_role(mut self, now: Instant, seed: u64) -> Self {
        let mut config = PeerConfig::new(
            PeerId(1),
            self.creds.clone(),
            self.certificate.clone(),
            seed,
        );
        config.controlling = self.role == DtlsRole::Server;
        config.data = match self.role {
            DtlsRole::Server => DataRole::Passive,
            DtlsRole::Client => DataRole::Active,
        };
        self.peer = Peer::new(now, config);
        self.peer
            .add_local_address(Protocol::Udp, self.bound, self.bound)
            .expect("usable");
        self
    }

    fn new(
        now: Instant,
        name: &str,
        bound: &str,
        role: DtlsRole,
        data: DataRole,
        seed: u64,
    ) -> Self {
        let creds = Credentials::new(name, format!("{name}-password-of-22-chars-"));
        let certificate = Certificate::generate()
            .and_then(|made| made.seeded(seed))
            .expect("a certificate");
        let mut config = PeerConfig::new(PeerId(1), creds.clone(), certificate.clone(), seed);
        config.controlling = role == DtlsRole::Client;
        config.data = data;
        let mut peer = Peer::new(now, config);
        let bound: SocketAddr = bound.parse().expect("address");
        peer.add_local_address(Protocol::Udp, bound, bound)
            .expect("usable");
        Self {
            peer,
            creds,
            certificate,
            role,
            bound,
            seen_as: None,
            events: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            drops: Vec::new(),
            bytes_out: 0,
        }
    }

    pub fn outside(&self) -> SocketAddr {
        self.seen_as.unwrap_or(self.bound)
    }

    /// What signalling tells the other side of this one.
    pub fn described(&self, role_of_other: DtlsRole) -> RemoteDescription {
        RemoteDescription {
            ice: self.creds.clone(),
            ice_lite: false,
            dtls_role: role_of_other,
            fingerprints: vec![self.certificate.fingerprint(HashAlgorithm::Sha256)],
        }
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Received {
        let mut buf = bytes.to_vec();
        let received = self
            .peer
            .handle_datagram(now, Path::udp(self.bound, from), &mut buf);
        match received {
            Received::Rtp { len } => self.rtp.push(buf[..len].to_vec()),
            Received::Rtcp { len } => self.rtcp.push(buf[..len].to_vec()),
            Received::Dropped(reason) => self.drops.push(reason),
            Received::Consumed => {}
        }
        received
    }

    pub fn messages(&self) -> Vec<Bytes> {
        let bytes = |event: &(Duration, PeerEvent)| match &event.1 {
            PeerEvent::Message { bytes, .. } => Some(bytes.clone()),
            _ => None,
        };
        self.events.iter().filter_map(bytes).collect()
    }

    pub fn channel(&self, label: &str) -> Option<ChannelId> {
        self.peer.data_channel(label)
    }

    pub fn saw(&self, wanted: impl Fn(&PeerEvent) -> bool) -> bool {
        self.events.iter().any(|(_, event)| wanted(event))
    }

    pub fn closed(&self) -> Option<sluice_peer::CloseReason> {
        self.events.iter().find_map(|(_, event)| match event {
            PeerEvent::Closed { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    /// A sealed packet with the payload, in place of a down track.
    pub fn seal(
        &mut self,
        stream: SendStream,
        ssrc: Ssrc,
        sequence: u16,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut out = vec![0; 1_600];
        let header = rtp_header(ssrc, sequence);
        out[..12].copy_from_slice(&header);
        let len = self
            .peer
            .seal_rtp(stream, &mut out, 12, &[], payload)
            .expect("sealed");
        out.truncate(len);
        out
    }
}

/// Impairments, each per packet.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub loss: f64,
    pub duplicate: f64,
    pub jitter: Duration,
}

impl Weather {
    pub fn storm() -> Self {
        Self {
            loss: 0.2,
            duplicate: 0.05,
            jitter: Duration::from_millis(50),
        }
    }
}

pub struct Net {
    pub start: Instant,
    pub now: Instant,
    pub server: Side,
    pub client: Side,
    pub weather: Weather,
    pub delay: Duration,
    /// Nothing gets through.
    pub cut: bool,
    /// How often a timer of either side was due.
    pub timers: usize,
    rng: SmallRng,
    flying: Vec<Flight>,
}

struct Flight {
    at: Instant,
    to: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        let now = epoch();
        Self {
            start: now,
            now,
            server: Side::server(now, seed),
            client: Side::client(now, seed),
            weather: Weather::default(),
            delay: Duration::from_millis(10),
            cut: false,
            timers: 0,
            rng: SmallRng::seed_from_u64(seed),
            flying: Vec::new(),
        }
    }

    /// Connected and with nothing left to say.
    pub fn connected(seed: u64) -> Self {
        let mut net = Self::new(seed);
        net.signal();
        assert!(net.run_until(Duration::from_secs(5), Self::both_connected));
        net.run_for(Duration::from_millis(200));
        net
    }

    /// Descriptions both ways; the server learns no candidate, as behind mDNS.
    pub fn signal(&mut self) {
        let (server, client) = (
            self.server.described(self.client.role),
            self.client.described(self.server.role),
        );
        self.client.peer.set_remote(self.now, server);
        self.client
            .peer
            .add_remote_candidate(self.now, &host(addr(SERVER)));
        self.server.peer.set_remote(self.now, client);
    }

    pub fn both_connected(&self) -> bool {
        self.server.peer.is_connected() && self.client.peer.is_connected()
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Puts a datagram on the link as the client would.
    pub fn client_sends(&mut self, bytes: &[u8]) {
        let (from, to) = (self.client.outside(), addr(SERVER));
        self.launch(from, to, bytes);
    }

    pub fn server_sends(&mut self, bytes: &[u8]) {
        let Some(path) = self.server.peer.path() else {
            return;
        };
        self.launch(addr(SERVER), path.remote, bytes);
    }

    fn launch(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.cut || self.rng.random_bool(self.weather.loss) {
            return;
        }
        for _ in 0..=usize::from(self.rng.random_bool(self.weather.duplicate)) {
            let jitter = self.weather.jitter.mul_f64(self.rng.random());
            self.flying.push(Flight {
                at: self.now + self.delay + jitter,
                to,
                from,
                bytes: bytes.to_vec(),
            });
        }
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_while(end, |_| true);
    }

    /// True where `done` came true before `limit`.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Net) -> bool) -> bool {
        let end = self.now + limit;
        self.run_while(end, |net| !done(net));
        done(self)
    }

    fn run_while(&mut self, end: Instant, go_on: impl Fn(&Net) -> bool) {
        loop {
            self.exchange();
            if !go_on(self) {
                return;
            }
            let timers = [
                self.server.peer.poll_timeout(),
                self.client.peer.poll_timeout(),
            ];
            let flights = self.flying.iter().map(|flight| flight.at).min();
            let next = timers
                .into_iter()
                .flatten()
                .chain(flights)
                .min()
                .unwrap_or(end);
            // Never stuck: a timer that is due but does nothing still lets a millisecond pass.
            let next = next.max(self.now + Duration::from_millis(1));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.land();
            for side in [&mut self.server, &mut self.client] {
                if side.peer.poll_timeout().is_some_and(|at| at <= next) {
                    side.peer.handle_timeout(next);
                    self.timers += 1;
                }
            }
        }
    }

    fn land(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|flight| flight.at <= now);
        self.flying = later;
        for flight in due {
            for side in [&mut self.server, &mut self.client] {
                if side.outside() == flight.to {
                    side.receive(now, flight.from, &flight.bytes);
                }
            }
        }
    }

    fn exchange(&mut self) {
        let elapsed = self.elapsed();
        let mut sends = Vec::new();
        for side in [&mut self.server, &mut self.client] {
            let from = side.outside();
            while let Some(transmit) = side.peer.poll_transmit() {
                assert_eq!(transmit.path.local, side.bound);
                assert!(
                    transmit.bytes.len() <= 1_232,
                    "{} bytes",
                    transmit.bytes.len()
                );
                side.bytes_out += transmit.bytes.len();
                sends.push((from, transmit.path.remote, transmit.bytes));
            }
            while let Some(event) = side.peer.poll_event() {
                side.events.push((elapsed, event));
            }
        }
        for (from, to, bytes) in sends {
            self.launch(from, to, &bytes);
        }
    }
}

pub fn rtp_header(ssrc: Ssrc, sequence: u16) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = 0x80;
    header[1] = 96;
    header[2..4].copy_from_slice(&sequence.to_be_bytes());
    header[4..8].copy_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
    header[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
    header
}

pub fn host(addr: SocketAddr) -> RemoteCandidate {
    RemoteCandidate {
        foundation: "1".to_owned(),
        priority: 2_130_706_431,
        addr,
        kind: CandidateKind::Host,
        protocol: Protocol::Udp,
    }
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

pub fn wrong_fingerprint() -> Fingerprint {
    Fingerprint::of(HashAlgorithm::Sha256, b"another certificate")
}

/// A plausible first datagram of a DTLS handshake.
pub fn client_hello() -> Vec<u8> {
    let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60];
    hello.extend_from_slice(&[1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48, 0xfe, 0xfd]);
    hello.resize(13 + 60, 7);
    hello
}

/// The virtual clock's zero.
#[allow(clippy::disallowed_methods)]
pub fn epoch() -> Instant {
    Instant::now()
}
