//! Clients over TCP and TLS: accepted, held to our time limits, and closed when they relay no more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event;
use rustls::ServerConfig;
use sluice_turn::{Client, Transport};

use super::Arrival;
use super::stream::{TlsStream, TurnFramer, TurnStream};
use crate::stream::{CloseReason, Key, Limits, Listener, StreamSlots, Table, Urgency};

/// The streams of one worker.
pub struct TurnStreams {
    table: Table<TurnStream, TurnFramer, Idle>,
    /// None where a balancer in front ends TLS.
    tls: Option<Arc<ServerConfig>>,
    listens: bool,
    next_audit: Option<Instant>,
}

/// Since when a client that had an allocation has none.
#[derive(Debug, Clone, Copy, Default)]
struct Idle(Option<Instant>);

impl TurnStreams {
    /// No clients yet, and none to come before [`TurnStreams::listen`].
    pub fn new(registry: Registry, base: usize, tls: Option<Arc<ServerConfig>>) -> Self {
        let mut table = Table::new(registry, base, LIMITS);
        if tls.is_none() {
            table.share_sources();
        }
        Self {
            table,
            tls,
            listens: false,
            next_audit: None,
        }
    }

    /// Adds a listener.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen(&mut self, listener: Listener) -> io::Result<()> {
        self.listens = true;
        self.table.listen(listener)
    }

    /// Notes what can be done. False where the event is not ours.
    pub fn handle_event(&mut self, event: &Event) -> bool {
        self.table.handle_event(event)
    }

    /// Accepts who waits.
    pub fn accept(&mut self, now: Instant) {
        let tls = &self.tls;
        self.table.accept(now, |accepted| {
            let mut key = accepted.key;
            if key.local.ip().is_unspecified() {
                // A client is known by the address that it connected to.
                let bound = accepted.stream.local_addr().ok()?;
                key.local = SocketAddr::new(bound.ip().to_canonical(), bound.port());
            }
            let stream = match tls {
                None => TurnStream::Plain(accepted.stream),
                Some(config) => {
                    let tls = TlsStream::new(accepted.stream, Arc::clone(config)).ok()?;
                    TurnStream::Tls(Box::new(tls))
                }
            };
            Some((key, stream, TurnFramer, Idle::default()))
        });
    }

    /// Receives from the stream that has waited longest; none where all are read.
    pub fn receive(&mut self, now: Instant, slots: &mut StreamSlots) -> Option<Arrival> {
        let received = self.table.receive(now, slots)?;
        Some(Arrival {
            client: self.client(received.key),
            proven: received.proven,
        })
    }

    /// Takes a message for a client; it leaves with the next [`TurnStreams::flush`].
    pub fn push(&mut self, now: Instant, client: Client, message: &[u8], urgency: Urgency) {
        // What is dropped is counted there.
        let _ = self.table.push(now, key(client), message, urgency);
    }

    /// The client has an allocation.
    pub fn prove(&mut self, client: Client) {
        self.table.prove(key(client));
    }

    /// Writes what the streams take.
    pub fn flush(&mut self, now: Instant) {
        self.table.flush(now);
    }

    /// Closes what took too long, and what has had no allocation for a while.
    pub fn handle_timeout(&mut self, now: Instant, has_allocation: impl Fn(&Client) -> bool) {
        self.table.handle_timeout(now);
        if self.next_audit.is_some_and(|at| at > now) {
            return;
        }
        self.next_audit = Some(now + AUDIT);
        let transport = self.transport();
        let mut left = Vec::new();
        for (key, idle) in self.table.iter_mut() {
            if has_allocation(&client(transport, key)) {
                idle.0 = None;
            } else if now.saturating_duration_since(*idle.0.get_or_insert(now)) >= UNUSED {
                left.push(key);
            }
        }
        for key in left {
            self.table.close(key, CloseReason::Unused);
        }
    }

    /// Closes one stream whose end was decided; whose it was.
    pub fn poll_closed(&mut self, now: Instant) -> Option<Client> {
        let (key, _, reason) = self.table.poll_closed(now)?;
        tracing::debug!(local = %key.local, remote = %key.remote, ?reason, "TURN stream closed");
        Some(self.client(key))
    }

    /// True where something waits to be read, accepted or closed.
    pub fn has_work(&self) -> bool {
        self.table.has_work()
    }

    /// When to call [`TurnStreams::handle_timeout`] or [`TurnStreams::accept`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.poll_timeout()
    }

    /// Counters, and what is open now; none without listeners.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let prefix = match self.transport() {
            Transport::Tls => "turn_tls",
            _ => "turn_tcp",
        };
        let open = (format!("{prefix}_connections"), self.table.len() as u64);
        let listens = self.listens;
        let counters = self.table.counters;
        counters
            .named(prefix)
            .chain([open])
            .filter(move |_| listens)
    }

    fn transport(&self) -> Transport {
        if self.tls.is_some() {
            Transport::Tls
        } else {
            Transport::Tcp
        }
    }

    fn client(&self, key: Key) -> Client {
        client(self.transport(), key)
    }
}

fn client(transport: Transport, key: Key) -> Client {
    Client {
        transport,
        local: key.local,
        remote: key.remote,
    }
}

fn key(client: Client) -> Key {
    Key {
        local: client.local,
        remote: client.remote,
    }
}

/// With a sweep each half a second nothing slow lives longer than 10 s.
const LIMITS: Limits = Limits {
    unproven: Duration::from_secs(9),
    partial: Duration::from_secs(9),
    stalled: Duration::from_secs(10),
};
/// Life of a stream whose client gave its allocation back: it may ask for another one.
const UNUSED: Duration = Duration::from_secs(10);
/// How often that is looked at.
const AUDIT: Duration = Duration::from_secs(2);
