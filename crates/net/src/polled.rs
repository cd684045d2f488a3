//! Sockets that one poll watches: by token, and in a queue while they may have something to read.

use std::collections::VecDeque;
use std::io;

use mio::event::Source;
use mio::{Interest, Registry, Token};

/// What the poll watches of an entry.
pub trait Watched {
    /// What is registered.
    type Source: Source;

    /// It.
    fn source(&mut self) -> &mut Self::Source;
}

/// Entries by number; numbers of those that are gone are used again.
pub struct Polled<T> {
    registry: Registry,
    /// Tokens from here on are ours.
    base: usize,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    ready: VecDeque<usize>,
    is_ready: Vec<bool>,
}

impl<T: Watched> Polled<T> {
    /// Nothing yet; entries wake the poll behind `registry` with tokens from `base` on.
    pub fn new(registry: Registry, base: usize) -> Self {
        Self {
            registry,
            base,
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            is_ready: Vec::new(),
        }
    }

    /// Adds an entry; its number.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn insert(&mut self, mut entry: T) -> io::Result<usize> {
        let at = self.free.pop().unwrap_or(self.slots.len());
        let token = Token(self.base + at);
        if let Err(error) = self
            .registry
            .register(entry.source(), token, Interest::READABLE)
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
            *place = Some(entry);
        }
        Ok(at)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        let mut entry = self.slots.get_mut(at)?.take()?;
        // Closing deregisters too; this only keeps a duplicated descriptor from lingering in the poll.
        let _ = self.registry.deregister(entry.source());
        self.free.push(at);
        Some(entry)
    }

    /// The entry of a number.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.slots.get_mut(at)?.as_mut()
    }

    /// Notes that the entry of a token has something to read. False where the token is not ours.
    pub fn handle_ready(&mut self, token: Token) -> bool {
        let Some(at) = token.0.checked_sub(self.base) else {
            return false;
        };
        self.mark_ready(at);
        true
    }

    /// Notes that an entry may have more to read.
    pub fn mark_ready(&mut self, at: usize) {
        if let Some(ready) = self.is_ready.get_mut(at)
            && !std::mem::replace(ready, true)
        {
            self.ready.push_back(at);
        }
    }

    /// True where something may still be waiting to be read.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The entry that has waited longest to be read; it is not ready any more then.
    pub fn poll_ready(&mut self) -> Option<usize> {
        loop {
            let at = self.ready.pop_front()?;
            if let Some(ready) = self.is_ready.get_mut(at) {
                *ready = false;
            }
            if self.slots.get(at).is_some_and(Option::is_some) {
                return Some(at);
            }
        }
    }

    /// Entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Places there are, entries in them or not.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.slots.len()
    }
}
