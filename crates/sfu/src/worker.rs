//! One worker's world, driven by five verbs. Dispatch only: each noun has its own file.

use std::net::SocketAddr;
use std::time::Instant;

use sluice_wire::id::WorkerId;

use crate::command::{Command, OpenPeer};
use crate::config::{LocalAddress, WorkerConfig};
use crate::egress::{Egress, Transmit};
use crate::event::Event;
use crate::link::LinkMessage;

/// One worker's world. A turn of its loop: any number of `handle_*`, then [`Worker::flush`], then all `poll_*`.
pub struct Worker {
    config: WorkerConfig,
    egress: Egress,
}

impl Worker {
    /// A worker without peers.
    pub fn new(config: WorkerConfig, _now: Instant) -> Self {
        Self {
            config,
            egress: Egress::default(),
        }
    }

    /// Handles one command but `openPeer`, which needs sockets: see [`Worker::open_peer`].
    pub fn handle_command(&mut self, _now: Instant, _command: Command) {}

    /// Opens a transport that owns or shares the sockets `locals`.
    pub fn open_peer(&mut self, _now: Instant, _open: OpenPeer, _locals: &[LocalAddress]) {}

    /// Takes one datagram in; `buf` is decrypted in place. Media goes on with the next [`Worker::flush`].
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _local: SocketAddr,
        _remote: SocketAddr,
        _buf: &mut [u8],
    ) {
    }

    /// Takes one message of another worker in.
    pub fn handle_link(&mut self, _now: Instant, _from: WorkerId, _message: LinkMessage) {}

    /// Does what is due; cheap where nothing is.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Ends the turn: fans the media out that came in since the last flush.
    pub fn flush(&mut self, _now: Instant) {}

    /// The next send. All must be polled before the next turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.egress.poll_transmit()
    }

    /// The next message to another worker.
    pub fn poll_link(&mut self) -> Option<(WorkerId, LinkMessage)> {
        None
    }

    /// The next report to the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`Worker::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Which worker owns the transport that a STUN binding request is for, by the first character of the ufrag in
    /// its USERNAME: `0`–`9`, `A`–`Z`, `a`–`z` for workers 0 to 61. For sockets that several workers share.
    pub fn owner_of(_datagram: &[u8]) -> Option<WorkerId> {
        None
    }

    /// This worker.
    pub fn id(&self) -> WorkerId {
        self.config.id
    }
}
