//! The UDP sockets of one worker's TURN server: where clients come in, and one per relay.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::{Registry, Token};
use rustc_hash::FxHashMap;
use sluice_sfu::Transmit;
use sluice_wire::path::Path;

use crate::config::AddressConfig;
use crate::polled::{Polled, Watched};
use crate::socket::{ReceiveSlots, SendCounters, Socket};

/// The table.
pub struct TurnSockets {
    relays: Vec<AddressConfig>,
    buffer_bytes: usize,
    slots: Polled<Slot>,
    listeners: Vec<usize>,
    by_relayed: FxHashMap<SocketAddr, usize>,
    /// What became of sends.
    pub counters: SendCounters,
}

struct Slot {
    socket: Socket,
    source: Source,
}

impl Watched for Slot {
    type Source = mio::net::UdpSocket;

    fn source(&mut self) -> &mut Self::Source {
        self.socket.source()
    }
}

/// Whose datagrams a socket receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Clients'.
    Clients {
        /// Where the socket is bound.
        local: SocketAddr,
    },
    /// Peers' of one relay.
    Peers {
        /// As advertised.
        relayed: SocketAddr,
    },
}

impl TurnSockets {
    /// An empty table whose sockets wake the poll behind `registry` with tokens from `base` on; `relays` says what
    /// relayed addresses are bound to.
    pub fn new(
        registry: Registry,
        base: usize,
        relays: Vec<AddressConfig>,
        buffer_bytes: usize,
    ) -> Self {
        Self {
            relays,
            buffer_bytes,
            slots: Polled::new(registry, base),
            listeners: Vec::new(),
            by_relayed: FxHashMap::default(),
            counters: SendCounters::default(),
        }
    }

    /// Adds a socket for clients.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen(&mut self, socket: Socket) -> io::Result<()> {
        let source = Source::Clients {
            local: socket.local(),
        };
        let at = self.slots.insert(Slot { socket, source })?;
        self.listeners.push(at);
        Ok(())
    }

    /// Opens the first of these relayed addresses that is free.
    pub fn open(&mut self, candidates: &[SocketAddr]) -> Option<SocketAddr> {
        candidates
            .iter()
            .copied()
            .find(|relayed| self.open_one(*relayed).is_some())
    }

    /// Closes a relay.
    pub fn close(&mut self, relayed: SocketAddr) {
        if let Some(at) = self.by_relayed.remove(&relayed) {
            self.slots.remove(at);
        }
    }

    /// Notes that a socket has something to read. False where the token is not ours.
    pub fn handle_ready(&mut self, token: Token) -> bool {
        self.slots.handle_ready(token)
    }

    /// True where something may still be waiting to be read.
    pub fn has_ready(&self) -> bool {
        self.slots.has_ready()
    }

    /// Receives one batch from the socket that has waited longest; none where all are read.
    pub fn receive(&mut self, slots: &mut ReceiveSlots) -> Option<Source> {
        let at = self.slots.poll_ready()?;
        let Slot { socket, source } = self.slots.get_mut(at)?;
        let (more, source) = (socket.receive(slots), *source);
        if more {
            self.slots.mark_ready(at);
        }
        Some(source)
    }

    /// Sends a datagram, or a train, to a client from the address that it knows.
    pub fn send_to_client(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &[u8],
        segment_size: Option<usize>,
    ) {
        let transmit = Transmit {
            path: Path::udp(local, remote),
            segment_size,
            bytes,
        };
        for at in &self.listeners {
            let Some(Slot { socket, .. }) = self.slots.get_mut(*at) else {
                continue;
            };
            let bound = socket.local();
            if bound == local {
                return socket.send(&transmit, &mut self.counters);
            }
            let is_wildcard = bound.ip().is_unspecified() && bound.is_ipv4() == local.is_ipv4();
            if is_wildcard && bound.port() == local.port() {
                return socket.send_as(local.ip(), &transmit, &mut self.counters);
            }
        }
        self.counters.refused += 1;
    }

    /// Sends a datagram to a peer from a relayed address.
    pub fn send_to_peer(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        let at = self.by_relayed.get(&relayed);
        let slot = at.and_then(|at| self.slots.get_mut(*at));
        let Some(Slot { socket, .. }) = slot else {
            self.counters.refused += 1;
            return;
        };
        let transmit = Transmit {
            path: Path::udp(socket.local(), peer),
            segment_size: None,
            bytes: payload,
        };
        socket.send(&transmit, &mut self.counters);
    }

    fn open_one(&mut self, relayed: SocketAddr) -> Option<usize> {
        let bind = self.bound_ip(relayed.ip())?;
        let address = SocketAddr::new(bind, relayed.port());
        let socket = Socket::bind(address, false, self.buffer_bytes).ok()?;
        let source = Source::Peers { relayed };
        let at = self.slots.insert(Slot { socket, source }).ok()?;
        self.by_relayed.insert(relayed, at);
        Some(at)
    }

    fn bound_ip(&self, advertised: IpAddr) -> Option<IpAddr> {
        let mut relays = self.relays.iter();
        let relay = relays.find(|relay| relay.advertise == advertised)?;
        Some(relay.bind)
    }
}
