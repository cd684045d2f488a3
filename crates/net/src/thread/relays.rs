//! What TURN clients send, and the short cut: payload for our own media ports never touches a socket.

use std::time::{Instant, SystemTime};

use sluice_sfu::Worker;
use sluice_sfu::pool::Pool;
use sluice_turn::{Client, Transport};

use super::{Seat, Thread};
use crate::mesh::{Ends, Hop};
use crate::mux::Handoff;
use crate::relay::{Relay, Source};

/// One turn's way of payload to its worker.
struct ShortCut<'a> {
    now: Instant,
    /// Seconds since the epoch.
    wall: u64,
    world: &'a mut Worker,
    handoff: &'a Handoff,
    ends: &'a mut Ends,
    pool: &'a mut Pool,
    handed_over: &'a mut u64,
}

impl Thread {
    /// Takes in what TURN clients and peers of relays sent; how many messages that was.
    pub(super) fn handle_relays(&mut self, now: Instant) -> u64 {
        let Seat {
            relay: Some(relay),
            handoff,
            ends,
            ..
        } = &mut self.seat
        else {
            return 0;
        };
        let mut way = ShortCut {
            now,
            wall: seconds_since_epoch(),
            world: &mut self.world,
            handoff,
            ends,
            pool: &mut self.pool,
            handed_over: &mut self.handed_over,
        };
        let mut count = 0;
        while count < MAX_MESSAGES
            && let Some(source) = relay.receive_datagrams(&mut self.slots)
        {
            match source {
                Source::Clients { local } => {
                    for (remote, to, datagram) in self.slots.datagrams_to() {
                        count += 1;
                        let mut local = local;
                        if let Some(ip) = to.filter(|_| local.ip().is_unspecified()) {
                            local.set_ip(ip);
                        }
                        let client = Client {
                            transport: Transport::Udp,
                            local,
                            remote,
                        };
                        way.take(relay, client, datagram);
                    }
                }
                Source::Peers { relayed } => {
                    for (peer, datagram) in self.slots.datagrams() {
                        count += 1;
                        relay.handle_peer(now, relayed, peer, datagram);
                    }
                }
            }
            relay.settle(now);
        }
        relay.accept(now);
        // Handshakes cost more than messages: time is what bounds both.
        let start = Instant::now();
        while start.elapsed() < STREAM_BUDGET
            && let Some(arrival) = relay.receive_messages(now, &mut self.stream_slots)
        {
            for message in self.stream_slots.messages() {
                count += 1;
                way.take(relay, arrival.client, message);
            }
            relay.settle(now);
            if !arrival.proven {
                relay.prove(arrival.client);
            }
        }
        self.saturated |= relay.has_work();
        count
    }
}

impl ShortCut<'_> {
    /// Hands a client's message on.
    fn take(&mut self, relay: &mut Relay, client: Client, bytes: &mut [u8]) {
        let Some((path, payload)) = relay.handle_client(self.now, self.wall, client, bytes) else {
            return;
        };
        let Some(owner) = relay.owner(path, payload, self.handoff) else {
            return;
        };
        if owner == relay.me() {
            self.world.handle_datagram(self.now, path, payload);
        } else if pass_on(self.pool, payload, |bytes| {
            self.ends.send(owner, Hop::Datagram { path, bytes });
        }) {
            *self.handed_over += 1;
        } else {
            self.ends.lost.droppable += 1;
        }
    }
}

/// Copies a datagram for another worker. False where there is no room.
pub(super) fn pass_on(
    pool: &mut Pool,
    datagram: &[u8],
    send: impl FnOnce(sluice_sfu::pool::PoolBuffer),
) -> bool {
    let copy = pool.fill(|slot| {
        slot.get_mut(..datagram.len())?.copy_from_slice(datagram);
        Some(datagram.len())
    });
    copy.map(send).is_some()
}

/// Credentials end by the wall's clock.
fn seconds_since_epoch() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Messages per turn, for the reason of `MAX_DATAGRAMS`.
const MAX_MESSAGES: u64 = 256;

/// Time for streams per turn: an RSA handshake takes a millisecond, and media must not wait for many.
const STREAM_BUDGET: std::time::Duration = std::time::Duration::from_millis(2);
