//! The UDP sockets of one worker's TURN server: where clients come in, and one per relay.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use sluice_sfu::Transmit;
use sluice_wire::path::Path;

use crate::config::AddressConfig;
use crate::socket::{ReceiveSlots, SendCounters, Socket};

/// The table.
pub struct TurnSockets {
    registry: Registry,
    /// Tokens from here on are ours.
    base: usize,
    relays: Vec<AddressConfig>,
    buffer_bytes: usize,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    listeners: Vec<usize>,
    by_relayed: FxHashMap<SocketAddr, usize>,
    ready: VecDeque<usize>,
    is_ready: Vec<bool>,
    /// What became of sends.
    pub counters: SendCounters,
}

struct Slot {
    socket: Socket,
    source: Source,
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
            registry,
            base,
            relays,
            buffer_bytes,
            slots: Vec::new(),
            free: Vec::new(),
            listeners: Vec::new(),
            by_relayed: FxHashMap::default(),
            ready: VecDeque::new(),
            is_ready: Vec::new(),
            counters: SendCounters::default(),
        }
    }

    /// Adds a socket for clients.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen(&mut self, socket: Socket) -> io::Result<()> {
        let local = socket.local();
        let at = self.insert(socket, Source::Clients { local })?;
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
        let Some(at) = self.by_relayed.remove(&relayed) else {
            return;
        };
        if let Some(mut slot) = self.slots.get_mut(at).and_then(Option::take) {
            // Closing deregisters too.
            let _ = self.registry.deregister(slot.socket.source());
            self.free.push(at);
        }
    }

    /// Notes that a socket has something to read. False where the token is not ours.
    pub fn handle_ready(&mut self, token: Token) -> bool {
        let Some(at) = token.0.checked_sub(self.base) else {
            return false;
        };
        if let Some(ready) = self.is_ready.get_mut(at)
            && !std::mem::replace(ready, true)
        {
            self.ready.push_back(at);
        }
        true
    }

    /// True where something may still be waiting to be read.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Receives one batch from the socket that has waited longest; none where all are read.
    pub fn receive(&mut self, slots: &mut ReceiveSlots) -> Option<Source> {
        loop {
            let at = self.ready.pop_front()?;
            if let Some(ready) = self.is_ready.get_mut(at) {
                *ready = false;
            }
            let Some(Slot { socket, source }) = self.slots.get(at).and_then(Option::as_ref) else {
                continue;
            };
            let (more, source) = (socket.receive(slots), *source);
            if more {
                self.handle_ready(Token(self.base + at));
            }
            return Some(source);
        }
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
            let Some(Slot { socket, .. }) = self.slots.get_mut(*at).and_then(Option::as_mut) else {
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
        let slot = at.and_then(|at| self.slots.get_mut(*at)?.as_mut());
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
        let at = self.insert(socket, Source::Peers { relayed }).ok()?;
        self.by_relayed.insert(relayed, at);
        Some(at)
    }

    fn bound_ip(&self, advertised: IpAddr) -> Option<IpAddr> {
        let mut relays = self.relays.iter();
        let relay = relays.find(|relay| relay.advertise == advertised)?;
        Some(relay.bind)
    }

    fn insert(&mut self, mut socket: Socket, source: Source) -> io::Result<usize> {
        let at = self.free.pop().unwrap_or(self.slots.len());
        let token = Token(self.base + at);
        if let Err(error) = self
            .registry
            .register(socket.source(), token, Interest::READABLE)
        {
            if at < self.slots.len() {
                self.free.push(at);
            }
            return Err(error);
        }
        if at == self.slots.len() {
            self.slots.push(None);
            self.is_ready.push(false);
        }
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(Slot { socket, source });
        }
        Ok(at)
    }
}
