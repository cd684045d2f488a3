//! One client's conversation with the server.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::event::{LocalTransport, Pc, SessionEvent};
use super::plan::{Quality, SessionConfig};

/// One client's conversation with the server, from the server's first message on.
pub struct Session {
    config: SessionConfig,
    sends: VecDeque<Bytes>,
    events: VecDeque<SessionEvent>,
}

impl Session {
    /// A conversation in which nothing was said yet.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            sends: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes one binary message of the WebSocket.
    pub fn handle_message(&mut self, now: Instant, message: &[u8]) {
        let _ = (now, message, &self.config);
    }

    /// A transport that was asked for is there.
    pub fn set_local(&mut self, now: Instant, pc: Pc, local: LocalTransport) {
        let _ = (now, pc, local);
    }

    /// ICE and DTLS of a transport stand.
    pub fn handle_connected(&mut self, now: Instant, pc: Pc) {
        let _ = (now, pc);
    }

    /// Asks for another layer of a track that is received.
    pub fn set_layer(&mut self, track: &str, quality: Quality) {
        let _ = (track, quality);
    }

    /// Says goodbye; the socket may be closed when all is sent.
    pub fn leave(&mut self) {}

    /// Pings where that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next binary message for the WebSocket.
    pub fn poll_send(&mut self) -> Option<Bytes> {
        self.sends.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When to call [`Session::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
