//! Messages over ICE-TCP, and the ends of connections.

use std::time::Instant;

use sluice_sfu::Worker;

use super::Thread;
use crate::ice_tcp::path_of;
use crate::mesh::Hop;
use crate::stream::Key;

/// What becomes of a connection that has not proved itself, by what came first.
enum Greeting {
    /// Nothing whole has come.
    None,
    /// A check for a transport of ours.
    Ours,
    /// It went to the worker whose the check is.
    HandedOver,
    /// Anything else.
    Refused,
}

impl Thread {
    /// Takes in who connects and what the connections have; how many messages that was.
    pub(super) fn handle_connections(&mut self, now: Instant) -> u64 {
        self.seat.tcp.accept(now);
        let mut count = 0;
        while count < MAX_MESSAGES
            && let Some(received) = self.seat.tcp.receive(now, &mut self.stream_slots)
        {
            let key = received.key;
            if !received.proven && !matches!(self.greet(key), Greeting::Ours) {
                continue;
            }
            let path = path_of(key);
            for message in self.stream_slots.messages() {
                count += 1;
                if !message.is_empty() {
                    self.world.handle_datagram(now, path, message);
                }
            }
            if !received.proven
                && let Some(peer) = self.world.peer_at(path)
            {
                self.seat.tcp.bind(now, key, peer);
            }
        }
        self.saturated |= self.seat.tcp.has_work();
        count
    }

    /// Ends what is over, and tells whom it carried.
    pub(super) fn close_connections(&mut self, now: Instant) {
        let world = &self.world;
        self.seat
            .tcp
            .handle_timeout(now, |peer, path| world.is_valid(peer, path));
        while let Some(path) = self.seat.tcp.poll_closed(now) {
            self.world.handle_path_closed(now, path);
        }
    }

    /// Looks at what a connection begins with. Only a whole check with a ufrag that we gave out opens the door.
    fn greet(&mut self, key: Key) -> Greeting {
        let Some(first) = self.stream_slots.first() else {
            return Greeting::None;
        };
        let owner = Worker::owner_of(first).filter(|owner| self.seat.ends.knows(*owner));
        match owner {
            Some(me) if me == self.world.id() && self.world.knows_check(first) => Greeting::Ours,
            Some(other) if other != self.world.id() => {
                let visitor = self.seat.tcp.release(key, self.stream_slots.bytes());
                if let Some(visitor) = visitor {
                    self.seat
                        .ends
                        .send(other, Hop::Connection(Box::new(visitor)));
                }
                Greeting::HandedOver
            }
            _ => {
                self.seat.tcp.refuse(key);
                Greeting::Refused
            }
        }
    }
}

/// Messages per turn, for the reason of `MAX_DATAGRAMS`.
const MAX_MESSAGES: u64 = 256;
