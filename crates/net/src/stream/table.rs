//! The connections of one kind of one worker: by token for what comes in, by addresses for what goes out.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::admission::Admission;
use super::bytes::ByteStream;
use super::connection::{CloseReason, Connection, Limits};
use super::counters::StreamCounters;
use super::framer::Framer;
use super::listener::{Accept, Listener};
use super::outbound::Urgency;
use super::slots::StreamSlots;

/// The addresses of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where its listener is bound.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
}

/// Connections with listeners of their own. `T` is what their owner keeps with each.
pub struct Table<S, F, T> {
    registry: Registry,
    /// Tokens from here on are ours.
    base: usize,
    limits: Limits,
    listeners: Vec<Listener>,
    /// Listeners at which somebody may be waiting.
    knocked: Vec<bool>,
    slots: Vec<Option<Slot<S, F, T>>>,
    free: Vec<usize>,
    by_key: HashMap<Key, usize, rustc_hash::FxBuildHasher>,
    /// Connections that may have something to read.
    ready: VecDeque<usize>,
    /// Connections with something to write.
    dirty: Vec<usize>,
    doomed: VecDeque<(usize, CloseReason)>,
    admission: Admission,
    next_sweep: Option<Instant>,
    accept_again: Option<Instant>,
    /// What happened, since the start.
    pub counters: StreamCounters,
}

struct Slot<S, F, T> {
    connection: Connection<S, F>,
    key: Key,
    owned: T,
    ready: bool,
    dirty: bool,
    doomed: bool,
}

/// A stream that was accepted, to be made into a connection.
pub struct Accepted {
    /// The stream.
    pub stream: TcpStream,
    /// Its addresses.
    pub key: Key,
}

/// A connection of which something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub key: Key,
    /// True once it is somebody's.
    pub proven: bool,
}

impl<S: ByteStream, F: Framer, T> Table<S, F, T> {
    /// An empty table whose sockets wake the poll behind `registry` with tokens from `base` on, [`TOKENS`] of them.
    pub fn new(registry: Registry, base: usize, limits: Limits) -> Self {
        Self {
            registry,
            base,
            limits,
            listeners: Vec::new(),
            knocked: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::default(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            doomed: VecDeque::new(),
            admission: Admission::default(),
            next_sweep: None,
            accept_again: None,
            counters: StreamCounters::default(),
        }
    }

    /// Connections come from a balancer: a source is not one client.
    pub fn share_sources(&mut self) {
        self.admission.share_sources();
    }

    /// Adds a listener.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let at = self.listeners.len();
        debug_assert!(at < MAX_LISTENERS, "there are not that many addresses");
        let token = Token(self.base + at);
        self.registry
            .register(listener.source(), token, Interest::READABLE)?;
        self.listeners.push(listener);
        self.knocked.push(true);
        Ok(())
    }

    /// Notes what can be done. False where the event is not ours.
    pub fn handle_event(&mut self, event: &Event) -> bool {
        let Some(at) = event
            .token()
            .0
            .checked_sub(self.base)
            .filter(|at| *at < TOKENS)
        else {
            return false;
        };
        if let Some(knocked) = self.knocked.get_mut(at) {
            *knocked = true;
        } else if let Some(at) = at.checked_sub(MAX_LISTENERS) {
            if event.is_readable() || event.is_error() {
                self.mark_ready(at);
            }
            if event.is_writable() {
                self.mark_dirty(at);
            }
        }
        true
    }

    /// True where something waits to be read, accepted or closed.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.doomed.is_empty() || self.knocked.contains(&true)
    }

    /// Accepts what waits, a bounded number per call. `make` says what it is to be; None from it closes the stream.
    pub fn accept(
        &mut self,
        now: Instant,
        mut make: impl FnMut(Accepted) -> Option<(Key, S, F, T)>,
    ) {
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            self.knocked.fill(true);
        }
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.knocked.get(at).is_some_and(|knocked| *knocked) {
                    break;
                }
                let Some((stream, remote)) = self.knock(now, at) else {
                    break;
                };
                let Some(local) = self.listeners.get(at).map(Listener::local) else {
                    break;
                };
                self.counters.accepted += 1;
                if !self.admission.enter(remote.ip()) {
                    self.counters.refused += 1;
                    continue;
                }
                let key = Key { local, remote };
                let added =
                    make(Accepted { stream, key }).is_some_and(|(key, stream, framer, owned)| {
                        let connection = Connection::new(now, stream, framer, &[]);
                        self.insert(now, key, connection, owned).is_ok()
                    });
                if !added {
                    self.admission.leave(remote.ip());
                }
            }
        }
    }

    /// Takes over a connection that another worker accepted at `opened` and of which it read `read`. False where it
    /// was closed instead.
    pub fn adopt(
        &mut self,
        now: Instant,
        opened: Instant,
        key: Key,
        (stream, framer, owned): (S, F, T),
        read: &[u8],
    ) -> bool {
        if !self.admission.enter(key.remote.ip()) {
            self.counters.refused += 1;
            return false;
        }
        let connection = Connection::new(opened, stream, framer, read);
        let Ok(at) = self.insert(now, key, connection, owned) else {
            self.admission.leave(key.remote.ip());
            return false;
        };
        // What was read already raises no event.
        self.mark_ready(at);
        true
    }

    /// Receives from the connection that has waited longest; none where all are read. What must be closed for what it
    /// sent is closed by the next [`Table::poll_closed`], behind its messages.
    pub fn receive(&mut self, now: Instant, slots: &mut StreamSlots) -> Option<Received> {
        loop {
            let at = self.ready.pop_front()?;
            let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else {
                continue;
            };
            slot.ready = false;
            if slot.doomed {
                continue;
            }
            let received = Received {
                key: slot.key,
                proven: slot.connection.is_proven(),
            };
            match slot.connection.receive(now, slots) {
                Ok(true) => self.mark_ready(at),
                Ok(false) => {}
                Err(reason) => self.doom(at, reason),
            }
            // A stream over the connection may have had something to say to that.
            self.mark_dirty(at);
            return Some(received);
        }
    }

    /// Takes a message for a connection; it leaves with the next [`Table::flush`]. False where it was dropped.
    pub fn push(&mut self, now: Instant, key: Key, message: &[u8], urgency: Urgency) -> bool {
        let at = self.by_key.get(&key).copied();
        let Some((at, slot)) = at.and_then(|at| Some((at, self.slots.get_mut(at)?.as_mut()?)))
        else {
            self.counters.dropped_gone += 1;
            return false;
        };
        if !slot.connection.push(now, message, urgency) {
            self.counters.dropped_full += 1;
            return false;
        }
        self.mark_dirty(at);
        true
    }

    /// Writes what the connections take.
    pub fn flush(&mut self, now: Instant) {
        while let Some(at) = self.dirty.pop() {
            let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else {
                continue;
            };
            slot.dirty = false;
            if slot.connection.wants_write()
                && let Err(reason) = slot.connection.flush(now)
            {
                self.doom(at, reason);
            }
        }
    }

    /// A connection is somebody's.
    pub fn prove(&mut self, key: Key) {
        if let Some(slot) = self.slot_mut(key)
            && !slot.connection.is_proven()
        {
            slot.connection.prove();
            self.admission.leave(key.remote.ip());
        }
    }

    /// What its owner keeps with a connection.
    pub fn owned(&mut self, key: Key) -> Option<&mut T> {
        self.slot_mut(key).map(|slot| &mut slot.owned)
    }

    /// All connections, with what their owner keeps.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.slots
            .iter_mut()
            .flatten()
            .filter(|slot| !slot.doomed)
            .map(|slot| (slot.key, &mut slot.owned))
    }

    /// Closes a connection with the next [`Table::poll_closed`], behind what waits for it.
    pub fn close(&mut self, key: Key, reason: CloseReason) {
        if let Some(&at) = self.by_key.get(&key) {
            self.doom(at, reason);
        }
    }

    /// Takes a connection out, for another worker.
    pub fn take(&mut self, key: Key) -> Option<(Instant, S, T)> {
        let at = *self.by_key.get(&key)?;
        let mut slot = self.remove(at)?;
        let _ = self.registry.deregister(slot.connection.stream.source());
        self.counters.close(CloseReason::HandedOver);
        Some((
            slot.connection.opened(),
            slot.connection.into_stream(),
            slot.owned,
        ))
    }

    /// Closes what took too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        for at in 0..self.slots.len() {
            let deadline = self
                .slots
                .get(at)
                .and_then(Option::as_ref)
                .and_then(|slot| slot.connection.deadline(&self.limits));
            if let Some((due, reason)) = deadline
                && due <= now
            {
                self.doom(at, reason);
            }
        }
        self.next_sweep = (!self.by_key.is_empty()).then(|| now + SWEEP);
    }

    /// Closes one connection whose end was decided: which, with what its owner kept.
    pub fn poll_closed(&mut self, now: Instant) -> Option<(Key, T, CloseReason)> {
        loop {
            let (at, reason) = self.doomed.pop_front()?;
            let Some(mut slot) = self.remove(at) else {
                continue;
            };
            if reason == CloseReason::Unused {
                // A goodbye may be waiting; what the socket does not take at once is lost.
                let _ = slot.connection.flush(now);
            }
            let _ = self.registry.deregister(slot.connection.stream.source());
            self.counters.close(reason);
            return Some((slot.key, slot.owned, reason));
        }
    }

    /// When to call [`Table::handle_timeout`] or [`Table::accept`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.next_sweep, self.accept_again]
            .into_iter()
            .flatten()
            .min()
    }

    /// Connections held.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    fn knock(&mut self, now: Instant, at: usize) -> Option<(TcpStream, SocketAddr)> {
        match self.listeners.get_mut(at)?.accept(now) {
            Accept::Connection(stream, remote) => return Some((stream, remote)),
            Accept::None => {}
            Accept::Paused(until) => {
                self.accept_again = Some(self.accept_again.map_or(until, |old| old.min(until)));
            }
        }
        *self.knocked.get_mut(at)? = false;
        None
    }

    fn insert(
        &mut self,
        now: Instant,
        key: Key,
        mut connection: Connection<S, F>,
        owned: T,
    ) -> io::Result<usize> {
        let at = self.free.pop().unwrap_or(self.slots.len());
        let token = Token(self.base + MAX_LISTENERS + at);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if at + MAX_LISTENERS >= TOKENS {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if let Err(error) = self
            .registry
            .register(connection.stream.source(), token, interest)
        {
            if at < self.slots.len() {
                self.free.push(at);
            }
            return Err(error);
        }
        if at == self.slots.len() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(Slot {
                connection,
                key,
                owned,
                ready: false,
                dirty: false,
                doomed: false,
            });
        }
        // The kernel may have closed an earlier connection of these addresses without our having read that.
        if let Some(former) = self.by_key.insert(key, at) {
            self.doom(former, CloseReason::Remote);
        }
        self.next_sweep.get_or_insert(now + SWEEP);
        Ok(at)
    }

    fn remove(&mut self, at: usize) -> Option<Slot<S, F, T>> {
        let slot = self.slots.get_mut(at)?.take()?;
        if self.by_key.get(&slot.key) == Some(&at) {
            self.by_key.remove(&slot.key);
        }
        if !slot.connection.is_proven() {
            self.admission.leave(slot.key.remote.ip());
        }
        self.free.push(at);
        Some(slot)
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot<S, F, T>> {
        let at = *self.by_key.get(&key)?;
        self.slots.get_mut(at)?.as_mut()
    }

    fn doom(&mut self, at: usize, reason: CloseReason) {
        if let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut)
            && !std::mem::replace(&mut slot.doomed, true)
        {
            self.doomed.push_back((at, reason));
        }
    }

    fn mark_ready(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut)
            && !std::mem::replace(&mut slot.ready, true)
        {
            self.ready.push_back(at);
        }
    }

    fn mark_dirty(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut)
            && !std::mem::replace(&mut slot.dirty, true)
        {
            self.dirty.push(at);
        }
    }
}

/// Tokens of one table: [`MAX_LISTENERS`], then one per connection.
pub const TOKENS: usize = 1 << 24;
/// Listeners of one table: one per local address.
const MAX_LISTENERS: usize = 256;
/// Connections accepted per listener and turn: media waits for no more.
const ACCEPTS_PER_TURN: usize = 32;
/// Deadlines are looked at this often.
const SWEEP: Duration = Duration::from_millis(500);
