//! One connection: what came in and is no whole message yet, what waits to go out, and how long it may live so.

use std::io;
use std::time::{Duration, Instant};

use super::bytes::{ByteStream, is_passing};
use super::framer::Framer;
use super::outbound::{Outbound, Urgency};
use super::slots::StreamSlots;

/// How long a connection may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From accepting it until it is proved to be somebody's.
    pub unproven: Duration,
    /// From the first byte of a message to its last.
    pub partial: Duration,
    /// With something to write and nothing taken.
    pub stalled: Duration,
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It proved nothing in time.
    Unproven,
    /// A message took too long to come.
    Partial,
    /// It took nothing for too long.
    Stalled,
    /// Its bytes are no messages of the kind.
    Junk,
    /// By the other side, in order or not.
    Remote,
    /// Nobody uses it any more: its peer ended or left it.
    Unused,
    /// Handed over to another worker: it lives on there.
    HandedOver,
}

/// A connection.
pub struct Connection<S, F> {
    pub(super) stream: S,
    framer: F,
    /// The beginning of a message whose rest has not come.
    partial: Vec<u8>,
    partial_since: Option<Instant>,
    outbound: Outbound,
    opened: Instant,
    proven: bool,
}

impl<S: ByteStream, F: Framer> Connection<S, F> {
    /// A connection opened at `opened`, of which `read` was read already.
    pub fn new(opened: Instant, stream: S, framer: F, read: &[u8]) -> Self {
        Self {
            stream,
            framer,
            partial: read.to_vec(),
            partial_since: None,
            outbound: Outbound::default(),
            opened,
            proven: false,
        }
    }

    /// Reads what one call yields into `slots`. True where more may be waiting.
    ///
    /// # Errors
    /// Why it must be closed; messages before that are in `slots` all the same.
    pub fn receive(&mut self, now: Instant, slots: &mut StreamSlots) -> Result<bool, CloseReason> {
        slots.messages.clear();
        slots.filled = self.partial.len();
        let (Some(kept), room) = (
            slots.memory.get_mut(..self.partial.len()),
            self.partial.len()..,
        ) else {
            return Err(CloseReason::Junk);
        };
        kept.copy_from_slice(&self.partial);
        let read = match slots.memory.get_mut(room) {
            Some(room) => self.stream.read(room),
            None => return Err(CloseReason::Junk),
        };
        let (more, ended) = match read {
            Ok(0) => (false, true),
            Ok(count) => {
                slots.filled += count;
                (true, false)
            }
            Err(error) if is_passing(&error) => (error.kind() == io::ErrorKind::Interrupted, false),
            // What the bytes travel in does not understand them.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(CloseReason::Junk);
            }
            Err(_) => (false, true),
        };
        self.cut(now, slots)?;
        if ended {
            return Err(CloseReason::Remote);
        }
        Ok(more)
    }

    /// Finds the messages in what was read and keeps the rest.
    fn cut(&mut self, now: Instant, slots: &mut StreamSlots) -> Result<(), CloseReason> {
        let mut at = 0;
        loop {
            let rest = slots.memory.get(at..slots.filled).unwrap_or_default();
            match self.framer.first(rest) {
                Ok(Some(frame)) => {
                    let range = at + frame.message.start..at + frame.message.end;
                    slots.messages.push(range);
                    at += frame.end.max(1);
                }
                Ok(None) => break,
                Err(_) => return Err(CloseReason::Junk),
            }
        }
        let rest = slots.memory.get(at..slots.filled).unwrap_or_default();
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        self.partial_since = match self.partial_since {
            _ if rest.is_empty() => None,
            // The same message still: the clock runs on.
            Some(since) if at == 0 => Some(since),
            _ => Some(now),
        };
        Ok(())
    }

    /// Takes a message to send with the next [`Connection::flush`]. False where it was dropped.
    pub fn push(&mut self, now: Instant, message: &[u8], urgency: Urgency) -> bool {
        self.outbound.push(now, &self.framer, message, urgency)
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// [`CloseReason::Remote`] where the connection is gone.
    pub fn flush(&mut self, now: Instant) -> Result<(), CloseReason> {
        self.outbound
            .flush(now, &mut self.stream)
            .map_err(|_| CloseReason::Remote)
    }

    /// True where something waits for the socket.
    pub fn wants_write(&self) -> bool {
        !self.outbound.is_empty() || self.stream.wants_write()
    }

    /// It is somebody's: the limit of unproven ones no longer holds.
    pub fn prove(&mut self) {
        self.proven = true;
    }

    /// True after [`Connection::prove`].
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// When it was accepted.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// When it is closed unless something happens before, and why.
    pub fn deadline(&self, limits: &Limits) -> Option<(Instant, CloseReason)> {
        let unproven =
            (!self.proven).then(|| (self.opened + limits.unproven, CloseReason::Unproven));
        let partial = self
            .partial_since
            .map(|since| (since + limits.partial, CloseReason::Partial));
        let stalled = self
            .outbound
            .stalled_since()
            .map(|since| (since + limits.stalled, CloseReason::Stalled));
        [unproven, partial, stalled]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// Ends our use of the stream and hands it out.
    pub fn into_stream(self) -> S {
        self.stream
    }
}
