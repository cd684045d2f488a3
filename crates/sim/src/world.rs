//! One clock over everybody.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::clock;
use crate::link::LinkSettings;
use crate::network::Network;
use crate::server::Server;

/// A network, the clients on it and the time.
pub struct World {
    /// The present.
    pub now: Instant,
    /// What carries datagrams.
    pub network: Network,
    /// Who sends them.
    pub clients: Vec<Client>,
    /// The node in the middle, if there is one.
    pub server: Option<Server>,
    start: Instant,
}

impl World {
    /// An empty world whose links are all like `links`.
    pub fn new(links: LinkSettings, seed: u64) -> Self {
        let start = clock::start();
        Self {
            now: start,
            network: Network::new(links, seed),
            clients: Vec::new(),
            server: None,
            start,
        }
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Adds a client and returns its place.
    pub fn add(&mut self, client: Client) -> usize {
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// The node in the middle.
    pub fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("this world has a server")
    }

    /// Lets two clients know of each other.
    pub fn introduce(&mut self, a: usize, b: usize) {
        let (of_a, of_b) = (self.clients[a].description(), self.clients[b].description());
        self.clients[a].set_remote(self.now, &of_b);
        self.clients[b].set_remote(self.now, &of_a);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until `done`, for `limit` at most. Tells whether it was done.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        let mut turns_at_once = 0;
        loop {
            self.deliver();
            if done(self) {
                return true;
            }
            let Some(next) = self.poll_timeout().filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            turns_at_once = if next > self.now {
                0
            } else {
                turns_at_once + 1
            };
            assert!(
                turns_at_once < MAX_TURNS,
                "time stands still at {:?}",
                self.elapsed()
            );
            self.now = self.now.max(next);
            for client in &mut self.clients {
                if client
                    .poll_timeout(self.now)
                    .is_some_and(|at| at <= self.now)
                {
                    client.handle_timeout(self.now);
                }
            }
            if let Some(server) = &mut self.server
                && server.poll_timeout().is_some_and(|at| at <= self.now)
            {
                server.handle_timeout(self.now);
            }
        }
    }

    /// Moves what was sent into the network and what has arrived out of it.
    fn deliver(&mut self) {
        loop {
            for client in &mut self.clients {
                while let Some(datagram) = client.poll_transmit() {
                    self.network.send(self.now, &datagram);
                }
            }
            while let Some(datagram) = self.server.as_mut().and_then(Server::poll_transmit) {
                self.network.send(self.now, &datagram);
            }
            let Some(mut datagram) = self.network.poll(self.now) else {
                return;
            };
            if let Some(client) = self
                .clients
                .iter_mut()
                .find(|client| client.address() == datagram.to)
            {
                client.handle_datagram(self.now, datagram.from, &mut datagram.bytes);
            } else if let Some(server) = &mut self.server {
                server.handle_datagram(self.now, &mut datagram);
            }
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let now = self.now;
        let clients = self
            .clients
            .iter_mut()
            .filter_map(|client| client.poll_timeout(now))
            .min();
        let server = self.server.as_ref().and_then(Server::poll_timeout);
        [clients, server, self.network.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Turns at one instant before a timer that never moves is called a bug.
const MAX_TURNS: u32 = 10_000;
