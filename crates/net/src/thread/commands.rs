//! Commands, and the sockets that some of them need.

use std::time::{Duration, Instant};

use sluice_sfu::command::{Command, OpenPeer};
use sluice_sfu::event::{Event, PeerCloseReason};
use sluice_wire::id::PeerId;

use super::Thread;
use crate::outbox::{Outbox, Report};

impl Thread {
    pub(super) fn handle_commands(&mut self, now: Instant, outbox: &mut Outbox) {
        let start = Instant::now();
        while start.elapsed() < COMMAND_BUDGET
            && let Some(command) = self.seat.commands.poll()
        {
            match command {
                Command::OpenPeer(open) => self.open_peer(now, open, outbox),
                Command::ClosePeer { peer } => {
                    self.world.handle_command(now, Command::ClosePeer { peer });
                    self.ended.push(peer);
                }
                other => self.world.handle_command(now, other),
            }
        }
        self.saturated |= !self.seat.commands.is_empty();
    }

    /// Closes the sockets of peers that ended. Called at a turn's end, behind the last that they had to say.
    pub(super) fn close_ended(&mut self) {
        for peer in self.ended.drain(..) {
            self.seat.sockets.close_peer(peer);
            self.seat.tcp.close_peer(peer);
        }
    }

    fn open_peer(&mut self, now: Instant, open: OpenPeer, outbox: &mut Outbox) {
        let Some(book) = &self.seat.ports else {
            let locals = [self.seat.sockets.shared(), self.seat.tcp.addresses()].concat();
            self.world.open_peer(now, open, &locals);
            return;
        };
        let addresses: Vec<_> = self.seat.engine.addresses.iter().map(|a| a.bind).collect();
        let buffer = self.seat.engine.receive_buffer_bytes;
        let (lease, sockets) = match book.bind(&mut self.rng, &addresses, buffer) {
            Ok(bound) => bound,
            Err(error) => return self.refuse(now, open.peer, error.to_string(), outbox),
        };
        lease.assign(self.world.id());
        match self.seat.sockets.add_peer(now, open.peer, lease, sockets) {
            Ok(mut locals) => {
                locals.extend_from_slice(self.seat.tcp.addresses());
                self.world.open_peer(now, open, &locals);
            }
            Err(error) => self.refuse(now, open.peer, error.to_string(), outbox),
        }
    }

    fn refuse(&mut self, now: Instant, peer: PeerId, detail: String, outbox: &mut Outbox) {
        tracing::warn!(peer = peer.0, detail, "no socket for a transport");
        self.refused_peers += 1;
        let reason = PeerCloseReason::PortsExhausted;
        outbox.push(
            now,
            Report::Event(Event::PeerClosed {
                peer,
                reason,
                detail,
            }),
        );
    }
}

/// Time for commands per turn: a thousand joins at once must not hold media up for longer.
const COMMAND_BUDGET: Duration = Duration::from_millis(2);
