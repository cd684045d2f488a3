//! ICE-TCP (RFC 6544): the connections that clients open to our passive candidates, and whose they are.
//!
//! Whichever worker the kernel gives a connection to reads its first message, which must be a check (RFC 6544
//! section 4.2 has the active side check at once), and hands the connection over to the worker that the check's ufrag
//! names. There it belongs to the peer whose credentials the check proves, until the peer ends, or no longer checks it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event;
use mio::net::TcpStream;
use sluice_sfu::{LocalAddress, Protocol, Transmit};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::PeerId;
use sluice_wire::path::Path;

use crate::config::AddressConfig;
use crate::stream::{
    CloseReason, Key, Limits, Listener, Received, Rfc4571, StreamCounters, StreamSlots, TOKENS,
    Table, Urgency,
};

/// The connections of one worker.
pub struct IceTcp {
    table: Table<TcpStream, Rfc4571, Option<Owner>>,
    addresses: Vec<LocalAddress>,
    by_peer: HashMap<PeerId, Vec<Key>>,
    next_audit: Option<Instant>,
    /// Messages taken for sending, since the start.
    pub sent: u64,
}

/// Whose a connection is.
#[derive(Debug, Clone, Copy)]
struct Owner {
    peer: PeerId,
    /// When that was last known to be so.
    seen: Instant,
}

/// A connection on its way to the worker that it is for.
#[derive(Debug)]
pub struct Visitor {
    stream: std::net::TcpStream,
    key: Key,
    opened: Instant,
    /// What was read of it.
    read: Vec<u8>,
}

impl IceTcp {
    /// No connections yet, and none to come before [`IceTcp::listen`].
    pub fn new(registry: Registry) -> Self {
        Self {
            table: Table::new(registry, TOKENS, LIMITS),
            addresses: Vec::new(),
            by_peer: HashMap::new(),
            next_audit: None,
            sent: 0,
        }
    }

    /// Adds a listener; `advertise` has what clients are told of its address.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen(
        &mut self,
        mut listener: Listener,
        advertise: &[AddressConfig],
    ) -> io::Result<()> {
        let bound = listener.local();
        let known = advertise.iter().find(|a| a.bind == bound.ip());
        let advertised = known.map_or(bound.ip(), |address| address.advertise);
        if bound.ip().is_unspecified() {
            listener.name(advertised);
        }
        self.addresses.push(LocalAddress {
            protocol: Protocol::Tcp,
            socket: listener.local(),
            advertised: SocketAddr::new(advertised, bound.port()),
        });
        self.table.listen(listener)
    }

    /// The addresses of the listeners.
    pub fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// Notes what can be done. False where the event is not ours.
    pub fn handle_event(&mut self, event: &Event) -> bool {
        self.table.handle_event(event)
    }

    /// Accepts who waits.
    pub fn accept(&mut self, now: Instant) {
        self.table.accept(now, |accepted| {
            Some((accepted.key, accepted.stream, Rfc4571, None))
        });
    }

    /// Receives from the connection that has waited longest; none where all are read.
    pub fn receive(&mut self, now: Instant, slots: &mut StreamSlots) -> Option<Received> {
        self.table.receive(now, slots)
    }

    /// A connection proved to be this peer's.
    pub fn bind(&mut self, now: Instant, key: Key, peer: PeerId) {
        let Some(owner) = self.table.owned(key) else {
            return;
        };
        if owner.replace(Owner { peer, seen: now }).is_some() {
            return;
        }
        self.table.prove(key);
        let keys = self.by_peer.entry(peer).or_default();
        keys.push(key);
        if keys.len() > MAX_PER_PEER {
            let oldest = keys.remove(0);
            self.table.close(oldest, CloseReason::Unused);
        }
    }

    /// Closes a connection whose first message was none for us.
    pub fn refuse(&mut self, key: Key) {
        self.table.close(key, CloseReason::Junk);
    }

    /// Takes a connection out for another worker, with what was read of it.
    pub fn release(&mut self, key: Key, read: &[u8]) -> Option<Visitor> {
        let (opened, stream, _) = self.table.take(key)?;
        Some(Visitor {
            stream: stream.into(),
            key,
            opened,
            read: read.to_vec(),
        })
    }

    /// Takes in a connection that another worker accepted for us.
    pub fn handle_visitor(&mut self, now: Instant, visitor: Visitor) {
        let stream = TcpStream::from_std(visitor.stream);
        let parts = (stream, Rfc4571, None);
        self.table
            .adopt(now, visitor.opened, visitor.key, parts, &visitor.read);
    }

    /// Takes a datagram, or each one of a train, for the connection that its path names.
    pub fn send(&mut self, now: Instant, transmit: &Transmit<'_>) {
        let key = Key {
            local: transmit.path.local,
            remote: transmit.path.remote,
        };
        let segment = transmit.segment_size.unwrap_or(transmit.bytes.len());
        for message in transmit.bytes.chunks(segment.max(1)) {
            let urgency = match classify(message) {
                Some(Kind::Rtp) => Urgency::Media,
                _ => Urgency::Control,
            };
            self.sent += u64::from(self.table.push(now, key, message, urgency));
        }
    }

    /// Writes what the connections take.
    pub fn flush(&mut self, now: Instant) {
        self.table.flush(now);
    }

    /// Closes what a peer had.
    pub fn close_peer(&mut self, peer: PeerId) {
        for key in self.by_peer.remove(&peer).unwrap_or_default() {
            self.table.close(key, CloseReason::Unused);
        }
    }

    /// Closes what took too long, and what its peer no longer holds for its own (`is_valid`).
    pub fn handle_timeout(&mut self, now: Instant, is_valid: impl Fn(PeerId, Path) -> bool) {
        self.table.handle_timeout(now);
        if self.next_audit.is_some_and(|at| at > now) {
            return;
        }
        self.next_audit = Some(now + AUDIT);
        let mut left = Vec::new();
        for (key, owner) in self.table.iter_mut() {
            let Some(owner) = owner else { continue };
            if is_valid(owner.peer, path_of(key)) {
                owner.seen = now;
            } else if now.saturating_duration_since(owner.seen) >= UNUSED {
                left.push(key);
            }
        }
        for key in left {
            self.table.close(key, CloseReason::Unused);
        }
    }

    /// Closes one connection whose end was decided; the path that is no more.
    pub fn poll_closed(&mut self, now: Instant) -> Option<Path> {
        let (key, owner, reason) = self.table.poll_closed(now)?;
        tracing::debug!(local = %key.local, remote = %key.remote, ?reason, "ICE-TCP connection closed");
        if let Some(keys) = owner.and_then(|owner| self.by_peer.get_mut(&owner.peer)) {
            keys.retain(|of_peer| *of_peer != key);
        }
        if let Some(owner) = owner
            && self.by_peer.get(&owner.peer).is_some_and(Vec::is_empty)
        {
            self.by_peer.remove(&owner.peer);
        }
        Some(path_of(key))
    }

    /// True where something waits to be read, accepted or closed.
    pub fn has_work(&self) -> bool {
        self.table.has_work()
    }

    /// When to call [`IceTcp::handle_timeout`] or [`IceTcp::accept`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.poll_timeout()
    }

    /// Counters, and what is open now.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let open = [
            ("tcp_connections".to_owned(), self.table.len() as u64),
            ("tcp_sent".to_owned(), self.sent),
        ];
        let counters: StreamCounters = self.table.counters;
        counters.named("tcp").chain(open)
    }
}

/// The path along a connection.
pub fn path_of(key: Key) -> Path {
    Path::tcp(key.local, key.remote)
}

/// With a sweep each half a second nothing slow lives longer than 10 s.
const LIMITS: Limits = Limits {
    unproven: Duration::from_secs(9),
    partial: Duration::from_secs(9),
    stalled: Duration::from_secs(10),
};
/// A browser opens one per interface and candidate of ours; more would be of use to nobody.
const MAX_PER_PEER: usize = 8;
/// Life of a connection that its peer no longer checks: that of a consent (RFC 7675 section 5.1).
const UNUSED: Duration = Duration::from_secs(30);
/// How often that is looked at.
const AUDIT: Duration = Duration::from_secs(2);
