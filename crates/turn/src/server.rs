//! The server: its table of allocations, its timers, and what it tells whoever has the sockets.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustc_hash::FxHashMap;

use crate::allocation::Allocation;
use crate::challenge::{Nonces, Strangers};
use crate::client::Client;
use crate::message::{Crypto, Incoming, Key};
use crate::ports::RelayPorts;
use crate::quota::{Quotas, Ticket};
use crate::rules::PeerRules;
use crate::stats::{Drop, Stats};

/// What a server is told once.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The realm of credentials.
    pub realm: String,
    /// API keys and their secrets.
    pub credentials: Vec<(String, String)>,
    /// Where its relays are.
    pub ports: RelayPorts,
    /// Counts allocations over all workers.
    pub quotas: Arc<Quotas>,
    /// Who may be a peer.
    pub rules: PeerRules,
}

/// An allocation that waits for its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelayId(u64);

/// What became of a message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// Answered, or nothing is to be answered.
    Handled,
    /// `bytes[payload]` is to go to a peer.
    Relay {
        /// From this address.
        relayed: SocketAddr,
        /// To this one.
        peer: SocketAddr,
        /// Where it stands in the message.
        payload: Range<usize>,
    },
    /// Dropped and counted.
    Dropped(Drop),
}

/// Asks for sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bind the first of these addresses that is free, and tell with [`Server::handle_relay_opened`].
    OpenRelay {
        /// Whose.
        id: RelayId,
        /// As clients are told them.
        candidates: Vec<SocketAddr>,
    },
    /// Close it.
    CloseRelay {
        /// Which.
        relayed: SocketAddr,
    },
}

/// One worker's TURN server.
pub struct Server {
    pub(crate) config: ServerConfig,
    pub(crate) crypto: Crypto,
    pub(crate) nonces: Nonces,
    pub(crate) strangers: Strangers,
    pub(crate) allocations: FxHashMap<Client, Allocation>,
    pub(crate) by_relayed: FxHashMap<SocketAddr, Client>,
    pub(crate) pending: HashMap<RelayId, Pending>,
    pub(crate) stats: Stats,
    pub(crate) rng: StdRng,
    transmits: VecDeque<(Client, Vec<u8>)>,
    events: VecDeque<Event>,
    next_id: u64,
    /// Not later than the first allocation expires.
    due: Option<Instant>,
}

/// An Allocate request that was good, up to its port.
pub(crate) struct Pending {
    pub client: Client,
    pub request: Incoming,
    pub username: String,
    pub key: Key,
    pub lifetime: Duration,
    pub ticket: Ticket,
    pub since: Instant,
}

impl Server {
    /// A server without clients. `seed` must be a secret: nonces, ports and transaction ids come of it.
    ///
    /// # Errors
    /// Where the crypto library lacks what STUN needs.
    pub fn new(now: Instant, config: ServerConfig, seed: [u8; 32]) -> Result<Self, NoCrypto> {
        let mut rng = StdRng::from_seed(seed);
        Ok(Self {
            config,
            crypto: Crypto::new().ok_or(NoCrypto)?,
            nonces: Nonces::new(now, rng.random()),
            strangers: Strangers::new(now, rng.random()),
            allocations: FxHashMap::default(),
            by_relayed: FxHashMap::default(),
            pending: HashMap::new(),
            stats: Stats::default(),
            rng,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            next_id: 0,
            due: None,
        })
    }

    /// One datagram of a client, or one message of its stream. `wall` is seconds since the epoch: credentials end
    /// by the wall's clock.
    pub fn handle_client(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        bytes: &[u8],
    ) -> FromClient {
        if bytes.first().is_some_and(|first| first >> 6 == 1) {
            return self.relay_channel_data(now, &client, bytes);
        }
        self.handle_message(now, wall, client, bytes)
    }

    /// The stream of a client closed: its allocation ends with it (RFC 8656 section 3.2).
    pub fn handle_client_gone(&mut self, client: Client) {
        self.pending.retain(|_, pending| pending.client != client);
        self.end(client);
    }

    /// The port that an [`Event::OpenRelay`] got; none where all were taken.
    pub fn handle_relay_opened(&mut self, now: Instant, id: RelayId, relayed: Option<SocketAddr>) {
        match (self.pending.remove(&id), relayed) {
            (Some(pending), Some(relayed)) => self.allocate(now, pending, relayed),
            (Some(pending), None) => self.refuse_port(&pending),
            // The client left meanwhile.
            (None, Some(relayed)) => self.events.push_back(Event::CloseRelay { relayed }),
            (None, None) => {}
        }
    }

    /// Ends what is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.pending
            .retain(|_, pending| now.saturating_duration_since(pending.since) < PENDING_LIFE);
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let expired = |allocation: &&Allocation| allocation.expires <= now;
        let over: Vec<Client> = self
            .allocations
            .values()
            .filter(expired)
            .map(|allocation| allocation.client)
            .collect();
        for client in over {
            self.end(client);
        }
        self.due = self
            .allocations
            .values()
            .map(|allocation| allocation.expires)
            .min();
    }

    /// When [`Server::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pending = self
            .pending
            .values()
            .map(|pending| pending.since + PENDING_LIFE)
            .min();
        [self.due, pending].into_iter().flatten().min()
    }

    /// The next answer.
    pub fn poll_transmit(&mut self) -> Option<(Client, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// What to do with sockets.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// True where the client has an allocation: it proved itself.
    pub fn knows(&self, client: &Client) -> bool {
        self.allocations.contains_key(client)
    }

    /// How the client of a relayed address reaches us.
    pub fn client_of(&self, relayed: SocketAddr) -> Option<Client> {
        self.by_relayed.get(&relayed).copied()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn transmit(&mut self, client: Client, bytes: Vec<u8>) {
        self.transmits.push_back((client, bytes));
    }

    pub(crate) fn open_relay(&mut self, pending: Pending, candidates: Vec<SocketAddr>) {
        let id = RelayId(self.next_id);
        self.next_id += 1;
        self.pending.insert(id, pending);
        self.events.push_back(Event::OpenRelay { id, candidates });
    }

    /// An allocation ends then, unless refreshed.
    pub(crate) fn expect(&mut self, expires: Instant) {
        self.due = Some(self.due.map_or(expires, |due| due.min(expires)));
    }

    pub(crate) fn insert(&mut self, allocation: Allocation) {
        self.expect(allocation.expires);
        self.by_relayed
            .insert(allocation.relayed, allocation.client);
        self.allocations.insert(allocation.client, allocation);
        self.stats.allocations = self.allocations.len() as u64;
        self.stats.allocated += 1;
    }

    pub(crate) fn end(&mut self, client: Client) {
        if let Some(allocation) = self.allocations.remove(&client) {
            let relayed = allocation.relayed;
            self.by_relayed.remove(&relayed);
            self.events.push_back(Event::CloseRelay { relayed });
        }
        self.stats.allocations = self.allocations.len() as u64;
    }
}

/// The crypto library was built without HMAC-SHA1 and MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no HMAC-SHA1 and MD5 for STUN")]
pub struct NoCrypto;

/// How long a request waits for its port before its place in the quota is free again.
const PENDING_LIFE: Duration = Duration::from_secs(30);
