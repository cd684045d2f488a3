//! One worker's TURN server (`crates/turn`) with its sockets: clients over UDP, TCP and TLS on one side, relays on the
//! other (`docs/adr/0005-turn.md`).
//!
//! ```text
//! client ─UDP──────▶ ┌────────┐ ─ own media port ─▶ the worker that has it (no socket in between)
//! client ─TCP, TLS─▶ │ server │
//!                    └────────┘ ─ other peer ─────▶ relay socket ─▶ network
//! ```

mod bind;
mod certificate;
mod config;
mod media;
mod sockets;
mod stream;
mod streams;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mio::Registry;
use mio::event::Event;
use rustls::ServerConfig;
use sluice_sfu::Transmit;
use sluice_turn::{
    Client, Event as Order, FromClient, PeerRules, Quotas, RelayPorts, Server,
    ServerConfig as Setup, Transport,
};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::WorkerId;
use sluice_wire::path::{Path, Via};

use crate::config::EngineConfig;
use crate::mux::Handoff;
use crate::ports::PortBook;
use crate::socket::{ReceiveSlots, Socket};
use crate::stream::{Listener, StreamSlots, TOKENS, Urgency};
use media::MediaPorts;
use sockets::TurnSockets;
use streams::TurnStreams;

pub use bind::Relays;
pub use certificate::{CertificateStore, TurnCertificateError, server_config};
pub use config::{ApiCredential, TurnConfig, TurnTls};
pub use sockets::Source;

/// The server of one worker.
pub struct Relay {
    me: WorkerId,
    server: Server,
    ports: RelayPorts,
    media: MediaPorts,
    relays: Vec<crate::config::AddressConfig>,
    sockets: TurnSockets,
    streams: TurnStreams,
    /// What is being wrapped.
    out: Vec<u8>,
    dropped: Dropped,
    /// Packets sent to clients and peers, since the start.
    pub sent: u64,
}

/// A message of a stream's client was received: whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The client.
    pub client: Client,
    /// True once it has an allocation.
    pub proven: bool,
}

/// What the server itself does not count.
#[derive(Debug, Clone, Copy, Default)]
struct Dropped {
    /// To a media port that nobody has.
    no_media: u64,
    /// From our own media sockets: media takes the short cut.
    own_media: u64,
}

impl Relay {
    /// The server of the worker `me`; none where the configuration has no TURN. `tls` ends TLS for its clients.
    ///
    /// # Errors
    /// Where the crypto library lacks what STUN needs.
    pub fn new(
        now: Instant,
        me: WorkerId,
        engine: &EngineConfig,
        book: Option<Arc<PortBook>>,
        (quotas, tls): (Arc<Quotas>, Option<Arc<ServerConfig>>),
        registry: &Registry,
    ) -> io::Result<Option<Self>> {
        let Some(config) = &engine.turn else {
            return Ok(None);
        };
        let media = MediaPorts::new(me, engine, book);
        let setup = setup(config, config.share(engine.workers), me, quotas, &media);
        let ports = setup.ports;
        let server = Server::new(now, setup, rand::random()).map_err(io::Error::other)?;
        let sockets = TurnSockets::new(
            registry.try_clone()?,
            UDP_TOKENS,
            config.relay_addresses.clone(),
            engine.receive_buffer_bytes,
        );
        Ok(Some(Self {
            me,
            server,
            ports,
            media,
            relays: config.relay_addresses.clone(),
            sockets,
            streams: TurnStreams::new(registry.try_clone()?, STREAM_TOKENS, tls),
            out: Vec::new(),
            dropped: Dropped::default(),
            sent: 0,
        }))
    }

    /// Adds a socket for clients.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen_udp(&mut self, socket: Socket) -> io::Result<()> {
        self.sockets.listen(socket)
    }

    /// Adds a listener for clients.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen_tcp(&mut self, listener: Listener) -> io::Result<()> {
        self.streams.listen(listener)
    }

    /// Notes what can be done. False where the event is not ours.
    pub fn handle_event(&mut self, event: &Event) -> bool {
        self.streams.handle_event(event) || self.sockets.handle_ready(event.token())
    }

    /// Accepts who waits.
    pub fn accept(&mut self, now: Instant) {
        self.streams.accept(now);
    }

    /// Receives a batch of datagrams; whose, or none where all are read.
    pub fn receive_datagrams(&mut self, slots: &mut ReceiveSlots) -> Option<Source> {
        self.sockets.receive(slots)
    }

    /// Receives messages of the stream that has waited longest; none where all are read.
    pub fn receive_messages(&mut self, now: Instant, slots: &mut StreamSlots) -> Option<Arrival> {
        self.streams.receive(now, slots)
    }

    /// A message of a client. Returns what is to go on inside, and along which path; everything else is done.
    /// `wall`: seconds since the epoch.
    pub fn handle_client<'a>(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        bytes: &'a mut [u8],
    ) -> Option<(Path, &'a mut [u8])> {
        let FromClient::Relay {
            relayed,
            peer,
            payload,
        } = self.server.handle_client(now, wall, client, bytes)
        else {
            return None;
        };
        let payload = bytes.get_mut(payload)?;
        if let Some(local) = self.media.bound(peer) {
            let via = via(client.transport);
            let path = Path {
                via,
                local,
                remote: relayed,
            };
            return Some((path, payload));
        }
        let peer = self.inward(peer);
        self.sockets.send_to_peer(relayed, peer, payload);
        self.sent += 1;
        None
    }

    /// The worker that is to have what [`Relay::handle_client`] returned.
    pub fn owner(&mut self, path: Path, payload: &[u8], handoff: &Handoff) -> Option<WorkerId> {
        let owner = self.media.owner(path, payload, handoff);
        self.dropped.no_media += u64::from(owner.is_none());
        owner
    }

    /// A datagram of a peer.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
    ) {
        if self.media.bound(peer).is_some() {
            self.dropped.own_media += 1;
            return;
        }
        let peer = self.outward(now, relayed, peer);
        self.out.clear();
        let client = self
            .server
            .handle_peer(now, relayed, peer, payload, &mut self.out);
        if let Some(client) = client {
            self.send_out(now, client, None, payload);
        }
    }

    /// The worker that a path leads to.
    pub fn worker_of(&self, path: Path) -> Option<WorkerId> {
        self.ports.owner(path.remote.port()).map(WorkerId)
    }

    /// A datagram, or a train, of a media port of this node to one of our clients.
    pub fn handle_media(&mut self, now: Instant, transmit: &Transmit<'_>) {
        let relayed = transmit.path.remote;
        let Some(peer) = self.known_as(now, relayed, transmit.path.local) else {
            return;
        };
        let segment = transmit.segment_size.unwrap_or(transmit.bytes.len());
        let mut train: Option<(Client, usize)> = None;
        self.out.clear();
        for payload in transmit.bytes.chunks(segment.max(1)) {
            let begin = self.out.len();
            let client = self
                .server
                .handle_peer(now, relayed, peer, payload, &mut self.out);
            let Some(client) = client else { continue };
            if client.transport == Transport::Udp {
                // All of a train are of one size but for a shorter last one: so they are when wrapped.
                train.get_or_insert((client, self.out.len() - begin));
                continue;
            }
            self.send_out(now, client, None, payload);
            self.out.clear();
        }
        if let Some((client, size)) = train {
            let segment = (self.out.len() > size).then_some(size);
            self.send_out(now, client, segment, transmit.bytes);
        }
    }

    /// Sends answers, opens and closes relays.
    pub fn settle(&mut self, now: Instant) {
        loop {
            while let Some((client, bytes)) = self.server.poll_transmit() {
                self.send(now, client, &bytes, None, Urgency::Control);
            }
            let Some(order) = self.server.poll_event() else {
                return;
            };
            match order {
                Order::OpenRelay { id, candidates } => {
                    let opened = self.sockets.open(&candidates);
                    self.server.handle_relay_opened(now, id, opened);
                }
                Order::CloseRelay { relayed } => self.sockets.close(relayed),
            }
        }
    }

    /// A stream's messages were handled: with an allocation it has proved itself.
    pub fn prove(&mut self, client: Client) {
        if self.server.knows(&client) {
            self.streams.prove(client);
        }
    }

    /// Writes what the streams take.
    pub fn flush(&mut self, now: Instant) {
        self.streams.flush(now);
    }

    /// Ends what is over: allocations, and streams with what they carried.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.server.poll_timeout().is_some_and(|due| due <= now) {
            self.server.handle_timeout(now);
        }
        let server = &self.server;
        self.streams
            .handle_timeout(now, |client| server.knows(client));
        while let Some(client) = self.streams.poll_closed(now) {
            self.server.handle_client_gone(client);
        }
        self.settle(now);
    }

    /// When to call [`Relay::handle_timeout`] or [`Relay::accept`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.server.poll_timeout(), self.streams.poll_timeout()];
        own.into_iter().flatten().min()
    }

    /// True where something waits to be read, accepted or closed.
    pub fn has_work(&self) -> bool {
        self.sockets.has_ready() || self.streams.has_work()
    }

    /// Counters, and what is open now.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let sends = self.sockets.counters;
        let own = [
            ("turn_dropped_no_media", self.dropped.no_media),
            ("turn_dropped_own_media", self.dropped.own_media),
            ("turn_dropped_send_full", sends.full),
            ("turn_dropped_send_too_large", sends.too_large),
            ("turn_dropped_send_refused", sends.refused),
        ];
        let server: Vec<_> = self.server.stats().named().collect();
        server
            .into_iter()
            .chain(own)
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.streams.counters())
    }

    /// Sends what stands in `out` to a client; `payload` is what it wraps.
    fn send_out(&mut self, now: Instant, client: Client, segment: Option<usize>, payload: &[u8]) {
        let urgency = match classify(payload) {
            Some(Kind::Rtp) => Urgency::Media,
            _ => Urgency::Control,
        };
        let out = std::mem::take(&mut self.out);
        self.send(now, client, &out, segment, urgency);
        self.out = out;
    }

    fn send(
        &mut self,
        now: Instant,
        client: Client,
        bytes: &[u8],
        segment: Option<usize>,
        urgency: Urgency,
    ) {
        self.sent += 1;
        match client.transport {
            Transport::Udp => {
                let (local, remote) = (client.local, client.remote);
                self.sockets.send_to_client(local, remote, bytes, segment);
            }
            Transport::Tcp | Transport::Tls => self.streams.push(now, client, bytes, urgency),
        }
    }

    /// As what a client knows one of our media addresses.
    fn known_as(&self, now: Instant, relayed: SocketAddr, local: SocketAddr) -> Option<SocketAddr> {
        let mut names = self.media.known_as(local);
        let first = self.media.known_as(local).next();
        names
            .find(|peer| self.server.admits(now, relayed, *peer))
            .or(first)
    }

    /// Where a relayed address of our own is bound: no network needs to turn the packet around.
    fn inward(&self, peer: SocketAddr) -> SocketAddr {
        let ip = self.relay_ip(peer.port(), |relay| {
            (relay.advertise == peer.ip()).then_some(relay.bind)
        });
        SocketAddr::new(ip.unwrap_or(peer.ip()), peer.port())
    }

    /// The other way round, unless the client knows the peer as it is.
    fn outward(&self, now: Instant, relayed: SocketAddr, peer: SocketAddr) -> SocketAddr {
        let ip = self.relay_ip(peer.port(), |relay| {
            (relay.bind == peer.ip()).then_some(relay.advertise)
        });
        let advertised = SocketAddr::new(ip.unwrap_or(peer.ip()), peer.port());
        if self.server.admits(now, relayed, advertised) {
            advertised
        } else {
            peer
        }
    }

    fn relay_ip(
        &self,
        port: u16,
        ip: impl Fn(&crate::config::AddressConfig) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        self.ports.owner(port)?;
        let found = self.relays.iter().find_map(ip)?;
        (!found.is_unspecified()).then_some(found)
    }

    /// This worker.
    pub fn me(&self) -> WorkerId {
        self.me
    }
}

fn setup(
    config: &TurnConfig,
    workers: u16,
    me: WorkerId,
    quotas: Arc<Quotas>,
    media: &MediaPorts,
) -> Setup {
    let of_family = |v4: bool| {
        let mut relays = config.relay_addresses.iter().map(|relay| relay.advertise);
        relays.find(|ip| ip.is_ipv4() == v4)
    };
    Setup {
        realm: config.realm.clone(),
        credentials: config
            .credentials
            .iter()
            .map(|credential| (credential.api_key.clone(), credential.api_secret.clone()))
            .collect(),
        ports: RelayPorts {
            v4: of_family(true),
            v6: of_family(false),
            start: config.relay_range_start,
            end: config.relay_range_end,
            step: workers,
            offset: me.0,
        },
        quotas,
        rules: PeerRules {
            media: media.all(),
            allow_public: config.allow_public_peers,
            allow: config.allow_restricted_peer_cidrs.clone(),
            deny: config.deny_peer_cidrs.clone(),
        },
    }
}

fn via(transport: Transport) -> Via {
    match transport {
        Transport::Udp => Via::RelayUdp,
        Transport::Tcp => Via::RelayTcp,
        Transport::Tls => Via::RelayTls,
    }
}

/// Tokens of streams: behind those of ICE-TCP.
const STREAM_TOKENS: usize = TOKENS * 2;
/// Tokens of datagram sockets: the last ones.
const UDP_TOKENS: usize = TOKENS * 3;
