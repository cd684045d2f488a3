//! Datagrams and link messages, in and out.

use std::time::Instant;

use sluice_sfu::Transmit;
use sluice_sfu::pool::{Pool, SLOT_BYTES};
use sluice_wire::path::{Path, Via};

use super::relays::pass_on;
use super::{Seat, Thread};
use crate::mesh::Hop;
use crate::mux::Route;

impl Thread {
    /// Takes in what other workers sent; how many that was.
    pub(super) fn handle_hops(&mut self, now: Instant) -> u64 {
        let mut count = 0;
        for from in self.seat.ends.workers() {
            let mut hops = 0;
            while hops < MAX_HOPS_PER_WORKER
                && let Some(hop) = self.seat.ends.poll(from)
            {
                hops += 1;
                match hop {
                    Hop::Link(message) => self.world.handle_link(now, from, message),
                    Hop::Connection(visitor) => self.seat.tcp.handle_visitor(now, *visitor),
                    Hop::Claim { path } => {
                        self.seat.handoff.handle_claim(now, from, path);
                    }
                    Hop::Relayed { path, bytes } => {
                        if let Some(relay) = &mut self.seat.relay {
                            let transmit = Transmit {
                                path,
                                segment_size: None,
                                bytes: &bytes,
                            };
                            relay.handle_media(now, &transmit);
                        }
                    }
                    Hop::Datagram { path, bytes } => {
                        self.seat.handoff.handle_visitor(from, path, &bytes);
                        let mut copy = [0; SLOT_BYTES];
                        if let Some(copy) = copy.get_mut(..bytes.len()) {
                            copy.copy_from_slice(&bytes);
                            self.world.handle_datagram(now, path, copy);
                        }
                    }
                }
            }
            count += hops;
            self.saturated |= hops == MAX_HOPS_PER_WORKER;
        }
        count
    }

    /// Takes in what the sockets have; how many that was.
    pub(super) fn handle_datagrams(&mut self, now: Instant) -> u64 {
        let mut count = 0;
        while count < MAX_DATAGRAMS
            && let Some(local) = self.seat.sockets.receive(&mut self.slots)
        {
            for (remote, datagram) in self.slots.datagrams() {
                count += 1;
                let path = Path::udp(local, remote);
                match self.seat.handoff.route(path, datagram) {
                    Route::Here => self.world.handle_datagram(now, path, datagram),
                    Route::To(owner) => {
                        // Nothing larger than a slot is for us: it holds more than any MTU of ours.
                        let ends = &mut self.seat.ends;
                        if pass_on(&mut self.pool, datagram, |bytes| {
                            ends.send(owner, Hop::Datagram { path, bytes });
                        }) {
                            self.handed_over += 1;
                        } else {
                            ends.lost.droppable += 1;
                        }
                    }
                }
            }
        }
        self.saturated |= self.seat.sockets.has_ready();
        count
    }

    /// Hands over what the other workers are to get, and wakes them.
    pub(super) fn pass_links(&mut self) {
        while let Some((to, message)) = self.world.poll_link() {
            self.seat.ends.send(to, Hop::Link(message));
        }
        self.seat.ends.flush();
    }

    pub(super) fn transmit(&mut self, now: Instant) {
        let (seat, pool) = (&mut self.seat, &mut self.pool);
        let alone = seat.handoff.is_idle();
        while let Some(transmit) = self.world.poll_transmit() {
            match transmit.path.via {
                Via::Udp => seat.sockets.send(now, &transmit),
                Via::Tcp => seat.tcp.send(now, &transmit),
                Via::RelayUdp | Via::RelayTcp | Via::RelayTls => relay(seat, pool, now, &transmit),
            }
            if alone || transmit.path.via == Via::Tcp {
                continue;
            }
            let path = transmit.path;
            if let Some(host) = seat.handoff.handle_transmit(path, transmit.bytes) {
                seat.ends.send(host, Hop::Claim { path });
            }
        }
    }

    pub(super) fn end_sends(&mut self, now: Instant) {
        let seat = &mut self.seat;
        seat.tcp.flush(now);
        if let Some(relay) = &mut seat.relay {
            relay.flush(now);
        }
        seat.handoff.end_turn();
        seat.ends.flush();
    }
}

/// Sends to a client of a TURN server of ours: from here, or from the worker whose relay port it is.
fn relay(seat: &mut Seat, pool: &mut Pool, now: Instant, transmit: &Transmit<'_>) {
    let Some(relay) = &mut seat.relay else {
        seat.sockets.counters.refused += 1;
        return;
    };
    let path = transmit.path;
    match relay.worker_of(path) {
        Some(worker) if worker == relay.me() => relay.handle_media(now, transmit),
        Some(worker) => {
            let segment = transmit.segment_size.unwrap_or(transmit.bytes.len());
            for bytes in transmit.bytes.chunks(segment.max(1)) {
                let send = |bytes| seat.ends.send(worker, Hop::Relayed { path, bytes });
                if !pass_on(pool, bytes, send) {
                    seat.ends.lost.droppable += 1;
                }
            }
        }
        None => seat.sockets.counters.refused += 1,
    }
}

/// Datagrams per turn: beyond, what they fan out to would outgrow the caches, and timers would wait.
const MAX_DATAGRAMS: u64 = 256;

/// Messages of one neighbour per turn, for the same reason.
const MAX_HOPS_PER_WORKER: u64 = 512;
